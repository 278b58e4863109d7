/** The three samples of the windowed maximum against the true maximum. */
import { expect, it } from 'vitest';
import { below, SeededRandom } from '../../../stack/core/random.js';
import { MaxFilter } from '../../../stack/tcp/window-filter.js';

it('keeps the largest value of the window, and forgets it after', () => {
  const f = new MaxFilter();
  f.reset(0, 0);
  f.update(10, 1, 50);
  for (let t = 2; t <= 11; t++) {
    f.update(10, t, 20 + t);
    expect(f.value).toBe(50);
  }
  f.update(10, 12, 15);
  expect(f.value).toBe(31); // of round 11, the largest since
});

it('is never more than the true maximum of the window, and never less than the last value', () => {
  const random = new SeededRandom(5);
  const f = new MaxFilter();
  f.reset(0, 0);
  const all: number[] = [0];
  for (let t = 1; t < 5000; t++) {
    const v = below(random, 1000);
    all.push(v);
    f.update(10, t, v);
    expect(f.value).toBeLessThanOrEqual(Math.max(...all.slice(Math.max(0, t - 10), t + 1)));
    expect(f.value).toBeGreaterThanOrEqual(v);
  }
});

it('a whole window of silence starts anew', () => {
  const f = new MaxFilter();
  f.reset(0, 0);
  f.update(10, 1, 900);
  f.update(10, 30, 5);
  expect(f.value).toBe(5);
});
