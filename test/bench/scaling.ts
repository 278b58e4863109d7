/** What one timer and one look-up cost among many: ns of the processor, of the parts alone. */
import process from 'node:process';
import { IpAddress } from '../../stack/core/address.js';
import { Packet } from '../../stack/core/packet.js';
import { below, SeededRandom } from '../../stack/core/random.js';
import { Timer, type TimerHandler, TimerQueue } from '../../stack/core/timer.js';
import { Flow, FlowKind, FlowTable } from '../../stack/tcp/table.js';
import { smallLedger } from '../support/ledger.js';
import { HeapTimer, HeapTimers } from './heap-timers.js';

/** Retransmission timers of connections that all have something on the way. */
const SPAN_US = 200_000;
/** At least so many operations are timed. */
const LEAST = 200_000;

/** ms of processor time that this process has had: a busy machine does not change it. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

interface Queue<T> {
  arm(t: T, deadline: number): void;
  cancel(t: T): void;
  run(now: number): void;
}
export interface TimerFigures {
  /** First time; moved later, as every ACK does; cancelled and armed again; fired and armed again by its handler. */
  readonly armNs: number;
  readonly laterNs: number;
  readonly againNs: number;
  readonly fireNs: number;
}

function timerFigures<T>(n: number, queue: Queue<T>, make: (handler: TimerHandler, kind: number) => T): TimerFigures {
  const random = new SeededRandom(n);
  const offsets = Float64Array.from({ length: n }, () => below(random, SPAN_US));
  const order = Int32Array.from({ length: n }, () => below(random, n));
  let fired = 0;
  let now = 0;
  const handler: TimerHandler = {
    onTimer: (i) => {
      fired++;
      queue.arm(all[i]!, now + SPAN_US + offsets[i]!);
    },
  };
  const all: T[] = Array.from({ length: n }, (_, i) => make(handler, i));
  const rounds = Math.max(1, Math.ceil(LEAST / n));
  const ns = (times: number, body: (i: number) => void) => {
    const from = cpuMs();
    for (let r = 0; r < times; r++) for (let i = 0; i < n; i++) body(i);
    return Math.round(((cpuMs() - from) * 1e6) / (n * times));
  };
  const armNs = ns(1, (i) => queue.arm(all[i]!, SPAN_US + offsets[i]!));
  const laterNs = ns(rounds, (i) => queue.arm(all[order[i]!]!, 2 * SPAN_US + offsets[order[i]!]!));
  const againNs = ns(rounds, (i) => {
    queue.cancel(all[order[i]!]!);
    queue.arm(all[order[i]!]!, 2 * SPAN_US + offsets[order[i]!]!);
  });
  now = 4 * SPAN_US;
  queue.run(now); // all that is due, so that the figure is of timers that fire where they are
  fired = 0;
  const step = Math.max(20, Math.floor((10 * SPAN_US) / n));
  const from = cpuMs();
  while (fired < 2 * Math.max(n, LEAST)) {
    now += step;
    queue.run(now);
  }
  return { armNs, laterNs, againNs, fireNs: Math.round(((cpuMs() - from) * 1e6) / fired) };
}

/** The stack's timers against a heap, in one run, of which the second time counts. */
export function timers(n: number): { readonly timers: number; readonly tree: TimerFigures; readonly heap: TimerFigures } {
  const tree = () => timerFigures(n, new TimerQueue(), (handler, kind) => new Timer(handler, kind));
  const heap = () => timerFigures(n, new HeapTimers(), (handler, kind) => new HeapTimer(handler, kind));
  tree();
  heap();
  return { timers: n, tree: tree(), heap: heap() };
}

export interface TableFigures {
  readonly flows: number;
  /** ns of a segment's look-up, of an insertion, and ms of the longest 64 insertions while the table grew. */
  readonly findNs: number;
  readonly insertNs: number;
  readonly worstInsertMs: number;
}

export function table(n: number, collect: () => void): TableFigures {
  const random = new SeededRandom(n);
  const flows = new FlowTable(Uint8Array.from({ length: 16 }, (_, i) => i));
  const local = IpAddress.from('10.77.0.2');
  const owner = smallLedger().unattributed;
  const all = Array.from({ length: n }, (_, i) => {
    const f = new Flow(FlowKind.connection, 4, local, IpAddress.v4(0x0a4d1000 + (i % 20)), owner);
    f.localPort = 7;
    f.remotePort = 1024 + Math.floor(i / 20);
    return f;
  });
  collect();
  let worstInsertMs = 0;
  const from = cpuMs();
  let last = from;
  for (let i = 0; i < n; i++) {
    flows.insert(all[i]!);
    if ((i & 63) !== 63) continue;
    const now = cpuMs();
    worstInsertMs = Math.max(worstInsertMs, now - last);
    last = now;
  }
  const insertNs = Math.round(((cpuMs() - from) * 1e6) / n);
  const p = new Packet(64);
  p.family = 4;
  p.dst3 = local.w3;
  const times = Math.max(n, LEAST);
  const order = Int32Array.from({ length: times }, () => below(random, n));
  let found = 0;
  const began = cpuMs();
  for (let i = 0; i < times; i++) {
    const at = order[i]!;
    p.src3 = 0x0a4d1000 + (at % 20);
    if (flows.find(p, 1024 + Math.floor(at / 20), 7) !== null) found++;
  }
  const findNs = Math.round(((cpuMs() - began) * 1e6) / times);
  if (found !== times) throw new Error(`${times - found} flows were not found`);
  return { flows: n, findNs, insertNs, worstInsertMs };
}
