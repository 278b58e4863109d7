/**
 * The reader's side of a ledger, for every thread but the stack's. The data path never waits for a reader: a snapshot is published by the
 * stack at its next batch border, rows are read in place and read again when they changed meanwhile (their sequence number tells).
 */
import { CELLS } from '../catalogue/index.js';
import { ProbeReader } from '../probe/ring.js';
import { Snapshot } from '../snapshot.js';
import {
  Col,
  HISTORY_BASE,
  HISTORY_ROWS,
  headerAt,
  PART,
  PART_DISTANCE,
  PUBLISHED_CELLS,
  ROW_STRIDE,
  RowKind,
  rowAt,
  WARM_INFO,
} from './layout.js';
import { Ctl, type LedgerMemory, Pub } from './memory.js';
import type { AskOptions, FoundRow, Readings } from './readings.js';
import { findById, findByName } from './row-search.js';
import { type RowContext, RowView } from './row-view.js';
import { type SocketCounts, socketCounts } from './socket-counts.js';
import { TimeWaitReader } from './time-wait.js';

type WaitResult = { async: false; value: string } | { async: true; value: Promise<string> };
/** ES2024; in Node since 16. */
const waitAsync = (
  Atomics as unknown as { waitAsync(words: Int32Array, index: number, value: number, timeoutMs: number): WaitResult }
).waitAsync;

/** A row that changed under the reader this often is left out: its writer has been stopped in the middle of a change. */
const TRIES = 1000;

export class LedgerReader implements Readings {
  readonly memory: LedgerMemory;
  readonly maxRows: number;
  /** Records of armed probes, and what was lost. One consumer. */
  readonly probes: ProbeReader;
  private readonly cells: Float64Array;
  private readonly ints: Int32Array;
  private readonly control: Int32Array;
  private readonly published: Float64Array;
  private readonly gates: Uint8Array;
  /** How many want each probe point armed. */
  private readonly armed: Uint16Array;
  private readonly unixMs: () => number;
  /** TIME-WAIT entries: rows without counters. */
  readonly timeWaits: TimeWaitReader;

  /** @param unixMs the wall clock, for the times of inconsistent snapshots */
  constructor(memory: LedgerMemory, unixMs: () => number = Date.now) {
    this.memory = memory;
    this.maxRows = memory.maxRows;
    this.cells = new Float64Array(memory.cells);
    this.ints = new Int32Array(memory.cells);
    this.control = new Int32Array(memory.control);
    this.published = new Float64Array(memory.published);
    this.gates = new Uint8Array(memory.gates);
    this.armed = new Uint16Array(this.gates.length);
    this.probes = new ProbeReader(memory.ring);
    this.unixMs = unixMs;
    this.timeWaits = new TimeWaitReader(memory);
  }

  // ---- snapshots

  /** All global cells at the stack's next batch border; the live ones, marked inconsistent, when the stack does not answer in time. */
  async snapshot(options: AskOptions = {}): Promise<Snapshot> {
    const wanted = await this.ask(Ctl.requested, Ctl.published, options);
    return wanted === null ? this.liveSnapshot() : this.publishedSnapshot();
  }

  /** The live cells, now: each exact, but not of one moment. */
  liveSnapshot(): Snapshot {
    const wallOffsetUs = this.published[Pub.wallOffsetUs]!;
    const times = {
      takenAtUs: Math.round(this.unixMs() * 1000 - wallOffsetUs),
      startedAtUs: this.published[Pub.startedAtUs]!,
      wallOffsetUs,
    };
    return new Snapshot(Atomics.load(this.control, Ctl.requested), times, false, this.cells.slice(0, PUBLISHED_CELLS));
  }

  /** Asks the stack to bring the info columns (tcp_info) of all rows up to date. False when it did not answer in time. */
  async refreshInfo(options: AskOptions = {}): Promise<boolean> {
    return (await this.ask(Ctl.infoRequested, Ctl.infoDone, options)) !== null;
  }

  private async ask(requestWord: number, doneWord: number, options: AskOptions): Promise<number | null> {
    const wanted = (Atomics.add(this.control, requestWord, 1) + 1) | 0;
    const deadline = performance.now() + (options.timeoutMs ?? 200);
    options.wake?.();
    for (let blockMs = options.blockMs ?? 0; ; blockMs = 0) {
      const done = Atomics.load(this.control, doneWord);
      if (((done - wanted) | 0) >= 0) return wanted;
      const left = deadline - performance.now();
      if (left <= 0) return null;
      if (blockMs > 0) Atomics.wait(this.control, doneWord, done, Math.min(blockMs, left));
      else await this.changed(doneWord, done, left);
    }
  }

  /** Resolves when a control word is no longer `value`, or after `ms`. The timer also keeps the event loop alive, which waitAsync does not. */
  private async changed(word: number, value: number, ms: number): Promise<void> {
    const wait = waitAsync(this.control, word, value, ms);
    if (!wait.async) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([wait.value, timeout]);
    clearTimeout(timer);
  }

  private publishedSnapshot(): Snapshot {
    for (;;) {
      const seq = Atomics.load(this.control, Ctl.publishSeq);
      if ((seq & 1) === 1) continue; // the copy takes the stack less than a µs
      const id = Atomics.load(this.control, Ctl.published);
      const p = this.published;
      const times = { takenAtUs: p[Pub.takenAtUs]!, startedAtUs: p[Pub.startedAtUs]!, wallOffsetUs: p[Pub.wallOffsetUs]! };
      const copy = p.slice(Pub.header, Pub.header + PUBLISHED_CELLS);
      if (Atomics.load(this.control, Ctl.publishSeq) === seq) return new Snapshot(id, times, true, copy);
    }
  }

  // ---- rows

  /** Rows in use. */
  rowsUsed(): number {
    return Atomics.load(this.control, Ctl.rowsUsed);
  }
  /** How often a row could not be had: those events are in the unattributed cells. */
  rowsExhausted(): number {
    return Atomics.load(this.control, Ctl.rowsExhausted);
  }
  /** Every row in use has a number below this. */
  rowsTop(): number {
    return Atomics.load(this.control, Ctl.rowsTop);
  }

  /** Copies a row. False when it is free, not yet identified, or could not be read in one piece. @param withCells its counters too */
  readRow(row: number, into: RowView, withCells: boolean): boolean {
    if (row >= this.memory.maxRows) return this.timeWaits.read(row - this.memory.maxRows, into);
    if (!(row >= 0 && row < this.rowsTop())) return false;
    const header = headerAt(row);
    const at = rowAt(row);
    for (let i = 0; i < TRIES; i++) {
      const seq = Atomics.load(this.ints, header + Col.seq);
      if ((seq & 1) === 1) continue;
      if (this.ints[header + Col.kind] === RowKind.free) return false;
      this.copyRow(at, into, withCells);
      if (Atomics.load(this.ints, header + Col.seq) !== seq) continue;
      into.row = row;
      return into.protocol !== 0;
    }
    return false;
  }

  /** The three parts side by side; without the counters only what may be shown of a row without them. */
  private copyRow(at: number, into: RowView, withCells: boolean): void {
    const warm = at + PART_DISTANCE;
    const cold = warm + PART_DISTANCE;
    into.floats.set(this.cells.subarray(at, at + PART));
    into.floats.set(this.cells.subarray(warm, warm + (withCells ? PART : WARM_INFO)), PART);
    if (withCells) into.floats.set(this.cells.subarray(cold, cold + PART), 2 * PART);
  }

  /** Visits every row in use and every TIME-WAIT entry, by number. The view is reused: keep nothing of it. Return false to stop. */
  forEachRow(visit: (view: RowView) => unknown, withCells = false, from = 0): void {
    const view = new RowView();
    for (let row = from; row < this.rowsTop(); row++) {
      if (this.readRow(row, view, withCells) && visit(view) === false) return;
    }
    for (let i = Math.max(0, from - this.memory.maxRows); i < this.timeWaits.top(); i++) {
      if (this.timeWaits.read(i, view) && visit(view) === false) return;
    }
  }

  /** Copies of all rows in use, without their counters: what the socket tables of /proc/net are written from. */
  rows(): RowView[] {
    const views: RowView[] = [];
    let view = new RowView();
    const end = this.memory.maxRows + this.timeWaits.top();
    for (let row = 0; row < end; row++) {
      if (row === this.rowsTop()) row = this.memory.maxRows;
      if (!this.readRow(row, view, false)) continue;
      views.push(view);
      view = new RowView();
    }
    return views;
  }

  findRow(id: string): FoundRow | undefined {
    return findById(this, id);
  }
  findRowByName(name: string): FoundRow | undefined {
    return findByName(this, name);
  }

  /** Does the view show a TIME-WAIT entry, which has no counters of its own? */
  isTimeWaitEntry(view: RowView): boolean {
    return view.row >= this.memory.maxRows;
  }

  /** Rows that have ended, the last first, as far as they are remembered. */
  closedRows(): RowView[] {
    const closings = Atomics.load(this.control, Ctl.closings);
    const views: RowView[] = [];
    for (let back = 1; back <= HISTORY_ROWS; back++) {
      const at = HISTORY_BASE + (((closings - back) >>> 0) % HISTORY_ROWS) * ROW_STRIDE;
      const view = new RowView();
      view.floats.set(this.cells.subarray(at, at + ROW_STRIDE));
      // The slot after the newest may be under the writer's pen; a slot never used has no generation.
      const since = (Atomics.load(this.control, Ctl.closings) - closings) | 0;
      if (since > HISTORY_ROWS - 1 - back || view.generation === 0) break;
      view.row = view.ints[Col.row]!;
      views.push(view);
    }
    return views;
  }

  /** What showing a row needs to know. */
  context(snapshot: Snapshot): RowContext {
    const listener = new RowView();
    return {
      wallOffsetUs: snapshot.wallOffsetUs,
      nowUs: snapshot.takenAtUs,
      listenerId: (row) => (this.readRow(row, listener, false) && listener.kind === RowKind.listener ? listener.id : null),
    };
  }

  /** The sum of all rows in use, by cell id. With the stack at rest: rows + closed + unattributed = global. */
  sumOfRows(): Float64Array {
    const sum = new Float64Array(CELLS);
    this.forEachRow((view) => view.addCellsTo(sum), true);
    return sum;
  }

  countSockets(snapshot: Snapshot = this.liveSnapshot()): SocketCounts {
    return socketCounts(snapshot.gauges);
  }
  /** Rows in use that are no connections: listeners, endpoints. */
  othersUsed(): number {
    return Atomics.load(this.control, Ctl.othersUsed);
  }

  /** A row's kind now, without a copy. */
  kindOf(row: number): number {
    return this.ints[headerAt(row) + Col.kind]!;
  }

  // ---- probe gates

  /** Opens the gate of a probe point; as many disarms close it. */
  arm(point: number): void {
    if (this.armed[point]!++ !== 0) return;
    this.gates[point] = 1;
    Atomics.add(this.control, Ctl.armed, 1);
  }
  disarm(point: number): void {
    if (this.armed[point] === 0) return;
    if (--this.armed[point]! !== 0) return;
    this.gates[point] = 0;
    Atomics.sub(this.control, Ctl.armed, 1);
  }
  isArmed(point: number): boolean {
    return this.gates[point] !== 0;
  }
}
