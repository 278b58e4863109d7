/** Receive coalescing: what is joined, what is not, and that nothing is lost or counted otherwise than Linux's GRO would. */
import { describe, expect, it } from 'vitest';
import { IpExt, Tcp } from '../../../mib/catalogue/index.js';
import { Csum, Gso, HEADROOM, type Packet } from '../../../stack/core/packet.js';
import { PacketPool } from '../../../stack/core/packet-pool.js';
import { Coalescer } from '../../../stack/ip/coalescer.js';
import type { NetDevice } from '../../../stack/ip/device.js';
import { completeChecksum } from '../../../stack/ip/segmentation.js';
import {
  type Bytes,
  bytes,
  checksum,
  filler,
  type Ip4Fields,
  ipv4,
  Proto,
  type TcpFields,
  TcpFlag,
  tcp,
} from '../../support/frames.js';
import { expectSums } from '../../support/ledger.js';
import { transfer } from '../../support/transfer.js';

const { ACK, PSH, FIN, SYN, ECE, CWR, URG } = TcpFlag;
const AE = 0x100;
const device = {} as NetDevice;
const SRC = '10.99.0.2';
const DST = '10.99.0.1';
const STAMP = bytes([1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9]);

interface Seen {
  readonly packet: Bytes;
  readonly csum: number;
  readonly gsoType: number;
  readonly gsoSize: number;
  readonly gsoSegs: number;
  readonly keepCwr: boolean;
}

/** Feeds IP packets, padded as Ethernet pads them, and gives what went up. */
function joined(...packets: Bytes[]): Seen[] {
  const seen: Seen[] = [];
  const above = {
    input(p: Packet) {
      if (p.csum === Csum.partial) completeChecksum(p);
      const packet = p.bytes.slice(p.data, p.tail);
      const { csum, gsoType, gsoSize, gsoSegs, keepCwr } = p;
      seen.push({ packet, csum, gsoType, gsoSize, gsoSegs, keepCwr });
    },
  };
  const c = new Coalescer(above, new PacketPool());
  for (const packet of packets) {
    const p = c.slot;
    p.reset(HEADROOM + 14);
    p.family = packet[0]! >> 4;
    p.bytes.set(packet, p.data);
    p.tail = p.data + Math.max(46, packet.length);
    p.bytes.fill(0, p.data + packet.length, p.tail);
    c.input(p, device);
  }
  c.flush(device);
  return seen;
}

let at = 0;
/** The next segment of a stream: `n` octets at `seq`. */
function segment(n: number, t: Partial<TcpFields> = {}, ip: Partial<Ip4Fields> = {}): Bytes {
  const fields = { src: SRC, dst: DST, sport: 4000, dport: 9, seq: at, ack: 77, flags: ACK, options: STAMP, ...t };
  at = (fields.seq + n) >>> 0;
  return ipv4({ src: SRC, dst: DST, protocol: Proto.tcp, df: true, id: 0, ...ip }, tcp(fields, filler(n, 0x41 + (n % 7))));
}
const counts = (s: Seen[]) => s.map((x) => x.gsoSegs);

describe('what is joined', () => {
  it('segments in sequence become one packet, right in every field', () => {
    at = 0xfffffe00; // across the end of the sequence space
    const first = at;
    const parts = [segment(500), segment(500), segment(500), segment(120)];
    const seen = joined(...parts);
    expect(counts(seen)).toEqual([4]);
    const data = bytes(...parts.map((p) => p.subarray(52)));
    const whole = tcp({ src: SRC, dst: DST, sport: 4000, dport: 9, seq: first, ack: 77, flags: ACK, options: STAMP }, data);
    expect(seen[0]!.packet).toEqual(ipv4({ src: SRC, dst: DST, protocol: Proto.tcp, df: true, id: 0 }, whole));
    expect(seen[0]).toMatchObject({ gsoType: Gso.tcpv4, gsoSize: 500 });
    expect(checksum(seen[0]!.packet.subarray(0, 20))).toBe(0);
  });

  it('PSH ends a super-frame and stays in it; a short segment ends it', () => {
    at = 1;
    const seen = joined(segment(100), segment(100, { flags: ACK | PSH }), segment(100), segment(50), segment(100));
    expect(counts(seen)).toEqual([2, 2, 1]);
    expect(seen.map((s) => s.packet[33])).toEqual([ACK | PSH, ACK, ACK]);
  });

  it('no more than 64 KiB, and no more than 64 segments', () => {
    at = 1;
    expect(counts(joined(...Array.from({ length: 50 }, () => segment(1448))))).toEqual([45, 5]);
    at = 1;
    expect(counts(joined(...Array.from({ length: 70 }, () => segment(10))))).toEqual([64, 6]);
  });

  it('without DF the identification must count up', () => {
    at = 1;
    const id = (n: number) => segment(100, {}, { df: false, id: n });
    expect(counts(joined(id(0xffff), id(0), id(1), id(3)))).toEqual([3, 1]);
  });
});

describe("AccECN's flags", () => {
  it.each([
    ['AE and ECE', AE | ECE, false],
    ['all three', AE | CWR | ECE, true],
    ['CWR alone', CWR, true],
  ])('%s: joined when alike, and a CWR is then of every segment', (_name, ace, cwr) => {
    at = 1;
    const flags = ACK | ace;
    const seen = joined(segment(100, { flags }), segment(100, { flags }), segment(100, { flags }));
    expect(seen.map((s) => [s.gsoSegs, s.keepCwr])).toEqual([[3, cwr]]);
    expect(new DataView(seen[0]!.packet.buffer).getUint16(seen[0]!.packet.byteOffset + 32) & 0x1ff).toBe(flags);
  });
  it('one bit of difference, and they stay apart', () => {
    for (const [one, other] of [
      [AE, 0],
      [AE | CWR, AE],
      [CWR | ECE, CWR],
      [0, AE],
    ] as const) {
      at = 1;
      expect(counts(joined(segment(100, { flags: ACK | one }), segment(100, { flags: ACK | other })))).toEqual([1, 1]);
    }
    at = 1;
    expect(counts(joined(segment(100, {}, { tos: 2 }), segment(100, {}, { tos: 3 }), segment(100, {}, { tos: 3 })))).toEqual([
      1, 2,
    ]);
  });
  it('a packet by itself does not pretend', () => {
    at = 1;
    const flags = ACK | CWR;
    expect(joined(segment(100, { flags }), segment(100, { flags }), segment(0, { flags }))[1]).toMatchObject({
      gsoSegs: 1,
      keepCwr: false,
    });
  });
});

describe('what goes through as it is', () => {
  const cases: [string, () => Bytes][] = [
    ['a gap', () => segment(100, { seq: 5000 })],
    ['another port', () => segment(100, { sport: 4001 })],
    ['another acknowledgement', () => segment(100, { ack: 78 })],
    ['another window', () => segment(100, { window: 1 })],
    ['another timestamp', () => segment(100, { options: bytes([1, 1, 8, 10, 0, 0, 0, 8, 0, 0, 0, 9]) })],
    ['other options', () => segment(100, { options: new Uint8Array(0) })],
    ['another TOS', () => segment(100, {}, { tos: 2 })],
    ['another TTL', () => segment(100, {}, { ttl: 63 })],
    ['another source', () => segment(100, { src: '10.99.0.3' }, { src: '10.99.0.3' })],
    ['IP options', () => segment(100, {}, { options: bytes([1, 1, 1, 1]) })],
    ['a larger segment', () => segment(101)],
    ['no data', () => segment(0)],
    ['FIN', () => segment(100, { flags: ACK | FIN })],
    ['SYN', () => segment(100, { flags: SYN })],
    ['URG', () => segment(100, { flags: ACK | URG })],
    ['CWR', () => segment(100, { flags: ACK | CWR })],
    ['ECE', () => segment(100, { flags: ACK | ECE })],
    ['no ACK', () => segment(100, { flags: 0 })],
    ['a bad checksum', () => segment(100, { badSum: 1 })],
    ['a bad header checksum', () => segment(100, {}, { checksum: 1 })],
    ['a data offset beyond the end', () => segment(8, { dataOffset: 15, options: new Uint8Array(0) })],
    ['a data offset below 5', () => segment(100, { dataOffset: 4 })],
    ['a fragment', () => segment(96, {}, { mf: true, df: false })],
    ['a total length beyond the frame', () => segment(100, {}, { totalLength: 400 })],
    ['UDP', () => ipv4({ src: SRC, dst: DST, protocol: Proto.udp }, filler(100))],
    ['a stump', () => bytes([0x45, 0, 0, 20])],
  ];
  it.each(cases)('%s', (_name, make) => {
    at = 1;
    const first = segment(100);
    const odd = make();
    const seen = joined(first, odd);
    expect(counts(seen)).toEqual([1, 1]);
    expect(seen[0]!.packet).toEqual(first);
    expect(seen[1]!.packet.subarray(0, odd.length)).toEqual(odd);
  });
});

describe('a transfer with coalescing on both hosts', () => {
  const faults = { loss: 0.02, duplicate: 0.02, reorder: 0.02, reorderUs: 3000, corrupt: 0.01, delayUs: 500, rate: 1e9 };
  it.each([1, 2, 3])('comes through a bad wire whole, and counts segments and super-frames as Linux does, seed %i', (seed) => {
    const r = transfer(seed, 400_000, { coalesce: true, offloads: true, both: faults });
    expect([r.finished, r.client.received, r.server.received, r.client.error, r.server.error]).toEqual([
      true,
      400_000,
      400_000,
      0,
      0,
    ]);
    for (const h of [r.a, r.b]) expectSums(h.ledger);
  });

  it('the receiver counts fewer packets than segments, and every segment', () => {
    const r = transfer(7, 1_000_000, { coalesce: true, offloads: true, both: { delayUs: 500 } });
    expect([r.finished, r.server.received]).toEqual([true, 1_000_000]);
    const a = r.a.ledger.cells;
    const b = r.b.ledger.cells;
    expect(b[IpExt.InNoECTPkts]).toBe(a[Tcp.OutSegs]);
    expect(b[Tcp.InSegs]! * 2).toBeLessThan(a[Tcp.OutSegs]!);
    expect(a[IpExt.InNoECTPkts]).toBe(b[Tcp.OutSegs]);
  });
});
