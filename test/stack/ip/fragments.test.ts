/** Fragmentation and reassembly against each other: any cut in any order gives the datagram back, and nothing is left behind. */
import { afterEach, describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { below, SeededRandom } from '../../../stack/core/random.js';
import { IpOpt, Level, ReceivedFrom } from '../../../stack/socket/socket.js';
import { bytes, filler, icmp, Proto, udp } from '../../support/frames.js';
import { expectSums, LedgerWatch } from '../../support/ledger.js';
import type { RawPeer } from '../../support/raw-peer.js';
import { type Host, hostAndPeer, Simulation } from '../../support/simulation.js';

let sim: Simulation;
let host: Host;
let peer: RawPeer;
const start = (sysctl: Record<string, number> = {}) => {
  ({ sim, host, peer } = hostAndPeer({ sysctl }));
};
/** Cuts of a message at multiples of 8. */
function cut(random: SeededRandom, n: number): [number, number][] {
  const out: [number, number][] = [];
  for (let at = 0; at < n; ) {
    const size = Math.min(8 * (1 + below(random, 150)), n - at);
    out.push([at, at + size]);
    at += size;
  }
  return out;
}
function shuffle<T>(random: SeededRandom, list: T[]): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = below(random, i + 1);
    [list[i], list[j]] = [list[j]!, list[i]!];
  }
  return list;
}

afterEach(() => expectSums(host.ledger));

describe('reassembly', () => {
  it('gives back any datagram cut anywhere, in any order, with duplicates (25 seeds)', () => {
    start({ ipfrag_max_dist: 0 });
    for (let seed = 1; seed <= 25; seed++) {
      const random = new SeededRandom(seed);
      const message = icmp(8, 0, bytes([0, 1, 0, seed], filler(16 + below(random, 6000), 0x30 + (seed % 40))));
      const pieces = shuffle(random, cut(random, message.length));
      // A piece that came is sent again: it lies inside one run, so it is a duplicate.
      const again = pieces.length > 1 ? [pieces[0]!] : [];
      const watch = new LedgerWatch(host.ledger);
      for (const [from, to] of [pieces[0]!, ...again, ...pieces.slice(1)]) {
        peer.sendIp(message.subarray(from, to), { protocol: 1, id: seed, offset: from, mf: to < message.length });
      }
      sim.pass(1000);
      const d = watch.delta();
      if (pieces.length > 1) {
        expect(d).toMatchObject({ 'Ip.ReasmReqds': pieces.length + again.length, 'Ip.ReasmOKs': 1, 'IcmpMsg.OutType0': 1 });
      }
      expect(d['Ip.ReasmFails']).toBeUndefined();
      const back = bytes(...peer.take().map((f) => (f.kind === 'icmp' ? bytes([0, 0, 0, 0], f.data) : f.data)));
      expect(back.subarray(4)).toEqual(message.subarray(4));
    }
  });

  it('holds no memory once all is done or timed out', () => {
    start();
    const used = () => (host.stack.ip4 as unknown as { inbound: { reassembler: { used: number } } }).inbound.reassembler.used;
    expect(used()).toBe(0);
    const d = udp({ src: '10.99.0.2', dst: '10.99.0.1', sport: 1, dport: 9 }, filler(3000));
    for (let id = 0; id < 20; id++) peer.sendIp(d.subarray(0, 1000), { protocol: Proto.udp, id, mf: true });
    sim.pass(1000);
    expect(used()).toBeGreaterThan(20_000);
    sim.pass(31_000_000);
    expect(used()).toBe(0);
  });

  it('never takes more than the limit, whatever comes', () => {
    start({ ipfrag_high_thresh: 100_000, ipfrag_max_dist: 0 });
    const used = () => (host.stack.ip4 as unknown as { inbound: { reassembler: { used: number } } }).inbound.reassembler.used;
    const random = new SeededRandom(7);
    for (let i = 0; i < 700; i++) {
      const offset = 8 * below(random, 8000);
      const size = 8 * (1 + below(random, 100));
      peer.sendIp(filler(size), { protocol: below(random, 256), id: below(random, 300), offset, mf: below(random, 2) === 1 });
      if (i % 100 === 0) sim.pass(100);
      expect(used()).toBeLessThan(100_000 + 65536 + 3000);
    }
    sim.pass(40_000_000);
    expect(used()).toBe(0);
  });
});

describe('fragmentation', () => {
  it('goes through a small MTU and comes together on the other side (two hosts)', () => {
    sim = new Simulation(3);
    const wire = sim.wire({ mtu: 576 });
    const a = sim.host(wire.a, { mac: '02:00:00:00:00:01', addresses: ['10.99.0.1/24'] });
    const b = sim.host(wire.b, { mac: '02:00:00:00:00:02', addresses: ['10.99.0.2/24'] });
    host = b;
    const from = a.stack.udp(4);
    const to = b.stack.udp(4);
    expect(to.bind(null, 6000)).toBe(0);
    expect(from.setOption(Level.IP, IpOpt.MTU_DISCOVER, 0)).toBe(0);
    const into = new Uint8Array(70000);
    const info = new ReceivedFrom();
    for (const n of [1, 548, 549, 5000, 30000]) {
      const [sent, got] = [new LedgerWatch(a.ledger), new LedgerWatch(b.ledger)];
      const data = filler(n);
      expect(from.sendTo(data, 0, n, 0, { address: IpAddress.from('10.99.0.2'), port: 6000 })).toBe(n);
      sim.pass(10_000);
      expect(to.receiveFrom(into, 0, into.length, 0, info)).toBe(n);
      expect(into.subarray(0, n)).toEqual(data);
      const [s, g] = [sent.delta(), got.delta()];
      const pieces = n + 28 <= 576 ? 1 : Math.ceil((n + 8) / 552); // 576 less the header, a multiple of 8
      expect(s['Ip.OutTransmits']).toBe(pieces);
      expect(g['Ip.InReceives']).toBe(pieces);
      expect(s['IpExt.OutOctets']).toBe(n + 8 + pieces * 20);
      expect([s['Ip.FragCreates'] ?? 0, s['Ip.FragOKs'] ?? 0]).toEqual(pieces === 1 ? [0, 0] : [pieces, 1]);
      expect([g['Ip.ReasmReqds'] ?? 0, g['Ip.ReasmOKs'] ?? 0, g['Ip.InDelivers']]).toEqual(
        pieces === 1 ? [0, 0, 1] : [pieces, 1, 1],
      );
    }
    expectSums(a.ledger);
  });
});
