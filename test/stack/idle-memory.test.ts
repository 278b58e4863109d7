/**
 * What an idle connection and a TIME-WAIT entry cost, in a process of its own: 20,000 of each. The product's bounds are 4 kB a connection, its
 * counters included, and 256 bytes an entry; a connection is held to what it is (3.3 kB) and a little more, so that growth is seen.
 */
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { TIME_WAIT_INTS } from '../../mib/ledger/time-wait.js';

interface Each {
  readonly heap: number;
  readonly external: number;
  readonly rss: number;
}
interface Figures {
  readonly answered: number;
  readonly timersLeft: number;
  readonly bytesEach: { readonly hotRow: number; readonly fresh: Each; readonly echoed: Each };
  readonly timeWait: { readonly entries: number; readonly bytesEach: Each };
}

const COUNT = 20_000;
const LIMIT = 3600;
/** Pages, free lists and generations of the heap beside what is in use. */
const SLACK = 1400;

it('an idle connection is at most 3.6 kB, a TIME-WAIT entry 256 bytes, and neither keeps a timer', () => {
  const bench = join(dirname(dirname(fileURLToPath(import.meta.url))), 'bench/idle.ts');
  const out = execFileSync(process.execPath, ['--import', 'tsx', bench, '--memory', '--connections', String(COUNT)], {
    encoding: 'utf8',
  });
  const figures = JSON.parse(out) as Figures;
  const { hotRow, fresh, echoed } = figures.bytesEach;
  expect(figures.answered).toBeGreaterThanOrEqual(COUNT);
  expect(fresh.heap).toBeGreaterThan(500); // something was measured
  expect(fresh.heap + fresh.external + hotRow).toBeLessThanOrEqual(LIMIT);
  expect(echoed.heap + echoed.external + hotRow).toBeLessThanOrEqual(LIMIT);
  expect(echoed.rss).toBeLessThanOrEqual(LIMIT + SLACK);
  expect(figures.timersLeft).toBeLessThan(100);
  const { entries, bytesEach } = figures.timeWait;
  expect(entries).toBe(COUNT);
  expect(bytesEach.heap + bytesEach.external + TIME_WAIT_INTS * 4).toBeLessThanOrEqual(256);
}, 180_000);
