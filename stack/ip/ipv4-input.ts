/**
 * IPv4 input (RFC 791 3.1, 1122 3.2.1, 1812 5.2): the checks in Linux's order, each failure with its counter; then the input route (is it
 * for us?), options, and delivery, reassembly or forwarding. Every received packet counts InReceives exactly once: on the owner that the
 * transport finds, or, when the packet goes no further, on `unattributed`.
 */
import { Ip, IpExt, TcpExt } from '../../mib/catalogue/index.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import { Probe } from '../../mib/probe/points.js';
import type { Passed } from '../core/frame-ring.js';
import { Destination, type Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import { Ecn, headerChecksum, IPV4_HEADER, IpFlag, Ipv4At } from '../wire/ipv4.js';
import type { NetDevice } from './device.js';
import { RouteType } from './fib.js';
import { Forwarder } from './forwarding.js';
import type { IpOptions } from './ip-options.js';
import type { Ipv4Layer } from './ipv4.js';
import { noteReceived } from './probe-view.js';
import { Reassembler } from './reassembly.js';
import { PassKind } from './sharing.js';
import { Sharing4, unpackOptions } from './sharing4.js';

/** Where a packet goes, beside Destination's numbers. */
const Verdict = Object.freeze({ forward: 8, martian: -1, unreachable: -2, noRoute: -3, reversePath: -4, prohibited: -5 });
const isMartian = (verdict: number) => verdict === Verdict.martian || verdict === Verdict.reversePath;
const LIMITED_BROADCAST = 0xffffffff;
/** IpExt cell of a TOS byte's ECN field, in Linux's order. */
const ECN_CELLS: readonly number[] = [IpExt.InNoECTPkts, IpExt.InECT1Pkts, IpExt.InECT0Pkts, IpExt.InCEPkts];

export class Ipv4Input {
  private readonly ip: Ipv4Layer;
  private readonly options: IpOptions;
  private readonly unattributed: Owner;
  private readonly reassembler: Reassembler;
  private readonly forwarder: Forwarder;
  /** Null when this stack is the whole host. */
  private readonly sharing: Sharing4 | null;
  /** How many stacks have had the packet at hand before. */
  private hops = 0;
  /** Length before trimming: what InOctets counts. */
  private size = 0;

  constructor(ip: Ipv4Layer) {
    this.ip = ip;
    this.unattributed = ip.env.ledger.unattributed;
    this.options = ip.options;
    this.reassembler = new Reassembler(ip);
    this.forwarder = new Forwarder(ip);
    this.sharing = ip.env.siblings ? new Sharing4(ip, ip.env.siblings) : null;
  }

  /** p.data at the header, p.linkType set. */
  receive(p: Packet, device: NetDevice): void {
    if (this.ip.armed) this.ip.current = noteReceived(this.ip.env.ledger.ring.context, p, device.index);
    if (!this.check(p)) return;
    p.device = device;
    // What came over the loopback device was routed on its way out (Linux keeps the route with the packet).
    const verdict = device.loopback ? Destination.host : this.routeIn(p, device);
    if (verdict < 0) {
      // a martian has no route; the others have one to an error, and options are looked at in between
      if (p.ipOptions > 0 && !isMartian(verdict) && !this.checkOptions(p, device)) return;
      this.countIn(p, this.unattributed);
      this.refuse(p, verdict);
      return;
    }
    p.destination = verdict === Verdict.forward ? Destination.host : verdict;
    if (this.sharing !== null && verdict !== Verdict.forward && this.sharing.elsewhere(p, PassKind.frame, this.size, this.hops)) {
      return;
    }
    if (p.ipOptions > 0 && !this.checkOptions(p, device)) return;
    if (verdict === Verdict.forward) {
      this.countIn(p, this.unattributed);
      this.forwarder.forward(p, device);
      return;
    }
    this.deliver(p);
  }

  /** Our own broadcast or multicast: routed already. */
  receiveLooped(p: Packet, device: NetDevice): void {
    const kind = p.destination;
    if (!this.check(p)) return;
    p.device = device;
    p.destination = kind;
    if (this.sharing?.elsewhere(p, PassKind.looped, this.size, this.hops)) return;
    this.deliver(p);
  }

  /** Another stack of this host has passed it on: p.data at the header. */
  receivePassed(p: Packet, device: NetDevice, passed: Passed): void {
    this.hops = passed.hops;
    if (passed.kind === PassKind.frame) this.receive(p, device);
    else if (passed.kind === PassKind.looped) this.receiveLooped(p, device);
    else if (passed.kind === PassKind.whole) this.receiveWhole(p, device, passed.note);
    else if (this.check(p)) this.ip.handlers[p.protocol]?.input(p, this.unattributed); // IGMP, which counts nothing
    this.hops = 0;
  }

  /** A datagram that another stack has put together. */
  private receiveWhole(p: Packet, device: NetDevice, note: number): void {
    const kind = p.destination;
    if (this.ip.armed) this.ip.current = noteReceived(this.ip.env.ledger.ring.context, p, device.index);
    if (!this.check(p)) return;
    p.device = device;
    p.destination = kind;
    const found = unpackOptions(note);
    if (found) this.options.restore(found, p);
    this.handWhole(p);
  }

  private handWhole(p: Packet): void {
    if (this.sharing?.elsewhere(p, PassKind.whole, p.tail - p.network, this.hops)) return;
    const handler = this.ip.handlers[p.protocol];
    this.hand(p, handler ? handler.demux(p) : this.unattributed);
  }

  /** Header checks in the order of ip_rcv_core. False: counted and done. */
  private check(p: Packet): boolean {
    const at = p.data;
    const size = p.tail - at;
    this.size = size;
    p.network = at;
    p.family = 4;
    const u = this.unattributed;
    const b = p.bytes;
    const ihl = size >= IPV4_HEADER ? (b[at]! & 15) * 4 : 0;
    if (size < IPV4_HEADER || ihl < IPV4_HEADER || b[at]! >> 4 !== 4) {
      u.inc(Ip.InReceives);
      u.add(IpExt.InOctets, size);
      u.inc(Ip.InHdrErrors);
      return false;
    }
    p.tos = b[at + Ipv4At.tos]!;
    if (size < ihl) return this.headerError(p);
    if (headerChecksum(p, at, ihl) !== 0) {
      this.headerError(p);
      u.inc(IpExt.InCsumErrors);
      return false;
    }
    const length = p.view.getUint16(at + Ipv4At.totalLength);
    if (size < length) {
      this.countIn(p, u);
      u.inc(IpExt.InTruncatedPkts);
      return false;
    }
    if (length < ihl) return this.headerError(p);
    p.tail = at + length;
    p.ipOptions = ihl - IPV4_HEADER;
    p.transport = at + ihl;
    p.payload = p.transport;
    p.ttl = b[at + Ipv4At.ttl]!;
    p.protocol = b[at + Ipv4At.protocol]!;
    p.df = (p.view.getUint16(at + Ipv4At.fragment) & IpFlag.df) !== 0;
    p.src3 = p.view.getUint32(at + Ipv4At.source);
    p.dst3 = p.view.getUint32(at + Ipv4At.destination);
    p.src2 = p.dst2 = 0xffff;
    p.src0 = p.src1 = p.dst0 = p.dst1 = 0;
    return true;
  }

  private headerError(p: Packet): false {
    this.countIn(p, this.unattributed);
    this.unattributed.inc(Ip.InHdrErrors);
    return false;
  }

  /** The counts that every packet with a readable header gets. */
  private countIn(p: Packet, owner: Owner): void {
    owner.inc(Ip.InReceives);
    owner.add(IpExt.InOctets, this.size);
    owner.add(ECN_CELLS[p.tos & Ecn.mask]!, Math.max(p.gsoSegs, 1));
  }

  /** ip_route_input: Destination.* for us, Verdict.* else. */
  private routeIn(p: Packet, device: NetDevice): number {
    const ip = this.ip;
    const src = p.src3;
    const dst = p.dst3;
    if (dst >>> 28 === 0xe) return this.routeGroup(p, device);
    const top = src >>> 24;
    if (src >>> 28 === 0xe || src === LIMITED_BROADCAST) return Verdict.martian;
    if (dst === LIMITED_BROADCAST || (src === 0 && dst === 0)) return this.routeBroadcast(src, device);
    if (src === 0 || dst === 0 || top === 127 || dst >>> 24 === 127) return Verdict.martian;
    if (ip.isOwn(dst)) {
      const wrong = this.validateSource(src, device);
      return wrong === 0 ? Destination.host : wrong;
    }
    const e = ip.table.lookup4(dst);
    const forwarding = ip.env.sysctl.values[Sysctl.ip_forward] !== 0;
    if (!e) return forwarding ? Verdict.noRoute : Verdict.unreachable;
    if (e.type === RouteType.broadcast) return this.routeBroadcast(src, device);
    if (!forwarding) return Verdict.unreachable;
    if (e.type === RouteType.unreachable) return Verdict.unreachable;
    if (e.type === RouteType.prohibit) return Verdict.prohibited;
    if (e.type !== RouteType.unicast) return Verdict.martian;
    const wrong = this.validateSource(src, device);
    return wrong === 0 ? Verdict.forward : wrong;
  }

  private routeBroadcast(src: number, device: NetDevice): number {
    const wrong = src === 0 ? 0 : this.validateSource(src, device);
    return wrong === 0 ? Destination.broadcast : wrong;
  }

  private routeGroup(p: Packet, device: NetDevice): number {
    const src = p.src3;
    if (!this.ip.isMember(device, p.dst3)) return Verdict.martian;
    if (src >>> 28 === 0xe || src === LIMITED_BROADCAST || src >>> 24 === 127) return Verdict.martian;
    if (src === 0) return p.dst3 >>> 8 === 0xe00000 || p.protocol === 2 ? Destination.multicast : Verdict.martian;
    const wrong = this.validateSource(src, device);
    return wrong === 0 ? Destination.multicast : wrong;
  }

  /** fib_validate_source: 0, or the verdict. Our own address as source is a martian; rp_filter 1 is RFC 3704's strict check, 2 the loose one. */
  private validateSource(src: number, device: NetDevice): number {
    const ip = this.ip;
    if (ip.isOwn(src)) return Verdict.martian;
    const filter = ip.env.sysctl.values[Sysctl.rp_filter]!;
    if (filter === 0) return 0;
    const e = ip.table.lookup4(src);
    if (!e) return Verdict.reversePath;
    if (e.type !== RouteType.unicast)
      return e.type === RouteType.broadcast || e.type === RouteType.local ? Verdict.martian : Verdict.reversePath;
    return e.device === device || filter === 2 ? 0 : Verdict.reversePath;
  }

  private refuse(p: Packet, verdict: number): void {
    const u = this.unattributed;
    if (verdict === Verdict.reversePath) u.inc(TcpExt.IPReversePathFilter);
    else if (verdict === Verdict.unreachable) {
      if (this.ip.env.sysctl.values[Sysctl.ip_forward] === 0) u.inc(Ip.InAddrErrors);
      this.forwarder.refuse(p, 1);
    } else if (verdict === Verdict.noRoute) {
      u.inc(IpExt.InNoRoutes);
      this.forwarder.refuse(p, 0);
    } else if (verdict === Verdict.prohibited) this.forwarder.refuse(p, 13);
  }

  /** False: the packet is done, and counted. */
  private checkOptions(p: Packet, device: NetDevice): boolean {
    const ours = this.ip.isOwn(p.dst3) ? p.dst3 : (device.primary(4)?.address.w3 ?? 0);
    const wrong = this.options.compile(p, p.ipOptions, ours);
    if (wrong >= 0) {
      this.headerError(p);
      this.ip.errors.sendError(p, 12, 0, wrong << 24);
      return false;
    }
    if (this.options.sourceRoute !== 0) {
      // Refused by default and without a counter, as Linux does; accepting one is not offered (RFC 5095's reasons hold for IPv4 too).
      this.countIn(p, this.unattributed);
      return false;
    }
    return true;
  }

  private deliver(p: Packet): void {
    const fragment = p.view.getUint16(p.network + Ipv4At.fragment) & (IpFlag.mf | IpFlag.offset);
    const handler = this.ip.handlers[p.protocol]!;
    const owner = fragment !== 0 || !handler ? this.unattributed : handler.demux(p);
    this.countIn(p, owner);
    if (p.destination !== Destination.host) this.countGroup(p, owner);
    owner.fire(Probe.ipReceive, p.tail - p.network, p.protocol);
    if (fragment === 0) {
      this.hand(p, owner);
      return;
    }
    const whole = this.reassembler.add(p, fragment);
    if (!whole) return;
    this.hops = 0;
    this.handWhole(whole);
  }

  private countGroup(p: Packet, owner: Owner): void {
    const length = p.tail - p.network;
    if (p.destination === Destination.multicast) {
      owner.inc(IpExt.InMcastPkts);
      owner.add(IpExt.InMcastOctets, length);
    } else {
      owner.inc(IpExt.InBcastPkts);
      owner.add(IpExt.InBcastOctets, length);
    }
  }

  private hand(p: Packet, owner: Owner): void {
    const handler = this.ip.handlers[p.protocol];
    if (!handler) {
      this.unattributed.inc(Ip.InUnknownProtos);
      this.ip.errors.sendError(p, 3, 2, 0);
      return;
    }
    owner.inc(Ip.InDelivers);
    p.data = p.transport;
    handler.input(p, owner);
  }

  close(): void {
    this.reassembler.close();
  }
}
