/** Throughput of one connection, and round trips of one byte: as the machine is, and with its cores kept from halting. */
import type { Measure } from './measure.js';
import { type Goal, MODES, type Row, row } from './report.js';
import { type Bench, inTurn, perCpuSecond, type Sample, type Side, values } from './sides.js';

async function pair(
  bench: Bench,
  unit: string,
  take: (side: Side) => Promise<Sample>,
  name: string,
  goal: Goal | null,
): Promise<Row> {
  const { rounds, seconds } = bench.settings;
  const [ours, theirs] = await inTurn(
    rounds,
    () => take(bench.stack),
    () => take(bench.kernel),
  );
  return row({
    name,
    mode: bench.mode,
    unit,
    ours: values(ours!),
    theirs: values(theirs!),
    baseline: bench.kernel.name,
    perCpu: perCpuSecond(ours!, seconds),
    goal,
  });
}

const upload: Measure = {
  name: 'upload',
  about: 'one connection from the kernel to the stack (discard), Gb/s',
  modes: MODES,
  async run(bench) {
    const goal = bench.mode === 'plain' ? { least: 0.5, aim: 0.7 } : { least: 0.6, aim: 0.9 };
    const take = (side: Side) => side.sample('gbps', 'peer', 'upload', side.address, 9, bench.settings.seconds);
    return [await pair(bench, 'Gb/s', take, 'upload', goal)];
  },
};

const download: Measure = {
  name: 'download',
  about: 'one connection from the stack to the kernel (chargen), Gb/s',
  modes: MODES,
  async run(bench) {
    const goal = bench.mode === 'plain' ? { least: 0.28, aim: 0.4 } : { least: 0.8, aim: 1.2 };
    const take = (side: Side) => side.sample('gbps', 'peer', 'download', side.address, 19, bench.settings.seconds);
    return [await pair(bench, 'Gb/s', take, 'download', goal)];
  },
};

const echoOnce = (bench: Bench) => (side: Side) => side.sample('rate', 'peer', 'echo', side.address, 7, bench.settings.seconds);

const echo: Measure = {
  name: 'echo',
  about: 'round trips of one byte over TCP; the cores halt between them as they like',
  modes: ['offloads'],
  run: async (bench) => [await pair(bench, 'rounds/s', echoOnce(bench), 'echo', null)],
};

const echoAwake: Measure = {
  name: 'echo-awake',
  about: 'the same with every core kept from halting by a loop of the lowest priority (SCHED_IDLE)',
  modes: ['offloads'],
  async run(bench) {
    const spin = await bench.bed.serve('', 'spin');
    try {
      return [await pair(bench, 'rounds/s', echoOnce(bench), 'echo-awake', { least: 0.6, aim: 0.85 })];
    } finally {
      await bench.bed.end(spin);
    }
  },
};

export const streams: readonly Measure[] = [upload, download, echo, echoAwake];
