/** What can be read of a stack's ledger, or of several that are one host's: the face that every door is written against. */
import type { ProbeReader } from '../probe/ring.js';
import type { Snapshot } from '../snapshot.js';
import type { RowContext, RowView } from './row-view.js';
import type { SocketCounts } from './socket-counts.js';

export interface AskOptions {
  /** How long to wait for the stack, ms; 200 unless told. */
  readonly timeoutMs?: number;
  /**
   * How long the thread may be stopped for the answer before it is waited for asynchronously, ms; 0 unless told. A stack at work answers
   * at its next batch border, within some 100 µs: less than the turns of the event loop cost that an asynchronous wait takes.
   */
  readonly blockMs?: number;
  /** Wakes a stack that sleeps in poll(): writes its eventfd. */
  readonly wake?: () => void;
}

export interface FoundRow {
  readonly view: RowView;
  /** From the history. */
  readonly closed: boolean;
}

export type ProbeSource = Pick<ProbeReader, 'read' | 'lost' | 'lostRecords'>;

export interface Readings {
  /** Rows there can be. */
  readonly maxRows: number;
  /** Records of armed probes, and what was lost. One consumer. */
  readonly probes: ProbeSource;

  /** All global cells at the stack's next batch border; the live ones, marked inconsistent, when it does not answer in time. */
  snapshot(options?: AskOptions): Promise<Snapshot>;
  /** The live cells, now: each exact, but not of one moment. */
  liveSnapshot(): Snapshot;
  /** Asks the stack to bring the info columns (tcp_info) of all rows up to date. False when it did not answer in time. */
  refreshInfo(options?: AskOptions): Promise<boolean>;

  /** Rows in use. */
  rowsUsed(): number;
  /** How often a row could not be had: those events are in the unattributed cells. */
  rowsExhausted(): number;
  /** Every row in use has a number below this; TIME-WAIT entries have higher ones. */
  rowsTop(): number;
  /** Copies a row. False when it is free, not yet identified, or could not be read in one piece. @param withCells its counters too */
  readRow(row: number, into: RowView, withCells: boolean): boolean;
  /** Visits every row in use and every TIME-WAIT entry, by number. The view is reused: keep nothing of it. Return false to stop. */
  forEachRow(visit: (view: RowView) => unknown, withCells?: boolean, from?: number): void;
  /** Copies of all rows in use, without their counters: what the socket tables of /proc/net are written from. */
  rows(): RowView[];
  /** The row called `row.generation`, live or from the history. */
  findRow(id: string): FoundRow | undefined;
  /** The row whose ends are `local-remote`, live, else the last of that name in the history (whose counters a TIME-WAIT entry has not). */
  findRowByName(name: string): FoundRow | undefined;
  /** Does the view show a TIME-WAIT entry, which has no counters of its own? */
  isTimeWaitEntry(view: RowView): boolean;
  /** Rows that have ended, the last first, as far as they are remembered. */
  closedRows(): RowView[];
  /** What showing a row needs to know. */
  context(snapshot: Snapshot): RowContext;
  /** The sum of all rows in use, by cell id. With the stack at rest: rows + closed + unattributed = global. */
  sumOfRows(): Float64Array;
  /** How many sockets there were at the time of the snapshot; the live counts without one. No row of a connection is looked at. */
  countSockets(snapshot?: Snapshot): SocketCounts;

  /** Opens the gate of a probe point; as many disarms close it. */
  arm(point: number): void;
  disarm(point: number): void;
  isArmed(point: number): boolean;
}
