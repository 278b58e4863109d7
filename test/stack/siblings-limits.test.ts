/**
 * What Linux limits for a host as a whole is limited so for a host of several stacks too: by accounts that they share, and after each batch
 * exactly as if they were one.
 */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../stack/core/address.js';
import { Errno } from '../../stack/core/errno.js';
import { Account, HostLimits } from '../../stack/core/host-limits.js';
import { SeededRandom } from '../../stack/core/random.js';
import { ReceivedFrom, type StreamSocket } from '../../stack/socket/socket.js';
import type { Steering } from '../support/cluster.js';
import { filler, Proto, TcpFlag } from '../support/frames.js';
import { fragmentHeader } from '../support/peer6.js';
import { anywhere } from '../support/several.js';
import { play6, same6, type World6, world6 } from '../support/several6.js';
import { Tcp6 } from './ip6/tcp6.js';

const { ACK, PSH, RST } = TcpFlag;
/** Pages by which a stack's part may move within a batch before the others see it. */
const STEP = 16;

/** A listener in every stack; what it accepts is kept and not read, or given to `then`. */
function listenEverywhere(w: World6, port: number, then: (s: StreamSocket) => void = () => {}): void {
  for (const stack of w.cluster.stacks) {
    const l = stack.tcp(6);
    expect([l.bind(null, port), l.listen(64)]).toEqual([0, 0]);
    l.onReady = () => {
      for (let s = l.accept(); typeof s !== 'number'; s = l.accept()) then(s);
    };
  }
}
function clients(w: World6, n: number, port: number): Tcp6[] {
  const all = Array.from({ length: n }, (_, i) => new Tcp6(w.six, port, 40_000 + i));
  for (const c of all) c.handshake(w.sim);
  return all;
}
const pages = (w: World6) => w.cluster.stacks.reduce((n, s) => n + s.tcpLayer.memory.pages, 0);

describe('tcp_mem', () => {
  const accepted: StreamSocket[] = [];

  it('pressure and the end of memory come with the same segment, whichever stacks hold it, and are counted once', () => {
    const one = same6(
      (w) => {
        const all = clients(w, 8, 6000);
        for (let round = 0; round < 12; round++) {
          for (const c of all) {
            c.send({ flags: PSH | ACK }, filler(1400));
            w.sim.pass(1000);
            w.six.take();
          }
        }
        w.sim.pass(2_000_000);
        for (const s of accepted.splice(0)) s.close();
        w.sim.pass(1000);
      },
      { sysctl: { tcp_mem: '10 20 40' }, before: (w) => listenEverywhere(w, 6000, (s) => accepted.push(s)) },
    );
    expect(one.delta).toMatchObject({ 'TcpExt.TCPMemoryPressures': 1 });
    expect(one.delta['TcpExt.TCPMemoryPressuresChrono']).toBeGreaterThan(2000);
    expect(one.delta['TcpExt.PruneCalled']).toBeGreaterThan(0);
  });

  it('pressure in one stack is seen in the other, and ends there too', () => {
    const w = world6(2, () => 0, { sysctl: { tcp_mem: '10 20 40' } });
    listenEverywhere(w, 6000, (s) => accepted.push(s));
    const s = w.home(3001).tcp(6);
    s.bind(null, 3001);
    s.connect(IpAddress.from('fd99::2'), 6000);
    w.sim.pass(1000);
    const active = new Tcp6(w.six, 3001, 6000);
    const [syn] = w.six.take();
    active.ack = (new DataView(syn!.data.buffer, syn!.data.byteOffset).getUint32(4) + 1) >>> 0;
    active.send({ flags: TcpFlag.SYN | ACK });
    w.sim.pass(1000);
    const [first, second] = w.cluster.stacks.map((k) => k.tcpLayer.memory);
    expect(second!.plenty).toBe(true);
    const all = clients(w, 8, 6000);
    for (let round = 0; round < 12; round++) for (const c of all) c.send({ flags: PSH | ACK }, filler(1400));
    w.sim.pass(1000);
    expect([first!.pressed, second!.pressed, second!.plenty]).toEqual([true, true, false]);
    expect([first!.pages > 20, second!.pages]).toEqual([true, 0]);
    // above the third bound a writer of the other stack gets what keeps it going, and waits
    w.cluster.stacks[0]!.env.sysctl.set('tcp_mem', '1 2 3');
    expect(second!.exhausted).toBe(true);
    let total = 0;
    let n = 0;
    for (let i = 0; i < 50 && n >= 0; i++) {
      n = s.send(filler(50_000), 0, 50_000, 0);
      if (n > 0) total += n;
    }
    expect(n).toBe(-Errno.EAGAIN);
    expect(total).toBeLessThan(20_000);
    w.cluster.stacks[0]!.env.sysctl.set('tcp_mem', '10 20 40');
    for (const a of accepted.splice(0)) a.close();
    active.send({ flags: RST });
    w.sim.pass(1000);
    expect([first!.pressed, second!.pressed, pages(w)]).toEqual([false, false, 0]);
  });

  it('the sum stays within a step a stack of what one stack would hold, however many segments come at once', () => {
    const most = (count: number, steer: Steering) => {
      const w = world6(count, steer, { sysctl: { tcp_mem: '30 60 120' } });
      listenEverywhere(w, 6000);
      const all = clients(w, 16, 6000);
      const random = new SeededRandom(7);
      let highest = 0;
      for (let round = 0; round < 60; round++) {
        for (let n = 0; n < 24; n++) all[random.u32() % 16]!.send({ flags: PSH | ACK }, filler(1400));
        w.sim.pass(1000);
        w.six.take();
        highest = Math.max(highest, pages(w));
      }
      return highest;
    };
    const one = most(1, () => 0);
    expect(one).toBeGreaterThan(100);
    for (const count of [2, 4]) {
      const highest = most(count, anywhere(count));
      expect(highest).toBeGreaterThan(100);
      expect(highest).toBeLessThanOrEqual(120 + 16 + (count - 1) * STEP); // a page that is never refused for each connection
      expect(highest).toBeLessThanOrEqual(one + (count - 1) * STEP);
    }
  });
});

describe('other limits of the host', () => {
  it('udp_mem: the datagram that one stack would have no memory for has none in several', () => {
    const one = same6(
      (w) => {
        const sockets = [5000, 5001, 5002, 5003].map((port) => {
          const u = w.home(port).udp(6);
          u.bind(null, port);
          return u;
        });
        const send = (port: number) => {
          w.six.send(Proto.udp, w.six.udp(6000, port, filler(1400)));
          w.sim.pass(1000);
        };
        for (let round = 0; round < 4; round++) for (const port of [5000, 5001, 5002, 5003]) send(port);
        const info = new ReceivedFrom();
        for (let n = 0; n < 3; n++) sockets[1]!.receiveFrom(new Uint8Array(2000), 0, 2000, 0, info);
        w.sim.pass(1000);
        for (const port of [5000, 5002, 5003]) send(port);
      },
      { sysctl: { udp_mem: '1 2 5', udp_rmem_min: 1 } },
    );
    expect(one.delta['Udp6.MemErrors']).toBeGreaterThan(5);
    expect(one.delta['Udp6.MemErrors']).toBeLessThan(16);
  });

  it('ip6frag_high_thresh and ipfrag_high_thresh: the datagram that there is no memory for has none at any home', () => {
    const one = same6(
      (w) => {
        for (let id = 1; id <= 12; id++) {
          const first = w.six.udp(6000, 7, filler(1000)).subarray(0, 800);
          w.six.send(Proto.udp, first, { extension: fragmentHeader(Proto.udp, 0, true, id), first: 44 });
          w.sim.pass(1000);
          w.six.peer.sendIp(first, { protocol: Proto.udp, id, mf: true });
          w.sim.pass(1000);
        }
      },
      { sysctl: { 'net.ipv6.ip6frag_high_thresh': 9000, ipfrag_high_thresh: 7000 } },
    );
    const fails = [one.delta['Ip.ReasmFails']!, one.delta['Ip6.ReasmFails']!];
    expect(fails[0]).toBeGreaterThan(fails[1]!);
    expect(fails[1]).toBeGreaterThan(1);
    expect(fails[0]).toBeLessThan(11);
  });

  it('tcp_max_tw_buckets', () => {
    const one = same6((w) => void closeAll(w), { sysctl: { tcp_max_tw_buckets: 3 } });
    expect(one.delta).toMatchObject({ 'TcpExt.TW': 3, 'TcpExt.TCPTimeWaitOverflow': 5 });
  });
  /** Eight connections that the host closes first. */
  function closeAll(w: World6): void {
    for (const c of Array.from({ length: 8 }, (_, i) => new Tcp6(w.six, 13, 41_000 + i))) {
      c.handshake(w.sim);
      const [day] = w.six.take().filter((f) => f.data.length > 40);
      const v = new DataView(day!.data.buffer, day!.data.byteOffset);
      c.ack = (v.getUint32(4) + day!.data.length - (v.getUint8(12) >> 4) * 4 + 1) >>> 0;
      c.send({ flags: ACK | TcpFlag.FIN });
      w.sim.pass(1000);
      w.six.take();
    }
  }

  it('tcp_max_orphans', () => {
    const one = same6(
      (w) => {
        for (let i = 0; i < 6; i++) new Tcp6(w.six, 6000, 42_000 + i).handshake(w.sim);
        w.sim.pass(1000);
      },
      { sysctl: { tcp_max_orphans: 2 }, before: (w) => listenEverywhere(w, 6000, (s) => s.close()) },
    );
    expect(one.delta['TcpExt.TCPAbortOnMemory']).toBeGreaterThan(3);
  });

  it('icmp_msgs_per_sec: as many errors go out as of one stack, by chance a few more or less', () => {
    for (const count of [1, 2, 4]) {
      const { delta } = play6(
        (w) => {
          for (let n = 0; n < 400; n++) w.six.send(Proto.udp, w.six.udp(6000, 9000 + n, 'x'));
          w.sim.pass(1000);
        },
        count,
        anywhere(count),
        { sysctl: { icmp_msgs_per_sec: 1000, icmp_msgs_burst: 100 } },
      );
      const sent = delta['Icmp6.OutType1']!;
      expect(sent).toBeGreaterThan(75);
      expect(sent).toBeLessThan(130);
      expect(sent + delta['Icmp.OutRateLimitGlobal']!).toBe(400);
    }
  });
});

describe('the accounts', () => {
  it('show a part in steps, all of it at a step of one, and nothing as nothing', () => {
    const memory = HostLimits.memory(3);
    const [a, b, c] = [0, 1, 2].map((i) => new HostLimits(memory, i, 3)) as [HostLimits, HostLimits, HostLimits];
    a.show(Account.tcpPages, 15, STEP);
    expect(b.others(Account.tcpPages)).toBe(0);
    a.show(Account.tcpPages, 16, STEP);
    c.show(Account.tcpPages, 40, STEP);
    c.show(Account.orphans, 7, 1);
    expect([a, b, c].map((l) => l.others(Account.tcpPages))).toEqual([40, 56, 16]);
    a.show(Account.tcpPages, 1, STEP);
    expect(b.others(Account.tcpPages)).toBe(56);
    a.show(Account.tcpPages, 0, STEP);
    c.show(Account.tcpPages, 39, 1);
    expect([b.others(Account.tcpPages), b.others(Account.orphans)]).toEqual([39, 7]);
  });

  it('begin and end pressure once', () => {
    const memory = HostLimits.memory(2);
    const [a, b] = [0, 1].map((i) => new HostLimits(memory, i, 2)) as [HostLimits, HostLimits];
    expect([a.beginPressure(5000), b.beginPressure(6000), b.pressed]).toEqual([true, false, true]);
    expect([b.endPressure(9000), a.endPressure(9000), a.pressed]).toEqual([4000, -1, false]);
  });

  it('of a stack that is the whole host know of no others', () => {
    const alone = HostLimits.alone();
    alone.show(Account.tcpPages, 1000, 1);
    expect(alone.others(Account.tcpPages)).toBe(0);
  });
});
