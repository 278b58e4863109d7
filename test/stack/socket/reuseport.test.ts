/** SO_ATTACH_REUSEPORT_CBPF and SO_BINDTODEVICE: who is chosen and which errno answers whom was seen on a Linux 6.18 kernel. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Errno } from '../../../stack/core/errno.js';
import { Level, So } from '../../../stack/socket/socket.js';
import type { TcpSocket } from '../../../stack/tcp/socket.js';
import type { UdpSocket } from '../../../stack/udp/socket.js';
import { program, RET_A, ret } from '../../support/bpf.js';
import { listening, PORT } from '../../support/listening.js';
import { fresh, host, open, peer, read, settle } from '../udp/fixture.js';

beforeEach(fresh);

type Any = { setOption: (l: number, n: number, v: number | Uint8Array | string) => number };
const reuse = (s: Any) => s.setOption(Level.SOCKET, So.REUSEPORT, 1);
const attach = (s: Any, p = byDigit) => s.setOption(Level.SOCKET, So.ATTACH_REUSEPORT_CBPF, p);
const detach = (s: Any) => s.setOption(Level.SOCKET, So.DETACH_REUSEPORT_BPF, 0);
/** The first byte of the payload, modulo 4. */
const byDigit = program([0x30, 0, 0, 0], [0x54, 0, 0, 3], RET_A);

function bound(): UdpSocket {
  const s = open();
  reuse(s);
  expect(s.bind(null, 6000)).toBe(0);
  return s;
}
/** Which of them got it. */
function who(group: readonly UdpSocket[], data: string): number[] {
  peer.sendUdp({ sport: 5001, dport: 6000 }, data);
  settle();
  return group.flatMap((s, i) => (read(s) >= 0 ? [i] : []));
}

describe('datagrams of a group', () => {
  it('go to whom the program names; a hole is filled by the last; who joins is the last', () => {
    const group = [bound(), bound(), bound()];
    expect(attach(group[1]!)).toBe(0);
    expect(['0', '1', '2', ''].map((d) => who(group, d))).toEqual([[0], [1], [2], [0]]);
    expect(who(group, '3')).toHaveLength(1); // nobody's number: the hash decides
    group[0]!.close();
    group.splice(0, 3, group[2]!, group[1]!);
    expect(['0', '1'].map((d) => who(group, d))).toEqual([[0], [1]]);
    group.push(bound());
    expect(who(group, '2')).toEqual([2]);
    expect([detach(group[0]!), detach(group[0]!)]).toEqual([0, -Errno.ENOENT]);
  });

  it('need a group', () => {
    const plain = open();
    expect([attach(plain), detach(plain)]).toEqual([-Errno.EINVAL, -Errno.EINVAL]);
    const asked = open();
    reuse(asked);
    expect([detach(asked), attach(asked), attach(asked, program(ret(0), [0xff, 0, 0, 0]))]).toEqual([
      -Errno.ENOENT,
      0,
      -Errno.EINVAL,
    ]);
    const late = open(6001);
    expect(attach(late)).toBe(-Errno.EINVAL);
    reuse(late);
    expect(attach(late)).toBe(-Errno.EINVAL);
  });

  it('follow a program that was attached before bind', () => {
    const first = open();
    reuse(first);
    attach(first);
    first.bind(null, 6000);
    const group = [first, bound()];
    expect(['0', '1', '0', '1'].map((d) => who(group, d))).toEqual([[0], [1], [0], [1]]);
  });
});

describe('connections to a group', () => {
  it('go to the listener that the program names', () => {
    const w = listening({ prepare: reuse });
    const second = w.host.stack.tcp(4) as TcpSocket;
    reuse(second);
    second.bind(null, PORT);
    second.listen(16);
    // SYNs have no payload: a load ends with 0, so the length chooses, 0 of it the first
    for (const [index, l] of [w.listener, second].entries()) {
      expect(attach(l, program(ret(index)))).toBe(0);
      for (let i = 0; i < 4; i++) w.client(41000 + index * 10 + i).handshake();
      expect([w.listener, second].map((x) => x.poll() & 1)).toEqual(index === 0 ? [1, 0] : [0, 1]);
      for (let i = 0; i < 4; i++) expect(typeof l.accept()).toBe('object');
    }
  });
});

describe('SO_BINDTODEVICE', () => {
  const bindTo = (s: Any, name: string) => s.setOption(Level.SOCKET, So.BINDTODEVICE, name);

  it('takes a name, once', () => {
    const s = host.stack.udp(4);
    expect(bindTo(s, 'nobody0')).toBe(-Errno.ENODEV);
    expect(bindTo(s, 'lo')).toBe(0);
    expect(s.getOption(Level.SOCKET, So.BINDTODEVICE)).toEqual({ value: new TextEncoder().encode('lo\0') });
    expect(s.getOption(Level.SOCKET, So.BINDTOIFINDEX)).toEqual({ value: 1 });
    expect(bindTo(s, '')).toBe(-Errno.EPERM);
  });

  it('lets a datagram pass by to another socket of the port', () => {
    const onLo = open();
    bindTo(onLo, 'lo');
    expect(onLo.bind(null, 6000)).toBe(0);
    const onWire = open();
    bindTo(onWire, host.stack.devices[1]!.name);
    expect(onWire.bind(null, 6000)).toBe(0);
    peer.sendUdp({ sport: 5001, dport: 6000 }, 'x');
    settle();
    expect([read(onLo), read(onWire)]).toEqual([-Errno.EAGAIN, 1]);
  });

  it('keeps a listener from connections that come by another device', () => {
    const w = listening({ prepare: (l) => bindTo(l, 'lo') });
    expect(w.client().syn()[0]!.flags & 4).toBe(4);
  });
});
