/**
 * What being watched costs. One connection uploads without a break and tells every 50 ms how far it is; pieces of about a second in which
 * nobody asks alternate with pieces in which everything is asked for every 100 ms. Each watched piece is compared with the quiet ones on its
 * two sides: so slow changes of the machine fall out, and many pieces make a small effect visible that one run could not show.
 */
import { type Answer, pause } from './bed.js';
import type { Measure } from './measure.js';
import { sharesBetween, type ThreadShares, threadTimes } from './process-cpu.js';
import { type Mode, type Row, row } from './report.js';
import type { Bench } from './sides.js';
import { median } from './statistics.js';

const EVERY_MS = 100;
const TELL_MS = 50;
/** Of the daemon on loopback. */
const SNMP = 'snmp:1161';
const KINDS = [
  { name: 'scrape: /metrics and /metrics/node', ask: ['/metrics', '/metrics/node'] },
  { name: 'scrape: the same and an SNMP walk', ask: ['/metrics', '/metrics/node', SNMP] },
] as const;

/** How far the upload was at a time (CLOCK_MONOTONIC). */
interface Point {
  readonly at: number;
  readonly bytes: number;
}

export interface Piece {
  /** Gb/s. */
  readonly rate: number;
  readonly seconds: number;
  readonly cpu: ThreadShares;
  /** What the scraper says of its rounds; null for a quiet piece. */
  readonly scraped: Answer | null;
}

/** Bytes at a time between two points that were told, as if they had come evenly. NaN outside. */
export function bytesAt(points: readonly Point[], at: number): number {
  const i = points.findIndex((p) => p.at >= at);
  if (i < 0) return Number.NaN;
  const after = points[i]!;
  if (after.at === at) return after.bytes;
  const before = points[i - 1];
  if (!before) return Number.NaN;
  return before.bytes + ((after.bytes - before.bytes) * (at - before.at)) / (after.at - before.at);
}

const monotonic = () => Number(process.hrtime.bigint()) / 1e9;

/** One watched or quiet piece: when it was, and what it took. */
async function piece(bench: Bench, ask: readonly string[]): Promise<Omit<Piece, 'rate'> & { from: number; to: number }> {
  const { bed, daemon, settings } = bench;
  const length = Math.min(1, settings.seconds);
  const from = monotonic();
  const before = threadTimes(daemon.pid);
  let scraped: Answer | null = null;
  if (ask.length === 0) await pause(length * 1000);
  else scraped = await bed.ask(daemon.namespace, 'scraper', daemon.socket, EVERY_MS, length, ...ask);
  const to = monotonic();
  return { from, to, seconds: to - from, cpu: sharesBetween(daemon.pid, before, threadTimes(daemon.pid)), scraped };
}

/** Quiet and watched pieces in turn: quiet, a, quiet, b, quiet, a … and quiet at the end. */
async function pieces(bench: Bench, cycles: number): Promise<Piece[]> {
  const { bed, stack, settings } = bench;
  const longest = cycles * KINDS.length * 2 * (Math.min(1, settings.seconds) + 1) + 60;
  const upload = bed.start(stack.namespace, [
    await bed.tool('peer'),
    'upload',
    stack.address,
    '9',
    String(longest),
    String(TELL_MS),
  ]);
  try {
    await bed.until(upload, () => upload.output().split('\n').length > 4, 'upload');
    const taken = [await piece(bench, [])];
    for (let i = 0; i < cycles; i++) {
      for (const kind of KINDS) taken.push(await piece(bench, kind.ask), await piece(bench, []));
    }
    await pause(3 * TELL_MS);
    const points = upload
      .output()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Point);
    return taken.map((p) => ({ ...p, rate: ((bytesAt(points, p.to) - bytesAt(points, p.from)) * 8) / p.seconds / 1e9 }));
  } finally {
    upload.child.kill('SIGKILL');
    await upload.ended;
  }
}

/** The rows of one kind of watching. @param taken as `pieces` orders them */
export function scrapeRows(taken: readonly Piece[], kind: number, kinds: number, name: string, mode: Mode): Row[] {
  const watched: Piece[] = [];
  const quiet: { rate: number; perCpu: number; main: number }[] = [];
  const perCpu = (p: Piece) => (p.rate * p.seconds) / p.cpu.all;
  for (let i = 1 + 2 * kind; i + 1 < taken.length; i += 2 * kinds) {
    const [before, here, after] = [taken[i - 1]!, taken[i]!, taken[i + 1]!];
    watched.push(here);
    const main = (before.cpu.main + after.cpu.main) / (before.seconds + after.seconds);
    quiet.push({ rate: (before.rate + after.rate) / 2, perCpu: (perCpu(before) + perCpu(after)) / 2, main });
  }
  const each = (of: (p: Piece, i: number) => number) => median(watched.map(of));
  const milliseconds = each((p, i) => ((p.cpu.main - quiet[i]!.main * p.seconds) * 1000) / p.scraped!['rounds']!);
  const kilobytes = each((p) => p.scraped!['octets']! / p.scraped!['rounds']! / 1000);
  const latency = each((p) => p.scraped!['p50']! / 1000);
  const notes = [
    `every ${EVERY_MS} ms, ${watched.length} pieces: a round of ${kilobytes.toFixed(0)} kB is answered in ${latency.toFixed(1)} ms and takes ` +
      `${milliseconds.toFixed(1)} ms of the daemon's thread`,
  ];
  const common = { mode, baseline: 'nobody asks' };
  return [
    row({
      ...common,
      name,
      unit: 'Gb/s',
      ours: watched.map((p) => p.rate),
      theirs: quiet.map((q) => q.rate),
      goal: { least: 0.98, aim: 0.995 },
      notes,
    }),
    row({
      ...common,
      name: `${name}, per CPU s`,
      unit: 'Gb/CPU s',
      ours: watched.map(perCpu),
      theirs: quiet.map((q) => q.perCpu),
    }),
  ];
}

export const scrape: Measure = {
  name: 'scrape',
  about: 'an upload while everything is asked for every 100 ms, against the same upload alone',
  modes: ['offloads'],
  async run(bench) {
    const { quick, rounds } = bench.settings;
    const taken = await pieces(bench, quick ? 2 : Math.max(4, 3 * rounds));
    return KINDS.flatMap((kind, i) => scrapeRows(taken, i, KINDS.length, kind.name, bench.mode));
  },
};
