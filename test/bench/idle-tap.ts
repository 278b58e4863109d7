/**
 * `npm run bench -- idle --tap`: idle connections in living daemons over TAPs. Two daemons in namespaces of their own; a crowd of frames
 * (native/crowd.c) opens connections to one of them, each of which echoes a byte and stays; the other stays empty. Told are the resident
 * memory above that before the crowd came, the time of a new connection (connect, one byte to and fro, by kernel sockets) at both daemons in
 * turn, a scrape of both, and the CPU of the crowded one at rest.
 */
import { type Answer, Bed, closeOnSignals, type Daemon, get, lastLine, pause, type Running } from './bed.js';
import { residentKb, tickSeconds } from './process-cpu.js';
import { inTurn, STACK_ADDRESS } from './sides.js';

const MAC = '02:00:0a:4d:00:02';
const DEVICE = 'tsn0';
/** Source addresses of the crowd: each has 64,000 ports. */
const SOURCES = 20;
/** Visits of one sample, and in front of everything: compiled code, pools and tables are there then. */
const VISITS = 400;
const WARM_VISITS = 2000;
const SCRAPES = 5;
const SETTLE_MS = 3000;
const IDLE_MS = 3000;

export interface IdleTapOptions {
  readonly connections: number;
  readonly rounds: number;
  /** More flags for the daemons. */
  readonly flags?: readonly string[];
}
export interface Visits {
  readonly medianUs: number;
  readonly p99Us: number;
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
  /** Times of new connections: medians over the rounds. */
  readonly empty: Visits;
  readonly crowded: Visits;
  /** crowded / empty of each round's medians: its median. */
  readonly ratio: number;
  /** GET /metrics, ms. */
  readonly scrapeMs: { readonly empty: number; readonly crowded: number };
  /** CPU of the crowded daemon at rest, part of one. */
  readonly idleCpu: number;
}

const median = (xs: readonly number[]): number => [...xs].sort((a, b) => a - b)[Math.floor(xs.length / 2)] ?? Number.NaN;
const cpuSeconds = (d: Daemon): number => tickSeconds(`/proc/${d.pid}/stat`);
const residentMb = (d: Daemon): number => residentKb(d.pid) / 1024;
const middle = (answers: readonly Answer[]): Visits => ({
  medianUs: median(answers.map((a) => a['medianUs']!)),
  p99Us: median(answers.map((a) => a['p99Us']!)),
});

async function startDaemon(bed: Bed, name: string, o: IdleTapOptions): Promise<Daemon> {
  const network = ['--address', `${STACK_ADDRESS}/16`, '--host-address', '10.77.0.1/16', '--tap-name', DEVICE];
  const rows = String(Math.max(131_072, o.connections + 10_000));
  return bed.daemon(await bed.namespace(name), [...network, '--max-rows', rows, ...(o.flags ?? [])]);
}

/** ms until the last byte. */
async function scrape(d: Daemon): Promise<number> {
  const from = performance.now();
  await get(d.socket, '/metrics');
  return performance.now() - from;
}

/** Connections that have echoed a byte and stay, until the program's standard input ends. */
async function hold(bed: Bed, d: Daemon, count: number): Promise<{ crowd: Running; opened: Answer }> {
  const crowd = bed.start(d.namespace, [await bed.tool('crowd'), 'hold', DEVICE, MAC, String(SOURCES)]);
  crowd.child.stdin!.write(`${count}\n`);
  let over = false;
  void crowd.ended.then(() => {
    over = true;
  });
  while (!crowd.output().includes('\n') && !over) await pause(50);
  if (!crowd.output()) throw new Error(`the crowd ended: ${crowd.errors()}`);
  return { crowd, opened: lastLine(crowd.output()) };
}

async function measure(bed: Bed, o: IdleTapOptions): Promise<IdleTap> {
  const [empty, crowded] = [await startDaemon(bed, 'empty', o), await startDaemon(bed, 'crowded', o)];
  const visit = (d: Daemon, count = VISITS) => bed.ask(d.namespace, 'crowd', 'visit', STACK_ADDRESS, count);
  for (const d of [empty, crowded]) {
    await visit(d, WARM_VISITS);
    for (let i = 0; i < SCRAPES; i++) await scrape(d);
  }
  await pause(SETTLE_MS);
  const emptyMb = residentMb(crowded);
  const cpu = cpuSeconds(crowded);
  const { crowd, opened } = await hold(bed, crowded, o.connections);
  const openCpuSeconds = cpuSeconds(crowded) - cpu;
  await pause(SETTLE_MS);
  const aboveMb = residentMb(crowded) - emptyMb;
  const resting = cpuSeconds(crowded);
  await pause(IDLE_MS);
  const idleCpu = (cpuSeconds(crowded) - resting) / (IDLE_MS / 1000);
  const [atEmpty, atCrowded] = await inTurn(
    o.rounds,
    () => visit(empty),
    () => visit(crowded),
  );
  const [scrapes, crowdedScrapes] = await inTurn(
    SCRAPES,
    () => scrape(empty),
    () => scrape(crowded),
  );
  crowd.child.stdin!.end();
  return {
    connections: o.connections,
    openSeconds: opened['seconds']!,
    openCpuSeconds,
    again: opened['again']!,
    emptyMb,
    aboveMb,
    kbEach: (aboveMb * 1024) / o.connections,
    empty: middle(atEmpty!),
    crowded: middle(atCrowded!),
    ratio: median(atCrowded!.map((a, i) => a['medianUs']! / atEmpty![i]!['medianUs']!)),
    scrapeMs: { empty: median(scrapes!), crowded: median(crowdedScrapes!) },
    idleCpu,
  };
}

/** Needs root, /dev/net/tun, iproute2, a C compiler and a built dist/. Leaves nothing behind. */
export async function idleOnTap(o: IdleTapOptions): Promise<IdleTap> {
  const bed = new Bed();
  closeOnSignals(bed);
  try {
    return await measure(bed, o);
  } finally {
    await bed.close();
  }
}
