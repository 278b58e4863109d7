/**
 * One segment onto the wire: options, header, window, checksum left to the device (RFC 9293 3.1; Linux's __tcp_transmit_skb). It is built in
 * the layer's scratch packet; data is copied once, from the send ring.
 */
import { Tcp, TcpExt } from '../../mib/catalogue/index.js';
import { Probe } from '../../mib/probe/points.js';
import { pseudoSum } from '../core/checksum.js';
import { Errno } from '../core/errno.js';
import { Csum, Gso, type Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import { TX_TRANSPORT } from '../ip/protocol.js';
import { PmtuDiscovery } from '../socket/ip-options.js';
import { emitTcp, Flag, Opt, TCP_HEADER } from '../wire/tcp.js';
import { aceFlags, mayMark, reflectedFlags, speaksAccEcn } from './accecn.js';
import {
  fit,
  fitEstablished,
  leftover,
  noLeftover,
  optionSent,
  writeLeftover,
  writeOption,
  writeSackPermitted,
  writeScale,
  writeSynAckOption,
} from './accecn-option.js';
import { Mark } from './accecn-state.js';
import { ackSent, flushCompressed } from './ack-state.js';
import type { Connection } from './connection.js';
import { EcnFlag, MAX_OPTION_SPACE, NEVER, TS_OPTION } from './constants.js';
import { markSent } from './delivery-rate.js';
import { pace } from './pacing.js';
import { noteSegment } from './probe-view.js';
import { tsNow } from './rtt.js';
import type { Segment } from './send-queue.js';
import { after, before } from './seq.js';
import { signatureBytes } from './signature.js';
import { TcpState } from './state.js';
import { stampSent } from './tx-stamps.js';
import { selectWindow } from './window.js';

const CHECKSUM_AT = 16;
const EXPERIMENTAL_MAGIC = 0xf989;

/** How many SACK blocks go into `room` bytes: what there is, as far as it fits. */
function sackBlocks(c: Connection, room: number): number {
  const blocks = c.sackCount + (c.dsack ? 1 : 0);
  return blocks === 0 ? 0 : Math.min(blocks, Math.max(0, room - 4) >> 3);
}

/** Option bytes of a segment that is not a SYN; `fit` then says what AccECN's option is and how many SACK blocks go beside it. */
export function establishedOptionBytes(c: Connection): number {
  const fixed = signatureBytes(c.signature) + (c.tsOk ? TS_OPTION : 0);
  const blocks = sackBlocks(c, MAX_OPTION_SPACE - fixed);
  const size = fixed + (blocks > 0 ? 4 + 8 * blocks : 0);
  return size + fitEstablished(c, MAX_OPTION_SPACE - size, blocks);
}

function writeEstablishedOptions(c: Connection, p: Packet, ownTs: number): number {
  establishedOptionBytes(c);
  const v = p.view;
  let at = p.transport + TCP_HEADER;
  const start = at;
  if (c.signature) {
    c.signature.reserve(p, at);
    at += c.signature.optionBytes;
  }
  if (c.tsOk) {
    v.setUint32(at, (Opt.NOP << 24) | (Opt.NOP << 16) | (Opt.TS << 8) | 10);
    v.setUint32(at + 4, (ownTs + c.tsOffset) >>> 0);
    v.setUint32(at + 8, c.tsRecent);
    at += TS_OPTION;
  }
  const a = c.accEcn;
  noLeftover();
  if (fit.fields >= 0) {
    at += writeOption(v, at, a);
    optionSent(c, a!);
  } else if (a !== null) a.optionSent = false;
  const blocks = fit.blocks;
  if (blocks > 0) {
    v.setUint32(at, ((leftover.high << 24) | (leftover.low << 16) | (Opt.SACK << 8) | (2 + 8 * blocks)) >>> 0);
    at += 4;
    let left = blocks;
    if (c.dsack) {
      v.setUint32(at, c.dsackStart);
      v.setUint32(at + 4, c.dsackEnd);
      at += 8;
      left--;
      c.dsack = false;
    }
    for (let i = 0; i < left; i++) {
      v.setUint32(at, c.sacks![2 * i]!);
      v.setUint32(at + 4, c.sacks![2 * i + 1]!);
      at += 8;
    }
  } else at += writeLeftover(v, at);
  return at - start;
}

/** Options of our SYN; the SYN-ACK of a simultaneous open has the same, whatever the peer's SYN said, as Linux's. */
function writeSynOptions(c: Connection, p: Packet, ownTs: number, synAck: boolean): number {
  const v = p.view;
  const sysctl = c.env.sysctl.values;
  const start = p.transport + TCP_HEADER;
  let at = start;
  if (c.signature) {
    c.signature.reserve(p, at);
    at += c.signature.optionBytes;
  }
  v.setUint32(at, (Opt.MSS << 24) | (4 << 16) | c.advmss);
  at += 4;
  const ts = sysctl[Sysctl.tcp_timestamps] !== 0 && (c.signature === null || c.signature.ao);
  const sack = sysctl[Sysctl.tcp_sack] !== 0;
  if (ts) {
    const lead = sack ? (Opt.SACK_PERM << 8) | 2 : (Opt.NOP << 8) | Opt.NOP;
    v.setUint32(at, ((lead << 16) | (Opt.TS << 8) | 10) >>> 0);
    v.setUint32(at + 4, (ownTs + c.tsOffset) >>> 0);
    v.setUint32(at + 8, c.tsRecent);
    at += TS_OPTION;
  }
  const alone = sack && !ts;
  const scale = sysctl[Sysctl.tcp_window_scaling] !== 0;
  if (synAck && speaksAccEcn(c)) {
    const others = at - start + (alone ? 4 : 0) + (scale ? 4 : 0);
    at += writeSynAckOption(v, at, sysctl[Sysctl.tcp_ecn_option]!, others, alone, scale);
    if (fit.fields >= 0) optionSent(c, c.accEcn!);
  } else noLeftover();
  return writeSynTail(c, p, start, at, alone, synAck);
}

/** SACK-permitted by itself, window scale, Fast Open: what takes up what AccECN's option leaves over. */
function writeSynTail(c: Connection, p: Packet, start: number, from: number, sack: boolean, synAck: boolean): number {
  const v = p.view;
  let at = from;
  if (sack) at += writeSackPermitted(v, at);
  if (c.env.sysctl.values[Sysctl.tcp_window_scaling] !== 0) at += writeScale(v, at, c.rcvWscale);
  at += writeLeftover(v, at);
  if (c.fastOpen && !synAck) at += writeFastOpen(c, p, at, start + MAX_OPTION_SPACE - at);
  return at - start;
}

/** RFC 7413 4.1.1: the cookie, or the empty option that asks for one. */
function writeFastOpen(c: Connection, p: Packet, at: number, room: number): number {
  const request = c.fastOpen!;
  if (request.noCookie || request.spent) return 0;
  const cookie = request.cookie;
  const head = request.experimental ? 4 : 2;
  const length = head + (cookie ? cookie.length : 0);
  const padded = (length + 3) & ~3;
  if (padded > room) return 0;
  const b = p.bytes;
  b[at] = request.experimental ? Opt.EXP : Opt.FASTOPEN;
  b[at + 1] = length;
  if (request.experimental) p.view.setUint16(at + 2, EXPERIMENTAL_MAGIC);
  if (cookie) for (let i = 0; i < cookie.length; i++) b[at + head + i] = cookie[i]!;
  for (let i = length; i < padded; i++) b[at + i] = Opt.NOP;
  return padded;
}

/** Empties the scratch packet for a segment of this connection. */
function begin(c: Connection): Packet {
  const p = c.tcp.scratch;
  p.reset(TX_TRANSPORT);
  p.transport = TX_TRANSPORT;
  p.family = c.family;
  p.protocol = 6;
  const l = c.local;
  const r = c.remote;
  p.src0 = l.w0;
  p.src1 = l.w1;
  p.src2 = l.w2;
  p.src3 = l.w3;
  p.dst0 = r.w0;
  p.dst1 = r.w1;
  p.dst2 = r.w2;
  p.dst3 = r.w3;
  return p;
}

/** The route, looked up again when it went bad. False: there is none. */
export function routeOf(c: Connection): boolean {
  if (c.route?.valid() && !c.routeStale) return true;
  const route = c.tcp.network(c.family).route(c.remote, c.local, c.owner, true);
  if (typeof route === 'number') {
    c.softError = -route;
    return false;
  }
  c.route = route;
  c.routeStale = false;
  return true;
}

/**
 * ECN bits of the IP header and AE, CWR, ECE of the TCP header for a segment of `length` bytes. RFC 3168 6.1: only new data is ECN-capable, and
 * says CWR once; with a congestion control that needs ECN, every segment is. RFC 9768 3.2: every segment is, and has the ACE field.
 */
function ecnSend(c: Connection, flags: number, length: number, fresh: boolean): number {
  if (c.congestion.needsEcn) {
    sendTos |= Mark.ect0;
    c.ecn |= EcnFlag.marked;
  }
  if ((c.ecn & EcnFlag.modes) === 0 || flags & Flag.SYN) return flags;
  if (c.ecn & EcnFlag.accEcn) {
    const a = c.accEcn!;
    if (mayMark(a)) {
      sendTos |= Mark.ect0;
      c.ecn |= EcnFlag.marked;
    }
    return aceFlags(a, flags);
  }
  let f = flags;
  if (!c.congestion.needsEcn) c.ecn &= ~EcnFlag.marked;
  if (length > 0 && fresh) {
    sendTos |= Mark.ect0;
    c.ecn |= EcnFlag.marked;
    if (c.ecn & EcnFlag.queueCwr) {
      c.ecn &= ~EcnFlag.queueCwr;
      f |= Flag.CWR;
    }
  }
  if (c.ecn & EcnFlag.demandCwr) f |= Flag.ECE;
  return f;
}
let sendTos = 0;
/** What the segment acknowledges when it is not RCV.NXT; -1 otherwise. */
let olderAck = -1;

/** RFC 9293 3.8.5: the urgent pointer of a segment that starts at `seq`, 0 without. */
function urgentPointer(c: Connection, seq: number): number {
  const r = c.rare;
  if (!r?.urgentSent || !before(seq, r.sndUp)) return 0;
  if (before(r.sndUp, (seq + 0x10000) >>> 0)) return (r.sndUp - seq) >>> 0;
  return after((seq + 0xffff) >>> 0, c.sndNxt) ? 0xffff : 0;
}

/**
 * Sends a segment. `length` bytes of data from the ring at `dataSeq` (0 for none); `pcount` wire segments of `mss`. Counts OutSegs when it
 * carries something new or nothing at all; what a segment leads to (delayed ACK done, idle times) is noted. 0 or -errno.
 */
function emit(
  c: Connection,
  seq: number,
  endSeq: number,
  flags: number,
  dataSeq: number,
  length: number,
  pcount: number,
  mss: number,
): number {
  if (!routeOf(c)) return -Errno.EHOSTUNREACH;
  const p = begin(c);
  const syn = (flags & Flag.SYN) !== 0;
  const clock = tsNow(c);
  const optionBytes = syn ? writeSynOptions(c, p, clock, (flags & Flag.ACK) !== 0) : writeEstablishedOptions(c, p, clock);
  sendTos = c.settings.tos & ~3;
  const fresh = !before(seq, c.sndNxt);
  const bits = ecnSend(c, flags, length, fresh);
  const window = syn ? Math.min(c.rcvWnd, 0xffff) : selectWindow(c);
  const urgent = urgentPointer(c, seq);
  const ack = flags & Flag.ACK ? (olderAck < 0 ? c.rcvNxt : olderAck) : 0;
  emitTcp(p, c.localPort, c.remotePort, seq, ack, urgent ? bits | Flag.URG : bits, window, urgent, optionBytes);
  p.payload = p.transport + TCP_HEADER + optionBytes;
  p.tail = p.payload + length;
  if (length > 0) c.sendQueue.read(dataSeq, p.bytes, p.payload, length);
  if (c.signature) c.signature.sign(p, p.payload);
  finishPacket(c, p, pcount, mss, length);
  if (c.env.ledger.ring.armed) noteSegment(c, seq, bits, length);
  if (flags & Flag.ACK) {
    if (olderAck < 0) ackSent(c);
    else flushCompressed(c);
  }
  if (length > 0) dataSent(c, pcount, length);
  if (after(endSeq, c.sndNxt) || seq === endSeq) c.owner.add(Tcp.OutSegs, pcount);
  c.segsOut += pcount;
  c.emittedUs = c.env.nowUs;
  c.owner.fire(Probe.tcpSend, length, bits);
  if (c.settings.txDelayUs !== 0) p.departUs = c.env.nowUs + c.settings.txDelayUs;
  const network = c.tcp.network(c.family);
  const ttl = c.settings.ttl >= 0 ? c.settings.ttl : network.defaultTtl(c.route!);
  const error = network.output(p, c.route!, c.owner, ttl, sendTos);
  if (c.pacer !== null) pace(c, c.pacer, error === 0 ? length : 0);
  return error;
}

function finishPacket(c: Connection, p: Packet, pcount: number, mss: number, length: number): void {
  p.csum = Csum.partial;
  p.csumStart = p.transport;
  p.csumOffset = CHECKSUM_AT;
  p.view.setUint16(p.transport + CHECKSUM_AT, pseudoSum(p, 6, p.tail - p.transport));
  p.df = c.settings.pmtuDiscovery !== PmtuDiscovery.dont;
  p.txHash = c.txHash | 0;
  if (pcount > 1 && length > mss) {
    p.gsoType = c.family === 4 ? Gso.tcpv4 : Gso.tcpv6;
    p.gsoSize = mss;
    p.gsoSegs = pcount;
    p.keepCwr = (c.ecn & EcnFlag.accEcn) !== 0;
  }
}

/** Data left: interactive traffic is recognised by an answer within the delayed-ACK time. */
function dataSent(c: Connection, pcount: number, length: number): void {
  const now = c.env.nowUs;
  c.dataSegsOut += pcount;
  c.bytesSent += length;
  if (c.packetsOut - c.loss.sackedOut - c.loss.lostOut + c.loss.retransOut === 0) c.congestion.txStart(c);
  c.lsndTimeUs = now;
  if (now - c.lrcvTimeUs < c.atoUs && c.ackPingpong < 255) c.ackPingpong++;
}

/** Sends (again) a segment of the write queue and notes when. 0 or -errno. */
export function transmit(c: Connection, s: Segment): number {
  const length = s.length;
  const dataSeq = s.flags & Flag.SYN ? (s.seq + 1) >>> 0 : s.seq;
  s.sentUs = c.env.nowUs;
  // a super-frame ends with PSH, so that the receiver's coalescing does not wait for more
  const flags = s.pcount > 1 ? s.flags | Flag.PSH : s.flags;
  const error = emit(c, s.seq, s.endSeq, flags, dataSeq, length, Math.max(1, s.pcount), s.mss);
  if (error === 0) {
    c.sendQueue.sort(s);
    markSent(c, s);
    const stamps = c.rare !== null ? c.rare.stamps : null;
    if (stamps !== null) stampSent(c, stamps, s);
  }
  return error;
}

/** A segment without data that is not kept: an ACK, a RST, a probe. 0 or -errno. */
export function transmitBare(c: Connection, seq: number, flags: number): number {
  return emit(c, seq, seq, flags, 0, 0, 1, 0);
}
/** A SYN that carries `length` bytes of the ring from iss + 1 on (RFC 7413 4.2.1), and one without. */
export function transmitSyn(c: Connection, s: Segment, length: number): number {
  s.sentUs = c.env.nowUs;
  s.deliveredUs = NEVER;
  const error = emit(c, s.seq, (s.endSeq + length) >>> 0, s.flags, (s.seq + 1) >>> 0, length, 1, 0);
  if (error === 0) c.sendQueue.sort(s);
  return error;
}

/** Sequence number for a bare segment: SND.NXT, unless the peer took back part of the window (Linux's tcp_acceptable_seq). */
export function acceptableSeq(c: Connection): number {
  const end = (c.sndUna + c.sndWnd) >>> 0;
  if (!before(end, c.sndNxt)) return c.sndNxt;
  if (c.wscaleOk && (c.sndNxt - end) >>> 0 < 1 << c.rcvWscale) return c.sndNxt;
  return end;
}

export function sendAckNow(c: Connection): void {
  if (c.state === TcpState.CLOSE) return;
  transmitBare(c, acceptableSeq(c), Flag.ACK);
}
/** An ACK of what came before the last segments, though these are here: they will have one of their own (RFC 8257 3.2). */
export function sendAckUpTo(c: Connection, rcvNxt: number): void {
  if (rcvNxt !== c.rcvNxt) olderAck = rcvNxt;
  sendAckNow(c);
  olderAck = -1;
}
/** An ACK that answers a SYN or SYN-ACK: in AccECN it says with which codepoint that came (RFC 9768 3.2.2.1). */
export function sendAckOfSyn(c: Connection): void {
  if (c.state === TcpState.CLOSE) return;
  transmitBare(c, acceptableSeq(c), speaksAccEcn(c) ? Flag.ACK | reflectedFlags(c.accEcn!.synMark) : Flag.ACK);
}

/** RST of a synchronised connection. Counts OutRsts, TCPAbortFailed. */
export function sendActiveReset(c: Connection): void {
  c.owner.inc(Tcp.OutRsts);
  if (transmitBare(c, acceptableSeq(c), Flag.ACK | Flag.RST) < 0) c.owner.inc(TcpExt.TCPAbortFailed);
}
