/** SACK at the sender (RFC 2018, 2883, 6675 update): marks what the receiver has, recognises DSACK, refuses what makes no sense. */
import { TcpExt } from '../../mib/catalogue/index.js';
import { Flag, type TcpHeader } from '../wire/tcp.js';
import type { Connection } from './connection.js';
import {
  Ca,
  DATA_SACKED,
  DSACK_TLP,
  DSACKING_ACK,
  EVER_RETRANS,
  LOST,
  NEW_SACKS,
  ORIG_SACK_ACKED,
  RETRANS,
  RETRANS_ANY,
  SACKED,
} from './constants.js';
import { RateSample } from './delivery-rate.js';
import { currentMss } from './mss.js';
import { rackAdvance } from './rack.js';
import { fragment, freeSegment, mayFragment } from './segments.js';
import type { Segment } from './send-queue.js';
import { after, before } from './seq.js';
import { checkSackReordering, highestSackSeq } from './undo.js';

/** What the SACK blocks of one ACK did. */
export class SackWork {
  flag = 0;
  reord = 0;
  firstSackUs = -1;
  lastSackUs = -1;
  delivered = 0;
  readonly rate: RateSample = new RateSample();
  /** Bytes that were SACKed for the first time. */
  bytes = 0;

  reset(): void {
    this.flag = 0;
    this.reord = 0;
    this.firstSackUs = -1;
    this.lastSackUs = -1;
    this.delivered = 0;
    this.bytes = 0;
  }
}

/** Bits that say what became of a segment. */
const TAGS = SACKED | RETRANS | LOST;

const starts = new Float64Array(NEW_SACKS);
const ends = new Float64Array(NEW_SACKS);

/** RFC 2883 4: does the first block report a duplicate? */
function checkDsack(c: Connection, h: TcpHeader, priorUna: number, w: SackWork): boolean {
  const start = h.sack[0]!;
  const end = h.sack[1]!;
  if (before(start, h.ack)) c.owner.inc(TcpExt.TCPDSACKRecv);
  else if (h.sackCount > 1) {
    if (after(end, h.sack[3]!) || before(start, h.sack[2]!)) return false;
    c.owner.inc(TcpExt.TCPDSACKOfoRecv);
  } else return false;
  const duplicates = dsackSeen(c, start, end, w);
  if (duplicates === 0) {
    c.owner.inc(TcpExt.TCPDSACKIgnoredDubious);
    return false;
  }
  c.owner.add(TcpExt.TCPDSACKRecvSegs, duplicates);
  const l = c.loss;
  if (l.undoMarked && l.undoRetrans > 0 && !after(end, priorUna) && after(end, l.undoMarker)) {
    l.undoRetrans = Math.max(0, l.undoRetrans - duplicates);
  }
  return true;
}

/** How many segments a DSACK says came twice; 0 when it cannot be true. */
function dsackSeen(c: Connection, start: number, end: number, w: SackWork): number {
  if (!before(start, end)) return 0;
  const length = (end - start) >>> 0;
  if (length > c.maxWindow) return 0;
  const l = c.loss;
  let segments = 1;
  if (length > c.mssCache) segments = Math.ceil(length / c.mssCache);
  else if (l.tlpActive && l.tlpHighSeq === end) w.flag |= DSACK_TLP;
  l.dsackDups += segments;
  if (l.dsackDups > c.totalRetrans) return 0;
  if (l.reordSeen > 0 && (w.flag & DSACK_TLP) === 0) l.rackDsackSeen = true;
  w.flag |= DSACKING_ACK;
  w.delivered += segments;
  return segments;
}

function blockValid(c: Connection, dsack: boolean, start: number, end: number): boolean {
  if (after(end, c.sndNxt) || !before(start, end)) return false;
  if (!before(start, c.sndNxt)) return false;
  if (after(start, c.sndUna)) return true;
  const l = c.loss;
  if (!dsack || !l.undoMarked) return false;
  if (after(end, c.sndUna)) return false;
  if (!before(start, l.undoMarker)) return true;
  if (!after(end, l.undoMarker)) return false;
  return !before(start, (end - c.maxWindow) >>> 0);
}

function countInvalid(c: Connection, h: TcpHeader, dsack: boolean, end: number): void {
  if (dsack) {
    c.owner.inc(c.loss.undoMarked ? TcpExt.TCPDSACKIgnoredOld : TcpExt.TCPDSACKIgnoredNoUndo);
    return;
  }
  if (h.ack !== c.sndUna && !after(end, c.sndUna)) return; // old by reordering of ACKs
  c.owner.inc(TcpExt.TCPSACKDiscard);
}

/** Works all SACK blocks of a segment into the scoreboard; returns ACK flags. */
export function sackInput(c: Connection, h: TcpHeader, priorUna: number, w: SackWork): number {
  const l = c.loss;
  w.reord = c.sndNxt;
  if (l.sackedOut === 0) l.highestSack = c.sendQueue.rtxHead;
  const dsack = checkDsack(c, h, priorUna, w);
  if (before(h.ack, (priorUna - c.maxWindow) >>> 0)) return 0;
  if (c.packetsOut === 0) return w.flag;
  let used = 0;
  let dsackIndex = dsack ? 0 : -1;
  const count = Math.min(h.sackCount, NEW_SACKS);
  for (let i = 0; i < count; i++) {
    const start = h.sack[2 * i]!;
    const end = h.sack[2 * i + 1]!;
    const isDsack = i === 0 && dsack;
    if (!blockValid(c, isDsack, start, end)) {
      countInvalid(c, h, isDsack, end);
      if (i === 0) dsackIndex = -1;
      continue;
    }
    if (!after(end, priorUna)) {
      if (i === 0) dsackIndex = -1;
      continue;
    }
    // in order of sequence, by insertion
    let k = used++;
    for (; k > 0 && after(starts[k - 1]!, start); k--) {
      starts[k] = starts[k - 1]!;
      ends[k] = ends[k - 1]!;
      if (dsackIndex === k - 1) dsackIndex = k;
    }
    starts[k] = start;
    ends[k] = end;
    if (isDsack) dsackIndex = k;
  }
  walkBlocks(c, used, dsackIndex, w);
  if (l.caState !== Ca.loss || l.undoMarked) checkSackReordering(c, w.reord, false);
  return w.flag;
}

/**
 * Goes through the blocks in order. What the last ACK's blocks covered is not looked at again (Linux's recv_sack_cache): cheaper, and
 * with blocks that do not end at segment borders it decides what is marked.
 */
function walkBlocks(c: Connection, used: number, dsackIndex: number, w: SackWork): void {
  const l = c.loss;
  const mss = currentMss(c);
  const cache = (l.sackCache ??= new Float64Array(2 * NEW_SACKS).fill(-1));
  let s = c.sendQueue.rtxHead;
  let k = l.sackedOut === 0 ? NEW_SACKS : 0;
  while (k < NEW_SACKS && cache[2 * k]! < 0) k++;
  let i = 0;
  while (i < used) {
    const start = starts[i]!;
    const end = ends[i]!;
    const isDsack = i === dsackIndex;
    while (k < NEW_SACKS && !before(start, cache[2 * k + 1]!)) k++;
    if (k < NEW_SACKS && !isDsack && after(end, cache[2 * k]!)) {
      const cachedStart = cache[2 * k]!;
      const cachedEnd = cache[2 * k + 1]!;
      if (before(start, cachedStart)) s = markRange(c, skipTo(c, s, start), start, cachedStart, false, mss, w);
      if (!after(end, cachedEnd)) {
        i++;
        continue;
      }
      k++;
      if (highestSackSeq(c) !== cachedEnd) {
        s = skipTo(c, s, cachedEnd);
        continue;
      }
      s = l.highestSack;
    } else {
      if (!before(start, highestSackSeq(c))) s = l.highestSack;
      s = skipTo(c, s, start);
    }
    s = markRange(c, s, start, end, isDsack, mss, w);
    i++;
  }
  const empty = NEW_SACKS - used;
  cache.fill(-1, 0, 2 * empty);
  for (let j = 0; j < used; j++) {
    cache[2 * (empty + j)] = starts[j]!;
    cache[2 * (empty + j) + 1] = ends[j]!;
  }
}

/** The segment at or behind a sequence number; from the head when `from` is past it already. */
function skipTo(c: Connection, from: Segment | null, seq: number): Segment | null {
  const stop = c.sendQueue.sendHead;
  let s = from;
  while (s !== null && s !== stop && !after(s.endSeq, seq)) s = s.next;
  return s;
}

/** Marks the segments inside [start, end); where to go on for the next block. */
function markRange(
  c: Connection,
  from: Segment | null,
  start: number,
  end: number,
  dsack: boolean,
  mss: number,
  w: SackWork,
): Segment | null {
  const stop = c.sendQueue.sendHead;
  let s = from;
  while (s !== null && s !== stop) {
    if (!before(s.seq, end)) break;
    if (!after(s.endSeq, start)) {
      s = s.next;
      continue;
    }
    const shifted: Segment | null = shift(c, s, start, end, dsack, w);
    const next: Segment | null = shifted ? shifted.next : markSegment(c, s, start, end, dsack, mss, w);
    if (next === s) break;
    s = next;
  }
  return dsack ? from : s;
}

function segmentLength(s: Segment): number {
  return s.pcount === 1 ? s.length : s.mss;
}

/**
 * Linux joins what is SACKed to the SACKed segment before it, so that the queue stays short; that decides what later ACKs see as one
 * piece. The segment after which to go on; null: not possible, mark it by itself (TCPSackShiftFallback).
 */
function shift(c: Connection, s: Segment, start: number, end: number, dsack: boolean, w: SackWork): Segment | null {
  const prev = s.prev;
  const plainRetrans = !dsack && (s.sacked & (LOST | RETRANS)) === RETRANS;
  const possible = !plainRetrans && after(s.endSeq, c.sndUna) && prev !== null && (prev.sacked & TAGS) === SACKED && !prev.eor;
  if (!possible || s.flags & Flag.SYN) {
    c.owner.inc(TcpExt.TCPSackShiftFallback);
    return null;
  }
  let length = s.length;
  let count = s.pcount;
  let mss = segmentLength(s);
  if (after(start, s.seq) || before(end, s.endSeq)) {
    if (!after(s.endSeq, start) || s.pcount <= 1) return s;
    mss = s.mss;
    if (after(start, s.seq) || mss !== segmentLength(prev)) {
      c.owner.inc(TcpExt.TCPSackShiftFallback);
      return null;
    }
    length = (end - s.seq) >>> 0;
    if (length < mss) return s;
    count = Math.floor(length / mss);
    length = count * mss;
  } else if (mss !== segmentLength(prev)) {
    c.owner.inc(TcpExt.TCPSackShiftFallback);
    return null;
  }
  if (!after((s.seq + length) >>> 0, c.sndUna)) {
    c.owner.inc(TcpExt.TCPSackShiftFallback);
    return null;
  }
  if (!moveToPrevious(c, prev, s, count, length, mss, dsack, w)) return prev;
  // a hole was filled: what follows may join as well
  const next = prev.next;
  if (next === null || next === c.sendQueue.sendHead || (next.sacked & TAGS) !== SACKED || prev.eor) return prev;
  if (segmentLength(next) !== mss) return prev;
  moveToPrevious(c, prev, next, next.pcount, next.length, mss, false, w);
  return prev;
}

/** `length` bytes at the start of s become part of prev. True: s is gone. */
function moveToPrevious(
  c: Connection,
  prev: Segment,
  s: Segment,
  count: number,
  length: number,
  mss: number,
  dsack: boolean,
  w: SackWork,
): boolean {
  const l = c.loss;
  const end = (s.seq + length) >>> 0;
  tag(c, s, s.sacked, s.seq, end, count, dsack, w);
  w.rate.note(c, s, false);
  prev.endSeq = (prev.endSeq + length) >>> 0;
  s.seq = end;
  prev.pcount += count;
  s.pcount -= count;
  prev.mss ||= mss;
  prev.sacked |= s.sacked & EVER_RETRANS;
  prev.truesize += length;
  s.truesize -= length;
  if (s.pcount > 0) {
    c.owner.inc(TcpExt.TCPSackShifted);
    return false;
  }
  if (l.retransmitHint === s) l.retransmitHint = prev;
  prev.flags |= s.flags;
  prev.eor = s.eor;
  if (s.flags & Flag.FIN) prev.endSeq = (prev.endSeq + 1) >>> 0;
  if (l.highestSack === s) l.highestSack = s.next === c.sendQueue.sendHead ? null : s.next;
  freeSegment(c, s);
  c.owner.inc(TcpExt.TCPSackMerged);
  return true;
}

/** One segment that a block touches: cut to the part inside (at MSS borders), mark it. The next one to look at; itself when it cannot be cut. */
function markSegment(
  c: Connection,
  s: Segment,
  start: number,
  end: number,
  dsack: boolean,
  mss: number,
  w: SackWork,
): Segment | null {
  let inside = !after(start, s.seq) && !before(end, s.endSeq);
  let part = s;
  if (s.pcount > 1 && !inside && after(s.endSeq, start)) {
    const startsInside = !after(start, s.seq);
    let length: number;
    if (!startsInside) {
      length = (start - s.seq) >>> 0;
      if (length < mss) length = mss;
    } else {
      length = (end - s.seq) >>> 0;
      if (length < mss) return s.next; // less than one segment of it
    }
    if (length > mss) {
      const whole = Math.floor(length / mss) * mss;
      if (!startsInside && whole < length) length = whole + mss;
      else length = whole;
    }
    if (length >= s.length) return !startsInside ? s.next : mark(c, part, dsack, w);
    if (!mayFragment(c, s)) return s;
    fragment(c, s, length, mss);
    if (!startsInside) return s.next; // the part inside is the new one
    inside = true;
    part = s;
  }
  if (!inside) return s.next;
  return mark(c, part, dsack, w);
}

function mark(c: Connection, s: Segment, dsack: boolean, w: SackWork): Segment | null {
  const l = c.loss;
  s.sacked = tag(c, s, s.sacked, s.seq, s.endSeq, s.pcount, dsack, w);
  w.rate.note(c, s, (s.sacked & SACKED) !== 0);
  if (s.sacked & SACKED) c.sendQueue.unsort(s);
  if (!before(s.seq, highestSackSeq(c))) l.highestSack = s.next === c.sendQueue.sendHead ? null : s.next;
  return s.next;
}

/** Counts for `n` segments of s from `seq` to `end` that a block covers; the new scoreboard bits. */
function tag(c: Connection, s: Segment, was: number, seq: number, end: number, n: number, dsack: boolean, w: SackWork): number {
  const l = c.loss;
  let bits = was;
  if (dsack && bits & RETRANS_ANY) {
    if (l.undoMarked && l.undoRetrans > 0 && after(end, l.undoMarker)) l.undoRetrans = Math.max(0, l.undoRetrans - n);
    if (bits & SACKED && before(seq, w.reord)) w.reord = seq;
  }
  if (!after(end, c.sndUna)) return bits;
  if ((bits & SACKED) === 0) {
    rackAdvance(c, bits, end, s.sentUs);
    bits = markNew(c, s, bits, seq, end, n, w);
  }
  if (dsack && bits & RETRANS) {
    bits &= ~RETRANS;
    l.retransOut -= n;
  }
  return bits;
}

/** A segment is SACKed for the first time. */
function markNew(c: Connection, s: Segment, was: number, seq: number, end: number, n: number, w: SackWork): number {
  const l = c.loss;
  let bits = was;
  if (bits & RETRANS) {
    if (bits & LOST) {
      bits &= ~(LOST | RETRANS);
      l.lostOut -= n;
      l.retransOut -= n;
    }
  } else {
    if ((bits & RETRANS_ANY) === 0) {
      if (before(seq, highestSackSeq(c)) && before(seq, w.reord)) w.reord = seq;
      if (!after(end, l.highSeq)) w.flag |= ORIG_SACK_ACKED;
      if (w.firstSackUs < 0) w.firstSackUs = s.sentUs;
      w.lastSackUs = s.sentUs;
    }
    if (bits & LOST) {
      bits &= ~LOST;
      l.lostOut -= n;
    }
  }
  w.flag |= DATA_SACKED;
  l.sackedOut += n;
  w.delivered += n;
  w.bytes += (end - seq) >>> 0;
  return bits | SACKED;
}
