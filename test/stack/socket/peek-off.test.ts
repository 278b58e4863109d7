/** SO_PEEK_OFF and SO_COOKIE: every sequence of calls and what it gave was run on a Linux 6.18 kernel over loopback. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Errno } from '../../../stack/core/errno.js';
import { Level, Msg, So, type SocketBase } from '../../../stack/socket/socket.js';
import type { TcpSocket } from '../../../stack/tcp/socket.js';
import type { UdpSocket } from '../../../stack/udp/socket.js';
import { listening } from '../../support/listening.js';
import { fresh, host, info, into, open, peer, settle, value } from '../udp/fixture.js';

beforeEach(fresh);

const AGAIN = -Errno.EAGAIN;
const offset = (s: SocketBase) => value(s as UdpSocket, Level.SOCKET, So.PEEK_OFF);
const setOffset = (s: SocketBase, v: number) => s.setOption(Level.SOCKET, So.PEEK_OFF, v);
/** Bytes or -errno, and the offset then. */
const shown = (s: SocketBase, n: number) => [
  n < 0 ? n : new TextDecoder().decode(into.subarray(0, n)),
  (offset(s) as { value: number }).value,
];
const tcp = (s: TcpSocket, n: number, flags: number = Msg.PEEK) => shown(s, s.receive(into, 0, n, flags));
const udp = (s: UdpSocket, n: number, flags: number = Msg.PEEK) => shown(s, s.receiveFrom(into, 0, n, flags, info));

describe('streams', () => {
  it('go on peeking where the last peek ended; reading brings the offset back', () => {
    const w = listening();
    const { c, s } = w.pair();
    setOffset(s, 0);
    c.send('0123456789');
    expect([3, 3, 100, 5].map((n) => tcp(s, n))).toEqual([
      ['012', 3],
      ['345', 6],
      ['6789', 10],
      [AGAIN, 10],
    ]);
    expect([tcp(s, 2, 0), tcp(s, 5)]).toEqual([
      ['01', 8],
      [AGAIN, 8],
    ]);
    setOffset(s, 4);
    expect([tcp(s, 2), tcp(s, 6, 0), tcp(s, 3)]).toEqual([
      ['67', 6],
      ['234567', 0],
      ['89', 2],
    ]);
    setOffset(s, 50);
    expect([tcp(s, 3), tcp(s, 1, 0), tcp(s, 1, 0), tcp(s, 1)]).toEqual([
      [AGAIN, 50],
      ['8', 49],
      ['9', 48],
      [AGAIN, 48],
    ]);
    setOffset(s, -1);
    expect(tcp(s, 1)).toEqual([AGAIN, -1]);
  });

  it('end where the peer has ended, wherever the offset is', () => {
    const { c, s } = listening().pair();
    setOffset(s, 20);
    c.send('x');
    c.fin();
    expect([tcp(s, 3), tcp(s, 100, 0), tcp(s, 3)]).toEqual([
      ['', 20],
      ['x', 19],
      ['', 19],
    ]);
  });

  it('are passed over by MSG_TRUNC without a copy', () => {
    const { c, s } = listening().pair();
    setOffset(s, 2);
    c.send('0123456789');
    expect(s.receive(into, 0, 3, Msg.PEEK | Msg.TRUNC)).toBe(3);
    expect(s.receive(into, 0, 3, Msg.TRUNC)).toBe(3);
    expect(tcp(s, 3)).toEqual(['567', 5]);
  });

  it('step over the urgent byte, and the offset falls behind by it', () => {
    const { c, s } = listening().pair();
    setOffset(s, 0);
    c.send('abc');
    c.segment({ flags: 0x38, urgent: 1 }, 'U');
    c.seq += 1;
    c.send('def');
    expect([10, 10, 10, 10].map((n) => tcp(s, n))).toEqual([
      ['abc', 3],
      ['def', 6],
      ['f', 7],
      [AGAIN, 7],
    ]);
    expect([tcp(s, 10, 0), tcp(s, 10), tcp(s, 10, 0), tcp(s, 10)]).toEqual([
      ['abc', 4],
      [AGAIN, 4],
      ['def', 1],
      [AGAIN, 1],
    ]);
  });

  it('inherit the offset of their listener', () => {
    const w = listening({ prepare: (l) => setOffset(l, 3) });
    const { c, s } = w.pair();
    c.send('0123456789');
    expect(tcp(s, 4)).toEqual(['3456', 7]);
    expect(offset(w.listener)).toEqual({ value: 3 });
  });
});

describe('datagrams', () => {
  const arrive = (...data: readonly string[]) => {
    for (const d of data) peer.sendUdp({ sport: 5001, dport: 6000 }, d);
    settle();
  };

  it('are peeked one after the other, one without bytes once', () => {
    const s = open(6000);
    setOffset(s, 0);
    arrive('0123456789', 'abcde', '', 'XYZ');
    const got = [4, 4, 4, 4, 4, 4, 4, 4].map((n) => udp(s, n));
    expect(got).toEqual([
      ['0123', 4],
      ['4567', 8],
      ['89', 10],
      ['abcd', 14],
      ['e', 15],
      ['', 15],
      ['XYZ', 18],
      [AGAIN, 18],
    ]);
    setOffset(s, 12);
    expect(udp(s, 2)).toEqual(['cd', 14]);
    setOffset(s, 3);
    expect(s.receiveFrom(into, 0, 2, Msg.PEEK | Msg.TRUNC, info)).toBe(10);
    expect(offset(s)).toEqual({ value: 13 });
    expect([udp(s, 100, 0), udp(s, 100), udp(s, 2, 0)]).toEqual([
      ['0123456789', 3],
      ['de', 5],
      ['ab', 3],
    ]);
    expect(udp(s, 100)).toEqual([AGAIN, 3]);
    expect([udp(s, 100, 0), udp(s, 100, 0), udp(s, 100, 0)]).toEqual([
      ['', 3],
      ['XYZ', 0],
      [AGAIN, 0],
    ]);
  });

  it('that come later are seen behind the one without bytes', () => {
    const s = open(6000);
    setOffset(s, 0);
    arrive('');
    expect(udp(s, 4)).toEqual(['', 0]);
    arrive('q');
    expect([udp(s, 4), udp(s, 4)]).toEqual([
      ['q', 1],
      [AGAIN, 1],
    ]);
    setOffset(s, 5);
    expect(udp(s, 4)).toEqual([AGAIN, 5]);
  });

  it('peeked with an offset tell what is left out', () => {
    const s = open(6000);
    setOffset(s, 4);
    arrive('0123456789');
    s.receiveFrom(into, 0, 3, Msg.PEEK, info);
    expect([info.flags & Msg.TRUNC, info.length]).toEqual([Msg.TRUNC, 10]);
  });
});

describe('SO_COOKIE', () => {
  const cookie = (s: SocketBase) => {
    const r = value(s as UdpSocket, Level.SOCKET, So.COOKIE);
    return 'value' in r && r.value instanceof Uint8Array ? new DataView(r.value.buffer).getBigUint64(0, true) : null;
  };

  it('is a socket’s own for as long as it lives, and nobody else’s', () => {
    const sockets = [host.stack.tcp(4), host.stack.udp(4), host.stack.tcp(4), host.stack.udp(4)];
    const cookies = sockets.map(cookie);
    expect(new Set(cookies).size).toBe(4);
    expect(cookies).not.toContain(0n);
    expect(sockets.map(cookie)).toEqual(cookies);
    expect(sockets[0]!.setOption(Level.SOCKET, So.COOKIE, 1)).toBe(-Errno.ENOPROTOOPT);
  });
});
