/**
 * /proc/net/{snmp,netstat,snmp6} written from cells and read into groups, in the kernel's exact format, so that every tool that reads
 * Linux's files (netstat, nstat, node_exporter, …) reads this stack's.
 *
 * snmp, netstat: a line of names, a line of values, each behind `Group:`. IcmpMsg holds only types that are not 0, sixteen a pair of lines,
 * all received before all sent. snmp6: `Ip6InReceives` padded to 32, a tab, the value; ICMPv6 types only where not 0.
 * Values are unsigned 64 bit: a level below zero is printed modulo 2^64 as the kernel's %lu does; Tcp MaxConn alone is signed.
 */
import { countersOf, groups, Icmp6Msg, IcmpMsg, Tcp } from '../catalogue/index.js';
import { unsignedText } from './unsigned.js';

const TYPES_PER_LINE = 16;
const U64 = 1n << 64n;

function valueText(id: number, value: number): string {
  return id === Tcp.MaxConn ? String(value) : unsignedText(value);
}

const columns = new Map(groups.map((g) => [g.name, countersOf(g.name)] as const));

function pair(group: string, cells: ArrayLike<number>): string {
  let names = `${group}:`;
  let values = `${group}:`;
  for (const c of columns.get(group)!) {
    names += ` ${c.entry.name}`;
    values += ` ${valueText(c.id, cells[c.id]!)}`;
  }
  return `${names}\n${values}\n`;
}

/** ICMP types that are not 0, `[name, value]`: received ascending, then sent. */
function icmpTypes(cells: ArrayLike<number>, inBase: number, outBase: number): [string, string][] {
  const out: [string, string][] = [];
  for (const [base, word] of [[inBase, 'InType'] as const, [outBase, 'OutType'] as const]) {
    for (let t = 0; t < 256; t++) {
      const value = cells[base + t]!;
      if (value !== 0) out.push([word + t, unsignedText(value)]);
    }
  }
  return out;
}

function icmpMsg(cells: ArrayLike<number>): string {
  const types = icmpTypes(cells, IcmpMsg.In, IcmpMsg.Out);
  let text = '';
  for (let i = 0; i < types.length; i += TYPES_PER_LINE) {
    const some = types.slice(i, i + TYPES_PER_LINE);
    text += `IcmpMsg: ${some.map((t) => t[0]).join(' ')}\nIcmpMsg: ${some.map((t) => t[1]).join(' ')}\n`;
  }
  return text;
}

/** /proc/net/snmp. @param cells by cell id */
export function procSnmp(cells: ArrayLike<number>): string {
  return ['Ip', 'Icmp', 'IcmpMsg', 'Tcp', 'Udp', 'UdpLite']
    .map((group) => (group === 'IcmpMsg' ? icmpMsg(cells) : pair(group, cells)))
    .join('');
}

/** /proc/net/netstat. @param cells by cell id */
export function procNetstat(cells: ArrayLike<number>): string {
  return pair('TcpExt', cells) + pair('IpExt', cells) + pair('MPTcpExt', cells);
}

/** /proc/net/snmp6. @param cells by cell id */
export function procSnmp6(cells: ArrayLike<number>): string {
  const line = (name: string, value: string) => `${name.padEnd(32)}\t${value}\n`;
  const group = (name: string) =>
    columns
      .get(name)!
      .map((c) => line(name + c.entry.name, unsignedText(cells[c.id]!)))
      .join('');
  const types = icmpTypes(cells, Icmp6Msg.In, Icmp6Msg.Out);
  return group('Ip6') + group('Icmp6') + types.map(([n, v]) => line(`Icmp6${n}`, v)).join('') + group('Udp6') + group('UdpLite6');
}

/** Counters of a file by group and name, in file order. Values are exact: beyond 2^53 a plain number would not be. */
export type ProcGroups = Map<string, Map<string, bigint>>;

function put(into: ProcGroups, group: string, name: string, value: bigint): void {
  const known = into.get(group) ?? new Map<string, bigint>();
  into.set(group, known.set(name, value));
}

function numberOf(text: string | undefined): bigint {
  if (text === undefined || !/^[+-]?\d+$/.test(text)) return 0n;
  const n = BigInt(text);
  return n >= U64 ? U64 - 1n : n;
}

/** Reads snmp and netstat. What is not a pair of lines with the same group is left out. Signed values stay signed (MaxConn -1). */
export function readPairs(text: string, into: ProcGroups = new Map()): ProcGroups {
  const lines = text.split('\n').filter((l) => l !== '');
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const [group, names] = splitAtColon(lines[i]!);
    const [group2, values] = splitAtColon(lines[i + 1]!);
    if (group === undefined || group !== group2) continue;
    for (const [k, name] of names.entries()) put(into, group, name, numberOf(values[k]));
  }
  return into;
}

function splitAtColon(line: string): [string | undefined, string[]] {
  const colon = line.indexOf(':');
  if (colon < 0) return [undefined, []];
  return [
    line.slice(0, colon),
    line
      .slice(colon + 1)
      .split(/\s+/)
      .filter(Boolean),
  ];
}

/** Reads snmp6: the group is what stands up to the first 6, and the name what follows. */
export function readSnmp6(text: string, into: ProcGroups = new Map()): ProcGroups {
  for (const line of text.split('\n')) {
    const [name, value] = line.trim().split(/\s+/);
    if (!name) continue;
    const six = name.indexOf('6');
    if (six < 0) put(into, name, name, numberOf(value));
    else put(into, name.slice(0, six + 1), name.slice(six + 1), numberOf(value));
  }
  return into;
}
