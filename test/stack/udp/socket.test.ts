/** UDP sockets: names, connecting and sending; the calls' answers and errors, and what they count. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Col, RowKind } from '../../../mib/ledger/layout.js';
import { ANY4, IpAddress } from '../../../stack/core/address.js';
import { Errno } from '../../../stack/core/errno.js';
import { Ip6Opt, IpOpt, Level, Msg, Shutdown, So } from '../../../stack/socket/socket.js';
import { bytes, EtherType, ethernet, filler, ipv4, Proto, parseFrame, udp } from '../../support/frames.js';
import { expectSums, LedgerWatch, rowCells } from '../../support/ledger.js';
import { hostAndPeer } from '../../support/simulation.js';
import { fresh, host, info, open, PEER, peer, read, send, settle, text, to, value, watch } from './fixture.js';

beforeEach(fresh);

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
    s.setOption(Level.IP, IpOpt.MTU_DISCOVER, 3);
    expect(send(s, 1400, null)).toBe(1400);
    expect(watch.delta()).toEqual({
      'Ip.OutRequests': 1,
      'Ip.OutTransmits': 1,
      'IpExt.OutOctets': 1428,
      'Udp.OutDatagrams': 1,
    });
  });

  it('ENOBUFS when the fragments need more than twice SO_SNDBUF: a SndbufError', () => {
    const s = open();
    expect(s.setOption(Level.SOCKET, So.SNDBUF, 1)).toBe(0);
    expect(value(s, Level.SOCKET, So.SNDBUF)).toEqual({ value: 4608 });
    expect(send(s, 1480 * 4 - 8, to('10.99.0.2', 9))).toBe(1480 * 4 - 8);
    watch.delta();
    expect(send(s, 1480 * 4 - 7, to('10.99.0.2', 9))).toBe(-Errno.ENOBUFS);
    expect(watch.delta()).toEqual({ 'Udp.SndbufErrors': 1, 'Ip.OutDiscards': 1 });
  });

  it('sends without a checksum when told to, and never a checksum of 0 otherwise', () => {
    const s = open(6000);
    s.setOption(Level.SOCKET, So.NO_CHECK, 1);
    send(s, 10, to('10.99.0.2', 9));
    settle();
    const plain = peer.take()[0]!;
    expect([plain.raw[40], plain.raw[41]]).toEqual([0, 0]);
    s.setOption(Level.SOCKET, So.NO_CHECK, 0);
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

describe('dual stack', () => {
  it('an IPv6 socket on any address hears and speaks IPv4, unless it is IPv6 only', () => {
    const s = host.stack.udpLayer.socket(6);
    expect(s.bind(null, 6000)).toBe(0);
    expect(open().bind(null, 6000)).toBe(-Errno.EADDRINUSE);
    peer.sendUdp({ sport: 5001, dport: 6000 }, 'four');
    settle();
    expect(text(read(s))).toBe('four');
    expect(send(s, 4, to('::ffff:10.99.0.2', 5001))).toBe(4);
    settle();
    expect(peer.take()).toMatchObject([{ kind: 'udp', src: '10.99.0.1', dport: 5001 }]);
    expect(watch.delta()).toMatchObject({ 'Udp.InDatagrams': 1, 'Udp.OutDatagrams': 1 });
    const only = host.stack.udpLayer.socket(6);
    expect(only.setOption(Level.IPV6, Ip6Opt.V6ONLY, 1)).toBe(0);
    expect(only.bind(null, 6001)).toBe(0);
    open(6001);
    expect(send(only, 4, to('::ffff:10.99.0.2', 5001))).toBe(-Errno.ENETUNREACH);
    expect(send(only, 4, to('fd99::2', 5001))).toBe(-Errno.ENETUNREACH);
    expectSums(host.ledger);
  });
});
