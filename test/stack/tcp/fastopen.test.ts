/** Fast Open (RFC 7413), server and client, counted to the last counter as Linux 6.18 counts it. */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { Errno } from '../../../stack/core/errno.js';
import { Level, Msg, TcpOpt } from '../../../stack/socket/socket.js';
import { FastOpenCookies } from '../../../stack/tcp/fastopen.js';
import type { TcpSocket } from '../../../stack/tcp/socket.js';
import { TcpState } from '../../../stack/tcp/state.js';
import { TcpFlag } from '../../support/frames.js';
import { listening } from '../../support/listening.js';
import { option, optionOf } from '../../support/tcp-peer.js';

const { SYN, RST, ACK } = TcpFlag;
const FASTOPEN = 34;
const text = (s: string) => new TextEncoder().encode(s);
const hex = (b: Uint8Array) => Buffer.from(b).toString('hex');

describe('cookies', () => {
  it('are what Linux makes of the same keys and addresses', () => {
    const cookies = new FastOpenCookies(new Uint8Array(16));
    const [local, remote] = [IpAddress.from('192.168.0.1'), IpAddress.from('192.0.2.1')];
    expect(cookies.setKeys('a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4')).toBe(true);
    expect(hex(cookies.make(local, remote))).toBe('3021b9d889017eeb');
    expect(cookies.setKeys('00000000-00000000-00000000-00000000')).toBe(true);
    expect(hex(cookies.make(local, remote))).toBe('b7c12350a90dc8f5');
    expect(cookies.setKeys('xyz')).toBe(false);
    expect(cookies.setRawKeys(new Uint8Array(15))).toBe(false);
  });
});

describe('a server', () => {
  const server = (limit = 5, bits = 3) =>
    listening({
      sysctl: { tcp_fastopen: bits },
      prepare: (s) => expect(s.setOption(Level.TCP, TcpOpt.FASTOPEN, limit)).toBe(0),
    });
  const cookieFor = (w: ReturnType<typeof server>) => {
    const c = w.client(39999);
    const synAck = c.syn(option.cookie(new Uint8Array(0)))[0]!;
    c.segment({ flags: RST, seq: c.seq + 1 });
    return optionOf(synAck, FASTOPEN)!;
  };

  it('gives a cookie, and takes the data of a SYN that brings it', () => {
    const w = server();
    const cookie = cookieFor(w);
    expect(cookie).toHaveLength(8);
    expect(w.tcpMoves()).toMatchObject({ 'TcpExt.TCPFastOpenCookieReqd': 1 });
    const c = w.client();
    const synAck = c.syn(option.cookie(cookie), SYN, 'early')[0]!;
    expect(synAck).toMatchObject({ flags: SYN | ACK, ack: c.seq + 6 });
    expect(optionOf(synAck, FASTOPEN)).toBeUndefined();
    expect(w.tcpMoves()).toEqual({
      'Tcp.InSegs': 1,
      'Tcp.OutSegs': 1,
      'Tcp.PassiveOpens': 1,
      'TcpExt.TCPFastOpenPassive': 1,
    });
    const s = w.accept();
    const into = new Uint8Array(10);
    expect(s.receive(into, 0, 10, 0)).toBe(5);
    expect(s.state).toBe(TcpState.SYN_RECV);
    c.got(synAck);
    c.seq += 6;
    c.segment({ flags: ACK });
    expect(s.state).toBe(TcpState.ESTABLISHED);
    expect(w.listener.listener!.fastOpen.length).toBe(0);
  });

  it('does not take the data with a wrong cookie, and sends the right one', () => {
    const w = server();
    const cookie = cookieFor(w);
    w.tcpMoves();
    const c = w.client();
    const synAck = c.syn(option.cookie(text('badcooki')), SYN, 'early')[0]!;
    expect(synAck.ack).toBe(c.seq + 1);
    expect(optionOf(synAck, FASTOPEN)).toEqual(cookie);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'Tcp.OutSegs': 1, 'TcpExt.TCPFastOpenPassiveFail': 1 });
  });

  it('does without where the limit is reached; a reset child counts for a minute', () => {
    const w = server(1);
    const cookie = cookieFor(w);
    const first = w.client(41000);
    first.got(first.syn(option.cookie(cookie), SYN, 'early')[0]!);
    w.tcpMoves();
    const second = w.client(41001);
    expect(second.syn(option.cookie(cookie), SYN, 'early')[0]!.ack).toBe(second.seq + 1);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'Tcp.OutSegs': 1, 'TcpExt.TCPFastOpenListenOverflow': 1 });
    first.segment({ flags: RST, seq: first.seq + 6 });
    const third = w.client(41002);
    expect(third.syn(option.cookie(cookie), SYN, 'early')[0]!.ack).toBe(third.seq + 1);
    w.sim.pass(61_000_000);
    const fourth = w.client(41003);
    expect(fourth.syn(option.cookie(cookie), SYN, 'early')[0]!.ack).toBe(fourth.seq + 6);
  });

  it('is off without the sysctl bit or the option', () => {
    for (const w of [server(5, 1), server(0, 3)]) {
      const synAck = w.client().syn(option.cookie(new Uint8Array(0)))[0]!;
      expect(optionOf(synAck, FASTOPEN)).toBeUndefined();
    }
  });

  it('takes data without a cookie where tcp_fastopen says so', () => {
    const w = server(5, 0x203);
    const c = w.client();
    expect(c.syn(undefined, SYN, 'early')[0]!.ack).toBe(c.seq + 6);
  });
});

describe('a client', () => {
  const to = { address: IpAddress.from('10.99.0.2'), port: 5001 };
  function client(bits = 1) {
    const w = listening({ sysctl: { tcp_fastopen: bits } });
    /** Sends "hello" by Fast Open; what went out. */
    const open = () => {
      const s = w.host.stack.tcp(4) as TcpSocket;
      const result = s.sendTo(text('hello'), 0, 5, Msg.FASTOPEN, to);
      w.sim.pass(1000);
      const syn = w.peer.take().find((f) => f.kind === 'tcp')!;
      const c = w.client(5001, syn.sport);
      c.ackn = (syn.seq + 1 + syn.data.length) >>> 0;
      return { s, result, syn, c };
    };
    return { ...w, open };
  }

  it('asks for a cookie first, then sends data with it', () => {
    const w = client();
    const first = w.open();
    expect(first.result).toBe(-Errno.EINPROGRESS);
    expect(first.syn.data).toHaveLength(0);
    expect(optionOf(first.syn, FASTOPEN)).toEqual(new Uint8Array(0));
    first.c.syn(option.cookie(text('cookie00')), SYN | ACK);
    first.s.close();
    w.sim.pass(1000);
    w.peer.take();
    w.tcpMoves();
    const second = w.open();
    expect(second.result).toBe(5);
    expect(new TextDecoder().decode(second.syn.data)).toBe('hello');
    expect(optionOf(second.syn, FASTOPEN)).toEqual(text('cookie00'));
    w.peer.take();
    second.c.syn(undefined, SYN | ACK);
    expect(second.s.state).toBe(TcpState.ESTABLISHED);
    expect(w.tcpMoves()).toMatchObject({ 'Tcp.ActiveOpens': 1, 'TcpExt.TCPFastOpenActive': 1 });
  });

  it('sends the data again when only the SYN was taken', () => {
    const w = client(5);
    const { result, c } = w.open();
    expect(result).toBe(5);
    c.ackn -= 5;
    const again = c.syn(undefined, SYN | ACK);
    expect(again.map((f) => new TextDecoder().decode(f.data))).toContain('hello');
    expect(w.tcpMoves()).toMatchObject({ 'TcpExt.TCPFastOpenActiveFail': 1 });
  });

  it('may defer the SYN to the first write (TCP_FASTOPEN_CONNECT)', () => {
    const w = client(5);
    const s = w.host.stack.tcp(4);
    expect(s.setOption(Level.TCP, TcpOpt.FASTOPEN_CONNECT, 1)).toBe(0);
    expect(s.connect(to.address, to.port)).toBe(0);
    w.sim.pass(1000);
    expect(w.peer.take()).toEqual([]);
    expect(s.send(text('hello'), 0, 5, 0)).toBe(5);
    w.sim.pass(1000);
    expect(w.peer.take().find((f) => f.kind === 'tcp')!.data).toEqual(text('hello'));
  });

  it('is refused where the sysctl has it off', () => {
    const w = listening({ sysctl: { tcp_fastopen: 0 } });
    const s = w.host.stack.tcp(4);
    expect(s.sendTo(text('x'), 0, 1, Msg.FASTOPEN, to)).toBe(-Errno.EOPNOTSUPP);
    expect(s.setOption(Level.TCP, TcpOpt.FASTOPEN_CONNECT, 1)).toBe(-Errno.EOPNOTSUPP);
  });
});
