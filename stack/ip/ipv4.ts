/**
 * IPv4 (RFC 791, 1122 3.2/3.3, 1812, 6864): the layer's state and what transports ask of it. A packet comes in by `input` (ipv4-input.ts),
 * goes out by `output` (ipv4-output.ts), and passes through by forwarding.ts; reassembly.ts and ip-options.ts do what their names say.
 */
import { Ip } from '../../mib/catalogue/index.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import { IpAddress } from '../core/address.js';
import type { Env } from '../core/env.js';
import { Errno } from '../core/errno.js';
import type { Passed } from '../core/frame-ring.js';
import { Destination, type Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import type { NetDevice } from './device.js';
import { broadcastOf, NO_METRICS, networkOf, RouteTable, RouteType, routeError } from './fib.js';
import type { HopTable } from './hop.js';
import { IpOptions, midnightMs, type OptionHost } from './ip-options.js';
import { Ipv4Input } from './ipv4-input.js';
import { Ipv4Output } from './ipv4-output.js';
import { PathTable } from './path.js';
import { PeerTable } from './peer.js';
import type { GroupReporter, NetworkLayer, ProtocolHandler, Route } from './protocol.js';
import { RouteEntry } from './route.js';
import { RouteCache } from './route-cache.js';

const LIMITED_BROADCAST = 0xffffffff;
const ALL_HOSTS = 0xe0000001;
/** RFC 791: every link carries 68 octets. */
const MIN_MTU = 68;

/** Who writes ICMP errors (the ICMP layer, one floor up). */
export interface ErrorSender {
  sendError(p: Packet, type: number, code: number, info: number): void;
}

export class Ipv4Layer implements NetworkLayer, OptionHost {
  readonly family = 4;
  readonly headerLength = 20;
  readonly env: Env;
  readonly table: RouteTable = new RouteTable();
  readonly paths: PathTable = new PathTable();
  readonly peers: PeerTable = new PeerTable();
  readonly devices: NetDevice[] = [];
  readonly handlers: (ProtocolHandler | null)[] = new Array<ProtocolHandler | null>(256).fill(null);
  /** Set once by the stack. */
  hops: HopTable = NO_HOPS;
  errors: ErrorSender = NO_ERRORS;
  groups: GroupReporter | null = null;
  /** µs between the stack's clock and the wall clock, for timestamps. */
  readonly wallOffsetUs: number;
  /** Probe points are armed: the ring's context is to be kept filled. Set by the stack. */
  armed = false;
  /** The inbound packet at hand, while probes are armed. */
  current: Packet | null = null;
  /** Options of the packet at hand. */
  readonly options: IpOptions = new IpOptions(this);
  private readonly locals = new Set<number>();
  private readonly cache = new RouteCache<number>(this.table);
  private readonly sourced = new RouteCache<number>(this.table);
  private readonly inbound: Ipv4Input;
  private readonly outbound: Ipv4Output;

  constructor(env: Env, wallOffsetUs = 0) {
    this.env = env;
    this.wallOffsetUs = wallOffsetUs;
    this.inbound = new Ipv4Input(this);
    this.outbound = new Ipv4Output(this);
  }

  // --- addresses and devices

  addDevice(device: NetDevice): void {
    this.devices[device.index] = device;
    this.table.generation++;
  }

  deviceAt(index: number): NetDevice | null {
    return this.devices[index] ?? null;
  }
  deviceNamed(name: string): NetDevice | null {
    return this.devices.find((d) => d?.name === name) ?? null;
  }

  /** Gives a device an address with all that it brings: local and broadcast routes, and the network it is on. */
  addAddress(device: NetDevice, address: IpAddress, prefix: number): void {
    device.addresses.push({ address, prefix });
    this.locals.add(address.w3);
    const add = (type: RouteType, destination: IpAddress, length: number) =>
      this.table.add({
        type,
        destination,
        prefix: length,
        gateway: null,
        device,
        source: address,
        metric: 0,
        protocol: 'kernel',
        metrics: NO_METRICS,
      });
    if (device.loopback) add(RouteType.local, networkOf(address, prefix), prefix);
    add(RouteType.local, address, 32);
    if (device.loopback || prefix >= 32) return;
    const network = networkOf(address, prefix);
    add(RouteType.unicast, network, prefix);
    if (prefix < 31) {
      const last = broadcastOf(address, prefix);
      add(RouteType.broadcast, last, 32);
    }
  }

  isLocal(address: IpAddress): boolean {
    return address.family === 4 && this.isLocalWord(address.w3);
  }
  isLocalWord(word: number): boolean {
    return this.locals.has(word) || word >>> 24 === 127;
  }
  /** One of the configured addresses, 127/8 left out. */
  isOwn(word: number): boolean {
    return this.locals.has(word);
  }
  isLocal4(word: number, device: NetDevice | null): boolean {
    if (!device) return this.isOwn(word);
    return device.addresses.some((a) => a.address.family === 4 && a.address.w3 === word);
  }
  deviceTo(word: number): NetDevice | null {
    return this.table.lookup4(word)?.device ?? null;
  }
  timestamp(): number {
    return midnightMs(this.env.nowUs + this.wallOffsetUs);
  }

  joinGroup(device: NetDevice, group: IpAddress): void {
    const n = device.groups.get(group.w3) ?? 0;
    device.groups.set(group.w3, n + 1);
    if (n > 0) return;
    if (this.env.siblings === null) this.groups?.joined(device, group);
    else this.env.siblings.joinGroup(device.index, group);
  }
  leaveGroup(device: NetDevice, group: IpAddress): void {
    const n = (device.groups.get(group.w3) ?? 0) - 1;
    if (n > 0) {
      device.groups.set(group.w3, n);
      return;
    }
    if (!device.groups.delete(group.w3)) return;
    if (this.env.siblings === null) this.groups?.left(device, group);
    else this.env.siblings.leaveGroup(device.index, group);
  }
  /** Is the host in the group on this device? */
  isMember(device: NetDevice, group: number): boolean {
    if (group === ALL_HOSTS || device.groups.has(group)) return true;
    return this.env.siblings?.groups.isMember(device.index, 0, 0, 0xffff, group) ?? false;
  }
  /** All groups that the host is in on this device. */
  groupList(device: NetDevice): number[] {
    const siblings = this.env.siblings;
    return siblings === null ? [...device.groups.keys()] : siblings.groups.list(device.index, 4).map((g) => g.w3);
  }

  // --- what transports ask

  register(handler: ProtocolHandler): void {
    this.handlers[handler.protocol] = handler;
  }

  route(destination: IpAddress, source: IpAddress | null, owner: Owner, count: boolean): Route | number {
    const found = this.find(destination, source);
    if (found === -Errno.ENETUNREACH && count) owner.inc(Ip.OutNoRoutes);
    return found;
  }

  private find(destination: IpAddress, source: IpAddress | null): RouteEntry | number {
    if (destination.family !== 4) return -Errno.EAFNOSUPPORT;
    const key = destination.w3;
    if (source && !source.isAny()) {
      if (!this.isLocalWord(source.w3)) return -Errno.EINVAL;
      const known = this.sourced.get(key);
      return known?.source.equals(source) ? known : this.sourced.keepSourced(key, this.make(destination, source));
    }
    return this.cache.get(key) ?? this.cache.keep(key, this.make(destination, null));
  }

  /** Linux's ip_route_output_key for an optional source. */
  private make(destination: IpAddress, source: IpAddress | null): RouteEntry | number {
    const word = destination.w3;
    if (word === 0) return this.make(source ?? LOOPBACK, source);
    const group = word >>> 28 === 0xe;
    if (source && (group || word === LIMITED_BROADCAST)) {
      const device = this.deviceOf(source.w3);
      if (!device) return -Errno.EINVAL;
      return this.entry(null, device, destination, source, destination);
    }
    const e = this.table.lookup4(word);
    if (!e) return -Errno.ENETUNREACH;
    const error = routeError(e.type);
    if (error !== 0) return error;
    const device = e.device!;
    if (e.type === RouteType.local) {
      return this.entry(e, this.loopback ?? device, destination, source ?? e.source ?? destination, destination);
    }
    const exception = this.paths.find(destination);
    const hop = group || word === LIMITED_BROADCAST ? destination : (exception?.gateway ?? e.gateway ?? destination);
    const from = source ?? e.source ?? this.sourceOn(device, hop);
    if (!from) return -Errno.EADDRNOTAVAIL;
    return this.entry(e, device, destination, from, hop);
  }

  private entry(
    e: RouteEntry['entry'],
    device: NetDevice,
    destination: IpAddress,
    source: IpAddress,
    hop: IpAddress,
  ): RouteEntry {
    const local = e?.type === RouteType.local;
    let kind: number = Destination.host;
    if (!local && destination.isMulticast()) kind = Destination.multicast;
    else if (e?.type === RouteType.broadcast || destination.w3 === LIMITED_BROADCAST) kind = Destination.broadcast;
    return new RouteEntry(this.table, this.paths, e, device, destination, source, hop, kind, local);
  }

  get loopback(): NetDevice | null {
    for (const d of this.devices) if (d?.loopback) return d;
    return null;
  }

  private deviceOf(word: number): NetDevice | null {
    for (const d of this.devices) if (d && this.isLocal4(word, d)) return d;
    return null;
  }

  /** The address of a device that shares a network with `target`, else its first (inet_select_addr). */
  sourceOn(device: NetDevice, target: IpAddress): IpAddress | null {
    for (const a of device.addresses) {
      if (a.address.family === 4 && networkOf(target, a.prefix).equals(networkOf(a.address, a.prefix))) return a.address;
    }
    return device.primary(4)?.address ?? null;
  }

  /** The way back to a sender for what is not a socket's: cached by destination. */
  routeTo(word: number): RouteEntry | number {
    return this.cache.get(word) ?? this.find(IpAddress.v4(word), null);
  }

  defaultTtl(_route: Route): number {
    return this.env.sysctl.values[Sysctl.ip_default_ttl]!;
  }

  output(p: Packet, route: Route, owner: Owner, ttl: number, tos: number): number {
    return this.outbound.output(p, route as RouteEntry, owner, ttl, tos);
  }

  /** Sends on a packet with a finished header at p.data (forwarding). */
  transmit(p: Packet, route: RouteEntry, owner: Owner): number {
    return this.outbound.finish(p, route, owner);
  }

  updatePmtu(destination: IpAddress, mtu: number): void {
    const s = this.env.sysctl.values;
    const route = this.find(destination, null);
    if (typeof route === 'number' || route.local) return;
    const now = this.env.nowUs;
    const old = route.mtu(now);
    if (old < mtu || route.entry?.metrics.mtuLocked) return;
    const min = s[Sysctl.min_pmtu]!;
    const locked = mtu < min;
    const value = locked ? Math.min(old, min) : mtu;
    if (value < MIN_MTU) return;
    this.paths.setPmtu(destination, value, locked, now + s[Sysctl.mtu_expires]! * 1_000_000);
  }

  sendError(p: Packet, type: number, code: number, info: number): void {
    this.errors.sendError(p, type, code, info);
  }

  /** An ICMP redirect (RFC 1122 3.2.2.2): believed when it comes from the present next hop and names a neighbour that answers. */
  redirect(destination: IpAddress, gateway: IpAddress, from: number): void {
    if (this.env.sysctl.values[Sysctl.accept_redirects] === 0) return;
    const route = this.find(destination, null);
    if (typeof route === 'number' || route.local || route.kind !== Destination.host) return;
    if (route.nextHop.w3 !== from || gateway.w3 === from || this.isLocalWord(gateway.w3)) return;
    if (this.table.lookup4(gateway.w3)?.type !== RouteType.unicast || gateway.isMulticast()) return;
    if (this.hops.usable(route.device, gateway)) this.paths.setGateway(destination, gateway);
  }

  // --- what comes from below

  /** A frame of EtherType IPv4: p.data at the header. */
  input(p: Packet, device: NetDevice): void {
    this.inbound.receive(p, device);
  }

  /** A packet that another stack of this host has passed on: p.data at the header. */
  inputPassed(p: Packet, device: NetDevice, passed: Passed): void {
    this.inbound.receivePassed(p, device, passed);
  }

  /** Own broadcasts and multicasts come back (RFC 1112 7.2): works on what `output` has looped. False: nothing waits. */
  drainLooped(): boolean {
    return this.outbound.drainLooped(this.inbound);
  }

  loopWaits(): boolean {
    return this.outbound.waiting > 0;
  }

  /** The neighbour did not answer (dst_link_failure). */
  linkFailure(p: Packet, _owner: Owner): void {
    this.errors.sendError(p, 3, 1, 0);
  }

  close(): void {
    this.inbound.close();
  }
}

const LOOPBACK = IpAddress.v4(0x7f000001);
const NO_HOPS: HopTable = { hop: () => null, usable: () => false };
const NO_ERRORS: ErrorSender = { sendError: () => {} };
