/**
 * Names of the native series, by rule from the catalogue: `tsnetstat_` + group + name in snake_case. Octets become `_bytes`, milliseconds
 * become `_seconds` (base units); a counter's samples end in `_total`. `Tcp.InSegs` is tsnetstat_tcp_in_segs_total,
 * `TcpExt.TCPHPHits` tsnetstat_tcp_ext_tcp_hp_hits_total, `IpExt.InOctets` tsnetstat_ip_ext_in_bytes_total.
 */
import { type Counter, counters } from '../../mib/catalogue/index.js';
import type { FamilyType } from './exposition.js';

const GROUP_WORDS: Readonly<Record<string, string>> = { UdpLite6: 'udp_lite6', MPTcpExt: 'mptcp_ext' };

/** `InNoECTPkts` → `in_no_ect_pkts`; the TCP in front of most TcpExt names is a word of its own. */
export function snake(name: string): string {
  return name
    .replace(/(OK|ACK|RTO|RST)s$/, (m) => m[0] + m.slice(1).toLowerCase())
    .replace(/HMac/, 'Hmac')
    .replace(/MLDv2/, 'Mldv2')
    .replace(/^(MPTCP|TCP)(?=[A-Z])/, '$1_')
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1_$2')
    .toLowerCase();
}

export interface NativeMetric {
  readonly counter: Counter;
  /** Family, without `_total`. */
  readonly family: string;
  readonly type: FamilyType;
  readonly help: string;
  /** What the cell is multiplied with: 0.001 for milliseconds. */
  readonly scale: number;
}

const MILLISECONDS = new Set(['Tcp.RtoMin', 'Tcp.RtoMax']);

function nativeMetric(counter: Counter): NativeMetric {
  const { group, entry, key } = counter;
  let name = snake(entry.name).replace(/octets$/, 'bytes');
  if (MILLISECONDS.has(key)) name += '_seconds';
  const why = entry.unsupported ? ` (not moved by this stack: ${entry.unsupported})` : '';
  return {
    counter,
    family: `tsnetstat_${GROUP_WORDS[group.name] ?? snake(group.name)}_${name}`,
    type: entry.kind === 'counter' ? 'counter' : 'gauge',
    help: `${key}: ${entry.meaning}${why}`,
    scale: MILLISECONDS.has(key) ? 0.001 : 1,
  };
}

/** One a counter, in print order. */
export const nativeMetrics: readonly NativeMetric[] = counters.map(nativeMetric);

/** The per-type slots: one family a direction and protocol, the ICMP type as a label. */
export const SLOT_FAMILIES = Object.freeze([
  { slots: 'IcmpMsg.In', family: 'tsnetstat_icmp_msg_in', help: 'IcmpMsg.InType: ICMP messages received, by type' },
  { slots: 'IcmpMsg.Out', family: 'tsnetstat_icmp_msg_out', help: 'IcmpMsg.OutType: ICMP messages sent, by type' },
  { slots: 'Icmp6Msg.In', family: 'tsnetstat_icmp6_msg_in', help: 'Icmp6.InType: ICMPv6 messages received, by type' },
  { slots: 'Icmp6Msg.Out', family: 'tsnetstat_icmp6_msg_out', help: 'Icmp6.OutType: ICMPv6 messages sent, by type' },
] as const);

/** `rxBytes` → tsnetstat_device_receive_bytes. */
export function deviceFamily(name: string): string {
  const words = snake(name).replace(/^rx_/, 'receive_').replace(/^tx_/, 'transmit_');
  return `tsnetstat_device_${words}`;
}
