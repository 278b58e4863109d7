/** `npm run fuzz [SECONDS]`: frames by the clock (600 s without an argument), memory watched. */
import process from 'node:process';
import { Fuzzer } from './frames.js';

const seconds = Number(process.argv[2] ?? 600);
const end = performance.now() + seconds * 1000;
let frames = 0;
let seed = 1;
const heap: number[] = [];
const settledHeap = () => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 1e6;
};
while (performance.now() < end) {
  const fuzzer = new Fuzzer(seed++);
  const until = Math.min(end, performance.now() + 20_000);
  while (performance.now() < until) for (let i = 0; i < 100; i++) fuzzer.step();
  fuzzer.check();
  frames += fuzzer.frames;
  heap.push(settledHeap());
  process.stdout.write(`${frames} frames, heap ${heap.at(-1)!.toFixed(1)} MB\n`);
}
process.stdout.write(
  `done: ${frames} frames in ${seconds} s, heap first ${heap[0]?.toFixed(1)} last ${heap.at(-1)?.toFixed(1)} MB\n`,
);
