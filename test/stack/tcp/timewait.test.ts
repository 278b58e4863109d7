/** TIME-WAIT and the orphan's FIN-WAIT-2, counted to the last counter as Linux 6.18 counts them. */
import { describe, expect, it } from 'vitest';
import { Tcp } from '../../../mib/catalogue/index.js';
import { Col, RowKind } from '../../../mib/ledger/layout.js';
import { LedgerReader } from '../../../mib/ledger/reader.js';
import { procTcp } from '../../../mib/text/proc-sockets.js';
import { IpAddress } from '../../../stack/core/address.js';
import { TcpState } from '../../../stack/tcp/state.js';
import { FlowKind } from '../../../stack/tcp/table.js';
import { TcpFlag } from '../../support/frames.js';
import { expectSums } from '../../support/ledger.js';
import { listening, PORT } from '../../support/listening.js';
import type { TcpPeer } from '../../support/tcp-peer.js';

const { FIN, SYN, RST, PSH, ACK } = TcpFlag;

/** We closed first and the peer's FIN came: TIME-WAIT. */
function timeWait(timestamps = false, sysctl: Record<string, number> = {}) {
  const w = listening({ sysctl });
  const { c, s } = w.pair(40000, timestamps);
  s.close();
  w.sim.pass(1000);
  c.got(c.replies()[0]!);
  c.segment({ flags: ACK });
  expect(c.fin()[0]).toMatchObject({ flags: ACK, ack: c.seq });
  w.tcpMoves();
  return { ...w, c, entries: () => w.host.stack.tcpLayer.table.counts[FlowKind.timeWait] };
}

describe('entering', () => {
  it('from FIN-WAIT-1 by way of FIN-WAIT-2 counts TW once, and folds the row', () => {
    const w = listening();
    const { c, s } = w.pair();
    const row = s.connection!.owner.row;
    const at = w.host.ledger.headerAt(row);
    const { ledger } = w.host;
    const reader = new LedgerReader(ledger.memory);
    const shown = () => reader.rows().filter((r) => r.kind === RowKind.timeWait);
    s.close();
    w.sim.pass(1000);
    expect(c.got(c.replies()[0]!).flags & FIN).toBe(FIN);
    c.segment({ flags: ACK });
    expect(w.tcpMoves()).toEqual({
      'Tcp.InSegs': 1,
      'Tcp.OutSegs': 1,
      'Tcp.CurrEstab': -1,
      'TcpExt.TW': 1,
      'TcpExt.TCPPureAcks': 1,
      'TcpExt.TCPOrigDataSent': 1,
      'TcpExt.TCPDelivered': 1,
    });
    expect(ledger.ints[at + Col.kind]).toBe(RowKind.free);
    const [before] = shown();
    expect([before!.state, before!.name]).toEqual([TcpState.FIN_WAIT2, reader.closedRows()[0]!.name]);
    expect(reader.closedRows()[0]!.cell(Tcp.InSegs)).toBe(1);
    c.fin();
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'Tcp.OutSegs': 1 });
    expect(shown().map((r) => r.state)).toEqual([TcpState.TIME_WAIT]);
    const line = procTcp(shown(), 4, w.sim.nowUs).split('\n')[1]!;
    expect(line.trimEnd()).toBe(
      '   0: 0100630A:1770 0200630A:9C40 06 00000000:00000000 03:00001770 00000000     0        0 0 3 0000000000000000',
    );
    w.sim.pass(59_000_000);
    expect(shown()).toHaveLength(1);
    w.sim.pass(2_000_000);
    expect(shown()).toEqual([]);
    expect(w.host.stack.env.timers.nextUs()).toBe(Number.POSITIVE_INFINITY);
    expect(w.tcpMoves()).toEqual({});
    expectSums(ledger);
  });

  it('with a short tcp_fin_timeout counts TWKilled', () => {
    const w = listening({ sysctl: { tcp_fin_timeout: 1 } });
    const { c, s } = w.pair();
    s.close();
    w.sim.pass(1000);
    c.got(c.replies()[0]!);
    c.segment({ flags: ACK });
    expect(w.tcpMoves()).toMatchObject({ 'TcpExt.TWKilled': 1 });
  });

  it('beyond tcp_max_tw_buckets counts TCPTimeWaitOverflow, and the connection is gone', () => {
    const w = listening({ sysctl: { tcp_max_tw_buckets: 0 } });
    const { c, s } = w.pair();
    s.close();
    w.sim.pass(1000);
    c.got(c.replies()[0]!);
    c.segment({ flags: ACK });
    expect(w.tcpMoves()).toMatchObject({ 'TcpExt.TCPTimeWaitOverflow': 1 });
    expect(c.fin()[0]!.flags).toBe(RST);
  });
});

describe('in TIME-WAIT', () => {
  it('a RST ends it, unless tcp_rfc1337', () => {
    const w = timeWait();
    w.c.segment({ flags: RST });
    expect(w.entries()).toBe(0);
    expect(w.c.segment({ flags: ACK })[0]!.flags).toBe(RST);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 2, 'Tcp.OutSegs': 1, 'Tcp.OutRsts': 1 });
    const kept = timeWait(false, { tcp_rfc1337: 1 });
    kept.c.segment({ flags: RST });
    expect(kept.entries()).toBe(1);
  });

  it('data is acknowledged each time; bare ACKs out of window once per tcp_invalid_ratelimit', () => {
    const w = timeWait();
    for (let i = 0; i < 3; i++) expect(w.c.segment({ flags: PSH | ACK }, 'zz')[0]!.flags).toBe(ACK);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 3, 'Tcp.OutSegs': 3 });
    for (let i = 0; i < 4; i++) w.c.segment({ flags: ACK, seq: w.c.seq - 5000 });
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 4, 'Tcp.OutSegs': 1, 'TcpExt.TCPACKSkippedTimeWait': 3 });
  });

  it('a segment with an older timestamp fails PAWS', () => {
    const w = timeWait(true);
    w.c.tsVal -= 500;
    expect(w.c.segment({ flags: ACK })[0]!.flags).toBe(ACK);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'Tcp.OutSegs': 1, 'TcpExt.PAWSTimewait': 1 });
  });

  it('an old SYN is acknowledged, a newer one makes a new connection out of reach of the old numbers', () => {
    const w = timeWait();
    const old = w.client(w.c.sport, PORT, w.c.seq - 50000);
    expect(old.syn()[0]).toMatchObject({ flags: ACK, ack: w.c.seq });
    const next = w.client(w.c.sport, PORT, w.c.seq + 50000);
    const synAck = next.handshake();
    expect(synAck.seq).toBe((w.c.ackn + 65537) >>> 0);
    expect(w.entries()).toBe(0);
    expect(w.accept().state).toBe(TcpState.ESTABLISHED);
  });

  it('a SYN with a lower number but a newer timestamp does too (RFC 6191)', () => {
    const w = timeWait(true);
    const next = w.client(w.c.sport, PORT, w.c.seq - 50000);
    next.tsVal = w.c.tsVal + 5000;
    next.handshake();
    expect(w.accept().state).toBe(TcpState.ESTABLISHED);
  });
});

describe("in an orphan's FIN-WAIT-2", () => {
  function finWait2() {
    const w = listening();
    const { c, s } = w.pair();
    s.close();
    w.sim.pass(1000);
    c.got(c.replies()[0]!);
    c.segment({ flags: ACK });
    w.tcpMoves();
    return { ...w, c };
  }
  const answer = (c: TcpPeer, flags: number, data = '') => c.segment({ flags }, data).map((f) => f.flags);

  it('new data is answered by RST', () => {
    const w = finWait2();
    expect(answer(w.c, PSH | ACK, 'late')).toEqual([RST]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'Tcp.OutSegs': 1, 'Tcp.OutRsts': 1 });
  });

  it('a SYN in the window too; a bare ACK says nothing; a RST ends it', () => {
    const w = finWait2();
    expect(answer(w.c, ACK)).toEqual([]);
    expect(answer(w.c, SYN)).toEqual([RST | ACK]);
    expect(answer(finWait2().c, RST)).toEqual([]);
  });

  it('what the connection answered does not count here', () => {
    const w = listening();
    const { c, s } = w.pair();
    expect(c.segment({ flags: ACK, seq: c.seq - 100 })).toHaveLength(1);
    s.close();
    w.sim.pass(1000);
    c.got(c.replies()[0]!);
    c.segment({ flags: ACK });
    expect(c.segment({ flags: ACK, seq: c.seq - 100 })).toHaveLength(1);
  });

  it('ACKs out of window are limited under a counter of their own', () => {
    const w = finWait2();
    for (let i = 0; i < 3; i++) w.c.segment({ flags: ACK, seq: w.c.seq - 5000 });
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 3, 'Tcp.OutSegs': 1, 'TcpExt.TCPACKSkippedFinWait2': 2 });
  });
});

describe('an active open', () => {
  it('takes over its own TIME-WAIT pair after tcp_tw_reuse_delay, with timestamps', () => {
    const w = listening({ sysctl: { tcp_tw_reuse: 1, ip_local_port_range: '40001 40001' } });
    const open = () => {
      const s = w.host.stack.tcp(4);
      const result = s.connect(IpAddress.from(w.peer.address), 5001);
      w.sim.pass(1000);
      return { s, result };
    };
    const first = open();
    const c = w.client(5001, 40001);
    c.tsVal = 1000;
    c.got(w.peer.take().find((f) => f.kind === 'tcp')!);
    c.syn(undefined, SYN | ACK);
    c.seq++;
    expect(first.s.state).toBe(TcpState.ESTABLISHED);
    first.s.close();
    w.sim.pass(1000);
    c.got(c.replies().at(-1)!);
    c.segment({ flags: ACK });
    c.fin();
    expect(open().result).toBe(-99);
    w.sim.pass(1_500_000);
    w.tcpMoves();
    expect(open().result).toBe(-115);
    expect(w.tcpMoves()).toEqual({ 'Tcp.OutSegs': 1, 'Tcp.ActiveOpens': 1, 'TcpExt.TWRecycled': 1 });
  });
});
