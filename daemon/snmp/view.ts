/**
 * The virtual view: every object the agent serves, in the order of the names (RFC 3416 4.2). Nothing is stored in it: an object is a type
 * and a getter on a reading of the stack, a table's rows are asked for when a request comes to them.
 *
 * Scalars and columns are the same thing here, an *object* with a name and rows; a scalar has one row, whose index is 0. So a walk is:
 * rows of the first object, rows of the next one, and so on, which is the order that SNMP prescribes (columns first, rows within).
 */
import { berFromKey, formatOid, type OidKey, oid, oidKey } from './oid.js';
import { findRow, firstAfter, Row, type SortedRows } from './rows.js';
import { bind, exception, type Name, NO_TAIL, type SmiType, type SmiValue, Tag, type VarBind } from './value.js';

/** One object type. `rows` and `value` must answer the same for the same reading. */
export interface SnmpObject<R> {
  /** `tcpConnectionState`. */
  readonly name: string;
  readonly type: SmiType;
  /** Its name without the instance. */
  readonly base: OidKey;
  /** The same on the wire. */
  readonly head: Uint8Array;
  rows(reading: R): SortedRows<unknown>;
  value(row: unknown, reading: R): SmiValue;
}

/** A value of this type exists only for SNMPv2 managers (RFC 3584 4.2.2.1). */
function unseenByV1(object: { readonly type: SmiType }): boolean {
  return object.type === 'Counter64';
}

const SCALAR_ROWS: SortedRows<null> = [new Row(oidKey([0]), null)];

export function scalar<R>(name: string, at: string, type: SmiType, read: (reading: R) => SmiValue): SnmpObject<R> {
  const base = oid(at);
  return { name, type, base, head: berFromKey(base), rows: () => SCALAR_ROWS, value: (_row, reading) => read(reading) };
}

/** A column: its number under the entry, its name and type, and how to read it from a row. */
export type Column<R, T> = readonly [number: number, name: string, type: SmiType, read: (row: T, reading: R) => SmiValue];

/** The columns of a table under its entry's name. `rows` is asked once per reading. */
export function table<R extends object, T>(
  entry: string,
  rows: (reading: R) => SortedRows<T>,
  columns: readonly Column<R, T>[],
): SnmpObject<R>[] {
  const rowsOf = memo(rows);
  return columns.map(([number, name, type, read]) => {
    const base = oid(entry) + oidKey([number]);
    return { name, type, base, head: berFromKey(base), rows: rowsOf, value: (row, reading) => read(row as T, reading) };
  });
}

/** Answers once for an argument object, until it is asked for another: readings come one after the other. */
export function memo<K extends object, V>(build: (key: K) => V): (key: K) => V {
  let last: { readonly key: K; readonly value: V } | undefined;
  return (key) => {
    if (last?.key !== key) last = { key, value: build(key) };
    return last.value;
  };
}

export class View<R> {
  /** In ascending order. */
  readonly objects: readonly SnmpObject<R>[];

  constructor(objects: readonly SnmpObject<R>[]) {
    this.objects = [...objects].sort((a, b) => (a.base < b.base ? -1 : 1));
    for (const [i, object] of this.objects.entries()) {
      const before = this.objects[i - 1];
      if (before && object.base.startsWith(before.base)) {
        throw new RangeError(`${object.name} ${formatOid(object.base)} lies at or under ${before.name}`);
      }
    }
  }

  /** The last object whose name is not behind `key`; -1 when all are. */
  private floor(key: OidKey): number {
    let low = 0;
    let high = this.objects.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.objects[middle]!.base <= key) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** The binding of exactly this name, or of noSuchObject or noSuchInstance (RFC 3416 4.2.1). */
  get(key: OidKey, reading: R, v1: boolean): VarBind {
    const object = this.objects[this.floor(key)];
    if (!object || !key.startsWith(object.base) || (v1 && unseenByV1(object))) return exception(wholeName(key), Tag.noSuchObject);
    const row = findRow(object.rows(reading), key.slice(object.base.length));
    const value = row && object.value(row.value, reading);
    if (!row || value === undefined) return exception(wholeName(key), Tag.noSuchInstance);
    return bind({ head: object.head, tail: row.octets }, object.type, value);
  }

  /** A walk over everything behind this name. Valid for one reading. */
  walkFrom(key: OidKey, reading: R, v1: boolean): Walk<R> {
    const at = this.floor(key);
    const object = this.objects[at];
    if (!object || !key.startsWith(object.base)) return new Walk(this.objects, at + 1, 0, reading, v1, wholeName(key));
    const row = firstAfter(object.rows(reading), key.slice(object.base.length));
    return new Walk(this.objects, at, row, reading, v1, wholeName(key));
  }
}

function wholeName(key: OidKey): Name {
  return { head: berFromKey(key), tail: NO_TAIL };
}

/** Successors of a name, one by one (RFC 3416 4.2.2). At the end it answers endOfMibView for the last name, again and again. */
export class Walk<R> {
  ended = false;
  private readonly objects: readonly SnmpObject<R>[];
  private readonly reading: R;
  private readonly v1: boolean;
  private object: number;
  private row: number;
  private last: Name;

  constructor(objects: readonly SnmpObject<R>[], object: number, row: number, reading: R, v1: boolean, last: Name) {
    this.objects = objects;
    this.object = object;
    this.row = row;
    this.reading = reading;
    this.v1 = v1;
    this.last = last;
  }

  next(): VarBind {
    for (; this.object < this.objects.length; this.object++, this.row = 0) {
      const object = this.objects[this.object]!;
      if (this.v1 && unseenByV1(object)) continue;
      const rows = object.rows(this.reading);
      while (this.row < rows.length) {
        const row = rows[this.row++]!;
        const value = object.value(row.value, this.reading);
        if (value === undefined) continue;
        const name = { head: object.head, tail: row.octets };
        this.last = name;
        return bind(name, object.type, value);
      }
    }
    this.ended = true;
    return exception(this.last, Tag.endOfMibView);
  }
}
