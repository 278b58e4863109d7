/**
 * In-order bytes that still lie in the packets they came in: a queue of (first sequence number, end, offset, packet). The receive ring has
 * holes where they belong. A packet goes home when all of it is read.
 */
import { copyBytes } from '../core/bytes.js';
import type { Packet } from '../core/packet.js';
import { after, before } from './seq.js';

const FIRST_SIZE = 8;

export class KeptPackets {
  private packets: (Packet | null)[] = new Array<Packet | null>(FIRST_SIZE).fill(null);
  private starts: Uint32Array = new Uint32Array(FIRST_SIZE);
  private ends: Uint32Array = new Uint32Array(FIRST_SIZE);
  private offsets: Uint32Array = new Uint32Array(FIRST_SIZE);
  private head = 0;
  count = 0;

  /** Keeps the packet for the bytes at `at` in it, which follow all that is here. */
  push(p: Packet, seq: number, at: number, length: number): void {
    if (this.count === this.packets.length) this.grow();
    const i = (this.head + this.count) & (this.packets.length - 1);
    this.packets[i] = p;
    this.starts[i] = seq;
    this.ends[i] = seq + length;
    this.offsets[i] = at;
    this.count++;
    p.kept = true;
  }

  /**
   * Copies bytes from seq on, when they lie here. The number copied; or, when they do not, minus the distance to the first that does, at
   * most `length`.
   */
  read(seq: number, into: Uint8Array, at: number, length: number): number {
    for (let k = 0; k < this.count; k++) {
      const i = (this.head + k) & (this.packets.length - 1);
      const end = this.ends[i]!;
      if (!after(end, seq)) continue;
      const start = this.starts[i]!;
      if (after(start, seq)) return -Math.min(length, (start - seq) >>> 0);
      const n = Math.min(length, (end - seq) >>> 0);
      copyBytes(into, at, this.packets[i]!.bytes, this.offsets[i]! + ((seq - start) >>> 0), n);
      return n;
    }
    return -length;
  }

  /** Sends home what ends at or before seq. */
  release(seq: number): void {
    while (this.count > 0) {
      const i = this.head;
      if (before(seq, this.ends[i]!)) return;
      const p = this.packets[i]!;
      this.packets[i] = null;
      p.home!.give(p);
      this.head = (i + 1) & (this.packets.length - 1);
      this.count--;
    }
  }

  private grow(): void {
    const size = this.packets.length;
    const packets = new Array<Packet | null>(size * 2).fill(null);
    const starts = new Uint32Array(size * 2);
    const ends = new Uint32Array(size * 2);
    const offsets = new Uint32Array(size * 2);
    for (let k = 0; k < size; k++) {
      const i = (this.head + k) & (size - 1);
      packets[k] = this.packets[i]!;
      starts[k] = this.starts[i]!;
      ends[k] = this.ends[i]!;
      offsets[k] = this.offsets[i]!;
    }
    this.packets = packets;
    this.starts = starts;
    this.ends = ends;
    this.offsets = offsets;
    this.head = 0;
  }
}
