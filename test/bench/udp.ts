/** UDP beside the kernel's: round trips, datagrams to and fro with many under way, and one way, small and as bulk. */
import { type Bed, pause } from './bed.js';
import { compare, type Measure } from './measure.js';
import { MODES, type Row } from './report.js';
import { type Bench, counter, type Sample, type Side } from './sides.js';

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

/** Ours and theirs in turn; what did not come back is told. */
async function datagrams(bench: Bench, name: string, unit: string, take: (side: Side) => Promise<Sample>): Promise<Row[]> {
  const { rows, ours } = await compare(bench, name, unit, take);
  const lost = ours.reduce((n, s) => n + (s.answer['lost'] ?? 0), 0);
  return lost > 0 ? rows.map((r, i) => (i === 0 ? { ...r, notes: [`${lost} of ours did not come back`] } : r)) : rows;
}

/** Datagrams that the receiving side's socket was given. */
function delivered({ bed, kernelServer }: Bench, side: Side): Promise<number> {
  return side.socket ? counter(side.socket, 'Udp', 'InDatagrams') : kernelDelivered(bed, kernelServer);
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
    return datagrams(bench, 'udp-echo', 'rounds/s', take);
  },
};

const udpWindow: Measure = {
  name: 'udp-window',
  about: `datagrams of ${SMALL} octets echoed with ${WINDOW} under way`,
  modes: ['offloads'],
  async run(bench) {
    const take = (side: Side) => side.sample('rate', 'datagrams', 'window', side.address, 7, seconds(bench), SMALL, WINDOW);
    return datagrams(bench, 'udp-window', 'datagrams/s', take);
  },
};

const udpFlood: Measure = {
  name: 'udp-flood',
  about: `datagrams of ${SMALL} octets one way (discard), those that arrived`,
  modes: ['offloads'],
  run: (bench) => datagrams(bench, 'udp-flood', 'datagrams/s', (side) => flood(bench, side, SMALL, 0, 1)),
};

const udpBulk: Measure = {
  name: 'udp-bulk',
  about: `datagrams of ${FULL} octets one way, sent ${SEGMENTS} at a time (UDP_SEGMENT), those that arrived`,
  modes: MODES,
  run: (bench) => datagrams(bench, 'udp-bulk', 'Gb/s', (side) => flood(bench, side, FULL, SEGMENTS, (FULL * 8) / 1e9)),
};

export const udp: readonly Measure[] = [udpEcho, udpWindow, udpFlood, udpBulk];
