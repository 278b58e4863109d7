/**
 * The receive window (RFC 9293 3.8.6): how much is offered, by Linux's rules. Never shrunk, silly window avoidance, zero when a sixteenth of the
 * buffer is left; grown with the data that arrives (rcvSsthresh) and with the rate at which the user reads (autotuning).
 */
import { TcpExt } from '../../mib/catalogue/index.js';
import { Sysctl } from '../core/sysctl.js';
import { CEP_START } from './accecn-state.js';
import type { Connection } from './connection.js';
import { ACK_FLAG_WORD, AckPending, EcnFlag, INIT_CWND, MIN_MSS, MSS_DEFAULT, NEVER, Urg } from './constants.js';
import { rttByTimestamp } from './rtt.js';
import { before } from './seq.js';

/** SOCK_MIN_RCVBUF. */
const MIN_RCVBUF = 2304;

export function windowFromSpace(c: Connection, space: number): number {
  return Math.floor((space * c.scalingRatio) / 256);
}
export function spaceFromWindow(c: Connection, window: number): number {
  return Math.floor((window * 256) / c.scalingRatio);
}
export function fullSpace(c: Connection): number {
  return windowFromSpace(c, c.rcvBuf);
}
export function freeSpace(c: Connection): number {
  return windowFromSpace(c, c.rcvBuf - c.rmemAlloc);
}

/** What is left of the window that was last offered. */
export function receiveWindow(c: Connection): number {
  const w = (c.rcvWup + c.rcvWnd - c.rcvNxt) | 0;
  return w < 0 ? 0 : w;
}

function alignUp(n: number, scale: number): number {
  const unit = 1 << scale;
  return Math.ceil(n / unit) * unit;
}
function alignDown(n: number, scale: number): number {
  const unit = 1 << scale;
  return Math.floor(n / unit) * unit;
}

/** The window that the buffer would allow now; 0 when it is better to close it. */
export function possibleWindow(c: Connection): number {
  let mss = c.rcvMss;
  let free = freeSpace(c);
  const allowed = fullSpace(c);
  const full = Math.min(c.windowClamp, allowed);
  if (mss > full) {
    mss = full;
    if (mss <= 0) return 0;
  }
  if (c.rcvWscale !== 0 && c.env.sysctl.values[Sysctl.tcp_shrink_window] !== 0) return shrinkableWindow(c, free, allowed);
  if (free < full >> 1) {
    c.ackQuick = 0;
    if (c.tcp.memory.pressed) shrinkThreshold(c);
    free = alignDown(free, c.rcvWscale);
    if (free < allowed >> 4 || free < mss) return 0;
  }
  if (free > c.rcvSsthresh) free = c.rcvSsthresh;
  if (c.rcvWscale !== 0) return alignUp(free, c.rcvWscale);
  const window = c.rcvWnd;
  if (window <= free - mss || window > free) return free - (free % mss);
  if (mss === full && free > window + (full >> 1)) return free;
  return window;
}

/** With tcp_shrink_window the offer follows the memory. */
function shrinkableWindow(c: Connection, free: number, allowed: number): number {
  let window = alignDown(free, c.rcvWscale);
  if (window < allowed >> 4 || window < c.rcvMss) return 0;
  if (window > c.rcvSsthresh) window = alignUp(c.rcvSsthresh, c.rcvWscale);
  return window;
}

/** Chooses the window for a segment that leaves now: the header's field, scaled. Counts moves to and from zero. */
export function selectWindow(c: Connection): number {
  const old = c.rcvWnd;
  if (c.ackPending & AckPending.noMemory) {
    c.predFlags = 0;
    c.rcvWnd = 0;
    c.rcvWup = c.rcvNxt;
    return 0;
  }
  const current = receiveWindow(c);
  let window = possibleWindow(c);
  if (window < current) {
    const mayShrink = c.rcvWscale !== 0 && c.env.sysctl.values[Sysctl.tcp_shrink_window] !== 0;
    if (!mayShrink) {
      if (window === 0) c.owner.inc(TcpExt.TCPWantZeroWindowAdv);
      window = alignUp(current, c.rcvWscale);
    }
  }
  c.rcvWnd = window;
  c.rcvWup = c.rcvNxt;
  const most = !c.rcvWscale && c.env.sysctl.values[Sysctl.tcp_workaround_signed_windows] ? 32767 : 65535 * (1 << c.rcvWscale);
  const field = Math.min(window, most) >>> c.rcvWscale;
  if (field === 0) {
    c.predFlags = 0;
    if (old) c.owner.inc(TcpExt.TCPToZeroWindowAdv);
  } else if (old === 0) c.owner.inc(TcpExt.TCPFromZeroWindowAdv);
  return field;
}

// ---- header prediction

/** The word of offset, flags and window that the peer's next segment is expected to have. */
export function fastPathOn(c: Connection): void {
  const window = c.sndWnd >>> c.sndWscale;
  const ace = (c.ecn & EcnFlag.modes) === EcnFlag.accEcn ? (c.loss.deliveredCe + CEP_START) & 7 : 0;
  c.predFlags = ((c.headerLength << 26) | (ace << 22) | ACK_FLAG_WORD | (window & 0xffff)) >>> 0;
  if (window > 0xffff) c.predFlags = 0;
}
export function fastPathCheck(c: Connection): void {
  const q = c.receiveQueue;
  const holes = q !== null && q.ofo.length > 0;
  const urgent = c.rare !== null && c.rare.urgState !== Urg.none;
  if (!holes && c.rcvWnd !== 0 && c.rmemAlloc < c.rcvBuf && !urgent) fastPathOn(c);
}

// ---- the peer's segment size, and growth

/** First guess of the peer's segments (tcp_initialize_rcv_mss). */
export function initialRcvMss(c: Connection): void {
  let hint = Math.min(c.advmss, c.mssCache, c.rcvWnd >> 1, MSS_DEFAULT);
  hint = Math.max(hint, MIN_MSS);
  c.rcvMss = hint;
}

/** Learns the peer's MSS from a segment; `length` is its data, `size` one wire segment of it. */
export function measureRcvMss(
  c: Connection,
  length: number,
  size: number,
  header: number,
  pushed: boolean,
  remnant: boolean,
  truesize: number,
): void {
  const last = c.lastSegSize;
  c.lastSegSize = 0;
  if (size >= c.rcvMss) {
    if (size !== c.rcvMss) rescale(c, length, truesize);
    c.rcvMss = Math.min(size, c.advmss);
    if (pushed) c.ackPending |= AckPending.pushed;
    return;
  }
  let whole = size + header;
  if (whole >= MSS_DEFAULT + 20 || (whole >= MIN_MSS + 20 && !remnant)) {
    whole -= c.headerLength;
    c.lastSegSize = whole;
    if (whole === last) {
      c.rcvMss = whole;
      return;
    }
  }
  if (c.ackPending & AckPending.pushed) c.ackPending |= AckPending.pushed2;
  c.ackPending |= AckPending.pushed;
}

/** A new segment size: how much of the memory is payload? */
function rescale(c: Connection, length: number, truesize: number): void {
  const ratio = Math.min(255, Math.max(1, Math.floor((length * 256) / truesize)));
  if (ratio === c.scalingRatio) return;
  c.scalingRatio = ratio;
  setWindowClamp(c, windowFromSpace(c, c.rcvBuf));
  if (c.tuned && c.windowClamp < c.rcvSpace) c.rcvSpace = c.windowClamp;
}

/** TCP_WINDOW_CLAMP, and the automatic bound. */
export function setWindowClamp(c: Connection, value: number): void {
  const old = c.windowClamp;
  const next = Math.max(MIN_RCVBUF >> 1, value);
  if (next === old) return;
  c.windowClamp = next;
  if (next < old) c.rcvSsthresh = Math.min(c.rcvSsthresh, next);
  else c.rcvSsthresh = Math.max(c.rcvSsthresh, Math.min(c.rcvWnd, next));
}

/** TCP is short of memory: a small window will do. */
export function shrinkThreshold(c: Connection): void {
  c.rcvSsthresh = Math.min(c.rcvSsthresh, 4 * c.advmss);
}

/** Data came: the window may open further, as much as the memory behind the segments allows. */
export function growWindow(c: Connection, length: number, truesize: number): void {
  const space = Math.min(c.windowClamp, freeSpace(c)) - c.rcvSsthresh;
  if (space <= 0) return;
  if (c.tcp.memory.pressed) {
    shrinkThreshold(c);
    return;
  }
  let increase = windowFromSpace(c, truesize) <= length ? 2 * c.advmss : slowGrowth(c, length, truesize);
  if (increase === 0) return;
  increase = Math.max(increase, 2 * length);
  c.rcvSsthresh += Math.min(space, increase);
  c.ackQuick |= 1;
}
function slowGrowth(c: Connection, length: number, truesize: number): number {
  let size = windowFromSpace(c, truesize) >> 1;
  let window = windowFromSpace(c, c.env.sysctl.values[Sysctl.tcp_rmem + 2]!) >> 1;
  while (c.rcvSsthresh <= window) {
    if (size <= length) return 2 * c.rcvMss;
    size >>= 1;
    window >>= 1;
  }
  return 0;
}

/** Buffers at the start of the data transfer (tcp_init_buffer_space). */
export function initBufferSpace(c: Connection): void {
  const most = fullSpace(c);
  if (c.windowClamp >= most) {
    c.windowClamp = most;
    const app = c.env.sysctl.values[Sysctl.tcp_app_win]!;
    if (app && most > 4 * c.advmss) c.windowClamp = Math.max(most - (most >> app), 4 * c.advmss);
  }
  const reserve = c.env.sysctl.values[Sysctl.tcp_app_win]! !== 0;
  if (reserve && c.windowClamp > 2 * c.advmss && c.windowClamp + c.advmss > most) {
    c.windowClamp = Math.max(2 * c.advmss, most - c.advmss);
  }
  c.rcvSsthresh = Math.min(c.rcvSsthresh, c.windowClamp);
  c.sndCwndStampUs = c.env.nowUs;
}

// ---- receive buffer autotuning

/** Begins with the first data. */
function beginTuning(c: Connection): void {
  if (c.tuned) return;
  c.tuned = true;
  c.rcvSpaceUs = c.env.nowUs;
  c.rcvSpaceSeq = c.copiedSeq;
  c.rcvSpace = Math.min(c.rcvSsthresh, c.rcvWnd, INIT_CWND * c.advmss);
}

/** RTT seen by a receiver without timestamps: the time one window of data takes. */
export function measureReceiverRtt(c: Connection): void {
  beginTuning(c);
  if (c.rcvRttFromUs !== NEVER) {
    if (before(c.rcvNxt, c.rcvRttSeq)) return;
    updateReceiverRtt(c, Math.max(1, c.env.nowUs - c.rcvRttFromUs), true);
  }
  c.rcvRttSeq = (c.rcvNxt + c.rcvWnd) >>> 0;
  c.rcvRttFromUs = c.env.nowUs;
}
/** With timestamps: by the echo that came with a full segment. */
export function measureReceiverRttByEcho(c: Connection, length: number): void {
  if (!c.tuned || c.rcvTsEcr === c.rcvRttTsEcr) return;
  c.rcvRttTsEcr = c.rcvTsEcr;
  if (length < c.rcvMss) return;
  const delta = rttByTimestamp(c, 0);
  if (delta > 0) updateReceiverRtt(c, delta, false);
}
function updateReceiverRtt(c: Connection, sampleUs: number, windowBased: boolean): void {
  const rtt = c.rcvRttUs;
  if (rtt === 0) c.rcvRttUs = sampleUs * 8;
  else if (windowBased) c.rcvRttUs = Math.min(rtt, sampleUs * 8);
  else c.rcvRttUs = rtt + sampleUs - Math.floor(rtt / 8);
}

/** The user has read: once a round trip, is the buffer large enough for the rate? */
export function adjustReceiveSpace(c: Connection): void {
  beginTuning(c);
  const elapsed = c.env.nowUs - c.rcvSpaceUs;
  if (c.rcvRttUs === 0 || elapsed < c.rcvRttUs / 8) return;
  const waiting = (c.rcvNxt - c.copiedSeq) >>> 0;
  const copied = ((c.copiedSeq - c.rcvSpaceSeq) >>> 0) - waiting;
  if (copied > c.rcvSpace) growReceiveBuffer(c, copied);
  c.rcvSpaceSeq = c.copiedSeq;
  c.rcvSpaceUs = c.env.nowUs;
}
/** Data came out of order: room for it beside what is read at the present rate. */
export function growForOutOfOrder(c: Connection): void {
  beginTuning(c);
  growReceiveBuffer(c, c.rcvSpace);
}
/** Room for twice what the user read in a round trip, and for what lies out of order; more when the rate grows. */
function growReceiveBuffer(c: Connection, copied: number): void {
  const old = c.rcvSpace;
  c.rcvSpace = copied;
  if (c.env.sysctl.values[Sysctl.tcp_moderate_rcvbuf] === 0 || c.settings.rcvbufLocked) return;
  let window = copied * 2;
  window += 2 * Math.floor((window * (copied - old)) / Math.max(1, old));
  const ofo = c.receiveQueue ? c.receiveQueue.ofo : null;
  if (ofo && ofo.length > 0) window += (ofo[ofo.length - 1]!.endSeq - c.rcvNxt) >>> 0;
  const buffer = Math.min(spaceFromWindow(c, window), c.env.sysctl.values[Sysctl.tcp_rmem + 2]!);
  if (buffer <= c.rcvBuf) return;
  c.rcvBuf = buffer;
  c.windowClamp = windowFromSpace(c, buffer);
}
