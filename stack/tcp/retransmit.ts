/** Retransmission: one segment (RFC 9293 3.8.1), the queue of lost ones (RFC 6675, 6937), the tail loss probe (RFC 8985 7). */
import { Tcp, TcpExt } from '../../mib/catalogue/index.js';
import { Errno } from '../core/errno.js';
import { Sysctl } from '../core/sysctl.js';
import { Flag } from '../wire/tcp.js';
import type { Connection } from './connection.js';
import { Ca, EVER_RETRANS, LOST, NAGLE_OFF, Pending, RETRANS, SACKED } from './constants.js';
import { currentMss, maxTsoSegs } from './mss.js';
import { mtuProbeInconclusive } from './mtu-probe.js';
import { PushOne, windowEnd, writeOut } from './output.js';
import { routeOf, transmit } from './output-segment.js';
import { pacingDelay, pacingHolds } from './pacing.js';
import { noteSegment } from './probe-view.js';
import { tsAt } from './rtt.js';
import { adjustPcount, fragment, freeSegment, mayFragment, packetsInFlight, setPcount, trimHead } from './segments.js';
import type { Segment } from './send-queue.js';
import { after, before } from './seq.js';
import { armTransmit, rearmRto } from './timers.js';

/** The original has not even left: it waits for the neighbour's address, or for its time (TCP_TX_DELAY). A copy would be in vain. */
function stillQueued(c: Connection, s: Segment): boolean {
  const early = c.settings.txDelayUs !== 0 && c.env.nowUs < s.sentUs + c.settings.txDelayUs;
  if (!early && !c.route?.waits(c.owner)) return false;
  c.owner.inc(TcpExt.TCPSpuriousRtxHostQueues);
  return true;
}

const SYN_ECN = Flag.SYN | Flag.ECE | Flag.CWR;
/** RFC 3168 6.1.1.1: perhaps a middlebox drops such SYNs. One that asks for AccECN is tried twice (RFC 9768 3.1.4.1). */
function withdrawEcn(c: Connection, s: Segment): void {
  if (c.env.sysctl.values[Sysctl.tcp_ecn_fallback] === 0 || (s.flags & Flag.AE && c.totalRetrans === 0)) return;
  s.flags &= ~(Flag.ECE | Flag.CWR | Flag.AE);
}

/** Sends a segment again, at most `segs` MSS of it. Counts RetransSegs. 0 or -errno. */
export function retransmitOnce(c: Connection, s: Segment, segs: number): number {
  mtuProbeInconclusive(c);
  if (stillQueued(c, s)) return -Errno.EBUSY;
  if (before(s.seq, c.sndUna)) {
    if (s.flags & Flag.SYN) {
      s.flags &= ~Flag.SYN;
      s.seq = (s.seq + 1) >>> 0;
    }
    if (before(s.seq, c.sndUna)) {
      const less = trimHead(c, s, c.sndUna);
      if (less > 0) adjustPcount(c, s, less);
    }
  }
  if (!routeOf(c)) return -Errno.EHOSTUNREACH;
  const mss = currentMss(c);
  let room = (windowEnd(c) - s.seq) | 0;
  if (room <= 0) {
    if (s.seq !== c.sndUna) return -Errno.EAGAIN;
    room = mss; // the window was taken back: this is its probe
  }
  let length = mss * segs;
  if (length > room) length = room - (room % mss) || room;
  if (s.length > length) {
    if (!mayFragment(c, s)) return -Errno.ENOMEM;
    fragment(c, s, length, mss);
  } else {
    const was = s.pcount;
    setPcount(s, mss);
    if (was !== s.pcount) adjustPcount(c, s, was - s.pcount);
    if (s.length < Math.min(room, mss)) collapseNext(c, s, Math.min(room, mss));
  }
  if ((s.flags & SYN_ECN) === SYN_ECN) withdrawEcn(c, s);
  if (c.env.ledger.ring.armed) noteSegment(c, s.seq, s.flags, s.length);
  c.owner.add(Tcp.RetransSegs, s.pcount);
  if (s.flags & Flag.SYN) c.owner.inc(TcpExt.TCPSynRetrans);
  c.totalRetrans += s.pcount;
  c.bytesRetrans += s.length;
  const error = transmit(c, s);
  if (error !== 0) c.owner.add(TcpExt.TCPRetransFail, s.pcount);
  s.sacked |= EVER_RETRANS;
  return error;
}

/** Small segments behind a small one ride along when they fit into one MSS (tcp_retrans_collapse). */
function collapseNext(c: Connection, s: Segment, space: number): void {
  if (s.pcount > 1 || s.sacked & SACKED || s.flags & Flag.SYN) return;
  if (c.env.sysctl.values[Sysctl.tcp_retrans_collapse] === 0) return;
  for (let n = s.next; n !== null && n !== c.sendQueue.sendHead; n = s.next) {
    if (n.pcount > 1 || n.sacked & SACKED || s.eor || s.length + n.length > space) return;
    if (after(n.endSeq, windowEnd(c))) return;
    absorb(c, s, n);
  }
}
function absorb(c: Connection, s: Segment, n: Segment): void {
  const l = c.loss;
  const highest = l.highestSack === n ? s : l.highestSack;
  const hint = l.retransmitHint === n ? s : l.retransmitHint;
  s.endSeq = n.endSeq;
  s.flags |= n.flags;
  s.sacked |= n.sacked & EVER_RETRANS;
  s.eor = n.eor;
  s.truesize += n.length;
  n.truesize -= n.length;
  adjustPcount(c, n, n.pcount);
  freeSegment(c, n);
  l.highestSack = highest;
  l.retransmitHint = hint;
}

/** The same with the scoreboard marked: the segment is now in flight again. */
export function retransmit(c: Connection, s: Segment, segs: number): number {
  const error = retransmitOnce(c, s, segs);
  const l = c.loss;
  if (error === 0) {
    s.sacked |= RETRANS | EVER_RETRANS;
    l.retransOut += s.pcount;
  }
  if (l.retransStamp === 0) l.retransStamp = tsAt(s.sentUs) || 1;
  if (l.undoRetrans < 0) l.undoRetrans = 0;
  l.undoRetrans += s.pcount;
  return error;
}

/** Sends lost segments again as far as the congestion window allows. */
export function retransmitQueue(c: Connection): void {
  if (c.packetsOut === 0) return;
  const l = c.loss;
  const q = c.sendQueue;
  const head = q.rtxHead;
  const maxSegs = maxTsoSegs(c, currentMss(c));
  let hole: Segment | null = null;
  let rearm = false;
  for (let s = l.retransmitHint ?? head; s !== null && s !== q.sendHead; s = s.next) {
    if (c.pacer !== null && pacingHolds(c, c.pacer)) break;
    if (hole === null) l.retransmitHint = s;
    const segs = Math.min(c.sndCwnd - packetsInFlight(c), maxSegs);
    if (segs <= 0 || l.retransOut >= l.lostOut) break;
    const bits = s.sacked;
    if ((bits & LOST) === 0) {
      if (hole === null && (bits & (RETRANS | SACKED)) === 0) hole = s;
      continue;
    }
    if (bits & (SACKED | RETRANS)) continue;
    if (retransmit(c, s, segs) !== 0) break;
    c.owner.add(l.caState === Ca.loss ? TcpExt.TCPSlowStartRetrans : TcpExt.TCPFastRetrans, s.pcount);
    if (l.caState === Ca.cwr || l.caState === Ca.recovery) l.prrOut += s.pcount;
    if (s === head && c.pending !== Pending.reorder) rearm = true;
  }
  if (rearm) armTransmit(c, Pending.retransmit, c.rtoUs + pacingDelay(c));
}

/** RFC 8985 7.3: the probe timeout fired. New data if there is any, else the last segment again. */
export function sendLossProbe(c: Connection): void {
  const l = c.loss;
  if (!l.tlpActive && probeTail(c)) {
    l.tlpHighSeq = c.sndNxt;
    l.tlpActive = true;
    c.owner.inc(TcpExt.TCPLossProbes);
    c.pending = Pending.none;
  }
  rearmRto(c);
}
function probeTail(c: Connection): boolean {
  const l = c.loss;
  const mss = currentMss(c);
  l.tlpRetrans = false;
  const next = c.sendQueue.sendHead;
  if (next) {
    const end = next.length > mss ? (next.seq + mss) >>> 0 : next.endSeq;
    if (!before(windowEnd(c), end)) {
      const was = c.packetsOut;
      writeOut(c, mss, NAGLE_OFF, PushOne.probe);
      return c.packetsOut > was;
    }
  }
  let last = c.sendQueue.rtxTail;
  if (!last) return false;
  if (last.pcount > 1 && last.length > (last.pcount - 1) * mss) last = fragment(c, last, (last.pcount - 1) * mss, mss);
  if (retransmitOnce(c, last, 1) !== 0) return false;
  l.tlpRetrans = true;
  return true;
}
