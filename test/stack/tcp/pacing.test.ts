/** When paced segments leave, what else waits for them, and that nobody is paced who did not ask. */
import { describe, expect, it } from 'vitest';
import { Level, Poll, So, TcpOpt } from '../../../stack/socket/socket.js';
import { Pacer, pace, pacingDelay } from '../../../stack/tcp/pacing.js';
import type { TcpSocket } from '../../../stack/tcp/socket.js';
import { TcpState } from '../../../stack/tcp/state.js';
import { Path } from '../../support/path.js';

const DELAY = 10_000;
const rate =
  (bytes: number, cc = 'reno') =>
  (s: TcpSocket) => {
    s.setOption(Level.SOCKET, So.MAX_PACING_RATE, bytes);
    s.setOption(Level.TCP, TcpOpt.CONGESTION, cc);
  };

/** Times and lengths of data as it goes onto the wire. */
function observe(p: Path): { at: number; length: number }[] {
  const seen: { at: number; length: number }[] = [];
  p.wire.ab.settings.lose = (f) => {
    if (f.tail - f.payload >= 1000) seen.push({ at: p.sim.nowUs, length: f.tail - f.payload });
    return false;
  };
  return seen;
}

describe('pacing', () => {
  it.each(['reno', 'cubic'])('%s paces nobody by itself: no pacer, no timer', (cc) => {
    const p = new Path({ delayUs: DELAY });
    const f = p.flow(1_000_000, (s) => s.setOption(Level.TCP, TcpOpt.CONGESTION, cc));
    p.sim.pass(200_000);
    expect(f.received).toBe(1_000_000);
    expect(f.connection.pacer).toBeNull();
    expect(pacingDelay(f.connection)).toBe(0);
  });

  it.each([
    [100_000, false],
    [1_000_000, false],
    [1_000_000, true],
    [12_500_000, true],
  ])('SO_MAX_PACING_RATE = %i (super-frames: %s): so many bytes a second, to a thousandth', (bytes, offloads) => {
    const p = new Path({ delayUs: DELAY, offloads });
    const f = p.flow(Number.POSITIVE_INFINITY, rate(bytes, 'cubic'));
    p.sim.pass(1_000_000);
    const start = f.received;
    p.sim.pass(5_000_000);
    const got = (f.received - start) / 5;
    const quantum = (offloads ? 65536 : 1448) / 5;
    expect(Math.abs(got - bytes)).toBeLessThan(bytes / 1000 + quantum);
  });

  it('the eleventh segment and those behind it leave at equal distances', () => {
    const p = new Path({ delayUs: DELAY });
    const seen = observe(p);
    const f = p.flow(40 * 1448, rate(144_800));
    p.sim.pass(1_000_000);
    expect(f.received).toBe(40 * 1448);
    expect(new Set(seen.slice(0, 10).map((x) => x.at)).size).toBe(1);
    const gaps = seen.slice(12).map((x, i) => x.at - seen[11 + i]!.at);
    expect(new Set(gaps)).toEqual(new Set([10_000]));
  });

  it('who leaves late has half of it given back, not more', () => {
    const p = new Path({ delayUs: DELAY });
    const { connection: c } = p.flow(20 * 1448, rate(1_000_000));
    p.sim.pass(500_000);
    const { env } = c;
    const pacer = new Pacer(c);
    pacer.departureUs = env.nowUs - 100;
    pace(c, pacer, 1000); // 1000 µs of time
    expect(pacer.departureUs - env.nowUs).toBe(900);
    pacer.departureUs = env.nowUs - 5000;
    pace(c, pacer, 1000);
    expect(pacer.departureUs - env.nowUs).toBe(500);
    pacer.departureUs = env.nowUs + 300; // sent before its time, as an RTO's retransmission is
    pace(c, pacer, 1000);
    expect(pacer.departureUs - env.nowUs).toBe(1300);
    pace(c, pacer, 0); // an ACK takes no time
    expect(pacer.departureUs - env.nowUs).toBe(1300);
    c.pacingRate = Number.POSITIVE_INFINITY;
    pace(c, pacer, 1000);
    expect(pacer.departureUs - env.nowUs).toBe(1300);
  });

  it('timers of the sender wait for what has not left yet, in whole ticks', () => {
    const p = new Path({ delayUs: DELAY });
    const { connection: c } = p.flow(20 * 1448, rate(1_000_000));
    p.sim.pass(500_000);
    c.pacer!.departureUs = c.env.nowUs + 9000;
    expect(pacingDelay(c)).toBe(8000);
    c.pacer!.departureUs = c.env.nowUs - 9000;
    expect(pacingDelay(c)).toBe(0);
  });

  it('a rate of 0 paces nobody, as under Linux', () => {
    const p = new Path({ delayUs: DELAY });
    const f = p.flow(200_000, rate(0));
    p.sim.pass(300_000);
    expect(f.received).toBe(200_000);
    expect(f.connection.pacer!.timer.armed).toBe(false);
  });

  it('FIN waits behind paced data; the timer is gone with the connection', () => {
    const p = new Path({ delayUs: DELAY });
    const f = p.flow(20 * 1448, rate(144_800));
    const c = f.connection;
    expect(f.left).toBe(0);
    f.socket.close();
    p.sim.pass(50_000);
    expect(c.state).toBe(TcpState.FIN_WAIT1);
    expect(f.received).toBeLessThan(20 * 1448);
    expect(c.pacer!.timer.armed).toBe(true);
    p.sim.pass(1_000_000);
    expect(f.received).toBe(20 * 1448);
    expect(c.state).toBe(TcpState.CLOSE); // its FIN is acknowledged: the rest is TIME-WAIT's business
    expect(c.pacer!.timer.armed).toBe(false);

    const again = p.flow(30 * 1448, rate(144_800));
    const { timer } = again.connection.pacer!;
    p.sim.pass(50_000);
    expect(timer.armed).toBe(true);
    again.connection.abort(0);
    expect(timer.armed).toBe(false);
  });

  it('a writer bounded by TCP_NOTSENT_LOWAT hears of room when the pacing timer has sent, before any ACK', () => {
    const p = new Path({ delayUs: 100_000 });
    const f = p.flow(0, (s) => {
      rate(1_000_000)(s);
      s.setOption(Level.TCP, TcpOpt.NOTSENT_LOWAT, 4000);
    });
    f.send(10 * 1448); // the first ten leave at once
    p.sim.pass(300_000);
    const { socket } = f;
    socket.onReady = () => {};
    const data = new Uint8Array(1448);
    let sent = 0;
    while (socket.send(data, 0, data.length, 0) > 0) sent++;
    expect(sent).toBeGreaterThan(3);
    expect(socket.poll() & Poll.OUT).toBe(0);
    let heardUs = -1;
    const start = p.sim.nowUs;
    socket.onReady = (bits) => {
      if (bits & Poll.OUT && heardUs < 0) heardUs = p.sim.nowUs - start;
    };
    p.sim.pass(100_000);
    expect(heardUs).toBeGreaterThan(3000);
    expect(heardUs).toBeLessThan(50_000);
  });
});
