/**
 * Pacing: segments leave at a rate instead of in bursts as ACKs allow (Linux's internal pacing, RFC 9002 7.7 in spirit). Each segment moves
 * the earliest departure of the next one by its length over the rate; until then nothing leaves, and a timer sends on. A segment that left
 * later than it might have gives up to half of its time back, so that the rate is met although timers are late. Only connections that
 * asked for it have a `Pacer`: by SO_MAX_PACING_RATE, or because their congestion control wants it. It stays for the connection's life.
 */
import { Sysctl } from '../core/sysctl.js';
import { Timer } from '../core/timer.js';
import type { Connection } from './connection.js';
import { JIFFY, TimerKind } from './constants.js';

/** The first segments of a connection are not held back. */
const UNPACED_SEGMENTS = 10;

export class Pacer {
  /** Earliest departure of the next segment, µs with fractions. */
  departureUs = 0;
  /** The kind of timer tells it from the connection's others. */
  readonly timer: Timer;

  constructor(c: Connection) {
    this.timer = new Timer(c, TimerKind.pacing);
  }
}

/** From now on the connection's segments are paced. */
export function needPacing(c: Connection): void {
  c.pacer ??= new Pacer(c);
}

/** Must the next segment wait? Then the timer is armed. */
export function pacingHolds(c: Connection, pacer: Pacer): boolean {
  if (pacer.departureUs <= c.env.nowUs) return false;
  if (!pacer.timer.armed) c.env.timers.arm(pacer.timer, Math.ceil(pacer.departureUs));
  return true;
}

/** A segment has left; `length` bytes of data that are kept for retransmission, 0 for bare ones. */
export function pace(c: Connection, pacer: Pacer, length: number): void {
  const now = c.env.nowUs;
  const late = Math.max(0, now - pacer.departureUs);
  if (late > 0) pacer.departureUs = now;
  const rate = c.pacingRate;
  if (length === 0 || rate === 0 || c.dataSegsOut < UNPACED_SEGMENTS) return;
  const time = (length * 1_000_000) / rate; // 0 at an infinite rate
  pacer.departureUs += time - Math.min(time / 2, late);
}

/** How much later than usual a timer of the sender must fire, in whole ticks: what it waits for may not have left yet. */
export function pacingDelay(c: Connection): number {
  if (c.pacer === null) return 0;
  return Math.max(0, Math.floor((c.pacer.departureUs - c.env.nowUs) / JIFFY) * JIFFY);
}

/** When a segment was last sent, or will have been (super-frames wait a millisecond after it for more to send). */
export function lastDeparture(c: Connection): number {
  return c.pacer === null ? c.emittedUs : c.pacer.departureUs;
}

/** The rate follows the window: so much of it in a round trip, more than once so that the rate does not hold the window back. */
export function followWindow(c: Connection): void {
  const percent = c.env.sysctl.values[c.sndCwnd < c.sndSsthresh / 2 ? Sysctl.tcp_pacing_ss_ratio : Sysctl.tcp_pacing_ca_ratio]!;
  let rate = c.mssCache * 80_000 * percent;
  rate *= Math.max(c.sndCwnd, c.packetsOut);
  if (c.rtt.srttUs > 0) rate /= c.rtt.srttUs;
  c.pacingRate = Math.min(Math.floor(rate), c.settings.maxPacingRate);
}
