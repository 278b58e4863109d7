/**
 * What a bench stands on: C programs built into a scratch folder, network namespaces, daemons and servers in them. Everything made here is
 * taken away by `close`, and by the process's end when it comes to that first.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

export const root: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const here = join(root, 'test', 'bench');

/** The C programs in native/. */
export type Tool = 'crowd' | 'peer' | 'datagrams' | 'ping' | 'responder' | 'spin' | 'scraper';
/** The JSON line that a C program ends with. */
export type Answer = Readonly<Record<string, number>>;

/** How long a daemon may take to end in order. */
const END_LIMIT_MS = 6000;
const START_LIMIT_MS = 30_000;

export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Its standard output so far. */
  readonly output: () => string;
  readonly errors: () => string;
  readonly ended: Promise<number | null>;
}

export interface Daemon extends Running {
  readonly namespace: string;
  readonly socket: string;
}

export class Bed {
  readonly scratch: string;
  private readonly tools = new Map<Tool, Promise<string>>();
  private readonly namespaces: string[] = [];
  private readonly running = new Set<Running>();
  private closing: Promise<void> | null = null;
  private made = 0;
  private readonly onExit = (): void => this.takeAway();

  constructor() {
    this.scratch = mkdtempSync(join(tmpdir(), 'tsnetstat-bench-'));
    process.on('exit', this.onExit);
  }

  /** Has the bench been told to end? */
  get closed(): boolean {
    return this.closing !== null;
  }

  /** A namespace of ours; loopback is up, ports for many short connections are there. */
  async namespace(name: string): Promise<string> {
    const ns = `tsb${process.pid}-${this.made++}-${name}`;
    await this.run('', ['ip', 'netns', 'add', ns]);
    this.namespaces.push(ns);
    await this.run('', ['ip', '-n', ns, 'link', 'set', 'lo', 'up']);
    await this.run(ns, ['sysctl', '-qw', 'net.ipv4.ip_local_port_range=1024 65535', 'net.ipv4.tcp_tw_reuse=1']);
    return ns;
  }

  /** Starts a program, in a namespace unless that is ''. It ends with the bench. */
  start(namespace: string, command: readonly string[], environment: Readonly<Record<string, string>> = {}): Running {
    if (this.closing) throw new Error('the bench is ending');
    const [program, ...args] = namespace ? ['ip', 'netns', 'exec', namespace, ...command] : command;
    // a session of its own: the terminal's Ctrl-C is for the bench, which ends the others in order
    const child = spawn(program!, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, ...environment },
    });
    let output = '';
    let errors = '';
    child.stdin!.on('error', () => {}); // it ended before it was told to
    child.stdout!.on('data', (d: Buffer) => {
      output += d;
    });
    child.stderr!.on('data', (d: Buffer) => {
      errors = (errors + d).slice(-10_000);
    });
    const ended = new Promise<number | null>((resolve) => {
      child.once('error', (e) => {
        errors += e.message;
        resolve(null);
      });
      child.once('close', (code) => resolve(code));
    });
    const r: Running = { child, pid: child.pid ?? 0, output: () => output, errors: () => errors, ended };
    this.running.add(r);
    void ended.then(() => this.running.delete(r));
    return r;
  }

  /** Runs a program to its end. @throws Error with what it said when it fails */
  async run(namespace: string, command: readonly string[]): Promise<string> {
    const r = this.start(namespace, command);
    const code = await r.ended;
    if (code !== 0) throw new Error(`${command.join(' ')}: ${(r.errors() || r.output() || `ended with ${code}`).trim()}`);
    return r.output();
  }

  /** Path of a C program, built when it is first wanted. */
  tool(name: Tool): Promise<string> {
    let built = this.tools.get(name);
    if (!built) {
      const path = join(this.scratch, name);
      const source = join(here, 'native', `${name}.c`);
      built = this.run('', ['cc', '-O2', '-pthread', '-o', path, source]).then(() => path);
      this.tools.set(name, built);
    }
    return built;
  }

  /** Runs a C program to its end and gives its last line. @throws Error when that tells of one */
  async ask(namespace: string, tool: Tool, ...args: readonly (string | number)[]): Promise<Answer> {
    const path = await this.tool(tool);
    const output = await this.run(namespace, [path, ...args.map(String)]).catch((e: Error) => {
      throw new Error(`${tool} ${args.join(' ')}: ${e.message}`);
    });
    return lastLine(output);
  }

  /** Starts a C program and waits for its first line. */
  async serve(namespace: string, tool: Tool, ...args: readonly (string | number)[]): Promise<Running> {
    const r = this.start(namespace, [await this.tool(tool), ...args.map(String)]);
    await this.until(r, () => r.output().includes('\n'), `${tool} ${args.join(' ')}`);
    lastLine(r.output());
    return r;
  }

  /** Starts the built daemon of a checkout and waits until it answers. */
  async daemon(namespace: string, flags: readonly string[], nodeFlags: readonly string[] = [], checkout = root): Promise<Daemon> {
    const socket = join(this.scratch, `d${this.made++}.sock`);
    const program = [process.execPath, ...nodeFlags, join(checkout, 'dist', 'daemon', 'main.js')];
    const r = this.start(namespace, [...program, '--http-socket', socket, '--log-level', 'warn', ...flags]);
    let ready = false;
    const asking = async () => {
      ready ||= await get(socket, '/healthz').then(
        () => true,
        () => false,
      );
      return ready;
    };
    await this.until(r, asking, 'tsnetstatd');
    return Object.assign(r, { namespace, socket });
  }

  /** Waits for a condition while a program runs. @throws Error when that ends, or after half a minute */
  async until(r: Running, condition: () => boolean | Promise<boolean>, name: string): Promise<void> {
    let code: number | null | undefined;
    void r.ended.then((c) => {
      code = c;
    });
    for (const from = performance.now(); !(await condition()); await pause(10)) {
      if (code !== undefined) throw new Error(`${name} ended with ${code}: ${(r.errors() || r.output()).trim()}`);
      if (performance.now() - from > START_LIMIT_MS) throw new Error(`${name} did not get ready`);
    }
  }

  /** Ends one program, in order if it can, and waits for its end. */
  async end(r: Running): Promise<void> {
    if (!this.running.has(r)) return;
    r.child.kill('SIGTERM');
    const late = setTimeout(() => r.child.kill('SIGKILL'), END_LIMIT_MS);
    await r.ended;
    clearTimeout(late);
  }

  /** Takes everything away. May be called again. */
  close(): Promise<void> {
    this.closing ??= (async () => {
      await Promise.all([...this.running].map((r) => this.end(r)));
      this.takeAway();
      process.off('exit', this.onExit);
    })();
    return this.closing;
  }

  /** What must be gone when the process is: at once, whatever state it is in. */
  private takeAway(): void {
    for (const r of this.running) r.child.kill('SIGKILL');
    for (const ns of this.namespaces.splice(0)) {
      try {
        execFileSync('ip', ['netns', 'del', ns], { stdio: 'ignore' });
      } catch {
        // it is gone already
      }
    }
    rmSync(this.scratch, { recursive: true, force: true });
  }
}

/** Ends by a signal take everything away first; a second one does it at once. */
export function closeOnSignals(bed: Bed): void {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => {
      if (bed.closed) process.exit(code);
      process.stderr.write(`bench: ${signal}: taking everything away\n`);
      void bed.close().then(() => process.exit(code));
    });
  }
}

/** The last line of a C program. @throws Error when it says so */
export function lastLine(output: string): Answer {
  const line = output.trim().split('\n').at(-1) ?? '';
  const answer = JSON.parse(line) as Answer & { error?: string };
  if (answer.error) throw new Error(answer.error);
  return answer;
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** GET over a daemon's unix socket. @throws Error for any status but 200, and after ten seconds */
export function get(socketPath: string, path: string): Promise<string> {
  return ask('GET', socketPath, path);
}

export function ask(method: 'GET' | 'PUT', socketPath: string, path: string, body?: unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const r = request({ socketPath, path, method, headers, agent: false, timeout: 10_000 }, (response) => {
      let text = '';
      response.on('data', (d: Buffer) => {
        text += d;
      });
      response.on('error', reject);
      response.on('end', () =>
        response.statusCode === 200 ? resolve(text) : reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`)),
      );
    });
    r.on('timeout', () => r.destroy(new Error(`${method} ${path}: no answer`)));
    r.on('error', reject);
    r.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
