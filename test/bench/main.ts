/**
 * `npm run bench`: the stack on its TAP against the kernel's own TCP over veth, in turn (A B A B …) in one run, with the same client; medians,
 * spread and ratios. `--rounds N`, `--seconds S`, `--plain` (no offloads on either side), `--json FILE`, `--compare FILE`.
 * `npm run bench -- idle`: what idle connections cost (idle.ts).
 */
import { type ChildProcess, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { needs } from '../support/needs.js';
import { type Micro, micro } from './micro.js';
import {
  CLIENT_NS,
  inside,
  KERNEL_ADDRESS,
  makeNetwork,
  removeNetwork,
  SERVER_NS,
  STACK_ADDRESS,
  STACK_NS,
  sourceAddress,
  start,
} from './network.js';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** Has options of its own. */
const idle = process.argv[2] === 'idle';
const { values: options } = parseArgs({
  args: idle ? [] : process.argv.slice(2),
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    plain: { type: 'boolean', default: false },
    json: { type: 'string' },
    compare: { type: 'string' },
  },
});
const rounds = Number(options.rounds);
const seconds = options.seconds;

const MEASURES = ['upload', 'download', 'echo', 'connects1', 'connects8'] as const;
type Measure = (typeof MEASURES)[number];
const UNIT: Record<Measure, string> = { upload: 'Gb/s', download: 'Gb/s', echo: 'rounds/s', connects1: '/s', connects8: '/s' };

interface Sample {
  value: number;
  /** CPU seconds of the stack's process (0 for the kernel). */
  cpu: number;
}
interface Results {
  offloads: boolean;
  samples: Record<string, Sample[]>;
  scrape: { withoutGbps: number; withGbps: number; medianMs: number; everyMs: number };
  micro: Micro;
}

function build(): { peer: string; scratch: string } {
  const scratch = mkdtempSync(join(tmpdir(), 'tsnetstat-bench-'));
  const peer = join(scratch, 'peer');
  execFileSync('cc', ['-O2', '-pthread', '-o', peer, join(root, 'test/bench/peer.c')]);
  return { peer, scratch };
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

class Side {
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
  readonly device: string;
  readonly peer: string;
  readonly pid: number;
  private host = 10;
  constructor(name: string, namespace: string, address: string, device: string, peer: string, pid: number) {
    this.name = name;
    this.namespace = namespace;
    this.address = address;
    this.device = device;
    this.peer = peer;
    this.pid = pid;
  }

  run(measure: Measure): Sample {
    const before = this.pid ? cpuSeconds(this.pid) : 0;
    const out = JSON.parse(inside(this.namespace, this.peer, ...this.command(measure))) as Record<string, number | string>;
    if (out['error']) throw new Error(`${this.name} ${measure}: ${out['error']}`);
    const value = Number(out['gbps'] ?? out['rounds'] ?? out['connects']);
    return { value, cpu: this.pid ? cpuSeconds(this.pid) - before : 0 };
  }

  private command(measure: Measure): string[] {
    const at = (port: number) => [this.address, String(port), seconds];
    if (measure === 'upload') return ['upload', ...at(9)];
    if (measure === 'download') return ['download', ...at(19)];
    if (measure === 'echo') return ['echo', ...at(7)];
    const source = sourceAddress(this.namespace, this.device, this.address.replace(/\.\d+$/, ''), this.host++);
    return ['connect', ...at(7), measure === 'connects1' ? '1' : '8', source];
  }
}

const median = (xs: number[]) => [...xs].sort((a, b) => a - b)[Math.floor(xs.length / 2)] ?? Number.NaN;

function get(socketPath: string, path: string): Promise<number> {
  const from = performance.now();
  return new Promise((resolve, reject) => {
    request({ socketPath, path }, (r) => {
      r.resume();
      r.on('end', () =>
        r.statusCode === 200 ? resolve(performance.now() - from) : reject(new Error(`${path}: ${r.statusCode}`)),
      );
    })
      .on('error', reject)
      .end();
  });
}

async function ready(socketPath: string, daemon: ChildProcess): Promise<void> {
  let errors = '';
  daemon.stderr!.on('data', (d: Buffer) => {
    errors += d;
  });
  for (let i = 0; i < 200; i++) {
    if (daemon.exitCode !== null) throw new Error(`tsnetstatd ended: ${errors}`);
    try {
      await get(socketPath, '/healthz');
      return;
    } catch {
      await new Promise((r) => setTimeout(r, 100));
    }
  }
  throw new Error(`tsnetstatd did not start: ${errors}`);
}

/** A scrape of everything every 100 ms while one connection uploads, against the same upload alone. */
async function underLoad(peer: string, socketPath: string): Promise<Results['scrape']> {
  const everyMs = 100;
  const upload = () =>
    new Promise<number>((resolve) => {
      const p = start(STACK_NS, peer, 'upload', STACK_ADDRESS, '9', seconds);
      let out = '';
      p.stdout!.on('data', (d: Buffer) => {
        out += d;
      });
      p.on('exit', () => resolve(Number((JSON.parse(out) as { gbps: number }).gbps)));
    });
  const alone: number[] = [];
  const scraped: number[] = [];
  const latencies: number[] = [];
  for (let i = 0; i < rounds; i++) {
    alone.push(await upload());
    let busy = true;
    const scrape = (async () => {
      while (busy) {
        latencies.push(await get(socketPath, '/metrics'));
        await new Promise((r) => setTimeout(r, everyMs));
      }
    })();
    scraped.push(await upload());
    busy = false;
    await scrape;
  }
  return { withoutGbps: median(alone), withGbps: median(scraped), medianMs: median(latencies), everyMs };
}

async function measure(): Promise<Results> {
  const { peer, scratch } = build();
  const offloads = !options.plain;
  const socketPath = join(scratch, 'd.sock');
  const children: ChildProcess[] = [];
  try {
    makeNetwork(offloads);
    children.push(start(SERVER_NS, peer, 'serve'));
    const flags = ['--http-socket', socketPath, '--log-level', 'warn', ...(offloads ? [] : ['--no-offloads'])];
    const daemon = start(STACK_NS, process.execPath, join(root, 'dist/daemon/main.js'), ...flags);
    children.push(daemon);
    await ready(socketPath, daemon);
    const sides = [
      new Side('tsnetstat', STACK_NS, STACK_ADDRESS, 'tsn0', peer, daemon.pid!),
      new Side('kernel', CLIENT_NS, KERNEL_ADDRESS, 'v0', peer, 0),
    ];
    const samples: Results['samples'] = {};
    for (const m of MEASURES) {
      for (let i = 0; i < rounds; i++) for (const side of sides) (samples[`${side.name} ${m}`] ??= []).push(side.run(m));
    }
    const scrape = await underLoad(peer, socketPath);
    return { offloads, samples, scrape, micro: micro() };
  } finally {
    for (const c of children) c.kill('SIGTERM');
    await new Promise((r) => setTimeout(r, 1500));
    removeNetwork();
    rmSync(scratch, { recursive: true, force: true });
  }
}

function print(r: Results, earlier: Results | undefined): void {
  const line = (...cells: string[]) => process.stdout.write(`| ${cells.join(' | ')} |\n`);
  process.stdout.write(`offloads ${r.offloads ? 'on' : 'off'}, ${rounds} rounds of ${seconds} s, medians [min–max]\n\n`);
  line('measure', 'tsnetstat', 'kernel veth', 'ratio', 'CPU s of the stack', ...(earlier ? ['ratio before'] : []));
  line('---', '---', '---', '---', '---', ...(earlier ? ['---'] : []));
  const of = (x: Results, side: string, m: Measure) => x.samples[`${side} ${m}`]!.map((s) => s.value);
  const digits = (m: Measure) => (UNIT[m] === 'Gb/s' ? 2 : 0);
  for (const m of MEASURES) {
    const show = (side: string) => {
      const v = of(r, side, m);
      return `${median(v).toFixed(digits(m))} [${Math.min(...v).toFixed(digits(m))}–${Math.max(...v).toFixed(digits(m))}] ${UNIT[m]}`;
    };
    const ratio = (x: Results) => (median(of(x, 'tsnetstat', m)) / median(of(x, 'kernel', m))).toFixed(2);
    const cpu = median(r.samples[`tsnetstat ${m}`]!.map((s) => s.cpu)).toFixed(2);
    line(m, show('tsnetstat'), show('kernel'), ratio(r), cpu, ...(earlier ? [ratio(earlier)] : []));
  }
  const s = r.scrape;
  process.stdout.write(
    `\nscrape of /metrics every ${s.everyMs} ms while uploading: ${s.withGbps.toFixed(2)} against ${s.withoutGbps.toFixed(2)} Gb/s ` +
      `(${(s.withGbps / s.withoutGbps).toFixed(3)}), ${s.medianMs.toFixed(1)} ms a scrape\n`,
  );
  const u = r.micro;
  process.stdout.write(
    `counter event: plain array cell ${u.plainCell.toFixed(1)} ns, unattributed ${u.unattributed.toFixed(1)} ns, on a row ${u.row.toFixed(1)} ns, ` +
      `probe armed ${u.armed.toFixed(0)} ns; snapshot published in ${u.snapshotUs.toFixed(1)} µs\n`,
  );
}

const why = needs.all(needs.netns, needs.tap, needs.tool('cc'), options.plain ? needs.tool('ethtool') : '');
if (idle) await import('./idle.js');
else if (why) {
  process.stderr.write(`bench: ${why}; only the in-process figures follow\n`);
  process.stdout.write(`${JSON.stringify(micro(), null, 2)}\n`);
} else {
  const results = await measure();
  const earlier = options.compare ? (JSON.parse(readFileSync(options.compare, 'utf8')) as Results) : undefined;
  print(results, earlier);
  if (options.json) writeFileSync(options.json, JSON.stringify(results, null, 2));
}
