import { describe, expect, it } from 'vitest';
import { RingPool } from '../../../stack/tcp/ring-pool.js';

const pool = () => new RingPool({ small: 16, maxSmall: 2, maxLargeBytes: 100 });
/** What a pool gives back of rings that were given to it: its own ones, the last first. */
const kept = (p: RingPool, rings: readonly Uint8Array[]) =>
  rings.map((r) => rings.indexOf(p.take(r.length))).sort((a, b) => a - b);

describe('rings that nobody uses', () => {
  it('are taken again, of the very size', () => {
    const p = pool();
    const [small, large] = [new Uint8Array(8), new Uint8Array(32)];
    p.give(small);
    p.give(large);
    expect(p.take(16)).toHaveLength(16);
    expect(p.take(8)).toBe(small);
    expect(p.take(8)).not.toBe(small);
    expect(p.take(32)).toBe(large);
  });

  it('are kept so many of each small size', () => {
    const p = pool();
    const eights = [8, 8, 8].map((n) => new Uint8Array(n));
    const sixteens = [16, 16, 16].map((n) => new Uint8Array(n));
    for (const r of [...eights, ...sixteens]) p.give(r);
    expect(kept(p, eights)).toEqual([-1, 0, 1]);
    expect(kept(p, sixteens)).toEqual([-1, 0, 1]);
  });

  it('are kept so many bytes of all large sizes together, small ones beside', () => {
    const p = pool();
    const [a, b, c] = [new Uint8Array(64), new Uint8Array(32), new Uint8Array(32)];
    const small = new Uint8Array(16);
    for (const r of [a, b, c, small]) p.give(r);
    expect(kept(p, [a, b, c])).toEqual([-1, 0, 1]);
    expect(p.take(16)).toBe(small);
  });

  it('that are taken make room for others', () => {
    const p = pool();
    const rings = Array.from({ length: 5 }, () => new Uint8Array(64));
    for (const r of rings) {
      p.give(r);
      expect(p.take(64)).toBe(r);
    }
    p.give(rings[0]!);
    p.give(rings[1]!);
    expect(p.take(64)).toBe(rings[0]);
    expect(rings).not.toContain(p.take(64));
  });
});
