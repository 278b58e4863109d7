/** recv(2) (RFC 9293 3.10.3): bytes out of the ring, and an ACK when reading has opened the window (RFC 9293 3.8.6.2.2). */
import { Errno } from '../core/errno.js';
import { Msg } from '../socket/socket.js';
import { ackScheduled, pingpong } from './ack-state.js';
import type { Connection } from './connection.js';
import { AckPending, Shut, Urg } from './constants.js';
import { unchargeReceive } from './memory.js';
import { sendAckNow } from './output-segment.js';
import { ReceiveQueue } from './receive-queue.js';
import { before } from './seq.js';
import { TcpState } from './state.js';
import { adjustReceiveSpace, fastPathCheck, possibleWindow, receiveWindow } from './window.js';

/** Bytes in order that were not read: the FIN is none. */
export function readableBytes(c: Connection): number {
  if (c.receiveQueue === null) return 0;
  return ((c.rcvNxt - c.copiedSeq) >>> 0) - (c.finReceived && c.rcvNxt !== c.copiedSeq ? 1 : 0);
}

/** What TCP_INQ tells: a FIN counts as one, so that its user reads on to the end of the stream. */
export function inqHint(c: Connection): number {
  return (c.rcvNxt - c.copiedSeq) >>> 0 || (c.finReceived ? 1 : 0);
}
/** SIOCATMARK: is the next byte to read the urgent one? */
export function atMark(c: Connection): boolean {
  const r = c.rare;
  return r !== null && r.urgState !== Urg.none && r.urgSeq === c.copiedSeq;
}

/** Nothing to read: why. 0 at the end of the stream. */
function nothing(c: Connection): number {
  if (c.finReceived) return 0;
  if (c.error) return -c.takeError();
  if (c.shutdown & Shut.receive) return 0;
  if (c.state === TcpState.CLOSE) return -Errno.ENOTCONN;
  return -Errno.EAGAIN;
}

export function receiveBytes(c: Connection, into: Uint8Array, at: number, length: number, flags: number): number {
  if (flags & Msg.OOB) return receiveUrgent(c, into, at, flags);
  const waiting = readableBytes(c);
  if (waiting === 0 || length === 0) return length === 0 && waiting > 0 ? 0 : nothing(c);
  if (flags & Msg.PEEK && c.settings.peekOffset >= 0) return peekOn(c, into, at, length, flags);
  let n = Math.min(waiting, length);
  const r = c.rare;
  if (r && r.urgState !== Urg.none) {
    // a read stops at the mark; the urgent byte is stepped over unless it is part of the stream
    const offset = (r.urgSeq - c.copiedSeq) >>> 0;
    if (offset > 0) n = Math.min(n, offset);
    else if (!c.settings.oobInline) return skipUrgent(c, into, at, length, flags);
  }
  const q = c.receiveQueue!;
  if ((flags & Msg.TRUNC) === 0) q.read(c.copiedSeq, into, at, n);
  if (flags & Msg.PEEK) return n;
  consume(c, n);
  return n;
}

/**
 * SO_PEEK_OFF: the next bytes that no peek has seen. The urgent byte is stepped over without being counted, so that the offset then falls
 * behind by it, as Linux's does.
 */
function peekOn(c: Connection, into: Uint8Array, at: number, length: number, flags: number): number {
  const r = c.needRare();
  const end = (c.copiedSeq + readableBytes(c)) >>> 0;
  let seq = (c.copiedSeq + r.peekOffset) >>> 0;
  let peeked = 0;
  while (peeked < length && before(seq, end)) {
    let n = Math.min((end - seq) >>> 0, length - peeked);
    const mark = r.urgState === Urg.none ? n : (r.urgSeq - seq) >>> 0;
    if (mark === 0 && peeked > 0) break;
    if (mark > 0 && mark < n) n = mark;
    else if (mark === 0 && !c.settings.oobInline) {
      seq = (seq + 1) >>> 0;
      n = Math.min((end - seq) >>> 0, n);
    }
    if ((flags & Msg.TRUNC) === 0) c.receiveQueue!.read(seq, into, at + peeked, n);
    seq = (seq + n) >>> 0;
    peeked += n;
  }
  r.peekOffset += peeked;
  return peeked > 0 ? peeked : nothing(c);
}

/** The user has taken n bytes: memory, autotuning, window. */
function consume(c: Connection, n: number): void {
  const q = c.receiveQueue!;
  c.copiedSeq = (c.copiedSeq + n) >>> 0;
  if (c.settings.peekOffset >= 0) c.needRare().peekOffset = Math.max(0, c.needRare().peekOffset - n);
  adjustReceiveSpace(c);
  const freed = q.popRead(c.copiedSeq);
  if (freed > 0) unchargeReceive(c, freed);
  letGo(c);
  const r = c.rare;
  if (r && r.urgState !== Urg.none && before(r.urgSeq, c.copiedSeq)) {
    r.urgState = Urg.none;
    fastPathCheck(c);
  }
  afterRead(c, n);
}

/** A queue that holds nothing goes back to the pool: idle connections have none. */
function letGo(c: Connection): void {
  const q = c.receiveQueue!;
  if (!q.empty) return;
  c.receiveQueue = null;
  ReceiveQueue.give(q);
}

function skipUrgent(c: Connection, into: Uint8Array, at: number, length: number, flags: number): number {
  const r = c.rare!;
  if (r.urgState === Urg.notYet) return -Errno.EAGAIN;
  c.copiedSeq = (c.copiedSeq + 1) >>> 0;
  r.urgState = Urg.none;
  fastPathCheck(c);
  const freed = c.receiveQueue!.popRead(c.copiedSeq);
  if (freed > 0) unchargeReceive(c, freed);
  letGo(c);
  return receiveBytes(c, into, at, length, flags);
}

/** MSG_OOB: the urgent byte. */
function receiveUrgent(c: Connection, into: Uint8Array, at: number, flags: number): number {
  const r = c.rare;
  if (c.settings.oobInline || !r || r.urgState === Urg.none || r.urgState === Urg.read) return -Errno.EINVAL;
  if (r.urgState !== Urg.valid) return c.state === TcpState.CLOSE || c.shutdown & Shut.receive ? 0 : -Errno.EAGAIN;
  into[at] = r.urgByte;
  if ((flags & Msg.PEEK) === 0) r.urgState = Urg.read;
  return 1;
}

/** After a read: is there something to tell the peer (tcp_cleanup_rbuf)? */
export function afterRead(c: Connection, copied: number): void {
  if (c.state === TcpState.CLOSE) return;
  let now = false;
  if (ackScheduled(c)) {
    const pending = c.ackPending;
    const small = (pending & AckPending.pushed2) !== 0 || ((pending & AckPending.pushed) !== 0 && !pingpong(c));
    if ((c.rcvNxt - c.rcvWup) >>> 0 > c.rcvMss || (copied > 0 && small && c.rmemAlloc === 0)) now = true;
  }
  if (copied > 0 && !now && (c.shutdown & Shut.receive) === 0) {
    const left = receiveWindow(c);
    if (2 * left <= c.windowClamp) {
      const possible = possibleWindow(c);
      if (possible && possible >= 2 * left) now = true;
    }
  }
  if (now) sendAckNow(c);
}
