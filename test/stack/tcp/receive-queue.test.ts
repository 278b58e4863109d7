/** The receive queue: bytes at their sequence numbers, Linux's buffers beside them, out-of-order ranges. */
import { describe, expect, it } from 'vitest';
import { ReceiveQueue } from '../../../stack/tcp/receive-queue.js';

describe('bytes', () => {
  it('lie where they belong, in order or not, through growth and wrap', () => {
    const q = new ReceiveQueue();
    const base = 0xffff_ff00;
    const data = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 13) & 255);
    for (const at of [60_000, 0, 20_000, 40_000]) q.write(base, (base + at) >>> 0, data, at, Math.min(20_000, data.length - at));
    const got = new Uint8Array(data.length);
    q.read(base, got, 0, got.length);
    expect(Buffer.compare(got, data)).toBe(0);
    expect(q.byteAt((base + 300) >>> 0)).toBe(data[300]);
  });
});

describe('buffers', () => {
  it('come free when they are wholly read', () => {
    const q = new ReceiveQueue();
    q.startAt(100);
    for (let i = 1; i <= 40; i++) q.pushMark(100 + i * 10, 832, 50);
    expect([q.buffers, q.lengthOf(0), q.lengthOf(39), q.tailroom]).toEqual([40, 10, 10, 50]);
    expect(q.popRead(109)).toBe(0);
    expect(q.popRead(125)).toBe(2 * 832);
    expect([q.buffers, q.startOf(0), q.endOf(0)]).toEqual([38, 120, 130]);
    q.extendMark(520, 20);
    expect([q.lengthOf(37), q.tailroom]).toEqual([30, 30]);
    expect(q.cutMarks(10)).toBe(28 * 832);
    expect(q.popRead(1000)).toBe(10 * 832);
    expect(q.buffers).toBe(0);
  });
});

describe('ranges', () => {
  it('stay sorted', () => {
    const q = new ReceiveQueue();
    for (const seq of [500, 100, 900, 300]) q.insertRange(q.rangeAfter(seq), seq, seq + 50, 1, 0, false);
    expect(q.ofo.map((r) => r.seq)).toEqual([100, 300, 500, 900]);
    expect([q.rangeAfter(99), q.rangeAfter(100), q.rangeAfter(2000)]).toEqual([0, 1, 4]);
    expect(q.removeRange(1)).toBe(1);
    expect(q.ofo.map((r) => r.seq)).toEqual([100, 500, 900]);
  });
});
