/** What every congestion control must do, whatever its idea of the path is. A new one is a line in the table. */
import { describe, expect, it } from 'vitest';
import { TcpExt } from '../../../../mib/catalogue/index.js';
import type { Connection } from '../../../../stack/tcp/connection.js';
import { Ca } from '../../../../stack/tcp/constants.js';
import { Path, type PathOptions } from '../../../support/path.js';

const RTT = 40_000;

interface Algorithm {
  readonly name: string;
  /** Least window outside the Loss state. */
  readonly least: number;
  /** Slow start threshold for a window that met a loss. */
  readonly ssthresh: (cwnd: number) => number;
  /** What the window is when the recovery from one loss is over. */
  readonly afterLoss: (cwnd: number) => number;
  /** An idle time longer than the RTO makes the window small again (RFC 5681 4.1). */
  readonly restarts: boolean;
  /** Made for switches that mark from so many frames on; the receiver must have it, too. */
  readonly markFrom?: number;
}
const algorithms: readonly Algorithm[] = [
  { name: 'reno', least: 2, ssthresh: (w) => w >> 1, afterLoss: (w) => w >> 1, restarts: true },
  {
    name: 'cubic',
    least: 2,
    ssthresh: (w) => Math.floor((w * 717) / 1024),
    afterLoss: (w) => Math.floor((w * 717) / 1024),
    restarts: true,
  },
  { name: 'bbr', least: 4, ssthresh: () => 0x7fffffff, afterLoss: (w) => w, restarts: false },
  { name: 'dctcp', least: 2, ssthresh: (w) => w >> 1, afterLoss: (w) => w >> 1, restarts: true, markFrom: 20 },
];

describe.each(algorithms)('$name', ({ name, least, ssthresh, afterLoss, restarts, markFrom }) => {
  const congestion = { tcp_congestion_control: name };
  const path = (o: Partial<PathOptions> = {}) =>
    new Path({
      delayUs: RTT / 2,
      ...o,
      sysctl: { ...congestion, ...o.sysctl },
      ...(markFrom ? { markFrom, receiver: congestion } : {}),
    });
  /** Loses segments that carry data, by their number among all that do. */
  const lose = (p: Path, which: (nth: number) => boolean) => {
    let nth = 0;
    p.wire.ab.settings.lose = (f) => f.tail - f.payload > 0 && which(nth++);
  };
  const rounds = (p: Path, n: number, look: () => void = () => {}) => p.watch(n * RTT, RTT, look);

  it('is what the sysctl and the option say', () => {
    const p = path();
    const f = p.flow(0);
    expect(f.connection.congestion.name).toBe(name);
    expect(f.socket.getOption(6, 13)).toEqual({ value: name });
  });

  it('sends ten segments first and doubles the window in each round trip', () => {
    const p = path();
    const f = p.flow();
    const sent = () => f.connection.dataSegsOut;
    expect(sent()).toBe(10);
    const windows: number[] = [];
    rounds(p, 6, () => windows.push(f.connection.sndCwnd));
    expect(windows[0]).toBe(20);
    for (let i = 3; i < windows.length; i++) expect(windows[i]! / windows[i - 1]!).toBeGreaterThan(1.65);
    for (let i = 1; i < windows.length; i++) expect(windows[i]! / windows[i - 1]!).toBeLessThanOrEqual(2.05);
    expect(f.connection.totalRetrans).toBe(0);
  });

  it('does not grow the window for who does not use it', () => {
    const p = path();
    const f = p.flow(0);
    rounds(p, 30, () => f.send(1000));
    expect(f.connection.sndCwnd).toBeLessThanOrEqual(least === 4 ? 40 : 10);
    expect(f.connection.totalRetrans).toBe(0);
  });

  it('one loss: retransmits it alone, and ends with the window it says', () => {
    const p = path();
    const f = p.flow(0);
    const c = f.connection;
    f.send(400_000);
    rounds(p, 10);
    const before = c.sndCwnd;
    lose(p, (nth) => nth === 5);
    f.send(60_000);
    p.sim.run(() => c.loss.caState === Ca.recovery, 400_000);
    expect(c.loss.caState).toBe(Ca.recovery);
    expect(c.sndSsthresh).toBe(ssthresh(before));
    p.sim.run(() => c.loss.caState === Ca.open && c.packetsOut === 0, 1_000_000);
    expect(c.totalRetrans).toBe(1);
    expect(c.loss.totalRto).toBe(0);
    expect(f.received).toBe(460_000);
    expect(Math.abs(c.sndCwnd - afterLoss(before))).toBeLessThanOrEqual(Math.ceil(before / 10));
  });

  it('a time-out: one segment, then slow start; everything arrives', () => {
    const p = path();
    const f = p.flow(0);
    const c = f.connection;
    lose(p, (nth) => nth >= 20 && nth < 60);
    f.send(300_000);
    p.sim.run(() => c.loss.totalRto > 0, 2_000_000);
    expect(c.loss.caState).toBe(Ca.loss);
    expect(c.sndCwnd).toBe(1);
    p.sim.run(() => f.received === 300_000, 60_000_000);
    expect(f.received).toBe(300_000);
    expect(c.sndCwnd).toBeGreaterThanOrEqual(least);
    expect(c.loss.caState).toBe(Ca.open);
  });

  it('a spurious time-out is undone: the window is what it was', () => {
    const p = path();
    const f = p.flow(0);
    const c = f.connection;
    f.send(100_000);
    rounds(p, 8);
    const before = { cwnd: c.sndCwnd, ssthresh: c.sndSsthresh };
    p.wire.ba.settings.delayUs += 600_000; // ACKs are late: nothing was lost
    f.send(30_000);
    p.sim.run(() => c.loss.caState === Ca.loss, 2_000_000);
    expect(c.sndCwnd).toBeLessThan(before.cwnd);
    p.sim.run(() => c.packetsOut === 0, 5_000_000);
    expect(c.loss.caState).toBe(Ca.open);
    expect(c.sndCwnd).toBeGreaterThanOrEqual(before.cwnd);
    expect(c.sndSsthresh).toBe(before.ssthresh);
    expect(counted(c, TcpExt.TCPLossUndo)).toBe(1);
  });

  it(`after an idle time the window is ${restarts ? 'as at the start' : 'kept, and its rate'}`, () => {
    const p = path();
    const f = p.flow(0);
    const c = f.connection;
    f.send(200_000);
    rounds(p, 10);
    const before = c.sndCwnd;
    expect(before).toBeGreaterThan(40);
    p.sim.pass(10_000_000);
    f.send(100_000);
    if (restarts) {
      expect(c.dataSegsOut - Math.ceil(200_000 / c.mssCache)).toBe(10);
      expect(c.sndCwnd).toBe(10);
    } else {
      expect(c.sndCwnd).toBe(before);
      expect(c.pacer).not.toBeNull();
      expect(c.packetsOut).toBeLessThan(10); // no burst
    }
    rounds(p, 8);
    expect(f.received).toBe(300_000);
  });

  it('fills a path without loss: nine tenths of it, and what it queues is bounded', () => {
    const p = path({ bottleneck: { rate: 20e6, queueLimit: 400 } });
    const f = p.flow();
    p.sim.pass(2_000_000);
    const start = f.received;
    let longest = 0;
    p.watch(10_000_000, 5000, () => {
      longest = Math.max(longest, p.queue);
    });
    expect(((f.received - start) * 8) / 10).toBeGreaterThan(0.9 * 20e6);
    expect(longest).toBeLessThanOrEqual(400);
  });

  it('is fair to its like: three flows, Jain index over 0.9 in the mean of when they start', () => {
    // a queue that drops its tail favours whoever comes in step with it: one start says little
    const indexes = [400, 500, 600].map((ms) => {
      const p = path({ bottleneck: { rate: 20e6, queueLimit: 200 } });
      const flows = [p.flow()];
      p.sim.pass(2_000_000);
      flows.push(p.flow());
      p.sim.pass(ms * 1000);
      flows.push(p.flow());
      p.sim.pass(10_000_000);
      const start = flows.map((f) => f.received);
      p.sim.pass(40_000_000);
      const got = flows.map((f, i) => f.received - start[i]!);
      const sum = got.reduce((x, y) => x + y, 0);
      expect((sum * 8) / 40).toBeGreaterThan(0.9 * 20e6);
      return (sum * sum) / (got.length * got.reduce((x, y) => x + y * y, 0));
    });
    expect(indexes.reduce((x, y) => x + y, 0) / indexes.length).toBeGreaterThan(0.9);
  });

  it('never has a window below its least, whatever is lost', () => {
    const p = path({ seed: 7, bottleneck: { rate: 20e6, queueLimit: 1000, loss: 0.1 } });
    const f = p.flow();
    const c = f.connection;
    let seen = 0;
    p.watch(10_000_000, 1000, () => {
      const reducing = c.loss.caState >= Ca.cwr;
      if (!reducing) {
        expect(c.sndCwnd).toBeGreaterThanOrEqual(least);
        seen++;
      } else expect(c.sndCwnd).toBeGreaterThanOrEqual(1);
      expect(c.sndSsthresh).toBeGreaterThanOrEqual(2);
    });
    expect(seen).toBeGreaterThan(100);
    expect(c.totalRetrans).toBeGreaterThan(20);
  });
});

function counted(c: Connection, id: number): number {
  return c.env.ledger.cells[id]!;
}
