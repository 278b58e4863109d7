/**
 * A trace of Tcp.RetransSegs while several connections fight a lossy wire: every event names the connection whose cell moved, and
 * events + gaps = the counter's delta, also when the reader is too slow for the ring.
 */
import { describe, expect, it } from 'vitest';
import { Tcp } from '../../mib/catalogue/index.js';
import { Col, RowKind } from '../../mib/ledger/layout.js';
import { Ctl } from '../../mib/ledger/memory.js';
import { ProbeReader, Rec } from '../../mib/probe/ring.js';
import { IpAddress } from '../../stack/core/address.js';
import { rowCells } from '../support/ledger.js';
import { type Host, Simulation } from '../support/simulation.js';
import { Mover } from '../support/transfer.js';

const BYTES = 400_000;
const CONNECTIONS = 4;

interface Run {
  readonly sender: Host;
  /** Events by `row.generation`, sums of increments. */
  readonly events: Map<string, number>;
  readonly identities: Map<string, Set<number>>;
  readonly lost: number;
  readonly delta: number;
}

/** Four uploads at once; the reader empties the ring every `readEveryUs` of virtual time. */
function run(seed: number, readEveryUs: number, loss: number, armAll = false): Run {
  const sim = new Simulation(seed);
  const wire = sim.wire({ both: { delayUs: 10_000, rate: 100e6, queueLimit: 50 } });
  const sender = sim.host(wire.a);
  const b = sim.host(wire.b, { mac: '02:00:00:00:00:02', addresses: ['10.99.0.2/24'] });
  const listener = b.stack.tcp(4);
  const receivers: Mover[] = [];
  listener.onReady = () => {
    for (let s = listener.accept(); typeof s !== 'number'; s = listener.accept()) {
      const receiver = new Mover(s, -1, 2, 1);
      receivers.push(receiver);
      receiver.ready(s.poll());
    }
  };
  const arrived = () => receivers.length === CONNECTIONS && receivers.every((m) => m.received === BYTES);
  listener.bind(null, 7000);
  listener.listen(8);
  const reader = new ProbeReader(sender.ledger.memory.ring);
  const events = new Map<string, number>();
  const identities = new Map<string, Set<number>>();
  const drain = () =>
    reader.read(1 << 20, (cells, at) => {
      if (cells[at + Rec.point] !== Tcp.RetransSegs) return;
      expect([cells[at + Rec.direction], cells[at + Rec.length]! > 0, cells[at + Rec.seq]! > 0]).toEqual([2, true, true]);
      const id = `${cells[at + Rec.row]}.${cells[at + Rec.generation]}`;
      events.set(id, (events.get(id) ?? 0) + cells[at + Rec.arg0]!);
      const ports = identities.get(id) ?? new Set();
      identities.set(id, ports.add(cells[at + Rec.ports]!));
    });
  const before = sender.ledger.cells[Tcp.RetransSegs]!;
  if (armAll) sender.ledger.gates.fill(1);
  sender.ledger.gates[Tcp.RetransSegs] = 1;
  sender.ledger.control[Ctl.armed] = 1;
  const movers = Array.from({ length: CONNECTIONS }, () => {
    const socket = sender.stack.tcp(4);
    const mover = new Mover(socket, BYTES, 1, 2);
    socket.connect(IpAddress.from('10.99.0.2'), 7000);
    return mover;
  });
  sim.pass(25_000);
  wire.ab.settings.loss = loss;
  for (let i = 0; i < 2000 && !arrived(); i++) {
    sim.pass(readEveryUs);
    drain();
  }
  drain();
  expect(movers.map((m) => m.error)).toEqual(movers.map(() => 0));
  expect(arrived()).toBe(true);
  return {
    sender,
    events,
    identities,
    lost: reader.lost(Tcp.RetransSegs),
    delta: sender.ledger.cells[Tcp.RetransSegs]! - before,
  };
}

const sum = (m: Map<string, number>) => [...m.values()].reduce((a, b) => a + b, 0);

describe('a trace of Tcp.RetransSegs under loss', () => {
  it.each([1, 2, 3, 4, 5])('names the connection of every event, seed %i', (seed) => {
    const r = run(seed, 50_000, 0.03);
    expect(r.delta).toBeGreaterThan(10);
    expect(sum(r.events) + r.lost).toBe(r.delta);
    expect(r.lost).toBe(0);
    const { ints, cells } = r.sender.ledger;
    let connections = 0;
    for (let row = 0; row < r.sender.ledger.maxRows; row++) {
      const at = r.sender.ledger.headerAt(row);
      const kind = ints[at + Col.kind];
      if (kind !== RowKind.connection && kind !== RowKind.timeWait) continue;
      connections++;
      const id = `${row}.${ints[at + Col.generation]}`;
      expect(r.events.get(id) ?? 0).toBe(rowCells(r.sender.ledger, row)['Tcp.RetransSegs'] ?? 0);
      const ports = ints[at + Col.localPort]! * 65536 + ints[at + Col.remotePort]!;
      if (r.events.has(id)) expect([...r.identities.get(id)!]).toEqual([ports]);
    }
    expect(connections).toBe(CONNECTIONS);
    expect(cells[Tcp.RetransSegs]).toBe(r.delta);
  });

  it('counts as a gap what does not fit into the ring', () => {
    const r = run(7, 3_600_000_000, 0.05, true);
    const kept = sum(r.events);
    expect(r.lost).toBeGreaterThan(0);
    expect(kept + r.lost).toBe(r.delta);
  });
});
