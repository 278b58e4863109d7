/**
 * Receive coalescing (Linux's GRO): plain TCP frames that follow each other become one super-frame before IP sees them, so that the layers
 * above work, and acknowledge, once for many. Only what a segmenting sender could have cut from one super-frame is joined, by Linux's rules
 * (inet_gro_receive, ipv6_gro_receive, tcp_gro_receive): same addresses, ports, TOS, TTL and DF (or flow label), the same acknowledgement, window and options, in sequence,
 * of one size but for a last one that may be shorter; PSH ends it, and whatever carries another flag, or nothing, goes through as it is.
 *
 * Counters are Linux's with GRO: the device counts frames, IP and TCP count the super-frame as one, ECN counts are of segments.
 *
 * One flow is held at a time, and no longer than its batch. The link writes into `slot`; a frame that is held keeps its packet, and the
 * next one gets the other: nothing is copied but the payload of a frame that joins.
 */
import { copyBytes } from '../core/bytes.js';
import { fold, partialSum, pseudoSum } from '../core/checksum.js';
import { Csum, Gso, LinkType, type Packet } from '../core/packet.js';
import type { PacketPool } from '../core/packet-pool.js';
import { headerChecksum, IPV4_HEADER, IpFlag, Ipv4At, Protocol, refreshChecksum } from '../wire/ipv4.js';
import { IPV6_HEADER, Ipv6At, readAddresses } from '../wire/ipv6.js';
import { Flag, TCP_HEADER } from '../wire/tcp.js';
import type { NetDevice } from './device.js';

const VERSION_AND_LENGTH = 0x45;
const MAX_PACKET = 65535;
const CHECKSUM_AT = 16;
/** Linux ends a super-frame when it has gathered this many. */
const MAX_SEGMENTS = 64;
/** Flags that a data segment may carry and still be joined. */
const PLAIN = Flag.ACK | Flag.PSH | Flag.ECE | Flag.CWR;
/** Data offset, flags and window, without what may differ: PSH. */
const ALIKE = ~(Flag.PSH << 16);

/** The network layer above. */
export interface Above {
  input(p: Packet, device: NetDevice): void;
}

export class Coalescer implements Above {
  /** Where the next frame goes. */
  slot: Packet;
  private held: Packet;
  private readonly above: Above;
  private readonly pool: PacketPool;
  private holding = false;
  private segments = 0;
  /** Payload of each frame but the last. */
  private size = 0;
  private nextSeq = 0;
  private headerLength = 0;
  /** Of the packet at hand: 20 or 40. */
  private networkLength = 0;
  private id = 0;

  constructor(above: Above, pool: PacketPool) {
    this.above = above;
    this.pool = pool;
    this.slot = pool.take();
    this.held = pool.take();
  }

  /** The packet in `slot` was kept by somebody: the next frame goes into another one. */
  replaceSlot(): void {
    this.slot = this.pool.take();
  }

  /** An IP packet that lies in `slot`, p.data at its header: kept or handed up. */
  input(p: Packet, device: NetDevice): void {
    p.keepCwr = false;
    const payload = this.candidate(p);
    if (payload > 0 && this.holding && this.follows(p, payload)) {
      this.join(p, payload, device);
      return;
    }
    this.flush(device);
    if (payload > 0 && (p.bytes[p.transport + 13]! & Flag.PSH) === 0) this.hold(p, payload);
    else this.above.input(p, device);
  }

  /** The batch is over: what is held goes up. */
  flush(device: NetDevice): void {
    if (!this.holding) return;
    this.holding = false;
    const p = this.held;
    if (this.segments > 1) this.complete(p);
    this.above.input(p, device);
    if (p.kept) this.held = this.pool.take();
  }

  /** Octets of data when this is a sound TCP segment that may be joined with others, else 0. Sets p.transport, addresses, csum and tail. */
  private candidate(p: Packet): number {
    const at = p.data;
    const b = p.bytes;
    if (p.gsoSize !== 0 || p.csum === Csum.partial || p.linkType !== LinkType.host) return 0;
    const length = p.family === 6 ? this.length6(p, at) : this.length4(p, at);
    if (length === 0) return 0;
    const tcp = at + this.networkLength;
    const header = (b[tcp + 12]! >> 4) * 4;
    const payload = length - this.networkLength - header;
    if (header < TCP_HEADER || payload <= 0) return 0;
    const flags = b[tcp + 13]!;
    if ((flags & Flag.ACK) === 0 || (flags & ~PLAIN) !== 0) return 0;
    if (p.csum === Csum.none && !this.verify(p, tcp, length - this.networkLength)) return 0;
    p.transport = tcp;
    p.tail = at + length;
    return payload;
  }

  /** Length of an IPv4 packet that is TCP's in one piece, without options and with a sound header; else 0. */
  private length4(p: Packet, at: number): number {
    const v = p.view;
    if (p.tail - at < IPV4_HEADER + TCP_HEADER || p.bytes[at] !== VERSION_AND_LENGTH) return 0;
    if (p.bytes[at + Ipv4At.protocol] !== Protocol.tcp || headerChecksum(p, at, IPV4_HEADER) !== 0) return 0;
    const length = v.getUint16(at + Ipv4At.totalLength);
    if (length > p.tail - at || (v.getUint16(at + Ipv4At.fragment) & (IpFlag.mf | IpFlag.offset)) !== 0) return 0;
    this.networkLength = IPV4_HEADER;
    return length;
  }

  /** Length of an IPv6 packet whose one header is followed by TCP's, else 0. */
  private length6(p: Packet, at: number): number {
    if (p.tail - at < IPV6_HEADER + TCP_HEADER || p.bytes[at]! >> 4 !== 6 || p.bytes[at + Ipv6At.nextHeader] !== Protocol.tcp)
      return 0;
    const length = p.view.getUint16(at + Ipv6At.payloadLength) + IPV6_HEADER;
    if (length > p.tail - at) return 0;
    this.networkLength = IPV6_HEADER;
    return length;
  }

  private noteAddresses(p: Packet): void {
    if (p.family === 6) {
      readAddresses(p, p.data);
      return;
    }
    p.src3 = p.view.getUint32(p.data + Ipv4At.source);
    p.dst3 = p.view.getUint32(p.data + Ipv4At.destination);
  }

  private verify(p: Packet, tcp: number, length: number): boolean {
    this.noteAddresses(p);
    const sum = partialSum(p, tcp, length) + pseudoSum(p, Protocol.tcp, length);
    if (sum === 0 || sum % 0xffff !== 0) return false;
    p.csum = Csum.unnecessary;
    return true;
  }

  private hold(p: Packet, payload: number): void {
    this.slot = this.held;
    this.held = p;
    this.holding = true;
    this.segments = 1;
    this.size = payload;
    this.headerLength = p.tail - payload - p.transport;
    this.nextSeq = (p.view.getUint32(p.transport + 4) + payload) >>> 0;
    this.id = p.view.getUint16(p.data + Ipv4At.id);
  }

  /** Is it the next piece of what is held? */
  private follows(p: Packet, payload: number): boolean {
    const h = this.held;
    const a = p.view;
    const b = h.view;
    const at = p.transport;
    const to = h.transport;
    if (a.getUint32(at + 4) !== this.nextSeq || a.getUint32(at) !== b.getUint32(to)) return false;
    if (a.getUint32(at + 8) !== b.getUint32(to + 8) || ((a.getUint32(at + 12) ^ b.getUint32(to + 12)) & ALIKE) !== 0)
      return false;
    if (payload > this.size || h.tail - h.data + payload > MAX_PACKET) return false;
    for (let i = TCP_HEADER; i < this.headerLength; i += 4) if (a.getUint32(at + i) !== b.getUint32(to + i)) return false;
    if (p.family !== h.family) return false;
    return p.family === 6 ? this.sameHeader6(p, h) : this.sameHeader(p, h);
  }

  /** TOS, DF, TTL and addresses alike; with DF the identification says nothing (RFC 6864), else it counts up. */
  private sameHeader(p: Packet, h: Packet): boolean {
    const a = p.view;
    const b = h.view;
    const at = p.data;
    const to = h.data;
    if (a.getUint32(at + Ipv4At.source) !== b.getUint32(to + Ipv4At.source)) return false;
    if (a.getUint32(at + Ipv4At.destination) !== b.getUint32(to + Ipv4At.destination)) return false;
    if (p.bytes[at + Ipv4At.tos] !== h.bytes[to + Ipv4At.tos] || p.bytes[at + Ipv4At.ttl] !== h.bytes[to + Ipv4At.ttl])
      return false;
    const fragment = a.getUint16(at + Ipv4At.fragment);
    if (fragment !== b.getUint16(to + Ipv4At.fragment)) return false;
    return (fragment & IpFlag.df) !== 0 || a.getUint16(at + Ipv4At.id) === ((this.id + this.segments) & 0xffff);
  }

  /** Version, traffic class, flow label, hop limit and addresses alike. */
  private sameHeader6(p: Packet, h: Packet): boolean {
    const a = p.view;
    const b = h.view;
    const at = p.data;
    const to = h.data;
    if (a.getUint32(at) !== b.getUint32(to) || a.getUint16(at + Ipv6At.nextHeader) !== b.getUint16(to + Ipv6At.nextHeader))
      return false;
    for (let i = Ipv6At.source; i < IPV6_HEADER; i += 4) if (a.getUint32(at + i) !== b.getUint32(to + i)) return false;
    return true;
  }

  private join(p: Packet, payload: number, device: NetDevice): void {
    const h = this.held;
    copyBytes(h.bytes, h.tail, p.bytes, p.tail - payload, payload);
    h.tail += payload;
    this.nextSeq = (this.nextSeq + payload) >>> 0;
    this.segments++;
    const pushed = p.bytes[p.transport + 13]! & Flag.PSH;
    h.bytes[h.transport + 13]! |= pushed;
    if (pushed !== 0 || payload < this.size || this.segments === MAX_SEGMENTS) this.flush(device);
  }

  /** Makes a super-frame as a link with offloads would have delivered it: the checksum field holds the pseudo-header's sum. */
  private complete(p: Packet): void {
    const length = p.tail - p.transport;
    const six = p.family === 6;
    if (six) p.view.setUint16(p.data + Ipv6At.payloadLength, length);
    else {
      p.view.setUint16(p.data + Ipv4At.totalLength, p.tail - p.data);
      refreshChecksum(p, p.data);
    }
    this.noteAddresses(p);
    p.view.setUint16(p.transport + CHECKSUM_AT, fold(pseudoSum(p, Protocol.tcp, length)));
    p.csum = Csum.partial;
    p.csumStart = p.transport;
    p.csumOffset = CHECKSUM_AT;
    p.gsoType = six ? Gso.tcpv6 : Gso.tcpv4;
    p.gsoSize = this.size;
    p.gsoSegs = this.segments;
    p.keepCwr = (p.bytes[p.transport + 13]! & Flag.CWR) !== 0; // each had it
  }
}
