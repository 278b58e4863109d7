/** What a stack can be asked, as plain objects for the command line, REST and SNMP. Not on the data path. */
import type { InterfaceDto, NeighbourDto, RouteDto } from '../mib/dto.js';
import type { NeighbourTable } from './arp/neighbour.js';
import type { NetDevice } from './ip/device.js';
import { type FibEntry, RouteType } from './ip/fib.js';
import { InterfaceAddress } from './ip6/interface-address.js';

/** ip(8)'s words for AddressState. */
const STATES = ['tentative', 'preferred', 'deprecated', 'dadfailed'] as const;

export function describeDevice(d: NetDevice): Omit<InterfaceDto, 'counters'> {
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
      ...(a instanceof InterfaceAddress ? { state: STATES[a.state]! } : {}),
    })),
  };
}

/** The main table: local and broadcast entries are Linux's table `local`, which netstat does not show. */
export function describeRoutes(entries: readonly FibEntry[]): RouteDto[] {
  return entries.filter((e) => e.type !== RouteType.local && e.type !== RouteType.broadcast).map(describeRoute);
}

function describeRoute(e: FibEntry): RouteDto {
  const rejects = e.device === null;
  const host = e.prefix === (e.destination.family === 4 ? 32 : 128);
  return {
    family: e.destination.family,
    destination: e.destination.toString(),
    prefix: e.prefix,
    gateway: e.gateway ? e.gateway.toString() : null,
    interface: e.device ? e.device.name : '-',
    metric: e.metric,
    flags: `${rejects ? '' : 'U'}${e.gateway ? 'G' : ''}${host ? 'H' : ''}${rejects ? '!' : ''}`,
  };
}

export function describeNeighbours(table: NeighbourTable): NeighbourDto[] {
  return table.list().map((n) => ({
    family: n.family,
    address: n.address,
    mac: n.mac,
    interface: n.device,
    state: n.state,
  }));
}
