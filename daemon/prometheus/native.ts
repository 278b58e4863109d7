/**
 * /metrics: every counter of the catalogue under its native name, with its real type and the catalogue's meaning as HELP; the per-type ICMP
 * slots as one family with a `type` label (slots that are not zero, as the kernel prints them); devices with a `device` label; rows by state.
 * No series bears a connection as a label: their number would be the traffic's to choose.
 */
import { deviceEntries } from '../../mib/catalogue/interface.js';
import { deviceFamily } from '../../mib/catalogue/metric-name.js';
import type { DeviceIdentity } from '../../mib/dto.js';
import { deviceCell } from '../../mib/ledger/layout.js';
import type { Moment } from '../snapshot.js';
import type { Layout } from './layout.js';
import { nativeMetrics, SLOT_FAMILIES } from './names.js';
import type { Series } from './series.js';

/** ESTABLISHED … NEW_SYN_RECV as label values, by TcpState number. */
export const STATE_LABELS: readonly string[] = [
  '',
  'established',
  'syn_sent',
  'syn_recv',
  'fin_wait1',
  'fin_wait2',
  'time_wait',
  'close',
  'close_wait',
  'last_ack',
  'listen',
  'closing',
];
export const NEW_SYN_RECV = 12;

/** What the daemon knows of itself: the labels of tsnetstat_info. */
export interface DaemonInfo {
  readonly version: string;
  /** `tap` or `embedded`. */
  readonly mode: string;
}

export function layNative(out: Layout, series: Series, info: DaemonInfo): void {
  for (const m of nativeMetrics) {
    out.family(m.family, m.type, m.help);
    out.cell(m.counter.id, [], m.scale);
  }
  for (const { base, family, help } of SLOT_FAMILIES) {
    out.family(family, 'counter', help);
    for (const type of series.types(base)) out.cell(base + type, [['type', String(type)]]);
  }
  layDevices(out, series.devices);
  laySockets(out);
  laySnapshot(out, info);
}

function layDevices(out: Layout, devices: readonly DeviceIdentity[]): void {
  for (const [cell, entry] of deviceEntries.entries()) {
    out.family(deviceFamily(entry.name), 'counter', `Interface: ${entry.meaning}`);
    for (const [i, d] of devices.entries()) out.cell(deviceCell(i, cell), [['device', d.name]]);
  }
  out.family('tsnetstat_device_mtu_bytes', 'gauge', 'Largest IP packet of the interface');
  for (const d of devices) out.constant(d.mtu, [['device', d.name]]);
  out.family('tsnetstat_device_up', 'gauge', '1 when the interface is up and running');
  for (const d of devices) out.constant(d.up && d.running ? 1 : 0, [['device', d.name]]);
}

/** Samples of the open family: how many TCP rows are in each state. A request that a listener keeps is what netstat shows as SYN_RECV. */
export function layStates(out: Layout): void {
  for (let state = 1; state < STATE_LABELS.length; state++) {
    const read =
      STATE_LABELS[state] === 'syn_recv'
        ? ({ sockets }: Moment) => sockets.tcpStates[state]! + sockets.tcpStates[NEW_SYN_RECV]!
        : ({ sockets }: Moment) => sockets.tcpStates[state]!;
    out.sample(read, [['state', STATE_LABELS[state]!]]);
  }
}

function laySockets(out: Layout): void {
  out.family('tsnetstat_connections', 'gauge', 'TCP connections, listeners and requests by state');
  layStates(out);
  out.family('tsnetstat_endpoints', 'gauge', 'UDP, UDP-Lite and ping sockets by protocol and family');
  const endpoint = (read: (m: Moment) => number, protocol: string, family: string) =>
    out.sample(read, [
      ['protocol', protocol],
      ['family', family],
    ]);
  endpoint((m) => m.sockets.udp4, 'udp', 'ipv4');
  endpoint((m) => m.sockets.udp6, 'udp', 'ipv6');
  endpoint((m) => m.sockets.udpLite4, 'udplite', 'ipv4');
  endpoint((m) => m.sockets.udpLite6, 'udplite', 'ipv6');
  endpoint((m) => m.sockets.ping, 'icmp', 'any');
  const used = 'Rows of connections, listeners and endpoints in use';
  out.single('tsnetstat_rows_used', 'gauge', used, (m) => m.rows.used);
  out.single('tsnetstat_rows_limit', 'gauge', 'Rows there can be', (m) => m.rows.max);
  const exhausted = 'Sockets that got no row for want of one; their events are counted as unattributed';
  out.single('tsnetstat_rows_exhausted', 'counter', exhausted, (m) => m.rows.exhausted);
}

function laySnapshot(out: Layout, info: DaemonInfo): void {
  out.family('tsnetstat_info', 'gauge', 'Version of the daemon and what the stack runs on; always 1');
  out.constant(1, [
    ['version', info.version],
    ['mode', info.mode],
  ]);
  const started = 'Unix time at which counting began: the discontinuity time of every counter';
  out.single('tsnetstat_start_time_seconds', 'gauge', started, (m) => m.snapshot.startedAtUnixMs / 1e3);
  const taken = 'Unix time of the snapshot shown';
  out.single('tsnetstat_snapshot_time_seconds', 'gauge', taken, (m) => m.snapshot.takenAtUnixMs / 1e3);
  out.single('tsnetstat_snapshot_number', 'gauge', 'Number of the snapshot shown; all doors name it', (m) => m.snapshot.id);
  const consistent = '1 when the snapshot is exact at a batch border, 0 when live cells were read';
  out.single('tsnetstat_snapshot_consistent', 'gauge', consistent, (m) => (m.snapshot.consistent ? 1 : 0));
}
