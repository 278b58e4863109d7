/**
 * `npm run bench`: the one place for figures. Every measure is taken in turn with its baseline (A B A B …) in the same run; the table at the
 * end has medians, their spread and ratios. What each means is in README.md; --help and --list tell the rest.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { needs } from '../support/needs.js';
import { Bed, closeOnSignals } from './bed.js';
import { eventRows, events } from './events.js';
import { measures } from './measures.js';
import { MODES, type Mode, parseResults, type Results, type Row, table } from './report.js';
import { type Bench, type Settings, startBench } from './sides.js';

const HELP = `npm run bench -- [NAME …] [OPTION …]     measures by name, all without one
npm run bench -- idle [--tap] [OPTION …] idle connections and timers in virtual time, or in a living daemon (idle.ts)
npm run bench -- soak [--minutes N]      mixed load for a long time: nothing lost, nothing leaked (soak.ts)

  --list           names and what they measure
  --rounds N       rounds of each measure, 5 unless told
  --seconds S      of each sample, 2 unless told
  --quick          2 rounds of 0.3 s: only to see that all works
  --plain          only without offloads on either side; --offloads: only with them. Both without
  --connections N  idle connections of \`crowd\`, 100000 unless told
  --profile DIR    CPU profiles of the daemon, one a thread
  --against DIR    another checkout, built, in turn with this one instead of the kernel
  --daemon=FLAGS   more flags for tsnetstatd, as in --daemon="--queues 2"
  --json FILE      writes all samples
  --compare FILE   shows what an earlier --json run had, and marks changes beyond the spread
`;
const PROGRAMS: readonly (readonly [string, string])[] = [
  [
    'idle',
    'a program of its own: bytes and times of idle connections, TIME-WAIT entries, timers, in virtual time; --tap: in a living daemon',
  ],
  ['soak', 'a program of its own: the daemon under mixed load for minutes, verified to the byte'],
];

function options() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        help: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        quick: { type: 'boolean', default: false },
        plain: { type: 'boolean', default: false },
        offloads: { type: 'boolean', default: false },
        connections: { type: 'string' },
        daemon: { type: 'string', default: '' },
        profile: { type: 'string', default: '' },
        against: { type: 'string', default: '' },
        json: { type: 'string' },
        compare: { type: 'string' },
      },
    });
  } catch (e) {
    return fail((e as Error).message);
  }
}

function fail(message: string): never {
  process.stderr.write(`bench: ${message}\n`);
  process.exit(2);
}

function positive(text: string | undefined, name: string, otherwise: number): number {
  const n = text === undefined ? otherwise : Number(text);
  if (!(n > 0 && Number.isFinite(n))) fail(`--${name}: ${text} is no number above 0`);
  return n;
}

type Values = ReturnType<typeof options>['values'];

function settingsOf(values: Values): Settings {
  const quick = values.quick === true;
  return {
    quick,
    rounds: Math.ceil(positive(values.rounds, 'rounds', quick ? 2 : 5)),
    seconds: positive(values.seconds, 'seconds', quick ? 0.3 : 2),
    connections: Math.ceil(positive(values.connections, 'connections', quick ? 2000 : 100_000)),
    flags: values.daemon!.split(/\s+/).filter(Boolean),
    profile: values.profile ? resolve(values.profile) : '',
    against: values.against ? resolve(values.against) : '',
  };
}

/** The modes that were asked for, or all; why one of them cannot be had is said in one line. */
function modesOf(values: Values): Mode[] {
  const asked = MODES.filter((m) => values[m]);
  const modes = asked.length > 0 ? asked : [...MODES];
  const why = needs.tool('ethtool');
  if (!why || !modes.includes('plain')) return modes;
  process.stderr.write(`bench: ${why} to turn off the offloads of the kernel's veth; nothing is measured without offloads\n`);
  return modes.filter((m) => m !== 'plain');
}

/** Takes the chosen measures of one mode. One that fails is told and does not keep the others. */
async function takeMode(bench: Bench, chosen: typeof measures, failed: string[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const m of chosen) {
    const from = performance.now();
    process.stderr.write(`bench: ${m.name}${bench.mode === 'plain' ? ', plain' : ''} …`);
    try {
      rows.push(...(await m.run(bench)));
      process.stderr.write(` ${((performance.now() - from) / 1000).toFixed(0)} s\n`);
    } catch (e) {
      if (bench.bed.closed) throw e;
      process.stderr.write(` failed\nbench: ${(e as Error).message}\n`);
      failed.push(m.name);
    }
  }
  return rows;
}

async function take(values: Values, chosen: typeof measures, settings: Settings, failed: string[]): Promise<Row[]> {
  const bed = new Bed();
  closeOnSignals(bed);
  const rows: Row[] = [];
  try {
    const asked = values.plain === true || values.offloads === true;
    for (const mode of modesOf(values)) {
      // who asks for a mode gets every measure in it
      const here = chosen.filter((m) => asked || m.modes.includes(mode));
      if (here.length === 0) continue;
      const bench = await startBench(bed, mode, settings);
      rows.push(...(await takeMode(bench, here, failed)));
      await bed.end(bench.daemon); // in order: a profile is written at its end
    }
  } catch (e) {
    if (!bed.closed) throw e;
    await new Promise(() => {}); // a signal ends this process when everything is taken away
  } finally {
    await bed.close();
  }
  return rows;
}

async function main(): Promise<void> {
  const { values, positionals } = options();
  if (values.help) return void process.stdout.write(HELP);
  if (values.list) {
    for (const [name, about] of [...measures.map((m) => [m.name, m.about]), ...PROGRAMS]) {
      process.stdout.write(`${name!.padEnd(12)}${about}\n`);
    }
    return;
  }
  const unknown = positionals.find((p) => !measures.some((m) => m.name === p));
  if (unknown) fail(`there is no measure ${unknown}; --list tells which there are`);
  const chosen = positionals.length > 0 ? measures.filter((m) => positionals.includes(m.name)) : measures;
  const settings = settingsOf(values);
  if (settings.against && !existsSync(join(settings.against, 'dist', 'daemon', 'main.js')))
    fail(`${settings.against} has no build: npm run build there`);
  const earlier = values.compare ? parseResults(readFileSync(values.compare, 'utf8'), values.compare) : undefined;
  const failed: string[] = [];
  let rows: Row[];
  const why = needs.all(needs.netns, needs.tap, needs.tool('cc'));
  if (why) {
    process.stderr.write(`bench: ${why}; only what runs in this process is measured\n`);
    rows = chosen.includes(events) ? eventRows('offloads', settings.quick) : [];
  } else rows = await take(values, chosen, settings, failed);
  const { quick, rounds, seconds } = settings;
  process.stdout.write(`${rounds} rounds of ${seconds} s, median [spread]${quick ? '; too short to mean anything' : ''}\n\n`);
  process.stdout.write(`${table(rows, earlier?.rows)}\n`);
  const results: Results = {
    format: 2,
    when: new Date().toISOString(),
    machine: { node: process.version, kernel: release(), cores: availableParallelism() },
    settings: { ...settings },
    rows,
  };
  if (values.json) writeFileSync(values.json, `${JSON.stringify(results, null, 1)}\n`);
  if (failed.length > 0) fail(`failed: ${failed.join(', ')}`);
}

const program = process.argv[2];
if (program === 'idle') await import('./idle.js');
else if (program === 'soak') await import('./soak.js');
else await main();
