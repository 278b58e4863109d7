/**
 * The IPv6 header (RFC 8200 3) and the fixed parts of extension headers (4.3 to 4.6). Readers take the packet and an offset; they do not
 * judge. Offsets are exported because ICMPv6 reads quoted headers at other places.
 */
import type { Packet } from '../core/packet.js';

export const IPV6_HEADER = 40;
export const FRAGMENT_HEADER = 8;
/** RFC 8200 5: every link carries packets of this size. */
export const IPV6_MIN_MTU = 1280;
/** Offsets inside the header. */
export const Ipv6At = Object.freeze({
  version: 0,
  payloadLength: 4,
  nextHeader: 6,
  hopLimit: 7,
  source: 8,
  destination: 24,
});
export const NextHeader = Object.freeze({
  hopByHop: 0,
  tcp: 6,
  udp: 17,
  routing: 43,
  fragment: 44,
  authentication: 51,
  icmpv6: 58,
  none: 59,
  destination: 60,
  udplite: 136,
});
/** Flags of the fragment header's offset word. */
export const Frag6 = Object.freeze({ more: 1, offset: 0xfff8 });

export function isExtensionHeader(next: number): boolean {
  return (
    next === NextHeader.hopByHop ||
    next === NextHeader.routing ||
    next === NextHeader.fragment ||
    next === NextHeader.destination ||
    next === NextHeader.authentication ||
    next === NextHeader.none
  );
}

/** The traffic class byte. */
export function trafficClass(p: Packet, at: number): number {
  return (p.view.getUint16(at) >>> 4) & 0xff;
}

/** The flow label of a packet that came (RFC 6437). */
export function flowLabel(p: Packet): number {
  return p.view.getUint32(p.network) & 0xfffff;
}

/** Puts another traffic class into a header. */
export function setTrafficClass(p: Packet, at: number, tos: number): void {
  p.view.setUint16(at, (p.view.getUint16(at) & 0xf00f) | (tos << 4));
}

/** Reads both addresses of a header into the packet's address words. */
export function readAddresses(p: Packet, at: number): void {
  const v = p.view;
  p.src0 = v.getUint32(at + 8);
  p.src1 = v.getUint32(at + 12);
  p.src2 = v.getUint32(at + 16);
  p.src3 = v.getUint32(at + 20);
  p.dst0 = v.getUint32(at + 24);
  p.dst1 = v.getUint32(at + 28);
  p.dst2 = v.getUint32(at + 32);
  p.dst3 = v.getUint32(at + 36);
}

/** Writes a header at p.network from the packet's address words. */
export function emitIpv6(p: Packet, tos: number, flowLabel: number, length: number, next: number, hopLimit: number): void {
  const at = p.network;
  const v = p.view;
  v.setUint32(at, (0x60000000 | (tos << 20) | flowLabel) >>> 0);
  v.setUint16(at + 4, length);
  p.bytes[at + 6] = next;
  p.bytes[at + 7] = hopLimit;
  v.setUint32(at + 8, p.src0);
  v.setUint32(at + 12, p.src1);
  v.setUint32(at + 16, p.src2);
  v.setUint32(at + 20, p.src3);
  v.setUint32(at + 24, p.dst0);
  v.setUint32(at + 28, p.dst1);
  v.setUint32(at + 32, p.dst2);
  v.setUint32(at + 36, p.dst3);
}

export const NOT_FOUND = -1;
/** What `skipExtensions` found last; read it at once. */
export const skipped: { next: number; fragmented: boolean; nextAt: number; fragmentAt: number } = {
  next: 0,
  fragmented: false,
  nextAt: 0,
  /** The first fragment header, where there is one. */
  fragmentAt: 0,
};

/**
 * Walks over the extension headers from `at`, whose kind is `next`, up to `end`: where the upper-layer header begins, its kind in `skipped`;
 * NOT_FOUND when the chain is cut off (`skipped.next` is then the header that is not there). It stops at a fragment header of a fragment that is not the first (`skipped.fragmented`): what
 * follows there is no header.
 */
export function skipExtensions(p: Packet, at: number, next: number, end: number): number {
  const b = p.bytes;
  skipped.fragmented = false;
  let kind = next;
  let i = at;
  while (isExtensionHeader(kind) && kind !== NextHeader.none) {
    skipped.next = kind;
    if (i + 2 > end) return NOT_FOUND;
    let length = (b[i + 1]! + 1) * 8;
    if (kind === NextHeader.fragment) {
      if (i + FRAGMENT_HEADER > end) return NOT_FOUND;
      const word = p.view.getUint16(i + 2);
      if (!skipped.fragmented) skipped.fragmentAt = i;
      skipped.fragmented = true;
      length = FRAGMENT_HEADER;
      if ((word & Frag6.offset) !== 0) return i;
    } else if (kind === NextHeader.authentication) length = (b[i + 1]! + 2) * 4;
    skipped.nextAt = i;
    kind = b[i]!;
    i += length;
  }
  skipped.next = kind;
  return i > end ? NOT_FOUND : i;
}
