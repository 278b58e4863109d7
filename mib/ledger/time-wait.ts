/**
 * TIME-WAIT entries as readers see them: 64 bytes each in shared memory, since a busy host has many. Their connections' rows have been
 * folded into `closed`, so they have no counters: what happens to them is counted as unattributed. Readers show an entry as a row of kind
 * `timeWait` whose number is maxRows + its index. An orphan's FIN-WAIT-2 is one, too.
 */
import { Col, CopyInfo, GAUGES_BASE, Gauge, RowKind } from './layout.js';
import { Ctl, type LedgerMemory } from './memory.js';
import type { RowView } from './row-view.js';

/** Int32 columns of an entry; `timerAt` is a float, and lies at this int index. */
const At = Object.freeze({ seq: 0, generation: 1, state: 2, family: 3, local: 4, remote: 8, ports: 12, timerAt: 14 });
export const TIME_WAIT_INTS = 16;
const FLOATS = TIME_WAIT_INTS / 2;
const TRIES = 1000;
const TCP = 6;
/** /proc/net/tcp's number for this timer. */
const TIMER_KIND = 3;

/** An address as four words. */
interface Words {
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
}

/** The stack's pen. Indices beyond the memory are taken and not shown: such entries live all the same. */
export class TimeWaitWriter {
  private readonly ints: Int32Array;
  private readonly floats: Float64Array;
  private readonly control: Int32Array;
  private readonly cells: Float64Array;
  private readonly max: number;
  private top = 0;

  constructor(memory: LedgerMemory) {
    this.ints = new Int32Array(memory.timeWaits);
    this.floats = new Float64Array(memory.timeWaits);
    this.control = new Int32Array(memory.control);
    this.cells = new Float64Array(memory.cells);
    this.max = this.ints.length / TIME_WAIT_INTS;
  }

  /** Shows an entry. @param state TcpState TIME_WAIT or FIN_WAIT2 */
  open(index: number, family: number, local: Words, localPort: number, remote: Words, remotePort: number, state: number): void {
    if (index >= this.max) return;
    const ints = this.ints;
    const at = index * TIME_WAIT_INTS;
    Atomics.add(ints, at + At.seq, 1);
    ints[at + At.generation] = (ints[at + At.generation]! + 1) & 0x7fffffff;
    ints[at + At.family] = family;
    ints[at + At.local] = local.w0;
    ints[at + At.local + 1] = local.w1;
    ints[at + At.local + 2] = local.w2;
    ints[at + At.local + 3] = local.w3;
    ints[at + At.remote] = remote.w0;
    ints[at + At.remote + 1] = remote.w1;
    ints[at + At.remote + 2] = remote.w2;
    ints[at + At.remote + 3] = remote.w3;
    ints[at + At.ports] = (localPort << 16) | remotePort;
    this.put(index, state);
    Atomics.add(ints, at + At.seq, 1);
    if (index >= this.top) {
      this.top = index + 1;
      Atomics.store(this.control, Ctl.timeWaitTop, this.top);
    }
  }
  setState(index: number, state: number): void {
    if (index < this.max) this.put(index, state);
  }
  private put(index: number, state: number): void {
    const at = index * TIME_WAIT_INTS + At.state;
    const old = this.ints[at]!;
    if (old !== 0) this.cells[GAUGES_BASE + Gauge.tcpState + old]! -= 1;
    if (state !== 0) this.cells[GAUGES_BASE + Gauge.tcpState + state]! += 1;
    this.ints[at] = state;
  }
  /** When it will end, µs of the stack's clock. */
  setTimer(index: number, atUs: number): void {
    if (index < this.max) this.floats[index * FLOATS + At.timerAt / 2] = atUs;
  }
  close(index: number): void {
    if (index >= this.max) return;
    const at = index * TIME_WAIT_INTS;
    Atomics.add(this.ints, at + At.seq, 1);
    this.put(index, 0);
    Atomics.add(this.ints, at + At.seq, 1);
  }
}

export class TimeWaitReader {
  private readonly ints: Int32Array;
  private readonly floats: Float64Array;
  private readonly control: Int32Array;
  private readonly maxRows: number;

  constructor(memory: LedgerMemory) {
    this.ints = new Int32Array(memory.timeWaits);
    this.floats = new Float64Array(memory.timeWaits);
    this.control = new Int32Array(memory.control);
    this.maxRows = memory.maxRows;
  }

  /** Every entry in use has an index below this. */
  top(): number {
    return Atomics.load(this.control, Ctl.timeWaitTop);
  }

  /** Fills a view with what a row of kind timeWait shows. False: free, or it could not be read in one piece. */
  read(index: number, into: RowView): boolean {
    if (!(index >= 0 && index < this.top())) return false;
    const at = index * TIME_WAIT_INTS;
    const ints = this.ints;
    for (let i = 0; i < TRIES; i++) {
      const seq = Atomics.load(ints, at + At.seq);
      if ((seq & 1) === 1) continue;
      const state = ints[at + At.state]!;
      if (state === 0) return false;
      this.fill(at, index, state, into);
      if (Atomics.load(ints, at + At.seq) === seq) return true;
    }
    return false;
  }

  private fill(at: number, index: number, state: number, into: RowView): void {
    const from = this.ints;
    const to = into.ints;
    into.floats.fill(0);
    for (let i = 0; i < 8; i++) to[Col.local + i] = from[at + At.local + i]!;
    to[Col.generation] = from[at + At.generation]!;
    to[Col.kind] = RowKind.timeWait;
    to[Col.state] = state;
    to[Col.family] = from[at + At.family]!;
    to[Col.protocol] = TCP;
    to[Col.localPort] = from[at + At.ports]! >>> 16;
    to[Col.remotePort] = from[at + At.ports]! & 0xffff;
    to[Col.timerKind] = TIMER_KIND;
    to[Col.listener] = -1;
    to[Col.row] = this.maxRows + index;
    into.row = this.maxRows + index;
    into.floats[CopyInfo.timerAtUs] = this.floats[index * FLOATS + At.timerAt / 2]!;
  }
}
