/** The command as a process of its own: exit status, streams, signals, pipes. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeFiles } from '../mib/netstat-oracle.js';
import { fakeDaemon, type Handler } from './harness.js';

const work = mkdtempSync(join(tmpdir(), 'tsnetstat-process-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const MAIN = new URL('../../cli/main.ts', import.meta.url).pathname;

function start(args: readonly string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (b: Buffer) => (stdout += b.toString('latin1')));
  child.stderr.on('data', (b: Buffer) => (stderr += b));
  const ended = new Promise<{ stdout: string; stderr: string; status: number | null }>((resolve) => {
    child.once('close', (status) => resolve({ stdout, stderr, status }));
  });
  return { child, ended };
}

describe('the process', { timeout: 30_000 }, () => {
  it('prints /proc statistics octet for octet', async () => {
    const dir = writeFiles(join(work, 'a'), { snmp: 'Tcp: ActiveOpens \u00fc\nTcp: 3 4\n' });
    const ran = await start(['-s', '--proc', dir]).ended;
    expect(ran).toEqual({ stdout: 'Tcp:\n    3 active connection openings\n    \u00c3\u00bc: 4\n', stderr: '', status: 0 });
  });

  it('ends with status 1 and one line without a daemon, 3 for a wrong flag', async () => {
    const [none, wrong] = await Promise.all([start(['-s', '--socket', join(work, 'no.sock')]).ended, start(['--wrong']).ended]);
    expect([none.status, none.stdout, none.stderr.match(/\n/g)?.length]).toEqual([1, '', 1]);
    expect([wrong.status, wrong.stdout, wrong.stderr.match(/\n/g)?.length]).toEqual([3, '', 1]);
  });

  it('tells the version of the package', async () => {
    expect((await start(['--version']).ended).stdout).toMatch(/^tsnetstat \d+\.\d+\.\d+\n$/);
  });

  it('ends a trace quietly on SIGINT', async () => {
    const first =
      'data: {"probe":"Tcp.InSegs","time":"2026-01-01T15:04:05.123456Z","increment":1,"arg1":0,"connection":null,"packet":null}\n\n';
    const serve: Handler = (_, response) => void response.writeHead(200).write(first);
    const daemon = await fakeDaemon({ '/api/v1/trace': serve });
    try {
      const { child, ended } = start(['trace', 'Tcp.InSegs', '--socket', daemon.socket]);
      child.stdout.once('data', () => child.kill('SIGINT'));
      expect(await ended).toEqual({ stdout: '15:04:05.123456 Tcp.InSegs +1 -\n', stderr: '', status: 0 });
    } finally {
      await daemon.close();
    }
  });

  it('takes it lightly when its reader leaves', async () => {
    const names = Array.from({ length: 40_000 }, (_, i) => `N${i}`);
    const dir = writeFiles(join(work, 'long'), { snmp: `X: ${names.join(' ')}\nX: ${names.map(() => 1).join(' ')}\n` });
    const { child, ended } = start(['-s', '--proc', dir]);
    child.stdout.once('data', () => child.stdout.destroy());
    const { stderr, status } = await ended;
    expect([stderr, status]).toEqual(['', 0]);
  });
});
