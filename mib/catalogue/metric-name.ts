/**
 * Names of the native Prometheus series, by rule from the catalogue: `tsnetstat_` + group + name in snake_case. Octets become `_bytes`,
 * milliseconds become `_seconds` (base units); a counter's samples end in `_total`. `Tcp.InSegs` is tsnetstat_tcp_in_segs_total,
 * `TcpExt.TCPHPHits` tsnetstat_tcp_ext_tcp_hp_hits_total, `IpExt.InOctets` tsnetstat_ip_ext_in_bytes_total.
 */
import type { Counter } from './index.js';

const GROUP_WORDS: Readonly<Record<string, string>> = { UdpLite6: 'udp_lite6', MPTcpExt: 'mptcp_ext' };
const MILLISECONDS: ReadonlySet<string> = new Set(['Tcp.RtoMin', 'Tcp.RtoMax']);

/** `InNoECTPkts` → `in_no_ect_pkts`; the TCP in front of most TcpExt names is a word of its own, and so is a plural like ACKs. */
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

/** A counter's family: its name without `_total`. */
export function metricFamily({ group, entry, key }: Counter): string {
  const name = snake(entry.name).replace(/octets$/, 'bytes') + (MILLISECONDS.has(key) ? '_seconds' : '');
  return `tsnetstat_${GROUP_WORDS[group.name] ?? snake(group.name)}_${name}`;
}

/** The name of its samples. */
export function metricName(counter: Counter): string {
  return counter.entry.kind === 'counter' ? `${metricFamily(counter)}_total` : metricFamily(counter);
}

/** What the cell is multiplied with to get the base unit. */
export function metricScale(counter: Counter): number {
  return MILLISECONDS.has(counter.key) ? 0.001 : 1;
}

/** Family of an interface counter: `rxBytes` → tsnetstat_device_receive_bytes. */
export function deviceFamily(name: string): string {
  return `tsnetstat_device_${snake(name).replace(/^rx_/, 'receive_').replace(/^tx_/, 'transmit_')}`;
}
