/**
 * What is remembered of a peer: each step's figures are those that `ip tcp_metrics` and TCP_INFO showed on a Linux 6.18 kernel for connections
 * with these round trips, windows and ends.
 */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import type { Connection } from '../../../stack/tcp/connection.js';
import { INFINITE_SSTHRESH } from '../../../stack/tcp/constants.js';
import { MetricsCache, type PeerMetrics } from '../../../stack/tcp/metrics.js';
import { bytes, TcpFlag, u32 } from '../../support/frames.js';
import { listening } from '../../support/listening.js';

const PEER = IpAddress.from('10.99.0.2');
const OWN = IpAddress.from('10.99.0.1');

function world(sysctl: Readonly<Record<string, string>> = {}) {
  const w = listening();
  for (const [name, value] of Object.entries(sysctl)) w.host.stack.env.sysctl.set(name, value);
  const cache = w.host.stack.tcpLayer.metrics;
  let port = 40000;
  /** As `ip tcp_metrics show` prints it. */
  const shown = () => {
    const m = cache.find(OWN, PEER);
    return m && { rtt: m.rtt >> 3, rttvar: m.rttvar >> 2, ssthresh: m.ssthresh, cwnd: m.cwnd };
  };
  const begin = () => w.pair(++port);
  /** As if a connection with this round trip, µs, and deviation had ended. */
  const end = ({ s }: ReturnType<typeof begin>, rttUs: number, mdevUs = 4 * rttUs) => {
    const c = s.connection as Connection;
    c.rtt.srttUs = rttUs * 8;
    c.rtt.mdevUs = mdevUs;
    cache.save(c);
  };
  return { w, cache, shown, begin, end };
}
describe('round trips', () => {
  it('are kept at the end, believed at once when longer, slowly when shorter', () => {
    const { shown, begin, end } = world();
    expect(shown()).toBeNull();
    end(begin(), 35_910);
    expect(shown()).toMatchObject({ rtt: 35_910, rttvar: 35_910, cwnd: 10, ssthresh: 0 });
    end(begin(), 134, 200);
    expect(shown()).toMatchObject({ rtt: 31_438, rttvar: 35_876 });
    end(begin(), 175_340, 100_000);
    expect(shown()).toMatchObject({ rtt: 175_340, rttvar: 143_902 });
  });

  it('are kept when a connection ends in TIME-WAIT, and when it leaves LAST-ACK', () => {
    for (const first of ['we', 'they']) {
      const { w, shown, begin } = world();
      const { c, s } = begin();
      if (first === 'they') c.fin();
      s.close();
      w.sim.pass(30_000);
      expect(shown()).toBeNull();
      c.segment({ flags: TcpFlag.ACK, ack: (c.ackn + 1) >>> 0 });
      c.ackn++;
      if (first === 'we') c.fin();
      expect(shown()!.rtt).toBeGreaterThan(0);
    }
  });

  it('are no sample: an "unreachable" takes the back-off back to the initial time-out (tcp_ld_RTO_revert)', () => {
    const { w, begin, end } = world({ 'net.ipv4.tcp_early_retrans': '0', 'net.ipv4.tcp_timestamps': '0' });
    end(begin(), 35_910);
    const c = w.client(41_000);
    c.syn();
    w.sim.pass(1_100_000); // the SYN-ACK goes out twice: which of the two is acknowledged cannot be told
    c.handshake();
    const s = w.accept();
    const { rtt } = s.connection as Connection;
    expect(rtt.srttUs).toBe(0);
    s.send(new Uint8Array(100), 0, 100, 0);
    w.sim.pass(240_000);
    const lost = c.replies().at(-1)!;
    expect((s.connection as Connection).backoff).toBe(1);
    w.peer.sendIcmp(3, 1, bytes(u32(0), lost.raw.subarray(14, 14 + 28)));
    w.sim.pass(1000);
    expect(s.connection as Connection).toMatchObject({ backoff: 0, rtoUs: 1_000_000 });
    expect(c.replies()).toEqual([]);
    w.sim.pass(1_000_000);
    expect(c.replies()).toHaveLength(1);
  });

  it('give the next connection a time-out: whole ticks, and twice as much again or 200 ms', () => {
    const { begin, end } = world();
    end(begin(), 35_910);
    const second = begin();
    expect((second.s.connection as Connection).rtoUs).toBe(232_000);
    end(second, 175_340, 100_000);
    expect((begin().s.connection as Connection).rtoUs).toBe(516_000);
  });

  it('are not kept of a connection that is reset, nor with tcp_no_metrics_save', () => {
    const { w, shown, begin, end } = world();
    const { c } = begin();
    c.segment({ flags: TcpFlag.RST });
    expect(shown()).toBeNull();
    end(begin(), 35_910);
    const before = shown();
    w.host.stack.env.sysctl.set('net.ipv4.tcp_no_metrics_save', '1');
    end(begin(), 400_000);
    expect(shown()).toEqual(before);
    expect((begin().s.connection as Connection).rtoUs).toBe(232_000); // and used all the same
  });

  it('are forgotten when a connection ends without having got any', () => {
    const { cache, begin, end } = world();
    end(begin(), 35_910);
    const c = begin().s.connection as Connection;
    c.rtt.srttUs = 0;
    cache.save(c);
    expect(cache.find(OWN, PEER)!.rtt).toBe(0);
    expect(cache.proven(OWN, PEER)).toBe(false);
  });
});

describe('windows', () => {
  const state = (c: Connection, cwnd: number, ssthresh: number) => {
    c.sndCwnd = cwnd;
    c.sndSsthresh = ssthresh;
    c.rtt.srttUs = 800;
  };
  const steps = (sysctl: string) => {
    const { cache, begin, shown } = world({ 'net.ipv4.tcp_no_ssthresh_metrics_save': sysctl });
    const learnt = (cwnd: number, ssthresh: number) => {
      const c = begin().s.connection as Connection;
      state(c, cwnd, ssthresh);
      cache.save(c);
      const m = shown()!;
      return [m.ssthresh, m.cwnd];
    };
    return { learnt, begin, cache };
  };

  it('as the kernel showed them', () => {
    const { learnt, begin } = steps('0');
    expect(learnt(40, INFINITE_SSTHRESH)).toEqual([0, 40]);
    expect(learnt(6, 5)).toEqual([5, 23]);
    expect((begin().s.connection as Connection).sndSsthresh).toBe(5);
    expect(learnt(12, 5)).toEqual([6, 17]);
    expect(learnt(10, 7)).toEqual([7, 13]);
  });

  it('without ssthresh by default', () => {
    const { learnt, begin } = steps('1');
    expect(learnt(40, INFINITE_SSTHRESH)).toEqual([0, 40]);
    expect(learnt(6, 5)).toEqual([0, 23]);
    expect((begin().s.connection as Connection).sndSsthresh).toBe(INFINITE_SSTHRESH);
  });

  it('and the reordering of a connection that ends before its window is back', () => {
    const { cache, learnt, begin } = steps('1');
    learnt(40, INFINITE_SSTHRESH);
    const c = begin().s.connection as Connection;
    state(c, 4, 9);
    c.loss.reordering = 17;
    cache.save(c);
    expect((begin().s.connection as Connection).loss.reordering).toBe(17);
  });
});

describe('the table', () => {
  it('forgets after an hour without news', () => {
    const { w, cache, begin, end } = world();
    end(begin(), 35_910);
    expect(cache.proven(OWN, PEER)).toBe(true);
    w.sim.pass(3_601_000_000);
    expect(cache.proven(OWN, PEER)).toBe(false);
  });

  it('is bounded: from the seventh entry of a chain on the oldest is overwritten', () => {
    const { w, begin } = world();
    const cache = new MetricsCache(w.host.stack.env);
    const c = begin().s.connection as Connection;
    c.rtt.srttUs = 800;
    const peers = 400_000;
    const known: PeerMetrics[] = [];
    for (let i = 0; i < peers; i++) {
      c.remote = IpAddress.v4(0x0b000000 + i);
      w.host.stack.env.nowUs++;
      cache.save(c);
      if (i < 2) known.push(cache.find(OWN, c.remote)!);
    }
    expect(cache.size).toBeLessThanOrEqual(6 * 16384);
    expect(cache.size).toBeGreaterThan(5 * 16384);
    expect(cache.find(OWN, c.remote)!.rtt).toBe(800);
    expect(known[0]!.remote.equals(IpAddress.v4(0x0b000000))).toBe(false);
  });

  it('proves a peer, which then may have the last quarter of the SYN queue where there are no cookies', () => {
    const { w } = world({ 'net.ipv4.tcp_syncookies': '0', 'net.ipv4.tcp_max_syn_backlog': '8' });
    const answered = () => Array.from({ length: 12 }, (_, i) => w.client(50_000 + i).syn().length).reduce((a, b) => a + b);
    const strangers = answered();
    expect(strangers).toBeLessThan(8);
    const known = world({ 'net.ipv4.tcp_syncookies': '0', 'net.ipv4.tcp_max_syn_backlog': '8' });
    known.end(known.begin(), 35_910);
    const friends = Array.from({ length: 12 }, (_, i) => known.w.client(50_000 + i).syn().length).reduce((a, b) => a + b);
    expect(friends).toBeGreaterThan(strangers);
  });
});
