/**
 * Room for many connections. Their rows are reserved at the start and touched when they are used, which a small machine may refuse all the same;
 * their objects are in the heap of the stack's thread, whose bound Node takes from the machine's memory and not from what is wanted.
 */
import { getHeapStatistics } from 'node:v8';
import { createLedgerMemory, type LedgerMemory } from '../../mib/ledger/memory.js';

/** With fewer rows a refusal has another reason. */
const LEAST_ROWS = 4096;
/** Heap of a busy connection, its buffers not counted (an idle one has half of that), and of everything else. */
const CONNECTION_BYTES = 4096;
const BASE_BYTES = 256 << 20;

/** Memory of so many ledgers, each for so many rows or, where that cannot be had, for half as many, and so on: all of them of one size. */
export function reserveLedgers(
  count: number,
  maxRows: number,
  create: (rows: number) => LedgerMemory = createLedgerMemory,
): LedgerMemory[] {
  for (let rows = maxRows; ; rows = Math.floor(rows / 2)) {
    try {
      return Array.from({ length: count }, () => create(rows));
    } catch (e) {
      if (!(e instanceof RangeError) || rows < LEAST_ROWS) throw e;
    }
  }
}

/** The bound of the thread's heap, MB: what Node gives, or more where so many connections need it. */
export function heapLimitMb(maxRows: number): number {
  return Math.ceil(Math.max(getHeapStatistics().heap_size_limit, maxRows * CONNECTION_BYTES + BASE_BYTES) / (1 << 20));
}
