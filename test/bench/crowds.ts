/**
 * What connections cost that do nothing, in a living daemon: bytes of its resident memory, and what a new connection feels of them. (Virtual
 * time, heap and rows apart: `npm run bench -- idle`.)
 */
import { type Bed, lastLine, pause, type Running } from './bed.js';
import type { Measure } from './measure.js';
import { residentKb } from './process-cpu.js';
import { type Row, row } from './report.js';
import { type Bench, inTurn, type Side, startStack } from './sides.js';
import { slope } from './statistics.js';

/** Time for a collection to come, and for buffers of the handshakes to be given back. */
const SETTLE_MS = 1500;
/** Connections of a step of the memory measure, and steps. */
const FEW = 1000;
const STEPS = 5;
/** V8 keeps garbage for as long as the nursery has room, up to 16 MB: more than the connections are. */
const SMALL_NURSERY = ['--max-semi-space-size=1'];
/** Source addresses of a crowd: one address has 64,000 ports. */
const SOURCES = 20;

/** Opens connections that echo one byte and then stay. */
async function hold(bed: Bed, side: Side, count: number, sources: string): Promise<Running> {
  const r = bed.start(side.namespace, [await bed.tool('peer'), 'hold', side.address, '7', String(count), sources]);
  let over = false;
  void r.ended.then(() => {
    over = true;
  });
  while (!r.output().includes('\n') && !over) await pause(20);
  const { open } = lastLine(r.output());
  if (open !== count) throw new Error(`only ${open} of ${count} connections were opened: ${r.output()}`);
  return r;
}

async function release(r: Running): Promise<void> {
  r.child.stdin!.end();
  await r.ended;
}

/** Resident memory with 0, 1000, 2000 … idle connections. */
async function steps(bed: Bed, side: Side): Promise<number[]> {
  await release(await hold(bed, side, FEW / 4, '-')); // so that tables and pools are there
  await pause(SETTLE_MS);
  const kilobytes = [residentKb(side.pid)];
  const held: Running[] = [];
  for (let i = 0; i < STEPS; i++) {
    held.push(await hold(bed, side, FEW, '-'));
    await pause(SETTLE_MS);
    kilobytes.push(residentKb(side.pid));
  }
  await Promise.all(held.map(release));
  return kilobytes;
}

const memory: Measure = {
  name: 'memory',
  about: `resident memory of an idle connection that has echoed a byte: the slope over ${STEPS} times ${FEW} more of them, in fresh daemons`,
  modes: ['offloads'],
  async run({ bed, settings, mode }) {
    const each: number[] = [];
    const first: string[] = [];
    for (let i = 0; i < Math.min(3, settings.rounds); i++) {
      const { daemon, side } = await startStack(bed, 'memory', mode, settings.flags, SMALL_NURSERY, { warm: false });
      const kilobytes = await steps(bed, side);
      await bed.end(daemon);
      const connections = kilobytes.map((_, n) => n * FEW);
      each.push(slope(connections, kilobytes));
      first.push(((kilobytes[1]! - kilobytes[0]!) / FEW).toFixed(1));
    }
    const notes = [`from the first ${FEW} alone, with what the heap has grown meanwhile: ${first.join(', ')} kB`];
    return [
      row({ name: 'memory', mode, unit: 'kB/connection', lowerIsBetter: true, ours: each, goal: { most: 4, aim: 4 }, notes }),
    ];
  },
};

/** Twenty addresses for the clients, on the network of the TAP. */
async function addSources(bed: Bed, side: Side): Promise<string> {
  const first = '10.77.0.100';
  for (let i = 0; i < SOURCES; i++) {
    await bed.run('', ['ip', '-n', side.namespace, 'addr', 'replace', `10.77.0.${100 + i}/24`, 'dev', side.device]);
  }
  return `${first}+${SOURCES}`;
}

const crowd: Measure = {
  name: 'crowd',
  about:
    'idle connections from 20 addresses (--connections, 100000 unless told): memory, and the handshakes of new ones beside an empty daemon',
  modes: ['offloads'],
  async run(bench: Bench): Promise<Row[]> {
    const { bed, settings, stack, mode } = bench;
    const count = settings.connections;
    const rows = String(Math.max(131_072, count + 10_000));
    const { daemon, side } = await startStack(bed, 'crowd', mode, ['--max-rows', rows, ...settings.flags]);
    try {
      const visit = async (s: Side) => s.ask('peer', 'connect', s.address, 7, settings.seconds, 1, await s.freshSource());
      const sources = await addSources(bed, side);
      await pause(SETTLE_MS);
      const before = residentKb(daemon.pid);
      const held = await hold(bed, side, count, sources);
      await pause(2 * SETTLE_MS);
      const megabytes = (residentKb(daemon.pid) - before) / 1024;
      const [full, empty] = await inTurn(
        settings.rounds,
        () => visit(side),
        () => visit(stack),
      );
      const { rate } = lastLine(held.output());
      const most = count <= 100_000 ? count * 0.004 : count * 0.0045;
      await release(held);
      const latency = (percentile: 'p50' | 'p99') =>
        row({
          name: `crowd handshake ${percentile}`,
          mode,
          unit: 'µs',
          lowerIsBetter: true,
          ours: full!.map((a) => a[percentile]!),
          theirs: empty!.map((a) => a[percentile]!),
          baseline: 'an empty daemon',
          goal: percentile === 'p50' ? { most: 1.1, aim: 1.1 } : null,
        });
      return [
        row({
          name: `crowd of ${count}`,
          mode,
          unit: 'MB above empty',
          lowerIsBetter: true,
          ours: [megabytes],
          goal: { most, aim: most },
          notes: [`opened at ${rate}/s, ${((megabytes * 1024) / count).toFixed(2)} kB a connection`],
        }),
        latency('p50'),
        latency('p99'),
      ];
    } finally {
      await bed.end(daemon);
    }
  },
};

export const crowds: readonly Measure[] = [memory, crowd];
