/**
 * The text of a segment (RFC 9293 3.10.7.4 seventh check): into the queue in order, or beside it with SACK (RFC 2018, 2883 DSACK); the memory
 * that Linux would use is charged, and data is refused or pruned as Linux does when there is too much.
 */
import { TcpExt } from '../../mib/catalogue/index.js';
import type { Packet } from '../core/packet.js';
import { KEEP_FROM } from '../core/packet-pool.js';
import { Sysctl } from '../core/sysctl.js';
import { Flag, type TcpHeader } from '../wire/tcp.js';
import { speaksAccEcn, speaksClassic } from './accecn.js';
import { AceFail } from './accecn-state.js';
import { enterQuickAck, raiseQuickAcks, scheduleAck } from './ack-state.js';
import type { Connection } from './connection.js';
import { AckPending, ATO_MIN, EcnFlag, MAX_QUICKACKS, Urg } from './constants.js';
import { flushCompressedAck } from './delayed-ack.js';
import { finReceived } from './ending.js';
import { charge, chargeReceive, grant, tailroomOf, truesizeOf, unchargeReceive } from './memory.js';
import { makeRoom } from './prune.js';
import { ReceiveQueue } from './receive-queue.js';
import { addSack, removeSacks } from './sack-list.js';
import { after, before } from './seq.js';
import { noteFlowLabel, rehashAfterDuplicate } from './tx-hash.js';
import { fastPathCheck, growForOutOfOrder, growWindow, measureRcvMss, measureReceiverRtt, receiveWindow } from './window.js';

const REMNANT = Flag.FIN | Flag.URG | Flag.SYN | Flag.PSH;

/** A flow whose window has grown beyond this is likely to fill a large ring. */
const LARGE_WINDOW = 131072;

export function queueOf(c: Connection): ReceiveQueue {
  return (c.receiveQueue ??= ReceiveQueue.take(c.rcvSsthresh > LARGE_WINDOW));
}

function advance(c: Connection, seq: number): void {
  c.bytesReceived += (seq - c.rcvNxt) >>> 0;
  c.rcvNxt = seq;
}

/** Puts in-order bytes behind the queue, into its last buffer when the segment joins it and fits; RCV.NXT moves. */
export function queueData(
  c: Connection,
  p: Packet,
  seq: number,
  endSeq: number,
  at: number,
  length: number,
  size: number,
  joins: boolean,
): void {
  const q = queueOf(c);
  if (length === 0) {
    if (joins && q.buffers > 0) c.owner.inc(TcpExt.TCPRcvCoalesce); // a bare FIN rides on the last buffer
  } else {
    if (length >= KEEP_FROM && p.home !== null && p.home.spare) q.keep(p, seq, at, length);
    else q.write(c.copiedSeq, seq, p.bytes, at, length);
    if (joins && q.buffers > 0 && length <= q.tailroom) {
      q.extendMark((seq + length) >>> 0, length);
      c.owner.inc(TcpExt.TCPRcvCoalesce);
    } else {
      chargeReceive(c, size);
      if (q.buffers === 0) q.startAt(seq);
      q.pushMark((seq + length) >>> 0, size, tailroomOf(p));
    }
  }
  advance(c, endSeq);
}

/** Data arrived in order: delayed-ACK engine, window growth (tcp_event_data_recv). */
export function dataReceived(c: Connection, p: Packet, h: TcpHeader, size: number): void {
  const now = c.env.nowUs;
  scheduleAck(c);
  measureSegment(c, p, h, size);
  measureReceiverRtt(c);
  if (c.atoUs === 0) {
    raiseQuickAcks(c, MAX_QUICKACKS);
    c.atoUs = ATO_MIN;
  } else {
    const m = now - c.lrcvTimeUs;
    if (m <= ATO_MIN / 2) c.atoUs = (c.atoUs >> 1) + ATO_MIN / 2;
    else if (m < c.atoUs) c.atoUs = Math.min((c.atoUs >> 1) + m, c.rtoUs);
    else if (m > c.rtoUs) raiseQuickAcks(c, MAX_QUICKACKS); // the sender did not restart its window
  }
  c.lrcvTimeUs = now;
  noteFlowLabel(c, p);
  ecnData(c, p);
  if (h.length >= 128) growWindow(c, h.length, size);
}

function measureSegment(c: Connection, p: Packet, h: TcpHeader, size: number): void {
  const one = p.gsoSize > 0 ? p.gsoSize : h.length;
  measureRcvMss(c, h.length, one, h.dataOffset, (h.flags & Flag.PSH) !== 0, (h.flags & REMNANT) !== 0, size);
}

/** RFC 3168 6.1.3: a CE mark is echoed until the sender says CWR. AccECN counts it elsewhere. */
function ecnData(c: Connection, p: Packet): void {
  if ((c.ecn & EcnFlag.modes) === 0) return;
  const mark = p.tos & 3;
  if (mark !== 0 && c.congestion.needsEcn) c.congestion.dataCame(c, mark === 3);
  if (c.ecn & EcnFlag.accEcn && mark !== 0) return;
  if (mark === 3) {
    if ((c.ecn & EcnFlag.demandCwr) === 0) enterQuickAck(c, 2);
    c.ecn |= EcnFlag.demandCwr | EcnFlag.seen;
  } else if (mark !== 0) c.ecn |= EcnFlag.seen;
  else if (c.ecn & EcnFlag.seen) enterQuickAck(c, 2);
}
function ecnCwr(c: Connection, h: TcpHeader): void {
  if (h.flags & Flag.CWR && speaksClassic(c)) {
    c.ecn &= ~EcnFlag.demandCwr;
    if (h.seq !== h.endSeq) c.ackPending |= AckPending.now;
  }
}

/** Data that came with a SYN or SYN-ACK (RFC 7413): RCV.NXT stands behind the SYN already. */
export function synDataReceived(c: Connection, p: Packet, h: TcpHeader): void {
  if (h.endSeq === c.rcvNxt) return;
  queueData(c, p, c.rcvNxt, h.endSeq, p.payload, h.length, truesizeOf(p), true);
  if (h.flags & Flag.FIN) finReceived(c);
}

// ---- DSACK

/**
 * Data came that is there: our ACK was lost, perhaps for its way. The same a third time: perhaps for its AccECN option (RFC 9768
 * 3.2.3.2.2).
 */
export function spuriousDuplicate(c: Connection, p: Packet, h: TcpHeader): void {
  rehashAfterDuplicate(c, p);
  const a = c.accEcn;
  if (a?.asked && a.optionSent && h.seq === c.dsackStart && speaksAccEcn(c)) a.failMode |= AceFail.optionSend;
}

export function setDsack(c: Connection, seq: number, endSeq: number): void {
  if (!c.sackOk || c.env.sysctl.values[Sysctl.tcp_dsack] === 0) return;
  c.owner.inc(before(seq, c.rcvNxt) ? TcpExt.TCPDSACKOldSent : TcpExt.TCPDSACKOfoSent);
  c.dsack = true;
  c.dsackStart = seq;
  c.dsackEnd = endSeq;
}
function extendDsack(c: Connection, seq: number, endSeq: number): void {
  if (!c.dsack) {
    setDsack(c, seq, endSeq);
    return;
  }
  if (after(seq, c.dsackEnd) || after(c.dsackStart, endSeq)) return;
  if (before(seq, c.dsackStart)) c.dsackStart = seq;
  if (after(endSeq, c.dsackEnd)) c.dsackEnd = endSeq;
}

// ---- text

export function textInput(c: Connection, p: Packet, h: TcpHeader): void {
  if (h.seq === h.endSeq) return;
  ecnCwr(c, h);
  c.dsack = false;
  if (h.seq === c.rcvNxt) {
    inOrder(c, p, h);
    return;
  }
  if (!after(h.endSeq, c.rcvNxt)) {
    spuriousDuplicate(c, p, h);
    c.owner.inc(TcpExt.DelayedACKLost);
    setDsack(c, h.seq, h.endSeq);
    refuse(c);
    return;
  }
  if (!before(h.seq, (c.rcvNxt + receiveWindow(c)) >>> 0)) {
    refuse(c);
    return;
  }
  if (before(h.seq, c.rcvNxt)) {
    setDsack(c, h.seq, c.rcvNxt);
    if (receiveWindow(c) === 0) {
      c.owner.inc(TcpExt.TCPZeroWindowDrop);
      refuse(c);
      return;
    }
    acceptInOrder(c, p, h);
    return;
  }
  outOfOrder(c, p, h);
}

/** Dropped, and acknowledged at once. */
function refuse(c: Connection): void {
  enterQuickAck(c);
  scheduleAck(c);
}

function inOrder(c: Connection, p: Packet, h: TcpHeader): void {
  if (receiveWindow(c) === 0 && !(h.length === 0 && h.flags & Flag.FIN)) {
    c.owner.inc(TcpExt.TCPZeroWindowDrop);
    refuse(c);
    return;
  }
  acceptInOrder(c, p, h);
}

function acceptInOrder(c: Connection, p: Packet, h: TcpHeader): void {
  const size = truesizeOf(p);
  if (!makeRoom(c, h.seq, size)) {
    c.ackPending |= AckPending.noMemory | AckPending.now;
    scheduleAck(c);
    if (!c.orphan) c.user?.onReadable(c);
    if (c.receiveQueue && c.receiveQueue.buffers > 0 && h.length > 0) {
      c.owner.inc(TcpExt.TCPRcvQDrop);
      return;
    }
    grant(c, size);
  }
  const skip = (c.rcvNxt - h.seq) >>> 0;
  const data = h.length - skip;
  queueData(c, p, c.rcvNxt, h.endSeq, p.payload + skip, Math.max(0, data), size, skip === 0);
  if (h.length > 0) dataReceived(c, p, h, size);
  if (h.flags & Flag.FIN) finReceived(c);
  const q = c.receiveQueue;
  if (q !== null && q.ofo.length > 0) {
    joinOutOfOrder(c, q);
    if (q.ofo.length === 0) c.ackPending |= AckPending.now;
  }
  if (c.sackCount > 0) removeSacks(c);
  fastPathCheck(c);
  if (!c.orphan) c.user?.onReadable(c);
}

/** Ranges that RCV.NXT has reached go to the queue. */
function joinOutOfOrder(c: Connection, q: ReceiveQueue): void {
  const dsackHigh = c.rcvNxt;
  while (q.ofo.length > 0) {
    const r = q.ofo[0]!;
    if (after(r.seq, c.rcvNxt)) break;
    if (before(r.seq, dsackHigh)) {
      extendDsack(c, r.seq, before(r.endSeq, dsackHigh) ? r.endSeq : dsackHigh);
    }
    const { seq, endSeq, fin, tailroom } = r;
    const size = q.removeRange(0);
    if (!after(endSeq, c.rcvNxt)) {
      unchargeReceive(c, size);
      continue;
    }
    const length = ((endSeq - c.rcvNxt) >>> 0) - (fin ? 1 : 0);
    if (length > 0 && seq === c.rcvNxt && q.buffers > 0 && length <= q.tailroom) {
      q.extendMark((c.rcvNxt + length) >>> 0, length);
      unchargeReceive(c, size);
      c.owner.inc(TcpExt.TCPRcvCoalesce);
    } else if (length > 0) {
      if (q.buffers === 0) q.startAt(c.rcvNxt);
      q.pushMark((c.rcvNxt + length) >>> 0, size, tailroom);
    } else {
      if (seq === c.rcvNxt && q.buffers > 0) c.owner.inc(TcpExt.TCPRcvCoalesce);
      unchargeReceive(c, size);
    }
    advance(c, endSeq);
    if (fin) {
      finReceived(c);
      break;
    }
  }
}

// ---- out of order

function outOfOrder(c: Connection, p: Packet, h: TcpHeader): void {
  const size = truesizeOf(p);
  noteFlowLabel(c, p);
  ecnData(c, p);
  if (!makeRoom(c, h.seq, size)) {
    c.owner.inc(TcpExt.TCPOFODrop);
    if (!c.orphan) c.user?.onReadable(c);
    return;
  }
  measureSegment(c, p, h, size);
  c.predFlags = 0;
  scheduleAck(c);
  c.rcvOooPack += p.gsoSegs;
  c.owner.inc(TcpExt.TCPOFOQueue);
  const q = queueOf(c);
  if (q.ofo.length === 0) {
    place(c, q, p, h, 0, size);
    if (c.sackOk) {
      c.sackCount = 0;
      addSack(c, h.seq, h.endSeq);
    }
    grown(c, h, size);
    own(c, size);
  } else {
    const kept = insertRange(c, q, p, h, size);
    if (c.sackOk && addSack(c, h.seq, h.endSeq) >= 2) flushCompressedAck(c);
    if (kept) {
      grown(c, h, size);
      own(c, size);
    }
  }
  if (c.user !== null) growForOutOfOrder(c);
}

function grown(c: Connection, h: TcpHeader, size: number): void {
  if (c.sackOk) growWindow(c, h.length, size);
}

/** Writes the bytes and makes a range at index i. */
function place(c: Connection, q: ReceiveQueue, p: Packet, h: TcpHeader, i: number, size: number): void {
  if (h.length > 0) q.write(c.copiedSeq, h.seq, p.bytes, p.payload, h.length);
  q.insertRange(i, h.seq, h.endSeq, size, tailroomOf(p), (h.flags & Flag.FIN) !== 0);
}
/** The buffer is charged, after the window was grown by what was free before. */
function own(c: Connection, size: number): void {
  charge(c, size);
  c.rmemAlloc += size;
}

/** Finds its place among the ranges; overlaps are reported by DSACK. False: all of it was there. */
function insertRange(c: Connection, q: ReceiveQueue, p: Packet, h: TcpHeader, size: number): boolean {
  const list = q.ofo;
  let i = q.rangeAfter(h.seq);
  const left = i > 0 ? list[i - 1]! : null;
  if (left && left.endSeq === h.seq && !left.fin && h.length <= left.tailroom) {
    q.write(c.copiedSeq, h.seq, p.bytes, p.payload, h.length);
    left.endSeq = h.endSeq;
    left.tailroom -= h.length;
    left.fin = (h.flags & Flag.FIN) !== 0;
    c.owner.inc(TcpExt.TCPRcvCoalesce);
    if (i === list.length) {
      grown(c, h, size);
      return false;
    }
    dropCovered(c, q, i, h.seq, h.endSeq);
    grown(c, h, size);
    return false;
  }
  if (left && before(h.seq, left.endSeq)) {
    if (!after(h.endSeq, left.endSeq)) {
      c.owner.inc(TcpExt.TCPOFOMerge);
      setDsack(c, h.seq, h.endSeq);
      return false;
    }
    if (after(h.seq, left.seq)) setDsack(c, h.seq, left.endSeq);
    else {
      extendDsack(c, left.seq, left.endSeq);
      c.owner.inc(TcpExt.TCPOFOMerge);
      unchargeReceive(c, q.removeRange(--i));
    }
  }
  place(c, q, p, h, i, size);
  dropCovered(c, q, i + 1, h.seq, h.endSeq);
  return true;
}

/** Ranges from index i on that the new one covers go. */
function dropCovered(c: Connection, q: ReceiveQueue, i: number, seq: number, endSeq: number): void {
  void seq;
  while (i < q.ofo.length) {
    const r = q.ofo[i]!;
    if (!after(endSeq, r.seq)) return;
    if (before(endSeq, r.endSeq)) {
      extendDsack(c, r.seq, endSeq);
      return;
    }
    extendDsack(c, r.seq, r.endSeq);
    c.owner.inc(TcpExt.TCPOFOMerge);
    unchargeReceive(c, q.removeRange(i));
  }
}

// ---- urgent data (RFC 9293 3.8.5, RFC 6093)

export function urgentInput(c: Connection, p: Packet, h: TcpHeader): void {
  if (h.flags & Flag.URG) noteUrgent(c, h);
  const r = c.rare;
  if (!r || r.urgState !== Urg.notYet) return;
  const offset = (r.urgSeq - h.seq) | 0;
  if (offset < 0 || offset >= h.length) return;
  r.urgByte = p.bytes[p.payload + offset]!;
  r.urgState = Urg.valid;
  if (!c.orphan) c.user?.onReadable(c);
}
function noteUrgent(c: Connection, h: TcpHeader): void {
  let at = h.urgent;
  if (at && c.env.sysctl.values[Sysctl.tcp_stdurg] === 0) at--;
  const seq = (h.seq + at) >>> 0;
  if (after(c.copiedSeq, seq)) return;
  if (before(seq, c.rcvNxt)) return;
  const r = c.needRare();
  if (r.urgState !== Urg.none && !after(seq, r.urgSeq)) return;
  if (r.urgSeq === c.copiedSeq && r.urgState !== Urg.none && !c.settings.oobInline && c.copiedSeq !== c.rcvNxt) {
    c.copiedSeq = (c.copiedSeq + 1) >>> 0; // the old urgent byte was never part of the stream
    const freed = queueOf(c).popRead(c.copiedSeq);
    if (freed > 0) unchargeReceive(c, freed);
  }
  r.urgState = Urg.notYet;
  r.urgSeq = seq;
  c.predFlags = 0;
}
