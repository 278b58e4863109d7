/**
 * The variable bindings of a response, written as they are found: each into one buffer, which is used again for the next response, so that
 * a walk through hundreds of variables makes no garbage. What is in it must have been copied out before the next `begin`.
 */
import { headerSize, integerSize, numberOf, octetsOf, type SmiValue, Tag, writeHeader, writeInteger } from './value.js';

/** Most responses are one frame. */
const FIRST_SIZE = 2048;

export class Page {
  /** A binding did not fit: it and what came behind it are not there. */
  full = false;
  /** Bindings that are values, not exceptions. */
  values = 0;
  private octets = Buffer.allocUnsafeSlow(FIRST_SIZE);
  private length = 0;
  private room = 0;

  /** Empties the page. @param room octets that the bindings may take together; below 0 nothing fits */
  begin(room: number): void {
    this.room = room;
    this.length = 0;
    this.full = false;
    this.values = 0;
  }

  /** The bindings: contents of a VarBindList. Holds until the next `begin` or addition. */
  get contents(): Buffer {
    return this.octets.subarray(0, this.length);
  }
  get size(): number {
    return this.length;
  }

  /** Adds a binding of a value. The name is `names` from `from` to `to` and then `tail`. Throws as octetsOf and numberOf do; then nothing is added. */
  add(names: Uint8Array, from: number, to: number, tail: Uint8Array, tag: number, value: SmiValue): void {
    if (tag === Tag.octetString || tag === Tag.oid) {
      const octets = octetsOf(tag, value);
      const at = this.open(names, from, to, tail, tag, octets.length);
      if (at < 0) return;
      this.octets.set(octets, at);
    } else {
      const n = numberOf(tag, value);
      const size = tag === Tag.ipAddress ? 4 : integerSize(n);
      const at = this.open(names, from, to, tail, tag, size);
      if (at < 0) return;
      writeInteger(this.octets, at, n, size);
    }
    this.values++;
  }

  /** Adds a binding that says why there is no value (RFC 3416 4.2.1, 4.2.2). */
  addException(names: Uint8Array, from: number, to: number, tail: Uint8Array, tag: number): void {
    this.open(names, from, to, tail, tag, 0);
  }

  /** Adds a binding of a value that was written before. */
  addWritten(octets: Uint8Array, from: number, to: number): void {
    const at = this.take(to - from);
    if (at < 0) return;
    copy(this.octets, at, octets, from, to);
    this.values++;
  }

  /** Adds what `addCell` takes: a binding's name and the tag of its value. */
  addName(names: Uint8Array, from: number, to: number, tail: Uint8Array, tag: number): void {
    const name = to - from + tail.length;
    let at = this.take(headerSize(name) + name + 1);
    if (at < 0) return;
    const { octets } = this;
    at = writeHeader(octets, at, Tag.oid, name);
    at = copy(octets, at, names, from, to);
    at = copy(octets, at, tail, 0, tail.length);
    octets[at] = tag;
  }

  /** Adds a binding of an integer, whose name and tag were written before. Throws as numberOf does; then nothing is added. */
  addCell(written: Uint8Array, from: number, to: number, value: number): void {
    const n = numberOf(written[to - 1]!, value);
    const size = integerSize(n);
    const contents = to - from + 1 + size;
    let at = this.take(headerSize(contents) + contents);
    if (at < 0) return;
    const { octets } = this;
    at = writeHeader(octets, at, Tag.sequence, contents);
    at = copy(octets, at, written, from, to);
    // an integer's length is one octet
    octets[at++] = size;
    writeInteger(octets, at, n, size);
    this.values++;
  }

  /** Writes all of a binding but its value. @returns where that is to be written; below 0 when the binding does not fit */
  private open(names: Uint8Array, from: number, to: number, tail: Uint8Array, tag: number, value: number): number {
    const name = to - from + tail.length;
    const contents = headerSize(name) + name + headerSize(value) + value;
    let at = this.take(headerSize(contents) + contents);
    if (at < 0) return at;
    const { octets } = this;
    at = writeHeader(octets, at, Tag.sequence, contents);
    at = writeHeader(octets, at, Tag.oid, name);
    at = copy(octets, at, names, from, to);
    at = copy(octets, at, tail, 0, tail.length);
    return writeHeader(octets, at, tag, value);
  }

  /** @returns where a binding of this size begins; below 0 when it does not fit */
  private take(size: number): number {
    if (size > this.room) {
      this.full = true;
      return -1;
    }
    const at = this.length;
    this.room -= size;
    this.length += size;
    if (this.length > this.octets.length) this.grow();
    return at;
  }

  private grow(): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.octets.length * 2, this.length));
    larger.set(this.octets);
    this.octets = larger;
  }
}

/** Byte by byte: a binding has some thirty, for which `set` takes longer. @returns where the next octet goes */
function copy(to: Uint8Array, at: number, octets: Uint8Array, from: number, end: number): number {
  let i = at;
  for (let k = from; k < end; k++) to[i++] = octets[k]!;
  return i;
}
