/**
 * Values of objects and their form on the wire (RFC 2578 7.1, RFC 3416 3). Getters of objects answer plain JavaScript values; what
 * SNMP's narrower types make of them is said here and nowhere else: Counter32 and TimeTicks wrap, Gauge32 and INTEGER latch at their edges.
 */
import { berFromKey, type OidKey } from './oid.js';

/** BER tags of the value types and of the three exceptions. */
export const Tag = Object.freeze({
  integer: 0x02,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  sequence: 0x30,
  ipAddress: 0x40,
  counter32: 0x41,
  gauge32: 0x42,
  timeTicks: 0x43,
  opaque: 0x44,
  counter64: 0x46,
  noSuchObject: 0x80,
  noSuchInstance: 0x81,
  endOfMibView: 0x82,
});

/** The types of served objects, by their names in the MIB modules. */
export const smiTags = Object.freeze({
  INTEGER: Tag.integer,
  'OCTET STRING': Tag.octetString,
  'OBJECT IDENTIFIER': Tag.oid,
  IpAddress: Tag.ipAddress,
  Counter32: Tag.counter32,
  Gauge32: Tag.gauge32,
  TimeTicks: Tag.timeTicks,
  Counter64: Tag.counter64,
});
export type SmiType = keyof typeof smiTags;

/**
 * What a getter answers: a number for the integer types (TimeTicks in hundredths of a second) and for IpAddress (its 32-bit word), octets
 * or text for OCTET STRING, a key for OBJECT IDENTIFIER; undefined when the instance does not exist.
 */
export type SmiValue = number | string | Uint8Array | undefined;

/** A name in two pieces, so that a column's part is encoded once and a row's once. */
export interface Name {
  readonly head: Uint8Array;
  readonly tail: Uint8Array;
}

export const NO_TAIL: Uint8Array = new Uint8Array(0);

/** One variable binding of a response, ready for the wire: integers in `number`, everything else in `octets`. */
export interface VarBind {
  readonly name: Name;
  readonly tag: number;
  readonly number: number;
  readonly octets: Uint8Array | null;
}

/** A binding that says why there is no value (RFC 3416 4.2.1, 4.2.2). */
export function exception(name: Name, tag: number): VarBind {
  return { name, tag, number: 0, octets: NO_TAIL };
}

const TWO32 = 0x1_0000_0000;

/** The binding of a value. Throws RangeError or TypeError when the value does not belong to the type: a fault of an object, answered by genErr. */
export function bind(name: Name, type: SmiType, value: number | string | Uint8Array): VarBind {
  const tag = smiTags[type];
  if (type === 'OCTET STRING') {
    if (typeof value === 'number') throw new TypeError('a number for an OCTET STRING');
    return { name, tag, number: 0, octets: typeof value === 'string' ? Buffer.from(value) : value };
  }
  if (type === 'OBJECT IDENTIFIER') {
    if (typeof value !== 'string') throw new TypeError('not a key for an OBJECT IDENTIFIER');
    return { name, tag, number: 0, octets: berFromKey(value as OidKey) };
  }
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new RangeError(`not a number for ${type}`);
  const n = Math.trunc(value);
  if (type === 'IpAddress')
    return { name, tag, number: 0, octets: Buffer.from([n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]) };
  return { name, tag, number: latched(type, n), octets: null };
}

function latched(type: SmiType, n: number): number {
  switch (type) {
    case 'Counter32':
    case 'TimeTicks':
      return ((n % TWO32) + TWO32) % TWO32;
    case 'Gauge32':
      return Math.min(Math.max(n, 0), TWO32 - 1);
    case 'Counter64':
      return Math.max(n, 0);
    default:
      return Math.min(Math.max(n, -0x8000_0000), 0x7fff_ffff);
  }
}

/** Octets of an integer's contents: two's complement, as few as can be. */
export function integerSize(n: number): number {
  let size = 1;
  for (let edge = 0x80; n >= edge || n < -edge; edge *= 256) size++;
  return size;
}

/** Octets of a tag and a length in front of contents. */
export function headerSize(contents: number): number {
  return contents < 0x80 ? 2 : contents < 0x100 ? 3 : contents < 0x1_0000 ? 4 : 5;
}

/** Octets a binding takes in a message. */
export function varBindSize(v: VarBind): number {
  const name = v.name.head.length + v.name.tail.length;
  const value = v.octets === null ? integerSize(v.number) : v.octets.length;
  const contents = headerSize(name) + name + headerSize(value) + value;
  return headerSize(contents) + contents;
}

/** Writes a binding, which takes `varBindSize` octets. @returns where the next one begins */
export function writeVarBind(to: Uint8Array, at: number, v: VarBind): number {
  const { head, tail } = v.name;
  const name = head.length + tail.length;
  const value = v.octets === null ? integerSize(v.number) : v.octets.length;
  let i = writeHeader(to, at, Tag.sequence, headerSize(name) + name + headerSize(value) + value);
  i = writeHeader(to, i, Tag.oid, name);
  i = copy(to, copy(to, i, head), tail);
  i = writeHeader(to, i, v.tag, value);
  if (v.octets !== null) return copy(to, i, v.octets);
  writeInteger(to, i, v.number, value);
  return i + value;
}

/** Byte by byte: names have some ten, for which `set` takes longer. */
function copy(to: Uint8Array, at: number, from: Uint8Array): number {
  for (let i = 0; i < from.length; i++) to[at + i] = from[i]!;
  return at + from.length;
}

/** @returns where the contents begin */
export function writeHeader(to: Uint8Array, at: number, tag: number, contents: number): number {
  to[at] = tag;
  const size = headerSize(contents);
  if (size === 2) {
    to[at + 1] = contents;
    return at + 2;
  }
  to[at + 1] = 0x80 | (size - 2);
  for (let i = at + size - 1, n = contents; i > at + 1; i--, n >>>= 8) to[i] = n & 0xff;
  return at + size;
}

/** Two's complement in `size` octets. Division, not shifts: a Counter64 has more than 32 bits. */
function writeInteger(to: Uint8Array, at: number, n: number, size: number): void {
  let rest = n;
  for (let i = at + size - 1; i >= at; i--) {
    const upper = Math.floor(rest / 256);
    to[i] = rest - upper * 256;
    rest = upper;
  }
}
