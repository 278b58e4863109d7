/** net.ipv4.tcp_mem: what all connections together may hold, pressure and its end, and that nothing is ever left in the account. */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { Errno } from '../../../stack/core/errno.js';
import type { TcpSocket } from '../../../stack/tcp/socket.js';
import { TcpState } from '../../../stack/tcp/state.js';
import { filler, TcpFlag } from '../../support/frames.js';
import { expectSums } from '../../support/ledger.js';
import { listening } from '../../support/listening.js';
import { type HostOptions, Simulation } from '../../support/simulation.js';

const { ACK, PSH, FIN } = TcpFlag;

/** A listener under these bounds, and the account. */
function bounded(tcpMem: string, sysctl: HostOptions['sysctl'] = {}) {
  const w = listening({ sysctl: { ...sysctl, tcp_mem: tcpMem } });
  return { ...w, memory: w.listener.tcp.memory, sysctl: w.host.stack.env.sysctl };
}

describe('the account', () => {
  it('is what /proc/net/sockstat shows: pages granted, given back when data is read or acknowledged', () => {
    const w = bounded('47310 63081 94620');
    const { c, s } = w.pair();
    expect(w.memory.pages).toBe(0);
    c.send(filler(1000));
    expect(w.memory.pages).toBe(1);
    s.receive(new Uint8Array(1000), 0, 1000, 0);
    expect(w.memory.pages).toBe(0);
    s.send(filler(10_000), 0, 10_000, 0);
    w.sim.pass(1000);
    const most = w.memory.pages;
    expect(most).toBeGreaterThanOrEqual(3);
    c.ackn = (c.ackn + 10_000) >>> 0;
    c.segment({ flags: ACK });
    expect(w.memory.pages).toBe(0);
    expectSums(w.host.ledger);
  });

  /** Ends of a connection with data in its queues. */
  const drain = (s: TcpSocket) => s.receive(new Uint8Array(1 << 20), 0, 1 << 20, 0);
  const ends: [string, boolean, (s: TcpSocket) => void][] = [
    ['closed with unread data', false, (s) => s.close()],
    ['reset by its peer, then closed', true, (s) => s.close()],
    ['reset by its peer, then read', true, drain],
    ['disconnected', false, (s) => s.connect(null, 0)],
    ['reset by its peer, then disconnected', true, (s) => s.connect(null, 0)],
  ];
  it.each(ends)('is empty after a connection was %s', (_, reset, end) => {
    const w = bounded('47310 63081 94620');
    const { c, s } = w.pair();
    c.send(filler(1200));
    c.segment({ flags: PSH | ACK, seq: c.seq + 100 }, filler(1200)); // out of order
    s.send(filler(9000), 0, 9000, 0);
    w.sim.pass(1000);
    expect(w.memory.pages).toBeGreaterThan(3);
    if (reset) c.segment({ flags: TcpFlag.RST | ACK, seq: 0x10000001 + 1200 });
    end(s);
    if (end === drain) s.close();
    w.sim.pass(1000);
    expect(w.memory.pages).toBe(0);
  });

  it('is empty after listeners closed over children that nobody accepted', () => {
    const w = bounded('47310 63081 94620');
    for (const sport of [40000, 40001]) {
      const c = w.client(sport);
      c.handshake();
      c.send(filler(500));
      if (sport === 40001) c.segment({ flags: TcpFlag.RST | ACK });
    }
    expect(w.memory.pages).toBe(2);
    w.listener.close();
    expect(w.memory.pages).toBe(0);
  });

  it.each([1, 2, 3, 4])('is empty after transfers over a bad wire, seed %i', (seed) => {
    const sim = new Simulation(seed);
    const wire = sim.wire({ both: { delayUs: 3000, loss: 0.05, reorder: 0.1, reorderUs: 2000, duplicate: 0.02 } });
    const sysctl: Record<string, string> = seed % 2 ? { tcp_mem: '20 30 60' } : {};
    const a = sim.host(wire.a, { mac: '02:00:00:00:00:01', addresses: ['10.99.0.1/24'], sysctl, offloads: seed > 2 });
    const b = sim.host(wire.b, { mac: '02:00:00:00:00:02', addresses: ['10.99.0.2/24'], sysctl });
    const listener = b.stack.tcp(4) as TcpSocket;
    listener.bind(null, 6000);
    listener.listen(9);
    const senders = Array.from({ length: 4 }, () => a.stack.tcp(4) as TcpSocket);
    for (const s of senders) s.connect(IpAddress.from('10.99.0.2'), 6000);
    const data = filler(60_000);
    const sent = senders.map(() => 0);
    const receivers: TcpSocket[] = [];
    let got = 0;
    const into = new Uint8Array(3000);
    const done = sim.run(() => {
      for (const [i, s] of senders.entries()) {
        if (s.state !== TcpState.ESTABLISHED) continue;
        const n = s.send(data, sent[i]!, data.length - sent[i]!, 0);
        if (n > 0) sent[i]! += n;
      }
      for (let s = listener.accept(); typeof s !== 'number'; s = listener.accept()) receivers.push(s);
      for (const r of receivers) {
        for (let n = r.receive(into, 0, into.length, 0); n > 0; n = r.receive(into, 0, into.length, 0)) got += n;
      }
      return got === senders.length * data.length;
    });
    expect(done).toBe(true);
    for (const s of [...senders, ...receivers]) s.close();
    sim.pass(200e6);
    expect([senders[0]!.tcp.memory.pages, listener.tcp.memory.pages]).toEqual([0, 0]);
    expectSums(a.ledger);
    expectSums(b.ledger);
  });
});

describe('memory pressure', () => {
  it('begins above the second bound, ends at the first, and its milliseconds are counted', () => {
    const w = bounded('4 8 1000');
    const { c, s } = w.pair();
    for (let i = 0; i < 4; i++) c.send(filler(1400));
    const threshold = s.connection!.rcvSsthresh;
    expect(w.memory.pressed).toBe(false);
    expect(w.tcpMoves()).not.toHaveProperty('TcpExt.TCPMemoryPressures');
    for (let i = 0; i < 40; i++) c.send(filler(1400));
    expect(w.memory.pressed).toBe(true);
    expect(w.tcpMoves()).toMatchObject({ 'TcpExt.TCPMemoryPressures': 1 });
    expect(s.connection!.rcvSsthresh).toBeLessThan(threshold);
    expect(s.connection!.rcvSsthresh).toBe(4 * s.connection!.advmss);
    const before = w.sim.nowUs;
    w.sim.pass(250_000);
    s.receive(new Uint8Array(100_000), 0, 100_000, 0);
    const ms = Math.floor((w.sim.nowUs - before) / 1000);
    const chrono = w.tcpMoves()['TcpExt.TCPMemoryPressuresChrono']!;
    expect(chrono).toBeGreaterThanOrEqual(ms);
    expect(chrono).toBeLessThan(ms + 45);
    expect([w.memory.pressed, w.memory.pages]).toEqual([false, 0]);
  });

  it('gives more to connections with less than their share only', () => {
    const w = bounded('1 2 40');
    const rich = w.pair(40000);
    const poor = w.pair(40001);
    const moved = () => w.tcpMoves();
    for (let i = 0; i < 60; i++) rich.c.send(filler(1400));
    const drops = moved();
    expect(drops['TcpExt.TCPRcvQDrop']).toBeGreaterThan(0);
    expect(w.memory.pages).toBeLessThanOrEqual(40);
    poor.c.send(filler(1400));
    expect(poor.s.readable()).toBe(1400);
    expect(moved()).toEqual({ 'Tcp.InSegs': 1, 'Tcp.OutSegs': 1 });
  });

  it('keeps send buffers from growing', () => {
    const grow = (tcpMem: string) => {
      const w = bounded(tcpMem);
      w.pair(40001).c.send('unread');
      const { c, s } = w.pair();
      for (let i = 0; i < 12; i++) {
        s.send(filler(20_000), 0, 20_000, 0);
        w.sim.pass(10_000);
        for (const f of c.replies()) c.got(f);
        c.segment({ flags: ACK });
      }
      return s.connection!.sndBuf;
    };
    expect(grow('1 1 100000')).toBeLessThan(grow('47310 63081 94620'));
  });

  it('puts the FIN on a segment that has left, whose retransmission brings it', () => {
    const w = bounded('1 1 1000');
    const { c, s } = w.pair();
    const other = w.pair(40001);
    for (let i = 0; i < 6; i++) other.c.send(filler(1400));
    expect(w.memory.pressed).toBe(true);
    s.send(filler(100), 0, 100, 0);
    w.sim.pass(1000);
    c.replies();
    s.shutdown(1);
    w.sim.pass(1000);
    expect(c.replies()).toEqual([]);
    expect(s.state).toBe(TcpState.FIN_WAIT1);
    w.sim.pass(1_000_000);
    const again = c.replies()[0]!;
    expect([again.flags & FIN, again.data.length]).toEqual([FIN, 100]);
    c.ackn = (c.ackn + 101) >>> 0;
    c.segment({ flags: ACK });
    expect(s.state).toBe(TcpState.FIN_WAIT2);
  });
});

describe('above the third bound', () => {
  /** The first segment is taken, since a queue must not stay empty; the next one only finds the window shut, and opens it. */
  function overfull() {
    const w = bounded('0 0 0');
    const p = w.pair();
    const first = p.c.send(filler(1400))[0]!;
    expect([first.window, p.s.readable()]).toEqual([0, 1400]);
    expect(w.tcpMoves()).toEqual({
      'Tcp.InSegs': 1,
      'Tcp.OutSegs': 1,
      'TcpExt.TCPMemoryPressures': 1,
    });
    const second = p.c.segment({ flags: PSH | ACK }, filler(1400))[0]!;
    expect([second.window > 0, p.s.readable()]).toEqual([true, 1400]);
    expect(w.tcpMoves()).toMatchObject({ 'TcpExt.BeyondWindow': 1, 'TcpExt.TCPFromZeroWindowAdv': 1 });
    return { ...w, ...p };
  }

  it('data in order is dropped, after pruning, and the window shut again', () => {
    const w = overfull();
    const ack = w.c.segment({ flags: PSH | ACK }, filler(1400))[0]!;
    expect([ack.window, w.s.readable()]).toEqual([0, 1400]);
    expect(w.tcpMoves()).toEqual({
      'Tcp.InSegs': 1,
      'Tcp.OutSegs': 1,
      'TcpExt.PruneCalled': 1,
      'TcpExt.TCPRcvQDrop': 1,
    });
  });

  it('data out of order is dropped', () => {
    const w = overfull();
    w.c.segment({ flags: PSH | ACK, seq: w.c.seq + 1000 }, filler(1000));
    expect(w.tcpMoves()).toMatchObject({ 'TcpExt.PruneCalled': 1, 'TcpExt.TCPOFODrop': 1 });
  });

  it('writers wait, but for what keeps a connection going', () => {
    const w = bounded('0 0 0');
    const { c, s } = w.pair();
    let total = 0;
    let n = 0;
    for (let i = 0; i < 50 && n >= 0; i++) {
      n = s.send(filler(50_000), 0, 50_000, 0);
      if (n > 0) total += n;
    }
    expect(n).toBe(-Errno.EAGAIN);
    expect(total).toBeGreaterThan(1000);
    expect(total).toBeLessThan(20_000);
    expect(s.connection!.sndBuf).toBeLessThan(20_000);
    w.sim.pass(1000);
    for (const f of c.replies()) c.got(f);
    c.segment({ flags: ACK });
    expect(s.send(filler(5000), 0, 5000, 0)).toBeGreaterThan(0);
  });

  it('an orphan with data is reset', () => {
    const w = bounded('47310 63081 94620');
    const { c, s } = w.pair();
    s.send(filler(20_000), 0, 20_000, 0);
    w.sim.pass(1000);
    c.replies();
    w.tcpMoves();
    w.sysctl.set('tcp_mem', '0 0 0');
    s.close();
    w.sim.pass(1000);
    expect(w.tcpMoves()).toMatchObject({ 'TcpExt.TCPAbortOnMemory': 1, 'Tcp.OutRsts': 1 });
    expect(w.memory.pages).toBe(0);
  });

  it('an orphan goes at its next time-out', () => {
    const w = bounded('47310 63081 94620');
    const { s } = w.pair();
    s.send(filler(20_000), 0, 20_000, 0);
    s.close();
    w.tcpMoves();
    w.sysctl.set('tcp_mem', '0 0 0');
    w.sim.pass(3e6);
    expect(w.tcpMoves()).toMatchObject({ 'TcpExt.TCPAbortOnMemory': 1 });
    expect(w.memory.pages).toBe(0);
  });
});
