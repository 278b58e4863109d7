/** What a stack can be asked, as plain objects for the command line, REST and SNMP. Not on the data path. */
import type { AddressStateDto, DeviceIdentity, GroupDto, NeighbourDto, RouteDto } from '../mib/dto.js';
import type { NeighbourTable } from './arp/neighbour.js';
import { IpAddress } from './core/address.js';
import type { NetDevice } from './ip/device.js';
import { type FibEntry, RouteType } from './ip/fib.js';
import { AddressState, InterfaceAddress } from './ip6/interface-address.js';
import type { Ipv6Layer } from './ip6/ipv6.js';

const ADDRESS_STATES: Readonly<Record<number, AddressStateDto>> = {
  [AddressState.tentative]: 'tentative',
  [AddressState.preferred]: 'preferred',
  [AddressState.deprecated]: 'deprecated',
  [AddressState.duplicate]: 'dadfailed',
};
const ALL_HOSTS = IpAddress.from('224.0.0.1');

export function describeDevice(d: NetDevice): DeviceIdentity {
  return {
    index: d.index,
    name: d.name,
    mac: d.mac,
    mtu: d.mtu,
    up: true,
    running: true,
    loopback: d.loopback,
    broadcast: !d.loopback,
    multicast: !d.loopback,
    promiscuous: false,
    addresses: d.addresses.map((a) => ({
      address: a.address.toString(),
      prefix: a.prefix,
      state: a instanceof InterfaceAddress ? ADDRESS_STATES[a.state]! : 'preferred',
    })),
  };
}

/** The main table of IPv4: local and broadcast entries are Linux's table `local`, which /proc/net/route does not show. */
export function describeRoutes(entries: readonly FibEntry[]): RouteDto[] {
  return entries.filter((e) => e.type !== RouteType.local && e.type !== RouteType.broadcast).map(describeRoute);
}

function describeRoute(e: FibEntry): RouteDto {
  const rejects = e.device === null;
  return routeOf(e, '-', `${rejects ? '' : 'U'}${e.gateway ? 'G' : ''}${e.prefix === 32 ? 'H' : ''}${rejects ? '!' : ''}`);
}

/**
 * The tables of IPv6 as /proc/net/ipv6_route has them: local entries and groups too, behind the main table, which is in the order of its
 * destinations with the default routes last. Linux's entry for what has no route is left out, since here there is none.
 */
export function describeRoutes6(entries: readonly FibEntry[]): RouteDto[] {
  const rank = (e: FibEntry) => (e.type === RouteType.local ? 2 : e.type === RouteType.multicast ? 3 : e.prefix === 0 ? 1 : 0);
  const sorted = [...entries].sort((a, b) => rank(a) - rank(b) || byDestination(a, b));
  return sorted.map((e) => routeOf(e, 'lo', flags6(e)));
}

function byDestination({ destination: a, prefix: p }: FibEntry, { destination: b, prefix: q }: FibEntry): number {
  return a.w0 - b.w0 || a.w1 - b.w1 || a.w2 - b.w2 || a.w3 - b.w3 || p - q;
}

/** Letters of RTF_ flags: n no next hop, D default and A address configuration for what routers advertised. */
function flags6(e: FibEntry): string {
  if (e.device === null) return '!n';
  if (e.type === RouteType.local) return 'Un';
  const advertised = e.protocol === 'ra' ? `${e.prefix === 0 ? 'D' : ''}A` : '';
  return `U${e.gateway ? 'G' : ''}${advertised}`;
}

function routeOf(e: FibEntry, nowhere: string, flags: string): RouteDto {
  return {
    family: e.destination.family,
    destination: e.destination.toString(),
    prefix: e.prefix,
    gateway: e.gateway ? e.gateway.toString() : null,
    interface: e.device ? e.device.name : nowhere,
    metric: e.metric,
    flags,
  };
}

export function describeNeighbours(table: NeighbourTable): NeighbourDto[] {
  return table.list().map((n) => ({
    family: n.family,
    address: n.address,
    mac: n.mac,
    interface: n.device,
    state: n.state,
    router: n.router,
  }));
}

/** Groups of IPv4, newest first, as /proc/net/igmp has them: every device is in all-hosts. */
export function describeGroups(d: NetDevice): GroupDto[] {
  const joined = [...d.groups].reverse().map(([word, users]) => ({ address: IpAddress.v4(word), users }));
  return [...joined, { address: ALL_HOSTS, users: 1 }].map((g) => groupOf(d, g.address, g.users));
}

/** The same of IPv6, as /proc/net/igmp6. */
export function describeGroups6(d: NetDevice, ip: Ipv6Layer): GroupDto[] {
  return ip
    .joinedGroups(d)
    .reverse()
    .map((g) => groupOf(d, g.group, g.n));
}

function groupOf(d: NetDevice, group: IpAddress, users: number): GroupDto {
  return { family: group.family, interface: d.name, group: group.toString(), users };
}
