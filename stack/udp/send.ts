/**
 * A datagram goes out (RFC 768; RFC 1122 4.1.3; RFC 3828 3.1): destination and route, permission, size against the path MTU, checksum.
 * The order of the checks is Linux's, since it decides which error a caller sees and what is counted: a datagram that is too long for a
 * path with DF moves no counter at all, one for which there is no buffer is an OutDiscard and a SndbufError.
 */
import { Ip, Ip6 } from '../../mib/catalogue/index.js';
import { Probe } from '../../mib/probe/points.js';
import { IpAddress } from '../core/address.js';
import { copyBytes } from '../core/bytes.js';
import { Errno } from '../core/errno.js';
import { Destination, type Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import { type NetworkLayer, type Route, TX_TRANSPORT } from '../ip/protocol.js';
import { LinkFeature } from '../link/link.js';
import { type Endpoint, Msg } from '../socket/socket.js';
import { truesize } from './datagram-queue.js';
import { isMapped } from './layer.js';
import { PathMtu } from './options.js';
import type { UdpSocket } from './socket.js';

const MAX_PACKET = 0xffff;

/** The datagram's length, or -errno. `to` null: to the connected peer. */
export function sendDatagram(
  s: UdpSocket,
  from: Uint8Array,
  at: number,
  length: number,
  flags: number,
  to: Endpoint | null,
): number {
  if (length > MAX_PACKET) return -Errno.EMSGSIZE;
  if (flags & Msg.OOB) return -Errno.EOPNOTSUPP;
  if (!to && !s.connected) return -Errno.EDESTADDRREQ;
  const port = to ? to.port : s.remotePort;
  if (port === 0 && s.layer.headerLength !== 0) return -Errno.EINVAL;
  const judged = s.layer.judge(from, at, length);
  if (judged !== 0) return judged;
  const address = to ? normal(to.address) : s.remote!;
  if (address.family !== s.family && (s.family === 4 || s.v6Only)) {
    return s.family === 4 ? -Errno.EAFNOSUPPORT : -Errno.ENETUNREACH;
  }
  const bound = s.autobind();
  if (bound !== 0) return bound;
  const network = s.layer.networkOf(address.family);
  if (!network) return -Errno.ENETUNREACH;
  const route = routeOf(s, network, address);
  if (typeof route === 'number') return route;
  if (route.kind === Destination.broadcast && !s.broadcast) return -Errno.EACCES;
  if (tooLong(s, network, route, length)) return -Errno.EMSGSIZE;
  const refused = refusal(s, network, route, length);
  if (refused !== 0) {
    s.owner.inc(network.family === 4 ? Ip.OutDiscards : Ip6.OutDiscards);
    if (refused === -Errno.ENOBUFS) s.count(s.layer.cells(network.family).SndbufErrors);
    return refused;
  }
  return emit(s, network, route, from, at, length, port);
}

/** The kept route when it still is the answer to the same question. */
function routeOf(s: UdpSocket, network: NetworkLayer, to: IpAddress): Route | number {
  let source = s.localAny || s.localIsGroup ? null : s.local;
  if (!source && s.multicastSource && to.isMulticast()) source = s.multicastSource;
  const kept = s.route;
  if (kept && s.routeFrom === source && (s.routeTo === to || s.routeTo!.equals(to)) && kept.valid()) return kept;
  const route = network.route(to, source, s.owner, true);
  if (typeof route !== 'number') s.keepRoute(route, to, source);
  return route;
}

/** Longer than the path carries in one piece, for a socket that does not let it be fragmented; or than any packet. */
function tooLong(s: UdpSocket, network: NetworkLayer, route: Route, length: number): boolean {
  const fragments = s.pathMtu < PathMtu.DO || s.pathMtu === PathMtu.OMIT;
  return length + network.headerLength + s.layer.headerLength > (fragments ? MAX_PACKET : mtuOf(s, route));
}

/** Why no buffer is to be had for the datagram, which IP counts as discarded: the pending error, -EPIPE, -ENOBUFS; or 0. */
function refusal(s: UdpSocket, network: NetworkLayer, route: Route, length: number): number {
  const pending = s.takeError();
  if (pending !== 0) return -pending;
  if (s.mayNotSend) return -Errno.EPIPE;
  const mtu = mtuOf(s, route);
  const size = length + s.layer.headerLength;
  if (size + network.headerLength <= mtu) return 0;
  // The first fragment's buffer may pass SO_SNDBUF, those of the others may nearly fill it twice (ip_append_data).
  const others = Math.ceil(size / ((mtu - network.headerLength) & ~7)) - 1;
  return others * truesize(mtu) >= 2 * s.sendBuffer ? -Errno.ENOBUFS : 0;
}

/** The path MTU, or the device's for sockets that do not listen to path MTU discovery. */
function mtuOf(s: UdpSocket, route: Route): number {
  return s.pathMtu >= PathMtu.PROBE ? route.device.mtu : route.mtu(s.layer.env.nowUs);
}

function emit(
  s: UdpSocket,
  network: NetworkLayer,
  route: Route,
  from: Uint8Array,
  at: number,
  length: number,
  port: number,
): number {
  const layer = s.layer;
  const p = layer.transmitPacket;
  const size = length + layer.headerLength;
  const fits = size + network.headerLength <= mtuOf(s, route);
  p.reset(TX_TRANSPORT);
  p.transport = TX_TRANSPORT;
  p.payload = TX_TRANSPORT + layer.headerLength;
  p.tail = TX_TRANSPORT + size;
  p.protocol = layer.protocol;
  address(p, network.family, route);
  copyBytes(p.bytes, p.payload, from, at, length);
  p.df = s.pathMtu === PathMtu.DO || s.pathMtu === PathMtu.PROBE || (s.pathMtu === PathMtu.WANT && fits);
  p.multicastLoop = s.multicastLoop;
  p.linkMtu = s.pathMtu >= PathMtu.PROBE;
  layer.finish(s, p, port, fits && (route.device.link.features & LinkFeature.csum) !== 0);
  const owner = s.owner;
  const cells = layer.cells(network.family);
  const error = network.output(p, route, owner, ttlOf(s, route), s.tos);
  if (error === -Errno.ENOBUFS) {
    s.count(cells.SndbufErrors);
    return s.recvErr ? error : length;
  }
  if (error !== 0) return error;
  s.count(cells.OutDatagrams);
  owner.fire(Probe.udpSend, length, 0);
  return length;
}

function ttlOf(s: UdpSocket, route: Route): number {
  if (route.kind === Destination.multicast) return s.multicastTtl;
  return s.ttl === -1 ? s.layer.env.sysctl.values[Sysctl.ip_default_ttl]! : s.ttl;
}

function address(p: Packet, family: number, route: Route): void {
  p.family = family;
  p.src0 = route.source.w0;
  p.src1 = route.source.w1;
  p.src2 = route.source.w2;
  p.src3 = route.source.w3;
  p.dst0 = route.destination.w0;
  p.dst1 = route.destination.w1;
  p.dst2 = route.destination.w2;
  p.dst3 = route.destination.w3;
}

/** An IPv4-mapped IPv6 address as the IPv4 address it is. */
function normal(a: IpAddress): IpAddress {
  return isMapped(a) ? IpAddress.v4(a.w3) : a;
}
