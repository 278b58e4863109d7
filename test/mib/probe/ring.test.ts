import { beforeEach, describe, expect, it } from 'vitest';
import { Tcp, Udp } from '../../../mib/catalogue/index.js';
import { Col, RowKind } from '../../../mib/ledger/layout.js';
import { Ledger } from '../../../mib/ledger/ledger.js';
import { createLedgerMemory } from '../../../mib/ledger/memory.js';
import { LedgerReader } from '../../../mib/ledger/reader.js';
import { Probe } from '../../../mib/probe/points.js';
import { Rec } from '../../../mib/probe/ring.js';
import { traceEvent } from '../../../mib/probe/trace-event.js';
import { seeded } from '../../support/vectors.js';

let ledger: Ledger;
let reader: LedgerReader;
let memory: ReturnType<typeof createLedgerMemory>;
beforeEach(() => {
  memory = createLedgerMemory(4);
  ledger = new Ledger(memory, 0, 0);
  reader = new LedgerReader(memory);
});

/** Sum of the increments of a point among all waiting records. */
function drain(point: number, max = 1e9): number {
  let sum = 0;
  reader.probes.read(max, (f, at) => {
    if (f[at + Rec.point] === point) sum += f[at + Rec.arg0]!;
  });
  return sum;
}

describe('the probe ring', () => {
  it('records nothing while gates are closed', () => {
    ledger.unattributed.inc(Tcp.InSegs);
    ledger.unattributed.fire(Probe.tcpStateChange, 1, 2);
    expect(reader.probes.read(10, () => {})).toBe(0);
  });

  it('keeps events + gaps = delta, whatever the reader does', () => {
    const random = seeded(99);
    reader.arm(Tcp.InSegs);
    reader.arm(Tcp.CurrEstab);
    let [segs, estab, events] = [0, 0, 0];
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 400; i++) {
        const n = 1 + Math.floor(random() * 44);
        ledger.unattributed.add(Tcp.InSegs, n);
        ledger.unattributed.add(Tcp.CurrEstab, random() < 0.5 ? 1 : -1);
      }
      const max = Math.floor(random() * 400);
      events += reader.probes.read(max, (f, at) => {
        if (f[at + Rec.point] === Tcp.InSegs) segs += f[at + Rec.arg0]!;
        else estab += f[at + Rec.arg0]!;
      });
    }
    events += reader.probes.read(1e9, (f, at) => {
      if (f[at + Rec.point] === Tcp.InSegs) segs += f[at + Rec.arg0]!;
      else estab += f[at + Rec.arg0]!;
    });
    const lost = reader.probes.lostRecords(Tcp.InSegs) + reader.probes.lostRecords(Tcp.CurrEstab);
    expect(lost).toBeGreaterThan(0);
    expect(events + lost).toBe(40 * 400 * 2);
    expect(segs + reader.probes.lost(Tcp.InSegs)).toBe(ledger.cells[Tcp.InSegs]);
    expect(estab + reader.probes.lost(Tcp.CurrEstab)).toBe(ledger.cells[Tcp.CurrEstab]);
  });

  it('counts lost event probes by number', () => {
    reader.arm(Probe.tcpStateChange);
    const n = ledger.ring.capacity + 5;
    for (let i = 0; i < n; i++) ledger.unattributed.fire(Probe.tcpStateChange, 8, 1);
    expect([reader.probes.lost(Probe.tcpStateChange), reader.probes.lostRecords(Probe.tcpStateChange)]).toEqual([5, 5]);
    expect(reader.probes.read(1e9, () => {})).toBe(ledger.ring.capacity);
  });

  it('holds a power of two and survives the wrap of its counters', () => {
    const { capacity } = ledger.ring;
    expect(Math.log2(capacity) % 1).toBe(0);
    const words = new Int32Array(memory.ring);
    words[0] = words[1] = 0x7fffffff - 3; // the next events cross 2^31
    reader.arm(Udp.InDatagrams);
    for (let i = 1; i <= 10; i++) ledger.unattributed.add(Udp.InDatagrams, i);
    expect(drain(Udp.InDatagrams, 4)).toBe(1 + 2 + 3 + 4);
    expect(drain(Udp.InDatagrams)).toBe(5 + 6 + 7 + 8 + 9 + 10);
    expect(words[0]).toBe((0x7fffffff - 3 + 10) | 0);
    words[0] = words[1] = -2; // and 2^32
    for (let i = 1; i <= 4; i++) ledger.unattributed.add(Udp.InDatagrams, i);
    expect(drain(Udp.InDatagrams)).toBe(10);
  });

  it('wakes its reader once for a burst', () => {
    let wakes = 0;
    ledger.ring.onRecord = () => wakes++;
    reader.arm(Tcp.InSegs);
    for (let i = 0; i < 5; i++) ledger.unattributed.inc(Tcp.InSegs);
    expect(wakes).toBe(1);
    drain(Tcp.InSegs);
    ledger.unattributed.inc(Tcp.InSegs);
    expect(wakes).toBe(2);
  });
});

describe('an event', () => {
  const context = { wallOffsetUs: 1_700_000_000_000_000, deviceName: (i: number) => `tsn${i}` };
  const events = () => {
    const out: ReturnType<typeof traceEvent>[] = [];
    reader.probes.read(100, (f, at) => out.push(traceEvent(f, at, context)));
    return out;
  };

  it('knows the connection it was made on, and the packet at hand', () => {
    const c = ledger.takeRow(RowKind.connection);
    const set: [number, number][] = [
      [Col.state, 1], [Col.family, 4], [Col.protocol, 6], [Col.localPort, 80], [Col.remotePort, 45678],
      [Col.local + 2, 0xffff], [Col.local + 3, 0x0a4d0002], [Col.remote + 2, 0xffff], [Col.remote + 3, 0xc0a80001 | 0],
    ]; // biome-ignore format: a table
    for (const [column, value] of set) ledger.setColumn(c, column, value);
    const now = ledger.ring.context;
    Object.assign(now, {
      timeUs: 1_234_567,
      direction: 2,
      device: 1,
      length: 1448,
      flags: 0x18,
      seq: 0xfffffff0,
      ack: 7,
      window: 502,
    });
    reader.arm(Tcp.RetransSegs);
    c.inc(Tcp.RetransSegs);
    expect(events()).toEqual([
      {
        probe: 'Tcp.RetransSegs',
        time: '2023-11-14T22:13:21.234567Z',
        timeUs: 1_234_567,
        increment: 1,
        arg1: 0,
        connection: {
          id: '0.1',
          protocol: 'tcp',
          family: 4,
          local: { address: '10.77.0.2', port: 80 },
          remote: { address: '192.168.0.1', port: 45678 },
          state: 'ESTABLISHED',
        },
        packet: { direction: 'out', device: 'tsn1', length: 1448, flags: 'PA', seq: 0xfffffff0, ack: 7, window: 502 },
      },
    ]);
  });

  it('without a row has the addresses of the packet; without a packet none', () => {
    reader.arm(Udp.NoPorts);
    ledger.unattributed.inc(Udp.NoPorts);
    Object.assign(ledger.ring.context, {
      direction: 1, device: 2, length: 9, familyProtocol: 6 * 256 + 17, ports: 53 * 65536 + 999, local0: 0xfd770000, local3: 2, remote0: 0xfd770000, remote3: 1,
    }); // biome-ignore format: a record
    ledger.unattributed.inc(Udp.NoPorts);
    const [bare, full] = events();
    expect([bare!.connection, bare!.packet]).toEqual([null, null]);
    expect(full!.connection).toEqual({
      id: null,
      protocol: 'udp',
      family: 6,
      local: { address: 'fd77::2', port: 53 },
      remote: { address: 'fd77::1', port: 999 },
      state: '',
    });
    expect(full!.packet).toMatchObject({ direction: 'in', device: 'tsn2', length: 9, flags: '-' });
  });
});
