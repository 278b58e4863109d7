/** The hot path makes no objects per frame: measured on the heap, between collections, in a process of its own. */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

interface Measured {
  readonly frames: number;
  readonly views: number;
  readonly bytes: number;
}
interface Said {
  readonly view: number;
  readonly upload: Measured;
  readonly superFrames: Measured;
  readonly echo: Measured;
  readonly datagrams: Measured;
  /** To the wrong one of two stacks, which passes all of it on. */
  readonly passedOn: Measured;
  readonly passedOnEcho: Measured;
  /** Over IPv6. */
  readonly upload6: Measured;
  readonly superFrames6: Measured;
  readonly echo6: Measured;
  /** An upload under BBR. */
  readonly paced: Measured;
}

/**
 * Bytes per frame, views apart, for both stacks and the wire between them: a number beyond 2^31 that V8 boxes (16) is all that may be there.
 * The smallest object with a field, made per frame by either stack, shows as 32.
 */
const BOXED = 24;
/** Three stacks are polled for each frame here, and the time that a poll returns is boxed. */
const POLLS = 40;

let said: Said;
beforeAll(() => {
  const tsx = fileURLToPath(import.meta.resolve('tsx'));
  const program = fileURLToPath(new URL('./allocation-program.ts', import.meta.url));
  // code is made on the spot: on a busy machine the thread that would make it may come late, and slow code boxes more numbers
  const engine = ['--no-concurrent-recompilation', '--min-semi-space-size=64', '--max-semi-space-size=64'];
  const flags = ['--expose-gc', ...engine, '--import', tsx, program];
  const r = spawnSync(process.execPath, flags, { encoding: 'utf8', timeout: 300_000 });
  if (r.status !== 0) throw new Error(r.stderr);
  said = JSON.parse(r.stdout) as Said;
}, 310_000);

describe('bytes of heap per frame in the steady state', () => {
  it('the measure sees what is made', () => {
    expect(said.view).toBeGreaterThan(60);
    expect(said.view).toBeLessThan(200);
  });
  const kinds = [
    'upload',
    'superFrames',
    'echo',
    'datagrams',
    'upload6',
    'superFrames6',
    'echo6',
    'paced',
    'passedOn',
    'passedOnEcho',
  ] as const;
  it.each(kinds)('%s: nothing but views for bulk copies, and boxed numbers', (what) => {
    const m = said[what];
    expect(m.frames).toBeGreaterThanOrEqual(20_000);
    expect(m.bytes - m.views * said.view).toBeLessThan(what === 'passedOnEcho' ? BOXED + POLLS : BOXED);
  });
  it('a view for each bulk copy: into the send ring, onto the wire, off it, into the receive ring, to the user', () => {
    expect(said.upload.views).toBeLessThanOrEqual(6);
    expect(said.superFrames.views).toBeLessThanOrEqual(6);
    expect(said.echo.views).toBeLessThan(0.1);
    expect(said.upload6.views).toBeLessThanOrEqual(6);
    expect(said.superFrames6.views).toBeLessThanOrEqual(6);
    expect(said.echo6.views).toBeLessThan(0.1);
    expect(said.datagrams.views).toBeLessThan(25); // of two frames, one is queued and read as twenty datagrams
    // and twice more from stack to stack; the test's steering copies a frame in and out, too
    expect(said.passedOn.views).toBeLessThanOrEqual(10);
  });
});
