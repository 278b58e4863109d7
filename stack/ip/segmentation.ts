/**
 * Software segmentation of TCP super-frames (Linux's GSO), and completing checksums, for links that do neither. A super-frame's header is
 * rewritten in front of each segment's payload, over the payload that has been sent already: nothing is copied but the headers.
 */
import { copyBytes } from '../core/bytes.js';
import { finish, fold, partialSum } from '../core/checksum.js';
import { Csum, Gso, type Packet } from '../core/packet.js';
import { LinkFeature } from '../link/link.js';
import { Ipv4At, refreshChecksum } from '../wire/ipv4.js';

const MAX_HEADERS = 256;
const FIN_PSH = 0x09;
const CWR = 0x80;
const TCP_CSUM_AT = 16;

/** The link feature that takes super-frames of this kind. */
export function featureFor(gsoType: number): number {
  if (gsoType === Gso.tcpv4) return LinkFeature.tso4;
  if (gsoType === Gso.tcpv6) return LinkFeature.tso6;
  return LinkFeature.uso4 | LinkFeature.uso6;
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
  private transportLength = 0;
  private seq = 0;
  private flags = 0;
  private id = 0;
  /** Pseudo-header sum without the length. */
  private pseudo = 0;
  private ipv6 = false;

  /** Begins with a super-frame whose checksum is partial; data at the Ethernet header. False: not a TCP frame it can cut. */
  begin(p: Packet): boolean {
    this.transport = p.csumStart - p.data;
    this.network = p.network - p.data;
    this.transportLength = (p.bytes[p.csumStart + 12]! >> 4) * 4;
    this.headerLength = this.transport + this.transportLength;
    if (p.csum !== Csum.partial || p.gsoSize <= 0 || this.headerLength > MAX_HEADERS) return false;
    copyBytes(this.headers, 0, p.bytes, p.data, this.headerLength);
    this.next = p.data + this.headerLength;
    this.payloadEnd = p.tail;
    this.size = p.gsoSize;
    this.first = true;
    this.ipv6 = p.bytes[p.network]! >> 4 === 6;
    this.seq = p.view.getUint32(p.csumStart + 4);
    this.flags = p.bytes[p.csumStart + 13]!;
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
    const last = end === this.payloadEnd;
    p.data = payload - this.headerLength;
    p.tail = end;
    p.mac = p.data;
    p.network = p.data + this.network;
    p.transport = p.data + this.transport;
    copyBytes(p.bytes, p.data, this.headers, 0, this.headerLength);
    this.networkHeader(p);
    let flags = this.flags;
    if (!last) flags &= ~FIN_PSH;
    if (!this.first) flags &= ~CWR;
    p.view.setUint32(p.transport + 4, this.seq);
    p.bytes[p.transport + 13] = flags;
    const length = end - p.transport;
    p.view.setUint16(p.transport + TCP_CSUM_AT, fold(this.pseudo + length));
    p.csumStart = p.transport;
    p.csum = Csum.partial;
    p.gsoSize = 0;
    p.gsoSegs = 1;
    p.gsoType = Gso.none;
    this.seq = (this.seq + end - payload) >>> 0;
    this.id = (this.id + 1) & 0xffff;
    this.first = false;
    this.next = end;
    return true;
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
