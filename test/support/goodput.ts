/**
 * What congestion control makes of a path, in virtual time: bulk data from one host to another over a wire with a rate, a queue, a round
 * trip, loss and reordering, for a fixed time. Everything comes from a seed, so a cell's line of text is the same wherever it is computed.
 */
import { Tcp, TcpExt } from '../../mib/catalogue/index.js';
import { IpAddress } from '../../stack/core/address.js';
import type { StreamSocket } from '../../stack/socket/socket.js';
import { type Host, Simulation } from './simulation.js';

export interface Path {
  readonly congestion: string;
  /** Share of the data frames that are lost. */
  readonly loss: number;
  /** Milliseconds there and back. */
  readonly rttMs: number;
  /** Share of the data frames that are held back, by up to a tenth of the round trip (1 ms at least). */
  readonly reorder: number;
}

/** Bits per second of the wire, frames that wait for it, and how long data is sent. */
export const RATE = 100_000_000;
export const QUEUE = 250;
const SECONDS = 10;
const PORT = 7000;
const SERVER = '10.99.0.2';
const CHUNK = new Uint8Array(65536);

class World {
  readonly sim: Simulation;
  readonly client: Host;
  private readonly server: Host;
  private readonly wire;
  /** Bytes that arrived, by connection in the order of their starts. */
  readonly arrived: number[] = [];

  constructor(seed: number, rttMs: number) {
    this.sim = new Simulation(seed);
    this.wire = this.sim.wire({ both: { delayUs: (rttMs * 1000) / 2, rate: RATE, queueLimit: QUEUE } });
    this.client = this.sim.host(this.wire.a);
    this.server = this.sim.host(this.wire.b, { mac: '02:00:00:00:00:02', addresses: [`${SERVER}/24`] });
    const listener = this.server.stack.tcp(4);
    listener.bind(null, PORT);
    listener.listen(16);
    listener.onReady = () => this.accept(listener);
  }

  private accept(listener: StreamSocket): void {
    for (let s = listener.accept(); typeof s !== 'number'; s = listener.accept()) {
      const socket = s;
      const place = this.arrived.push(0) - 1;
      const sink = new Uint8Array(CHUNK.length);
      const drain = () => {
        for (let n = socket.receive(sink, 0, sink.length, 0); n > 0; n = socket.receive(sink, 0, sink.length, 0))
          this.arrived[place]! += n;
      };
      socket.onReady = drain;
      drain();
    }
  }

  /** A connection that sends as much as it may; returns when it is open. */
  start(congestion: string): void {
    const s = this.client.stack.tcp(4);
    s.setOption(6, 13, congestion);
    const open = this.arrived.length + 1;
    s.onReady = () => {
      while (s.send(CHUNK, 0, CHUNK.length, 0) > 0);
    };
    s.connect(IpAddress.from(SERVER), PORT);
    this.sim.run(() => this.arrived.length === open, 5_000_000);
  }

  /** From now on data frames are lost and held back. */
  impair(p: Pick<Path, 'loss' | 'reorder' | 'rttMs'>): void {
    Object.assign(this.wire.ab.settings, { loss: p.loss, reorder: p.reorder, reorderUs: Math.max(1000, p.rttMs * 100) });
  }

  counter(id: number): number {
    return this.client.ledger.cells[id]!;
  }
}

const mbps = (bytes: number): string => ((bytes * 8) / (SECONDS * 1e6)).toFixed(3).padStart(8);
const percent = (share: number): string => `${+(share * 100).toFixed(2)}%`.padStart(5);

/** One line of the table of goodput. */
export function goodputLine(p: Path): string {
  const w = new World(1, p.rttMs);
  w.start(p.congestion);
  w.impair(p);
  w.sim.pass(SECONDS * 1e6);
  const name = `${p.congestion.padEnd(6)} loss ${percent(p.loss)} rtt ${String(p.rttMs).padStart(3)} ms reorder ${percent(p.reorder)}`;
  const retrans = String(w.counter(Tcp.RetransSegs)).padStart(5);
  const timeouts = String(w.counter(TcpExt.TCPTimeouts)).padStart(3);
  return `${name}: ${mbps(w.arrived[0]!)} Mb/s, ${retrans} sent again, ${timeouts} time-outs`;
}

/** One line of the table of fairness: several connections that start half a second apart share the wire. Jain's index of the last ten seconds. */
export function fairnessLine(kinds: readonly string[], rttMs: number): string {
  const w = new World(7, rttMs);
  for (const kind of kinds) {
    w.start(kind);
    w.sim.pass(500_000);
  }
  w.sim.pass(5_000_000);
  const before = [...w.arrived];
  w.sim.pass(SECONDS * 1e6);
  const shares = w.arrived.map((n, i) => n - before[i]!);
  const sum = shares.reduce((a, b) => a + b, 0);
  const jain = (sum * sum) / (shares.length * shares.reduce((a, b) => a + b * b, 0));
  return `${kinds.join(' ').padEnd(24)} rtt ${String(rttMs).padStart(3)} ms: Jain ${jain.toFixed(4)}, together ${mbps(sum)} Mb/s, each ${shares.map(mbps).join(' ')}`;
}

export const LOSSES = [0, 0.001, 0.01, 0.03, 0.1] as const;
export const RTTS_MS = [0, 20, 100] as const;
export const REORDERS = [0, 0.05] as const;
export const ALGORITHMS = ['reno', 'cubic'] as const;

/** All paths of the table, in its order. */
export function paths(): Path[] {
  return ALGORITHMS.flatMap((congestion) =>
    REORDERS.flatMap((reorder) => RTTS_MS.flatMap((rttMs) => LOSSES.map((loss) => ({ congestion, loss, rttMs, reorder })))),
  );
}
/** What shares the wire in the table of fairness. */
export const CROWDS: readonly (readonly [kinds: readonly string[], rttMs: number])[] = [
  [['reno', 'reno', 'reno', 'reno'], 20],
  [['cubic', 'cubic', 'cubic', 'cubic'], 20],
  [['reno', 'cubic', 'reno', 'cubic'], 20],
  [['cubic', 'cubic', 'cubic', 'cubic'], 100],
];
