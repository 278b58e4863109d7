/**
 * The names of probe points. Every counter is a probe point under three spellings, and all are accepted wherever a probe is named:
 *
 *   kernel      Tcp.RetransSegs       also the per-type slots: IcmpMsg.InType3, Icmp6.InType135
 *   SystemTap   tcpmib.RetransSegs    tcpmib, ipmib, linuxmib; the tapsets' own names, and any other counter of these groups by the same rule
 *   DTrace      mib:::tcpRetransSegs  the mib provider's own names, else by rule `mib:::` + group + name
 *
 * Event probes (state changes, sends, receives) have a name of their own, `tcp:state-change`, and the aliases of points.ts.
 */
import { CELLS, cellByKey, cellName, counters } from '../catalogue/index.js';
import { EVENT_PROBES } from './points.js';

const TAPSETS: ReadonlyMap<string, readonly string[]> = new Map([
  ['tcpmib', ['Tcp']],
  ['ipmib', ['Ip', 'IpExt']],
  ['linuxmib', ['TcpExt']],
]);

/** Points by foreign spelling. An IP event of DTrace is one name for both families, so a name may stand for two points. */
const aliases: ReadonlyMap<string, readonly number[]> = (() => {
  const map = new Map<string, number[]>();
  const exact = counters.flatMap((c) => (c.entry.probes ?? []).map((name) => [name, c] as const));
  for (const [name, c] of [...exact.filter(([n]) => !n.endsWith('~')), ...exact.filter(([n]) => n.endsWith('~'))]) {
    const spelling = name.replace(/^stap:/, '').replace(/~$/, '');
    const known = map.get(spelling);
    // Several Linux counters may be near one DTrace name: the first in print order stands for it, in each family.
    if (!known) map.set(spelling, [c.id]);
    else if (c.group.file === 'snmp6' && known.length === 1 && !cellName(known[0]!).includes('6.')) known.push(c.id);
  }
  for (const c of counters) {
    const byRule = `mib:::${c.group.name.charAt(0).toLowerCase()}${c.group.name.slice(1)}${c.entry.name}`;
    if (!map.has(byRule)) map.set(byRule, [c.id]);
  }
  for (const [i, event] of EVENT_PROBES.entries()) {
    for (const name of [event.name, ...event.aliases]) map.set(name, [CELLS + i]);
  }
  return map;
})();

/** The probe points that a name stands for; none when it is unknown. */
export function resolveProbe(name: string): readonly number[] {
  const cell = cellByKey(name);
  if (cell !== undefined) return [cell];
  const known = aliases.get(name);
  if (known) return known;
  const dot = name.indexOf('.');
  for (const group of TAPSETS.get(name.slice(0, dot)) ?? []) {
    const id = cellByKey(`${group}.${name.slice(dot + 1)}`);
    if (id !== undefined) return [id];
  }
  return [];
}

/** The name of a probe point: the kernel's spelling of a counter, or an event probe's own. */
export function probeName(point: number): string {
  return point < CELLS ? cellName(point) : (EVENT_PROBES[point - CELLS]?.name ?? `probe ${point}`);
}

/** Every name that stands for a probe point, its own first. */
export function probeSpellings(point: number): string[] {
  const found = new Set([probeName(point)]);
  for (const [name, points] of aliases) if (points.includes(point)) found.add(name);
  return [...found];
}
