import { describe, expect, it } from 'vitest';
import { ChainIndex } from '../../../stack/core/chain-index.js';
import { SeededRandom } from '../../../stack/core/random.js';

describe('ChainIndex', () => {
  it('a chain more takes entries from the one that is split, and from no other', () => {
    const random = new SeededRandom(11);
    const hashes = Array.from({ length: 2000 }, () => random.u32() | 0);
    const index = new ChainIndex(4);
    let moved = 0;
    for (let n = 4; n < 300; n++) {
      const before = hashes.map((h) => index.of(h));
      const split = index.grow();
      expect(index.count).toBe(n + 1);
      for (const [i, h] of hashes.entries()) {
        const now = index.of(h);
        if (now === before[i]) continue;
        expect([before[i], now]).toEqual([split, n]);
        moved++;
      }
    }
    expect(moved).toBeGreaterThan(1900); // nearly every entry has found a chain of its own
  });

  it('spreads entries as evenly as a table that is never between two sizes, within a factor of two', () => {
    const random = new SeededRandom(12);
    const index = new ChainIndex(4);
    while (index.count < 700) index.grow();
    const lengths = new Int32Array(700);
    for (let i = 0; i < 70_000; i++) lengths[index.of(random.u32())]! += 1;
    expect(Math.max(...lengths)).toBeLessThan(210);
    expect(Math.min(...lengths)).toBeGreaterThan(35);
  });
});
