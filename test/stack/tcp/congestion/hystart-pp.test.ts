/** HyStart++ by the rules of RFC 9406 4.2 and 4.3, by themselves and in CUBIC. */
import { describe, expect, it } from 'vitest';
import { TcpExt } from '../../../../mib/catalogue/index.js';
import { CSS_ROUNDS, HystartPlusPlus, L, N_RTT_SAMPLE } from '../../../../stack/tcp/congestion/hystart-pp.js';
import { INFINITE_SSTHRESH } from '../../../../stack/tcp/constants.js';
import { Path } from '../../../support/path.js';

/** Rounds of samples; each round's last ACK covers windowEnd. */
class Rounds {
  private sent = 1000;
  readonly h = new HystartPlusPlus(1000);
  over = false;

  round(...rtts: readonly number[]): this {
    const end = this.sent;
    this.sent += 1000;
    for (const [i, rtt] of rtts.entries()) {
      const last = i === rtts.length - 1;
      this.over = this.h.onAck(last ? end : end - 1, this.sent, rtt) || this.over;
    }
    return this;
  }
  same(rtt: number, n = N_RTT_SAMPLE): this {
    return this.round(...new Array<number>(n).fill(rtt));
  }
}

describe('the alarm', () => {
  it('is a rise of the least round trip by an eighth, between 4 and 16 ms', () => {
    const cases = [
      [10_000, 4_000],
      [32_000, 4_000],
      [80_000, 10_000],
      [128_000, 16_000],
      [400_000, 16_000],
    ] as const;
    for (const [base, thresh] of cases) {
      expect(new Rounds().same(base).same(base + thresh - 1).h.inCss).toBe(false);
      expect(new Rounds().same(base).same(base + thresh).h.inCss).toBe(true);
    }
  });

  it('takes N_RTT_SAMPLE samples of a round, all of them high', () => {
    expect(new Rounds().same(50_000).same(90_000, N_RTT_SAMPLE - 1).h.inCss).toBe(false);
    const one = new Array<number>(N_RTT_SAMPLE + 2).fill(90_000);
    one[3] = 50_000;
    expect(new Rounds().same(50_000).round(...one).h.inCss).toBe(false);
  });

  it('is of one round against the one before it', () => {
    const r = new Rounds().same(50_000).same(56_000).same(62_000);
    expect(r.h.inCss).toBe(false); // each time less than an eighth
    expect(r.h.lastRoundMinRTT).toBe(62_000);
  });

  it('needs samples in the round before: ACKs without move the rounds on', () => {
    const r = new Rounds().same(50_000).round(-1).same(90_000);
    expect(r.h.inCss).toBe(false);
    expect(r.h.rttSampleCount).toBe(0);
  });
});

describe('conservative slow start', () => {
  const alarmed = () => new Rounds().same(50_000).same(60_000);

  it('grows by a quarter of what is acknowledged', () => {
    const { h } = alarmed();
    expect([1, 1, 1, 1, 6, 2].map((n) => h.growth(n, false))).toEqual([0, 0, 0, 1, 1, 1]);
  });

  it('ends slow start after CSS_ROUNDS rounds, the one in which it began included', () => {
    const r = alarmed();
    expect(r.h.cssRounds).toBe(1);
    for (let i = 1; i < CSS_ROUNDS - 1; i++) expect(r.same(60_000).over).toBe(false);
    expect(r.same(60_000).over).toBe(true);
  });

  it('gives way to slow start again when a round trip is below the one that alarmed', () => {
    const r = alarmed().same(60_000);
    r.same(59_999);
    expect([r.h.inCss, r.over]).toEqual([false, false]);
    expect(r.h.growth(4, false)).toBe(4);
  });

  it('needs N_RTT_SAMPLE samples for that too', () => {
    expect(alarmed().same(40_000, N_RTT_SAMPLE - 1).h.inCss).toBe(true);
  });
});

describe('slow start', () => {
  it('adds at most L segments an ACK, unless the sender is paced', () => {
    const h = new HystartPlusPlus(0);
    expect([h.growth(3, false), h.growth(40, false), h.growth(40, true)]).toEqual([3, L, 40]);
  });
});

describe('in CUBIC', () => {
  const flow = (plusPlus: string, queueLimit: number) => {
    const p = new Path({
      delayUs: 20_000,
      bottleneck: { rate: 50_000_000, queueLimit },
      sysctl: {
        tcp_congestion_control: 'cubic',
        'module.tcp_cubic.hystart_plus_plus': plusPlus,
        tcp_rmem: '4096 131072 134217728',
        tcp_wmem: '4096 16384 134217728',
      },
    });
    const { connection: c } = p.flow();
    return { p, c };
  };

  it('leaves the first slow start without a loss where the queue holds a few rounds, and counts it as Linux counts HyStart', () => {
    const { p, c } = flow('1', 2000);
    p.sim.run(() => c.sndSsthresh < INFINITE_SSTHRESH, 10_000_000);
    const cells = c.env.ledger.cells;
    expect(cells[TcpExt.TCPHystartDelayDetect]).toBe(1);
    expect(cells[TcpExt.TCPHystartDelayCwnd]).toBe(c.sndSsthresh);
    expect(cells[TcpExt.TCPHystartTrainDetect]).toBe(0);
    expect(c.totalRetrans).toBe(0);
  });

  it('is off by default: Linux’s HyStart leaves by its own rules', () => {
    const { p, c } = flow('0', 2000);
    p.sim.run(() => c.sndSsthresh < INFINITE_SSTHRESH, 10_000_000);
    expect(c.congestionState).toMatchObject({ plusPlus: null, found: true });
  });

  it('a loss ends it: what follows is as without', () => {
    const { p, c } = flow('1', 40);
    p.sim.run(() => c.totalRetrans > 0, 10_000_000);
    expect(c.sndSsthresh).toBeLessThan(INFINITE_SSTHRESH);
    p.sim.pass(2_000_000);
    expect(c.env.ledger.cells[TcpExt.TCPHystartDelayDetect]).toBe(0);
  });
});
