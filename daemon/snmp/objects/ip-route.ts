/**
 * Routes: ipRouteTable (RFC 1213), ipCidrRouteTable (RFC 2096) and inetCidrRouteTable (RFC 4292), all under 1.3.6.1.2.1.4, with snmpd's
 * conventions: a route on the link has the next hop 0.0.0.0 or ::, and its policy is the interface, so that names stay unique.
 */
import { type InetOctets, inetIndex, ipv4Word, netmask } from '../address.js';
import { oid, oidKey } from '../oid.js';
import { Row, sortRows } from '../rows.js';
import type { RouteReading, SnmpReading } from '../source.js';
import { type SnmpObject, scalar, table } from '../view.js';

/** ipRouteType, ipCidrRouteType and inetCidrRouteType: invalid or reject, remote, local. */
const routeType = (r: RouteReading) => (r.reject ? 2 : r.gateway ? 4 : 3);
/** IANAipRouteProtocol: local(2), set up by the operator or the kernel itself. */
const LOCAL = 2;
const ZERO_DOT_ZERO = oid('0.0');
const ACTIVE = 1;
/** "If this metric is not used, its value should be set to -1." */
const UNUSED = -1;

const nextHop = (r: RouteReading): InetOctets => r.gateway ?? r.destination.map(() => 0);

const ipv4Routes = (r: SnmpReading) => r.routes.filter((x) => x.destination.length === 4);
const routeRows = (r: SnmpReading) => sortRows(ipv4Routes(r).map((x) => new Row(oidKey(x.destination), x)));
const cidrRows = (r: SnmpReading) =>
  sortRows(ipv4Routes(r).map((x) => new Row(oidKey([...x.destination, ...netmask(x.prefix), 0, ...nextHop(x)]), x)));
const inetRows = (r: SnmpReading) => sortRows(r.routes.map((x) => new Row(oidKey(inetRouteIndex(x)), x)));

/** Destination, prefix length, policy (an object identifier with its length), next hop. */
function inetRouteIndex(r: RouteReading): number[] {
  const policy = r.gateway ? [0, 0] : [0, 0, r.ifIndex];
  return [...inetIndex(r.destination), r.prefix, policy.length, ...policy, ...inetIndex(nextHop(r))];
}

export function ipRouteObjects(): SnmpObject<SnmpReading>[] {
  return [...rfc1213Table(), ...rfc2096Table(), ...rfc4292Table(), ...defaultRouters()];
}

function rfc1213Table(): SnmpObject<SnmpReading>[] {
  return table<SnmpReading, RouteReading>('1.3.6.1.2.1.4.21.1', routeRows, [
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
  return [
    scalar('ipCidrRouteNumber', '1.3.6.1.2.1.4.24.3', 'Gauge32', (r: SnmpReading) => cidrRows(r).length),
    ...table<SnmpReading, RouteReading>('1.3.6.1.2.1.4.24.4.1', cidrRows, [
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
  return [
    scalar('inetCidrRouteNumber', '1.3.6.1.2.1.4.24.6', 'Gauge32', (r: SnmpReading) => inetRows(r).length),
    ...table<SnmpReading, RouteReading>('1.3.6.1.2.1.4.24.7.1', inetRows, [
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
    scalar('inetCidrRouteDiscards', '1.3.6.1.2.1.4.24.8', 'Counter32', () => 0),
  ];
}

/** ipDefaultRouterTable (RFC 4293): gateways of default routes, with the largest lifetime and medium(0) preference. */
function defaultRouters(): SnmpObject<SnmpReading>[] {
  const rows = (reading: SnmpReading) =>
    sortRows(
      reading.routes
        .filter((r) => r.prefix === 0 && r.gateway && !r.reject)
        .map((r) => new Row(oidKey([...inetIndex(nextHop(r)), r.ifIndex]), r)),
    );
  return table<SnmpReading, RouteReading>('1.3.6.1.2.1.4.37.1', rows, [
    [4, 'ipDefaultRouterLifetime', 'Gauge32', () => 65535],
    [5, 'ipDefaultRouterPreference', 'INTEGER', () => 0],
  ]);
}
