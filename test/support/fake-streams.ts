/** Stream sockets without a stack: pairs of bounded buffers with TCP's semantics for errors and ends, to test what sits above sockets. */
import { IpAddress } from '../../stack/core/address.js';
import { Errno } from '../../stack/core/errno.js';
import { type Endpoint, Level, Poll, So, type SocketFactory, type StreamSocket } from '../../stack/socket/socket.js';

const LOCAL = IpAddress.from('10.0.0.1');

export class FakeStream implements StreamSocket {
  readonly family = 4;
  readonly state = 1;
  onReady: (bits: number) => void = () => {};
  closed = false;
  reset = false;
  options: [number, number, unknown][] = [];
  private readonly net: FakeStreams;
  private peer: FakeStream | null = null;
  private queue: Uint8Array[] = [];
  private queued = 0;
  private ended = false;
  private shutWrite = false;
  private error = 0;
  private port = 0;
  private lingerZero = false;
  private backlog: FakeStream[] | null = null;
  /** Bytes that may wait unread in this socket. */
  capacity = 4096;

  constructor(net: FakeStreams) {
    this.net = net;
  }
  static pair(a: FakeStream, b: FakeStream): void {
    a.peer = b;
    b.peer = a;
  }

  poll(): number {
    let bits = 0;
    if (this.error) bits |= Poll.ERR;
    if (this.backlog) return this.backlog.length > 0 ? Poll.IN : 0;
    if (this.queued > 0 || this.ended) bits |= Poll.IN;
    if (this.peer && this.peer.queued < this.peer.capacity) bits |= Poll.OUT;
    return bits;
  }
  bind(_address: IpAddress | null, port: number): number {
    if (this.net.listeners.has(port)) return -Errno.EADDRINUSE;
    this.port = port;
    return 0;
  }
  connect(_address: IpAddress | null, port: number): number {
    this.net.later(() => {
      if (this.closed) return;
      const l = this.net.listeners.get(port);
      if (!l) {
        this.fail(Errno.ECONNREFUSED);
        return;
      }
      const other = new FakeStream(this.net);
      FakeStream.pair(this, other);
      l.backlog!.push(other);
      l.onReady(Poll.IN);
      this.onReady(Poll.OUT);
    });
    return -Errno.EINPROGRESS;
  }
  listen(): number {
    this.backlog = [];
    this.net.listeners.set(this.port, this);
    return 0;
  }
  accept(): StreamSocket | number {
    return this.backlog!.shift() ?? -Errno.EAGAIN;
  }
  send(from: Uint8Array, at: number, length: number): number {
    if (this.error) return -this.takeError();
    const p = this.peer;
    if (!p || this.shutWrite || p.closed) return -Errno.EPIPE;
    const n = Math.min(length, p.capacity - p.queued);
    if (n === 0) return -Errno.EAGAIN;
    p.queue.push(Uint8Array.from(from.subarray(at, at + n)));
    p.queued += n;
    this.net.later(() => p.onReady(Poll.IN));
    return n;
  }
  sendTo(): number {
    return -Errno.EOPNOTSUPP;
  }
  receive(into: Uint8Array, at: number, length: number): number {
    const first = this.queue[0];
    if (first) {
      const n = Math.min(length, first.length);
      into.set(first.subarray(0, n), at);
      if (n === first.length) this.queue.shift();
      else this.queue[0] = first.subarray(n);
      this.queued -= n;
      const p = this.peer;
      if (p) this.net.later(() => p.onReady(Poll.OUT));
      return n;
    }
    if (this.error) return -this.takeError();
    return this.ended ? 0 : -Errno.EAGAIN;
  }
  readable(): number {
    return this.queued;
  }
  unsent(): number {
    return 0;
  }
  shutdown(): number {
    this.shutWrite = true;
    const p = this.peer;
    if (p) {
      this.net.later(() => {
        p.ended = true;
        p.onReady(Poll.IN | Poll.RDHUP);
      });
    }
    return 0;
  }
  close(): void {
    this.closed = true;
    if (this.backlog) this.net.listeners.delete(this.port);
    const p = this.peer;
    if (!p || p.closed) return;
    if (this.lingerZero || this.queued > 0) {
      this.reset = true;
      this.net.later(() => p.fail(Errno.ECONNRESET));
    } else if (!this.shutWrite) this.shutdown();
  }
  setOption(level: number, name: number, value: unknown): number {
    this.options.push([level, name, value]);
    if (level === Level.SOCKET && name === So.LINGER) this.lingerZero = Array.isArray(value) && value[0] === 1 && value[1] === 0;
    return 0;
  }
  getOption(_level: number, name: number): { readonly errno: number } | { readonly value: number } {
    return name === So.ERROR ? { value: this.takeError() } : { errno: Errno.ENOPROTOOPT };
  }
  localName(): Endpoint {
    return { address: LOCAL, port: this.port };
  }
  peerName(): Endpoint {
    return { address: LOCAL, port: 1 };
  }

  private fail(errno: number): void {
    this.error = errno;
    this.onReady(Poll.ERR | Poll.HUP);
  }
  private takeError(): number {
    const e = this.error;
    this.error = 0;
    if (e === Errno.ECONNRESET) this.ended = true;
    return e;
  }
}

export class FakeStreams implements SocketFactory {
  readonly listeners = new Map<number, FakeStream>();
  readonly made: FakeStream[] = [];
  private readonly events: (() => void)[] = [];

  tcp(): StreamSocket {
    const s = new FakeStream(this);
    this.made.push(s);
    return s;
  }
  udp(): never {
    throw new Error('only streams here');
  }
  ping(): never {
    throw new Error('only streams here');
  }
  later(event: () => void): void {
    this.events.push(event);
  }
  /** Lets everything happen that is under way now. */
  run(): void {
    for (const e of this.events.splice(0)) e();
  }
  get pending(): boolean {
    return this.events.length > 0;
  }
}
