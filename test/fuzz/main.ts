/**
 * `npm run fuzz [SECONDS]`: frames against a host and datagrams against the SNMP agent in turn, by the clock (600 s without an argument),
 * memory watched. Any exception, unanswered ping or unbalanced ledger ends it with the seed.
 */
import process from 'node:process';
import { testAgent } from '../daemon/snmp/agent.js';
import { Fuzzer } from './frames.js';
import { fuzzOnce, seeded } from './snmp.js';

const seconds = Number(process.argv[2] ?? 600);
const ROUND_MS = 15_000;
const end = performance.now() + seconds * 1000;
const heaps: number[] = [];
let frames = 0;
let datagrams = 0;

function settledHeap(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 1e6;
}

for (let seed = 1; performance.now() < end; seed++) {
  try {
    const fuzzer = new Fuzzer(seed);
    const until = Math.min(end, performance.now() + ROUND_MS);
    while (performance.now() < until) for (let i = 0; i < 100; i++) fuzzer.step();
    fuzzer.check();
    frames += fuzzer.frames;
    const agent = testAgent(600);
    const random = seeded(seed);
    const stop = Math.min(end, performance.now() + ROUND_MS / 3);
    while (performance.now() < stop) {
      await fuzzOnce(agent, random);
      datagrams++;
    }
  } catch (e) {
    process.stdout.write(`seed ${seed} after ${frames} frames and ${datagrams} datagrams: ${(e as Error).stack}\n`);
    process.exit(1);
  }
  heaps.push(settledHeap());
  process.stdout.write(`${frames} frames, ${datagrams} datagrams, heap ${heaps.at(-1)!.toFixed(1)} MB\n`);
}
const first = heaps[1] ?? heaps[0] ?? 0;
process.stdout.write(
  `done in ${seconds} s: ${frames} frames, ${datagrams} datagrams; heap ${first.toFixed(1)} MB at first, ${heaps.at(-1)!.toFixed(1)} MB at last\n`,
);
