/** Several ledgers read as one. */
import { describe, expect, it } from 'vitest';
import { counters, Ip, Tcp, TcpExt, Udp } from '../../../mib/catalogue/index.js';
import { ClusterReader, openReadings } from '../../../mib/ledger/cluster-reader.js';
import { Col, Info, RowKind } from '../../../mib/ledger/layout.js';
import { Ledger, type Owner } from '../../../mib/ledger/ledger.js';
import { Ctl, createLedgerMemory } from '../../../mib/ledger/memory.js';
import { LedgerReader } from '../../../mib/ledger/reader.js';
import { RowView } from '../../../mib/ledger/row-view.js';
import { TimeWaitWriter } from '../../../mib/ledger/time-wait.js';
import { Rec } from '../../../mib/probe/ring.js';

const ROWS = 16;
/** What one ledger's rows and TIME-WAIT entries take: createLedgerMemory has at least 4096 of the latter. */
const SPAN = ROWS + 4096;

function make(count = 3) {
  const memories = Array.from({ length: count }, () => createLedgerMemory(ROWS));
  const ledgers = memories.map((m, i) => new Ledger(m, 1_000_000 + i, 1_700_000_000_000_000));
  const reader = new ClusterReader(memories, () => 1_700_000_009_000);
  return { memories, ledgers, reader };
}
interface Made {
  readonly kind?: number;
  readonly protocol?: number;
  readonly port: number;
  readonly remotePort?: number;
  readonly address?: number;
  readonly listener?: Owner;
  readonly state?: number;
  readonly recvQ?: number;
  readonly sendQ?: number;
}
function row(l: Ledger, made: Made): Owner {
  const o = l.takeRow((made.kind ?? RowKind.connection) as typeof RowKind.connection);
  l.setColumn(o, Col.family, 4);
  l.setState(o, made.state ?? 1);
  l.setColumn(o, Col.local + 2, 0xffff);
  l.setColumn(o, Col.local + 3, made.address ?? 0x0a4d0002);
  l.setColumn(o, Col.localPort, made.port);
  l.setColumn(o, Col.remote + 2, 0xffff);
  l.setColumn(o, Col.remote + 3, made.remotePort ? 0x0a4d0001 : 0);
  l.setColumn(o, Col.remotePort, made.remotePort ?? 0);
  l.setQueues(o, made.recvQ ?? 0, made.sendQ ?? 0);
  if (made.listener) l.setColumn(o, Col.listener, made.listener.row);
  l.setInfo(o, Info.createdUs, 2_000_000);
  l.setColumn(o, Col.protocol, made.protocol ?? 6);
  l.show(o);
  return o;
}
const listener = (l: Ledger, port: number, more: Partial<Made> = {}) =>
  row(l, { kind: RowKind.listener, state: 10, port, address: 0, sendQ: 10, ...more });
const endpoint = (l: Ledger, port: number, more: Partial<Made> = {}) =>
  row(l, { kind: RowKind.endpoint, protocol: 17, port, address: 0, ...more });
const ids = (reader: ClusterReader, from?: number) => {
  const out: string[] = [];
  reader.forEachRow((v) => out.push(`${v.id} ${v.localPort}`), false, from);
  return out;
};

describe('one ledger', () => {
  it('is read directly', () => {
    const memory = createLedgerMemory(ROWS);
    expect(openReadings([memory])).toBeInstanceOf(LedgerReader);
    expect(openReadings([memory, createLedgerMemory(ROWS)])).toBeInstanceOf(ClusterReader);
  });
});

describe('a snapshot of several ledgers', () => {
  it('is the sum of those that are published on one request; constants are not multiplied', async () => {
    const { ledgers, reader } = make();
    for (const [i, l] of ledgers.entries()) {
      l.unattributed.add(Tcp.InSegs, 10 ** i);
      l.setConstant(Ip.Forwarding, 2);
      const d = l.addDevice();
      d.rx(100 * (i + 1));
      const o = row(l, { port: 80 });
      o.inc(Tcp.CurrEstab);
      l.releaseRow(row(l, { port: 81 }));
    }
    let wakes = 0;
    const s = await reader.snapshot({
      wake: () => {
        wakes++;
        for (const [i, l] of ledgers.entries()) l.batchBorder(5_000_000 + i);
      },
    });
    expect(wakes).toBe(1);
    expect([s.consistent, s.value(Tcp.InSegs), s.unattributed[Tcp.InSegs], s.value(Tcp.CurrEstab)]).toEqual([true, 111, 111, 3]);
    expect([s.value(Ip.Forwarding), s.value(Tcp.RtoMin), s.value(Tcp.MaxConn)]).toEqual([2, 200, -1]);
    expect([...s.device(0).subarray(0, 2)].sort((a, b) => a - b)).toEqual([3, 600]);
    expect([s.startedAtUs, s.takenAtUs]).toEqual([1_000_000, 5_000_002]);
    const sum = reader.sumOfRows();
    const moving = counters.filter((c) => c.entry.kind !== 'constant').map((c) => c.id);
    expect(moving.filter((id) => sum[id]! + s.closed[id]! + s.unattributed[id]! !== s.cells[id])).toEqual([]);
  });

  it('is consistent only when every stack has answered', async () => {
    const { ledgers, reader } = make(2);
    const answers = (n: number) =>
      reader.snapshot({ timeoutMs: 5, wake: () => ledgers.slice(0, n).forEach((l) => void l.batchBorder(9)) });
    expect((await answers(1)).consistent).toBe(false);
    expect((await answers(2)).consistent).toBe(true);
    expect(reader.liveSnapshot().consistent).toBe(false);
  });

  it('asks every stack for fresh information of rows', async () => {
    const { memories, reader } = make(2);
    const done = (n: number) => () => {
      for (const m of memories.slice(0, n)) {
        const c = new Int32Array(m.control);
        Atomics.store(c, Ctl.infoDone, Atomics.load(c, Ctl.infoRequested));
      }
    };
    expect(await reader.refreshInfo({ timeoutMs: 5, wake: done(1) })).toBe(false);
    expect(await reader.refreshInfo({ timeoutMs: 5, wake: done(2) })).toBe(true);
  });
});

describe('rows of several ledgers', () => {
  it('are numbered through, and found by id and by name', () => {
    const { ledgers, reader } = make();
    const [a, b, c] = ledgers as [Ledger, Ledger, Ledger];
    row(a, { port: 1000, remotePort: 1 });
    row(b, { port: 1001, remotePort: 1 });
    row(c, { port: 1002, remotePort: 1 });
    row(c, { port: 1005, remotePort: 1 });
    expect(ids(reader)).toEqual(['0.1 1000', `${SPAN}.1 1001`, `${2 * SPAN}.1 1002`, `${2 * SPAN + 1}.1 1005`]);
    expect(ids(reader, SPAN + 1)).toEqual([`${2 * SPAN}.1 1002`, `${2 * SPAN + 1}.1 1005`]);
    expect(ids(reader, 2 * SPAN + 1)).toEqual([`${2 * SPAN + 1}.1 1005`]);
    expect(reader.rows().map((v) => v.localPort)).toEqual([1000, 1001, 1002, 1005]);
    expect(new Set(reader.rows().map((v) => v.column(Col.inode))).size).toBe(4);
    expect(reader.findRow(`${2 * SPAN + 1}.1`)!.view.localPort).toBe(1005);
    expect(reader.findRow(`${2 * SPAN + 1}.2`)).toBeUndefined();
    expect(reader.findRow(`${9 * SPAN}.1`)).toBeUndefined();
    const named = reader.findRowByName('10.77.0.2:1002-10.77.0.1:1')!;
    expect([named.view.id, named.closed]).toEqual([`${2 * SPAN}.1`, false]);
    expect([reader.rowsUsed(), reader.maxRows, reader.rowsTop()]).toEqual([4, 3 * ROWS, 2 * SPAN + 2]);
    let seen = 0;
    reader.forEachRow(() => ++seen < 2);
    expect(seen).toBe(2);
  });

  it('that are TIME-WAIT entries have numbers of their own and no counters', () => {
    const { memories, ledgers, reader } = make(2);
    row(ledgers[0]!, { port: 1000, remotePort: 1 });
    const words = { w0: 0, w1: 0, w2: 0xffff, w3: 0x0a4d0002 };
    for (const [i, m] of memories.entries()) new TimeWaitWriter(m).open(3, 4, words, 2000 + i, words, 5, 6);
    expect(ids(reader)).toEqual(['0.1 1000', `${ROWS + 3}.1 2000`, `${SPAN + ROWS + 3}.1 2001`]);
    expect(reader.rows().map((v) => reader.isTimeWaitEntry(v))).toEqual([false, true, true]);
    expect(reader.findRowByName('10.77.0.2:2001-10.77.0.2:5')!.view.row).toBe(SPAN + ROWS + 3);
    expect(reader.countSockets().tcpStates[6]).toBe(2);
  });
});

describe('a listener that every stack has', () => {
  function listening() {
    const made = make();
    const [a, b, c] = made.ledgers as [Ledger, Ledger, Ledger];
    // in b behind another row: twins need not have the same number
    row(b, { port: 999, remotePort: 1 });
    const l = [a, b, c].map((x) => listener(x, 80, { recvQ: 2 }));
    for (const [i, o] of l.entries()) o.add(TcpExt.ListenDrops, i + 1);
    return { ...made, l };
  }

  it('is one row, its counters and queues summed, under the id of the first', () => {
    const { ledgers, reader, l } = listening();
    row(ledgers[2]!, { port: 80, remotePort: 5, listener: l[2]! });
    expect(ids(reader)).toEqual(['0.1 80', `${SPAN}.1 999`, `${2 * SPAN + 1}.1 80`]);
    const { view } = reader.findRowByName('0.0.0.0:80-0.0.0.0:0')!;
    expect([view.id, view.cell(TcpExt.ListenDrops), view.column(Col.recvQ), view.column(Col.sendQ)]).toEqual(['0.1', 6, 6, 30]);
    // another twin's id is an alias
    const twin = reader.findRow(`${SPAN + 1}.1`)!.view;
    expect([twin.id, twin.cell(TcpExt.ListenDrops)]).toEqual(['0.1', 6]);
    const into = new RowView();
    expect(reader.readRow(2 * SPAN, into, true)).toBe(true);
    expect([into.id, into.cell(TcpExt.ListenDrops)]).toEqual(['0.1', 6]);
    // children name it, wherever they are
    const child = reader.findRow(`${2 * SPAN + 1}.1`)!.view;
    expect(child.toJSON(reader.context(reader.liveSnapshot())).listener).toBe('0.1');
    expect(reader.sumOfRows()[TcpExt.ListenDrops]).toBe(6);
  });

  it('counts as one socket', () => {
    const { reader } = listening();
    const s = reader.countSockets();
    expect([s.tcp4, s.tcpStates[10], s.tcpStates[1]]).toEqual([2, 1, 1]);
  });

  it('goes on under another id when the first is gone, and has one row in the history', () => {
    const { ledgers, reader, l } = listening();
    ledgers[0]!.releaseRow(l[0]!);
    expect(ids(reader)).toEqual([`${SPAN}.1 999`, `${SPAN + 1}.1 80`]);
    expect(reader.findRow(`${SPAN + 1}.1`)!.view.cell(TcpExt.ListenDrops)).toBe(5);
    ledgers[1]!.releaseRow(l[1]!);
    ledgers[2]!.releaseRow(l[2]!);
    expect(reader.closedRows().map((v) => [v.id, v.cell(TcpExt.ListenDrops)])).toEqual([['0.1', 6]]);
    expect(reader.findRow('0.1')).toMatchObject({ closed: true });
  });

  it('is as many rows as it has sockets in each stack (SO_REUSEPORT)', () => {
    const { reader, ledgers } = listening();
    for (const x of ledgers) listener(x, 80, { recvQ: 1 });
    listener(ledgers[1]!, 80, { address: 0x0a4d0002 }); // another address is another listener
    const rows = reader.rows().filter((v) => v.kind === RowKind.listener);
    expect(rows.map((v) => [v.localAddress, v.column(Col.recvQ)])).toEqual([['0.0.0.0', 6], ['0.0.0.0', 3], ['10.77.0.2', 0]]); // biome-ignore format: a table
  });
});

describe('endpoints of several stacks', () => {
  it('are one row where they are the same and not connected', () => {
    const { reader, ledgers } = make(2);
    for (const [i, l] of ledgers.entries()) {
      const e = endpoint(l, 7, { recvQ: 100 });
      e.add(Udp.InDatagrams, 5 + i);
      l.setInfo(e, Info.drops, 2);
      endpoint(l, 8, { remotePort: 53, recvQ: 10 });
      endpoint(l, 9 + i);
    }
    expect(reader.rows().map((v) => v.localPort)).toEqual([7, 8, 9, 8, 10]);
    const seven = reader.findRowByName('0.0.0.0:7-0.0.0.0:0')!.view;
    expect([seven.cell(Udp.InDatagrams), seven.column(Col.recvQ), seven.info('drops')]).toEqual([11, 200, 4]);
    const s = reader.countSockets();
    expect([s.udp4, s.udp4ReceiveQueue]).toEqual([5, 220]);
  });
});

describe('rows that have ended in several ledgers', () => {
  it('are one history, the last first', () => {
    const { reader, ledgers } = make(2);
    const end = (l: Ledger, port: number, atUs: number) => {
      const o = row(l, { port, remotePort: 1 });
      l.setInfo(o, Info.closedUs, atUs);
      l.releaseRow(o);
    };
    end(ledgers[0]!, 1, 100);
    end(ledgers[1]!, 2, 200);
    end(ledgers[0]!, 3, 300);
    ledgers[1]!.releaseRow(endpoint(ledgers[1]!, 4)); // does not say when
    end(ledgers[0]!, 5, 350);
    end(ledgers[1]!, 6, 400);
    expect(reader.closedRows().map((v) => v.localPort)).toEqual([6, 5, 3, 4, 2, 1]);
    const closed = reader.findRow(`${SPAN}.1`);
    expect([closed?.closed, closed?.view.localPort]).toEqual([true, 2]);
  });
});

describe('probes of several ledgers', () => {
  it('are armed in all; records of all come with the numbers of rows that readers know, gaps are summed', () => {
    const { reader, ledgers } = make(3);
    reader.arm(Tcp.InSegs);
    expect([reader.isArmed(Tcp.InSegs), ...ledgers.map((l) => l.gates[Tcp.InSegs])]).toEqual([true, 1, 1, 1]);
    const owners = ledgers.map((l, i) => row(l, { port: 1000 + i, remotePort: 1 }));
    const l = ledgers.map((x) => listener(x, 80));
    for (const o of owners) o.inc(Tcp.InSegs);
    for (const o of l) o.inc(Tcp.InSegs);
    for (const x of ledgers) x.unattributed.inc(Tcp.InSegs);
    const got: string[] = [];
    const each = (f: Float64Array, at: number) => got.push(`${f[at + Rec.row]}.${f[at + Rec.generation]}`);
    expect(reader.probes.read(4, each)).toBe(4);
    expect(reader.probes.read(100, each)).toBe(5);
    expect(reader.probes.read(100, each)).toBe(0);
    expect(got.sort()).toEqual(['-1.0', '-1.0', '-1.0', '0.1', '1.1', '1.1', '1.1', `${SPAN}.1`, `${2 * SPAN}.1`].sort());
    for (let i = 0; i < 20_000; i++) owners[i % 3]!.inc(Tcp.InSegs);
    const read = reader.probes.read(1e9, () => {});
    expect(read + reader.probes.lostRecords(Tcp.InSegs)).toBe(20_000);
    expect(reader.probes.lost(Tcp.InSegs)).toBe(reader.probes.lostRecords(Tcp.InSegs));
    expect(reader.probes.lost(Tcp.InSegs)).toBeGreaterThan(0);
    reader.disarm(Tcp.InSegs);
    expect(ledgers.map((x) => x.gates[Tcp.InSegs])).toEqual([0, 0, 0]);
  });
});
