/**
 * Several stacks as one host, in virtual time: whatever comes, steered however badly, the sums over all stacks and what goes out are those
 * of a single stack that is given the same frames.
 */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../stack/core/address.js';
import { Services } from '../../stack/services/services.js';
import { type DatagramSocket, IpOpt, Level, Msg, Poll, ReceivedFrom, type StreamSocket } from '../../stack/socket/socket.js';
import type { Stack } from '../../stack/stack.js';
import { Cluster, type Steering, totalsDelta } from '../support/cluster.js';
import {
  BROADCAST_MAC,
  bytes,
  filler,
  groupMac,
  icmp,
  ipv4,
  type ParsedFrame,
  Proto,
  TcpFlag,
  tcp,
  u16,
  u32,
  udp,
} from '../support/frames.js';
import type { RawPeer } from '../support/raw-peer.js';
import { anywhere, type Outcome, outcomeOf, sameOver } from '../support/several.js';
import { Simulation } from '../support/simulation.js';
import { option, TcpPeer } from '../support/tcp-peer.js';

const { SYN, ACK, RST, PSH } = TcpFlag;
const TARGET = '10.99.0.1';
const PEER = '10.99.0.2';
const into = new Uint8Array(65536);
const info = new ReceivedFrom();

interface World {
  readonly sim: Simulation;
  readonly peer: RawPeer;
  readonly cluster: Cluster;
  /** The stack that opens the nth socket of a scenario. */
  nth(n: number): Stack;
  /** The stack where sockets bound to this port are opened. */
  home(port: number): Stack;
  client(sport: number, port?: number): TcpPeer;
}

/** Neighbours stay known, ICMP is not limited: both are each stack's own affair. */
const SYSCTL = { icmp_ratemask: 0, ping_group_range: '0 2147483647', 'net.ipv4.neigh.default.delay_first_probe_time': 100_000 };

function world(count: number, steer: Steering, more: Record<string, number | string> = {}, coalesce = false): World {
  const sim = new Simulation(1);
  const wire = sim.wire();
  const sysctl = { ...SYSCTL, ...more };
  const cluster = new Cluster(sim, wire.a, { count, steer, sysctl, gateway: PEER, maxRows: 256, coalesce });
  for (const s of cluster.stacks) new Services(s, { wallClock: () => new Date(0) });
  const peer = sim.peer(wire.b);
  peer.askArp();
  sim.pass(1000);
  peer.take();
  return {
    sim,
    peer,
    cluster,
    nth: (n) => cluster.stacks[n % count]!,
    home: (port) => cluster.stacks[port % count]!,
    client: (sport, port = 7) => new TcpPeer(sim, peer, port, sport),
  };
}

/** Everything of a frame but what no two stacks choose alike: IP identification, and so the checksums. */
const gist = ({ kind, src, dst, ttl, tos, offset, mf, type, code, sport, dport, seq, ack, flags, window, options, data }: ParsedFrame) => ({
  kind, src, dst, ttl, tos, offset, mf, type, code, sport, dport, seq, ack, flags, window,
  options: Buffer.from(options).toString('hex'),
  data: kind === 'icmp' && type !== 0 ? data.length : Buffer.from(data).toString('hex'),
}); // biome-ignore format: a table

type Script = (w: World) => void;

function play(
  script: Script,
  count: number,
  steer: Steering,
  sysctl?: Record<string, number | string>,
  coalesce?: boolean,
): Outcome {
  const w = world(count, steer, sysctl, coalesce);
  const sent: object[] = [];
  const take = w.peer.take.bind(w.peer);
  w.peer.take = () => {
    const frames = take();
    sent.push(...frames.map(gist));
    return frames;
  };
  return outcomeOf(w, sent, () => {
    script(w);
    w.sim.pass(100_000);
    w.peer.take();
  });
}

const same = (script: Script, sysctl?: Record<string, number | string>, coalesce?: boolean): Outcome =>
  sameOver((count, steer) => play(script, count, steer, sysctl, coalesce));

const read = (s: DatagramSocket) => s.receiveFrom(into, 0, into.length, Msg.DONTWAIT, info);
const quote = (protocol: number, payload: Uint8Array) => ipv4({ src: TARGET, dst: PEER, protocol }, payload);

describe('TCP over several stacks', () => {
  it('a passive connection lives where its SYN came and is found from everywhere, its end and TIME-WAIT too', () => {
    const one = same((w) => {
      const clients = Array.from({ length: 8 }, (_, i) => w.client(40_000 + i));
      for (const c of clients) {
        c.tsVal = 1000;
        c.handshake();
      }
      for (let round = 0; round < 3; round++) {
        for (const [i, c] of clients.entries()) {
          const back = c.send(`to ${i} in round ${round}`).find((f) => f.data.length > 0)!;
          expect(new TextDecoder().decode(back.data)).toBe(`to ${i} in round ${round}`);
          c.got(back);
          c.segment({ flags: ACK });
        }
      }
      for (const c of clients.slice(0, 4)) {
        c.fin();
        c.segment({ flags: ACK, ack: c.ackn + 1 });
      }
      for (const c of clients.slice(4)) c.segment({ flags: RST });
      // daytime closes first: TIME-WAIT is ours, answers a repeated FIN, and gives way to a new SYN
      const d = w.client(41_000, 13);
      const synAck = d.syn()[0]!;
      d.got(synAck);
      d.seq = (d.seq + 1) >>> 0;
      const day = d.segment({ flags: ACK });
      for (const f of day) d.got(f);
      d.fin();
      d.segment({ flags: TcpFlag.FIN | ACK, seq: d.seq - 1 });
      const again = new TcpPeer(w.sim, w.peer, 13, 41_000, (d.seq + 200_000) >>> 0);
      again.handshake();
    });
    expect(one.delta).toMatchObject({ 'Tcp.PassiveOpens': 10, 'Tcp.EstabResets': 4, 'TcpExt.TW': 1 });
  });

  it('an active connection lives at the home of its port', () => {
    const one = same((w) => {
      const opened: [TcpPeer, StreamSocket][] = [];
      for (let n = 0; n < 6; n++) {
        const port = 3000 + n;
        const s = w.home(port).tcp(4);
        expect(s.bind(null, port)).toBe(0);
        s.connect(IpAddress.from(PEER), 6000);
        w.sim.pass(1000);
        const syn = w.peer.take().find((f) => f.sport === port)!;
        const c = new TcpPeer(w.sim, w.peer, port, 6000, 0x20000000);
        c.ackn = (syn.seq + 1) >>> 0;
        c.segment({ flags: SYN | ACK, options: option.mss(1460) });
        c.seq = (c.seq + 1) >>> 0;
        opened.push([c, s]);
      }
      for (const [c, s] of opened) {
        expect(s.poll() & Poll.OUT).not.toBe(0);
        c.send('hello');
        expect(s.receive(into, 0, 100, Msg.DONTWAIT)).toBe(5);
        s.send(into, 0, 5, 0);
        w.sim.pass(1000);
        c.got(c.replies()[0]!);
        c.segment({ flags: ACK });
      }
      for (const [c, s] of opened) {
        s.close();
        w.sim.pass(1000);
        c.got(c.replies()[0]!);
        c.segment({ flags: ACK });
        c.fin();
      }
    });
    expect(one.delta).toMatchObject({ 'Tcp.ActiveOpens': 6, 'TcpExt.TW': 6 });
  });

  it('ports that nobody chose are at home where they are taken', () => {
    const w = world(3, anywhere(1));
    for (let n = 0; n < 30; n++) {
      const s = w.nth(n).tcp(4);
      s.connect(IpAddress.from(PEER), 6000);
      expect(s.localName()!.port % 3).toBe(n % 3);
      const u = w.nth(n).udp(4);
      expect(u.bind(null, 0)).toBe(0);
      expect(u.localName()!.port % 3).toBe(n % 3);
      const l = w.nth(n).tcp(4);
      expect(l.listen(5)).toBe(0);
      expect(l.localName()!.port % 3).toBe(n % 3);
    }
  });

  it('uses every port of the range that is its own, and no other', () => {
    const w = world(4, anywhere(1), { ip_local_port_range: '40001 40011' });
    const taken = (open: (s: Stack) => number) =>
      w.cluster.stacks.map((s) => {
        const ports: number[] = [];
        for (let p = open(s); p > 0; p = open(s)) ports.push(p);
        return ports.sort((a, b) => a - b);
      });
    const all = [[40004, 40008], [40001, 40005, 40009], [40002, 40006, 40010], [40003, 40007, 40011]]; // biome-ignore format: a table
    expect(
      taken((s) => {
        const u = s.udp(4);
        return u.bind(null, 0) === 0 ? u.localName()!.port : -1;
      }),
    ).toEqual(all);
    expect(
      taken((s) => {
        const t = s.tcp(4);
        return t.connect(IpAddress.from(PEER), 6000) === -115 ? t.localName()!.port : -1;
      }),
    ).toEqual(all);
    expect(
      taken((s) => {
        const t = s.tcp(4);
        return t.bind(null, 0) === 0 ? t.localName()!.port : -1;
      }),
    ).toEqual([[], [], [], []]);
  });

  it('what is nobody’s is counted and answered once: closed ports, stray segments, bad checksums, short ones', () => {
    const one = same((w) => {
      const send = (fields: object, data = '') => {
        w.peer.sendTcp({ sport: 40_000, dport: 81, ...fields }, data);
        w.sim.pass(1000);
      };
      send({ flags: SYN });
      send({ flags: ACK, seq: 1, ack: 2 });
      send({ flags: ACK | PSH, dport: 7, seq: 1, ack: 2 }, 'stray');
      send({ flags: RST, dport: 7, seq: 1 });
      send({ flags: SYN | TcpFlag.FIN, dport: 7, seq: 1 });
      send({ flags: 0, dport: 7, seq: 1 });
      send({ flags: ACK, badSum: 1 });
      send({ flags: SYN, dport: 7, badSum: 1 });
      send({ flags: ACK, dataOffset: 3 });
      w.peer.sendIp(filler(7), { protocol: Proto.tcp });
      const c = w.client(40_001);
      c.handshake();
      w.peer.sendTcp({ sport: 40_001, dport: 7, flags: ACK, badSum: 4 }, 'x');
      w.sim.pass(1000);
    });
    expect(one.delta).toMatchObject({ 'Tcp.InCsumErrors': 3, 'Tcp.OutRsts': 3 });
  });

  it('a SYN cookie that comes back is judged where it comes, whoever sent it', () => {
    const one = same(
      (w) => {
        const c = [1, 2, 3, 4, 5].map((i) => w.client(40_000 + i));
        for (const x of c) {
          x.tsVal = 77;
          const synAck = x.syn()[0]!;
          x.got(synAck);
          x.seq = (x.seq + 1) >>> 0;
        }
        for (const x of c) x.segment({ flags: ACK });
        for (const x of c) {
          const back = x.send('hello').filter((f) => f.data.length > 0);
          expect(back).toHaveLength(1);
        }
        // one that is none, and the same one again
        c[0]!.segment({ flags: ACK });
        const forged = w.client(40_009);
        forged.ackn = 12345;
        forged.segment({ flags: ACK });
      },
      { tcp_syncookies: 2 },
    );
    expect(one.delta).toMatchObject({
      'TcpExt.SyncookiesSent': 5,
      'TcpExt.SyncookiesRecv': 5,
      'TcpExt.SyncookiesFailed': 1,
      'Tcp.PassiveOpens': 5,
    });
  });

  it('cookies are looked for only after one was sent', () => {
    const one = same((w) => {
      const c = w.client(40_001);
      c.ackn = 999;
      c.segment({ flags: ACK });
    });
    expect(one.delta['TcpExt.SyncookiesFailed']).toBeUndefined();
    expect(one.delta['Tcp.OutRsts']).toBe(1);
  });

  it('joined frames are passed on as one', () => {
    const script: Script = (w) => {
      const c = w.client(40_000, 9);
      c.handshake();
      for (let i = 0; i < 10; i++) {
        const segment = tcp(
          { src: PEER, dst: TARGET, sport: 40_000, dport: 9, seq: c.seq, ack: c.ackn, flags: ACK },
          filler(1000),
        );
        w.peer.sendIp(segment, { protocol: 6, df: true });
        c.seq = (c.seq + 1000) >>> 0;
      }
      w.sim.pass(100_000);
    };
    const one = play(script, 1, () => 0, {}, true);
    // all frames of a flow to one queue, a wrong one, as a kernel does that has forgotten the flow
    for (const count of [2, 3, 4]) {
      for (const queue of [0, 1]) {
        const steer: Steering = (p) => ((p.bytes[p.data + 47]! & SYN) !== 0 ? queue + 1 : queue);
        expect(play(script, count, steer, {}, true)).toEqual(one);
      }
    }
    expect(one.delta['Tcp.InSegs']).toBeLessThan(12);
  });
});

describe('UDP and ping sockets over several stacks', () => {
  it('services answer on every stack, other sockets at the home of their port, nobody’s ports once', () => {
    const one = same((w) => {
      const sockets = Array.from({ length: 6 }, (_, n) => {
        const s = w.home(5000 + n).udp(4);
        expect(s.bind(n % 2 ? IpAddress.from(TARGET) : null, 5000 + n)).toBe(0);
        if (n > 3) expect(s.connect(IpAddress.from(PEER), 6000)).toBe(0);
        return s;
      });
      for (let round = 0; round < 4; round++) {
        for (let n = 0; n < 8; n++) {
          w.peer.sendUdp({ sport: 6000, dport: 5000 + n }, `${n}`);
          w.sim.pass(1000);
          w.peer.sendUdp({ sport: 6000, dport: 7 }, `echo ${n}`);
          w.sim.pass(1000);
        }
      }
      expect(sockets.map((s) => [read(s), read(s), read(s), read(s), read(s)])).toEqual(sockets.map(() => [1, 1, 1, 1, -11]));
      const send = (fields: Parameters<RawPeer['sendUdp']>[0], data: Uint8Array | string) => {
        w.peer.sendUdp(fields, data);
        w.sim.pass(1000);
      };
      send({ sport: 6001, dport: 5005 }, 'not from the peer that it is connected to');
      send({ sport: 6000, dport: 5000, badSum: 1 }, 'x');
      send({ sport: 6000, dport: 5001, badSum: 1 }, filler(500));
      send({ sport: 6000, dport: 5009, badSum: 1 }, filler(500));
      send({ sport: 6000, dport: 5000, length: 4 }, 'short');
      send({ sport: 6000, dport: 5000, protocol: Proto.udplite }, 'lite, closed');
      w.peer.sendIp(filler(3), { protocol: Proto.udp });
      w.sim.pass(1000);
      expect(sockets.map((s) => read(s))).toEqual(sockets.map(() => -11));
    });
    expect(one.delta).toMatchObject({ 'Udp.NoPorts': 9, 'Udp.InDatagrams': 56 });
  });

  it('a ping socket hears its replies', () => {
    const one = same((w) => {
      const s = Array.from({ length: 4 }, (_, n) => {
        const p = w.home(700 + n).ping(4);
        expect(p.bind(null, 700 + n)).toBe(0);
        return p;
      });
      for (const [n, p] of s.entries()) {
        const request = icmp(8, 0, bytes([0, 0, 0, n], filler(20)));
        expect(p.sendTo(request, 0, request.length, 0, { address: IpAddress.from(PEER), port: 0 })).toBe(28);
        w.sim.pass(1000);
        w.peer.sendIcmp(0, 0, bytes(u16(700 + n), [0, n], filler(20)));
        w.sim.pass(1000);
        expect(read(p)).toBe(28);
      }
      w.peer.sendIcmp(0, 0, bytes(u16(999), [0, 1], filler(20)));
      w.sim.pass(1000);
    });
    expect(one.delta['IcmpMsg.InType0']).toBe(5);
  });
});

describe('fragments over several stacks', () => {
  it('meet wherever they come; the whole goes to its owner, its options with it', () => {
    const one = same((w) => {
      const s = w.home(5001).udp(4);
      expect(s.bind(null, 5001)).toBe(0);
      let id = 100;
      const cut = (protocol: number, data: Uint8Array, size = 1000, options?: Uint8Array) => {
        id++;
        for (let at = 0; at < data.length; at += size) {
          const mf = at + size < data.length;
          w.peer.sendIp(data.subarray(at, at + size), { protocol, id, offset: at, mf, options: at === 0 ? options : undefined });
        }
        w.sim.pass(1000);
      };
      const datagram = (dport: number, n: number) => udp({ src: PEER, dst: TARGET, sport: 6000, dport }, filler(n));
      for (let round = 0; round < 4; round++) {
        cut(Proto.udp, datagram(7, 4000));
        cut(Proto.udp, datagram(5001, 3000));
        cut(Proto.udp, datagram(5999, 2500));
        cut(Proto.icmp, icmp(8, 0, bytes([0, 1, 0, 1], filler(3000))));
      }
      expect([read(s), read(s), read(s), read(s), read(s)]).toEqual([3000, 3000, 3000, 3000, -11]);
      // record route, answered by an error that carries it back
      const route = bytes([7, 15, 4], new Uint8Array(12), [0]);
      for (let round = 0; round < 3; round++) cut(Proto.udp, datagram(5999, 2000), 1000, route);
      cut(Proto.icmp, icmp(8, 0, bytes([0, 1, 0, 1], filler(2000))), 1000, route);
      // TCP in fragments: a segment of a connection, and one of nobody's
      const c = w.client(40_000);
      c.handshake();
      cut(
        Proto.tcp,
        tcp({ src: PEER, dst: TARGET, sport: 40_000, dport: 7, seq: c.seq, ack: c.ackn, flags: ACK | PSH }, filler(1200)),
        600,
      );
      cut(Proto.tcp, tcp({ src: PEER, dst: TARGET, sport: 40_001, dport: 7, seq: 5, ack: 6, flags: ACK }, filler(1200)), 600);
      cut(47, filler(1200), 600);
    });
    expect(one.delta).toMatchObject({ 'Ip.ReasmOKs': 23, 'Ip.InUnknownProtos': 1, 'Udp.NoPorts': 7 });
  });

  it('that do not make a whole are counted once: overlaps, time-outs', () => {
    const one = same(
      (w) => {
        const piece = (id: number, n: number, offset: number, mf: boolean) => {
          w.peer.sendIp(filler(n), { protocol: Proto.udp, id, offset, mf });
          w.sim.pass(1000);
        };
        for (let id = 1; id < 9; id++) {
          piece(id, 800, 0, true);
          piece(id, 800, 400, true);
        }
        for (let id = 11; id < 19; id++) piece(id, 800, 0, true);
        for (let id = 21; id < 29; id++) piece(id, 800, 800, false);
        w.sim.pass(3_000_000);
      },
      { ipfrag_time: 1, ipfrag_max_dist: 0 },
    );
    expect(one.delta).toMatchObject({ 'IpExt.ReasmOverlaps': 8, 'Ip.ReasmTimeout': 16, 'IcmpMsg.OutType11': 8 });
  });
});

describe('ICMP over several stacks', () => {
  it('questions are answered by anybody, errors reach the flow they quote', () => {
    const one = same((w) => {
      for (let n = 0; n < 5; n++) {
        w.peer.ping(n);
        w.sim.pass(1000);
      }
      w.peer.ping(9, { options: bytes([7, 11, 4], new Uint8Array(8), [0]) });
      w.sim.pass(1000);
      w.peer.sendIcmp(13, 0, bytes([0, 1, 0, 1], u32(5), u32(0), u32(0)));
      w.sim.pass(1000);
      const u = Array.from({ length: 4 }, (_, n) => {
        const s = w.home(5000 + n).udp(4);
        s.bind(null, 5000 + n);
        s.connect(IpAddress.from(PEER), 6000);
        return s;
      });
      const t = Array.from({ length: 4 }, (_, n) => {
        const s = w.home(3000 + n).tcp(4);
        s.bind(null, 3000 + n);
        s.connect(IpAddress.from(PEER), 6000);
        return s;
      });
      const pings = Array.from({ length: 4 }, (_, n) => {
        const s = w.home(700 + n).ping(4);
        s.bind(null, 700 + n);
        s.connect(IpAddress.from(PEER), 0);
        return s;
      });
      w.sim.pass(1000);
      const seqs = new Map(w.peer.take().map((f) => [f.sport, f.seq]));
      const error = (type: number, code: number, inner: Uint8Array, rest = u32(0)) => {
        w.peer.sendIcmp(type, code, bytes(rest, inner));
        w.sim.pass(1000);
      };
      const datagram = (sport: number) => quote(Proto.udp, udp({ src: TARGET, dst: PEER, sport, dport: 6000 }, bytes('x')));
      const segment = (sport: number, dport: number, seq: number) =>
        quote(Proto.tcp, tcp({ src: TARGET, dst: PEER, sport, dport, seq, flags: SYN })).subarray(0, 28);
      for (let n = 0; n < 4; n++) {
        error(3, 3, datagram(5000 + n));
        error(3, 2, quote(Proto.icmp, icmp(8, 0, bytes(u16(700 + n), [0, 1]))));
        error(11, 0, segment(3000 + n, 6000, seqs.get(3000 + n)! + 7));
        error(3, 3, segment(3000 + n, 6000, seqs.get(3000 + n)!));
        error(3, 3, datagram(5990 + n));
        error(3, 1, segment(3990 + n, 6000, 1));
        error(3, 1, quote(Proto.icmp, icmp(8, 0, bytes(u16(999), [0, 1]))));
        error(3, 1, quote(Proto.icmp, icmp(0, 0, bytes(u16(999), [0, 1]))));
      }
      expect(u.map((s) => read(s))).toEqual([-111, -111, -111, -111]);
      expect(t.map((s) => s.getOption(Level.SOCKET, 4))).toEqual(t.map(() => ({ value: 111 })));
      expect(pings.map((s) => read(s))).toEqual(pings.map(() => -92));
      // malformed ones, and a flow of a passive connection
      error(3, 3, filler(4));
      error(3, 3, quote(Proto.udp, filler(4)));
      error(3, 3, quote(99, filler(20)));
      w.peer.sendIcmp(99, 0, u32(0));
      w.peer.sendIp(filler(3), { protocol: Proto.icmp });
      w.peer.sendIp(icmp(3, 3, bytes(u32(0), datagram(5000)), 1), { protocol: Proto.icmp });
      const c = w.client(40_000);
      const synAck = c.handshake();
      error(3, 4, segment(7, 40_000, synAck.seq + 9), u32(1000));
      error(5, 1, datagram(5000), bytes([10, 99, 0, 77]));
      w.sim.pass(1000);
    });
    expect(one.delta).toMatchObject({ 'Icmp.InCsumErrors': 2, 'TcpExt.OutOfWindowIcmps': 5, 'Icmp.OutMsgs': 7 });
  });
});

describe('what is sent to many, over several stacks', () => {
  const join = (s: DatagramSocket, group: string) =>
    s.setOption(Level.IP, IpOpt.ADD_MEMBERSHIP, bytes(group.split('.').map(Number), [0, 0, 0, 0]));
  const leave = (s: DatagramSocket, group: string) =>
    s.setOption(Level.IP, IpOpt.DROP_MEMBERSHIP, bytes(group.split('.').map(Number), [0, 0, 0, 0]));

  it('broadcasts are heard once, by services and by sockets, whole and in fragments', () => {
    const one = same((w) => {
      const s = [5000, 5001, 5002].map((port) => {
        const u = w.home(port).udp(4);
        u.bind(null, port);
        return u;
      });
      const to = (dst: string, dport: number, data: Uint8Array | string = 'to all') =>
        w.peer.sendUdp({ dst, sport: 6000, dport }, data, BROADCAST_MAC);
      for (const dst of ['10.99.0.255', '255.255.255.255']) {
        for (const port of [5000, 5001, 5002, 5003, 7]) to(dst, port);
        w.sim.pass(1000);
      }
      expect(s.map((u) => [read(u), read(u), read(u)])).toEqual(s.map(() => [6, 6, -11]));
      const d = udp({ src: PEER, dst: '10.99.0.255', sport: 6000, dport: 5001 }, filler(2000));
      for (let id = 1; id < 4; id++) {
        w.peer.sendIp(d.subarray(0, 1000), { protocol: 17, id, mf: true, dst: '10.99.0.255' }, BROADCAST_MAC);
        w.peer.sendIp(d.subarray(1000), { protocol: 17, id, offset: 1000, dst: '10.99.0.255' }, BROADCAST_MAC);
      }
      w.sim.pass(1000);
      expect([read(s[1]!), read(s[1]!), read(s[1]!), read(s[1]!)]).toEqual([2000, 2000, 2000, -11]);
      w.peer.sendIp(filler(6), { protocol: 17, dst: '10.99.0.255' }, BROADCAST_MAC);
      w.peer.ping(1, { dst: '10.99.0.255' }, BROADCAST_MAC);
      w.peer.sendIp(tcp({ src: PEER, dst: TARGET, sport: 1, dport: 7, flags: SYN }), { protocol: 6 }, BROADCAST_MAC);
      w.sim.pass(1000);
    });
    expect(one.delta).toMatchObject({ 'Udp.IgnoredMulti': 2, 'IpExt.InBcastPkts': 18 });
  });

  it('a group is joined by the host, whoever joined it; it is reported once and left with the last', () => {
    const group = '239.1.2.3';
    const one = same((w) => {
      const open = (port: number) => {
        const u = w.home(port).udp(4);
        u.bind(null, port);
        return u;
      };
      const a = open(5000);
      const b = open(5001);
      const c = open(5003);
      expect(join(a, group)).toBe(0);
      expect(join(b, group)).toBe(0);
      w.sim.pass(3_000_000);
      const tell = (dport: number, to = group) => {
        w.peer.sendUdp({ dst: to, sport: 6000, dport }, 'news', groupMac(to));
        w.sim.pass(1000);
      };
      for (const port of [5000, 5001, 5003, 5004]) tell(port);
      // by IP_MULTICAST_ALL c hears what others on this host have joined
      expect([a, b, c].map((s) => [read(s), read(s)])).toEqual([a, b, c].map(() => [4, -11]));
      tell(5000, '239.9.9.9');
      // a router's question, general and to the group: seen by all, answered by members
      const query = (dst: string) => {
        const rest = dst === group ? [239, 1, 2, 3] : [0, 0, 0, 0];
        const body = bytes([0x11, 10, 0, 0], rest);
        let sum = 0;
        for (let i = 0; i < 8; i += 2) sum += (body[i]! << 8) | body[i + 1]!;
        while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
        w.peer.sendIp(bytes([0x11, 10], u16(~sum & 0xffff), rest), { protocol: 2, dst, ttl: 1 }, groupMac(dst));
        w.sim.pass(1000);
      };
      expect(leave(b, group)).toBe(0);
      w.sim.pass(3_000_000);
      query('224.0.0.1');
      w.sim.pass(2_000_000);
      query(group);
      w.sim.pass(2_000_000);
      expect(leave(a, group)).toBe(0);
      w.sim.pass(3_000_000);
      tell(5000);
      expect(read(a)).toBe(-11);
    });
    expect(one.sent.filter((f) => (f as ParsedFrame).kind === 'igmp')).toHaveLength(6);
    expect(one.delta['IpExt.InMcastPkts']).toBe(6);
  });

  it('what a stack sends to many comes back to the host’s own sockets', () => {
    const one = same((w) => {
      const s = [5000, 5001, 5002].map((port) => {
        const u = w.home(port).udp(4);
        u.bind(null, port);
        return u;
      });
      expect(join(s[0]!, '239.1.2.3')).toBe(0);
      w.sim.pass(3_000_000);
      const sender = w.home(5010).udp(4);
      sender.bind(null, 5010);
      sender.setOption(Level.SOCKET, 6, 1);
      for (const port of [5000, 5001, 5002]) {
        for (const to of ['239.1.2.3', '10.99.0.255']) {
          expect(sender.sendTo(filler(10), 0, 10, 0, { address: IpAddress.from(to), port })).toBe(10);
        }
      }
      w.sim.pass(10_000);
      expect(s.map((u) => [read(u), read(u), read(u)])).toEqual(s.map(() => [10, 10, -11]));
    });
    expect(one.delta).toMatchObject({ 'IpExt.InMcastPkts': 3, 'IpExt.InBcastPkts': 3 });
  });
});

describe('other frames over several stacks', () => {
  it('an ARP frame is answered once and learned by all', () => {
    const one = same((w) => {
      for (let n = 0; n < 4; n++) {
        w.peer.askArp();
        w.sim.pass(1000);
      }
      for (const s of w.cluster.stacks) {
        expect(s.neighbours()).toMatchObject([{ address: PEER, mac: '02:00:00:00:00:02', state: 'STALE' }]);
      }
    });
    expect(Object.keys(one.delta).every((name) => name.startsWith('dev.'))).toBe(true);
    expect(one.sent).toHaveLength(4);
  });

  it('headers that are wrong, addresses that are not ours, unknown protocols and frames are counted once', () => {
    same((w) => {
      const ip = (fields: object) => {
        w.peer.sendIp(filler(20), { protocol: 17, ...fields });
        w.sim.pass(1000);
      };
      ip({ checksum: 0x1111 });
      ip({ ihl: 4 });
      ip({ totalLength: 400 });
      ip({ totalLength: 12 });
      ip({ version: 5 });
      ip({ dst: '10.99.0.77' });
      ip({ dst: '192.0.2.1' });
      ip({ dst: '127.0.0.1' });
      ip({ src: TARGET });
      ip({ protocol: 99 });
      ip({ protocol: 103 });
      ip({ options: bytes([7, 0x20, 4, 0]) });
      ip({ options: bytes([0x83, 7, 4, 10, 99, 0, 9, 0]) });
      w.peer.sendIp(filler(20), { protocol: 17 }, '02:00:00:00:00:99');
      w.peer.sendFrame(bytes([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2], [0x12, 0x34], filler(50)));
      w.sim.pass(1000);
    });
  });

  it('what the host sends itself over lo finds its socket in any stack', () => {
    const one = same((w) => {
      const a = w.home(5000).udp(4);
      const b = w.home(5001).udp(4);
      a.bind(null, 5000);
      b.bind(null, 5001);
      a.sendTo(filler(100), 0, 100, 0, { address: IpAddress.from(TARGET), port: 5001 });
      a.sendTo(filler(3000), 0, 3000, 0, { address: IpAddress.from('127.0.0.1'), port: 7 });
      b.sendTo(filler(100), 0, 100, 0, { address: IpAddress.from(TARGET), port: 5999 });
      w.sim.pass(1000);
      expect([read(b), read(b), read(a)]).toEqual([100, -11, 3000]);
      const c = w.home(3001).tcp(4);
      c.bind(null, 3001);
      c.connect(IpAddress.from(TARGET), 7);
      w.sim.pass(1000);
      c.send(filler(500), 0, 500, 0);
      w.sim.pass(1000);
      expect(c.receive(into, 0, 1000, Msg.DONTWAIT)).toBe(500);
      c.close();
      w.sim.pass(1000);
    });
    expect(one.delta).toMatchObject({ 'Udp.NoPorts': 1, 'Tcp.ActiveOpens': 1, 'Tcp.PassiveOpens': 1 });
  });
});

describe('the way between stacks', () => {
  it('a full one loses frames, which are counted as the device’s drops', () => {
    const sim = new Simulation(1);
    const wire = sim.wire();
    const cluster = new Cluster(sim, wire.a, { count: 2, steer: () => 0, ringBytes: 4096, gateway: PEER, sysctl: SYSCTL });
    const peer = sim.peer(wire.b);
    const s = cluster.stacks[1]!.udp(4);
    s.bind(null, 5001);
    const before = cluster.totals();
    for (let n = 0; n < 50; n++) peer.sendUdp({ sport: 6000, dport: 5001 }, filler(100));
    sim.pass(1000);
    let got = 0;
    while (read(s) > 0) got++;
    const delta = totalsDelta(before, cluster.totals());
    expect(got).toBeGreaterThan(0);
    expect(got).toBeLessThan(50);
    expect(delta['Ip.InReceives']).toBe(got);
    const dropped = Object.entries(delta).filter(([name, n]) => name.startsWith('dev.') && n === 50 - got);
    expect(dropped).toHaveLength(1);
  });

  it('whoever was given something is woken once a batch', () => {
    const w = world(2, () => 0);
    w.cluster.wakes.fill(0);
    const s = w.home(5001).udp(4);
    s.bind(null, 5001);
    for (let n = 0; n < 20; n++) w.peer.sendUdp({ sport: 6000, dport: 5001 }, 'x');
    w.sim.pass(1000);
    expect(w.cluster.wakes).toEqual([0, 1]);
  });
});
