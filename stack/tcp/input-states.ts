/** Segments in states other than ESTABLISHED (RFC 9293 3.10.7.3 SYN-SENT, 3.10.7.4; RFC 7413 4.2.2 for data in our SYN). */
import { Tcp, TcpExt } from '../../mib/catalogue/index.js';
import { Probe } from '../../mib/probe/points.js';
import type { Packet } from '../core/packet.js';
import { Flag, type TcpHeader } from '../wire/tcp.js';
import { crossingSyn, speaksAccEcn, synAckDecides, thirdAck } from './accecn.js';
import { Acceptance, ackInput, updateRtt } from './ack.js';
import { enterQuickAck, pingpong, scheduleAck } from './ack-state.js';
import { challengeAck, outOfWindowLimited } from './challenge.js';
import type { Connection } from './connection.js';
import {
  Ca,
  DELACK_MAX,
  MSS_DEFAULT,
  NO_CHALLENGE_ACK,
  Pending,
  Shut,
  SLOWPATH,
  SYN_ACKED,
  TIMEOUT_MIN,
  TIMEWAIT_LEN,
  TS_OPTION,
  UPDATE_TS_RECENT,
} from './constants.js';
import { ackCheck } from './delayed-ack.js';
import { connectionReset, done, timeWait } from './ending.js';
import { finishConnect, initTransfer } from './established.js';
import { textInput, urgentInput } from './input-data.js';
import { syncMss } from './mss.js';
import { sendCheck } from './output.js';
import { sendAckOfSyn } from './output-segment.js';
import { followWindow } from './pacing.js';
import { tsNow } from './rtt.js';
import { after, before } from './seq.js';
import { shutdownSend } from './shutdown.js';
import { TcpState } from './state.js';
import { simultaneousSynAck, synAnswered } from './syn.js';
import { endBout } from './timeout-sums.js';
import { armAckTimer, armKeepalive, armTransmit, finTime, rearmRto } from './timers.js';
import { pawsPasses, storeTsRecent } from './timestamps.js';
import { tryUndoRecovery } from './undo.js';
import { fastPathOn, initialRcvMss } from './window.js';

// ---- SYN-SENT

/** Takes the options of a SYN or SYN-ACK that answers ours. */
function takeSynOptions(c: Connection, h: TcpHeader): void {
  c.sawTs = h.sawTs;
  c.rcvTsVal = h.tsVal;
  c.rcvTsEcr = h.sawTs && h.tsEcr !== 0 ? (h.tsEcr - c.tsOffset) >>> 0 : 0;
}
/** The MSS a SYN offers, bounded by TCP_MAXSEG. */
function mssOffer(c: Connection, h: TcpHeader): number {
  const mss = h.mss || MSS_DEFAULT;
  const user = c.settings.userMss;
  return user ? Math.min(user, mss) : mss;
}
function applySynOptions(c: Connection, h: TcpHeader, offered: SynOffer): void {
  c.sawTs = h.sawTs && offered.ts;
  c.mssClamp = mssOffer(c, h);
  c.sackOk = h.sackPermitted && offered.sack;
  c.wscaleOk = h.wscale >= 0 && offered.wscale;
  c.sndWscale = c.wscaleOk ? h.wscale : 0;
  if (!c.wscaleOk) {
    c.rcvWscale = 0;
    c.windowClamp = Math.min(c.windowClamp, 65535);
  }
  if (c.sawTs) {
    c.tsOk = true;
    c.headerLength = 20 + TS_OPTION;
    c.advmss -= TS_OPTION;
    storeTsRecent(c);
  } else {
    c.tsOk = false;
    c.headerLength = 20;
  }
}
/** What our SYN offered. */
export interface SynOffer {
  readonly ts: boolean;
  readonly sack: boolean;
  readonly wscale: boolean;
}

export function synSentInput(c: Connection, p: Packet, h: TcpHeader): void {
  h.parseOptions(p);
  takeSynOptions(c, h);
  if (h.flags & Flag.ACK) synSentAck(c, p, h);
  else synSentNoAck(c, p, h);
}

function synSentAck(c: Connection, p: Packet, h: TcpHeader): void {
  if (!after(h.ack, c.sndUna) || after(h.ack, c.sndNxt)) {
    if (c.retransmits === 0) armTransmit(c, Pending.retransmit, TIMEOUT_MIN);
    c.tcp.sendReset(p, h, c.owner, c.txHash | 0);
    return;
  }
  if (c.sawTs && c.rcvTsEcr !== 0) {
    const sent = (tsNow(c) - c.loss.retransStamp) >>> 0;
    if ((c.rcvTsEcr - c.loss.retransStamp) >>> 0 > sent) {
      c.owner.inc(TcpExt.PAWSActive);
      c.tcp.sendReset(p, h, c.owner, c.txHash | 0);
      return;
    }
  }
  if (h.flags & Flag.RST) {
    c.owner.fire(Probe.tcpConnectRefused, h.sourcePort, h.destinationPort);
    connectionReset(c);
    return;
  }
  if ((h.flags & Flag.SYN) === 0) return;
  synAckDecides(c, p.tos, h);
  c.sndWl1 = h.seq;
  const l = c.loss;
  if (l.undoMarked && l.retransStamp !== 0 && c.sawTs && l.retransStamp === c.rcvTsEcr) l.undoMarked = false;
  const offered = c.synOffer!;
  c.sackOk = h.sackPermitted && offered.sack;
  c.mssClamp = mssOffer(c, h); // the window update in this ACK computes the MSS, and the pacing rate is set by it
  ackInput(c, h, SLOWPATH);
  c.irs = h.seq;
  c.rcvNxt = (h.seq + 1) >>> 0;
  c.rcvWup = c.rcvNxt;
  c.sndWnd = h.window;
  applySynOptions(c, h, offered);
  syncMss(c, c.pmtu);
  initialRcvMss(c);
  c.copiedSeq = c.rcvNxt;
  finishConnect(c);
  const failed = synAnswered(c, p, h);
  const user = c.user;
  user?.onEstablished(c);
  if (failed || c.state === TcpState.CLOSE) return;
  if (c.writePending || pingpong(c)) {
    // data will follow at once and carry the ACK
    scheduleAck(c);
    enterQuickAck(c);
    armAckTimer(c, c.env.nowUs + DELACK_MAX);
  } else sendAckOfSyn(c);
  urgentInput(c, p, h);
  sendCheck(c);
}

/** A SYN without ACK: both ends open at once (RFC 9293 3.5). */
function synSentNoAck(c: Connection, p: Packet, h: TcpHeader): void {
  if (h.flags & Flag.RST || (h.flags & Flag.SYN) === 0) return;
  if (c.tsRecentUs > 0 && c.sawTs && !pawsPasses(c, 0)) return;
  const rcvWscale = c.rcvWscale;
  applySynOptions(c, h, c.synOffer!);
  c.rcvWscale = rcvWscale; // Linux keeps what its SYN said here
  c.setState(TcpState.SYN_RECV);
  c.irs = h.seq;
  c.rcvNxt = (h.seq + 1) >>> 0;
  c.copiedSeq = c.rcvNxt;
  c.rcvWup = c.rcvNxt;
  c.sndWnd = h.window;
  c.sndWl1 = h.seq;
  c.maxWindow = c.sndWnd;
  crossingSyn(c, p.tos, h);
  syncMss(c, c.pmtu);
  initialRcvMss(c);
  simultaneousSynAck(c);
}

// ---- the other states, after the first four checks

export function stateInput(c: Connection, p: Packet, h: TcpHeader): void {
  const verdict = ackInput(c, h, SLOWPATH | UPDATE_TS_RECENT | NO_CHALLENGE_ACK);
  if (verdict !== Acceptance.ok) {
    if (c.state === TcpState.SYN_RECV) {
      c.tcp.sendReset(p, h, c.owner, c.txHash | 0);
      return;
    }
    if (verdict === Acceptance.bad) {
      challengeAck(c);
      return;
    }
  }
  if (ackMovesState(c, p, h)) return;
  urgentInput(c, p, h);
  if (!stateText(c, p, h)) return;
  if ((c.state as number) === TcpState.CLOSE) return;
  sendCheck(c);
  ackCheck(c);
}

/** The fifth check: what the ACK does to the state. True: the segment is done with. */
function ackMovesState(c: Connection, p: Packet, h: TcpHeader): boolean {
  switch (c.state) {
    case TcpState.SYN_RECV:
      passiveEstablished(c, h);
      return false;
    case TcpState.FIN_WAIT1:
      if (c.fastOpenServer) fastOpenEstablished(c);
      return finAcknowledged(c, p, h);
    case TcpState.CLOSING:
      if (c.sndUna !== c.writeSeq) return false;
      timeWait(c, TcpState.TIME_WAIT, 0);
      return true;
    case TcpState.LAST_ACK:
      if (c.sndUna !== c.writeSeq) return false;
      c.tcp.metrics.save(c);
      done(c);
      return true;
    default:
      return false;
  }
}

function passiveEstablished(c: Connection, h: TcpHeader): void {
  c.loss.delivered++;
  if (c.rtt.srttUs === 0 && c.synAckUs > 0) updateRtt(c, SYN_ACKED, c.env.nowUs - c.synAckUs, -1, c.env.nowUs - c.synAckUs);
  if (c.tsOk) c.advmss -= TS_OPTION;
  if (c.fastOpenServer) fastOpenEstablished(c);
  else {
    const l = c.loss;
    if (l.undoMarked && l.retransStamp !== 0 && c.sawTs && l.retransStamp === c.rcvTsEcr) l.undoMarked = false;
    l.retransStamp = 0;
    initTransfer(c);
    c.copiedSeq = c.rcvNxt;
  }
  c.setState(TcpState.ESTABLISHED);
  c.owner.fire(Probe.tcpAcceptEstablished, c.remotePort, c.localPort);
  c.user?.onEstablished(c);
  c.sndUna = h.ack;
  c.sndWnd = h.window * 2 ** c.sndWscale;
  c.sndWl1 = h.seq;
  if (c.congestion.control === null) followWindow(c);
  c.lsndTimeUs = c.env.nowUs;
  initialRcvMss(c);
  if (speaksAccEcn(c)) thirdAck(c, h);
  fastPathOn(c);
  if (c.shutdown & Shut.send) shutdownSend(c);
}

/** The handshake of a connection that Fast Open made is over. */
function fastOpenEstablished(c: Connection): void {
  if (c.loss.caState === Ca.loss && c.packetsOut === 0) tryUndoRecovery(c);
  endBout(c);
  c.retransmits = 0;
  c.fastOpenServer?.done(c, false);
  c.fastOpenServer = null;
  rearmRto(c);
}

/** FIN-WAIT-1 and our FIN is acknowledged. True: the connection is gone. */
function finAcknowledged(c: Connection, p: Packet, h: TcpHeader): boolean {
  if (c.sndUna !== c.writeSeq) return false;
  c.setState(TcpState.FIN_WAIT2);
  c.shutdown |= Shut.send;
  if (!c.orphan) {
    c.user?.onWritable(c);
    return false;
  }
  const fin = (h.flags & Flag.FIN) !== 0;
  if (c.settings.linger2 < 0 || newDataForNobody(c, h, fin)) {
    if (c.fastOpen && fin && c.settings.linger2 >= 0) c.tcp.fastOpen.blackhole(c);
    c.owner.inc(TcpExt.TCPAbortOnData);
    c.tcp.sendReset(p, h, c.owner, c.txHash | 0);
    done(c);
    return true;
  }
  const wait = finTime(c);
  if (wait > TIMEWAIT_LEN) armKeepalive(c, wait - TIMEWAIT_LEN);
  else if (fin) armKeepalive(c, wait);
  else {
    timeWait(c, TcpState.FIN_WAIT2, wait);
    return true;
  }
  return false;
}
function newDataForNobody(c: Connection, h: TcpHeader, fin: boolean): boolean {
  return h.endSeq !== h.seq && after((h.endSeq - (fin ? 1 : 0)) >>> 0, c.rcvNxt);
}

/** The seventh check. False: the connection was reset for it. */
function stateText(c: Connection, p: Packet, h: TcpHeader): boolean {
  const s = c.state;
  const closing = s === TcpState.CLOSE_WAIT || s === TcpState.CLOSING || s === TcpState.LAST_ACK;
  if (closing && !before(h.seq, c.rcvNxt)) return true;
  if (closing || s === TcpState.FIN_WAIT1 || s === TcpState.FIN_WAIT2) {
    if (c.shutdown & Shut.receive && newDataForNobody(c, h, (h.flags & Flag.FIN) !== 0)) {
      c.owner.inc(TcpExt.TCPAbortOnData);
      c.tcp.sendReset(p, h, c.owner, c.txHash | 0);
      connectionReset(c);
      return false;
    }
    textInput(c, p, h);
    return true;
  }
  if (s === TcpState.ESTABLISHED) textInput(c, p, h);
  return true;
}

/** A segment for a Fast Open child whose SYN-ACK is not acknowledged (tcp_check_req). True: go on with it. */
export function fastOpenChildCheck(c: Connection, h: TcpHeader): boolean {
  const flags = h.flags & (Flag.RST | Flag.SYN | Flag.ACK | Flag.FIN);
  if (h.seq === c.irs && flags === Flag.SYN) {
    if (!outOfWindowLimited(c, h, TcpExt.TCPACKSkippedSynRecv)) c.fastOpenServer?.resend(c);
    return false;
  }
  if (flags & Flag.ACK && (h.ack - (c.iss + 1)) >>> 0 > (c.sndNxt - (c.iss + 1)) >>> 0) return true;
  if (flags & Flag.RST && h.seq === c.rcvNxt) {
    c.owner.inc(Tcp.AttemptFails);
    c.fastOpenServer?.done(c, true);
    c.fastOpenServer = null;
    connectionReset(c);
    return false;
  }
  return (flags & Flag.ACK) !== 0;
}
