/**
 * Steady, varied traffic between two hosts, for a daemon without a TAP: so that every door shows living numbers on any machine. Small
 * machines, each a client of one of the other host's services, begin at seeded moments and are moved a step at every poll: transfers of
 * several sizes, a slow talker, refused connections, resets, aborted reads, datagrams to open and closed ports, pings; over both families
 * where the hosts speak both.
 */
import type { IpAddress } from '../core/address.js';
import { Errno } from '../core/errno.js';
import { below, type Random } from '../core/random.js';
import {
  type DatagramSocket,
  Level,
  Msg,
  Poll,
  ReceivedFrom,
  So,
  type SocketFactory,
  type StreamSocket,
} from '../socket/socket.js';

/** Something under way. */
interface Activity {
  /** Goes on as far as it can. True when it is over. */
  step(nowUs: number): boolean;
  /** When to look at it even if nothing came; Infinity for never. */
  readonly wakeUs: number;
  end(): void;
}

/** What one TCP client does. */
interface TransferPlan {
  readonly port: number;
  /** Bytes to send, in pieces of `piece` every `everyUs`. */
  readonly send: number;
  readonly piece: number;
  readonly everyUs: number;
  /** Bytes to wait for before it closes; Infinity: until the other side ends. */
  readonly receive: number;
  /** Ends by RST. */
  readonly abort: boolean;
}

/** An activity that hangs longer than this is given up. */
const PATIENCE_US = 30_000_000;
const BUFFER = new Uint8Array(65536);
for (let i = 0; i < BUFFER.length; i++) BUFFER[i] = 32 + (i % 95);
const SINK = new Uint8Array(65536);

class Transfer implements Activity {
  wakeUs: number;
  private readonly socket: StreamSocket;
  private readonly plan: TransferPlan;
  private readonly giveUpUs: number;
  private sent = 0;
  private received = 0;
  private nextPieceUs: number;

  constructor(socket: StreamSocket, to: IpAddress, plan: TransferPlan, nowUs: number) {
    this.socket = socket;
    this.plan = plan;
    this.giveUpUs = nowUs + PATIENCE_US;
    this.nextPieceUs = nowUs;
    this.wakeUs = this.giveUpUs;
    socket.connect(to, plan.port);
  }

  step(nowUs: number): boolean {
    if (nowUs >= this.giveUpUs) return true;
    const bits = this.socket.poll();
    if ((bits & Poll.ERR) !== 0) return true;
    if ((bits & (Poll.OUT | Poll.IN)) === 0) return false;
    const over = this.sendPieces(nowUs) || this.receiveAll();
    this.wakeUs = this.sent < this.plan.send && this.plan.everyUs > 0 ? Math.max(this.nextPieceUs, nowUs + 1) : this.giveUpUs;
    return over || (this.sent >= this.plan.send && this.received >= this.plan.receive);
  }

  end(): void {
    if (this.plan.abort) this.socket.setOption(Level.SOCKET, So.LINGER, [1, 0]);
    this.socket.close();
  }

  private sendPieces(nowUs: number): boolean {
    const { send, piece, everyUs } = this.plan;
    while (this.sent < send && nowUs >= this.nextPieceUs) {
      const n = this.socket.send(BUFFER, 0, Math.min(piece, send - this.sent), Msg.DONTWAIT | Msg.NOSIGNAL);
      if (n === -Errno.EAGAIN) return false;
      if (n <= 0) return true;
      this.sent += n;
      this.nextPieceUs += everyUs;
    }
    return false;
  }

  private receiveAll(): boolean {
    while (this.received < this.plan.receive) {
      const n = this.socket.receive(SINK, 0, SINK.length, Msg.DONTWAIT);
      if (n === -Errno.EAGAIN) return false;
      if (n <= 0) return true;
      this.received += n;
    }
    return false;
  }
}

/** Sends a few datagrams and takes what comes back for a while. */
class Datagrams implements Activity {
  wakeUs: number;
  private readonly socket: DatagramSocket;
  private readonly endUs: number;
  private readonly from = new ReceivedFrom();

  constructor(socket: DatagramSocket, to: IpAddress, port: number, count: number, length: number, nowUs: number) {
    this.socket = socket;
    this.endUs = nowUs + 2_000_000;
    this.wakeUs = this.endUs;
    socket.connect(to, port);
    for (let i = 0; i < count; i++) socket.sendTo(BUFFER, i, length, Msg.DONTWAIT, null);
  }

  step(nowUs: number): boolean {
    while ((this.socket.poll() & (Poll.IN | Poll.ERR)) !== 0) {
      if (this.socket.receiveFrom(SINK, 0, SINK.length, Msg.DONTWAIT, this.from) === -Errno.EAGAIN) break;
    }
    return nowUs >= this.endUs;
  }

  end(): void {
    this.socket.close();
  }
}

/** An echo request, of ICMP or ICMPv6; its reply is taken like a datagram. */
const echoRequest = (type: number) =>
  Uint8Array.from([type, 0, 0, 0, 0, 1, 0, 1, ...new TextEncoder().encode('tsnetstat embedded host.')]);
const ECHO_REQUEST = { 4: echoRequest(8), 6: echoRequest(128) } as const;
class Ping implements Activity {
  wakeUs: number;
  private readonly socket: DatagramSocket;
  private readonly from = new ReceivedFrom();

  constructor(socket: DatagramSocket, to: IpAddress, nowUs: number) {
    this.socket = socket;
    this.wakeUs = nowUs + 1_000_000;
    const request = ECHO_REQUEST[to.family];
    socket.sendTo(request, 0, request.length, Msg.DONTWAIT, { address: to, port: 0 });
  }
  step(nowUs: number): boolean {
    return this.socket.receiveFrom(SINK, 0, SINK.length, Msg.DONTWAIT, this.from) !== -Errno.EAGAIN || nowUs >= this.wakeUs;
  }
  end(): void {
    this.socket.close();
  }
}

/** What begins how often on average. */
interface Habit {
  readonly everyUs: number;
  begin(host: SocketFactory, to: IpAddress, random: Random, nowUs: number): Activity;
}

const transfer = (everyUs: number, plan: (random: Random) => Partial<TransferPlan> & { readonly port: number }): Habit => ({
  everyUs,
  begin: (host, to, random, nowUs) => {
    const full = { send: 0, piece: 16384, everyUs: 0, receive: 0, abort: false, ...plan(random) };
    return new Transfer(host.tcp(to.family), to, full, nowUs);
  },
});
const datagrams = (everyUs: number, port: number, count: number, length: number): Habit => ({
  everyUs,
  begin: (host, to, random, nowUs) =>
    new Datagrams(host.udp(to.family), to, port, 1 + below(random, count), 1 + below(random, length), nowUs),
});

const CLOSED_PORT = 81;
/** Services: 7 echo, 9 discard, 13 daytime, 19 chargen. */
const HABITS: readonly Habit[] = [
  transfer(400_000, (r) => {
    const n = 1 + below(r, 100_000);
    return { port: 7, send: n, receive: n };
  }),
  transfer(900_000, (r) => ({ port: 9, send: 1000 + below(r, 400_000) })),
  transfer(1_500_000, () => ({ port: 13, receive: Number.POSITIVE_INFINITY })),
  // chargen never ends: closing with bytes unread resets
  transfer(1_200_000, (r) => ({ port: 19, receive: 1 + below(r, 200_000) })),
  // a slow talker: a line every quarter of a second
  transfer(8_000_000, () => ({ port: 7, send: 1600, piece: 40, everyUs: 250_000, receive: 1600 })),
  transfer(3_000_000, () => ({ port: CLOSED_PORT })),
  transfer(5_000_000, (r) => ({ port: 9, send: 5000 + below(r, 5000), abort: true })),
  datagrams(500_000, 7, 4, 1200),
  datagrams(2_500_000, 7, 1, 8000), // fragments
  datagrams(2_000_000, CLOSED_PORT, 2, 100),
  { everyUs: 1_000_000, begin: (host, to, _random, nowUs) => new Ping(host.ping(to.family), to, nowUs) },
];
/** More than this many at a time and new ones wait. */
const MOST_ACTIVITIES = 32;

/** For so long nothing goes to an address of IPv6: duplicate address detection (RFC 4862 5.4) takes up to two seconds at each end. */
const DETECTION_US = 3_000_000;

/** The habits of one host as a client of another. */
export class EmbeddedTraffic {
  private readonly host: SocketFactory;
  /** The other host: an address of each family. */
  private readonly to: readonly IpAddress[];
  private readonly detectedUs: number;
  private readonly random: Random;
  /** Above 1: rarer. */
  private readonly leisure: number;
  private readonly dueUs: number[];
  private activities: Activity[] = [];
  private stopped = false;

  constructor(host: SocketFactory, to: readonly IpAddress[], random: Random, leisure: number, nowUs: number) {
    this.host = host;
    this.to = to;
    this.detectedUs = nowUs + DETECTION_US;
    this.random = random;
    this.leisure = leisure;
    this.dueUs = HABITS.map((h) => nowUs + this.pause(h));
  }

  step(nowUs: number): void {
    for (let i = 0; i < HABITS.length; i++) {
      if (this.stopped || nowUs < this.dueUs[i]! || this.activities.length >= MOST_ACTIVITIES) continue;
      const h = HABITS[i]!;
      this.dueUs[i] = nowUs + this.pause(h);
      this.activities.push(h.begin(this.host, this.destination(nowUs), this.random, nowUs));
    }
    this.activities = this.activities.filter((a) => {
      if (!a.step(nowUs)) return true;
      a.end();
      return false;
    });
  }

  private destination(nowUs: number): IpAddress {
    const reachable = nowUs < this.detectedUs ? this.to.filter((a) => a.family === 4) : this.to;
    return reachable.length > 1 ? reachable[below(this.random, reachable.length)]! : (reachable[0] ?? this.to[0]!);
  }

  nextDeadlineUs(): number {
    let next = Number.POSITIVE_INFINITY;
    if (!this.stopped && this.activities.length < MOST_ACTIVITIES) for (const d of this.dueUs) next = Math.min(next, d);
    for (const a of this.activities) next = Math.min(next, a.wakeUs);
    return next;
  }

  /** Begins nothing more and ends what is under way. */
  stop(): void {
    this.stopped = true;
    for (const a of this.activities) a.end();
    this.activities = [];
  }

  /** From half to one and a half of the average. */
  private pause(h: Habit): number {
    return Math.round(h.everyUs * this.leisure * (0.5 + this.random.u32() / 0x1_0000_0000));
  }
}
