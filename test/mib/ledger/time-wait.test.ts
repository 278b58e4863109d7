/** TIME-WAIT entries as readers see them: rows without counters, numbered behind the rows. */
import { describe, expect, it } from 'vitest';
import { Tcp } from '../../../mib/catalogue/index.js';
import { RowKind } from '../../../mib/ledger/layout.js';
import { createLedgerMemory } from '../../../mib/ledger/memory.js';
import { LedgerReader } from '../../../mib/ledger/reader.js';
import { TimeWaitWriter } from '../../../mib/ledger/time-wait.js';

const US = { w0: 0, w1: 0, w2: 0xffff, w3: 0x0a4d0002 };
const THEM = { w0: 0, w1: 0, w2: 0xffff, w3: 0x0a4d0001 };
const MAX_ROWS = 8;

function entries() {
  const memory = createLedgerMemory(MAX_ROWS);
  const writer = new TimeWaitWriter(memory);
  const reader = new LedgerReader(memory);
  const open = (index: number, port: number) => {
    writer.open(index, 4, US, 80, THEM, port, 6);
    writer.setTimer(index, 61_000_000 + port);
  };
  return { writer, reader, open };
}

describe('a TIME-WAIT entry', () => {
  it('is a row of kind timeWait with its ends, its state and its timer', () => {
    const { reader, open, writer } = entries();
    open(0, 40000);
    open(1, 65535);
    writer.setState(1, 5);
    const rows = reader.rows();
    expect(rows.map((r) => [r.row, r.id, r.name, r.kind, r.state])).toEqual([
      [MAX_ROWS, `${MAX_ROWS}.1`, '10.77.0.2:80-10.77.0.1:40000', RowKind.timeWait, 6],
      [MAX_ROWS + 1, `${MAX_ROWS + 1}.1`, '10.77.0.2:80-10.77.0.1:65535', RowKind.timeWait, 5],
    ]);
    expect(rows.map((r) => [r.info('timerAtUs'), r.cell(Tcp.InSegs)])).toEqual([
      [61_040_000, 0],
      [61_065_535, 0],
    ]);
    expect(reader.isTimeWaitEntry(rows[0]!)).toBe(true);
    expect(reader.findRow(`${MAX_ROWS}.1`)!.view.localPort).toBe(80);
    expect(reader.findRowByName(rows[1]!.name)!.view.row).toBe(MAX_ROWS + 1);
  });

  it('is gone when it ends, and has a new id when its place is used again', () => {
    const { reader, open, writer } = entries();
    open(0, 1);
    open(1, 2);
    writer.close(0);
    expect(reader.rows().map((r) => r.remotePort)).toEqual([2]);
    expect(reader.findRow(`${MAX_ROWS}.1`)).toBeUndefined();
    open(0, 3);
    expect(reader.rows().map((r) => [r.id, r.remotePort])).toEqual([
      [`${MAX_ROWS}.2`, 3],
      [`${MAX_ROWS + 1}.1`, 2],
    ]);
    const seen: number[] = [];
    reader.forEachRow((r) => seen.push(r.row) < 1, false, MAX_ROWS + 1);
    expect(seen).toEqual([MAX_ROWS + 1]);
  });

  it('beyond the memory is not shown and disturbs nothing', () => {
    const { reader, open, writer } = entries();
    open(5000, 9);
    writer.setState(5000, 5);
    writer.close(5000);
    expect(reader.rows()).toEqual([]);
  });
});
