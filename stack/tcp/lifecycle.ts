/** A connection's beginning from a request, and its end by its user: close, abort, disconnect (RFC 9293 3.6, 3.10.4, 3.10.5; RFC 2525 2.17). */
import { Tcp, TcpExt } from '../../mib/catalogue/index.js';
import { Errno } from '../core/errno.js';
import { Account } from '../core/host-limits.js';
import type { Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import type { TcpHeader } from '../wire/tcp.js';
import { accEcnOf, ecnReceived, thirdAck } from './accecn.js';
import { noteSeen } from './accecn-option.js';
import { updateRtt } from './ack.js';
import { adoptSignature } from './ao/attach.js';
import type { Connection } from './connection.js';
import { EcnFlag, MSS_DEFAULT, Pending, Shut, SYN_ACKED, TIMEOUT_INIT, TIMEWAIT_LEN, TS_OPTION, Urg } from './constants.js';
import { purgeOutOfOrder, purgeSendQueue, timeWait } from './ending.js';
import { initTransfer } from './established.js';
import { synDataReceived } from './input-data.js';
import { settleMemory, unchargeReceive } from './memory.js';
import { syncMss } from './mss.js';
import { sendFin } from './output.js';
import { sendActiveReset } from './output-segment.js';
import { readableBytes } from './receive.js';
import type { Request } from './request.js';
import { closeState } from './shutdown.js';
import { signatureBytes } from './signature.js';
import { TcpState } from './state.js';
import { advertisedMss } from './syn.js';
import { MIN_SNDBUF } from './tcp-memory.js';
import { armKeepalive, armTransmit, finTime, forgetTimers, keepaliveTime } from './timers.js';
import { initialRcvMss } from './window.js';

/** Fills a connection from the request that its final ACK, or its Fast Open SYN, belongs to. */
export function adoptRequest(c: Connection, r: Request, p: Packet, h: TcpHeader): void {
  c.route = r.route;
  c.local = r.local;
  c.remote = r.remote;
  c.localPort = r.localPort;
  c.remotePort = r.remotePort;
  c.txHash = r.txHash;
  c.state = TcpState.SYN_RECV;
  adoptNumbers(c, r);
  adoptOptions(c, r, h);
  adoptHistory(c, r);
  if (r.accEcnOk) adoptAccEcn(c, r, p, h);
  if (h.length >= MSS_DEFAULT + c.headerLength) c.lastSegSize = h.length;
  c.identify(r.listener.owner.row);
  c.owner.inc(Tcp.PassiveOpens);
  syncMss(c, r.route.mtu(c.env.nowUs));
  c.advmss = advertisedMss(c, r.route);
  initialRcvMss(c);
  if (c.settings.keepAlive) armKeepalive(c, keepaliveTime(c));
  if (r.fastOpen) adoptFastOpen(c, p, h);
  else handshakeRtt(c, r, h);
}

function adoptNumbers(c: Connection, r: Request): void {
  c.irs = r.rcvIsn;
  c.rcvNxt = (r.rcvIsn + 1) >>> 0;
  c.rcvWup = c.rcvNxt;
  c.copiedSeq = c.rcvNxt;
  c.sndWl1 = r.rcvIsn;
  c.iss = r.sndIsn;
  const first = (r.sndIsn + 1) >>> 0;
  c.sndUna = first;
  c.sndNxt = first;
  c.sndSml = first;
  c.writeSeq = first;
  c.pushedSeq = first;
}

/** What the handshake agreed on. */
function adoptOptions(c: Connection, r: Request, h: TcpHeader): void {
  c.tsOk = r.tsOk;
  c.sackOk = r.sackOk;
  c.windowClamp = r.windowClamp;
  c.rcvWnd = r.rcvWnd;
  c.rcvSsthresh = r.rcvWnd;
  c.wscaleOk = r.wscaleOk;
  c.sndWscale = r.wscaleOk ? r.sndWscale : 0;
  c.rcvWscale = r.wscaleOk ? r.rcvWscale : 0;
  if (!r.wscaleOk) c.windowClamp = Math.min(c.windowClamp, 65535);
  c.sndWnd = h.window * 2 ** c.sndWscale;
  c.maxWindow = c.sndWnd;
  adoptSignature(c, r);
  c.headerLength = 20 + (r.tsOk ? TS_OPTION : 0) + signatureBytes(c.signature);
  c.tsOffset = r.tsOffset;
  if (r.tsOk) {
    c.tsRecent = r.tsRecent;
    c.tsRecentUs = c.env.nowUs;
  }
  c.mssClamp = r.mss;
  c.ecn = r.accEcnOk ? EcnFlag.accEcn : r.ecnOk ? EcnFlag.ok : 0;
}

/** The handshake's half of AccECN (RFC 9768 3.2.2.1), and the third ACK's own mark. */
function adoptAccEcn(c: Connection, r: Request, p: Packet, h: TcpHeader): void {
  const a = accEcnOf(c);
  a.asked = !r.fromCookie || c.env.sysctl.values[Sysctl.tcp_ecn]! > 2;
  a.synMark = r.synMark;
  a.failMode = r.accEcnFail;
  noteSeen(a, r.accEcnSeen);
  thirdAck(c, h);
  a.lastMark = r.synMark;
  a.demand = 1;
  ecnReceived(c, p.tos, p.gsoSegs, h.length);
}

/** What happened to the SYN-ACK: time-outs may prove spurious. The final ACK counts as received now: what is sent soon answers it. */
function adoptHistory(c: Connection, r: Request): void {
  const l = c.loss;
  c.segsIn = 1; // the SYN
  c.lrcvTimeUs = c.env.nowUs;
  c.totalRetrans = r.retransmits;
  c.rtoUs = TIMEOUT_INIT;
  if (r.timeouts > 0) {
    l.totalRto = r.timeouts;
    l.undoMarker = r.sndIsn;
    l.undoMarked = true;
    l.retransStamp = Math.floor(r.synAckUs / 1000) || 1;
    const rare = c.needRare();
    rare.timeoutBouts = 1;
    rare.boutMs = Math.floor(c.env.nowUs / 1000) - l.retransStamp;
  }
  l.reordering = c.env.sysctl.values[Sysctl.tcp_reordering]! | 0;
  c.savedSyn = r.savedSyn;
}

/** RFC 6298 3: the SYN-ACK's round trip, unless it was sent again (Karn); then the timestamp may tell. */
function handshakeRtt(c: Connection, r: Request, h: TcpHeader): void {
  const rtt = r.retransmits === 0 && r.synAckUs > 0 ? c.env.nowUs - r.synAckUs : -1;
  c.sawTs = c.tsOk && h.sawTs;
  c.rcvTsEcr = c.sawTs && h.tsEcr !== 0 ? (h.tsEcr - c.tsOffset) >>> 0 : 0;
  updateRtt(c, SYN_ACKED, rtt, -1, rtt);
}

/** RFC 7413 4.2.1: the child is there before the handshake ends, with the SYN's data. */
function adoptFastOpen(c: Connection, p: Packet, h: TcpHeader): void {
  c.sndWnd = h.window;
  c.maxWindow = c.sndWnd;
  c.synAckUs = c.env.nowUs;
  armTransmit(c, Pending.retransmit, TIMEOUT_INIT);
  initTransfer(c);
  c.synDataAcked = h.length > 0;
  if (h.length > 0) c.dataSegsIn = 1;
  c.needRare().fastOpenChild = true;
  synDataReceived(c, p, h);
  c.rcvWup = c.rcvNxt;
}

/** close(2). */
export function closeConnection(c: Connection): void {
  c.shutdown = Shut.both;
  const unread = readableBytes(c) > 0;
  dropReceived(c);
  const was = c.state;
  if (c.state !== TcpState.CLOSE) {
    if (unread) {
      c.owner.inc(TcpExt.TCPAbortOnClose);
      c.setState(TcpState.CLOSE);
      sendReset(c);
    } else if (c.settings.lingerOn && c.settings.lingerSeconds === 0) {
      const owner = c.owner;
      endDisconnect(c);
      owner.inc(TcpExt.TCPAbortOnData);
    } else if (closeState(c)) sendFin(c);
  }
  if (c.user) c.user = null;
  c.orphan = true;
  if (was === TcpState.CLOSE) {
    settleMemory(c);
    return;
  }
  if (c.state === TcpState.CLOSE) {
    c.destroy();
    return;
  }
  c.tcp.orphans++;
  c.orphanCounted = true;
  orphaned(c);
}

/** RST while the state says CLOSED already, as Linux counts it. */
function sendReset(c: Connection): void {
  sendActiveReset(c);
}

/** What was received goes; the user will not read it. */
function dropReceived(c: Connection): void {
  const q = c.receiveQueue;
  if (!q) return;
  const freed = q.popRead(c.rcvNxt);
  if (freed > 0) unchargeReceive(c, freed);
  c.copiedSeq = c.rcvNxt;
}

function orphaned(c: Connection): void {
  if (c.state === TcpState.FIN_WAIT2) {
    if (c.settings.linger2 < 0) {
      c.setState(TcpState.CLOSE);
      sendActiveReset(c);
      c.owner.inc(TcpExt.TCPAbortOnLinger);
    } else {
      const wait = finTime(c);
      if (wait > TIMEWAIT_LEN) armKeepalive(c, wait - TIMEWAIT_LEN);
      else {
        timeWait(c, TcpState.FIN_WAIT2, wait);
        return;
      }
    }
  }
  if (c.state !== TcpState.CLOSE && (tooManyOrphans(c, 0) || memoryExhausted(c))) {
    c.setState(TcpState.CLOSE);
    sendActiveReset(c);
    c.owner.inc(TcpExt.TCPAbortOnMemory);
  }
  if (c.state === TcpState.CLOSE) c.destroy();
}

/** tcp_max_orphans; a suspicious orphan counts for more. */
export function tooManyOrphans(c: Connection, shift: number): boolean {
  const orphans = c.tcp.orphans + c.env.limits.others(Account.orphans);
  return orphans * 2 ** shift > c.env.sysctl.values[Sysctl.tcp_max_orphans]!;
}

/** Above the last number of tcp_mem an orphan with data must go. */
export function memoryExhausted(c: Connection): boolean {
  return c.wmemQueued > MIN_SNDBUF && c.tcp.memory.exhausted;
}

function needsReset(state: number): boolean {
  return (
    state === TcpState.ESTABLISHED ||
    state === TcpState.CLOSE_WAIT ||
    state === TcpState.FIN_WAIT1 ||
    state === TcpState.FIN_WAIT2 ||
    state === TcpState.SYN_RECV
  );
}

/** RFC 9293's ABORT: CLOSED, with a RST when the peer knows the connection. */
function endDisconnect(c: Connection): void {
  const was = c.state;
  if (was !== TcpState.CLOSE) c.setState(TcpState.CLOSE);
  if (needsReset(was)) {
    sendReset(c);
    c.error = Errno.ECONNRESET;
  } else if (c.sndNxt !== c.writeSeq && (was === TcpState.CLOSING || was === TcpState.LAST_ACK)) {
    sendReset(c);
    c.error = Errno.ECONNRESET;
  } else if (was === TcpState.SYN_SENT) c.error = Errno.ECONNRESET;
  dropReceived(c);
  purgeSendQueue(c);
  purgeOutOfOrder(c);
  if (c.rare) c.rare.urgState = Urg.none;
}

export function disconnect(c: Connection, errno: number): void {
  if (c.state === TcpState.CLOSE) return;
  endDisconnect(c);
  if (errno) c.error = errno;
  c.destroy();
}

/** CLOSED for good: nothing is left but what a user may still read. */
export function destroy(c: Connection): void {
  if (c.destroyed) return;
  c.destroyed = true;
  forgetTimers(c);
  if (c.fastOpenServer) {
    c.fastOpenServer.done(c, false);
    c.fastOpenServer = null;
  }
  purgeSendQueue(c);
  if (c.orphanCounted) {
    c.orphanCounted = false;
    c.tcp.orphans--;
  }
  if (c.orphan) purgeOutOfOrder(c);
  if (c.user === null) settleMemory(c);
  c.tcp.remove(c);
  c.releaseNumbers(c.user !== null);
  c.user?.onClosed(c);
}
