/**
 * IPv4 output (RFC 791 2.3, 1122 3.3, 1191, 6864): header, fragmentation, next hop. Counted as Linux does: OutRequests once per datagram,
 * OutTransmits and octets per packet that goes to the link layer, after fragmentation.
 */
import { Ip, IpExt } from '../../mib/catalogue/index.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import { Probe } from '../../mib/probe/points.js';
import { copyBytes } from '../core/bytes.js';
import { Errno } from '../core/errno.js';
import { Csum, Destination, HEADROOM, LinkType, Packet } from '../core/packet.js';
import {
  BROADCAST_HIGH,
  BROADCAST_LOW,
  ETHERNET_HEADER,
  EtherType,
  emitEthernet,
  MULTICAST4_HIGH,
  multicastLow,
} from '../wire/ethernet.js';
import { emitIpv4, IPV4_HEADER, IPV4_MAX_HEADER, IpFlag, Ipv4At, refreshChecksum } from '../wire/ipv4.js';
import type { NetDevice } from './device.js';
import { stripUncopied } from './ip-options.js';
import type { Ipv4Layer } from './ipv4.js';
import type { Ipv4Input } from './ipv4-input.js';
import { noteCause, noteSent } from './probe-view.js';
import type { RouteEntry } from './route.js';
import { completeChecksum, Segmenter, segmentLength } from './segmentation.js';

const ID_BUCKETS = 2048;
const MAX_LOOPED = 1000;
const MAX_PACKET = 65535;

interface Looped {
  readonly packet: Packet;
  readonly device: NetDevice;
}

export class Ipv4Output {
  private readonly ip: Ipv4Layer;
  /** Identification counters by destination (RFC 6864 4.3: unique while datagrams may be in the network). */
  private readonly ids = new Uint32Array(ID_BUCKETS);
  /** Fragments are built here: made when the first datagram needs it. */
  private fragmentPacket: Packet | null = null;
  private readonly segmenter = new Segmenter();
  private readonly looped: Looped[] = [];

  constructor(ip: Ipv4Layer) {
    this.ip = ip;
    for (let i = 0; i < ID_BUCKETS; i++) this.ids[i] = ip.env.random.u32();
  }

  /** NetworkLayer.output. `p.ipOptions` bytes of options lie right before p.data when not 0. */
  output(p: Packet, route: RouteEntry, owner: Owner, ttl: number, tos: number): number {
    const optionBytes = p.ipOptions;
    const header = IPV4_HEADER + optionBytes;
    const at = p.data - header;
    const length = p.tail - at;
    if (length > MAX_PACKET && p.gsoSize === 0) return -Errno.EMSGSIZE;
    p.transport = p.data;
    p.data = at;
    p.network = at;
    p.family = 4;
    p.ttl = ttl;
    p.tos = tos;
    p.src3 = route.source.w3;
    p.dst3 = route.destination.w3;
    p.src2 = p.dst2 = 0xffff;
    p.src0 = p.src1 = p.dst0 = p.dst1 = 0;
    p.linkType = LinkType.host;
    p.device = route.device;
    const df = p.df && !route.mtuLocked(this.ip.env.nowUs);
    const id = df ? 0 : this.nextId(p.dst3, p.protocol, Math.max(p.gsoSegs, 1));
    emitIpv4(p, optionBytes, tos, length, id, df ? IpFlag.df : 0, ttl, p.protocol, p.src3, p.dst3);
    const armed = this.ip.armed;
    if (armed) noteSent(this.ip.env.ledger.ring.context, p, route.device.index);
    owner.inc(Ip.OutRequests);
    owner.fire(Probe.ipSend, length, p.protocol);
    const error = this.finish(p, route, owner);
    if (armed) noteCause(this.ip.env.ledger.ring.context, this.ip.current);
    return error;
  }

  private nextId(destination: number, protocol: number, n: number): number {
    const i = (Math.imul(destination ^ (protocol << 24), 0x9e3779b1) >>> 21) % ID_BUCKETS;
    const id = this.ids[i]!;
    this.ids[i] = id + n;
    return id & 0xffff;
  }

  /** A packet with its header at p.data: loops it where it must, fragments, and sends. 0 or -errno. */
  finish(p: Packet, route: RouteEntry, owner: Owner): number {
    if (route.kind !== Destination.host) {
      this.loop(p, route);
      if (p.bytes[p.network + Ipv4At.ttl] === 0) return 0;
    }
    const mtu = p.linkMtu ? route.device.mtu : route.mtu(this.ip.env.nowUs);
    if ((p.gsoSize > 0 ? segmentLength(p) : p.tail - p.data) <= mtu) return this.transmit(p, route, owner);
    return p.gsoSize > 0 ? this.cut(p, route, owner, mtu) : this.fit(p, route, owner, mtu);
  }

  /** A super-frame of segments that the link cannot carry: cut before IP fragments each of them. */
  private cut(p: Packet, route: RouteEntry, owner: Owner, mtu: number): number {
    if (!this.segmenter.begin(p)) return -Errno.EINVAL;
    let failed = 0;
    while (this.segmenter.segment(p)) {
      const error = this.fit(p, route, owner, mtu);
      if (failed === 0) failed = error;
    }
    return failed;
  }

  /** A packet longer than the MTU, or a segment of such a super-frame, whose last Linux does not spare either. */
  private fit(p: Packet, route: RouteEntry, owner: Owner, mtu: number): number {
    if ((p.view.getUint16(p.network + Ipv4At.fragment) & IpFlag.df) !== 0) {
      owner.inc(Ip.FragFails);
      this.ip.errors.sendError(p, 3, 4, mtu);
      return -Errno.EMSGSIZE;
    }
    return this.fragment(p, route, owner, mtu);
  }

  /** RFC 791 2.3 and 3.2. */
  private fragment(p: Packet, route: RouteEntry, owner: Owner, mtu: number): number {
    if (p.csum === Csum.partial) completeChecksum(p);
    const f = (this.fragmentPacket ??= new Packet(HEADROOM + ETHERNET_HEADER + IPV4_MAX_HEADER + MAX_PACKET));
    const headerLength = (p.bytes[p.network]! & 15) * 4;
    const step = (mtu - headerLength) & ~7;
    if (step <= 0) {
      owner.inc(Ip.FragFails);
      return -Errno.EMSGSIZE;
    }
    const word = p.view.getUint16(p.network + Ipv4At.fragment);
    const start = p.network + headerLength;
    for (let at = start; at < p.tail; at += step) {
      const n = Math.min(step, p.tail - at);
      const more = at + n < p.tail || (word & IpFlag.mf) !== 0;
      this.buildFragment(f, p, headerLength, at, n, (((word & IpFlag.offset) * 8 + at - start) >> 3) | (more ? IpFlag.mf : 0));
      if (at === start && headerLength > IPV4_HEADER) stripUncopied(p, p.network, headerLength - IPV4_HEADER);
      const error = this.transmit(f, route, owner);
      if (error !== 0) {
        owner.inc(Ip.FragFails);
        return error;
      }
      owner.inc(Ip.FragCreates);
    }
    owner.inc(Ip.FragOKs);
    return 0;
  }

  private buildFragment(f: Packet, p: Packet, headerLength: number, at: number, n: number, fragment: number): void {
    f.reset(HEADROOM + ETHERNET_HEADER);
    f.family = 4;
    f.protocol = p.protocol;
    f.network = f.data;
    f.transport = f.data + headerLength;
    f.tail = f.transport + n;
    f.device = p.device;
    f.departUs = p.departUs;
    copyBytes(f.bytes, f.network, p.bytes, p.network, headerLength);
    copyBytes(f.bytes, f.transport, p.bytes, at, n);
    f.view.setUint16(f.network + Ipv4At.totalLength, headerLength + n);
    f.view.setUint16(f.network + Ipv4At.fragment, fragment);
    refreshChecksum(f, f.network);
  }

  /** One packet that fits, to the link layer. */
  private transmit(p: Packet, route: RouteEntry, owner: Owner): number {
    const length = p.tail - p.data;
    if (route.kind === Destination.multicast) {
      owner.inc(IpExt.OutMcastPkts);
      owner.add(IpExt.OutMcastOctets, length);
    } else if (route.kind === Destination.broadcast) {
      owner.inc(IpExt.OutBcastPkts);
      owner.add(IpExt.OutBcastOctets, length);
    }
    owner.inc(Ip.OutTransmits);
    owner.add(IpExt.OutOctets, length);
    const d = route.device;
    if (d.loopback) {
      emitEthernet(p, 0, 0, 0, 0, EtherType.ipv4);
      return d.transmit(p, owner);
    }
    if (route.kind === Destination.host) {
      const hop = route.hop && !route.hop.dead ? route.hop : (route.hop = this.ip.hops.hop(d, route.nextHop));
      return hop ? hop.output(p, owner) : -Errno.ENOBUFS;
    }
    if (route.kind === Destination.broadcast) emitEthernet(p, BROADCAST_HIGH, BROADCAST_LOW, d.macHigh, d.macLow, EtherType.ipv4);
    else emitEthernet(p, MULTICAST4_HIGH, multicastLow(route.destination.w3), d.macHigh, d.macLow, EtherType.ipv4);
    return d.transmit(p, owner);
  }

  /** RFC 1112 7.2: own broadcasts, and multicasts to a group joined on the device, come back. */
  private loop(p: Packet, route: RouteEntry): void {
    const d = route.device;
    if (d.loopback || this.looped.length >= MAX_LOOPED) return;
    if (route.kind === Destination.multicast && !p.multicastLoop) return;
    if (route.kind === Destination.multicast && !this.ip.isMember(d, route.destination.w3)) return;
    const copy = new Packet(p.tail);
    copy.copyFrom(p);
    if (copy.csum === Csum.partial && copy.gsoSize === 0) completeChecksum(copy);
    copy.csum = Csum.unnecessary;
    copy.destination = route.kind;
    copy.linkType = route.kind === Destination.broadcast ? LinkType.broadcast : LinkType.multicast;
    this.looped.push({ packet: copy, device: d });
  }

  /** Looped packets that wait. */
  get waiting(): number {
    return this.looped.length;
  }

  drainLooped(input: Ipv4Input): boolean {
    const n = this.looped.length;
    if (n === 0) return false; // nearly always, and splice makes an array
    for (let i = 0; i < n; i++) {
      const l = this.looped[i]!;
      input.receiveLooped(l.packet, l.device);
    }
    this.looped.splice(0, n);
    return true;
  }
}
