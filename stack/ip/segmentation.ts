/**
 * Software segmentation of TCP's and UDP's super-frames (Linux's GSO), and completing checksums, for links that do neither. A super-frame's
 * header is rewritten in front of each segment's payload, over the payload that has been sent already: nothing is copied but the headers.
 * Each datagram of UDP's has a header of its own: they are whole packets, no IP fragments.
 */
import { copyBytes } from '../core/bytes.js';
import { finish, fold, partialSum } from '../core/checksum.js';
import { Csum, Gso, type Packet } from '../core/packet.js';
import { LinkFeature } from '../link/link.js';
import { Ipv4At, refreshChecksum } from '../wire/ipv4.js';
import { UDP_HEADER } from '../wire/udp.js';

const MAX_HEADERS = 256;
const FIN_PSH = 0x09;
const CWR = 0x80;
const UDP_LENGTH_AT = 4;

/** The link feature that takes super-frames of this kind. */
export function featureFor(gsoType: number): number {
  if (gsoType === Gso.tcpv4) return LinkFeature.tso4;
  if (gsoType === Gso.tcpv6) return LinkFeature.tso6;
  return LinkFeature.uso4 | LinkFeature.uso6;
}

/** Octets of the transport header that each segment of a super-frame begins with. */
function transportHeader(p: Packet, at: number): number {
  return p.gsoType === Gso.udpL4 ? UDP_HEADER : (p.bytes[at + 12]! >> 4) * 4;
}

/** The largest IP packet that a super-frame is to be cut into; p.network and p.transport set. */
export function segmentLength(p: Packet): number {
  return p.transport - p.network + transportHeader(p, p.transport) + p.gsoSize;
}

/** Others that cut this super-frame take CWR from all segments but the first, where it is of all of them. */
export function losesCwr(p: Packet): boolean {
  return p.keepCwr && p.csum === Csum.partial && (p.bytes[p.csumStart + 13]! & CWR) !== 0;
}

/** Fills in a checksum field that holds the pseudo-header's sum. */
export function completeChecksum(p: Packet): void {
  const sum = finish(partialSum(p, p.csumStart, p.tail - p.csumStart));
  p.view.setUint16(p.csumStart + p.csumOffset, sum === 0 ? 0xffff : sum);
  p.csum = Csum.none;
}

export class Segmenter {
  private readonly headers = new Uint8Array(MAX_HEADERS);
  private headerLength = 0;
  private payloadEnd = 0;
  private next = 0;
  private size = 0;
  private first = false;
  private network = 0;
  private transport = 0;
  private seq = 0;
  private flags = 0;
  private laterFlags = 0;
  private id = 0;
  /** Pseudo-header sum without the length. */
  private pseudo = 0;
  private ipv6 = false;
  private udp = false;
  private csumOffset = 0;

  /** Begins with a super-frame whose checksum is partial; data at the Ethernet header or at IP's. False: not a frame it can cut. */
  begin(p: Packet): boolean {
    this.transport = p.csumStart - p.data;
    this.network = p.network - p.data;
    this.udp = p.gsoType === Gso.udpL4;
    this.csumOffset = p.csumOffset;
    this.headerLength = this.transport + transportHeader(p, p.csumStart);
    if (p.csum !== Csum.partial || p.gsoSize <= 0 || this.headerLength > MAX_HEADERS) return false;
    copyBytes(this.headers, 0, p.bytes, p.data, this.headerLength);
    this.next = p.data + this.headerLength;
    this.payloadEnd = p.tail;
    this.size = p.gsoSize;
    this.first = true;
    this.ipv6 = p.bytes[p.network]! >> 4 === 6;
    if (!this.udp) {
      this.seq = p.view.getUint32(p.csumStart + 4);
      this.flags = p.bytes[p.csumStart + 13]!;
      this.laterFlags = p.keepCwr ? this.flags : this.flags & ~CWR;
    }
    this.id = p.view.getUint16(p.network + Ipv4At.id);
    // The field holds the sum with the super-frame's length in it: take that out again.
    const length = p.tail - p.csumStart;
    const withLength = p.view.getUint16(p.csumStart + p.csumOffset);
    this.pseudo = fold(withLength + (~fold((length >>> 16) + (length & 0xffff)) & 0xffff));
    return true;
  }

  /** Makes the packet the next segment. False: there is none. */
  segment(p: Packet): boolean {
    if (this.next >= this.payloadEnd) return false;
    const payload = this.next;
    const end = Math.min(payload + this.size, this.payloadEnd);
    p.data = payload - this.headerLength;
    p.tail = end;
    p.mac = p.data;
    p.network = p.data + this.network;
    p.transport = p.data + this.transport;
    copyBytes(p.bytes, p.data, this.headers, 0, this.headerLength);
    this.networkHeader(p);
    const length = end - p.transport;
    if (this.udp) p.view.setUint16(p.transport + UDP_LENGTH_AT, length);
    else this.tcpHeader(p, end - payload, end === this.payloadEnd);
    p.view.setUint16(p.transport + this.csumOffset, fold(this.pseudo + length));
    p.csumStart = p.transport;
    p.csum = Csum.partial;
    p.gsoSize = 0;
    p.gsoSegs = 1;
    p.gsoType = Gso.none;
    this.id = (this.id + 1) & 0xffff;
    this.first = false;
    this.next = end;
    return true;
  }

  private tcpHeader(p: Packet, payload: number, last: boolean): void {
    let flags = this.first ? this.flags : this.laterFlags;
    if (!last) flags &= ~FIN_PSH;
    p.view.setUint32(p.transport + 4, this.seq);
    p.bytes[p.transport + 13] = flags;
    this.seq = (this.seq + payload) >>> 0;
  }

  private networkHeader(p: Packet): void {
    const length = p.tail - p.network;
    if (this.ipv6) {
      p.view.setUint16(p.network + 4, length - 40);
      return;
    }
    p.view.setUint16(p.network + Ipv4At.totalLength, length);
    p.view.setUint16(p.network + Ipv4At.id, this.id);
    refreshChecksum(p, p.network);
  }
}
