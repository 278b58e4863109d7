/** Whole-ledger assertions: what is not named must not move, and the rows' sums are the global counters. */
import { CELLS, cellName, counters } from '../../mib/catalogue/index.js';
import {
  CLOSED_BASE,
  Col,
  GAUGES_BASE,
  Gauge,
  GLOBAL_BASE,
  ROW_CELLS_AT,
  RowKind,
  rowColumns,
  rowOwns,
  UNATTRIBUTED_BASE,
} from '../../mib/ledger/layout.js';
import { Ledger } from '../../mib/ledger/ledger.js';
import { createLedgerMemory } from '../../mib/ledger/memory.js';
import { LedgerReader } from '../../mib/ledger/reader.js';

export type Delta = Record<string, number>;

export function smallLedger(maxRows = 64, startUs = 0): Ledger {
  return new Ledger(createLedgerMemory(maxRows), startUs, 0);
}

/** How every global counter moved since `before`: the nonzero ones, as { 'Ip.InReceives': 1 }; ICMP types under their slots' names. */
export class LedgerWatch {
  private readonly ledger: Ledger;
  private before: Float64Array;

  constructor(ledger: Ledger) {
    this.ledger = ledger;
    this.before = ledger.cells.slice(GLOBAL_BASE, GLOBAL_BASE + CELLS);
  }

  /** The movement since the start or the last call. */
  delta(): Delta {
    const now = this.ledger.cells.slice(GLOBAL_BASE, GLOBAL_BASE + CELLS);
    const moved: Delta = {};
    for (let id = 0; id < CELLS; id++) {
      const n = now[id]! - this.before[id]!;
      if (n !== 0) moved[cellName(id)] = n;
    }
    this.before = now;
    return moved;
  }
}

export function ledgerDelta(ledger: Ledger, act: () => void): Delta {
  const watch = new LedgerWatch(ledger);
  act();
  return watch.delta();
}

/** Movement of one row's cells since the row was taken. */
export function rowCells(ledger: Ledger, row: number): Delta {
  const out: Delta = {};
  const protocol = ledger.ints[ledger.headerAt(row) + Col.protocol]!;
  for (let id = 0; id < CELLS; id++) {
    if (!rowOwns(protocol, id)) continue;
    const n = ledger.cells[ledger.rowAt(row) + ROW_CELLS_AT + rowColumns[id]!]!;
    if (n !== 0) out[cellName(id)] = n;
  }
  return out;
}

/** Constants are settings that the kernel prints among its counters: nobody's events. */
const constants = new Set(counters.filter((c) => c.entry.kind === 'constant').map((c) => c.id));

/** What the gauges of sockets should say, by looking at every row. */
function countedSockets(ledger: Ledger): Record<string, number> {
  const counts: Record<string, number> = {};
  const add = (name: string, n: number) => {
    if (n !== 0) counts[name] = (counts[name] ?? 0) + n;
  };
  new LedgerReader(ledger.memory).forEachRow((r) => {
    const six = r.family === 6;
    const [received, sent] = [r.column(Col.recvQ), r.column(Col.sendQ)];
    if (r.protocol === 6) {
      add(`state ${r.state}`, 1);
      if (r.kind === RowKind.timeWait || r.kind === RowKind.request) return;
      add(six ? 'tcp6' : 'tcp4', 1);
      if (r.kind === RowKind.listener) return;
      add('tcpReceiveQueue', received);
      add('tcpSendQueue', sent);
    } else if (r.protocol === 17) {
      add(six ? 'udp6' : 'udp4', 1);
      add(six ? 'udp6ReceiveQueue' : 'udp4ReceiveQueue', received);
      add(six ? 'udp6SendQueue' : 'udp4SendQueue', sent);
    } else add(r.protocol === 136 ? (six ? 'udpLite6' : 'udpLite4') : 'ping', 1);
  });
  return counts;
}

function gaugedSockets(ledger: Ledger): Record<string, number> {
  const gauges: Record<string, number> = {};
  for (let state = 0; state < Gauge.tcp4; state++) {
    const n = ledger.cells[GAUGES_BASE + Gauge.tcpState + state]!;
    if (n !== 0) gauges[`state ${state}`] = n;
  }
  for (const [name, at] of Object.entries(Gauge)) {
    const n = ledger.cells[GAUGES_BASE + at]!;
    // tcpPages is no sum over rows: TCP's account of memory keeps it
    if (name !== 'tcpState' && name !== 'tcpPages' && n !== 0) gauges[name] = n;
  }
  return gauges;
}

/** Throws unless rows + closed + unattributed = global for every cell, and the gauges of sockets say what rows there are. */
export function expectSums(ledger: Ledger): void {
  const sums = new Float64Array(CELLS);
  const cells = ledger.cells;
  for (let id = 0; id < CELLS; id++) sums[id] = cells[UNATTRIBUTED_BASE + id]! + cells[CLOSED_BASE + id]!;
  for (let row = 0; row < ledger.maxRows; row++) {
    const at = ledger.headerAt(row);
    if (ledger.ints[at + Col.kind] === RowKind.free) continue;
    const protocol = ledger.ints[at + Col.protocol]!;
    const from = ledger.rowAt(row) + ROW_CELLS_AT;
    for (let id = 0; id < CELLS; id++) if (rowOwns(protocol, id)) sums[id]! += cells[from + rowColumns[id]!]!;
  }
  const wrong: string[] = [];
  for (let id = 0; id < CELLS; id++) {
    if (!constants.has(id) && sums[id] !== cells[GLOBAL_BASE + id])
      wrong.push(`${cellName(id)}: rows give ${sums[id]}, global is ${cells[GLOBAL_BASE + id]}`);
  }
  const [gauged, counted] = [gaugedSockets(ledger), countedSockets(ledger)];
  for (const name of new Set([...Object.keys(gauged), ...Object.keys(counted)])) {
    if (gauged[name] !== counted[name]) wrong.push(`gauge ${name}: ${gauged[name] ?? 0}, the rows give ${counted[name] ?? 0}`);
  }
  if (wrong.length > 0) throw new Error(`sums of the rows are not the global counters or gauges:\n${wrong.join('\n')}`);
}
