/**
 * Object identifiers (RFC 2578 3.5, X.690 8.19).
 *
 * A name is held as a *key*: a string of two UTF-16 units per sub-identifier, high half first. JavaScript compares strings unit by unit,
 * so `<` on keys IS the lexicographic order of SNMP's names, a subtree is a `startsWith`, and keys serve as Map keys. On the wire the
 * first two sub-identifiers X.Y share one number, 40X + Y; the others are base 128, most significant group first.
 */

/** A name as a sortable key. */
export type OidKey = string;

/** Sub-identifiers a name may have (RFC 2578 3.5). */
const MAX_SUBIDS = 128;

/** The key of a list of sub-identifiers, each 0 to 2^32-1. */
export function oidKey(subIds: readonly number[]): OidKey {
  // One flat string: appending unit by unit would leave a tree of pieces that every comparison has to flatten first.
  const units = new Array<number>(subIds.length * 2);
  for (let i = 0; i < subIds.length; i++) {
    units[2 * i] = subIds[i]! >>> 16;
    units[2 * i + 1] = subIds[i]! & 0xffff;
  }
  return String.fromCharCode.apply(null, units);
}

/** How many sub-identifiers a key has. */
export function oidLength(key: OidKey): number {
  return key.length >> 1;
}

/** The sub-identifier at a position. */
export function subIdAt(key: OidKey, index: number): number {
  return key.charCodeAt(index * 2) * 65536 + key.charCodeAt(index * 2 + 1);
}

/** `1.3.6.1` to a key; undefined when the text is no object identifier. */
export function parseOid(text: string): OidKey | undefined {
  const parts = (text.startsWith('.') ? text.slice(1) : text).split('.');
  if (parts.length > MAX_SUBIDS) return undefined;
  const subIds: number[] = [];
  for (const part of parts) {
    const n = Number(part);
    if (!/^\d{1,10}$/.test(part) || n > 0xffffffff) return undefined;
    subIds.push(n);
  }
  return oidKey(subIds);
}

/** For names written in this code: throws TypeError on bad text. */
export function oid(text: string): OidKey {
  const key = parseOid(text);
  if (key === undefined) throw new TypeError(`not an object identifier: ${text}`);
  return key;
}

export function formatOid(key: OidKey): string {
  const parts: number[] = [];
  for (let i = 0; i < oidLength(key); i++) parts.push(subIdAt(key, i));
  return parts.join('.');
}

/**
 * Reads the contents octets of an OBJECT IDENTIFIER. Undefined when the last sub-identifier is cut off, one exceeds 32 bits, or there are
 * more than 128. Empty contents are 0.0, as the agents in the field read them.
 */
export function keyFromBer(bytes: Uint8Array, at: number, end: number): OidKey | undefined {
  if (at === end) return oidKey([0, 0]);
  const subIds: number[] = [];
  let n = 0;
  for (let i = at; i < end; i++) {
    const octet = bytes[i]!;
    n = n * 128 + (octet & 0x7f);
    if (n > 0xffffffff) return undefined;
    if (octet & 0x80) {
      if (i === end - 1) return undefined;
      continue;
    }
    if (subIds.length === 0) {
      const arc = n < 40 ? 0 : n < 80 ? 1 : 2;
      subIds.push(arc, n - 40 * arc);
    } else subIds.push(n);
    n = 0;
  }
  return subIds.length > MAX_SUBIDS ? undefined : oidKey(subIds);
}

/** Contents octets of a whole name, its first two sub-identifiers folded into one. */
export function berFromKey(key: OidKey): Buffer {
  if (oidLength(key) < 2) return Buffer.from(oidLength(key) === 1 ? [40 * subIdAt(key, 0)] : [0]);
  const octets: number[] = [];
  pushBase128(octets, 40 * subIdAt(key, 0) + subIdAt(key, 1));
  pushTail(octets, key, 2);
  return Buffer.from(octets);
}

/** Contents octets of the end of a name (a table's index), which is put behind those of its beginning. */
export function berFromIndex(key: OidKey): Buffer {
  const octets: number[] = [];
  pushTail(octets, key, 0);
  return Buffer.from(octets);
}

function pushTail(octets: number[], key: OidKey, from: number): void {
  for (let i = from; i < oidLength(key); i++) pushBase128(octets, subIdAt(key, i));
}

function pushBase128(octets: number[], n: number): void {
  // Division, not shifts: a first sub-identifier of 80 + 2^32 - 1 has 33 bits.
  let unit = 1;
  while (n >= unit * 128) unit *= 128;
  for (; unit >= 1; unit /= 128) octets.push((Math.floor(n / unit) % 128) | (unit > 1 ? 0x80 : 0));
}
