/**
 * ipSystemStatsTable (RFC 4293, 1.3.6.1.2.1.4.31.1) and the two ICMP tables (1.3.6.1.2.1.5.29 and .30): the catalogue's rows by IP version.
 *
 * The catalogue names the 32-bit columns; a high-capacity column has the same count in 64 bits. A column without a counter of its own is
 * made of those that are its definition. What one IP version does not count has no instance, as in snmpd.
 */
import { Icmp6Msg, IcmpMsg, Ip, Ip6 } from '../../../mib/catalogue/index.js';
import { oidKey } from '../oid.js';
import { Row, type SortedRows, sortRows } from '../rows.js';
import type { SnmpReading } from '../source.js';
import { type Column, type SnmpObject, table } from '../view.js';
import { catalogueObjects, readingOf } from './catalogue.js';

type Version = 4 | 6;
type Read = (reading: SnmpReading) => number;

/** InetVersion: ipv4(1), ipv6(2). */
const inetVersion = (version: Version) => (version === 4 ? 1 : 2);
const versionRows: SortedRows<Version> = [new Row(oidKey([1]), 4), new Row(oidKey([2]), 6)];

/** What each column of each version reads, by `name.version`. */
const readers = new Map<string, Read>();
for (const o of catalogueObjects) {
  if (o.ipVersion !== undefined && o.icmpType === undefined) readers.set(`${o.name}.${o.ipVersion}`, (r) => readingOf(o, r));
}
const sum =
  (...ids: readonly number[]): Read =>
  (r) =>
    ids.reduce((n, id) => n + r.value(id), 0);
// A host's forwarded datagrams came in and went out: the same count. What needed fragmenting was fragmented or failed.
readers.set('ipSystemStatsInForwDatagrams.4', sum(Ip.ForwDatagrams));
readers.set('ipSystemStatsInForwDatagrams.6', sum(Ip6.OutForwDatagrams));
readers.set('ipSystemStatsOutFragReqds.4', sum(Ip.FragOKs, Ip.FragFails));
readers.set('ipSystemStatsOutFragReqds.6', sum(Ip6.FragOKs, Ip6.FragFails));

function readByVersion(name: string): (version: Version, reading: SnmpReading) => number | undefined {
  const [four, six] = [readers.get(`${name}.4`), readers.get(`${name}.6`)];
  return (version, reading) => (version === 4 ? four : six)?.(reading);
}

/** Number and name of the 32-bit columns; with a third member, the number of the high-capacity column. */
const statistics: readonly (readonly [number, string, number?])[] = [
  [3, 'InReceives', 4],
  [5, 'InOctets', 6],
  [7, 'InHdrErrors'],
  [8, 'InNoRoutes'],
  [9, 'InAddrErrors'],
  [10, 'InUnknownProtos'],
  [11, 'InTruncatedPkts'],
  [12, 'InForwDatagrams', 13],
  [14, 'ReasmReqds'],
  [15, 'ReasmOKs'],
  [16, 'ReasmFails'],
  [17, 'InDiscards'],
  [18, 'InDelivers', 19],
  [20, 'OutRequests', 21],
  [22, 'OutNoRoutes'],
  [23, 'OutForwDatagrams', 24],
  [25, 'OutDiscards'],
  [26, 'OutFragReqds'],
  [27, 'OutFragOKs'],
  [28, 'OutFragFails'],
  [29, 'OutFragCreates'],
  [30, 'OutTransmits', 31],
  [32, 'OutOctets', 33],
  [34, 'InMcastPkts', 35],
  [36, 'InMcastOctets', 37],
  [38, 'OutMcastPkts', 39],
  [40, 'OutMcastOctets', 41],
  [42, 'InBcastPkts', 43],
  [44, 'OutBcastPkts', 45],
];

/** How often reading these counters makes sense, ms. */
const REFRESH_MS = 100;

function statisticsColumns(): Column<SnmpReading, Version>[] {
  const columns: Column<SnmpReading, Version>[] = [];
  for (const [number, name, wide] of statistics) {
    const read = readByVersion(`ipSystemStats${name}`);
    columns.push([number, `ipSystemStats${name}`, 'Counter32', read]);
    if (wide !== undefined) columns.push([wide, `ipSystemStatsHC${name}`, 'Counter64', read]);
  }
  columns.push([46, 'ipSystemStatsDiscontinuityTime', 'TimeTicks', () => 0]);
  columns.push([47, 'ipSystemStatsRefreshRate', 'Gauge32', () => REFRESH_MS]);
  return columns;
}

function icmpColumns(): Column<SnmpReading, Version>[] {
  const names = ['icmpStatsInMsgs', 'icmpStatsInErrors', 'icmpStatsOutMsgs', 'icmpStatsOutErrors'];
  return names.map((name, i) => [i + 2, name, 'Counter32', readByVersion(name)]);
}

interface MessageType {
  readonly received: number;
  readonly sent: number;
}

/** Types that the catalogue names are always there; any other when it was met. */
function messageTypeRows(reading: SnmpReading): SortedRows<MessageType> {
  const rows: Row<MessageType>[] = [];
  for (const version of [4, 6] as const) {
    const base = version === 4 ? IcmpMsg : Icmp6Msg;
    for (let type = 0; type < 256; type++) {
      const received = reading.value(base.In + type);
      const sent = reading.value(base.Out + type);
      if (received === 0 && sent === 0 && !namedTypes.has(`${version}.${type}`)) continue;
      rows.push(new Row(oidKey([inetVersion(version), type]), { received, sent }));
    }
  }
  return sortRows(rows);
}
const namedTypes = new Set(catalogueObjects.filter((o) => o.icmpType !== undefined).map((o) => `${o.ipVersion}.${o.icmpType}`));

export function ipStatisticsObjects(): SnmpObject<SnmpReading>[] {
  return [
    ...table('1.3.6.1.2.1.4.31.1.1', () => versionRows, statisticsColumns()),
    ...table('1.3.6.1.2.1.5.29.1', () => versionRows, icmpColumns()),
    ...table<SnmpReading, MessageType>('1.3.6.1.2.1.5.30.1', messageTypeRows, [
      [3, 'icmpMsgStatsInPkts', 'Counter32', (m) => m.received],
      [4, 'icmpMsgStatsOutPkts', 'Counter32', (m) => m.sent],
    ]),
  ];
}
