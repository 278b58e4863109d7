/**
 * The virtual view: every object the agent serves, in the order of the names (RFC 3416 4.2). Nothing that moves is stored in it: a table's
 * rows and an object's value are asked for when a request comes to them.
 *
 * A walk is: rows of the first object, rows of the next one, and so on, which is the order that SNMP prescribes (columns first, rows within).
 * What is found is written into the asker's page at once.
 */
import { type Cells, memo, type SnmpObject, unseenByV1 } from './object.js';
import { berFromKey, formatOid, type OidKey } from './oid.js';
import type { Page } from './page.js';
import { firstAfter, indexOfRow, type SortedRows } from './rows.js';
import { Tag } from './value.js';
import { Plan, type Written, write } from './written.js';

const NO_TAIL = new Uint8Array(0);

/** Objects one behind the other that have the same rows: the columns of a table, or scalars. */
class Segment<R extends Cells> {
  readonly objects: readonly SnmpObject<R>[];
  readonly rows: (reading: R) => SortedRows<unknown>;
  /** What is written of these rows; null where nothing is, because they are not kept. */
  readonly writtenOf: (rows: SortedRows<unknown>) => Written | null;
  private readonly heads: readonly Uint8Array[];

  constructor(objects: readonly SnmpObject<R>[]) {
    const { rows, fleeting } = objects[0]!;
    this.objects = objects;
    this.rows = rows;
    this.writtenOf = fleeting ? () => null : memo((now) => write(objects, now));
    this.heads = objects.map((o) => berFromKey(o.base));
  }

  /** The object of an instance. Instances are counted object by object, rows within. */
  objectOf(instance: number, rows: SortedRows<unknown>): SnmpObject<R> {
    return this.objects[Math.floor(instance / rows.length)]!;
  }

  /** Adds the binding of an instance. @returns false when there is none */
  add(instance: number, rows: SortedRows<unknown>, written: Written | null, reading: R, page: Page): boolean {
    if (!written) return this.addComputed(instance, rows, reading, page);
    const { octets, plan } = written;
    const from = plan[2 * instance]!;
    const what = plan[2 * instance + 1]!;
    if (what >= 0) page.addCell(octets, from, plan[2 * instance + 2]!, reading.cell(what));
    else if (what === Plan.whole) page.addWritten(octets, from, plan[2 * instance + 2]!);
    else return what === Plan.computed && this.addComputed(instance, rows, reading, page);
    return true;
  }

  private addComputed(instance: number, rows: SortedRows<unknown>, reading: R, page: Page): boolean {
    const column = Math.floor(instance / rows.length);
    const { tag, cell, value } = this.objects[column]!;
    const row = rows[instance - column * rows.length]!;
    const id = cell ? cell(row.value) : 0;
    const v = !cell ? value(row.value, reading) : id < 0 ? undefined : reading.cell(id);
    if (v === undefined) return false;
    const head = this.heads[column]!;
    page.add(head, 0, head.length, row.octets, tag, v);
    return true;
  }

  /** Adds endOfMibView for the name of an instance. */
  addEnd(instance: number, rows: SortedRows<unknown>, page: Page): void {
    const column = Math.floor(instance / rows.length);
    const head = this.heads[column]!;
    page.addException(head, 0, head.length, rows[instance - column * rows.length]!.octets, Tag.endOfMibView);
  }
}

export class View<R extends Cells> {
  /** In ascending order. */
  readonly objects: readonly SnmpObject<R>[];
  readonly segments: readonly Segment<R>[];
  /** The segment of each object, and its place in it. */
  private readonly places: readonly { readonly segment: number; readonly column: number }[];

  constructor(objects: readonly SnmpObject<R>[]) {
    this.objects = [...objects].sort((a, b) => (a.base < b.base ? -1 : 1));
    const segments: SnmpObject<R>[][] = [];
    const places: { segment: number; column: number }[] = [];
    for (const [i, object] of this.objects.entries()) {
      const before = this.objects[i - 1];
      if (before && object.base.startsWith(before.base)) {
        throw new RangeError(`${object.name} ${formatOid(object.base)} lies at or under ${before.name}`);
      }
      if (before?.rows !== object.rows || before.fleeting !== object.fleeting) segments.push([]);
      const column = segments.at(-1)!.push(object) - 1;
      places.push({ segment: segments.length - 1, column });
    }
    this.segments = segments.map((s) => new Segment(s));
    this.places = places;
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

  /** Adds the binding of exactly this name, or of noSuchObject or noSuchInstance (RFC 3416 4.2.1). @returns false for these */
  get(key: OidKey, reading: R, v1: boolean, page: Page): boolean {
    const at = this.floor(key);
    const object = this.objects[at];
    if (!object || !key.startsWith(object.base) || (v1 && unseenByV1(object))) return addException(page, key, Tag.noSuchObject);
    const { segment, column } = this.places[at]!;
    const s = this.segments[segment]!;
    const rows = s.rows(reading);
    const row = indexOfRow(rows, key.slice(object.base.length));
    const found = row >= 0 && s.add(column * rows.length + row, rows, s.writtenOf(rows), reading, page);
    return found || addException(page, key, Tag.noSuchInstance);
  }

  /** A walk over everything behind this name. Valid for one reading. */
  walkFrom(key: OidKey, reading: R, v1: boolean): Walk<R> {
    const at = this.floor(key);
    const object = this.objects[at];
    const inside = object !== undefined && key.startsWith(object.base);
    const place = this.places[inside ? at : at + 1];
    if (!place) return new Walk(this.segments, this.segments.length, 0, reading, v1, key);
    const { segment, column } = place;
    const rows = this.segments[segment]!.rows(reading);
    const row = inside ? firstAfter(rows, key.slice(object.base.length)) : 0;
    return new Walk(this.segments, segment, column * rows.length + row, reading, v1, key);
  }
}

/** @returns false: it is no value */
function addException(page: Page, key: OidKey, tag: number): false {
  const name = berFromKey(key);
  page.addException(name, 0, name.length, NO_TAIL, tag);
  return false;
}

/** Successors of a name, one by one (RFC 3416 4.2.2). At the end it answers endOfMibView for the last name, again and again. */
export class Walk<R extends Cells> {
  ended = false;
  private readonly segments: readonly Segment<R>[];
  private readonly reading: R;
  private readonly v1: boolean;
  /** What was asked for: the last name as long as there is no `lastRows`. */
  private readonly from: OidKey;
  /** Where the walk is: a segment, its rows and what is written of them once they have been asked for, and the instance that is next. */
  private segment: number;
  private rows: SortedRows<unknown> | null = null;
  private written: Written | null = null;
  private instance: number;
  /** Of the last name. */
  private lastSegment = 0;
  private lastRows: SortedRows<unknown> | null = null;
  private lastInstance = 0;

  constructor(segments: readonly Segment<R>[], segment: number, instance: number, reading: R, v1: boolean, from: OidKey) {
    this.segments = segments;
    this.segment = segment;
    this.instance = instance;
    this.reading = reading;
    this.v1 = v1;
    this.from = from;
  }

  /** Adds the next binding. @returns false at the end: it is no value */
  next(page: Page): boolean {
    for (; this.segment < this.segments.length; this.segment++, this.instance = 0, this.rows = null) {
      const segment = this.segments[this.segment]!;
      if (!this.rows) {
        this.rows = segment.rows(this.reading);
        this.written = segment.writtenOf(this.rows);
      }
      const { rows, written, reading } = this;
      const end = segment.objects.length * rows.length;
      while (this.instance < end) {
        const instance = this.instance++;
        if (this.v1 && unseenByV1(segment.objectOf(instance, rows))) continue;
        if (!segment.add(instance, rows, written, reading, page)) continue;
        this.lastSegment = this.segment;
        this.lastRows = rows;
        this.lastInstance = instance;
        return true;
      }
    }
    this.ended = true;
    if (this.lastRows) this.segments[this.lastSegment]!.addEnd(this.lastInstance, this.lastRows, page);
    else addException(page, this.from, Tag.endOfMibView);
    return false;
  }
}
