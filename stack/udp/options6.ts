/** IPPROTO_IPV6 options of datagram sockets (RFC 3493 5, 3542), with Linux's numbers, ranges and errors. */
import { IpAddress } from '../core/address.js';
import { Errno } from '../core/errno.js';
import { Sysctl } from '../core/sysctl.js';
import { Ip6Opt, type OptionValue } from '../socket/socket.js';
import { PathMtu } from './path-mtu.js';
import type { UdpSocket } from './socket.js';

/** struct ipv6_mreq: 16 bytes of group, 4 of interface index. */
const MREQ = 20;

export function setIp6Option(s: UdpSocket, name: number, value: OptionValue): number {
  if (name === Ip6Opt.JOIN_GROUP || name === Ip6Opt.LEAVE_GROUP) return setMembership(s, name, value);
  if (typeof value !== 'number') return -Errno.EINVAL;
  switch (name) {
    case Ip6Opt.V6ONLY:
      if (s.localPort !== 0) return -Errno.EINVAL;
      s.v6Only = value !== 0;
      return 0;
    case Ip6Opt.UNICAST_HOPS:
      if (value < -1 || value > 255) return -Errno.EINVAL;
      s.ttl = value;
      return 0;
    case Ip6Opt.MULTICAST_HOPS:
      if (value < -1 || value > 255) return -Errno.EINVAL;
      s.multicastTtl = value === -1 ? 1 : value;
      return 0;
    case Ip6Opt.MULTICAST_LOOP:
      if (value !== 0 && value !== 1) return -Errno.EINVAL;
      s.multicastLoop = value !== 0;
      return 0;
    case Ip6Opt.MULTICAST_ALL:
      s.multicastAll = value !== 0;
      return 0;
    case Ip6Opt.MULTICAST_IF:
      return setMulticastInterface(s, value);
    case Ip6Opt.TCLASS:
      if (value < -1 || value > 255) return -Errno.EINVAL;
      s.tos = value === -1 ? 0 : value;
      return 0;
    case Ip6Opt.MTU_DISCOVER:
      if (value < PathMtu.DONT || value > PathMtu.OMIT) return -Errno.EINVAL;
      s.pathMtu = value;
      return 0;
    case Ip6Opt.DONTFRAG:
      s.pathMtu = value !== 0 ? PathMtu.DO : PathMtu.WANT;
      return 0;
    case Ip6Opt.RECVERR:
      s.recvErr = value !== 0;
      return 0;
    default:
      return -Errno.ENOPROTOOPT;
  }
}

/** Undefined: no such option. Below -1: an errno, negated. */
export function getIp6Option(s: UdpSocket, name: number): number | undefined {
  switch (name) {
    case Ip6Opt.V6ONLY:
      return s.v6Only ? 1 : 0;
    case Ip6Opt.UNICAST_HOPS:
      return s.ttl === -1 ? s.layer.env.sysctl.values[Sysctl.ip6_hop_limit]! : s.ttl;
    case Ip6Opt.MULTICAST_HOPS:
      return s.multicastTtl;
    case Ip6Opt.MULTICAST_LOOP:
      return s.multicastLoop ? 1 : 0;
    case Ip6Opt.MULTICAST_ALL:
      return s.multicastAll ? 1 : 0;
    case Ip6Opt.TCLASS:
      return s.tos;
    case Ip6Opt.MTU_DISCOVER:
      return s.pathMtu;
    case Ip6Opt.DONTFRAG:
      return s.pathMtu === PathMtu.DO ? 1 : 0;
    case Ip6Opt.RECVERR:
      return s.recvErr ? 1 : 0;
    case Ip6Opt.MTU:
      return s.connected && s.route ? s.route.mtu(s.layer.env.nowUs) : -Errno.ENOTCONN;
    default:
      return undefined;
  }
}

/** The interface by whose first address groups are reached; 0 lets routing choose. */
function setMulticastInterface(s: UdpSocket, index: number): number {
  if (index === 0) s.multicastSource = null;
  else {
    const device = s.layer.networkOf(6)?.deviceAt?.(index);
    if (!device) return -Errno.ENODEV;
    s.multicastSource = device.primary(6)?.address ?? null;
  }
  s.route = null;
  return 0;
}

function setMembership(s: UdpSocket, name: number, value: OptionValue): number {
  if (!(value instanceof Uint8Array) || value.length < MREQ) return -Errno.EINVAL;
  const v = new DataView(value.buffer, value.byteOffset, MREQ);
  const group = new IpAddress(6, v.getUint32(0), v.getUint32(4), v.getUint32(8), v.getUint32(12));
  const index = v.getUint32(16, true);
  const device = index === 0 ? null : (s.layer.networkOf(6)?.deviceAt?.(index) ?? undefined);
  if (device === undefined) return -Errno.ENODEV;
  return name === Ip6Opt.JOIN_GROUP ? s.memberships.join(group, null, device) : s.memberships.leave(group, null, device);
}
