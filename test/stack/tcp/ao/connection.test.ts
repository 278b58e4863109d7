/** TCP-AO on a wire (RFC 5925 7): a raw peer with keys of its own, every counter that moves, and hosts that talk to each other. */
import { describe, expect, it } from 'vitest';
import { Tcp, TcpExt } from '../../../../mib/catalogue/index.js';
import { IpAddress } from '../../../../stack/core/address.js';
import { Errno } from '../../../../stack/core/errno.js';
import { Level, TcpOpt } from '../../../../stack/socket/socket.js';
import type { TcpSocket } from '../../../../stack/tcp/socket.js';
import { TcpState } from '../../../../stack/tcp/state.js';
import { md5Signature } from '../../../interop/parity-options.js';
import { AO_KIND, AoPeer, aoAdd, aoInfo, type KeyFields, readInfo } from '../../../support/ao.js';
import { bytes, filler, ipv4, Proto, TcpFlag, u16, u32 } from '../../../support/frames.js';
import { expectSums } from '../../../support/ledger.js';
import { type ListeningOptions, listening, PORT } from '../../../support/listening.js';
import { Simulation } from '../../../support/simulation.js';
import { option, optionOf } from '../../../support/tcp-peer.js';

const { SYN, PSH, ACK, FIN, RST } = TcpFlag;
const SYN_OPTIONS = bytes(option.mss(1460), option.sackOk, option.ts(5, 0));

function signedListener(keys: KeyFields[] = [{}], options: ListeningOptions = {}) {
  const w = listening({
    ...options,
    prepare: (s) => {
      for (const k of keys) expect(s.setOption(Level.TCP, TcpOpt.AO_ADD_KEY, aoAdd(k))).toBe(0);
      options.prepare?.(s);
    },
  });
  const end = (sport = 40000, isn?: number) => new AoPeer(w.sim, w.peer, PORT, sport, isn);
  const established = (sport = 40000, isn?: number) => {
    const c = end(sport, isn);
    c.handshake(SYN_OPTIONS);
    const s = w.accept();
    w.tcpMoves();
    return { c, s };
  };
  return { ...w, end, established };
}
function info(s: TcpSocket) {
  const r = s.getOption(Level.TCP, TcpOpt.AO_INFO);
  return 'errno' in r ? r.errno : readInfo(r.value as Uint8Array);
}

describe('a listener with a key', () => {
  it('drops what is not signed, signed wrong, or with a key that it does not have', () => {
    const w = signedListener();
    const c = w.end();
    expect(c.segment(SYN, '', SYN_OPTIONS, { unsigned: true })).toEqual([]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'TcpExt.TCPAORequired': 1 });
    expect(c.segment(SYN, '', SYN_OPTIONS, { key: 'wrong' })).toEqual([]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'TcpExt.TCPAOBad': 1 });
    expect(c.segment(SYN, '', SYN_OPTIONS, { cut: 4 })).toEqual([]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'TcpExt.TCPAOBad': 1 });
    expect(c.segment(SYN, '', SYN_OPTIONS, { keyId: 7 })).toEqual([]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'TcpExt.TCPAOKeyNotFound': 1 });
    expect(c.segment(SYN, '', bytes(option.mss(1460), option.md5), { unsigned: true })).toEqual([]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'TcpExt.TCPMD5Unexpected': 1 });
    expect(info(w.listener)).toEqual({ bits: 0, current: 0, rnext: 0, good: 0, bad: 2, notFound: 1, unsigned: 1, icmps: 0 });
  });

  it('drops segments with two signatures, or an option without a code, in silence', () => {
    const w = signedListener();
    const c = w.end();
    expect(c.segment(SYN, '', bytes([AO_KIND, 16, 100, 100], new Uint8Array(12)))).toEqual([]);
    expect(c.segment(SYN, '', bytes([AO_KIND, 4, 100, 100], option.ts(1, 0)), { unsigned: true })).toEqual([]);
    expect(c.segment(SYN, '', option.md5)).toEqual([]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 3 });
  });

  it('signs its SYN-ACK with the key that the SYN asks for; timestamps give way to SACK', () => {
    const w = signedListener([
      { sendId: 2, receiveId: 1, key: 'a' },
      { sendId: 4, receiveId: 3, key: 'b' },
    ]);
    const c = w.end();
    const synAck = c.segment(SYN, '', SYN_OPTIONS, { key: 'a', keyId: 1, rnextId: 4 })[0]!;
    c.key = 'b';
    expect(c.goodReply(synAck, 4, 1)).toBe(true);
    expect(optionOf(synAck, 8)).toBeUndefined();
    expect(optionOf(synAck, 4)).toBeDefined();
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'Tcp.OutSegs': 1, 'TcpExt.TCPAOGood': 1 });
  });

  it('answers nothing unsigned when the key that is asked for is none of its own', () => {
    const w = signedListener();
    expect(w.end().segment(SYN, '', SYN_OPTIONS, { rnextId: 9 })).toEqual([]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'TcpExt.TCPAOGood': 1 });
    expect(w.listener.listener!.requests).toBe(1);
  });

  it('has signed handshakes signed to the end', () => {
    const w = signedListener();
    const c = w.end();
    c.got(c.segment(SYN, '', SYN_OPTIONS)[0]!);
    c.seq++;
    w.tcpMoves();
    expect(c.segment(ACK, '', undefined, { unsigned: true })).toEqual([]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'TcpExt.TCPAOBad': 1 });
    c.segment(ACK);
    expect(w.tcpMoves()).toEqual({
      'Tcp.InSegs': 1,
      'Tcp.PassiveOpens': 1,
      'Tcp.CurrEstab': 1,
      'TcpExt.TCPAOGood': 1,
      'TcpExt.TCPPureAcks': 1,
    });
    expect(info(w.accept())).toMatchObject({ bits: 3, current: 100, rnext: 100, good: 0 });
  });

  it('acknowledges an odd segment of a signed request with a signature, and resets a bad ACK not at all', () => {
    const w = signedListener();
    const c = w.end();
    c.got(c.segment(SYN, '', bytes(option.mss(1460)))[0]!);
    c.seq = (c.seq + 100_000) >>> 0;
    const ack = c.segment(ACK)[0]!;
    expect(ack.flags).toBe(ACK);
    expect(c.goodReply(ack)).toBe(true);
    w.tcpMoves();
    c.seq = 5001;
    c.ack = (c.ack + 5) >>> 0;
    expect(c.segment(ACK)).toEqual([]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'TcpExt.TCPAOGood': 1, 'TcpExt.TCPAOBad': 1 });
    c.ack = (c.ack - 5) >>> 0;
    c.seq = 5001;
    expect(c.segment(SYN | ACK)[0]!.flags).toBe(RST);
    expect(w.tcpMoves()).toMatchObject({ 'Tcp.OutRsts': 1, 'TcpExt.EmbryonicRsts': 1, 'TcpExt.TCPAOGood': 1 });
  });

  it('takes unsigned peers for which it has no key, unless AO is required', () => {
    const w = signedListener([{ peer: '10.99.0.77' }]);
    w.client().handshake();
    const s = w.accept();
    expect(info(s)).toBe(Errno.ENOENT);
    expect(s.setOption(Level.TCP, TcpOpt.AO_ADD_KEY, aoAdd())).toBe(-Errno.EISCONN);
    w.tcpMoves();
    expect(w.listener.setOption(Level.TCP, TcpOpt.AO_INFO, aoInfo(4))).toBe(0);
    expect(w.client(40001).syn()).toEqual([]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'TcpExt.TCPAORequired': 1 });
  });

  it('forgets a request whose keys were taken away', () => {
    const w = signedListener();
    const c = w.end();
    c.got(c.segment(SYN, '', SYN_OPTIONS)[0]!);
    c.seq++;
    const ao = w.listener.settings.ao!;
    ao.keys = [];
    expect(c.segment(ACK)).toEqual([]);
    expect(w.tcpMoves()).toMatchObject({ 'TcpExt.TCPAOKeyNotFound': 1 });
  });

  it('signs SYN cookies, and finds the initial numbers in what comes back', () => {
    const w = signedListener([{}], { sysctl: { tcp_syncookies: 2 } });
    const c = w.end();
    const synAck = c.segment(SYN, '', bytes(option.mss(1460)))[0]!;
    expect(c.goodReply(synAck)).toBe(true);
    c.got(synAck);
    c.seq++;
    w.tcpMoves();
    c.segment(ACK);
    expect(w.tcpMoves()).toMatchObject({ 'TcpExt.SyncookiesRecv': 1, 'TcpExt.TCPAOGood': 1, 'Tcp.PassiveOpens': 1 });
    expect(c.send('hello')[0]!.ack).toBe(c.seq);
    expect(w.tcpMoves()).toMatchObject({ 'TcpExt.TCPAOGood': 1 });
  });
});

describe('a signed connection', () => {
  it('signs data, FIN and TIME-WAIT; unsigned and forged segments do not reach it', () => {
    const w = signedListener();
    const { c, s } = w.established();
    const ack = c.send('hello')[0]!;
    expect([ack.ack, c.goodReply(ack)]).toEqual([c.seq, true]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'Tcp.OutSegs': 1, 'TcpExt.TCPAOGood': 1 });
    expect(s.send(filler(4000), 0, 4000, 0)).toBe(4000);
    w.sim.pass(1000);
    const sent = c.replies();
    expect(sent.map((x) => x.data.length)).toEqual([1444, 1444, 1112]);
    for (const x of sent) expect(c.goodReply(x)).toBe(true);
    c.ack = (c.ack + 4000) >>> 0;
    c.segment(ACK);
    w.tcpMoves();
    expect(c.segment(PSH | ACK, 'x', undefined, { unsigned: true })).toEqual([]);
    expect(c.segment(RST | ACK, '', undefined, { key: 'forged' })).toEqual([]);
    expect(c.segment(PSH | ACK, 'x', undefined, { keyId: 5 })).toEqual([]);
    expect(w.tcpMoves()).toEqual({
      'Tcp.InSegs': 3,
      'TcpExt.TCPAORequired': 1,
      'TcpExt.TCPAOBad': 1,
      'TcpExt.TCPAOKeyNotFound': 1,
    });
    s.receive(new Uint8Array(10), 0, 10, 0);
    s.close();
    w.sim.pass(1000);
    const fin = c.replies()[0]!;
    expect([fin.flags, c.goodReply(fin)]).toEqual([FIN | ACK, true]);
    c.got(fin);
    const last = c.segment(FIN | ACK)[0]!;
    expect([last.flags, c.goodReply(last)]).toEqual([ACK, true]);
    w.tcpMoves();
    // in TIME-WAIT nothing is checked, but what answers is signed
    const again = c.segment(FIN | ACK)[0]!;
    expect([again.flags, c.goodReply(again)]).toEqual([ACK, true]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'Tcp.OutSegs': 1 });
  });

  it('is reset by a signed RST, and resets with a signature', () => {
    const w = signedListener();
    const { c, s } = w.established();
    c.segment(RST | ACK);
    expect(s.state).toBe(TcpState.CLOSE);
    expect(w.tcpMoves()).toMatchObject({ 'Tcp.EstabResets': 1, 'TcpExt.TCPAOGood': 1 });
    const second = w.established(40001);
    second.c.send('unread');
    second.s.close();
    w.sim.pass(1000);
    const rst = second.c.replies()[0]!;
    expect([rst.flags & RST, second.c.goodReply(rst)]).toEqual([RST, true]);
  });

  it('answers data after close with a RST that is signed', () => {
    const w = signedListener();
    const { c, s } = w.established();
    s.close();
    w.sim.pass(1000);
    c.got(c.replies()[0]!);
    c.segment(ACK);
    const rst = c.send('too late')[0]!;
    expect([rst.flags, rst.seq, c.goodReply(rst)]).toEqual([RST, c.ack, true]);
  });

  it('follows the peer to another key, keeps to one that it does not have, and asks for its own wish', () => {
    const w = signedListener([{}, { sendId: 101, receiveId: 102 }]);
    const { c, s } = w.established();
    expect(info(s)).toMatchObject({ current: 100, rnext: 100 });
    expect(c.goodReply(c.send('a', { rnextId: 101 })[0]!, 101, 100)).toBe(true);
    expect(info(s)).toMatchObject({ current: 101, rnext: 100, good: 1 });
    expect(c.goodReply(c.send('b', { rnextId: 55 })[0]!, 101, 100)).toBe(true);
    expect(s.setOption(Level.TCP, TcpOpt.AO_INFO, aoInfo(2, 0, 102))).toBe(0);
    expect(c.goodReply(c.send('c', { rnextId: 101 })[0]!, 101, 102)).toBe(true);
    expect(c.goodReply(c.send('d', { keyId: 102, rnextId: 100 })[0]!, 100, 102)).toBe(true);
    expect(info(s)).toMatchObject({ current: 100, rnext: 102, good: 4, bad: 0 });
    expect(w.tcpMoves()).toMatchObject({ 'Tcp.InSegs': 4, 'TcpExt.TCPAOGood': 4 });
  });

  it('extends sequence numbers that wrap, both ways', () => {
    const w = signedListener();
    const { c, s } = w.established(40000, 0xfffffffa);
    // our ISN is random: make the sending end wrap as well by its own extension
    expect(c.goodReply(c.send('12345')[0]!)).toBe(true);
    expect(c.seq).toBe(0);
    expect(c.send('67890', { sne: 0 })).toEqual([]);
    expect(w.tcpMoves()).toMatchObject({ 'TcpExt.TCPAOGood': 1, 'TcpExt.TCPAOBad': 1 });
    c.seq = 0;
    expect(c.send('67890', { sne: 1 })[0]!.ack).toBe(5);
    c.seq = 0xfffffffb;
    expect(c.send('12345', { sne: 0 })[0]!.ack).toBe(5); // sent again: the number before the wrap has the extension before
    expect(w.tcpMoves()).toMatchObject({ 'TcpExt.TCPAOGood': 2, 'TcpExt.DelayedACKLost': 1 });
    expect(s.readable()).toBe(10);
  });

  it('does not believe hard errors that come by ICMP, but soft ones, or all when told so', () => {
    const w = signedListener();
    const { c, s } = w.established();
    const error = (type: number, code: number) => {
      const quoted = bytes(u16(PORT), u16(c.sport), u32(c.ack));
      const rest = bytes(u32(0), ipv4({ src: '10.99.0.1', dst: '10.99.0.2', protocol: Proto.tcp, totalLength: 40 }, quoted));
      w.peer.sendIcmp(type, code, rest);
      w.sim.pass(1000);
    };
    for (const code of [2, 3, 4]) error(3, code);
    expect(w.tcpMoves()).toEqual({ 'TcpExt.TCPAODroppedIcmps': 3 });
    error(3, 1);
    expect(w.tcpMoves()).toEqual({});
    expect(s.setOption(Level.TCP, TcpOpt.AO_INFO, aoInfo(16))).toBe(0);
    error(3, 3);
    expect(w.tcpMoves()).toEqual({});
    expect(info(s)).toMatchObject({ bits: 19, icmps: 3 });
    s.close();
    w.sim.pass(1000);
    c.got(c.replies()[0]!);
    c.segment(FIN | ACK);
    w.tcpMoves();
    error(3, 3);
    expect(w.tcpMoves()).toEqual({});
  });

  it('counts them in TIME-WAIT too', () => {
    const w = signedListener();
    const { c, s } = w.established();
    s.close();
    w.sim.pass(1000);
    c.got(c.replies()[0]!);
    c.segment(FIN | ACK);
    w.tcpMoves();
    const quoted = bytes(u16(PORT), u16(c.sport), u32(c.ack));
    w.peer.sendIcmp(
      3,
      3,
      bytes(u32(0), ipv4({ src: '10.99.0.1', dst: '10.99.0.2', protocol: Proto.tcp, totalLength: 40 }, quoted)),
    );
    w.sim.pass(1000);
    expect(w.tcpMoves()).toEqual({ 'TcpExt.TCPAODroppedIcmps': 1 });
  });
});

describe('hosts without keys', () => {
  it('ignore the option while nobody has a key, and drop it from then on', () => {
    const w = listening();
    const c = new AoPeer(w.sim, w.peer, PORT);
    expect(c.segment(SYN, '', SYN_OPTIONS)[0]!.flags).toBe(SYN | ACK);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'Tcp.OutSegs': 1 });
    const other = w.host.stack.tcp(4) as TcpSocket;
    expect(other.setOption(Level.TCP, TcpOpt.AO_ADD_KEY, aoAdd())).toBe(0);
    expect(new AoPeer(w.sim, w.peer, PORT, 40001).segment(SYN, '', SYN_OPTIONS)).toEqual([]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'TcpExt.TCPAOKeyNotFound': 1 });
    // nobody listens there, and nobody could sign the RST
    expect(new AoPeer(w.sim, w.peer, 4242).segment(SYN, '', SYN_OPTIONS)).toEqual([]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1 });
  });
});

describe('an active open with a key', () => {
  const opening = (keys: KeyFields[]) => {
    const w = listening();
    const s = w.host.stack.tcp(4) as TcpSocket;
    for (const k of keys) expect(s.setOption(Level.TCP, TcpOpt.AO_ADD_KEY, aoAdd(k))).toBe(0);
    return { ...w, s };
  };

  it('signs its SYN, with timestamps, and takes only a signed answer', () => {
    const w = opening([{}, { peer: '10.99.0.77', sendId: 9, receiveId: 9, bits: 3 }]);
    expect(w.s.connect(IpAddress.from(w.peer.address), 5001)).toBe(-Errno.EINPROGRESS);
    w.sim.pass(1000);
    const syn = w.peer.take().find((x) => x.kind === 'tcp')!;
    const c = new AoPeer(w.sim, w.peer, syn.sport, 5001, 777);
    c.got(syn);
    expect([c.goodReply(syn), optionOf(syn, 8)?.length, optionOf(syn, 4)?.length]).toEqual([true, 8, 0]);
    expect(info(w.s)).toMatchObject({ bits: 3, current: 100, rnext: 100 });
    w.tcpMoves();
    expect(c.segment(SYN | ACK, '', option.mss(1000), { unsigned: true })).toEqual([]);
    expect(c.segment(RST | ACK, '', undefined, { unsigned: true })).toEqual([]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 2, 'TcpExt.TCPAORequired': 2 });
    const ack = c.segment(SYN | ACK, '', option.mss(1000))[0]!;
    expect([ack.flags, c.goodReply(ack)]).toEqual([ACK, true]);
    expect(w.s.state).toBe(TcpState.ESTABLISHED);
    expect(w.tcpMoves()).toEqual({
      'Tcp.InSegs': 1,
      'Tcp.OutSegs': 1,
      'Tcp.CurrEstab': 1,
      'TcpExt.TCPAOGood': 1,
      'TcpExt.TCPDelivered': 1,
    });
  });

  it('opens at the same time as its peer', () => {
    const w = opening([{}]);
    w.s.connect(IpAddress.from(w.peer.address), 5001);
    w.sim.pass(1000);
    const syn = w.peer.take().find((x) => x.kind === 'tcp')!;
    const c = new AoPeer(w.sim, w.peer, syn.sport, 5001, 777);
    const synAck = c.segment(SYN, '', option.mss(1000))[0]!;
    expect([synAck.flags, c.goodReply(synAck)]).toEqual([SYN | ACK, true]);
    c.got(synAck);
    c.seq++;
    c.segment(ACK);
    expect(w.s.state).toBe(TcpState.ESTABLISHED);
    expect(c.goodReply(c.send('hi')[0]!)).toBe(true);
  });

  it('is refused when no key is for the peer, or both kinds are', () => {
    const w = opening([{ peer: '10.99.0.77' }]);
    w.tcpMoves();
    expect(w.s.connect(IpAddress.from(w.peer.address), 5001)).toBe(-Errno.EKEYREJECTED);
    expect(w.tcpMoves()).toEqual({});
    expect(w.s.setOption(Level.TCP, TcpOpt.MD5SIG, md5Signature(0x0a630002, 'md5'))).toBe(0);
    expect(w.s.setOption(Level.TCP, TcpOpt.AO_ADD_KEY, aoAdd({ sendId: 1, receiveId: 1 }))).toBe(-Errno.EKEYREJECTED);
    expect(w.s.setOption(Level.TCP, TcpOpt.AO_INFO, aoInfo(4))).toBe(-Errno.EKEYREJECTED);
    expect(w.s.connect(IpAddress.from(w.peer.address), 5001)).toBe(-Errno.EINPROGRESS);
    w.sim.pass(1000);
    const syn = w.peer.take().find((x) => x.kind === 'tcp')!;
    expect([optionOf(syn, 19)?.length, optionOf(syn, AO_KIND)]).toEqual([16, undefined]);
  });
});

describe('two hosts', () => {
  const variants: KeyFields[] = [
    { algorithm: 'hmac(sha1)' },
    { algorithm: 'cmac(aes128)', key: 'a key that is longer than a block of AES' },
    { algorithm: 'cmac(aes)', key: 'sixteen bytes ok', macBytes: 16 },
    { algorithm: 'hmac(sha1)', flags: 2, macBytes: 5 },
  ];
  it.each(variants)('exchange 200 kB over a wire that loses and reorders, signed with %j', (key) => {
    const sim = new Simulation(7);
    const wire = sim.wire({ both: { delayUs: 2000, loss: 0.03, reorder: 0.05, reorderUs: 1000 } });
    const a = sim.host(wire.a, { mac: '02:00:00:00:00:01', addresses: ['10.99.0.1/24'] });
    const b = sim.host(wire.b, { mac: '02:00:00:00:00:02', addresses: ['10.99.0.2/24'] });
    const server = b.stack.tcp(4) as TcpSocket;
    const client = a.stack.tcp(4) as TcpSocket;
    expect(server.setOption(Level.TCP, TcpOpt.AO_ADD_KEY, aoAdd({ ...key, peer: '10.99.0.0', prefix: 24 }))).toBe(0);
    expect(client.setOption(Level.TCP, TcpOpt.AO_ADD_KEY, aoAdd(key))).toBe(0);
    server.bind(null, PORT);
    server.listen(5);
    client.connect(IpAddress.from('10.99.0.2'), PORT);
    sim.run(() => client.state === TcpState.ESTABLISHED);
    sim.run(() => server.poll() !== 0);
    const s = server.accept() as TcpSocket;
    const data = filler(200_000);
    let sent = 0;
    let got = 0;
    const into = new Uint8Array(65536);
    sim.run(() => {
      const n = client.send(data, sent, data.length - sent, 0);
      if (n > 0) sent += n;
      for (let r = s.receive(into, 0, into.length, 0); r > 0; r = s.receive(into, 0, into.length, 0)) {
        expect(Buffer.compare(into.subarray(0, r), data.subarray(got, got + r))).toBe(0);
        got += r;
      }
      return got === data.length;
    });
    expect(got).toBe(data.length);
    for (const h of [a, b]) {
      const cells = h.ledger.cells;
      expect(cells[TcpExt.TCPAOGood]).toBe(cells[Tcp.InSegs]);
      expect(cells[TcpExt.TCPAOBad]! + cells[TcpExt.TCPAOKeyNotFound]! + cells[TcpExt.TCPAORequired]!).toBe(0);
      expectSums(h.ledger);
    }
  });

  it('with different passwords never meet: each SYN is counted by the one who gets it', () => {
    const sim = new Simulation(8);
    const wire = sim.wire();
    const a = sim.host(wire.a, { mac: '02:00:00:00:00:01', addresses: ['10.99.0.1/24'] });
    const b = sim.host(wire.b, { mac: '02:00:00:00:00:02', addresses: ['10.99.0.2/24'] });
    const server = b.stack.tcp(4) as TcpSocket;
    const client = a.stack.tcp(4) as TcpSocket;
    server.setOption(Level.TCP, TcpOpt.AO_ADD_KEY, aoAdd({ peer: '0.0.0.0', key: 'one' }));
    client.setOption(Level.TCP, TcpOpt.AO_ADD_KEY, aoAdd({ key: 'another' }));
    server.bind(null, PORT);
    server.listen(5);
    client.connect(IpAddress.from('10.99.0.2'), PORT);
    sim.run(() => client.state === TcpState.CLOSE);
    expect(client.takeError()).toBe(Errno.ETIMEDOUT);
    expect(b.ledger.cells[TcpExt.TCPAOBad]).toBe(a.ledger.cells[Tcp.OutSegs]! + a.ledger.cells[Tcp.RetransSegs]!);
    expect(a.ledger.cells[Tcp.InSegs]).toBe(0);
  });
});
