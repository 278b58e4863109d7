import { beforeEach, describe, expect, it } from 'vitest';
import { CELLS, counters, Ip, IpExt, Tcp, TcpExt, Udp } from '../../../mib/catalogue/index.js';
import { Dev } from '../../../mib/catalogue/interface.js';
import {
  CLOSED_BASE,
  Col,
  HISTORY_ROWS,
  Info,
  ROW_STRIDE,
  ROWS_BASE,
  RowKind,
  rowIds,
  rowOwns,
  UNATTRIBUTED_BASE,
} from '../../../mib/ledger/layout.js';
import { Ledger, type Owner } from '../../../mib/ledger/ledger.js';
import { Ctl, createLedgerMemory } from '../../../mib/ledger/memory.js';
import { LedgerReader } from '../../../mib/ledger/reader.js';
import { seeded } from '../../support/vectors.js';

let ledger: Ledger;
let reader: LedgerReader;
beforeEach(() => {
  const memory = createLedgerMemory(16);
  ledger = new Ledger(memory, 1000, 5_000_000);
  reader = new LedgerReader(memory);
});

function take(protocol: number, port: number): Owner {
  const owner = ledger.takeRow(protocol === 6 ? RowKind.connection : RowKind.endpoint);
  ledger.setColumn(owner, Col.family, 4);
  ledger.setColumn(owner, Col.local + 2, 0xffff);
  ledger.setColumn(owner, Col.localPort, port);
  ledger.setColumn(owner, Col.protocol, protocol);
  return owner;
}

/** What the cells of a block are, by name, where not 0. Constants are no events. */
function moved(base: number): Record<string, number> {
  const out: Record<string, number> = {};
  for (const c of counters) {
    const n = ledger.cells[base + c.id]!;
    if (n !== 0 && c.entry.kind !== 'constant') out[c.key] = n;
  }
  return out;
}

describe('the ledger', () => {
  it('begins with the constants of Linux and nothing else', () => {
    expect(moved(0)).toEqual({});
    expect(ledger.cells[Tcp.MaxConn]).toBe(-1);
    expect(ledger.cells[Tcp.RtoMax]).toBe(120000);
    ledger.setConstant(Ip.Forwarding, 1);
    expect(ledger.cells[Ip.Forwarding]).toBe(1);
  });

  it('counts an event once for everybody and once for its row', () => {
    const c = take(6, 80);
    c.inc(Tcp.InSegs);
    c.add(IpExt.InOctets, 1500);
    ledger.unattributed.inc(Ip.InReceives);
    expect(moved(0)).toEqual({ 'Tcp.InSegs': 1, 'IpExt.InOctets': 1500, 'Ip.InReceives': 1 });
    expect(moved(UNATTRIBUTED_BASE)).toEqual({ 'Ip.InReceives': 1 });
    const found = reader.findRow(`${c.row}.1`);
    expect([found?.view.cell(Tcp.InSegs), found?.view.cell(IpExt.InOctets), found?.view.cell(Ip.InReceives)]).toEqual([
      1, 1500, 0,
    ]);
  });

  it('counts for nobody what a row has no cell for', () => {
    const c = take(6, 80);
    c.inc(counters.find((x) => x.key === 'Icmp.InMsgs')!.id);
    expect(moved(UNATTRIBUTED_BASE)).toEqual({ 'Icmp.InMsgs': 1 });
  });

  it('folds a row that ends, remembers it, and counts what comes later for nobody', () => {
    const c = take(6, 80);
    c.inc(Tcp.CurrEstab);
    c.inc(Tcp.InSegs);
    c.add(Tcp.CurrEstab, -1);
    ledger.setInfo(c, Info.createdUs, 1234);
    const id = `${c.row}.1`;
    ledger.releaseRow(c);
    c.inc(Tcp.OutRsts);
    expect(moved(CLOSED_BASE)).toEqual({ 'Tcp.InSegs': 1 });
    expect(moved(UNATTRIBUTED_BASE)).toEqual({ 'Tcp.OutRsts': 1 });
    expect(reader.rowsUsed()).toBe(0);
    const found = reader.findRow(id);
    expect(found?.closed).toBe(true);
    expect([found?.view.cell(Tcp.InSegs), found?.view.localPort, found?.view.info('createdUs')]).toEqual([1, 80, 1234]);
    ledger.releaseRow(c);
    expect(moved(CLOSED_BASE)).toEqual({ 'Tcp.InSegs': 1 });
  });

  it('gives a reused row a new id and clean cells', () => {
    const first = take(6, 1);
    first.inc(Tcp.InSegs);
    const row = first.row;
    ledger.releaseRow(first);
    const second = take(17, 2);
    expect(second.row).toBe(row);
    expect(reader.findRow(`${row}.2`)?.view.cell(Udp.InDatagrams)).toBe(0);
    expect(reader.findRow(`${row}.1`)?.closed).toBe(true);
    expect(reader.findRow(`${row}.3`)).toBeUndefined();
  });

  it('remembers the last rows that ended, newest first, and not more than it has room for', () => {
    for (let i = 1; i <= HISTORY_ROWS + 10; i++) ledger.releaseRow(take(6, i));
    const ports = reader.closedRows().map((r) => r.localPort);
    // The oldest slot is the one the writer would use next: a reader does not trust it.
    expect(ports).toEqual(Array.from({ length: HISTORY_ROWS - 1 }, (_, i) => HISTORY_ROWS + 10 - i));
  });

  it('goes on without rows when all are taken, and says how often', () => {
    const owners = Array.from({ length: 18 }, (_, i) => take(6, i + 1));
    expect(owners.map((o) => o.row).slice(-2)).toEqual([-1, -1]);
    owners[17]!.inc(Tcp.InSegs);
    expect(moved(UNATTRIBUTED_BASE)).toEqual({ 'Tcp.InSegs': 1 });
    expect(reader.rowsExhausted()).toBe(2);
    expect(reader.rowsUsed()).toBe(16);
  });

  it('keeps the sum: rows + closed + unattributed = global, over 20,000 random events', () => {
    const random = seeded(4711);
    const owners: Owner[] = [];
    // A UDP row lays its own counters over the columns that a TCP row has for its own: each counts what its protocol can.
    const shared = [Ip.InReceives, IpExt.OutOctets];
    const tcpIds = [...shared, Tcp.InSegs, Tcp.CurrEstab, TcpExt.TCPHPHits];
    const udpIds = [...shared, Udp.InDatagrams, Udp.NoPorts];
    const protocols = new Map<Owner, number>([[ledger.unattributed, 6]]);
    for (let i = 0; i < 20_000; i++) {
      const x = random();
      if (x < 0.02 && owners.length < 20) {
        const owner = take(x < 0.01 ? 6 : 17, i & 0xffff);
        owners.push(owner);
        protocols.set(owner, x < 0.01 ? 6 : 17);
      } else if (x < 0.035 && owners.length > 0) ledger.releaseRow(owners.splice(Math.floor(random() * owners.length), 1)[0]!);
      else {
        const owner = owners.length > 0 && x < 0.9 ? owners[Math.floor(random() * owners.length)]! : ledger.unattributed;
        const ids = protocols.get(owner) === 17 ? udpIds : tcpIds;
        owner.add(ids[Math.floor(random() * ids.length)]!, random() < 0.2 ? -3 : 7);
      }
    }
    const rows = reader.sumOfRows();
    let events = 0;
    for (let id = 0; id < CELLS; id++) {
      if (counters.some((c) => c.id === id && c.entry.kind === 'constant')) continue;
      events += Math.abs(ledger.cells[id]!);
      expect(rows[id]! + ledger.cells[CLOSED_BASE + id]! + ledger.cells[UNATTRIBUTED_BASE + id]!).toBe(ledger.cells[id]);
    }
    expect(events).toBeGreaterThan(10_000);
    expect(owners.length).toBeGreaterThan(0);
  });

  it('counts devices in blocks of their own', () => {
    const a = ledger.addDevice();
    const b = ledger.addDevice();
    a.rx(64);
    b.tx(1500);
    b.inc(Dev.txDrop);
    const snapshot = reader.liveSnapshot();
    expect([...snapshot.device(0)].filter((n) => n !== 0)).toEqual([64, 1]);
    expect([snapshot.device(1)[Dev.txBytes], snapshot.device(1)[Dev.txPackets], snapshot.device(1)[Dev.txDrop]]).toEqual([
      1500, 1, 1,
    ]);
    for (let i = 2; i < 8; i++) ledger.addDevice();
    expect(() => ledger.addDevice()).toThrow(RangeError);
  });

  it('shows no row before it is identified', () => {
    const owner = ledger.takeRow(RowKind.connection);
    const rows: number[] = [];
    reader.forEachRow((r) => rows.push(r.row));
    expect(rows).toEqual([]);
    ledger.setColumn(owner, Col.protocol, 6);
    reader.forEachRow((r) => rows.push(r.row));
    expect(rows).toEqual([owner.row]);
  });
});

describe('the layout of a row', () => {
  it('has a cell of its own for every counter a row owns', () => {
    for (const protocol of [6, 17]) {
      const ids = [...rowIds(protocol)];
      expect(ids).toEqual(ids.filter((id) => rowOwns(protocol, id)));
      const row = take(protocol, 5);
      for (const id of ids) row.add(id, id + 1);
      const { view } = reader.findRow(`${row.row}.1`)!;
      for (const id of ids) expect(view.cell(id)).toBe(id + 1);
    }
  });

  it('starts rows on cache lines and keeps headers apart', () => {
    expect([ROWS_BASE % 8, ROW_STRIDE % 8]).toEqual([0, 0]);
    expect(Math.max(...Object.values(Col)) + 4).toBeLessThan(64);
    expect(Math.max(...Object.values(Ctl))).toBeLessThan(64);
  });
});
