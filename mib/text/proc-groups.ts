/** /proc/net/igmp and igmp6, the multicast groups of interfaces: written from this stack's, and read as net-tools reads them. */
import type { GroupDto } from '../dto.js';
import { addressText, hexAddress6, ipv4Text } from './address.js';
import { swapped } from './socket-line.js';

export interface GroupLine {
  readonly interface: string;
  readonly users: number;
  /** Printable. */
  readonly group: string;
}

export interface GroupLines {
  readonly lines: readonly GroupLine[];
  /** Numbers of lines that are none, the first line being 0. */
  readonly bogus: readonly number[];
}

/** IPv4: a line of the interface, then one of each of its groups, which begins with tabs. */
export function readIgmp(text: string): GroupLines {
  const lines: GroupLine[] = [];
  const bogus: number[] = [];
  let device = '';
  for (const [n, line] of text.split('\n').entries()) {
    if (n === 0 || line === '') continue;
    const name = /^\s*-?\d+\t([^\s:]{1,15})/.exec(line);
    const group = /^\t+([0-9A-Fa-f]{1,64})\s+(-?\d+)/.exec(line);
    if (group)
      lines.push({ interface: device, users: Number(group[2]), group: ipv4Text(swapped(Number.parseInt(group[1]!, 16))) });
    else if (name && !line.startsWith('\t')) device = name[1]!;
    else bogus.push(n);
  }
  return { lines, bogus };
}

/** IPv6: a line a group. */
export function readIgmp6(text: string): GroupLines {
  const lines: GroupLine[] = [];
  const bogus: number[] = [];
  for (const [n, line] of text.split('\n').entries()) {
    if (line === '') continue;
    const m = /^\s*-?\d+\s+(\S{1,15})\s*([0-9A-Fa-f]{32})\s+(-?\d+)/.exec(line);
    if (!m) {
      bogus.push(n);
      continue;
    }
    const words = [0, 8, 16, 24].map((at) => Number.parseInt(m[2]!.slice(at, at + 8), 16));
    lines.push({ interface: m[1]!, users: Number(m[3]), group: addressText(6, words, 0) });
  }
  return { lines, bogus };
}

const IGMP_HEAD = 'Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n';

/** /proc/net/igmp. @param index the number of an interface */
export function procIgmp(groups: readonly GroupDto[], index: (name: string) => number): string {
  let text = IGMP_HEAD;
  const four = groups.filter((g) => g.family === 4);
  for (const name of new Set(four.map((g) => g.interface))) {
    const mine = four.filter((g) => g.interface === name);
    text += `${index(name)}\t${name.padEnd(10)}: ${String(mine.length).padStart(5)}      V3\n`;
    for (const g of mine) {
      const word = g.group.split('.').reverse().map((b) => Number(b).toString(16).toUpperCase().padStart(2, '0')); // biome-ignore format: one line
      text += `\t\t\t\t${word.join('')} ${String(g.users).padStart(5)} 0:00000000\t\t0\n`;
    }
  }
  return text;
}

/** /proc/net/igmp6. @param index the number of an interface */
export function procIgmp6(groups: readonly GroupDto[], index: (name: string) => number): string {
  const line = ({ interface: name, group, users }: GroupDto) =>
    `${String(index(name)).padEnd(4)} ${name.padEnd(15)} ${hexAddress6(group)} ${String(users).padStart(5)} 00000004 0\n`;
  return groups
    .filter((g) => g.family === 6)
    .map(line)
    .join('');
}
