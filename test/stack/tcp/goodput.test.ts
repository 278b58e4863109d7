/** The tables of test/golden/simulation, computed again: the cheap lines, all of them with CI=true. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { CROWDS, fairnessLine, goodputLine, type Path, paths } from '../../support/goodput.js';

const golden = (name: string) =>
  readFileSync(join(import.meta.dirname, '../../golden/simulation', name), 'utf8')
    .trimEnd()
    .split('\n');
const all = process.env['CI'] === 'true';
/** Few frames: a path that carries little. */
const cheap = (p: Path) => p.rttMs > 0 && p.loss >= 0.01;

describe('goodput', () => {
  const lines = golden('goodput.txt');
  const table = paths();
  it('has a line for every path', () => expect(lines.length).toBe(table.length));
  for (const [i, p] of table.entries()) {
    if (all || cheap(p)) it(lines[i]!, { timeout: 60_000 }, () => expect(goodputLine(p)).toBe(lines[i]));
  }
});

describe('fairness', () => {
  const lines = golden('fairness.txt');
  it('has a line for every crowd', () => expect(lines.length).toBe(CROWDS.length));
  for (const [i, [kinds, rttMs]] of CROWDS.entries()) {
    if (all || i === 1) it(lines[i]!, { timeout: 60_000 }, () => expect(fairnessLine(kinds, rttMs)).toBe(lines[i]));
  }
});
