/**
 * BBR version 1 (draft-cardwell-iccrg-bbr-congestion-control-00; Cardwell et al., ACM Queue 14/5, 2016), with Linux's constants. Loss does
 * not rule it, nor does a full queue: it measures what the path delivers (the highest rate of ten round trips) and how short it is (the
 * least RTT of ten seconds), paces at that rate and keeps about twice their product in flight.
 *
 *   STARTUP → DRAIN → PROBE_BW ⇄ PROBE_RTT (→ STARTUP when the pipe was never full)
 *
 * In PROBE_BW it sends a quarter more for one least RTT in eight, then as much less, to see whether there is more; in PROBE_RTT it keeps
 * four segments in flight for 200 ms, so that all flows of a queue see the path without it.
 */
import { below } from '../../core/random.js';
import type { Connection } from '../connection.js';
import { Ca, INFINITE_SSTHRESH, INIT_CWND } from '../constants.js';
import { applicationLimits, type RateSample } from '../delivery-rate.js';
import { needPacing } from '../pacing.js';
import { minRttUs } from '../rtt.js';
import { packetsInFlight } from '../segments.js';
import { checkFullPipe, resetLongTerm, sampleLongTerm, updateAckAggregation, updateBandwidth } from './bbr-model.js';
import {
  BbrState,
  BW_UNIT,
  bandwidth,
  bdp,
  bytesPerSecond,
  CWND_GAIN,
  DRAIN_GAIN,
  HIGH_GAIN,
  Mode,
  stateOf,
  UNIT,
} from './bbr-state.js';
import type { CongestionControl } from './congestion.js';
import { ticks } from './window.js';

export type { BbrState } from './bbr-state.js';

/** PROBE_BW's gains: more, less, then six times just the bandwidth; it begins with any but "less". */
const CYCLE: readonly number[] = [(UNIT * 5) / 4, (UNIT * 3) / 4, UNIT, UNIT, UNIT, UNIT, UNIT, UNIT];
const CYCLE_CHANCE = 7;
/** In ticks: how long a least RTT is believed, and how long PROBE_RTT lasts. */
const MIN_RTT_WINDOW = 2500;
const PROBE_RTT_TIME = 50;
const MIN_CWND = 4;
/** Below 1.2 Mbit/s, super-frames may be single segments. */
const SLOW_RATE = 150_000;
/** What one super-frame may hold, without the room for headers, and how many segments the model reckons with at most. */
const LARGEST_FRAME = 65_215;
const LARGEST_GOAL = 127;
/** Aggregation is made up for by at most 100 ms of bandwidth. */
const EXTRA_ACKED_US = 100_000;
const CC_INFO_BYTES = 20;

// ---- pacing

function pacingRate(c: Connection, bw: number, gain: number): number {
  return Math.min(bytesPerSecond(c, bw, gain), c.settings.maxPacingRate);
}
/** Before any delivery: the initial window in a round trip, a millisecond when none is known. */
function firstPacingRate(c: Connection, s: BbrState): void {
  let rtt = 1000;
  if (c.rtt.srttUs > 0) {
    rtt = Math.max(c.rtt.srttUs >>> 3, 1);
    s.sawRtt = true;
  }
  c.pacingRate = pacingRate(c, Math.floor((c.sndCwnd * BW_UNIT) / rtt), HIGH_GAIN);
}
function setPacingRate(c: Connection, s: BbrState, bw: number, gain: number): void {
  const rate = pacingRate(c, bw, gain);
  if (!s.sawRtt && c.rtt.srttUs > 0) firstPacingRate(c, s);
  if (s.fullBwReached || rate > c.pacingRate) c.pacingRate = rate;
}

function leastTsoSegs(c: Connection): number {
  return c.pacingRate < SLOW_RATE ? 1 : 2;
}
function tsoGoal(c: Connection): number {
  const bytes = Math.min(Math.floor(c.pacingRate / 1024), LARGEST_FRAME);
  return Math.min(Math.max(Math.floor(bytes / c.mssCache), leastTsoSegs(c)), LARGEST_GOAL);
}

// ---- the window

/** Room beyond the product of bandwidth and RTT: for super-frames under way in both hosts, and for ACKs of every other segment. */
function quantised(c: Connection, s: BbrState, cwnd: number): number {
  const even = (cwnd + 3 * tsoGoal(c) + 1) & ~1;
  return s.mode === Mode.probeBw && s.cycleIndex === 0 ? even + 2 : even;
}
function inflight(c: Connection, s: BbrState, bw: number, gain: number): number {
  return quantised(c, s, bdp(s, bw, gain));
}

/** How much will be in the network when the next segment departs. */
function inNetworkAtDeparture(c: Connection, s: BbrState, flight: number): number {
  const wait = Math.max(0, Math.floor((c.pacer === null ? 0 : c.pacer.departureUs) - c.env.nowUs));
  const delivered = Math.floor((bandwidth(s) * wait) / BW_UNIT);
  const then = s.pacingGain > UNIT ? flight + tsoGoal(c) : flight;
  return Math.max(0, then - delivered);
}

/** The window is about to be cut for a while: what it was is worth remembering. */
function saveCwnd(c: Connection, s: BbrState): void {
  const good = s.priorCaState < Ca.recovery && s.mode !== Mode.probeRtt;
  s.priorCwnd = good ? c.sndCwnd : Math.max(s.priorCwnd, c.sndCwnd);
}

/** In the first round of a recovery as much leaves as arrived; at its end the window is what it was. */
function recoveryCwnd(c: Connection, s: BbrState, rs: RateSample): number {
  const was = s.priorCaState;
  const state = c.loss.caState;
  let cwnd = rs.losses > 0 ? Math.max(c.sndCwnd - rs.losses, 1) : c.sndCwnd;
  if (state === Ca.recovery && was !== Ca.recovery) {
    s.packetConservation = true;
    s.nextRoundDelivered = c.loss.delivered;
    cwnd = packetsInFlight(c) + rs.ackedSacked;
  } else if (was >= Ca.recovery && state < Ca.recovery) {
    cwnd = Math.max(cwnd, s.priorCwnd);
    s.packetConservation = false;
  }
  s.priorCaState = state;
  return s.packetConservation ? Math.max(cwnd, packetsInFlight(c) + rs.ackedSacked) : cwnd;
}

function aggregationCwnd(s: BbrState): number {
  if (!s.fullBwReached) return 0;
  const most = Math.floor((bandwidth(s) * EXTRA_ACKED_US) / BW_UNIT);
  return Math.min(Math.max(s.extraAcked[0]!, s.extraAcked[1]!), most);
}

function setCwnd(c: Connection, s: BbrState, rs: RateSample, bw: number): void {
  let cwnd = c.sndCwnd;
  const acked = rs.ackedSacked;
  if (acked > 0) {
    cwnd = recoveryCwnd(c, s, rs);
    if (!s.packetConservation) {
      const target = quantised(c, s, bdp(s, bw, s.cwndGain) + aggregationCwnd(s));
      if (s.fullBwReached) cwnd = Math.min(cwnd + acked, target);
      else if (cwnd < target || c.loss.delivered < INIT_CWND) cwnd += acked;
      cwnd = Math.max(cwnd, MIN_CWND);
    }
  }
  c.sndCwnd = s.mode === Mode.probeRtt ? Math.min(cwnd, MIN_CWND) : cwnd;
}

// ---- modes

function advanceCycle(c: Connection, s: BbrState): void {
  s.cycleIndex = (s.cycleIndex + 1) & 7;
  s.cycleStartUs = c.deliveredUs;
}
function enterProbeBw(c: Connection, s: BbrState): void {
  s.mode = Mode.probeBw;
  s.cycleIndex = CYCLE.length - 1 - below(c.env.random, CYCLE_CHANCE);
  advanceCycle(c, s);
}

/** A phase lasts a least RTT; more in flight is asked for until it is there or is lost; less, until the queue is gone. */
function cyclePhaseOver(c: Connection, s: BbrState, rs: RateSample): boolean {
  const long = c.deliveredUs - s.cycleStartUs > s.minRttUs;
  if (s.pacingGain === UNIT) return long;
  const flight = inNetworkAtDeparture(c, s, rs.priorInFlight);
  if (s.pacingGain > UNIT) return long && (rs.losses > 0 || flight >= inflight(c, s, s.bw.value, s.pacingGain));
  return long || flight <= inflight(c, s, s.bw.value, UNIT);
}

function checkDrain(c: Connection, s: BbrState): void {
  if (s.mode === Mode.startup && s.fullBwReached) {
    s.mode = Mode.drain;
    c.sndSsthresh = inflight(c, s, s.bw.value, UNIT);
  }
  if (s.mode !== Mode.drain) return;
  if (inNetworkAtDeparture(c, s, packetsInFlight(c)) <= inflight(c, s, s.bw.value, UNIT)) enterProbeBw(c, s);
}

function checkProbeRttDone(c: Connection, s: BbrState): void {
  if (s.probeRttDoneTick === 0 || ticks(c) <= s.probeRttDoneTick) return;
  s.minRttTick = ticks(c);
  c.sndCwnd = Math.max(c.sndCwnd, s.priorCwnd);
  if (s.fullBwReached) enterProbeBw(c, s);
  else s.mode = Mode.startup;
}

function updateMinRtt(c: Connection, s: BbrState, rs: RateSample): void {
  const now = ticks(c);
  const expired = now > s.minRttTick + MIN_RTT_WINDOW;
  if (rs.rttUs >= 0 && (rs.rttUs < s.minRttUs || (expired && !rs.ackDelayed))) {
    s.minRttUs = rs.rttUs;
    s.minRttTick = now;
  }
  if (expired && !s.idleRestart && s.mode !== Mode.probeRtt) {
    s.mode = Mode.probeRtt;
    saveCwnd(c, s);
    s.probeRttDoneTick = 0;
  }
  if (s.mode === Mode.probeRtt) probeRtt(c, s, now);
  if (rs.delivered > 0) s.idleRestart = false;
}

function probeRtt(c: Connection, s: BbrState, now: number): void {
  applicationLimits(c); // the low rates of this time say nothing of the path
  if (s.probeRttDoneTick === 0) {
    if (packetsInFlight(c) > MIN_CWND) return;
    s.probeRttDoneTick = now + PROBE_RTT_TIME;
    s.probeRttRoundDone = false;
    s.nextRoundDelivered = c.loss.delivered;
    return;
  }
  if (s.roundStart) s.probeRttRoundDone = true;
  if (s.probeRttRoundDone) checkProbeRttDone(c, s);
}

function setGains(s: BbrState): void {
  switch (s.mode) {
    case Mode.startup:
      s.pacingGain = s.cwndGain = HIGH_GAIN;
      break;
    case Mode.drain:
      s.pacingGain = DRAIN_GAIN;
      s.cwndGain = HIGH_GAIN;
      break;
    case Mode.probeBw:
      s.pacingGain = s.ltUse ? UNIT : CYCLE[s.cycleIndex]!;
      s.cwndGain = CWND_GAIN;
      break;
    default:
      s.pacingGain = s.cwndGain = UNIT;
  }
}

function control(c: Connection, rs: RateSample): void {
  const s = stateOf(c);
  if (!s.started) {
    applicationLimits(c); // the handshake: as Linux, whose state is all zeros then and looks at the RTT first
    return;
  }
  if (updateBandwidth(c, s, rs, s.mode === Mode.probeBw)) enterProbeBw(c, s);
  updateAckAggregation(c, s, rs);
  if (s.mode === Mode.probeBw && cyclePhaseOver(c, s, rs)) advanceCycle(c, s);
  checkFullPipe(s, rs);
  checkDrain(c, s);
  updateMinRtt(c, s, rs);
  setGains(s);
  const bw = bandwidth(s);
  setPacingRate(c, s, bw, s.pacingGain);
  setCwnd(c, s, rs, bw);
}

function start(c: Connection): void {
  const s = new BbrState();
  c.congestionState = s;
  s.started = true;
  c.sndSsthresh = INFINITE_SSTHRESH;
  s.nextRoundDelivered = c.loss.delivered;
  s.minRttUs = minRttUs(c);
  s.minRttTick = ticks(c);
  s.epochStartUs = c.env.nowUs;
  firstPacingRate(c, s);
  resetLongTerm(c, s);
  needPacing(c);
}

/** struct tcp_bbr_info: bandwidth in bytes per second in two halves, least RTT, gains. */
function info(c: Connection): Uint8Array {
  const s = stateOf(c);
  const out = new Uint8Array(CC_INFO_BYTES);
  const v = new DataView(out.buffer);
  const bytes = Math.floor((bandwidth(s) * c.mssCache * 1_000_000) / BW_UNIT);
  v.setUint32(0, bytes >>> 0, true);
  v.setUint32(4, Math.floor(bytes / 0x1_0000_0000), true);
  v.setUint32(8, s.minRttUs, true);
  v.setUint32(12, s.pacingGain, true);
  v.setUint32(16, s.cwndGain, true);
  return out;
}

export const bbr: CongestionControl = {
  name: 'bbr',
  needsEcn: false,
  start,
  ssthresh(c: Connection): number {
    saveCwnd(c, stateOf(c));
    return c.sndSsthresh;
  },
  avoid(): void {},
  control,
  undoCwnd(c: Connection): number {
    const s = stateOf(c);
    s.fullBw = 0;
    s.fullBwRounds = 0;
    resetLongTerm(c, s);
    return c.sndCwnd;
  },
  setState(c: Connection, next: number): void {
    if (next !== Ca.loss) return;
    const s = stateOf(c);
    s.priorCaState = Ca.loss;
    s.fullBw = 0;
    s.roundStart = true; // a time-out ends the round
    if (sampleLongTerm(c, s, 1, false, s.mode === Mode.probeBw)) enterProbeBw(c, s);
  },
  acked(): void {},
  timedOut(): void {},
  ackDone: null,
  dataCame(): void {},
  txStart(c: Connection): void {
    if (c.appLimited === 0) return;
    const s = stateOf(c);
    s.idleRestart = true;
    s.epochStartUs = c.env.nowUs;
    s.epochAcked = 0;
    if (s.mode === Mode.probeBw) setPacingRate(c, s, bandwidth(s), UNIT);
    else if (s.mode === Mode.probeRtt) checkProbeRttDone(c, s);
  },
  minTsoSegs: leastTsoSegs,
  sendBuffers: 3,
  info,
};
