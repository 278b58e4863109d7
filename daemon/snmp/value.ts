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

const TWO32 = 0x1_0000_0000;

/** The contents of an OCTET STRING or OBJECT IDENTIFIER. Throws TypeError when the value is not the type's: a fault of an object, answered by genErr. */
export function octetsOf(tag: number, value: SmiValue): Uint8Array {
  if (tag === Tag.oid) {
    if (typeof value !== 'string') throw new TypeError('not a key for an OBJECT IDENTIFIER');
    return berFromKey(value as OidKey);
  }
  if (typeof value === 'string') return Buffer.from(value);
  if (!(value instanceof Uint8Array)) throw new TypeError('neither text nor octets for an OCTET STRING');
  return value;
}

/** What an integer type, or the word of an IpAddress, shows of a number. Throws RangeError when the value is none. */
export function numberOf(tag: number, value: SmiValue): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new RangeError(`not a number for ${typeName(tag)}`);
  const n = Math.trunc(value);
  switch (tag) {
    case Tag.counter32:
    case Tag.timeTicks:
      return n >= 0 && n < TWO32 ? n : ((n % TWO32) + TWO32) % TWO32;
    case Tag.gauge32:
      return Math.min(Math.max(n, 0), TWO32 - 1);
    case Tag.counter64:
      return Math.max(n, 0);
    case Tag.ipAddress:
      return n >>> 0;
    default:
      return Math.min(Math.max(n, -0x8000_0000), 0x7fff_ffff);
  }
}

function typeName(tag: number): string {
  return Object.entries(smiTags).find((entry) => entry[1] === tag)?.[0] ?? `tag ${tag}`;
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

/** An integer's contents: two's complement in `size` octets. Division, not shifts: a Counter64 has more than 32 bits. */
export function writeInteger(to: Uint8Array, at: number, n: number, size: number): void {
  let rest = n;
  for (let i = at + size - 1; i >= at; i--) {
    const upper = Math.floor(rest / 256);
    to[i] = rest - upper * 256;
    rest = upper;
  }
}
