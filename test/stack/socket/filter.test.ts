/**
 * SO_ATTACH_FILTER. What programs are refused, what others leave of a datagram of 60 times 'A' and which counters move was seen on a Linux 6.18
 * kernel over loopback (there ifindex 1 and ARPHRD_LOOPBACK, here 2 and ARPHRD_ETHER).
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { Info } from '../../../mib/ledger/layout.js';
import { IpAddress } from '../../../stack/core/address.js';
import { Errno } from '../../../stack/core/errno.js';
import { Level, So, UdpOpt } from '../../../stack/socket/socket.js';
import { AD_OFF, type Instruction, LL_OFF, NET_OFF, program, RET_A, ret } from '../../support/bpf.js';
import { TcpFlag } from '../../support/frames.js';
import { expectSums, LedgerWatch } from '../../support/ledger.js';
import { listening } from '../../support/listening.js';
import { Simulation } from '../../support/simulation.js';
import { linkKinds } from '../../support/super-link.js';
import { fresh, host, info, into, open, peer, read, settle, text, value, watch } from '../udp/fixture.js';

beforeEach(fresh);

const attach = (s: { setOption: (l: number, n: number, v: Uint8Array) => number }, ...p: readonly Instruction[]) =>
  s.setOption(Level.SOCKET, So.ATTACH_FILTER, program(...p));
const ld = (k: number): Instruction => [0x00, 0, 0, k];
const ldx = (k: number): Instruction => [0x01, 0, 0, k];
const word = (k: number): Instruction => [0x20, 0, 0, k];
const half = (k: number): Instruction => [0x28, 0, 0, k];
const byte = (k: number): Instruction => [0x30, 0, 0, k];

describe('what a kernel takes', () => {
  const many = (n: number): Instruction[] => [...Array.from({ length: n - 1 }, () => ld(1)), ret(1)];
  const cases: readonly (readonly [string, number, readonly Instruction[]])[] = [
    ['no instruction', 22, []],
    ['no return', 22, [ld(1)]],
    ['a jump beyond the end', 22, [[0x05, 0, 0, 1], ret(1)]],
    ['a branch beyond the end', 22, [[0x15, 1, 0, 1], ret(1)]],
    ['a jump back', 22, [[0x05, 0, 0, 0xffffffff], ret(1)]],
    ['a division by 0', 22, [[0x34, 0, 0, 0], ret(1)]],
    ['a remainder of 0', 22, [[0x94, 0, 0, 0], ret(1)]],
    ['a shift by 32', 22, [[0x64, 0, 0, 32], ret(1)]],
    ['a shift by 31', 0, [[0x74, 0, 0, 31], ret(1)]],
    ['word 16 of memory', 22, [[0x60, 0, 0, 16], ret(1)]],
    ['memory that nobody wrote', 22, [[0x60, 0, 0, 3], ret(1)]],
    ['memory that was written', 0, [[0x02, 0, 0, 3], [0x60, 0, 0, 3], ret(1)]],
    ['memory written on one way of two', 22, [[0x15, 0, 1, 1], [0x02, 0, 0, 3], [0x60, 0, 0, 3], ret(1)]],
    ['memory written by X', 0, [[0x03, 0, 0, 15], [0x61, 0, 0, 15], ret(1)]],
    ['an unknown code', 22, [[0xff, 0, 0, 0], ret(1)]],
    ['a return of X', 22, [[0x0e, 0, 0, 0]]],
    ['a return of A', 0, [RET_A]],
    ['a negation', 0, [[0x84, 0, 0, 0], ret(1)]],
    ['exclusive or', 0, [[0xa4, 0, 0, 7], [0xac, 0, 0, 0], ret(1)]],
    ['the header length', 0, [[0xb1, 0, 0, 0], ret(1)]],
    ['the length into X', 0, [[0x81, 0, 0, 0], ret(1)]],
    ['a byte into X', 22, [[0x31, 0, 0, 0], ret(1)]],
    ['A to X and back', 0, [[0x07, 0, 0, 0], [0x87, 0, 0, 0], ret(1)]],
    ['JSET with X', 0, [[0x4d, 0, 0, 0], ret(1)]],
    ['a fact that is none', 22, [byte(AD_OFF + 200), ret(1)]],
    ['the last fact', 0, [byte(AD_OFF + 60), ret(1)]],
    ['one behind the last fact', 22, [word(AD_OFF + 64), ret(1)]],
    ['a load at X, with the offset of a fact', 0, [[0x50, 0, 0, AD_OFF + 4], ret(1)]],
    ['4096 instructions', 0, many(4096)],
    ['4097 instructions', 22, many(4097)],
  ];
  for (const [name, errno, p] of cases) it(name, () => expect(attach(open(), ...p)).toBe(-errno + 0));
});

describe('what a program leaves', () => {
  /** A, modulo 32, as the length of what can be read; null: dropped. */
  const cases: readonly (readonly [string, number | null, readonly Instruction[]])[] = [
    ['a constant', 7, [ld(7)]],
    ['a division by an X of 0', null, [ld(9), ldx(0), [0x3c, 0, 0, 0]]],
    ['a remainder of an X of 0', null, [ld(9), ldx(0), [0x9c, 0, 0, 0]]],
    ['left by X = 33', 2, [ld(1), ldx(33), [0x6c, 0, 0, 0]]],
    ['right by X = 33', 4, [ld(8), ldx(33), [0x7c, 0, 0, 0]]],
    ['the protocol', 8, [word(AD_OFF), [0x74, 0, 0, 8]]],
    ['the packet type', 0, [word(AD_OFF + 4)]],
    ['the interface', 2, [word(AD_OFF + 8)]],
    ['the hardware type', 1, [word(AD_OFF + 28)]],
    ['the mark', 0, [word(AD_OFF + 20)]],
    ['the payload offset', 8, [word(AD_OFF + 52)]],
    ['A xor X', 6, [ld(5), ldx(3), word(AD_OFF + 40)]],
    ['the VLAN', 0, [word(AD_OFF + 44)]],
    ['the IP header', 5, [byte(NET_OFF)]],
    ['the IP protocol', 17, [byte(NET_OFF + 9)]],
    [
      'the IP header length',
      20,
      [
        [0xb1, 0, 0, NET_OFF],
        [0x87, 0, 0, 0],
      ],
    ],
    ['the EtherType', 8, [half(LL_OFF + 12), [0x74, 0, 0, 8]]],
    ['before the network header', null, [byte(NET_OFF - 1)]],
    [
      'a nibble of the text',
      4,
      [
        [0xb1, 0, 0, 8],
        [0x87, 0, 0, 0],
      ],
    ],
    ['half a word', 1, [half(8)]],
    ['at X', 1, [ldx(4), [0x50, 0, 0, 4]]],
    ['at a negative X', 1, [ldx(0xffffffff), [0x50, 0, 0, 9]]],
    ['a fact at X', null, [ldx(4), [0x50, 0, 0, AD_OFF + 4]]],
    ['the last byte', 1, [byte(67)]],
    ['behind the last byte', null, [byte(68)]],
    ['a word that ends behind it', null, [word(65)]],
    ['memory', 6, [ld(6), [0x02, 0, 0, 2], ld(1), [0x60, 0, 0, 2]]],
    ['a netlink attribute', 0, [ld(0), ldx(0), word(AD_OFF + 12)]],
    ['minus 1', 31, [ld(1), [0x84, 0, 0, 0]]],
    ['a product', 4, [ld(0x10001), [0x24, 0, 0, 0x10003], [0x74, 0, 0, 16]]],
    ['common bits', 6, [ld(6), [0x45, 1, 0, 4], ld(1)]],
    ['unsigned comparison', 3, [ld(0xffffffff), [0x25, 0, 1, 1], ld(3)]],
  ];
  for (const [name, left, p] of cases) {
    it(name, () => {
      const s = open(6000);
      expect(attach(s, ...p, [0x54, 0, 0, 31], [0x04, 0, 0, 8], RET_A)).toBe(0);
      peer.sendUdp({ sport: 5001, dport: 6000 }, 'A'.repeat(60));
      settle();
      expect(read(s)).toBe(left ?? -Errno.EAGAIN);
    });
  }
});

describe('datagrams', () => {
  const hello = (n = 5) => {
    peer.sendUdp({ sport: 5001, dport: 6000 }, 'hello'.slice(0, n));
    settle();
  };

  it('that are refused are InErrors and the drop of the socket', () => {
    const s = open(6000);
    attach(s, ret(0));
    watch.delta();
    hello();
    const moved = watch.delta();
    expect(moved['Udp.InErrors']).toBe(1);
    expect(Object.keys(moved).filter((n) => n.startsWith('Udp.'))).toEqual(['Udp.InErrors']);
    expect(host.ledger.cells[host.ledger.rowAt(s.owner.row) + Info.drops]).toBe(1);
    expect(read(s)).toBe(-Errno.EAGAIN);
    expectSums(host.ledger);
  });

  it('are cut behind their header', () => {
    const s = open(6000);
    for (const [keep, left] of [
      [3, ''],
      [8, ''],
      [10, 'he'],
      [12, 'hell'],
      [13, 'hello'],
      [0x80000000, 'hello'],
    ] as const) {
      expect(attach(s, ret(keep))).toBe(0);
      hello();
      expect(text(read(s))).toBe(left);
    }
  });

  it('are chosen by their length, header included', () => {
    const s = open(6000);
    attach(s, [0x80, 0, 0, 0], [0x35, 0, 1, 13], ret(0xffff), ret(0));
    hello(4);
    hello(5);
    expect(read(s)).toBe(5);
    expect(read(s)).toBe(-Errno.EAGAIN);
  });

  it('with a wrong checksum are found before the program runs', () => {
    const s = open(6000);
    attach(s, ret(0));
    watch.delta();
    peer.sendUdp({ sport: 5001, dport: 6000, badSum: 1 }, 'x'.repeat(200));
    settle();
    const moved = watch.delta();
    expect([moved['Udp.InErrors'], moved['Udp.InCsumErrors']]).toEqual([1, 1]);
  });

  it.each([false, true])(
    'of a super-frame are looked at one by one, each with its header (UDP_GRO: all together), gro %s',
    (gro) => {
      const sim = new Simulation(1);
      const wire = sim.wire({ features: linkKinds.whole });
      const a = sim.host(wire.a, { offloads: true });
      const b = sim.host(wire.b, { mac: '02:00:00:00:00:02', addresses: ['10.99.0.2/24'], offloads: true });
      const from = a.stack.udp(4);
      const to = b.stack.udp(4);
      to.bind(null, 9);
      to.setOption(Level.UDP, UdpOpt.GRO, gro ? 1 : 0);
      attach(to, half(4), [0x15, 0, 1, 12], ret(0xffff), ret(0)); // those whose header says 12 octets
      from.connect(IpAddress.from('10.99.0.2'), 9);
      const received = new LedgerWatch(b.ledger);
      from.sendTo(new TextEncoder().encode('abcdefghijABCDEFGHIJwxyz'), 0, 24, 0, null, 10);
      sim.pass(1000);
      const got = to.receiveFrom(into, 0, 100, 0, info);
      expect(gro ? got : text(got)).toBe(gro ? -Errno.EAGAIN : 'wxyz');
      expect(received.delta()['Udp.InErrors']).toBe(gro ? 1 : 2);
    },
  );

  it('filters are given back, taken away, and locked for good', () => {
    const s = open(6000);
    expect(s.setOption(Level.SOCKET, So.DETACH_FILTER, 0)).toBe(-Errno.ENOENT);
    expect(attach(s, ret(1))).toBe(0);
    expect(value(s, Level.SOCKET, So.ATTACH_FILTER)).toEqual({ value: program(ret(1)) });
    expect(s.setOption(Level.SOCKET, So.DETACH_FILTER, 0)).toBe(0);
    attach(s, ret(1));
    expect(s.setOption(Level.SOCKET, So.LOCK_FILTER, 1)).toBe(0);
    expect(attach(s, ret(0))).toBe(-Errno.EPERM);
    expect(s.setOption(Level.SOCKET, So.DETACH_FILTER, 0)).toBe(-Errno.EPERM);
    expect(s.setOption(Level.SOCKET, So.LOCK_FILTER, 0)).toBe(-Errno.EPERM);
  });
});

describe('segments', () => {
  it('that are refused are dropped without a TCP counter, and retransmission finds the filter gone', () => {
    const w = listening();
    const { c, s } = w.pair();
    expect(attach(s, ret(0))).toBe(0);
    c.send('hello');
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1 });
    expect(w.host.ledger.cells[w.host.ledger.rowAt(s.connection!.owner.row) + Info.drops]).toBe(1);
    expect(s.readable()).toBe(0);
    s.setOption(Level.SOCKET, So.DETACH_FILTER, 0);
    c.seq -= 5;
    c.send('hello');
    expect(s.readable()).toBe(5);
  });

  it('lose text, and are acknowledged for what is left', () => {
    const w = listening();
    const { c, s } = w.pair();
    attach(s, ret(20 + 3));
    c.send('abcdefgh');
    w.sim.pass(300_000);
    expect(s.readable()).toBe(3);
    expect(c.segment({ flags: TcpFlag.ACK, seq: c.seq + 100_000 })[0]!.ack).toBe((c.seq - 5) >>> 0);
  });

  it('are seen from the TCP header on', () => {
    const w = listening();
    const { c, s } = w.pair(40001);
    attach(s, half(0), [0x15, 0, 1, 40001], ret(0xffffffff), ret(0));
    c.send('hi');
    expect(s.readable()).toBe(2);
  });

  it('a listener refuses by its filter; what it has accepted inherits it', () => {
    const w = listening({ prepare: (l) => attach(l, ret(0xffffffff)) });
    const { s } = w.pair();
    expect(s.getOption(Level.SOCKET, So.ATTACH_FILTER)).toEqual({ value: program(ret(0xffffffff)) });
    attach(w.listener, ret(0));
    w.client(40002).syn();
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1 });
  });
});
