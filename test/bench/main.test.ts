/** The bench as a user starts it: what it offers, and that nothing of it stays, at its end and when it is interrupted. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { needs, note } from '../support/needs.js';
import type { Results } from './report.js';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
const built = existsSync(fileURLToPath(new URL('../../dist/daemon/main.js', import.meta.url)));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsnetstat-bench-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Starts the bench with a temporary folder of its own. */
function start(args: readonly string[]) {
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), main, ...args], {
    env: { ...process.env, TMPDIR: folder },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (d) => (stdout += String(d)));
  child.stderr.on('data', (d) => (stderr += String(d)));
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, stdout, stderr })),
  );
  return { child, ended, errors: () => stderr };
}

/** Namespaces, files and processes of a bench. */
function left(pid: number): string[] {
  const namespaces = existsSync('/run/netns') ? readdirSync('/run/netns').filter((n) => n.startsWith(`tsb${pid}-`)) : [];
  const processes = readdirSync('/proc').filter((p) => {
    try {
      return /^\d+$/.test(p) && readFileSync(`/proc/${p}/cmdline`, 'utf8').includes(`${folder}/`);
    } catch {
      return false; // it ended just now
    }
  });
  const files = readdirSync(folder).filter((f) => f.startsWith('tsnetstat-bench-'));
  return [...namespaces, ...processes, ...files];
}

describe('npm run bench', () => {
  it('lists what it measures, the programs of their own included', async () => {
    const { code, stdout } = await start(['--list']).ended;
    expect(code).toBe(0);
    const names = stdout.split('\n').map((line) => line.split(' ')[0]);
    expect(names).toEqual(
      expect.arrayContaining(['upload', 'echo-awake', 'connects8', 'counters', 'scrape', 'ping', 'facade', 'idle', 'soak']),
    );
  });

  it('says in one line what it was asked for and does not have', async () => {
    expect(await start(['upload', 'uplaod']).ended).toMatchObject({
      code: 2,
      stdout: '',
      stderr: 'bench: there is no measure uplaod; --list tells which there are\n',
    });
    expect(await start(['--rounds', 'many']).ended).toMatchObject({
      code: 2,
      stderr: 'bench: --rounds: many is no number above 0\n',
    });
  });
});

const why = needs.all(needs.netns, needs.tap, needs.tool('cc'), built ? '' : 'needs the built daemon');
describe.skipIf(why)(`npm run bench on a TAP${note(why)}`, () => {
  it('measures, writes what it measured, and leaves nothing behind', async () => {
    const json = join(folder, 'result.json');
    const { child, ended } = start(['echo', '--offloads', '--rounds', '1', '--seconds', '0.1', '--json', json]);
    const { code, stdout, stderr } = await ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^bench: echo … \d+ s\n$/) });
    const { rows } = JSON.parse(readFileSync(json, 'utf8')) as Results;
    expect(rows).toMatchObject([{ name: 'echo', mode: 'offloads', ours: [expect.any(Number)], theirs: [expect.any(Number)] }]);
    expect(rows[0]!.ours[0]).toBeGreaterThan(0);
    expect(stdout).toMatch(/^\| echo \| \d+ rounds\/s \| \d+ \(kernel veth\) \| \d\.\d+ \|/m);
    expect(left(child.pid!)).toEqual([]);
  });

  it('takes everything away when it is interrupted', async () => {
    const { child, ended, errors } = start(['echo', '--offloads', '--rounds', '1000', '--seconds', '0.1']);
    while (!errors().includes('echo …')) await new Promise((r) => setTimeout(r, 20));
    expect(left(child.pid!).length).toBeGreaterThan(4); // namespaces, the daemon and the servers, a folder
    child.kill('SIGINT');
    expect((await ended).code).toBe(130);
    expect(left(child.pid!)).toEqual([]);
  });
});
