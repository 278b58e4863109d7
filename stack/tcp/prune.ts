/** Too much memory for what was received (Linux's tcp_prune_queue): first the buffers are packed, then out-of-order data is thrown away. */
import { TcpExt } from '../../mib/catalogue/index.js';
import { Sysctl } from '../core/sysctl.js';
import type { Connection } from './connection.js';
import { chargeReceive, tailroomOfData, truesizeOfData, tryGrant, unchargeReceive } from './memory.js';
import type { ReceiveQueue } from './receive-queue.js';
import { after, before } from './seq.js';
import { shrinkThreshold, windowFromSpace } from './window.js';

/** Linux looks at what is there already: one buffer may overshoot. */
function fits(c: Connection): boolean {
  return c.rmemAlloc <= c.rcvBuf;
}

/** The buffer grows with what is there, unless its size was set. */
function clampWindow(c: Connection): void {
  c.ackQuick = 0;
  const most = c.env.sysctl.values[Sysctl.tcp_rmem + 2]!;
  if (c.rcvBuf < most && !c.settings.rcvbufLocked && c.tcp.memory.plenty)
    c.rcvBuf = Math.min(Math.max(c.rmemAlloc, c.rcvBuf), most);
  if (c.rmemAlloc > c.rcvBuf) c.rcvSsthresh = Math.min(c.windowClamp, 2 * c.advmss);
}

/** Makes room for a segment that starts at `seq`. False: it must be dropped. */
function pruneQueue(c: Connection, seq: number): boolean {
  const q = c.receiveQueue;
  if (c.rmemAlloc === 0 || !q) return false;
  c.owner.inc(TcpExt.PruneCalled);
  if (!fits(c)) clampWindow(c);
  else if (c.tcp.memory.pressed) shrinkThreshold(c);
  if (fits(c)) return true;
  collapse(c, q);
  if (fits(c)) return true;
  pruneOutOfOrder(c, q, seq);
  if (fits(c)) return true;
  c.owner.inc(TcpExt.RcvPruned);
  c.predFlags = 0;
  return false;
}

/** Memory for a segment that starts at `seq`, after pruning if need be. False: it must be dropped. */
export function makeRoom(c: Connection, seq: number, size: number): boolean {
  if (fits(c) && tryGrant(c, size, true)) return true;
  if (!pruneQueue(c, seq)) return false;
  while (!tryGrant(c, size, true)) {
    const q = c.receiveQueue;
    if (!q || !pruneOutOfOrder(c, q, seq)) return false;
  }
  return true;
}

/** Largest buffer that packing makes: a page less its overhead. */
const CHUNK = 4096 - 320;

/** Packs in-order buffers from the first one on that takes much more memory than its bytes are worth. */
function collapse(c: Connection, q: ReceiveQueue): void {
  let i = 0;
  for (; i < q.buffers; i++) {
    const partlyRead = i === 0 && before(q.startOf(0), c.copiedSeq);
    if (partlyRead || windowFromSpace(c, q.sizeOf(i)) > q.lengthOf(i)) break;
  }
  if (i === q.buffers) return;
  let start = i === 0 ? c.copiedSeq : q.startOf(i);
  const end = q.endOf(q.buffers - 1);
  const gone = q.buffers - i;
  unchargeReceive(c, q.cutMarks(i));
  c.owner.add(TcpExt.TCPRcvCollapsed, gone);
  while (start !== end) {
    const n = Math.min(CHUNK, (end - start) >>> 0);
    const size = truesizeOfData(n);
    start = (start + n) >>> 0;
    chargeReceive(c, size);
    q.pushMark(start, size, tailroomOfData(n));
  }
}

/** Throws the last out-of-order ranges away, an eighth of the buffer at a time. False: there was nothing to throw away for this segment. */
function pruneOutOfOrder(c: Connection, q: ReceiveQueue, seq: number): boolean {
  const list = q.ofo;
  let goal = c.rcvBuf >> 3;
  let pruned = false;
  while (list.length > 0) {
    const last = list[list.length - 1]!;
    if (after(seq, last.seq)) break;
    pruned = true;
    goal -= last.truesize;
    unchargeReceive(c, q.removeRange(list.length - 1));
    if (list.length === 0 || goal <= 0) {
      if (fits(c)) break;
      goal = c.rcvBuf >> 3;
    }
  }
  if (!pruned) return false;
  c.owner.inc(TcpExt.OfoPruned);
  c.sackCount = 0;
  c.dsack = false;
  return true;
}
