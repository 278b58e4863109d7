/** What BBR remembers of a connection, and the arithmetic of its model: bandwidth in segments per µs times 2^24, gains in 1/256. */
import type { Connection } from '../connection.js';
import { INIT_CWND } from '../constants.js';
import { MaxFilter } from '../window-filter.js';

export const BW_UNIT: number = 1 << 24;
/** 1 as a gain. */
export const UNIT = 256;
/** 2/ln 2: the least gain with which the rate still doubles every round trip. And its inverse, to drain what that queued. */
export const HIGH_GAIN: number = Math.floor((UNIT * 2885) / 1000) + 1;
export const DRAIN_GAIN: number = Math.floor((UNIT * 1000) / 2885);
export const CWND_GAIN: number = 2 * UNIT;
/** No round trip was measured yet. */
export const NO_RTT = 0xffffffff;

/** STARTUP looks for the bandwidth, DRAIN empties the queue that left behind, PROBE_BW cruises and asks for more in turn, PROBE_RTT looks at the empty path. */
export const Mode = Object.freeze({ startup: 0, drain: 1, probeBw: 2, probeRtt: 3 });

export class BbrState {
  /** `start` was called: before it, only the handshake has been acknowledged. */
  started = false;
  mode: number = Mode.startup;
  pacingGain = 0;
  cwndGain = 0;
  // ---- the path's model
  /** Highest bandwidth of the last ten round trips. */
  readonly bw: MaxFilter = new MaxFilter();
  minRttUs = NO_RTT;
  /** When that was seen, in ticks. */
  minRttTick = 0;
  /** Round trips so far, counted by delivery: a round ends when a segment is delivered that was sent after the round began. */
  rounds = 0;
  nextRoundDelivered = 0;
  roundStart = false;
  /** The RTT was known when the pacing rate was first set. */
  sawRtt = false;
  // ---- is the pipe full?
  fullBw = 0;
  fullBwRounds = 0;
  fullBwReached = false;
  // ---- PROBE_BW
  cycleIndex = 0;
  cycleStartUs = 0;
  // ---- PROBE_RTT
  /** Tick at which it may end, 0 while the flight is still too large. */
  probeRttDoneTick = 0;
  probeRttRoundDone = false;
  idleRestart = false;
  // ---- window
  priorCwnd = 0;
  priorCaState = 0;
  packetConservation = false;
  // ---- long-term bandwidth: what a policer lets through
  ltSampling = false;
  ltUse = false;
  ltBw = 0;
  ltRounds = 0;
  ltDelivered = 0;
  ltLost = 0;
  ltStartMs = 0;
  // ---- aggregation of ACKs
  epochStartUs = 0;
  epochAcked = 0;
  /** Most that was acknowledged beyond the bandwidth, in the present and in the previous five round trips. */
  readonly extraAcked: Float64Array = new Float64Array(2);
  extraAckedIndex = 0;
  extraAckedRounds = 0;
}

export function stateOf(c: Connection): BbrState {
  return (c.congestionState ??= new BbrState()) as BbrState;
}

/** The bandwidth to send at: the policer's when there seems to be one. */
export function bandwidth(s: BbrState): number {
  return s.ltUse ? s.ltBw : s.bw.value;
}

/** A bandwidth as bytes per second, one per cent less than it is: on the average the queue gets shorter. */
export function bytesPerSecond(c: Connection, bw: number, gain: number): number {
  return Math.floor((Math.floor((bw * c.mssCache * gain) / UNIT) * 990_000) / BW_UNIT);
}

/** Segments in flight that fill the path: bandwidth times least RTT times a gain, rounded up. */
export function bdp(s: BbrState, bw: number, gain: number): number {
  if (s.minRttUs === NO_RTT) return INIT_CWND;
  return Math.floor((Math.floor((bw * s.minRttUs * gain) / UNIT) + BW_UNIT - 1) / BW_UNIT);
}
