/**
 * The rows of a table in the order of their indexes.
 *
 * A table's members change rarely compared with their values: columns are getters, so only a row that comes or goes touches the order.
 * `RowIndex.refresh` therefore merges: rows that stay keep their key and its encoding, new ones are sorted among themselves, and one pass
 * puts both together. 100,000 rows that did not change cost a pass of map look-ups, not a sort.
 */
import { berFromIndex, type OidKey } from './oid.js';

/** A row under its index. */
export class Row<T> {
  /** The index part of its names. */
  readonly key: OidKey;
  value: T;
  private encoded: Uint8Array | null = null;

  constructor(key: OidKey, value: T) {
    this.key = key;
    this.value = value;
  }

  /** The index on the wire, encoded when first asked for. */
  get octets(): Uint8Array {
    this.encoded ??= berFromIndex(this.key);
    return this.encoded;
  }
}

/** Rows in ascending order of their keys, no key twice. */
export type SortedRows<T> = readonly Row<T>[];

/** Sorts rows and drops those whose key a row before them has. */
export function sortRows<T>(rows: Row<T>[]): SortedRows<T> {
  rows.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return rows.filter((row, i) => i === 0 || row.key !== rows[i - 1]!.key);
}

/** Position of the first row whose key is greater than `key`; the number of rows when there is none. */
export function firstAfter<T>(rows: SortedRows<T>, key: OidKey): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle]!.key <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Position of the row of this key; below 0 when there is none. */
export function indexOfRow<T>(rows: SortedRows<T>, key: OidKey): number {
  const at = firstAfter(rows, key) - 1;
  return rows[at]?.key === key ? at : -1;
}

/** The rows of a table with many members, kept from one reading to the next. Members are known by an id that never means two things. */
export class RowIndex<T> {
  private byId = new Map<string, Row<T>>();
  private rows: SortedRows<T> = [];
  private readonly idOf: (member: T) => string;
  private readonly keyOf: (member: T) => OidKey;

  constructor(idOf: (member: T) => string, keyOf: (member: T) => OidKey) {
    this.idOf = idOf;
    this.keyOf = keyOf;
  }

  /** The rows of these members. */
  refresh(members: readonly T[]): SortedRows<T> {
    const byId = new Map<string, Row<T>>();
    const fresh: Row<T>[] = [];
    for (const member of members) {
      const id = this.idOf(member);
      let row = this.byId.get(id);
      if (row) row.value = member;
      else fresh.push((row = new Row(this.keyOf(member), member)));
      byId.set(id, row);
    }
    if (this.rows.length !== this.byId.size) {
      // Two members shared a key last time and one was left out: whoever is left is to be found again.
      this.rows = sortRows([...byId.values()]);
    } else {
      const stayed =
        byId.size - fresh.length === this.rows.length ? this.rows : this.rows.filter((r) => byId.get(this.idOf(r.value)) === r);
      this.rows = fresh.length === 0 ? stayed : merge(stayed, sortRows(fresh));
    }
    this.byId = byId;
    return this.rows;
  }
}

function merge<T>(a: SortedRows<T>, b: SortedRows<T>): SortedRows<T> {
  if (a.length === 0) return b;
  const out: Row<T>[] = [];
  let i = 0;
  let k = 0;
  while (i < a.length || k < b.length) {
    const fromA = k >= b.length || (i < a.length && a[i]!.key <= b[k]!.key);
    const row = fromA ? a[i++]! : b[k++]!;
    if (out.length === 0 || out[out.length - 1]!.key !== row.key) out.push(row);
  }
  return out;
}
