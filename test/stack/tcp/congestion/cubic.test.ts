/** CUBIC against the curve of RFC 9438 4.2 and its constants, and the exits of slow start. */
import { describe, expect, it } from 'vitest';
import { TcpExt } from '../../../../mib/catalogue/index.js';
import type { CubicState } from '../../../../stack/tcp/congestion/cubic.js';
import { Ca, JIFFY } from '../../../../stack/tcp/constants.js';
import { Path } from '../../../support/path.js';

const cubic = { tcp_congestion_control: 'cubic' };
const large = { ...cubic, tcp_rmem: '4096 131072 134217728', tcp_wmem: '4096 16384 134217728' };
const C = 0.4;

/** A flow that met a loss with a window of some 600 segments over 100 ms; W_max and the time of the congestion avoidance stage's start. */
function afterLoss() {
  const p = new Path({ delayUs: 50_000, sysctl: large });
  const { connection: c } = p.flow();
  c.sndSsthresh = 600;
  p.sim.run(() => c.sndCwnd >= 600, 5_000_000);
  let lost = false;
  p.wire.ab.settings.lose = (f) => {
    const first = !lost && f.tail - f.payload > 0;
    lost ||= first;
    return first;
  };
  p.sim.run(() => c.loss.caState === Ca.recovery, 1_000_000);
  const s = () => c.congestionState as CubicState;
  const wMax = c.loss.priorCwnd;
  p.sim.run(() => c.loss.caState === Ca.open, 1_000_000);
  p.sim.run(() => s().epochStart > 0, 1_000_000);
  return { p, c, wMax, cwndEpoch: c.sndCwnd, epochUs: s().epochStart * JIFFY };
}

describe('cubic', () => {
  it('multiplies by 0.7 on loss (RFC 9438 4.6)', () => {
    const { c, wMax } = afterLoss();
    expect(wMax).toBeGreaterThan(600);
    expect(c.sndSsthresh).toBe(Math.floor((wMax * 717) / 1024));
  });

  it('follows W(t) = C (t − K)³ + W_max, concave then convex, within one per cent (4.2)', () => {
    const { p, c, wMax, cwndEpoch, epochUs } = afterLoss();
    const K = Math.cbrt((wMax - cwndEpoch) / C);
    expect(K).toBeGreaterThan(7);
    let at = 0;
    p.watch(14_000_000, 500_000, () => {
      // the window aims at W(t + RTT): what it is now was the target of a round trip ago
      const t = (p.sim.nowUs - epochUs) / 1e6;
      const least = C * (t - K) ** 3 + wMax;
      const most = C * (t + 0.1 - K) ** 3 + wMax;
      expect(c.sndCwnd).toBeGreaterThan(least * 0.99);
      expect(c.sndCwnd).toBeLessThan(most * 1.01 + 1);
      at++;
    });
    expect(at).toBe(28);
    expect(c.sndCwnd).toBeGreaterThan(wMax * 1.05);
  });

  it('looks at the curve in whole ticks: once in one, and once in a 32nd of a second while the window stays (bictcp_update)', () => {
    const { p, c } = afterLoss();
    const looks: { readonly time: number; readonly cwnd: number }[] = [];
    p.watch(3_000_000, 250, () => {
      const { lastTime: time, lastCwnd: cwnd } = c.congestionState as CubicState;
      const before = looks.at(-1);
      if (before?.time !== time || before.cwnd !== cwnd) looks.push({ time, cwnd });
    });
    expect(looks.length).toBeGreaterThan(25);
    const second = 1_000_000 / JIFFY;
    for (const [i, look] of looks.entries()) {
      expect(Number.isInteger(look.time)).toBe(true);
      const before = looks[i - 1];
      if (!before) continue;
      if (look.cwnd === before.cwnd) expect(look.time - before.time).toBeGreaterThan(second >> 5);
      else expect(look.time).toBeGreaterThan(before.time);
    }
    expect(looks.at(-1)!.time).toBeLessThanOrEqual(p.sim.nowUs / JIFFY);
    expect(looks.some((look, i) => i > 0 && look.cwnd === looks[i - 1]!.cwnd)).toBe(true);
  });

  it('plateaus at W_max: within a segment of it for two seconds around K', () => {
    const { p, c, wMax, cwndEpoch, epochUs } = afterLoss();
    const K = Math.cbrt((wMax - cwndEpoch) / C);
    p.sim.run(epochUs + (K - 1) * 1e6);
    p.watch(2_000_000, 100_000, () => expect(Math.abs(c.sndCwnd - wMax)).toBeLessThanOrEqual(1));
  });

  it('grows at least as fast as Reno with the same reduction would (4.3)', () => {
    // small windows and short round trips: the cubic function alone would need seconds for a segment
    const p = new Path({ delayUs: 5_000, sysctl: cubic });
    const { connection: c } = p.flow();
    c.sndSsthresh = 20;
    p.sim.run(() => c.sndCwnd >= 20, 1_000_000);
    let lost = false;
    p.wire.ab.settings.lose = (f) => {
      const first = !lost && f.tail - f.payload > 0;
      lost ||= first;
      return first;
    };
    p.sim.run(() => c.loss.caState === Ca.recovery, 1_000_000);
    p.sim.run(() => c.loss.caState === Ca.open, 1_000_000);
    const start = c.sndCwnd;
    p.sim.pass(1_000_000); // 100 round trips, 3 (1 − 0.7) / (1 + 0.7) = 0.53 segments each
    expect(c.sndCwnd - start).toBeGreaterThanOrEqual(45);
    expect(c.sndCwnd - start).toBeLessThanOrEqual(60);
  });

  it.each([
    [50e6, 'a queue that builds up'],
    [10e6, 'a queue that builds up on a slow path'],
  ])('HyStart leaves slow start before anything is lost: %s bit/s, %s', (rate) => {
    const p = new Path({ delayUs: 20_000, sysctl: cubic, bottleneck: { rate, queueLimit: 2000 } });
    const { connection: c } = p.flow();
    p.sim.run(() => c.sndSsthresh < 0x7fffffff, 10_000_000);
    const bdp = (rate * 0.04) / 8 / 1514;
    expect(c.sndSsthresh).toBeGreaterThan(bdp);
    expect(c.sndSsthresh).toBeLessThan(2 * bdp);
    expect(c.totalRetrans).toBe(0);
    const cells = c.env.ledger.cells;
    const exits = cells[TcpExt.TCPHystartDelayDetect]! + cells[TcpExt.TCPHystartTrainDetect]!;
    expect(exits).toBe(1);
    expect(cells[TcpExt.TCPHystartDelayCwnd]! + cells[TcpExt.TCPHystartTrainCwnd]!).toBe(c.sndSsthresh);
  });
});
