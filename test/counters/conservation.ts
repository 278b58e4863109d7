/**
 * Conservation of counts: what one host says it sent, less what the wire lost, plus what it duplicated, is what the other host says it
 * received. One run is two hosts on a wire with random faults and random traffic, all from one seed; offloads are off, so that a frame is a
 * packet. The wire's own counts are the third witness. The seed also chooses what TCP says of ECN (tcp_ecn 0 to 5).
 */
import { Icmp, Ip, IpExt, Tcp, Udp } from '../../mib/catalogue/index.js';
import type { Ledger } from '../../mib/ledger/ledger.js';
import { IpAddress } from '../../stack/core/address.js';
import type { Packet } from '../../stack/core/packet.js';
import { below, type Random, SeededRandom } from '../../stack/core/random.js';
import type { WireCounts, WireDirection } from '../../stack/link/memory-wire.js';
import { parseFrame, TcpFlag } from '../support/frames.js';
import { expectSums } from '../support/ledger.js';
import { type Host, Simulation } from '../support/simulation.js';

const ETHERNET_HEADER = 14;

export interface End {
  readonly host: Host;
  readonly address: IpAddress;
}

export interface World {
  readonly sim: Simulation;
  readonly random: SeededRandom;
  readonly a: End;
  readonly b: End;
  /** Holds the sums of both ledgers, while rows are in use. */
  readonly checkSums: () => void;
}

/** Makes traffic in a world, runs it, and leaves nothing unread. */
export type Traffic = (world: World) => void;

/** What was compared, for whoever wants to see that a run was not empty. */
export interface RunSummary {
  frames: number;
  lost: number;
  duplicated: number;
  corrupted: number;
}

/** One run. Throws an Error that names every equation that does not hold. */
export function conservationRun(seed: number, traffic: Traffic): RunSummary {
  const sim = new Simulation(seed);
  const random = new SeededRandom(sim.random.u32());
  const wire = sim.wire();
  // Addresses stay known for the whole run: ARP frames would be counted by the wire and by no IP counter.
  const sysctl = { 'net.ipv4.neigh.default.base_reachable_time_ms': 2_000_000_000, 'net.ipv4.tcp_ecn': seed % 6 };
  const a = end(sim.host(wire.a, { mac: '02:00:00:00:00:0a', addresses: ['10.0.0.1/24'], sysctl, maxRows: 128 }), '10.0.0.1');
  const b = end(sim.host(wire.b, { mac: '02:00:00:00:00:0b', addresses: ['10.0.0.2/24'], sysctl, maxRows: 128 }), '10.0.0.2');
  meet(sim, a, b);
  const before = [new Counts(a.host.ledger), new Counts(b.host.ledger)] as const;
  const wireBefore = [{ ...wire.ab.counts }, { ...wire.ba.counts }] as const;
  const witnesses = [new SynAckWitness(), new SynAckWitness()] as const;
  for (const [i, d] of [wire.ab, wire.ba].entries()) {
    setFaults(d, random);
    d.settings.lose = (p) => witnesses[i]!.see(p);
  }
  const checkSums = () => {
    for (const e of [a, b]) expectSums(e.host.ledger);
  };
  traffic({ sim, random, a, b, checkSums });
  const wrong: string[] = [];
  const ab = subtract(wire.ab.counts, wireBefore[0]);
  const ba = subtract(wire.ba.counts, wireBefore[1]);
  if (wire.ab.inFlight + wire.ba.inFlight > 0) wrong.push('frames are still under way');
  compare('a to b', before[0].moved(), before[1].moved(), ab, witnesses[0].repeats, wrong);
  compare('b to a', before[1].moved(), before[0].moved(), ba, witnesses[1].repeats, wrong);
  checkSums();
  if (wrong.length > 0) throw new Error(`seed ${seed}:\n${wrong.join('\n')}`);
  return {
    frames: ab.sent + ba.sent,
    lost: ab.lost + ba.lost + ab.queueDrops + ba.queueDrops,
    duplicated: ab.duplicated + ba.duplicated,
    corrupted: ab.corruptedDelivered + ba.corruptedDelivered,
  };
}

function end(host: Host, address: string): End {
  return { host, address: IpAddress.from(address) };
}

/** Both learn the other's MAC address before anything is counted. */
function meet(sim: Simulation, a: End, b: End): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    const s = from.host.stack.udp(4);
    s.sendTo(Uint8Array.of(0), 0, 1, 0, { address: to.address, port: 9 });
    sim.pass(100_000);
    s.close();
  }
  sim.pass(10_000_000); // whoever learnt by being asked has asked back
}

function setFaults(d: WireDirection, random: SeededRandom): void {
  const s = d.settings;
  const sometimes = (p: number) => (below(random, 3) === 0 ? 0 : (below(random, 1000) / 1000) * p);
  s.delayUs = below(random, 20_000);
  s.rate = below(random, 2) ? 0 : 1_000_000 + below(random, 100_000_000);
  s.queueLimit = 5 + below(random, 100);
  s.loss = sometimes(0.1);
  s.duplicate = sometimes(0.1);
  s.reorder = sometimes(0.2);
  s.reorderUs = 1 + below(random, 30_000);
  s.corrupt = sometimes(0.1);
  s.corruptBit = anyBit;
}

/** How counters moved, by cell id. */
class Counts {
  private readonly ledger: Ledger;
  private readonly start: Float64Array;
  constructor(ledger: Ledger) {
    this.ledger = ledger;
    this.start = ledger.cells.slice();
  }
  moved(): (id: number) => number {
    const now = this.ledger.cells;
    return (id) => now[id]! - this.start[id]!;
  }
}

function subtract(now: WireCounts, then: WireCounts): WireCounts {
  const out = { ...now };
  for (const k of Object.keys(out) as (keyof WireCounts)[]) out[k] -= then[k];
  return out;
}

/** Counts SYN-ACKs sent again: Linux counts each both as an OutSeg and as a RetransSeg. */
class SynAckWitness {
  repeats = 0;
  private readonly seen = new Set<string>();
  /** Loses nothing. */
  see(p: Packet): boolean {
    const f = parseFrame(p.bytes.slice(p.data, p.tail));
    if (f.kind !== 'tcp' || (f.flags & (TcpFlag.SYN | TcpFlag.ACK)) !== (TcpFlag.SYN | TcpFlag.ACK)) return false;
    const key = `${f.sport} ${f.dport} ${f.seq} ${f.ack}`;
    if (this.seen.has(key)) this.repeats++;
    this.seen.add(key);
    return false;
  }
}

type Moved = (id: number) => number;

function compare(name: string, from: Moved, to: Moved, wire: WireCounts, synAcks: number, wrong: string[]): void {
  const equal = (what: string, x: number, y: number) => {
    if (x !== y) wrong.push(`${name}: ${what}: ${x} is not ${y}`);
  };
  const arrived = wire.sent - wire.lost - wire.queueDrops + wire.duplicated;
  equal('wire: sent − lost + duplicated = delivered', arrived, wire.delivered);
  equal('sender Ip.OutTransmits = frames sent', from(Ip.OutTransmits), wire.sent);
  equal('sender IpExt.OutOctets = octets sent', from(IpExt.OutOctets), wire.sentBytes - ETHERNET_HEADER * wire.sent);
  equal('Ip.OutTransmits − lost + duplicated = receiver Ip.InReceives', arrived, to(Ip.InReceives));
  equal('receiver IpExt.InOctets = octets delivered', to(IpExt.InOctets), wire.deliveredBytes - ETHERNET_HEADER * wire.delivered);
  equal('every corrupted frame is found by a counter', wire.corruptedDelivered, found(to));
  equal('receiver Ip.InDelivers = what is left of InReceives', to(Ip.InDelivers), to(Ip.InReceives) - to(Ip.InHdrErrors));
  equal('transports sent = Ip.OutRequests', sentByTransports(from) - synAcks, from(Ip.OutRequests));
  equal('transports received = Ip.InDelivers', receivedByTransports(to), to(Ip.InDelivers));
}

/** What one flipped bit behind the Ethernet header moves. */
function found(m: Moved): number {
  return m(Ip.InHdrErrors) + m(Udp.InErrors) - m(Udp.RcvbufErrors) + m(Tcp.InCsumErrors) + m(Icmp.InCsumErrors);
}

/** TCP's data offset. A segment shorter than that is dropped by Linux, and here, without any error counter: left whole, so that all are found. */
const DATA_OFFSET = 14 + 20 + 12;
function anyBit(length: number, random: Random): number {
  for (;;) {
    const bit = ETHERNET_HEADER * 8 + below(random, (length - ETHERNET_HEADER) * 8);
    if (bit >>> 3 !== DATA_OFFSET) return bit;
  }
}

function sentByTransports(m: Moved): number {
  return m(Udp.OutDatagrams) + m(Icmp.OutMsgs) + m(Tcp.OutSegs) + m(Tcp.RetransSegs);
}

function receivedByTransports(m: Moved): number {
  return m(Udp.InDatagrams) + m(Udp.NoPorts) + m(Udp.InErrors) + m(Icmp.InMsgs) + m(Tcp.InSegs);
}
