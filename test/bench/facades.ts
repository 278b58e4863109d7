/**
 * Sockets on another thread than the stack's (StackHost.sockets, over rings in shared memory) beside the services that run inside the stack's
 * thread, in one process and in turn: throughput, round trips, CPU time of each thread, and what a side that does not keep up costs.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Bed, lastLine, pause, type Running, root } from './bed.js';
import type { Measure } from './measure.js';
import { residentKb, sharesBetween, threadTimes } from './process-cpu.js';
import { type Row, row, short } from './report.js';
import { type Bench, inTurn, perCpuSecond, type Sample, Side, STACK_ADDRESS, values } from './sides.js';
import { median } from './statistics.js';

const BASELINE = "inside the stack's thread";
/** The largest receive buffer (tcp_rmem has 32 MiB), a ring, and what the stream may hold. */
const MOST_READ_MB = 35;
/** The largest send buffer (tcp_wmem has 4 MiB) and receive buffer of the kernel (6 MiB), a ring, and what the stream may hold. */
const MOST_WRITTEN_MB = 12;

interface Facade {
  readonly program: Running;
  readonly side: Side;
}

async function start(bed: Bed, mode: string): Promise<Facade> {
  const ns = await bed.namespace('facade');
  const index = pathToFileURL(join(root, 'dist', 'stack', 'index.js')).href;
  const tsx = import.meta.resolve('tsx');
  const file = join(root, 'test', 'bench', 'facade-program.ts');
  const program = bed.start(ns, [process.execPath, '--import', tsx, file, index, mode]);
  await bed.until(program, () => program.output().includes('ready'), 'facade-program');
  return { program, side: new Side(bed, 'facade', ns, STACK_ADDRESS, 'tsn0', program) };
}

const cores = (samples: readonly Sample[], seconds: number, which: 'main' | 'stack') =>
  median(samples.map((s) => s.cpu[which] / seconds)).toFixed(2);

/** The façade, the service inside the stack and the kernel in turn. */
async function compare(
  bench: Bench,
  f: Facade,
  name: string,
  unit: string,
  take: (side: Side, own: boolean) => Promise<Sample>,
): Promise<Row> {
  const { rounds, seconds } = bench.settings;
  const [ours, inner, other] = await inTurn(
    rounds,
    () => take(f.side, true),
    () => take(f.side, false),
    () => take(bench.other, false),
  );
  return row({
    name: `facade: ${name}`,
    mode: bench.mode,
    unit,
    ours: values(ours!),
    theirs: values(inner!),
    baseline: BASELINE,
    perCpu: perCpuSecond(ours!, seconds),
    notes: [
      `cores used: stack's thread ${cores(ours!, seconds, 'stack')}, user's thread ${cores(ours!, seconds, 'main')}; inside: ` +
        `${cores(inner!, seconds, 'stack')}; ${bench.other.name} ${short(median(values(other!)))} ${unit}`,
    ],
  });
}

/** Our port is 1000 above the service's. */
const port = (service: number, own: boolean) => (own ? 1000 + service : service);

async function rates(bench: Bench, f: Facade): Promise<Row[]> {
  const s = bench.settings.seconds;
  return [
    await compare(bench, f, 'upload', 'Gb/s', (side, own) =>
      side.sample('gbps', 'peer', 'upload', side.address, port(9, own), s),
    ),
    await compare(bench, f, 'download', 'Gb/s', (side, own) =>
      side.sample('gbps', 'peer', 'download', side.address, port(19, own), s),
    ),
    await compare(bench, f, 'echo', 'rounds/s', (side, own) =>
      side.sample('rate', 'peer', 'echo', side.address, port(7, own), s),
    ),
    await compare(bench, f, 'udp-echo', 'rounds/s', (side, own) =>
      side.sample('rate', 'datagrams', 'echo', side.address, port(7, own), s, 64),
    ),
    await compare(bench, f, 'udp-window', 'datagrams/s', (side, own) =>
      side.sample('rate', 'datagrams', 'window', side.address, port(7, own), s, 64, 64),
    ),
  ];
}

/** A user that reads nothing: what the stack takes in is bounded, and stays what it is. */
async function slowReader(bench: Bench, f: Facade): Promise<Row> {
  const { bed, settings, mode } = bench;
  const before = residentKb(f.side.pid);
  const length = 2 * Math.max(1, settings.seconds);
  const tell = String(length * 50);
  const r = bed.start(f.side.namespace, [await bed.tool('peer'), 'upload', STACK_ADDRESS, '1010', String(length), tell]);
  await pause(length * 900);
  const grown = (residentKb(f.side.pid) - before) / 1024;
  await r.ended;
  const told = r.output().trim().split('\n');
  const half = lastLine(told[Math.floor(told.length / 2)]!)['bytes']!;
  const taken = lastLine(r.output())['bytes']!;
  if (taken !== half)
    throw new Error(`facade: a reader that reads nothing was given ${half} octets at half time and ${taken} at the end`);
  return row({
    name: 'facade: slow reader',
    mode,
    unit: 'MB taken in',
    lowerIsBetter: true,
    ours: [taken / 1e6],
    goal: { most: MOST_READ_MB, aim: MOST_READ_MB },
    notes: [`the same at half time (${(half / 1e6).toFixed(2)} MB); resident memory grew by ${grown.toFixed(1)} MB`],
  });
}

interface WriterStats {
  readonly refused: number;
  readonly drained: number;
  readonly written: number;
  readonly heldBack: number;
}

async function statsOf(bed: Bed, program: Running): Promise<WriterStats> {
  const before = program.output().length;
  program.child.stdin!.write('stats\n');
  await bed.until(program, () => program.output().indexOf('\n', before) >= 0, 'facade-program');
  return lastLine(program.output()) as unknown as WriterStats;
}

/** A peer that reads nothing: write() says no, the writer stops, and goes on when the peer reads. */
async function slowPeer(bench: Bench, f: Facade): Promise<Row> {
  const { bed, settings, mode } = bench;
  const length = 2 * Math.max(1, settings.seconds);
  const before = residentKb(f.side.pid);
  const r = bed.start(f.side.namespace, [await bed.tool('peer'), 'stall', STACK_ADDRESS, '1020', String(length)]);
  await pause(length * 500);
  const cpu = threadTimes(f.side.pid);
  const half = await statsOf(bed, f.program);
  await pause(length * 400);
  const end = await statsOf(bed, f.program);
  const idle = sharesBetween(f.side.pid, cpu, threadTimes(f.side.pid));
  const grown = (residentKb(f.side.pid) - before) / 1024;
  await r.ended;
  const { bytes, waiting } = lastLine(r.output());
  const after = await statsOf(bed, f.program);
  if (half.refused === 0 || end.written !== half.written) {
    throw new Error(`facade: write() went on though the peer reads nothing: ${JSON.stringify([half, end])}`);
  }
  if (after.drained <= end.drained) throw new Error('facade: the writer was not told that its stream had drained');
  return row({
    name: 'facade: slow peer',
    mode,
    unit: 'MB written',
    lowerIsBetter: true,
    ours: [end.written / 1e6],
    goal: { most: MOST_WRITTEN_MB, aim: MOST_WRITTEN_MB },
    notes: [
      `write() said no after ${(end.written / 1e6).toFixed(2)} MB, of which the kernel's peer held ${(waiting! / 1e6).toFixed(2)} MB and the stream ` +
        `${(end.heldBack / 1e3).toFixed(0)} kB; none more at the end; ${(idle.all * 1000).toFixed(0)} ms of CPU meanwhile, resident memory ` +
        `+${grown.toFixed(1)} MB; ${(bytes! / 1e6).toFixed(0)} MB in the second in which the peer read again`,
    ],
  });
}

export const facade: Measure = {
  name: 'facade',
  about: 'sockets on another thread over shared memory: throughput, round trips, UDP, and backpressure both ways',
  modes: ['offloads'],
  async run(bench) {
    const f = await start(bench.bed, bench.mode);
    try {
      return [...(await rates(bench, f)), await slowReader(bench, f), await slowPeer(bench, f)];
    } finally {
      await bench.bed.end(f.program);
    }
  },
};
