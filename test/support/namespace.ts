/** A network namespace of the test's own, and programs run inside it: traffic stays where nobody else is. */
import { spawn, spawnSync } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const tsx = fileURLToPath(import.meta.resolve('tsx'));
let made = 0;

export class Namespace {
  readonly name: string;

  /** Makes it; @throws Error when `ip netns add` fails */
  constructor(prefix: string) {
    this.name = `${prefix}${process.pid}-${made++}`;
    const r = spawnSync('ip', ['netns', 'add', this.name], { encoding: 'utf8' });
    if (r.status !== 0) throw new Error(`ip netns add ${this.name}: ${r.stderr}`);
    this.run('ip', ['link', 'set', 'lo', 'up']);
  }

  /** Runs a command in it to its end. */
  run(command: string, args: readonly string[], timeoutMs = 20_000): Ran {
    const r = spawnSync('ip', ['netns', 'exec', this.name, command, ...args], { encoding: 'utf8', timeout: timeoutMs });
    return { status: r.status, stdout: r.stdout, stderr: r.stderr };
  }

  /** Runs a TypeScript program of ours in it to its end. */
  script(file: URL, args: readonly string[] = [], timeoutMs = 20_000): Ran {
    return this.run(process.execPath, ['--import', tsx, fileURLToPath(file), ...args], timeoutMs);
  }

  /** Starts a TypeScript program of ours in it. */
  start(file: URL, args: readonly string[] = []): ReturnType<typeof spawn> {
    const argv = ['netns', 'exec', this.name, process.execPath, '--import', tsx, fileURLToPath(file), ...args];
    return spawn('ip', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  }

  remove(): void {
    spawnSync('ip', ['netns', 'del', this.name]);
  }
}
