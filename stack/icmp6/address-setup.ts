/**
 * Addresses of interfaces (RFC 4862 5.3, 5.4; RFC 7217 stable identifiers; RFC 7527 enhanced detection): the link-local address, those that
 * were configured, and those made from prefixes of routers; duplicate address detection for all of them.
 *
 * A new address is tentative: after a random delay it is probed dad_transmits times, retrans_time apart; when nobody has claimed it by then
 * it is preferred. With accept_dad 0, dad_transmits 0 or on the loopback it is so at once.
 *
 * Of several stacks that are one host the speaker does all this, and writes what has come of it into a list (core/host-addresses.ts) that
 * the others follow.
 */
import { IpAddress } from '../core/address.js';
import type { Env } from '../core/env.js';
import type { HostAddress, HostAddresses } from '../core/host-addresses.js';
import { below } from '../core/random.js';
import { SipHash } from '../core/siphash.js';
import { Sysctl } from '../core/sysctl.js';
import { Timer, type TimerHandler } from '../core/timer.js';
import type { NetDevice } from '../ip/device.js';
import { type AddressOrigin, AddressState, InterfaceAddress } from '../ip6/interface-address.js';
import type { Ipv6Layer } from '../ip6/ipv6.js';
import { eui64, isLinkLocal, solicitedNode, UNSPECIFIED } from '../wire/scope6.js';
import type { DuplicateListener, NeighbourDiscovery } from './neighbour-discovery.js';

/** addr_gen_mode. */
const Mode = Object.freeze({ eui64: 0, none: 1, stable: 2, random: 3 });
/** RFC 7217 6: tries at another identifier after a duplicate (IDGEN_RETRIES). */
const RETRIES = 3;
/** By number in the list that several stacks share. */
const ORIGINS: readonly AddressOrigin[] = ['manual', 'link-local', 'router'];

class Detection implements TimerHandler {
  readonly address: InterfaceAddress;
  readonly timer: Timer;
  probesLeft: number;
  nonceHigh = 0;
  nonceLow = 0;
  private readonly owner: AddressSetup;

  constructor(owner: AddressSetup, address: InterfaceAddress, probes: number) {
    this.owner = owner;
    this.address = address;
    this.probesLeft = probes;
    this.timer = new Timer(this, 0);
  }
  onTimer(): void {
    this.owner.step(this);
  }
}

export class AddressSetup implements DuplicateListener {
  /** A device's first link-local address has come into use: routers may be asked and told. */
  onLinkLocal: (device: NetDevice) => void = () => {};
  private readonly env: Env;
  private readonly ip: Ipv6Layer;
  private readonly nd: NeighbourDiscovery;
  private readonly running: Detection[] = [];
  /** RFC 7217 5: the hash that nobody outside can compute. */
  private readonly stable: SipHash;

  constructor(env: Env, ip: Ipv6Layer, nd: NeighbourDiscovery) {
    this.env = env;
    this.ip = ip;
    this.nd = nd;
    nd.duplicates = this;
    this.stable = new SipHash(env.secret);
  }

  /** Gives a device its link-local address (RFC 4862 5.3), unless it has one or addr_gen_mode says none. */
  linkLocal(device: NetDevice): void {
    const mode = this.env.sysctl.values[Sysctl.ip6_addr_gen_mode]!;
    if (mode === Mode.none || this.ip.addresses.some((a) => a.device === device && isLinkLocal(a.address.w0))) return;
    const prefix = new IpAddress(6, 0xfe800000, 0, 0, 0);
    this.add(device, this.withIdentifier(device, prefix, 0), 64, 'link-local');
  }

  /** Adds an address and begins to look whether it is free. Null when the device has it already. */
  add(device: NetDevice, address: IpAddress, prefix: number, origin: AddressOrigin): InterfaceAddress | null {
    if (this.ip.findAddress(device, address.w0, address.w1, address.w2, address.w3)) return null;
    if (!this.speaks && !device.loopback) return null;
    const a = this.list(device, address, prefix, origin);
    const s = this.env.sysctl.values;
    const probes = s[Sysctl.ip6_dad_transmits]!;
    if (device.loopback || probes === 0 || s[Sysctl.ip6_accept_dad] === 0) {
      this.confirm(a);
      return a;
    }
    const d = new Detection(this, a, probes);
    this.running.push(d);
    const delayUs = s[Sysctl.ip6_router_solicitation_delay]! * 1_000_000;
    this.env.timers.arm(d.timer, this.env.nowUs + below(this.env.random, Math.max(delayUs, 1)));
    this.publish();
    return a;
  }

  private list(device: NetDevice, address: IpAddress, prefix: number, origin: AddressOrigin): InterfaceAddress {
    const a = new InterfaceAddress(device, address, prefix, origin);
    this.ip.addAddress(a);
    if (!device.loopback) this.ip.joinGroup(device, solicitedNode(address));
    return a;
  }

  /** The address that a prefix and the identifier of the interface make (RFC 4862 5.5.3 d, RFC 7217). */
  withIdentifier(device: NetDevice, prefix: IpAddress, tries: number): IpAddress {
    if (this.env.sysctl.values[Sysctl.ip6_addr_gen_mode] === Mode.eui64) {
      const id = eui64(device.macHigh, device.macLow);
      return new IpAddress(6, prefix.w0, prefix.w1, id.w2, id.w3);
    }
    const w = this.stable.words;
    w[0] = prefix.w0;
    w[1] = prefix.w1;
    w[2] = device.macHigh;
    w[3] = device.macLow;
    w[4] = tries;
    this.stable.hash(5);
    return new IpAddress(6, prefix.w0, prefix.w1, this.stable.high, this.stable.low);
  }

  /** One step of a detection: the next probe, or the end. */
  step(d: Detection): void {
    if (d.probesLeft === 0) {
      this.finish(d);
      this.confirm(d.address);
      return;
    }
    d.probesLeft--;
    const a = d.address;
    if (this.env.sysctl.values[Sysctl.ip6_enhanced_dad] !== 0) {
      d.nonceHigh = this.env.random.u32() & 0xffff;
      d.nonceLow = this.env.random.u32();
    }
    this.nd.ask(a.device, UNSPECIFIED, solicitedNode(a.address), a.address, d.nonceHigh, d.nonceLow);
    this.env.timers.arm(d.timer, this.env.nowUs + this.nd.table.retransUs());
  }

  isOurs(a: InterfaceAddress, high: number, low: number): boolean {
    return this.running.some((d) => d.address === a && d.nonceHigh === high && d.nonceLow === low && (high | low) !== 0);
  }

  /** RFC 4862 5.4.5: the address is not used; one with a stable identifier gets another (RFC 7217 6). */
  failed(a: InterfaceAddress): void {
    const d = this.running.find((x) => x.address === a);
    if (!d) return;
    this.finish(d);
    a.state = AddressState.duplicate;
    this.publish();
    if (a.origin === 'manual' || this.env.sysctl.values[Sysctl.ip6_addr_gen_mode] === Mode.eui64) return;
    const prefix = new IpAddress(6, a.address.w0, a.address.w1, 0, 0);
    const refused = this.ip.addresses.filter((x) => x.device === a.device && x.state === AddressState.duplicate).length;
    if (refused > RETRIES) return;
    const next = this.add(a.device, this.withIdentifier(a.device, prefix, refused), a.prefix, a.origin);
    if (!next) return;
    next.preferredUntilUs = a.preferredUntilUs;
    next.validUntilUs = a.validUntilUs;
  }

  private finish(d: Detection): void {
    this.env.timers.cancel(d.timer, true);
    this.running.splice(this.running.indexOf(d), 1);
  }

  private confirm(a: InterfaceAddress): void {
    a.state = AddressState.preferred;
    this.ip.confirmAddress(a);
    if (a.device.loopback) return;
    this.publish();
    if (this.env.sysctl.values[Sysctl.ip6_ndisc_notify] !== 0) this.nd.announce(a);
    if (isLinkLocal(a.address.w0) && !this.hasOther(a)) this.onLinkLocal(a.device);
  }

  private hasOther(a: InterfaceAddress): boolean {
    return this.ip.addresses.some((x) => x !== a && x.device === a.device && x.usable && isLinkLocal(x.address.w0));
  }

  /** Takes an address away, whatever it is doing. */
  remove(a: InterfaceAddress): void {
    const d = this.running.find((x) => x.address === a);
    if (d) this.finish(d);
    this.ip.removeAddress(a);
    if (!a.device.loopback) this.ip.leaveGroup(a.device, solicitedNode(a.address));
    this.publish();
  }

  // --- several stacks

  private get speaks(): boolean {
    return this.env.siblings?.speaks !== false;
  }

  /** Addresses, or their states, have changed. */
  publish(): void {
    const siblings = this.env.siblings;
    if (siblings === null || !siblings.speaks) return;
    const shown = this.ip.addresses.filter((a) => !a.device.loopback);
    siblings.addresses.write(shown.map((a) => ({ ...a, device: a.device.index, origin: ORIGINS.indexOf(a.origin) })));
    siblings.wakeAll();
  }

  /** Takes over what the speaker has written. */
  follow(addresses: HostAddresses): void {
    const list = addresses.read();
    if (list === null) return;
    const listed = (a: InterfaceAddress) => list.some((l) => l.device === a.device.index && l.address.equals(a.address));
    for (const a of [...this.ip.addresses]) if (!a.device.loopback && !listed(a)) this.remove(a);
    for (const l of list) this.followOne(l);
    this.ip.table.generation++; // routes choose their source anew
  }
  private followOne(l: HostAddress): void {
    const device = this.ip.deviceAt(l.device);
    if (!device) return;
    const { w0, w1, w2, w3 } = l.address;
    const a = this.ip.findAddress(device, w0, w1, w2, w3) ?? this.list(device, l.address, l.prefix, ORIGINS[l.origin]!);
    const before = a.usable;
    a.state = l.state;
    if (a.usable && !before) this.ip.confirmAddress(a);
  }

  close(): void {
    for (const d of [...this.running]) this.finish(d);
  }
}
