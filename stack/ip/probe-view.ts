/** Fills the probe ring's context from a packet, local end first. Only called while probes are armed, so it may read headers again. */
import type { ProbeContext } from '../../mib/probe/ring.js';
import type { Packet } from '../core/packet.js';
import { IPV4_HEADER, IpFlag, Ipv4At, Protocol } from '../wire/ipv4.js';

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

/** Takes the IPv4 header at `at` and the transport header behind it. False: too short for a header, the context is empty. */
export function notePacket(c: ProbeContext, p: Packet, at: number, direction: number): boolean {
  const device = c.device;
  forgetPacket(c);
  c.device = device;
  c.direction = direction;
  if (p.tail - at < IPV4_HEADER) return false;
  const v = p.view;
  const inbound = direction === Direction.received;
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
  if (protocol === Protocol.tcp && end - transport >= TCP_HEADER) noteTcp(c, p, transport, end, inbound);
  else if ((protocol === Protocol.udp || protocol === Protocol.udplite) && end - transport >= 8) {
    notePorts(c, v.getUint16(transport), v.getUint16(transport + 2), inbound);
    c.length = end - transport - 8;
  } else if (protocol === Protocol.icmp && end - transport >= 8) c.length = end - transport - 8;
  return true;
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
