/**
 * Addresses and neighbours of IP-MIB (RFC 4293, 1.3.6.1.2.1.4): ipAddrTable, ipNetToMediaTable and the scalars without a counter, and their
 * version-neutral successors ipAddressPrefixTable, ipAddressTable and ipNetToPhysicalTable. Rows and values as snmpd shows a Linux host's.
 */
import type { AddressStateDto } from '../../../mib/dto.js';
import { type InetOctets, inetIndex, ipv4Word, masked, netmask } from '../address.js';
import { constant, fixedTable, memo, type SnmpObject } from '../object.js';
import { type OidKey, oid, oidKey } from '../oid.js';
import { Row, sortRows } from '../rows.js';
import type { InterfaceReading, NeighbourReading, SnmpReading } from '../source.js';

const AddressType = Object.freeze({ unicast: 1, broadcast: 3 });
/** IpAddressOriginTC and IpAddressPrefixOriginTC. */
const Origin = Object.freeze({ manual: 2, wellKnown: 3, linkLayer: 5 });
const TruthValue = Object.freeze({ true: 1, false: 2 });
const RowStatus = Object.freeze({ active: 1 });
const StorageType = Object.freeze({ volatile: 2, permanent: 4 });
const FOREVER = 0xffffffff;

interface Address {
  readonly device: InterfaceReading;
  readonly octets: InetOctets;
  readonly prefix: number;
  readonly type: number;
  readonly state: AddressStateDto;
}

/** IpAddressStatusTC. */
const addressStatus: Readonly<Record<AddressStateDto, number>> = { preferred: 1, deprecated: 2, tentative: 6, dadfailed: 7 };

function isLinkLocal(octets: InetOctets): boolean {
  return octets.length === 16 && octets[0] === 0xfe && (octets[1]! & 0xc0) === 0x80;
}

/** Broadcast address of an IPv4 network that has one (RFC 919; not /31 and /32, RFC 3021). */
function broadcastOf(octets: InetOctets, prefix: number): InetOctets | undefined {
  if (octets.length !== 4 || prefix > 30) return undefined;
  const mask = netmask(prefix);
  return octets.map((o, i) => o | (~mask[i]! & 0xff));
}

const addresses = memo((interfaces: readonly InterfaceReading[]): readonly Address[] =>
  interfaces.flatMap((device) =>
    device.addresses.flatMap(({ octets, prefix, state }) => {
      const all: Address[] = [{ device, octets, prefix, type: AddressType.unicast, state }];
      const broadcast = device.broadcast ? broadcastOf(octets, prefix) : undefined;
      if (broadcast) all.push({ device, octets: broadcast, prefix, type: AddressType.broadcast, state });
      return all;
    }),
  ),
);

/** Rows of these addresses under such indexes, kept while the reading's interfaces are the same. */
function addressRows(belongs: (a: Address) => boolean, key: (a: Address) => OidKey) {
  const rows = memo((all: readonly Address[]) => sortRows(all.filter(belongs).map((a) => new Row(key(a), a))));
  return (reading: SnmpReading) => rows(addresses(reading.interfaces));
}
const prefixKey = (a: Address): OidKey => oidKey([a.device.index, ...inetIndex(masked(a.octets, a.prefix)), a.prefix]);

/** ipAddressPrefix points at the first column of the prefix's row. */
const PREFIX_ORIGIN = oid('1.3.6.1.2.1.4.32.1.5');

function addressTables(): SnmpObject<SnmpReading>[] {
  const ipv4 = addressRows(
    (a) => a.octets.length === 4 && a.type === AddressType.unicast,
    (a) => oidKey(a.octets),
  );
  const all = addressRows(
    () => true,
    (a) => oidKey(inetIndex(a.octets)),
  );
  return [
    ...fixedTable<SnmpReading, Address>('1.3.6.1.2.1.4.20.1', ipv4, [
      [1, 'ipAdEntAddr', 'IpAddress', (a) => ipv4Word(a.octets)],
      [2, 'ipAdEntIfIndex', 'INTEGER', (a) => a.device.index],
      [3, 'ipAdEntNetMask', 'IpAddress', (a) => ipv4Word(netmask(a.prefix))],
      [4, 'ipAdEntBcastAddr', 'INTEGER', (a) => (a.device.broadcast ? 1 : 0)],
      [5, 'ipAdEntReasmMaxSize', 'INTEGER', () => 65535],
    ]),
    ...fixedTable<SnmpReading, Address>(
      '1.3.6.1.2.1.4.32.1',
      addressRows(() => true, prefixKey),
      [
        [5, 'ipAddressPrefixOrigin', 'INTEGER', (a) => (isLinkLocal(a.octets) ? Origin.wellKnown : Origin.manual)],
        [6, 'ipAddressPrefixOnLinkFlag', 'INTEGER', () => TruthValue.true],
        [7, 'ipAddressPrefixAutonomousFlag', 'INTEGER', () => TruthValue.false],
        [8, 'ipAddressPrefixAdvPreferredLifetime', 'Gauge32', () => FOREVER],
        [9, 'ipAddressPrefixAdvValidLifetime', 'Gauge32', () => FOREVER],
      ],
    ),
    constant('ipAddressSpinLock', '1.3.6.1.2.1.4.33', 'INTEGER', 0),
    ...fixedTable<SnmpReading, Address>('1.3.6.1.2.1.4.34.1', all, [
      [3, 'ipAddressIfIndex', 'INTEGER', (a) => a.device.index],
      [4, 'ipAddressType', 'INTEGER', (a) => a.type],
      [5, 'ipAddressPrefix', 'OBJECT IDENTIFIER', (a) => PREFIX_ORIGIN + prefixKey(a)],
      [6, 'ipAddressOrigin', 'INTEGER', (a) => (isLinkLocal(a.octets) ? Origin.linkLayer : Origin.manual)],
      [7, 'ipAddressStatus', 'INTEGER', (a) => addressStatus[a.state]],
      [8, 'ipAddressCreated', 'TimeTicks', () => 0],
      [9, 'ipAddressLastChanged', 'TimeTicks', () => 0],
      [10, 'ipAddressRowStatus', 'INTEGER', () => RowStatus.active],
      [11, 'ipAddressStorageType', 'INTEGER', (a) => (isLinkLocal(a.octets) ? StorageType.permanent : StorageType.volatile)],
    ]),
  ];
}

/** Linux's neighbour states in ipNetToPhysicalState; a permanent one is always reachable. */
const neighbourStates: Readonly<Record<string, number>> = {
  REACHABLE: 1,
  PERMANENT: 1,
  STALE: 2,
  DELAY: 3,
  PROBE: 4,
  FAILED: 5,
  INCOMPLETE: 7,
};
const UNKNOWN_STATE = 6;
/** ipNetToPhysicalType and ipNetToMediaType. */
const mappingType = (n: NeighbourReading) => (n.state === 'PERMANENT' ? 4 : n.mac.length === 0 ? 2 : 3);

/** Rows of these neighbours under such indexes, kept while the reading's neighbours are the same. */
function neighbourRows(belongs: (n: NeighbourReading) => boolean, index: (n: NeighbourReading) => readonly number[]) {
  const rows = memo((neighbours: readonly NeighbourReading[]) =>
    sortRows(neighbours.filter(belongs).map((n) => new Row(oidKey(index(n)), n))),
  );
  return (reading: SnmpReading) => rows(reading.neighbours);
}

function neighbourTables(): SnmpObject<SnmpReading>[] {
  // snmpd's ipNetToMediaTable shows only neighbours whose address is known.
  const media = neighbourRows(
    (n) => n.octets.length === 4 && n.mac.length > 0,
    (n) => [n.ifIndex, ...n.octets],
  );
  const physical = neighbourRows(
    () => true,
    (n) => [n.ifIndex, ...inetIndex(n.octets)],
  );
  return [
    ...fixedTable<SnmpReading, NeighbourReading>('1.3.6.1.2.1.4.22.1', media, [
      [1, 'ipNetToMediaIfIndex', 'INTEGER', (n) => n.ifIndex],
      [2, 'ipNetToMediaPhysAddress', 'OCTET STRING', (n) => n.mac],
      [3, 'ipNetToMediaNetAddress', 'IpAddress', (n) => ipv4Word(n.octets)],
      [4, 'ipNetToMediaType', 'INTEGER', mappingType],
    ]),
    ...fixedTable<SnmpReading, NeighbourReading>('1.3.6.1.2.1.4.35.1', physical, [
      [4, 'ipNetToPhysicalPhysAddress', 'OCTET STRING', (n) => n.mac],
      [5, 'ipNetToPhysicalLastUpdated', 'TimeTicks', () => 0],
      [6, 'ipNetToPhysicalType', 'INTEGER', mappingType],
      [7, 'ipNetToPhysicalState', 'INTEGER', (n) => neighbourStates[n.state] ?? UNKNOWN_STATE],
      [8, 'ipNetToPhysicalRowStatus', 'INTEGER', () => RowStatus.active],
    ]),
  ];
}

/**
 * ipv6ScopeZoneIndexTable: a link is a zone of its own, whose number is its interface's; other scopes have none (0), since nothing here bounds
 * them. Interfaces without IPv6 and the loopback are not in it.
 */
const SCOPES =
  'Index3 IndexAdminLocal IndexSiteLocal Index6 Index7 IndexOrganizationLocal Index9 IndexA IndexB IndexC IndexD'.split(' ');
const zoneRows = memo((interfaces: readonly InterfaceReading[]) =>
  sortRows(
    interfaces
      .filter((i) => !i.loopback && i.addresses.some((a) => a.octets.length === 16))
      .map((i) => new Row(oidKey([i.index]), i)),
  ),
);

function scopeZones(): SnmpObject<SnmpReading>[] {
  return fixedTable<SnmpReading, InterfaceReading>('1.3.6.1.2.1.4.36.1', (r) => zoneRows(r.interfaces), [
    [2, 'ipv6ScopeZoneIndexLinkLocal', 'Gauge32', (i) => i.index],
    ...SCOPES.map((name, n) => [n + 3, `ipv6ScopeZone${name}`, 'Gauge32', () => 0] as const),
  ]);
}

/** The stack's IPv6 hop limit (net.ipv6.conf.all.hop_limit). */
const IPV6_HOP_LIMIT = 64;
const NOT_FORWARDING = 2;

export function ipAddressObjects(): SnmpObject<SnmpReading>[] {
  return [
    ...addressTables(),
    ...neighbourTables(),
    ...scopeZones(),
    constant('ipRoutingDiscards', '1.3.6.1.2.1.4.23', 'Counter32', 0),
    constant('ipv6IpForwarding', '1.3.6.1.2.1.4.25', 'INTEGER', NOT_FORWARDING),
    constant('ipv6IpDefaultHopLimit', '1.3.6.1.2.1.4.26', 'INTEGER', IPV6_HOP_LIMIT),
  ];
}
