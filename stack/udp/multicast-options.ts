/** Groups that a datagram socket joins and the interface by which it reaches them (RFC 1112 6, 3493 5.2): what struct ip_mreq and ipv6_mreq say. */
import { IpAddress } from '../core/address.js';
import { Errno } from '../core/errno.js';
import type { OptionValue } from '../socket/socket.js';
import type { UdpSocket } from './socket.js';

/** struct ipv6_mreq: 16 bytes of group, 4 of interface index. */
const MREQ6 = 20;
/** struct ip_mreq: group and interface address. */
const MREQ = 8;

function bytesOf(raw: OptionValue): Uint8Array | null {
  if (raw instanceof Uint8Array) return raw;
  if (typeof raw !== 'number') return null;
  const b = new Uint8Array(4);
  new DataView(b.buffer).setInt32(0, raw, true);
  return b;
}

function addressAt(b: Uint8Array, at: number): IpAddress | null {
  if (b.length < at + 4) return null;
  return IpAddress.v4(((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0);
}

/** IP_MULTICAST_IF: in_addr (4 bytes, or a number that has them), or the second address of ip_mreq and ip_mreqn, whose index is not looked at. */
export function setInterface(s: UdpSocket, raw: OptionValue): number {
  const b = bytesOf(raw);
  const at = b ? addressAt(b, b.length >= MREQ ? 4 : 0) : null;
  if (!at) return -Errno.EINVAL;
  if (at.isAny()) s.multicastSource = null;
  else if (s.layer.networkOf(4)?.isLocal(at)) s.multicastSource = at;
  else return -Errno.EADDRNOTAVAIL;
  s.route = null;
  return 0;
}

/** The address as the kernel writes it: its bytes in the network's order, taken for an int of this machine. */
export function multicastInterface(s: UdpSocket): number {
  const a = s.multicastSource;
  if (a === null || a.family !== 4) return 0;
  return (a.w3 << 24) | ((a.w3 & 0xff00) << 8) | ((a.w3 >>> 8) & 0xff00) | (a.w3 >>> 24);
}

export function setMembership(s: UdpSocket, raw: OptionValue, join: boolean): number {
  if (!(raw instanceof Uint8Array) || raw.length < MREQ) return -Errno.EINVAL;
  const group = addressAt(raw, 0)!;
  const at = addressAt(raw, 4)!;
  const from = at.isAny() ? null : at;
  return join ? s.memberships.join(group, from) : s.memberships.leave(group, from);
}

/** IPV6_MULTICAST_IF: the interface by whose first address groups are reached; 0 lets routing choose. */
export function setInterface6(s: UdpSocket, index: number): number {
  if (index === 0) s.multicastSource = null;
  else {
    const device = s.layer.networkOf(6)?.deviceAt(index);
    if (!device) return -Errno.ENODEV;
    s.multicastSource = device.primary(6)?.address ?? null;
  }
  s.multicastIndex = index;
  s.route = null;
  return 0;
}
export function multicastInterface6(s: UdpSocket): number {
  return s.multicastIndex;
}

export function setMembership6(s: UdpSocket, raw: OptionValue, join: boolean): number {
  if (!(raw instanceof Uint8Array) || raw.length < MREQ6) return -Errno.EINVAL;
  const v = new DataView(raw.buffer, raw.byteOffset, MREQ6);
  const group = new IpAddress(6, v.getUint32(0), v.getUint32(4), v.getUint32(8), v.getUint32(12));
  const index = v.getUint32(16, true);
  const device = index === 0 ? null : (s.layer.networkOf(6)?.deviceAt(index) ?? undefined);
  if (device === undefined) return -Errno.ENODEV;
  return join ? s.memberships.join(group, null, device) : s.memberships.leave(group, null, device);
}
