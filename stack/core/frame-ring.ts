/**
 * Frames that one thread passes to another: a ring of records in shared memory with one writer and one reader, each record a header of
 * 16 words (what is known of the frame) and the frame's octets. Nothing is allocated for a frame; what does not fit is refused.
 *
 *   word 0 head, word 16 tail (both ever growing mod 2^32); from byte 128 the records, each a multiple of 64 octets in one piece. A record
 *   that would pass the end starts at the beginning instead; the rest is skipped by a record of kind 0.
 */
import { copyBytes } from './bytes.js';
import { HEADROOM, type Packet } from './packet.js';

const HEAD = 0;
const TAIL = 16;
const RECORDS_AT = 128;
const ALIGN = 64;
/** Where the network header of a frame that was taken lies. */
const NETWORK_AT = HEADROOM + 14;

/** Words of a record's header. */
const W = Object.freeze({
  size: 0,
  kind: 1,
  hops: 2,
  device: 3,
  /** Octets of frame, and of those the ones before the network header. */
  length: 4,
  network: 5,
  linkType: 6,
  destination: 7,
  csum: 8,
  csumStart: 9,
  csumOffset: 10,
  gsoType: 11,
  gsoSize: 12,
  gsoSegs: 13,
  note: 14,
});
const HEADER = 64;
const SKIP = 0;

/** What comes with a frame beside the packet's own fields. Reused. */
export class Passed {
  /** What to do with it; never 0. */
  kind = 0;
  /** How many threads have had it. */
  hops = 0;
  /** Index of the device it came from. */
  device = 0;
  /** A word that the giver had to say. */
  note = 0;
}

export class FrameRing {
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly capacity: number;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
    this.bytes = new Uint8Array(memory);
    this.capacity = memory.byteLength - RECORDS_AT;
  }

  /** @param capacity octets, a power of two */
  static memory(capacity: number): SharedArrayBuffer {
    if ((capacity & (capacity - 1)) !== 0) throw new RangeError(`a ring's capacity is a power of two, not ${capacity}`);
    return new SharedArrayBuffer(RECORDS_AT + capacity);
  }

  waiting(): boolean {
    return Atomics.load(this.words, HEAD) !== Atomics.load(this.words, TAIL);
  }

  /** Where a record of so many octets may begin, -1 when there is no room. Skips the end of the ring when it must. */
  private reserve(size: number): number {
    const words = this.words;
    const mask = this.capacity - 1;
    const head = words[HEAD]!;
    const free = this.capacity - ((head - Atomics.load(words, TAIL)) | 0);
    const at = head & mask;
    if (at + size <= this.capacity) return size <= free ? at : -1;
    const rest = this.capacity - at;
    if (rest + size > free) return -1;
    const w = (RECORDS_AT + at) >> 2;
    words[w + W.size] = rest;
    words[w + W.kind] = SKIP;
    Atomics.store(words, HEAD, (head + rest) | 0);
    return 0;
  }

  /** Copies in what lies from `from` to `end` of the packet's store, network header at p.network. False: there is no room. */
  put(p: Packet, from: number, end: number, meta: Passed): boolean {
    const length = end - from;
    const size = (HEADER + length + ALIGN - 1) & -ALIGN;
    const at = this.reserve(size);
    if (at < 0) return false;
    const words = this.words;
    const w = (RECORDS_AT + at) >> 2;
    words[w + W.size] = size;
    words[w + W.kind] = meta.kind;
    words[w + W.hops] = meta.hops;
    words[w + W.device] = meta.device;
    words[w + W.length] = length;
    words[w + W.network] = p.network - from;
    words[w + W.linkType] = p.linkType;
    words[w + W.destination] = p.destination;
    words[w + W.csum] = p.csum;
    words[w + W.csumStart] = p.csumStart - from;
    words[w + W.csumOffset] = p.csumOffset;
    words[w + W.gsoType] = p.gsoType;
    words[w + W.gsoSize] = p.gsoSize;
    words[w + W.gsoSegs] = p.gsoSegs;
    words[w + W.note] = meta.note;
    copyBytes(this.bytes, RECORDS_AT + at + HEADER, p.bytes, from, length);
    Atomics.store(words, HEAD, (words[HEAD]! + size) | 0);
    return true;
  }

  /** The next frame, p.data and p.network at its network header. False: none waits. */
  take(p: Packet, meta: Passed): boolean {
    const words = this.words;
    for (;;) {
      const tail = words[TAIL]!;
      if (Atomics.load(words, HEAD) === tail) return false;
      const at = tail & (this.capacity - 1);
      const w = (RECORDS_AT + at) >> 2;
      const size = words[w + W.size]!;
      const kind = words[w + W.kind]!;
      if (kind !== SKIP) this.read(p, meta, w, at);
      Atomics.store(words, TAIL, (tail + size) | 0);
      if (kind !== SKIP) return true;
    }
  }

  private read(p: Packet, meta: Passed, w: number, at: number): void {
    const words = this.words;
    const length = words[w + W.length]!;
    const start = NETWORK_AT - words[w + W.network]!;
    meta.kind = words[w + W.kind]!;
    meta.hops = words[w + W.hops]!;
    meta.device = words[w + W.device]!;
    meta.note = words[w + W.note]!;
    p.reset(start);
    copyBytes(p.bytes, start, this.bytes, RECORDS_AT + at + HEADER, length);
    p.data = NETWORK_AT;
    p.network = NETWORK_AT;
    p.tail = start + length;
    p.linkType = words[w + W.linkType]!;
    p.destination = words[w + W.destination]!;
    p.csum = words[w + W.csum]!;
    p.csumStart = words[w + W.csumStart]! + start;
    p.csumOffset = words[w + W.csumOffset]!;
    p.gsoType = words[w + W.gsoType]!;
    p.gsoSize = words[w + W.gsoSize]!;
    p.gsoSegs = words[w + W.gsoSegs]!;
  }
}
