/**
 * Frames that wait inside a link: pooled buffers in two sizes, so that a link in its steady state allocates nothing and a small frame
 * does not pin 64 KiB.
 */
import { copyBytes } from '../core/bytes.js';
import { Csum, Gso, HEADROOM, type Packet } from '../core/packet.js';

const SMALL = 2048;

/** A copy of a frame with its offload state. Offsets count from the frame's first byte. */
export class StoredFrame {
  readonly bytes: Uint8Array;
  length = 0;
  /** When it reaches the other end. */
  dueUs = 0;
  csum: number = Csum.none;
  csumStart = 0;
  csumOffset = 0;
  gsoType: number = Gso.none;
  gsoSize = 0;
  gsoSegs = 1;
  /** A bit of it was flipped on the way. */
  corrupted = false;
  next: StoredFrame | null = null;
  previous: StoredFrame | null = null;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
  }

  copyFrom(p: Packet): void {
    this.length = p.tail - p.data;
    copyBytes(this.bytes, 0, p.bytes, p.data, this.length);
    this.csum = p.csum;
    this.csumStart = p.csumStart - p.data;
    this.csumOffset = p.csumOffset;
    this.gsoType = p.gsoType;
    this.gsoSize = p.gsoSize;
    this.gsoSegs = p.gsoSegs;
    this.corrupted = false;
  }

  /** False when the packet's store is too small. */
  copyTo(p: Packet): boolean {
    if (HEADROOM + this.length > p.bytes.length) return false;
    p.reset(HEADROOM);
    p.tail = HEADROOM + this.length;
    copyBytes(p.bytes, HEADROOM, this.bytes, 0, this.length);
    p.csum = this.csum;
    p.csumStart = HEADROOM + this.csumStart;
    p.csumOffset = this.csumOffset;
    p.gsoType = this.gsoType;
    p.gsoSize = this.gsoSize;
    p.gsoSegs = this.gsoSegs;
    return true;
  }
}

export class FramePool {
  private small: StoredFrame | null = null;
  private large: StoredFrame | null = null;

  take(length: number): StoredFrame {
    if (length <= SMALL) {
      const f = this.small;
      if (!f) return new StoredFrame(SMALL);
      this.small = f.next;
      f.next = null;
      return f;
    }
    const f = this.large;
    if (!f || f.bytes.length < length) return new StoredFrame(Math.max(length, 65536 + 64));
    this.large = f.next;
    f.next = null;
    return f;
  }

  give(f: StoredFrame): void {
    f.previous = null;
    if (f.bytes.length === SMALL) {
      f.next = this.small;
      this.small = f;
    } else {
      f.next = this.large;
      this.large = f;
    }
  }
}

/** Frames in the order of their due times; equal times in the order of arrival. A list, since most frames are appended at its end. */
export class FrameQueue {
  first: StoredFrame | null = null;
  private last: StoredFrame | null = null;
  length = 0;

  insert(f: StoredFrame): void {
    let before = this.last;
    while (before && before.dueUs > f.dueUs) before = before.previous;
    const after = before ? before.next : this.first;
    f.previous = before;
    f.next = after;
    if (before) before.next = f;
    else this.first = f;
    if (after) after.previous = f;
    else this.last = f;
    this.length++;
  }

  shift(): StoredFrame | null {
    const f = this.first;
    if (!f) return null;
    this.first = f.next;
    if (f.next) f.next.previous = null;
    else this.last = null;
    f.next = null;
    this.length--;
    return f;
  }
}
