/**
 * UDP and UDP-Lite against the deltas that Linux 6.18 shows for the same frames (measured with raw frames against a kernel, offloads off).
 * Whole ledgers: what is not named must not move. Per-type ICMP counters are named by their slots.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { Errno } from '../../../stack/core/errno.js';
import { DatagramService } from '../../../stack/services/datagram-service.js';
import { IpOpt, Level, ReceivedFrom, So } from '../../../stack/socket/socket.js';
import { bytes, filler, groupMac, ipv4, Proto, type UdpFields, udp } from '../../support/frames.js';
import { type Delta, expectSums, LedgerWatch } from '../../support/ledger.js';
import type { RawPeer } from '../../support/raw-peer.js';
import { type Host, hostAndPeer, type Simulation } from '../../support/simulation.js';

const PEER = IpAddress.from('10.99.0.2');
const into = new Uint8Array(65536);
const info = new ReceivedFrom();

let sim: Simulation;
let host: Host;
let peer: RawPeer;

/** A host with echo on 7 and discard on 9, as the oracle's target. Answers how the ledger moves while `act` and what follows it happen. */
function scenario(act: () => void, passUs = 50_000, options = {}): Delta {
  ({ sim, host, peer } = hostAndPeer(options));
  for (const port of [7, 9]) {
    const s = host.stack.udp(4);
    expect(DatagramService.bind(s, port)).toBe(0);
    new DatagramService(s, port === 7 ? (service) => service.echo() : () => {});
  }
  const watch = new LedgerWatch(host.ledger);
  act();
  sim.pass(passUs);
  return watch.delta();
}
const settle = () => sim.pass(10_000);
const to = (address: string, port: number) => ({ address: IpAddress.from(address), port });

afterEach(() => expectSums(host.ledger));

describe('inbound', () => {
  it('udp4_echo', () => {
    const delta = scenario(() => {
      for (let i = 0; i < 3; i++) {
        peer.sendUdp({ sport: 5001, dport: 7 }, `hello${i}`);
        settle();
      }
    });
    expect(delta).toEqual({
      'Ip.InReceives': 3,
      'Ip.InDelivers': 3,
      'Ip.OutRequests': 3,
      'Ip.OutTransmits': 3,
      'Udp.InDatagrams': 3,
      'Udp.OutDatagrams': 3,
      'IpExt.InOctets': 138,
      'IpExt.OutOctets': 102,
      'IpExt.InNoECTPkts': 3,
    });
    const replies = peer.take();
    expect(replies.map((f) => new TextDecoder().decode(f.data))).toEqual(['hello0', 'hello1', 'hello2']);
    for (const f of replies) expect(f).toMatchObject({ kind: 'udp', sport: 7, dport: 5001, sumsGood: true, ttl: 64, df: true });
  });

  it('udp4_closed_port', () => {
    const delta = scenario(() => peer.sendUdp({ sport: 5001, dport: 5555 }, 'x'));
    expect(delta).toEqual({
      'Ip.InReceives': 1,
      'Ip.InDelivers': 1,
      'Ip.OutRequests': 1,
      'Ip.OutTransmits': 1,
      'Icmp.OutMsgs': 1,
      'IcmpMsg.OutType3': 1,
      'Udp.NoPorts': 1,
      'IpExt.InOctets': 46,
      'IpExt.OutOctets': 57,
      'IpExt.InNoECTPkts': 1,
    });
    expect(peer.take()).toMatchObject([{ kind: 'icmp', type: 3, code: 3, sumsGood: true }]);
  });

  it('udp4_zero_csum: no checksum is a good checksum', () => {
    const delta = scenario(() => peer.sendUdp({ sport: 5001, dport: 7, checksum: 0 }, 'hello'));
    expect(delta).toEqual({
      'Ip.InReceives': 1,
      'Ip.InDelivers': 1,
      'Ip.OutRequests': 1,
      'Ip.OutTransmits': 1,
      'Udp.InDatagrams': 1,
      'Udp.OutDatagrams': 1,
      'IpExt.InOctets': 46,
      'IpExt.OutOctets': 33,
      'IpExt.InNoECTPkts': 1,
    });
  });

  const oneError = {
    'Ip.InReceives': 1,
    'Ip.InDelivers': 1,
    'Udp.InErrors': 1,
    'IpExt.InOctets': 46,
    'IpExt.InNoECTPkts': 1,
  };
  it('udp4_len_short: a length below the header', () => {
    expect(scenario(() => peer.sendUdp({ sport: 5001, dport: 7, length: 7 }, 'hello'))).toEqual(oneError);
  });
  it('udp4_hdr_truncated', () => {
    expect(scenario(() => peer.sendIp(bytes([0x13, 0x89, 0, 7]), { protocol: Proto.udp }))).toEqual(oneError);
  });
  it('a length beyond the datagram', () => {
    expect(scenario(() => peer.sendUdp({ sport: 5001, dport: 7, length: 40 }, 'hello'))).toEqual(oneError);
  });
  it('a wrong checksum of a small datagram is found at once', () => {
    const delta = scenario(() => peer.sendUdp({ sport: 5001, dport: 7, badSum: 1 }, 'hello'));
    expect(delta).toEqual({ ...oneError, 'Udp.InCsumErrors': 1 });
  });

  it('udp4_len_trim: what lies behind the length is cut off', () => {
    const delta = scenario(() => {
      const f = { sport: 5001, dport: 7, src: peer.address, dst: peer.target };
      peer.sendIp(bytes(udpBytes(f, 'hello'), 'trailing'), { protocol: Proto.udp });
    });
    expect(delta).toEqual({
      'Ip.InReceives': 1,
      'Ip.InDelivers': 1,
      'Ip.OutRequests': 1,
      'Ip.OutTransmits': 1,
      'Udp.InDatagrams': 1,
      'Udp.OutDatagrams': 1,
      'IpExt.InOctets': 46,
      'IpExt.OutOctets': 33,
      'IpExt.InNoECTPkts': 1,
    });
  });

  it('udp4_read_bad_csum_later: a datagram nobody reads is never counted', () => {
    const delta = scenario(() => {
      const s = host.stack.udp(4);
      expect(s.bind(null, 6000)).toBe(0);
      peer.sendUdp({ sport: 5001, dport: 6000 }, 'x');
      settle();
      s.close();
    });
    expect(delta).toEqual({ 'Ip.InReceives': 1, 'Ip.InDelivers': 1, 'IpExt.InOctets': 46, 'IpExt.InNoECTPkts': 1 });
  });

  it('udp4_bcast_to_echo', () => {
    const delta = scenario(() => peer.sendUdp({ sport: 5001, dport: 7, dst: '10.99.0.255' }, 'x', 'ff:ff:ff:ff:ff:ff'));
    expect(delta).toEqual({
      'Ip.InReceives': 1,
      'Ip.InDelivers': 1,
      'Ip.OutRequests': 1,
      'Ip.OutTransmits': 1,
      'Udp.InDatagrams': 1,
      'Udp.OutDatagrams': 1,
      'IpExt.InBcastPkts': 1,
      'IpExt.InOctets': 46,
      'IpExt.OutOctets': 29,
      'IpExt.InBcastOctets': 29,
      'IpExt.InNoECTPkts': 1,
    });
  });

  it('udp4_mcast_not_joined: a group nobody joined is not delivered, the all-hosts group is', () => {
    const delta = scenario(() => {
      for (const dst of ['239.1.2.3', '224.0.0.1']) peer.sendUdp({ sport: 5001, dport: 9, dst }, 'x', groupMac(dst));
    });
    expect(delta).toEqual({
      'Ip.InReceives': 2,
      'Ip.InDelivers': 1,
      'Udp.InDatagrams': 1,
      'IpExt.InMcastPkts': 1,
      'IpExt.InOctets': 92,
      'IpExt.InMcastOctets': 29,
      'IpExt.InNoECTPkts': 2,
    });
  });
});

describe('outbound', () => {
  it('udp4_connected_refused', () => {
    let answer = 0;
    const delta = scenario(() => {
      const s = host.stack.udp(4);
      expect(s.connect(PEER, 5001)).toBe(0);
      expect(s.sendTo(filler(10), 0, 10, 0, null)).toBe(10);
      settle();
      const sent = peer.take().find((f) => f.kind === 'udp')!;
      peer.sendIcmp(3, 3, bytes([0, 0, 0, 0], sent.raw.slice(14, 42)));
      settle();
      answer = s.receiveFrom(into, 0, into.length, 0, info);
      expect(s.receiveFrom(into, 0, into.length, 0, info)).toBe(-Errno.EAGAIN);
    });
    expect(answer).toBe(-Errno.ECONNREFUSED);
    expect(delta).toEqual({
      'Ip.InReceives': 1,
      'Ip.InDelivers': 1,
      'Ip.OutRequests': 1,
      'Ip.OutTransmits': 1,
      'Icmp.InMsgs': 1,
      'IcmpMsg.InType3': 1,
      'Udp.OutDatagrams': 1,
      'IpExt.InOctets': 56,
      'IpExt.OutOctets': 38,
      'IpExt.InNoECTPkts': 1,
    });
  });

  it('icmp_unreach_unknown_udp: an error about a socket that does not exist', () => {
    const delta = scenario(() => {
      const quoted = udpBytes({ sport: 999, dport: 5001, src: peer.target, dst: peer.address }, 'zz');
      peer.sendIcmp(3, 3, bytes([0, 0, 0, 0], ipHeader(peer.target, peer.address, quoted.length), quoted.slice(0, 8)));
    });
    expect(delta).toEqual({
      'Ip.InReceives': 1,
      'Ip.InDelivers': 1,
      'Icmp.InMsgs': 1,
      'Icmp.InErrors': 1,
      'IcmpMsg.InType3': 1,
      'IpExt.InOctets': 56,
      'IpExt.InNoECTPkts': 1,
    });
  });

  it('udp4_out_fragment: 4000 bytes in three fragments', () => {
    const delta = scenario(() => {
      const s = host.stack.udp(4);
      expect(s.setOption(Level.IP, IpOpt.MTU_DISCOVER, 0)).toBe(0);
      expect(s.sendTo(filler(4000), 0, 4000, 0, to('10.99.0.2', 5001))).toBe(4000);
    });
    expect(delta).toEqual({
      'Ip.OutRequests': 1,
      'Ip.FragOKs': 1,
      'Ip.FragCreates': 3,
      'Ip.OutTransmits': 3,
      'Udp.OutDatagrams': 1,
      'IpExt.OutOctets': 4068,
    });
    const fragments = peer.take();
    expect(fragments.map((f) => [f.kind, f.offset, f.mf, f.df])).toEqual([
      ['fragment', 0, true, false],
      ['fragment', 1480, true, false],
      ['fragment', 2960, false, false],
    ]);
  });

  it('udp4_out_too_big_df: EMSGSIZE, and nothing is counted', () => {
    const delta = scenario(() => {
      const s = host.stack.udp(4);
      s.setOption(Level.IP, IpOpt.MTU_DISCOVER, 2);
      expect(s.sendTo(filler(4000), 0, 4000, 0, to('10.99.0.2', 5001))).toBe(-Errno.EMSGSIZE);
    });
    expect(delta).toEqual({});
  });

  it('udp4_out_arp_fail: the neighbour never answers, the host tells itself', () => {
    const delta = scenario(() => {
      const s = host.stack.udp(4);
      expect(s.sendTo(filler(10), 0, 10, 0, to('10.99.0.50', 9))).toBe(10);
    }, 3_600_000);
    expect(delta).toEqual({
      'Ip.InReceives': 1,
      'Ip.InDelivers': 1,
      'Ip.OutRequests': 2,
      'Ip.OutTransmits': 2,
      'Icmp.InMsgs': 1,
      'IcmpMsg.InType3': 1,
      'Icmp.OutMsgs': 1,
      'IcmpMsg.OutType3': 1,
      'Udp.OutDatagrams': 1,
      'IpExt.InOctets': 66,
      'IpExt.OutOctets': 104,
      'IpExt.InNoECTPkts': 1,
    });
  });

  it('udp4_out_bcast_mcast: the own broadcast comes back', () => {
    const delta = scenario(() => {
      const s = host.stack.udp(4);
      expect(s.setOption(Level.SOCKET, So.BROADCAST, 1)).toBe(0);
      expect(s.sendTo(filler(10), 0, 10, 0, to('10.99.0.255', 9))).toBe(10);
      expect(s.sendTo(filler(10), 0, 10, 0, to('239.1.1.1', 9))).toBe(10);
    });
    expect(delta).toEqual({
      'Ip.InReceives': 1,
      'Ip.InDelivers': 1,
      'Ip.OutRequests': 2,
      'Ip.OutTransmits': 2,
      'Udp.InDatagrams': 1,
      'Udp.OutDatagrams': 2,
      'IpExt.OutMcastPkts': 1,
      'IpExt.InBcastPkts': 1,
      'IpExt.OutBcastPkts': 1,
      'IpExt.InOctets': 38,
      'IpExt.OutOctets': 76,
      'IpExt.OutMcastOctets': 38,
      'IpExt.InBcastOctets': 38,
      'IpExt.OutBcastOctets': 38,
      'IpExt.InNoECTPkts': 1,
    });
    expect(peer.take()).toMatchObject([
      { dst: '10.99.0.255', dmac: 'ff:ff:ff:ff:ff:ff', ttl: 64 },
      { dst: '239.1.1.1', dmac: '01:00:5e:01:01:01', ttl: 1 },
    ]);
  });
});

describe('UDP-Lite and ping', () => {
  it('udplite4_echo: one good datagram that is not read, one bad checksum, one closed port, one sent', () => {
    const delta = scenario(() => {
      const s = host.stack.udpLite(4);
      expect(s.bind(null, 6000)).toBe(0);
      peer.sendUdp({ sport: 5001, dport: 6000, protocol: Proto.udplite }, 'hello');
      peer.sendUdp({ sport: 5001, dport: 6000, protocol: Proto.udplite, badSum: 1 }, 'hello');
      peer.sendUdp({ sport: 5001, dport: 6001, protocol: Proto.udplite }, 'hello');
      settle();
      expect(s.sendTo(filler(5), 0, 5, 0, to('10.99.0.2', 5001))).toBe(5);
    });
    expect(delta).toEqual({
      'Ip.InReceives': 3,
      'Ip.InDelivers': 3,
      'Ip.OutRequests': 2,
      'Ip.OutTransmits': 2,
      'Icmp.OutMsgs': 1,
      'IcmpMsg.OutType3': 1,
      'UdpLite.NoPorts': 1,
      'UdpLite.InErrors': 1,
      'UdpLite.OutDatagrams': 1,
      'UdpLite.InCsumErrors': 1,
      'IpExt.InOctets': 138,
      'IpExt.OutOctets': 94,
      'IpExt.InNoECTPkts': 3,
    });
  });

  it('icmp_active_ping', () => {
    let got = 0;
    const delta = scenario(() => {
      const s = host.stack.ping(4);
      expect(s.connect(PEER, 0)).toBe(0);
      const request = Uint8Array.from([8, 0, 0, 0, 0, 0, 0, 1, 0x61, 0x62, 0x63]);
      expect(s.sendTo(request, 0, request.length, 0, null)).toBe(11);
      settle();
      const sent = peer.take().find((f) => f.kind === 'icmp')!;
      expect(sent).toMatchObject({ type: 8, code: 0, sumsGood: true });
      peer.sendIcmp(0, 0, sent.data);
      settle();
      got = s.receiveFrom(into, 0, into.length, 0, info);
      expect(info.address?.toString()).toBe('10.99.0.2');
    });
    expect(got).toBe(11);
    expect([...into.subarray(8, 11)]).toEqual([0x61, 0x62, 0x63]);
    expect(delta).toEqual({
      'Ip.InReceives': 1,
      'Ip.InDelivers': 1,
      'Ip.OutRequests': 1,
      'Ip.OutTransmits': 1,
      'Icmp.InMsgs': 1,
      'Icmp.OutMsgs': 1,
      'IcmpMsg.InType0': 1,
      'IcmpMsg.OutType8': 1,
      'IpExt.InOctets': 46,
      'IpExt.OutOctets': 31,
      'IpExt.InNoECTPkts': 1,
    });
  });
});

function udpBytes(f: UdpFields, data: string): Uint8Array {
  return udp(f, bytes(data));
}
/** The header of a UDP packet with a payload of so many bytes. */
function ipHeader(src: string, dst: string, length: number): Uint8Array {
  return ipv4({ src, dst, protocol: Proto.udp }, new Uint8Array(length)).slice(0, 20);
}
