/**
 * IF-MIB: RFC 2863. ifTable (1.3.6.1.2.1.2), ifXTable and ifStackTable (1.3.6.1.2.1.31).
 *
 * A device's packet counters count all frames; the MIB counts unicast, multicast and broadcast apart, so unicast is what is left. The other
 * columns are Linux's: discards are the drops, errors the errors.
 */
import { Dev } from '../../../mib/catalogue/interface.js';
import { deviceCell } from '../../../mib/ledger/layout.js';
import { type Column, cell, constant, fixed, fixedTable, memo, type SnmpObject, scalar, table } from '../object.js';
import { oid, oidKey } from '../oid.js';
import { Row, type SortedRows, sortRows } from '../rows.js';
import type { InterfaceReading, SnmpReading } from '../source.js';

const IfType = Object.freeze({ ethernetCsmacd: 6, softwareLoopback: 24 });
const Status = Object.freeze({ up: 1, down: 2, lowerLayerDown: 7 });
const TruthValue = Object.freeze({ true: 1, false: 2 });
const ZERO_DOT_ZERO = oid('0.0');
/** What Linux says of lo and of a TAP: 10 Mb/s. Nothing limits either to it. */
const SPEED_BITS = 10_000_000;

type Interface = InterfaceReading;
const count = (counter: number) => cell((i: Interface) => deviceCell(i.device, counter));
/** A counter of the interface, where more than one is needed. */
const read = (i: Interface, r: SnmpReading, counter: number) => r.cell(deviceCell(i.device, counter));
const inNotUnicast = (i: Interface, r: SnmpReading) => read(i, r, Dev.rxMulticast) + read(i, r, Dev.rxBroadcast);
const outNotUnicast = (i: Interface, r: SnmpReading) => read(i, r, Dev.txMulticast) + read(i, r, Dev.txBroadcast);
const inUnicast = (i: Interface, r: SnmpReading) => Math.max(read(i, r, Dev.rxPackets) - inNotUnicast(i, r), 0);
const outUnicast = (i: Interface, r: SnmpReading) => Math.max(read(i, r, Dev.txPackets) - outNotUnicast(i, r), 0);

const ifColumns: readonly Column<SnmpReading, Interface>[] = [
  [1, 'ifIndex', 'INTEGER', fixed((i) => i.index)],
  [2, 'ifDescr', 'OCTET STRING', fixed((i) => i.name)],
  [3, 'ifType', 'INTEGER', fixed((i) => (i.loopback ? IfType.softwareLoopback : IfType.ethernetCsmacd))],
  [4, 'ifMtu', 'INTEGER', fixed((i) => i.mtu)],
  [5, 'ifSpeed', 'Gauge32', fixed(() => SPEED_BITS)],
  [6, 'ifPhysAddress', 'OCTET STRING', fixed((i) => i.mac)],
  [7, 'ifAdminStatus', 'INTEGER', fixed((i) => (i.up ? Status.up : Status.down))],
  [8, 'ifOperStatus', 'INTEGER', fixed((i) => (!i.up ? Status.down : i.running ? Status.up : Status.lowerLayerDown))],
  [9, 'ifLastChange', 'TimeTicks', fixed(() => 0)],
  [10, 'ifInOctets', 'Counter32', count(Dev.rxBytes)],
  [11, 'ifInUcastPkts', 'Counter32', inUnicast],
  [12, 'ifInNUcastPkts', 'Counter32', inNotUnicast],
  [13, 'ifInDiscards', 'Counter32', count(Dev.rxDrop)],
  [14, 'ifInErrors', 'Counter32', count(Dev.rxErrs)],
  [15, 'ifInUnknownProtos', 'Counter32', count(Dev.rxUnknownProtos)],
  [16, 'ifOutOctets', 'Counter32', count(Dev.txBytes)],
  [17, 'ifOutUcastPkts', 'Counter32', outUnicast],
  [18, 'ifOutNUcastPkts', 'Counter32', outNotUnicast],
  [19, 'ifOutDiscards', 'Counter32', count(Dev.txDrop)],
  [20, 'ifOutErrors', 'Counter32', count(Dev.txErrs)],
  [21, 'ifOutQLen', 'Gauge32', fixed(() => 0)],
  [22, 'ifSpecific', 'OBJECT IDENTIFIER', fixed(() => ZERO_DOT_ZERO)],
];

const ifXColumns: readonly Column<SnmpReading, Interface>[] = [
  [1, 'ifName', 'OCTET STRING', fixed((i) => i.name)],
  [2, 'ifInMulticastPkts', 'Counter32', count(Dev.rxMulticast)],
  [3, 'ifInBroadcastPkts', 'Counter32', count(Dev.rxBroadcast)],
  [4, 'ifOutMulticastPkts', 'Counter32', count(Dev.txMulticast)],
  [5, 'ifOutBroadcastPkts', 'Counter32', count(Dev.txBroadcast)],
  [6, 'ifHCInOctets', 'Counter64', count(Dev.rxBytes)],
  [7, 'ifHCInUcastPkts', 'Counter64', inUnicast],
  [8, 'ifHCInMulticastPkts', 'Counter64', count(Dev.rxMulticast)],
  [9, 'ifHCInBroadcastPkts', 'Counter64', count(Dev.rxBroadcast)],
  [10, 'ifHCOutOctets', 'Counter64', count(Dev.txBytes)],
  [11, 'ifHCOutUcastPkts', 'Counter64', outUnicast],
  [12, 'ifHCOutMulticastPkts', 'Counter64', count(Dev.txMulticast)],
  [13, 'ifHCOutBroadcastPkts', 'Counter64', count(Dev.txBroadcast)],
  [14, 'ifLinkUpDownTrapEnable', 'INTEGER', fixed(() => 2)],
  [15, 'ifHighSpeed', 'Gauge32', fixed(() => SPEED_BITS / 1_000_000)],
  [16, 'ifPromiscuousMode', 'INTEGER', fixed((i) => (i.promiscuous ? TruthValue.true : TruthValue.false))],
  [17, 'ifConnectorPresent', 'INTEGER', fixed(() => TruthValue.false)],
  [18, 'ifAlias', 'OCTET STRING', fixed(() => '')],
  [19, 'ifCounterDiscontinuityTime', 'TimeTicks', fixed(() => 0)],
];

/** Rows of interfaces, kept while the reading's interfaces are the same. */
function interfaceRows(indexes: (i: Interface) => readonly (readonly number[])[]): (r: SnmpReading) => SortedRows<Interface> {
  const rows = memo((interfaces: readonly Interface[]) =>
    sortRows(interfaces.flatMap((i) => indexes(i).map((index) => new Row(oidKey(index), i)))),
  );
  return (reading) => rows(reading.interfaces);
}

export function interfaceObjects(): SnmpObject<SnmpReading>[] {
  const rows = interfaceRows((i) => [[i.index]]);
  // No interface is stacked on another: each stands between 0 (nothing above) and 0 (nothing below). RFC 2863 3.1.1.
  const stack = interfaceRows((i) => [
    [0, i.index],
    [i.index, 0],
  ]);
  return [
    scalar('ifNumber', '1.3.6.1.2.1.2.1', 'INTEGER', (r: SnmpReading) => r.interfaces.length),
    ...table('1.3.6.1.2.1.2.2.1', rows, ifColumns),
    ...table('1.3.6.1.2.1.31.1.1.1', rows, ifXColumns),
    ...fixedTable<SnmpReading, Interface>('1.3.6.1.2.1.31.1.2.1', stack, [[3, 'ifStackStatus', 'INTEGER', () => 1]]),
    constant('ifTableLastChange', '1.3.6.1.2.1.31.1.5', 'TimeTicks', 0),
    constant('ifStackLastChange', '1.3.6.1.2.1.31.1.6', 'TimeTicks', 0),
  ];
}
