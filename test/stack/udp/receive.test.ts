/** UDP sockets: receiving, readiness, errors from ICMP, groups; UDP-Lite and ping sockets. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Col, Info } from '../../../mib/ledger/layout.js';
import { Errno } from '../../../stack/core/errno.js';
import { IpOpt, Level, Msg, Poll, Shutdown, So, UdpOpt } from '../../../stack/socket/socket.js';
import { truesize } from '../../../stack/udp/datagram-queue.js';
import { bytes, filler, groupMac, ipv4, Proto, udp } from '../../support/frames.js';
import { expectSums } from '../../support/ledger.js';
import { fresh, host, info, into, open, PEER, peer, read, send, settle, text, to, value, watch } from './fixture.js';

beforeEach(fresh);

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
    const fits = 2;
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

  it('charges what Linux 6.18 charges: measured on a veth', () => {
    const of = (payload: number) => truesize(payload + 28);
    expect([of(0), of(198), of(199), of(646), of(647), of(1472)]).toEqual([832, 832, 1280, 1280, 2304, 2304]);
    // A reassembled datagram is charged for every fragment.
    expect(of(2 * 1480 + 1 - 8)).toBe(2 * 2304 + 832);
  });

  it('room comes back in lots of a quarter of SO_RCVBUF: a full queue that is read one by one stays full for a while', () => {
    const s = open(6000);
    s.setOption(Level.SOCKET, So.RCVBUF, 20000);
    for (let i = 0; i < 60; i++) peer.sendUdp({ sport: 5001, dport: 6000 }, 'x');
    settle();
    for (let i = 0; i < 12; i++) {
      expect(read(s)).toBe(1);
      peer.sendUdp({ sport: 5001, dport: 6000 }, 'x');
      settle();
    }
    // As the kernel counted it.
    expect(watch.delta()).toEqual({
      'Ip.InReceives': 72,
      'Ip.InDelivers': 72,
      'Udp.InDatagrams': 12,
      'Udp.InErrors': 24,
      'Udp.RcvbufErrors': 24,
      'IpExt.InOctets': 3312,
      'IpExt.InNoECTPkts': 72,
    });
    read(s); // the thirteenth fills the lot: 10 000 bytes are free again
    peer.sendUdp({ sport: 5001, dport: 6000 }, 'x');
    settle();
    expect(watch.delta()['Udp.RcvbufErrors']).toBeUndefined();
  });

  it('holds as many datagrams as the kernel did', () => {
    for (const [payload, buffer, held] of [
      [1, 2000, 4],
      [1400, 0, 1],
      [1400, 3000, 2],
      [300, 5000, 7],
    ] as const) {
      const s = open(6000);
      s.setOption(Level.SOCKET, So.RCVBUF, buffer);
      watch.delta();
      for (let i = 0; i < 40; i++) peer.sendUdp({ sport: 5001, dport: 6000 }, filler(payload));
      settle();
      expect(watch.delta()).toMatchObject({ 'Udp.RcvbufErrors': 40 - held, 'Udp.InErrors': 40 - held });
      s.close();
    }
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
    expect(picky.setOption(Level.IP, IpOpt.MULTICAST_ALL, 0)).toBe(0);
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
    expect(
      peer
        .take()
        .filter((f) => f.kind === 'udp')
        .map((f) => f.ttl),
    ).toEqual([3, 3]);
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
    expect(watch.delta()).toMatchObject({ 'UdpLite.InErrors': 3, 'UdpLite.InCsumErrors': 2 }); // a coverage beyond the end is a wrong length
    s.setOption(Proto.udplite, UdpOpt.RECV_CSCOV, 20);
    peer.sendUdp({ ...f, length: 12 }, filler(20));
    settle();
    const moved = watch.delta();
    expect(moved).toMatchObject({ 'UdpLite.InErrors': 1 });
    expect(moved['UdpLite.InCsumErrors']).toBeUndefined();
    expect(read(s)).toBe(-Errno.EAGAIN);
  });

  it('sends with the coverage it was told', () => {
    const s = lite();
    expect(s.setOption(Proto.udplite, UdpOpt.SEND_CSCOV, 3)).toBe(0);
    expect(value(s, Proto.udplite, UdpOpt.SEND_CSCOV)).toEqual({ value: 8 });
    s.setOption(Proto.udplite, UdpOpt.SEND_CSCOV, 12);
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
