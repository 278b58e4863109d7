/**
 * TCP_TX_DELAY and SO_TXTIME: what leaves waits at the device until its time, as behind Linux's fq. What setting the option does to an open
 * connection's estimates was seen on a Linux 6.18 kernel: 79 µs became 50079, and the time-out followed.
 */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { Errno } from '../../../stack/core/errno.js';
import { Level, ReceivedFrom, So, TcpOpt } from '../../../stack/socket/socket.js';
import type { TcpSocket } from '../../../stack/tcp/socket.js';
import { expectSums, LedgerWatch } from '../../support/ledger.js';
import { listening } from '../../support/listening.js';
import { Simulation } from '../../support/simulation.js';

const delay = (s: TcpSocket, us: number) => s.setOption(Level.TCP, TcpOpt.TX_DELAY, us);
const into = new Uint8Array(100);

describe('TCP_TX_DELAY', () => {
  it('holds segments for so long, in their order', () => {
    const w = listening();
    const { c, s } = w.pair();
    s.setOption(Level.TCP, TcpOpt.NODELAY, 1);
    delay(s, 50_000);
    s.send(into, 0, 10, 0);
    w.sim.pass(20_000);
    s.send(into, 0, 20, 0);
    expect(c.replies()).toEqual([]);
    w.sim.pass(29_000);
    expect(c.replies()).toEqual([]);
    w.sim.pass(2_000);
    expect(c.replies().map((f) => f.data.length)).toEqual([10]);
    w.sim.pass(20_000);
    expect(c.replies().map((f) => f.data.length)).toEqual([20]);
    expectSums(w.host.ledger);
  });

  it('holds the SYN and all that follows, and is what the round trip takes', () => {
    const w = listening();
    const s = w.host.stack.tcp(4) as TcpSocket;
    delay(s, 40_000);
    s.connect(IpAddress.from('10.99.0.2'), 7);
    w.sim.pass(39_000);
    expect(w.peer.take().filter((f) => f.kind === 'tcp')).toEqual([]);
    w.sim.pass(2_000);
    expect(w.peer.take().filter((f) => f.kind === 'tcp')).toHaveLength(1);
  });

  it('is inherited, and refused where the estimate would overflow', () => {
    const w = listening({ prepare: (l) => delay(l, 30_000) });
    expect(w.listener.getOption(Level.TCP, TcpOpt.TX_DELAY)).toEqual({ value: 30_000 });
    expect([delay(w.listener, -1), delay(w.listener, 2 ** 28)]).toEqual([-Errno.EINVAL, -Errno.EINVAL]);
  });

  it('lengthens the estimates of an open connection at once, and takes it back', () => {
    const { s } = listening().pair();
    const r = s.connection!.rtt;
    const before = { srtt: r.srttUs, rto: s.connection!.rtoUs };
    delay(s, 50_000);
    expect(r.srttUs).toBe(before.srtt + 400_000);
    expect(s.connection!.rtoUs).toBe((r.srttUs >>> 3) + r.rttvarUs);
    delay(s, 0);
    expect(r.srttUs).toBe(before.srtt);
    delay(s, 0);
    r.srttUs = 8 * 43_000;
    delay(s, 50_000);
    r.srttUs = 8 * 43_000;
    delay(s, 0);
    expect(r.srttUs).toBe(1);
  });

  it('does not send again what has not left', () => {
    const w = listening();
    const { s } = w.pair();
    delay(s, 5_000_000);
    s.connection!.rtt.srttUs = 8000;
    s.connection!.rtoUs = 200_000;
    w.tcpMoves();
    s.send(into, 0, 10, 0);
    w.sim.pass(2_000_000);
    const moves = w.tcpMoves();
    expect(moves['TcpExt.TCPSpuriousRtxHostQueues']).toBeGreaterThan(0);
    expect(moves['Tcp.RetransSegs']).toBeUndefined();
  });

  it('beyond ten seconds is beyond the horizon: dropped', () => {
    const w = listening();
    const { c, s } = w.pair();
    delay(s, 10_000_001);
    const drops = new LedgerWatch(w.host.ledger);
    s.send(into, 0, 10, 0);
    w.sim.pass(11_000_000);
    expect(c.replies()).toEqual([]);
    expect(drops.delta()['Tcp.RetransSegs']).toBeUndefined();
  });
});

describe('SO_TXTIME', () => {
  const enable = (clock: number, flags: number) => {
    const b = new Uint8Array(8);
    new DataView(b.buffer).setInt32(0, clock, true);
    new DataView(b.buffer).setUint32(4, flags, true);
    return b;
  };

  it('takes the stack’s clock, and times only when it is on', () => {
    const sim = new Simulation(1);
    const wire = sim.wire({});
    const a = sim.host(wire.a, {});
    const b = sim.host(wire.b, { mac: '02:00:00:00:00:02', addresses: ['10.99.0.2/24'] });
    const from = a.stack.udp(4);
    const to = b.stack.udp(4);
    to.bind(null, 9);
    from.connect(IpAddress.from('10.99.0.2'), 9);
    from.sendTo(into, 0, 1, 0, null); // so that the neighbour is known
    sim.pass(1000);
    const info = new ReceivedFrom();
    const arrived = () => to.receiveFrom(into, 0, 100, 0, info);
    expect(arrived()).toBe(1);
    const now = a.stack.env.nowUs;
    expect(from.sendTo(into, 0, 2, 0, null, 0, now + 1000)).toBe(-Errno.EINVAL);
    expect(from.setOption(Level.SOCKET, So.TXTIME, enable(1, 4))).toBe(-Errno.EINVAL);
    expect(from.setOption(Level.SOCKET, So.TXTIME, enable(11, 0))).toBe(-Errno.EPERM);
    expect(from.setOption(Level.SOCKET, So.TXTIME, enable(1, 0))).toBe(0);
    for (const [length, at] of [
      [3, 30_000],
      [4, 10_000],
      [5, 20_000],
      [6, 0],
    ] as const) {
      expect(from.sendTo(into, 0, length, 0, null, 0, at === 0 ? 0 : now + at)).toBe(length);
    }
    sim.pass(5_000);
    expect([arrived(), arrived()]).toEqual([6, -Errno.EAGAIN]);
    sim.pass(40_000);
    expect([arrived(), arrived(), arrived(), arrived()]).toEqual([4, 5, 3, -Errno.EAGAIN]);
  });
});
