/** What the algorithms share: slow start and additive increase (RFC 5681 3.1), whether the window was the limit, and Linux's slow clock. */
import { Sysctl } from '../../core/sysctl.js';
import type { Connection } from '../connection.js';
import { JIFFY } from '../constants.js';

/** Linux's clock of whole ticks, in which algorithms count what takes long. */
export function ticks(c: Connection): number {
  return Math.floor(c.env.nowUs / JIFFY);
}

export function inSlowStart(c: Connection): boolean {
  return c.sndCwnd < c.sndSsthresh;
}

/** Was the window full, so that it may grow? In slow start it may grow to twice what was used (RFC 7661's concern). */
export function isCwndLimited(c: Connection): boolean {
  if (c.cwndLimited) return true;
  return inSlowStart(c) && c.sndCwnd < 2 * c.maxPacketsOut;
}

/** One segment for each acknowledged, up to ssthresh; what is left over. */
export function slowStart(c: Connection, acked: number): number {
  const cwnd = Math.min(c.sndCwnd + acked, c.sndSsthresh);
  const left = acked - (cwnd - c.sndCwnd);
  c.sndCwnd = cwnd;
  return left;
}

/** One segment for every `w` acknowledged. */
export function additiveIncrease(c: Connection, w: number, acked: number): void {
  if (c.sndCwndCnt >= w) {
    c.sndCwndCnt = 0;
    c.sndCwnd++;
  }
  c.sndCwndCnt += acked;
  if (c.sndCwndCnt >= w) {
    const n = Math.floor(c.sndCwndCnt / w);
    c.sndCwndCnt -= n * w;
    c.sndCwnd += n;
  }
}

/** ssthresh that is kept for an undo: not below three quarters of the window. */
export function currentSsthresh(c: Connection): number {
  const state = c.loss.caState;
  if (state === 2 || state === 3) return c.sndSsthresh;
  return Math.max(c.sndSsthresh, (c.sndCwnd >> 1) + (c.sndCwnd >> 2));
}

export function initCwnd(c: Connection): number {
  return c.route?.initcwnd || 10;
}

/** Idle for longer than an RTO: the window is worth less (RFC 2861, RFC 5681 4.1). */
export function slowStartAfterIdle(c: Connection): void {
  if (c.packetsOut !== 0 || c.congestion.control !== null || c.env.sysctl.values[Sysctl.tcp_slow_start_after_idle]! === 0) return;
  let delta = c.env.nowUs - c.lsndTimeUs;
  if (delta <= c.rtoUs) return;
  const restart = Math.min(initCwnd(c), c.sndCwnd);
  c.sndSsthresh = currentSsthresh(c);
  let cwnd = c.sndCwnd;
  while ((delta -= c.rtoUs) > 0 && cwnd > restart) cwnd >>= 1;
  c.sndCwnd = Math.max(cwnd, restart);
  c.sndCwndStampUs = c.env.nowUs;
  c.sndCwndUsed = 0;
}
