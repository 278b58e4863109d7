/** Broadcasts and groups over several stacks that are one host: heard once, reported once. */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../stack/core/address.js';
import { type DatagramSocket, IpOpt, Level } from '../../stack/socket/socket.js';
import { BROADCAST_MAC, bytes, filler, groupMac, icmp, type ParsedFrame, Proto, TcpFlag, tcp, udp } from '../support/frames.js';
import { PEER, read, same, TARGET } from '../support/several4.js';

const { SYN } = TcpFlag;

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
        const body = icmp(0x11, 10, bytes(rest, [2, 125, 0, 0]));
        w.peer.sendIp(body, { protocol: Proto.igmp, dst, ttl: 1 }, groupMac(dst));
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

  it('while a router speaks version 2 of IGMP, reports and leaving come from the host as one', () => {
    const group = '239.1.2.3';
    const one = same((w) => {
      w.peer.sendIp(
        icmp(0x11, 10, bytes([0, 0, 0, 0])),
        { protocol: Proto.igmp, dst: '224.0.0.1', ttl: 1 },
        groupMac('224.0.0.1'),
      );
      w.sim.pass(2_000_000);
      const sockets = [5000, 5001].map((port) => w.home(port).udp(4));
      for (const s of sockets) expect(join(s, group)).toBe(0);
      w.sim.pass(30_000_000);
      for (const s of sockets) expect(leave(s, group)).toBe(0);
      w.sim.pass(1_000_000);
    });
    const messages = one.sent.map((f) => f as { kind: string; data: string; dst: string }).filter((f) => f.kind === 'igmp');
    expect(messages.map((f) => [f.data.slice(0, 2), f.dst])).toEqual([
      ['16', group],
      ['16', group],
      ['17', '224.0.0.2'],
    ]);
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
