/**
 * Stream sockets without a network: two ends joined by bounded queues, and a factory whose listeners are reached by `dial`. For what sits on
 * the socket contract (services, façades) and wants to see exactly when a queue is full. Readiness is told by edges, from `pump` only, as a
 * stack tells it from `poll` only.
 */
import { ANY4 } from '../../stack/core/address.js';
import { Errno } from '../../stack/core/errno.js';
import {
  type DatagramSocket,
  type Endpoint,
  Msg,
  Poll,
  type SocketFactory,
  type StreamSocket,
} from '../../stack/socket/socket.js';

const nothing = () => {};

export class PipeSocket implements StreamSocket {
  readonly family = 4;
  onReady: (bits: number) => void = nothing;
  /** Bytes sent to this end and not yet read. */
  readonly inbox: number[] = [];
  readonly capacity: number;
  peer: PipeSocket | null = null;
  closed = false;
  aborted = false;
  /** Calls of send that took something. */
  sends = 0;
  private told = 0;
  private finished = false;
  private readonly factory: PipeFactory;
  private readonly waiting: PipeSocket[] = [];
  private port = 0;

  constructor(factory: PipeFactory, capacity: number) {
    this.factory = factory;
    this.capacity = capacity;
  }

  get state(): number {
    return 0;
  }
  poll(): number {
    let bits = 0;
    if (this.inbox.length > 0 || this.waiting.length > 0) bits |= Poll.IN;
    if (this.peer?.finished || this.peer?.closed) bits |= Poll.IN | Poll.RDHUP;
    if (this.aborted) bits |= Poll.ERR | Poll.IN | Poll.OUT;
    else if (this.peer && this.peer.inbox.length < this.peer.capacity) bits |= Poll.OUT;
    return bits;
  }
  /** Tells what has become true since it was last looked at. */
  pump(): boolean {
    const now = this.poll();
    const fresh = now & ~this.told;
    this.told = now;
    if (fresh === 0 || this.closed) return false;
    this.onReady(fresh);
    return true;
  }

  bind(_address: unknown, port: number): number {
    if (this.factory.listeners.has(port)) return -Errno.EADDRINUSE;
    this.port = port;
    return 0;
  }
  listen(): number {
    this.factory.listeners.set(this.port, this);
    return 0;
  }
  accept(): StreamSocket | number {
    this.told &= ~Poll.IN;
    return this.waiting.shift() ?? -Errno.EAGAIN;
  }
  offer(s: PipeSocket): void {
    this.waiting.push(s);
  }

  send(from: Uint8Array, at: number, length: number): number {
    if (this.aborted) return -Errno.ECONNRESET;
    const peer = this.peer!;
    if (peer.closed || this.finished) return -Errno.EPIPE;
    const n = Math.min(length, peer.capacity - peer.inbox.length);
    if (n <= 0) {
      this.told &= ~Poll.OUT;
      return -Errno.EAGAIN;
    }
    for (let i = 0; i < n; i++) peer.inbox.push(from[at + i]!);
    this.sends++;
    return n;
  }
  sendTo(): number {
    return -Errno.EOPNOTSUPP;
  }
  receive(into: Uint8Array, at: number, length: number, flags: number): number {
    if (this.aborted) return -Errno.ECONNRESET;
    const n = Math.min(length, this.inbox.length);
    if (n === 0) {
      this.told &= ~Poll.IN;
      return this.peer!.finished || this.peer!.closed ? 0 : -Errno.EAGAIN;
    }
    for (let i = 0; i < n; i++) into[at + i] = this.inbox[i]!;
    if ((flags & Msg.PEEK) === 0) this.inbox.splice(0, n);
    return n;
  }
  shutdown(): number {
    this.finished = true;
    return 0;
  }
  close(): void {
    this.closed = true;
    if (this.factory.listeners.get(this.port) === this) this.factory.listeners.delete(this.port);
  }
  connect(): number {
    return -Errno.EOPNOTSUPP;
  }
  setOption(): number {
    return 0;
  }
  getOption(): { readonly errno: number } {
    return { errno: Errno.ENOPROTOOPT };
  }
  localName(): Endpoint {
    return { address: ANY4, port: this.port };
  }
  peerName(): null {
    return null;
  }
  readable(): number {
    return this.inbox.length;
  }
  unsent(): number {
    return 0;
  }
}

export class PipeFactory implements SocketFactory {
  readonly listeners = new Map<number, PipeSocket>();
  readonly sockets: PipeSocket[] = [];
  private readonly datagrams: (family: 4 | 6) => DatagramSocket;

  /** @param datagrams what `udp` gives */
  constructor(datagrams: (family: 4 | 6) => DatagramSocket) {
    this.datagrams = datagrams;
  }
  tcp(): PipeSocket {
    return this.make(0);
  }
  udp(family: 4 | 6): DatagramSocket {
    return this.datagrams(family);
  }
  ping(family: 4 | 6): DatagramSocket {
    return this.datagrams(family);
  }

  /** Connects to a listener: the client's end; each direction holds `capacity` bytes. The server's end is its peer. */
  dial(port: number, capacity: number): PipeSocket {
    const listener = this.listeners.get(port);
    if (!listener) throw new Error(`nobody listens on ${port}`);
    const client = this.make(capacity);
    const server = this.make(capacity);
    client.peer = server;
    server.peer = client;
    listener.offer(server);
    this.pump();
    return client;
  }

  /** Lets everybody work until nobody has anything to do. */
  pump(): void {
    for (let round = 0, busy = true; busy; round++) {
      if (round > 100_000) throw new Error('sockets keep each other busy');
      busy = false;
      for (const s of [...this.sockets]) if (s.pump()) busy = true;
    }
  }

  private make(capacity: number): PipeSocket {
    const s = new PipeSocket(this, capacity);
    this.sockets.push(s);
    return s;
  }
}
