/**
 * RACK (RFC 8985 6): a segment is lost when one sent later was delivered and a reordering window has passed since. Without any reordering seen, three
 * SACKed segments are enough, as with duplicate ACKs. For connections without SACK, NewReno's marking (RFC 6582).
 */
import { TcpExt } from '../../mib/catalogue/index.js';
import { Sysctl } from '../core/sysctl.js';
import type { Connection } from './connection.js';
import { Ca, LOST, Pending, RACK_RECOVERY_THRESH, RETRANS, RETRANS_ANY, SACKED, TIMEOUT_MIN } from './constants.js';
import { echoBefore, minRttUs, tsAt } from './rtt.js';
import { fragment } from './segments.js';
import type { Segment } from './send-queue.js';
import { after, before } from './seq.js';
import { armTransmit } from './timers.js';

/** Bits of tcp_recovery. */
const STATIC_REO_WND = 2;
const NO_DUPTHRESH = 4;

export function sentAfter(t1: number, t2: number, seq1: number, seq2: number): boolean {
  return t1 > t2 || (t1 === t2 && after(seq1, seq2));
}

/** The retransmission cannot have caused the ACK that came: it echoes an older timestamp. */
export function spuriousRetrans(c: Connection, s: Segment): boolean {
  return (s.sacked & RETRANS_ANY) !== 0 && echoBefore(c, tsAt(s.sentUs));
}

/** A segment was delivered: the most recently sent one so far sets the clock. */
export function rackAdvance(c: Connection, sacked: number, endSeq: number, sentUs: number): void {
  const l = c.loss;
  const rtt = c.env.nowUs - sentUs;
  if (rtt < minRttUs(c) && sacked & RETRANS_ANY) return; // the answer is to the original
  l.rackAdvanced = true;
  l.rackRttUs = Math.min(rtt, 0x7fffffff) | 0;
  if (sentAfter(sentUs, l.rackStampUs, endSeq, l.rackEndSeq)) {
    l.rackStampUs = sentUs;
    l.rackEndSeq = endSeq;
  }
}

function reorderingWindow(c: Connection): number {
  const l = c.loss;
  if (l.reordSeen === 0) {
    if (l.caState >= Ca.recovery) return 0;
    if (l.sackedOut >= l.reordering && (c.env.sysctl.values[Sysctl.tcp_recovery]! & NO_DUPTHRESH) === 0) return 0;
  }
  return Math.min((minRttUs(c) >>> 2) * l.rackReoWndSteps, c.rtt.srttUs >>> 3);
}

/** µs until a segment would be lost; 0 or less: it is. */
export function rackTimeLeft(c: Connection, s: Segment, window: number): number {
  return c.loss.rackRttUs + window - (c.env.nowUs - s.sentUs);
}

/** Marks a segment lost, or its retransmission lost again. */
export function markLost(c: Connection, s: Segment): void {
  const l = c.loss;
  if (s.sacked & SACKED) return;
  const hint = l.retransmitHint;
  if ((hint === null && l.retransOut >= l.lostOut) || (hint !== null && before(s.seq, hint.seq))) l.retransmitHint = s;
  if (s.sacked & LOST) {
    if (s.sacked & RETRANS) {
      s.sacked &= ~RETRANS;
      l.retransOut -= s.pcount;
      c.owner.add(TcpExt.TCPLostRetransmit, s.pcount);
      l.lost += s.pcount;
    }
    return;
  }
  l.lostOut += s.pcount;
  s.sacked |= LOST;
  l.lost += s.pcount;
}

/** Looks through the segments in order of transmission. How long the next look may wait, 0: no need. */
export function detectLoss(c: Connection): number {
  const l = c.loss;
  const q = c.sendQueue;
  const window = reorderingWindow(c);
  let timeout = 0;
  for (let s = q.sortHead; s !== null; ) {
    const next: Segment | null = s.sortNext;
    if (!(s.sacked & LOST && !(s.sacked & RETRANS))) {
      if (!sentAfter(l.rackStampUs, s.sentUs, l.rackEndSeq, s.endSeq)) break;
      const left = rackTimeLeft(c, s, window);
      if (left <= 0) {
        markLost(c, s);
        q.unsort(s);
      } else timeout = Math.max(timeout, left);
    }
    s = next;
  }
  return timeout;
}

/** After an ACK. True when the reordering timer was armed. */
export function rackMarkLost(c: Connection): boolean {
  const l = c.loss;
  if (!l.rackAdvanced) return false;
  l.rackAdvanced = false;
  const timeout = detectLoss(c);
  if (timeout > 0) armTransmit(c, Pending.reorder, timeout + TIMEOUT_MIN);
  return timeout > 0;
}

/** RFC 8985 6.2 step 4: DSACKs widen the reordering window, sixteen recoveries without narrow it. */
export function updateReorderingWindow(c: Connection, priorDelivered: number): void {
  const l = c.loss;
  if (c.env.sysctl.values[Sysctl.tcp_recovery]! & STATIC_REO_WND || priorDelivered === 0) return;
  if (priorDelivered < l.rackLastDelivered) l.rackDsackSeen = false;
  if (l.rackDsackSeen) {
    l.rackReoWndSteps = Math.min(255, l.rackReoWndSteps + 1);
    l.rackDsackSeen = false;
    l.rackLastDelivered = l.delivered;
    l.rackReoWndPersist = RACK_RECOVERY_THRESH;
  } else if (l.rackReoWndPersist === 0) l.rackReoWndSteps = 1;
}

/** Without SACK: the first unacknowledged segment is lost at the third duplicate ACK, and at every partial ACK. */
export function newRenoMarkLost(c: Connection, advanced: boolean): void {
  const l = c.loss;
  const starts = l.caState < Ca.recovery && l.sackedOut >= l.reordering;
  if (!starts && !(l.caState === Ca.recovery && advanced)) return;
  const head = c.sendQueue.rtxHead;
  if (!head || head.sacked & LOST) return;
  if (head.pcount > 1 && head.length > head.mss) fragment(c, head, head.mss, head.mss);
  markLost(c, head);
}
