/** UDP beside the kernel's: round trips, datagrams to and fro with many under way, and one way, small and as bulk. */
import { type Bed, pause } from './bed.js';
import { compare, type Measure } from './measure.js';
import { MODES, type Row } from './report.js';
import { type Bench, counter, type Sample, type Side } from './sides.js';

/** Octets of a small datagram, and of one that fills a frame of 1500. */
const SMALL = 64;
const FULL = 1472;
/** Of IPv4 and UDP. */
const HEADERS = 28;
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

type Group = 'Ip' | 'IpExt' | 'Udp';

/** A counter of the receiving side. */
function received({ bed, kernelServer }: Bench, side: Side, group: Group, name: string): Promise<number> {
  return side.socket ? counter(side.socket, group, name) : kernelCounter(bed, kernelServer, group, name);
}

async function kernelCounter(bed: Bed, ns: string, group: Group, name: string): Promise<number> {
  const file = group === 'IpExt' ? 'netstat' : 'snmp';
  const [names, numbers] = (await bed.run(ns, ['cat', `/proc/net/${file}`]))
    .split('\n')
    .filter((l) => l.startsWith(`${group}: `));
  return Number(numbers!.split(' ')[names!.split(' ').indexOf(name)]);
}

/** Datagrams that the receiving side's socket was given; those that came as one super-frame to a socket that takes them so are one. */
const delivered = (bench: Bench, side: Side): Promise<number> => received(bench, side, 'Udp', 'InDatagrams');

/** Octets of payload that came, and how many arrivals the socket was given and had no room for. */
async function arrivals(bench: Bench, side: Side): Promise<{ octets: number; given: number; dropped: number }> {
  const octets = await received(bench, side, 'IpExt', 'InOctets');
  const headers = HEADERS * (await received(bench, side, 'Ip', 'InReceives'));
  const dropped = await received(bench, side, 'Udp', 'RcvbufErrors');
  return { octets: octets - headers, given: await delivered(bench, side), dropped };
}

/** One way: what arrived counts, not what was sent. */
async function flood(bench: Bench, side: Side): Promise<Sample> {
  const before = await delivered(bench, side);
  const sample = await side.sample('rate', 'datagrams', 'flood', side.address, 9, seconds(bench), SMALL, 0);
  await pause(DRAIN_MS);
  return { ...sample, value: ((await delivered(bench, side)) - before) / seconds(bench) };
}

/** The same in Gb/s of payload, however many datagrams are counted as one. */
async function bulk(bench: Bench, side: Side): Promise<Sample> {
  const before = await arrivals(bench, side);
  const sample = await side.sample('rate', 'datagrams', 'flood', side.address, 9, seconds(bench), FULL, SEGMENTS);
  await pause(DRAIN_MS);
  const after = await arrivals(bench, side);
  const [given, dropped] = [after.given - before.given, after.dropped - before.dropped];
  const octets = given === 0 ? 0 : ((after.octets - before.octets) * given) / (given + dropped);
  return { ...sample, value: (octets * 8) / seconds(bench) / 1e9 };
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
  run: (bench) => datagrams(bench, 'udp-flood', 'datagrams/s', (side) => flood(bench, side)),
};

const udpBulk: Measure = {
  name: 'udp-bulk',
  about: `datagrams of ${FULL} octets one way, sent ${SEGMENTS} at a time (UDP_SEGMENT), those that arrived`,
  modes: MODES,
  run: (bench) => datagrams(bench, 'udp-bulk', 'Gb/s', (side) => bulk(bench, side)),
};

export const udp: readonly Measure[] = [udpEcho, udpWindow, udpFlood, udpBulk];
