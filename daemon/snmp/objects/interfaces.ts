/**
 * IF-MIB: RFC 2863. ifTable (1.3.6.1.2.1.2), ifXTable and ifStackTable (1.3.6.1.2.1.31).
 *
 * A device's packet counters count all frames; the MIB counts unicast, multicast and broadcast apart, so unicast is what is left. The other
 * columns are Linux's: discards are the drops, errors the errors.
 */
import { oid, oidKey } from '../oid.js';
import { Row, sortRows } from '../rows.js';
import type { InterfaceReading, SnmpReading } from '../source.js';
import { type Column, memo, type SnmpObject, scalar, table } from '../view.js';

const IfType = Object.freeze({ ethernetCsmacd: 6, softwareLoopback: 24 });
const Status = Object.freeze({ up: 1, down: 2, lowerLayerDown: 7 });
const TruthValue = Object.freeze({ true: 1, false: 2 });
const ZERO_DOT_ZERO = oid('0.0');
/** What Linux says of lo and of a TAP: 10 Mb/s. Nothing limits either to it. */
const SPEED_BITS = 10_000_000;

type Interface = InterfaceReading;
const count = (i: Interface, name: string): number => i.counters[name] ?? 0;
const inMulticast = (i: Interface) => count(i, 'rxMulticast');
const inBroadcast = (i: Interface) => count(i, 'rxBroadcast');
const outMulticast = (i: Interface) => count(i, 'txMulticast');
const outBroadcast = (i: Interface) => count(i, 'txBroadcast');
const inUnicast = (i: Interface) => Math.max(count(i, 'rxPackets') - inMulticast(i) - inBroadcast(i), 0);
const outUnicast = (i: Interface) => Math.max(count(i, 'txPackets') - outMulticast(i) - outBroadcast(i), 0);

/** Interfaces as rows under ifIndex. */
export const interfaceRows = memo((r: SnmpReading) => sortRows(r.interfaces.map((i) => new Row(oidKey([i.index]), i))));

const ifColumns: readonly Column<SnmpReading, Interface>[] = [
  [1, 'ifIndex', 'INTEGER', (i) => i.index],
  [2, 'ifDescr', 'OCTET STRING', (i) => i.name],
  [3, 'ifType', 'INTEGER', (i) => (i.loopback ? IfType.softwareLoopback : IfType.ethernetCsmacd)],
  [4, 'ifMtu', 'INTEGER', (i) => i.mtu],
  [5, 'ifSpeed', 'Gauge32', () => SPEED_BITS],
  [6, 'ifPhysAddress', 'OCTET STRING', (i) => i.mac],
  [7, 'ifAdminStatus', 'INTEGER', (i) => (i.up ? Status.up : Status.down)],
  [8, 'ifOperStatus', 'INTEGER', (i) => (!i.up ? Status.down : i.running ? Status.up : Status.lowerLayerDown)],
  [9, 'ifLastChange', 'TimeTicks', () => 0],
  [10, 'ifInOctets', 'Counter32', (i) => count(i, 'rxBytes')],
  [11, 'ifInUcastPkts', 'Counter32', inUnicast],
  [12, 'ifInNUcastPkts', 'Counter32', (i) => inMulticast(i) + inBroadcast(i)],
  [13, 'ifInDiscards', 'Counter32', (i) => count(i, 'rxDrop')],
  [14, 'ifInErrors', 'Counter32', (i) => count(i, 'rxErrs')],
  [15, 'ifInUnknownProtos', 'Counter32', (i) => count(i, 'rxUnknownProtos')],
  [16, 'ifOutOctets', 'Counter32', (i) => count(i, 'txBytes')],
  [17, 'ifOutUcastPkts', 'Counter32', outUnicast],
  [18, 'ifOutNUcastPkts', 'Counter32', (i) => outMulticast(i) + outBroadcast(i)],
  [19, 'ifOutDiscards', 'Counter32', (i) => count(i, 'txDrop')],
  [20, 'ifOutErrors', 'Counter32', (i) => count(i, 'txErrs')],
  [21, 'ifOutQLen', 'Gauge32', () => 0],
  [22, 'ifSpecific', 'OBJECT IDENTIFIER', () => ZERO_DOT_ZERO],
];

const ifXColumns: readonly Column<SnmpReading, Interface>[] = [
  [1, 'ifName', 'OCTET STRING', (i) => i.name],
  [2, 'ifInMulticastPkts', 'Counter32', inMulticast],
  [3, 'ifInBroadcastPkts', 'Counter32', inBroadcast],
  [4, 'ifOutMulticastPkts', 'Counter32', outMulticast],
  [5, 'ifOutBroadcastPkts', 'Counter32', outBroadcast],
  [6, 'ifHCInOctets', 'Counter64', (i) => count(i, 'rxBytes')],
  [7, 'ifHCInUcastPkts', 'Counter64', inUnicast],
  [8, 'ifHCInMulticastPkts', 'Counter64', inMulticast],
  [9, 'ifHCInBroadcastPkts', 'Counter64', inBroadcast],
  [10, 'ifHCOutOctets', 'Counter64', (i) => count(i, 'txBytes')],
  [11, 'ifHCOutUcastPkts', 'Counter64', outUnicast],
  [12, 'ifHCOutMulticastPkts', 'Counter64', outMulticast],
  [13, 'ifHCOutBroadcastPkts', 'Counter64', outBroadcast],
  [14, 'ifLinkUpDownTrapEnable', 'INTEGER', () => 2],
  [15, 'ifHighSpeed', 'Gauge32', () => SPEED_BITS / 1_000_000],
  [16, 'ifPromiscuousMode', 'INTEGER', (i) => (i.promiscuous ? TruthValue.true : TruthValue.false)],
  [17, 'ifConnectorPresent', 'INTEGER', () => TruthValue.false],
  [18, 'ifAlias', 'OCTET STRING', () => ''],
  [19, 'ifCounterDiscontinuityTime', 'TimeTicks', () => 0],
];

/** No interface is stacked on another: each stands between 0 (nothing above) and 0 (nothing below). RFC 2863 3.1.1. */
const stackRows = (r: SnmpReading) =>
  sortRows(r.interfaces.flatMap((i) => [new Row(oidKey([0, i.index]), i), new Row(oidKey([i.index, 0]), i)]));

export function interfaceObjects(): SnmpObject<SnmpReading>[] {
  return [
    scalar('ifNumber', '1.3.6.1.2.1.2.1', 'INTEGER', (r: SnmpReading) => r.interfaces.length),
    ...table('1.3.6.1.2.1.2.2.1', interfaceRows, ifColumns),
    ...table('1.3.6.1.2.1.31.1.1.1', interfaceRows, ifXColumns),
    ...table<SnmpReading, Interface>('1.3.6.1.2.1.31.1.2.1', stackRows, [[3, 'ifStackStatus', 'INTEGER', () => 1]]),
    scalar('ifTableLastChange', '1.3.6.1.2.1.31.1.5', 'TimeTicks', () => 0),
    scalar('ifStackLastChange', '1.3.6.1.2.1.31.1.6', 'TimeTicks', () => 0),
  ];
}
