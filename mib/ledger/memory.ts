/** The shared memory of one ledger: what the stack's thread and its readers both map. Plain buffers, so that it can be posted to a worker. */
import { CELLS } from '../catalogue/index.js';
import { EVENT_PROBES } from '../probe/points.js';
import { ledgerFloats, PUBLISHED_CELLS } from './layout.js';

export interface LedgerMemory {
  readonly maxRows: number;
  /** Float64 cells and rows, layout.ts. */
  readonly cells: SharedArrayBuffer;
  /** TIME-WAIT entries, time-wait.ts. */
  readonly timeWaits: SharedArrayBuffer;
  /** One byte a probe point: 0 off. Counters first, then the event probes. */
  readonly gates: SharedArrayBuffer;
  /** Int32 control words, Ctl. */
  readonly control: SharedArrayBuffer;
  /** Float64: the published copy of the global cells, the unattributed and closed ones and the devices, and its times. */
  readonly published: SharedArrayBuffer;
  /** Bounded single-producer ring of probe records, probe/ring.ts. */
  readonly ring: SharedArrayBuffer;
}

/** Words of the control block. All accessed with Atomics. */
export const Ctl = Object.freeze({
  /** Raised by readers: "publish at the next batch border". Compared with `published`. */
  requested: 0,
  /** The number of the last published snapshot; readers wait on it. */
  published: 1,
  /** Rows in use reach below this index. */
  rowsTop: 2,
  rowsUsed: 3,
  /** Raised when a row could not be had (its events went to unattributed). */
  rowsExhausted: 4,
  /** Same for the info columns: asked for, and done. */
  infoRequested: 5,
  infoDone: 6,
  /** Odd while the published block is being written: readers of it retry. */
  publishSeq: 7,
  /** Rows that have ended since the ledger was made (mod 2^32): says which slots of the history hold what. */
  closings: 8,
  /** How many probe points are armed: the stack keeps the probe context filled while it is not 0. */
  armed: 9,
  /** TIME-WAIT entries in use lie below this index. */
  timeWaitTop: 10,
  /** Rows in use that are no connections: how many a search for such has to find. */
  othersUsed: 11,
});

/** Floats in front of the published cells. */
export const Pub = Object.freeze({ takenAtUs: 0, startedAtUs: 1, wallOffsetUs: 2, batch: 3, header: 8 });

export const RING_BYTES = 1 << 20;

/** Bytes of a TIME-WAIT entry, and at least so many of them: what is not touched costs nothing. */
const TIME_WAIT_BYTES = 64;
const MIN_TIME_WAITS = 4096;

export function createLedgerMemory(maxRows: number): LedgerMemory {
  return {
    maxRows,
    cells: new SharedArrayBuffer(ledgerFloats(maxRows) * 8),
    timeWaits: new SharedArrayBuffer(Math.max(MIN_TIME_WAITS, maxRows) * TIME_WAIT_BYTES),
    gates: new SharedArrayBuffer((CELLS + EVENT_PROBES.length + 7) & ~7),
    control: new SharedArrayBuffer(64 * 4),
    published: new SharedArrayBuffer((Pub.header + PUBLISHED_CELLS) * 8),
    ring: new SharedArrayBuffer(RING_BYTES),
  };
}
