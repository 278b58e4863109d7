/**
 * /metrics/node: the same cells under node_exporter's names, so that existing dashboards and alerts work unedited. Names, types, HELP texts
 * and the order (by collector) are node_exporter 1.x's; all fields are shown, not only its default filter's. Of the kernel's
 * memory accounts there is TCP's (sockstat's `mem`); UDP's, orphans and fragment memory are left out: a made-up number would be worse than
 * none.
 */
import { counters, Icmp6Msg, IcmpMsg } from '../../mib/catalogue/index.js';
import { Dev } from '../../mib/catalogue/interface.js';
import type { DeviceIdentity } from '../../mib/dto.js';
import { deviceCell } from '../../mib/ledger/layout.js';
import type { Moment } from '../snapshot.js';
import type { Layout } from './layout.js';
import { layStates, NEW_SYN_RECV } from './native.js';
import type { Series, SlotBase } from './series.js';

/** What uname(2) tells. */
export interface UnameInfo {
  readonly machine: string;
  readonly nodename: string;
  readonly release: string;
  readonly version: string;
}

/** Octets of a page, as sockstat counts. */
const PAGE = 4096;
/** By TcpState number. */
const TIME_WAIT = 6;

type Collector = readonly [name: string, lay: (out: Layout, series: Series, uname: UnameInfo) => void];

const collectors: readonly Collector[] = [
  ['netdev', layNetdev],
  ['netstat', layNetstat],
  ['sockstat', laySockstat],
  ['tcpstat', layTcpstat],
  ['time', layTime],
  ['udp_queues', layUdpQueues],
  ['uname', layUname],
];

export function layNode(out: Layout, series: Series, uname: UnameInfo): void {
  for (const [, lay] of collectors) {
    lay(out, series, uname);
    out.endSection();
  }
  out.family('node_scrape_collector_duration_seconds', 'gauge', 'node_exporter: Duration of a collector scrape.');
  for (const [i, [name]] of collectors.entries()) out.sample(() => out.durations[i]!, [['collector', name]]);
  out.family('node_scrape_collector_success', 'gauge', 'node_exporter: Whether a collector succeeded.');
  for (const [name] of collectors) out.constant(1, [['collector', name]]);
}

/** /proc/net/{snmp,netstat,snmp6}: `node_netstat_Tcp_InSegs`, untyped. */
function netstatCell(out: Layout, group: string, name: string, id: number): void {
  out.family(`node_netstat_${group}_${name}`, 'untyped', `Statistic ${group}${name}.`);
  out.cell(id);
}

/** The counters of the groups from this one until behind `last`. */
function netstatGroups(out: Layout, first: string, last: string): void {
  const names = counters.map((c) => c.group.name);
  for (const { group, entry, id } of counters.slice(names.indexOf(first), names.lastIndexOf(last) + 1))
    netstatCell(out, group.name, entry.name, id);
}

function layNetstat(out: Layout, series: Series): void {
  netstatGroups(out, 'Ip', 'Icmp');
  layTypes(out, series, 'IcmpMsg', IcmpMsg.In, IcmpMsg.Out);
  netstatGroups(out, 'Tcp', 'Icmp6');
  layTypes(out, series, 'Icmp6', Icmp6Msg.In, Icmp6Msg.Out);
  netstatGroups(out, 'Udp6', 'UdpLite6');
}

/** The per-type slots that are not zero, as the kernel prints them. */
function layTypes(out: Layout, series: Series, group: string, inBase: SlotBase, outBase: SlotBase): void {
  for (const type of series.types(inBase)) netstatCell(out, group, `InType${type}`, inBase + type);
  for (const type of series.types(outBase)) netstatCell(out, group, `OutType${type}`, outBase + type);
}

/** node_exporter's device fields, by the columns of /proc/net/dev. */
const DEVICE_FIELDS: readonly (readonly [field: string, column: keyof typeof Dev])[] = [
  ['receive_bytes', 'rxBytes'],
  ['receive_compressed', 'rxCompressed'],
  ['receive_drop', 'rxDrop'],
  ['receive_errs', 'rxErrs'],
  ['receive_fifo', 'rxFifo'],
  ['receive_frame', 'rxFrame'],
  ['receive_multicast', 'rxMulticast'],
  ['receive_nohandler', 'rxUnknownProtos'],
  ['receive_packets', 'rxPackets'],
  ['transmit_bytes', 'txBytes'],
  ['transmit_carrier', 'txCarrier'],
  ['transmit_colls', 'txColls'],
  ['transmit_compressed', 'txCompressed'],
  ['transmit_drop', 'txDrop'],
  ['transmit_errs', 'txErrs'],
  ['transmit_fifo', 'txFifo'],
  ['transmit_packets', 'txPackets'],
];

function layNetdev(out: Layout, { devices }: Series): void {
  for (const [field, column] of DEVICE_FIELDS) {
    out.family(`node_network_${field}`, 'counter', `Network device statistic ${field}.`);
    for (const [i, d] of devices.entries()) out.cell(deviceCell(i, Dev[column]), [['device', d.name]]);
  }
  out.family('node_network_info', 'gauge', 'Non-numeric data from /sys/class/net/<iface>, value is always 1.');
  for (const d of devices) out.constant(1, infoLabels(d));
  out.family('node_network_mtu_bytes', 'gauge', 'Network device property: mtu_bytes');
  for (const d of devices) out.constant(d.mtu, [['device', d.name]]);
  out.family('node_network_up', 'gauge', "Value is 1 if operstate is 'up', 0 otherwise.");
  for (const d of devices) out.constant(d.up && d.running ? 1 : 0, [['device', d.name]]);
}

function infoLabels(d: DeviceIdentity): readonly (readonly [string, string])[] {
  return [
    ['address', d.mac],
    ['adminstate', d.up ? 'up' : 'down'],
    ['broadcast', d.loopback ? '00:00:00:00:00:00' : 'ff:ff:ff:ff:ff:ff'],
    ['device', d.name],
    ['duplex', ''],
    ['ifalias', ''],
    ['operstate', d.up && d.running ? 'up' : 'down'],
  ];
}

/** /proc/net/sockstat and sockstat6. */
function laySockstat(out: Layout): void {
  const field = (protocol: string, name: string, read: (m: Moment) => number) =>
    out.single(`node_sockstat_${protocol}_${name}`, 'gauge', `Number of ${protocol} sockets in state ${name}.`, read);
  field('TCP6', 'inuse', (m) => m.sockets.tcp6);
  field('TCP', 'alloc', ({ sockets }) => tcpSockets(sockets));
  field('TCP', 'inuse', (m) => m.sockets.tcp4);
  field('TCP', 'mem', (m) => m.sockets.tcpPages);
  field('TCP', 'mem_bytes', (m) => m.sockets.tcpPages * PAGE);
  field('TCP', 'tw', (m) => m.sockets.tcpStates[TIME_WAIT]!);
  field('UDP6', 'inuse', (m) => m.sockets.udp6);
  field('UDP', 'inuse', (m) => m.sockets.udp4);
  field('UDPLITE6', 'inuse', (m) => m.sockets.udpLite6);
  field('UDPLITE', 'inuse', (m) => m.sockets.udpLite4);
  const used = ({ sockets: s }: Moment) => tcpSockets(s) + s.udp4 + s.udp6 + s.udpLite4 + s.udpLite6 + s.ping;
  out.single('node_sockstat_sockets_used', 'gauge', 'Number of IPv4 sockets in use.', used);
}

/** TCP rows that are sockets: neither TIME-WAIT entries nor requests. */
function tcpSockets({ tcpStates }: Moment['sockets']): number {
  let all = 0;
  for (const n of tcpStates) all += n;
  return all - tcpStates[TIME_WAIT]! - tcpStates[NEW_SYN_RECV]!;
}

/** The tcpstat collector: states and queues. */
function layTcpstat(out: Layout): void {
  out.family('node_tcp_connection_states', 'gauge', 'Number of connection states.');
  layStates(out);
  out.sample((m) => m.sockets.tcpReceiveQueue, [['state', 'rx_queued_bytes']]);
  out.sample((m) => m.sockets.tcpSendQueue, [['state', 'tx_queued_bytes']]);
}

function layTime(out: Layout): void {
  const boot = 'Unix time of last boot, including microseconds.';
  out.single('node_boot_time_seconds', 'gauge', boot, (m) => m.snapshot.startedAtUnixMs / 1e3);
  const now = 'System time in seconds since epoch (1970).';
  out.single('node_time_seconds', 'gauge', now, (m) => m.snapshot.takenAtUnixMs / 1e3);
}

function layUdpQueues(out: Layout): void {
  const help = 'Number of allocated memory in the kernel for UDP datagrams in bytes.';
  out.family('node_udp_queues', 'gauge', help);
  const queue = (read: (m: Moment) => number, name: string, ip: string) =>
    out.sample(read, [
      ['ip', ip],
      ['queue', name],
    ]);
  queue((m) => m.sockets.udp4ReceiveQueue, 'rx', 'v4');
  queue((m) => m.sockets.udp6ReceiveQueue, 'rx', 'v6');
  queue((m) => m.sockets.udp4SendQueue, 'tx', 'v4');
  queue((m) => m.sockets.udp6SendQueue, 'tx', 'v6');
}

function layUname(out: Layout, _series: Series, u: UnameInfo): void {
  out.family('node_uname_info', 'gauge', 'Labeled system information as provided by the uname system call.');
  out.constant(1, [
    ['domainname', '(none)'],
    ['machine', u.machine],
    ['nodename', u.nodename],
    ['release', u.release],
    ['sysname', 'tsnetstat'],
    ['version', u.version],
  ]);
}
