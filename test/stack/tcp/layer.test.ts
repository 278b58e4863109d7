/** The layer as a whole: ICMP errors about half-open requests, rows of demultiplexing, and the end. */
import { describe, expect, it } from 'vitest';
import { Icmp, Ip, Tcp } from '../../../mib/catalogue/index.js';
import { IpAddress } from '../../../stack/core/address.js';
import { Errno } from '../../../stack/core/errno.js';
import { TcpState } from '../../../stack/tcp/state.js';
import { bytes, filler, ipv4, Proto, TcpFlag, u16, u32 } from '../../support/frames.js';
import { rowCells } from '../../support/ledger.js';
import { listening, PORT } from '../../support/listening.js';

const { RST, ACK } = TcpFlag;

describe('an ICMP error', () => {
  /** One that quotes our SYN-ACK to port 40000. */
  const quote = (seq: number) => {
    const header = bytes(u16(PORT), u16(40000), u32(seq));
    return bytes(u32(0), ipv4({ src: '10.99.0.1', dst: '10.99.0.2', protocol: Proto.tcp, totalLength: 40 }, header));
  };

  it('about a half-open request ends it when the host cannot be reached and the number is right', () => {
    const w = listening();
    const isn = w.client().handshake(false).seq;
    w.tcpMoves();
    w.peer.sendIcmp(3, 1, quote(isn + 1));
    w.sim.pass(1000);
    expect(w.tcpMoves()).toEqual({ 'TcpExt.OutOfWindowIcmps': 1 });
    w.peer.sendIcmp(3, 3, quote(isn));
    w.sim.pass(1000);
    expect(w.listener.listener!.requests).toBe(1);
    expect(w.tcpMoves()).toEqual({});
    w.peer.sendIcmp(3, 1, quote(isn));
    w.sim.pass(1000);
    expect(w.listener.listener!.requests).toBe(0);
    expect(w.tcpMoves()).toEqual({ 'TcpExt.ListenDrops': 1 });
  });

  it('about nothing we know is an input error of ICMP', () => {
    const w = listening();
    const errors = () => w.host.ledger.cells[Icmp.InErrors]!;
    expect(errors()).toBe(0);
    w.peer.sendIcmp(3, 1, quote(5));
    w.sim.pass(1000);
    expect(errors()).toBe(1);
    expect(w.tcpMoves()).toEqual({});
  });
});

describe('demultiplexing', () => {
  it('counts what a packet leads to, IP included, on the row that owns it', () => {
    const w = listening();
    const { c, s } = w.pair();
    const row = s.connection!.owner.row;
    const listenerRow = w.listener.listener!.owner.row;
    c.send('hello');
    w.client(41000).syn();
    expect(rowCells(w.host.ledger, row)).toMatchObject({
      'Ip.InReceives': 1,
      'Ip.InDelivers': 1,
      'Tcp.InSegs': 1,
      'Tcp.PassiveOpens': 1,
    });
    expect(rowCells(w.host.ledger, listenerRow)).toMatchObject({ 'Ip.InReceives': 3, 'Tcp.InSegs': 3, 'Tcp.OutSegs': 2 });
    w.client(41000, 5555).syn();
    expect(rowCells(w.host.ledger, listenerRow)['Ip.InReceives']).toBe(3);
    expect(w.host.ledger.cells[Ip.InReceives]).toBe(5);
  });
});

describe('loopback', () => {
  it('connects a host with itself, byte for byte', () => {
    const w = listening({ sysctl: { tcp_tw_reuse: 1 } });
    const data = filler(200_000);
    for (const address of ['127.0.0.1', '10.99.0.1']) {
      const client = w.host.stack.tcp(4);
      expect(client.connect(IpAddress.from(address), PORT)).toBe(-Errno.EINPROGRESS);
      w.sim.pass(1000);
      const server = w.accept();
      let sent = 0;
      const got = new Uint8Array(data.length + 1);
      let received = 0;
      const deadline = w.sim.nowUs + 10_000_000;
      for (; received < data.length && w.sim.nowUs < deadline; w.sim.pass(1000)) {
        const n = client.send(data, sent, data.length - sent, 0);
        if (n > 0) sent += n;
        const m = server.receive(got, received, got.length - received, 0);
        if (m > 0) received += m;
      }
      expect(received).toBe(data.length);
      expect(Buffer.compare(got.subarray(0, received), data)).toBe(0);
      client.close();
      server.close();
      w.sim.pass(1000);
    }
    w.tcpMoves();
    expect(w.peer.take()).toEqual([]);
  });
});

describe('IPv6 where there is none', () => {
  it('says so, and an IPv6 listener still takes IPv4', () => {
    const w = listening();
    const s = w.host.stack.tcp(6);
    expect(s.bind(IpAddress.from('fd00::1'), 7000)).toBe(-Errno.EADDRNOTAVAIL);
    expect(s.connect(IpAddress.from('fd00::1'), 7000)).toBe(-Errno.ENETUNREACH);
    expect(s.bind(null, 7000)).toBe(0);
    expect(s.listen(5)).toBe(0);
    w.client(42000, 7000).handshake();
    const child = s.accept();
    expect(typeof child === 'number' ? child : child.peerName()!.port).toBe(42000);
  });
});

describe('close', () => {
  it('resets connections, ends listeners and leaves nothing', () => {
    const w = listening();
    const { c, s } = w.pair();
    w.client(41000).syn();
    w.peer.take();
    w.host.stack.close();
    w.sim.pass(1000);
    expect(c.replies()[0]!.flags).toBe(RST | ACK);
    expect(s.state).toBe(TcpState.CLOSE);
    expect(w.host.stack.tcpLayer.table.size).toBe(0);
    expect(w.host.ledger.cells[Tcp.CurrEstab]).toBe(0);
  });
});
