/**
 * IPv6 (RFC 8200, 4291, 6724, 8201): the layer's state and what transports ask of it, the counterpart of ip/ipv4.ts. A packet comes in by
 * `input` (ipv6-input.ts), goes out by `output` (ipv6-output.ts), and passes through by forwarding6.ts. Who the neighbours are, which
 * addresses are ours and which routers there are is found out one floor up (icmp6/).
 */
import { Ip6 } from '../../mib/catalogue/index.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import type { IpAddress } from '../core/address.js';
import type { Env } from '../core/env.js';
import { Errno } from '../core/errno.js';
import type { Passed } from '../core/frame-ring.js';
import { Destination, type Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import type { NetDevice } from '../ip/device.js';
import { type FibEntry, NO_METRICS, networkOf, RouteTable, RouteType, routeError } from '../ip/fib.js';
import type { HopTable } from '../ip/hop.js';
import { PathTable } from '../ip/path.js';
import { PeerTable } from '../ip/peer.js';
import type { GroupReporter, NetworkLayer, ProtocolHandler, Route } from '../ip/protocol.js';
import { RouteEntry } from '../ip/route.js';
import { RouteCache } from '../ip/route-cache.js';
import { IPV6_HEADER, IPV6_MIN_MTU } from '../wire/ipv6.js';
import { ALL_NODES, INTERFACE_ALL_NODES, isLinkLocal, key6, LOOPBACK6 } from '../wire/scope6.js';
import type { InterfaceAddress } from './interface-address.js';
import { Ipv6Input } from './ipv6-input.js';
import { Ipv6Output } from './ipv6-output.js';
import { sourceFor } from './source-address.js';

/** Linux's metrics: of what an address brings with it. */
const METRIC_ADDRESS = 256;

/** Who writes ICMPv6 errors (one floor up). */
export interface ErrorSender6 {
  sendError(p: Packet, type: number, code: number, info: number): void;
  redirect(p: Packet, route: RouteEntry): void;
}
/** What was learned of a link from its routers (RFC 4861 6.3.2); 0: nothing. */
export interface LinkParameters {
  hopLimit: number;
  mtu: number;
}

export class Ipv6Layer implements NetworkLayer {
  readonly family = 6;
  readonly headerLength = IPV6_HEADER;
  readonly env: Env;
  readonly table: RouteTable = new RouteTable();
  readonly paths: PathTable = new PathTable();
  readonly peers: PeerTable = new PeerTable();
  readonly devices: NetDevice[] = [];
  readonly handlers: (ProtocolHandler | null)[] = new Array<ProtocolHandler | null>(256).fill(null);
  /** All addresses, those that are not usable yet included. */
  readonly addresses: InterfaceAddress[] = [];
  /** Set once by the stack. */
  hops: HopTable = NO_HOPS;
  errors: ErrorSender6 = NO_ERRORS;
  /** Who tells routers of groups that are joined and left (MLD, one floor up). */
  groups: GroupReporter | null = null;
  /** Probe points are armed: the ring's context is to be kept filled. Set by the stack. */
  armed = false;
  /** Who learns from messages that another stack of this host takes (ICMPv6, one floor up). */
  overhears: { overhear(p: Packet): void } | null = null;
  /** The inbound packet at hand, while probes are armed. */
  current: Packet | null = null;
  private readonly parameters: LinkParameters[] = [];
  /** The addresses in use: a few, looked at for every packet without making anything. */
  private readonly locals: IpAddress[] = [];
  private readonly memberships: Map<string, { readonly group: IpAddress; n: number }>[] = [];
  private readonly cache = new RouteCache<string>(this.table);
  private readonly sourced = new RouteCache<string>(this.table);
  private readonly inbound: Ipv6Input;
  private readonly outbound: Ipv6Output;

  constructor(env: Env) {
    this.env = env;
    this.inbound = new Ipv6Input(this);
    this.outbound = new Ipv6Output(this);
  }

  // --- devices, addresses, groups

  addDevice(device: NetDevice): void {
    this.devices[device.index] = device;
    if (!device.loopback) this.addRoute(MULTICAST, 8, device, RouteType.multicast, METRIC_ADDRESS, null);
    this.joinGroup(device, INTERFACE_ALL_NODES);
    this.joinGroup(device, ALL_NODES);
  }

  /** An address that is not usable before `confirm`; it is listed at once. */
  addAddress(a: InterfaceAddress): void {
    this.addresses.push(a);
    a.device.addresses.push(a);
  }

  /** The address has passed duplicate address detection: packets may come to it and leave from it. */
  confirmAddress(a: InterfaceAddress): void {
    if (!this.isLocal(a.address)) this.locals.push(a.address);
    this.addRoute(a.address, 128, a.device, RouteType.local, 0, a.address);
    if (a.prefix < 128 && a.origin !== 'router' && !a.device.loopback)
      this.addRoute(networkOf(a.address, a.prefix), a.prefix, a.device, RouteType.unicast, METRIC_ADDRESS, null);
    this.table.generation++;
  }

  removeAddress(a: InterfaceAddress): void {
    for (const list of [this.addresses, a.device.addresses] as (readonly unknown[])[]) {
      const i = list.indexOf(a);
      if (i >= 0) (list as unknown[]).splice(i, 1);
    }
    const local = this.locals.findIndex((x) => x.equals(a.address));
    if (local >= 0) this.locals.splice(local, 1);
    this.table.remove((e) => e.type === RouteType.local && e.prefix === 128 && e.destination.equals(a.address));
    this.table.generation++;
  }

  findAddress(device: NetDevice, w0: number, w1: number, w2: number, w3: number): InterfaceAddress | null {
    for (const a of this.addresses) {
      const x = a.address;
      if (a.device === device && x.w3 === w3 && x.w2 === w2 && x.w1 === w1 && x.w0 === w0) return a;
    }
    return null;
  }

  /** Adds a route of the stack's own. */
  addRoute(
    destination: IpAddress,
    prefix: number,
    device: NetDevice,
    type: RouteType,
    metric: number,
    source: IpAddress | null,
    gateway: IpAddress | null = null,
    protocol: FibEntry['protocol'] = 'kernel',
  ): void {
    this.table.add({ type, destination, prefix, gateway, device, source, metric, protocol, metrics: NO_METRICS }, true);
  }

  isLocal(address: IpAddress): boolean {
    return address.family === 6 && this.isOwn(address.w0, address.w1, address.w2, address.w3);
  }
  isOwn(w0: number, w1: number, w2: number, w3: number): boolean {
    for (let i = 0; i < this.locals.length; i++) {
      const a = this.locals[i]!;
      if (a.w3 === w3 && a.w2 === w2 && a.w1 === w1 && a.w0 === w0) return true;
    }
    return false;
  }

  /** What the routers of a link said. */
  linkOf(device: NetDevice): LinkParameters {
    let l = this.parameters[device.index];
    if (!l) {
      l = { hopLimit: 0, mtu: 0 };
      this.parameters[device.index] = l;
    }
    return l;
  }
  /** RFC 4861 6.3.2 LinkMTU. */
  mtuOf(device: NetDevice): number {
    const said = this.parameters[device.index]?.mtu ?? 0;
    return said >= IPV6_MIN_MTU && said < device.mtu ? said : device.mtu;
  }

  private groupsOf(device: NetDevice): Map<string, { readonly group: IpAddress; n: number }> {
    let m = this.memberships[device.index];
    if (!m) {
      m = new Map();
      this.memberships[device.index] = m;
    }
    return m;
  }
  joinGroup(device: NetDevice, group: IpAddress): void {
    const groups = this.groupsOf(device);
    const known = groups.get(keyOf(group));
    if (known) known.n++;
    else {
      groups.set(keyOf(group), { group, n: 1 });
      if (this.env.siblings === null) this.groups?.joined(device, group);
      else this.env.siblings.joinGroup(device.index, group);
    }
  }
  leaveGroup(device: NetDevice, group: IpAddress): void {
    const groups = this.groupsOf(device);
    const known = groups.get(keyOf(group));
    if (!known || --known.n > 0) return;
    groups.delete(keyOf(group));
    if (this.env.siblings === null) this.groups?.left(device, group);
    else this.env.siblings.leaveGroup(device.index, group);
  }
  /** Is the host in the group on this device? */
  isMember(device: NetDevice, w0: number, w1: number, w2: number, w3: number): boolean {
    if (this.memberships[device.index]?.has(key6(w0, w1, w2, w3)) === true) return true;
    return this.env.siblings?.groups.isMember(device.index, w0, w1, w2, w3) ?? false;
  }
  /** All groups that the host is in on this device. */
  groupList(device: NetDevice): IpAddress[] {
    const siblings = this.env.siblings;
    return siblings === null ? [...this.groupsOf(device).values()].map((m) => m.group) : siblings.groups.list(device.index, 6);
  }

  /** Groups that this stack itself is in, oldest first, with their use counts. */
  joinedGroups(device: NetDevice): { readonly group: IpAddress; readonly n: number }[] {
    return [...this.groupsOf(device).values()];
  }

  // --- what transports ask

  register(handler: ProtocolHandler): void {
    this.handlers[handler.protocol] = handler;
  }

  route(destination: IpAddress, source: IpAddress | null, owner: Owner, count: boolean): Route | number {
    const found = this.find(destination.isAny() ? LOOPBACK6 : destination, source);
    if (found === -Errno.ENETUNREACH && count) owner.inc(Ip6.OutNoRoutes);
    return found;
  }

  find(destination: IpAddress, source: IpAddress | null): RouteEntry | number {
    if (destination.family !== 6) return -Errno.EAFNOSUPPORT;
    const key = keyOf(destination);
    if (source && !source.isAny()) {
      if (!this.isLocal(source)) return -Errno.EINVAL;
      const known = this.sourced.get(key);
      return known?.source.equals(source) ? known : this.sourced.keepSourced(key, this.make(destination, source));
    }
    return this.cache.get(key) ?? this.cache.keep(key, this.make(destination, null));
  }

  /** Linux's ip6_route_output for an optional source. */
  private make(destination: IpAddress, source: IpAddress | null): RouteEntry | number {
    const e = this.lookUp(destination, source);
    if (!e) return -Errno.ENETUNREACH;
    const error = routeError(e.type);
    if (error !== 0) return error;
    const device = e.device!;
    if (e.type === RouteType.local) {
      return this.entry(e, this.loopback ?? device, destination, source ?? destination, destination, true);
    }
    const hop = destination.isMulticast() ? destination : (this.paths.find(destination)?.gateway ?? e.gateway ?? destination);
    const from = source ?? e.source ?? sourceFor(this.addresses, destination, device);
    if (!from) return -Errno.EADDRNOTAVAIL;
    return this.entry(e, device, destination, from, hop, false);
  }

  /** Groups and link-local destinations are on every link: the source's device decides, else the first. */
  private lookUp(destination: IpAddress, source: IpAddress | null): FibEntry | null {
    const d = destination;
    if (source && (d.isMulticast() || isLinkLocal(d.w0))) {
      const device = this.addresses.find((a) => a.usable && a.address.equals(source))?.device;
      for (const e of this.table.entries) {
        if (e.device === device && e.type !== RouteType.local && networkOf(d, e.prefix).equals(e.destination)) return e;
      }
    }
    return this.table.lookup(d.w0, d.w1, d.w2, d.w3);
  }

  private entry(
    e: FibEntry,
    device: NetDevice,
    destination: IpAddress,
    source: IpAddress,
    hop: IpAddress,
    local: boolean,
  ): RouteEntry {
    const kind = !local && destination.isMulticast() ? Destination.multicast : Destination.host;
    return new RouteEntry(this.table, this.paths, e, device, destination, source, hop, kind, local, this.mtuOf(device));
  }

  deviceAt(index: number): NetDevice | null {
    return this.devices[index] ?? null;
  }

  deviceNamed(name: string): NetDevice | null {
    return this.devices.find((d) => d?.name === name) ?? null;
  }

  get loopback(): NetDevice | null {
    for (const d of this.devices) if (d?.loopback) return d;
    return null;
  }

  defaultTtl(route: Route): number {
    const said = this.parameters[route.device.index]?.hopLimit ?? 0;
    return said > 0 ? said : this.env.sysctl.values[Sysctl.ip6_hop_limit]!;
  }

  output(p: Packet, route: Route, owner: Owner, ttl: number, tos: number): number {
    return this.outbound.output(p, route as RouteEntry, owner, ttl, tos);
  }
  /** Sends on a packet with a finished header at p.data (forwarding). */
  transmit(p: Packet, route: RouteEntry, owner: Owner): number {
    return this.outbound.finish(p, route, owner);
  }

  /** RFC 8201 4: never below the least MTU that every link has. */
  updatePmtu(destination: IpAddress, mtu: number): void {
    const route = this.find(destination, null);
    if (typeof route === 'number' || route.local || route.entry?.metrics.mtuLocked) return;
    const now = this.env.nowUs;
    const value = Math.max(mtu, IPV6_MIN_MTU);
    if (value >= route.mtu(now)) return;
    const expires = this.env.sysctl.values[Sysctl.ip6_mtu_expires]!;
    this.paths.setPmtu(destination, value, false, now + expires * 1_000_000);
  }

  sendError(p: Packet, type: number, code: number, info: number): void {
    this.errors.sendError(p, type, code, info);
  }

  // --- what comes from below

  /** A frame of EtherType IPv6: p.data at the header. */
  input(p: Packet, device: NetDevice): void {
    this.inbound.receive(p, device, true);
  }
  /** A packet that another stack of this host has passed on: p.data at the header. */
  inputPassed(p: Packet, device: NetDevice, passed: Passed): void {
    this.inbound.receivePassed(p, device, passed);
  }
  /** Own multicasts come back. False: nothing waits. */
  drainLooped(): boolean {
    return this.outbound.drainLooped(this.inbound);
  }
  loopWaits(): boolean {
    return this.outbound.waiting > 0;
  }

  close(): void {
    this.inbound.close();
  }
}

function keyOf(a: IpAddress): string {
  return key6(a.w0, a.w1, a.w2, a.w3);
}
const MULTICAST = networkOf(ALL_NODES, 8);
const NO_HOPS: HopTable = { hop: () => null, usable: () => false };
const NO_ERRORS: ErrorSender6 = { sendError: () => {}, redirect: () => {} };
