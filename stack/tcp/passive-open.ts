/**
 * Segments for a listener and its half-open requests: RFC 9293 3.10.7.2 (LISTEN) and 3.10.7.4 (SYN-RECEIVED), RFC 7323 5 (PAWS before
 * the connection exists), RFC 4987 3.6 (cookies), RFC 7413 4.2 (Fast Open). In Linux's order of checks, which the counters show.
 */
import { Tcp, TcpExt } from '../../mib/catalogue/index.js';
import { Probe } from '../../mib/probe/points.js';
import { Destination, type Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import type { Route } from '../ip/protocol.js';
import { Flag, type TcpHeader } from '../wire/tcp.js';
import { aceOf, asksAccEcn } from './accecn.js';
import { firstLook } from './accecn-option.js';
import { AceFail, OptionSeen } from './accecn-state.js';
import type { Connection } from './connection.js';
import { FastOpenBit, FastOpenChild } from './fastopen.js';
import type { Listener } from './listener.js';
import { inWindow, localOf, outOfWindowLimited, remoteOf, timestampMs } from './reply.js';
import { Request } from './request.js';
import { TcpState } from './state.js';
import { CookieOption, InitialWindow, sendSynAck, sendSynAckNow } from './synack.js';
import { COOKIE_VALID_US, decodeOptions, encodeOptions } from './syncookies.js';
import type { TcpLayer } from './tcp.js';

/** The MSS of a peer that does not say one (RFC 9293 3.7.1). */
const DEFAULT_MSS4 = 536;
const DEFAULT_MSS6 = 1220;
const TIMESTAMP_BYTES = 12;
/** tcp_ecn: from this value on, AccECN is granted to who asks. */
const ACCECN_MODES = 3;
/** RFC 7323 5.5: a TS.Recent older than 24 days says nothing. */
const PAWS_MAX_AGE_US = 24 * 86400e6;

const initialWindow = new InitialWindow();
const cookieOption = new CookieOption();

/** A segment for a listening socket. */
export function listenInput(l: Listener, p: Packet, h: TcpHeader): void {
  if ((h.flags & Flag.SYN) === 0) {
    const child = cookieInput(l, p, h);
    if (child === undefined) return;
    if (child) {
      feedChild(l, child, p, h);
      return;
    }
  }
  if (h.flags & Flag.ACK) {
    l.tcp.sendReset(p, h, l.owner);
    return;
  }
  if (h.flags & Flag.RST || (h.flags & Flag.SYN) === 0 || h.flags & Flag.FIN) return;
  synInput(l, p, h, 0);
}

/** The final ACK goes into the new connection; then the user hears of it. */
function feedChild(l: Listener, child: Connection, p: Packet, h: TcpHeader): void {
  child.input(p, h);
  if (child.state !== TcpState.SYN_RECV) l.user?.onAcceptable();
}

/** The request that a SYN makes, its options judged by the sysctls; null when there is no way back. */
function newRequest(l: Listener, p: Packet, h: TcpHeader): Request | null {
  const tcp = l.tcp;
  const sysctl = tcp.env.sysctl.values;
  const local = localOf(p);
  const remote = remoteOf(p);
  const route = tcp.network(local.family).route(remote, local, l.owner, true);
  if (typeof route === 'number') return null;
  const r = new Request(l, local.family, route.source.equals(local) ? route.source : local, remote, route);
  r.localPort = h.destinationPort;
  r.remotePort = h.sourcePort;
  r.rcvIsn = h.seq;
  r.rcvNxt = (h.seq + 1) >>> 0;
  r.peerWindow = h.window;
  r.synTos = p.tos;
  const userMss = l.settings.userMss;
  r.mss = h.mss || (local.family === 4 ? DEFAULT_MSS4 : DEFAULT_MSS6);
  if (userMss && h.mss && userMss < h.mss) r.mss = userMss;
  r.tsOk = h.sawTs && sysctl[Sysctl.tcp_timestamps] !== 0;
  if (r.tsOk) {
    r.tsRecent = h.tsVal;
    r.tsRecentUs = tcp.env.nowUs;
    r.tsOffset = tcp.offsetFor(local, remote);
  }
  r.wscaleOk = h.wscale >= 0 && sysctl[Sysctl.tcp_window_scaling] !== 0;
  r.sndWscale = r.wscaleOk ? h.wscale : 0;
  r.sackOk = h.sackPermitted && sysctl[Sysctl.tcp_sack] !== 0;
  if (h.aoAt !== 0) r.aoIds = (p.bytes[h.aoAt + 3]! << 8) | p.bytes[h.aoAt + 2]!;
  return r;
}

/** What our SYN-ACK will announce: MSS, window and scale. */
function announce(l: Listener, r: Request, route: Route, mssForWindow: number): void {
  const header = l.tcp.network(r.family).headerLength + 20;
  let mss = route.advmss || Math.max(256, Math.min(route.mtu(l.tcp.env.nowUs) - header, 65535 - header));
  const userMss = l.settings.userMss;
  if (userMss && userMss < mss) mss = userMss;
  r.advMss = mss;
  const space = l.settings.rcvbuf >> 1;
  let clamp = l.settings.windowClamp;
  if (l.settings.rcvbufLocked && (clamp > space || clamp === 0)) clamp = space;
  const segment = mssForWindow || mss;
  const payload = segment - (r.tsOk && !mssForWindow ? TIMESTAMP_BYTES : 0);
  initialWindow.select(l.tcp, space, payload, clamp, r.wscaleOk, route.initrwnd);
  r.rcvWnd = initialWindow.window;
  r.rcvWscale = initialWindow.scale;
  r.windowClamp = initialWindow.clamp;
}

/** RFC 9768 3.1.2: what feedback a SYN asks for is granted as far as tcp_ecn lets. */
function agreeEcn(l: Listener, r: Request, p: Packet, h: TcpHeader): void {
  const mode = l.tcp.env.sysctl.values[Sysctl.tcp_ecn]!;
  if (mode >= ACCECN_MODES && asksAccEcn(aceOf(h.flags))) {
    r.ecnOk = true;
    r.accEcnOk = true;
    r.synMark = p.tos & 3;
    return;
  }
  // RFC 3168 6.1.1: an ECN-setup SYN (ECE and CWR) that is not itself marked
  const marked = (p.tos & 3) !== 0 && (h.flags & Flag.AE) === 0;
  const setUp = (h.flags & (Flag.ECE | Flag.CWR)) === (Flag.ECE | Flag.CWR);
  r.ecnOk = setUp && ((mode !== 0 && !marked) || l.congestion.needsEcn);
}

/** A SYN for a listener. `reuseIsn` is not 0 when it takes over a TIME-WAIT pair: such peers are proven and pass the limits. */
export function synInput(l: Listener, p: Packet, h: TcpHeader, reuseIsn: number): void {
  const tcp = l.tcp;
  const sysctl = tcp.env.sysctl.values;
  const cookies = sysctl[Sysctl.tcp_syncookies]!;
  if (p.destination !== Destination.host) {
    l.owner.inc(TcpExt.ListenDrops);
    return;
  }
  let wantCookie = false;
  if (reuseIsn === 0 && (cookies === 2 || l.requestQueueFull())) {
    wantCookie = cookies !== 0;
    l.owner.inc(wantCookie ? TcpExt.TCPReqQFullDoCookies : TcpExt.TCPReqQFullDrop);
    if (!wantCookie) {
      l.owner.inc(TcpExt.ListenDrops);
      return;
    }
  }
  if (l.acceptQueueFull()) {
    l.owner.inc(TcpExt.ListenOverflows);
    l.owner.inc(TcpExt.ListenDrops);
    return;
  }
  h.parseOptions(p);
  const r = newRequest(l, p, h);
  if (!r) {
    l.owner.inc(TcpExt.ListenDrops);
    return;
  }
  if (wantCookie && !r.tsOk) {
    r.wscaleOk = false;
    r.sndWscale = 0;
    r.sackOk = false;
  }
  if (!wantCookie && reuseIsn === 0 && cookies === 0) {
    const most = sysctl[Sysctl.tcp_max_syn_backlog]!;
    if (most - l.requests < most >> 2 && !tcp.metrics.proven(r.local, r.remote)) {
      l.owner.inc(TcpExt.ListenDrops); // the last quarter is for peers that were met before
      return;
    }
  }
  if (!wantCookie || r.tsOk) agreeEcn(l, r, p, h);
  if (wantCookie) {
    r.sndIsn = tcp.cookies.make(r, tcp.env.nowUs);
    l.cookieSent();
    l.owner.inc(TcpExt.SyncookiesSent);
  } else r.sndIsn = reuseIsn || tcp.sequenceFor(r);
  announce(l, r, r.route, 0);
  if (wantCookie) {
    const clock = timestampMs(tcp.env.nowUs);
    sendSynAck(tcp, r, r.tsOk ? encodeOptions(r, clock) : clock, null, l.owner);
    return;
  }
  if (l.settings.saveSyn) r.savedSyn = p.bytes.slice(l.settings.saveSyn === 2 ? p.mac : p.network, p.transport + h.dataOffset);
  answerSyn(l, r, p, h);
}

/** Sends the SYN-ACK: of a connection that Fast Open has made already, or of a queued request. */
function answerSyn(l: Listener, r: Request, p: Packet, h: TcpHeader): void {
  const child = tryFastOpen(l, r, p, h);
  const cookie = cookieOption.bytes ? cookieOption : null;
  if (child) {
    sendSynAckNow(l.tcp, r, cookie, child.owner);
    l.enqueue(child);
    l.user?.onAcceptable();
    return;
  }
  l.addRequest(r);
  sendSynAckNow(l.tcp, r, cookie, l.owner);
}

/** RFC 7413 4.2: the connection that a SYN with a valid cookie makes, or null; `cookieOption` is what the SYN-ACK shall bring. */
function tryFastOpen(l: Listener, r: Request, p: Packet, h: TcpHeader): Connection | null {
  const bits = l.tcp.env.sysctl.values[Sysctl.tcp_fastopen]!;
  const asked = h.fastOpenLength;
  cookieOption.bytes = null;
  cookieOption.experimental = h.fastOpenExperimental;
  if (asked === 0) l.owner.inc(TcpExt.TCPFastOpenCookieReqd);
  const hasData = h.length > 0 || (h.flags & Flag.FIN) !== 0;
  if ((bits & FastOpenBit.server) === 0 || (!hasData && asked < 0) || !l.fastOpen.admits(l)) return null;
  const free = (bits & FastOpenBit.serverNoCookie) !== 0 || l.settings.fastOpenNoCookie;
  const cookies = l.tcp.fastOpenCookies;
  if (!free && asked <= 0) {
    if (asked === 0) cookieOption.bytes = cookies.make(r.local, r.remote);
    return null;
  }
  const match = free ? 1 : cookies.check(p, h.fastOpenAt, asked, r.local, r.remote);
  const child = match > 0 ? fastOpenChild(l, r, p, h) : null;
  if (!child) {
    l.owner.inc(TcpExt.TCPFastOpenPassiveFail);
    if (!free) cookieOption.bytes = cookies.make(r.local, r.remote);
    return null;
  }
  if (match === 2) {
    cookieOption.bytes = cookies.make(r.local, r.remote);
    child.owner.inc(TcpExt.TCPFastOpenPassiveAltKey);
  }
  child.owner.inc(TcpExt.TCPFastOpenPassive);
  return child;
}

function fastOpenChild(l: Listener, r: Request, p: Packet, h: TcpHeader): Connection | null {
  r.fastOpen = true;
  const child = l.makeChild(r, p, h);
  if (!child) {
    r.fastOpen = false;
    return null;
  }
  l.fastOpen.length++;
  child.fastOpenServer = new FastOpenChild(l, r);
  r.owner = child.owner;
  r.rcvNxt = child.rcvNxt;
  return child;
}

/** RFC 7323 5.3 R1 before there is a connection: TS.Recent is the SYN's, its age about one SYN-ACK time-out. */
function pawsRejects(r: Request, h: TcpHeader, nowUs: number): boolean {
  if (r.tsRecent === 0 || ((h.tsVal - r.tsRecent) | 0) >= 0) return false;
  if (nowUs - r.tsRecentUs >= PAWS_MAX_AGE_US) return false;
  // a RST may be late by more than the peer's clock ticks: only one that is older than the last second is believed to be old
  return (h.flags & Flag.RST) === 0 || nowUs - r.tsRecentUs < 60e6;
}

/**
 * A segment whose 4-tuple has a half-open request (Linux's tcp_check_req); `l` is its listener, or who took over for one that has closed. True: the listener shall look at it (a wrong ACK, which it
 * will answer by RST).
 */
export function requestInput(r: Request, l: Listener, p: Packet, h: TcpHeader): boolean {
  const tcp = l.tcp;
  const flags = h.flags & (Flag.RST | Flag.SYN | Flag.ACK);
  let pawsReject = false;
  let ecrReject = false;
  h.parseOptions(p);
  const sawTs = h.sawTs && tcp.env.sysctl.values[Sysctl.tcp_timestamps] !== 0;
  if (sawTs) {
    if (h.tsEcr !== 0 && r.tsOk) ecrReject = (h.tsEcr - r.tsSentFirst) >>> 0 > (r.tsSentLast - r.tsSentFirst) >>> 0;
    pawsReject = r.tsOk && pawsRejects(r, h, tcp.env.nowUs);
  }
  if (h.seq === r.rcvIsn && flags === Flag.SYN && !pawsReject) {
    repeatedSyn(r, p, h);
    return false;
  }
  if ((flags & (Flag.ACK | Flag.RST)) === Flag.ACK && h.ack !== (r.sndIsn + 1) >>> 0) return true;
  const end = (r.rcvNxt + Math.min(r.rcvWnd, 0xffff)) >>> 0;
  if (pawsReject || ecrReject || !inWindow(h.seq, h.endSeq, r.rcvNxt, end)) {
    rejected(r, p, h, pawsReject, ecrReject);
    return false;
  }
  if (r.accEcnOk && h.accEcnCount >= 0 && r.accEcnSeen < OptionSeen.counters) r.accEcnSeen = firstLook(h);
  if (sawTs && ((h.seq - r.rcvNxt) | 0) <= 0) {
    r.tsRecent = h.tsVal;
    r.tsRecentUs = tcp.env.nowUs;
  }
  if (flags & Flag.RST && h.seq !== r.rcvNxt) {
    challenge(r, p, h);
    return false;
  }
  const syn = h.seq === r.rcvIsn ? 0 : flags & Flag.SYN; // a SYN below the window was cut off
  if (syn || flags & Flag.RST) {
    l.owner.inc(Tcp.AttemptFails);
    embryonicReset(r, p, h);
    return false;
  }
  if ((flags & Flag.ACK) === 0) return false;
  finalAck(r, l, p, h);
  return false;
}

/** The same SYN again: so is the SYN-ACK, at most once per tcp_invalid_ratelimit. */
function repeatedSyn(r: Request, p: Packet, h: TcpHeader): void {
  const l = r.listener;
  if (outOfWindowLimited(l.tcp, h, r.lastOowAckUs, TcpExt.TCPACKSkippedSynRecv, l.owner)) return;
  r.lastOowAckUs = l.tcp.env.nowUs;
  if (r.accEcnOk) {
    // RFC 9768 3.1.5: the latest SYN counts; one without flags was bleached, or they had been the reason for its loss
    r.synMark = p.tos & 3;
    if (aceOf(h.flags) === 0) r.accEcnFail |= AceFail.receive;
  }
  if (l.resendSynAck(r)) l.rearmRequest(r);
}

/** Answers what is not acceptable by an ACK of what is expected, at most once per tcp_invalid_ratelimit. False: it was skipped, and counted. */
function answered(r: Request, p: Packet, h: TcpHeader, skipped: number): boolean {
  const l = r.listener;
  if (outOfWindowLimited(l.tcp, h, r.lastOowAckUs, skipped, l.owner)) return false;
  if (h.endSeq === h.seq || h.flags & Flag.SYN) r.lastOowAckUs = l.tcp.env.nowUs;
  const clock = (timestampMs(l.tcp.env.nowUs) + r.tsOffset) >>> 0;
  const window = Math.min(r.rcvWnd, 0xffff) >>> r.rcvWscale;
  l.tcp.sendAck(p, h, l.owner, r.sndIsn + 1, r.rcvNxt, window, clock, r.tsOk ? r.tsRecent : 0, r.synTos & ~3, r.txHash);
  return true;
}

/** RFC 5961 3.2: a RST in the window that is not the next expected number may be a forgery. */
function challenge(r: Request, p: Packet, h: TcpHeader): void {
  if (answered(r, p, h, TcpExt.TCPACKSkippedChallenge)) r.listener.owner.inc(TcpExt.TCPChallengeACK);
}

function rejected(r: Request, p: Packet, h: TcpHeader, paws: boolean, ecr: boolean): void {
  const l = r.listener;
  if ((h.flags & Flag.RST) === 0) answered(r, p, h, TcpExt.TCPACKSkippedSynRecv);
  if (paws) l.owner.inc(TcpExt.PAWSEstab);
  else if (ecr) l.owner.inc(TcpExt.TSEcrRejected);
}

/** A RST, or a SYN where none may be, ends the request. */
function embryonicReset(r: Request, p: Packet, h: TcpHeader): void {
  const l = r.listener;
  if ((h.flags & Flag.RST) === 0) {
    l.owner.fire(Probe.tcpAcceptRefused, h.sourcePort, h.destinationPort);
    l.tcp.sendReset(p, h, l.owner);
  }
  if (l.dropRequest(r)) l.owner.inc(TcpExt.EmbryonicRsts);
}

function finalAck(r: Request, l: Listener, p: Packet, h: TcpHeader): void {
  const moved = l !== r.listener;
  if (r.timeouts < l.settings.deferAccept && h.endSeq === (r.rcvIsn + 1) >>> 0) {
    r.acked = true;
    l.owner.inc(TcpExt.TCPDeferAcceptDrop);
    return;
  }
  const child = l.makeChild(r, p, h);
  if (moved) l.owner.inc(child ? TcpExt.TCPMigrateReqSuccess : TcpExt.TCPMigrateReqFailure);
  if (child) {
    l.enqueue(child);
    feedChild(l, child, p, h);
    return;
  }
  if (l.tcp.env.sysctl.values[Sysctl.tcp_abort_on_overflow] === 0) r.acked = true;
  else embryonicReset(r, p, h);
}

/**
 * Does an ACK for a listener bring back a SYN cookie? The connection that it makes; null when the listener shall go on with the segment;
 * undefined when it is dropped.
 */
function cookieInput(l: Listener, p: Packet, h: TcpHeader): Connection | null | undefined {
  const tcp: TcpLayer = l.tcp;
  const nowUs = tcp.env.nowUs;
  if (!tcp.env.sysctl.values[Sysctl.tcp_syncookies] || (h.flags & Flag.ACK) === 0 || h.flags & Flag.RST) return null;
  if (nowUs - l.newestCookieUs() > COOKIE_VALID_US) return null;
  const isn = (h.ack - 1) >>> 0;
  const irs = (h.seq - 1) >>> 0;
  const mss = tcp.cookies.check(isn, irs, localOf(p), h.destinationPort, remoteOf(p), h.sourcePort, nowUs);
  if (mss === 0) {
    l.owner.inc(TcpExt.SyncookiesFailed);
    return null;
  }
  l.owner.inc(TcpExt.SyncookiesRecv);
  h.parseOptions(p);
  const r = newRequest(l, p, h);
  if (!r) return undefined;
  r.fromCookie = true;
  r.sndIsn = isn;
  r.rcvIsn = irs;
  r.rcvNxt = h.seq;
  r.mss = mss;
  r.synAckUs = 0;
  const timestamps = r.tsOk && h.tsEcr !== 0;
  r.tsOk = false;
  if (h.sawTs && timestamps && !decodeOptions(r, (h.tsEcr - r.tsOffset) >>> 0, tcp.env.sysctl)) return null;
  r.accEcnOk = r.ecnOk && aceOf(h.flags) > 1; // RFC 9768 5.1: the third ACK tells
  announce(l, r, r.route, mss);
  const child = l.makeChild(r, p, h);
  if (!child) return undefined;
  l.enqueue(child);
  return child;
}
