import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { Tcp } from '../../../mib/catalogue/index.js';
import { Col, headerAt, Info, RowKind } from '../../../mib/ledger/layout.js';
import { Ledger } from '../../../mib/ledger/ledger.js';
import { Ctl, createLedgerMemory } from '../../../mib/ledger/memory.js';
import { LedgerReader } from '../../../mib/ledger/reader.js';
import { RowView } from '../../../mib/ledger/row-view.js';

function make(rows = 8) {
  const memory = createLedgerMemory(rows);
  const ledger = new Ledger(memory, 2_000_000, 1_700_000_000_000_000);
  return { memory, ledger, reader: new LedgerReader(memory, () => 1_700_000_009_000) };
}

describe('a snapshot', () => {
  it('is what the stack published at its batch border', async () => {
    const { ledger, reader } = make();
    ledger.unattributed.add(Tcp.InSegs, 41);
    const s = await reader.snapshot({
      wake: () => {
        ledger.unattributed.inc(Tcp.InSegs);
        ledger.batchBorder(3_500_000);
        ledger.unattributed.inc(Tcp.InSegs);
      },
    });
    expect([s.consistent, s.value(Tcp.InSegs), s.unattributed[Tcp.InSegs], s.closed[Tcp.InSegs]]).toEqual([true, 42, 42, 0]);
    expect([s.takenAtUs, s.startedAtUs, s.uptimeUs]).toEqual([3_500_000, 2_000_000, 1_500_000]);
    expect(s.header()).toEqual({
      snapshot: 1,
      takenAt: '2023-11-14T22:13:23.500Z',
      startedAt: '2023-11-14T22:13:22.000Z',
      consistent: true,
    });
  });

  it('is one for readers who ask together, and none without a request', async () => {
    const { memory, ledger, reader } = make();
    ledger.batchBorder(1);
    expect(new Int32Array(memory.control)[Ctl.published]).toBe(0);
    const first = reader.snapshot();
    const second = reader.snapshot({ wake: () => ledger.batchBorder(7) });
    expect([(await first).id, (await second).id]).toEqual([2, 2]);
  });

  it('is live and marked when the stack does not answer', async () => {
    const { ledger, reader } = make();
    ledger.unattributed.inc(Tcp.InSegs);
    const s = await reader.snapshot({ timeoutMs: 1 });
    expect([s.consistent, s.value(Tcp.InSegs), s.takenAtUs]).toEqual([false, 1, 9_000_000]);
  });

  it('does not change once it is taken', async () => {
    const { ledger, reader } = make();
    const s = await reader.snapshot({ wake: () => ledger.batchBorder(1) });
    ledger.unattributed.inc(Tcp.InSegs);
    await reader.snapshot({ wake: () => ledger.batchBorder(2) });
    expect(s.value(Tcp.InSegs)).toBe(0);
  });

  it('comes from another thread, which is woken, in one piece', { timeout: 20_000 }, async () => {
    const { memory, reader } = make();
    // A writer that never stops publishing blocks whose every float is the number of the publication.
    const worker = new Worker(
      `const { workerData: m, parentPort } = require('node:worker_threads');
       const c = new Int32Array(m.control), p = new Float64Array(m.published);
       let n = 0;
       parentPort.postMessage('up');
       for (;;) {
         const r = Atomics.load(c, ${Ctl.requested});
         if (r < 0) break;
         if (r === Atomics.load(c, ${Ctl.published})) Atomics.wait(c, ${Ctl.requested}, r, 1);
         Atomics.add(c, ${Ctl.publishSeq}, 1); p.fill(++n); Atomics.add(c, ${Ctl.publishSeq}, 1);
         Atomics.store(c, ${Ctl.published}, r); Atomics.notify(c, ${Ctl.published});
       }`,
      { eval: true, workerData: memory },
    );
    const control = new Int32Array(memory.control);
    await new Promise((resolve) => worker.once('message', resolve));
    try {
      for (let i = 0; i < 200; i++) {
        const s = await reader.snapshot({ timeoutMs: 10_000, wake: () => Atomics.notify(control, Ctl.requested) });
        expect(s.consistent).toBe(true);
        expect(new Set([s.takenAtUs, ...s.cells, ...s.unattributed, ...s.closed, ...s.devices]).size).toBe(1);
      }
    } finally {
      Atomics.store(control, Ctl.requested, -1);
      Atomics.notify(control, Ctl.requested);
      await new Promise((resolve) => worker.once('exit', resolve));
    }
  });

  it('is there before the event loop turns where the thread may be stopped for it', { timeout: 20_000 }, async () => {
    const { memory, reader } = make();
    const worker = new Worker(
      `const { workerData: m, parentPort } = require('node:worker_threads');
       const c = new Int32Array(m.control);
       parentPort.postMessage('up');
       for (let n = 0; n < 3; n++) {
         Atomics.wait(c, ${Ctl.requested}, n);
         Atomics.store(c, ${Ctl.published}, n + 1); Atomics.notify(c, ${Ctl.published});
       }`,
      { eval: true, workerData: memory },
    );
    const control = new Int32Array(memory.control);
    await new Promise((resolve) => worker.once('message', resolve));
    for (let n = 1; n <= 3; n++) {
      let turned = false;
      setImmediate(() => {
        turned = true;
      });
      const wake = () => Atomics.notify(control, Ctl.requested);
      const { id, consistent } = await reader.snapshot({ blockMs: 10_000, timeoutMs: 10_000, wake });
      expect([id, consistent, turned]).toEqual([n, true, false]);
    }
    await new Promise((resolve) => worker.once('exit', resolve));
  });

  it('is waited for on when the stop was too short', async () => {
    const { ledger, reader } = make();
    const s = await reader.snapshot({ blockMs: 1, timeoutMs: 10_000, wake: () => setImmediate(() => ledger.batchBorder(5)) });
    expect([s.consistent, s.takenAtUs]).toEqual([true, 5]);
  });

  it('asks for fresh tcp_info by the same rule', async () => {
    const { memory, reader } = make();
    const control = new Int32Array(memory.control);
    const wake = () => Atomics.store(control, Ctl.infoDone, Atomics.load(control, Ctl.infoRequested));
    expect(await reader.refreshInfo({ wake })).toBe(true);
    expect(await reader.refreshInfo({ timeoutMs: 1 })).toBe(false);
  });
});

describe('a row', () => {
  it('is read in one piece while its writer changes it', { timeout: 20_000 }, async () => {
    const { memory, ledger, reader } = make();
    const owner = ledger.takeRow(RowKind.connection);
    ledger.setColumn(owner, Col.protocol, 6);
    const h = headerAt(owner.row);
    // A writer that changes two columns together, always to the same value, under the row's sequence number.
    const worker = new Worker(
      `const { workerData: { m, h }, parentPort } = require('node:worker_threads');
       const i = new Int32Array(m.cells), c = new Int32Array(m.control);
       parentPort.postMessage('up');
       for (let n = 1; Atomics.load(c, ${Ctl.requested}) === 0; n = (n + 1) & 0x7fff) {
         Atomics.add(i, h + ${Col.seq}, 1);
         Atomics.store(i, h + ${Col.localPort}, n); Atomics.store(i, h + ${Col.remotePort}, n);
         Atomics.add(i, h + ${Col.seq}, 1);
       }`,
      { eval: true, workerData: { m: memory, h } },
    );
    await new Promise((resolve) => worker.once('message', resolve));
    const view = new RowView();
    const seen = new Set<number>();
    let torn = 0;
    let read = 0;
    for (let i = 0; i < 20_000; i++) {
      if (!reader.readRow(owner.row, view, false)) continue;
      read++;
      seen.add(view.localPort);
      if (view.localPort !== view.remotePort) torn++;
    }
    Atomics.store(new Int32Array(memory.control), Ctl.requested, 1);
    await new Promise((resolve) => worker.once('exit', resolve));
    expect(torn).toBe(0);
    expect(read).toBeGreaterThan(100);
    expect(seen.size).toBeGreaterThan(1);
  });

  it('has a JSON form with names, times and its listener', async () => {
    const { ledger, reader } = make();
    const listener = ledger.takeRow(RowKind.listener);
    ledger.setColumn(listener, Col.protocol, 6);
    const c = ledger.takeRow(RowKind.connection);
    const ints: [number, number][] = [
      [Col.state, 1], [Col.family, 4], [Col.localPort, 80], [Col.remotePort, 45678], [Col.local + 2, 0xffff], [Col.local + 3, 0x0a4d0002],
      [Col.remote + 2, 0xffff], [Col.remote + 3, 0x0a4d0001], [Col.recvQ, 5], [Col.sendQ, 6], [Col.timerKind, 1], [Col.retransmits, 2],
      [Col.probes, 1], [Col.uid, 1000], [Col.listener, listener.row], [Col.protocol, 6],
    ]; // biome-ignore format: a table
    for (const [column, value] of ints) ledger.setColumn(c, column, value);
    ledger.setInfo(c, Info.createdUs, 2_500_000);
    ledger.setInfo(c, Info.timerAtUs, 4_200_000);
    ledger.setInfo(c, Info.tcpi_rto, 204_000);
    const s = await reader.snapshot({ wake: () => ledger.batchBorder(4_000_000) });
    const json = reader.findRowByName('10.77.0.2:80-10.77.0.1:45678')!.view.toJSON(reader.context(s));
    expect(json).toMatchObject({
      id: '1.1',
      kind: 'connection',
      protocol: 'tcp',
      family: 4,
      name: '10.77.0.2:80-10.77.0.1:45678',
      local: { address: '10.77.0.2', port: 80 },
      remote: { address: '10.77.0.1', port: 45678 },
      state: 'ESTABLISHED',
      recvQ: 5,
      sendQ: 6,
      uid: 1000,
      timer: { kind: 'on', expiresInMs: 200, retransmits: 2, probes: 1 },
      active: false,
      listener: '0.1',
      createdAt: '2023-11-14T22:13:22.500Z',
      establishedAt: null,
    });
    expect(json.info['tcpi_rto']).toBe(204_000);
    ledger.releaseRow(listener);
    expect(reader.findRow('1.1')!.view.toJSON(reader.context(s)).listener).toBeNull();
  });

  it('is shown with its own cells and the global constants', async () => {
    const { ledger, reader } = make();
    const c = ledger.takeRow(RowKind.connection);
    ledger.setColumn(c, Col.protocol, 6);
    c.inc(Tcp.CurrEstab);
    ledger.unattributed.add(Tcp.InSegs, 9);
    const s = reader.liveSnapshot();
    const cells = reader.findRow('0.1')!.view.cells(s.cells);
    expect([cells[Tcp.CurrEstab], cells[Tcp.InSegs], cells[Tcp.RtoMin], cells[Tcp.MaxConn]]).toEqual([1, 0, 200, -1]);
  });
});

describe('a gate', () => {
  it('stays open until the last who opened it has closed it', () => {
    const { ledger, reader } = make();
    reader.arm(Tcp.InSegs);
    reader.arm(Tcp.InSegs);
    reader.disarm(Tcp.InSegs);
    expect([reader.isArmed(Tcp.InSegs), ledger.gates[Tcp.InSegs]]).toEqual([true, 1]);
    reader.disarm(Tcp.InSegs);
    reader.disarm(Tcp.InSegs);
    expect(reader.isArmed(Tcp.InSegs)).toBe(false);
    reader.arm(Tcp.InSegs);
    expect(reader.isArmed(Tcp.InSegs)).toBe(true);
  });
});
