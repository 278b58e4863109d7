/**
 * IPv6 output (RFC 8200 3, 4.5, 5; RFC 6437 flow labels; RFC 2464 7): header, fragmentation by the source, next hop. Counted as Linux does:
 * OutRequests once per packet, OutTransmits and OutOctets per packet that goes to the link layer, after fragmentation.
 */
import { Ip6 } from '../../mib/catalogue/index.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import { Probe } from '../../mib/probe/points.js';
import { copyBytes } from '../core/bytes.js';
import { Errno } from '../core/errno.js';
import { Csum, Destination, HEADROOM, LinkType, Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import { noteCause, noteSent } from '../ip/probe-view.js';
import type { RouteEntry } from '../ip/route.js';
import { completeChecksum } from '../ip/segmentation.js';
import { ETHERNET_HEADER, EtherType, emitEthernet } from '../wire/ethernet.js';
import { emitIpv6, FRAGMENT_HEADER, Frag6, IPV6_HEADER, IPV6_MIN_MTU, Ipv6At, NextHeader, readAddresses } from '../wire/ipv6.js';
import { MULTICAST6_HIGH, Scope } from '../wire/scope6.js';
import type { Ipv6Layer } from './ipv6.js';
import type { Ipv6Input } from './ipv6-input.js';

const MAX_LOOPED = 1000;
const MAX_PAYLOAD = 65535;
const LABEL = 0xfffff;
/** net.ipv6.auto_flowlabels: never, and for sockets that ask for it. */
const AUTO_OFF = 0;
const AUTO_OPT_IN = 2;

interface Looped {
  readonly packet: Packet;
  readonly device: RouteEntry['device'];
  readonly routed: boolean;
}

export class Ipv6Output {
  private readonly ip: Ipv6Layer;
  private readonly labelKey: number;
  private fragmentPacket: Packet | null = null;
  private readonly looped: Looped[] = [];

  constructor(ip: Ipv6Layer) {
    this.ip = ip;
    this.labelKey = ip.env.random.u32();
  }

  /** NetworkLayer.output. `p.ipOptions` bytes of a hop-by-hop header lie right before p.data when not 0. */
  output(p: Packet, route: RouteEntry, owner: Owner, ttl: number, tos: number): number {
    const extension = p.ipOptions;
    const payload = p.tail - p.data + extension;
    if (payload > MAX_PAYLOAD && p.gsoSize === 0) return -Errno.EMSGSIZE;
    p.transport = p.data;
    p.data -= IPV6_HEADER + extension;
    p.network = p.data;
    p.family = 6;
    p.ttl = ttl;
    p.tos = tos;
    const s = route.source;
    const d = route.destination;
    p.src0 = s.w0;
    p.src1 = s.w1;
    p.src2 = s.w2;
    p.src3 = s.w3;
    p.dst0 = d.w0;
    p.dst1 = d.w1;
    p.dst2 = d.w2;
    p.dst3 = d.w3;
    p.linkType = LinkType.host;
    p.device = route.device;
    const next = extension > 0 ? NextHeader.hopByHop : p.protocol;
    emitIpv6(p, tos, this.flowLabel(p), payload > MAX_PAYLOAD ? 0 : payload, next, ttl);
    const armed = this.ip.armed;
    if (armed) noteSent(this.ip.env.ledger.ring.context, p, route.device.index);
    owner.inc(Ip6.OutRequests);
    owner.fire(Probe.ipSend, p.tail - p.data, p.protocol);
    const error = this.finish(p, route, owner);
    if (armed) noteCause(this.ip.env.ledger.ring.context, this.ip.current);
    return error;
  }

  /** RFC 6437 3: the sender's hash, or a keyed one of the flow that is never 0; 0 when net.ipv6.auto_flowlabels leaves it to the sockets. */
  private flowLabel(p: Packet): number {
    const mode = this.ip.env.sysctl.values[Sysctl.ip6_auto_flowlabels];
    if (mode === AUTO_OFF || mode === AUTO_OPT_IN || p.protocol === NextHeader.icmpv6) return 0;
    if (p.txHash !== 0) return p.txHash & LABEL;
    let h = Math.imul(p.src3 ^ this.labelKey, 0x9e3779b1) ^ p.src2;
    h = Math.imul(h ^ p.dst3, 0x85ebca6b) ^ p.dst2 ^ p.protocol;
    h = Math.imul(h ^ p.view.getUint32(p.transport), 0xc2b2ae35);
    h ^= h >>> 15;
    return h & LABEL || 1;
  }

  /** A packet with its header at p.data: loops it where it must, fragments, and sends. 0 or -errno. */
  finish(p: Packet, route: RouteEntry, owner: Owner): number {
    const mtu = p.linkMtu ? route.device.mtu : Math.max(route.mtu(this.ip.env.nowUs), IPV6_MIN_MTU);
    if (p.tail - p.data <= mtu || p.gsoSize > 0) return this.transmit(p, route, owner);
    if (p.df && p.protocol !== NextHeader.tcp && p.protocol !== NextHeader.icmpv6) {
      owner.inc(Ip6.FragFails);
      this.ip.errors.sendError(p, 2, 0, mtu);
      return -Errno.EMSGSIZE;
    }
    return this.fragment(p, route, owner, mtu);
  }

  /** RFC 8200 4.5: the per-fragment headers are the IPv6 header and a hop-by-hop header. */
  private fragment(p: Packet, route: RouteEntry, owner: Owner, mtu: number): number {
    if (p.csum === Csum.partial) completeChecksum(p);
    const f = (this.fragmentPacket ??= new Packet(HEADROOM + ETHERNET_HEADER + IPV6_HEADER + FRAGMENT_HEADER + MAX_PAYLOAD));
    const unfragmentable = p.transport - p.network;
    const step = (mtu - unfragmentable - FRAGMENT_HEADER) & ~7;
    if (step <= 0) {
      owner.inc(Ip6.FragFails);
      return -Errno.EMSGSIZE;
    }
    const id = this.ip.env.random.u32() || 1;
    for (let at = p.transport; at < p.tail; at += step) {
      const n = Math.min(step, p.tail - at);
      const word = (at - p.transport) | (at + n < p.tail ? Frag6.more : 0);
      this.buildFragment(f, p, unfragmentable, at, n, word, id);
      const error = this.transmit(f, route, owner);
      if (error !== 0) {
        owner.inc(Ip6.FragFails);
        return error;
      }
      owner.inc(Ip6.FragCreates);
    }
    owner.inc(Ip6.FragOKs);
    return 0;
  }

  private buildFragment(f: Packet, p: Packet, unfragmentable: number, at: number, n: number, word: number, id: number): void {
    f.reset(HEADROOM + ETHERNET_HEADER);
    f.family = 6;
    f.protocol = p.protocol;
    f.network = f.data;
    f.device = p.device;
    f.departUs = p.departUs;
    f.multicastLoop = p.multicastLoop;
    copyBytes(f.bytes, f.network, p.bytes, p.network, unfragmentable);
    readAddresses(f, f.network);
    const header = f.network + unfragmentable;
    f.transport = header + FRAGMENT_HEADER;
    f.tail = f.transport + n;
    copyBytes(f.bytes, f.transport, p.bytes, at, n);
    const nextAt = unfragmentable === IPV6_HEADER ? f.network + Ipv6At.nextHeader : f.network + IPV6_HEADER;
    f.bytes[header] = f.bytes[nextAt]!;
    f.bytes[nextAt] = NextHeader.fragment;
    f.bytes[header + 1] = 0;
    f.view.setUint16(header + 2, word);
    f.view.setUint32(header + 4, id);
    f.view.setUint16(f.network + Ipv6At.payloadLength, f.tail - f.network - IPV6_HEADER);
  }

  /** One packet that fits, to the link layer. */
  private transmit(p: Packet, route: RouteEntry, owner: Owner): number {
    const length = p.tail - p.data;
    const d = route.device;
    if (route.kind === Destination.multicast) {
      if (this.loop(p, route) && p.bytes[p.network + Ipv6At.hopLimit] === 0) {
        owner.inc(Ip6.OutDiscards);
        return 0;
      }
      owner.inc(Ip6.OutMcastPkts);
      owner.add(Ip6.OutMcastOctets, length);
      if (((route.destination.w0 >>> 16) & 15) <= Scope.interfaceLocal && !d.loopback) return 0;
    }
    owner.inc(Ip6.OutTransmits);
    owner.add(Ip6.OutOctets, length);
    if (d.loopback) {
      emitEthernet(p, 0, 0, 0, 0, EtherType.ipv6);
      return d.transmit(p, owner);
    }
    if (route.kind === Destination.host) {
      const hop = route.hop && !route.hop.dead ? route.hop : (route.hop = this.ip.hops.hop(d, route.nextHop));
      if (hop) return hop.output(p, owner);
      owner.inc(Ip6.OutNoRoutes); // no room for one more neighbour (ip6_finish_output2)
      return -Errno.EINVAL;
    }
    emitEthernet(p, MULTICAST6_HIGH, route.destination.w3, d.macHigh, d.macLow, EtherType.ipv6);
    return d.transmit(p, owner);
  }

  /** Multicasts to a group that this host is in come back to it. True when this one does. */
  private loop(p: Packet, route: RouteEntry): boolean {
    const d = route.device;
    const g = route.destination;
    if (d.loopback || !p.multicastLoop || this.looped.length >= MAX_LOOPED) return false;
    if (!this.ip.isMember(d, g.w0, g.w1, g.w2, g.w3)) return false;
    const copy = new Packet(p.tail);
    copy.copyFrom(p);
    if (copy.csum === Csum.partial) completeChecksum(copy);
    copy.csum = Csum.unnecessary;
    copy.linkType = LinkType.loopback;
    this.looped.push({ packet: copy, device: d, routed: route.entry !== null });
    return true;
  }

  /** Looped packets that wait. */
  get waiting(): number {
    return this.looped.length;
  }

  drainLooped(input: Ipv6Input): boolean {
    const n = this.looped.length;
    if (n === 0) return false;
    for (let i = 0; i < n; i++) {
      const l = this.looped[i]!;
      input.receiveLooped(l.packet, l.device, l.routed);
    }
    this.looped.splice(0, n);
    return true;
  }
}
