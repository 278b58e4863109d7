/** Half-open connections, counted to the last counter as Linux 6.18 counts them. */
import { describe, expect, it } from 'vitest';
import { Col, RowKind } from '../../../mib/ledger/layout.js';
import { Level, So, TcpOpt } from '../../../stack/socket/socket.js';
import { bytes, TcpFlag } from '../../support/frames.js';
import { listening, PORT } from '../../support/listening.js';
import { option, optionOf } from '../../support/tcp-peer.js';

const { FIN, SYN, RST, PSH, ACK, ECE, CWR } = TcpFlag;
describe('a SYN', () => {
  it('is answered by a SYN-ACK with our options, counted on the listener', () => {
    const { host, client, tcpMoves, listener } = listening();
    const c = client();
    c.tsVal = 1000;
    const synAck = c.syn(option.wscale(7))[0]!;
    expect(synAck).toMatchObject({ flags: SYN | ACK, ack: c.seq + 1, window: 65160, df: true, ttl: 64, sumsGood: true });
    expect([...synAck.options.subarray(0, 8)]).toEqual([2, 4, 1460 >> 8, 1460 & 255, 4, 2, 8, 10]);
    expect(optionOf(synAck, 3)).toEqual(bytes([10]));
    expect([...optionOf(synAck, 8)!.subarray(4)]).toEqual([0, 0, 1000 >> 8, 1000 & 255]);
    expect(tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'Tcp.OutSegs': 1 });
    const row = listener.listener!.owner.row;
    const at = host.ledger.headerAt(row);
    expect(host.ledger.ints[at + Col.kind]).toBe(RowKind.listener);
    expect(host.ledger.ints[at + Col.sendQ]).toBe(16);
  });

  it('without options is answered without: the default window is 64240', () => {
    const { client } = listening();
    const [synAck] = client().segment({ flags: SYN });
    expect(synAck).toMatchObject({ window: 64240 });
    expect([...synAck!.options]).toEqual([2, 4, 5, 180]);
  });

  it('asks for ECN by ECE and CWR and gets ECE', () => {
    const { client } = listening();
    expect(client(1).syn(undefined, SYN | ECE | CWR)[0]!.flags).toBe(SYN | ACK | ECE);
    expect(client(2).syn(undefined, SYN | ECE)[0]!.flags).toBe(SYN | ACK);
    const off = listening({ sysctl: { tcp_ecn: 0 } });
    expect(off.client(1).syn(undefined, SYN | ECE | CWR)[0]!.flags).toBe(SYN | ACK);
  });

  it('with FIN is dropped silently', () => {
    const { client, tcpMoves } = listening();
    expect(client().segment({ flags: SYN | FIN })).toEqual([]);
    expect(tcpMoves()).toEqual({ 'Tcp.InSegs': 1 });
  });

  it('that comes again gets the SYN-ACK again, but only twice a second', () => {
    const { client, tcpMoves } = listening();
    const c = client();
    const first = c.syn()[0]!;
    expect(c.syn()[0]!).toMatchObject({ seq: first.seq, flags: SYN | ACK });
    expect(c.syn()).toEqual([]);
    expect(tcpMoves()).toEqual({
      'Tcp.InSegs': 3,
      'Tcp.OutSegs': 2,
      'Tcp.RetransSegs': 1,
      'TcpExt.TCPSynRetrans': 1,
      'TcpExt.TCPACKSkippedSynRecv': 1,
    });
  });

  it('that comes again with FIN is the same SYN', () => {
    const { client } = listening();
    const c = client();
    c.handshake(false);
    expect(c.segment({ flags: SYN | FIN, seq: c.seq - 1 })[0]!.flags).toBe(SYN | ACK);
  });

  it('with an MD5 signature is dropped where no key is configured', () => {
    const { client, tcpMoves } = listening();
    expect(client().syn(option.md5)).toEqual([]);
    expect(tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'TcpExt.TCPMD5Unexpected': 1 });
  });
});

describe('the SYN-ACK timer', () => {
  it('sends 1, 2, 4 … seconds later, tcp_synack_retries times, and forgets the request', () => {
    const { sim, client, tcpMoves, listener } = listening({ sysctl: { tcp_synack_retries: 3 } });
    const c = client();
    c.handshake(false);
    const start = sim.nowUs;
    const times: number[] = [];
    while (listener.listener!.requests > 0 && sim.nowUs < start + 60e6) {
      sim.pass(100_000);
      for (const f of c.replies()) if (f.flags === (SYN | ACK)) times.push(Math.round((sim.nowUs - start) / 1e6));
    }
    expect(times).toEqual([1, 3, 7]);
    expect(Math.round((sim.nowUs - start) / 1e6)).toBe(15);
    expect(tcpMoves()).toEqual({
      'Tcp.InSegs': 1,
      'Tcp.OutSegs': 4,
      'Tcp.RetransSegs': 3,
      'TcpExt.TCPSynRetrans': 3,
      'TcpExt.TCPTimeouts': 4,
    });
    expect(c.segment({ flags: ACK })[0]!.flags).toBe(RST);
  });
});

describe('in SYN-RECEIVED', () => {
  it('a RST ends the request', () => {
    const { client, tcpMoves, listener } = listening();
    const c = client();
    c.handshake(false);
    expect(c.segment({ flags: RST })).toEqual([]);
    expect(listener.listener!.requests).toBe(0);
    expect(tcpMoves()).toEqual({ 'Tcp.InSegs': 2, 'Tcp.OutSegs': 1, 'Tcp.AttemptFails': 1, 'TcpExt.EmbryonicRsts': 1 });
  });

  it('a RST outside the window does not', () => {
    const { client, tcpMoves, listener } = listening();
    const c = client();
    c.handshake(false);
    c.segment({ flags: RST, seq: c.seq - 10 });
    expect(listener.listener!.requests).toBe(1);
    expect(tcpMoves()).toEqual({ 'Tcp.InSegs': 2, 'Tcp.OutSegs': 1 });
  });

  it.each([
    ['in the window but not the next number', RST, 1, 0],
    ['at its far end', RST, 60_000, 0],
    ['with a wrong acknowledgement too', RST | ACK, 1, 5000],
  ])('a RST %s is challenged (RFC 5961 3.2), once per tcp_invalid_ratelimit', (_, flags, ahead, beyond) => {
    const { client, tcpMoves, listener, sim } = listening();
    const c = client();
    c.handshake(false);
    tcpMoves();
    const forged = () => c.segment({ flags, seq: c.seq + ahead, ...(flags & ACK ? { ack: c.ackn + beyond } : {}) });
    expect(forged()).toMatchObject([{ flags: ACK, ack: c.seq }]);
    expect(forged()).toEqual([]);
    expect(tcpMoves()).toEqual({
      'Tcp.InSegs': 2,
      'Tcp.OutSegs': 1,
      'TcpExt.TCPChallengeACK': 1,
      'TcpExt.TCPACKSkippedChallenge': 1,
    });
    sim.pass(600_000);
    expect(forged()).toHaveLength(1);
    expect(listener.listener!.requests).toBe(1);
    c.segment({ flags: RST, seq: c.seq });
    expect(listener.listener!.requests).toBe(0);
  });

  it('a RST is looked at before its acknowledgement', () => {
    const { client, tcpMoves } = listening();
    const c = client();
    c.handshake(false);
    expect(c.segment({ flags: RST | ACK, ack: c.ackn + 5000 })).toEqual([]);
    expect(tcpMoves()).toEqual({ 'Tcp.InSegs': 2, 'Tcp.OutSegs': 1, 'Tcp.AttemptFails': 1, 'TcpExt.EmbryonicRsts': 1 });
  });

  it('a challenge skips one of the connection that comes of it no more', () => {
    const { client, tcpMoves } = listening();
    const c = client();
    c.handshake(false);
    c.segment({ flags: RST, seq: c.seq + 1 });
    c.segment({ flags: ACK });
    tcpMoves();
    expect(c.segment({ flags: RST, seq: c.seq + 1 })).toHaveLength(1);
    expect(tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'Tcp.OutSegs': 1, 'TcpExt.TCPChallengeACK': 1 });
  });

  it('another SYN in the window is answered by RST and ends the request', () => {
    const { client, tcpMoves } = listening();
    const c = client();
    c.handshake(false);
    expect(c.segment({ flags: SYN, seq: c.seq + 5 })[0]!.flags).toBe(RST | ACK);
    expect(tcpMoves()).toEqual({
      'Tcp.InSegs': 2,
      'Tcp.OutSegs': 2,
      'Tcp.OutRsts': 1,
      'Tcp.AttemptFails': 1,
      'TcpExt.EmbryonicRsts': 1,
    });
  });

  it('a wrong acknowledgement is answered by RST and the request stays', () => {
    const { client, tcpMoves, listener } = listening();
    const c = client();
    c.handshake(false);
    const [rst] = c.segment({ flags: ACK, ack: c.ackn + 5000 });
    expect(rst).toMatchObject({ flags: RST, seq: (c.ackn + 5000) >>> 0, ack: 0 });
    expect(listener.listener!.requests).toBe(1);
    expect(tcpMoves()).toEqual({ 'Tcp.InSegs': 2, 'Tcp.OutSegs': 2, 'Tcp.OutRsts': 1 });
  });

  it('an echo of a timestamp that was never sent is acknowledged and dropped', () => {
    const { client, tcpMoves } = listening();
    const c = client();
    c.tsVal = 1000;
    c.handshake(false);
    c.tsEcr += 0x20000000;
    expect(c.segment({ flags: ACK })[0]).toMatchObject({ flags: ACK, ack: c.seq, seq: c.ackn });
    expect(tcpMoves()).toEqual({ 'Tcp.InSegs': 2, 'Tcp.OutSegs': 2, 'TcpExt.TSEcrRejected': 1 });
  });

  it('an older timestamp fails PAWS', () => {
    const { client, tcpMoves } = listening();
    const c = client();
    c.tsVal = 1000;
    c.handshake(false);
    c.tsVal = 900;
    expect(c.segment({ flags: ACK })[0]!.flags).toBe(ACK);
    expect(tcpMoves()).toEqual({ 'Tcp.InSegs': 2, 'Tcp.OutSegs': 2, 'TcpExt.PAWSEstab': 1 });
  });

  it('a bare ACK is not enough for TCP_DEFER_ACCEPT', () => {
    const { client, tcpMoves, listener } = listening({
      prepare: (s) => void s.setOption(Level.TCP, TcpOpt.DEFER_ACCEPT, 2),
    });
    client().handshake();
    expect(listener.listener!.acceptable).toBe(0);
    expect(tcpMoves()).toEqual({ 'Tcp.InSegs': 2, 'Tcp.OutSegs': 1, 'TcpExt.TCPDeferAcceptDrop': 1 });
  });
});

describe('the connection that comes of it', () => {
  it('takes the final ACK for received: data sent soon after answers it, and the next ACK waits for an answer too', () => {
    const w = listening();
    const { c, s } = w.pair();
    c.segment({ flags: PSH | ACK, seq: c.seq - 100 }, 'x'.repeat(100)); // old: quick ACKs, unless there are answers
    expect(s.send(bytes('hello'), 0, 5, 0)).toBe(5);
    w.sim.pass(1000);
    c.replies();
    expect(c.send('data')).toEqual([]);
    w.sim.pass(50_000);
    expect(c.replies()).toMatchObject([{ flags: ACK, ack: c.seq }]);
    expect(w.tcpMoves()).toMatchObject({ 'TcpExt.DelayedACKs': 1 });
  });
});

describe('a full SYN queue', () => {
  it('answers with cookies, which keep no state', () => {
    const { client, tcpMoves, listener } = listening({ backlog: 4 });
    for (let i = 0; i < 40; i++) expect(client(41000 + i).syn()).toHaveLength(1);
    expect(listener.listener!.requests).toBe(5);
    expect(tcpMoves()).toEqual({
      'Tcp.InSegs': 40,
      'Tcp.OutSegs': 40,
      'TcpExt.SyncookiesSent': 35,
      'TcpExt.TCPReqQFullDoCookies': 35,
    });
  });

  it('drops SYNs when cookies are off', () => {
    const { client, tcpMoves } = listening({ backlog: 1, sysctl: { tcp_syncookies: 0 } });
    for (let i = 0; i < 5; i++) client(41000 + i).syn();
    expect(tcpMoves()).toEqual({ 'Tcp.InSegs': 5, 'Tcp.OutSegs': 2, 'TcpExt.TCPReqQFullDrop': 3, 'TcpExt.ListenDrops': 3 });
  });

  it('lets a forged cookie fail', () => {
    const { client, tcpMoves } = listening({ sysctl: { tcp_syncookies: 2 } });
    const c = client();
    c.handshake(false);
    expect(c.segment({ flags: ACK, ack: c.ackn ^ 0x100 })[0]!.flags).toBe(RST);
    expect(tcpMoves()).toEqual({
      'Tcp.InSegs': 2,
      'Tcp.OutSegs': 2,
      'Tcp.OutRsts': 1,
      'TcpExt.SyncookiesSent': 1,
      'TcpExt.TCPReqQFullDoCookies': 1,
      'TcpExt.SyncookiesFailed': 1,
    });
  });
});

describe('what nobody listens to', () => {
  it('is answered by RST, with the numbers of RFC 9293 3.10.7.1', () => {
    const { client, tcpMoves } = listening();
    const c = client(40000, 5555);
    expect(c.syn()[0]).toMatchObject({ flags: RST | ACK, seq: 0, ack: c.seq + 1, window: 0, df: true, sumsGood: true });
    expect(c.segment({ flags: ACK, ack: 1234 })[0]).toMatchObject({ flags: RST, seq: 1234, ack: 0 });
    expect(c.segment({ flags: 0 }, 'abc')[0]).toMatchObject({ flags: RST | ACK, ack: c.seq + 3 });
    expect(c.segment({ flags: RST })).toEqual([]);
    expect(tcpMoves()).toEqual({ 'Tcp.InSegs': 4, 'Tcp.OutSegs': 3, 'Tcp.OutRsts': 3 });
  });

  it('gets no answer when it is malformed, but its counter', () => {
    const { client, tcpMoves } = listening();
    const c = client(40000, 5555);
    expect(c.segment({ flags: SYN, badSum: 1 })).toEqual([]);
    expect(tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'Tcp.InErrs': 1, 'Tcp.InCsumErrors': 1 });
    expect(c.segment({ flags: SYN, dataOffset: 4 })).toEqual([]);
    expect(tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'Tcp.InErrs': 1 });
    expect(c.segment({ flags: SYN, dataOffset: 15 })).toEqual([]);
    expect(tcpMoves()).toEqual({ 'Tcp.InSegs': 1 });
  });
});

describe('listen', () => {
  it('ends with its requests: a late final ACK meets a closed port', () => {
    const { client, tcpMoves, listener, host } = listening();
    const c = client();
    c.handshake(false);
    const timers = host.stack.env.timers.size;
    listener.close();
    expect(host.stack.env.timers.size).toBe(timers - 1);
    expect(c.segment({ flags: ACK })[0]!.flags).toBe(RST);
    expect(tcpMoves()).toEqual({ 'Tcp.InSegs': 2, 'Tcp.OutSegs': 2, 'Tcp.OutRsts': 1 });
    const again = host.stack.tcp(4);
    expect(again.bind(null, PORT)).toBe(0);
  });

  it('refuses a port that another socket listens on, with SO_REUSEADDR too', () => {
    const { host } = listening({ prepare: (s) => void s.setOption(Level.SOCKET, So.REUSEADDR, 1) });
    const other = host.stack.tcp(4);
    other.setOption(Level.SOCKET, So.REUSEADDR, 1);
    expect(other.bind(null, PORT)).toBe(-98);
  });
});
