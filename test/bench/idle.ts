/**
 * `npm run bench -- idle`: what connections cost that do nothing. N handshakes by a crowd of frames (test/support/crowd.ts) against a stack in
 * virtual time; bytes a connection, all kinds of memory, fresh ones and ones that have echoed a byte; TIME-WAIT entries; the real time
 * a new handshake takes, and the longest collection, with none and with all of them open. `--connections N`, `--json FILE`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { PerformanceObserver } from 'node:perf_hooks';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { ROW_STRIDE } from '../../mib/ledger/layout.js';
import { CrowdedStack } from '../support/crowded-stack.js';

const { values: options } = parseArgs({
  allowPositionals: true,
  options: { connections: { type: 'string', default: '100000' }, json: { type: 'string' } },
});
const N = Number(options.connections);
const PROBES = 2000;
const gc = (globalThis as { gc?: () => void }).gc;
if (!gc) throw new Error('needs node --expose-gc');

interface Memory {
  heap: number;
  external: number;
  rss: number;
}
function memory(): Memory {
  gc!();
  gc!();
  const m = process.memoryUsage();
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024;
  return { heap: m.heapUsed, external: m.external, rss };
}
const each = (after: Memory, before: Memory, n: number): Memory => ({
  heap: Math.round((after.heap - before.heap) / n),
  external: Math.round((after.external - before.external) / n),
  rss: Math.round((after.rss - before.rss) / n),
});

let longestGcMs = 0;
let gcMs = 0;
new PerformanceObserver((list) => {
  for (const e of list.getEntries()) {
    longestGcMs = Math.max(longestGcMs, e.duration);
    gcMs += e.duration;
  }
}).observe({ entryTypes: ['gc'] });
const tick = () => new Promise((r) => setTimeout(r, 0));

const median = (xs: number[]) => [...xs].sort((a, b) => a - b)[Math.floor(xs.length / 2)] ?? Number.NaN;
const percentile = (xs: number[], p: number) => [...xs].sort((a, b) => a - b)[Math.floor(xs.length * p)] ?? Number.NaN;

const s = new CrowdedStack(N + 8 * PROBES);
let next = N;

/** Real µs from the SYN's arrival until the connection stands and is reset again; and the collections meanwhile. */
async function handshakes(): Promise<{ medianUs: number; p99Us: number; maxUs: number; gcMs: number; longestGcMs: number }> {
  await tick();
  longestGcMs = gcMs = 0;
  const times: number[] = [];
  for (let i = 0; i < PROBES; i++) {
    const client = next++;
    const from = process.hrtime.bigint();
    s.crowd.connect(client);
    s.run();
    times.push(Number(process.hrtime.bigint() - from) / 1000);
    s.crowd.reset(client);
    s.run(20);
  }
  await tick();
  return { medianUs: median(times), p99Us: percentile(times, 0.99), maxUs: Math.max(...times), gcMs, longestGcMs };
}

s.crowd.port = 7;
await handshakes(); // warm
const empty = await handshakes();
const before = memory();
const from = performance.now();
s.connect(0, N);
const connectsPerSecond = Math.round((N / (performance.now() - from)) * 1000);
const fresh = each(memory(), before, N);
const timersFresh = s.stack.env.timers.size;
s.run(130_000_000);
const settled = each(memory(), before, N);
const timersSettled = s.stack.env.timers.size;
const full = await handshakes();
const majorFrom = performance.now();
gc();
const majorMs = performance.now() - majorFrom;
for (let i = 0; i < N; i++) {
  s.crowd.send(i, 1);
  if ((i & 63) === 63) s.run(1280);
}
s.run(130_000_000);
const echoed = each(memory(), before, N);
const polledFrom = performance.now();
for (let i = 0; i < 100_000; i++) s.stack.poll(++s.nowUs);
const pollNs = ((performance.now() - polledFrom) * 1e6) / 100_000;
const fullWarm = await handshakes();

// the clients close first on the second half: the server closes after, and has no TIME-WAIT; so close from the server: daytime does
const waits = Math.min(N, 50_000);
const beforeWaits = memory();
s.crowd.port = 13;
const daytime = new CrowdedStack(waits);
daytime.crowd.port = 13;
daytime.connect(0, 1);
daytime.crowd.fin(0);
daytime.run(70_000_000);
const emptyWaits = memory();
void beforeWaits;
for (let i = 0; i < waits; i++) {
  daytime.crowd.connect(i);
  daytime.run(50);
  daytime.crowd.fin(i);
  daytime.run(50);
}
const timeWait = each(memory(), emptyWaits, waits);
const inTimeWait = daytime.stack.tcpLayer.table.counts[2];

const result = {
  connections: N,
  rowBytes: ROW_STRIDE * 8,
  bytesEach: { fresh, settled, echoed },
  total: echoed.rss * N,
  timers: { fresh: timersFresh, settled: timersSettled },
  connectsPerSecond,
  handshake: { empty, full, fullWarm },
  majorGcMs: majorMs,
  idlePollNs: pollNs,
  timeWait: { entries: inTimeWait, bytesEach: timeWait },
};
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
if (options.json) writeFileSync(options.json, JSON.stringify(result, null, 2));
