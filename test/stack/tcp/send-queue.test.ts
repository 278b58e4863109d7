/** The write queue: bytes at their sequence numbers through growth and wrap, records in two orders. */
import { describe, expect, it } from 'vitest';
import { type Segment, SendQueue } from '../../../stack/tcp/send-queue.js';

function segment(q: SendQueue, seq: number, length: number): Segment {
  const s = SendQueue.take();
  s.seq = seq;
  s.endSeq = (seq + length) >>> 0;
  s.flags = 16;
  q.append(s);
  return s;
}
const pattern = (n: number, salt: number) => Uint8Array.from({ length: n }, (_, i) => (i * 7 + salt) & 255);

describe('bytes', () => {
  it('are read back across growth and the end of the sequence space', () => {
    const q = new SendQueue();
    const start = 0xffff_fff0;
    const data = pattern(100_000, 3);
    for (let at = 0; at < data.length; at += 1000) q.write(start, (start + at) >>> 0, data, at, 1000);
    const got = new Uint8Array(data.length);
    q.read(start, got, 0, got.length);
    expect(Buffer.compare(got, data)).toBe(0);
    q.read((start + 4090) >>> 0, got, 0, 20);
    expect([...got.subarray(0, 20)]).toEqual([...data.subarray(4090, 4110)]);
  });

  it('take the place of acknowledged ones', () => {
    const q = new SendQueue();
    let una = 5000;
    for (let round = 0; round < 200; round++) {
      const data = pattern(3000, round);
      q.write(una, una, data, 0, 3000);
      const got = new Uint8Array(3000);
      q.read(una, got, 0, 3000);
      expect(Buffer.compare(got, data)).toBe(0);
      una += 3000;
    }
  });
});

describe('records', () => {
  it('know what is sent and what is not', () => {
    const q = new SendQueue();
    expect(q.rtxHead).toBeNull();
    const a = segment(q, 0, 10);
    const b = segment(q, 10, 10);
    expect(q.rtxHead).toBeNull();
    expect(q.unsentTail).toBe(b);
    q.sendHead = b;
    expect(q.rtxHead).toBe(a);
    expect(q.rtxTail).toBe(a);
    q.sendHead = null;
    expect(q.rtxTail).toBe(b);
    expect(q.unsentTail).toBeNull();
  });

  it('keep the order of their last transmission', () => {
    const q = new SendQueue();
    const all = [segment(q, 0, 1), segment(q, 1, 1), segment(q, 2, 1)];
    for (const s of all) q.sort(s);
    q.sort(all[0]!); // sent again
    const piece = segment(q, 3, 1);
    q.sortAfter(all[1]!, piece);
    q.unsort(all[2]!);
    const order: number[] = [];
    for (let s = q.sortHead; s; s = s.sortNext) order.push(s.seq);
    expect(order).toEqual([1, 3, 0]);
    q.remove(all[1]!);
    q.remove(piece);
    expect(q.sortHead).toBe(all[0]);
    expect(q.sortTail).toBe(all[0]);
  });
});
