/**
 * A datagram goes out (RFC 768; RFC 1122 4.1.3; RFC 3828 3.1): destination and route, permission, size against the path MTU, checksum.
 * The order of the checks is Linux's, since it decides which error a caller sees and what is counted: a datagram that is too long for a
 * path with DF moves no counter at all, one for which there is no buffer is an OutDiscard and a SndbufError.
 *
 * With a segment size (UDP_SEGMENT) the bytes are as many datagrams, which travel and are counted as one super-frame down to a link that
 * cuts it, or to the device, which does it in software. A datagram may also be gathered from several calls (cork.ts).
 */
import { Probe } from '../../mib/probe/points.js';
import { IpAddress, isMapped } from '../core/address.js';
import { copyBytes } from '../core/bytes.js';
import { Errno } from '../core/errno.js';
import { Destination, Gso, type Packet } from '../core/packet.js';
import { discarded, outputOrDiscard } from '../ip/discard.js';
import { type NetworkLayer, type Route, TX_TRANSPORT } from '../ip/protocol.js';
import { LinkFeature } from '../link/link.js';
import { PmtuDiscovery } from '../socket/ip-options.js';
import { type Endpoint, Msg } from '../socket/socket.js';
import { UDPLITE } from './cells.js';
import { Cork } from './cork.js';
import { truesize } from './datagram-queue.js';
import type { UdpSocket } from './socket.js';

const MAX_PACKET = 0xffff;
/** Datagrams in one call (UDP_MAX_SEGMENTS). */
const MAX_SEGMENTS = 128;

/** The datagram's length, or -errno. `to` null: to the connected peer. `segmentSize` 0: one datagram. */
export function sendDatagram(
  s: UdpSocket,
  from: Uint8Array,
  at: number,
  length: number,
  flags: number,
  to: Endpoint | null,
  segmentSize: number,
): number {
  if (length > MAX_PACKET) return -Errno.EMSGSIZE;
  if (flags & Msg.OOB) return -Errno.EOPNOTSUPP;
  const more = s.layer.headerLength !== 0 && (s.corked || (flags & Msg.MORE) !== 0);
  if (s.cork?.open) return append(s, s.cork, from, at, length, more);
  if (segmentSize < 0 || segmentSize > MAX_PACKET) return -Errno.EINVAL;
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
  const mtu = mtuOf(s, route);
  if (tooLong(s, network, length, mtu, segmentSize)) return -Errno.EMSGSIZE;
  const pending = s.takeError();
  if (pending !== 0) return refuse(s, network, -pending);
  if (s.mayNotSend) return refuse(s, network, -Errno.EPIPE);
  if (bufferFull(s, route)) return refuse(s, network, -Errno.EAGAIN);
  if (noBuffer(s, network, length, mtu, segmentSize)) return refuse(s, network, -Errno.ENOBUFS);
  if (!more) return emit(s, network, route, from, at, length, port, mtu, segmentSize);
  const cork = (s.cork ??= new Cork(network, route));
  cork.begin(network, route, port, segmentSize, mtu);
  cork.append(from, at, length);
  return length;
}

/** One more call for the datagram under construction. An error throws away what has gathered. */
function append(s: UdpSocket, cork: Cork, from: Uint8Array, at: number, length: number, more: boolean): number {
  const { network, mtu, segmentSize } = cork;
  const whole = cork.length + length;
  cork.open = false;
  if (tooLong(s, network, whole, mtu, segmentSize)) return -Errno.EMSGSIZE;
  if (noBuffer(s, network, whole, mtu, segmentSize)) return refuse(s, network, -Errno.ENOBUFS);
  cork.append(from, at, length);
  cork.open = true;
  if (more) return length;
  const sent = uncork(s);
  return sent < 0 ? sent : length;
}

/** The datagram under construction is complete: sends it. Its length, or -errno. */
export function uncork(s: UdpSocket): number {
  const c = s.cork;
  if (c === null || !c.open) return 0;
  c.open = false;
  return emit(s, c.network, c.route, c.bytes, 0, c.length, c.port, c.mtu, c.segmentSize);
}

/** No buffer is to be had, which IP counts as discarded. */
function refuse(s: UdpSocket, network: NetworkLayer, error: number): number {
  discarded(network, s.owner);
  if (error === -Errno.ENOBUFS || error === -Errno.EAGAIN) s.count(s.layer.cells(network.family).SndbufErrors);
  return error;
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
function tooLong(s: UdpSocket, network: NetworkLayer, length: number, mtu: number, segmentSize: number): boolean {
  const mayPass = segmentSize > 0 || s.pmtuDiscovery < PmtuDiscovery.do || s.pmtuDiscovery === PmtuDiscovery.omit;
  return length + network.headerLength + s.layer.headerLength > (mayPass ? MAX_PACKET : mtu);
}

/** SO_SNDBUF is full of datagrams that wait for the neighbour's address: the only place where any wait here. */
function bufferFull(s: UdpSocket, route: Route): boolean {
  return s.owner !== s.layer.env.ledger.unattributed && route.heldBytes(s.owner) >= s.sendBuffer;
}

/** The first fragment's buffer may pass SO_SNDBUF, those of the others may nearly fill it twice (ip_append_data). */
function noBuffer(s: UdpSocket, network: NetworkLayer, length: number, mtu: number, segmentSize: number): boolean {
  const size = length + s.layer.headerLength;
  if (segmentSize > 0 || size + network.headerLength <= mtu) return false;
  const others = Math.ceil(size / ((mtu - network.headerLength) & ~7)) - 1;
  return others * truesize(mtu) >= 2 * s.sendBuffer;
}

/** 0, or why a socket and a path that are so cannot send datagrams of this size. */
function judgeSegments(s: UdpSocket, network: NetworkLayer, length: number, mtu: number, segmentSize: number): number {
  if (network.headerLength + s.layer.headerLength + Math.min(length, segmentSize) > mtu) return -Errno.EMSGSIZE;
  if (length > segmentSize * MAX_SEGMENTS || s.noCheckTx) return -Errno.EINVAL;
  return s.layer.protocol === UDPLITE ? -Errno.EIO : 0;
}

/** The path MTU, or the device's for sockets that do not listen to path MTU discovery. */
function mtuOf(s: UdpSocket, route: Route): number {
  return s.pmtuDiscovery >= PmtuDiscovery.probe ? route.device.mtu : route.mtu(s.layer.env.nowUs);
}

function emit(
  s: UdpSocket,
  network: NetworkLayer,
  route: Route,
  from: Uint8Array,
  at: number,
  length: number,
  port: number,
  mtu: number,
  segmentSize: number,
): number {
  if (segmentSize > 0) {
    const unfit = judgeSegments(s, network, length, mtu, segmentSize);
    if (unfit !== 0) return unfit;
  }
  const layer = s.layer;
  const p = layer.transmitPacket;
  const size = length + layer.headerLength;
  const fits = size + network.headerLength <= mtu;
  const several = segmentSize > 0 && length > segmentSize;
  p.reset(TX_TRANSPORT);
  p.transport = TX_TRANSPORT;
  p.payload = TX_TRANSPORT + layer.headerLength;
  p.tail = TX_TRANSPORT + size;
  p.protocol = layer.protocol;
  address(p, network.family, route);
  copyBytes(p.bytes, p.payload, from, at, length);
  p.df =
    s.pmtuDiscovery === PmtuDiscovery.do ||
    s.pmtuDiscovery === PmtuDiscovery.probe ||
    (s.pmtuDiscovery === PmtuDiscovery.want && fits);
  p.departUs = s.departUs;
  p.multicastLoop = s.multicastLoop;
  p.linkMtu = s.pmtuDiscovery >= PmtuDiscovery.probe;
  layer.finish(s, p, port, several || (fits && (route.device.link.features & LinkFeature.csum) !== 0));
  if (several) {
    p.gsoType = Gso.udpL4;
    p.gsoSize = segmentSize;
    p.gsoSegs = Math.ceil(length / segmentSize);
  }
  const owner = s.owner;
  const cells = layer.cells(network.family);
  const error = outputOrDiscard(network, p, route, owner, ttlOf(s, network, route), s.tos);
  if (error === -Errno.ENOBUFS) {
    s.count(cells.SndbufErrors);
    return s.recvErr ? error : length;
  }
  if (error !== 0) return error;
  s.count(cells.OutDatagrams);
  owner.fire(Probe.udpSend, length, 0);
  return length;
}

function ttlOf(s: UdpSocket, network: NetworkLayer, route: Route): number {
  if (route.kind === Destination.multicast) return s.multicastTtl;
  return s.ttl === -1 ? network.defaultTtl(route) : s.ttl;
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
