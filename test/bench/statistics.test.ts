import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../stack/core/random.js';
import { median, ratios, slope, spread } from './statistics.js';

describe('median', () => {
  it('is the middle one, or between the two', () => {
    expect(median([5, 1, 9])).toBe(5);
    expect(median([4, 1, 9, 2])).toBe(3);
    expect(median([])).toBeNaN();
  });

  it('is not moved by one disturbed run', () => {
    expect(median([10, 10, 11, 11, 0.1])).toBe(10);
  });

  it('leaves its argument alone', () => {
    const xs = [3, 1, 2];
    median(xs);
    spread(xs);
    expect(xs).toEqual([3, 1, 2]);
  });
});

describe('spread', () => {
  const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

  it('is least and greatest of few', () => {
    expect(spread([7])).toEqual({ low: 7, high: 7 });
    expect(spread([3, 1, 2])).toEqual({ low: 1, high: 3 });
    expect(spread(upTo(5))).toEqual({ low: 1, high: 5 });
  });

  it('leaves out as many on either side as the binomial distribution allows for 90 %', () => {
    // P(at most k of n below the median), twice: n = 8: 0.070 for k = 1, 0.289 for k = 2; n = 13: 0.092 for k = 3; n = 20: 0.041 for k = 5
    expect(spread(upTo(8))).toEqual({ low: 2, high: 7 });
    expect(spread(upTo(13))).toEqual({ low: 4, high: 10 });
    expect(spread(upTo(20))).toEqual({ low: 6, high: 15 });
  });

  it('holds the true median in nine of ten series or more', () => {
    const random = new SeededRandom(1);
    let held = 0;
    for (let i = 0; i < 1000; i++) {
      const { low, high } = spread(Array.from({ length: 15 }, () => random.u32() / 2 ** 32));
      if (low <= 0.5 && high >= 0.5) held++;
    }
    expect(held).toBe(969); // 1 − 2 P(at most 3 of 15) = 0.965
  });
});

describe('ratios', () => {
  it('go pair by pair: a drift that both sides share falls out', () => {
    expect(ratios([10, 20, 40], [20, 40, 80])).toEqual([0.5, 0.5, 0.5]);
  });

  it('leave out what has no partner, and what is divided by nothing', () => {
    expect(ratios([1, 2, 3], [2, 0])).toEqual([0.5]);
  });
});

describe('slope', () => {
  it('is that of the straight line', () => {
    expect(slope([0, 1000, 2000], [50, 1850, 3650])).toBeCloseTo(1.8, 12);
    expect(slope([1, 2, 3, 4], [1, 3, 2, 4])).toBeCloseTo(0.8, 12);
  });

  it('is 0 where there is no line', () => {
    expect(slope([], [])).toBe(0);
    expect(slope([5], [7])).toBe(0);
    expect(slope([5, 5], [1, 2])).toBe(0);
  });
});
