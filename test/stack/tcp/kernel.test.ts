/** Our TCP against a Linux 6.18 kernel: the same frames and calls give the same frames back and move every counter alike. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { firstDifference, readTrace, replay } from '../../support/kernel-trace.js';

const folder = join(import.meta.dirname, '../../golden/kernel-tcp');
const names = readdirSync(folder)
  .filter((f) => f.endsWith('.trace'))
  .map((f) => f.slice(0, -6));

describe('what a Linux kernel did', () => {
  it('was recorded', () => {
    expect(names.length).toBeGreaterThan(200);
  });
  it.each(names)('%s', (name) => {
    const r = replay(readTrace(join(folder, `${name}.trace`)));
    expect(r.counters).toEqual([]);
    expect(r.info).toEqual([]);
    expect(firstDifference(r)).toBe('');
  });

  it.each(names.filter((n) => /^(paced|bbr)-/.test(n)))('%s: segments leave when the kernel paces them', (name) => {
    const r = replay(readTrace(join(folder, `${name}.trace`)));
    const late = r.kernel.map((k, i) => Math.abs(k.atUs - r.ours[i]!.atUs)).sort((a, b) => a - b);
    expect(late.length).toBeGreaterThan(10);
    expect(late[Math.floor(late.length / 2)]).toBeLessThan(300); // the kernel needs some 100 µs to answer, our virtual time none
    expect(late[Math.floor(late.length * 0.8)]).toBeLessThan(4000); // a tick of its timers
  });
});
