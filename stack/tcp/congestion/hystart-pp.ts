/**
 * HyStart++ (RFC 9406): slow start that looks for rising round trips, and when they rise goes on at a quarter of the pace for five rounds
 * (Conservative Slow Start), during which a round trip below the one that alarmed shows that it was a false alarm. Only the first slow start of
 * a connection, whose ssthresh is still infinite, is watched (4.3).
 *
 * No Linux has it: CUBIC uses it in place of the classic HyStart where module.tcp_cubic.hystart_plus_plus is 1. Constants and variables have
 * the RFC's names; times are µs, windows segments.
 */
import { before } from '../seq.js';

export const MIN_RTT_THRESH = 4_000;
export const MAX_RTT_THRESH = 16_000;
export const MIN_RTT_DIVISOR = 8;
export const N_RTT_SAMPLE = 8;
export const CSS_GROWTH_DIVISOR = 4;
export const CSS_ROUNDS = 5;
/** Segments that one ACK may add where nothing paces what it lets go. */
export const L = 8;
/** A small integer, which V8 keeps without a box. */
const INFINITE = 0x7fffffff;

export class HystartPlusPlus {
  windowEnd: number;
  lastRoundMinRTT = INFINITE;
  currentRoundMinRTT = INFINITE;
  rttSampleCount = 0;
  /** In Conservative Slow Start: the round trip that led there; infinite in slow start. */
  cssBaselineMinRtt = INFINITE;
  /** Rounds of Conservative Slow Start that have ended, the one in which it began included. */
  cssRounds = 0;
  /** Acknowledged segments that have not yet made one of growth. */
  private rest = 0;

  constructor(sndNxt: number) {
    this.windowEnd = sndNxt | 0; // only ever compared modulo 2^32
  }

  get inCss(): boolean {
    return this.cssBaselineMinRtt !== INFINITE;
  }

  /** An ACK of data, its round trip in µs or -1. True: slow start is over, ssthresh is the window as it is (4.2). */
  onAck(sndUna: number, sndNxt: number, currRTT: number): boolean {
    if (currRTT >= 0) this.sample(currRTT);
    if (before(sndUna, this.windowEnd)) return false;
    if (this.inCss && ++this.cssRounds >= CSS_ROUNDS) return true;
    this.windowEnd = sndNxt | 0;
    this.lastRoundMinRTT = this.currentRoundMinRTT;
    this.currentRoundMinRTT = INFINITE;
    this.rttSampleCount = 0;
    return false;
  }

  private sample(currRTT: number): void {
    this.currentRoundMinRTT = Math.min(this.currentRoundMinRTT, currRTT) | 0;
    if (++this.rttSampleCount < N_RTT_SAMPLE) return;
    if (this.inCss) {
      if (this.currentRoundMinRTT < this.cssBaselineMinRtt) this.cssBaselineMinRtt = INFINITE; // spurious: slow start goes on
      return;
    }
    if (this.lastRoundMinRTT === INFINITE) return;
    const rttThresh = Math.max(MIN_RTT_THRESH, Math.min(Math.floor(this.lastRoundMinRTT / MIN_RTT_DIVISOR), MAX_RTT_THRESH));
    if (this.currentRoundMinRTT < this.lastRoundMinRTT + rttThresh) return;
    this.cssBaselineMinRtt = this.currentRoundMinRTT;
    this.cssRounds = 0;
    this.rest = 0;
  }

  /** By how many segments the window grows for so many acknowledged. */
  growth(acked: number, paced: boolean): number {
    const n = paced ? acked : Math.min(acked, L);
    if (!this.inCss) return n;
    this.rest += n;
    const more = Math.floor(this.rest / CSS_GROWTH_DIVISOR);
    this.rest -= more * CSS_GROWTH_DIVISOR;
    return more;
  }
}
