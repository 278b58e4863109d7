/**
 * echo, discard and chargen with the very calls that the oracle's own agent makes (pieces of 64 KiB, chargen in writes of 4096 bytes), so
 * that the segments on the wire are the same. They run between two polls of the stack, as a process runs after the kernel's softirq.
 */
import { IpAddress } from '../../stack/core/address.js';
import {
  type DatagramSocket,
  Ip6Opt,
  Level,
  Msg,
  ReceivedFrom,
  So,
  type SocketFactory,
  type StreamSocket,
} from '../../stack/socket/socket.js';

type Kind = 'echo' | 'discard' | 'chargen';
const PORTS: readonly (readonly [Kind, number])[] = [
  ['echo', 7],
  ['discard', 9],
  ['chargen', 19],
];
const CHUNK = Uint8Array.from({ length: 4096 }, (_, i) => 33 + (i % 94));
const UDP_CHARGEN = new TextEncoder().encode('0123456789'.repeat(7));

/** One connection of a service: sends what it owes before it reads more, as sendall does. */
class Serving {
  readonly socket: StreamSocket;
  private readonly kind: Kind;
  private readonly buffer = new Uint8Array(65536);
  private owed: Uint8Array = new Uint8Array(0);

  constructor(socket: StreamSocket, kind: Kind) {
    this.socket = socket;
    this.kind = kind;
  }

  /** Goes on until a call would block. True when the connection is over. */
  step(): boolean {
    for (;;) {
      if (this.owed.length === 0 && this.kind === 'chargen') this.owed = CHUNK;
      if (this.owed.length > 0) {
        const n = this.socket.send(this.owed, 0, this.owed.length, Msg.DONTWAIT | Msg.NOSIGNAL);
        if (n === -11) return false;
        if (n < 0) return true;
        this.owed = this.owed.subarray(n);
        continue;
      }
      const n = this.socket.receive(this.buffer, 0, this.buffer.length, Msg.DONTWAIT);
      if (n === -11) return false;
      if (n <= 0) return true;
      if (this.kind === 'echo') this.owed = this.buffer.subarray(0, n);
    }
  }
}

export class ParityServices {
  private readonly factory: SocketFactory;
  private readonly listeners: { readonly socket: StreamSocket; readonly kind: Kind }[] = [];
  private readonly datagrams: { readonly socket: DatagramSocket; readonly kind: Kind }[] = [];
  private serving: Serving[] = [];
  private readonly buffer = new Uint8Array(65536);
  private readonly from = new ReceivedFrom();
  /** Some socket of theirs became ready since the last run. */
  private ready = false;

  constructor(factory: SocketFactory) {
    this.factory = factory;
  }

  open(family: 4 | 6): void {
    const any = IpAddress.from(family === 4 ? '0.0.0.0' : '::');
    for (const [kind, port] of PORTS) {
      const l = this.factory.tcp(family);
      l.setOption(Level.SOCKET, So.REUSEADDR, 1);
      if (family === 6) l.setOption(Level.IPV6, Ip6Opt.V6ONLY, 1);
      this.must(l.bind(any, port), `bind of ${port}`);
      this.must(l.listen(64), `listen on ${port}`);
      l.onReady = () => this.wake();
      this.listeners.push({ socket: l, kind });
      const u = this.factory.udp(family);
      if (family === 6) u.setOption(Level.IPV6, Ip6Opt.V6ONLY, 1);
      this.must(u.bind(any, port), `bind of udp ${port}`);
      u.onReady = () => this.wake();
      this.datagrams.push({ socket: u, kind });
    }
  }

  /** Serves whatever is ready. */
  run(): void {
    if (!this.ready) return;
    this.ready = false;
    for (const { socket, kind } of this.listeners) {
      for (let s = socket.accept(); typeof s !== 'number'; s = socket.accept()) {
        s.onReady = () => this.wake();
        this.serving.push(new Serving(s, kind));
      }
    }
    this.serving = this.serving.filter((s) => {
      if (!s.step()) return true;
      s.socket.onReady = () => {};
      s.socket.close();
      return false;
    });
    for (const d of this.datagrams) this.answer(d.socket, d.kind);
  }

  close(): void {
    for (const s of [...this.serving, ...this.listeners, ...this.datagrams]) s.socket.close();
    this.serving = [];
    this.listeners.length = 0;
    this.datagrams.length = 0;
  }

  private answer(socket: DatagramSocket, kind: Kind): void {
    for (;;) {
      const n = socket.receiveFrom(this.buffer, 0, this.buffer.length, Msg.DONTWAIT, this.from);
      if (n < 0) return;
      const to = this.from.address && { address: this.from.address, port: this.from.port };
      if (kind === 'echo') socket.sendTo(this.buffer, 0, n, 0, to);
      else if (kind === 'chargen') socket.sendTo(UDP_CHARGEN, 0, UDP_CHARGEN.length, 0, to);
    }
  }

  private wake(): void {
    this.ready = true;
  }

  private must(result: number, what: string): void {
    if (result < 0) throw new Error(`${what}: ${result}`);
  }
}
