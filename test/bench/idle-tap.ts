/**
 * `npm run bench -- idle --tap`: idle connections in living daemons over TAPs. Two daemons in namespaces of their own; a crowd of frames
 * (native/crowd.c) opens connections to one of them, each of which echoes a byte and stays; the other stays empty. Told are the resident
 * memory above that before the crowd came, the time of a new connection (connect, one byte to and fro, by kernel sockets) at both daemons in turn,
 * a scrape of both, and the CPU of the crowded one at rest. `--connections N` (100000; a million works in 8 GB), `--rounds N`, `--json FILE`.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const STACK = '10.77.0.2';
const MAC = '02:00:0a:4d:00:02';
const DEVICE = 'tsn0';
/** Visits of one sample, and in front of everything: compiled code, pools and tables are there then. */
const VISITS = 400;
const WARM_VISITS = 2000;
const SCRAPES = 5;
const SETTLE_MS = 3000;
const IDLE_MS = 3000;
const START_LIMIT_MS = 30_000;

export interface IdleTapOptions {
  readonly connections: number;
  readonly rounds: number;
  /** More flags for the daemons. */
  readonly flags?: readonly string[];
}
interface Visit {
  readonly medianUs: number;
  readonly p99Us: number;
  readonly meanUs: number;
}
export interface IdleTap {
  readonly connections: number;
  /** Of the crowd: seconds to open all, and handshakes that had to be repeated. */
  readonly openSeconds: number;
  readonly openCpuSeconds: number;
  readonly again: number;
  /** MB of the daemon before the crowd came, above that with it, and kB a connection. */
  readonly emptyMb: number;
  readonly aboveMb: number;
  readonly kbEach: number;
  /** Times of new connections, µs, medians over the rounds. */
  readonly empty: Visit;
  readonly crowded: Visit;
  /** crowded / empty of each round's medians: its median. */
  readonly ratio: number;
  /** GET /metrics, ms. */
  readonly scrapeMs: { readonly empty: number; readonly crowded: number };
  /** CPU of the crowded daemon at rest, part of one. */
  readonly idleCpu: number;
}

const median = (xs: readonly number[]): number => [...xs].sort((a, b) => a - b)[Math.floor(xs.length / 2)] ?? Number.NaN;
const pause = (ms: number) => new Promise((r) => setTimeout(r, ms));

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** A daemon in a namespace of its own. */
class Place {
  readonly namespace: string;
  readonly socket: string;
  private readonly crowdProgram: string;
  private readonly children: ChildProcess[] = [];
  private daemon: ChildProcess | null = null;
  private errors = '';

  constructor(name: string, scratch: string, crowdProgram: string) {
    this.namespace = `tsi${process.pid}-${name}`;
    this.socket = join(scratch, `${name}.sock`);
    this.crowdProgram = crowdProgram;
    execFileSync('ip', ['netns', 'add', this.namespace]);
    execFileSync('ip', ['-n', this.namespace, 'link', 'set', 'lo', 'up']);
  }

  get pid(): number {
    return this.daemon!.pid!;
  }

  private start(...command: string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.namespace, ...command], { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stderr!.on('data', (d: Buffer) => {
      this.errors = (this.errors + d).slice(-5000);
    });
    this.children.push(child);
    return child;
  }

  async startDaemon(flags: readonly string[]): Promise<void> {
    const network = ['--address', `${STACK}/16`, '--host-address', '10.77.0.1/16', '--tap-name', DEVICE];
    const doors = ['--http-socket', this.socket, '--log-level', 'warn', '--max-rows', '1100000'];
    this.daemon = this.start(process.execPath, join(root, 'dist/daemon/main.js'), ...network, ...doors, ...flags);
    const until = performance.now() + START_LIMIT_MS;
    for (;;) {
      try {
        await this.get('/healthz');
        return;
      } catch (e) {
        if (this.daemon.exitCode !== null || performance.now() > until) throw new Error(`tsnetstatd: ${this.errors || e}`);
        await pause(100);
      }
    }
  }

  /** ms until the last byte. */
  get(path: string): Promise<number> {
    const from = performance.now();
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath: this.socket, path }, (r) => {
        r.resume();
        r.on('end', () =>
          r.statusCode === 200 ? resolve(performance.now() - from) : reject(new Error(`${path}: ${r.statusCode}`)),
        );
      });
      asked.on('error', reject).end();
    });
  }

  /** New connections one after another. */
  async visit(count: number): Promise<Visit> {
    const lines = createInterface(this.start(this.crowdProgram, 'visit', STACK, String(count)).stdout!);
    return (await this.line(lines)) as unknown as Visit;
  }

  crowd(): Crowd {
    const child = this.start(this.crowdProgram, 'hold', DEVICE, MAC, '20');
    const lines = createInterface(child.stdout!);
    return {
      open: async (count) => {
        child.stdin!.write(`${count}\n`);
        return await this.line(lines);
      },
      end: () => child.stdin!.end(),
    };
  }

  private line(lines: Interface): Promise<Record<string, number>> {
    return new Promise((resolve, reject) => {
      lines.once('line', (text) => {
        const said = JSON.parse(text) as Record<string, number> & { error?: string };
        if (said.error) reject(new Error(said.error));
        else resolve(said);
      });
      lines.once('close', () => reject(new Error(`the crowd ended: ${this.errors}`)));
    });
  }

  async close(): Promise<void> {
    const ended = this.children
      .filter((c) => c.exitCode === null && c.signalCode === null)
      .map((c) => {
        c.kill('SIGTERM');
        return new Promise((r) => c.once('exit', r));
      });
    await Promise.race([Promise.all(ended), pause(10_000)]);
    for (const c of this.children) if (c.exitCode === null && c.signalCode === null) c.kill('SIGKILL');
    execFileSync('ip', ['netns', 'del', this.namespace]);
  }
}

interface Crowd {
  open(count: number): Promise<Record<string, number>>;
  end(): void;
}

const mean = (visits: readonly Visit[]): Visit => ({
  medianUs: median(visits.map((v) => v.medianUs)),
  p99Us: median(visits.map((v) => v.p99Us)),
  meanUs: median(visits.map((v) => v.meanUs)),
});

async function measure(empty: Place, crowded: Place, o: IdleTapOptions): Promise<IdleTap> {
  for (const p of [empty, crowded]) {
    await p.visit(WARM_VISITS);
    for (let i = 0; i < SCRAPES; i++) await p.get('/metrics');
  }
  await pause(SETTLE_MS);
  const emptyMb = residentMb(crowded.pid);
  const cpu = cpuSeconds(crowded.pid);
  const crowd = crowded.crowd();
  const opened = await crowd.open(o.connections);
  const openCpuSeconds = cpuSeconds(crowded.pid) - cpu;
  await pause(SETTLE_MS);
  const aboveMb = residentMb(crowded.pid) - emptyMb;
  const resting = cpuSeconds(crowded.pid);
  await pause(IDLE_MS);
  const idleCpu = (cpuSeconds(crowded.pid) - resting) / (IDLE_MS / 1000);
  const visits: { empty: Visit[]; crowded: Visit[] } = { empty: [], crowded: [] };
  const scrapes: { empty: number[]; crowded: number[] } = { empty: [], crowded: [] };
  for (let i = 0; i < o.rounds; i++) {
    visits.empty.push(await empty.visit(VISITS));
    visits.crowded.push(await crowded.visit(VISITS));
  }
  for (let i = 0; i < SCRAPES; i++) {
    scrapes.empty.push(await empty.get('/metrics'));
    scrapes.crowded.push(await crowded.get('/metrics'));
  }
  crowd.end();
  return {
    connections: o.connections,
    openSeconds: opened['seconds']!,
    openCpuSeconds,
    again: opened['again']!,
    emptyMb,
    aboveMb,
    kbEach: (aboveMb * 1024) / o.connections,
    empty: mean(visits.empty),
    crowded: mean(visits.crowded),
    ratio: median(visits.crowded.map((v, i) => v.medianUs / visits.empty[i]!.medianUs)),
    scrapeMs: { empty: median(scrapes.empty), crowded: median(scrapes.crowded) },
    idleCpu,
  };
}

/** Needs root, /dev/net/tun, iproute2, a C compiler and a built dist/. Leaves nothing behind. */
export async function idleOnTap(o: IdleTapOptions): Promise<IdleTap> {
  const scratch = mkdtempSync(join(tmpdir(), 'tsnetstat-idle-'));
  const program = join(scratch, 'crowd');
  const places: Place[] = [];
  try {
    execFileSync('cc', ['-O2', '-o', program, join(root, 'test/bench/native/crowd.c')]);
    for (const name of ['empty', 'crowded']) {
      const p = new Place(name, scratch, program);
      places.push(p);
      await p.startDaemon(o.flags ?? []);
    }
    return await measure(places[0]!, places[1]!, o);
  } finally {
    for (const p of places) await p.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}
