/**
 * Routers of the link (RFC 4861 6.3, 8.3; RFC 4862 5.5): asks for them, believes what they advertise (default route, hop limit, timers, MTU,
 * prefixes) and makes addresses of the prefixes; follows their redirects. Off where this host is a router itself, unless accept_ra is 2.
 */

import { Nud } from '../arp/neighbour.js';
import { IpAddress } from '../core/address.js';
import type { Env } from '../core/env.js';
import type { Packet } from '../core/packet.js';
import { below } from '../core/random.js';
import { Sysctl } from '../core/sysctl.js';
import { Timer, type TimerHandler } from '../core/timer.js';
import type { NetDevice } from '../ip/device.js';
import { networkOf, RouteType } from '../ip/fib.js';
import type { RouteEntry } from '../ip/route.js';
import { AddressState, type InterfaceAddress } from '../ip6/interface-address.js';
import type { Ipv6Layer } from '../ip6/ipv6.js';
import { Icmp6Type, NdOption } from '../wire/icmp6.js';
import { IPV6_MIN_MTU } from '../wire/ipv6.js';
import { ALL_ROUTERS, isLinkLocal, UNSPECIFIED } from '../wire/scope6.js';
import type { AddressSetup } from './address-setup.js';
import type { Icmp6Layer } from './icmp6.js';
import { appendOption, type NdOptions, REDIRECT_HEADER, ROUTER_ADVERTISEMENT, ROUTER_SOLICITATION } from './nd-message.js';
import { type NeighbourDiscovery, type RouterListener, writeAddress } from './neighbour-discovery.js';

/** Linux's metric of routes that routers bring. */
const METRIC_ROUTER = 1024;
const FOREVER = 0xffffffff;
/** RFC 4862 5.5.3 e: an advertisement that nobody signed cannot shorten a lifetime below this. */
const MIN_VALID_US = 7_200_000_000;
const PrefixFlag = Object.freeze({ onLink: 0x80, autonomous: 0x40 });
const SECOND_US = 1_000_000;
const Kind = Object.freeze({ solicit: 0, lifetimes: 1 });
/** RFC 4861 8.2, as Linux limits it: one redirect a second about a destination and one to a host, from the buckets that errors use too. */
const REDIRECT_COST_US = 1_000_000;
const REDIRECT_BURST = 6;

interface Lifetime {
  readonly destination: IpAddress;
  readonly prefix: number;
  readonly device: NetDevice;
  readonly gateway: IpAddress | null;
  untilUs: number;
}

class Solicitation implements TimerHandler {
  readonly device: NetDevice;
  readonly timer: Timer;
  sent = 0;
  intervalUs = 0;
  private readonly owner: RouterDiscovery;
  constructor(owner: RouterDiscovery, device: NetDevice) {
    this.owner = owner;
    this.device = device;
    this.timer = new Timer(this, Kind.solicit);
  }
  onTimer(): void {
    this.owner.solicit(this);
  }
}

export class RouterDiscovery implements RouterListener, TimerHandler {
  private readonly env: Env;
  private readonly ip: Ipv6Layer;
  private readonly nd: NeighbourDiscovery;
  private readonly setup: AddressSetup;
  private readonly asking: Solicitation[] = [];
  /** Routes that end by themselves. */
  private readonly lifetimes: Lifetime[] = [];
  private readonly timer = new Timer(this, Kind.lifetimes);

  constructor(env: Env, ip: Ipv6Layer, icmp: Icmp6Layer, nd: NeighbourDiscovery, setup: AddressSetup) {
    this.env = env;
    this.ip = ip;
    this.nd = nd;
    this.setup = setup;
    nd.routers = this;
    icmp.redirects = (p, route) => this.sendRedirect(p, route);
  }

  private setting(index: number): number {
    return this.env.sysctl.values[index]!;
  }
  private accepts(): boolean {
    const accept = this.setting(Sysctl.ip6_accept_ra);
    return accept === 2 || (accept === 1 && this.setting(Sysctl.ip6_forwarding) === 0);
  }

  // --- asking (6.3.7, RFC 7559)

  begin(device: NetDevice): void {
    if (device.loopback || !this.accepts() || this.setting(Sysctl.ip6_router_solicitations) === 0) return;
    const s = new Solicitation(this, device);
    this.asking.push(s);
    const delayUs = this.setting(Sysctl.ip6_router_solicitation_delay) * SECOND_US;
    this.env.timers.arm(s.timer, this.env.nowUs + below(this.env.random, Math.max(delayUs, 1)));
  }

  solicit(s: Solicitation): void {
    const d = s.device;
    if (!this.accepts()) {
      this.stop(d);
      return;
    }
    const from = this.nd.linkLocalOrAny(d);
    this.nd.sendMessage(d, from, ALL_ROUTERS, Icmp6Type.routerSolicitation, 0, (out) => {
      out.tail = out.transport + ROUTER_SOLICITATION;
      if (!from.isAny()) appendOption(out, NdOption.sourceLink, d.macHigh, d.macLow);
    });
    s.sent++;
    const most = this.setting(Sysctl.ip6_router_solicitations);
    if (most >= 0 && s.sent >= most) {
      this.stop(d);
      return;
    }
    // RFC 7559 2: doubling, with a tenth of chance either way
    const first = this.setting(Sysctl.ip6_router_solicitation_interval) * SECOND_US;
    const limit = this.setting(Sysctl.ip6_router_solicitation_max_interval) * SECOND_US;
    const base = s.intervalUs === 0 ? first : 2 * s.intervalUs;
    const jitter = () => 0.9 + below(this.env.random, 200_001) / 1_000_000;
    s.intervalUs = Math.floor((base > limit ? limit : base) * jitter());
    this.env.timers.arm(s.timer, this.env.nowUs + s.intervalUs);
  }

  private stop(device: NetDevice): void {
    const i = this.asking.findIndex((s) => s.device === device);
    if (i < 0) return;
    this.env.timers.cancel(this.asking[i]!.timer, true);
    this.asking.splice(i, 1);
  }

  // --- what comes in

  input(p: Packet, type: number, o: NdOptions): void {
    if (type === Icmp6Type.routerAdvertisement) this.advertised(p, o);
    else if (type === Icmp6Type.redirect) this.redirected(p, o);
    else this.solicitedByHost(p, o);
  }

  /** 6.2.6: a router learns who asks. This stack advertises nothing. */
  private solicitedByHost(p: Packet, o: NdOptions): void {
    if (this.setting(Sysctl.ip6_forwarding) === 0 || p.tail - p.transport < ROUTER_SOLICITATION) return;
    if (!o.parse(p, p.transport + ROUTER_SOLICITATION) || !o.hasSource || (p.src0 | p.src1 | p.src2 | p.src3) === 0) return;
    this.nd.table.hop(p.device!, sourceOf(p))?.learn(o.sourceHigh, o.sourceLow, Nud.stale, true);
  }

  /** 6.3.4. */
  private advertised(p: Packet, o: NdOptions): void {
    const device = p.device!;
    if (!isLinkLocal(p.src0) || p.tail - p.transport < ROUTER_ADVERTISEMENT) return;
    if (!o.parse(p, p.transport + ROUTER_ADVERTISEMENT) || !this.accepts()) return;
    this.stop(device);
    const v = p.view;
    const at = p.transport;
    const router = sourceOf(p);
    if (this.setting(Sysctl.ip6_accept_ra_defrtr) !== 0) this.defaultRoute(device, router, v.getUint16(at + 6));
    const link = this.ip.linkOf(device);
    const hopLimit = p.bytes[at + 4]!;
    if (hopLimit !== 0) link.hopLimit = hopLimit;
    this.timers(v.getUint32(at + 8), v.getUint32(at + 12));
    if (o.hasSource) {
      const n = this.nd.table.hop(device, router);
      if (n) {
        n.learn(o.sourceHigh, o.sourceLow, Nud.stale, true);
        n.router = true;
      }
    }
    if (o.mtu >= IPV6_MIN_MTU && o.mtu <= device.mtu && this.setting(Sysctl.ip6_accept_ra_mtu) !== 0 && o.mtu !== link.mtu) {
      link.mtu = o.mtu;
      this.ip.table.generation++;
    }
    if (this.setting(Sysctl.ip6_accept_ra_pinfo) !== 0)
      for (let i = 0; i < o.prefixCount; i++) this.prefix(p, o.prefixes[i]!, device);
  }

  /** Reachable time and retransmission timer in ms; 0: not said. They are settings of the neighbour table, as in Linux. */
  private timers(reachableMs: number, retransMs: number): void {
    const s = this.env.sysctl.values;
    if (reachableMs !== 0 && reachableMs <= 3_600_000) s[Sysctl.ip6_base_reachable_time_ms] = reachableMs;
    if (retransMs >= 10) s[Sysctl.ip6_retrans_time_ms] = retransMs;
  }

  private defaultRoute(device: NetDevice, router: IpAddress, seconds: number): void {
    this.setLifetime(UNSPECIFIED, 0, device, router, seconds === 0 ? 0 : this.env.nowUs + seconds * SECOND_US);
  }

  /** 6.3.4 and RFC 4862 5.5.3: a prefix option at `at`. */
  private prefix(p: Packet, at: number, device: NetDevice): void {
    const v = p.view;
    const length = p.bytes[at + 2]!;
    const flags = p.bytes[at + 3]!;
    const valid = v.getUint32(at + 4);
    const preferred = v.getUint32(at + 8);
    const given = new IpAddress(6, v.getUint32(at + 16), v.getUint32(at + 20), v.getUint32(at + 24), v.getUint32(at + 28));
    if (length > 128 || preferred > valid || given.isMulticast() || isLinkLocal(given.w0)) return;
    const prefix = networkOf(given, length);
    const until = (seconds: number) => (seconds === FOREVER ? Number.POSITIVE_INFINITY : this.env.nowUs + seconds * SECOND_US);
    if ((flags & PrefixFlag.onLink) !== 0) this.setLifetime(prefix, length, device, null, valid === 0 ? 0 : until(valid));
    if ((flags & PrefixFlag.autonomous) === 0 || length !== 64 || this.setting(Sysctl.ip6_autoconf) === 0) return;
    const known = this.ip.addresses.find(
      (a) => a.device === device && a.origin === 'router' && networkOf(a.address, 64).equals(prefix),
    );
    if (known) this.renew(known, until(valid), until(preferred));
    else if (valid !== 0) this.make(device, prefix, until(valid), until(preferred));
  }

  private make(device: NetDevice, prefix: IpAddress, validUntilUs: number, preferredUntilUs: number): void {
    const a = this.setup.add(device, this.setup.withIdentifier(device, prefix, 0), 64, 'router');
    if (!a) return;
    a.validUntilUs = validUntilUs;
    a.preferredUntilUs = preferredUntilUs;
    this.schedule();
  }

  private renew(a: InterfaceAddress, validUntilUs: number, preferredUntilUs: number): void {
    const now = this.env.nowUs;
    const left = a.validUntilUs - now;
    if (validUntilUs - now > MIN_VALID_US || validUntilUs > a.validUntilUs) a.validUntilUs = validUntilUs;
    else if (left > MIN_VALID_US) a.validUntilUs = now + MIN_VALID_US;
    a.preferredUntilUs = Math.min(preferredUntilUs, a.validUntilUs);
    if (a.state === AddressState.deprecated && a.preferredUntilUs > now) this.change(a, AddressState.preferred);
    this.schedule();
  }
  private change(a: InterfaceAddress, state: number): void {
    a.state = state;
    this.ip.table.generation++; // routes choose their source anew
    this.setup.publish();
  }

  /** 8.3: believed when it comes from the present first hop. */
  private redirected(p: Packet, o: NdOptions): void {
    if (!isLinkLocal(p.src0) || p.tail - p.transport < REDIRECT_HEADER) return;
    if (this.setting(Sysctl.ip6_accept_redirects) === 0 || this.setting(Sysctl.ip6_forwarding) !== 0) return;
    const v = p.view;
    const read = (at: number) =>
      new IpAddress(6, v.getUint32(at), v.getUint32(at + 4), v.getUint32(at + 8), v.getUint32(at + 12));
    const target = read(p.transport + 8);
    const destination = read(p.transport + 24);
    if (destination.isMulticast() || !o.parse(p, p.transport + REDIRECT_HEADER)) return;
    const onLink = target.equals(destination);
    if (!onLink && !isLinkLocal(target.w0)) return;
    const route = this.ip.find(destination, null);
    if (typeof route === 'number' || route.local || route.device !== p.device) return;
    if (!route.nextHop.equals(sourceOf(p))) return;
    const n = this.nd.table.hop(route.device, target);
    if (!n) return;
    if (o.hasTarget) n.learn(o.targetHigh, o.targetLow, Nud.stale, true);
    n.router = !onLink;
    this.ip.paths.setGateway(destination, target);
  }

  /** 8.2: the sender is on the same link as the next hop: it could have gone there itself. */
  private sendRedirect(p: Packet, route: RouteEntry): void {
    const device = route.device;
    const from = this.nd.linkLocal(device);
    const to = sourceOf(p);
    if (!from || to.isMulticast() || to.isAny() || !this.mayTell(route.destination)) return;
    const onLink = route.nextHop.equals(route.destination);
    if (!onLink && !isLinkLocal(route.nextHop.w0)) return; // 8: a router is named by its link-local address
    const back = this.ip.table.lookup(to.w0, to.w1, to.w2, to.w3);
    if (!back || back.gateway !== null || back.device !== device || back.type !== RouteType.unicast) return;
    if (!this.mayTell(to)) return;
    const n = this.nd.table.find(device, route.nextHop);
    this.nd.sendMessage(device, from, to, Icmp6Type.redirect, 0, (out) => {
      writeAddress(out, route.nextHop);
      const d = route.destination;
      const words = [d.w0, d.w1, d.w2, d.w3];
      for (const [i, w] of words.entries()) out.view.setUint32(out.transport + 24 + i * 4, w);
      out.tail = out.transport + REDIRECT_HEADER;
      if (n?.valid) appendOption(out, NdOption.targetLink, n.macHigh, n.macLow);
      quote(out, p);
    });
  }

  private mayTell(end: IpAddress): boolean {
    return this.ip.peers.get(end.toString(), this.env.nowUs).allow(this.env.nowUs, REDIRECT_COST_US, REDIRECT_BURST);
  }

  // --- lifetimes

  private setLifetime(
    destination: IpAddress,
    prefix: number,
    device: NetDevice,
    gateway: IpAddress | null,
    untilUs: number,
  ): void {
    const i = this.lifetimes.findIndex(
      (l) => l.device === device && l.prefix === prefix && l.destination.equals(destination) && sameGateway(l.gateway, gateway),
    );
    const known = this.lifetimes[i];
    if (untilUs === 0) {
      if (known) this.expire(i);
    } else if (known) known.untilUs = untilUs;
    else {
      this.lifetimes.push({ destination, prefix, device, gateway, untilUs });
      this.ip.addRoute(destination, prefix, device, RouteType.unicast, METRIC_ROUTER, null, gateway, 'ra');
    }
    this.schedule();
  }

  /** A host that has become a router follows no other, unless accept_ra says 2. */
  forgetDefaults(): void {
    if (this.accepts()) return;
    for (let i = this.lifetimes.length - 1; i >= 0; i--) if (this.lifetimes[i]!.prefix === 0) this.expire(i);
    this.schedule();
  }

  private expire(i: number): void {
    const [l] = this.lifetimes.splice(i, 1);
    if (!l) return;
    this.ip.table.remove(
      (e) =>
        e.protocol === 'ra' &&
        e.device === l.device &&
        e.prefix === l.prefix &&
        e.destination.equals(l.destination) &&
        sameGateway(e.gateway, l.gateway),
    );
  }

  private schedule(): void {
    let next = Number.POSITIVE_INFINITY;
    for (const l of this.lifetimes) next = Math.min(next, l.untilUs);
    for (const a of this.ip.addresses) {
      next = Math.min(next, a.validUntilUs);
      if (a.state === AddressState.preferred || a.state === AddressState.tentative) next = Math.min(next, a.preferredUntilUs);
    }
    if (next === Number.POSITIVE_INFINITY) this.env.timers.cancel(this.timer);
    else {
      this.env.timers.cancel(this.timer, true);
      this.env.timers.arm(this.timer, next);
    }
  }

  onTimer(): void {
    const now = this.env.nowUs;
    for (let i = this.lifetimes.length - 1; i >= 0; i--) if (this.lifetimes[i]!.untilUs <= now) this.expire(i);
    for (const a of [...this.ip.addresses]) {
      if (a.validUntilUs <= now) this.setup.remove(a);
      else if (a.preferredUntilUs <= now && a.state === AddressState.preferred) this.change(a, AddressState.deprecated);
      else if (a.preferredUntilUs <= now && a.state === AddressState.tentative) a.preferredUntilUs = now + SECOND_US; // looked at again when it is known to be ours
    }
    this.schedule();
  }

  close(): void {
    for (const s of [...this.asking]) this.stop(s.device);
    this.env.timers.cancel(this.timer, true);
  }
}

/** 4.6.3: as much of the packet as fits. */
function quote(out: Packet, p: Packet): void {
  const room = IPV6_MIN_MTU - 40 - (out.tail - out.transport) - 8;
  const length = Math.min(p.tail - p.network, room) & ~7;
  const at = out.tail;
  out.view.setUint32(at, (NdOption.redirected << 24) | ((length / 8 + 1) << 16));
  out.view.setUint32(at + 4, 0);
  out.bytes.set(p.bytes.subarray(p.network, p.network + length), at + 8);
  out.tail = at + 8 + length;
}
function sameGateway(a: IpAddress | null, b: IpAddress | null): boolean {
  return a === null || b === null ? a === b : a.equals(b);
}
function sourceOf(p: Packet): IpAddress {
  return new IpAddress(6, p.src0, p.src1, p.src2, p.src3);
}
