/**
 * CUBIC (RFC 9438) with HyStart (Ha and Rhee 2011), with Linux's constants: C = 0.4, beta = 717/1024, time in units of 1/1024 s; what Linux
 * lets one change (parameters of the module tcp_cubic) lies with the sysctls.
 * The window follows W(t) = C·(t − K)³ + Wmax, and at least what Reno would reach; HyStart leaves slow start when the ACK train lasts
 * as long as half the least RTT or when the RTT of a round rises by an eighth (4 to 16 ms).
 */
import { TcpExt } from '../../../mib/catalogue/index.js';
import { Sysctl } from '../../core/sysctl.js';
import type { Connection } from '../connection.js';
import { Ca, INFINITE_SSTHRESH, JIFFY, SEC } from '../constants.js';
import { after } from '../seq.js';
import type { CongestionControl } from './congestion.js';
import { HystartPlusPlus } from './hystart-pp.js';
import { additiveIncrease, inSlowStart, isCwndLimited, slowStart, ticks } from './window.js';

const SCALE = 1024;
/** Reno's growth with a beta of 717/1024, times 8: fixed when the module is loaded. */
const BETA_SCALE = Math.floor((8 * (SCALE + 717)) / 3 / (SCALE - 717));
/** The curve's time runs in 1/1024 s; Linux's clock of it in ticks, within one of which the curve is looked at once. */
const UNITS = 1024;
const TICKS = SEC / JIFFY;
/** C·410/1024 with the RTT of 100 ms folded in, as bictcp's cube_factor. */
const CUBE_FACTOR = 2 ** 40 / 410;
const HYSTART_MIN_SAMPLES = 8;
/** Bits of hystart_detect. */
const ACK_TRAIN = 1;
const DELAY = 2;
/** A small integer, which V8 keeps without a box. */
const NO_SAMPLE = 0x7fffffff;

export class CubicState {
  cnt = 0;
  lastMaxCwnd = 0;
  lastCwnd = 0;
  /** In ticks, as the epoch's start; -1: never. */
  lastTime = -1;
  originPoint = 0;
  k = 0;
  delayMinUs = 0;
  epochStart = -1;
  ackCnt = 0;
  tcpCwnd = 0;
  // HyStart
  sampleCnt = 0;
  found = false;
  /** Times of a clock of 32 bits, as Linux's. */
  roundStartUs = 0;
  endSeq = 0;
  lastAckUs = 0;
  currRttUs = NO_SAMPLE;
  /** Made where HyStart++ is chosen. */
  plusPlus: HystartPlusPlus | null = null;
}

function stateOf(c: Connection): CubicState {
  return (c.congestionState ??= new CubicState()) as CubicState;
}

function parameter(c: Connection, index: number): number {
  return c.env.sysctl.values[index]!;
}

function resetRound(c: Connection, s: CubicState): void {
  s.roundStartUs = s.lastAckUs = c.env.nowUs | 0;
  s.endSeq = c.sndNxt | 0; // only ever compared modulo 2^32
  s.currRttUs = NO_SAMPLE;
  s.sampleCnt = 0;
}

/** How many ACKed segments one more segment of window costs now. */
function update(c: Connection, s: CubicState, cwnd: number, acked: number): void {
  const now = ticks(c);
  s.ackCnt += acked;
  if (s.lastCwnd === cwnd && s.lastTime >= 0 && now - s.lastTime <= TICKS >> 5) return;
  if (s.epochStart >= 0 && now === s.lastTime) {
    friendliness(c, s, cwnd);
    return;
  }
  s.lastCwnd = cwnd;
  s.lastTime = now;
  if (s.epochStart < 0) beginEpoch(s, now, cwnd, acked);
  const elapsed = now - s.epochStart + Math.ceil(s.delayMinUs / JIFFY);
  const t = Math.floor((elapsed * UNITS) / TICKS);
  const offset = Math.abs(t - s.k);
  const delta = Math.floor((410 * offset * offset * offset) / 2 ** 40);
  const target = t < s.k ? s.originPoint - delta : s.originPoint + delta;
  s.cnt = target > cwnd ? Math.floor(cwnd / (target - cwnd)) : 100 * cwnd;
  if (s.lastMaxCwnd === 0 && s.cnt > 20) s.cnt = 20;
  friendliness(c, s, cwnd);
}

function beginEpoch(s: CubicState, now: number, cwnd: number, acked: number): void {
  s.epochStart = now;
  s.ackCnt = acked;
  s.tcpCwnd = cwnd;
  const below = s.lastMaxCwnd - cwnd;
  s.k = below > 0 ? Math.floor(Math.cbrt(CUBE_FACTOR * below)) : 0;
  s.originPoint = Math.max(s.lastMaxCwnd, cwnd);
}

/** Not slower than Reno with the same beta would be. */
function friendliness(c: Connection, s: CubicState, cwnd: number): void {
  if (parameter(c, Sysctl.tcp_friendliness) !== 0) {
    const delta = (cwnd * BETA_SCALE) >> 3;
    while (s.ackCnt > delta && delta > 0) {
      s.ackCnt -= delta;
      s.tcpCwnd++;
    }
    if (s.tcpCwnd > cwnd) s.cnt = Math.min(s.cnt, Math.floor(cwnd / (s.tcpCwnd - cwnd)));
  }
  s.cnt = Math.max(s.cnt, 2);
}

/** An ACK in slow start: is the path full? */
function hystart(c: Connection, s: CubicState, delayUs: number): void {
  if (after(c.sndUna, s.endSeq)) resetRound(c, s);
  if (c.sndCwnd < parameter(c, Sysctl.hystart_low_window)) return;
  const detect = parameter(c, Sysctl.hystart_detect);
  if (detect & ACK_TRAIN) ackTrain(c, s);
  if (detect & DELAY) delayRise(c, s, delayUs);
}
/** ACKs that follow one another closely for as long as half the least RTT: a window fills the path. */
function ackTrain(c: Connection, s: CubicState): void {
  const now = c.env.nowUs | 0;
  if (((now - s.lastAckUs) | 0) <= parameter(c, Sysctl.hystart_ack_delta_us)) {
    s.lastAckUs = now;
    let threshold = s.delayMinUs + ackDelay(c);
    // pacing may have stretched the train to half a round trip
    if (c.pacer === null) threshold >>>= 1;
    if (((now - s.roundStartUs) | 0) > threshold) {
      s.found = true;
      c.owner.inc(TcpExt.TCPHystartTrainDetect);
      c.owner.add(TcpExt.TCPHystartTrainCwnd, c.sndCwnd);
      c.sndSsthresh = c.sndCwnd;
    }
  }
}
/** The least RTT of a round has risen: a queue builds up. */
function delayRise(c: Connection, s: CubicState, delayUs: number): void {
  if (s.currRttUs > delayUs) s.currRttUs = delayUs;
  if (s.sampleCnt < HYSTART_MIN_SAMPLES) s.sampleCnt++;
  else if (s.currRttUs > s.delayMinUs + clampThreshold(s.delayMinUs >>> 3)) {
    s.found = true;
    leaveSlowStart(c);
  }
}
function clampThreshold(us: number): number {
  return Math.min(Math.max(us, 4000), 16000);
}
/** Time that a segmenting device may hold a burst: one super-frame at the present rate, at most 1 ms. */
function ackDelay(c: Connection): number {
  const rate = c.pacingRate;
  if (rate <= 0) return 0;
  return Math.min(1000, Math.floor((65536 * 4 * 1_000_000) / rate));
}

/** HyStart++ watches this slow start: it is the first, and was chosen. */
function plusPlusOf(c: Connection, s: CubicState): HystartPlusPlus | null {
  if (parameter(c, Sysctl.hystart_plus_plus) === 0 || c.sndSsthresh < INFINITE_SSTHRESH) return null;
  return (s.plusPlus ??= new HystartPlusPlus(c.sndNxt));
}
function leaveSlowStart(c: Connection): void {
  c.owner.inc(TcpExt.TCPHystartDelayDetect);
  c.owner.add(TcpExt.TCPHystartDelayCwnd, c.sndCwnd);
  c.sndSsthresh = c.sndCwnd;
}

function begin(c: Connection): void {
  c.congestionState = null;
  resetRound(c, stateOf(c));
}

export const cubic: CongestionControl = {
  name: 'cubic',
  needsEcn: false,
  start(c: Connection): void {
    begin(c);
    const first = parameter(c, Sysctl.initial_ssthresh);
    if (first > 0 && parameter(c, Sysctl.hystart) === 0) c.sndSsthresh = first;
  },
  ssthresh(c: Connection): number {
    const s = stateOf(c);
    s.epochStart = -1;
    const cwnd = c.sndCwnd;
    const beta = parameter(c, Sysctl.beta);
    const further = cwnd < s.lastMaxCwnd && parameter(c, Sysctl.fast_convergence) !== 0;
    s.lastMaxCwnd = further ? Math.floor((cwnd * (SCALE + beta)) / (2 * SCALE)) : cwnd;
    return Math.max(Math.floor((cwnd * beta) / SCALE), 2);
  },
  avoid(c: Connection, _ack: number, acked: number): void {
    if (!isCwndLimited(c)) return;
    let left = acked;
    if (inSlowStart(c)) {
      const plusPlus = plusPlusOf(c, stateOf(c));
      if (plusPlus !== null) {
        c.sndCwnd += plusPlus.growth(left, c.pacer !== null);
        return;
      }
      left = slowStart(c, left);
      if (left === 0) return;
    }
    const s = stateOf(c);
    update(c, s, c.sndCwnd, left);
    additiveIncrease(c, s.cnt, left);
  },
  control: null,
  undoCwnd(c: Connection): number {
    return Math.max(c.sndCwnd, c.loss.priorCwnd);
  },
  setState(c: Connection, next: number): void {
    if (next === Ca.loss) begin(c);
  },
  acked(c: Connection, _count: number, rttUs: number): void {
    const s = stateOf(c);
    const plusPlus = plusPlusOf(c, s);
    if (plusPlus?.onAck(c.sndUna, c.sndNxt, rttUs)) leaveSlowStart(c);
    if (rttUs < 0) return;
    if (s.epochStart >= 0 && ticks(c) - s.epochStart < TICKS) return;
    const delay = rttUs === 0 ? 1 : rttUs;
    if (s.delayMinUs === 0 || s.delayMinUs > delay) s.delayMinUs = delay;
    if (plusPlus === null && !s.found && inSlowStart(c) && parameter(c, Sysctl.hystart) !== 0) hystart(c, s, delay);
  },
  timedOut(): void {},
  ackDone: null,
  dataCame(): void {},
  txStart(c: Connection): void {
    const s = c.congestionState as CubicState | null;
    if (!s || s.epochStart < 0) return;
    const now = ticks(c);
    const idle = now - Math.floor(c.lsndTimeUs / JIFFY);
    if (idle > 0) s.epochStart = Math.min(s.epochStart + idle, now);
  },
  minTsoSegs: null,
  sendBuffers: 2,
  info: null,
};
