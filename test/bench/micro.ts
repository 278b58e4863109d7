/** In-process figures: the cost of a counter event with the probe off and armed, and of a snapshot. ns per operation, best of several. */
import { Ip, IpExt, Tcp, TcpExt } from '../../mib/catalogue/index.js';
import { Col, RowKind } from '../../mib/ledger/layout.js';
import { Ledger } from '../../mib/ledger/ledger.js';
import { Ctl, createLedgerMemory } from '../../mib/ledger/memory.js';
import { ProbeReader } from '../../mib/probe/ring.js';

const ROUNDS = 7;
const EVENTS = 3_000_000;

function nsEach(events: number, body: () => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < ROUNDS; i++) {
    const from = process.hrtime.bigint();
    body();
    best = Math.min(best, Number(process.hrtime.bigint() - from) / events);
  }
  return best;
}

export interface Micro {
  /** ns per event. */
  readonly plainCell: number;
  readonly unattributed: number;
  readonly row: number;
  readonly armed: number;
  /** µs per published snapshot. */
  readonly snapshotUs: number;
}

export function micro(): Micro {
  const memory = createLedgerMemory(4096);
  const ledger = new Ledger(memory, 0, 0);
  const owners = Array.from({ length: 8 }, () => {
    const owner = ledger.takeRow(RowKind.connection);
    ledger.setColumn(owner, Col.protocol, 6);
    return owner;
  });
  const ids = Int32Array.of(
    Ip.InReceives,
    IpExt.InOctets,
    Tcp.InSegs,
    TcpExt.TCPHPHits,
    Tcp.OutSegs,
    Ip.OutRequests,
    Ip.InDelivers,
    TcpExt.TCPDelivered,
  );
  const cells = ledger.cells;
  const plainCell = nsEach(EVENTS, () => {
    for (let i = 0; i < EVENTS; i++) cells[ids[i & 7]!]! += 1;
  });
  const none = ledger.unattributed;
  const unattributed = nsEach(EVENTS, () => {
    for (let i = 0; i < EVENTS; i++) none.inc(ids[i & 7]!);
  });
  const row = nsEach(EVENTS, () => {
    for (let i = 0; i < EVENTS; i++) owners[(i >> 3) & 7]!.inc(ids[i & 7]!);
  });
  const reader = new ProbeReader(memory.ring);
  ledger.gates[Tcp.InSegs] = 1;
  const armedEvents = EVENTS / 30;
  const armed = nsEach(armedEvents, () => {
    for (let i = 0; i < armedEvents; i++) {
      owners[i & 7]!.inc(Tcp.InSegs);
      if ((i & 255) === 0) reader.read(4096, () => {});
    }
  });
  ledger.gates[Tcp.InSegs] = 0;
  const snapshots = 20_000;
  const snapshot = nsEach(snapshots, () => {
    for (let i = 0; i < snapshots; i++) {
      Atomics.add(ledger.control, Ctl.requested, 1);
      ledger.batchBorder(i);
    }
  });
  return { plainCell, unattributed, row, armed, snapshotUs: snapshot / 1000 };
}
