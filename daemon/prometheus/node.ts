/**
 * /metrics/node: the same cells under node_exporter's names, so that existing dashboards and alerts work unedited. Names, types, HELP texts
 * and the order (by collector) are node_exporter 1.x's; all fields are shown, not only its default filter's. Of the kernel's
 * memory accounts there is TCP's (sockstat's `mem`); UDP's, orphans and fragment memory are left out: a made-up number would be worse than
 * none.
 */

import { counters, Icmp6Msg, IcmpMsg } from '../../mib/catalogue/index.js';
import type { InterfaceDto } from '../../mib/dto.js';
import type { Moment } from '../snapshot.js';
import { type CellFamily, FamilyBlocks } from './blocks.js';
import type { Exposition } from './exposition.js';
import { STATE_LABELS } from './native.js';

/** What uname(2) tells. */
export interface UnameInfo {
  readonly machine: string;
  readonly nodename: string;
  readonly release: string;
  readonly version: string;
}

/** Octets of a page, as sockstat counts. */
const PAGE = 4096;

type Collector = readonly [name: string, write: (out: Exposition, s: Moment, uname: UnameInfo) => void];

const collectors: readonly Collector[] = [
  ['netdev', writeNetdev],
  ['netstat', writeNetstat],
  ['sockstat', writeSockstat],
  ['tcpstat', writeTcpstat],
  ['time', writeTime],
  ['udp_queues', writeUdpQueues],
  ['uname', writeUname],
];

/** @param nowMs a clock for the collectors' durations, in milliseconds */
export function writeNode(out: Exposition, moment: Moment, uname: UnameInfo, nowMs: () => number): void {
  const durations: [string, number][] = [];
  for (const [name, write] of collectors) {
    const began = nowMs();
    write(out, moment, uname);
    durations.push([name, (nowMs() - began) / 1000]);
  }
  out.family('node_scrape_collector_duration_seconds', 'gauge', 'node_exporter: Duration of a collector scrape.');
  for (const [name, seconds] of durations) out.sample(seconds, [['collector', name]]);
  out.family('node_scrape_collector_success', 'gauge', 'node_exporter: Whether a collector succeeded.');
  for (const [name] of durations) out.sample(1, [['collector', name]]);
}

/** /proc/net/{snmp,netstat,snmp6}: `node_netstat_Tcp_InSegs`, untyped. */
function netstatFamily(group: string, name: string, id: number): CellFamily {
  return { id, family: `node_netstat_${group}_${name}`, type: 'untyped', help: `Statistic ${group}${name}.`, scale: 1 };
}

/** The counters of the groups from this one until behind `last`. */
function netstatBlocks(first: string, last: string): FamilyBlocks {
  const names = counters.map((c) => c.group.name);
  const part = counters.slice(names.indexOf(first), names.lastIndexOf(last) + 1);
  return new FamilyBlocks(part.map(({ group, entry, id }) => netstatFamily(group.name, entry.name, id)));
}
const upToIcmp = netstatBlocks('Ip', 'Icmp');
const upToIcmp6 = netstatBlocks('Tcp', 'Icmp6');
const behindIcmp6 = netstatBlocks('Udp6', 'UdpLite6');

function writeNetstat(out: Exposition, { snapshot: { cells } }: Moment): void {
  upToIcmp.write(out, cells);
  writeSlots(out, 'IcmpMsg', IcmpMsg.In, IcmpMsg.Out, cells);
  upToIcmp6.write(out, cells);
  writeSlots(out, 'Icmp6', Icmp6Msg.In, Icmp6Msg.Out, cells);
  behindIcmp6.write(out, cells);
}

/** The per-type slots that are not zero, as the kernel prints them. */
function writeSlots(out: Exposition, group: string, inBase: number, outBase: number, cells: Float64Array): void {
  for (const [prefix, base] of [
    ['InType', inBase],
    ['OutType', outBase],
  ] as const) {
    for (let type = 0; type < 256; type++) {
      const n = cells[base + type]!;
      if (n === 0) continue;
      const f = netstatFamily(group, `${prefix}${type}`, base + type);
      out.single(f.family, f.type, f.help, n);
    }
  }
}

/** node_exporter's device fields, by the columns of /proc/net/dev. */
const DEVICE_FIELDS: readonly (readonly [field: string, column: string])[] = [
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

function writeNetdev(out: Exposition, { interfaces }: Moment): void {
  for (const [field, column] of DEVICE_FIELDS) {
    out.family(`node_network_${field}`, 'counter', `Network device statistic ${field}.`);
    for (const i of interfaces) out.sample(i.counters[column] ?? 0, [['device', i.name]]);
  }
  const info = 'Non-numeric data from /sys/class/net/<iface>, value is always 1.';
  out.family('node_network_info', 'gauge', info);
  for (const i of interfaces) out.sample(1, infoLabels(i));
  out.family('node_network_mtu_bytes', 'gauge', 'Network device property: mtu_bytes');
  for (const i of interfaces) out.sample(i.mtu, [['device', i.name]]);
  out.family('node_network_up', 'gauge', "Value is 1 if operstate is 'up', 0 otherwise.");
  for (const i of interfaces) out.sample(i.up && i.running ? 1 : 0, [['device', i.name]]);
}

function infoLabels(i: InterfaceDto): readonly (readonly [string, string])[] {
  return [
    ['address', i.mac],
    ['adminstate', i.up ? 'up' : 'down'],
    ['broadcast', i.loopback ? '00:00:00:00:00:00' : 'ff:ff:ff:ff:ff:ff'],
    ['device', i.name],
    ['duplex', ''],
    ['ifalias', ''],
    ['operstate', i.up && i.running ? 'up' : 'down'],
  ];
}

/** /proc/net/sockstat and sockstat6. */
function writeSockstat(out: Exposition, { sockets: s }: Moment): void {
  const field = (protocol: string, name: string, value: number) =>
    out.single(`node_sockstat_${protocol}_${name}`, 'gauge', `Number of ${protocol} sockets in state ${name}.`, value);
  const tcpStates = s.tcpStates.reduce((a, b) => a + b, 0);
  const timeWait = s.tcpStates[6]!;
  const requests = s.tcpStates[12]!;
  const tcp = tcpStates - timeWait - requests;
  field('TCP6', 'inuse', s.tcp6);
  field('TCP', 'alloc', tcp);
  field('TCP', 'inuse', s.tcp4);
  field('TCP', 'mem', s.tcpPages);
  field('TCP', 'mem_bytes', s.tcpPages * PAGE);
  field('TCP', 'tw', timeWait);
  field('UDP6', 'inuse', s.udp6);
  field('UDP', 'inuse', s.udp4);
  field('UDPLITE6', 'inuse', s.udpLite6);
  field('UDPLITE', 'inuse', s.udpLite4);
  const used = tcp + s.udp4 + s.udp6 + s.udpLite4 + s.udpLite6 + s.ping;
  out.single('node_sockstat_sockets_used', 'gauge', 'Number of IPv4 sockets in use.', used);
}

/** The tcpstat collector: states and queues. */
function writeTcpstat(out: Exposition, { sockets: s }: Moment): void {
  out.family('node_tcp_connection_states', 'gauge', 'Number of connection states.');
  for (let state = 1; state < STATE_LABELS.length; state++) {
    const requests = STATE_LABELS[state] === 'syn_recv' ? s.tcpStates[12]! : 0;
    out.sample(s.tcpStates[state]! + requests, [['state', STATE_LABELS[state]!]]);
  }
  out.sample(s.tcpReceiveQueue, [['state', 'rx_queued_bytes']]);
  out.sample(s.tcpSendQueue, [['state', 'tx_queued_bytes']]);
}

function writeTime(out: Exposition, s: Moment): void {
  out.single(
    'node_boot_time_seconds',
    'gauge',
    'Unix time of last boot, including microseconds.',
    s.snapshot.startedAtUnixMs / 1e3,
  );
  out.single('node_time_seconds', 'gauge', 'System time in seconds since epoch (1970).', s.snapshot.takenAtUnixMs / 1e3);
}

function writeUdpQueues(out: Exposition, { sockets: s }: Moment): void {
  const help = 'Number of allocated memory in the kernel for UDP datagrams in bytes.';
  out.family('node_udp_queues', 'gauge', help);
  const queue = (n: number, name: string, ip: string) =>
    out.sample(n, [
      ['ip', ip],
      ['queue', name],
    ]);
  queue(s.udp4ReceiveQueue, 'rx', 'v4');
  queue(s.udp6ReceiveQueue, 'rx', 'v6');
  queue(s.udp4SendQueue, 'tx', 'v4');
  queue(s.udp6SendQueue, 'tx', 'v6');
}

function writeUname(out: Exposition, _s: Moment, u: UnameInfo): void {
  out.family('node_uname_info', 'gauge', 'Labeled system information as provided by the uname system call.');
  out.sample(1, [
    ['domainname', '(none)'],
    ['machine', u.machine],
    ['nodename', u.nodename],
    ['release', u.release],
    ['sysname', 'tsnetstat'],
    ['version', u.version],
  ]);
}
