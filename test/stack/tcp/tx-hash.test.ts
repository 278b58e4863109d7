/**
 * Flow labels and when they change, against what a Linux 6.18 was seen to do with the same frames (namespace, veth, raw-frame peer): which
 * segments go under which label, and whole ledgers where the frames make them exact.
 */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { Level, So, type StreamSocket } from '../../../stack/socket/socket.js';
import { PLB_UNIT, Plb, plbCheck, plbRound } from '../../../stack/tcp/congestion/plb.js';
import type { TcpSocket } from '../../../stack/tcp/socket.js';
import { filler, Proto, TcpFlag } from '../../support/frames.js';
import type { Frame6 } from '../../support/peer6.js';
import type { HostOptions } from '../../support/simulation.js';
import { type Bed, bed, deltaOf, QUIET } from '../ip6/fixture.js';
import { Tcp6 } from '../ip6/tcp6.js';

const { FIN, SYN, RST, PSH, ACK } = TcpFlag;
const SYN_OPTIONS = Uint8Array.of(2, 4, 5, 0xa0, 1, 1, 4, 2);
const isTcp = (f: Frame6) => f.next === Proto.tcp;
const flags = (f: Frame6) => f.data[13]!;

class Scene {
  readonly bed: Bed;
  readonly listener: StreamSocket;
  readonly peer: Tcp6;
  synAck!: Frame6;

  constructor(options: HostOptions = {}) {
    this.bed = bed({ ...options, sysctl: { ...QUIET, ...options.sysctl } });
    this.listener = this.bed.host.stack.tcp(6);
    this.listener.bind(null, 80);
    this.listener.listen(5);
    this.peer = new Tcp6(this.bed.six, 80);
  }
  open(): StreamSocket {
    this.synAck = this.peer.handshake(this.bed.sim);
    return this.listener.accept() as StreamSocket;
  }
  /** Labels of the segments that came since the last call. */
  labels(passUs = 0): number[] {
    this.bed.sim.pass(passUs);
    return this.bed.six
      .take()
      .filter(isTcp)
      .map((f) => f.flowLabel);
  }
  /** The peer sends 50 bytes from `seq` on under a label. What moved, and under which label the answer came. */
  data(seq: number, flowLabel: number): { label: number | undefined; moved: Record<string, number> } {
    const moved = deltaOf(this.bed, () => this.peer.send({ flags: PSH | ACK, seq, flowLabel }, filler(50)));
    return { label: this.labels()[0], moved };
  }
}

/** Whole ledger of an old segment of 50 bytes that is answered. */
const OLD = {
  'Ip6.InReceives': 1,
  'Ip6.InDelivers': 1,
  'Ip6.InOctets': 110,
  'Ip6.InNoECTPkts': 1,
  'Ip6.OutRequests': 1,
  'Ip6.OutTransmits': 1,
  'Ip6.OutOctets': 72,
  'Tcp.InSegs': 1,
  'Tcp.OutSegs': 1,
  'TcpExt.DelayedACKLost': 1,
  'TcpExt.TCPDSACKOldSent': 1,
};
const REHASHED = { ...OLD, 'TcpExt.TcpDuplicateDataRehash': 1 };
const rehash = (n: number) => ({ 'TcpExt.TcpTimeoutRehash': n });

describe('the label of a connection', () => {
  it('is the SYN-ACK’s, stays, and TIME-WAIT answers under it', () => {
    const s = new Scene();
    const socket = s.open();
    const label = s.synAck.flowLabel;
    expect(label).toBeGreaterThan(0);
    socket.send(filler(100), 0, 100, 0);
    expect(s.labels(1000)).toEqual([label]);
    s.peer.ack += 100;
    s.peer.send({ flags: ACK });
    socket.close();
    expect(s.labels(1000)).toEqual([label]);
    s.peer.ack += 1;
    s.peer.send({ flags: FIN | ACK });
    expect(s.labels(1000)).toEqual([label]);
    s.peer.send({ flags: FIN | ACK, seq: s.peer.seq - 1 });
    expect(s.labels(1000)).toEqual([label]);
  });

  it('is another one for each connection, also between the same two ends', () => {
    const s = new Scene();
    s.open();
    const first = s.synAck.flowLabel;
    s.peer.send({ flags: RST });
    s.labels(1000);
    s.open();
    expect(s.synAck.flowLabel).not.toBe(first);
  });

  it('is there when net.ipv6.auto_flowlabels says 1 or 3, and not when it is off or left to sockets that ask', () => {
    const labelled = [0, 1, 2, 3].map((mode) => {
      const s = new Scene({ sysctl: { 'net.ipv6.auto_flowlabels': mode } });
      s.open();
      return s.synAck.flowLabel > 0;
    });
    expect(labelled).toEqual([false, true, false, true]);
  });

  it('goes with a RST that the connection answers to what comes after its close', () => {
    const s = new Scene();
    s.open().close();
    s.labels(1000);
    s.peer.ack += 1;
    s.peer.send({ flags: ACK });
    s.peer.send({ flags: PSH | ACK }, filler(20));
    s.bed.sim.pass(1000);
    const [rst] = s.bed.six.take().filter(isTcp);
    expect([flags(rst!) & RST, rst!.flowLabel]).toEqual([RST, s.synAck.flowLabel]);
  });
});

describe('time-outs', () => {
  it('change it each time, the loss probe before them does not', () => {
    const s = new Scene();
    const socket = s.open();
    const label = s.synAck.flowLabel;
    s.labels();
    socket.send(filler(100), 0, 100, 0);
    const moved = deltaOf(s.bed, () => {}, 1_200_000);
    const labels = s.labels();
    expect(labels.slice(0, 2)).toEqual([label, label]);
    expect(new Set(labels).size).toBe(3);
    expect(moved).toEqual({
      'Ip6.OutRequests': 3,
      'Ip6.OutTransmits': 3,
      'Ip6.OutOctets': 480,
      'Tcp.RetransSegs': 3,
      'TcpExt.TCPLossProbes': 1,
      'TcpExt.TCPLostRetransmit': 1,
      'TcpExt.TCPTimeouts': 2,
      ...rehash(2),
    });
    s.peer.ack += 100;
    s.peer.send({ flags: ACK });
    socket.send(filler(10), 0, 10, 0);
    expect(s.labels(1000)).toEqual([labels.at(-1)]);
  });

  it('change that of a SYN', () => {
    const s = new Scene();
    const moved = deltaOf(
      s.bed,
      () => {
        s.bed.host.stack.tcp(6).connect(IpAddress.from('fd99::2'), 9);
      },
      7_500_000,
    );
    const labels = s.labels();
    expect([labels.length, new Set(labels).size]).toEqual([7, 7]);
    expect(moved).toMatchObject({ 'TcpExt.TCPSynRetrans': 6, 'TcpExt.TCPTimeouts': 6, ...rehash(6) });
  });

  it('change that of a SYN-ACK, and so does a repeated SYN; no socket’s hash, so nothing is counted', () => {
    const s = new Scene();
    const moved = deltaOf(
      s.bed,
      () => {
        s.peer.send({ flags: SYN, options: SYN_OPTIONS });
        s.bed.sim.pass(3_300_000);
        s.peer.send({ flags: SYN, options: SYN_OPTIONS, seq: s.peer.seq - 1 });
      },
      1000,
    );
    s.bed.sim.pass(1000);
    const synAcks = s.bed.six.take().filter(isTcp);
    expect([synAcks.length, new Set(synAcks.map((f) => f.flowLabel)).size]).toEqual([4, 4]);
    expect(moved).toMatchObject({ 'TcpExt.TCPSynRetrans': 3, 'TcpExt.TCPTimeouts': 2, 'Tcp.RetransSegs': 3 });
    expect(moved).not.toHaveProperty('TcpExt.TcpTimeoutRehash');
    const last = synAcks.at(-1)!;
    s.peer.ack = (new DataView(last.data.buffer, last.data.byteOffset).getUint32(4) + 1) >>> 0;
    s.peer.send({ flags: ACK });
    s.bed.sim.pass(1000);
    (s.listener.accept() as StreamSocket).send(filler(5), 0, 5, 0);
    expect(s.labels(1000)).toEqual([last.flowLabel]);
  });
});

describe('data that comes again', () => {
  it('under the label of before changes nothing, under another one makes us change ours', () => {
    const s = new Scene();
    s.open();
    const { seq } = s.peer;
    s.peer.send({ flags: PSH | ACK, flowLabel: 0x22222 }, filler(50));
    expect(s.labels(50_000)).toEqual([s.synAck.flowLabel]);
    const seen = [0x22222, 0x33333, 0x33333, 0x22222].map((label) => s.data(seq, label));
    expect(seen.map((x) => x.moved)).toEqual([OLD, REHASHED, OLD, REHASHED]);
    const [a, b, c, d] = seen.map((x) => x.label);
    expect(a).toBe(s.synAck.flowLabel);
    expect(b).not.toBe(a);
    expect(c).toBe(b);
    expect([a, b]).not.toContain(d);
  });

  it('before any other data: there is no label of before but 0', () => {
    const s = new Scene();
    s.open();
    const old = s.peer.seq - 1000;
    expect([0, 0x11111].map((label) => s.data(old, label).moved)).toEqual([OLD, REHASHED]);
  });

  it('while our own time-outs change it: only the peer’s label is noted', () => {
    const s = new Scene();
    const socket = s.open();
    const { seq } = s.peer;
    s.peer.send({ flags: PSH | ACK, flowLabel: 1 }, filler(50));
    s.labels(50_000);
    socket.send(filler(100), 0, 100, 0);
    s.labels(1_200_000);
    expect(s.data(seq, 2).moved).toEqual(OLD);
    s.peer.ack += 100;
    s.peer.send({ flags: ACK, flowLabel: 3 });
    s.labels(1000);
    expect(s.data(seq, 2).moved).toEqual(OLD);
    expect(s.data(seq, 3).moved).toEqual(REHASHED);
  });

  it('data out of order is noted, too; an ACK alone is not', () => {
    const s = new Scene();
    s.open();
    const { seq } = s.peer;
    s.peer.send({ flags: PSH | ACK, flowLabel: 1 }, filler(50));
    s.labels(50_000);
    s.peer.send({ flags: PSH | ACK, seq: seq + 150, flowLabel: 2 }, filler(50));
    s.labels(50_000);
    expect(s.data(seq, 2).moved).toEqual({ ...OLD, 'Ip6.OutOctets': 80 });
    s.peer.send({ flags: ACK, flowLabel: 3 });
    s.labels(1000);
    expect(s.data(seq, 3).moved).toEqual({ ...REHASHED, 'Ip6.OutOctets': 80 });
  });

  it('outside the window only with SACK and DSACK, inside always', () => {
    for (const [tcpDsack, counts] of [
      [1, [1, 1]],
      [0, [1, undefined]],
    ] as const) {
      const s = new Scene({ sysctl: { 'net.ipv4.tcp_dsack': tcpDsack } });
      s.open();
      const { seq } = s.peer;
      s.peer.send({ flags: PSH | ACK, flowLabel: 1 }, filler(50));
      s.labels(50_000);
      const seen = [s.data(seq, 2), s.data(seq - 1000, 3)].map((x) => x.moved['TcpExt.TcpDuplicateDataRehash']);
      expect(seen).toEqual(counts);
    }
  });
});

describe('protective load balancing', () => {
  const congested = (txRehash: number): { labels: number[]; moved: Record<string, number> } => {
    const s = new Scene({ sysctl: { 'net.ipv4.tcp_plb_enabled': 1 } });
    const socket = s.open() as TcpSocket;
    socket.setOption(Level.SOCKET, So.TXREHASH, txRehash);
    s.labels();
    const state = new Plb();
    for (let round = 0; round < 12; round++) plbRound(socket.connection!, state, PLB_UNIT);
    const moved = deltaOf(s.bed, () => {
      plbCheck(socket.connection!, state);
      socket.send(filler(100), 0, 100, 0);
    });
    expect(socket.connection!.info().tcpi_rehash).toBe(1);
    return { labels: [s.synAck.flowLabel, ...s.labels()], moved };
  };

  it('draws another label; with SO_TXREHASH 0 it only counts, as Linux does', () => {
    const on = congested(1);
    expect([new Set(on.labels).size, on.moved['TcpExt.TCPPLBRehash']]).toEqual([2, 1]);
    const off = congested(0);
    expect([new Set(off.labels).size, off.moved['TcpExt.TCPPLBRehash']]).toEqual([1, 1]);
  });
});

describe('SO_TXREHASH', () => {
  const off = (s: Scene, socket: StreamSocket): void => {
    const { seq } = s.peer;
    s.peer.send({ flags: PSH | ACK, flowLabel: 1 }, filler(50));
    s.labels(50_000);
    expect(s.data(seq, 2)).toEqual({ label: s.synAck.flowLabel, moved: OLD });
    socket.send(filler(100), 0, 100, 0);
    const moved = deltaOf(s.bed, () => {}, 500_000);
    expect(moved).toMatchObject({ 'TcpExt.TCPTimeouts': 1 });
    expect(moved).not.toHaveProperty('TcpExt.TcpTimeoutRehash');
    expect(new Set(s.labels())).toEqual(new Set([s.synAck.flowLabel]));
  };

  it('0 keeps the label through it all', () => {
    const s = new Scene();
    const socket = s.open();
    expect(socket.getOption(Level.SOCKET, So.TXREHASH)).toEqual({ value: 1 });
    expect(socket.setOption(Level.SOCKET, So.TXREHASH, 0)).toBe(0);
    off(s, socket);
    expect(socket.setOption(Level.SOCKET, So.TXREHASH, -1)).toBe(0);
    expect(socket.getOption(Level.SOCKET, So.TXREHASH)).toEqual({ value: 1 });
  });

  it('begins as net.core.txrehash says, and children have their listener’s', () => {
    const s = new Scene({ sysctl: { 'net.core.txrehash': 0 } });
    const socket = s.open();
    expect(socket.getOption(Level.SOCKET, So.TXREHASH)).toEqual({ value: 0 });
    off(s, socket);
  });

  it('0 at the listener: its SYN-ACKs keep theirs', () => {
    const s = new Scene();
    s.listener.setOption(Level.SOCKET, So.TXREHASH, 0);
    s.peer.send({ flags: SYN, options: SYN_OPTIONS });
    const labels = s.labels(1_300_000);
    expect([labels.length, new Set(labels).size]).toEqual([2, 1]);
  });
});
