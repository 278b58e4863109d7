/** UDP, ping sockets and fragments over several stacks that are one host. */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../stack/core/address.js';
import { bytes, filler, icmp, Proto, TcpFlag, tcp, u16, udp } from '../support/frames.js';
import type { RawPeer } from '../support/raw-peer.js';
import { PEER, read, same, TARGET } from '../support/several4.js';

const { ACK, PSH } = TcpFlag;

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
