/** What a connection does where no recording reaches: unresolved neighbours, the rows' sums, two hosts, timers that must be gone. */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { Errno } from '../../../stack/core/errno.js';
import { TcpState } from '../../../stack/tcp/state.js';
import { expectSums, ledgerDelta } from '../../support/ledger.js';
import { hostAndPeer } from '../../support/simulation.js';
import { transfer } from '../../support/transfer.js';

const PEER = IpAddress.from('10.99.0.2');

describe('a neighbour that never answers', () => {
  it('keeps the SYN from being sent twice', () => {
    const { sim, host } = hostAndPeer();
    const moved = ledgerDelta(host.ledger, () => {
      expect(host.stack.tcp(4).connect(IpAddress.from('10.99.0.50'), 80)).toBe(-Errno.EINPROGRESS);
      sim.pass(2_500_000);
    });
    expect(moved).toEqual({
      'Ip.OutRequests': 1,
      'IpExt.OutOctets': 60,
      'Ip.OutTransmits': 1,
      'Tcp.ActiveOpens': 1,
      'Tcp.OutSegs': 1,
      'TcpExt.TCPTimeouts': 2,
      'TcpExt.TCPSpuriousRtxHostQueues': 2,
      'TcpExt.TcpTimeoutRehash': 2,
    });
  });
});

describe('two hosts on a bad wire', () => {
  const bad = { both: { delayUs: 3000, loss: 0.03, reorder: 0.02, duplicate: 0.02, corrupt: 0.01 } };

  it('move a stream each way, leave nothing behind, and every row adds up', () => {
    const r = transfer(11, 400_000, bad);
    expect([r.finished, r.client.received, r.server.received, r.client.error, r.server.error]).toEqual([
      true,
      400_000,
      400_000,
      0,
      0,
    ]);
    r.sim.pass(200_000_000);
    for (const h of [r.a, r.b]) {
      expectSums(h.ledger);
      expect(h.stack.tcpLayer.orphans).toBe(0);
    }
  });

  it('do the same again from the same seed, with and without super-frames', () => {
    for (const offloads of [false, true]) {
      const one = transfer(5, 100_000, { ...bad, offloads });
      const two = transfer(5, 100_000, { ...bad, offloads });
      expect(one.pcap).toBe(two.pcap);
      expect(one.finished).toBe(true);
    }
  });
});

describe('memory', () => {
  it('of a connection is given back: no timer of it is left after its end', () => {
    const { sim, host, peer } = hostAndPeer();
    const { timers } = host.stack.env;
    const quiet = timers.size;
    for (let i = 0; i < 50; i++) {
      const s = host.stack.tcp(4);
      s.connect(PEER, 7000 + i);
      sim.pass(1000);
      s.close();
      expect(s.state).toBe(TcpState.CLOSE);
    }
    peer.take();
    expect(timers.size).toBeLessThanOrEqual(quiet + 1); // the neighbour's own
    expectSums(host.ledger);
  });
});
