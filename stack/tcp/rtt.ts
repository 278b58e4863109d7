/**
 * Round-trip time and RTO (RFC 6298), with Linux's refinements: the variance is not let down within one window, the RTO's floor is applied
 * to the variance term, so RTO = SRTT + max(4·RTTVAR, 200 ms). `srttUs` is eight times the smoothed RTT, `mdevUs` four times the mean deviation.
 */

import { Sysctl } from '../core/sysctl.js';
import type { Connection } from './connection.js';
import { SEC } from './constants.js';
import { after } from './seq.js';
import { MinFilter } from './window-filter.js';

/** Linux's filter counts in jiffies (HZ = 250), µs. */
const TICK = 4000;
/** Longer round trips are not measured: all fields are small integers, which take no memory beside the object. */
const LONGEST_US = 0x7fffffff;

/** A connection's estimates, and its least RTT. Small integers all. */
export class RttEstimator extends MinFilter {
  srttUs = 0;
  mdevUs = 0;
  mdevMaxUs = 0;
  rttvarUs = 0;
}

export function rtoMinUs(c: Connection): number {
  return (c.route?.rtoMinUs || c.settings.rtoMinUs || c.env.sysctl.values[Sysctl.tcp_rto_min_us]!) | 0;
}
export function rtoMaxUs(c: Connection): number {
  return (c.settings.rtoMaxMs || c.env.sysctl.values[Sysctl.tcp_rto_max_ms]!) * 1000;
}

/** RFC 6298 2.2, 2.3: one measurement. */
export function estimateRtt(c: Connection, sampleUs: number): void {
  const rttUs = Math.min(sampleUs, LONGEST_US) | 0; // a difference of times: without this V8 would box all that follows from it
  const r = c.rtt;
  let srtt = r.srttUs;
  if (srtt !== 0) {
    let m = rttUs - (srtt >>> 3);
    srtt += m;
    if (m < 0) {
      m = -m - (r.mdevUs >>> 2);
      if (m > 0) m >>= 3; // a shorter RTT is believed slowly
    } else {
      m -= r.mdevUs >>> 2;
    }
    r.mdevUs += m;
    if (r.mdevUs > r.mdevMaxUs) {
      r.mdevMaxUs = r.mdevUs;
      if (r.mdevMaxUs > r.rttvarUs) r.rttvarUs = r.mdevMaxUs;
    }
    if (after(c.sndUna, c.rttMeasureSeq)) {
      if (r.mdevMaxUs < r.rttvarUs) r.rttvarUs -= (r.rttvarUs - r.mdevMaxUs) >> 2;
      c.rttMeasureSeq = c.sndNxt;
      r.mdevMaxUs = rtoMinUs(c);
    }
  } else {
    srtt = rttUs << 3;
    r.mdevUs = rttUs << 1;
    r.rttvarUs = Math.max(r.mdevUs, rtoMinUs(c));
    r.mdevMaxUs = r.rttvarUs;
    c.rttMeasureSeq = c.sndNxt;
  }
  r.srttUs = Math.max(1, srtt);
}

export function computedRto(c: Connection): number {
  return (c.rtt.srttUs >>> 3) + c.rtt.rttvarUs;
}
export function updateRto(c: Connection): void {
  c.rtoUs = Math.min(computedRto(c), rtoMaxUs(c));
}

/** The way of what will be sent becomes longer, or shorter, by so much (TCP_TX_DELAY). */
export function lengthenRtt(c: Connection, moreUs: number): void {
  c.rtt.srttUs = Math.min(Math.max(c.rtt.srttUs + moreUs * 8, 1), LONGEST_US) | 0;
  // without a sample there is no deviation that keeps the time-out above its floor
  c.rtoUs = Math.min(Math.max(computedRto(c), rtoMinUs(c)), rtoMaxUs(c));
}

export function minRttUs(c: Connection): number {
  return c.rtt.value;
}
export function updateMinRtt(c: Connection, rttUs: number, maybeDelayed: boolean): void {
  if (maybeDelayed && rttUs > minRttUs(c)) return;
  const window = (c.env.sysctl.values[Sysctl.tcp_min_rtt_wlen]! * SEC) / TICK;
  c.rtt.update(window, Math.floor(c.env.nowUs / TICK) | 0, Math.min(rttUs, LONGEST_US - 1) | 0 || 1000);
}

/** The millisecond clock of timestamps (RFC 7323 5.4), without the connection's offset. */
export function tsNow(c: Connection): number {
  return Math.floor(c.env.nowUs / 1000) >>> 0;
}
/** The same clock at another time. */
export function tsAt(timeUs: number): number {
  return Math.floor(timeUs / 1000) >>> 0;
}

/** RTT by the echoed timestamp, µs; -1 when it cannot be right. */
export function rttByTimestamp(c: Connection, least: number): number {
  let delta = (tsNow(c) - c.rcvTsEcr) >>> 0;
  if (delta >= 0x7fffffff / 1000) return -1;
  if (delta === 0) delta = least;
  return delta * 1000;
}
/** The peer answered to something sent before `when` (millisecond clock). */
export function echoBefore(c: Connection, when: number): boolean {
  return c.sawTs && c.rcvTsEcr !== 0 && ((c.rcvTsEcr - when) | 0) < 0;
}
