/** send(2) (RFC 9293 3.10.2): bytes into the ring and the last segment record, with Linux's rules for when to push. */
import { Errno } from '../core/errno.js';
import { Sysctl } from '../core/sysctl.js';
import { Msg } from '../socket/socket.js';
import { Flag } from '../wire/tcp.js';
import { autocorks } from './autocork.js';
import type { Connection } from './connection.js';
import { NAGLE_CORK, NAGLE_PUSH, Shut } from './constants.js';
import { checkAppLimited } from './delivery-rate.js';
import { chargeSend, grant, tryGrant } from './memory.js';
import { currentMss, sizeGoal } from './mss.js';
import { entail, nagleMode, newSegment, pushOneSegment, pushPending } from './output.js';
import { freeSegment } from './segments.js';
import { type Segment, SendQueue } from './send-queue.js';
import { hasRoom } from './send-room.js';
import { after } from './seq.js';
import { TcpState } from './state.js';
import { stampingOf, watchSend } from './tx-stamps.js';

function forcedPush(c: Connection): boolean {
  return after(c.writeSeq, (c.pushedSeq + (c.maxWindow >> 1)) >>> 0);
}
function markPush(c: Connection, s: Segment): void {
  s.flags |= Flag.PSH;
  c.pushedSeq = c.writeSeq;
}

/** Why nothing can be sent, as -errno; 0 when it can. */
function refusal(c: Connection): number {
  if (c.error) return -c.takeError();
  if (c.shutdown & Shut.send) return -Errno.EPIPE;
  switch (c.state) {
    case TcpState.ESTABLISHED:
    case TcpState.CLOSE_WAIT:
      return 0;
    case TcpState.SYN_RECV:
      return c.fastOpenServer ? 0 : -Errno.EAGAIN;
    case TcpState.SYN_SENT:
      c.wantsSpace = true;
      return -Errno.EAGAIN;
    default:
      return -Errno.EPIPE;
  }
}

export function sendBytes(c: Connection, from: Uint8Array, at: number, length: number, flags: number): number {
  checkAppLimited(c);
  const error = refusal(c);
  if (error !== 0) return error;
  const mss = currentMss(c);
  const goal = sizeGoal(c, mss, (flags & Msg.OOB) === 0);
  let copied = 0;
  while (copied < length) {
    let s = c.sendQueue.unsentTail;
    let room = s ? goal - s.length : 0;
    if (!s || room <= 0 || s.eor) {
      if (!hasRoom(c)) return full(c, copied, flags, mss, goal);
      s = newSegment(c);
      if (s.truesize > c.forwardAlloc && c.sendQueue.head !== null && !tryGrant(c, s.truesize, false)) {
        SendQueue.give(s);
        return full(c, copied, flags, mss, goal);
      }
      chargeSend(c, s.truesize);
      entail(c, s);
      room = goal;
    }
    const wanted = Math.min(room, length - copied);
    const n = wanted <= c.forwardAlloc ? wanted : granted(c, wanted);
    if (n === 0) {
      if (s.length === 0) freeSegment(c, s);
      return full(c, copied, flags, mss, goal);
    }
    append(c, s, from, at + copied, n, copied === 0);
    copied += n;
    if (copied === length) {
      if (flags & Msg.EOR) s.eor = true;
      break;
    }
    if (s.length < goal || flags & Msg.OOB) continue;
    if (forcedPush(c)) {
      markPush(c, s);
      pushPending(c, mss, NAGLE_PUSH);
    } else if (s === c.sendQueue.sendHead) pushOneSegment(c, mss);
  }
  if (copied > 0) {
    if (flags & Msg.OOB) markUrgent(c);
    const stamping = stampingOf(c);
    if (stamping !== 0 && c.sendQueue.unsentTail) watchSend(c, c.sendQueue.unsentTail, stamping);
    push(c, flags, mss, nagleMode(c), goal);
  }
  return copied;
}

/** How many of n bytes tcp_mem allows; with little queued some always. */
function granted(c: Connection, n: number): number {
  if (tryGrant(c, n, false)) return n;
  const least = c.env.sysctl.values[Sysctl.tcp_wmem]! - c.wmemQueued;
  if (least > 0) grant(c, Math.min(least, n));
  return Math.min(n, c.forwardAlloc);
}

/** The buffer is full, or all TCP together is: the writer waits, and what was taken leaves. */
function full(c: Connection, copied: number, flags: number, mss: number, goal: number): number {
  c.wantsSpace = true;
  if (copied === 0) return -Errno.EAGAIN;
  push(c, flags & ~Msg.MORE, mss, NAGLE_PUSH, goal);
  return copied;
}

function append(c: Connection, s: Segment, from: Uint8Array, at: number, n: number, first: boolean): void {
  c.sendQueue.write(c.sndUna, c.writeSeq, from, at, n);
  chargeSend(c, n);
  s.truesize += n;
  if (first) s.flags &= ~Flag.PSH;
  c.writeSeq = (c.writeSeq + n) >>> 0;
  s.endSeq = (s.endSeq + n) >>> 0;
  s.pcount = 0;
}

function markUrgent(c: Connection): void {
  const r = c.needRare();
  r.sndUp = c.writeSeq;
  r.urgentSent = true;
}

/** The end of a write: PSH on its last segment, and out with what may go. */
function push(c: Connection, flags: number, mss: number, nonagle: number, goal: number): void {
  const tail = c.sendQueue.unsentTail;
  if (!tail) return;
  if ((flags & Msg.MORE) === 0 || forcedPush(c)) markPush(c, tail);
  if (c.packetsOut > 0 && autocorks(c, tail, goal)) return;
  pushPending(c, mss, flags & Msg.MORE ? NAGLE_CORK : nonagle);
}
