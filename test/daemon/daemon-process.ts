/** A tsnetstatd of its own process: the built one (dist) where it is there, else the sources through tsx. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const built = join(root, 'dist', 'daemon', 'main.js');
export const program: readonly string[] = existsSync(built)
  ? [built]
  : ['--import', import.meta.resolve('tsx'), join(root, 'daemon', 'main.ts')];

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Variables of this process that a daemon would read are kept from it. */
function cleanEnvironment(more: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(process.env)) if (!name.startsWith('TSNETSTAT_')) env[name] = value;
  return { ...env, ...more };
}

/** Starts it and waits until it has ended. @param onLog called with all of its log so far */
export function runToEnd(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  onLog: (child: ChildProcess, log: string) => void = () => {},
): Promise<Ended> {
  const child = spawn(process.execPath, [...program, ...args], { env: cleanEnvironment(env) });
  let log = '';
  child.stderr!.on('data', (d) => onLog(child, (log += String(d))));
  return collect(child);
}

function collect(child: ChildProcess): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout!.on('data', (d) => (stdout += String(d)));
  child.stderr!.on('data', (d) => (stderr += String(d)));
  return new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr })));
}

export class DaemonProcess {
  readonly folder: string;
  readonly socket: string;
  /** host:port of the HTTP and SNMP doors on the host. */
  http = '';
  snmp = '';
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  private readonly ready: Promise<string>;

  private constructor(args: readonly string[]) {
    this.folder = mkdtempSync(join(tmpdir(), 'tsnetstatd-test-'));
    this.socket = join(this.folder, 'tsnetstat.sock');
    const doors = ['--http-listen', '127.0.0.1:0', '--snmp-listen', '127.0.0.1:0', '--http-socket', this.socket];
    this.child = spawn(process.execPath, [...program, ...doors, ...args], { env: cleanEnvironment({}) });
    let log = '';
    this.ready = new Promise((resolve, reject) => {
      this.child.stderr!.on('data', (d) => {
        log += String(d);
        const line = /^.* ready .*$/m.exec(log);
        if (line) resolve(line[0]);
      });
      this.child.once('close', (code) => reject(new Error(`tsnetstatd ended with ${code}: ${log}`)));
    });
    this.ready.catch(() => {});
    this.ended = collect(this.child);
  }

  static async start(args: readonly string[] = []): Promise<DaemonProcess> {
    const daemon = new DaemonProcess(args);
    const line = await daemon.ready;
    daemon.http = /http:\/\/(127\.0\.0\.1:\d+)/.exec(line)![1]!;
    daemon.snmp = /snmp:\/\/(127\.0\.0\.1:\d+)/.exec(line)![1]!;
    return daemon;
  }

  async get(path: string, door: 'tcp' | 'unix' = 'tcp'): Promise<{ status: number; body: string }> {
    return send('GET', path, door === 'unix' ? { socketPath: this.socket } : hostPort(this.http));
  }
  async put(path: string, body: unknown, door: 'tcp' | 'unix'): Promise<{ status: number; body: string }> {
    return send('PUT', path, door === 'unix' ? { socketPath: this.socket } : hostPort(this.http), JSON.stringify(body));
  }
  async json<T>(path: string, door: 'tcp' | 'unix' = 'tcp'): Promise<T> {
    return JSON.parse((await this.get(path, door)).body) as T;
  }

  /** Ends it if it still runs, and removes its folder. */
  async dispose(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGTERM');
    await this.ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function hostPort(text: string): { host: string; port: number } {
  const [host, port] = text.split(':') as [string, string];
  return { host, port: Number(port) };
}

function send(
  method: string,
  path: string,
  to: { host: string; port: number } | { socketPath: string },
  body?: string,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const r = request({ ...to, method, path, agent: false, headers }, (response) => {
      let text = '';
      response.on('data', (d) => (text += String(d)));
      response.on('end', () => resolve({ status: response.statusCode!, body: text }));
    });
    r.on('error', reject);
    r.end(body);
  });
}
