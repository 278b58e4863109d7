/** A stack on a TAP and on a thread against the kernel, and every way out of the process. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LinkFeature } from '../../../stack/link/link.js';
import { Namespace } from '../../support/namespace.js';
import { needs, note } from '../../support/needs.js';

const why = needs.all(needs.tap, needs.netns, needs.tool('ping'));
const program = new URL('./tap-host-program.ts', import.meta.url);
let ns: Namespace;
const run = (...args: string[]) => ns.script(program, args, 60_000);
const left = () => ns.run('ip', ['link', 'show', 'tsnt0']).status === 0;

describe.skipIf(why)(`a stack on a TAP${note(why)}`, () => {
  beforeAll(() => {
    ns = new Namespace('tsn-host');
  });
  afterAll(() => ns?.remove());

  it.each([
    ['offloads', 1],
    ['plain', 1],
    ['offloads', 2],
  ])('answers the kernel, refuses a second owner, takes the TAP away: %s, queues: %i', (kind, queues) => {
    const r = run('traffic', kind, String(queues));
    expect(r.stderr).toBe('');
    const said = JSON.parse(r.stdout);
    expect(said).toMatchObject({ ping: 0, large: 0, after: false, mtu: 1500 });
    expect(said.busy).toEqual({ code: 'EBUSY', message: 'tsnt0 is in use: another process holds this TAP' });
    expect((said.features & LinkFeature.csum) !== 0).toBe(kind === 'offloads');
  });

  it.each([1, 2])('attaches to a TAP that exists, alone, and leaves it there, queues: %i', (queues) => {
    const r = run('persistent', 'offloads', String(queues));
    expect(r.stderr).toBe('');
    const busy = { code: 'EBUSY', message: 'tsnt0 is in use: another process holds this TAP' };
    expect(JSON.parse(r.stdout)).toEqual({ ping: 0, after: true, busy });
  });

  it.each([
    ['offloads', 1],
    ['coalesced', 1],
    ['plain', 1],
    ['offloads', 2],
  ])("talks TCP with the kernel's, 100 MB there and back: %s, queues: %i", (kind, queues) => {
    const r = run('tcp', kind, String(queues));
    expect(r.stderr).toBe('');
    const said = JSON.parse(r.stdout);
    expect(said.echo).toBe('got hello\n');
    expect(said.daytime).toMatch(/^\w+, \w+ \d+, \d{4} \d\d:\d\d:\d\d-UTC\r\n$/);
    expect(said.up).toBe('0\n');
    expect(said.down).toMatch(/^[0-9a-f]{64}/);
    expect(said.there.came).toMatch(/^[0-9a-f]{64}$/);
    expect(said.there.came).toBe(said.there.sent);
    expect(said.refused).not.toBe(0);
  });

  // the kernel asks for classic ECN; ours asks for that too, or for AccECN, which the kernel takes for classic ECN
  it.each([
    ['1', 'offloads', 1],
    ['3', 'offloads', 1],
    ['3', 'coalesced', 1],
    ['3', 'offloads', 2],
  ])("agrees on ECN with the kernel's TCP, whoever opens: tcp_ecn=%s, %s, queues: %i", (mode, kind, queues) => {
    const r = run('ecn', kind, String(queues), mode);
    expect(r.stderr).toBe('');
    const said = JSON.parse(r.stdout);
    expect(said.there.came).toBe(said.there.sent);
    expect(said.active.came).toBe(said.active.sent);
    // 3 MB each way on either connection; the kernel counts super-frames of a TAP as one
    expect(said.kernelEct0).toBeGreaterThan(100);
    expect(said.ourEct0).toBeGreaterThan(100);
  });

  it.each([1, 2])('sleeps when nothing happens: two seconds of silence are a few turns of the loop, queues: %i', (queues) => {
    const r = run('idle', 'offloads', String(queues));
    expect(r.stderr).toBe('');
    const said = JSON.parse(r.stdout);
    expect(said.turns).toBeGreaterThan(0); // it wakes at least once a second, to see whether it still should
    expect(said.turns).toBeLessThan(20);
    expect(said.cpuMs).toBeLessThan(400); // a thread that spins takes 2000
  });

  it.each([1, 2])('does not hold up process.exit, queues: %i', (queues) => {
    const r = run('exit', 'offloads', String(queues));
    expect(r.status).toBe(3);
    expect(left()).toBe(false);
  });

  it.each([1, 2])('does not hold up a process that dies of an exception, queues: %i', (queues) => {
    const r = run('throw', 'offloads', String(queues));
    expect(r.status).toBe(1);
    expect(r.stderr).toMatch(/on purpose/);
    expect(left()).toBe(false);
  });

  it.each([1, 2])('reports a TAP that is deleted under it, once, queues: %i', (queues) => {
    const r = run('deleted', 'offloads', String(queues));
    expect(JSON.parse(r.stdout)).toEqual({ crashed: 'tsnt0 went away: the interface was deleted' });
    expect(r.status).toBe(0);
  });

  it.each([1, 2])('closes its connections in order on SIGTERM, then takes the TAP away, queues: %i', (queues) => {
    const r = run('sigterm', 'offloads', String(queues));
    expect(r.stderr).toBe('');
    expect(JSON.parse(r.stdout)).toEqual({ heard: 'hello\nended 0\n', endless: 'ended\n', after: false });
    expect(r.status).toBe(0);
  });
});
