/** Counting and cutting of segment records: how many MSS each is, what is in flight (RFC 6675's pipe), splitting, trimming. */
import { TcpExt } from '../../mib/catalogue/index.js';
import { Flag } from '../wire/tcp.js';
import type { Connection } from './connection.js';
import { EVER_RETRANS, LOST, RETRANS, SACKED } from './constants.js';
import { chargeSend, SKB_OVERHEAD, TX_OVERHEAD, unchargeSend } from './memory.js';
import { type Segment, SendQueue } from './send-queue.js';
import { before } from './seq.js';

/** Segments that left, minus those known to have left the network. */
export function packetsInFlight(c: Connection): number {
  const l = c.loss;
  return c.packetsOut - l.sackedOut - l.lostOut + l.retransOut;
}
export function leftOut(c: Connection): number {
  return c.loss.sackedOut + c.loss.lostOut;
}

/** How many segments of this MSS the record is. */
export function setPcount(s: Segment, mss: number): void {
  const length = s.length;
  s.mss = mss;
  s.pcount = length <= mss ? 1 : Math.ceil(length / mss);
}

/** A sent record now counts `less` segments fewer. */
export function adjustPcount(c: Connection, s: Segment, less: number): void {
  const l = c.loss;
  c.packetsOut -= less;
  if (s.sacked & SACKED) l.sackedOut -= less;
  if (s.sacked & RETRANS) l.retransOut -= less;
  if (s.sacked & LOST) l.lostOut -= less;
  if (!c.sackOk && less > 0) l.sackedOut -= Math.min(l.sackedOut, less);
}

/** What sendmsg may overshoot, twice: SKB_TRUESIZE of 64 KiB. */
const OVERSHOOT = 2 * (65536 + SKB_OVERHEAD);

/**
 * May a sent record be cut? A peer could have a queue shattered by SACK blocks until its records take far more memory than their data: above
 * a bound only the first and the last are cut. Counts TCPWqueueTooBig when not.
 */
export function mayFragment(c: Connection, s: Segment): boolean {
  if (c.wmemQueued >> 1 <= c.sndBuf + OVERSHOOT) return true;
  if (s === c.sendQueue.rtxHead || s === c.sendQueue.rtxTail) return true;
  c.owner.inc(TcpExt.TCPWqueueTooBig);
  return false;
}

/** Cuts a record after `length` bytes of data; PSH and FIN go with the second part, which is returned. */
export function fragment(c: Connection, s: Segment, length: number, mss: number): Segment {
  const q = c.sendQueue;
  const rest = SendQueue.take();
  const oldCount = s.pcount;
  rest.seq = (s.seq + length + ((s.flags & Flag.SYN) >> 1)) >>> 0;
  rest.endSeq = s.endSeq;
  rest.flags = s.flags & ~Flag.SYN;
  rest.sacked = s.sacked;
  rest.sentUs = s.sentUs;
  rest.deliveredThen = s.deliveredThen;
  rest.deliveredUs = s.deliveredUs;
  rest.firstTxUs = s.firstTxUs;
  rest.appLimited = s.appLimited;
  rest.eor = s.eor;
  s.eor = false;
  s.endSeq = rest.seq;
  s.flags &= ~(Flag.FIN | Flag.PSH);
  rest.truesize = TX_OVERHEAD + rest.length;
  chargeSend(c, TX_OVERHEAD);
  s.truesize -= rest.length;
  setPcount(s, mss);
  setPcount(rest, mss);
  const sent = !before(c.sndNxt, rest.endSeq);
  if (sent) {
    const less = oldCount - s.pcount - rest.pcount;
    if (less !== 0) adjustPcount(c, s, less);
  }
  q.insertAfter(s, rest);
  if (sent) q.sortAfter(s, rest);
  return rest;
}

/** Data up to `seq` of a sent record was acknowledged: it begins later. How many segments went. */
export function trimHead(c: Connection, s: Segment, seq: number): number {
  const was = s.pcount;
  const n = (seq - s.seq) >>> 0;
  s.seq = seq;
  s.truesize -= n;
  unchargeSend(c, n);
  if (was > 1) setPcount(s, s.mss);
  return was - s.pcount;
}

/** Takes a record out of the queue and gives its memory back. */
export function freeSegment(c: Connection, s: Segment): void {
  const l = c.loss;
  unchargeSend(c, s.truesize);
  if (l.highestSack === s) l.highestSack = s.next === c.sendQueue.sendHead ? null : s.next;
  if (l.retransmitHint === s) l.retransmitHint = null;
  c.sendQueue.remove(s);
}

/** Was anything retransmitted that is not acknowledged yet? */
export function anyRetransDone(c: Connection): boolean {
  if (c.loss.retransOut > 0) return true;
  const head = c.sendQueue.rtxHead;
  return head !== null && (head.sacked & EVER_RETRANS) !== 0;
}
