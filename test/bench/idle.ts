/**
 * `npm run bench -- idle`: what connections cost that do nothing. N handshakes by a crowd of frames (test/support/crowd.ts) against a stack in
 * virtual time: bytes a connection (JavaScript's heap, memory beside it, and the resident set, in which its row is), fresh and after it
 * has echoed a byte and been idle for two minutes; bytes a TIME-WAIT entry; the real time of a new handshake with none and with all of
 * them open; a full collection; a poll that finds nothing; a timer. `--connections N`, `--memory` (no times), `--json FILE`.
 */
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { PART } from '../../mib/ledger/layout.js';
import { Timer, TimerQueue } from '../../stack/core/timer.js';
import { FlowKind } from '../../stack/tcp/table.js';
import { CrowdedStack } from '../support/crowded-stack.js';

const { values: options } = parseArgs({
  allowPositionals: true,
  options: {
    connections: { type: 'string', default: '100000' },
    memory: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const N = Number(options.connections);
const PROBES = options.memory ? 0 : 2000;
/** Handshakes in front of each measurement: compiled code, pools and tables are there then. */
const WARM = 200;
const IDLE_US = 130_000_000;

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

interface Memory {
  heap: number;
  external: number;
  rss: number;
}
function memory(): Memory {
  gc();
  gc();
  const m = process.memoryUsage();
  return { heap: m.heapUsed, external: m.external, rss: m.rss };
}
const each = (before: Memory, n: number): Memory => {
  const after = memory();
  return {
    heap: Math.round((after.heap - before.heap) / n),
    external: Math.round((after.external - before.external) / n),
    rss: Math.round((after.rss - before.rss) / n),
  };
};
const at = (xs: number[], part: number) => [...xs].sort((a, b) => a - b)[Math.floor(xs.length * part)] ?? Number.NaN;

/** Real µs from the SYN's arrival until the connection stands; each is then reset by its client. */
function handshakes(s: CrowdedStack, from: number): { medianUs: number; p99Us: number; maxUs: number } {
  const times: number[] = [];
  for (let client = from; client < from + PROBES; client++) {
    const began = performance.now();
    s.crowd.connect(client);
    s.run();
    times.push((performance.now() - began) * 1000);
    s.crowd.reset(client);
    s.run(20);
  }
  return { medianUs: at(times, 0.5), p99Us: at(times, 0.99), maxUs: at(times, 1 - 1e-9) };
}

function echoOne(s: CrowdedStack, from: number, count: number): void {
  for (let i = from; i < from + count; i++) {
    s.crowd.send(i, 1);
    if ((i & 63) === 63) s.run(1280);
  }
  s.run(IDLE_US);
}

function connections() {
  const s = new CrowdedStack(N + WARM + 4 * PROBES);
  const probes = N + WARM;
  s.connect(N, WARM);
  echoOne(s, N, WARM);
  handshakes(s, probes);
  const empty = handshakes(s, probes + PROBES);
  const before = memory();
  const from = performance.now();
  s.connect(0, N);
  const connectsPerSecond = Math.round((N / (performance.now() - from)) * 1000);
  const fresh = each(before, N);
  const full = handshakes(s, probes + 2 * PROBES);
  echoOne(s, 0, N);
  const echoed = each(before, N);
  const timersLeft = s.stack.env.timers.size;
  const answered = s.crowd.data;
  const again = handshakes(s, probes + 3 * PROBES);
  const collecting = performance.now();
  gc();
  const fullCollectionMs = performance.now() - collecting;
  const polling = performance.now();
  for (let i = 0; i < 100_000; i++) s.stack.poll(++s.nowUs);
  const pollNs = ((performance.now() - polling) * 1e6) / 100_000;
  const times = options.memory ? {} : { connectsPerSecond, handshake: { empty, full, again }, fullCollectionMs, pollNs };
  return { answered, timersLeft, bytesEach: { hotRow: PART * 8, fresh, echoed }, ...times };
}

/** The client says what it has to say and closes behind the server, whose entries stay. */
function timeWaits() {
  const n = Math.min(N, 50_000);
  const s = new CrowdedStack(n + WARM);
  s.stack.env.sysctl.set('tcp_max_tw_buckets', String(n + WARM));
  s.crowd.port = 13;
  const visit = (client: number) => {
    s.crowd.connect(client);
    s.run(50);
    s.crowd.fin(client);
    s.run(50);
  };
  for (let i = n; i < n + WARM; i++) visit(i);
  const before = memory();
  for (let i = 0; i < n; i++) visit(i);
  const bytesEach = each(before, n);
  return { entries: s.stack.tcpLayer.table.counts[FlowKind.timeWait]! - WARM, bytesEach };
}

/** ns to move a timer later, to cancel and arm it again, and to fire it, among n. */
function timers(n: number) {
  const queue = new TimerQueue();
  let fired = 0;
  const handler = { onTimer: () => fired++ };
  const all = Array.from({ length: n }, () => new Timer(handler, 0));
  const ns = (body: (i: number) => void) => {
    const from = performance.now();
    for (let i = 0; i < n; i++) body(i);
    return Math.round(((performance.now() - from) * 1e6) / n);
  };
  const armNs = ns((i) => queue.arm(all[i]!, 200_000 + ((i * 7919) % n)));
  const laterNs = ns((i) => queue.arm(all[i]!, 400_000 + ((i * 7919) % n)));
  const cancelNs = ns((i) => {
    queue.cancel(all[i]!);
    queue.arm(all[i]!, 600_000 + ((i * 7919) % n));
  });
  const from = performance.now();
  queue.run(1e9);
  return { timers: fired, armNs, laterNs, cancelNs, fireNs: Math.round(((performance.now() - from) * 1e6) / n) };
}

const result = {
  connections: N,
  ...connections(),
  timeWait: timeWaits(),
  ...(options.memory ? {} : { timer: [timers(1000), timers(N)] }),
};
const text = JSON.stringify(result, null, 2);
process.stdout.write(`${text}\n`);
if (options.json) writeFileSync(options.json, text);
