import { createServer, get as httpGet, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { probePoints, streamTrace } from '../../daemon/rest/trace.js';
import { TracePump, type TraceSubscriber } from '../../daemon/trace/pump.js';
import { CELLS, Tcp, TcpExt } from '../../mib/catalogue/index.js';
import type { TraceEventDto, TraceGapDto } from '../../mib/dto.js';
import { LedgerReader } from '../../mib/ledger/reader.js';
import { PROBE_POINTS, Probe } from '../../mib/probe/points.js';
import { Rec } from '../../mib/probe/ring.js';
import { madeUpStack } from './made-up-stack.js';

/** Octets of a ring with room for 16 records. */
const SMALL_RING = (8 + ((2 * PROBE_POINTS + 7) & ~7) + 16 * Rec.size) * 8;
const context = { wallOffsetUs: 0, deviceName: (i: number) => `dev${i}` };

class Listener implements TraceSubscriber {
  readonly events: TraceEventDto[] = [];
  readonly gaps: TraceGapDto[] = [];
  room = Number.POSITIVE_INFINITY;
  event(e: TraceEventDto, json: string): boolean {
    if (this.events.length >= this.room) return false;
    expect(JSON.parse(json)).toEqual(e);
    this.events.push(e);
    return true;
  }
  gap(g: TraceGapDto): boolean {
    if (this.events.length >= this.room) return false;
    this.gaps.push(g);
    return true;
  }
  sum(probe: string): { events: number; gaps: number } {
    return {
      events: this.events.filter((e) => e.probe === probe).reduce((n, e) => n + e.increment, 0),
      gaps: this.gaps.filter((g) => g.probe === probe).reduce((n, g) => n + g.lost, 0),
    };
  }
}

function setUp(ringBytes?: number) {
  const made = madeUpStack(ringBytes);
  const reader = new LedgerReader(made.stack.memory);
  const pump = new TracePump(reader, context);
  return { ...made, reader, pump };
}

describe('pump', () => {
  it('arms what somebody wants and disarms it when the last one leaves', () => {
    const { pump, reader } = setUp();
    const leaveA = pump.subscribe([Tcp.InSegs, Tcp.OutSegs], new Listener());
    const leaveB = pump.subscribe([Tcp.InSegs], new Listener());
    const armed = () => [Tcp.InSegs, Tcp.OutSegs, Tcp.InErrs].map((p) => reader.isArmed(p));
    expect([armed(), pump.clients]).toEqual([[true, true, false], 2]);
    leaveA();
    leaveA();
    expect([armed(), pump.clients]).toEqual([[true, false, false], 1]);
    leaveB();
    expect([armed(), pump.clients]).toEqual([[false, false, false], 0]);
  });

  it('gives each subscriber its own probes, from its start to its end, with the connection', () => {
    const { pump, connection, stack } = setUp();
    const a = new Listener();
    const b = new Listener();
    const leaveA = pump.subscribe([Tcp.RetransSegs], a);
    connection.inc(Tcp.RetransSegs);
    const leaveB = pump.subscribe([Tcp.RetransSegs, Tcp.InErrs], b);
    connection.add(Tcp.RetransSegs, 2);
    stack.ledger.unattributed.inc(Tcp.InErrs);
    leaveA();
    connection.inc(Tcp.RetransSegs);
    leaveB();
    connection.inc(Tcp.RetransSegs);
    expect(a.events.map((e) => [e.probe, e.increment])).toEqual([
      ['Tcp.RetransSegs', 1],
      ['Tcp.RetransSegs', 2],
    ]);
    expect(b.events.map((e) => [e.probe, e.increment, e.connection?.id ?? null])).toEqual([
      ['Tcp.RetransSegs', 2, '1.1'],
      ['Tcp.InErrs', 1, null],
      ['Tcp.RetransSegs', 1, '1.1'],
    ]);
    expect(a.events[0]!.connection).toMatchObject({
      local: { address: '10.77.0.2', port: 80 },
      remote: { address: '10.77.0.1', port: 45678 },
      state: 'ESTABLISHED',
    });
    expect([...a.gaps, ...b.gaps]).toEqual([]);
  });

  it('tells what the ring could not hold: events + gaps = delta, for each counter', () => {
    const { pump, connection, stack } = setUp(SMALL_RING);
    const l = new Listener();
    const before = [Tcp.RetransSegs, TcpExt.TCPTimeouts].map((id) => stack.ledger.cells[id]!);
    const leave = pump.subscribe([Tcp.RetransSegs, TcpExt.TCPTimeouts], l);
    for (let i = 0; i < 100; i++) {
      connection.add(Tcp.RetransSegs, 1 + (i % 3));
      if (i % 4 === 0) connection.inc(TcpExt.TCPTimeouts);
      if (i === 60) pump.pumpAll();
    }
    leave();
    const delta = [Tcp.RetransSegs, TcpExt.TCPTimeouts].map((id, k) => stack.ledger.cells[id]! - before[k]!);
    for (const [k, probe] of ['Tcp.RetransSegs', 'TcpExt.TCPTimeouts'].entries()) {
      const { events, gaps } = l.sum(probe);
      expect(gaps).toBeGreaterThan(0);
      expect(events + gaps).toBe(delta[k]);
    }
    const records = l.events.length + l.gaps.reduce((n, g) => n + g.events, 0);
    expect(records).toBe(100 + 25);
  });

  it('counts from the start of each subscriber what was lost of a probe that was armed before', () => {
    const { pump, connection } = setUp(SMALL_RING);
    const early = new Listener();
    const late = new Listener();
    const leaveEarly = pump.subscribe([Tcp.RetransSegs], early);
    for (let i = 0; i < 30; i++) connection.inc(Tcp.RetransSegs);
    const leaveLate = pump.subscribe([Tcp.RetransSegs], late);
    for (let i = 0; i < 20; i++) connection.inc(Tcp.RetransSegs);
    leaveLate();
    leaveEarly();
    const total = (l: Listener) => l.sum('Tcp.RetransSegs').events + l.sum('Tcp.RetransSegs').gaps;
    expect([total(early), total(late)]).toEqual([50, 20]);
  });

  it('a subscriber that has no room gets a gap when it has, the others all events', () => {
    const { pump, connection } = setUp();
    const slow = new Listener();
    const quick = new Listener();
    slow.room = 3;
    const leaveSlow = pump.subscribe([Tcp.RetransSegs], slow);
    const leaveQuick = pump.subscribe([Tcp.RetransSegs], quick);
    for (let i = 0; i < 10; i++) connection.add(Tcp.RetransSegs, 2);
    pump.pumpAll();
    expect([slow.events.length, slow.gaps]).toEqual([3, []]);
    slow.room = 100;
    pump.pumpAll();
    expect(slow.gaps).toEqual([{ probe: 'Tcp.RetransSegs', lost: 14, events: 7 }]);
    leaveSlow();
    leaveQuick();
    expect([quick.events.length, quick.gaps]).toEqual([10, []]);
  });

  it('events of probes that are no counter count as one each', () => {
    const { pump, connection } = setUp(SMALL_RING);
    const l = new Listener();
    const leave = pump.subscribe([Probe.tcpStateChange], l);
    for (let i = 0; i < 20; i++) connection.fire(Probe.tcpStateChange, 3, 1);
    leave();
    expect(l.events.length + l.gaps.reduce((n, g) => n + g.lost, 0)).toBe(20);
    expect(l.events[0]).toMatchObject({ probe: 'tcp:state-change', increment: 3, arg1: 1 });
  });
});

describe('names', () => {
  it('come in every spelling, repeated or with commas', () => {
    expect(probePoints(['Tcp.RetransSegs,tcpmib.RetransSegs', 'mib:::tcpRetransSegs'])).toEqual([Tcp.RetransSegs]);
    expect(probePoints(['tcp:::state-change'])[0]).toBeGreaterThanOrEqual(CELLS);
  });
});

describe('server-sent events', () => {
  let server: Server | undefined;
  afterEach(() => new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve())));

  async function stream(pump: TracePump): Promise<IncomingMessage> {
    const header = { snapshot: 9, takenAt: 't', startedAt: 's', consistent: true };
    server = createServer((_request, response) => streamTrace(response, [Tcp.RetransSegs], pump, header));
    await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
    return new Promise((resolve, reject) => {
      httpGet({ port: (server!.address() as AddressInfo).port, agent: false }, resolve).on('error', reject);
    });
  }
  /** Reads until the text satisfies. */
  async function readUntil(response: IncomingMessage, done: (text: string) => boolean): Promise<string> {
    let text = '';
    for await (const chunk of response) {
      text += String(chunk);
      if (done(text)) break;
    }
    return text;
  }

  it('carry events and gaps, and end the trace when the client leaves', async () => {
    const { pump, connection, reader } = setUp(SMALL_RING);
    const response = await stream(pump);
    expect(response.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    for (let i = 0; i < 40; i++) connection.inc(Tcp.RetransSegs);
    const text = await readUntil(response, (t) => t.includes('event: gap'));
    expect(text.startsWith(': tsnetstat {"snapshot":9,')).toBe(true);
    const events = [...text.matchAll(/^id: (\d+)\ndata: (\{.*\})\n\n/gm)];
    expect(events.map((e) => Number(e[1]))).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
    expect(JSON.parse(events[0]![2]!)).toMatchObject({ probe: 'Tcp.RetransSegs', increment: 1 });
    expect(text).toContain('event: gap\ndata: {"probe":"Tcp.RetransSegs","lost":24,"events":24}\n\n');
    response.destroy();
    await expect.poll(() => [pump.clients, reader.isArmed(Tcp.RetransSegs)]).toEqual([0, false]);
  });

  it('end when the pump is closed', async () => {
    const { pump } = setUp();
    const response = await stream(pump);
    pump.close();
    const text = await readUntil(response, () => false);
    expect(text).toContain('"snapshot":9');
    expect(pump.clients).toBe(0);
  });
});
