/** Odd sources and destinations, and protocols nobody takes. Each measured against a kernel: whole ledgers, and what went out. */
import { afterEach, describe, expect, it } from 'vitest';
import { BROADCAST_MAC, bytes, EtherType, ethernet, filler, groupMac, ip4, Proto } from '../../support/frames.js';
import { expectSums } from '../../support/ledger.js';
import { datagram, four, host, PEER, peer, ping, scenario, zero } from './fixture.js';
import { kernel } from './kernel-addresses.js';

afterEach(() => expectSums(host.ledger));

describe('sources and destinations', () => {
  it.each([
    ['ip4_bad_version', { version: 5 }],
    ['ip4_src_zero', { src: '0.0.0.0' }],
    ['ip4_src_mcast', { src: '224.0.0.5' }],
    ['ip4_src_loopback', { src: '127.0.0.1' }],
    ['ip4_src_lbcast', { src: '255.255.255.255' }],
    ['ip4_src_dbcast', { src: '10.99.0.255' }],
    ['ip4_src_240', { src: '240.0.0.1' }],
    ['ip4_src_net', { src: '10.99.0.0' }],
    ['ip4_src_offlink', { src: '192.0.2.9' }],
    ['ip4_ttl0', { ttl: 0 }],
    ['ip4_ttl1', { ttl: 1 }],
  ] as const)('%s', (name, fields) => {
    // The oracle's frame with a wrong version is a short one.
    const act = name === 'ip4_bad_version' ? () => peer.sendIcmp(8, 0, four, fields) : () => ping(fields);
    expect(scenario(act)).toEqual(kernel[name]);
  });

  it('ip4_src_zero_bcast', () => {
    const act = () => datagram(9, { src: '0.0.0.0', dst: '255.255.255.255' }, BROADCAST_MAC);
    expect(scenario(act)).toEqual(kernel.ip4_src_zero_bcast);
  });

  it('a source of loopback: taken with the limited broadcast alone', () => {
    const limited = () => datagram(9, { src: '127.0.0.5', dst: '255.255.255.255' }, BROADCAST_MAC);
    expect(scenario(limited)).toEqual(kernel.ip4_src_loopback_lbcast);
    const ofNetwork = () => ping({ src: '127.0.0.5', dst: '10.99.0.255' }, BROADCAST_MAC);
    expect(scenario(ofNetwork)).toEqual(kernel.ip4_src_loopback_bcast);
  });

  it('ip4_unicast_bcast_mac: answered, but never by an error', () => {
    const act = () => {
      ping({}, BROADCAST_MAC);
      datagram(5555, {}, BROADCAST_MAC);
    };
    expect(scenario(act)).toEqual(kernel.ip4_unicast_bcast_mac);
  });

  it('ip4_unicast_mcast_mac', () => {
    expect(scenario(() => ping({}, groupMac('224.0.0.1')))).toEqual(kernel.ip4_unicast_mcast_mac);
  });

  it('ip4_bcast_unicast_mac', () => {
    const act = () => [9, 5555].forEach((port) => void datagram(port, { dst: '10.99.0.255' }));
    expect(scenario(act)).toEqual(kernel.ip4_bcast_unicast_mac);
  });

  it('ip4_net_addr', () => {
    const act = () => {
      datagram(9, { dst: '10.99.0.0' }, BROADCAST_MAC);
      ping({ dst: '10.99.0.0' });
    };
    expect(scenario(act)).toEqual(kernel.ip4_net_addr);
  });

  it('ip4_not_for_us_bcast_mac', () => {
    expect(scenario(() => ping({ dst: '10.99.0.77' }, BROADCAST_MAC))).toEqual(kernel.ip4_not_for_us_bcast_mac);
  });

  it('ip4_mcast_not_joined', () => {
    expect(scenario(() => ping({ dst: '239.1.2.3' }, groupMac('239.1.2.3')))).toEqual(kernel.ip4_mcast_not_joined);
  });

  it('ip4_short: frames that end inside the IPv4 header', () => {
    const cut = [bytes([0x45, 0, 0, 0x14, 0, 0]), zero(0), bytes([0x46, 0, 0, 0x14], zero(16))];
    const act = () => {
      for (const b of cut) peer.sendFrame(ethernet(peer.targetMac, peer.mac, EtherType.ipv4, b, false));
    };
    expect(scenario(act)).toEqual(kernel.ip4_short);
  });

  it('ip4_unknown_proto and ip4_protos: protocol unreachable, but for the ones a kernel takes', () => {
    expect(scenario(() => peer.sendIp(filler(20), { protocol: 200 }))).toEqual(kernel.ip4_unknown_proto);
    expect(peer.take()).toMatchObject([{ type: 3, code: 2 }]);
    const each = () => {
      for (const n of [4, 41, 47, 50, 51, 132, 103]) peer.sendIp(filler(40), { protocol: n, src: `10.99.0.${100 + (n % 50)}` });
    };
    expect(scenario(each)).toEqual(kernel.ip4_protos);
    const toAll = () => peer.sendIp(filler(20), { protocol: 200, dst: '10.99.0.255' }, BROADCAST_MAC);
    expect(scenario(toAll)).toEqual(kernel.ip4_unknown_proto_bcast);
  });

  it('ip4_igmp_query and ip4_igmp_unicast: a host in no group but all-systems keeps silent', () => {
    const query = bytes([0x11, 0x64, 0xee, 0x9b], four);
    const alert = bytes([0x94, 4, 0, 0]);
    const toAll = () =>
      peer.sendIp(query, { protocol: Proto.igmp, dst: '224.0.0.1', ttl: 1, options: alert }, groupMac('224.0.0.1'));
    expect(scenario(toAll)).toEqual(kernel.ip4_igmp_query);
    expect(scenario(() => peer.sendIp(query, { protocol: Proto.igmp, ttl: 1 }))).toEqual(kernel.ip4_igmp_unicast);
    expect(peer.take()).toEqual([]);
  });

  it('ip4_reserved_bit: the bit that means nothing changes nothing', () => {
    const reserved = 0x8000 << 3; // where an offset would never reach
    const act = () => peer.sendIcmp(8, 0, bytes([0, 1, 0, 1], zero(96)), { offset: reserved });
    expect(scenario(act)).toEqual(kernel.ip4_reserved_bit);
  });

  it('arp_other and eth_unknown: what is not IP is not counted by IP', () => {
    const request = bytes([0, 1, 8, 0, 6, 4, 0, 1], [2, 0, 0, 0, 0, 2], ip4(PEER), zero(6), ip4('10.99.0.77'));
    const ask = () => peer.sendFrame(ethernet(BROADCAST_MAC, peer.mac, EtherType.arp, request));
    expect(scenario(ask)).toEqual(kernel.arp_other);
    expect(peer.take()).toEqual([]);
    expect(scenario(() => peer.sendFrame(ethernet(peer.targetMac, peer.mac, 0x88b5, zero(50))))).toEqual(kernel.eth_unknown);
  });
});
