/**
 * Routes: ipRouteTable (RFC 1213), ipCidrRouteTable (RFC 2096) and inetCidrRouteTable (RFC 4292), all under 1.3.6.1.2.1.4, with snmpd's
 * conventions: a route on the link has the next hop 0.0.0.0 or ::, and its policy is the interface, so that names stay unique.
 */
import { type InetOctets, inetIndex, ipv4Word, netmask } from '../address.js';
import { constant, fixedTable, memo, type SnmpObject, scalar } from '../object.js';
import { oid, oidKey } from '../oid.js';
import { Row, sortRows } from '../rows.js';
import type { RouteReading, SnmpReading } from '../source.js';

/** ipRouteType, ipCidrRouteType and inetCidrRouteType: invalid or reject, remote, local. */
const routeType = (r: RouteReading) => (r.reject ? 2 : r.gateway ? 4 : 3);
/** IANAipRouteProtocol: local(2), set up by the operator or the kernel itself. */
const LOCAL = 2;
const ZERO_DOT_ZERO = oid('0.0');
const ACTIVE = 1;
/** "If this metric is not used, its value should be set to -1." */
const UNUSED = -1;

const nextHop = (r: RouteReading): InetOctets => r.gateway ?? r.destination.map(() => 0);

/** Rows of these routes under such indexes, kept while the reading's routes are the same. */
function routeRows(belongs: (r: RouteReading) => boolean, index: (r: RouteReading) => readonly number[]) {
  const rows = memo((routes: readonly RouteReading[]) =>
    sortRows(routes.filter(belongs).map((r) => new Row(oidKey(index(r)), r))),
  );
  return (reading: SnmpReading) => rows(reading.routes);
}
const isIpv4 = (r: RouteReading) => r.destination.length === 4;

/** Destination, prefix length, policy (an object identifier with its length), next hop. */
function inetRouteIndex(r: RouteReading): number[] {
  const policy = r.gateway ? [0, 0] : [0, 0, r.ifIndex];
  return [...inetIndex(r.destination), r.prefix, policy.length, ...policy, ...inetIndex(nextHop(r))];
}

export function ipRouteObjects(): SnmpObject<SnmpReading>[] {
  return [...rfc1213Table(), ...rfc2096Table(), ...rfc4292Table(), ...defaultRouters()];
}

function rfc1213Table(): SnmpObject<SnmpReading>[] {
  const rows = routeRows(isIpv4, (r) => r.destination);
  return fixedTable<SnmpReading, RouteReading>('1.3.6.1.2.1.4.21.1', rows, [
    [1, 'ipRouteDest', 'IpAddress', (r) => ipv4Word(r.destination)],
    [2, 'ipRouteIfIndex', 'INTEGER', (r) => r.ifIndex],
    [3, 'ipRouteMetric1', 'INTEGER', (r) => (r.gateway ? 1 : 0)],
    [7, 'ipRouteNextHop', 'IpAddress', (r) => ipv4Word(nextHop(r))],
    [8, 'ipRouteType', 'INTEGER', routeType],
    [9, 'ipRouteProto', 'INTEGER', () => LOCAL],
    [11, 'ipRouteMask', 'IpAddress', (r) => ipv4Word(netmask(r.prefix))],
    [13, 'ipRouteInfo', 'OBJECT IDENTIFIER', () => ZERO_DOT_ZERO],
  ]);
}

function rfc2096Table(): SnmpObject<SnmpReading>[] {
  const rows = routeRows(isIpv4, (r) => [...r.destination, ...netmask(r.prefix), 0, ...nextHop(r)]);
  return [
    scalar('ipCidrRouteNumber', '1.3.6.1.2.1.4.24.3', 'Gauge32', (r: SnmpReading) => rows(r).length),
    ...fixedTable<SnmpReading, RouteReading>('1.3.6.1.2.1.4.24.4.1', rows, [
      [1, 'ipCidrRouteDest', 'IpAddress', (r) => ipv4Word(r.destination)],
      [2, 'ipCidrRouteMask', 'IpAddress', (r) => ipv4Word(netmask(r.prefix))],
      [3, 'ipCidrRouteTos', 'INTEGER', () => 0],
      [4, 'ipCidrRouteNextHop', 'IpAddress', (r) => ipv4Word(nextHop(r))],
      [5, 'ipCidrRouteIfIndex', 'INTEGER', (r) => r.ifIndex],
      [6, 'ipCidrRouteType', 'INTEGER', routeType],
      [7, 'ipCidrRouteProto', 'INTEGER', () => LOCAL],
      [8, 'ipCidrRouteAge', 'INTEGER', () => 0],
      [9, 'ipCidrRouteInfo', 'OBJECT IDENTIFIER', () => ZERO_DOT_ZERO],
      [10, 'ipCidrRouteNextHopAS', 'INTEGER', () => 0],
      [11, 'ipCidrRouteMetric1', 'INTEGER', (r) => r.metric],
      [12, 'ipCidrRouteMetric2', 'INTEGER', () => UNUSED],
      [13, 'ipCidrRouteMetric3', 'INTEGER', () => UNUSED],
      [14, 'ipCidrRouteMetric4', 'INTEGER', () => UNUSED],
      [15, 'ipCidrRouteMetric5', 'INTEGER', () => UNUSED],
      [16, 'ipCidrRouteStatus', 'INTEGER', () => ACTIVE],
    ]),
  ];
}

function rfc4292Table(): SnmpObject<SnmpReading>[] {
  const rows = routeRows(() => true, inetRouteIndex);
  return [
    scalar('inetCidrRouteNumber', '1.3.6.1.2.1.4.24.6', 'Gauge32', (r: SnmpReading) => rows(r).length),
    ...fixedTable<SnmpReading, RouteReading>('1.3.6.1.2.1.4.24.7.1', rows, [
      [7, 'inetCidrRouteIfIndex', 'INTEGER', (r) => r.ifIndex],
      [8, 'inetCidrRouteType', 'INTEGER', routeType],
      [9, 'inetCidrRouteProto', 'INTEGER', () => LOCAL],
      [10, 'inetCidrRouteAge', 'Gauge32', () => 0],
      [11, 'inetCidrRouteNextHopAS', 'Gauge32', () => 0],
      [12, 'inetCidrRouteMetric1', 'INTEGER', (r) => r.metric],
      [13, 'inetCidrRouteMetric2', 'INTEGER', () => UNUSED],
      [14, 'inetCidrRouteMetric3', 'INTEGER', () => UNUSED],
      [15, 'inetCidrRouteMetric4', 'INTEGER', () => UNUSED],
      [16, 'inetCidrRouteMetric5', 'INTEGER', () => UNUSED],
      [17, 'inetCidrRouteStatus', 'INTEGER', () => ACTIVE],
    ]),
    constant('inetCidrRouteDiscards', '1.3.6.1.2.1.4.24.8', 'Counter32', 0),
  ];
}

/** ipDefaultRouterTable (RFC 4293): gateways of default routes, with the largest lifetime and medium(0) preference. */
function defaultRouters(): SnmpObject<SnmpReading>[] {
  const rows = routeRows(
    (r) => r.prefix === 0 && r.gateway !== undefined && !r.reject,
    (r) => [...inetIndex(nextHop(r)), r.ifIndex],
  );
  return fixedTable<SnmpReading, RouteReading>('1.3.6.1.2.1.4.37.1', rows, [
    [4, 'ipDefaultRouterLifetime', 'Gauge32', () => 65535],
    [5, 'ipDefaultRouterPreference', 'INTEGER', () => 0],
  ]);
}
