import { describe, expect, it } from 'vitest';
import { LedgerWatch } from '../../support/ledger.js';
import { hostAndPeer } from '../../support/simulation.js';

describe('echo', () => {
  it('ip4_ping: three requests, three replies', () => {
    const { sim, host, peer } = hostAndPeer();
    const watch = new LedgerWatch(host.ledger);
    for (let i = 0; i < 3; i++) {
      peer.ping(i);
      sim.pass(1000);
    }
    expect(peer.take().map((f) => [f.kind, f.type])).toEqual([
      ['icmp', 0],
      ['icmp', 0],
      ['icmp', 0],
    ]);
    expect(watch.delta()).toEqual({
      'Ip.InReceives': 3,
      'Ip.InDelivers': 3,
      'Ip.OutRequests': 3,
      'Ip.OutTransmits': 3,
      'Icmp.InMsgs': 3,
      'Icmp.OutMsgs': 3,
      'IcmpMsg.InType8': 3,
      'IcmpMsg.OutType0': 3,
      'IpExt.InOctets': 252,
      'IpExt.OutOctets': 252,
      'IpExt.InNoECTPkts': 3,
    });
  });
});
