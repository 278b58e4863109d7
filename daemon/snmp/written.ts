/**
 * A table's bindings, written before anybody asks: as far as they are the same for as long as the rows are. They stand in the order of a walk
 * in one piece of memory, and a walk that comes now and then, when the processor's caches have been used for other things, has no row, name
 * or getter to look at: it copies from here, and puts the values of cells behind.
 */
import type { SnmpObject } from './object.js';
import { berFromKey } from './oid.js';
import { Page } from './page.js';
import type { Row, SortedRows } from './rows.js';

/** In `Written.plan`, instead of a cell. */
export const Plan = Object.freeze({
  /** What is written is the binding. */
  whole: -1,
  /** Ask the object. */
  computed: -2,
  /** There is no such instance. */
  none: -3,
});

export interface Written {
  /** Whole bindings, and, of values that are cells, what `Page.addCell` needs. */
  readonly octets: Uint8Array;
  /** Two for each binding, columns first, rows within: where its octets begin, and one of Plan or its cell. Behind them where they end. */
  readonly plan: Int32Array;
}

/** Writes what can be. */
export function write<R>(columns: readonly SnmpObject<R>[], rows: SortedRows<unknown>): Written {
  const page = new Page();
  page.begin(Number.POSITIVE_INFINITY);
  const plan = new Int32Array(2 * columns.length * rows.length + 1);
  let at = 0;
  for (const object of columns) {
    const head = berFromKey(object.base);
    for (const row of rows) {
      plan[at++] = page.size;
      plan[at++] = writeOne(page, object, head, row);
    }
  }
  plan[at] = page.size;
  return { octets: Uint8Array.from(page.contents), plan };
}

/** @returns the plan for it */
function writeOne<R>(page: Page, { tag, fixed, cell, value }: SnmpObject<R>, head: Uint8Array, row: Row<unknown>): number {
  if (cell) {
    const id = cell(row.value);
    if (id < 0) return Plan.none;
    page.addName(head, 0, head.length, row.octets, tag);
    return id;
  }
  if (!fixed) return Plan.computed;
  try {
    // no reading: the value is the row's alone
    const v = value(row.value, undefined as R);
    if (v === undefined) return Plan.none;
    page.add(head, 0, head.length, row.octets, tag, v);
    return Plan.whole;
  } catch {
    // left to be asked for: it fails there, and nothing else does
    return Plan.computed;
  }
}
