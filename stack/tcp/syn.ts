/** Our SYN and what becomes of it (RFC 9293 3.10.1, RFC 7413 4.2 client side). */
import { Tcp, TcpExt } from '../../mib/catalogue/index.js';
import { Probe } from '../../mib/probe/points.js';
import { Errno } from '../core/errno.js';
import type { Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import type { Route } from '../ip/protocol.js';
import { Flag, type TcpHeader } from '../wire/tcp.js';
import { ACE_FLAGS, reflectedFlags, speaksAccEcn, speaksClassic } from './accecn.js';
import { enterPingpong } from './ack-state.js';
import { chooseSignature } from './ao/attach.js';
import { currentSsthresh } from './congestion/window.js';
import type { Connection } from './connection.js';
import { Ca, EcnFlag, MAX_OPTION_SPACE, MSS_DEFAULT, Pending, TIMEOUT_INIT } from './constants.js';
import { FastOpenFailure } from './contract.js';
import { synDataReceived } from './input-data.js';
import { chargeSend } from './memory.js';
import { syncMss } from './mss.js';
import { initMtuProbe } from './mtu-probe.js';
import { entail, newSegment } from './output.js';
import { routeOf, transmit, transmitSyn } from './output-segment.js';
import { noteSegment } from './probe-view.js';
import { markLost } from './rack.js';
import { retransmitQueue } from './retransmit.js';
import { tsNow } from './rtt.js';
import { setPcount } from './segments.js';
import type { Segment } from './send-queue.js';
import { signatureBytes } from './signature.js';
import { TcpState } from './state.js';
import { armTransmit, rearmRto } from './timers.js';
import { newTxHash } from './tx-hash.js';
import { setCaState } from './undo.js';
import { fullSpace, initialRcvMss } from './window.js';

/** What MSS this end announces on a route: its metric, else what its MTU leaves. */
export function advertisedMss(c: Connection, route: Route): number {
  const header = c.tcp.network(c.family).headerLength + 20;
  const mss = route.advmss || Math.max(256, Math.min(route.mtu(c.env.nowUs) - header, 65535 - header));
  const user = c.settings.userMss;
  return user && user < mss ? user : mss;
}

/** First window, its scale and clamp (tcp_select_initial_window). */
function selectInitialWindow(c: Connection): void {
  const sysctl = c.env.sysctl.values;
  const space0 = fullSpace(c);
  let clamp = c.settings.windowClamp;
  if (c.settings.rcvbufLocked && (clamp > space0 || clamp === 0)) clamp = space0;
  const bound = clamp || 0xffff * 2 ** 14;
  let space = Math.min(bound, Math.max(0, space0));
  const mss = c.advmss - (c.tsRecentUs > 0 && sysctl[Sysctl.tcp_timestamps] ? 12 : 0);
  if (space > mss) space -= space % mss;
  c.rcvWnd = sysctl[Sysctl.tcp_workaround_signed_windows] ? Math.min(space, 32767) : space;
  if (c.route!.initrwnd) c.rcvWnd = Math.min(c.rcvWnd, c.route!.initrwnd * mss);
  c.rcvWscale = 0;
  if (sysctl[Sysctl.tcp_window_scaling]) {
    const largest = Math.min(Math.max(space, sysctl[Sysctl.tcp_rmem + 2]!, sysctl[Sysctl.rmem_max]!), bound);
    c.rcvWscale = Math.max(0, Math.min(14, 31 - Math.clz32(largest) - 15));
  }
  c.windowClamp = Math.min(0xffff * 2 ** c.rcvWscale, bound);
  c.rcvSsthresh = c.rcvWnd;
}

/** Everything before the SYN. */
function prepare(c: Connection, route: Route): void {
  const sysctl = c.env.sysctl.values;
  c.route = route;
  c.active = true;
  c.txHash = newTxHash(c.family, c.env.random);
  c.synOffer = {
    ts: sysctl[Sysctl.tcp_timestamps] !== 0 && (c.signature === null || c.signature.ao),
    sack: sysctl[Sysctl.tcp_sack] !== 0,
    wscale: sysctl[Sysctl.tcp_window_scaling] !== 0,
  };
  c.tsOffset = c.tcp.timestampOffset(c);
  if (c.iss === 0) c.iss = c.tcp.initialSequence(c);
  c.headerLength = (c.synOffer.ts ? 32 : 20) + signatureBytes(c.signature);
  c.mssClamp = c.settings.userMss || MSS_DEFAULT;
  initMtuProbe(c);
  syncMss(c, route.mtu(c.env.nowUs));
  c.advmss = advertisedMss(c, route);
  if (c.settings.pingpong) enterPingpong(c);
  initialRcvMss(c);
  selectInitialWindow(c);
  c.writeSeq = c.iss;
  c.sndUna = c.iss;
  c.sndSml = c.iss;
  c.sndNxt = c.iss;
  c.rcvNxt = 0;
  c.copiedSeq = 0;
  c.rtoUs = TIMEOUT_INIT;
  c.loss.reordering = sysctl[Sysctl.tcp_reordering]! | 0;
}

/** tcp_ecn: 1 and 4 ask for classic ECN (RFC 3168 6.1.1), 3 for Accurate ECN, whose SYN an older peer takes for a classic one (RFC 9768 3.1). */
function offerEcn(c: Connection, s: Segment): void {
  const mode = c.env.sysctl.values[Sysctl.tcp_ecn]!;
  if (mode !== 1 && mode !== 3 && mode !== 4 && !c.congestion.needsEcn) return;
  s.flags |= Flag.ECE | Flag.CWR;
  c.ecn = EcnFlag.ok;
  if (mode !== 3) return;
  s.flags |= Flag.AE;
  c.ecn = EcnFlag.modes;
}

/** How much of the user's data goes along with the SYN. */
function synDataLength(c: Connection, length: number): number {
  const request = c.fastOpen;
  if (!request) return 0;
  if (length === 0 || (request.cookie === null && !request.noCookie)) return 0;
  // the most a SYN may carry: the cached MSS, else our own, with room for every option a middlebox might add
  const known = request.mss || c.advmss;
  c.mssClamp = c.settings.userMss ? Math.min(c.settings.userMss, known) : known;
  const mss = Math.min(c.route!.mtu(c.env.nowUs) - c.tcp.network(c.family).headerLength - 20, c.mssClamp);
  return Math.max(0, Math.min(mss - MAX_OPTION_SPACE, length));
}

export function connectActive(c: Connection, route: Route, from: Uint8Array | null, at: number, length: number): number {
  const refused = chooseSignature(c);
  if (refused < 0) return refused;
  prepare(c, route);
  c.setState(TcpState.SYN_SENT);
  c.identify(-1);
  if (!routeOf(c)) return -Errno.EHOSTUNREACH;
  c.owner.fire(Probe.tcpConnectRequest, c.remotePort, c.localPort);
  const s = newSegment(c);
  s.flags = Flag.SYN;
  s.endSeq = (s.seq + 1) >>> 0;
  s.pcount = 1;
  c.writeSeq = s.endSeq;
  offerEcn(c, s);
  c.loss.retransStamp = tsNow(c) || 1;
  chargeSend(c, s.truesize);
  c.sendQueue.append(s);
  c.sendQueue.sendHead = null;
  c.packetsOut = 1;
  const data = from ? synDataLength(c, length) : 0;
  if (data > 0) sendSynData(c, s, from!, at, data);
  else transmitSyn(c, s, 0);
  if (c.fastOpen) {
    c.fastOpen.spent = true;
    if (c.fastOpen.cookie === null && !c.fastOpen.noCookie) c.fastOpen.failure = FastOpenFailure.cookieUnavailable;
  }
  c.sndNxt = c.writeSeq;
  c.pushedSeq = c.writeSeq;
  if (c.env.ledger.ring.armed) noteSegment(c, c.iss, Flag.SYN, data);
  c.owner.inc(Tcp.ActiveOpens);
  armTransmit(c, Pending.retransmit, c.rtoUs);
  return 0;
}

/** The SYN with data; the data stays queued as a segment of its own. */
function sendSynData(c: Connection, syn: ReturnType<typeof newSegment>, from: Uint8Array, at: number, length: number): void {
  const s = newSegment(c);
  s.flags = Flag.ACK | Flag.PSH;
  s.endSeq = (s.seq + length) >>> 0;
  s.truesize += length;
  c.sendQueue.write(c.sndUna, s.seq, from, at, length);
  c.writeSeq = s.endSeq;
  setPcount(s, Math.max(length, 1));
  chargeSend(c, s.truesize);
  const error = transmitSyn(c, syn, length);
  entail(c, s);
  c.sendQueue.sendHead = null;
  s.sentUs = c.env.nowUs;
  c.sendQueue.sort(s);
  c.packetsOut += 1;
  c.synData = true;
  c.fastOpen!.copied = length;
  if (error === 0) c.owner.inc(TcpExt.TCPOrigDataSent);
}

/** The SYN-ACK came: was the data in the SYN taken? True: a retransmission has been sent instead of an ACK. */
export function synAnswered(c: Connection, p: Packet, h: TcpHeader): boolean {
  const request = c.fastOpen;
  if (!request) return false;
  const data = c.synData ? c.sendQueue.rtxHead : null;
  const got = h.fastOpenLength;
  const dropped = c.totalRetrans > 0 && got < 0 && data !== null;
  const kind = got >= 0 ? h.fastOpenExperimental : request.experimental;
  c.tcp.fastOpen.remember(c, h.mss, got > 0 ? p : null, h.fastOpenAt, got, kind, dropped);
  if (data) {
    request.failure = c.totalRetrans > 0 ? FastOpenFailure.synRetransmitted : FastOpenFailure.dataNotAcked;
    resendSynData(c);
    c.owner.inc(TcpExt.TCPFastOpenActiveFail);
    return true;
  }
  if (c.synData) {
    c.synDataAcked = true;
    c.owner.inc(TcpExt.TCPFastOpenActive);
    if (c.loss.delivered > 1) c.loss.delivered--;
  }
  if (h.length > 0) synDataReceived(c, p, h);
  return false;
}

/** The peer took the SYN alone: the data is lost by definition and goes again. */
function resendSynData(c: Connection): void {
  const l = c.loss;
  for (let s = c.sendQueue.rtxHead; s !== null && s !== c.sendQueue.sendHead; s = s.next) markLost(c, s);
  l.retransmitHint = null;
  setCaState(c, Ca.loss);
  l.highSeq = c.sndNxt;
  c.sndSsthresh = currentSsthresh(c);
  l.priorSsthresh = 0;
  l.undoMarked = false;
  retransmitQueue(c);
  rearmRto(c);
}

/** SYN-ACK of a simultaneous open: the SYN in the queue now carries an ACK. */
export function simultaneousSynAck(c: Connection): void {
  const s = c.sendQueue.rtxHead;
  if (!s || (s.flags & Flag.SYN) === 0) return;
  s.flags |= Flag.ACK;
  s.flags &= ~ACE_FLAGS;
  if (speaksAccEcn(c)) s.flags |= reflectedFlags(c.accEcn!.synMark);
  else if (speaksClassic(c)) s.flags |= Flag.ECE;
  transmit(c, s);
}
