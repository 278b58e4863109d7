/** Too much memory for what was received (Linux's tcp_prune_queue): first the buffers are packed, then out-of-order data is thrown away. */
import { TcpExt } from '../../mib/catalogue/index.js';
import { Sysctl } from '../core/sysctl.js';
import type { Connection } from './connection.js';
import { unchargeReceive } from './memory.js';
import type { ReceiveQueue } from './receive-queue.js';
import { after } from './seq.js';

function fits(c: Connection, size: number): boolean {
  return c.rmemAlloc + size <= c.rcvBuf;
}

/** The buffer grows with what is there, unless its size was set. */
function clampWindow(c: Connection): void {
  c.ackQuick = 0;
  const most = c.env.sysctl.values[Sysctl.tcp_rmem + 2]!;
  if (c.rcvBuf < most && !c.settings.rcvbufLocked) c.rcvBuf = Math.min(Math.max(c.rmemAlloc, c.rcvBuf), most);
  if (c.rmemAlloc > c.rcvBuf) c.rcvSsthresh = Math.min(c.windowClamp, 2 * c.advmss);
}

/** Makes room for a segment that starts at `seq`. False: it must be dropped. */
export function pruneQueue(c: Connection, seq: number, size: number): boolean {
  const q = c.receiveQueue;
  if (c.rmemAlloc === 0 || !q) return false;
  c.owner.inc(TcpExt.PruneCalled);
  clampWindow(c);
  if (fits(c, size)) return true;
  collapse(c, q);
  if (fits(c, size)) return true;
  pruneOutOfOrder(c, q, seq, size);
  if (fits(c, size)) return true;
  c.owner.inc(TcpExt.RcvPruned);
  c.predFlags = 0;
  return false;
}

/** Packs the in-order buffers into as few pages as their bytes need, when that saves something. */
function collapse(c: Connection, q: ReceiveQueue): void {
  if (q.buffers < 2) return;
  const bytes = (c.rcvNxt - c.copiedSeq) >>> 0;
  const now = q.markedSize();
  const packed = Math.ceil(bytes / 3500) * (4096 + 576);
  if (packed >= now) return;
  const gone = q.collapse(c.rcvNxt, packed);
  unchargeReceive(c, now - packed);
  c.owner.add(TcpExt.TCPRcvCollapsed, gone);
}

/** Throws the last out-of-order ranges away, an eighth of the buffer at a time. */
function pruneOutOfOrder(c: Connection, q: ReceiveQueue, seq: number, size: number): void {
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
      if (fits(c, size)) break;
      goal = c.rcvBuf >> 3;
    }
  }
  if (!pruned) return;
  c.owner.inc(TcpExt.OfoPruned);
  c.sackCount = 0;
  c.dsack = false;
}
