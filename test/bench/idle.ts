/**
 * `npm run bench -- idle`: what connections cost that do nothing. N handshakes by a crowd of frames (test/support/crowd.ts) against a stack in
 * virtual time: bytes a connection (JavaScript's heap, memory beside it, and the resident set, in which its row is), fresh and after it
 * has echoed a byte and been idle for two minutes; bytes a TIME-WAIT entry; the real time of a new handshake beside all of them, in turn with
 * an empty stack; a full collection; a poll that finds nothing; timers and the connection table (scaling.ts). With `--tap`, living daemons
 * (idle-tap.ts). `--connections N`, `--memory` (no times), `--rounds N` (with --tap), `--json FILE`.
 */
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { PART } from '../../mib/ledger/layout.js';
import { FlowKind } from '../../stack/tcp/table.js';
import { RowRefresh } from '../../stack/worker/introspection.js';
import { CrowdedStack } from '../support/crowded-stack.js';
import { cpuMs, table, timers } from './scaling.js';

const { values: options } = parseArgs({
  allowPositionals: true,
  options: {
    connections: { type: 'string', default: '100000' },
    memory: { type: 'boolean', default: false },
    tap: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '25' },
    json: { type: 'string' },
  },
});
const N = Number(options.connections);
const PROBES = options.memory ? 0 : 1000;
const ROUNDS = 9;
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

interface Handshakes {
  readonly medianUs: number;
  readonly p99Us: number;
  readonly maxUs: number;
}
/** Real µs from the SYN's arrival until the connection stands; each is then reset by its client. */
function handshakes(s: CrowdedStack, from: number): Handshakes {
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

/** Handshakes with an empty stack and a crowded one in turn. */
function inTurn(empty: CrowdedStack, crowded: CrowdedStack, from: number) {
  const rounds = { empty: [] as Handshakes[], crowded: [] as Handshakes[] };
  for (let i = 0; i < ROUNDS; i++) {
    rounds.empty.push(handshakes(empty, from));
    rounds.crowded.push(handshakes(crowded, from));
  }
  const middle = (xs: Handshakes[]) => ({
    medianUs: at(xs.map((x) => x.medianUs), 0.5), // biome-ignore format: three lines
    p99Us: at(xs.map((x) => x.p99Us), 0.5), // biome-ignore format: three lines
    maxUs: Math.max(...xs.map((x) => x.maxUs)),
  });
  const ratio = at(rounds.crowded.map((x, i) => x.medianUs / rounds.empty[i]!.medianUs), 0.5); // biome-ignore format: one line
  return { empty: middle(rounds.empty), crowded: middle(rounds.crowded), ratio };
}

function connections() {
  const empty = new CrowdedStack(N + WARM + PROBES, PROBES + 64);
  const s = new CrowdedStack(N + WARM + PROBES);
  const probes = N + WARM;
  s.connect(N, WARM);
  echoOne(s, N, WARM);
  if (PROBES > 0) inTurn(empty, s, probes);
  const before = memory();
  const from = cpuMs();
  s.connect(0, N);
  const connectsPerSecond = Math.round((N / (cpuMs() - from)) * 1000);
  const fresh = each(before, N);
  echoOne(s, 0, N);
  const echoed = each(before, N);
  const timersLeft = s.stack.env.timers.size;
  const answered = s.crowd.data;
  const bytesEach = { hotRow: PART * 8, fresh, echoed };
  if (options.memory) return { answered, timersLeft, bytesEach };
  const handshake = inTurn(empty, s, probes);
  const collecting = performance.now();
  gc();
  const fullCollectionMs = performance.now() - collecting;
  const polling = cpuMs();
  for (let i = 0; i < 100_000; i++) s.stack.poll(++s.nowUs);
  const pollNs = ((cpuMs() - polling) * 1e6) / 100_000;
  return { answered, timersLeft, bytesEach, connectsPerSecond, handshake, fullCollectionMs, pollNs, tcpInfo: tcpInfo(s) };
}

/** tcp_info of all connections brought into their rows, as for a reader: in pieces between packets. */
function tcpInfo(s: CrowdedStack) {
  const rows = new RowRefresh(s.stack);
  let pieces = 0;
  const from = cpuMs();
  rows.begin();
  while (rows.step()) pieces++;
  const ms = cpuMs() - from;
  return { eachNs: Math.round((ms * 1e6) / N), pieceUs: Math.round((ms * 1000) / (pieces + 1)) };
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

function inProcess(): unknown {
  const sizes = [1000, 100_000, 1_000_000];
  return {
    connections: N,
    ...connections(),
    timeWait: timeWaits(),
    ...(options.memory ? {} : { timer: sizes.map(timers), table: sizes.map((n) => table(n, gc)) }),
  };
}

const result = options.tap
  ? await (await import('./idle-tap.js')).idleOnTap({ connections: N, rounds: Number(options.rounds) })
  : inProcess();
const text = JSON.stringify(result, null, 2);
process.stdout.write(`${text}\n`);
if (options.json) writeFileSync(options.json, text);
