/** TCP over several stacks that are one host: connections, ports, cookies, what is nobody’s. */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../stack/core/address.js';
import { Msg, Poll, type StreamSocket } from '../../stack/socket/socket.js';
import type { Stack } from '../../stack/stack.js';
import type { Steering } from '../support/cluster.js';
import { filler, Proto, TcpFlag, tcp } from '../support/frames.js';
import { anywhere } from '../support/several.js';
import { into, PEER, play, type Script, same, TARGET, world } from '../support/several4.js';
import { option, TcpPeer } from '../support/tcp-peer.js';

const { SYN, ACK, RST, PSH } = TcpFlag;

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
