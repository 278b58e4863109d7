/** ICMP, ARP, wrong frames and lo over several stacks that are one host, and the way between them. */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../stack/core/address.js';
import { Level, Msg } from '../../stack/socket/socket.js';
import { Cluster, totalsDelta } from '../support/cluster.js';
import { bytes, filler, icmp, Proto, TcpFlag, tcp, u16, u32, udp } from '../support/frames.js';
import { into, PEER, quote, read, SYSCTL, same, TARGET, world } from '../support/several4.js';
import { Simulation } from '../support/simulation.js';

const { SYN } = TcpFlag;

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
