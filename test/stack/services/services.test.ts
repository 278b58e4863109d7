import { beforeEach, describe, expect, it } from 'vitest';
import { Errno } from '../../../stack/core/errno.js';
import { daytimeText, ServiceError, Services } from '../../../stack/services/services.js';
import { arp, EtherType, ethernet, filler, ipv4, type ParsedFrame, Proto, parseFrame, udp } from '../../support/frames.js';
import { expectSums, LedgerWatch } from '../../support/ledger.js';
import { PipeFactory, type PipeSocket } from '../../support/pipe-sockets.js';
import type { RawPeer } from '../../support/raw-peer.js';
import { type Host, hostAndPeer, Simulation } from '../../support/simulation.js';
import { linkKinds, SuperLink } from '../../support/super-link.js';

const NOON = new Date(Date.UTC(2026, 10, 23, 12, 4, 5));
const NOON_TEXT = 'Monday, November 23, 2026 12:04:05-UTC\r\n';
const wallClock = () => NOON;
const ascii = (b: Iterable<number>) => Buffer.from([...b]).toString('latin1');
/** Line n of RFC 864's pattern. */
const line = (n: number) => ascii(Array.from({ length: 72 }, (_, i) => 0x20 + ((n + i) % 95))) + '\r\n';

let sim: Simulation;
let host: Host;
let peer: RawPeer;
let pipes: PipeFactory;
let services: Services;

beforeEach(() => {
  ({ sim, host, peer } = hostAndPeer());
  pipes = new PipeFactory((family) => host.stack.udp(family));
  services = new Services(pipes, { wallClock });
});

describe('UDP', () => {
  const ask = (dport: number, data: Uint8Array, sport = 5001) => {
    peer.sendUdp({ sport, dport }, data);
    sim.pass(10_000);
    return peer.take().map((f) => ascii(f.data));
  };

  it('echo gives every datagram back, empty ones too', () => {
    expect(ask(7, filler(1000))).toEqual([ascii(filler(1000))]);
    expect(ask(7, new Uint8Array(0))).toEqual(['']);
  });
  it('discard says nothing', () => {
    expect(ask(9, filler(10))).toEqual([]);
  });
  it('daytime tells the wall clock', () => {
    expect(ask(13, filler(3))).toEqual([NOON_TEXT]);
  });
  it('chargen sends a line, and the next one the next time', () => {
    expect(ask(19, filler(1))).toEqual([line(0)]);
    expect(ask(19, filler(1))).toEqual([line(1)]);
  });

  it('datagrams from service ports are read and not answered', () => {
    const watch = new LedgerWatch(host.ledger);
    for (const port of [7, 9, 13, 19]) expect(ask(port, filler(4), 19)).toEqual([]);
    for (const port of [7, 13, 19]) expect(ask(port, filler(4), 1023)).toEqual([]);
    expect(watch.delta()).toMatchObject({ 'Udp.InDatagrams': 7 });
    expect(watch.delta()['Udp.OutDatagrams']).toBeUndefined();
    expect(ask(7, filler(4), 1024)).toHaveLength(1);
  });

  it('two hosts with echo do not answer each other for ever', () => {
    const two = new Simulation(5);
    const wire = two.wire();
    const hosts = [wire.a, wire.b].map((link, i) =>
      two.host(link, { mac: `02:00:00:00:00:0${i}`, addresses: [`10.0.0.${i + 1}/24`] }),
    );
    const [a, b] = hosts as [Host, Host];
    const serve = (h: Host) => new Services(new PipeFactory((family) => h.stack.udp(family)), { wallClock });
    serve(b);
    const forger = a.stack.udp(4);
    expect(forger.bind(null, 7)).toBe(0);
    forger.sendTo(filler(4), 0, 4, 0, { address: b.device.addresses[0]!.address, port: 19 });
    forger.close();
    serve(a); // would answer chargen's answer
    two.pass(60_000_000);
    expect(wire.ab.counts.sent + wire.ba.counts.sent).toBeLessThan(10);
  });
});

describe('UDP super-frames', () => {
  const MACS = ['02:00:00:00:00:01', '02:00:00:00:00:02'] as const;
  interface Sent {
    readonly frame: ParsedFrame;
    readonly segment: number;
  }
  /** Three datagrams of 1000 octets or less in one frame, to a host with all services whose device has this MTU. */
  function served(dport: number, mtu: number) {
    const world = new Simulation();
    const link = new SuperLink(linkKinds.whole);
    const h = world.host(link, { offloads: true });
    new Services(new PipeFactory((family) => h.stack.udp(family)), { wallClock });
    const sent: Sent[] = [];
    link.onFrame = (p) => void sent.push({ frame: parseFrame(p.bytes.slice(p.data, p.tail)), segment: p.gsoSize });
    const arpReply = arp({ op: 1, senderMac: MACS[1], sender: '10.99.0.2', target: '10.99.0.1' });
    link.inject(ethernet(MACS[0], MACS[1], EtherType.arp, arpReply));
    world.pass(1000);
    sent.length = 0;
    h.device.mtu = mtu;
    const watch = new LedgerWatch(h.ledger);
    const ends = { src: '10.99.0.2', dst: '10.99.0.1' };
    const packet = ipv4({ ...ends, protocol: Proto.udp }, udp({ ...ends, sport: 5001, dport }, filler(2500)));
    link.inject(ethernet(MACS[0], MACS[1], EtherType.ipv4, packet), 1000);
    world.pass(1000);
    expectSums(h.ledger);
    return { sent, delta: watch.delta() };
  }

  it('echo answers whole', () => {
    const { sent, delta } = served(7, 1500);
    expect(sent.map((s) => [ascii(s.frame.data), s.segment])).toEqual([[ascii(filler(2500)), 1000]]);
    expect(delta).toMatchObject({ 'Udp.InDatagrams': 1, 'Udp.OutDatagrams': 1, 'IpExt.InNoECTPkts': 3 });
  });
  it('echo answers datagram by datagram, in fragments, where they are larger than the way back', () => {
    const { sent, delta } = served(7, 900);
    expect(delta).toMatchObject({ 'Udp.InDatagrams': 1, 'Udp.OutDatagrams': 3, 'Ip.FragOKs': 2, 'Ip.FragCreates': 4 });
    expect(sent.map((s) => [s.frame.kind, s.segment])).toEqual([...Array(4).fill(['fragment', 0]), ['udp', 0]]);
  });
  it('discard reads one, chargen answers three', () => {
    expect(served(9, 1500).delta).toMatchObject({ 'Udp.InDatagrams': 1 });
    expect(served(19, 1500).delta).toMatchObject({ 'Udp.InDatagrams': 3, 'Udp.OutDatagrams': 3 });
  });
});

describe('TCP, against queues that are full at will', () => {
  const buffer = new Uint8Array(1 << 20);
  const readAll = (s: PipeSocket): number[] => {
    const got: number[] = [];
    for (let n = s.receive(buffer, 0, buffer.length, 0); n > 0; n = s.receive(buffer, 0, buffer.length, 0)) {
      got.push(...buffer.subarray(0, n));
      pipes.pump();
    }
    return got;
  };

  it('echo gives every byte back', () => {
    const c = pipes.dial(7, 1000);
    const sent = filler(5000);
    const got: number[] = [];
    for (let at = 0; at < sent.length; ) {
      const n = c.send(sent, at, sent.length - at);
      if (n > 0) at += n;
      pipes.pump();
      got.push(...readAll(c));
    }
    expect(got).toEqual([...sent]);
  });

  it('echo stops reading while it cannot write: what a peer can push in is bounded', () => {
    const c = pipes.dial(7, 10_000);
    let pushed = 0;
    for (let i = 0; i < 100; i++) {
      const n = c.send(filler(5000), 0, 5000);
      pipes.pump();
      if (n > 0) pushed += n;
    }
    // The client's inbox, one held piece, the server's inbox.
    expect(pushed).toBeLessThanOrEqual(30_000);
    expect(c.peer!.inbox.length).toBe(10_000);
    expect(readAll(c)).toHaveLength(pushed);
    expect(c.peer!.inbox.length).toBe(0);
  });

  it('echo sends what it holds before it answers a half-close', () => {
    const c = pipes.dial(7, 100);
    c.send(filler(100), 0, 100);
    pipes.pump();
    c.send(filler(50), 0, 50);
    pipes.pump();
    c.shutdown();
    pipes.pump();
    expect(c.peer!.closed).toBe(false);
    expect(readAll(c)).toEqual([...filler(100), ...filler(50)]);
    pipes.pump();
    expect(c.peer!.closed).toBe(true);
  });

  it('discard takes everything and closes after its peer', () => {
    const c = pipes.dial(9, 1000);
    for (let i = 0; i < 10; i++) {
      expect(c.send(filler(1000), 0, 1000)).toBe(1000);
      pipes.pump();
    }
    expect(c.inbox).toHaveLength(0);
    c.shutdown();
    pipes.pump();
    expect(c.peer!.closed).toBe(true);
  });

  it('daytime says its line, however slowly it is read, and closes', () => {
    const c = pipes.dial(13, 7);
    expect(ascii(readAll(c))).toBe(NOON_TEXT);
    expect(c.peer!.closed).toBe(true);
  });

  it('chargen sends the pattern in large pieces, for as long as it is read, and forgets what it is told', () => {
    const c = pipes.dial(19, 2_500_000);
    c.send(filler(100), 0, 100);
    pipes.pump();
    expect(c.peer!.inbox).toHaveLength(0);
    expect(c.inbox).toHaveLength(2_500_000);
    expect(c.peer!.sends).toBe(Math.ceil(2_500_000 / (1 << 20)));
    const got = ascii(c.inbox.splice(0, 2_500_000)).match(/[^\n]*\n?/g)!;
    for (let i = 0; i < 200; i++) expect(got[i]).toBe(line(i));
    pipes.pump();
    const rest = ascii(c.inbox.slice(0, 74 * 3));
    const at = 2_500_000 % 74;
    expect(rest.startsWith(line(Math.floor(2_500_000 / 74)).slice(at))).toBe(true);
    c.close();
    pipes.pump();
    expect(c.peer!.closed).toBe(true);
  });

  it('an aborted connection is closed', () => {
    for (const port of [7, 9, 19]) {
      const c = pipes.dial(port, 1000);
      c.peer!.aborted = true;
      pipes.pump();
      expect(c.peer!.closed).toBe(true);
    }
  });
});

describe('starting and stopping', () => {
  it('a busy port is one clear error, and nothing stays open', () => {
    const other = new PipeFactory((family) => host.stack.udp(family));
    let caught: unknown;
    try {
      new Services(other, { wallClock });
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(ServiceError);
    expect((caught as ServiceError).errno).toBe(Errno.EADDRINUSE);
    expect((caught as Error).message).toBe('service on udp port 7: the port is in use');
    expect(other.listeners.size).toBe(0);
  });

  it('close gives all ports back', () => {
    services.close();
    expect(pipes.listeners.size).toBe(0);
    const again = new Services(pipes, { wallClock });
    expect([...pipes.listeners.keys()].sort((x, y) => x - y)).toEqual([7, 9, 13, 19]);
    again.close();
    expectSums(host.ledger);
  });

  it('writes days, months and two digits', () => {
    expect(daytimeText(new Date(Date.UTC(2000, 0, 2, 3, 4, 5)))).toBe('Sunday, January 2, 2000 03:04:05-UTC\r\n');
  });
});
