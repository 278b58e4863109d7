/** tcp_migrate_req: what hangs on a closing SO_REUSEPORT listener goes to others of its group. Single steps are Linux's, by its traces. */
import { describe, expect, it } from 'vitest';
import { Col } from '../../../mib/ledger/layout.js';
import { Errno } from '../../../stack/core/errno.js';
import { Level, So } from '../../../stack/socket/socket.js';
import type { TcpSocket } from '../../../stack/tcp/socket.js';
import { TcpFlag } from '../../support/frames.js';
import { expectSums } from '../../support/ledger.js';
import { listening, PORT } from '../../support/listening.js';

const { ACK } = TcpFlag;

/** The first of a group, and how to make more of it. */
function group(migrate: number) {
  const w = listening({
    sysctl: { tcp_migrate_req: migrate },
    prepare: (s) => expect(s.setOption(Level.SOCKET, So.REUSEPORT, 1)).toBe(0),
  });
  const another = (): TcpSocket => {
    const s = w.host.stack.tcp(4) as TcpSocket;
    s.setOption(Level.SOCKET, So.REUSEPORT, 1);
    expect(s.bind(null, PORT)).toBe(0);
    expect(s.listen(100)).toBe(0);
    return s;
  };
  return { ...w, another };
}

describe('with tcp_migrate_req', () => {
  it('children and requests spread over the listeners that are left, and none is lost', () => {
    const w = group(1);
    const done = Array.from({ length: 8 }, (_, i) => w.client(41000 + i));
    for (const c of done) c.handshake();
    const open = Array.from({ length: 8 }, (_, i) => w.client(42000 + i));
    for (const c of open) c.handshake(false);
    const left = [w.another(), w.another(), w.another()];
    w.tcpMoves();
    w.listener.close();
    expect(w.tcpMoves()).toEqual({ 'TcpExt.TCPMigrateReqSuccess': 8 });
    for (const c of open) c.segment({ flags: ACK });
    expect(w.tcpMoves()).toMatchObject({ 'TcpExt.TCPMigrateReqSuccess': 8, 'Tcp.PassiveOpens': 8 });
    const got = left.map((l) => {
      let n = 0;
      for (let s = l.accept(); typeof s !== 'number'; s = l.accept()) {
        const { ledger } = w.host;
        const at = ledger.headerAt(s.connection!.owner.row);
        expect(ledger.ints[at + Col.listener]).toBe(l.listener!.owner.row);
        s.close();
        n++;
      }
      return n;
    });
    expect(got.reduce((a, b) => a + b, 0)).toBe(16);
    expect(Math.max(...got)).toBeLessThan(16);
    expectSums(w.host.ledger);
  });

  it('the end of the last listener resets the children, and forgets a request with its next time-out', () => {
    const w = group(1);
    w.client(41000).handshake();
    w.client(42000).handshake(false);
    w.tcpMoves();
    w.listener.close();
    expect(w.tcpMoves()).toMatchObject({ 'TcpExt.TCPMigrateReqFailure': 1, 'Tcp.OutRsts': 1 });
    w.sim.pass(10e6);
    expect(w.tcpMoves()).toEqual({ 'TcpExt.TCPMigrateReqFailure': 1 });
    expect(w.listener.tcp.table.counts[1]).toBe(0);
  });

  it('an address or a port of its own is another group', () => {
    const w = group(1);
    const c = w.client(42000);
    c.handshake(false);
    const other = w.host.stack.tcp(4) as TcpSocket;
    other.setOption(Level.SOCKET, So.REUSEPORT, 1);
    expect(other.bind(null, PORT + 1)).toBe(0);
    other.listen(5);
    w.listener.close();
    w.tcpMoves();
    expect(c.segment({ flags: ACK })[0]!.flags).toBe(TcpFlag.RST);
    expect(w.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'Tcp.OutSegs': 1, 'Tcp.OutRsts': 1, 'TcpExt.TCPMigrateReqFailure': 1 });
    expect(other.accept()).toBe(-Errno.EAGAIN);
  });

  it('the stack can be closed over requests whose listener is gone', () => {
    const w = group(1);
    w.client(42000).handshake(false);
    w.listener.close();
    w.listener.tcp.close();
    w.sim.pass(10e6);
    expect(w.listener.tcp.table.counts[1]).toBe(0);
  });
});

describe('without', () => {
  it('a closing listener takes all with it, as ever, and counts no failure', () => {
    const w = group(0);
    w.another();
    w.client(42000).handshake(false);
    w.client(41000);
    w.tcpMoves();
    w.listener.close();
    w.sim.pass(10e6);
    expect(w.tcpMoves()).toEqual({});
  });
});
