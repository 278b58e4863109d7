import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { below, SeededRandom } from '../../../stack/core/random.js';
import { Channel } from '../../../stack/socket/node/channel.js';
import { DatagramRing } from '../../../stack/socket/node/datagram-ring.js';
import { Doorbell } from '../../../stack/socket/node/doorbell.js';

describe('ByteRing', () => {
  it('keeps every byte in order through many turns, and refuses what does not fit', () => {
    const random = new SeededRandom(1);
    const memory = Channel.create(64).memory;
    const writer = new Channel(memory).received;
    const reader = new Channel(memory).received;
    let wrote = 0;
    let read = 0;
    const piece = new Uint8Array(100);
    for (let i = 0; i < 20_000; i++) {
      const n = below(random, 100);
      for (let k = 0; k < n; k++) piece[k] = (wrote + k) & 255;
      const room = writer.free();
      const took = writer.write(piece, 0, n);
      expect(took).toBe(Math.min(n, room));
      wrote += took;
      const want = Math.min(below(random, 100), reader.contiguousUsed());
      for (let k = 0; k < want; k++)
        if (reader.bytes[reader.readAt() + k] !== ((read + k) & 255)) throw new Error(`byte ${read + k}`);
      reader.consumed(want);
      read += want;
      expect(reader.used()).toBe(wrote - read);
    }
    expect(read).toBeGreaterThan(100_000);
  });

  it('goes on when its positions pass 2^31 and 2^32', () => {
    const memory = Channel.create(64).memory;
    const words = new Int32Array(memory);
    for (const start of [0x7fffffc0 | 0, -32]) {
      words[0] = start;
      words[16] = start;
      const ring = new Channel(memory).received;
      for (let i = 0; i < 8; i++) {
        expect(ring.write(new Uint8Array(48).fill(i), 0, 48)).toBe(48);
        expect(ring.used()).toBe(48);
        expect(ring.free()).toBe(16);
        while (ring.used() > 0) {
          expect(ring.bytes[ring.readAt()]).toBe(i);
          ring.consumed(ring.contiguousUsed());
        }
      }
    }
  });

  it('takes only powers of two', () => {
    expect(() => Channel.create(96)).toThrow(/power of two, not 96/);
  });
});

describe('DatagramRing', () => {
  it('gives datagrams back whole, with their addresses, and tells what became of them', () => {
    const random = new SeededRandom(2);
    const memory = Channel.create(4096).memory;
    const writer = new DatagramRing(new Channel(memory).toSend);
    const reader = new DatagramRing(new Channel(memory).toSend);
    const underway: { n: number; length: number; position: number }[] = [];
    const done: { n: number; position: number }[] = [];
    let n = 0;
    let got = 0;
    while (got < 5000) {
      const length = below(random, 1400);
      const at = writer.reserve(length);
      if (at >= 0) {
        for (const d of done.splice(0)) expect(writer.statusAt(d.position)).toBe(d.n % 100);
        writer.ring.bytes.fill(n & 255, at, at + length);
        underway.push({ n, length, position: writer.ring.head() });
        writer.commit(length, IpAddress.v4(0x0a000000 + n), n & 0xffff);
        n++;
      }
      if (at >= 0 && random.u32() & 1) continue;
      const record = reader.first();
      if (record < 0) continue;
      const d = underway.shift()!;
      expect(reader.length(record)).toBe(d.length);
      expect(reader.port(record)).toBe(d.n & 0xffff);
      expect(reader.address(record).w3).toBe(0x0a000000 + d.n);
      const payload = reader.ring.bytes.subarray(reader.payloadAt(record), reader.payloadAt(record) + d.length);
      expect(payload.every((b) => b === (d.n & 255))).toBe(true);
      reader.release(record, d.n % 100);
      done.push({ n: d.n, position: d.position });
      got++;
    }
    expect(underway.length).toBeLessThan(40);
  });

  it('carries IPv6 addresses and empty datagrams', () => {
    const ring = new DatagramRing(Channel.create(1024).received);
    ring.reserve(0);
    ring.commit(0, IpAddress.from('fd77::2'), 65535);
    const r = ring.first();
    expect([ring.length(r), ring.port(r), ring.address(r).toString()]).toEqual([0, 65535, 'fd77::2']);
    ring.release(r, 0);
    expect(ring.first()).toBe(-1);
  });
});

describe('Doorbell', () => {
  it('wakes once for many rings and forgets none', () => {
    const memory = Doorbell.memory(1000);
    const a = new Doorbell(memory);
    const b = new Doorbell(memory);
    expect([a.ring(0), a.ring(31), a.ring(32), a.ring(999), a.ring(999)]).toEqual([true, false, false, false, false]);
    expect(b.pending()).toBe(true);
    const seen: number[] = [];
    b.collect((slot) => seen.push(slot));
    expect(seen).toEqual([0, 31, 32, 999]);
    expect(b.pending()).toBe(false);
    b.collect((slot) => seen.push(slot));
    expect(seen.length).toBe(4);
    expect(a.ring(5)).toBe(true);
  });

  it('keeps what is rung for while it is being answered', () => {
    const bell = new Doorbell(Doorbell.memory(64));
    bell.ring(1);
    const seen: number[] = [];
    bell.collect((slot) => {
      seen.push(slot);
      if (seen.length === 1) expect(bell.ring(1)).toBe(true);
    });
    bell.collect((slot) => seen.push(slot));
    expect(seen).toEqual([1, 1]);
  });
});
