/** Throughput of one connection, and round trips of one byte: as the machine is, and with its cores kept from halting. */
import { compare, type Measure } from './measure.js';
import { MODES } from './report.js';
import type { Bench, Side } from './sides.js';

const upload: Measure = {
  name: 'upload',
  about: 'one connection from the kernel to the stack (discard), Gb/s',
  modes: MODES,
  async run(bench) {
    const goal = bench.mode === 'plain' ? { least: 0.5, aim: 0.7 } : { least: 0.6, aim: 0.9 };
    const take = (side: Side) => side.sample('gbps', 'peer', 'upload', side.address, 9, bench.settings.seconds);
    return (await compare(bench, 'upload', 'Gb/s', take, goal)).rows;
  },
};

const download: Measure = {
  name: 'download',
  about: 'one connection from the stack to the kernel (chargen), Gb/s',
  modes: MODES,
  async run(bench) {
    const goal = bench.mode === 'plain' ? { least: 0.28, aim: 0.4 } : { least: 0.8, aim: 1.2 };
    const take = (side: Side) => side.sample('gbps', 'peer', 'download', side.address, 19, bench.settings.seconds);
    return (await compare(bench, 'download', 'Gb/s', take, goal)).rows;
  },
};

const echoOnce = (bench: Bench) => (side: Side) => side.sample('rate', 'peer', 'echo', side.address, 7, bench.settings.seconds);

const echo: Measure = {
  name: 'echo',
  about: 'round trips of one byte over TCP; the cores halt between them as they like',
  modes: ['offloads'],
  run: async (bench) => (await compare(bench, 'echo', 'rounds/s', echoOnce(bench))).rows,
};

const echoAwake: Measure = {
  name: 'echo-awake',
  about: 'the same with every core kept from halting by a loop of the lowest priority (SCHED_IDLE)',
  modes: ['offloads'],
  async run(bench) {
    const spin = await bench.bed.serve('', 'spin');
    try {
      return (await compare(bench, 'echo-awake', 'rounds/s', echoOnce(bench), { least: 0.6, aim: 0.85 })).rows;
    } finally {
      await bench.bed.end(spin);
    }
  },
};

export const streams: readonly Measure[] = [upload, download, echo, echoAwake];
