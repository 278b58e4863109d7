/**
 * All that makes a host of IPv6 (RFC 8504), put together: the network layer, ICMPv6, neighbour and router discovery, addresses, multicast
 * listener discovery. The composition root of the stack owns one, or none.
 */
import { IpAddress } from '../core/address.js';
import type { Env } from '../core/env.js';
import { Sysctl } from '../core/sysctl.js';
import type { IcmpRateLimit } from '../icmp/rate-limit.js';
import type { DeviceAddress, NetDevice } from '../ip/device.js';
import { RouteType } from '../ip/fib.js';
import { Ipv6Layer } from '../ip6/ipv6.js';
import { ALL_ROUTERS, LOOPBACK6, UNSPECIFIED } from '../wire/scope6.js';
import { AddressSetup } from './address-setup.js';
import { Icmp6Layer } from './icmp6.js';
import { MldLayer } from './mld.js';
import { NeighbourDiscovery } from './neighbour-discovery.js';
import { RouterDiscovery } from './router-discovery.js';

const METRIC_DEFAULT = 1024;
/** All routers: of the interface, of the link, of the site. */
const ROUTER_GROUPS: readonly IpAddress[] = [IpAddress.from('ff01::2'), ALL_ROUTERS, IpAddress.from('ff05::2')];

export class Ipv6Host {
  readonly layer: Ipv6Layer;
  readonly icmp: Icmp6Layer;
  readonly discovery: NeighbourDiscovery;
  readonly setup: AddressSetup;
  readonly routers: RouterDiscovery;
  readonly listeners: MldLayer;
  private readonly env: Env;
  private forwards = false;

  /** @param limit the host's bucket of ICMP errors, which both families share */
  constructor(env: Env, limit: IcmpRateLimit) {
    this.env = env;
    this.layer = new Ipv6Layer(env);
    this.icmp = new Icmp6Layer(env, this.layer, limit);
    this.discovery = new NeighbourDiscovery(env, this.layer, this.icmp);
    this.layer.hops = this.discovery.table;
    this.setup = new AddressSetup(env, this.layer, this.discovery);
    this.routers = new RouterDiscovery(env, this.layer, this.icmp, this.discovery, this.setup);
    this.listeners = new MldLayer(env, this.layer, this.icmp, this.discovery);
    this.setup.onLinkLocal = (device) => {
      if (device.loopback) return;
      this.listeners.started(device);
      this.routers.begin(device);
    };
  }

  /** Lets a device take part: its link-local address, and the ones that were configured. */
  addDevice(device: NetDevice, addresses: readonly DeviceAddress[]): void {
    device.ipv6 = true;
    this.layer.addDevice(device);
    if (this.forwards && !device.loopback) for (const group of ROUTER_GROUPS) this.layer.joinGroup(device, group);
    if (device.loopback) {
      this.setup.add(device, LOOPBACK6, 128, 'manual');
      return;
    }
    this.setup.linkLocal(device);
    for (const a of addresses) this.setup.add(device, a.address, a.prefix, 'manual');
  }

  /** Settings that are acts: who forwards is in the groups of all routers and has no default route from others (RFC 4291 2.7.1). */
  follow(): void {
    const forwards = this.env.sysctl.values[Sysctl.ip6_forwarding] !== 0;
    if (forwards === this.forwards) return;
    this.forwards = forwards;
    if (forwards) this.routers.forgetDefaults();
    for (const d of this.layer.devices) {
      if (!d || d.loopback) continue;
      for (const group of ROUTER_GROUPS) {
        if (forwards) this.layer.joinGroup(d, group);
        else this.layer.leaveGroup(d, group);
      }
    }
  }

  addDefaultRoute(device: NetDevice, gateway: IpAddress): void {
    this.layer.addRoute(UNSPECIFIED, 0, device, RouteType.unicast, METRIC_DEFAULT, null, gateway, 'static');
  }

  close(): void {
    this.discovery.table.close();
    this.setup.close();
    this.routers.close();
    this.listeners.close();
    this.layer.close();
  }
}
