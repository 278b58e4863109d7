/**
 * A datagram goes out (RFC 768; RFC 1122 4.1.3; RFC 3828 3.1): destination and route, permission, size against the path MTU, checksum.
 * The order of the checks is Linux's, since it decides which error a caller sees and what is counted: a datagram that is too long for a
 * path with DF moves no counter at all, one for which there is no buffer is a SndbufError.
 */
import { Probe } from '../../mib/probe/points.js';
import type { IpAddress } from '../core/address.js';
import { finish, fold, partialSum, pseudoSum } from '../core/checksum.js';
import { Errno } from '../core/errno.js';
import { Csum, Destination, Gso, type Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import { type NetworkLayer, type Route, TX_TRANSPORT } from '../ip/protocol.js';
import { LinkFeature } from '../link/link.js';
import { type Endpoint, Msg } from '../socket/socket.js';
import { emitUdp, UDP_CSUM, UDP_HEADER } from '../wire/udp.js';
import { UDPLITE, udpCells } from './cells.js';
import { truesize } from './datagram-queue.js';
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
  if (port === 0) return -Errno.EINVAL;
  const address = to ? s.layer.normal(to.address) : s.remote!;
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
  const refused = check(s, network, route, length);
  if (refused !== 0) {
    if (refused === -Errno.ENOBUFS) s.owner.inc(udpCells(s.layer.protocol, address.family).SndbufErrors);
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

/** May a datagram of this length go? 0, -EMSGSIZE, the pending error, -EPIPE, -ENOBUFS. */
function check(s: UdpSocket, network: NetworkLayer, route: Route, length: number): number {
  const mtu = mtuOf(s, route);
  const fragments = s.pathMtu < PathMtu.DO || s.pathMtu === PathMtu.OMIT;
  const headers = network.headerLength + UDP_HEADER;
  if (length + headers > (fragments ? MAX_PACKET : mtu)) return -Errno.EMSGSIZE;
  const pending = s.takeError();
  if (pending !== 0) return -pending;
  if (s.mayNotSend) return -Errno.EPIPE;
  // The first fragment's buffer may pass SO_SNDBUF, those of the others may fill it twice (ip_append_data).
  if (length + headers > mtu) {
    const others = Math.ceil((length + UDP_HEADER) / ((mtu - network.headerLength) & ~7)) - 1;
    if (others * truesize(mtu) > 2 * s.sendBuffer) return -Errno.ENOBUFS;
  }
  return 0;
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
  const size = length + UDP_HEADER;
  const fits = size + network.headerLength <= mtuOf(s, route);
  p.reset(TX_TRANSPORT);
  p.transport = TX_TRANSPORT;
  p.payload = TX_TRANSPORT + UDP_HEADER;
  p.tail = TX_TRANSPORT + size;
  p.protocol = layer.protocol;
  address(p, network.family, route);
  p.bytes.set(length === from.length ? from : from.subarray(at, at + length), p.payload);
  p.gsoType = Gso.none;
  p.df = s.pathMtu === PathMtu.DO || s.pathMtu === PathMtu.PROBE || (s.pathMtu === PathMtu.WANT && fits);
  emitUdp(p, s.localPort, port, layer.protocol === UDPLITE ? coverage(s, size) : size);
  sum(s, p, size, fits && (route.device.link.features & LinkFeature.csum) !== 0);
  const multicast = route.kind === Destination.multicast;
  const owner = s.owner;
  const cells = udpCells(layer.protocol, network.family);
  const ttl = multicast ? s.multicastTtl : s.ttl === -1 ? layer.env.sysctl.values[Sysctl.ip_default_ttl]! : s.ttl;
  const error = network.output(p, route, owner, ttl, s.tos);
  if (error === -Errno.ENOBUFS) {
    owner.inc(cells.SndbufErrors);
    return s.recvErr ? error : length;
  }
  if (error !== 0) return error;
  owner.inc(cells.OutDatagrams);
  owner.fire(Probe.udpSend, length, 0);
  return length;
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

/** What UDP-Lite's coverage field says: 0 is everything. */
function coverage(s: UdpSocket, size: number): number {
  return s.sendCoverage >= size ? 0 : s.sendCoverage;
}

/** Fills the checksum field, or leaves it to the link (`byLink`). A sum of 0 is sent as 0xffff: 0 means none (RFC 768). */
function sum(s: UdpSocket, p: Packet, size: number, byLink: boolean): void {
  const at = p.transport + UDP_CSUM;
  const lite = s.layer.protocol === UDPLITE;
  if (s.noCheckTx && !lite && p.family === 4) return;
  const pseudo = pseudoSum(p, s.layer.protocol, size);
  const covered = lite ? coverage(s, size) : 0;
  if (byLink && covered === 0 && !lite) {
    p.csum = Csum.partial;
    p.csumStart = p.transport;
    p.csumOffset = UDP_CSUM;
    p.view.setUint16(at, pseudo);
    return;
  }
  const value = finish(fold(pseudo + partialSum(p, p.transport, covered === 0 ? size : covered)));
  p.view.setUint16(at, value === 0 ? 0xffff : value);
}
