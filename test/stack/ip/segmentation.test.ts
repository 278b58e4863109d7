/** Software segmentation and checksum completion against plain re-computation. */
import { describe, expect, it } from 'vitest';
import { Dev } from '../../../mib/catalogue/interface.js';
import { DEVICES_BASE } from '../../../mib/ledger/layout.js';
import { finish, fold, partialSum, pseudoSum } from '../../../stack/core/checksum.js';
import { Csum, Gso, Packet } from '../../../stack/core/packet.js';
import { NetDevice } from '../../../stack/ip/device.js';
import { type Link, LinkFeature } from '../../../stack/link/link.js';
import { EtherType, emitEthernet } from '../../../stack/wire/ethernet.js';
import { emitIpv4 } from '../../../stack/wire/ipv4.js';
import { bytes, filler, type ParsedFrame, parseFrame, u32 } from '../../support/frames.js';
import { smallLedger } from '../../support/ledger.js';

class Recorder implements Link {
  readonly name = 'rec0';
  readonly mtu = 1500;
  readonly features: number;
  readonly frames: ParsedFrame[] = [];
  readonly raw: { csum: number; gsoSize: number; length: number }[] = [];
  refuse = 0;
  constructor(features: number) {
    this.features = features;
  }
  receive(): boolean {
    return false;
  }
  transmit(p: Packet): number {
    if (this.refuse !== 0) return this.refuse;
    this.frames.push(parseFrame(p.bytes.slice(p.data, p.tail)));
    this.raw.push({ csum: p.csum, gsoSize: p.gsoSize, length: p.tail - p.data });
    return 0;
  }
  advance(): void {}
  nextDeadlineUs(): number {
    return Number.POSITIVE_INFINITY;
  }
  close(): void {}
}

const SOURCE = 0x0a4d0001;
const DESTINATION = 0x0a4d0002;
const TIMESTAMP = bytes([1, 1, 8, 10], u32(1), u32(2));

/** A super-frame of TCP with a timestamp option and a partial checksum. */
function superFrame(payload: Uint8Array, gsoSize: number, flags: number, seq = 0xfffffff0): Packet {
  const p = new Packet(70000);
  p.reset(66);
  p.transport = 120;
  p.tail = 120 + 32 + payload.length;
  p.bytes.set(TIMESTAMP, 140);
  p.bytes.set(payload, 152);
  p.view.setUint16(120, 80);
  p.view.setUint16(122, 4000);
  p.view.setUint32(124, seq);
  p.view.setUint32(128, 77);
  p.view.setUint16(132, (8 << 12) | flags);
  p.view.setUint16(134, 500);
  p.family = 4;
  p.protocol = 6;
  p.src3 = SOURCE;
  p.dst3 = DESTINATION;
  p.data = p.network = 100;
  emitIpv4(p, 0, 0, p.tail - p.network, 0xffff, 0, 64, 6, SOURCE, DESTINATION);
  emitEthernet(p, 0x0200, 2, 0x0200, 1, EtherType.ipv4);
  p.csum = Csum.partial;
  p.csumStart = 120;
  p.csumOffset = 16;
  p.view.setUint16(136, pseudoSum(p, 6, p.tail - 120));
  if (gsoSize > 0) {
    p.gsoType = Gso.tcpv4;
    p.gsoSize = gsoSize;
    p.gsoSegs = Math.ceil(payload.length / gsoSize);
  }
  return p;
}

/** The same of UDP, from port 80. */
function datagrams(payload: Uint8Array, size: number, id = 0xffff): Packet {
  const p = new Packet(70000);
  p.reset(66);
  p.transport = 120;
  p.tail = 128 + payload.length;
  p.bytes.set(payload, 128);
  p.view.setUint16(120, 80);
  p.view.setUint16(122, 4000);
  p.view.setUint16(124, 8 + payload.length);
  p.family = 4;
  p.protocol = 17;
  p.src3 = SOURCE;
  p.dst3 = DESTINATION;
  p.data = p.network = 100;
  emitIpv4(p, 0, 0, p.tail - p.network, id, 0, 64, 17, SOURCE, DESTINATION);
  emitEthernet(p, 0x0200, 2, 0x0200, 1, EtherType.ipv4);
  p.csum = Csum.partial;
  p.csumStart = 120;
  p.csumOffset = 6;
  p.view.setUint16(126, fold(pseudoSum(p, 17, p.tail - 120)));
  p.gsoType = Gso.udpL4;
  p.gsoSize = size;
  p.gsoSegs = Math.ceil(payload.length / size);
  return p;
}

function device(features: number): { link: Recorder; dev: NetDevice; cell: (c: number) => number; send: (p: Packet) => number } {
  const ledger = smallLedger(4);
  const link = new Recorder(features);
  const dev = new NetDevice(1, link, '02:00:00:00:00:01', ledger.addDevice(), false);
  return { link, dev, cell: (c) => ledger.cells[DEVICES_BASE + c]!, send: (p) => dev.transmit(p, ledger.unattributed) };
}
const PSH = 8;
const FIN = 1;
const ECE = 0x40;
const CWR = 0x80;
const AE = 0x100;
const ACK = 16;

describe('a super-frame on a plain link', () => {
  it.each([
    [10000, 1448],
    [2897, 1448],
    [3000, 1001],
    [1449, 1448],
    [65000, 1448],
  ])('%i octets in segments of %i: headers, sequence numbers and sums are right, and nothing is lost', (n, size) => {
    const payload = filler(n);
    const { link, cell, send } = device(0);
    expect(send(superFrame(payload, size, ACK | PSH | FIN | CWR))).toBe(0);
    const count = Math.ceil(n / size);
    expect(link.frames).toHaveLength(count);
    for (const [i, f] of link.frames.entries()) {
      const last = i === count - 1;
      expect(f).toMatchObject({
        kind: 'tcp',
        sumsGood: true,
        sport: 80,
        dport: 4000,
        ack: 77,
        window: 500,
        id: (0xffff + i) & 0xffff,
      });
      expect(f.seq).toBe((0xfffffff0 + i * size) >>> 0);
      expect(f.flags).toBe(ACK | (last ? PSH | FIN : 0) | (i === 0 ? CWR : 0));
      expect(f.totalLength).toBe(52 + (last ? n - i * size : size));
      expect(f.options).toEqual(TIMESTAMP);
    }
    expect(bytes(...link.frames.map((f) => f.data))).toEqual(payload);
    expect(cell(Dev.txPackets)).toBe(count);
    expect(cell(Dev.txBytes)).toBe(count * 66 + n);
  });

  it('leaves the sums to a link that completes them', () => {
    const { link, send } = device(LinkFeature.csum);
    send(superFrame(filler(4000), 1448, ACK));
    expect(link.raw.map((r) => r.csum)).toEqual([Csum.partial, Csum.partial, Csum.partial]);
    expect(link.frames.every((f) => !f.sumsGood)).toBe(true);
  });

  it('goes whole to a link that segments', () => {
    const { link, cell, send } = device(LinkFeature.csum | LinkFeature.tso4);
    send(superFrame(filler(4000), 1448, ACK));
    expect(link.raw).toEqual([{ csum: Csum.partial, gsoSize: 1448, length: 4066 }]);
    expect(cell(Dev.txPackets)).toBe(1);
  });

  it('whose CWR is of all segments (AccECN) keeps it in all, and is cut here even for a link that segments', () => {
    for (const features of [0, LinkFeature.csum | LinkFeature.tso4]) {
      const { link, send } = device(features);
      const p = superFrame(filler(4000), 1448, ACK | PSH | AE | CWR);
      p.keepCwr = true;
      send(p);
      expect(link.frames.map((f) => f.flags)).toEqual([ACK | AE | CWR, ACK | AE | CWR, ACK | PSH | AE | CWR]);
      expect(bytes(...link.frames.map((f) => f.data))).toEqual(filler(4000));
    }
    const { link, send } = device(LinkFeature.csum | LinkFeature.tso4);
    const p = superFrame(filler(4000), 1448, ACK | AE | ECE);
    p.keepCwr = true;
    send(p);
    expect(link.raw).toHaveLength(1);
  });
});

describe("a super-frame of UDP's", () => {
  it.each([
    [10_000, 1000],
    [2500, 1000],
    [65_507, 1472],
    [128, 1],
  ])('%i octets in datagrams of %i: each a packet of its own with length, identification and sum', (n, size) => {
    const payload = filler(n);
    const { link, cell, send } = device(LinkFeature.tso4);
    expect(send(datagrams(payload, size))).toBe(0);
    const count = Math.ceil(n / size);
    expect(link.frames).toHaveLength(count);
    for (const [i, f] of link.frames.entries()) {
      const length = i === count - 1 ? n - i * size : size;
      expect(f).toMatchObject({
        kind: 'udp',
        sumsGood: true,
        sport: 80,
        dport: 4000,
        id: (0xffff + i) & 0xffff,
        mf: false,
        offset: 0,
      });
      expect(f.totalLength).toBe(28 + length);
      expect(new DataView(f.raw.buffer).getUint16(38)).toBe(8 + length);
    }
    expect(bytes(...link.frames.map((f) => f.data))).toEqual(payload);
    expect([cell(Dev.txPackets), cell(Dev.txBytes)]).toEqual([count, count * 42 + n]);
  });

  it('writes ffff where the sum of a datagram is 0, which would say that there is none', () => {
    const { link, send } = device(0);
    const probe = datagrams(new Uint8Array(4), 2);
    send(probe);
    const sum = new DataView(link.frames[0]!.raw.buffer).getUint16(40);
    link.frames.length = 0;
    send(datagrams(Uint8Array.of(sum >> 8, sum & 255, 0, 0), 2));
    expect(new DataView(link.frames[0]!.raw.buffer).getUint16(40)).toBe(0xffff);
    expect(link.frames[0]!.sumsGood).toBe(true);
  });

  it('goes whole to a link that segments UDP, unless it is larger than a device takes', () => {
    const { link, send } = device(LinkFeature.csum | LinkFeature.uso4 | LinkFeature.uso6);
    send(datagrams(filler(65_493), 1472));
    expect(link.raw).toEqual([{ csum: Csum.partial, gsoSize: 1472, length: 65_535 }]);
    send(datagrams(filler(65_494), 1472));
    expect(link.raw).toHaveLength(1 + 45);
  });
});

describe('a frame', () => {
  it('with a partial checksum is completed for a link that does not', () => {
    const { link, send } = device(0);
    send(superFrame(filler(99), 0, ACK));
    expect(link.frames[0]).toMatchObject({ sumsGood: true, totalLength: 151 });
  });

  it('that the link refuses is an error of the device, and the refusal comes back', () => {
    const { link, cell, send } = device(0);
    link.refuse = -105;
    expect(send(superFrame(filler(10), 0, ACK))).toBe(-105);
    expect([cell(Dev.txErrs), cell(Dev.txPackets), cell(Dev.txBytes)]).toEqual([1, 0, 0]);
  });
});

describe('checksums', () => {
  const of = (b: Uint8Array) => {
    const p = new Packet(b.length + 8);
    p.bytes.set(b, 4);
    return finish(partialSum(p, 4, b.length));
  };
  it('have the known answers', () => {
    // RFC 1071 3: the sum is ddf2
    expect(of(Uint8Array.of(0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7))).toBe(~0xddf2 & 0xffff);
    // The textbook header: 4500 0073 0000 4000 4011 [b861] c0a8 0001 c0a8 00c7
    const header = Uint8Array.from(Buffer.from('4500007300004000401100 00c0a80001c0a800c7'.replace(' ', ''), 'hex'));
    expect(of(header)).toBe(0xb861);
    expect(of(new Uint8Array(0))).toBe(0xffff);
    expect(of(Uint8Array.of(0xff))).toBe(0x00ff);
  });
  it('are the same from odd places and in parts', () => {
    const data = filler(1001);
    const p = new Packet(2100);
    p.bytes.set(data, 4);
    p.bytes.set(data, 1051);
    expect(partialSum(p, 1051, 1001)).toBe(partialSum(p, 4, 1001));
    expect(fold(partialSum(p, 4, 400) + partialSum(p, 404, 601))).toBe(partialSum(p, 4, 1001));
  });
});
