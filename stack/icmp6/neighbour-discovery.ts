/**
 * Neighbour discovery between hosts (RFC 4861 4.3, 4.4, 7.2; RFC 4862 5.4 for what a tentative address hears): finds the MAC address of an
 * IPv6 neighbour, answers who asks for ours, tells the link when ours have come. The states of neighbours are arp/neighbour.ts's, for both
 * families alike. Router discovery is router-discovery.ts, duplicate address detection address-setup.ts.
 *
 * As Linux, a message that breaks a rule of 7.1 is dropped without a counter of its own; ICMPv6 has counted it.
 */

import type { Owner } from '../../mib/ledger/ledger.js';
import { type Neighbour, type NeighbourSettings, NeighbourTable, Nud, type Solicitor } from '../arp/neighbour.js';
import { IpAddress } from '../core/address.js';
import type { Env } from '../core/env.js';
import { Destination, Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import type { NetDevice } from '../ip/device.js';
import { TX_TRANSPORT } from '../ip/protocol.js';
import { RouteEntry } from '../ip/route.js';
import { AddressState, type InterfaceAddress } from '../ip6/interface-address.js';
import type { Ipv6Layer } from '../ip6/ipv6.js';
import { EtherType, formatMac } from '../wire/ethernet.js';
import { emitIcmp6, Icmp6Type, NdOption, Unreachable6 } from '../wire/icmp6.js';
import { ALL_NODES, isLinkLocal, isSolicitedNode, solicitedNode, UNSPECIFIED } from '../wire/scope6.js';
import type { Icmp6Layer, Icmp6Speaker } from './icmp6.js';
import { Advertise, appendOption, ND_HEADER, NdOptions } from './nd-message.js';

/** RFC 4861 7.1: whatever comes with less has passed a router. */
export const ND_HOP_LIMIT = 255;
/** Redirects, the longest, fit the least MTU (4.5). */
const MAX_MESSAGE = 1280;

const SETTINGS: NeighbourSettings = {
  ucastSolicit: Sysctl.ip6_ucast_solicit,
  mcastSolicit: Sysctl.ip6_mcast_solicit,
  retransTimeMs: Sysctl.ip6_retrans_time_ms,
  baseReachableTimeMs: Sysctl.ip6_base_reachable_time_ms,
  delayFirstProbeTime: Sysctl.ip6_delay_first_probe_time,
  unresQlenBytes: Sysctl.ip6_unres_qlen_bytes,
  gcThresh3: Sysctl.ip6_gc_thresh3,
};

/** Somebody else uses, or wants, an address of ours. */
export interface AddressConflict6 {
  readonly address: string;
  readonly mac: string;
  readonly device: string;
  readonly timeUs: number;
  /** It was being looked at whether the address is free: it will not be used. */
  readonly refused: boolean;
}

/** What duplicate address detection must hear. */
export interface DuplicateListener {
  /** Another node has the tentative address. */
  failed(a: InterfaceAddress): void;
  /** Is this the nonce of a probe of ours, come back (RFC 7527)? */
  isOurs(a: InterfaceAddress, high: number, low: number): boolean;
}
/** Router solicitations, advertisements and redirects. */
export interface RouterListener {
  input(p: Packet, type: number, options: NdOptions): void;
}

export class NeighbourDiscovery implements Solicitor, Icmp6Speaker {
  readonly table: NeighbourTable;
  /** The last conflicts seen, newest last, at most 16. */
  readonly conflicts: AddressConflict6[] = [];
  onConflict: (c: AddressConflict6) => void = () => {};
  duplicates: DuplicateListener | null = null;
  routers: RouterListener | null = null;
  private readonly env: Env;
  private readonly ip: Ipv6Layer;
  private readonly icmp: Icmp6Layer;
  private readonly options = new NdOptions();
  /** The message at hand is another stack's to answer. */
  private overheard = false;
  /**
   * What messages are written into. Questions have a packet of their own, because sending anything to a neighbour whose address is not
   * known, an advertisement too, asks for that address while the packet is under way.
   */
  private readonly message = new Packet(TX_TRANSPORT + MAX_MESSAGE);
  private readonly question = new Packet(TX_TRANSPORT + MAX_MESSAGE);

  constructor(env: Env, ip: Ipv6Layer, icmp: Icmp6Layer) {
    this.env = env;
    this.ip = ip;
    this.icmp = icmp;
    this.table = new NeighbourTable(env, this, EtherType.ipv6, SETTINGS);
    icmp.discovery = this;
  }

  input(p: Packet, type: number): void {
    if (p.ttl !== ND_HOP_LIMIT || p.bytes[p.transport + 1] !== 0 || !p.device || p.device.loopback) return;
    if (type === Icmp6Type.neighborSolicitation) this.solicited(p, p.device);
    else if (type === Icmp6Type.neighborAdvertisement) this.advertised(p, p.device);
    else this.routers?.input(p, type, this.options);
  }

  /** What another stack of this host takes. */
  overhear(p: Packet, type: number): void {
    this.overheard = true;
    this.input(p, type);
    this.overheard = false;
  }

  // --- what comes in

  /** 7.2.3, 7.2.4. */
  private solicited(p: Packet, device: NetDevice): void {
    const o = this.options;
    const v = p.view;
    const at = p.transport + 8;
    if (p.tail - p.transport < ND_HEADER || p.bytes[at] === 0xff) return;
    const probe = (p.src0 | p.src1 | p.src2 | p.src3) === 0;
    if (probe && !isSolicitedNode(p.dst0, p.dst1, p.dst2, p.dst3)) return;
    if (!o.parse(p, p.transport + ND_HEADER) || (probe && o.hasSource)) return;
    const a = this.ip.findAddress(device, v.getUint32(at), v.getUint32(at + 4), v.getUint32(at + 8), v.getUint32(at + 12));
    if (!a || a.state === AddressState.duplicate) return;
    if (a.state === AddressState.tentative) {
      if (probe && !(o.hasNonce && this.duplicates?.isOurs(a, o.nonceHigh, o.nonceLow))) this.conflict(a, p);
      return;
    }
    const multicast = p.destination === Destination.multicast;
    if (probe) {
      if (!this.overheard) this.advertise(a, ALL_NODES, false, true, true);
      return;
    }
    const from = new IpAddress(6, p.src0, p.src1, p.src2, p.src3);
    const n = !multicast || o.hasSource ? this.table.hop(device, from) : this.table.find(device, from);
    if (!n) return;
    if (o.hasSource) n.learn(o.sourceHigh, o.sourceLow, Nud.stale, true);
    if (!this.overheard) this.advertise(a, from, true, multicast, multicast);
  }

  /** 7.2.5. */
  private advertised(p: Packet, device: NetDevice): void {
    const o = this.options;
    const v = p.view;
    const at = p.transport + 8;
    if (p.tail - p.transport < ND_HEADER || p.bytes[at] === 0xff) return;
    const flags = v.getUint32(p.transport + 4);
    const solicited = (flags & Advertise.solicited) !== 0;
    if (p.destination === Destination.multicast && solicited) return;
    if (!o.parse(p, p.transport + ND_HEADER)) return;
    const target = new IpAddress(6, v.getUint32(at), v.getUint32(at + 4), v.getUint32(at + 8), v.getUint32(at + 12));
    const ours = this.ip.findAddress(device, target.w0, target.w1, target.w2, target.w3);
    if (ours) {
      this.conflict(ours, p);
      return;
    }
    const n = this.table.find(device, target);
    if (!n || n.state === Nud.failed) return;
    if (!o.hasTarget && !n.valid) return;
    const high = o.hasTarget ? o.targetHigh : n.macHigh;
    const low = o.hasTarget ? o.targetLow : n.macLow;
    n.learn(high, low, solicited ? Nud.reachable : Nud.stale, (flags & Advertise.override) !== 0, true);
    n.router = (flags & Advertise.router) !== 0;
  }

  /** Noted once: over a tentative address by who is looking whether it is free, over another by the stack that the message came to. */
  private conflict(a: InterfaceAddress, p: Packet): void {
    if (a.state === AddressState.tentative ? this.env.siblings?.speaks === false : this.overheard) return;
    const c = {
      address: a.address.toString(),
      mac: formatMac(p.view.getUint16(p.mac + 6), p.view.getUint32(p.mac + 8)),
      device: a.device.name,
      timeUs: this.env.nowUs,
      refused: a.state === AddressState.tentative,
    };
    if (this.conflicts.length >= 16) this.conflicts.shift();
    this.conflicts.push(c);
    this.onConflict(c);
    if (a.state === AddressState.tentative) this.duplicates?.failed(a);
  }

  // --- what goes out

  /** Sends a message to a group or a neighbour of the device. @param tail what stands behind the rest-of-header word has been put there */
  private send(device: NetDevice, from: IpAddress, to: IpAddress, type: number, rest: number, fill: (out: Packet) => void): void {
    const route = this.routeOn(device, from, to);
    const out = this.icmp.begin(route, type === Icmp6Type.neighborSolicitation ? this.question : this.message);
    fill(out);
    out.multicastLoop = false; // Linux's discovery does not hear itself
    emitIcmp6(out, type, 0, rest);
    this.icmp.sendOnLink(out, type, route, ND_HOP_LIMIT);
  }

  /** A way on the link itself, whatever the routing table says: discovery works without routes and with the unspecified source. */
  routeOn(device: NetDevice, from: IpAddress, to: IpAddress): RouteEntry {
    const kind = to.isMulticast() ? Destination.multicast : Destination.host;
    return new RouteEntry(this.ip.table, this.ip.paths, null, device, to, from, to, kind, false);
  }

  sendMessage(device: NetDevice, from: IpAddress, to: IpAddress, type: number, rest: number, fill: (out: Packet) => void): void {
    this.send(device, from, to, type, rest, fill);
  }

  /** 4.4. */
  private advertise(a: InterfaceAddress, to: IpAddress, solicited: boolean, override: boolean, withLink: boolean): void {
    const d = a.device;
    const router = this.env.sysctl.values[Sysctl.ip6_forwarding] !== 0 ? Advertise.router : 0;
    const flags = router | (solicited ? Advertise.solicited : 0) | (override ? Advertise.override : 0);
    this.send(d, a.address, to, Icmp6Type.neighborAdvertisement, flags >>> 0, (out) => {
      writeAddress(out, a.address);
      if (withLink) appendOption(out, NdOption.targetLink, d.macHigh, d.macLow);
    });
  }

  /** 7.2.6: tells the link that an address is ours now. */
  announce(a: InterfaceAddress): void {
    this.advertise(a, ALL_NODES, false, true, true);
  }

  /** 4.3. @param from the unspecified address for a probe of duplicate address detection */
  ask(device: NetDevice, from: IpAddress, to: IpAddress, target: IpAddress, nonceHigh = 0, nonceLow = 0): void {
    this.send(device, from, to, Icmp6Type.neighborSolicitation, 0, (out) => {
      writeAddress(out, target);
      if (!from.isAny()) appendOption(out, NdOption.sourceLink, device.macHigh, device.macLow);
      if (nonceHigh !== 0 || nonceLow !== 0) appendOption(out, NdOption.nonce, nonceHigh, nonceLow);
    });
  }

  solicit(n: Neighbour, unicast: boolean): void {
    const from = this.sourceOf(n);
    if (from) this.ask(n.device, from, unicast ? n.address : solicitedNode(n.address), n.address);
  }

  /** 7.2.2: the source of the packet that waits, when it is ours; else the link-local address. */
  private sourceOf(n: Neighbour): IpAddress | null {
    const p = n.cause;
    if (p !== null && p.family === 6) {
      const a = this.ip.findAddress(n.device, p.src0, p.src1, p.src2, p.src3);
      if (a?.usable) return a.address;
    }
    return this.linkLocal(n.device);
  }

  /** The usable link-local address of a device; null before there is one. */
  linkLocal(device: NetDevice): IpAddress | null {
    for (const a of this.ip.addresses) if (a.device === device && a.usable && isLinkLocal(a.address.w0)) return a.address;
    return null;
  }
  linkLocalOrAny(device: NetDevice): IpAddress {
    return this.linkLocal(device) ?? UNSPECIFIED;
  }

  /** Nobody answered (dst_link_failure): the sender of what waited is told. */
  unreachable(p: Packet, _owner: Owner): void {
    this.ip.sendError(p, Icmp6Type.destinationUnreachable, Unreachable6.address, 0);
  }
}

/** The target address of a message, behind its first eight bytes. */
export function writeAddress(out: Packet, a: IpAddress): void {
  const at = out.transport + 8;
  const v = out.view;
  v.setUint32(at, a.w0);
  v.setUint32(at + 4, a.w1);
  v.setUint32(at + 8, a.w2);
  v.setUint32(at + 12, a.w3);
  out.tail = at + 16;
}
