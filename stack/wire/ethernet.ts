/**
 * Ethernet II (RFC 894, RFC 1122 2.3.3): destination, source, EtherType. MAC addresses are handled as two numbers, the high 16 and the low
 * 32 bits, so that comparing and copying one needs no array.
 */
import { LinkType, type Packet } from '../core/packet.js';

export const ETHERNET_HEADER = 14;
export const EtherType = Object.freeze({ ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd });
/** The group bit of a MAC address, in its high half. */
export const GROUP_BIT = 0x0100;
export const BROADCAST_HIGH = 0xffff;
export const BROADCAST_LOW = 0xffffffff;
/** RFC 1112 6.4: 01-00-5e and the low 23 bits of the group. */
export const MULTICAST4_HIGH = 0x0100;

/** Low half of the MAC address of an IPv4 group. */
export function multicastLow(group: number): number {
  return (0x5e000000 | (group & 0x7fffff)) >>> 0;
}

/** Writes the header in front of p.data and moves p.data there. */
export function emitEthernet(
  p: Packet,
  destinationHigh: number,
  destinationLow: number,
  sourceHigh: number,
  sourceLow: number,
  etherType: number,
): void {
  const at = p.data - ETHERNET_HEADER;
  const v = p.view;
  v.setUint16(at, destinationHigh);
  v.setUint32(at + 2, destinationLow);
  v.setUint16(at + 6, sourceHigh);
  v.setUint32(at + 8, sourceLow);
  v.setUint16(at + 12, etherType);
  p.data = at;
  p.mac = at;
}

export function etherType(p: Packet): number {
  return p.view.getUint16(p.data + 12);
}

/** Whom the frame is for, seen from the device with this address. */
export function linkTypeOf(p: Packet, macHigh: number, macLow: number): number {
  const high = p.view.getUint16(p.data);
  const low = p.view.getUint32(p.data + 2);
  if (high === macHigh && low === macLow) return LinkType.host;
  if ((high & GROUP_BIT) === 0) return LinkType.otherhost;
  return high === BROADCAST_HIGH && low === BROADCAST_LOW ? LinkType.broadcast : LinkType.multicast;
}

/** `02:00:00:00:00:01`. */
export function formatMac(high: number, low: number): string {
  return (high.toString(16).padStart(4, '0') + low.toString(16).padStart(8, '0')).match(/../g)!.join(':');
}
