/**
 * IPv6 input (RFC 8200 3, 4; RFC 4291 2.5.3, 2.7): the checks in Linux's order, each failure with its counter; then the input route (is it
 * for us?), extension headers, and delivery, reassembly or forwarding. Every received packet counts InReceives exactly once: on the owner
 * that the transport finds, or, when the packet goes no further, on `unattributed`.
 */
import { Ip6 } from '../../mib/catalogue/index.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import { Probe } from '../../mib/probe/points.js';
import type { Passed } from '../core/frame-ring.js';
import { Destination, LinkType, type Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import type { NetDevice } from '../ip/device.js';
import { RouteType } from '../ip/fib.js';
import { noteReceived } from '../ip/probe-view.js';
import { PassKind } from '../ip/sharing.js';
import { Icmp6Type, Parameter6, Unreachable6 } from '../wire/icmp6.js';
import {
  IPV6_HEADER,
  Ipv6At,
  isExtensionHeader,
  NextHeader,
  NOT_FOUND,
  readAddresses,
  skipExtensions,
  skipped,
  trafficClass,
} from '../wire/ipv6.js';
import { isLoopback6, Scope } from '../wire/scope6.js';
import { ExtensionHeaders, REFUSED } from './extension-headers.js';
import { Forwarder6 } from './forwarding6.js';
import type { Ipv6Layer } from './ipv6.js';
import { Reassembler6 } from './reassembly6.js';
import { NOT_ROUTED, Sharing6 } from './sharing6.js';

const Verdict = Object.freeze({ forward: 8, noRoute: -1, nothing: -2, wrongAddress: -3, prohibited: -4 });
/** Ip6 cell of a traffic class byte's ECN field, in Linux's order. */
const ECN_CELLS: readonly number[] = [Ip6.InNoECTPkts, Ip6.InECT1Pkts, Ip6.InECT0Pkts, Ip6.InCEPkts];

export class Ipv6Input {
  private readonly ip: Ipv6Layer;
  private readonly unattributed: Owner;
  private readonly extensions: ExtensionHeaders;
  private readonly reassembler: Reassembler6;
  private readonly forwarder: Forwarder6;
  /** Length before trimming: what InOctets counts. */
  private size = 0;
  /** Where the next-header field lies that names what is at p.transport. */
  private nextAt = 0;
  private countsGroups = true;
  /** Null when this stack is the whole host. */
  private readonly sharing: Sharing6 | null;
  /** How many stacks have had the packet at hand before, and as what they pass it. */
  private hops = 0;
  private kind: number = PassKind.frame;

  constructor(ip: Ipv6Layer) {
    this.ip = ip;
    this.unattributed = ip.env.ledger.unattributed;
    this.extensions = new ExtensionHeaders(ip);
    this.reassembler = new Reassembler6(ip);
    this.forwarder = new Forwarder6(ip);
    this.sharing = ip.env.siblings ? new Sharing6(ip, ip.env.siblings) : null;
  }

  /**
   * p.data at the header, p.linkType set.
   * @param routed false for our own message of the link (MLD, neighbour discovery) that has come back: Linux takes it past the input route,
   * where packets to groups are counted
   */
  receive(p: Packet, device: NetDevice, routed: boolean): void {
    this.countsGroups = routed;
    if (this.ip.armed) this.ip.current = noteReceived(this.ip.env.ledger.ring.context, p, device.index);
    p.device = device;
    if (!this.check(p, device)) return;
    let next = p.bytes[p.network + Ipv6At.nextHeader]!;
    this.nextAt = p.network + Ipv6At.nextHeader;
    const verdict = this.routeIn(p, device);
    p.destination = verdict > 0 && verdict !== Verdict.forward ? verdict : Destination.host;
    const forUs = verdict === Destination.host || verdict === Destination.multicast;
    if (this.sharing !== null && forUs) {
      const note = routed ? 0 : NOT_ROUTED;
      if (this.sharing.elsewhere(p, next, this.kind, this.size, this.hops, note)) return;
    }
    const owner = forUs ? this.ownerOf(p, next) : this.unattributed;
    this.countIn(p, owner);
    if (next === NextHeader.hopByHop) {
      next = this.extensions.hopByHop(p);
      if (next === REFUSED) return;
      this.nextAt = p.network + IPV6_HEADER;
    } else this.extensions.routerAlert = false;
    if (verdict === Verdict.forward) this.forwarder.forward(p, device);
    else if (verdict < 0) this.refuse(p, verdict);
    else this.deliver(p, next, owner, device);
  }

  /** There is no way for it. Counted once hop-by-hop options, which Linux looks at before it asks for a route, were found to be in order. */
  private refuse(p: Packet, verdict: number): void {
    const u = this.unattributed;
    if (verdict === Verdict.wrongAddress) u.inc(Ip6.InAddrErrors);
    else if (verdict === Verdict.prohibited) {
      u.inc(Ip6.InNoRoutes);
      this.ip.sendError(p, Icmp6Type.destinationUnreachable, Unreachable6.prohibited, 0);
    } else if (verdict === Verdict.noRoute) {
      u.inc(Ip6.InNoRoutes);
      this.ip.sendError(p, Icmp6Type.destinationUnreachable, Unreachable6.noRoute, 0);
    }
  }

  /** Our own multicast that has come back. */
  receiveLooped(p: Packet, device: NetDevice, routed: boolean): void {
    this.kind = PassKind.looped;
    this.receive(p, device, routed);
    this.kind = PassKind.frame;
  }

  /** Another stack of this host has passed it on: p.data at the header. */
  receivePassed(p: Packet, device: NetDevice, passed: Passed): void {
    this.hops = passed.hops;
    if (passed.kind === PassKind.frame) this.receive(p, device, true);
    else if (passed.kind === PassKind.looped) this.receiveLooped(p, device, passed.note !== NOT_ROUTED);
    else if (passed.kind === PassKind.whole) this.receiveWhole(p, device);
    else this.overhear(p, device);
    this.hops = 0;
  }

  /** A packet that another stack has put together and counted: the walk over its headers begins anew. */
  private receiveWhole(p: Packet, device: NetDevice): void {
    if (this.ip.armed) this.ip.current = noteReceived(this.ip.env.ledger.ring.context, p, device.index);
    p.device = device;
    if (!this.check(p, device)) return;
    let next = p.bytes[p.network + Ipv6At.nextHeader]!;
    this.nextAt = p.network + Ipv6At.nextHeader;
    if (next === NextHeader.hopByHop) {
      next = this.extensions.hopByHop(p);
      if (next === REFUSED) return;
      this.nextAt = p.network + IPV6_HEADER;
    }
    if (!this.wholeElsewhere(p, next)) this.walk(p, next, this.ownerOf(p, next));
  }
  private wholeElsewhere(p: Packet, next: number): boolean {
    return this.sharing?.elsewhere(p, next, PassKind.whole, p.tail - p.network, this.hops, 0) ?? false;
  }

  /** What another stack takes and answers may teach this one. */
  private overhear(p: Packet, device: NetDevice): void {
    p.device = device;
    if (!this.check(p, device)) return;
    const upper = skipExtensions(p, p.transport, p.protocol, p.tail);
    if (upper === NOT_FOUND) return;
    p.transport = upper;
    p.protocol = skipped.next;
    this.ip.overhears?.overhear(p);
  }

  /** Header checks in the order of ip6_rcv_core. False: counted and done. */
  private check(p: Packet, device: NetDevice): boolean {
    const at = p.data;
    const size = p.tail - at;
    this.size = size;
    p.network = at;
    p.family = 6;
    const u = this.unattributed;
    if (this.ip.env.sysctl.values[Sysctl.ip6_disable_ipv6] !== 0) {
      u.inc(Ip6.InReceives);
      u.add(Ip6.InOctets, size);
      u.inc(Ip6.InDiscards);
      return false;
    }
    if (size < IPV6_HEADER || p.bytes[at]! >> 4 !== 6) {
      u.inc(Ip6.InReceives);
      u.add(Ip6.InOctets, size);
      u.inc(Ip6.InHdrErrors);
      return false;
    }
    p.tos = trafficClass(p, at);
    readAddresses(p, at);
    if (!this.addressesMayBe(p, device)) {
      this.countIn(p, u);
      u.inc(Ip6.InHdrErrors);
      return false;
    }
    const payload = p.view.getUint16(at + Ipv6At.payloadLength);
    p.ttl = p.bytes[at + Ipv6At.hopLimit]!;
    p.protocol = p.bytes[at + Ipv6At.nextHeader]!;
    p.transport = at + IPV6_HEADER;
    p.payload = p.transport;
    p.ipOptions = 0;
    p.df = true;
    // a super-frame longer than its length field can say has 0 there, and what the link gave is its length
    if (payload === 0 && (p.protocol === NextHeader.hopByHop || p.gsoSize > 0)) return true;
    if (payload + IPV6_HEADER > size) {
      this.countIn(p, u);
      u.inc(Ip6.InTruncatedPkts);
      return false;
    }
    p.tail = at + IPV6_HEADER + payload;
    return true;
  }

  private addressesMayBe(p: Packet, device: NetDevice): boolean {
    const fromGroup = p.src0 >>> 24 === 0xff;
    if (fromGroup) return false;
    if (device.loopback) return true;
    if (isLoopback6(p.src0, p.src1, p.src2, p.src3) || isLoopback6(p.dst0, p.dst1, p.dst2, p.dst3)) return false;
    if (p.dst0 >>> 24 !== 0xff) return true;
    const scope = (p.dst0 >>> 16) & 15;
    return scope !== 0 && (scope !== Scope.interfaceLocal || p.linkType === LinkType.host || p.linkType === LinkType.loopback);
  }

  /** The counts that every packet with a readable header gets. */
  private countIn(p: Packet, owner: Owner): void {
    owner.inc(Ip6.InReceives);
    owner.add(Ip6.InOctets, this.size);
    owner.add(ECN_CELLS[p.tos & 3]!, Math.max(p.gsoSegs, 1));
  }

  /** ip6_route_input: Destination.* for us, Verdict.* else. */
  private routeIn(p: Packet, device: NetDevice): number {
    const ip = this.ip;
    if (p.dst0 >>> 24 === 0xff) return Destination.multicast;
    if (device.loopback || ip.isOwn(p.dst0, p.dst1, p.dst2, p.dst3)) return Destination.host;
    const e = ip.table.lookup(p.dst0, p.dst1, p.dst2, p.dst3);
    if (!e || e.type === RouteType.unreachable) return this.isAny(p) ? Verdict.wrongAddress : Verdict.noRoute;
    if (e.type === RouteType.prohibit) return Verdict.prohibited;
    if (e.type === RouteType.blackhole) return Verdict.nothing;
    return ip.env.sysctl.values[Sysctl.ip6_forwarding] === 0 ? Verdict.wrongAddress : Verdict.forward;
  }
  private isAny(p: Packet): boolean {
    return p.dst0 === 0 && p.dst1 === 0 && p.dst2 === 0 && p.dst3 === 0;
  }

  /** Whose packet is it? Looked up behind all extension headers, before anything is counted. */
  private ownerOf(p: Packet, next: number): Owner {
    const at = p.transport;
    let protocol = next;
    if (isExtensionHeader(next)) {
      const upper = skipExtensions(p, at, next, p.tail);
      if (upper === NOT_FOUND || skipped.fragmented) return this.unattributed;
      p.transport = upper;
      protocol = skipped.next;
    }
    const handler = this.ip.handlers[protocol];
    const owner = handler ? handler.demux(p) : this.unattributed;
    p.transport = at;
    return owner;
  }

  /** ip6_input and ip6_protocol_deliver_rcu: header after header. */
  private deliver(p: Packet, first: number, owner: Owner, device: NetDevice): void {
    if (p.destination === Destination.multicast) {
      if (this.countsGroups) {
        owner.inc(Ip6.InMcastPkts);
        owner.add(Ip6.InMcastOctets, p.tail - p.network);
      }
      if (!this.ip.isMember(device, p.dst0, p.dst1, p.dst2, p.dst3)) return;
    }
    owner.fire(Probe.ipReceive, p.tail - p.network, p.protocol);
    this.walk(p, first, owner);
  }

  private walk(packet: Packet, first: number, found: Owner): void {
    let p = packet;
    let next = first;
    let owner = found;
    for (;;) {
      const at = p.transport;
      if (next === NextHeader.destination) next = this.extensions.destinationOptions(p);
      else if (next === NextHeader.routing) next = this.extensions.routing(p);
      else if (next === NextHeader.fragment) {
        const whole = this.reassembler.input(p, this.nextAt);
        if (whole === null) return;
        if (whole !== p) {
          this.hops = 0;
          if (this.wholeElsewhere(whole, this.reassembler.next)) return;
        }
        if (whole !== p) this.nextAt = this.reassembler.nextAt;
        next = this.reassembler.next;
        if (whole !== p || owner === this.unattributed) owner = this.ownerOf(whole, next);
        p = whole;
        if (whole === packet) this.nextAt = at;
        continue;
      } else {
        this.hand(p, next, owner);
        return;
      }
      if (next === REFUSED) return;
      this.nextAt = at;
    }
  }

  private hand(p: Packet, next: number, owner: Owner): void {
    if (next === NextHeader.none) {
      owner.inc(Ip6.InDelivers);
      return;
    }
    const handler = this.ip.handlers[next];
    if (!handler) {
      this.unattributed.inc(Ip6.InUnknownProtos);
      this.ip.sendError(p, Icmp6Type.parameterProblem, Parameter6.nextHeader, this.nextAt - p.network);
      return;
    }
    owner.inc(Ip6.InDelivers);
    p.protocol = next;
    p.data = p.transport;
    p.payload = p.transport;
    handler.input(p, owner);
  }

  /** The packet that is being delivered had a router alert. */
  get routerAlert(): boolean {
    return this.extensions.routerAlert;
  }

  close(): void {
    this.reassembler.close();
  }
}
