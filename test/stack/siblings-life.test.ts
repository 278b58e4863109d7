/** Streams between a host and one that is several stacks, over a wire that loses and reorders, steered at random: every octet arrives. */
import { describe, expect, it } from 'vitest';
import { Ip, Tcp } from '../../mib/catalogue/index.js';
import { IpAddress } from '../../stack/core/address.js';
import { below, SeededRandom } from '../../stack/core/random.js';
import type { StreamSocket } from '../../stack/socket/socket.js';
import { Cluster, type Steering } from '../support/cluster.js';
import { expectSums } from '../support/ledger.js';
import { Simulation } from '../support/simulation.js';
import { Mover } from '../support/transfer.js';

const CLUSTER = IpAddress.from('10.99.0.1');
const OTHER = IpAddress.from('10.99.0.2');
const EACH = 30_000;

/** A SYN by its ports, everything else anywhere. */
function anywhere(seed: number): Steering {
  const random = new SeededRandom(seed);
  return (p) => {
    const at = p.data + 34;
    const first = (p.bytes[at + 13]! & 18) === 2;
    const h = Math.imul(p.view.getUint32(at), 0x9e3779b1);
    return first ? Math.imul(h ^ (h >>> 15), 0x85ebca6b) >>> 20 : below(random, 12);
  };
}

function run(count: number, seed: number) {
  const sim = new Simulation(seed);
  const wire = sim.wire({ both: { delayUs: 2000 } });
  const cluster = new Cluster(sim, wire.a, { count, steer: anywhere(seed), seed, maxRows: 128 });
  const other = sim.host(wire.b, { mac: '02:00:00:00:00:02', addresses: ['10.99.0.2/24'], maxRows: 128 });
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
  for (const s of cluster.stacks) serve(s.tcp(4), 7000);
  serve(other.stack.tcp(4), 7000);
  for (const d of [wire.ab, wire.ba]) Object.assign(d.settings, { loss: 0.01, reorder: 0.02, reorderUs: 500, duplicate: 0.005 });
  const sockets: StreamSocket[] = [];
  const open = (s: StreamSocket, to: IpAddress) => {
    sockets.push(s);
    movers.push(new Mover(s, EACH, 1, 2));
    s.connect(to, 7000);
  };
  for (let i = 0; i < 12; i++) {
    open(other.stack.tcp(4), CLUSTER);
    open(cluster.stacks[i % count]!.tcp(4), OTHER);
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
  it.each([2, 3, 4])('%i of them', (count) => {
    for (const seed of [1, 2]) {
      const { cluster, wire } = run(count, seed);
      const sums = cluster.totals();
      const passive = cluster.ledgers.map((l) => l.cells[Tcp.PassiveOpens]!);
      expect(passive.filter((n) => n > 0).length).toBe(count); // each had its share
      expect([sums[Tcp.PassiveOpens], sums[Tcp.ActiveOpens], sums[Tcp.CurrEstab]]).toEqual([12, 12, 0]);
      // what came off the wire, ARP apart, was counted once by IP
      const arp = sums[Ip.InReceives]! - wire.ba.counts.delivered;
      expect(arp).toBeLessThanOrEqual(0);
      expect(arp).toBeGreaterThan(-40);
      expect(sums[Ip.InDelivers]).toBe(sums[Ip.InReceives]);
      expect(sums[Tcp.InSegs]).toBe(sums[Ip.InReceives]);
    }
  });
});
