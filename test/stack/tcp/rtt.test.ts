/** The windowed minimum behind min_rtt. */
import { describe, expect, it } from 'vitest';
import { MinFilter } from '../../../stack/tcp/window-filter.js';

describe('minimum of the last window', () => {
  it('takes a lower value at once and forgets it after the window', () => {
    const f = new MinFilter();
    f.update(1000, 0, 50);
    f.update(1000, 100, 80);
    expect(f.value).toBe(50);
    f.update(1000, 200, 30);
    expect(f.value).toBe(30);
    f.update(1000, 600, 60);
    f.update(1000, 900, 70);
    expect(f.value).toBe(30);
    f.update(1000, 1250, 90); // 30 is 1050 old
    expect(f.value).toBe(60);
    f.update(1000, 5000, 100);
    expect(f.value).toBe(100);
  });

  it('equals a plain minimum over at least half of the window', () => {
    const f = new MinFilter();
    const samples: { t: number; v: number }[] = [];
    let x = 7;
    for (let t = 0; t < 50_000; t += 37) {
      x = (Math.imul(x, 1103515245) + 12345) >>> 0;
      const v = 1000 + (x % 5000);
      samples.push({ t, v });
      f.update(1000, t, v);
      const low = (age: number) => Math.min(...samples.filter((s) => t - s.t <= age).map((s) => s.v));
      expect(f.value).toBeGreaterThanOrEqual(low(1000));
      expect(f.value).toBeLessThanOrEqual(low(250));
    }
  });
});
