/**
 * Delivery rate estimation (draft-cheng-iccrg-delivery-rate-estimation; Linux's tcp_rate.c). Every ACK that delivers something makes a
 * sample: how many segments were delivered since the segment was sent that the ACK reports, over the longer of two times, that in which
 * they were sent and that in which they were acknowledged. So neither ACKs that come in a bunch nor segments that left in one make the
 * path look faster than it is. A segment carries what was delivered, and when, at the time it left; a sample is application-limited when
 * the sender had too little to send at that time, and says then no more than that the path is at least so fast.
 */
import type { Connection } from './connection.js';
import { NEVER } from './constants.js';
import { sentAfter } from './rack.js';
import { minRttUs } from './rtt.js';
import { packetsInFlight } from './segments.js';
import type { Segment } from './send-queue.js';

/** What one ACK says of the path. Reused: one ACK is worked on at a time. */
export class RateSample {
  /** Delivered count, and time of the last delivery, when the latest sent of the delivered segments was sent; 0 and NEVER without. */
  priorDelivered = 0;
  priorUs = NEVER;
  /** Segments delivered since, -1 when the sample says nothing; and in how long. */
  delivered = -1;
  intervalUs = -1;
  appLimited = false;
  /** Segments that this ACK reports delivered, and those that it made count as lost. */
  ackedSacked = 0;
  losses = 0;
  /** RTT of the last segment it reports, -1 without; the ACK may have been delayed. */
  rttUs = -1;
  ackDelayed = false;
  /** In flight before it. */
  priorInFlight = 0;
  private lastEndSeq = 0;

  begin(priorInFlight: number): void {
    this.priorDelivered = 0;
    this.priorUs = NEVER;
    this.delivered = -1;
    this.intervalUs = -1;
    this.appLimited = false;
    this.ackedSacked = 0;
    this.losses = 0;
    this.rttUs = -1;
    this.ackDelayed = false;
    this.priorInFlight = priorInFlight;
  }

  /** A segment was acknowledged or SACKed. The latest sent of all that an ACK reports counts. */
  note(c: Connection, s: Segment, sacked: boolean): void {
    if (s.deliveredUs === NEVER) return;
    if (this.priorDelivered === 0 || sentAfter(s.sentUs, c.firstTxUs, s.endSeq, this.lastEndSeq)) {
      this.priorDelivered = s.deliveredThen;
      this.priorUs = s.deliveredUs;
      this.appLimited = s.appLimited;
      this.lastEndSeq = s.endSeq;
      c.firstTxUs = s.sentUs;
      this.intervalUs = s.sentUs - s.firstTxUs;
    }
    if (sacked) s.deliveredUs = NEVER; // its cumulative acknowledgment will be no news
  }

  /** The ACK is worked in. @param reneged the receiver threw away what it had SACKed: counts are not to be trusted */
  finish(c: Connection, delivered: number, losses: number, reneged: boolean): void {
    const now = c.env.nowUs;
    const total = c.loss.delivered;
    if (c.appLimited !== 0 && ((c.appLimited - total) | 0) < 0) c.appLimited = 0;
    if (delivered > 0) c.deliveredUs = now;
    this.ackedSacked = delivered;
    this.losses = losses;
    if (this.priorUs === NEVER || reneged) {
      this.delivered = -1;
      this.intervalUs = -1;
      return;
    }
    this.delivered = total - this.priorDelivered;
    this.intervalUs = Math.max(this.intervalUs, now - this.priorUs);
    if (this.intervalUs < minRttUs(c)) {
      this.intervalUs = -1; // shorter than any round trip: an original was taken for its retransmission
      return;
    }
    // remembered: the last sample, or of application-limited ones the fastest
    if (this.appLimited && this.delivered * c.rateIntervalUs < c.rateDelivered * this.intervalUs) return;
    c.rateDelivered = this.delivered;
    c.rateIntervalUs = this.intervalUs;
    c.rateAppLimited = this.appLimited ? 1 : 0;
  }
}

/** A segment is leaving: what its acknowledgment will be compared with. To be called before it counts as out. */
export function markSent(c: Connection, s: Segment): void {
  if (c.packetsOut === 0) {
    c.firstTxUs = s.sentUs;
    c.deliveredUs = s.sentUs;
  }
  s.firstTxUs = c.firstTxUs;
  s.deliveredUs = c.deliveredUs;
  s.deliveredThen = c.loss.delivered;
  s.appLimited = c.appLimited !== 0;
}

/** Until all that is out now is delivered, the application is the limit. */
export function applicationLimits(c: Connection): void {
  c.appLimited = c.loss.delivered + packetsInFlight(c) || 1;
}

/** The user sends: was there a gap in which less than a segment waited and the window had room? */
export function checkAppLimited(c: Connection): void {
  if ((c.writeSeq - c.sndNxt) >>> 0 >= c.mssCache) return;
  if (packetsInFlight(c) < c.sndCwnd && c.loss.lostOut <= c.loss.retransOut) applicationLimits(c);
}

/** Bytes a second that the network was last seen to deliver, 0 when not known. */
export function deliveryRate(c: Connection): number {
  if (c.rateIntervalUs <= 0) return 0;
  return Math.floor((c.rateDelivered * c.mssCache * 1_000_000) / c.rateIntervalUs);
}
