import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { counters } from '../../../mib/catalogue/index.js';
import { legacyTcpExt } from '../../../mib/catalogue/legacy.js';
import { printStatistics, type StatisticsFlags } from '../../../mib/text/netstat-s.js';
import { note } from '../../support/needs.js';
import { counterVector, STATISTICS_ARGS } from '../../support/vectors.js';
import { oracleNeeds, type Ran, runNetstat, writeFiles } from '../netstat-oracle.js';

const NO_FLAGS: StatisticsFlags = { family: 4, tcp: false, udp: false, udplite: false, sctp: false, raw: false };
const BY_LETTER: Record<string, Partial<StatisticsFlags>> = {
  t: { tcp: true },
  u: { udp: true },
  w: { raw: true },
  S: { sctp: true },
  U: { udplite: true },
  6: { family: 6 },
};
function flagsOf(args: string): StatisticsFlags {
  return Object.assign({ ...NO_FLAGS }, ...[...args].map((letter) => BY_LETTER[letter]));
}
const ours = (files: Record<string, string>, args: string): Ran => ({ ...printStatistics(files, flagsOf(args)), status: 0 });

interface Golden {
  readonly files: Record<string, string>;
  readonly runs: readonly ({ readonly args: string } & Ran)[];
}
const GOLDEN = new URL('../../golden/netstat-s.json', import.meta.url);
const GOLDEN_ARGS = [...STATISTICS_ARGS, '-sS', '-sU', '-s6t', '-s6u', '-s6w', '-stu'];

describe('netstat -s', () => {
  // What the real netstat printed, kept for machines without one. UPDATE_GOLDEN=1 asks it again.
  if (process.env['UPDATE_GOLDEN'] && !oracleNeeds) writeGolden();
  const golden = JSON.parse(readFileSync(GOLDEN, 'utf8')) as Golden[];

  it('has goldens worth the name', () => {
    expect(golden.length).toBeGreaterThanOrEqual(12);
    expect(golden.some((g) => g.runs.some((r) => r.stderr.includes('cannot open')))).toBe(true);
    expect(golden.some((g) => g.runs.some((r) => r.stdout.includes('18446744073709551615')))).toBe(true);
  });

  it.each(golden.map((g, i) => [i, g] as const))('prints golden vector %i as the real one did', (_, { files, runs }) => {
    for (const { args, ...real } of runs) expect({ args, ...ours(files, args) }).toEqual({ args, ...real });
  });

  it.skipIf(oracleNeeds)(`equals the real netstat on 1,000 random vectors${note(oracleNeeds)}`, { timeout: 120_000 }, () => {
    const vectors = Array.from({ length: 1000 }, (_, i) => counterVector(i + 1));
    compare(vectors, [...STATISTICS_ARGS]);
  });

  it.skipIf(oracleNeeds)(`equals the real netstat where every counter has its own value${note(oracleNeeds)}`, () => {
    const snmp = lines(['Ip', 'Icmp', 'Tcp', 'Udp', 'UdpLite']);
    const netstat = lines(
      ['TcpExt', 'IpExt', 'MPTcpExt'],
      legacyTcpExt.map((s) => s.name),
    );
    const snmp6 = counters
      .filter((c) => c.group.file === 'snmp6')
      .map((c, i) => `${c.group.name}${c.entry.name}\t${i + 1}\n`)
      .join('');
    compare([{ snmp, netstat, snmp6 }], GOLDEN_ARGS);
  });

  it('keeps the indentation across groups that have no table', () => {
    const icmp = 'Icmp: InMsgs OutEchos\nIcmp: 1 2\nIcmpMsg: OutType8\nIcmpMsg: 2\nTcp: Foo\nTcp: 3\n';
    expect(ours({ snmp: icmp }, '-s').stdout).toBe(
      'Icmp:\n    1 ICMP messages received\n    ICMP output histogram:\n        echo requests: 2\n' +
        'IcmpMsg:\n        OutType8: 2\nTcp:\n    Foo: 3\n',
    );
    expect(ours({ snmp: icmp }, '-st').stdout).toBe('IcmpMsg:\n    OutType8: 2\nTcp:\n    Foo: 3\n');
  });
});

function lines(groups: string[], more: string[] = []): string {
  let n = 0;
  return groups
    .map((g) => {
      const names = counters.filter((c) => c.group.name === g).map((c) => c.entry.name as string);
      if (g === 'TcpExt') names.push(...more);
      return `${g}: ${names.join(' ')}\n${g}: ${names.map(() => ++n).join(' ')}\n`;
    })
    .join('');
}

function withFolders<T>(vectors: readonly Record<string, string>[], run: (dirs: string[]) => T): T {
  const work = mkdtempSync(join(tmpdir(), 'tsnetstat-vectors-'));
  try {
    return run(vectors.map((files, i) => writeFiles(join(work, String(i)), files)));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function compare(vectors: readonly Record<string, string>[], args: readonly string[]): void {
  const real = withFolders(vectors, (dirs) => runNetstat(dirs.flatMap((dir) => args.map((a) => ({ dir, args: [a] })))));
  const wrong = real.flatMap((r, i) => {
    const vector = Math.floor(i / args.length);
    const arg = args[i % args.length]!;
    const mine = ours(vectors[vector]!, arg);
    const same = mine.stdout === r.stdout && mine.stderr === r.stderr && mine.status === r.status;
    return same ? [] : [{ vector, arg, mine, real: r }];
  });
  expect(real.length).toBe(vectors.length * args.length);
  expect(wrong[0]).toBeUndefined();
}

function writeGolden(): void {
  const vectors = Array.from({ length: 9 }, (_, i) => counterVector(7000 + i));
  vectors.push(
    {},
    { netstat: 'TcpExt: TW\nTcpExt: 1\n' },
    { snmp: 'Tcp: ActiveOpens\nno colon\n', snmp6: 'Ip6InReceives\t-1\n' },
  );
  const real = withFolders(vectors, (dirs) => runNetstat(dirs.flatMap((dir) => GOLDEN_ARGS.map((a) => ({ dir, args: [a] })))));
  const golden: Golden[] = vectors.map((files, v) => ({
    files,
    runs: GOLDEN_ARGS.map((args, a) => ({ args, ...real[v * GOLDEN_ARGS.length + a]! })),
  }));
  writeFileSync(GOLDEN, `${JSON.stringify(golden)}\n`);
}
