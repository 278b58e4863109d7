/**
 * Segments that no connection sends: resets for what nobody owns (RFC 9293 3.10.7.1), ACKs of TIME-WAIT and of requests, SYN-ACKs. They
 * are built in the layer's scratch packet and go out with DF and the default TTL, as from Linux's per-CPU control socket.
 */
import { Tcp } from '../../mib/catalogue/index.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import { Probe } from '../../mib/probe/points.js';
import { IpAddress } from '../core/address.js';
import { pseudoSum } from '../core/checksum.js';
import { Csum, type Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import { type Route, TX_TRANSPORT } from '../ip/protocol.js';
import { emitTcp, Flag, Opt, TCP_HEADER, type TcpHeader } from '../wire/tcp.js';
import type { TcpHost } from './contract.js';
import { type Signer, signatureBytes } from './signature.js';

const CHECKSUM_AT = 16;
/** ECN bits of a TOS byte. */
const ECN_MASK = 3;

/** The inbound packet's addresses: remote is its source, local its destination. */
export function remoteOf(p: Packet): IpAddress {
  return new IpAddress(p.family === 6 ? 6 : 4, p.src0, p.src1, p.src2, p.src3);
}
export function localOf(p: Packet): IpAddress {
  return new IpAddress(p.family === 6 ? 6 : 4, p.dst0, p.dst1, p.dst2, p.dst3);
}

/** Empties the scratch packet for a segment from `local` to `remote`. */
export function beginSegment(host: TcpHost, local: IpAddress, remote: IpAddress): Packet {
  const p = host.scratch;
  p.reset(TX_TRANSPORT);
  p.transport = TX_TRANSPORT;
  p.family = local.family;
  p.protocol = 6;
  p.src0 = local.w0;
  p.src1 = local.w1;
  p.src2 = local.w2;
  p.src3 = local.w3;
  p.dst0 = remote.w0;
  p.dst1 = remote.w1;
  p.dst2 = remote.w2;
  p.dst3 = remote.w3;
  p.df = true;
  return p;
}

/** Fills in lengths and checksum and gives the segment to the network layer. Counts OutSegs. 0 or -errno. */
export function sendSegment(
  host: TcpHost,
  p: Packet,
  optionBytes: number,
  flags: number,
  route: Route,
  owner: Owner,
  ttl: number,
  tos: number,
  signer: Signer | null = null,
): number {
  const length = TCP_HEADER + optionBytes;
  p.payload = p.transport + length;
  p.tail = p.payload;
  if (signer) signer.sign(p, p.payload);
  p.csum = Csum.partial;
  p.csumStart = p.transport;
  p.csumOffset = CHECKSUM_AT;
  p.view.setUint16(p.transport + CHECKSUM_AT, pseudoSum(p, 6, length));
  owner.inc(Tcp.OutSegs);
  owner.fire(Probe.tcpSend, 0, flags);
  return host.network(p.family as 4 | 6).output(p, route, owner, ttl, tos);
}

export function defaultTtl(host: TcpHost, route: Route): number {
  return host.network(route.destination.family).defaultTtl(route);
}

/**
 * The RST that answers `p`: its sequence number is the segment's ACK, or 0 with an ACK of the whole segment when it had none. Nothing
 * answers a RST, nor what did not come for this host alone.
 */
export function sendReset(
  host: TcpHost,
  p: Packet,
  h: TcpHeader,
  owner: Owner,
  txHash: number,
  signer: Signer | null = null,
): void {
  if (h.flags & Flag.RST || p.destination !== 0) return;
  const hasAck = (h.flags & Flag.ACK) !== 0;
  const flags = hasAck ? Flag.RST : Flag.RST | Flag.ACK;
  const route = host.network(p.family as 4 | 6).route(remoteOf(p), localOf(p), owner, false);
  if (typeof route === 'number') return;
  const out = beginSegment(host, localOf(p), remoteOf(p));
  out.txHash = txHash;
  const optionBytes = signatureBytes(signer);
  emitTcp(out, h.destinationPort, h.sourcePort, hasAck ? h.ack : 0, hasAck ? 0 : h.endSeq, flags, 0, 0, optionBytes);
  if (signer) signer.reserve(out, out.transport + TCP_HEADER);
  owner.inc(Tcp.OutRsts);
  sendSegment(host, out, optionBytes, flags, route, owner, defaultTtl(host, route), p.tos & ~ECN_MASK, signer);
}

/** A bare ACK in answer to `p`, with timestamps when `tsEcr` is not 0. */
export function sendAck(
  host: TcpHost,
  p: Packet,
  h: TcpHeader,
  owner: Owner,
  seq: number,
  ack: number,
  window: number,
  tsVal: number,
  tsEcr: number,
  tos: number,
  txHash: number,
  signer: Signer | null = null,
): void {
  const route = host.network(p.family as 4 | 6).route(remoteOf(p), localOf(p), owner, false);
  if (typeof route === 'number') return;
  const out = beginSegment(host, localOf(p), remoteOf(p));
  out.txHash = txHash;
  const signed = signatureBytes(signer);
  const optionBytes = signed + (tsEcr !== 0 ? 12 : 0);
  emitTcp(out, h.destinationPort, h.sourcePort, seq, ack, Flag.ACK, Math.min(window, 0xffff), 0, optionBytes);
  if (signer) signer.reserve(out, out.transport + TCP_HEADER);
  if (tsEcr !== 0) {
    const v = out.view;
    const at = out.transport + TCP_HEADER + signed;
    v.setUint32(at, (Opt.NOP << 24) | (Opt.NOP << 16) | (Opt.TS << 8) | 10);
    v.setUint32(at + 4, tsVal);
    v.setUint32(at + 8, tsEcr);
  }
  sendSegment(host, out, optionBytes, Flag.ACK, route, owner, defaultTtl(host, route), tos, signer);
}

/** The timestamp clock (RFC 7323 5.4): milliseconds. */
export function timestampMs(nowUs: number): number {
  return Math.floor(nowUs / 1000) >>> 0;
}

/**
 * May a segment be answered that is out of window or of sequence? Segments with data always, others once per tcp_invalid_ratelimit
 * (counted as `counter` when not). The caller keeps the time of the last answer.
 */
export function outOfWindowLimited(host: TcpHost, h: TcpHeader, lastUs: number, counter: number, owner: Owner): boolean {
  if (h.endSeq !== h.seq && (h.flags & Flag.SYN) === 0) return false;
  const elapsed = host.env.nowUs - lastUs;
  if (elapsed < 0 || elapsed >= host.env.sysctl.values[Sysctl.tcp_invalid_ratelimit]! * 1000) return false;
  owner.inc(counter);
  return true;
}

/** Is a segment inside a window (RFC 9293 3.10.7.4, first check)? */
export function inWindow(seq: number, endSeq: number, start: number, end: number): boolean {
  if (seq === start) return true;
  if (((endSeq - start) | 0) > 0 && ((seq - end) | 0) < 0) return true;
  return seq === end && seq === endSeq;
}
