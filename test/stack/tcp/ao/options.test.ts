/** Socket options of TCP-AO: what they refuse, and with which errno; what they say. */
import { describe, expect, it } from 'vitest';
import { Errno } from '../../../../stack/core/errno.js';
import { Level, TcpOpt } from '../../../../stack/socket/socket.js';
import type { TcpSocket } from '../../../../stack/tcp/socket.js';
import { md5Signature } from '../../../interop/parity-options.js';
import { AoPeer, aoAdd, aoDel, aoInfo, readInfo } from '../../../support/ao.js';
import { listening, PORT } from '../../../support/listening.js';

function socket() {
  const w = listening();
  const s = w.host.stack.tcp(4) as TcpSocket;
  return { ...w, s, ...options(s) };
}
function options(s: TcpSocket) {
  const call = (name: number) => (raw: Uint8Array) => s.setOption(Level.TCP, name, raw);
  const get = (name: number) => {
    const r = s.getOption(Level.TCP, name);
    return 'errno' in r ? r.errno : (r.value as Uint8Array);
  };
  return { add: call(TcpOpt.AO_ADD_KEY), del: call(TcpOpt.AO_DEL_KEY), set: call(TcpOpt.AO_INFO), get };
}
/** A structure with one byte, or one 32-bit number, changed. */
function but(raw: Uint8Array, at: number, value: number): Uint8Array {
  raw[at] = value;
  return raw;
}

describe('TCP_AO_ADD_KEY', () => {
  it('refuses structures that Linux refuses', () => {
    const { add } = socket();
    expect(add(aoAdd().subarray(0, 287))).toBe(-Errno.EINVAL);
    expect(add(but(aoAdd(), 207, 81))).toBe(-Errno.EINVAL); // longer than the room for a key
    expect(add(but(aoAdd(), 200, 1))).toBe(-Errno.EINVAL); // reserved
    expect(add(but(aoAdd(), 196, 4))).toBe(-Errno.EINVAL); // reserved
    expect(add(but(aoAdd(), 0, 10))).toBe(-Errno.EINVAL); // another family
    expect(add(but(aoAdd(), 3, 1))).toBe(-Errno.EINVAL); // a port
    expect(add(but(aoAdd(), 206, 4))).toBe(-Errno.EINVAL); // an unknown flag
    expect(add(but(aoAdd(), 192, 1))).toBe(-Errno.EINVAL); // an interface
    expect(add(aoAdd({ prefix: 33 }))).toBe(-Errno.EINVAL);
    expect(add(aoAdd({ prefix: 24 }))).toBe(-Errno.EINVAL); // bits behind the prefix
    expect(add(aoAdd({ prefix: 0 }))).toBe(-Errno.EINVAL);
    expect(add(aoAdd({ peer: '0.0.0.0', prefix: 8 }))).toBe(-Errno.EINVAL);
    expect(add(aoAdd({ algorithm: 'rot13' }))).toBe(-Errno.ENOENT);
    expect(add(aoAdd({ macBytes: 17 }))).toBe(-Errno.EMSGSIZE);
    expect(add(aoAdd({ macBytes: 16 }))).toBe(0);
  });

  it('refuses IDs that another key for such a peer has', () => {
    const { add } = socket();
    expect(add(aoAdd({ peer: '10.99.0.0', prefix: 24, sendId: 1, receiveId: 2 }))).toBe(0);
    expect(add(aoAdd({ sendId: 1, receiveId: 5 }))).toBe(-Errno.EEXIST);
    expect(add(aoAdd({ sendId: 5, receiveId: 2 }))).toBe(-Errno.EEXIST);
    expect(add(aoAdd({ peer: '0.0.0.0', sendId: 1, receiveId: 2 }))).toBe(-Errno.EEXIST);
    expect(add(aoAdd({ peer: '10.98.0.0', prefix: 16, sendId: 1, receiveId: 2 }))).toBe(0);
    expect(add(aoAdd({ sendId: 2, receiveId: 1 }))).toBe(0);
  });

  it('keeps MD5 and TCP-AO apart', () => {
    const { add, s } = socket();
    expect(s.setOption(Level.TCP, TcpOpt.MD5SIG, md5Signature(0x0a630002, 'x'))).toBe(0);
    expect(add(aoAdd())).toBe(-Errno.EKEYREJECTED);
    expect(add(aoAdd({ peer: '10.99.0.3' }))).toBe(0);
    expect(s.setOption(Level.TCP, TcpOpt.MD5SIG, md5Signature(0x0a630003, 'x'))).toBe(-Errno.EKEYREJECTED);
  });

  it('lets nobody choose the key of a listener', () => {
    const w = listening();
    const { add, set } = options(w.listener);
    expect(add(aoAdd({ bits: 1 }))).toBe(-Errno.EINVAL);
    expect(add(aoAdd())).toBe(0);
    expect(set(aoInfo(1, 100))).toBe(-Errno.EINVAL);
  });

  it('is too late for a connection that is not signed, and welcome to one that is', () => {
    const w = listening({ prepare: (s) => expect(options(s).add(aoAdd())).toBe(0) });
    new AoPeer(w.sim, w.peer, PORT).handshake();
    const { add, set, del, get } = options(w.accept());
    expect(add(aoAdd({ peer: '10.99.0.3', sendId: 1, receiveId: 1 }))).toBe(-Errno.EINVAL);
    expect(add(aoAdd({ sendId: 1, receiveId: 1, bits: 1 }))).toBe(0);
    expect(readInfo(get(TcpOpt.AO_INFO) as Uint8Array)).toMatchObject({ current: 1, rnext: 100 });
    expect(del(aoDel())).toBe(-Errno.EBUSY);
    expect(del(aoDel({ bits: 2, rnext: 1 }))).toBe(0);
    expect(set(aoInfo(0))).toBe(0);
    const plain = listening().pair().s;
    expect(options(plain).set(aoInfo(0))).toBe(-Errno.EISCONN);
    expect(options(plain).del(aoDel())).toBe(-Errno.EISCONN);
  });
});

describe('TCP_AO_DEL_KEY', () => {
  it('takes away a key that is not in use, or puts others in its place', () => {
    const { add, del, set } = socket();
    expect(del(aoDel())).toBe(-Errno.ENOENT);
    expect(add(aoAdd({ bits: 3 }))).toBe(0);
    expect(add(aoAdd({ sendId: 1, receiveId: 2 }))).toBe(0);
    expect(del(aoDel().subarray(0, 100))).toBe(-Errno.EINVAL);
    expect(del(but(aoDel(), 143, 1))).toBe(-Errno.EINVAL);
    expect(del(but(aoDel(), 132, 4))).toBe(-Errno.EINVAL); // only a listener deletes later
    expect(del(but(aoDel(), 3, 1))).toBe(-Errno.EINVAL); // a port
    expect(del(aoDel({ receiveId: 7 }))).toBe(-Errno.ENOENT);
    expect(del(aoDel())).toBe(-Errno.EBUSY);
    expect(del(aoDel({ bits: 1, current: 9 }))).toBe(-Errno.ENOENT);
    expect(del(aoDel({ bits: 3, current: 100, rnext: 100 }))).toBe(-Errno.ENOENT);
    expect(del(aoDel({ bits: 3, current: 1, rnext: 2 }))).toBe(0);
    expect(set(aoInfo(1, 100))).toBe(-Errno.ENOENT);
    expect(set(aoInfo(1, 1))).toBe(0);
  });
});

describe('TCP_AO_INFO, TCP_AO_GET_KEYS', () => {
  it('say what was set', () => {
    const { add, set, get } = socket();
    expect(get(TcpOpt.AO_INFO)).toBe(Errno.ENOENT);
    expect(get(TcpOpt.AO_GET_KEYS)).toBe(Errno.ENOENT);
    expect(set(aoInfo(32))).toBe(-Errno.EINVAL);
    expect(set(but(aoInfo(0), 4, 1))).toBe(-Errno.EINVAL);
    const counters = aoInfo(4 | 8 | 16);
    for (let i = 0; i < 5; i++) counters[8 + 8 * i] = i + 1;
    expect(set(counters)).toBe(0);
    expect(readInfo(get(TcpOpt.AO_INFO) as Uint8Array)).toEqual({
      bits: 20,
      current: 0,
      rnext: 0,
      good: 1,
      bad: 2,
      notFound: 3,
      unsigned: 4,
      icmps: 5,
    });
    expect(add(aoAdd({ bits: 1 }))).toBe(0);
    expect(add(aoAdd({ sendId: 1, receiveId: 2, algorithm: 'cmac(aes128)', key: 'sixteen bytes ok', bits: 2, flags: 2 }))).toBe(
      0,
    );
    const raw = get(TcpOpt.AO_GET_KEYS) as Uint8Array;
    expect(raw.length).toBe(2 * 304);
    const text = (at: number, n: number) => new TextDecoder().decode(raw.subarray(at, at + n)).replace(/\0.*/s, '');
    const key = (i: number) => ({
      address: [...raw.subarray(i * 304 + 4, i * 304 + 8)],
      name: text(i * 304 + 128, 64),
      key: text(i * 304 + 192, 80),
      bits: raw[i * 304 + 276],
      bytes: [...raw.subarray(i * 304 + 278, i * 304 + 284)],
    });
    expect(raw[272]).toBe(2);
    expect(key(0)).toEqual({
      address: [10, 99, 0, 2],
      name: 'cmac(aes)',
      key: 'sixteen bytes ok',
      bits: 2,
      bytes: [1, 2, 32, 12, 2, 16],
    });
    expect(key(1)).toEqual({
      address: [10, 99, 0, 2],
      name: 'hmac(sha1)',
      key: 'secret',
      bits: 1,
      bytes: [100, 100, 32, 12, 0, 6],
    });
  });

  it('is no way to repair a connection', () => {
    const { s } = socket();
    expect(s.setOption(Level.TCP, TcpOpt.AO_REPAIR, new Uint8Array(16))).toBe(-Errno.EPERM);
  });
});
