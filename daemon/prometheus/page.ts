/**
 * A page as bytes that stay. From one scrape to the next some 40 of 490 numbers are others: those are written over in place, and what is
 * behind moves only when a number has become longer. So a frequent scrape takes few of the cache lines that the stack needs, and leaves
 * hardly any garbage. Who sends the bytes borrows them; a page that must change meanwhile goes on in a copy.
 */
import type { Moment } from '../snapshot.js';
import { numberText } from './exposition.js';
import type { Layout, Slot } from './layout.js';

/** Room is taken in steps of this, octets, with at least as much to spare for numbers that grow. */
const ROOM = 1 << 14;

/** Bytes of a page at one moment. Nobody changes them until they are released, once. */
export interface Lease {
  readonly bytes: Buffer;
  release(): void;
}

class Sheet {
  readonly buffer: Buffer;
  readers = 0;

  constructor(length: number) {
    this.buffer = Buffer.allocUnsafeSlow((Math.ceil(length / ROOM) + 1) * ROOM);
  }
}

export class Page {
  private readonly slots: readonly Slot[];
  private readonly cells: Int32Array;
  private readonly scales: Float64Array;
  private readonly sectionEnds: readonly number[];
  private readonly durations: number[];
  /** What is shown in each slot, where its text begins and how long it is. */
  private readonly values: Float64Array;
  private readonly offsets: Int32Array;
  private readonly lengths: Int32Array;
  /** Whole lines behind the slots that others wrote. */
  private tail = '';
  private tailLength = 0;
  private sheet: Sheet;
  private spare: Sheet | null = null;
  /** Octets of the page. */
  private length: number;
  private readonly end: string;

  /** @param end the format's end mark, behind the tail */
  constructor(layout: Layout, end: string) {
    const { slots, literals } = layout;
    this.slots = slots;
    this.sectionEnds = layout.sectionEnds;
    this.durations = layout.durations;
    this.cells = Int32Array.from(slots, (s) => s.cell);
    this.scales = Float64Array.from(slots, (s) => s.scale);
    this.values = new Float64Array(slots.length);
    this.lengths = new Int32Array(slots.length).fill(1);
    this.offsets = new Int32Array(slots.length);
    this.end = end;
    // every number is 0 until the page is filled
    let at = 0;
    for (let s = 0; s < slots.length; s++) {
      at += Buffer.byteLength(literals[s]!);
      this.offsets[s] = at++;
    }
    const text = literals.join('0') + end;
    this.length = Buffer.byteLength(text);
    this.sheet = new Sheet(this.length);
    this.sheet.buffer.write(text, 'utf8');
  }

  /** Brings the page to this moment. @param tail whole lines behind what was laid out @param nowMs a clock for the sections' durations */
  fill(moment: Moment, tail: string, nowMs: () => number): void {
    let from = 0;
    for (let i = 0; i < this.sectionEnds.length; i++) {
      const began = nowMs();
      const end = this.sectionEnds[i]!;
      this.fillSlots(moment, from, end);
      this.durations[i] = (nowMs() - began) / 1000;
      from = end;
    }
    this.fillSlots(moment, from, this.slots.length);
    if (tail !== this.tail) this.replaceTail(tail);
  }

  /** The bytes as they are now. */
  lend(): Lease {
    const { sheet } = this;
    sheet.readers++;
    let held = true;
    return {
      bytes: sheet.buffer.subarray(0, this.length),
      release: () => {
        if (held && --sheet.readers === 0 && sheet !== this.sheet) this.spare = sheet;
        held = false;
      },
    };
  }

  private fillSlots(moment: Moment, from: number, end: number): void {
    const { cells, scales, values } = this;
    const { published } = moment.snapshot;
    for (let s = from; s < end; s++) {
      const cell = cells[s]!;
      const value = cell < 0 ? this.slots[s]!.read(moment) : published[cell]! * scales[s]!;
      if (value === values[s]) continue;
      values[s] = value;
      this.write(s, numberText(value));
    }
  }

  private write(s: number, text: string): void {
    const buffer = this.writable(text.length - this.lengths[s]!);
    const at = this.offsets[s]!;
    if (text.length !== this.lengths[s]) this.resize(s, text.length);
    buffer.write(text, at, text.length, 'latin1');
  }

  /** Moves what is behind a slot. */
  private resize(s: number, length: number): void {
    const more = length - this.lengths[s]!;
    const behind = this.offsets[s]! + this.lengths[s]!;
    this.sheet.buffer.copyWithin(behind + more, behind, this.length);
    this.lengths[s] = length;
    for (let i = s + 1; i < this.offsets.length; i++) this.offsets[i]! += more;
    this.length += more;
  }

  private replaceTail(tail: string): void {
    const length = Buffer.byteLength(tail);
    const buffer = this.writable(length - this.tailLength);
    const at = this.length - this.end.length - this.tailLength;
    buffer.write(tail, at, length, 'utf8');
    buffer.write(this.end, at + length, this.end.length, 'latin1');
    this.length += length - this.tailLength;
    this.tail = tail;
    this.tailLength = length;
  }

  /** A buffer that nobody else reads, with room for so many octets more. */
  private writable(more: number): Buffer {
    const { sheet } = this;
    if (sheet.readers === 0 && this.length + more <= sheet.buffer.length) return sheet.buffer;
    const spare = this.spare;
    this.spare = null;
    this.sheet = spare && this.length + more <= spare.buffer.length ? spare : new Sheet(this.length + more);
    sheet.buffer.copy(this.sheet.buffer, 0, 0, this.length);
    return this.sheet.buffer;
  }
}
