/**
 * A window that shuts on data under way: the buffer was made smaller, what came was dropped, and the peer's numbers are ahead of ours. What is
 * counted until a timer runs out is what a 6.18 kernel was seen to count for the same segments; what comes after is RFC 9293's exception.
 */
import { describe, expect, it } from 'vitest';
import { Level, So } from '../../../stack/socket/socket.js';
import { filler, TcpFlag } from '../../support/frames.js';
import { listening } from '../../support/listening.js';

const { ACK, PSH, FIN } = TcpFlag;
const PIECE = 1000;
const WRITTEN = 1000;

/** The window is shut, WRITTEN octets wait for their acknowledgement, and the peer had sent more than was taken. */
function shut() {
  const w = listening({ prepare: (s) => expect(s.setOption(Level.SOCKET, So.RCVBUF, 100_000)).toBe(0) });
  const { c, s } = w.pair();
  s.send(filler(WRITTEN), 0, WRITTEN, 0);
  w.sim.pass(1000);
  c.replies();
  expect(s.setOption(Level.SOCKET, So.RCVBUF, 3000)).toBe(0);
  let last = c.send(filler(PIECE)).at(-1);
  for (let i = 0; i < 30 && last?.window !== 0; i++) last = c.send(filler(PIECE)).at(-1) ?? last;
  expect(last?.window).toBe(0);
  const ahead = (c.seq - last!.ack) >>> 0;
  expect(ahead).toBeGreaterThan(0);
  c.ackn = (c.ackn + WRITTEN) >>> 0;
  w.tcpMoves();
  /** Octets that nobody has acknowledged. */
  const unacked = () => s.connection!.sndNxt - s.connection!.sndUna;
  return { ...w, c, s, edge: last!.ack, unacked };
}

const EDGES: [string, number, number, number][] = [
  ['an ACK behind the data that was dropped', ACK, PIECE, 0],
  ['the data again', PSH | ACK, 0, PIECE],
  ['an octet of it', PSH | ACK, 0, 1],
  ['its end, with the FIN', FIN | PSH | ACK, 0, 10],
];

describe('beyond a window that shut', () => {
  it.each(EDGES)('%s is refused, its ACK too, as Linux refuses it', (_, flags, ahead, length) => {
    const w = shut();
    const answer = w.c.segment({ flags, seq: w.edge + ahead }, filler(length));
    expect(answer.map((f) => [f.ack, f.window, f.data.length])).toEqual([[w.edge, 0, 0]]);
    expect(w.unacked()).toBe(WRITTEN);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'Tcp.OutSegs': 1, 'TcpExt.BeyondWindow': 1 });
  });

  it('an ACK at its edge is taken', () => {
    const w = shut();
    w.c.segment({ flags: ACK, seq: w.edge });
    expect(w.unacked()).toBe(0);
  });

  it.each(EDGES)('%s is taken for its ACK when our data has timed out, and for nothing else', (_, flags, ahead, length) => {
    const w = shut();
    w.sim.pass(3_000_000);
    expect(w.tcpMoves()['TcpExt.TCPTimeouts']).toBeGreaterThan(0);
    w.c.replies();
    const readable = w.s.readable();
    const answer = w.c.segment({ flags, seq: w.edge + ahead }, filler(length));
    expect(answer.map((f) => [f.ack, f.window, f.data.length])).toEqual([[w.edge, 0, 0]]);
    expect([w.unacked(), w.s.readable(), w.s.connection!.rcvNxt]).toEqual([0, readable, w.edge]);
    expect(w.tcpMoves()).toMatchObject({ 'Tcp.InSegs': 1, 'Tcp.OutSegs': 1, 'TcpExt.BeyondWindow': 1 });
  });

  it('the exception lasts until data is taken again', () => {
    const w = shut();
    w.sim.pass(3_000_000);
    const beyond = () => w.c.segment({ flags: ACK, seq: w.edge + PIECE });
    beyond();
    for (let i = 0; i < 3; i++) {
      // no time-out in between
      w.s.send(filler(500), 0, 500, 0);
      w.sim.pass(1000);
      w.c.ackn = (w.c.ackn + 500) >>> 0;
      expect(w.unacked()).toBe(500);
      beyond();
      expect(w.unacked()).toBe(0);
    }
  });

  it('an ACK of data that was never sent is not valid', () => {
    const w = shut();
    w.sim.pass(3_000_000);
    w.c.segment({ flags: ACK, seq: w.edge + PIECE, ack: w.c.ackn + 5000 });
    expect(w.unacked()).toBe(WRITTEN);
  });

  it('an echo that reads no further until its answers are gone goes on', () => {
    const w = shut();
    w.sim.pass(3_000_000);
    w.c.segment({ flags: PSH | ACK, seq: w.edge }, filler(PIECE));
    // its answer has gone: it reads, the window opens, and the data comes again
    const window = () => w.c.replies().at(-1)?.window ?? 0;
    expect(w.unacked()).toBe(0);
    expect(w.s.setOption(Level.SOCKET, So.RCVBUF, 100_000)).toBe(0);
    w.s.receive(new Uint8Array(1 << 16), 0, 1 << 16, 0);
    w.sim.pass(1000);
    expect(window()).toBeGreaterThan(PIECE);
    w.c.segment({ flags: PSH | ACK, seq: w.edge }, filler(PIECE));
    expect(w.s.readable()).toBe(PIECE);
  });
});
