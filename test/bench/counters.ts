/** What counting costs: a second daemon from which every increment is taken out (no-counters.mjs), in turn with the one that counts. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { get, root } from './bed.js';
import type { Measure } from './measure.js';
import { MODES, type Row, row } from './report.js';
import { type Bench, inTurn, perCpuSecond, type Sample, type Side, startStack, values } from './sides.js';

const PRELOAD = pathToFileURL(join(root, 'test', 'bench', 'no-counters.mjs')).href;
/** What the kernel prints among its counters though it counts nothing. */
const CONSTANTS = new Set(['Forwarding', 'DefaultTTL', 'RtoAlgorithm', 'RtoMin', 'RtoMax', 'MaxConn']);

/** Sum of all counters and of those of the interfaces: 0 when the preload has reached the stack's thread. */
async function counted(socket: string): Promise<number> {
  const { counters } = JSON.parse(await get(socket, '/api/v1/counters')) as { counters: Record<string, Record<string, number>> };
  const { interfaces } = JSON.parse(await get(socket, '/api/v1/interfaces')) as {
    interfaces: { counters: Record<string, number> }[];
  };
  let sum = 0;
  for (const group of [...Object.values(counters), ...interfaces.map((i) => i.counters)]) {
    for (const [name, n] of Object.entries(group)) if (!CONSTANTS.has(name)) sum += Math.abs(n);
  }
  return sum;
}

function rows(bench: Bench, name: string, unit: string, counting: readonly Sample[], without: readonly Sample[]): Row[] {
  const { mode, settings } = bench;
  const baseline = 'no counters';
  const notes = ['proven: the daemon without counters has served it and shows 0 everywhere'];
  return [
    row({
      name: `counters: ${name}`,
      mode,
      unit,
      ours: values(counting),
      theirs: values(without),
      baseline,
      perCpu: perCpuSecond(counting, settings.seconds),
      goal: { least: 0.95, aim: 0.98 },
      notes,
    }),
    row({
      name: `counters: ${name} per CPU s`,
      mode,
      unit: unit.replace('/s', '/CPU s'),
      ours: perCpuSecond(counting, settings.seconds),
      theirs: perCpuSecond(without, settings.seconds),
      baseline,
    }),
  ];
}

/**
 * Fresh pairs of daemons: two processes of the same program differ by some percent for as long as they live, by what their compilers
 * decided and where their memory lies, and only other processes tell.
 */
const PAIRS = 3;

interface Taken {
  readonly counting: Sample[];
  readonly without: Sample[];
}

async function takePair(bench: Bench, upload: Taken, echo: Taken): Promise<void> {
  const { bed, mode, settings } = bench;
  const counting = await startStack(bed, 'counting', mode, settings.flags);
  const without = await startStack(bed, 'mute', mode, settings.flags, ['--import', PRELOAD]);
  const take = async (into: Taken, once: (side: Side) => Promise<Sample>) => {
    const [a, b] = await inTurn(
      Math.ceil(settings.rounds / 2),
      () => once(counting.side),
      () => once(without.side),
    );
    into.counting.push(...a!);
    into.without.push(...b!);
  };
  await take(upload, (side) => side.sample('gbps', 'peer', 'upload', side.address, 9, settings.seconds));
  await take(echo, (side) => side.sample('rate', 'peer', 'echo', side.address, 7, settings.seconds));
  const still = await counted(without.daemon.socket);
  if (still !== 0) throw new Error(`counters: the preload did not reach all: ${still} was counted`);
  if ((await counted(counting.daemon.socket)) === 0) throw new Error('counters: the daemon that counts has counted nothing');
  await Promise.all([bed.end(counting.daemon), bed.end(without.daemon)]);
}

export const counters: Measure = {
  name: 'counters',
  about: `all increments in, against all increments taken out, by throughput and per CPU second; ${PAIRS} fresh pairs of daemons`,
  modes: MODES,
  async run(bench) {
    const upload: Taken = { counting: [], without: [] };
    const echo: Taken = { counting: [], without: [] };
    for (let i = 0; i < (bench.settings.quick ? 1 : PAIRS); i++) await takePair(bench, upload, echo);
    return [
      ...rows(bench, 'upload', 'Gb/s', upload.counting, upload.without),
      ...rows(bench, 'echo', 'rounds/s', echo.counting, echo.without),
    ];
  },
};
