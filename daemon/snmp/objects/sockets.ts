/**
 * Tables of sockets: TCP-MIB (RFC 4022, and tcpConnTable of RFC 1213) and UDP-MIB (RFC 4113, and udpTable of RFC 1213).
 *
 * The old tables are IPv4's only. UDP-Lite endpoints and ping sockets are in none. The process columns are 0: rows belong to this one
 * process. As in snmpd an address not bound is 0.0.0.0 or ::, of the socket's own family.
 */
import { inetIndex, ipv4Word } from '../address.js';
import { fleetingTable, memo, type SnmpObject } from '../object.js';
import { oidKey } from '../oid.js';
import { RowIndex, type SortedRows } from '../rows.js';
import type { SocketReading } from '../scans.js';
import type { SnmpReading } from '../source.js';

/** tcpConnectionState by Linux's TcpState; an open request has received its SYN. */
const tcpMibStates: readonly number[] = [1, 5, 3, 4, 6, 7, 11, 1, 8, 9, 2, 10, 4];
const NO_PROCESS = 0;
const TCP = 6;
const UDP = 17;

const tcpState = (s: SocketReading) => tcpMibStates[s.state] ?? 1;

/** A table of the sockets that belong in it, kept in order from one reading to the next. */
function socketRows(belongs: (s: SocketReading) => boolean, index: (s: SocketReading) => number[]) {
  const order = new RowIndex<SocketReading>(
    (s) => s.id,
    (s) => oidKey(index(s)),
  );
  const rows = memo((sockets: readonly SocketReading[]): SortedRows<SocketReading> => order.refresh(sockets.filter(belongs)));
  return (reading: SnmpReading) => rows(reading.sockets());
}

const isTcp4 = (s: SocketReading) => s.protocol === TCP && s.local.length === 4;
const isUdp4 = (s: SocketReading) => s.protocol === UDP && s.local.length === 4;

export function socketObjects(): SnmpObject<SnmpReading>[] {
  return [...tcpTables(), ...udpTables()];
}

function tcpTables(): SnmpObject<SnmpReading>[] {
  const conn = socketRows(isTcp4, (s) => [...s.local, s.localPort, ...s.remote, s.remotePort]);
  const connection = socketRows(
    (s) => s.protocol === TCP && !s.listener,
    (s) => [...inetIndex(s.local), s.localPort, ...inetIndex(s.remote), s.remotePort],
  );
  const listener = socketRows(
    (s) => s.protocol === TCP && s.listener,
    (s) => [...inetIndex(s.local), s.localPort],
  );
  return [
    ...fleetingTable<SnmpReading, SocketReading>('1.3.6.1.2.1.6.13.1', conn, [
      [1, 'tcpConnState', 'INTEGER', tcpState],
      [2, 'tcpConnLocalAddress', 'IpAddress', (s) => ipv4Word(s.local)],
      [3, 'tcpConnLocalPort', 'INTEGER', (s) => s.localPort],
      [4, 'tcpConnRemAddress', 'IpAddress', (s) => ipv4Word(s.remote)],
      [5, 'tcpConnRemPort', 'INTEGER', (s) => s.remotePort],
    ]),
    ...fleetingTable<SnmpReading, SocketReading>('1.3.6.1.2.1.6.19.1', connection, [
      [7, 'tcpConnectionState', 'INTEGER', tcpState],
      [8, 'tcpConnectionProcess', 'Gauge32', () => NO_PROCESS],
    ]),
    ...fleetingTable<SnmpReading, SocketReading>('1.3.6.1.2.1.6.20.1', listener, [
      [4, 'tcpListenerProcess', 'Gauge32', () => NO_PROCESS],
    ]),
  ];
}

function udpTables(): SnmpObject<SnmpReading>[] {
  const listener = socketRows(isUdp4, (s) => [...s.local, s.localPort]);
  const endpoint = socketRows(
    (s) => s.protocol === UDP,
    (s) => [...inetIndex(s.local), s.localPort, ...inetIndex(s.remote), s.remotePort, s.instance],
  );
  return [
    ...fleetingTable<SnmpReading, SocketReading>('1.3.6.1.2.1.7.5.1', listener, [
      [1, 'udpLocalAddress', 'IpAddress', (s) => ipv4Word(s.local)],
      [2, 'udpLocalPort', 'INTEGER', (s) => s.localPort],
    ]),
    ...fleetingTable<SnmpReading, SocketReading>('1.3.6.1.2.1.7.7.1', endpoint, [
      [8, 'udpEndpointProcess', 'Gauge32', () => NO_PROCESS],
    ]),
  ];
}
