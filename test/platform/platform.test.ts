/** What the worker relies on of Node and Linux, each as a small program that runs by itself. */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createControl, Waker, Word } from '../../stack/worker/control.js';
import { WordSleeper } from '../../stack/worker/sleep.js';
import { note } from '../support/needs.js';

const why = process.platform === 'linux' ? '' : 'needs Linux';
const tsx = fileURLToPath(import.meta.resolve('tsx'));
const program = fileURLToPath(new URL('./eventfd-program.ts', import.meta.url));

function run(way: string) {
  const started = performance.now();
  const r = spawnSync(process.execPath, ['--import', tsx, program, way], { encoding: 'utf8', timeout: 15_000 });
  return { ...r, ms: performance.now() - started };
}

describe.skipIf(why)(`a thread asleep in ppoll${note(why)}`, () => {
  it('is woken through its eventfd every time', () => {
    const r = run('wake');
    expect(r.stderr).toBe('');
    expect(JSON.parse(r.stdout)).toEqual({ lost: 0, woken: 500 });
  });

  it('does not hold up process.exit when the exit handler wakes it', () => {
    const r = run('exit');
    expect(r.signal).toBeNull();
    expect(r.status).toBe(7);
  });

  it('does not hold up a process that dies of an uncaught exception', () => {
    const r = run('throw');
    expect(r.signal).toBeNull();
    expect(r.status).toBe(1);
    expect(r.stderr).toMatch(/on purpose/);
  });

  it('ends with terminate() once woken', () => {
    const r = run('terminate');
    expect(r.signal).toBeNull();
    expect(JSON.parse(r.stdout).ms).toBeLessThan(900);
  });
});

describe('WordSleeper', () => {
  it('does not sleep when something is pending, and lowers the flag', () => {
    const control = createControl();
    const words = new Int32Array(control);
    new Waker(control, -1).wake();
    expect(words[Word.pending]).toBe(1);
    new WordSleeper(control).sleep(Number.POSITIVE_INFINITY);
    expect(words[Word.sleeping]).toBe(0);
  });

  it('does not sleep at all for a deadline that has passed', () => {
    const control = createControl();
    new WordSleeper(control).sleep(-5);
    expect(new Int32Array(control)[Word.sleeping]).toBe(0);
  });
});
