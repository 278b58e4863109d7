/**
 * Run by allocation.test.ts with --expose-gc and a young generation so large that nothing is collected while it measures: what two stacks on
 * a wire allocate per frame in the steady state, in bytes of JavaScript heap. Prints one JSON line.
 */
import { getHeapStatistics } from 'node:v8';
import { IpAddress } from '../../stack/core/address.js';
import type { Packet } from '../../stack/core/packet.js';
import { LinkFeature } from '../../stack/link/link.js';
import type { Wire } from '../../stack/link/memory-wire.js';
import { type DatagramSocket, Level, Poll, ReceivedFrom, type StreamSocket, UdpOpt } from '../../stack/socket/socket.js';
import type { Stack } from '../../stack/stack.js';
import { Cluster } from '../support/cluster.js';
import { type Host, Simulation } from '../support/simulation.js';

declare const gc: () => void;
const EAGAIN = -11;
const chunk = new Uint8Array(65536);

/** Sends for ever, or sends back what comes, or one octet for each that comes. */
type Part = 'source' | 'sink' | 'ping' | 'pong';

class User {
  private readonly socket: StreamSocket;
  private readonly part: Part;
  constructor(socket: StreamSocket, part: Part) {
    this.socket = socket;
    this.part = part;
    socket.onReady = (bits) => this.ready(bits);
  }
  begin(): void {
    this.ready(this.socket.poll());
    if (this.part === 'ping') this.socket.send(chunk, 0, 1, 0);
  }
  private ready(bits: number): void {
    if (this.part === 'source') {
      if (bits & Poll.OUT) while (this.socket.send(chunk, 0, chunk.length, 0) !== EAGAIN);
    } else if (bits & Poll.IN) {
      for (;;) {
        const n = this.socket.receive(chunk, 0, chunk.length, 0);
        if (n <= 0) return;
        if (this.part !== 'sink') this.socket.send(chunk, 0, n, 0);
      }
    }
  }
}

function pair(client: Part, server: Part, to: IpAddress, sim: Simulation, a: Host, servers: readonly Stack[]): void {
  const port = 7;
  for (const stack of servers) {
    const listener = stack.tcp(to.family);
    listener.onReady = () => {
      const s = listener.accept();
      if (typeof s !== 'number') new User(s, server).begin();
    };
    listener.bind(null, port);
    listener.listen(8);
  }
  const socket = a.stack.tcp(to.family);
  socket.connect(to, port);
  sim.run(() => (socket.poll() & Poll.OUT) !== 0, 10_000_000);
  new User(socket, client).begin();
}

let views = 0;
const subarray = Uint8Array.prototype.subarray;
/** A bulk copy in JavaScript takes a view of its source (Uint8Array.set): counted, since it is the one thing that is made per frame. */
Uint8Array.prototype.subarray = function (this: Uint8Array, begin?: number, end?: number) {
  views++;
  return subarray.call(this, begin, end);
} as typeof subarray;

/** Bytes of heap that a view takes: also shows that the measure sees allocations. */
const VIEW = (() => {
  let least = Number.POSITIVE_INFINITY;
  let kept: Uint8Array = chunk;
  for (let window = 0; window < 3; window++) {
    gc();
    const before = getHeapStatistics().used_heap_size;
    for (let i = 0; i < 200_000; i++) kept = subarray.call(chunk, i, i + 10) as Uint8Array<ArrayBuffer>;
    least = Math.min(least, (getHeapStatistics().used_heap_size - before) / 200_000);
  }
  return least + 0 * kept.length;
})();

interface Measured {
  readonly frames: number;
  /** Views made, per frame; the wire makes two of them where a frame is long. */
  readonly views: number;
  /** Bytes of heap per frame. */
  readonly bytes: number;
}

const SEGMENT = 1000;
const SUPER = 20 * SEGMENT;
const info = new ReceivedFrom();

/** Reads what came, datagram by datagram or whole, and sends one super-frame back when all of one is there. */
function answer(s: DatagramSocket): void {
  let came = 0;
  s.onReady = () => {
    for (let n = s.receiveFrom(chunk, 0, chunk.length, 0, info); n >= 0; n = s.receiveFrom(chunk, 0, chunk.length, 0, info))
      came += n;
    if (came < SUPER) return;
    came = 0;
    s.sendTo(chunk, 0, SUPER, 0, null, SEGMENT);
  };
}

/** UDP super-frames to and fro: one end takes them whole, the other as twenty datagrams each. */
function measureDatagrams(): Measured {
  const sim = new Simulation(1);
  const wire = sim.wire({ both: { delayUs: 100 }, features: LinkFeature.csum | LinkFeature.uso4 | LinkFeature.uso6 });
  const a = sim.host(wire.a, { offloads: true });
  const b = sim.host(wire.b, { mac: '02:00:00:00:00:02', addresses: ['10.99.0.2/24'], offloads: true });
  const ends = [a.stack.udp(4), b.stack.udp(4)] as const;
  for (const s of ends) s.bind(null, 7);
  ends[0].setOption(Level.UDP, UdpOpt.GRO, 1);
  ends[0].connect(IpAddress.from('10.99.0.2'), 7);
  ends[1].connect(IpAddress.from('10.99.0.1'), 7);
  for (const s of ends) answer(s);
  ends[0].sendTo(chunk, 0, SUPER, 0, null, SEGMENT);
  return measureFrames(sim, () => wire.ab.counts.delivered + wire.ba.counts.delivered);
}

const SYN = 2;
/** Where TCP's sequence number, flags and, in a SYN, timestamp lie in a frame. */
const At = { seq: 38, flags: 47, tsVal: 62 };
/** Numbers beyond 2^31 are boxed by V8: a connection is looked for whose sequence numbers and timestamps stay below, as the addresses' words do. */
const LOW = 2 ** 30;

interface World {
  readonly sim: Simulation;
  readonly wire: Wire;
  /** The largest initial sequence number or timestamp. */
  readonly highest: number;
}

interface Path {
  /** The server is two stacks, and all but the SYN comes to the wrong one. */
  readonly astray?: boolean;
  /** IPv6, with addresses that are in use at once. */
  readonly six?: boolean;
  readonly congestion?: string;
}

function connected(seed: number, superFrames: boolean, client: Part, server: Part, path: Path): World {
  const sim = new Simulation(seed);
  const longer = path.six ? 20 : 0;
  let highest = 0;
  const lose = (p: Packet) => {
    const at = p.data + longer;
    if (p.tail - at <= At.flags || (p.bytes[at + At.flags]! & SYN) === 0) return false;
    highest = Math.max(highest, p.view.getUint32(at + At.seq), p.view.getUint32(at + At.tsVal));
    return false;
  };
  const wire = sim.wire({ both: { delayUs: 100, queueLimit: 1e9, lose } });
  const sysctl = { tcp_congestion_control: path.congestion ?? 'cubic', 'net.ipv6.conf.all.accept_dad': 0 };
  const common = { ipv6: path.six === true, offloads: superFrames, coalesce: superFrames, sysctl };
  const [us, them] = path.six ? (['2001:db8::1/64', '2001:db8::2/64'] as const) : (['10.99.0.1/24', '10.99.0.2/24'] as const);
  const a = sim.host(wire.a, { ...common, addresses: [us] });
  const options = { ...common, mac: '02:00:00:00:00:02', addresses: [them] };
  const servers = path.astray
    ? new Cluster(sim, wire.b, {
        ...options,
        count: 2,
        seed,
        steer: (p) => ((p.bytes[p.data + At.flags]! & SYN) === SYN ? 0 : 1),
      }).stacks
    : [sim.host(wire.b, options).stack];
  pair(client, server, IpAddress.from(them.slice(0, them.indexOf('/'))), sim, a, servers);
  return { sim, wire, highest };
}

/** After a warm-up. */
function measure(superFrames: boolean, client: Part, server: Part, path: Path = {}): Measured {
  for (let seed = 1; ; seed++) {
    const { sim, wire, highest } = connected(seed, superFrames, client, server, path);
    if (highest < LOW) return measureFrames(sim, () => wire.ab.counts.delivered + wire.ba.counts.delivered);
  }
}

const WINDOWS = 4;

/**
 * The least of several windows: what is made per frame is made in all of them, what the engine makes for itself (feedback, code thrown away
 * and made again, whenever it gets to it) is not.
 */
function measureFrames(sim: Simulation, frames: () => number): Measured {
  const until = (n: number) => sim.run(() => frames() >= n, 1e12);
  until(60_000);
  let least: Measured = { frames: 0, views: 0, bytes: Number.POSITIVE_INFINITY };
  for (let i = 0; i < WINDOWS; i++) {
    gc();
    const from = frames();
    views = 0;
    const before = getHeapStatistics().used_heap_size;
    until(from + 20_000);
    const bytes = getHeapStatistics().used_heap_size - before;
    const n = frames() - from;
    const m = { frames: n, views: views / n, bytes: bytes / n };
    if (m.bytes - m.views * VIEW < least.bytes - least.views * VIEW) least = m;
  }
  return least;
}

console.log(
  JSON.stringify({
    view: VIEW,
    upload: measure(false, 'source', 'sink'),
    superFrames: measure(true, 'source', 'sink'),
    echo: measure(false, 'ping', 'pong'),
    datagrams: measureDatagrams(),
    passedOn: measure(false, 'source', 'sink', { astray: true }),
    passedOnEcho: measure(false, 'ping', 'pong', { astray: true }),
    upload6: measure(false, 'source', 'sink', { six: true }),
    superFrames6: measure(true, 'source', 'sink', { six: true }),
    echo6: measure(false, 'ping', 'pong', { six: true }),
    paced: measure(false, 'source', 'sink', { congestion: 'bbr' }),
  }),
);
