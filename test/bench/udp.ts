/** UDP beside the kernel's: round trips, datagrams to and fro with many under way, and one way, small and as bulk. */
import { type Bed, pause } from './bed.js';
import type { Measure } from './measure.js';
import { MODES, type Row, row } from './report.js';
import { type Bench, counter, inTurn, perCpuSecond, type Sample, type Side, values } from './sides.js';

/** Octets of a small datagram, and of one that fills a frame of 1500. */
const SMALL = 64;
const FULL = 1472;
/** Datagrams under way. */
const WINDOW = 64;
/** Datagrams in one send of bulk: as many as 64 KiB hold. */
const SEGMENTS = 44;
/** For what is still in queues. */
const DRAIN_MS = 100;

const seconds = (bench: Bench) => bench.settings.seconds;

async function compare(bench: Bench, take: (side: Side) => Promise<Sample>, name: string, unit: string): Promise<Row> {
  const [ours, theirs] = await inTurn(
    bench.settings.rounds,
    () => take(bench.stack),
    () => take(bench.kernel),
  );
  const lost = ours!.reduce((n, s) => n + (s.answer['lost'] ?? 0), 0);
  return row({
    name,
    mode: bench.mode,
    unit,
    ours: values(ours!),
    theirs: values(theirs!),
    baseline: bench.kernel.name,
    perCpu: perCpuSecond(ours!, seconds(bench)),
    notes: lost > 0 ? [`${lost} of ours did not come back`] : [],
  });
}

/** Datagrams that the receiving side's socket was given. */
function delivered({ bed, daemon, kernelServer }: Bench, side: Side): Promise<number> {
  return side.pid ? counter(daemon, 'Udp', 'InDatagrams') : kernelDelivered(bed, kernelServer);
}

async function kernelDelivered(bed: Bed, ns: string): Promise<number> {
  const [names, numbers] = (await bed.run(ns, ['cat', '/proc/net/snmp'])).split('\n').filter((l) => l.startsWith('Udp: '));
  return Number(numbers!.split(' ')[names!.split(' ').indexOf('InDatagrams')]);
}

/** One way: what arrived counts, not what was sent. */
async function flood(bench: Bench, side: Side, size: number, segments: number, scale: number): Promise<Sample> {
  const before = await delivered(bench, side);
  const sample = await side.sample('rate', 'datagrams', 'flood', side.address, 9, seconds(bench), size, segments);
  await pause(DRAIN_MS);
  const arrived = (await delivered(bench, side)) - before;
  return { ...sample, value: (arrived / seconds(bench)) * scale };
}

const udpEcho: Measure = {
  name: 'udp-echo',
  about: `round trips of one datagram of ${SMALL} octets`,
  modes: ['offloads'],
  async run(bench) {
    const take = (side: Side) => side.sample('rate', 'datagrams', 'echo', side.address, 7, seconds(bench), SMALL);
    return [await compare(bench, take, 'udp-echo', 'rounds/s')];
  },
};

const udpWindow: Measure = {
  name: 'udp-window',
  about: `datagrams of ${SMALL} octets echoed with ${WINDOW} under way`,
  modes: ['offloads'],
  async run(bench) {
    const take = (side: Side) => side.sample('rate', 'datagrams', 'window', side.address, 7, seconds(bench), SMALL, WINDOW);
    return [await compare(bench, take, 'udp-window', 'datagrams/s')];
  },
};

const udpFlood: Measure = {
  name: 'udp-flood',
  about: `datagrams of ${SMALL} octets one way (discard), those that arrived`,
  modes: ['offloads'],
  run: async (bench) => [await compare(bench, (side) => flood(bench, side, SMALL, 0, 1), 'udp-flood', 'datagrams/s')],
};

const udpBulk: Measure = {
  name: 'udp-bulk',
  about: `datagrams of ${FULL} octets one way, sent ${SEGMENTS} at a time (UDP_SEGMENT), those that arrived`,
  modes: MODES,
  run: async (bench) => [
    await compare(bench, (side) => flood(bench, side, FULL, SEGMENTS, (FULL * 8) / 1e9), 'udp-bulk', 'Gb/s'),
  ],
};

export const udp: readonly Measure[] = [udpEcho, udpWindow, udpFlood, udpBulk];
