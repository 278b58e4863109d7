/**
 * Several stacks as one host of IPv6: TCP, UDP, ping, fragments, errors and groups, over one stack and over several, come to the same sums
 * and the same answers. Discovery and addresses are in siblings6-link.test.ts.
 */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../stack/core/address.js';
import { type DatagramSocket, Ip6Opt, Level, Msg, Poll, ReceivedFrom, type StreamSocket } from '../../stack/socket/socket.js';
import { bytes, filler, Proto, TcpFlag, u16, u32 } from '../support/frames.js';
import { expectSums } from '../support/ledger.js';
import { type Frame6, fragmentHeader, groupMac6, type Ip6Fields, ip6 } from '../support/peer6.js';
import { anywhere } from '../support/several.js';
import { play6, type Script6, same6, type World6, world6 } from '../support/several6.js';
import { Tcp6 } from './ip6/tcp6.js';

const { SYN, ACK, FIN, RST, PSH } = TcpFlag;
const TARGET = 'fd99::1';
const PEER = 'fd99::2';
const into = new Uint8Array(65536);
const info = new ReceivedFrom();
const read = (s: DatagramSocket) => s.receiveFrom(into, 0, into.length, Msg.DONTWAIT, info);
const words = (f: Frame6) => new DataView(f.data.buffer, f.data.byteOffset);

/** Lets the answers come: those of this connection, their data taken note of. */
function answers(w: World6, c: Tcp6): Frame6[] {
  w.sim.pass(1000);
  const ports = c.port * 65536 + c.sport;
  const came = w.six.take().filter((f) => f.next === Proto.tcp && words(f).getUint32(0) === ports);
  for (const f of came) {
    const v = words(f);
    const flags = v.getUint8(13);
    const data = f.data.length - (v.getUint8(12) >> 4) * 4;
    c.ack = Math.max(c.ack, (v.getUint32(4) + data + ((flags & (SYN | FIN)) === 0 ? 0 : 1)) >>> 0);
  }
  return came;
}
const textOf = (f: Frame6) => new TextDecoder().decode(f.data.subarray((words(f).getUint8(12) >> 4) * 4));

describe('TCP over IPv6 over several stacks', () => {
  it('a passive connection lives where its SYN came and is found from everywhere, its end and TIME-WAIT too', () => {
    const one = same6((w) => {
      const clients = Array.from({ length: 8 }, (_, i) => new Tcp6(w.six, 7, 40_000 + i));
      for (const c of clients) c.handshake(w.sim);
      for (let round = 0; round < 3; round++) {
        for (const [i, c] of clients.entries()) {
          const text = `to ${i} in round ${round}`;
          c.send({ flags: PSH | ACK }, bytes(text));
          expect(answers(w, c).map(textOf).join('')).toBe(text);
          c.send({ flags: ACK });
        }
      }
      for (const c of clients.slice(0, 4)) {
        c.send({ flags: FIN | ACK });
        answers(w, c);
        c.send({ flags: ACK });
      }
      for (const c of clients.slice(4)) c.send({ flags: RST });
      w.sim.pass(1000);
      // daytime closes first: TIME-WAIT is ours and answers a repeated FIN
      const d = new Tcp6(w.six, 13, 41_000);
      d.handshake(w.sim);
      answers(w, d);
      d.send({ flags: FIN | ACK });
      answers(w, d);
      d.seq--;
      d.send({ flags: FIN | ACK });
      expect(answers(w, d).length).toBe(1);
    });
    expect(one.delta).toMatchObject({ 'Tcp.PassiveOpens': 9, 'Tcp.EstabResets': 4, 'TcpExt.TW': 1 });
  });

  it('an active connection lives at the home of its port', () => {
    const one = same6((w) => {
      const opened: [Tcp6, StreamSocket][] = [];
      for (let n = 0; n < 6; n++) {
        const port = 3000 + n;
        const s = w.home(port).tcp(6);
        expect(s.bind(null, port)).toBe(0);
        s.connect(IpAddress.from(PEER), 6000);
        const c = new Tcp6(w.six, port, 6000);
        answers(w, c);
        c.send({ flags: SYN | ACK, options: bytes([2, 4], u16(1440)) });
        opened.push([c, s]);
        w.sim.pass(1000);
      }
      for (const [c, s] of opened) {
        expect(s.poll() & Poll.OUT).not.toBe(0);
        c.send({ flags: PSH | ACK }, bytes('hello'));
        w.sim.pass(1000);
        expect(s.receive(into, 0, 100, Msg.DONTWAIT)).toBe(5);
        s.send(into, 0, 5, 0);
        answers(w, c);
        c.send({ flags: ACK });
      }
      for (const [c, s] of opened) {
        s.close();
        answers(w, c);
        c.send({ flags: FIN | ACK });
        answers(w, c);
      }
    });
    expect(one.delta).toMatchObject({ 'Tcp.ActiveOpens': 6, 'TcpExt.TW': 6 });
  });

  it('what is nobody’s is counted and answered once: closed ports, stray segments, bad checksums', () => {
    const one = same6((w) => {
      const send = (port: number, flags: number, badSum = 0) => {
        new Tcp6(w.six, port, 40_000).send({ flags, badSum });
        w.sim.pass(1000);
      };
      send(81, SYN);
      send(81, ACK);
      send(7, ACK | PSH);
      send(7, RST);
      send(7, 0);
      send(7, ACK, 1);
      send(7, SYN, 1);
      w.six.send(Proto.tcp, filler(7));
      w.sim.pass(1000);
    });
    expect(one.delta).toMatchObject({ 'Tcp.InCsumErrors': 2, 'Tcp.OutRsts': 3, 'Ip6.InReceives': 8 });
  });

  it('a SYN cookie that comes back is judged where it comes, whoever sent it', () => {
    const one = same6(
      (w) => {
        const c = [1, 2, 3, 4, 5].map((i) => new Tcp6(w.six, 7, 40_000 + i));
        for (const x of c) x.handshake(w.sim);
        for (const x of c) {
          x.send({ flags: PSH | ACK }, bytes('hello'));
          expect(answers(w, x).map(textOf).join('')).toBe('hello');
        }
        const forged = new Tcp6(w.six, 7, 40_009);
        forged.ack = 12345;
        forged.send({ flags: ACK });
        w.sim.pass(1000);
      },
      { sysctl: { tcp_syncookies: 2 } },
    );
    expect(one.delta).toMatchObject({ 'TcpExt.SyncookiesSent': 5, 'TcpExt.SyncookiesRecv': 5, 'TcpExt.SyncookiesFailed': 1 });
  });

  it('joined frames are passed on as one', () => {
    const script: Script6 = (w) => {
      const c = new Tcp6(w.six, 9);
      c.handshake(w.sim);
      for (let i = 0; i < 10; i++) c.send({ flags: ACK }, filler(1000));
      w.sim.pass(100_000);
    };
    const one = play6(script, 1, () => 0, { coalesce: true });
    for (const count of [2, 3, 4]) {
      for (const queue of [0, 1]) {
        const steer = (p: { bytes: Uint8Array; data: number }) => ((p.bytes[p.data + 67]! & SYN) !== 0 ? queue + 1 : queue);
        expect(play6(script, count, steer, { coalesce: true })).toEqual(one);
      }
    }
    expect(one.delta['Tcp.InSegs']).toBeLessThan(12);
  });
});

describe('UDP and ping sockets over IPv6 over several stacks', () => {
  it('services answer on every stack, other sockets at the home of their port, nobody’s ports once', () => {
    const one = same6((w) => {
      const sockets = Array.from({ length: 6 }, (_, n) => {
        const s = w.home(5000 + n).udp(6);
        expect(s.bind(n % 2 ? IpAddress.from(TARGET) : null, 5000 + n)).toBe(0);
        if (n > 3) expect(s.connect(IpAddress.from(PEER), 6000)).toBe(0);
        return s;
      });
      const send = (dport: number, data: Uint8Array | string, f: Parameters<World6['six']['udp']>[3] = {}, sport = 6000) => {
        w.six.send(Proto.udp, w.six.udp(sport, dport, data, f));
        w.sim.pass(1000);
      };
      for (let round = 0; round < 4; round++) {
        for (let n = 0; n < 8; n++) {
          send(5000 + n, `${n}`);
          send(7, `echo ${n}`);
        }
      }
      expect(sockets.map((s) => [read(s), read(s), read(s), read(s), read(s)])).toEqual(sockets.map(() => [1, 1, 1, 1, -11]));
      send(5005, 'not from the peer that it is connected to', {}, 6001);
      send(5000, 'short', { length: 4 });
      w.six.send(Proto.udp, filler(3));
      w.six.send(Proto.udp, bytes(u16(6000), u16(5001), u16(12), u16(1), filler(4)));
      w.six.send(Proto.udplite, w.six.udp(6000, 5000, 'lite, closed'));
      w.sim.pass(1000);
      expect(sockets.map((s) => read(s))).toEqual(sockets.map(() => -11));
    });
    expect(one.delta).toMatchObject({ 'Udp6.NoPorts': 9, 'Udp6.InDatagrams': 56, 'Udp6.InCsumErrors': 1 });
  });

  it('a ping is answered once wherever it comes; a ping socket hears its replies', () => {
    const one = same6((w) => {
      const s = Array.from({ length: 4 }, (_, n) => {
        const p = w.home(700 + n).ping(6);
        expect(p.bind(null, 700 + n)).toBe(0);
        return p;
      });
      for (const [n, p] of s.entries()) {
        const request = bytes([128, 0, 0, 0], [0, 0, 0, n], filler(20));
        expect(p.sendTo(request, 0, request.length, 0, { address: IpAddress.from(PEER), port: 0 })).toBe(28);
        w.sim.pass(1000);
        w.six.sendIcmp(129, 0, bytes(u16(700 + n), [0, n], filler(20)));
        w.sim.pass(1000);
        expect(read(p)).toBe(28);
        w.six.ping(n);
        w.sim.pass(1000);
      }
      w.six.sendIcmp(129, 0, bytes(u16(999), [0, 1], filler(20)));
      w.sim.pass(1000);
    });
    expect(one.delta).toMatchObject({ 'Icmp6.InType129': 5, 'Icmp6.OutType129': 4 });
    expect(one.sent.filter((f) => (f as Frame6).type === 129)).toHaveLength(4);
  });
});

describe('fragments of IPv6 over several stacks', () => {
  it('meet wherever they come; the whole goes to its owner', () => {
    const one = same6((w) => {
      const s = w.home(5001).udp(6);
      expect(s.bind(null, 5001)).toBe(0);
      let id = 100;
      const options = bytes([Proto.udp, 0, 1, 4], u32(0));
      const cut = (protocol: number, data: Uint8Array, size = 1000) => {
        id++;
        for (let at = 0; at < data.length; at += size) {
          const extension = fragmentHeader(protocol, at, at + size < data.length, id);
          w.six.send(protocol, data.subarray(at, at + size), { extension, first: 44 });
        }
        w.sim.pass(1000);
      };
      for (let round = 0; round < 4; round++) {
        cut(Proto.udp, w.six.udp(6000, 7, filler(4000)));
        cut(Proto.udp, w.six.udp(6000, 5001, filler(3000)));
        cut(Proto.udp, w.six.udp(6000, 5999, filler(2500)));
        cut(Proto.icmpv6, w.six.icmp(128, 0, bytes([0, 1, 0, 1], filler(3000))));
        cut(60, bytes(options, w.six.udp(6000, 5001, filler(2000)))); // more headers behind the fragment header
      }
      expect([1, 2, 3, 4, 5, 6, 7, 8, 9].map(() => read(s))).toEqual([3000, 2000, 3000, 2000, 3000, 2000, 3000, 2000, -11]);
      // as long as can be: its header is no part of its 64 KiB
      cut(Proto.udp, w.six.udp(6000, 5001, filler(65_527)), 1400);
      expect(read(s)).toBe(65_527);
      // an atomic one is no piece of anything
      const atomic = (dport: number) =>
        w.six.send(Proto.udp, w.six.udp(6000, dport, filler(50)), {
          extension: fragmentHeader(Proto.udp, 0, false, 1),
          first: 44,
        });
      for (const port of [5001, 7, 5999]) {
        atomic(port);
        w.sim.pass(1000);
      }
      expect(read(s)).toBe(50);
    });
    expect(one.delta).toMatchObject({ 'Ip6.ReasmOKs': 24, 'Udp6.NoPorts': 5, 'Icmp6.OutType129': 4 });
  });

  it('too little, too much, overlapping and late: counted at one home', () => {
    const one = same6((w) => {
      const piece = (id: number, at: number, n: number, more: boolean, f: Ip6Fields = {}) => {
        w.six.send(Proto.udp, filler(n), { extension: fragmentHeader(Proto.udp, at, more, id), first: 44, ...f });
        w.sim.pass(1000);
      };
      for (let id = 1; id < 6; id++) {
        piece(id * 16, 0, 800, true);
        piece(id * 16, 400, 800, true); // overlaps
        piece(id * 16 + 1, 0, 801, true); // not a multiple of 8
        piece(id * 16 + 2, 65_528, 100, false); // beyond 64 KiB
        piece(id * 16 + 3, 0, 800, true); // nothing follows
        piece(id * 16 + 4, 0, 0, true);
      }
      w.sim.pass(61_000_000);
    });
    expect(one.delta).toMatchObject({ 'Ip6.ReasmReqds': 30, 'Ip6.ReasmTimeout': 15, 'Icmp6.OutType3': 5, 'Icmp6.OutType4': 15 });
  });
});

describe('errors and headers over several stacks', () => {
  it('errors reach the flow they quote; what is nobody’s is counted once', () => {
    const one = same6((w) => {
      const quote = (protocol: number, payload: Uint8Array, src = TARGET) => w.six.packet(protocol, payload, { src, dst: PEER });
      const error = (type: number, code: number, packet: Uint8Array, rest = u32(0)) => {
        w.six.sendIcmp(type, code, bytes(rest, packet));
        w.sim.pass(1000);
      };
      const u = [5000, 5001, 5002, 5003].map((port) => {
        const s = w.home(port).udp(6);
        s.bind(null, port);
        s.connect(IpAddress.from(PEER), 6000);
        return s;
      });
      const t = [3000, 3001, 3002, 3003].map((port) => {
        const s = w.home(port).tcp(6);
        s.bind(null, port);
        s.connect(IpAddress.from(PEER), 6000);
        w.sim.pass(1000);
        const syn = w.six.take().find((f) => f.next === Proto.tcp)!;
        return [s, syn.data] as const;
      });
      for (const port of [5000, 5001, 5002, 5003, 5009]) error(1, 4, quote(Proto.udp, w.six.udp(port, 6000, 'x')));
      for (const [, syn] of t) error(1, 4, quote(Proto.tcp, syn));
      expect(u.map((s) => read(s))).toEqual([-111, -111, -111, -111]);
      expect(t.map(([s]) => s.getOption(Level.SOCKET, 4))).toEqual(t.map(() => ({ value: 111 })));
      const pings = [700, 701, 702].map((id) => {
        const p = w.home(id).ping(6);
        p.bind(null, id);
        p.connect(IpAddress.from(PEER), 0);
        return p;
      });
      for (const id of [700, 701, 702, 799]) error(1, 1, quote(Proto.icmpv6, bytes([128, 0, 0, 0], u16(id), [0, 1])));
      expect(pings.map((p) => read(p))).toEqual([-13, -13, -13]);
      error(2, 0, quote(Proto.udp, w.six.udp(5000, 6000, 'x')), u32(1300));
      error(2, 0, quote(Proto.icmpv6, bytes([129, 0, 0, 0], u16(1), [0, 1])), u32(1300));
      error(3, 0, quote(Proto.tcp, bytes(u16(3999), u16(6000), u32(1))));
      error(1, 4, filler(30));
      error(1, 4, quote(99, filler(20)));
      error(4, 1, quote(Proto.udp, filler(3)));
      w.six.send(Proto.icmpv6, bytes([1, 4, 0xba, 0xd0], filler(80)));
      w.six.sendIcmp(200, 0, u32(0));
      w.six.send(Proto.icmpv6, filler(3));
      w.sim.pass(1000);
    });
    expect(one.delta['Icmp6.InErrors']).toBe(6);
  });

  it('headers that are wrong, addresses that are not ours and unknown protocols are counted once', () => {
    same6((w) => {
      const ip = (f: Ip6Fields, protocol = Proto.udp as number, data = w.six.udp(6000, 5000, 'x')) => {
        w.six.send(protocol, data, f);
        w.sim.pass(1000);
      };
      ip({ version: 5 });
      ip({ payloadLength: 400 });
      ip({ src: 'ff02::1' });
      ip({ dst: '::1', dmac: '02:00:00:00:00:01' });
      ip({ dst: 'fd99::77', dmac: '02:00:00:00:00:01' });
      ip({ dst: '2001:db8::1', dmac: '02:00:00:00:00:01' });
      ip({}, 99);
      ip({}, 59);
      ip({ extension: bytes([Proto.udp, 0, 5, 2, 0, 0, 1, 0]), first: 0 });
      ip({ extension: bytes([Proto.udp, 0, 0xc3, 4], u32(0)), first: 0 });
      ip({ extension: bytes([Proto.udp, 0, 0x43, 4], u32(0)), first: 60 });
      ip({ extension: bytes([Proto.udp, 0, 0, 1], u32(0)), first: 43 });
      ip({ extension: bytes([Proto.udp, 9, 1, 4], u32(0)), first: 60 });
    });
  });

  it('what the host sends itself over lo finds its socket in any stack', () => {
    const one = same6((w) => {
      const [a, b] = [w.home(5000).udp(6), w.home(5001).udp(6)];
      a.bind(null, 5000);
      b.bind(null, 5001);
      a.sendTo(filler(100), 0, 100, 0, { address: IpAddress.from(TARGET), port: 5001 });
      a.sendTo(filler(3000), 0, 3000, 0, { address: IpAddress.from('::1'), port: 7 });
      w.sim.pass(1000);
      expect([read(b), read(b), read(a)]).toEqual([100, -11, 3000]);
    });
    expect(one.delta).toMatchObject({ 'Udp6.InDatagrams': 3 });
  });
});

describe('groups of IPv6 over several stacks', () => {
  const GROUP = 'ff05::1:3';
  const mreq = bytes(ip6(GROUP), u32(0));
  const set = (s: DatagramSocket, option: number) => s.setOption(Level.IPV6, option, mreq);
  const query = (w: World6, group: string) => {
    const f = {
      src: 'fe80::2',
      dst: group === '::' ? 'ff02::1' : group,
      hopLimit: 1,
      first: 0,
      extension: bytes([58, 0, 5, 2, 0, 0, 1, 0]),
    };
    w.six.send(Proto.icmpv6, w.six.icmp(130, 0, bytes(u16(1000), u16(0), ip6(group), [2, 125], u16(0)), f), f);
    w.sim.pass(2_000_000);
  };

  it('are joined by the host, whoever joined; reported by one stack, asked for by one query, left with the last', () => {
    const one = same6((w) => {
      const open = (port: number) => {
        const u = w.home(port).udp(6);
        u.bind(null, port);
        return u;
      };
      const [a, b, c] = [open(5000), open(5001), open(5003)] as [DatagramSocket, DatagramSocket, DatagramSocket];
      expect([set(a, Ip6Opt.JOIN_GROUP), set(b, Ip6Opt.JOIN_GROUP)]).toEqual([0, 0]);
      w.sim.pass(100_000);
      const tell = (dport: number, dst = GROUP) => {
        const f = { dst, dmac: groupMac6(dst) };
        w.six.send(Proto.udp, w.six.udp(6000, dport, 'news', f), f);
        w.sim.pass(1000);
      };
      for (const port of [5000, 5001, 5003, 5004]) tell(port);
      // by IPV6_MULTICAST_ALL c hears what others on this host have joined
      expect([a, b, c].map((s) => [read(s), read(s)])).toEqual([a, b, c].map(() => [4, -11]));
      tell(5000, 'ff05::9');
      w.six.ping(1, { dst: GROUP });
      w.sim.pass(1000);
      query(w, '::');
      expect(set(b, Ip6Opt.LEAVE_GROUP)).toBe(0);
      w.sim.pass(100_000);
      query(w, GROUP);
      query(w, 'ff05::9');
      expect(set(a, Ip6Opt.LEAVE_GROUP)).toBe(0);
      w.sim.pass(100_000);
      tell(5000);
      expect(read(a)).toBe(-11);
    });
    // joined twice, one answer to each query, left twice
    expect(one.sent.filter((f) => (f as Frame6).type === 143)).toHaveLength(6);
    expect(one.delta).toMatchObject({ 'Icmp6.OutType143': 6, 'Icmp6.InType130': 2 });
  });

  it('what a stack sends to one comes back to the host’s own sockets', () => {
    const one = same6((w) => {
      const s = [5000, 5001, 5002].map((port) => {
        const u = w.home(port).udp(6);
        u.bind(null, port);
        return u;
      });
      set(s[0]!, Ip6Opt.JOIN_GROUP);
      w.sim.pass(100_000);
      const sender = w.home(5010).udp(6);
      sender.bind(null, 5010);
      for (const port of [5000, 5001, 5002]) sender.sendTo(filler(10), 0, 10, 0, { address: IpAddress.from(GROUP), port });
      w.sim.pass(10_000);
      expect(s.map((u) => [read(u), read(u)])).toEqual(s.map(() => [10, -11]));
    });
    expect(one.delta).toMatchObject({ 'Ip6.InMcastPkts': 3, 'Ip6.OutMcastPkts': 5 });
  });

  it('while a router speaks version 1, reports and "done" come from the host as one', () => {
    same6((w) => {
      const f = { src: 'fe80::2', dst: 'ff02::1', hopLimit: 1, first: 0, extension: bytes([58, 0, 5, 2, 0, 0, 1, 0]) };
      w.six.send(Proto.icmpv6, w.six.icmp(130, 0, bytes(u16(100), u16(0), ip6('::')), f), f);
      w.sim.pass(2_000_000);
      const s = w.home(5001).udp(6);
      set(s, Ip6Opt.JOIN_GROUP);
      w.sim.pass(30_000_000);
      set(s, Ip6Opt.LEAVE_GROUP);
      w.sim.pass(1_000_000);
    });
  });
});

it('a full way between stacks loses frames, which are counted as the device’s drops', () => {
  const w = world6(2, anywhere(3));
  const s = w.home(5001).udp(6);
  s.bind(null, 5001);
  for (let n = 0; n < 20; n++) w.six.send(Proto.udp, w.six.udp(6000, 5001, 'x'));
  w.sim.pass(1000);
  expect(Array.from({ length: 20 }, () => read(s))).toEqual(new Array<number>(20).fill(1));
  for (const l of w.cluster.ledgers) expectSums(l);
});
