/** UDP sockets: the calls' answers and errors, and what they count. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Col, Info, RowKind } from '../../../mib/ledger/layout.js';
import { ANY4, IpAddress } from '../../../stack/core/address.js';
import { Errno } from '../../../stack/core/errno.js';
import { IpOpt, Level, Msg, Poll, ReceivedFrom, Shutdown, So } from '../../../stack/socket/socket.js';
import { truesize } from '../../../stack/udp/datagram-queue.js';
import { IP_MULTICAST_ALL, SO_NO_CHECK, UdpLiteOpt } from '../../../stack/udp/options.js';
import type { UdpSocket } from '../../../stack/udp/socket.js';
import { bytes, EtherType, ethernet, filler, groupMac, ipv4, Proto, parseFrame, udp } from '../../support/frames.js';
import { expectSums, LedgerWatch, rowCells } from '../../support/ledger.js';
import type { RawPeer } from '../../support/raw-peer.js';
import { type Host, hostAndPeer, type Simulation } from '../../support/simulation.js';

let sim: Simulation;
let host: Host;
let peer: RawPeer;
let watch: LedgerWatch;
const into = new Uint8Array(65536);
const info = new ReceivedFrom();
const PEER = IpAddress.from('10.99.0.2');

beforeEach(() => {
  ({ sim, host, peer } = hostAndPeer());
  watch = new LedgerWatch(host.ledger);
});

const settle = () => sim.pass(10_000);
const open = (port?: number): UdpSocket => {
  const s = host.stack.udpLayer.socket(4);
  if (port !== undefined) expect(s.bind(null, port)).toBe(0);
  return s;
};
const read = (s: UdpSocket, flags = 0) => s.receiveFrom(into, 0, into.length, flags, info);
const text = (n: number) => new TextDecoder().decode(into.subarray(0, n));
const to = (address: string, port: number) => ({ address: IpAddress.from(address), port });
const send = (s: UdpSocket, n: number, where: { address: IpAddress; port: number } | null) => s.sendTo(filler(n), 0, n, 0, where);
const value = (s: UdpSocket, level: number, name: number) => s.getOption(level, name);

describe('names and ports', () => {
  it('binds, shows its name, and a second socket may not have the port', () => {
    const s = open(6000);
    expect(s.localName()).toEqual({ address: ANY4, port: 6000 });
    expect(s.peerName()).toBeNull();
    expect(open().bind(null, 6000)).toBe(-Errno.EADDRINUSE);
    expect(s.bind(null, 6001)).toBe(-Errno.EINVAL);
    s.close();
    expect(open().bind(null, 6000)).toBe(0);
  });

  it('shares a port when both have SO_REUSEADDR, or by different addresses', () => {
    const a = open();
    const b = open();
    for (const s of [a, b]) expect(s.setOption(Level.SOCKET, So.REUSEADDR, 1)).toBe(0);
    expect(a.bind(null, 6000)).toBe(0);
    expect(b.bind(null, 6000)).toBe(0);
    expect(open().bind(null, 6000)).toBe(-Errno.EADDRINUSE);
    expect(open().bind(IpAddress.from('10.99.0.1'), 6001)).toBe(0);
    expect(open().bind(IpAddress.from('127.0.0.1'), 6001)).toBe(0);
    expect(open().bind(null, 6001)).toBe(-Errno.EADDRINUSE);
  });

  it('refuses addresses that are not ours, and takes groups and broadcast', () => {
    expect(open().bind(IpAddress.from('10.99.0.77'), 6000)).toBe(-Errno.EADDRNOTAVAIL);
    expect(open().bind(IpAddress.from('fd99::1'), 6000)).toBe(-Errno.EAFNOSUPPORT);
    expect(open().bind(IpAddress.from('239.1.1.1'), 6000)).toBe(0);
    expect(open().bind(IpAddress.from('10.99.0.255'), 6000)).toBe(0);
    const free = open();
    free.setOption(Level.IP, IpOpt.FREEBIND, 1);
    expect(free.bind(IpAddress.from('10.99.0.77'), 6000)).toBe(0);
  });

  it('takes random ports of the range; an exhausted range is EAGAIN for sending, EADDRINUSE for bind', () => {
    host.stack.env.sysctl.set('ip_local_port_range', '40000 40003');
    const ports = Array.from({ length: 4 }, () => {
      const s = open();
      expect(send(s, 1, to('10.99.0.2', 9))).toBe(1);
      return s.localName()!.port;
    });
    expect([...ports].sort()).toEqual([40000, 40001, 40002, 40003]);
    expect(send(open(), 1, to('10.99.0.2', 9))).toBe(-Errno.EAGAIN);
    expect(open().bind(null, 0)).toBe(-Errno.EADDRINUSE);
  });

  it('has a row from bind to close, with its identity; its cells go to the closed ones', () => {
    const s = open();
    expect(s.owner.row).toBe(-1);
    expect(s.connect(PEER, 5001)).toBe(0);
    const row = s.owner.row;
    const column = (c: number) => host.ledger.ints[host.ledger.headerAt(row) + c]! >>> 0;
    expect(column(Col.kind)).toBe(RowKind.endpoint);
    expect([column(Col.protocol), column(Col.family), column(Col.state)]).toEqual([17, 4, 1]);
    expect([column(Col.localPort), column(Col.remotePort)]).toEqual([s.localName()!.port, 5001]);
    expect([column(Col.local + 3), column(Col.remote + 3)]).toEqual([0x0a630001, 0x0a630002]);
    send(s, 10, null);
    peer.sendUdp({ sport: 5001, dport: s.localName()!.port }, 'hi');
    settle();
    expect(read(s)).toBe(2);
    expect(rowCells(host.ledger, row)).toEqual({
      'Ip.InReceives': 1,
      'Ip.InDelivers': 1,
      'Ip.OutRequests': 1,
      'Ip.OutTransmits': 1,
      'IpExt.InOctets': 46,
      'IpExt.OutOctets': 38,
      'IpExt.InNoECTPkts': 1,
      'Udp.InDatagrams': 1,
      'Udp.OutDatagrams': 1,
    });
    s.close();
    expect(column(Col.kind)).toBe(RowKind.free);
    expectSums(host.ledger);
    s.close();
    expect(read(s)).toBe(-Errno.EBADF);
    expect(send(s, 1, null)).toBe(-Errno.EBADF);
  });
});

describe('connecting', () => {
  it('hears only its peer, and sends without a destination', () => {
    const s = open(6000);
    expect(send(s, 3, null)).toBe(-Errno.EDESTADDRREQ);
    expect(s.connect(PEER, 5001)).toBe(0);
    expect(s.localName()).toEqual(to('10.99.0.1', 6000));
    expect(s.peerName()).toEqual(to('10.99.0.2', 5001));
    peer.sendUdp({ sport: 5002, dport: 6000 }, 'no');
    peer.sendUdp({ sport: 5001, dport: 6000 }, 'yes');
    settle();
    expect(text(read(s))).toBe('yes');
    expect(read(s)).toBe(-Errno.EAGAIN);
    expect(watch.delta()).toMatchObject({ 'Udp.InDatagrams': 1, 'Udp.NoPorts': 1 });
  });

  it('goes to the connected socket before the others on the port', () => {
    const all = open();
    const one = open();
    for (const s of [all, one]) s.setOption(Level.SOCKET, So.REUSEADDR, 1);
    one.bind(null, 6000);
    all.bind(null, 6000);
    one.connect(PEER, 5001);
    peer.sendUdp({ sport: 5001, dport: 6000 }, 'one');
    peer.sendUdp({ sport: 5002, dport: 6000 }, 'all');
    settle();
    expect(text(read(one))).toBe('one');
    expect(text(read(all))).toBe('all');
    expect([read(one), read(all)]).toEqual([-Errno.EAGAIN, -Errno.EAGAIN]);
  });

  it('can be undone: the port stays when it was bound, goes when it was chosen', () => {
    const bound = open(6000);
    bound.connect(PEER, 5001);
    expect(bound.connect(null, 0)).toBe(0);
    expect(bound.localName()).toEqual({ address: ANY4, port: 6000 });
    expect(bound.peerName()).toBeNull();
    const chosen = open();
    chosen.connect(PEER, 5001);
    chosen.connect(null, 0);
    expect(chosen.localName()).toEqual({ address: ANY4, port: 0 });
    expect(chosen.owner.row).toBe(-1);
    expect(send(chosen, 1, to('10.99.0.2', 9))).toBe(1);
    expectSums(host.ledger);
  });

  it('can be changed to another peer', () => {
    const s = open(6000);
    s.connect(PEER, 5001);
    s.connect(PEER, 5002);
    peer.sendUdp({ sport: 5001, dport: 6000 }, 'old');
    peer.sendUdp({ sport: 5002, dport: 6000 }, 'new');
    settle();
    expect(text(read(s))).toBe('new');
    expect(read(s)).toBe(-Errno.EAGAIN);
  });

  it('many connected sockets on one port are told apart', () => {
    const sockets = Array.from({ length: 40 }, (_, i) => {
      const s = open();
      s.setOption(Level.SOCKET, So.REUSEADDR, 1);
      expect(s.bind(null, 6000)).toBe(0);
      expect(s.connect(PEER, 7000 + i)).toBe(0);
      return s;
    });
    for (let i = 0; i < 40; i++) peer.sendUdp({ sport: 7000 + i, dport: 6000 }, `${i}`);
    settle();
    expect(sockets.map((s) => text(read(s)))).toEqual(sockets.map((_, i) => `${i}`));
  });

  it('no route: ENETUNREACH, counted as such', () => {
    const { host: lone } = hostAndPeer({ gateway: undefined });
    const w = new LedgerWatch(lone.ledger);
    const s = lone.stack.udpLayer.socket(4);
    expect(s.connect(IpAddress.from('192.0.2.1'), 9)).toBe(-Errno.ENETUNREACH);
    expect(s.sendTo(filler(1), 0, 1, 0, to('192.0.2.1', 9))).toBe(-Errno.ENETUNREACH);
    expect(w.delta()).toEqual({ 'Ip.OutNoRoutes': 2 });
    expectSums(lone.ledger);
  });
});

describe('sending', () => {
  it('refuses what cannot be sent, without a count', () => {
    const s = open();
    expect(send(s, 1, to('10.99.0.2', 0))).toBe(-Errno.EINVAL);
    expect(s.sendTo(new Uint8Array(65536), 0, 65536, 0, to('10.99.0.2', 9))).toBe(-Errno.EMSGSIZE);
    expect(send(s, 65508, to('10.99.0.2', 9))).toBe(-Errno.EMSGSIZE);
    expect(s.sendTo(filler(1), 0, 1, Msg.OOB, to('10.99.0.2', 9))).toBe(-Errno.EOPNOTSUPP);
    expect(send(s, 1, { address: IpAddress.from('fd99::2'), port: 9 })).toBe(-Errno.EAFNOSUPPORT);
    expect(send(s, 1, to('10.99.0.255', 9))).toBe(-Errno.EACCES);
    expect(send(s, 1, to('255.255.255.255', 9))).toBe(-Errno.EACCES);
    expect(s.connect(IpAddress.from('10.99.0.255'), 9)).toBe(-Errno.EACCES);
    expect(watch.delta()).toEqual({});
  });

  it('sends the largest datagram in 45 fragments, and an empty one', () => {
    const s = open();
    expect(send(s, 65507, to('10.99.0.2', 9))).toBe(65507);
    expect(send(s, 0, to('10.99.0.2', 9))).toBe(0);
    settle();
    expect(watch.delta()).toEqual({
      'Ip.OutRequests': 2,
      'Ip.OutTransmits': 46,
      'Ip.FragOKs': 1,
      'Ip.FragCreates': 45,
      'Udp.OutDatagrams': 2,
      'IpExt.OutOctets': 65515 + 45 * 20 + 28,
    });
    const frames = peer.take();
    expect(frames).toHaveLength(46);
    expect(frames[45]).toMatchObject({ kind: 'udp', dport: 9, sumsGood: true });
    expect(frames[45]!.data).toHaveLength(0);
  });

  it('sets DF by IP_MTU_DISCOVER, and TOS and TTL as told', () => {
    const s = open();
    s.setOption(Level.IP, IpOpt.TOS, 0x10);
    s.setOption(Level.IP, IpOpt.TTL, 7);
    const flags: boolean[] = [];
    for (const mode of [0, 1, 2, 3, 4, 5]) {
      expect(s.setOption(Level.IP, IpOpt.MTU_DISCOVER, mode)).toBe(0);
      expect(send(s, 10, to('10.99.0.2', 9))).toBe(10);
      settle();
      const f = peer.take()[0]!;
      expect(f).toMatchObject({ tos: 0x10, ttl: 7, sumsGood: true });
      flags.push(f.df);
    }
    expect(flags).toEqual([false, true, true, true, false, false]);
    expect(s.setOption(Level.IP, IpOpt.MTU_DISCOVER, 6)).toBe(-Errno.EINVAL);
    expect(s.setOption(Level.IP, IpOpt.TTL, 0)).toBe(-Errno.EINVAL);
    expect(s.setOption(Level.IP, IpOpt.TTL, 256)).toBe(-Errno.EINVAL);
  });

  it('learns the path MTU: then DO refuses, WANT fragments, PROBE does not care', () => {
    const s = open();
    s.connect(PEER, 9);
    s.setOption(Level.IP, IpOpt.MTU_DISCOVER, 2);
    expect(send(s, 1400, null)).toBe(1400);
    settle();
    const sent = peer.take()[0]!;
    peer.sendIcmp(3, 4, bytes([0, 0, 1000 >> 8, 1000 & 255], sent.raw.slice(14, 42)));
    settle();
    expect(send(s, 900, null)).toBe(-Errno.EMSGSIZE); // the pending error, once
    expect(value(s, Level.IP, IpOpt.MTU)).toEqual({ value: 1000 });
    expect(send(s, 1400, null)).toBe(-Errno.EMSGSIZE);
    expect(send(s, 972, null)).toBe(972);
    s.setOption(Level.IP, IpOpt.MTU_DISCOVER, 1);
    watch.delta();
    expect(send(s, 1400, null)).toBe(1400);
    expect(watch.delta()).toMatchObject({ 'Ip.FragCreates': 2, 'Udp.OutDatagrams': 1 });
  });

  it('ENOBUFS when the fragments need more than twice SO_SNDBUF: a SndbufError', () => {
    const s = open();
    expect(s.setOption(Level.SOCKET, So.SNDBUF, 1)).toBe(0);
    expect(value(s, Level.SOCKET, So.SNDBUF)).toEqual({ value: 4608 });
    expect(send(s, 1480 * 5 - 8, to('10.99.0.2', 9))).toBe(1480 * 5 - 8);
    watch.delta();
    expect(send(s, 1480 * 5 - 7, to('10.99.0.2', 9))).toBe(-Errno.ENOBUFS);
    expect(watch.delta()).toEqual({ 'Udp.SndbufErrors': 1 });
  });

  it('sends without a checksum when told to, and never a checksum of 0 otherwise', () => {
    const s = open(6000);
    s.setOption(Level.SOCKET, SO_NO_CHECK, 1);
    send(s, 10, to('10.99.0.2', 9));
    settle();
    const plain = peer.take()[0]!;
    expect([plain.raw[40], plain.raw[41]]).toEqual([0, 0]);
    s.setOption(Level.SOCKET, SO_NO_CHECK, 0);
    // Two bytes that make the sum 0: what the field would have been without them.
    const zero = parseFrame(
      ethernet(
        peer.mac,
        peer.targetMac,
        EtherType.ipv4,
        ipv4(
          { src: peer.target, dst: peer.address, protocol: Proto.udp },
          udp({ src: peer.target, dst: peer.address, sport: 6000, dport: 9 }, Uint8Array.of(0, 0)),
        ),
      ),
    );
    expect(s.sendTo(Uint8Array.of(zero.raw[40]!, zero.raw[41]!), 0, 2, 0, to('10.99.0.2', 9))).toBe(2);
    settle();
    const sent = peer.take()[0]!;
    expect([sent.raw[40], sent.raw[41]]).toEqual([255, 255]);
  });

  it('after shutdown for writing: EPIPE', () => {
    const s = open();
    expect(s.shutdown(Shutdown.WR)).toBe(-Errno.ENOTCONN);
    expect(send(s, 1, to('10.99.0.2', 9))).toBe(-Errno.EPIPE);
  });

  it('to itself, through loopback', () => {
    const a = open(6000);
    const b = open(6001);
    expect(send(b, 5, to('127.0.0.1', 6000))).toBe(5);
    expect(send(b, 6, to('10.99.0.1', 6000))).toBe(6);
    settle();
    expect(read(a)).toBe(5);
    expect(info.address?.toString()).toBe('127.0.0.1');
    expect(read(a)).toBe(6);
    expect(info).toMatchObject({ port: 6001, length: 6 });
    expect(info.address?.toString()).toBe('10.99.0.1');
    expect(peer.take()).toEqual([]);
    expectSums(host.ledger);
  });
});

describe('receiving', () => {
  it('cuts, peeks, tells the sender and the full length', () => {
    const s = open(6000);
    peer.sendUdp({ sport: 5001, dport: 6000 }, 'abcdef');
    settle();
    expect(s.readable()).toBe(6);
    expect(s.receiveFrom(into, 0, 3, Msg.PEEK, info)).toBe(3);
    expect(watch.delta()['Udp.InDatagrams']).toBeUndefined();
    expect(s.receiveFrom(into, 0, 3, Msg.TRUNC, info)).toBe(6);
    expect(text(3)).toBe('abc');
    expect(info).toMatchObject({ port: 5001, length: 6, flags: Msg.TRUNC });
    expect(info.address?.toString()).toBe('10.99.0.2');
    expect(read(s)).toBe(-Errno.EAGAIN);
    expect(watch.delta()['Udp.InDatagrams']).toBe(1);
  });

  it('gives the same address object for the same sender: reading makes no garbage', () => {
    const s = open(6000);
    for (let i = 0; i < 2; i++) peer.sendUdp({ sport: 5001, dport: 6000 }, 'x');
    settle();
    read(s);
    const first = info.address;
    read(s);
    expect(info.address).toBe(first);
  });

  it('a wrong checksum of a large datagram is found when it is read, or when poll looks at it', () => {
    const s = open(6000);
    for (const port of [6000, 6000, 6001]) peer.sendUdp({ sport: 5001, dport: port, badSum: 4 }, filler(200));
    settle();
    expect(watch.delta()).toMatchObject({ 'Udp.InErrors': 1, 'Udp.InCsumErrors': 1 }); // port 6001 has no socket
    expect(read(s)).toBe(-Errno.EAGAIN);
    expect(watch.delta()).toEqual({ 'Udp.InErrors': 2, 'Udp.InCsumErrors': 2 });
    peer.sendUdp({ sport: 5001, dport: 6000, badSum: 4 }, filler(200));
    settle();
    watch.delta();
    expect(s.poll() & Poll.IN).toBe(0);
    expect(watch.delta()).toEqual({ 'Udp.InErrors': 1, 'Udp.InCsumErrors': 1 });
    expect(host.ledger.cells[host.ledger.rowAt(s.owner.row) + Info.drops]).toBe(3);
  });

  it('SO_RCVBUF limits by true sizes: what does not fit is a RcvbufError', () => {
    const s = open(6000);
    s.setOption(Level.SOCKET, So.RCVBUF, 0);
    expect(value(s, Level.SOCKET, So.RCVBUF)).toEqual({ value: 2304 });
    const fits = Math.floor(2304 / truesize(29));
    expect(fits).toBe(3);
    for (let i = 0; i < fits + 2; i++) peer.sendUdp({ sport: 5001, dport: 6000 }, 'x');
    settle();
    expect(watch.delta()).toMatchObject({ 'Udp.RcvbufErrors': 2, 'Udp.InErrors': 2 });
    let n = 0;
    while (read(s) >= 0) n++;
    expect(n).toBe(fits);
    peer.sendUdp({ sport: 5001, dport: 6000 }, filler(1400));
    settle();
    expect(read(s)).toBe(1400); // an empty queue takes any datagram
    expect(host.ledger.ints[host.ledger.headerAt(s.owner.row) + Col.recvQ]).toBe(0);
  });

  it('udp_mem limits all sockets together: MemErrors', () => {
    host.stack.env.sysctl.set('udp_mem', '1 1 2');
    const a = open(6000);
    for (let i = 0; i < 12; i++) peer.sendUdp({ sport: 5001, dport: 6000 }, filler(1000));
    settle();
    const held = Math.max(Math.ceil(4096 / truesize(1028)), Math.floor(8192 / truesize(1028)));
    expect(watch.delta()).toMatchObject({ 'Udp.MemErrors': 12 - held, 'Udp.InErrors': 12 - held });
    a.close();
    expect(host.stack.udpLayer.memory).toBe(0);
  });

  it('reassembled datagrams are charged for every fragment', () => {
    expect(truesize(1500)).toBe(2304);
    expect(truesize(29)).toBe(768);
    expect(truesize(2960 + 20)).toBeGreaterThan(2 * 2304);
  });
});

describe('readiness', () => {
  it('calls when datagrams or errors come, and only then', () => {
    const s = open(6000);
    const calls: number[] = [];
    s.onReady = (bits) => calls.push(bits);
    expect(s.poll()).toBe(Poll.OUT);
    peer.sendUdp({ sport: 5001, dport: 6000 }, 'a');
    peer.sendUdp({ sport: 5001, dport: 6000 }, 'b');
    settle();
    expect(calls).toEqual([Poll.IN]);
    expect(s.poll()).toBe(Poll.IN | Poll.OUT);
    while (read(s) >= 0);
    peer.sendUdp({ sport: 5001, dport: 6000 }, 'c');
    settle();
    expect(calls).toEqual([Poll.IN, Poll.IN]);
    read(s);
    expect(s.connect(PEER, 5001)).toBe(0);
    expect(s.shutdown(Shutdown.RD)).toBe(0);
    expect(calls.at(-1)).toBe(Poll.IN | Poll.RDHUP);
    expect(s.shutdown(Shutdown.WR)).toBe(0);
    expect(calls.at(-1)).toBe(Poll.HUP);
  });

  it('may be closed by its listener', () => {
    const s = open(6000);
    s.onReady = () => s.close();
    peer.sendUdp({ sport: 5001, dport: 6000 }, 'a');
    peer.sendUdp({ sport: 5001, dport: 6000 }, 'b');
    settle();
    expect(watch.delta()).toMatchObject({ 'Udp.NoPorts': 1 });
    expectSums(host.ledger);
  });

  it('hard errors reach connected sockets once, soft ones and unconnected sockets only with IP_RECVERR', () => {
    const connected = open(6000);
    connected.connect(PEER, 5001);
    const loose = open(6001);
    const quote = (sport: number) => udp({ src: peer.target, dst: peer.address, sport, dport: 5001 }, filler(4));
    const error = (type: number, code: number, sport: number) =>
      peer.sendIcmp(
        type,
        code,
        bytes([0, 0, 0, 0], ipv4({ src: peer.target, dst: peer.address, protocol: Proto.udp }, quote(sport))),
      );
    error(3, 3, 6001);
    error(11, 0, 6000);
    settle();
    expect([read(connected), read(loose)]).toEqual([-Errno.EAGAIN, -Errno.EAGAIN]);
    error(3, 3, 6000);
    settle();
    expect(connected.poll() & Poll.ERR).toBe(Poll.ERR);
    expect(value(connected, Level.SOCKET, So.ERROR)).toEqual({ value: Errno.ECONNREFUSED });
    expect(value(connected, Level.SOCKET, So.ERROR)).toEqual({ value: 0 });
    error(3, 3, 6000);
    settle();
    expect(send(connected, 1, null)).toBe(-Errno.ECONNREFUSED);
    expect(send(connected, 1, null)).toBe(1);
    loose.setOption(Level.IP, IpOpt.RECVERR, 1);
    error(11, 0, 6001);
    settle();
    expect(read(loose)).toBe(-Errno.EHOSTUNREACH);
  });
});

describe('groups and broadcast', () => {
  const mreq = (group: string) => bytes(group.split('.').map(Number), [0, 0, 0, 0]);

  it('a joined group is heard; a left one is not', () => {
    const s = open(6000);
    const cast = () => {
      peer.sendUdp({ sport: 5001, dport: 6000, dst: '239.1.2.3' }, 'x', groupMac('239.1.2.3'));
      settle();
      return read(s);
    };
    expect(cast()).toBe(-Errno.EAGAIN);
    expect(s.setOption(Level.IP, IpOpt.ADD_MEMBERSHIP, mreq('10.0.0.1'))).toBe(-Errno.EINVAL);
    expect(s.setOption(Level.IP, IpOpt.ADD_MEMBERSHIP, mreq('239.1.2.3'))).toBe(0);
    expect(s.setOption(Level.IP, IpOpt.ADD_MEMBERSHIP, mreq('239.1.2.3'))).toBe(-Errno.EADDRINUSE);
    expect(cast()).toBe(1);
    expect(s.setOption(Level.IP, IpOpt.DROP_MEMBERSHIP, mreq('239.1.2.3'))).toBe(0);
    expect(s.setOption(Level.IP, IpOpt.DROP_MEMBERSHIP, mreq('239.1.2.3'))).toBe(-Errno.EADDRNOTAVAIL);
    expect(cast()).toBe(-Errno.EAGAIN);
  });

  it('closing leaves the groups', () => {
    const s = open(6000);
    s.setOption(Level.IP, IpOpt.ADD_MEMBERSHIP, mreq('239.1.2.3'));
    s.close();
    const t = open(6000);
    peer.sendUdp({ sport: 5001, dport: 6000, dst: '239.1.2.3' }, 'x', groupMac('239.1.2.3'));
    settle();
    expect(read(t)).toBe(-Errno.EAGAIN);
  });

  it('every socket on the port gets a copy, but not one that hears only its own groups', () => {
    const member = open();
    const other = open();
    const picky = open();
    for (const s of [member, other, picky]) {
      s.setOption(Level.SOCKET, So.REUSEADDR, 1);
      s.bind(null, 6000);
    }
    expect(picky.setOption(Level.IP, IP_MULTICAST_ALL, 0)).toBe(0);
    member.setOption(Level.IP, IpOpt.ADD_MEMBERSHIP, mreq('239.1.2.3'));
    watch.delta();
    peer.sendUdp({ sport: 5001, dport: 6000, dst: '239.1.2.3' }, 'x', groupMac('239.1.2.3'));
    settle();
    expect([read(member), read(other), read(picky)]).toEqual([1, 1, -Errno.EAGAIN]);
    expect(watch.delta()).toMatchObject({ 'Ip.InReceives': 1, 'Ip.InDelivers': 1, 'Udp.InDatagrams': 2 });
    expectSums(host.ledger);
  });

  it('a broadcast that nobody hears is IgnoredMulti, without an ICMP error', () => {
    peer.sendUdp({ sport: 5001, dport: 6666, dst: '10.99.0.255' }, 'x', 'ff:ff:ff:ff:ff:ff');
    settle();
    expect(watch.delta()).toMatchObject({ 'Udp.IgnoredMulti': 1, 'Ip.InDelivers': 1 });
    expect(peer.take()).toEqual([]);
  });

  it('own multicasts come back when joined, unless IP_MULTICAST_LOOP is off', () => {
    const s = open(6000);
    s.setOption(Level.IP, IpOpt.ADD_MEMBERSHIP, mreq('239.1.2.3'));
    s.setOption(Level.IP, IpOpt.MULTICAST_TTL, 3);
    send(s, 4, to('239.1.2.3', 6000));
    settle();
    expect(read(s)).toBe(4);
    s.setOption(Level.IP, IpOpt.MULTICAST_LOOP, 0);
    send(s, 4, to('239.1.2.3', 6000));
    settle();
    expect(read(s)).toBe(-Errno.EAGAIN);
    expect(peer.take().map((f) => f.ttl)).toEqual([3, 3]);
  });
});

describe('UDP-Lite', () => {
  const lite = () => host.stack.udpLiteLayer.socket(4);
  it('partial coverage: damage behind it does no harm, damage inside is found when read', () => {
    const s = lite();
    s.bind(null, 6000);
    const f = { src: peer.address, dst: peer.target, sport: 5001, dport: 6000, protocol: Proto.udplite, length: 12 };
    const good = udp(f, filler(20));
    good[20]! ^= 1;
    const bad = udp(f, filler(20));
    bad[10]! ^= 1;
    for (const d of [good, bad]) peer.sendIp(d, { protocol: Proto.udplite });
    settle();
    expect(read(s)).toBe(20);
    expect(read(s)).toBe(-Errno.EAGAIN);
    expect(watch.delta()).toMatchObject({ 'UdpLite.InDatagrams': 1, 'UdpLite.InErrors': 1, 'UdpLite.InCsumErrors': 1 });
  });

  it('no checksum, an illegal coverage, and less coverage than asked for are errors', () => {
    const s = lite();
    s.bind(null, 6000);
    const f = { sport: 5001, dport: 6000, protocol: Proto.udplite };
    peer.sendUdp({ ...f, checksum: 0 }, filler(20));
    peer.sendUdp({ ...f, length: 5 }, filler(20));
    peer.sendUdp({ ...f, length: 100 }, filler(20));
    settle();
    expect(watch.delta()).toMatchObject({ 'UdpLite.InErrors': 3, 'UdpLite.InCsumErrors': 3 });
    s.setOption(Proto.udplite, UdpLiteOpt.RECV_CSCOV, 20);
    peer.sendUdp({ ...f, length: 12 }, filler(20));
    settle();
    const moved = watch.delta();
    expect(moved).toMatchObject({ 'UdpLite.InErrors': 1 });
    expect(moved['UdpLite.InCsumErrors']).toBeUndefined();
    expect(read(s)).toBe(-Errno.EAGAIN);
  });

  it('sends with the coverage it was told', () => {
    const s = lite();
    expect(s.setOption(Proto.udplite, UdpLiteOpt.SEND_CSCOV, 3)).toBe(0);
    expect(value(s, Proto.udplite, UdpLiteOpt.SEND_CSCOV)).toEqual({ value: 8 });
    s.setOption(Proto.udplite, UdpLiteOpt.SEND_CSCOV, 12);
    expect(send(s, 20, to('10.99.0.2', 9))).toBe(20);
    settle();
    const sent = peer.take()[0]!;
    const expected = udp(
      { src: peer.target, dst: peer.address, sport: s.localName()!.port, dport: 9, protocol: Proto.udplite, length: 12 },
      filler(20),
    );
    expect([...sent.raw.slice(34, 34 + 28)]).toEqual([...expected]);
  });
});

describe('ping sockets', () => {
  it('send echo requests only, and are told of errors', () => {
    const s = host.stack.ping(4);
    const request = Uint8Array.from([8, 0, 0, 0, 0, 0, 0, 1]);
    expect(s.sendTo(Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 1]), 0, 8, 0, to('10.99.0.2', 0))).toBe(-Errno.EINVAL);
    expect(s.sendTo(request, 0, 7, 0, to('10.99.0.2', 0))).toBe(-Errno.EINVAL);
    expect(s.connect(PEER, 0)).toBe(0);
    expect(s.sendTo(request, 0, 8, 0, null)).toBe(8);
    settle();
    const sent = peer.take()[0]!;
    peer.sendIcmp(3, 1, bytes([0, 0, 0, 0], sent.raw.slice(14, 42)));
    settle();
    expect(s.receiveFrom(into, 0, 100, 0, info)).toBe(-Errno.EAGAIN); // host unreachable is soft
    s.setOption(Level.IP, IpOpt.RECVERR, 1);
    peer.sendIcmp(3, 1, bytes([0, 0, 0, 0], sent.raw.slice(14, 42)));
    settle();
    expect(s.receiveFrom(into, 0, 100, 0, info)).toBe(-Errno.EHOSTUNREACH);
    s.close();
    expectSums(host.ledger);
  });
});
