/**
 * The write queue: segment records in sequence order, and the bytes behind them in a growable ring whose index is the sequence number
 * itself (modulo the ring's power-of-two size). As Linux's sk_buffs, a record may stand for several MSS: it leaves as one super-frame.
 * Records from `head` up to before `sendHead` are sent and not acknowledged; those from `sendHead` on are not sent. Sent records are also
 * linked in the order of their last transmission, which is what RACK walks.
 */
import { NEVER } from './constants.js';
import { RingPool } from './ring-pool.js';

export class Segment {
  seq = 0;
  endSeq = 0;
  /** Flag bits (SYN, FIN, PSH, ACK, CWR, ECE). */
  flags = 0;
  /** Scoreboard bits (constants.ts). */
  sacked = 0;
  /** How many MSS it is; 0 until it is first looked at for sending. */
  pcount = 0;
  /** MSS that pcount was counted with. */
  mss = 0;
  /** When it was last sent, µs. */
  sentUs = 0;
  /** For the delivery rate (delivery-rate.ts), all as of its last transmission: how much was delivered, when last, since when is measured. */
  deliveredThen = 0;
  deliveredUs: number = NEVER;
  firstTxUs = 0;
  appLimited = false;
  /** End of a record (MSG_EOR): nothing may be appended. */
  eor = false;
  /** Memory charged for it. */
  truesize = 0;
  next: Segment | null = null;
  prev: Segment | null = null;
  sortNext: Segment | null = null;
  sortPrev: Segment | null = null;
  sorted = false;

  /** Bytes of data: without SYN and FIN. */
  get length(): number {
    return ((this.endSeq - this.seq) >>> 0) - ((this.flags & 2) >> 1) - (this.flags & 1);
  }
}

const pool: Segment[] = [];
const POOL_LIMIT = 4096;
const MIN_RING = 4096;
const rings = new RingPool({ small: 65536, maxSmall: 64, maxLargeBytes: 1 << 25 });

export class SendQueue {
  head: Segment | null = null;
  tail: Segment | null = null;
  sendHead: Segment | null = null;
  /** In order of transmission, oldest first. */
  sortHead: Segment | null = null;
  sortTail: Segment | null = null;
  private ring: Uint8Array | null = null;
  /** Most bytes that the ring had to hold since it was taken: how large the next one shall be at once. */
  private most = 0;

  static take(): Segment {
    return pool.pop() ?? new Segment();
  }
  static give(s: Segment): void {
    s.next = s.prev = null;
    if (pool.length < POOL_LIMIT) pool.push(s);
  }

  /** First unacknowledged sent segment. */
  get rtxHead(): Segment | null {
    return this.head === this.sendHead ? null : this.head;
  }
  get rtxTail(): Segment | null {
    if (this.sendHead) return this.sendHead.prev;
    return this.tail;
  }
  /** Last segment not sent, null when all is sent. */
  get unsentTail(): Segment | null {
    return this.sendHead ? this.tail : null;
  }

  append(s: Segment): void {
    s.prev = this.tail;
    s.next = null;
    if (this.tail) this.tail.next = s;
    else this.head = s;
    this.tail = s;
    if (!this.sendHead) this.sendHead = s;
  }

  insertAfter(at: Segment, s: Segment): void {
    s.prev = at;
    s.next = at.next;
    if (at.next) at.next.prev = s;
    else this.tail = s;
    at.next = s;
  }

  /** Takes a segment out and gives the record back. */
  remove(s: Segment): void {
    if (s.prev) s.prev.next = s.next;
    else this.head = s.next;
    if (s.next) s.next.prev = s.prev;
    else this.tail = s.prev;
    if (this.sendHead === s) this.sendHead = s.next;
    this.unsort(s);
    SendQueue.give(s);
    if (this.head === null) this.letGo();
  }

  /** Nothing is left to send or to acknowledge: the ring goes back to the pool, so that an idle connection has none. */
  private letGo(): void {
    if (this.ring) rings.give(this.ring);
    this.ring = null;
  }

  /** The segment was (re)transmitted: it becomes the last in time order. */
  sort(s: Segment): void {
    this.unsort(s);
    s.sortPrev = this.sortTail;
    if (this.sortTail) this.sortTail.sortNext = s;
    else this.sortHead = s;
    this.sortTail = s;
    s.sorted = true;
  }
  /** A piece split off `at` keeps its time. */
  sortAfter(at: Segment, s: Segment): void {
    if (!at.sorted) return;
    s.sortPrev = at;
    s.sortNext = at.sortNext;
    if (at.sortNext) at.sortNext.sortPrev = s;
    else this.sortTail = s;
    at.sortNext = s;
    s.sorted = true;
  }
  unsort(s: Segment): void {
    if (!s.sorted) return;
    if (s.sortPrev) s.sortPrev.sortNext = s.sortNext;
    else this.sortHead = s.sortNext;
    if (s.sortNext) s.sortNext.sortPrev = s.sortPrev;
    else this.sortTail = s.sortPrev;
    s.sortPrev = s.sortNext = null;
    s.sorted = false;
  }

  /** Puts bytes at a sequence number; `una` is the first one that must be kept. */
  write(una: number, seq: number, from: Uint8Array, at: number, length: number): void {
    this.reserve(una, seq, ((seq - una) >>> 0) + length);
    const ring = this.ring!;
    const start = seq & (ring.length - 1);
    const first = Math.min(length, ring.length - start);
    copy(from, at, ring, start, first);
    if (first < length) copy(from, at + first, ring, 0, length - first);
  }

  /** Copies bytes from a sequence number on. */
  read(seq: number, into: Uint8Array, at: number, length: number): void {
    const ring = this.ring!;
    const start = seq & (ring.length - 1);
    const first = Math.min(length, ring.length - start);
    copy(ring, start, into, at, first);
    if (first < length) copy(ring, 0, into, at + first, length - first);
  }

  private reserve(una: number, end: number, need: number): void {
    const old = this.ring;
    if (old && need <= old.length) {
      if (need > this.most) this.most = need;
      return;
    }
    let size = old ? old.length * 2 : MIN_RING;
    while (size < need || (!old && size < this.most)) size *= 2;
    this.most = need;
    const ring = rings.take(size);
    if (old) {
      let left = (end - una) >>> 0;
      let seq = una;
      while (left > 0) {
        const f = seq & (old.length - 1);
        const t = seq & (size - 1);
        const n = Math.min(left, old.length - f, size - t);
        copy(old, f, ring, t, n);
        seq = (seq + n) >>> 0;
        left -= n;
      }
      rings.give(old);
    }
    this.ring = ring;
  }

  /** Forgets everything; the ring too. */
  clear(): void {
    for (let s = this.head; s; ) {
      const next: Segment | null = s.next;
      this.unsort(s);
      SendQueue.give(s);
      s = next;
    }
    this.head = this.tail = this.sendHead = null;
    this.letGo();
  }
}

function copy(from: Uint8Array, at: number, into: Uint8Array, to: number, length: number): void {
  if (length <= 32) for (let i = 0; i < length; i++) into[to + i] = from[at + i]!;
  else into.set(from.subarray(at, at + length), to);
}
