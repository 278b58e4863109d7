/** Whatever is sent with UDP_SEGMENT arrives as the same datagrams, whichever ends cut super-frames, and the counts of both ends agree. */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { below, SeededRandom } from '../../../stack/core/random.js';
import { Level, Msg, ReceivedFrom, UdpOpt } from '../../../stack/socket/socket.js';
import { expectSums, LedgerWatch } from '../../support/ledger.js';
import { Simulation } from '../../support/simulation.js';
import { linkKinds } from '../../support/super-link.js';

const into = new Uint8Array(65536);
const info = new ReceivedFrom();
/** Of more no device takes a whole frame. */
const LARGEST = 65_493;

interface Arrived {
  /** Datagrams as they came or, of what came whole, as they were before. */
  readonly datagrams: string[];
  readonly reads: number;
  readonly sent: number;
}

/** Sends the same random messages each time; `gro`: the receiver takes super-frames whole. */
function transfer(seed: number, features: number, gro: boolean): Arrived {
  const random = new SeededRandom(seed);
  const sim = new Simulation(seed);
  const wire = sim.wire({ features });
  const a = sim.host(wire.a, { offloads: true });
  const b = sim.host(wire.b, { mac: '02:00:00:00:00:02', addresses: ['10.99.0.2/24'], offloads: true });
  const from = a.stack.udp(4);
  const to = b.stack.udp(4);
  to.bind(null, 9);
  to.setOption(Level.UDP, UdpOpt.GRO, gro ? 1 : 0);
  from.connect(IpAddress.from('10.99.0.2'), 9);
  from.sendTo(into, 0, 0, 0, null, 0); // so that the neighbour is known
  sim.pass(1000);
  to.receiveFrom(into, 0, into.length, 0, info);
  const watches = [new LedgerWatch(a.ledger), new LedgerWatch(b.ledger)] as const;
  const out: Arrived & { reads: number; sent: number } = { datagrams: [], reads: 0, sent: 0 };
  for (let i = 0; i < 40; i++) {
    const size = 1 + below(random, 1472);
    const n = Math.min(1 + below(random, size * below(random, 129) + 1), LARGEST);
    const data = Uint8Array.from({ length: n }, () => random.u32() & 255);
    const head = below(random, 2) * below(random, n); // some are made by two calls
    if (head > 0) expect(from.sendTo(data, 0, head, Msg.MORE, null, size)).toBe(head);
    expect(from.sendTo(data, head, n - head, 0, null, size)).toBe(n - head);
    out.sent++;
    sim.pass(1000);
    for (let got = to.receiveFrom(into, 0, into.length, 0, info); got >= 0; got = to.receiveFrom(into, 0, into.length, 0, info)) {
      out.reads++;
      const step = info.segmentSize || Math.max(got, 1);
      for (let at = 0; at < got; at += step) {
        out.datagrams.push(Buffer.from(into.subarray(at, Math.min(at + step, got))).toString('base64'));
      }
    }
  }
  const [sent, received] = watches.map((w) => w.delta());
  expectSums(a.ledger);
  expectSums(b.ledger);
  expect(sent).toMatchObject({ 'Udp.OutDatagrams': out.sent, 'Ip.OutRequests': out.sent });
  expect(received).toMatchObject({ 'Udp.InDatagrams': out.reads, 'IpExt.InNoECTPkts': out.datagrams.length });
  expect(received!['Udp.InErrors']).toBeUndefined();
  return out;
}

describe.each([1, 2, 3, 4])('random messages, seed %i', (seed) => {
  it('are the same datagrams over every kind of link and to every kind of socket', () => {
    const plain = transfer(seed, linkKinds.plain, false);
    expect(plain.reads).toBe(plain.datagrams.length);
    expect(plain.datagrams.length).toBeGreaterThan(200);
    for (const features of [linkKinds.whole, linkKinds.cut]) {
      for (const gro of [false, true]) {
        const other = transfer(seed, features, gro);
        expect(other.datagrams).toEqual(plain.datagrams);
        expect(other.reads).toBe(gro && features === linkKinds.whole ? other.sent : plain.reads);
      }
    }
  });
});
