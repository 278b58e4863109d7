/** tcp_autocorking: short data waits while segments before it wait for the neighbour's address. What is counted is Linux's, by its traces. */
import { describe, expect, it } from 'vitest';
import { Level, So, TcpOpt } from '../../../stack/socket/socket.js';
import { filler } from '../../support/frames.js';
import { listening } from '../../support/listening.js';

/** A connection whose neighbour has been forgotten and is asked for in vain. */
function lostNeighbour() {
  const w = listening({
    sysctl: {
      'net.ipv4.neigh.default.base_reachable_time_ms': 100,
      'net.ipv4.neigh.default.delay_first_probe_time': 1,
      'net.ipv4.neigh.default.retrans_time_ms': 200,
    },
  });
  const { c, s } = w.pair();
  expect(s.setOption(Level.TCP, TcpOpt.NODELAY, 1)).toBe(0);
  const udp = w.host.stack.udp(4);
  w.peer.answerArp = false;
  w.sim.pass(400_000);
  udp.sendTo(filler(10), 0, 10, 0, { address: s.connection!.remote, port: 9 });
  w.sim.pass(2_400_000);
  w.peer.take();
  w.tcpMoves();
  const write = (n: number) => expect(s.send(filler(n), 0, n, 0)).toBe(n);
  return { ...w, c, s, write, corked: w.listener.tcp.corked };
}

describe('with a neighbour that is asked for', () => {
  it('data is held back, counted once, and leaves when the address has come', () => {
    const w = lostNeighbour();
    w.write(50);
    w.write(20);
    w.write(20);
    expect(w.tcpMoves()).toEqual({ 'Tcp.OutSegs': 1, 'TcpExt.TCPAutoCorking': 1, 'TcpExt.TCPOrigDataSent': 1 });
    w.peer.answerArp = true;
    w.sim.pass(250_000);
    expect(
      w.c
        .replies()
        .slice(0, 2)
        .map((f) => f.data.length),
    ).toEqual([50, 40]); // then the loss probe's turn
    expect(w.corked).toEqual([]);
    w.c.ackn += 90;
    w.c.segment({ flags: 16 });
    w.write(30);
    w.write(30);
    w.sim.pass(1000);
    expect(w.c.replies().map((f) => f.data.length)).toEqual([30, 30]);
  });

  it('data is not forgotten when nobody answers', () => {
    const w = lostNeighbour();
    w.write(50);
    w.write(20);
    w.sim.pass(5e6); // the resolution has failed more than once
    w.peer.answerArp = true;
    w.sim.run(() => w.s.connection!.sendQueue.sendHead === null, 60e6);
    expect(w.s.connection!.sndNxt).toBe(w.s.connection!.writeSeq);
    w.c.replies();
    w.c.ackn += 70;
    w.c.segment({ flags: 16 });
    w.sim.pass(1000);
    expect([w.s.unsent(), w.corked.length]).toEqual([0, 0]);
  });

  it('a connection may end while its data is held back', () => {
    const w = lostNeighbour();
    w.write(50);
    w.write(20);
    w.s.setOption(Level.SOCKET, So.LINGER, [1, 0]);
    w.s.close();
    w.peer.answerArp = true;
    w.sim.pass(1e6);
    expect(w.corked).toEqual([]);
    expect(w.tcpMoves()).toMatchObject({ 'TcpExt.TCPAutoCorking': 1, 'Tcp.OutRsts': 1 });
  });

  it('nothing is held back with tcp_autocorking = 0', () => {
    const w = lostNeighbour();
    w.host.stack.env.sysctl.set('tcp_autocorking', 0);
    w.write(50);
    w.write(20);
    expect(w.tcpMoves()).toEqual({ 'Tcp.OutSegs': 2, 'TcpExt.TCPOrigDataSent': 2 });
  });
});
