/** The daemon on a real TAP in a network namespace of the test's own. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConnectionCountersDto, ConnectionsDto } from '../../mib/dto.js';
import { needs, note } from '../support/needs.js';
import { type Ended, program } from './daemon-process.js';

const why = needs.all(needs.tap, needs.netns);
const namespace = `tsnd-${process.pid}`;
const inside = ['netns', 'exec', namespace];

describe.skipIf(why)(`tsnetstatd on a TAP${note(why)}`, () => {
  let folder: string;
  let socket: string;
  let children: ChildProcess[] = [];
  beforeEach(() => {
    execFileSync('ip', ['netns', 'add', namespace]);
    execFileSync('ip', [...inside, 'ip', 'link', 'set', 'lo', 'up']);
    folder = mkdtempSync(join(tmpdir(), 'tsnetstatd-tap-'));
    socket = join(folder, 'x.sock');
  });
  afterEach(() => {
    for (const c of children) c.kill('SIGKILL');
    children = [];
    spawnSync('ip', ['netns', 'del', namespace]);
    rmSync(folder, { recursive: true, force: true });
  });

  const run = (...args: string[]) => spawnSync('ip', [...inside, ...args], { encoding: 'utf8' });
  function start(...args: string[]): { child: ReturnType<typeof spawn>; ready: Promise<void>; ended: Promise<Ended> } {
    const child = spawn('ip', [...inside, process.execPath, ...program, '--http-socket', socket, ...args]);
    children.push(child);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (d) => (stdout += String(d)));
    const ready = new Promise<void>((resolve) => {
      child.stderr.on('data', (d) => {
        stderr += String(d);
        if (stderr.includes(' ready ')) resolve();
      });
    });
    const ended = new Promise<Ended>((resolve) => {
      child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
    });
    return { child, ready: Promise.race([ready, ended.then((e) => Promise.reject(new Error(e.stderr)))]), ended };
  }

  it('makes the TAP and gives the kernel its address; SIGTERM removes all of it', async () => {
    const { child, ready, ended } = start();
    await ready;
    expect(run('ip', '-4', '-o', 'address', 'show', 'dev', 'tsn0').stdout).toContain('inet 10.77.0.1/24');
    const second = start('--http-listen', 'off', '--snmp-listen', 'off', '--http-socket', 'off', '--log-level', 'error');
    second.ready.catch(() => {});
    expect(await second.ended).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^tsnetstatd: tsn0 is in use[^\n]*\n$/),
    });
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0, signal: null });
    expect(run('ip', 'link', 'show', 'tsn0').status).not.toBe(0);
    expect(existsSync(socket)).toBe(false);
  });

  it('answers HTTP and UDP through the stack itself, and counts them on the connection that was it', async () => {
    const { child, ready, ended } = start();
    await ready;
    const text = (url: string) => `fetch('${url}').then((r) => r.text()).then(console.log)`;
    const page = run(process.execPath, '-e', text('http://10.77.0.2/api/v1/connections?local=:80&state=ESTABLISHED'));
    expect(page.stderr).toBe('');
    const { connections } = JSON.parse(page.stdout) as ConnectionsDto;
    expect(connections.map((c) => [c.remote.address, c.local.address, c.active])).toEqual([['10.77.0.1', '10.77.0.2', false]]);
    const one = run(process.execPath, '-e', text(`http://127.0.0.1:9700/api/v1/connections/${connections[0]!.id}/counters`));
    const { counters, connection } = JSON.parse(one.stdout) as ConnectionCountersDto;
    expect(connection.name).toBe(connections[0]!.name);
    expect(counters['Tcp']!['InSegs']).toBeGreaterThanOrEqual(3);
    expect(counters['Tcp']!['PassiveOpens']).toBe(1);
    const echo = `const s = require('dgram').createSocket('udp4'); s.on('message', (m) => { console.log(String(m)); s.close(); }); s.send('hello', 7, '10.77.0.2')`;
    expect(run(process.execPath, '-e', echo).stdout).toBe('hello\n');
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0 });
  });

  it('leaves the kernel side alone with --no-host-setup, and attaches with --tap', async () => {
    expect(run('ip', 'tuntap', 'add', 'dev', 'mine', 'mode', 'tap', 'vnet_hdr').status).toBe(0);
    expect(run('ip', 'address', 'add', '10.77.0.5/24', 'dev', 'mine').status).toBe(0);
    const { child, ready, ended } = start('--tap', 'mine', '--no-host-setup');
    await ready;
    expect(run('ip', '-4', '-o', 'address', 'show', 'dev', 'mine').stdout).not.toContain('10.77.0.1/');
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0 });
    expect(run('ip', 'link', 'show', 'mine').status).toBe(0);
  });

  it('ends with one clear line and exit code 1 when the stack cannot go on', async () => {
    const { ready, ended } = start();
    await ready;
    expect(run('ip', 'link', 'del', 'tsn0').status).toBe(0);
    const end = await ended;
    expect(end.code).toBe(1);
    const lines = end.stderr.trim().split('\n');
    expect(lines.slice(lines.findIndex((l) => l.includes(' ready ')) + 1)).toEqual([
      expect.stringMatching(/ error the stack failed: tsn0 .*$/),
    ]);
    expect(existsSync(socket)).toBe(false);
  });
});
