/**
 * ipSystemStatsTable (RFC 4293, 1.3.6.1.2.1.4.31.1) and the two ICMP tables (1.3.6.1.2.1.5.29 and .30): the catalogue's rows by IP version.
 *
 * The catalogue names the 32-bit columns; a high-capacity column has the same count in 64 bits. A column without a counter of its own is
 * made of those that are its definition. What one IP version does not count has no instance, as in snmpd.
 */
import { Icmp6Msg, IcmpMsg, Ip, Ip6 } from '../../../mib/catalogue/index.js';
import { type Column, cell, fixed, memo, type Read, type SnmpObject, table } from '../object.js';
import { oidKey } from '../oid.js';
import { Row, type SortedRows, sortRows } from '../rows.js';
import type { SnmpReading } from '../source.js';
import { catalogueObjects } from './catalogue.js';

type Version = 4 | 6;

/** InetVersion: ipv4(1), ipv6(2). */
const inetVersion = (version: Version) => (version === 4 ? 1 : 2);
const versionRows: SortedRows<Version> = [new Row(oidKey([1]), 4), new Row(oidKey([2]), 6)];

const cells = new Map<string, number>();
for (const o of catalogueObjects) {
  if (o.ipVersion !== undefined && o.icmpType === undefined) cells.set(`${o.name}.${o.ipVersion}`, o.ids[0]!);
}
// A host's forwarded datagrams came in and went out: the same count. What needed fragmenting was fragmented or failed.
cells.set('ipSystemStatsInForwDatagrams.4', Ip.ForwDatagrams);
cells.set('ipSystemStatsInForwDatagrams.6', Ip6.OutForwDatagrams);
const outFragReqds = (version: Version, r: SnmpReading) =>
  version === 4 ? r.cell(Ip.FragOKs) + r.cell(Ip.FragFails) : r.cell(Ip6.FragOKs) + r.cell(Ip6.FragFails);

/** What the column of this name reads of each version. */
function readByVersion(name: string): Read<SnmpReading, Version> {
  if (name === 'ipSystemStatsOutFragReqds') return outFragReqds;
  return cell((version) => cells.get(`${name}.${version}`) ?? -1);
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
  columns.push([46, 'ipSystemStatsDiscontinuityTime', 'TimeTicks', fixed(() => 0)]);
  columns.push([47, 'ipSystemStatsRefreshRate', 'Gauge32', fixed(() => REFRESH_MS)]);
  return columns;
}

function icmpColumns(): Column<SnmpReading, Version>[] {
  const names = ['icmpStatsInMsgs', 'icmpStatsInErrors', 'icmpStatsOutMsgs', 'icmpStatsOutErrors'];
  return names.map((name, i) => [i + 2, name, 'Counter32', readByVersion(name)]);
}

interface MessageType {
  /** Cell ids. */
  readonly received: number;
  readonly sent: number;
}

const TYPES = 256;
/** 1 for the types that the catalogue names, IPv4's and then IPv6's. */
const namedTypes = new Uint8Array(2 * TYPES);
for (const o of catalogueObjects) if (o.icmpType !== undefined) namedTypes[(o.ipVersion === 4 ? 0 : TYPES) + o.icmpType] = 1;

/** Types that the catalogue names are always there; any other when it was met. Their rows are kept until another is. */
function messageTypeRows(): (reading: SnmpReading) => SortedRows<MessageType> {
  const shown = new Uint8Array(2 * TYPES);
  let rows: SortedRows<MessageType> = [];
  const refresh = memo((reading: SnmpReading) => {
    const four = show(shown, 0, reading, IcmpMsg.In, IcmpMsg.Out);
    const six = show(shown, TYPES, reading, Icmp6Msg.In, Icmp6Msg.Out);
    if (four || six) rows = rowsOf(shown);
    return rows;
  });
  return refresh;
}

/** Brings the types shown of an IP version, from `at`, up to date. @returns did any come or go? */
function show(shown: Uint8Array, at: number, reading: SnmpReading, received: number, sent: number): boolean {
  let changed = false;
  for (let type = 0; type < TYPES; type++) {
    const is = reading.cell(received + type) !== 0 || reading.cell(sent + type) !== 0 ? 1 : namedTypes[at + type]!;
    if (is === shown[at + type]) continue;
    shown[at + type] = is;
    changed = true;
  }
  return changed;
}

function rowsOf(shown: Uint8Array): SortedRows<MessageType> {
  const rows: Row<MessageType>[] = [];
  for (const version of [4, 6] as const) {
    const slots = version === 4 ? IcmpMsg : Icmp6Msg;
    for (let type = 0; type < TYPES; type++) {
      if (shown[(version === 4 ? 0 : TYPES) + type] === 0) continue;
      rows.push(new Row(oidKey([inetVersion(version), type]), { received: slots.In + type, sent: slots.Out + type }));
    }
  }
  return sortRows(rows);
}

export function ipStatisticsObjects(): SnmpObject<SnmpReading>[] {
  const rows = () => versionRows;
  return [
    ...table('1.3.6.1.2.1.4.31.1.1', rows, statisticsColumns()),
    ...table('1.3.6.1.2.1.5.29.1', rows, icmpColumns()),
    ...table<SnmpReading, MessageType>('1.3.6.1.2.1.5.30.1', messageTypeRows(), [
      [3, 'icmpMsgStatsInPkts', 'Counter32', cell((m) => m.received)],
      [4, 'icmpMsgStatsOutPkts', 'Counter32', cell((m) => m.sent)],
    ]),
  ];
}
