/** Fills the probe ring's context from a packet, local end first. Only called while probes are armed, so it may read headers again. */
import type { ProbeContext } from '../../mib/probe/ring.js';
import type { Packet } from '../core/packet.js';
import { IPV4_HEADER, IpFlag, Ipv4At, Protocol } from '../wire/ipv4.js';
import { IPV6_HEADER, Ipv6At, NOT_FOUND, skipExtensions, skipped } from '../wire/ipv6.js';

export const Direction = Object.freeze({ none: 0, received: 1, sent: 2 });
const TCP_HEADER = 20;

/** No packet is at hand: timers, socket calls. */
export function forgetPacket(c: ProbeContext): void {
  c.direction = Direction.none;
  c.device = 0;
  c.familyProtocol = 0;
  c.ports = 0;
  c.length = -1;
  c.flags = c.seq = c.ack = c.window = 0;
  c.local0 = c.local1 = c.local2 = c.local3 = 0;
  c.remote0 = c.remote1 = c.remote2 = c.remote3 = 0;
}

/** A packet that has come in by that device (its index): itself, or null when it is too short for a header. */
export function noteReceived(c: ProbeContext, p: Packet, device: number): Packet | null {
  c.device = device;
  return notePacket(c, p, p.data, Direction.received) ? p : null;
}

/** A packet on its way out by that device (its index). */
export function noteSent(c: ProbeContext, p: Packet, device: number): void {
  c.device = device;
  notePacket(c, p, p.network, Direction.sent);
}

/** Back to the inbound packet that one was sent in answer to; null: there is none. */
export function noteCause(c: ProbeContext, p: Packet | null): void {
  if (!p) {
    forgetPacket(c);
    return;
  }
  c.device = p.device ? p.device.index : 0;
  notePacket(c, p, p.network, Direction.received);
}

/** Takes the IP header at `at` and the transport header behind it. False: too short for a header, the context is empty. */
export function notePacket(c: ProbeContext, p: Packet, at: number, direction: number): boolean {
  const device = c.device;
  forgetPacket(c);
  c.device = device;
  c.direction = direction;
  if (p.tail - at < IPV4_HEADER) return false;
  const inbound = direction === Direction.received;
  if (p.bytes[at]! >> 4 === 6) return notePacket6(c, p, at, inbound);
  const v = p.view;
  const source = v.getUint32(at + Ipv4At.source);
  const destination = v.getUint32(at + Ipv4At.destination);
  const protocol = p.bytes[at + Ipv4At.protocol]!;
  c.familyProtocol = 4 * 256 + protocol;
  c.local2 = c.remote2 = 0xffff;
  c.local3 = inbound ? destination : source;
  c.remote3 = inbound ? source : destination;
  const transport = at + (p.bytes[at]! & 15) * 4;
  const end = Math.min(p.tail, at + v.getUint16(at + Ipv4At.totalLength) || p.tail);
  c.length = Math.max(end - transport, 0);
  if ((v.getUint16(at + Ipv4At.fragment) & IpFlag.offset) !== 0) return true;
  noteTransport(c, p, transport, end, protocol, inbound);
  return true;
}

function notePacket6(c: ProbeContext, p: Packet, at: number, inbound: boolean): boolean {
  if (p.tail - at < IPV6_HEADER) return false;
  const v = p.view;
  const local = at + (inbound ? Ipv6At.destination : Ipv6At.source);
  const remote = at + (inbound ? Ipv6At.source : Ipv6At.destination);
  c.local0 = v.getUint32(local);
  c.local1 = v.getUint32(local + 4);
  c.local2 = v.getUint32(local + 8);
  c.local3 = v.getUint32(local + 12);
  c.remote0 = v.getUint32(remote);
  c.remote1 = v.getUint32(remote + 4);
  c.remote2 = v.getUint32(remote + 8);
  c.remote3 = v.getUint32(remote + 12);
  const payload = v.getUint16(at + Ipv6At.payloadLength);
  const end = payload === 0 ? p.tail : Math.min(p.tail, at + IPV6_HEADER + payload);
  const transport = skipExtensions(p, at + IPV6_HEADER, p.bytes[at + Ipv6At.nextHeader]!, end);
  c.familyProtocol = 6 * 256 + (transport === NOT_FOUND ? p.bytes[at + Ipv6At.nextHeader]! : skipped.next);
  if (transport === NOT_FOUND) return true;
  c.length = Math.max(end - transport, 0);
  if (!skipped.fragmented) noteTransport(c, p, transport, end, skipped.next, inbound);
  return true;
}

function noteTransport(c: ProbeContext, p: Packet, transport: number, end: number, protocol: number, inbound: boolean): void {
  const v = p.view;
  if (protocol === Protocol.tcp && end - transport >= TCP_HEADER) noteTcp(c, p, transport, end, inbound);
  else if ((protocol === Protocol.udp || protocol === Protocol.udplite) && end - transport >= 8) {
    notePorts(c, v.getUint16(transport), v.getUint16(transport + 2), inbound);
    c.length = end - transport - 8;
  } else if ((protocol === Protocol.icmp || protocol === Protocol.icmpv6) && end - transport >= 8) c.length = end - transport - 8;
}

function notePorts(c: ProbeContext, source: number, destination: number, inbound: boolean): void {
  c.ports = inbound ? destination * 65536 + source : source * 65536 + destination;
}

function noteTcp(c: ProbeContext, p: Packet, transport: number, end: number, inbound: boolean): void {
  const v = p.view;
  notePorts(c, v.getUint16(transport), v.getUint16(transport + 2), inbound);
  const w = v.getUint16(transport + 12);
  c.seq = v.getUint32(transport + 4);
  c.ack = v.getUint32(transport + 8);
  c.flags = w & 0x1ff;
  c.window = v.getUint16(transport + 14);
  c.length = Math.max(end - transport - (w >>> 12) * 4, 0);
}
