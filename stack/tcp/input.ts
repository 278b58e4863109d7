/**
 * A segment arrives (RFC 9293 3.10.7.3, 3.10.7.4): header prediction for what is expected in ESTABLISHED, else the checks in their order:
 * PAWS, sequence, RST, SYN (RFC 5961), ACK, URG, text, FIN. Every way out has the counter that Linux has.
 */
import { Tcp, TcpExt } from '../../mib/catalogue/index.js';
import type { Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import { Flag, type TcpHeader } from '../wire/tcp.js';
import { accEcnOf, ecnReceived, speaksAccEcn } from './accecn.js';
import { sawOption } from './accecn-option.js';
import { Acceptance, ackInput, mayUpdateWindow } from './ack.js';
import { ackScheduled, enterQuickAck } from './ack-state.js';
import { challengeAck, outOfWindowLimited } from './challenge.js';
import type { Connection } from './connection.js';
import { DATA, SLOWPATH, UPDATE_TS_RECENT } from './constants.js';
import { ackCheck, ackCheckNow } from './delayed-ack.js';
import { connectionReset } from './ending.js';
import { dataReceived, queueData, setDsack, spuriousDuplicate, textInput, urgentInput } from './input-data.js';
import { fastOpenChildCheck, stateInput, synSentInput } from './input-states.js';
import { truesizeOf } from './memory.js';
import { sendCheck } from './output.js';
import { sendAckNow } from './output-segment.js';
import { after, before } from './seq.js';
import { TcpState } from './state.js';
import { pawsPasses, replaceTsRecent, takeTimestamps } from './timestamps.js';
import { measureReceiverRttByEcho, receiveWindow } from './window.js';

/** Offset, flags (without PSH and the reserved bits) and window: what header prediction compares. */
const PREDICTED_BITS = 0xf1f7ffff;
const TS_ALIGNED = 0x0101080a;
const HEADER_TS = 32;

export function segmentInput(c: Connection, p: Packet, h: TcpHeader): void {
  c.segsIn += p.gsoSegs;
  if (h.length > 0) c.dataSegsIn += p.gsoSegs;
  switch (c.state) {
    case TcpState.ESTABLISHED:
      establishedInput(c, p, h);
      return;
    case TcpState.CLOSE:
      return;
    case TcpState.SYN_SENT:
      synSentInput(c, p, h);
      return;
    default:
      if (c.fastOpenServer !== null && !fastOpenChildCheck(c, h)) return;
      if ((h.flags & (Flag.ACK | Flag.RST | Flag.SYN)) === 0) return;
      if (!validate(c, p, h, false)) return;
      stateInput(c, p, h);
  }
}

function establishedInput(c: Connection, p: Packet, h: TcpHeader): void {
  if (predicted(c, p, h) && fastInput(c, p, h)) return;
  if ((h.flags & (Flag.ACK | Flag.RST | Flag.SYN)) === 0) return;
  if (!validate(c, p, h, true)) return;
  acceptedInput(c, p, h);
}

/** From the fifth check on, in ESTABLISHED. */
function acceptedInput(c: Connection, p: Packet, h: TcpHeader): void {
  ecnReceived(c, p.tos, p.gsoSegs, h.length);
  if (ackInput(c, h, SLOWPATH | UPDATE_TS_RECENT) === Acceptance.bad) return;
  measureReceiverRttByEcho(c, h.length);
  urgentInput(c, p, h);
  textInput(c, p, h);
  if (c.state === TcpState.CLOSE) return;
  sendCheck(c);
  ackCheck(c);
}

/** The header is just what the last one makes expect, and its timestamp (if any) is not older. */
function predicted(c: Connection, p: Packet, h: TcpHeader): boolean {
  const word = (p.view.getUint32(p.transport + 12) & PREDICTED_BITS) >>> 0;
  if (word !== c.predFlags || h.seq !== c.rcvNxt || after(h.ack, c.sndNxt)) return false;
  h.sackCount = 0;
  h.accEcnCount = -1;
  c.sawTs = false;
  if (h.dataOffset !== HEADER_TS) return true;
  if (p.view.getUint32(p.transport + 20) !== TS_ALIGNED) return false;
  h.parseOptions(p);
  takeTimestamps(c, h);
  return ((h.tsVal - c.tsRecent) | 0) >= 0;
}

/** A predicted segment: a pure ACK, or the next data. False: it must take the long way after all. */
function fastInput(c: Connection, p: Packet, h: TcpHeader): boolean {
  if (h.length === 0) {
    if (c.sawTs && c.rcvNxt === c.rcvWup) replaceTsRecent(c, h.seq);
    ecnReceived(c, p.tos, p.gsoSegs, 0);
    ackInput(c, h, 0);
    sendCheck(c);
    if (c.tuned) c.rcvRttTsEcr = c.rcvTsEcr;
    return true;
  }
  if (after(h.endSeq, (c.rcvNxt + receiveWindow(c)) >>> 0)) return false;
  const size = truesizeOf(p);
  if (size > c.forwardAlloc) {
    acceptedInput(c, p, h);
    return true;
  }
  if (c.sawTs && c.rcvNxt === c.rcvWup) replaceTsRecent(c, h.seq);
  measureReceiverRttByEcho(c, h.length);
  c.owner.inc(TcpExt.TCPHPHits);
  ecnReceived(c, p.tos, p.gsoSegs, h.length);
  queueData(c, p, h.seq, h.endSeq, p.payload, h.length, size, true);
  dataReceived(c, p, h, size);
  if (h.ack !== c.sndUna) {
    ackInput(c, h, DATA);
    sendCheck(c);
    if (ackScheduled(c)) ackCheckNow(c, false);
  } else {
    c.sndWl1 = h.seq;
    ackCheckNow(c, false);
  }
  c.user?.onReadable(c);
  return true;
}

// ---- the first four checks

/** An old timestamp on an ACK that is harmless: reordered, not a replay. 0 harmless, 1 an old ACK, 2 refused. */
function disorderedAck(c: Connection, h: TcpHeader): number {
  if ((h.flags & Flag.ACK) === 0 || h.seq !== h.endSeq) return 2;
  if (h.seq !== c.rcvNxt) return before(h.seq, c.rcvNxt) ? 1 : 2;
  if (h.ack !== c.sndUna) return 2;
  if (mayUpdateWindow(c, h.ack, h.seq, h.window * (1 << c.sndWscale))) return 2;
  return ((c.tsRecent - c.rcvTsVal) | 0) > (c.rtoUs * 1.2) / 1000 ? 2 : 0;
}

/** Sequence check: 0 fine, 1 old, 2 beyond the window. */
function sequenceCheck(c: Connection, h: TcpHeader): number {
  if (before(h.endSeq, c.rcvWup)) return 1;
  const limit = (c.rcvNxt + receiveWindow(c)) >>> 0;
  if (!after(h.endSeq, limit)) return 0;
  if (!after((h.endSeq - (h.flags & Flag.FIN)) >>> 0, limit)) return 0; // the FIN alone is over
  if (after(h.seq, limit)) return 2;
  const q = c.receiveQueue;
  return q !== null && q.buffers > 0 ? 2 : 0; // an empty queue takes what overshoots
}

/** RST just below RCV.NXT, after a FIN that it may not have seen. */
function resetBelowFin(c: Connection, h: TcpHeader): boolean {
  const closing = c.state === TcpState.CLOSE_WAIT || c.state === TcpState.LAST_ACK || c.state === TcpState.CLOSING;
  return closing && h.seq === (c.rcvNxt - 1) >>> 0;
}

/** PAWS, sequence, RST, SYN. False: the segment is dealt with. */
export function validate(c: Connection, p: Packet, h: TcpHeader, synIsError: boolean): boolean {
  c.sawTs = false;
  h.sackCount = 0;
  h.accEcnCount = -1;
  if (h.dataOffset > 20) {
    h.parseOptions(p);
    takeTimestamps(c, h);
  }
  if (c.sawTs && !pawsPasses(c, 1)) {
    const verdict = disorderedAck(c, h);
    if (verdict !== 0 && (h.flags & Flag.RST) === 0) {
      if (h.flags & Flag.SYN) synChallenge(c, synIsError);
      else pawsRefuse(c, p, h, verdict);
      return false;
    }
  }
  const where = sequenceCheck(c, h);
  if (where !== 0) {
    notAcceptable(c, p, h, where, synIsError);
    return where === 2 && onlyItsAck(c, h);
  }
  if (h.flags & Flag.RST) {
    resetInput(c, h);
    return false;
  }
  if (h.flags & Flag.SYN) {
    const crossed = c.state === TcpState.SYN_RECV && c.user !== null && (h.flags & Flag.ACK) !== 0;
    if (crossed && h.length === 0 && (h.flags & Flag.FIN) === 0 && h.endSeq === c.rcvNxt && h.ack === c.sndNxt) return true;
    if (speaksAccEcn(c)) noteSyn(c, p, h);
    synChallenge(c, synIsError, true);
    return false;
  }
  return true;
}

function pawsRefuse(c: Connection, p: Packet, h: TcpHeader, verdict: number): void {
  if (verdict === 1) {
    c.owner.inc(TcpExt.PAWSOldAck);
    return;
  }
  c.owner.inc(TcpExt.PAWSEstab);
  if (!outOfWindowLimited(c, h, TcpExt.TCPACKSkippedPAWS)) duplicateAck(c, p, h);
}

function notAcceptable(c: Connection, p: Packet, h: TcpHeader, where: number, synIsError: boolean): void {
  if (h.flags & Flag.RST) {
    if (resetBelowFin(c, h)) connectionReset(c);
    return;
  }
  if (h.flags & Flag.SYN) {
    synChallenge(c, synIsError);
    return;
  }
  if (where === 2) c.owner.inc(TcpExt.BeyondWindow);
  if (!outOfWindowLimited(c, h, TcpExt.TCPACKSkippedSeq)) duplicateAck(c, p, h);
}

/**
 * RFC 9293 3.10.7.4: nothing is acceptable while RCV.WND is zero, but valid ACKs are due an exception. Linux 6.18 makes none. When a window shuts
 * on data that is under way (its memory was gone: noMemory), the peer's numbers are ahead of ours and each of its ACKs is refused; if our user
 * reads no further until what it wrote is gone, as an echo does, both ends wait for ever. So what is counted is Linux's until a timer of ours
 * has run out; from then on, until data is taken again, such segments are cut down to their ACK. True when that is left.
 */
function onlyItsAck(c: Connection, h: TcpHeader): boolean {
  if (receiveWindow(c) !== 0 || (h.flags & (Flag.ACK | Flag.RST | Flag.SYN)) !== Flag.ACK) return false;
  if (c.retransmits === 0 && c.probesOut === 0 && c.rare?.ackOnlyAt !== c.rcvNxt) return false;
  c.needRare().ackOnlyAt = c.rcvNxt;
  h.flags &= ~(Flag.FIN | Flag.URG | Flag.PSH);
  h.seq = c.rcvNxt;
  h.endSeq = c.rcvNxt;
  h.length = 0;
  return true;
}

/** RFC 5961 3.2: the exact number, or the end of the last SACK block, resets; others are challenged. */
function resetInput(c: Connection, h: TcpHeader): void {
  if (h.seq === c.rcvNxt || resetBelowFin(c, h)) {
    connectionReset(c);
    return;
  }
  if (c.sackOk && c.sackCount > 0) {
    const sacks = c.sacks!;
    let most = sacks[1]!;
    for (let i = 1; i < c.sackCount; i++) if (after(sacks[2 * i + 1]!, most)) most = sacks[2 * i + 1]!;
    if (h.seq === most) {
      connectionReset(c);
      return;
    }
  }
  if (c.fastOpen && c.dataSegsIn === 0 && c.state === TcpState.ESTABLISHED) c.tcp.fastOpen.blackhole(c);
  challengeAck(c);
}

/** A SYN-ACK came again: RFC 9768 3.1.5 answers for the latest. */
function noteSyn(c: Connection, p: Packet, h: TcpHeader): void {
  const a = accEcnOf(c);
  if (a.asked) a.synMark = p.tos & 3;
  if (sawOption(a, h)) a.demand = Math.max(a.demand, 1);
}

/** RFC 5961 4.2. */
function synChallenge(c: Connection, synIsError: boolean, inOrder = false): void {
  if (synIsError) c.owner.inc(Tcp.InErrs);
  c.owner.inc(TcpExt.TCPSYNChallenge);
  challengeAck(c, inOrder);
}

/** Answers a segment that is not acceptable: an ACK, with a DSACK for old data (RFC 2883). */
function duplicateAck(c: Connection, p: Packet, h: TcpHeader): void {
  if (h.endSeq !== h.seq && before(h.seq, c.rcvNxt)) {
    c.owner.inc(TcpExt.DelayedACKLost);
    enterQuickAck(c);
    if (c.sackOk && c.env.sysctl.values[Sysctl.tcp_dsack] !== 0) {
      spuriousDuplicate(c, p, h);
      setDsack(c, h.seq, after(h.endSeq, c.rcvNxt) ? c.rcvNxt : h.endSeq);
    }
  }
  sendAckNow(c);
}
