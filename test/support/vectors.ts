/** Random /proc/net counter files, seeded: what any kernel might print, and what none would. */
import { counters, groups } from '../../mib/catalogue/index.js';
import { legacyTcpExt, sctp } from '../../mib/catalogue/legacy.js';

/** Mulberry32: numbers in [0, 1). */
export function seeded(seed: number): () => number {
  let a = seed | 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const ODD = [
  '-1',
  '18446744073709551615',
  '18446744073709551616',
  '99999999999999999999999',
  '-99',
  '9223372036854775808',
  '007',
];

/** Files by name; one that is missing is not there. */
export function counterVector(seed: number): Record<string, string> {
  const random = seeded(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const odds = (p: number) => random() < p;
  const zeros = pick([0.1, 0.5, 0.9, 1]);
  const value = () => {
    if (odds(zeros)) return '0';
    if (odds(0.1)) return pick(ODD);
    return String(Math.floor(random() ** 4 * 2 ** pick([3, 16, 32, 53])));
  };
  const names = (group: string): string[] => {
    const own = counters.filter((c) => c.group.name === group).map((c) => c.entry.name as string);
    if (group === 'TcpExt' && odds(0.3)) own.push(...legacyTcpExt.filter(() => odds(0.5)).map((s) => s.name));
    if (odds(0.1)) own.splice(Math.floor(random() * own.length), 0, pick(['Unheard', 'NewThing', 'A:B', 'Tcp']));
    return odds(0.1) ? own.filter(() => odds(0.7)) : own;
  };
  const pair = (group: string, of: string[]) => {
    const values = of.map(value);
    if (odds(0.03)) values.length = Math.floor(values.length / 2); // an older kernel's shorter line
    if (odds(0.02)) values[Math.floor(random() * values.length)] = 'x';
    return `${group}: ${of.join(' ')}\n${group}: ${values.join(' ')}\n`;
  };
  const icmpMsg = () => {
    const types = Array.from({ length: Math.floor(random() * 20) }, (_, i) => `${i < 10 ? 'In' : 'Out'}Type${i * 3}`);
    return types.length > 0 ? pair('IcmpMsg', types) : '';
  };
  const file = (name: string) => {
    let text = '';
    for (const g of groups.filter((g) => g.file === name)) {
      if (odds(0.03)) continue;
      text += pair(g.name, names(g.name));
      if (g.name === 'Icmp') text += icmpMsg();
      if (odds(0.02)) text += pick(['Weird: A B\nWeird: 1 0\n', 'Empty:\nEmpty:\n', '\n', 'no colon\nTcp: 1\n']);
    }
    return odds(0.02) ? text.slice(0, -1) : text;
  };
  const snmp6 = () => {
    let text = '';
    for (const g of groups.filter((g) => g.file === 'snmp6')) {
      for (const n of names(g.name)) text += `${(g.name + n).padEnd(32)}\t${value()}\n`;
      if (g.name === 'Icmp6')
        for (let t = 0; t < 5; t++) if (odds(0.3)) text += `Icmp6InType${t * 40}                \t${t + 1}\n`;
      if (odds(0.02)) text += pick(['NoSix\t3\n', 'Foo6Bar  \t-1\n', 'Tcp6Thing 1\n']);
    }
    return text;
  };
  const files: Record<string, string> = {};
  if (!odds(0.03)) files['snmp'] = odds(0.01) ? '' : file('snmp');
  if (!odds(0.05)) files['netstat'] = file('netstat');
  if (!odds(0.05)) files['snmp6'] = snmp6();
  if (odds(0.2)) files['sctp/snmp'] = sctp.map((s) => `${s.name.padEnd(32)}\t${value()}\n`).join('');
  return files;
}

export const STATISTICS_ARGS = ['-s', '-s6', '-st', '-su', '-sw'] as const;
