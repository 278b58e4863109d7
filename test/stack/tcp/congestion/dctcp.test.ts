/**
 * DCTCP (RFC 8257) and protective load balancing over it. No kernel at hand has either: these hold the RFC's rules, the constants of Linux 6.18
 * and what its sysctls promise, not recordings.
 */
import { describe, expect, it } from 'vitest';
import { TcpExt } from '../../../../mib/catalogue/index.js';
import { Level, TcpOpt } from '../../../../stack/socket/socket.js';
import type { DctcpState } from '../../../../stack/tcp/congestion/dctcp.js';
import type { Connection } from '../../../../stack/tcp/connection.js';
import { Ca } from '../../../../stack/tcp/constants.js';
import { markCe, Path, type PathOptions } from '../../../support/path.js';

const RTT = 10_000;
const DCTCP = { tcp_congestion_control: 'dctcp' };
const stateOf = (c: Connection) => c.congestionState as DctcpState;
const PLB = { 'net.ipv4.tcp_plb_enabled': 1 };
const counted = (c: Connection, id: number) => c.env.ledger.cells[id]!;

const path = (o: Partial<PathOptions> = {}) =>
  new Path({ delayUs: RTT / 2, receiver: DCTCP, ...o, sysctl: { ...DCTCP, ...o.sysctl } });

/** Marks data segments as `which` says of their number, and lets a flow that always has to send run. */
function marked(which: (nth: number) => boolean, o: Partial<PathOptions> = {}): { p: Path; c: Connection } {
  const p = path({ bottleneck: { rate: 50e6, queueLimit: 1000 }, ...o });
  const f = p.flow(0);
  let nth = 0;
  p.wire.ab.settings.lose = (frame) => {
    if (frame.tail - frame.payload > 0 && which(nth++)) markCe(frame);
    return false;
  };
  f.send(Number.POSITIVE_INFINITY);
  return { p, c: f.connection };
}

describe('alpha', () => {
  it('begins at 1 and goes down by a sixteenth in each round trip without marks', () => {
    const p = path();
    const f = p.flow(0);
    const c = f.connection;
    expect(stateOf(c).alpha).toBe(1024);
    const seen: number[] = [];
    p.wire.ab.settings.lose = () => {
      if (stateOf(c).alpha !== seen.at(-1)) seen.push(stateOf(c).alpha);
      return false;
    };
    f.send(500_000);
    p.sim.pass(8 * RTT);
    expect(seen.length).toBeGreaterThan(4);
    for (let i = 1; i < seen.length; i++) expect(seen[i]).toBe(seen[i - 1]! - (seen[i - 1]! >> 4));
  });

  it('follows the share of marked segments, of which none is lost in the feedback', () => {
    const { p, c } = marked((nth) => nth % 20 === 0);
    p.sim.pass(2_000_000);
    let sum = 0;
    p.watch(1_000_000, RTT, () => (sum += stateOf(c).alpha));
    expect(Math.abs(c.loss.deliveredCe - c.loss.delivered / 20)).toBeLessThan(1);
    expect(Math.abs(sum / 100 / 1024 - 0.05)).toBeLessThan(0.02);
  });

  it('stays 1 when every segment is marked', () => {
    const { p, c } = marked(() => true);
    p.sim.pass(1_000_000);
    expect(stateOf(c).alpha).toBeGreaterThan(1024 - 1024 / 16);
    expect(c.sndCwnd).toBeLessThanOrEqual(3);
  });

  it('has its gain and its beginning from the module’s parameters', () => {
    const p = path({ sysctl: { 'module.tcp_dctcp.dctcp_alpha_on_init': 512, 'module.tcp_dctcp.dctcp_shift_g': 1 } });
    const f = p.flow(0);
    expect(stateOf(f.connection).alpha).toBe(512);
    f.send(1000);
    p.sim.pass(2 * RTT);
    expect(stateOf(f.connection).alpha).toBe(256);
  });

  it('is told by TCP_CC_INFO', () => {
    const { p, c } = marked((nth) => nth % 20 === 0);
    p.sim.pass(500_000);
    p.sim.run(() => stateOf(c).oldDelivered + 1 < c.loss.delivered, 100_000);
    const info = c.congestion.info!(c);
    const v = new DataView(info.buffer);
    expect([info.length, v.getUint16(0, true), v.getUint32(4, true)]).toEqual([16, 1, stateOf(c).alpha]);
    expect(v.getUint32(8, true)).toBeLessThan(v.getUint32(12, true));
  });
});

describe('the window', () => {
  it('is cut by half of alpha, once in a round trip', () => {
    const { p, c } = marked((nth) => nth >= 2000 && nth < 2010, { bottleneck: { rate: 0 } });
    p.sim.run(() => c.loss.caState === Ca.cwr, 2_000_000);
    const { alpha, lossCwnd } = stateOf(c);
    expect(alpha).toBeGreaterThan(400);
    expect(alpha).toBeLessThan(800);
    expect(c.sndSsthresh).toBe(lossCwnd - Math.floor((lossCwnd * alpha) / 2048));
    const { sndSsthresh } = c;
    p.sim.run(() => c.loss.caState === Ca.open, 100_000);
    expect(c.sndCwnd).toBe(sndSsthresh);
    p.sim.pass(5 * RTT);
    expect(c.sndSsthresh).toBe(sndSsthresh);
    expect(c.sndCwnd).toBeGreaterThan(sndSsthresh);
    expect(counted(c, TcpExt.TCPDeliveredCE)).toBe(10);
  });

  it('keeps the queue at the mark, and the path full', () => {
    const p = path({ bottleneck: { rate: 100e6, queueLimit: 1000 }, markFrom: 30 });
    const f = p.flow();
    p.sim.pass(1_000_000);
    const start = f.received;
    let longest = 0;
    let sum = 0;
    p.watch(2_000_000, 1000, () => {
      longest = Math.max(longest, p.queue);
      sum += p.queue;
    });
    expect(((f.received - start) * 8) / 2).toBeGreaterThan(0.93 * 100e6);
    expect(longest).toBeLessThan(60);
    expect(sum / 2000).toBeLessThan(35);
    expect(f.connection.totalRetrans).toBe(0);
  });
});

describe('ECN', () => {
  /** Codepoints and kinds of what one side sends. */
  const watch = (p: Path, side: 'ab' | 'ba') => {
    const seen = new Map<string, Set<number>>();
    p.wire[side].settings.lose = (frame) => {
      if (frame.view.getUint16(frame.data + 12) !== 0x0800) return false;
      const flags = frame.bytes[frame.data + 14 + 20 + 13]!;
      const kind = flags & 2 ? 'syn' : frame.tail - frame.payload > 0 ? 'data' : 'bare';
      const set = seen.get(kind) ?? new Set();
      seen.set(kind, set.add(frame.bytes[frame.data + 15]! & 3));
      return false;
    };
    return () => Object.fromEntries([...seen].map(([k, s]) => [k, [...s]]));
  };

  it('is on every packet of both ends: SYN, SYN-ACK, data, bare ACKs', () => {
    const p = path();
    const sent = watch(p, 'ab');
    const answered = watch(p, 'ba');
    const f = p.flow(100_000);
    p.sim.pass(20 * RTT);
    expect(f.received).toBe(100_000);
    expect(sent()).toEqual({ syn: [2], bare: [2], data: [2] });
    expect(answered()).toEqual({ syn: [2], bare: [2] });
  });

  it('a listener without it refuses a SYN that is ECN-capable: both go on without ECN, as Reno', () => {
    const p = path({ receiver: {} });
    const f = p.flow(100_000);
    const sent = watch(p, 'ab');
    p.sim.pass(20 * RTT);
    expect(f.received).toBe(100_000);
    expect(f.socket.getOption(Level.TCP, TcpOpt.CONGESTION)).toEqual({ value: 'dctcp-reno' });
    expect(sent()).toEqual({ data: [0] });
  });

  it('a listener with it grants what an unmarked SYN asks for, tcp_ecn or not', () => {
    for (const [ask, ok] of [
      [1, 1],
      [0, 0],
    ] as const) {
      const p = path({ sysctl: { tcp_congestion_control: 'cubic', tcp_ecn: ask }, receiver: { ...DCTCP, tcp_ecn: 0 } });
      expect((p.flow(1000).connection.ecn & 1) === 1 ? 1 : 0).toBe(ok);
    }
  });

  it('the receiver tells each change at once, with an ACK of what came before it', () => {
    const p = path({ bottleneck: { rate: 50e6 } });
    const f = p.flow(0);
    f.send(200_000);
    p.sim.run(() => f.received === 200_000, 1_000_000); // past the quick ACKs
    p.sim.pass(RTT);
    const { writeSeq } = f.connection;
    const acks: [number, boolean][] = [];
    let nth = 0;
    p.wire.ab.settings.lose = (frame) => {
      if (frame.tail - frame.payload > 0 && nth++ === 3) markCe(frame);
      return false;
    };
    p.wire.ba.settings.lose = (frame) => {
      const at = frame.data + 14 + 20;
      acks.push([((frame.view.getUint32(at + 8) - writeSeq) | 0) / f.connection.mssCache, (frame.bytes[at + 13]! & 0x40) !== 0]);
      return false;
    };
    f.send(6 * f.connection.mssCache);
    p.sim.pass(4 * RTT);
    // two by two; the fourth is marked: the third goes alone and unmarked, the fourth says so, the fifth that it is over
    expect(acks.slice(0, 4)).toEqual([
      [2, false],
      [3, false],
      [4, true],
      [5, false],
    ]);
    expect(acks.at(-1)![0]).toBe(6);
  });

  it('is not for everybody to choose until the sysctls say so', () => {
    const p = path({ sysctl: { tcp_congestion_control: 'cubic' } });
    const socket = p.sender.stack.tcp(4);
    expect(socket.setOption(Level.TCP, TcpOpt.CONGESTION, 'dctcp')).toBe(-1);
    p.sender.stack.env.sysctl.set('net.ipv4.tcp_allowed_congestion_control', 'reno cubic dctcp');
    expect(socket.setOption(Level.TCP, TcpOpt.CONGESTION, 'dctcp')).toBe(0);
  });
});

describe('protective load balancing', () => {
  const rehashes = (c: Connection) => counted(c, TcpExt.TCPPLBRehash);
  const always = () => true;

  it('changes the path after tcp_plb_rehash_rounds rounds in a row with half of the segments marked', () => {
    const { p, c } = marked(always, { sysctl: PLB });
    const seen: number[] = [];
    p.sim.run(() => {
      const { rounds } = stateOf(c).plb;
      if (rounds !== seen.at(-1)) seen.push(rounds);
      return rehashes(c) === 1;
    }, 2_000_000);
    // the twelfth round is the one that is followed by the change
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0]);
    expect(c.info().tcpi_rehash).toBe(1);
    p.sim.pass(1_000_000);
    expect(rehashes(c)).toBeGreaterThan(3);
  });

  it('is off by default', () => {
    const { p, c } = marked(always);
    p.sim.pass(1_000_000);
    expect([rehashes(c), stateOf(c).plb.rounds]).toEqual([0, 0]);
  });

  it('a round with less than tcp_plb_cong_thresh marked begins the count anew', () => {
    const { p, c } = marked((nth) => nth % 20 === 0, { sysctl: PLB });
    p.sim.pass(2_000_000);
    expect(rehashes(c)).toBe(0);
    const low = marked((nth) => nth % 20 === 0, { sysctl: { ...PLB, 'net.ipv4.tcp_plb_cong_thresh': 0 } });
    low.p.sim.pass(2_000_000);
    expect(rehashes(low.c)).toBeGreaterThan(3);
  });

  it('an idle connection changes it sooner, when it sends again', () => {
    const p = path({ sysctl: PLB, markFrom: 0, bottleneck: { rate: 50e6 } });
    const f = p.flow(0);
    const c = f.connection;
    const round = () => {
      f.send(1000);
      p.sim.pass(RTT * 3);
    };
    for (let i = 0; i < 3; i++) round();
    expect([stateOf(c).plb.rounds, rehashes(c)]).toEqual([0, 1]);
    p.sender.stack.env.sysctl.set('net.ipv4.tcp_plb_idle_rehash_rounds', 0);
    for (let i = 0; i < 11; i++) round();
    expect([stateOf(c).plb.rounds, rehashes(c)]).toEqual([11, 1]);
    round();
    expect([stateOf(c).plb.rounds, rehashes(c)]).toEqual([0, 2]);
  });

  it('keeps the path for one to two times tcp_plb_suspend_rto_sec after a time-out', () => {
    const p = path({ sysctl: { ...PLB, 'net.ipv4.tcp_plb_suspend_rto_sec': 2 }, bottleneck: { rate: 50e6 } });
    const f = p.flow(0);
    const c = f.connection;
    f.send(Number.POSITIVE_INFINITY);
    p.wire.ab.settings.lose = () => true;
    p.sim.run(() => c.loss.caState === Ca.loss, 1_000_000);
    const since = p.sim.nowUs;
    p.wire.ab.settings.lose = (frame) => {
      if (frame.tail - frame.payload > 0) markCe(frame);
      return false;
    };
    p.sim.run(() => rehashes(c) > 0, 6_000_000);
    const waited = p.sim.nowUs - since;
    expect(rehashes(c)).toBe(1);
    expect(waited).toBeGreaterThanOrEqual(2_000_000);
    expect(waited).toBeLessThan(4_500_000);
    expect(counted(c, TcpExt.TcpTimeoutRehash)).toBeGreaterThan(0);
  });
});
