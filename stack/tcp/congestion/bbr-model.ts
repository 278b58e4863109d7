/**
 * BBR's model of the path, from delivery rate samples: bandwidth and rounds, the rate that a policer lets through, how much ACKs are
 * aggregated, and whether the pipe is full (draft-cardwell-iccrg-bbr-congestion-control-00 4.1, 4.3.2; the policer and aggregation parts
 * are Linux's).
 */
import type { Connection } from '../connection.js';
import type { RateSample } from '../delivery-rate.js';
import { type BbrState, BW_UNIT, bandwidth, bytesPerSecond, UNIT } from './bbr-state.js';

/** Rounds for which a bandwidth is remembered: a cycle of PROBE_BW and two. */
const BW_ROUNDS = 10;
/** The pipe is full when three rounds brought less than a quarter more. */
const FULL_BW_THRESHOLD = (UNIT * 5) / 4;
const FULL_BW_ROUNDS = 3;
/** An interval of the long-term estimate has 4 to 16 rounds, and counts when at least 50/256 of what was delivered was lost. */
const LT_MIN_ROUNDS = 4;
const LT_MAX_ROUNDS = 4 * LT_MIN_ROUNDS;
const LT_LOSS = 50;
/** Two intervals agree when they differ by an eighth, or by 4 kbit/s. */
const LT_RATIO = UNIT / 8;
const LT_DIFFERENCE = 4000 / 8;
const LT_LONGEST_MS = Math.floor(0xffffffff / 1000);
const EXTRA_ACKED_ROUNDS = 5;
const EPOCH_ACKED_LIMIT = 1 << 20;

/** @returns whether the long-term rate was given up: the cycle of gains begins anew */
export function updateBandwidth(c: Connection, s: BbrState, rs: RateSample, probing: boolean): boolean {
  s.roundStart = false;
  if (rs.delivered < 0 || rs.intervalUs <= 0) return false;
  if (rs.priorDelivered >= s.nextRoundDelivered) {
    s.nextRoundDelivered = c.loss.delivered;
    s.rounds++;
    s.roundStart = true;
    s.packetConservation = false;
  }
  const restart = sampleLongTerm(c, s, rs.losses, rs.appLimited, probing);
  const bw = Math.floor((rs.delivered * BW_UNIT) / rs.intervalUs);
  // what the application did not use says nothing against the path
  if (!rs.appLimited || bw >= s.bw.value) s.bw.update(BW_ROUNDS, s.rounds, bw);
  return restart;
}

// ---- policers

function beginInterval(c: Connection, s: BbrState): void {
  s.ltStartMs = Math.floor(c.deliveredUs / 1000);
  s.ltDelivered = c.loss.delivered;
  s.ltLost = c.loss.lost;
  s.ltRounds = 0;
}
export function resetLongTerm(c: Connection, s: BbrState): void {
  s.ltBw = 0;
  s.ltUse = false;
  s.ltSampling = false;
  beginInterval(c, s);
}

/** Rounds for which a policer's rate is used before the path is asked again. */
const LT_USE_ROUNDS = 48;

/**
 * A token bucket shows as two successive intervals, each from loss to loss, with high loss and the same rate. @returns true when that
 * rate was used for long enough and is given up
 */
export function sampleLongTerm(c: Connection, s: BbrState, losses: number, appLimited: boolean, probing: boolean): boolean {
  if (s.ltUse) {
    if (!probing || !s.roundStart || ++s.ltRounds < LT_USE_ROUNDS) return false;
    resetLongTerm(c, s);
    return true;
  }
  if (!s.ltSampling) {
    if (losses === 0) return false; // until the bucket is empty for the first time it tells nothing
    beginInterval(c, s);
    s.ltSampling = true;
  }
  if (appLimited) {
    resetLongTerm(c, s);
    return false;
  }
  if (s.roundStart) s.ltRounds++;
  if (s.ltRounds < LT_MIN_ROUNDS) return false;
  if (s.ltRounds > LT_MAX_ROUNDS) resetLongTerm(c, s);
  else if (losses > 0) endInterval(c, s);
  return false;
}

function endInterval(c: Connection, s: BbrState): void {
  const lost = c.loss.lost - s.ltLost;
  const delivered = c.loss.delivered - s.ltDelivered;
  if (delivered === 0 || lost * UNIT < LT_LOSS * delivered) return;
  const ms = Math.floor(c.deliveredUs / 1000) - s.ltStartMs;
  if (ms < 1) return;
  if (ms >= LT_LONGEST_MS) {
    resetLongTerm(c, s);
    return;
  }
  const bw = Math.floor((delivered * BW_UNIT) / (ms * 1000));
  if (s.ltBw !== 0) {
    const difference = Math.abs(bw - s.ltBw);
    if (difference * UNIT <= LT_RATIO * s.ltBw || bytesPerSecond(c, difference, UNIT) <= LT_DIFFERENCE) {
      s.ltBw = Math.floor((bw + s.ltBw) / 2);
      s.ltUse = true;
      s.pacingGain = UNIT;
      s.ltRounds = 0;
      return;
    }
  }
  s.ltBw = bw;
  beginInterval(c, s);
}

// ---- aggregation

/** ACKs that come in bunches would leave the path empty between them: how much more than the bandwidth allows was acknowledged at once? */
export function updateAckAggregation(c: Connection, s: BbrState, rs: RateSample): void {
  if (rs.ackedSacked <= 0 || rs.delivered < 0 || rs.intervalUs <= 0) return;
  if (s.roundStart) {
    s.extraAckedRounds++;
    if (s.extraAckedRounds >= EXTRA_ACKED_ROUNDS) {
      s.extraAckedRounds = 0;
      s.extraAckedIndex ^= 1;
      s.extraAcked[s.extraAckedIndex] = 0;
    }
  }
  let expected = Math.floor((bandwidth(s) * (c.deliveredUs - s.epochStartUs)) / BW_UNIT);
  if (s.epochAcked <= expected || s.epochAcked + rs.ackedSacked >= EPOCH_ACKED_LIMIT) {
    s.epochAcked = 0;
    s.epochStartUs = c.deliveredUs;
    expected = 0;
  }
  s.epochAcked = Math.min(EPOCH_ACKED_LIMIT - 1, s.epochAcked + rs.ackedSacked);
  const extra = Math.min(s.epochAcked - expected, c.sndCwnd);
  if (extra > s.extraAcked[s.extraAckedIndex]!) s.extraAcked[s.extraAckedIndex] = extra;
}

// ---- STARTUP's end

export function checkFullPipe(s: BbrState, rs: RateSample): void {
  if (s.fullBwReached || !s.roundStart || rs.appLimited) return;
  if (s.bw.value >= Math.floor((s.fullBw * FULL_BW_THRESHOLD) / UNIT)) {
    s.fullBw = s.bw.value;
    s.fullBwRounds = 0;
    return;
  }
  s.fullBwRounds++;
  s.fullBwReached = s.fullBwRounds >= FULL_BW_ROUNDS;
}
