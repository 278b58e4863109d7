/** The public face of mib/: the catalogue, the ledger and its readers, snapshots, probes, and the text formats. */
export * from './catalogue/index.js';
export { Dev, type DeviceEntry, deviceEntries } from './catalogue/interface.js';
export type * from './dto.js';
export { ClusterReader, openReadings } from './ledger/cluster-reader.js';
export { Col, DEVICE_CELLS, HISTORY_ROWS, Info, type InfoName, infoColumns, MAX_DEVICES, RowKind } from './ledger/layout.js';
export { DeviceCells, Ledger, Owner } from './ledger/ledger.js';
export { Ctl, createLedgerMemory, type LedgerMemory, Pub } from './ledger/memory.js';
export { LedgerReader } from './ledger/reader.js';
export type { AskOptions, FoundRow, Readings } from './ledger/readings.js';
export { type RowContext, RowView } from './ledger/row-view.js';
export type { SocketCounts } from './ledger/socket-counts.js';
export { probeName, probeSpellings, resolveProbe } from './probe/names.js';
export { EVENT_PROBES, PROBE_POINTS, Probe } from './probe/points.js';
export { ProbeContext, ProbeReader, ProbeRing, Rec } from './probe/ring.js';
export { flagText, type TraceContext, timeText, traceEvent } from './probe/trace-event.js';
export { cellsOfGroups, deviceCounters, groupsOfCells, Snapshot, type SnapshotTimes } from './snapshot.js';
export { addressText, connectionName, endpointText, ipv4Text, ipv6Text } from './text/address.js';
export { type Printed, printStatistics, type StatisticsFiles, type StatisticsFlags } from './text/netstat-s.js';
export { type ProcGroups, procNetstat, procSnmp, procSnmp6, readPairs, readSnmp6 } from './text/proc-counters.js';
export { type GroupLine, procIgmp, procIgmp6, readIgmp, readIgmp6 } from './text/proc-groups.js';
export { procTcp, procUdp } from './text/proc-sockets.js';
export {
  type DevLine,
  procDev,
  procRoute,
  procRoute6,
  procSockstat,
  procSockstat6,
  type RouteLine,
  readDev,
  readRoute,
  readRoute6,
  type SocketNumbers,
} from './text/proc-tables.js';
export { readSocketLine, type SocketLine } from './text/socket-line.js';
export { tcpStateNames } from './text/states.js';
export { classicLine, gapLine, traceLine } from './text/trace-line.js';
export { unsignedText } from './text/unsigned.js';
