/** BBR's modes on a path of 20 Mbit/s and 40 ms, in virtual time. */
import { describe, expect, it } from 'vitest';
import { Level, TcpOpt } from '../../../../stack/socket/socket.js';
import { type BbrState, HIGH_GAIN, Mode, UNIT } from '../../../../stack/tcp/congestion/bbr-state.js';
import { Path, type PathOptions } from '../../../support/path.js';

const RATE = 20e6;
const RTT = 40_000;
/** Frames that fill the path. */
const BDP = (RATE * RTT) / 1e6 / 8 / 1514;

function bbrFlow(o: Partial<PathOptions> = {}) {
  const p = new Path({
    delayUs: RTT / 2,
    bottleneck: { rate: RATE, queueLimit: 500 },
    ...o,
    sysctl: { tcp_congestion_control: 'bbr', ...o.sysctl },
  });
  const f = p.flow();
  const c = f.connection;
  return { p, f, c, s: c.congestionState as BbrState };
}
const modeIs = (s: BbrState, mode: number) => () => s.mode === mode;

describe('bbr', () => {
  it('STARTUP: paces at 2.89 times what is delivered, so that the bandwidth doubles each round', () => {
    const { p, c, s } = bbrFlow({ bottleneck: { rate: 500e6, queueLimit: 5000 } });
    expect(c.pacer).not.toBeNull();
    const bandwidths: number[] = [];
    let round = s.rounds;
    p.watch(300_000, 1000, () => {
      if (s.rounds === round || s.mode !== Mode.startup) return;
      round = s.rounds;
      bandwidths.push(s.bw.value);
      expect(s.pacingGain).toBe(HIGH_GAIN);
      expect(s.cwndGain).toBe(HIGH_GAIN);
      const rate = (s.bw.value / 2 ** 24) * c.mssCache * 1e6;
      if (bandwidths.length > 2) expect(c.pacingRate / rate).toBeCloseTo((HIGH_GAIN / UNIT) * 0.99, 2);
    });
    expect(bandwidths.length).toBeGreaterThanOrEqual(7);
    // the first rounds still show the initial window's burst
    for (let i = 4; i < bandwidths.length; i++) expect(bandwidths[i]! / bandwidths[i - 1]!).toBeGreaterThan(1.9);
  });

  it('leaves STARTUP after three rounds without a quarter more, and DRAIN when the queue is gone', () => {
    const { p, c, s } = bbrFlow();
    expect(p.sim.run(modeIs(s, Mode.drain), 2_000_000)).toBe(true);
    expect(s.fullBwRounds).toBe(3);
    expect(s.bw.value / s.fullBw).toBeLessThan(1.25);
    const rate = (s.bw.value / 2 ** 24) * c.mssCache * 8e6;
    expect(rate / RATE).toBeGreaterThan(0.94); // what headers leave
    expect(rate / RATE).toBeLessThan(0.97);
    expect(p.queue).toBeGreaterThan(BDP);
    expect(c.pacingRate).toBeLessThan((RATE / 8) * 0.4);
    p.sim.run(modeIs(s, Mode.probeBw), 500_000);
    expect(p.queue).toBeLessThan(BDP / 5);
    expect(c.totalRetrans).toBe(0);
  });

  it('PROBE_BW: a quarter more for a round trip, a quarter less, six times even; the queue stays short', () => {
    const { p, c, s } = bbrFlow();
    p.sim.run(modeIs(s, Mode.probeBw), 2_000_000);
    p.sim.run(() => s.cycleIndex === 0, 1_000_000);
    const bw = c.pacingRate / 1.25;
    const phases: [gain: number, us: number][] = [];
    let index = 0;
    let since = p.sim.nowUs;
    let longest = 0;
    p.watch(1_500_000, 1000, () => {
      longest = Math.max(longest, p.queue);
      if (s.cycleIndex === index) return;
      phases.push([s.cycleIndex, p.sim.nowUs - since]);
      index = s.cycleIndex;
      since = p.sim.nowUs;
      const gain = [1.25, 0.75, 1, 1, 1, 1, 1, 1][index]!;
      expect(c.pacingRate / bw).toBeCloseTo(gain, 1);
    });
    expect(phases.slice(0, 9).map(([i]) => i)).toEqual([1, 2, 3, 4, 5, 6, 7, 0, 1]);
    for (const [, us] of phases) expect(Math.abs(us - RTT)).toBeLessThan(RTT / 3);
    expect(longest).toBeLessThan(BDP / 2);
    expect(c.totalRetrans).toBe(0);
  });

  it('the cycle begins anywhere but where less is sent, by chance', () => {
    const first = new Set<number>();
    for (let seed = 1; seed <= 20; seed++) {
      const { p, s } = bbrFlow({ seed });
      p.sim.run(modeIs(s, Mode.probeBw), 2_000_000);
      first.add(s.cycleIndex);
    }
    expect(first.has(1)).toBe(false);
    expect(first.size).toBeGreaterThan(4);
  });

  it('PROBE_RTT: after ten seconds without a shorter RTT four segments for 200 ms, then what it was', () => {
    const { p, f, c, s } = bbrFlow();
    const start = p.sim.nowUs;
    p.sim.pass(2_000_000);
    expect(p.sim.run(modeIs(s, Mode.probeRtt), 20_000_000)).toBe(true);
    expect((p.sim.nowUs - start) / 1e6).toBeCloseTo(10, 0);
    const entered = p.sim.nowUs;
    expect(c.sndCwnd).toBe(4);
    p.sim.pass(100_000);
    expect(c.packetsOut).toBeLessThanOrEqual(4);
    expect(p.queue).toBe(0);
    p.sim.run(modeIs(s, Mode.probeBw), 1_000_000);
    expect(p.sim.nowUs - entered).toBeGreaterThanOrEqual(200_000);
    expect(p.sim.nowUs - entered).toBeLessThan(300_000);
    expect(c.sndCwnd).toBeGreaterThan(1.5 * BDP);
    expect(Math.abs(s.minRttUs - RTT)).toBeLessThan(1000); // the empty path was seen
    p.sim.pass(100_000);
    const received = f.received;
    p.sim.pass(1_000_000);
    expect((f.received - received) * 8).toBeGreaterThan(0.9 * RATE);
  });

  it('a policer is recognised: its rate is kept to, and losses end', () => {
    const { p, f, c, s } = bbrFlow({ bottleneck: { rate: 100e6, queueLimit: 1000 } });
    // a token bucket: 8 Mbit/s, that is a byte a µs, and 64 kB
    let tokens = 64_000;
    let filledUs = p.sim.nowUs;
    p.wire.ab.settings.lose = (frame) => {
      tokens = Math.min(64_000, tokens + p.sim.nowUs - filledUs);
      filledUs = p.sim.nowUs;
      const length = frame.tail - frame.data;
      if (tokens < length) return true;
      tokens -= length;
      return false;
    };
    expect(p.sim.run(() => s.ltUse, 20_000_000)).toBe(true);
    const rate = (s.ltBw / 2 ** 24) * c.mssCache * 8e6;
    expect(rate).toBeGreaterThan(6e6);
    expect(rate).toBeLessThan(10e6);
    const before = { lost: c.loss.lost, delivered: c.loss.delivered, received: f.received };
    p.sim.pass(1_000_000);
    expect(s.ltUse).toBe(true);
    expect(c.loss.lost - before.lost).toBeLessThan(0.1 * (c.loss.delivered - before.delivered));
    expect((f.received - before.received) * 8).toBeGreaterThan(0.75 * 8e6);
    // and given up after 48 rounds, to see whether the path has more
    expect(p.sim.run(() => !s.ltUse, 10_000_000)).toBe(true);
  });

  it('ACKs in bunches: the window makes up for them', () => {
    const { p, f, c, s } = bbrFlow();
    const back = p.wire.ba.settings;
    back.lose = () => {
      back.delayUs = RTT / 2 + (30_000 - (p.sim.nowUs % 30_000)); // released every 30 ms
      return false;
    };
    p.sim.pass(3_000_000);
    const received = f.received;
    p.sim.pass(5_000_000);
    expect(Math.max(s.extraAcked[0]!, s.extraAcked[1]!)).toBeGreaterThan(20);
    expect(((f.received - received) * 8) / 5).toBeGreaterThan(0.9 * RATE);
    expect(c.loss.totalRto).toBe(0);
  });

  it('what the application does not use does not lower the bandwidth', () => {
    const { p, f, c, s } = bbrFlow();
    p.sim.pass(3_000_000);
    f.left = 0;
    p.sim.pass(1_000_000);
    const bw = s.bw.value;
    for (let i = 0; i < 100; i++) {
      f.send(3000);
      expect(c.appLimited).toBe(c.loss.delivered);
      p.sim.pass(60_000);
    }
    expect(s.rounds).toBeGreaterThan(100);
    expect(s.bw.value).toBe(bw);
    expect(s.mode).toBe(Mode.probeBw);
  });

  it('TCP_CC_INFO tells bandwidth, least RTT and gains', () => {
    const { p, f, s, c } = bbrFlow();
    p.sim.pass(3_000_000);
    const got = f.socket.getOption(Level.TCP, TcpOpt.CC_INFO) as { value: Uint8Array };
    const v = new DataView(got.value.buffer);
    expect(got.value.length).toBe(20);
    expect(v.getUint32(0, true)).toBe(Math.floor((s.bw.value * c.mssCache * 1e6) / 2 ** 24));
    expect([v.getUint32(8, true), v.getUint32(12, true), v.getUint32(16, true)]).toEqual([s.minRttUs, s.pacingGain, 512]);
  });

  it('may be chosen in mid-life, and left: then the connection stays paced, as under Linux', () => {
    const p = new Path({
      delayUs: RTT / 2,
      bottleneck: { rate: RATE, queueLimit: 300 },
      sysctl: { tcp_congestion_control: 'cubic' },
    });
    const f = p.flow();
    const c = f.connection;
    p.sim.pass(1_000_000);
    expect(c.pacer).toBeNull();
    expect(f.socket.setOption(Level.TCP, TcpOpt.CONGESTION, 'bbr')).toBe(0);
    p.sim.pass(3_000_000);
    expect((c.congestionState as BbrState).mode).toBe(Mode.probeBw);
    expect(p.queue).toBeLessThan(BDP);
    expect(f.socket.setOption(Level.TCP, TcpOpt.CONGESTION, 'reno')).toBe(0);
    expect(c.congestionState).toBeNull();
    expect(c.pacer).not.toBeNull();
    const received = f.received;
    p.sim.pass(2_000_000);
    expect(((f.received - received) * 8) / 2).toBeGreaterThan(0.9 * RATE);
  });
});
