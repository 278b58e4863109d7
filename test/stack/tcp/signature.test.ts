/** Segment signatures (RFC 2385): checked against node's MD5, counted as Linux counts them. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { Errno } from '../../../stack/core/errno.js';
import { Level, TcpOpt } from '../../../stack/socket/socket.js';
import { Md5 } from '../../../stack/tcp/md5.js';
import { changeKeys, keyFor, type SignatureKey } from '../../../stack/tcp/signature.js';
import { TcpState } from '../../../stack/tcp/state.js';
import { md5Signature } from '../../interop/parity-options.js';
import { type Bytes, bytes, filler, ip4, type ParsedFrame, TcpFlag, tcp, u16 } from '../../support/frames.js';
import { listening, PORT } from '../../support/listening.js';
import { option, optionOf } from '../../support/tcp-peer.js';

const { SYN, PSH, ACK, FIN, RST } = TcpFlag;
const KEY = 'secret';
const PEER = 0x0a630002;
const MD5_KIND = 19;

/** What RFC 2385 says of a whole TCP segment. */
function digest(src: string, dst: string, segment: Bytes, key: string): Bytes {
  const offset = (segment[12]! >> 4) * 4;
  const header = segment.slice(0, 20);
  header.fill(0, 16, 18);
  const hash = createHash('md5').update(bytes(ip4(src), ip4(dst), [0, 6], u16(segment.length), header, segment.subarray(offset)));
  return Uint8Array.from(hash.update(key).digest());
}

describe('MD5', () => {
  it('is what node says, for every length around a block', () => {
    const md5 = new Md5();
    const out = new Uint8Array(16);
    for (let n = 0; n < 200; n++) {
      const data = filler(n, n);
      md5.begin();
      md5.bytes(data, 0, n);
      md5.end(out, 0);
      expect(Buffer.from(out).toString('hex')).toBe(createHash('md5').update(data).digest('hex'));
    }
  });
});

describe('keys', () => {
  const a = IpAddress.from('10.1.2.3');
  const key = (s: string) => new TextEncoder().encode(s);

  it('go by the longest prefix, and away by a key of no length', () => {
    let keys: readonly SignatureKey[] = changeKeys([], IpAddress.from('10.0.0.0'), 8, key('net'))!;
    keys = changeKeys(keys, a, 32, key('host'))!;
    expect(keyFor(keys, a)?.prefix).toBe(32);
    expect(keyFor(keys, IpAddress.from('10.9.9.9'))?.prefix).toBe(8);
    expect(keyFor(keys, IpAddress.from('11.0.0.1'))).toBeNull();
    expect(keyFor(keys, IpAddress.from('fd00::1'))).toBeNull();
    expect(changeKeys(keys, a, 24, new Uint8Array(0))).toBeNull();
    expect(changeKeys(keys, a, 32, new Uint8Array(81))).toBeNull();
    expect(keyFor(changeKeys(keys, a, 32, new Uint8Array(0))!, a)?.prefix).toBe(8);
  });
});

/** A listener with a key for the peer. */
function signedListener() {
  const w = listening({
    prepare: (s) => expect(s.setOption(Level.TCP, TcpOpt.MD5SIG, md5Signature(PEER, KEY))).toBe(0),
  });
  /** Sends a segment with a signature by `key`; what came back, each with the right signature. */
  const send = (
    e: { sport: number; dport: number; seq: number; ack: number },
    flags: number,
    data = '',
    key = KEY,
    more: Bytes = new Uint8Array(0),
  ) => {
    const f = { src: w.peer.address, dst: w.peer.target, ...e, flags };
    const room = bytes([1, 1, MD5_KIND, 18], new Uint8Array(16), more);
    const segment = tcp({ ...f, options: room }, bytes(data));
    const options = bytes([1, 1, MD5_KIND, 18], digest(f.src, f.dst, segment, key), more);
    w.peer.sendTcp({ ...e, flags, options }, data);
    w.sim.pass(1000);
    const got = w.peer.take().filter((x) => x.kind === 'tcp');
    for (const x of got) expectSigned(x);
    return got;
  };
  return { ...w, send };
}
function expectSigned(f: ParsedFrame): void {
  const segment = f.raw.subarray(34, 14 + f.totalLength);
  expect(optionOf(f, MD5_KIND)).toEqual(digest(f.src, f.dst, segment, KEY));
}

describe('a listener with a key', () => {
  const start = { sport: 40000, dport: PORT, seq: 1000, ack: 0 };

  it('drops what is not signed, or by another key', () => {
    const w = signedListener();
    expect(w.client().syn()).toEqual([]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'TcpExt.TCPMD5NotFound': 1 });
    expect(w.send(start, SYN, '', 'wrong')).toEqual([]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'TcpExt.TCPMD5Failure': 1 });
  });

  it('signs handshake, data, resets and TIME-WAIT; SACK goes before timestamps', () => {
    const w = signedListener();
    const synAck = w.send(start, SYN, '', KEY, bytes(option.mss(1460), option.sackOk, option.ts(5, 0)))[0]!;
    expect(synAck.flags).toBe(SYN | ACK);
    expect(optionOf(synAck, 8)).toBeUndefined();
    const e = { ...start, seq: 1001, ack: (synAck.seq + 1) >>> 0 };
    w.send(e, ACK);
    const s = w.accept();
    expect(s.state).toBe(TcpState.ESTABLISHED);
    expect(w.send(e, PSH | ACK, 'hello')[0]!.ack).toBe(1006);
    e.seq += 5;
    expect(s.send(filler(4000), 0, 4000, 0)).toBe(4000);
    w.sim.pass(1000);
    const sent = w.peer.take().filter((x) => x.kind === 'tcp');
    expect(sent.map((x) => x.data.length)).toEqual([1440, 1440, 1120]);
    for (const x of sent) expectSigned(x);
    e.ack = (e.ack + 4000) >>> 0;
    w.send(e, ACK);
    s.receive(new Uint8Array(10), 0, 10, 0);
    s.close();
    w.sim.pass(1000);
    expectSigned(w.peer.take().find((x) => x.kind === 'tcp')!);
    e.ack = (e.ack + 1) >>> 0;
    expect(w.send(e, FIN | ACK)[0]!.flags).toBe(ACK);
    w.tcpMoves();
    expect(w.send({ ...start, sport: 40001 }, SYN)[0]!.flags).toBe(SYN | ACK);
    expect(w.send({ ...start, sport: 40001, seq: 1001, ack: 5 }, ACK)[0]!.flags).toBe(RST);
  });
});

describe('what is malformed, or signed for nobody', () => {
  // as measured on Linux 6.18: silence in all of these, with or without a listener
  const two = bytes(option.md5.subarray(2), option.md5.subarray(2), [1, 1]);
  const short = bytes([MD5_KIND, 17], new Uint8Array(15), [1, 1, 1]);
  const endless = bytes([99, 0], new Uint8Array(22));
  it.each([
    ['two signatures', two],
    ['a short one', short],
    ['an option of no length', endless],
  ])('gets no answer: %s', (_, options) => {
    const w = listening();
    expect(w.client(40000).segment({ flags: SYN, options })).toEqual([]);
    expect(w.client(40000, 4242).segment({ flags: SYN, options })).toEqual([]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 2 });
    const { c } = w.pair();
    expect(c.segment({ flags: PSH | ACK, options }, 'x')).toEqual([]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1 });
  });

  it('is reset by nobody, but with the key of a listener on the port it came from', () => {
    const w = signedListener();
    expect(w.client(40000, 4242).segment({ flags: SYN, options: option.md5 })).toEqual([]);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1 });
    const from = { sport: PORT, dport: 4242, seq: 5, ack: 9 };
    expect(w.send(from, ACK, '', 'wrong')).toEqual([]);
    expect(w.send(from, ACK)[0]!.flags).toBe(RST);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 2, 'Tcp.OutSegs': 1, 'Tcp.OutRsts': 1 });
  });
});

describe('an active open with a key', () => {
  it('signs its SYN, without timestamps', () => {
    const w = signedListener();
    const s = w.host.stack.tcp(4);
    expect(s.setOption(Level.TCP, TcpOpt.MD5SIG, new Uint8Array(10))).toBe(-Errno.EINVAL);
    expect(s.setOption(Level.TCP, TcpOpt.MD5SIG, md5Signature(PEER, ''))).toBe(-Errno.ENOENT);
    expect(s.setOption(Level.TCP, TcpOpt.MD5SIG, md5Signature(PEER, KEY))).toBe(0);
    s.connect(IpAddress.from(w.peer.address), 5001);
    w.sim.pass(1000);
    const syn = w.peer.take().find((x) => x.kind === 'tcp')!;
    expectSigned(syn);
    expect(optionOf(syn, 8)).toBeUndefined();
    const e = { sport: 5001, dport: syn.sport, seq: 77, ack: (syn.seq + 1) >>> 0 };
    expect(w.send(e, SYN | ACK, '', KEY, option.mss(1000))[0]!.flags).toBe(ACK);
    expect(s.state).toBe(TcpState.ESTABLISHED);
  });
});
