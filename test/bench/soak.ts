/**
 * `npm run bench -- soak`: the built daemon on its TAP under mixed load for as long as one likes, everything that comes back checked:
 * soak-load.ts (transfers by SHA-256, downloads, uploads, short connections, datagrams), pings, SNMP walks, soak-watch.ts (REST, Prometheus,
 * traces, sysctls), and an interface that goes down for a moment now and then. Memory and CPU are sampled once a second; afterwards nothing
 * may be left open and the sum rule must hold (soak-audit.ts). Exit code 1 for any violation.
 */
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { needs } from '../support/needs.js';
import { Bed, closeOnSignals, type Daemon, get, lastLine, pause, type Running } from './bed.js';
import { residentKb, sharesBetween, threadTimes } from './process-cpu.js';
import { STACK_ADDRESS } from './sides.js';
import { allRows, audit, moved, violations } from './soak-audit.js';
import { notFlat, type SoakSample, type SoakSummary, summarise } from './soak-summary.js';
import { Trace } from './soak-trace.js';
import { Watch, type Watched } from './soak-watch.js';

const HELP = `npm run bench -- soak [OPTION …]
  --minutes N     how long, 30 unless told
  --seed N        of everything that is random, 1 unless told
  --plain         without offloads
  --daemon=FLAGS  more flags for tsnetstatd, as in --daemon="--queues 2"
  --json FILE     writes samples and summary
`;
/** Between two moments in which the interface is down, s; and how long that is, ms. */
const BLINK_EVERY_S = 25;
const BLINK_MS = 300;
const WALK_EVERY_MS = 5000;
/** Until all has come to rest: connections whose client reset them while the interface was down live for some retransmissions. */
const REST_LIMIT_MS = 120_000;
/** What is still there after so long, and not because it waits for an answer, waits for nothing. */
const HALF_OPEN_MS = 5000;
/** Events and gaps of its trace are its delta. */
const TRACED = 'Tcp.InSegs';
/** Delayed acknowledgements and loss probes are over by then. */
const QUIET_MS = 2000;

interface Load {
  readonly transfers: number;
  readonly verified: number;
  readonly mismatches: number;
  readonly errors: number;
  readonly problems: readonly string[];
  readonly [total: string]: number | readonly string[];
}

interface Outcome {
  readonly seconds: number;
  readonly load: Load;
  readonly watched: Watched;
  readonly ping: Readonly<Record<string, number>>;
  readonly walks: Readonly<Record<string, number>>;
  readonly summary: SoakSummary;
  readonly rowsBefore: number;
  readonly rowsAfter: number;
  readonly halfOpen: number;
  readonly countersMoved: number;
  readonly violations: readonly string[];
  readonly samples: readonly SoakSample[];
}

const program = (name: string) => fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
const tsx = import.meta.resolve('tsx');

function options() {
  try {
    return parseArgs({
      args: process.argv.slice(3),
      options: {
        help: { type: 'boolean', default: false },
        minutes: { type: 'string', default: '30' },
        seed: { type: 'string', default: '1' },
        plain: { type: 'boolean', default: false },
        daemon: { type: 'string', default: '' },
        json: { type: 'string' },
      },
    }).values;
  } catch (e) {
    process.stderr.write(`bench: ${(e as Error).message}\n`);
    process.exit(2);
  }
}

/** A figure of the daemon's own page. */
function metric(page: string, name: string): number {
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(page)?.[1]);
}

class Soak {
  private readonly bed: Bed;
  private readonly ns: string;
  private readonly daemon: Daemon;
  private readonly seconds: number;
  private readonly seed: number;
  private readonly samples: SoakSample[] = [];
  private readonly wrong: string[] = [];
  private until = 0;
  private halfOpen = 0;

  constructor(bed: Bed, ns: string, daemon: Daemon, seconds: number, seed: number) {
    this.bed = bed;
    this.ns = ns;
    this.daemon = daemon;
    this.seconds = seconds;
    this.seed = seed;
  }

  async run(): Promise<Outcome> {
    const rowsBefore = metric(await get(this.daemon.socket, '/metrics'), 'tsnetstat_rows_used');
    const peer = await this.bed.tool('ping');
    await this.bed.tool('scraper');
    this.until = performance.now() + this.seconds * 1000;
    const watch = new Watch(this.daemon.socket, this.seed, this.until);
    const load = this.start('soak-load', STACK_ADDRESS, String(this.seconds), String(this.seed), this.daemon.socket);
    const ping = this.bed.start(this.ns, [peer, STACK_ADDRESS, String(this.seconds), '20000']);
    const walks = this.walks();
    await Promise.all([this.sample(), this.blink(), watch.run(), load.ended, ping.ended, walks]);
    process.stderr.write('soak: the load is over; waiting until nothing is open\n');
    const totals = this.totals(load);
    this.judge(totals, watch.seen, lastLine(ping.output()));
    const rowsAfter = await this.rest(rowsBefore);
    process.stderr.write('soak: sum rule\n');
    const countersMoved = await this.sumRule();
    await this.endDaemon();
    const summary = summarise(this.samples);
    const flat = notFlat(summary, this.seconds);
    if (flat) this.wrong.push(flat);
    return {
      seconds: this.seconds,
      load: totals,
      watched: watch.seen,
      ping: lastLine(ping.output()),
      walks: await walks,
      summary,
      rowsBefore,
      rowsAfter,
      halfOpen: this.halfOpen,
      countersMoved,
      violations: this.wrong,
      samples: this.samples,
    };
  }

  private start(name: string, ...args: string[]): Running {
    return this.bed.start(this.ns, [process.execPath, '--import', tsx, program(name), ...args]);
  }

  private totals(load: Running): Load {
    try {
      return lastLine(load.output()) as unknown as Load;
    } catch {
      throw new Error(`the load ended early: ${load.errors() || load.output()}`);
    }
  }

  private judge(load: Load, watched: Watched, ping: Readonly<Record<string, number>>): void {
    if (load.mismatches > 0) this.wrong.push(`${load.mismatches} mismatches`);
    if (load.errors > 0) this.wrong.push(`${load.errors} errors of clients`);
    if (load.verified === 0) this.wrong.push('nothing was verified');
    if (ping['wrong']! > 0) this.wrong.push(`${ping['wrong']} pings came back changed`);
    this.wrong.push(...load.problems, ...watched.problems);
  }

  /** SNMP walks over loopback, through the daemon. Totals. */
  private async walks(): Promise<Record<string, number>> {
    const total = { walks: 0, octets: 0 };
    while (performance.now() < this.until) {
      try {
        const a = await this.bed.ask(this.ns, 'scraper', this.daemon.socket, WALK_EVERY_MS, WALK_EVERY_MS / 1000, 'snmp:1161');
        total.walks += a['requests']!;
        total.octets += a['octets']!;
      } catch (e) {
        this.wrong.push(`SNMP walk: ${(e as Error).message}`);
      }
      await pause(Math.min(WALK_EVERY_MS, Math.max(0, this.until - performance.now())));
    }
    return total;
  }

  private async sample(): Promise<void> {
    const { pid, socket } = this.daemon;
    const begin = performance.now();
    let [before, beforeAt] = [threadTimes(pid), begin];
    let told = begin;
    for (let due = begin + 1000; due <= this.until; due += 1000) {
      await pause(Math.max(0, due - performance.now()));
      const [now, at] = [threadTimes(pid), performance.now()];
      const spent = sharesBetween(pid, before, now);
      const seconds = (at - beforeAt) / 1000;
      const page = await get(socket, '/metrics').catch((e: Error) => {
        this.wrong.push(`sample: ${e.message}`);
        return '';
      });
      const s: SoakSample = {
        at: (at - begin) / 1000,
        residentKb: residentKb(pid),
        heapBytes: metric(page, 'nodejs_heap_size_used_bytes') || this.samples.at(-1)?.heapBytes || 0,
        cores: spent.all / seconds,
        mainCores: spent.main / seconds,
        stackCores: spent.stack / seconds,
        rows: metric(page, 'tsnetstat_rows_used') || 0,
      };
      this.samples.push(s);
      [before, beforeAt] = [now, at];
      if (at - told > Math.max(10_000, this.seconds * 50)) {
        told = at;
        process.stderr.write(
          `soak: ${s.at.toFixed(0)} s, ${(s.residentKb / 1024).toFixed(0)} MB, ${s.rows} rows, ${s.cores.toFixed(2)} cores\n`,
        );
      }
    }
  }

  /** The interface goes down for a moment: frames are lost both ways, sends fail, routes vanish and come back. */
  private async blink(): Promise<void> {
    const link = (state: string) => this.bed.run('', ['ip', '-n', this.ns, 'link', 'set', 'tsn0', state]);
    for (;;) {
      const next = Math.min(BLINK_EVERY_S * 1000, this.seconds * 400);
      if (performance.now() + next + 2 * BLINK_MS > this.until) return;
      await pause(next);
      await link('down');
      await pause(BLINK_MS);
      await link('up');
    }
  }

  /** Waits until only what was there before the load is left. */
  private async rest(rowsBefore: number): Promise<number> {
    const from = performance.now();
    let cleared = false;
    for (;;) {
      const rows = metric(await get(this.daemon.socket, '/metrics'), 'tsnetstat_rows_used');
      const waited = performance.now() - from;
      if (rows <= rowsBefore) return rows;
      if (waited > REST_LIMIT_MS) {
        this.wrong.push(`${rows - rowsBefore} rows are left: ${(await this.openRows()).join(', ')}`);
        return rows;
      }
      if (waited > HALF_OPEN_MS && !cleared) {
        cleared = true;
        await this.clearHalfOpen();
      }
      await pause(500);
    }
  }

  /** Connections whose client is gone and that have nothing to send: a RST was lost while the interface was down. */
  private async clearHalfOpen(): Promise<void> {
    const rows = await allRows(this.daemon.socket);
    const half = rows.filter(
      (r) => r.kind === 'connection' && r.state === 'ESTABLISHED' && r.sendQ === 0 && r.timer.kind === 'off',
    );
    if (half.length === 0) return;
    this.halfOpen = half.length;
    const again = this.start('soak-reconnect', STACK_ADDRESS, ...half.map((r) => `${r.remote.port}:${r.local.port}`));
    if ((await again.ended) !== 0) this.wrong.push(`half-open connections could not be cleared: ${again.errors().trim()}`);
  }

  private async openRows(): Promise<string[]> {
    const rows = await allRows(this.daemon.socket);
    return rows
      .filter((r) => r.kind === 'connection' || r.kind === 'request')
      .map(
        (r) =>
          `${r.name} ${r.state} queues ${r.recvQ} ${r.sendQ} timer ${r.timer.kind} in ${r.timer.expiresInMs} ms, ${r.timer.retransmits} times`,
      );
  }

  /** How many counters moved in an exchange on which the sum rule was looked at. */
  private async sumRule(): Promise<number> {
    const probe = this.start('soak-probe', STACK_ADDRESS);
    await this.bed.until(probe, () => probe.output().includes('open\n'), 'soak-probe');
    await pause(QUIET_MS);
    const trace = new Trace(this.daemon.socket, [TRACED]);
    await trace.armed;
    const before = await audit(this.daemon.socket);
    probe.child.stdin!.write('go\n');
    await this.bed.until(probe, () => probe.output().includes('done\n'), 'soak-probe');
    await pause(QUIET_MS);
    const after = await audit(this.daemon.socket);
    trace.leave();
    probe.child.stdin!.end();
    await probe.ended;
    const delta = after.global.get(TRACED)! - before.global.get(TRACED)!;
    if (trace.increments + trace.lost !== delta) {
      this.wrong.push(`trace: ${TRACED} moved by ${delta}; ${trace.increments} in events and ${trace.lost} in gaps`);
    }
    for (const v of violations(before, after)) this.wrong.push(`sum rule: ${v}`);
    const n = moved(before, after);
    if (n === 0) this.wrong.push('sum rule: no counter moved');
    return n;
  }

  private async endDaemon(): Promise<void> {
    await this.bed.end(this.daemon);
    const code = await this.daemon.ended;
    if (code !== 0) this.wrong.push(`the daemon ended with ${code}`);
    for (const line of this.daemon.errors().split('\n'))
      if (/ (warn|error) /.test(line)) this.wrong.push(`the daemon said: ${line}`);
  }
}

const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
const three = (xs: readonly number[]) => xs.map((x) => x.toFixed(0)).join(', ');

function tell(o: Outcome): void {
  const { load: l, watched: w, summary: s } = o;
  const lines = [
    `${o.seconds.toFixed(0)} s of mixed load`,
    `verified        ${mb(l.verified)}: ${l.transfers} transfers by SHA-256, downloads of ${mb(Number(l['downloaded']))}, ${l['datagrams']} datagrams`,
    `mismatches      ${l.mismatches}`,
    `errors          ${l.errors} (and ${l['unreachable']} while the interface was down)`,
    `also            ${mb(Number(l['uploaded']))} uploaded, ${l['visits']} short connections, ${l['refusals']} refused, ${l['datagramsLost']} datagrams lost`,
    `pings           ${o.ping['answers']} answered, ${o.ping['lost']} lost, median ${o.ping['p50']} µs`,
    `watched         ${w.scrapes} answers (${w.inconsistent} not consistent), ${o.walks['walks']} SNMP walks, ${w.traces} traces with ${w.events} events and ${w.gaps} gaps, ${w.knobsTurned} sysctls turned`,
    `resident        ${three(s.residentMb)} MB at 10 %, 50 %, 100 %; second half ${s.slopeMbPerHour.toFixed(0)} MB/h (${s.gainMb.toFixed(1)} MB)`,
    `heap (daemon)   ${three(s.heapMb)} MB`,
    `cores           ${s.cores.toFixed(2)}: daemon's thread ${s.mainCores.toFixed(2)}, stack's ${s.stackCores.toFixed(2)}`,
    `rows            ${o.rowsBefore} before, ${s.mostRows} at most, ${o.rowsAfter} at the end (${o.halfOpen} half-open ones cleared by a new connection)`,
    `sum rule        ${o.countersMoved} counters moved in the last exchange, each by as much in all as on the rows; events + gaps = delta`,
    o.violations.length === 0
      ? 'no violation'
      : `${o.violations.length} VIOLATIONS:\n${o.violations.map((v) => `  ${v}`).join('\n')}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

async function main(): Promise<void> {
  const values = options();
  if (values.help) return void process.stdout.write(HELP);
  const seconds = Number(values.minutes) * 60;
  const seed = Number(values.seed);
  const why = needs.all(needs.netns, needs.tap, needs.tool('cc'));
  if (why || !(seconds >= 10) || !Number.isInteger(seed)) {
    process.stderr.write(`bench: ${why || 'soak wants --minutes of at least 0.2 and a whole --seed'}\n`);
    process.exit(2);
  }
  const bed = new Bed();
  closeOnSignals(bed);
  try {
    const ns = await bed.namespace('soak');
    const flags = [...(values.plain ? ['--no-offloads'] : []), ...values.daemon!.split(/\s+/).filter(Boolean)];
    const daemon = await bed.daemon(ns, flags);
    const outcome = await new Soak(bed, ns, daemon, seconds, seed).run();
    tell(outcome);
    if (values.json) writeFileSync(values.json, `${JSON.stringify(outcome, null, 1)}\n`);
    if (outcome.violations.length > 0) process.exitCode = 1;
  } catch (e) {
    if (bed.closed) await new Promise(() => {}); // a signal ends this process when everything is taken away
    process.stderr.write(`soak: ${(e as Error).message}\n`);
    process.exitCode = 1;
  } finally {
    await bed.close();
  }
}

await main();
