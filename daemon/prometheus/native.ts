/**
 * /metrics: every counter of the catalogue under its native name, with its real type and the catalogue's meaning as HELP; the per-type ICMP
 * slots as one family with a `type` label (slots that are not zero, as the kernel prints them); devices with a `device` label; rows by state.
 * No series bears a connection as a label: their number would be the traffic's to choose.
 */
import { Icmp6Msg, IcmpMsg } from '../../mib/catalogue/index.js';
import { deviceEntries } from '../../mib/catalogue/interface.js';
import { deviceFamily } from '../../mib/catalogue/metric-name.js';
import type { Moment } from '../snapshot.js';
import { FamilyBlocks } from './blocks.js';
import type { Exposition, Labels } from './exposition.js';
import { nativeMetrics, SLOT_FAMILIES } from './names.js';

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
const NEW_SYN_RECV = 12;

const SLOT_BASES: Readonly<Record<string, number>> = {
  'IcmpMsg.In': IcmpMsg.In,
  'IcmpMsg.Out': IcmpMsg.Out,
  'Icmp6Msg.In': Icmp6Msg.In,
  'Icmp6Msg.Out': Icmp6Msg.Out,
};

/** What the daemon knows of itself: the labels of tsnetstat_info. */
export interface DaemonInfo {
  readonly version: string;
  /** `tap` or `embedded`. */
  readonly mode: string;
}

const counterBlocks = new FamilyBlocks(nativeMetrics);

export function writeNative(out: Exposition, moment: Moment, info: DaemonInfo): void {
  const { cells } = moment.snapshot;
  counterBlocks.write(out, cells);
  for (const { slots, family, help } of SLOT_FAMILIES) {
    out.family(family, 'counter', help);
    const base = SLOT_BASES[slots]!;
    for (let type = 0; type < 256; type++) {
      const n = cells[base + type]!;
      if (n !== 0) out.sample(n, [['type', String(type)]]);
    }
  }
  writeDevices(out, moment);
  writeSockets(out, moment);
  writeSnapshot(out, moment, info);
}

function writeDevices(out: Exposition, { interfaces }: Moment): void {
  for (const entry of deviceEntries) {
    out.family(deviceFamily(entry.name), 'counter', `Interface: ${entry.meaning}`);
    for (const i of interfaces) out.sample(i.counters[entry.name] ?? 0, [['device', i.name]]);
  }
  out.family('tsnetstat_device_mtu_bytes', 'gauge', 'Largest IP packet of the interface');
  for (const i of interfaces) out.sample(i.mtu, [['device', i.name]]);
  out.family('tsnetstat_device_up', 'gauge', '1 when the interface is up and running');
  for (const i of interfaces) out.sample(i.up && i.running ? 1 : 0, [['device', i.name]]);
}

function writeSockets(out: Exposition, { sockets, rows }: Moment): void {
  out.family('tsnetstat_connections', 'gauge', 'TCP connections, listeners and requests by state');
  for (let state = 1; state < STATE_LABELS.length; state++) {
    // a request that a listener keeps is what netstat shows as SYN_RECV
    const requests = STATE_LABELS[state] === 'syn_recv' ? sockets.tcpStates[NEW_SYN_RECV]! : 0;
    out.sample(sockets.tcpStates[state]! + requests, [['state', STATE_LABELS[state]!]]);
  }
  out.family('tsnetstat_endpoints', 'gauge', 'UDP, UDP-Lite and ping sockets by protocol and family');
  const endpoint = (n: number, protocol: string, family: string) =>
    out.sample(n, [
      ['protocol', protocol],
      ['family', family],
    ]);
  endpoint(sockets.udp4, 'udp', 'ipv4');
  endpoint(sockets.udp6, 'udp', 'ipv6');
  endpoint(sockets.udpLite4, 'udplite', 'ipv4');
  endpoint(sockets.udpLite6, 'udplite', 'ipv6');
  endpoint(sockets.ping, 'icmp', 'any');
  out.single('tsnetstat_rows_used', 'gauge', 'Rows of connections, listeners and endpoints in use', rows.used);
  out.single('tsnetstat_rows_limit', 'gauge', 'Rows there can be', rows.max);
  const exhausted = 'Sockets that got no row for want of one; their events are counted as unattributed';
  out.single('tsnetstat_rows_exhausted', 'counter', exhausted, rows.exhausted);
}

function writeSnapshot(out: Exposition, { snapshot }: Moment, info: DaemonInfo): void {
  const labels: Labels = [
    ['version', info.version],
    ['mode', info.mode],
  ];
  out.family('tsnetstat_info', 'gauge', 'Version of the daemon and what the stack runs on; always 1');
  out.sample(1, labels);
  const started = 'Unix time at which counting began: the discontinuity time of every counter';
  out.single('tsnetstat_start_time_seconds', 'gauge', started, snapshot.startedAtUnixMs / 1e3);
  out.single('tsnetstat_snapshot_time_seconds', 'gauge', 'Unix time of the snapshot shown', snapshot.takenAtUnixMs / 1e3);
  out.single('tsnetstat_snapshot_number', 'gauge', 'Number of the snapshot shown; all doors name it', snapshot.id);
  const consistent = '1 when the snapshot is exact at a batch border, 0 when live cells were read';
  out.single('tsnetstat_snapshot_consistent', 'gauge', consistent, snapshot.consistent ? 1 : 0);
}
