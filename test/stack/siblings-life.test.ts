/** Streams between a host and one that is several stacks, over a wire that loses and reorders, steered at random: every octet arrives. */
import { describe, expect, it } from 'vitest';
import { Ip, Ip6, Tcp } from '../../mib/catalogue/index.js';
import { IpAddress } from '../../stack/core/address.js';
import { below, SeededRandom } from '../../stack/core/random.js';
import type { StreamSocket } from '../../stack/socket/socket.js';
import { Cluster, type Steering } from '../support/cluster.js';
import { expectSums } from '../support/ledger.js';
import { Simulation } from '../support/simulation.js';
import { Mover } from '../support/transfer.js';

const ENDS = { 4: ['10.99.0.1', '10.99.0.2'], 6: ['fd99::1', 'fd99::2'] } as const;
type Family = keyof typeof ENDS;
/** Addresses are there at once, and nothing is said that nobody asked for. */
const QUIET = { 'net.ipv6.conf.all.accept_dad': 0, 'net.ipv6.conf.all.router_solicitations': 0 };
const EACH = 30_000;

/** A SYN by its ports, everything else anywhere. */
function anywhere(seed: number): Steering {
  const random = new SeededRandom(seed);
  return (p) => {
    const six = p.view.getUint16(p.data + 12) === 0x86dd;
    if (six && p.bytes[p.data + 20] !== 6) return below(random, 12);
    const at = p.data + (six ? 54 : 34);
    const first = (p.bytes[at + 13]! & 18) === 2;
    const h = Math.imul(p.view.getUint32(at), 0x9e3779b1);
    return first ? Math.imul(h ^ (h >>> 15), 0x85ebca6b) >>> 20 : below(random, 12);
  };
}

function run(count: number, seed: number, family: Family) {
  const sim = new Simulation(seed);
  const wire = sim.wire({ both: { delayUs: 2000 } });
  const common = { maxRows: 128, ipv6: family === 6, sysctl: QUIET };
  const ends = ([4, 6] as const).map((f) => {
    const prefix = f === 4 ? 24 : 64;
    return { cluster: `${ENDS[f][0]}/${prefix}`, other: `${ENDS[f][1]}/${prefix}` };
  });
  const [clusterAddress, otherAddress] = ENDS[family].map((a) => IpAddress.from(a)) as [IpAddress, IpAddress];
  const cluster = new Cluster(sim, wire.a, {
    ...common,
    addresses: ends.map((a) => a.cluster),
    count,
    steer: anywhere(seed),
    seed,
  });
  const other = sim.host(wire.b, { ...common, addresses: ends.map((a) => a.other), mac: '02:00:00:00:00:02' });
  sim.pass(1); // the addresses of the first stack come to the others
  const movers: Mover[] = [];
  const serve = (listener: StreamSocket, port: number) => {
    listener.onReady = () => {
      for (let s = listener.accept(); typeof s !== 'number'; s = listener.accept()) {
        const m = new Mover(s, EACH, 2, 1);
        movers.push(m);
        m.ready(s.poll());
      }
    };
    expect(listener.bind(null, port)).toBe(0);
    expect(listener.listen(64)).toBe(0);
  };
  for (const s of cluster.stacks) serve(s.tcp(family), 7000);
  serve(other.stack.tcp(family), 7000);
  for (const d of [wire.ab, wire.ba]) Object.assign(d.settings, { loss: 0.01, reorder: 0.02, reorderUs: 500, duplicate: 0.005 });
  const sockets: StreamSocket[] = [];
  const open = (s: StreamSocket, to: IpAddress) => {
    sockets.push(s);
    movers.push(new Mover(s, EACH, 1, 2));
    s.connect(to, 7000);
  };
  for (let i = 0; i < 12; i++) {
    open(other.stack.tcp(family), clusterAddress);
    open(cluster.stacks[i % count]!.tcp(family), otherAddress);
  }
  const done = () => movers.length === 48 && movers.every((m) => m.ended && m.sent === EACH);
  expect(sim.run(done, 3_600_000_000)).toBe(true);
  expect(movers.map((m) => [m.received, m.error])).toEqual(movers.map(() => [EACH, 0]));
  for (const s of sockets) s.close();
  sim.pass(300_000_000);
  for (const l of [...cluster.ledgers, other.ledger]) expectSums(l);
  return { cluster, wire };
}

describe('streams to and from several stacks', () => {
  it.each([
    [2, 4],
    [3, 4],
    [4, 4],
    [2, 6],
    [4, 6],
  ] as const)('%i of them, over IPv%i', (count, family) => {
    for (const seed of [1, 2]) {
      const { cluster, wire } = run(count, seed, family);
      const sums = cluster.totals();
      const passive = cluster.ledgers.map((l) => l.cells[Tcp.PassiveOpens]!);
      expect(passive.filter((n) => n > 0).length).toBe(count); // each had its share
      expect([sums[Tcp.PassiveOpens], sums[Tcp.ActiveOpens], sums[Tcp.CurrEstab]]).toEqual([12, 12, 0]);
      // what came off the wire, ARP and discovery apart, was counted once by IP
      const received = family === 4 ? sums[Ip.InReceives]! : sums[Ip6.InReceives]!;
      const others = wire.ba.counts.delivered - sums[Tcp.InSegs]!;
      expect(others).toBeGreaterThanOrEqual(0);
      expect(others).toBeLessThan(family === 4 ? 40 : 60);
      expect(received - sums[Tcp.InSegs]!).toBeGreaterThanOrEqual(0);
      expect(received - sums[Tcp.InSegs]!).toBeLessThan(family === 4 ? 1 : 60);
      if (family === 4) expect(sums[Ip.InDelivers]).toBe(received);
      else expect(received).toBeLessThanOrEqual(wire.ba.counts.delivered);
    }
  });
});
