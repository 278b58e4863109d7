/**
 * TCP super-frames against what Linux 6.18 was measured to count for the same frames (veth with TSO, a peer that injects through
 * virtio_net_hdr): InSegs, InReceives, InDelivers, OutRequests and OutTransmits count a super-frame once, OutSegs, RetransSegs and the ECN
 * counters its segments, octets are the super-frame's, the device counts what crosses it. Whole ledgers but for TCPRcvCoalesce, which is
 * about sk_buffs.
 */
import { describe, expect, it } from 'vitest';
import { Dev } from '../../../mib/catalogue/interface.js';
import { DEVICE_CELLS, DEVICES_BASE } from '../../../mib/ledger/layout.js';
import type { StreamSocket } from '../../../stack/socket/socket.js';
import { arp, type Bytes, EtherType, ethernet, filler, ipv4, Proto, parseFrame, TcpFlag, tcp } from '../../support/frames.js';
import { expectSums, LedgerWatch } from '../../support/ledger.js';
import { type Host, Simulation } from '../../support/simulation.js';
import { linkKinds, SuperLink } from '../../support/super-link.js';
import { option } from '../../support/tcp-peer.js';

const { FIN, SYN, PSH, ACK } = TcpFlag;
const HOST = '10.99.0.1';
const PEER = '10.99.0.2';
const MACS = ['02:00:00:00:00:01', '02:00:00:00:00:02'] as const;
const PORTS = { sport: 40000, dport: 80 };
const ISN = 5000;

/** A host with one established connection, and a peer whose segments are written by hand, in numbers that count from 0. */
class Pair {
  readonly sim = new Simulation();
  readonly link: SuperLink;
  readonly host: Host;
  private readonly listener: StreamSocket;
  private socket: StreamSocket | null = null;
  private theirIsn = 0;
  /** What the host sent, as `from(octets)`, with the size of its segments behind a slash. */
  private sent: string[] = [];

  constructor(features: number) {
    this.link = new SuperLink(features);
    this.host = this.sim.host(this.link, { offloads: true });
    this.link.onFrame = (p) => {
      const f = parseFrame(p.bytes.slice(p.data, p.tail));
      if (f.kind !== 'tcp') return;
      if (f.flags & SYN) this.theirIsn = f.seq;
      this.sent.push(`${(f.seq - this.theirIsn) >>> 0}(${f.data.length})${p.gsoSize > 0 ? `/${p.gsoSize}` : ''}`);
    };
    const request = arp({ op: 1, senderMac: MACS[1], sender: PEER, target: HOST });
    this.link.inject(ethernet('ff:ff:ff:ff:ff:ff', MACS[1], EtherType.arp, request));
    this.listener = this.host.stack.tcp(4);
    expect(this.listener.bind(null, 80)).toBe(0);
  }

  open(): void {
    expect(this.listener.listen(5)).toBe(0);
    this.segment(0, 0, { flags: SYN, ack: 0, options: option.mss(1460) });
    this.segment(1, 0, { flags: ACK });
    this.socket = this.listener.accept() as StreamSocket;
    expect(typeof this.socket).toBe('object');
    this.sent = [];
  }

  /** Octets from `seq` on, in segments of `size` when that is not 0. Answers what the host sent within 20 ms. */
  segment(
    seq: number,
    n: number,
    f: { flags?: number; size?: number; ack?: number; tos?: number; options?: Bytes } = {},
  ): string[] {
    const ack = (this.theirIsn + (f.ack ?? 1)) >>> 0;
    const fields = { src: PEER, dst: HOST, ...PORTS, seq: ISN + seq, ack, flags: f.flags ?? PSH | ACK, options: f.options };
    const packet = ipv4({ src: PEER, dst: HOST, protocol: Proto.tcp, tos: f.tos, df: true }, tcp(fields, filler(n)));
    this.link.inject(ethernet(MACS[0], MACS[1], EtherType.ipv4, packet, false), f.size ?? 0);
    this.sim.pass(20_000);
    return this.take();
  }
  ack(ack: number): string[] {
    return this.segment(1, 0, { flags: ACK, ack });
  }
  read(): number {
    return this.socket!.receive(new Uint8Array(1 << 20), 0, 1 << 20, 0);
  }
  write(n: number): string[] {
    expect(this.socket!.send(filler(n), 0, n, 0)).toBe(n);
    this.sim.pass(20_000);
    return this.take();
  }
  take(): string[] {
    return this.sent.splice(0);
  }

  device(column: number): number {
    return this.host.ledger.cells[DEVICES_BASE + (this.host.device.index - 1) * DEVICE_CELLS + column]!;
  }
}

interface Moved {
  readonly moved: Record<string, number>;
  /** Frames and octets that crossed the device: [in, octets, out, octets]. */
  readonly device: readonly number[];
}

const columns = [Dev.rxPackets, Dev.rxBytes, Dev.txPackets, Dev.txBytes];
function moves(features: number, act: (p: Pair) => void, open = true): Moved {
  const pair = new Pair(features);
  pair.sim.pass(1000);
  if (open) pair.open();
  const watch = new LedgerWatch(pair.host.ledger);
  const before = columns.map((c) => pair.device(c));
  act(pair);
  pair.sim.pass(100_000);
  expectSums(pair.host.ledger);
  const { 'TcpExt.TCPRcvCoalesce': _, ...moved } = watch.delta();
  return { moved, device: columns.map((c, i) => pair.device(c) - before[i]!) };
}

/** Each of the first numbers of packets in and out as IP and TCP count them, and what moves beside. */
function counts(
  packetsIn: number,
  packetsOut: number,
  segmentsOut: number,
  more: Record<string, number>,
): Record<string, number> {
  return {
    'Ip.InReceives': packetsIn,
    'Ip.InDelivers': packetsIn,
    'Ip.OutRequests': packetsOut,
    'Ip.OutTransmits': packetsOut,
    'Tcp.InSegs': packetsIn,
    'Tcp.OutSegs': segmentsOut,
    ...more,
  };
}
const size = 1000;

describe('a super-frame comes in', () => {
  it('and counts once, its ECN field by segments', () => {
    const r = moves(linkKinds.whole, (p) => {
      expect(p.segment(1, 10_000, { size, tos: 2 })).toEqual(['1(0)']);
      expect(p.segment(10_001, 3000, { size, tos: 3 })).toEqual(['1(0)']);
      expect(p.read()).toBe(13_000);
    });
    const ip = { 'IpExt.InOctets': 13_080, 'IpExt.OutOctets': 80, 'IpExt.InECT0Pkts': 10, 'IpExt.InCEPkts': 3 };
    expect(r).toEqual({ moved: counts(2, 2, 2, ip), device: [2, 13_108, 2, 108] });
  });

  it('and is acknowledged at once, each', () => {
    const r = moves(linkKinds.whole, (p) => {
      p.segment(1, 10_000, { size });
      p.segment(10_001, 10_000, { size });
      expect(p.read()).toBe(20_000);
      p.segment(20_001, 2500, { size });
      expect(p.read()).toBe(2500);
    });
    const ip = { 'IpExt.InOctets': 22_620, 'IpExt.OutOctets': 120, 'IpExt.InNoECTPkts': 23 };
    expect(r).toEqual({ moved: counts(3, 3, 3, ip), device: [3, 22_662, 3, 162] });
  });

  it('out of order, again, in part new', () => {
    const early = moves(linkKinds.whole, (p) => {
      p.segment(1001, 5000, { size });
      p.segment(1, 1000);
      expect(p.read()).toBe(6000);
    });
    const ooo = { 'TcpExt.TCPOFOQueue': 1, 'IpExt.InOctets': 6080, 'IpExt.OutOctets': 80, 'IpExt.InNoECTPkts': 6 };
    expect(early.moved).toEqual(counts(2, 2, 2, ooo));
    const octets = { 'IpExt.InOctets': 10_080, 'IpExt.OutOctets': 80, 'IpExt.InNoECTPkts': 10 };
    const again = moves(linkKinds.whole, (p) => {
      p.segment(1, 5000, { size });
      p.segment(1, 5000, { size });
    });
    expect(again.moved).toEqual(counts(2, 2, 2, { ...octets, 'TcpExt.DelayedACKLost': 1 }));
    const half = moves(linkKinds.whole, (p) => {
      p.segment(1, 5000, { size });
      p.segment(3001, 5000, { size });
      expect(p.read()).toBe(8000);
    });
    expect(half.moved).toEqual(counts(2, 2, 2, octets));
  });

  it('with FIN, beyond the window, acknowledging what was never sent, and to a closed port', () => {
    const one = { 'IpExt.InOctets': 5040, 'IpExt.OutOctets': 40, 'IpExt.InNoECTPkts': 5 };
    const fin = moves(linkKinds.whole, (p) => {
      p.segment(1, 5000, { size, flags: FIN | PSH | ACK });
      expect([p.read(), p.read()]).toEqual([5000, 0]);
    });
    expect(fin.moved).toEqual(counts(1, 1, 1, one));
    const beyond = moves(linkKinds.whole, (p) => void p.segment(70_001, 5000, { size }));
    expect(beyond.moved).toEqual(counts(1, 1, 1, { ...one, 'TcpExt.BeyondWindow': 1 }));
    const wrong = moves(linkKinds.whole, (p) => void p.segment(1, 5000, { size, ack: 100_000 }));
    expect(wrong.moved).toEqual(counts(1, 1, 1, { ...one, 'TcpExt.TCPChallengeACK': 1 }));
    const closed = moves(linkKinds.whole, (p) => void p.segment(1, 5000, { size }), false);
    expect(closed.moved).toEqual(counts(1, 1, 1, { ...one, 'Tcp.OutRsts': 1 }));
  });
});

describe.each([
  ['whole', linkKinds.whole, ['1(2920)/1460', '2921(2920)/1460', '5841(2920)/1460', '8761(1240)'], [4, 10_216]],
  [
    'cut in software',
    linkKinds.sums,
    ['1(1460)', '1461(1460)', '2921(1460)', '4381(1460)', '5841(1460)', '7301(1460)', '8761(1240)'],
    [7, 10_378],
  ],
] as const)('super-frames leave %s', (_name, features, frames, device) => {
  it('and OutSegs counts segments', () => {
    const r = moves(features, (p) => {
      expect(p.write(10_000)).toEqual(frames);
      p.ack(10_001);
    });
    const sent = { 'TcpExt.TCPHPAcks': 1, 'TcpExt.TCPOrigDataSent': 7, 'TcpExt.TCPDelivered': 7 };
    const ip = { 'IpExt.InOctets': 40, 'IpExt.OutOctets': 10_160, 'IpExt.InNoECTPkts': 1 };
    expect(r).toEqual({ moved: counts(1, 4, 7, { ...sent, ...ip }), device: [1, 54, ...device] });
  });

  it('and a timeout sends one segment of one again', () => {
    const r = moves(features, (p) => {
      p.write(5000);
      p.sim.pass(330_000);
      expect(p.take()).toEqual(['1(1460)']);
      p.ack(5001);
    });
    const lost = { 'Tcp.RetransSegs': 1, 'TcpExt.TCPTimeouts': 1, 'TcpExt.TcpTimeoutRehash': 1 };
    const sent = { 'TcpExt.TCPHPAcks': 1, 'TcpExt.TCPOrigDataSent': 4, 'TcpExt.TCPDelivered': 4 };
    const ip = { 'IpExt.InOctets': 40, 'IpExt.OutOctets': 6580, 'IpExt.InNoECTPkts': 1 };
    expect(r.moved).toEqual(counts(1, 3, 4, { ...lost, ...sent, ...ip }));
  });

  it('and three duplicate acknowledgements too', () => {
    const r = moves(features, (p) => {
      p.write(14_600);
      const answers = [1, 1, 1, 1].map((ack) => p.ack(ack));
      expect(answers).toEqual([[], [], ['1(1460)'], []]);
      p.ack(14_601);
    });
    const lost = { 'Tcp.RetransSegs': 1, 'TcpExt.TCPRenoRecovery': 1, 'TcpExt.TCPFastRetrans': 1, 'TcpExt.TCPPureAcks': 4 };
    const sent = { 'TcpExt.TCPHPAcks': 1, 'TcpExt.TCPOrigDataSent': 10, 'TcpExt.TCPDelivered': 10 };
    const ip = { 'IpExt.InOctets': 200, 'IpExt.OutOctets': 16_300, 'IpExt.InNoECTPkts': 5 };
    expect(r.moved).toEqual(counts(5, 6, 10, { ...lost, ...sent, ...ip }));
  });
});
