/** The socket's calls: errno and readiness as Linux answers them. */
import { describe, expect, it } from 'vitest';
import { Tcp } from '../../../mib/catalogue/index.js';
import { Col, RowKind } from '../../../mib/ledger/layout.js';
import { IpAddress } from '../../../stack/core/address.js';
import { Errno } from '../../../stack/core/errno.js';
import { Level, Poll, Shutdown, So, TcpOpt } from '../../../stack/socket/socket.js';
import type { TcpSocket } from '../../../stack/tcp/socket.js';
import { TcpState } from '../../../stack/tcp/state.js';
import { TcpFlag } from '../../support/frames.js';
import { listening, PORT } from '../../support/listening.js';

const { SYN, RST, ACK, FIN } = TcpFlag;
const buffer = new Uint8Array(100);

describe('a new socket', () => {
  it('is closed, writable and hung up, and refuses what needs a connection', () => {
    const { host } = listening();
    const s = host.stack.tcp(4);
    expect(s.state).toBe(TcpState.CLOSE);
    expect(s.poll()).toBe(Poll.OUT | Poll.HUP);
    expect(s.receive(buffer, 0, 10, 0)).toBe(-Errno.ENOTCONN);
    expect(s.send(buffer, 0, 10, 0)).toBe(-Errno.EPIPE);
    expect(s.shutdown(Shutdown.WR)).toBe(-Errno.ENOTCONN);
    expect(s.shutdown(9)).toBe(-Errno.EINVAL);
    expect(s.accept()).toBe(-Errno.EINVAL);
    expect(s.peerName()).toBeNull();
    s.close();
    s.close();
  });

  it('binds once, to an address of the host', () => {
    const { host } = listening();
    const s = host.stack.tcp(4);
    expect(s.bind(IpAddress.from('10.99.0.77'), 7000)).toBe(-Errno.EADDRNOTAVAIL);
    expect(s.bind(IpAddress.from('fd00::1'), 7000)).toBe(-Errno.EAFNOSUPPORT);
    expect(s.bind(IpAddress.from('10.99.0.1'), PORT)).toBe(-Errno.EADDRINUSE);
    expect(s.bind(IpAddress.from('10.99.0.1'), 7000)).toBe(0);
    expect(s.bind(null, 7001)).toBe(-Errno.EINVAL);
    expect(s.localName()).toEqual({ address: IpAddress.from('10.99.0.1'), port: 7000 });
    s.close();
    expect(host.stack.tcp(4).bind(null, 7000)).toBe(0);
  });

  it('gets a port of the range when it listens unbound', () => {
    const { host } = listening();
    const s = host.stack.tcp(4);
    expect(s.listen(1)).toBe(0);
    expect(s.localName()!.port).toBeGreaterThanOrEqual(32768);
    expect(s.connect(IpAddress.from('10.99.0.2'), 1)).toBe(-Errno.EISCONN);
    expect(s.listen(5)).toBe(0);
  });
});

describe('connect', () => {
  const peerAddress = IpAddress.from('10.99.0.2');

  it('without a route is ENETUNREACH, and the socket may try again', () => {
    const { host } = listening();
    host.stack.routeCommand('ip route del default');
    const s = host.stack.tcp(4);
    expect(s.connect(IpAddress.from('192.0.2.1'), 80)).toBe(-Errno.ENETUNREACH);
    expect(s.connect(IpAddress.from('10.99.0.255'), 80)).toBe(-Errno.ENETUNREACH);
    expect(s.connect(peerAddress, 80)).toBe(-Errno.EINPROGRESS);
  });

  it('refused: bits, the error once, and then as good as new', () => {
    const w = listening();
    const s = w.host.stack.tcp(4);
    const bits: number[] = [];
    s.onReady = (b) => bits.push(b);
    expect(s.connect(peerAddress, 5001)).toBe(-Errno.EINPROGRESS);
    expect(s.connect(peerAddress, 5001)).toBe(-Errno.EALREADY);
    w.sim.pass(1000);
    expect(s.poll()).toBe(0);
    const c = w.client(5001, s.localName()!.port);
    c.got(w.peer.take().find((f) => f.kind === 'tcp')!);
    c.segment({ flags: RST | ACK, seq: 0 });
    expect(s.poll()).toBe(Poll.IN | Poll.OUT | Poll.ERR | Poll.HUP | Poll.RDHUP);
    expect(bits.length).toBeGreaterThan(0);
    expect(s.connect(peerAddress, 5001)).toBe(-Errno.ECONNREFUSED);
    expect(s.connect(peerAddress, 5001)).toBe(-Errno.EINPROGRESS);
    expect(w.tcpMoves()).toMatchObject({ 'Tcp.ActiveOpens': 2, 'Tcp.AttemptFails': 1 });
  });

  it('succeeds: 0 once, then EISCONN; its row says who it is', () => {
    const w = listening();
    const s = w.host.stack.tcp(4) as TcpSocket;
    s.connect(peerAddress, 5001);
    w.sim.pass(1000);
    const c = w.client(5001, s.localName()!.port);
    c.got(w.peer.take().find((f) => f.kind === 'tcp')!);
    expect(c.syn(undefined, SYN | ACK)[0]!.flags).toBe(ACK);
    expect(s.connect(peerAddress, 5001)).toBe(0);
    expect(s.connect(peerAddress, 5001)).toBe(-Errno.EISCONN);
    expect(s.peerName()).toEqual({ address: peerAddress, port: 5001 });
    const { ints } = w.host.ledger;
    const at = w.host.ledger.headerAt(s.connection!.owner.row);
    expect([Col.kind, Col.state, Col.protocol, Col.remotePort, Col.active].map((x) => ints[at + x])).toEqual([
      RowKind.connection,
      TcpState.ESTABLISHED,
      6,
      5001,
      1,
    ]);
  });

  it('given up by connect(AF_UNSPEC) sends a RST and frees port and row', () => {
    const w = listening();
    const { c, s } = w.pair();
    expect(s.connect(null, 0)).toBe(0);
    w.sim.pass(1000);
    expect(c.replies()[0]!.flags).toBe(RST | ACK);
    expect(s.state).toBe(TcpState.CLOSE);
    expect(w.host.stack.tcpLayer.table.size).toBe(0);
  });
});

describe('an accepted socket', () => {
  it('reads, half-closes and ends', () => {
    const w = listening();
    const { c, s } = w.pair();
    expect(s.poll()).toBe(Poll.OUT);
    expect(s.receive(buffer, 0, 10, 0)).toBe(-Errno.EAGAIN);
    c.send('hello');
    expect(s.poll()).toBe(Poll.OUT | Poll.IN);
    expect(s.readable()).toBe(5);
    expect(s.receive(buffer, 0, 100, 0)).toBe(5);
    expect(new TextDecoder().decode(buffer.subarray(0, 5))).toBe('hello');
    c.fin();
    expect(s.poll()).toBe(Poll.OUT | Poll.IN | Poll.RDHUP);
    expect(s.receive(buffer, 0, 100, 0)).toBe(0);
    expect(s.shutdown(Shutdown.WR)).toBe(0);
    w.sim.pass(1000);
    expect(c.replies().at(-1)!.flags & FIN).toBe(FIN);
    expect(s.poll() & Poll.HUP).toBe(Poll.HUP);
    expect(s.send(buffer, 0, 1, 0)).toBe(-Errno.EPIPE);
  });

  it("shares its listener's options until one of the two changes one", () => {
    const w = listening({ prepare: (x) => void x.setOption(Level.TCP, TcpOpt.NODELAY, 1) });
    const { s } = w.pair();
    expect(s.settings).toBe(w.listener.settings);
    s.setOption(Level.TCP, TcpOpt.KEEPIDLE, 77);
    expect(s.getOption(Level.TCP, TcpOpt.NODELAY)).toEqual({ value: 1 });
    expect(w.listener.getOption(Level.TCP, TcpOpt.KEEPIDLE)).toEqual({ value: 7200 });
  });

  it('may be reset before it is accepted: accept gives it, reading says why', () => {
    const w = listening();
    const c = w.client();
    c.handshake();
    c.segment({ flags: RST | ACK });
    const s = w.accept();
    expect(s.receive(buffer, 0, 10, 0)).toBe(-Errno.ECONNRESET);
  });
});

describe('a listener', () => {
  it('is readable while a connection waits, and resets those that nobody accepted when it closes', () => {
    const w = listening();
    let told = 0;
    w.listener.onReady = (bits) => {
      told |= bits;
    };
    expect(w.listener.poll()).toBe(0);
    const c = w.client();
    c.handshake();
    expect([w.listener.poll(), told]).toEqual([Poll.IN, Poll.IN]);
    expect(w.host.ledger.ints[w.host.ledger.headerAt(w.listener.listener!.owner.row) + Col.recvQ]).toBe(1);
    expect(w.listener.receive(buffer, 0, 1, 0)).toBe(-Errno.ENOTCONN);
    w.listener.close();
    w.sim.pass(1000);
    expect(c.replies()[0]!.flags).toBe(RST | ACK);
    expect(w.host.stack.tcpLayer.table.size).toBe(0);
    expect(w.tcpMoves()).toMatchObject({ 'Tcp.PassiveOpens': 1, 'Tcp.EstabResets': 1, 'Tcp.OutRsts': 1 });
  });

  it('with a full accept queue drops final ACKs and SYNs, and the peer is let in when there is room', () => {
    const w = listening({ backlog: 1, sysctl: { tcp_syncookies: 0 } });
    const [a, b, c] = [w.client(41000), w.client(41001), w.client(41002)];
    a.handshake();
    b.handshake(false);
    c.handshake(false);
    b.segment({ flags: ACK });
    c.segment({ flags: ACK });
    expect(w.client(41003).syn()).toEqual([]);
    expect(w.tcpMoves()).toMatchObject({ 'Tcp.PassiveOpens': 2, 'TcpExt.ListenOverflows': 2, 'TcpExt.ListenDrops': 2 });
    w.accept();
    w.accept();
    expect(w.listener.poll()).toBe(0);
    c.segment({ flags: ACK });
    expect(w.accept().state).toBe(TcpState.ESTABLISHED);
  });

  it('answers an overflow by RST with tcp_abort_on_overflow', () => {
    const w = listening({ backlog: 1, sysctl: { tcp_abort_on_overflow: 1 } });
    const [a, b, c] = [w.client(41000), w.client(41001), w.client(41002)];
    a.handshake();
    b.handshake(false);
    c.handshake(false);
    b.segment({ flags: ACK });
    expect(c.segment({ flags: ACK })[0]!.flags).toBe(RST);
    expect(w.tcpMoves()).toMatchObject({ 'TcpExt.ListenOverflows': 1, 'TcpExt.EmbryonicRsts': 1, 'Tcp.OutRsts': 1 });
  });

  it('stops listening on shutdown(SHUT_RD), not on SHUT_WR', () => {
    const w = listening();
    w.listener.shutdown(Shutdown.WR);
    expect(w.listener.state).toBe(TcpState.LISTEN);
    w.listener.shutdown(Shutdown.RD);
    expect(w.client().syn()[0]!.flags).toBe(RST | ACK);
    expect(w.listener.listen(1)).toBe(0);
    expect(w.client(40001).syn()[0]!.flags).toBe(SYN | ACK);
  });
});

describe('ports and rows', () => {
  it('are free when all is over', () => {
    const w = listening();
    for (let i = 0; i < 20; i++) {
      const { c, s } = w.pair(41000 + i);
      if (i % 3 === 0) c.segment({ flags: RST | ACK });
      else if (i % 3 === 1) c.fin();
      s.close();
      w.sim.pass(1000);
      const fin = c.replies().find((f) => f.flags & FIN);
      if (fin) {
        c.got(fin);
        c.segment({ flags: ACK });
        if (i % 3 === 2) c.fin();
      }
    }
    w.listener.close();
    w.sim.pass(70_000_000);
    const { ledger, stack } = w.host;
    expect(stack.tcpLayer.table.size).toBe(0);
    expect(stack.tcpLayer.ports.inUse(PORT)).toBe(false);
    expect(stack.tcpLayer.orphans).toBe(0);
    let rows = 0;
    for (let r = 0; r < ledger.maxRows; r++) if (ledger.ints[ledger.headerAt(r) + Col.kind] !== RowKind.free) rows++;
    expect(rows).toBe(0);
    expect(ledger.cells[Tcp.CurrEstab]).toBe(0);
  });

  it('SO_REUSEADDR lets a listener come back beside its old connections', () => {
    const w = listening();
    w.pair();
    w.listener.close();
    const again = w.host.stack.tcp(4);
    again.setOption(Level.SOCKET, So.REUSEADDR, 1);
    expect(again.bind(null, PORT)).toBe(-Errno.EADDRINUSE); // the first had not set it
    const v = listening({ prepare: (x) => void x.setOption(Level.SOCKET, So.REUSEADDR, 1) });
    v.pair();
    v.listener.close();
    const next = v.host.stack.tcp(4);
    expect(next.bind(null, PORT)).toBe(-Errno.EADDRINUSE);
    next.setOption(Level.SOCKET, So.REUSEADDR, 1);
    expect(next.bind(null, PORT)).toBe(0);
    expect(next.listen(1)).toBe(0);
  });
});
