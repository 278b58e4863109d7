/** The ring by which one stack's frames reach another: what goes in comes out, in order, and what does not fit stays out. */
import { describe, expect, it } from 'vitest';
import { FrameRing, Passed } from '../../../stack/core/frame-ring.js';
import { Csum, Gso, HEADROOM, Packet } from '../../../stack/core/packet.js';
import { below, SeededRandom } from '../../../stack/core/random.js';

/** A frame of n octets behind its Ethernet header, all fields from one number. */
function fill(p: Packet, n: number, salt: number): void {
  p.reset(HEADROOM);
  p.network = HEADROOM + 14;
  p.data = p.network;
  p.tail = p.network + n;
  for (let i = HEADROOM; i < p.tail; i++) p.bytes[i] = (i * salt) & 255;
  p.linkType = salt & 3;
  p.destination = salt % 3;
  p.csum = salt & 1 ? Csum.partial : Csum.none;
  p.csumStart = HEADROOM + 34;
  p.csumOffset = 16;
  p.gsoType = salt & 2 ? Gso.tcpv4 : Gso.none;
  p.gsoSize = salt & 2 ? 1448 : 0;
  p.gsoSegs = salt & 2 ? 3 : 1;
}
const seen = (p: Packet) => ({
  octets: Buffer.from(p.bytes.subarray(p.mac, p.tail)).toString('hex'),
  network: p.network - p.mac,
  data: p.data - p.mac,
  fields: [p.linkType, p.destination, p.csum, p.csumStart - p.mac, p.csumOffset, p.gsoType, p.gsoSize, p.gsoSegs],
});

describe('a ring of frames', () => {
  it('gives back what was put in, in order, however full it was (2000 frames of random sizes)', () => {
    const memory = FrameRing.memory(1 << 13);
    const writer = new FrameRing(memory);
    const reader = new FrameRing(memory);
    const random = new SeededRandom(5);
    const p = new Packet(8192);
    const q = new Packet(8192);
    const meta = new Passed();
    const came = new Passed();
    const expected: unknown[] = [];
    let refused = 0;
    for (let n = 0; n < 2000; ) {
      if (below(random, 2)) {
        fill(p, below(random, 10) ? below(random, 200) : below(random, 6000), n + 1);
        const from = n % 5 === 0 ? p.network : p.mac;
        Object.assign(meta, { kind: 1 + (n % 5), hops: n % 4, device: 1 + (n % 8), note: n });
        if (writer.put(p, from, p.tail, meta)) {
          const s = seen(p);
          const cut = p.network - from;
          expected.push([
            { ...s, octets: s.octets.slice(2 * (14 - cut)), network: cut, data: cut, fields: s.fields.map((f, i) => (i === 3 ? f - 14 + cut : f)) },
            { ...meta },
          ]); // biome-ignore format: one thing
          n++;
        } else refused++;
      }
      if (below(random, 2) && reader.take(q, came)) {
        expect(q.network % 4).toBe(0);
        expect([seen(q), { ...came }]).toEqual(expected.shift());
      }
    }
    while (reader.take(q, came)) expect([seen(q), { ...came }]).toEqual(expected.shift());
    expect(expected).toEqual([]);
    expect(refused).toBeGreaterThan(10);
    expect([reader.waiting(), writer.waiting()]).toEqual([false, false]);
  });

  it('refuses a frame that is larger than itself, and goes on', () => {
    const ring = new FrameRing(FrameRing.memory(4096));
    const p = new Packet(8192);
    const meta = new Passed();
    fill(p, 4000, 1);
    meta.kind = 1;
    expect(ring.put(p, p.mac, p.tail, meta)).toBe(true);
    fill(p, 5000, 1);
    expect(ring.put(p, p.mac, p.tail, meta)).toBe(false);
    expect(ring.take(p, meta)).toBe(true);
    expect(ring.put(p, p.mac, p.tail, meta)).toBe(true);
  });

  it('goes on where its positions wrap at 2^32', () => {
    const memory = FrameRing.memory(4096);
    const words = new Int32Array(memory);
    words[0] = words[16] = -256; // 2^32 - 256
    const ring = new FrameRing(memory);
    const p = new Packet(8192);
    const meta = new Passed();
    meta.kind = 1;
    for (let n = 1; n < 40; n++) {
      fill(p, 300, n);
      const before = seen(p);
      expect(ring.put(p, p.mac, p.tail, meta)).toBe(true);
      expect(ring.waiting()).toBe(true);
      expect(ring.take(p, meta)).toBe(true);
      expect(seen(p)).toEqual(before);
    }
  });
});
