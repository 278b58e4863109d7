/** A network namespace of a test's own with daemons on a TAP in it. */
import { type ChildProcess, execFileSync, type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { type Ended, program } from './daemon-process.js';

export interface Started {
  readonly child: ChildProcess;
  /** Rejects with its stderr when it ends before. */
  readonly ready: Promise<void>;
  readonly ended: Promise<Ended>;
}

let made = 0;

export class TapPlace {
  /** The unix socket of its daemons. */
  readonly socket: string;
  private readonly folder: string;
  private readonly inside: readonly string[];
  private readonly children: ChildProcess[] = [];

  constructor() {
    const name = `tsnd-${process.pid}-${made++}`;
    this.inside = ['netns', 'exec', name];
    execFileSync('ip', ['netns', 'add', name]);
    execFileSync('ip', [...this.inside, 'ip', 'link', 'set', 'lo', 'up']);
    this.folder = mkdtempSync(join(tmpdir(), 'tsnetstatd-tap-'));
    this.socket = join(this.folder, 'x.sock');
  }

  /** Runs a program in it to its end. */
  run(...args: string[]): SpawnSyncReturns<string> {
    return spawnSync('ip', [...this.inside, ...args], { encoding: 'utf8', timeout: 30_000 });
  }

  /** Starts a daemon in it. */
  start(...args: string[]): Started {
    const child = spawn('ip', [...this.inside, process.execPath, ...program, '--http-socket', this.socket, ...args]);
    this.children.push(child);
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

  remove(): void {
    for (const c of this.children) c.kill('SIGKILL');
    spawnSync('ip', ['netns', 'del', this.inside[2]!]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
