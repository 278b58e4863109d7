/**
 * Sending new data (RFC 9293 3.8.6.2, RFC 5681, RFC 896 Nagle as refined by Minshall): what window, congestion window and Nagle allow, in
 * super-frames of several MSS; FIN; zero-window and keepalive probes.
 */
import { TcpExt } from '../../mib/catalogue/index.js';
import { Sysctl } from '../core/sysctl.js';
import { Flag } from '../wire/tcp.js';
import { beaconDue } from './accecn-option.js';
import { Chrono, chronoStart, chronoStop } from './chrono.js';
import { currentSsthresh, initCwnd, isCwndLimited, slowStartAfterIdle } from './congestion/window.js';
import type { Connection } from './connection.js';
import { Ca, NAGLE_CORK, NAGLE_OFF, NAGLE_PUSH, NEVER, Pending } from './constants.js';
import { chargeSend, TX_OVERHEAD } from './memory.js';
import { currentMss, maxTsoSegs } from './mss.js';
import { Probed, sendMtuProbe } from './mtu-probe-send.js';
import { transmit, transmitBare } from './output-segment.js';
import { lastDeparture, pacingDelay, pacingHolds } from './pacing.js';
import { fragment, freeSegment, packetsInFlight, setPcount } from './segments.js';
import { type Segment, SendQueue } from './send-queue.js';
import { isWritable } from './send-room.js';
import { after, before } from './seq.js';
import { TcpState } from './state.js';
import { armTransmit, probe0Base, rearmRto, scheduleLossProbe } from './timers.js';

export function windowEnd(c: Connection): number {
  return (c.sndUna + c.sndWnd) >>> 0;
}

/** The connection's Nagle setting as a mask. */
export function nagleMode(c: Connection): number {
  const s = c.settings;
  return (s.noDelay ? NAGLE_OFF : 0) | (s.cork ? NAGLE_CORK : 0);
}

/** Must a short segment wait: corked, or another small one is on its way? */
function nagleHolds(c: Connection, partial: boolean, nonagle: number): boolean {
  if (!partial) return false;
  if (nonagle & NAGLE_CORK) return true;
  return nonagle === 0 && c.packetsOut > 0 && after(c.sndSml, c.sndUna) && !after(c.sndSml, c.sndNxt);
}
function nagleAllows(c: Connection, s: Segment, mss: number, nonagle: number): boolean {
  if (nonagle & NAGLE_PUSH) return true;
  if (s.flags & Flag.FIN || urgentMode(c)) return true;
  return !nagleHolds(c, s.length < mss, nonagle);
}
function urgentMode(c: Connection): boolean {
  const r = c.rare;
  return r?.urgentSent === true && after(r.sndUp, c.sndUna);
}

function windowAllows(c: Connection, s: Segment, mss: number): boolean {
  const end = s.length > mss ? (s.seq + mss) >>> 0 : s.endSeq;
  return !after(end, windowEnd(c));
}

function cwndQuota(c: Connection): number {
  const flight = packetsInFlight(c);
  if (flight >= c.sndCwnd) return 0;
  return Math.min(Math.max(c.sndCwnd >> 1, 1), c.sndCwnd - flight);
}

/** Where a super-frame must be cut: window, quota, and no short tail that Nagle would hold. */
function splitPoint(c: Connection, s: Segment, mss: number, segs: number, nonagle: number): number {
  const window = (windowEnd(c) - s.seq) >>> 0;
  const most = mss * segs;
  if (most <= window && s !== c.sendQueue.tail) return most;
  const needed = Math.min(s.length, window);
  if (most <= needed) return most;
  const partial = needed % mss;
  return nagleHolds(c, partial !== 0, nonagle) ? needed - partial : needed;
}

let deferCwndLimited = false;

/** Is it better to wait for a larger super-frame? Only when the next ACK comes soon and something limits us. */
function shouldDefer(c: Connection, s: Segment, maxSegs: number): boolean {
  if (c.loss.caState >= Ca.recovery) return false;
  if (c.env.nowUs - lastDeparture(c) > 1000) return false;
  const sendWindow = (windowEnd(c) - s.seq) >>> 0;
  const congestionWindow = (c.sndCwnd - packetsInFlight(c)) * c.mssCache;
  const limit = Math.min(sendWindow, congestionWindow);
  if (limit >= maxSegs * c.mssCache) return false;
  if (s !== c.sendQueue.tail && limit >= s.length) return false;
  const divisor = c.env.sysctl.values[Sysctl.tcp_tso_win_divisor]!;
  if (divisor) {
    if (limit >= Math.floor(Math.min(c.sndWnd, c.sndCwnd * c.mssCache) / divisor)) return false;
  } else if (limit > 3 * c.mssCache) return false;
  const head = c.sendQueue.rtxHead;
  if (!head) return false;
  const srttUs = c.rtt.srttUs / 8;
  if (head.sentUs + srttUs - c.env.nowUs > Math.min(srttUs / 2, 1000)) return false; // the next ACK is too far away to wait for
  if (congestionWindow < sendWindow) {
    if (congestionWindow <= s.length) {
      deferCwndLimited = true;
      return true;
    }
  } else if (sendWindow <= s.length) return true;
  return (s.flags & Flag.FIN) === 0 && !s.eor;
}

/** Takes up to `room` bytes of the next unsent segment, so that a super-frame is as large as it may be. */
function fillUp(c: Connection, s: Segment, room: number): void {
  const next = s.next;
  if (room <= 0 || next === null || s.eor) return;
  const n = Math.min(room, next.length);
  if (n === 0) return;
  s.endSeq = (s.endSeq + n) >>> 0;
  next.seq = (next.seq + n) >>> 0;
  s.truesize += n;
  next.truesize -= n;
  if (next.length > 0) return;
  s.endSeq = next.endSeq;
  s.flags |= next.flags;
  s.eor = next.eor;
  freeSegment(c, next);
}

/** A segment has left for the first time. */
export function newDataSent(c: Connection, s: Segment): void {
  const before0 = c.packetsOut;
  c.sndNxt = s.endSeq;
  c.sendQueue.sendHead = s.next;
  c.packetsOut += s.pcount;
  if (c.loss.highestSack === null) c.loss.highestSack = s;
  if (before0 === 0 || c.pending === Pending.lossProbe) rearmRto(c);
  c.owner.add(TcpExt.TCPOrigDataSent, s.pcount);
}

/** What `writeOut` shall send: all that is allowed, one segment, or one even against the congestion window (loss probe). */
export const PushOne = Object.freeze({ no: 0, one: 1, probe: 2 });

/**
 * Sends what may be sent. True: nothing is in flight and something waits, so that only a window probe can go on (the caller arms it).
 */
export function writeOut(c: Connection, size: number, nonagle: number, pushOne: number): boolean {
  // the time alone may make an AccECN option due, which takes room
  const mss = c.accEcn !== null && beaconDue(c, c.accEcn) ? currentMss(c) : size;
  let sent = 0;
  let windowLimited = false;
  deferCwndLimited = false;
  if (pushOne === PushOne.no && c.rare !== null && c.rare.mtuProbe !== null) {
    const probed = sendMtuProbe(c, c.rare.mtuProbe);
    if (probed === Probed.wait) return false;
    if (probed === Probed.sent) {
      newDataSent(c, c.sendQueue.sendHead!);
      sent = 1;
    }
  }
  const maxSegs = maxTsoSegs(c, mss);
  for (let s = c.sendQueue.sendHead; s !== null; s = c.sendQueue.sendHead) {
    if (c.pacer !== null && pacingHolds(c, c.pacer)) break;
    let quota = cwndQuota(c);
    if (quota === 0) {
      if (pushOne !== PushOne.probe) break;
      quota = 1;
    }
    quota = Math.min(quota, maxSegs);
    fillUp(c, s, quota * mss - s.length);
    setPcount(s, mss);
    if (!windowAllows(c, s, mss)) {
      windowLimited = true;
      break;
    }
    if (s.pcount === 1) {
      if (!nagleAllows(c, s, mss, s === c.sendQueue.tail ? nonagle : NAGLE_PUSH)) break;
    } else if (pushOne === PushOne.no && shouldDefer(c, s, maxSegs)) break;
    const limit = s.pcount > 1 && !urgentMode(c) ? splitPoint(c, s, mss, quota, nonagle) : mss;
    if (s.length > limit) fragment(c, s, limit, mss);
    if (s.endSeq === s.seq) break;
    if (transmit(c, s) < 0) break;
    newDataSent(c, s);
    if (s.length < s.pcount * mss) c.sndSml = s.endSeq;
    sent += s.pcount;
    if (pushOne !== PushOne.no) break;
  }
  if (windowLimited) chronoStart(c, Chrono.receiveWindow);
  else chronoStop(c, Chrono.receiveWindow);
  return afterWrite(c, sent, pushOne);
}

function afterWrite(c: Connection, sent: number, pushOne: number): boolean {
  const limited = deferCwndLimited || packetsInFlight(c) >= c.sndCwnd;
  if (sent > 0 || limited) validateCwnd(c, limited);
  if (sent > 0) {
    const state = c.loss.caState;
    if (state === Ca.cwr || state === Ca.recovery) c.loss.prrOut += sent;
    if (pushOne !== PushOne.probe) scheduleLossProbe(c, false);
    return false;
  }
  return c.packetsOut === 0 && c.sendQueue.sendHead !== null;
}

/** RFC 7661 in Linux's form: was the window used? */
function validateCwnd(c: Connection, limited: boolean): void {
  if (!before(c.sndUna, c.cwndUsageSeq) || limited || (!c.cwndLimited && c.packetsOut > c.maxPacketsOut)) {
    c.cwndLimited = limited;
    c.maxPacketsOut = c.packetsOut;
    c.cwndUsageSeq = c.sndNxt;
  }
  if (isCwndLimited(c)) {
    c.sndCwndUsed = 0;
    c.sndCwndStampUs = c.env.nowUs;
    return;
  }
  if (c.packetsOut > c.sndCwndUsed) c.sndCwndUsed = c.packetsOut;
  // just sent, not held by the window, nothing left, and the user waits for room: the buffer is too small
  const open = c.state === TcpState.ESTABLISHED || c.state === TcpState.CLOSE_WAIT;
  if (c.sendQueue.sendHead === null && c.wantsSpace && open) chronoStart(c, Chrono.sendBuffer);
  const idle = c.env.nowUs - c.sndCwndStampUs >= c.rtoUs;
  if (idle && c.congestion.control === null && c.env.sysctl.values[Sysctl.tcp_slow_start_after_idle] !== 0) applicationLimited(c);
}
function applicationLimited(c: Connection): void {
  if (c.loss.caState === Ca.open && !c.wantsSpace && c.user !== null) {
    const used = Math.max(c.sndCwndUsed, initCwnd(c));
    if (used < c.sndCwnd) {
      c.sndSsthresh = currentSsthresh(c);
      c.sndCwnd = (c.sndCwnd + used) >> 1;
    }
    c.sndCwndUsed = 0;
  }
  c.sndCwndStampUs = c.env.nowUs;
}

/** Sends what may be sent, and arms the zero-window probe when nothing may. */
export function pushPending(c: Connection, mss: number, nonagle: number): void {
  if (c.state === TcpState.CLOSE) return;
  if (writeOut(c, mss, nonagle, PushOne.no)) {
    if (c.packetsOut === 0 && c.pending === Pending.none) armTransmit(c, Pending.probe0, probe0Base(c) + pacingDelay(c));
  }
}
export function pushPendingFrames(c: Connection): void {
  if (c.sendQueue.sendHead) pushPending(c, currentMss(c), nagleMode(c));
}
export function pushOneSegment(c: Connection, mss: number): void {
  writeOut(c, mss, NAGLE_PUSH, PushOne.one);
}

/** After input: whatever an ACK has allowed goes out, and a waiting writer hears of room. */
export function sendCheck(c: Connection): void {
  pushPendingFrames(c);
  spaceCheck(c);
}
export function spaceCheck(c: Connection): void {
  if (!c.wantsSpace || c.orphan) return;
  if (!isWritable(c)) return;
  c.wantsSpace = false;
  c.user?.onWritable(c);
  if (!c.wantsSpace) chronoStop(c, Chrono.sendBuffer);
}

/** A new, empty record at the end of the queue. */
export function newSegment(c: Connection): Segment {
  const s = SendQueue.take();
  s.seq = c.writeSeq;
  s.endSeq = c.writeSeq;
  s.flags = Flag.ACK;
  s.sacked = 0;
  s.pcount = 0;
  s.mss = 0;
  s.sentUs = 0;
  s.deliveredThen = 0;
  s.deliveredUs = NEVER;
  s.eor = false;
  s.truesize = TX_OVERHEAD;
  return s;
}

/** Appends data that the ring already holds behind `writeSeq`. */
export function entail(c: Connection, s: Segment): void {
  c.sendQueue.append(s);
  if (c.sendQueue.sendHead === s) chronoStart(c, Chrono.busy);
  slowStartAfterIdle(c);
}

/** FIN behind all data: on the last unsent segment, or one of its own. */
export function sendFin(c: Connection): void {
  const tail = c.sendQueue.unsentTail ?? (c.tcp.memory.pressed ? c.sendQueue.rtxTail : null);
  if (tail) {
    tail.flags |= Flag.FIN;
    tail.endSeq = (tail.endSeq + 1) >>> 0;
    c.writeSeq = (c.writeSeq + 1) >>> 0;
    if (c.sendQueue.sendHead === null) {
      c.sndNxt = (c.sndNxt + 1) >>> 0; // the segment has gone: its retransmission will bring the FIN
      return;
    }
  } else {
    const s = newSegment(c);
    s.flags = Flag.ACK | Flag.FIN;
    s.endSeq = (s.seq + 1) >>> 0;
    s.pcount = 1;
    chargeSend(c, s.truesize);
    c.writeSeq = s.endSeq;
    c.sendQueue.append(s);
  }
  pushPending(c, currentMss(c), NAGLE_OFF);
}
// ---- probes

/**
 * Sends something that makes the peer answer: the next data if the window has any room, else a segment below SND.UNA (RFC 9293 3.8.4,
 * 3.8.6.1). Counts `counter` in the latter case. 0 or -errno.
 */
export function probe(c: Connection, counter: number): number {
  if (c.state === TcpState.CLOSE) return -1;
  const s = c.sendQueue.sendHead;
  if (s && before(s.seq, windowEnd(c))) return probeWithData(c, s);
  const r = c.rare;
  if (r?.urgentSent && after(r.sndUp, c.sndUna) && (r.sndUp - c.sndUna) >>> 0 <= 0xffff) {
    c.owner.inc(counter);
    transmitBare(c, c.sndUna, Flag.ACK);
  }
  c.owner.inc(counter);
  return transmitBare(c, (c.sndUna - 1) >>> 0, Flag.ACK);
}
function probeWithData(c: Connection, s: Segment): number {
  const mss = currentMss(c);
  let size = (windowEnd(c) - s.seq) >>> 0;
  if (before(c.pushedSeq, s.endSeq)) c.pushedSeq = s.endSeq;
  s.flags |= Flag.PSH;
  if (size < (s.endSeq - s.seq) >>> 0 || s.length > mss) {
    size = Math.min(size, mss);
    if (size < s.length) fragment(c, s, size, mss);
    s.flags |= Flag.PSH;
  }
  if (s.pcount === 0) setPcount(s, mss);
  const error = transmit(c, s);
  if (error === 0) newDataSent(c, s);
  return error;
}
