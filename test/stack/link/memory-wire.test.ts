import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Errno } from '../../../stack/core/errno.js';
import { Csum, Gso, HEADROOM, MAX_FRAME, Packet } from '../../../stack/core/packet.js';
import { below, SeededRandom } from '../../../stack/core/random.js';
import { LinkFeature } from '../../../stack/link/link.js';
import { Wire, type WireOptions } from '../../../stack/link/memory-wire.js';
import { PcapLink } from '../../../stack/link/pcap.js';
import { checksum, EtherType, ethernet, filler, ipv4, Proto, parseFrame, udp } from '../../support/frames.js';
import { frameOf, packetOf, testFrame } from './common.js';

const buffer = new Packet(MAX_FRAME + HEADROOM);

/** Frames that have arrived at B by `nowUs`, as their tags. */
function tags(wire: Wire, nowUs: number): number[] {
  wire.b.advance(nowUs);
  const got: number[] = [];
  while (wire.b.receive(buffer)) got.push(buffer.bytes[buffer.data + 14]!);
  return got;
}

describe('wire: time', () => {
  it('delivers after the delay, not before', () => {
    const wire = new Wire(new SeededRandom(1), { both: { delayUs: 1500 } });
    wire.a.advance(100);
    wire.a.transmit(packetOf(testFrame(60, 1)));
    expect(wire.b.nextDeadlineUs()).toBe(1600);
    expect(tags(wire, 1599)).toEqual([]);
    expect(tags(wire, 1600)).toEqual([1]);
  });

  it('serialises at the rate: 1250 bytes at 10 Mb/s take a millisecond each', () => {
    const wire = new Wire(new SeededRandom(1), { both: { rate: 10_000_000, delayUs: 10 } });
    for (let i = 1; i <= 3; i++) wire.a.transmit(packetOf(testFrame(1250, i)));
    expect(tags(wire, 1009)).toEqual([]);
    expect(tags(wire, 1010)).toEqual([1]);
    expect(tags(wire, 2010)).toEqual([2]);
    expect(tags(wire, 3009)).toEqual([]);
    expect(tags(wire, 3010)).toEqual([3]);
  });

  it('drops what the queue cannot hold and counts it', () => {
    const wire = new Wire(new SeededRandom(1), { both: { rate: 10_000_000, queueLimit: 2 } });
    for (let i = 1; i <= 4; i++) expect(wire.a.transmit(packetOf(testFrame(1250, i)))).toBe(0);
    expect(wire.ab.counts).toMatchObject({ sent: 4, queueDrops: 2 });
    wire.a.advance(1000);
    wire.a.transmit(packetOf(testFrame(1250, 5)));
    expect(tags(wire, 10_000)).toEqual([1, 2, 5]);
  });

  it('keeps the directions apart', () => {
    const wire = new Wire(new SeededRandom(1), { ab: { loss: 1 }, ba: { delayUs: 7 } });
    wire.a.transmit(packetOf(testFrame(60, 1)));
    wire.b.transmit(packetOf(testFrame(60, 2)));
    expect(tags(wire, 100)).toEqual([]);
    wire.a.advance(100);
    expect(wire.a.receive(buffer)).toBe(true);
    expect(wire.ab.counts).toMatchObject({ sent: 1, lost: 1, delivered: 0 });
    expect(wire.ba.counts).toMatchObject({ sent: 1, lost: 0, delivered: 1, deliveredBytes: 60 });
  });
});

describe('wire: faults', () => {
  it('loses, duplicates, reorders and corrupts about as often as it was told, and the counts add up', () => {
    const n = 4000;
    const wire = new Wire(new SeededRandom(7), {
      both: { loss: 0.1, duplicate: 0.05, reorder: 0.2, corrupt: 0.03, delayUs: 10 },
    });
    let arrived = 0;
    for (let i = 0; i < n; i++) {
      wire.a.advance(i * 20);
      wire.a.transmit(packetOf(testFrame(80, i & 255)));
      arrived += tags(wire, i * 20).length;
    }
    arrived += tags(wire, n * 20 + 10_000).length;
    const c = wire.ab.counts;
    expect(c.sent).toBe(n);
    expect(c.delivered).toBe(arrived);
    expect(wire.ab.inFlight).toBe(0);
    expect(c.delivered).toBe(c.sent - c.lost + c.duplicated);
    for (const [got, want] of [
      [c.lost, n * 0.1],
      [c.duplicated, n * 0.9 * 0.05],
      [c.reordered, n * 0.9 * 0.2],
      [c.corrupted, n * 0.9 * 0.03],
    ] as const) {
      expect(got).toBeGreaterThan(want * 0.75);
      expect(got).toBeLessThan(want * 1.25);
    }
  });

  it('reordered frames are overtaken by later ones', () => {
    const wire = new Wire(new SeededRandom(3), { both: { reorder: 1, reorderUs: 500 } });
    wire.a.transmit(packetOf(testFrame(60, 1)));
    wire.ab.settings.reorder = 0;
    wire.a.transmit(packetOf(testFrame(60, 2)));
    expect(tags(wire, 1000)).toEqual([2, 1]);
  });

  it('corruption flips exactly one bit, behind the Ethernet header', () => {
    const wire = new Wire(new SeededRandom(5), { both: { corrupt: 1 } });
    const sent = testFrame(200, 1);
    for (let i = 0; i < 200; i++) {
      wire.a.transmit(packetOf(sent));
      expect(wire.b.receive(buffer)).toBe(true);
      const got = frameOf(buffer);
      let bits = 0;
      for (let k = 0; k < sent.length; k++) {
        const x = sent[k]! ^ got[k]!;
        if (x !== 0) expect(k).toBeGreaterThanOrEqual(14);
        bits += x.toString(2).replaceAll('0', '').length;
      }
      expect(bits).toBe(1);
    }
    expect(wire.ab.counts.corrupted).toBe(200);
  });

  it('loses the frames a test chooses', () => {
    const wire = new Wire(new SeededRandom(1), { both: { lose: (_, nth) => nth === 1 } });
    for (let i = 0; i < 3; i++) wire.a.transmit(packetOf(testFrame(60, i + 1)));
    expect(tags(wire, 0)).toEqual([1, 3]);
    expect(wire.ab.counts.lost).toBe(1);
  });
});

/** A run with every fault, both ways, recorded at both ends. */
function pcapHash(seed: number, options: WireOptions): string {
  const wire = new Wire(new SeededRandom(seed), options);
  const hash = createHash('sha256');
  const a = new PcapLink(wire.a, (b) => hash.update(b));
  const b = new PcapLink(wire.b, (x) => hash.update(x));
  const traffic = new SeededRandom(99);
  for (let nowUs = 0; nowUs < 200_000; nowUs += 1 + below(traffic, 400)) {
    a.advance(nowUs);
    b.advance(nowUs);
    (below(traffic, 2) ? a : b).transmit(packetOf(testFrame(60 + below(traffic, 1400), below(traffic, 256))));
    while (a.receive(buffer));
    while (b.receive(buffer));
  }
  return hash.digest('hex');
}

describe('wire: determinism', () => {
  const both = { delayUs: 300, rate: 50_000_000, queueLimit: 20, loss: 0.05, duplicate: 0.05, reorder: 0.1, corrupt: 0.05 };
  it('the same seed gives the same pcap, another seed another', () => {
    const first = pcapHash(42, { both });
    expect(pcapHash(42, { both })).toBe(first);
    expect(pcapHash(43, { both })).not.toBe(first);
  });
});

describe('wire: offloads', () => {
  const datagram = udp({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 }, filler(500));
  const frame = ethernet(
    '02:00:00:00:00:02',
    '02:00:00:00:00:01',
    EtherType.ipv4,
    ipv4({ src: '10.0.0.1', dst: '10.0.0.2', protocol: Proto.udp }, datagram),
  );

  it('without features it refuses unfinished checksums and super-frames', () => {
    const wire = new Wire(new SeededRandom(1));
    const p = packetOf(frame);
    p.csum = Csum.partial;
    expect(wire.a.transmit(p)).toBe(-Errno.EINVAL);
    const q = packetOf(testFrame(9000, 1));
    q.gsoType = Gso.tcpv4;
    q.gsoSize = 1448;
    expect(wire.a.transmit(q)).toBe(-Errno.EINVAL);
    expect(wire.ab.counts.sent).toBe(0);
  });

  it('with features a super-frame arrives as one, with its offload state', () => {
    const wire = new Wire(new SeededRandom(1), { features: LinkFeature.csum | LinkFeature.tso4 });
    const p = packetOf(testFrame(40_000, 1));
    p.gsoType = Gso.tcpv4;
    p.gsoSize = 1448;
    p.gsoSegs = 28;
    p.csum = Csum.partial;
    p.csumStart = p.data + 34;
    p.csumOffset = 16;
    expect(wire.a.transmit(p)).toBe(0);
    expect(wire.b.receive(buffer)).toBe(true);
    expect(buffer).toMatchObject({ gsoType: Gso.tcpv4, gsoSize: 1448, gsoSegs: 28, csum: Csum.partial, csumOffset: 16 });
    expect(buffer.csumStart - buffer.data).toBe(34);
    expect(buffer.length).toBe(40_000);
  });

  it('a corrupted frame gets its real checksum first, so that the receiver can tell', () => {
    const wire = new Wire(new SeededRandom(11), { features: LinkFeature.csum, both: { corrupt: 1, corruptFrom: 60 } });
    const p = packetOf(frame);
    const whole = parseFrame(frame);
    expect(whole.sumsGood).toBe(true);
    // The field as a stack leaves it to the link: the sum of the pseudo-header alone.
    const pseudo = ~checksum(Uint8Array.of(10, 0, 0, 1, 10, 0, 0, 2, 0, Proto.udp), Uint8Array.of(508 >> 8, 508 & 255)) & 0xffff;
    p.csum = Csum.partial;
    p.csumStart = p.data + 34;
    p.csumOffset = 6;
    p.view.setUint16(p.csumStart + 6, pseudo);
    expect(wire.a.transmit(p)).toBe(0);
    expect(wire.b.receive(buffer)).toBe(true);
    expect(buffer.csum).toBe(Csum.none);
    expect(parseFrame(frameOf(buffer)).sumsGood).toBe(false);
    const field = buffer.view.getUint16(buffer.data + 40);
    expect(field).toBe((frame[40]! << 8) | frame[41]!);
  });
});
