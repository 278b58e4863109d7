/** Socket options of UDP and UDP-Lite sockets, with Linux's numbers, ranges and errors. */
import { IpAddress } from '../core/address.js';
import { Errno } from '../core/errno.js';
import { Sysctl } from '../core/sysctl.js';
import { IpOpt, Level, type OptionValue, So, type TcpInfo, UdpOpt } from '../socket/socket.js';
import { UDP, UDPLITE } from './cells.js';
import { getIp6Option, setIp6Option } from './options6.js';
import { PathMtu } from './path-mtu.js';
import type { UdpSocket } from './socket.js';

/** SO_NO_CHECK and IP_MULTICAST_ALL, which socket.ts does not name. */
export const SO_NO_CHECK = 11;
export const IP_MULTICAST_ALL = 49;
/** Level 136. */
export const UdpLiteOpt = Object.freeze({ SEND_CSCOV: 10, RECV_CSCOV: 11 });

const SOCK_DGRAM = 2;
const AF_INET = 2;
const AF_INET6 = 10;
/** SOCK_MIN_RCVBUF and SOCK_MIN_SNDBUF: a 2 KiB buffer with its sk_buff, once and twice. */
const MIN_RCVBUF = 2304;
const MIN_SNDBUF = 4608;

export function setUdpOption(s: UdpSocket, level: number, name: number, value: OptionValue): number {
  if (level === Level.SOCKET) return setSocket(s, name, value);
  if (level === Level.IP && s.family === 4) return setIp(s, name, value);
  if (level === Level.IPV6 && s.family === 6) return setIp6Option(s, name, value);
  return isUdpLevel(s, level) ? setUdp(s, name, value) : -Errno.ENOPROTOOPT;
}

/** Linux takes either level for either protocol. */
function isUdpLevel(s: UdpSocket, level: number): boolean {
  return (level === Level.UDP || level === UDPLITE) && (s.layer.protocol === UDP || s.layer.protocol === UDPLITE);
}

export function getUdpOption(
  s: UdpSocket,
  level: number,
  name: number,
): { readonly errno: number } | { readonly value: OptionValue | TcpInfo } {
  let value: number | undefined;
  if (level === Level.SOCKET) value = getSocket(s, name);
  else if (level === Level.IP && s.family === 4) value = getIp(s, name);
  else if (level === Level.IPV6 && s.family === 6) value = getIp6Option(s, name);
  else if (isUdpLevel(s, level)) value = getUdp(s, name);
  if (value === undefined) return { errno: Errno.ENOPROTOOPT };
  return value < -1 ? { errno: -value } : { value };
}

function setSocket(s: UdpSocket, name: number, value: OptionValue): number {
  if (typeof value !== 'number') return -Errno.EINVAL;
  const v = s.layer.env.sysctl.values;
  switch (name) {
    case So.REUSEADDR:
      s.reuseAddress = value !== 0;
      return 0;
    case So.REUSEPORT:
      s.reusePort = value !== 0;
      return 0;
    case So.BROADCAST:
      s.broadcast = value !== 0;
      return 0;
    case So.RCVBUF:
      s.receiveBuffer = Math.max(2 * Math.min(value >>> 0, v[Sysctl.rmem_max]!), MIN_RCVBUF);
      return 0;
    case So.RCVBUFFORCE:
      s.receiveBuffer = Math.max(2 * Math.min(Math.max(value, 0), 0x3fffffff), MIN_RCVBUF);
      return 0;
    case So.SNDBUF:
      s.sendBuffer = Math.max(2 * Math.min(value >>> 0, v[Sysctl.wmem_max]!), MIN_SNDBUF);
      return 0;
    case So.SNDBUFFORCE:
      s.sendBuffer = Math.max(2 * Math.min(Math.max(value, 0), 0x3fffffff), MIN_SNDBUF);
      return 0;
    case SO_NO_CHECK:
      s.noCheckTx = value !== 0;
      return 0;
    case So.PRIORITY:
      s.priority = value;
      return 0;
    case So.MARK:
      s.mark = value;
      return 0;
    case So.TYPE:
    case So.DOMAIN:
    case So.ERROR:
    case So.ACCEPTCONN:
      return -Errno.ENOPROTOOPT;
    default:
      return -Errno.ENOPROTOOPT;
  }
}

function getSocket(s: UdpSocket, name: number): number | undefined {
  switch (name) {
    case So.TYPE:
      return SOCK_DGRAM;
    case So.DOMAIN:
      return s.family === 4 ? AF_INET : AF_INET6;
    case So.ERROR:
      return s.takeError();
    case So.REUSEADDR:
      return s.reuseAddress ? 1 : 0;
    case So.REUSEPORT:
      return s.reusePort ? 1 : 0;
    case So.BROADCAST:
      return s.broadcast ? 1 : 0;
    case So.RCVBUF:
      return s.receiveBuffer;
    case So.SNDBUF:
      return s.sendBuffer;
    case SO_NO_CHECK:
      return s.noCheckTx ? 1 : 0;
    case So.PRIORITY:
      return s.priority;
    case So.MARK:
      return s.mark;
    case So.ACCEPTCONN:
      return 0;
    default:
      return undefined;
  }
}

function setIp(s: UdpSocket, name: number, value: OptionValue): number {
  if (name === IpOpt.ADD_MEMBERSHIP || name === IpOpt.DROP_MEMBERSHIP || name === IpOpt.MULTICAST_IF) {
    return setMulticast(s, name, value);
  }
  if (typeof value !== 'number') return -Errno.EINVAL;
  switch (name) {
    case IpOpt.TOS:
      s.tos = value & 0xff;
      return 0;
    case IpOpt.TTL:
      if (value !== -1 && (value < 1 || value > 255)) return -Errno.EINVAL;
      s.ttl = value;
      return 0;
    case IpOpt.MTU_DISCOVER:
      if (value < PathMtu.DONT || value > PathMtu.OMIT) return -Errno.EINVAL;
      s.pathMtu = value;
      return 0;
    case IpOpt.RECVERR:
      s.recvErr = value !== 0;
      return 0;
    case IpOpt.FREEBIND:
      s.freeBind = value !== 0;
      return 0;
    case IpOpt.MULTICAST_TTL:
      if (value < -1 || value > 255) return -Errno.EINVAL;
      s.multicastTtl = value === -1 ? 1 : value;
      return 0;
    case IpOpt.MULTICAST_LOOP:
      s.multicastLoop = value !== 0;
      return 0;
    case IP_MULTICAST_ALL:
      if (value !== 0 && value !== 1) return -Errno.EINVAL;
      s.multicastAll = value !== 0;
      return 0;
    default:
      return -Errno.ENOPROTOOPT;
  }
}

/** Undefined: no such option. Below -1: an errno, negated. */
function getIp(s: UdpSocket, name: number): number | undefined {
  switch (name) {
    case IpOpt.TOS:
      return s.tos;
    case IpOpt.TTL:
      return s.ttl === -1 ? s.layer.env.sysctl.values[Sysctl.ip_default_ttl]! : s.ttl;
    case IpOpt.MTU_DISCOVER:
      return s.pathMtu;
    case IpOpt.RECVERR:
      return s.recvErr ? 1 : 0;
    case IpOpt.FREEBIND:
      return s.freeBind ? 1 : 0;
    case IpOpt.MULTICAST_TTL:
      return s.multicastTtl;
    case IpOpt.MULTICAST_LOOP:
      return s.multicastLoop ? 1 : 0;
    case IP_MULTICAST_ALL:
      return s.multicastAll ? 1 : 0;
    case IpOpt.MTU:
      return s.connected && s.route ? s.route.mtu(s.layer.env.nowUs) : -Errno.ENOTCONN;
    default:
      return undefined;
  }
}

/** Values are those of struct ip_mreq (8 octets: group, interface address), in_addr (4), or ip_mreqn, whose interface index is not looked at. */
function setMulticast(s: UdpSocket, name: number, value: OptionValue): number {
  if (!(value instanceof Uint8Array)) return -Errno.EINVAL;
  if (name === IpOpt.MULTICAST_IF) {
    const at = addressAt(value, value.length >= 8 ? 4 : 0);
    if (!at) return -Errno.EINVAL;
    if (at.isAny()) s.multicastSource = null;
    else if (s.layer.networkOf(4)?.isLocal(at)) s.multicastSource = at;
    else return -Errno.EADDRNOTAVAIL;
    s.route = null;
    return 0;
  }
  const group = addressAt(value, 0);
  if (!group || value.length < 8) return -Errno.EINVAL;
  const at = addressAt(value, 4);
  const from = at && !at.isAny() ? at : null;
  return name === IpOpt.ADD_MEMBERSHIP ? s.memberships.join(group, from) : s.memberships.leave(group, from);
}

function addressAt(b: Uint8Array, at: number): IpAddress | null {
  if (b.length < at + 4) return null;
  return IpAddress.v4(((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0);
}

function setUdp(s: UdpSocket, name: number, value: OptionValue): number {
  if (typeof value !== 'number') return -Errno.EINVAL;
  switch (name) {
    case UdpOpt.CORK:
      s.setCorked(value !== 0);
      return 0;
    case UdpOpt.SEGMENT:
      if (value < 0 || value > 0xffff) return -Errno.EINVAL;
      s.segmentSize = value;
      return 0;
    case UdpOpt.GRO:
      s.gro = value !== 0;
      return 0;
    default:
      return s.layer.protocol === UDPLITE ? setLite(s, name, value) : -Errno.ENOPROTOOPT;
  }
}

function getUdp(s: UdpSocket, name: number): number | undefined {
  const lite = s.layer.protocol === UDPLITE;
  switch (name) {
    case UdpOpt.CORK:
      return s.corked ? 1 : 0;
    case UdpOpt.SEGMENT:
      return s.segmentSize;
    case UdpOpt.GRO:
      return s.gro ? 1 : 0;
    case UdpLiteOpt.SEND_CSCOV:
      return lite ? s.sendCoverage : undefined;
    case UdpLiteOpt.RECV_CSCOV:
      return lite ? s.receiveCoverage : undefined;
    default:
      return undefined;
  }
}

/** RFC 3828 3.1: a coverage of 1 to 7 is illegal and taken as 8, the header alone. */
function setLite(s: UdpSocket, name: number, value: number): number {
  const coverage = value !== 0 && value < 8 ? 8 : Math.min(value, 0xffff);
  if (name === UdpLiteOpt.SEND_CSCOV) s.sendCoverage = coverage;
  else if (name === UdpLiteOpt.RECV_CSCOV) s.receiveCoverage = coverage;
  else return -Errno.ENOPROTOOPT;
  return 0;
}
