/**
 * What the view is made of. Scalars and columns are the same thing here, an *object* with a name and rows; a scalar has one row, whose index
 * is 0.
 *
 * By where its values come from an object is one of three: *fixed*, when they are the rows' alone; *of cells*, when each is a cell of the
 * reading; *computed*, when a getter must be asked. written.ts says what that is good for.
 */
import { type OidKey, oid, oidKey } from './oid.js';
import { Row, type SortedRows } from './rows.js';
import { type SmiType, type SmiValue, smiTags, Tag } from './value.js';

/** What every reading has. */
export interface Cells {
  /** Counters, gauges and constants by number. */
  cell(id: number): number;
}

/** One object type. */
export interface SnmpObject<R> {
  /** `tcpConnectionState`. */
  readonly name: string;
  readonly type: SmiType;
  readonly tag: number;
  /** Its name without the instance. */
  readonly base: OidKey;
  /** The very same rows for the same reading; whoever makes them keeps them for as long as they are the same. Columns of a table share it. */
  readonly rows: (reading: R) => SortedRows<unknown>;
  /** Must answer the same for the same reading. */
  readonly value: (row: unknown, reading: R) => SmiValue;
  /** The value is the row's alone: `value` is given no reading. */
  readonly fixed: boolean;
  /** The cell that is the value; below 0 when the row has none. Instead of `value`. */
  readonly cell: ((row: unknown) => number) | null;
  /** Rows come and go with every reading, or are too many to write anything beforehand. */
  readonly fleeting: boolean;
}

const SCALAR_ROWS: SortedRows<null> = [new Row(oidKey([0]), null)];
const scalarRows = () => SCALAR_ROWS;

export function scalar<R>(name: string, at: string, type: SmiType, read: (reading: R) => SmiValue): SnmpObject<R> {
  return object(name, oid(at), type, scalarRows, { value: (_row, reading) => read(reading) });
}

/** A scalar whose value never changes. */
export function constant<R>(name: string, at: string, type: SmiType, value: SmiValue): SnmpObject<R> {
  return object(name, oid(at), type, scalarRows, { value: () => value, fixed: true });
}

/** A scalar whose value is a cell. */
export function cellScalar<R>(name: string, at: string, type: SmiType, id: number): SnmpObject<R> {
  return object(name, oid(at), type, scalarRows, { cell: () => id });
}

/** A column: its number under the entry, its name and type, and how to read it from a row. */
export type Column<R, T> = readonly [number: number, name: string, type: SmiType, read: Read<R, T>];
/** How: a getter, or what `fixed` or `cell` make. */
export type Read<R, T> = ((row: T, reading: R) => SmiValue) | Fixed<T> | Cell<T>;
interface Fixed<T> {
  readonly fixed: (row: T) => SmiValue;
}
interface Cell<T> {
  readonly cell: (row: T) => number;
}

/** A value that is the row's alone. */
export function fixed<T>(read: (row: T) => SmiValue): Fixed<T> {
  return { fixed: read };
}

/** A value that is a cell of the reading. @param id of the cell, below 0 when the row has no such instance */
export function cell<T>(id: (row: T) => number): Cell<T> {
  return { cell: id };
}

type Rows<R, T> = (reading: R) => SortedRows<T>;

/** The columns of a table under its entry's name. */
export function table<R, T>(entry: string, rows: Rows<R, T>, columns: readonly Column<R, T>[]): SnmpObject<R>[] {
  return columns.map(([number, name, type, read]) => {
    const how: object = typeof read === 'function' ? { value: read } : 'cell' in read ? read : { value: read.fixed, fixed: true };
    return object(name, oid(entry) + oidKey([number]), type, rows, how);
  });
}

/** A table all of whose values are their rows' alone. */
export function fixedTable<R, T>(
  entry: string,
  rows: Rows<R, T>,
  columns: readonly (readonly [number: number, name: string, type: SmiType, read: (row: T) => SmiValue])[],
): SnmpObject<R>[] {
  return table(
    entry,
    rows,
    columns.map(([number, name, type, read]) => [number, name, type, fixed(read)] as const),
  );
}

/** A table whose rows come and go with every reading. */
export function fleetingTable<R, T>(entry: string, rows: Rows<R, T>, columns: readonly Column<R, T>[]): SnmpObject<R>[] {
  return table(entry, rows, columns).map((o) => ({ ...o, fleeting: true }));
}

function object<R>(
  name: string,
  base: OidKey,
  type: SmiType,
  rows: SnmpObject<R>['rows'],
  how: Partial<Pick<SnmpObject<R>, 'value' | 'fixed' | 'cell'>>,
): SnmpObject<R> {
  return {
    name,
    type,
    tag: smiTags[type],
    base,
    rows,
    value: () => undefined,
    fixed: false,
    cell: null,
    fleeting: false,
    ...how,
  };
}

/** A value of this type exists only for SNMPv2 managers (RFC 3584 4.2.2.1). */
export function unseenByV1(o: { readonly tag: number }): boolean {
  return o.tag === Tag.counter64;
}

/** Answers once for an argument object, until it is asked for another: what arguments are made of changes seldom and one by one. */
export function memo<K extends object, V>(build: (key: K) => V): (key: K) => V {
  let lastKey: K | undefined;
  let last: V | undefined;
  return (key) => {
    if (lastKey !== key) {
      last = build(key);
      lastKey = key;
    }
    return last as V;
  };
}
