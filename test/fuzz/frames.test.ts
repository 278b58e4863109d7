/** Random and mutated frames: no exception, no hang, no growth, and the books balance. FUZZ_FRAMES sets how many; `npm run fuzz` runs by the clock. */
import process from 'node:process';
import { expect, it } from 'vitest';
import { Fuzzer } from './frames.js';

const frames = Number(process.env['FUZZ_FRAMES'] ?? 20_000);

it.each([1, 2, 3])('malformed frames are counted and nothing else happens, seed %i', (seed) => {
  const fuzzer = new Fuzzer(seed);
  while (fuzzer.frames < frames / 3) fuzzer.step();
  expect(() => fuzzer.check()).not.toThrow();
});
