/**
 * What was received and not read: one ring whose index is the sequence number (modulo its power-of-two size). Out-of-order bytes lie in it
 * where they belong, with a short sorted list of ranges. In-order bytes of large packets stay in these (kept-packets.ts). Beside the bytes a record per sk_buff that Linux would hold is kept, for Linux's
 * memory accounting (truesize): it decides when the window closes and when data is pruned.
 */
import type { Packet } from '../core/packet.js';
import { KeptPackets } from './kept-packets.js';
import { after, before } from './seq.js';

/** An out-of-order range. */
export class OfoRange {
  seq = 0;
  endSeq = 0;
  truesize = 0;
  /** Room that Linux would have in the buffer's tail. */
  tailroom = 0;
  fin = false;
}

const rangePool: OfoRange[] = [];
const MIN_RING = 4096;

/** Queues that nobody has data in, most recently used last; the large ones apart, for flows that fill them again. */
const idleSmall: ReceiveQueue[] = [];
const idleLarge: ReceiveQueue[] = [];
const SMALL = 65536;
const MAX_SMALL = 64;
/** Bytes that idle large queues may hold together. */
const MAX_LARGE = 1 << 25;
let largeBytes = 0;

export class ReceiveQueue {
  private ring: Uint8Array;
  /** Ranges in sequence order. They may touch: each is what one Linux buffer would hold. */
  readonly ofo: OfoRange[] = [];
  /** The buffers of the in-order queue: (end of data, truesize) pairs, a ring of numbers. */
  private marks: Float64Array = new Float64Array(16);
  private markHead = 0;
  private markCount = 0;
  /** Where the first in-order buffer starts. */
  private firstStart = 0;
  /** Tail room of the last in-order buffer. */
  tailroom = 0;
  /** Packets that hold in-order bytes; made when there is the first one. */
  private kept: KeptPackets | null = null;

  constructor() {
    this.ring = new Uint8Array(MIN_RING);
  }

  /** An empty queue. @param large its flow will probably need more than a small one: takes one that grew before, if there is one */
  static take(large: boolean): ReceiveQueue {
    if (large && idleLarge.length > 0) {
      const q = idleLarge.pop()!;
      largeBytes -= q.capacity;
      return q;
    }
    return idleSmall.pop() ?? new ReceiveQueue();
  }
  /** Gives back a queue that holds nothing: a connection whose data was read holds no buffer. */
  static give(q: ReceiveQueue): void {
    if (q.capacity <= SMALL) {
      if (idleSmall.length < MAX_SMALL) idleSmall.push(q);
    } else if (largeBytes + q.capacity <= MAX_LARGE) {
      largeBytes += q.capacity;
      idleLarge.push(q);
    }
  }
  get empty(): boolean {
    return this.markCount === 0 && this.ofo.length === 0;
  }

  /** Number of buffers that wait in order. */
  get buffers(): number {
    return this.markCount;
  }
  get capacity(): number {
    return this.ring.length;
  }

  /** Puts bytes at seq; `base` is the first sequence number that must be kept. */
  write(base: number, seq: number, from: Uint8Array, at: number, length: number): void {
    const need = ((seq - base) >>> 0) + length;
    if (need > this.ring.length) this.grow(base, need);
    const ring = this.ring;
    const start = seq & (ring.length - 1);
    const first = Math.min(length, ring.length - start);
    copy(from, at, ring, start, first);
    if (first < length) copy(from, at + first, ring, 0, length - first);
  }

  /** In-order bytes stay in the packet that brought them: nothing is copied before they are read. */
  keep(p: Packet, seq: number, at: number, length: number): void {
    this.kept ??= new KeptPackets();
    this.kept.push(p, seq, at, length);
  }

  read(seq: number, into: Uint8Array, at: number, length: number): void {
    const kept = this.kept;
    let from = seq;
    let to = at;
    let left = length;
    while (left > 0 && kept !== null && kept.count > 0) {
      let n = kept.read(from, into, to, left);
      if (n < 0) {
        n = -n;
        this.readRing(from, into, to, n);
      }
      from = (from + n) >>> 0;
      to += n;
      left -= n;
    }
    if (left > 0) this.readRing(from, into, to, left);
  }

  private readRing(seq: number, into: Uint8Array, at: number, length: number): void {
    const ring = this.ring;
    const start = seq & (ring.length - 1);
    const first = Math.min(length, ring.length - start);
    copy(ring, start, into, at, first);
    if (first < length) copy(ring, 0, into, at + first, length - first);
  }
  byteAt(seq: number): number {
    return this.ring[seq & (this.ring.length - 1)]!;
  }

  private grow(base: number, need: number): void {
    const old = this.ring;
    let size = old.length * 2;
    while (size < need) size *= 2;
    const ring = new Uint8Array(size);
    let seq = base;
    let left = old.length;
    while (left > 0) {
      const f = seq & (old.length - 1);
      const t = seq & (size - 1);
      const n = Math.min(left, old.length - f, size - t);
      copy(old, f, ring, t, n);
      seq = (seq + n) >>> 0;
      left -= n;
    }
    this.ring = ring;
  }

  // ---- buffers of the in-order queue

  /** A new buffer behind the others. */
  pushMark(endSeq: number, truesize: number, tailroom: number): void {
    if (this.markCount * 2 === this.marks.length) {
      const grown = new Float64Array(this.marks.length * 2);
      for (let i = 0; i < this.markCount * 2; i++) grown[i] = this.marks[(this.markHead * 2 + i) % this.marks.length]!;
      this.marks = grown;
      this.markHead = 0;
    }
    const slots = this.marks.length / 2;
    const i = ((this.markHead + this.markCount) % slots) * 2;
    this.marks[i] = endSeq;
    this.marks[i + 1] = truesize;
    this.markCount++;
    this.tailroom = tailroom;
  }
  /** The last buffer took more bytes in its tail room. */
  extendMark(endSeq: number, used: number): void {
    const slots = this.marks.length / 2;
    this.marks[((this.markHead + this.markCount - 1) % slots) * 2] = endSeq;
    this.tailroom -= used;
  }
  /** Memory of the buffers that are wholly read; they go, and so do the packets that held them. */
  popRead(copiedSeq: number): number {
    if (this.kept !== null) this.kept.release(copiedSeq);
    let freed = 0;
    const slots = this.marks.length / 2;
    while (this.markCount > 0) {
      const i = this.markHead * 2;
      if (after(this.marks[i]!, copiedSeq)) break;
      freed += this.marks[i + 1]!;
      this.firstStart = this.marks[i]!;
      this.markHead = (this.markHead + 1) % slots;
      this.markCount--;
    }
    return freed;
  }
  /** The queue was empty: its first buffer will start here. */
  startAt(seq: number): void {
    this.firstStart = seq;
  }
  private slot(i: number): number {
    return ((this.markHead + i) % (this.marks.length / 2)) * 2;
  }
  sizeOf(i: number): number {
    return this.marks[this.slot(i) + 1]!;
  }
  endOf(i: number): number {
    return this.marks[this.slot(i)]!;
  }
  startOf(i: number): number {
    return i === 0 ? this.firstStart : this.endOf(i - 1);
  }
  lengthOf(i: number): number {
    return (this.endOf(i) - this.startOf(i)) >>> 0;
  }
  /** Takes buffer i and all behind it out; their memory. */
  cutMarks(i: number): number {
    let sum = 0;
    for (let k = i; k < this.markCount; k++) sum += this.sizeOf(k);
    this.markCount = i;
    return sum;
  }

  // ---- out-of-order ranges

  /** Inserts a range at index i. */
  insertRange(i: number, seq: number, endSeq: number, truesize: number, tailroom: number, fin: boolean): void {
    const r = rangePool.pop() ?? new OfoRange();
    r.seq = seq;
    r.endSeq = endSeq;
    r.truesize = truesize;
    r.tailroom = tailroom;
    r.fin = fin;
    const list = this.ofo;
    list.push(r);
    for (let k = list.length - 1; k > i; k--) list[k] = list[k - 1]!;
    list[i] = r;
  }
  /** Takes the range at index i out; its memory. */
  removeRange(i: number): number {
    const list = this.ofo;
    const r = list[i]!;
    for (let k = i; k < list.length - 1; k++) list[k] = list[k + 1]!;
    list.pop();
    rangePool.push(r);
    return r.truesize;
  }
  /** First range that starts after seq. */
  rangeAfter(seq: number): number {
    const list = this.ofo;
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (before(seq, list[middle]!.seq)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function copy(from: Uint8Array, at: number, into: Uint8Array, to: number, length: number): void {
  if (length <= 32) for (let i = 0; i < length; i++) into[to + i] = from[at + i]!;
  else into.set(from.subarray(at, at + length), to);
}
