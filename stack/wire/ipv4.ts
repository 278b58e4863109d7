/**
 * The IPv4 header (RFC 791 3.1). Accessors take the packet and read at p.network; they do not judge. Offsets are exported because ICMP reads
 * quoted headers at other places.
 */
import { finish, partialSum } from '../core/checksum.js';
import type { Packet } from '../core/packet.js';

export const IPV4_HEADER = 20;
export const IPV4_MAX_HEADER = 60;
/** Offsets inside the header. */
export const Ipv4At = Object.freeze({
  versionIhl: 0,
  tos: 1,
  totalLength: 2,
  id: 4,
  fragment: 6,
  ttl: 8,
  protocol: 9,
  checksum: 10,
  source: 12,
  destination: 16,
  options: 20,
});
export const IpFlag = Object.freeze({ df: 0x4000, mf: 0x2000, offset: 0x1fff });
export const Protocol = Object.freeze({ icmp: 1, igmp: 2, tcp: 6, udp: 17, ipv6: 41, icmpv6: 58, pim: 103, udplite: 136 });
export const Ecn = Object.freeze({ notEct: 0, ect1: 1, ect0: 2, ce: 3, mask: 3 });

/** The sum over a header, complemented: 0 when the header is intact. */
export function headerChecksum(p: Packet, at: number, length: number): number {
  return finish(partialSum(p, at, length));
}

/** Writes a header of 20 + optionBytes at p.network, checksum included; the options must be in place. */
export function emitIpv4(
  p: Packet,
  optionBytes: number,
  tos: number,
  totalLength: number,
  id: number,
  fragment: number,
  ttl: number,
  protocol: number,
  source: number,
  destination: number,
): void {
  const at = p.network;
  const v = p.view;
  const length = IPV4_HEADER + optionBytes;
  p.bytes[at] = 0x40 | (length >> 2);
  p.bytes[at + 1] = tos;
  v.setUint16(at + 2, totalLength);
  v.setUint16(at + 4, id);
  v.setUint16(at + 6, fragment);
  p.bytes[at + 8] = ttl;
  p.bytes[at + 9] = protocol;
  v.setUint16(at + 10, 0);
  v.setUint32(at + 12, source);
  v.setUint32(at + 16, destination);
  v.setUint16(at + 10, headerChecksum(p, at, length));
}

/** Writes the checksum of a header that was changed in place. */
export function refreshChecksum(p: Packet, at: number): void {
  p.view.setUint16(at + Ipv4At.checksum, 0);
  p.view.setUint16(at + Ipv4At.checksum, headerChecksum(p, at, (p.bytes[at]! & 15) * 4));
}
