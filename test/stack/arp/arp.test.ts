/** ARP in virtual time: states, probes, queue, conflicts (RFC 826, 1122 2.3.2, 5227, with Linux's NUD states). */
import { afterEach, describe, expect, it } from 'vitest';
import { Dev } from '../../../mib/catalogue/interface.js';
import { DEVICES_BASE } from '../../../mib/ledger/layout.js';
import { IpAddress } from '../../../stack/core/address.js';
import type { DatagramSocket } from '../../../stack/socket/socket.js';
import { arp, BROADCAST_MAC, EtherType, ethernet, filler } from '../../support/frames.js';
import { expectSums, LedgerWatch } from '../../support/ledger.js';
import type { RawPeer } from '../../support/raw-peer.js';
import { type Host, hostAndPeer, type Simulation } from '../../support/simulation.js';

let sim: Simulation;
let host: Host;
let peer: RawPeer;
let socket: DatagramSocket;
const SECOND = 1_000_000;
const OTHER = '10.99.0.50';

function start(sysctl: Record<string, number> = {}): void {
  ({ sim, host, peer } = hostAndPeer({ sysctl }));
  socket = host.stack.udp(4);
}
const send = (address: string, n = 10) => socket.sendTo(filler(n), 0, n, 0, { address: IpAddress.from(address), port: 9 });
const stateOf = (address: string) => host.stack.neighbours().find((n) => n.address === address)?.state;
const requests = () => peer.take().filter((f) => f.kind === 'arp' && f.type === 1);
const say = (f: { op: number; senderMac: string; sender: string; target: string }, dmac = BROADCAST_MAC) => {
  peer.sendFrame(ethernet(dmac, f.senderMac, EtherType.arp, arp(f)));
  sim.pass(100);
};
const deviceCell = (column: number) => {
  const block = host.device.index - 1;
  return host.ledger.cells[DEVICES_BASE + block * Object.keys(Dev).length + column]!;
};

afterEach(() => expectSums(host.ledger));

describe('a neighbour', () => {
  it('that asked us is STALE; use makes it DELAY, then a unicast probe, then REACHABLE, then STALE again', () => {
    start();
    expect(stateOf('10.99.0.2')).toBe('STALE');
    send('10.99.0.2');
    expect(stateOf('10.99.0.2')).toBe('DELAY');
    peer.answerArp = false;
    sim.pass(4.9 * SECOND);
    expect(stateOf('10.99.0.2')).toBe('DELAY');
    expect(requests()).toEqual([]);
    sim.pass(0.2 * SECOND);
    expect(stateOf('10.99.0.2')).toBe('PROBE');
    expect(requests()).toMatchObject([{ dmac: peer.mac, src: '10.99.0.1', dst: '10.99.0.2' }]);
    peer.answerArp = true;
    sim.pass(SECOND);
    expect(stateOf('10.99.0.2')).toBe('REACHABLE');
    sim.pass(15 * SECOND - SECOND / 2); // reachable time is 15 to 45 s
    expect(stateOf('10.99.0.2')).toBe('REACHABLE');
    sim.pass(31 * SECOND);
    expect(stateOf('10.99.0.2')).toBe('STALE');
  });

  it('in use when its time is over goes through DELAY, and forward progress confirms it', () => {
    start();
    send('10.99.0.2');
    sim.pass(6 * SECOND);
    expect(stateOf('10.99.0.2')).toBe('REACHABLE');
    let sawDelay = false;
    for (let i = 0; i < 46 && !sawDelay; i++) {
      send('10.99.0.2');
      sim.pass(SECOND);
      sawDelay = stateOf('10.99.0.2') === 'DELAY';
    }
    expect(sawDelay).toBe(true);
    const route = host.stack.ip4.route(IpAddress.from('10.99.0.2'), null, host.ledger.unattributed, false);
    if (typeof route === 'number') throw new Error('no route');
    route.confirm();
    peer.take();
    sim.pass(6 * SECOND);
    expect(requests()).toEqual([]); // confirmed: no probe was needed
    expect(stateOf('10.99.0.2')).toBe('REACHABLE');
  });

  it('that does not answer three unicast probes is FAILED', () => {
    start();
    peer.answerArp = false;
    send('10.99.0.2');
    sim.pass(7.9 * SECOND);
    expect(stateOf('10.99.0.2')).toBe('PROBE');
    sim.pass(0.2 * SECOND);
    expect(stateOf('10.99.0.2')).toBe('FAILED');
    expect(requests()).toHaveLength(3);
  });

  it('unknown: asked for at 0, 1 and 2 s by broadcast, given up at 3 s', () => {
    start();
    const at = sim.nowUs;
    send(OTHER);
    const asked: number[] = [];
    for (let i = 0; i < 40; i++) {
      sim.pass(0.1 * SECOND);
      for (const f of requests()) {
        expect(f).toMatchObject({ dmac: BROADCAST_MAC, src: '10.99.0.1', dst: OTHER });
        asked.push(Math.floor((sim.nowUs - at) / SECOND));
      }
    }
    expect(asked).toEqual([0, 1, 2]);
    expect(stateOf(OTHER)).toBe('FAILED');
    const row = host.stack.neighbours().find((n) => n.address === OTHER);
    expect(row).toEqual({ family: 4, address: OTHER, mac: null, interface: host.device.name, state: 'FAILED', router: false });
  });

  it('that answers gets what waited, in order', () => {
    start();
    for (const n of [1, 2, 3]) send(OTHER, n);
    expect(stateOf(OTHER)).toBe('INCOMPLETE');
    sim.pass(1000);
    peer.take();
    say({ op: 2, senderMac: '02:00:00:00:00:50', sender: OTHER, target: '10.99.0.1' }, peer.targetMac);
    sim.pass(1000);
    expect(peer.take().map((f) => [f.dmac, f.data.length])).toEqual([
      ['02:00:00:00:00:50', 1],
      ['02:00:00:00:00:50', 2],
      ['02:00:00:00:00:50', 3],
    ]);
    expect(stateOf(OTHER)).toBe('REACHABLE');
  });

  it('keeps at most unres_qlen_bytes waiting: the oldest go, counted by the device', () => {
    start({ 'neigh.default.unres_qlen_bytes': 8400 }); // ten small ones of 832
    for (let n = 1; n <= 20; n++) send(OTHER, n);
    const dropped = deviceCell(Dev.txDrop);
    expect(dropped).toBe(10);
    say({ op: 2, senderMac: '02:00:00:00:00:50', sender: OTHER, target: '10.99.0.1' }, peer.targetMac);
    sim.pass(1000);
    const sizes = peer
      .take()
      .filter((f) => f.kind === 'udp')
      .map((f) => f.data.length);
    expect(sizes).toEqual(Array.from({ length: 20 - dropped }, (_, i) => dropped + 1 + i));
  });

  it('does not change its address within locktime, and does after', () => {
    start();
    const mac = () => host.stack.neighbours().find((n) => n.address === '10.99.0.2')?.mac;
    const claim = { op: 2, senderMac: '02:00:00:00:00:66', sender: '10.99.0.2', target: '10.99.0.1' };
    say(claim, peer.targetMac);
    expect(mac()).toBe(peer.mac);
    sim.pass(1.1 * SECOND);
    say(claim, peer.targetMac);
    expect(mac()).toBe('02:00:00:00:00:66');
    say({ op: 1, senderMac: peer.mac, sender: '10.99.0.2', target: '10.99.0.2' }); // gratuitous: at once
    expect(mac()).toBe(peer.mac);
  });
});

describe('a flood to a neighbour that is not there, as the kernel counted it', () => {
  it.each([
    [400, 56, 159],
    [200, 1400, 58],
  ])('%i echo replies of %i octets: %i wait, the rest finds the send buffer full', (n, size, fit) => {
    start();
    const watch = new LedgerWatch(host.ledger);
    for (let i = 0; i < n; i++) peer.sendIcmp(8, 0, new Uint8Array(4 + size), { src: '10.99.0.77' });
    sim.pass(200_000);
    expect(watch.delta()).toEqual({
      'Ip.InReceives': n,
      'Ip.InDelivers': n,
      'Ip.OutRequests': fit,
      'Ip.OutDiscards': n - fit,
      'Ip.OutTransmits': fit,
      'Icmp.InMsgs': n,
      'Icmp.OutMsgs': fit,
      'Icmp.OutErrors': n - fit,
      'IcmpMsg.InType8': n,
      'IcmpMsg.OutType0': fit,
      'IpExt.InOctets': n * (size + 28),
      'IpExt.OutOctets': fit * (size + 28),
      'IpExt.InNoECTPkts': n,
    });
  });
});

it('errors to ourselves take from the bucket of the host too', () => {
  start();
  for (let i = 0; i < 200; i++) send(OTHER);
  const watch = new LedgerWatch(host.ledger);
  sim.pass(3.5 * SECOND);
  const d = watch.delta();
  expect(d['Icmp.OutMsgs']! + d['Icmp.OutRateLimitGlobal']!).toBe(200);
  expect(d['Icmp.OutMsgs']).toBeGreaterThan(25); // a burst of 50, each taking 0 to 2
  expect(d['Icmp.OutMsgs']).toBeLessThan(110);
  expect(d['Icmp.InMsgs']).toBe(d['Icmp.OutMsgs']);
});

describe('the table', () => {
  it('makes room for new neighbours by giving up the one unused longest, and refuses when all are in use', () => {
    start({ 'neigh.default.gc_thresh3': 3 });
    const table = host.stack.arp.table;
    say({ op: 1, senderMac: '02:00:00:00:00:03', sender: '10.99.0.3', target: '10.99.0.1' });
    say({ op: 1, senderMac: '02:00:00:00:00:04', sender: '10.99.0.4', target: '10.99.0.1' });
    expect(table.list().map((n) => n.address)).toEqual(['10.99.0.2', '10.99.0.3', '10.99.0.4']);
    say({ op: 1, senderMac: '02:00:00:00:00:05', sender: '10.99.0.5', target: '10.99.0.1' });
    expect(table.list().map((n) => n.address)).toEqual(['10.99.0.3', '10.99.0.4', '10.99.0.5']);
    for (const a of ['10.99.0.10', '10.99.0.11', '10.99.0.12']) expect(send(a)).toBe(10);
    const watch = new LedgerWatch(host.ledger);
    expect(send('10.99.0.13')).toBe(10); // UDP tells nobody about ENOBUFS, but counts it
    expect(watch.delta()).toMatchObject({ 'Udp.SndbufErrors': 1, 'Ip.OutDiscards': 1 });
  });
});

describe('requests', () => {
  it('for our address are answered and teach us the sender; others are not, and teach nothing', () => {
    start();
    say({ op: 1, senderMac: '02:00:00:00:00:07', sender: '10.99.0.7', target: '10.99.0.1' });
    expect(peer.take()).toMatchObject([{ kind: 'arp', type: 2, src: '10.99.0.1', dst: '10.99.0.7', dmac: '02:00:00:00:00:07' }]);
    expect(stateOf('10.99.0.7')).toBe('STALE');
    say({ op: 1, senderMac: '02:00:00:00:00:08', sender: '10.99.0.8', target: '10.99.0.77' });
    say({ op: 2, senderMac: '02:00:00:00:00:08', sender: '10.99.0.8', target: '10.99.0.1' }, peer.targetMac);
    expect(peer.take()).toEqual([]);
    expect(stateOf('10.99.0.8')).toBeUndefined();
  });

  it('from 0.0.0.0 (a probe, RFC 5227) are answered without learning', () => {
    start();
    say({ op: 1, senderMac: '02:00:00:00:00:07', sender: '0.0.0.0', target: '10.99.0.1' });
    expect(peer.take()).toMatchObject([{ kind: 'arp', type: 2, src: '10.99.0.1', dst: '0.0.0.0' }]);
    expect(host.stack.neighbours()).toHaveLength(1);
  });

  it('arp_filter answers only where the way back leads through this device', () => {
    start({ 'conf.all.arp_filter': 1 });
    expect(host.stack.routeCommand('ip route del default')).toBe(true);
    say({ op: 1, senderMac: '02:00:00:00:00:07', sender: '192.0.2.7', target: '10.99.0.1' });
    expect(peer.take()).toEqual([]);
    say({ op: 1, senderMac: '02:00:00:00:00:07', sender: '10.99.0.7', target: '10.99.0.1' });
    expect(peer.take()).toHaveLength(1);
  });

  it('that arp_filter refuses because the way back leads elsewhere are counted; without a way they are not', () => {
    start({ 'conf.all.arp_filter': 1 });
    expect(host.stack.routeCommand('ip route add 192.0.2.0/24 dev lo')).toBe(true);
    const watch = new LedgerWatch(host.ledger);
    say({ op: 1, senderMac: '02:00:00:00:00:07', sender: '192.0.2.7', target: '10.99.0.1' });
    expect(watch.delta()).toEqual({ 'TcpExt.ArpFilter': 1 });
    host.stack.routeCommand('ip route del 192.0.2.0/24');
    host.stack.routeCommand('ip route del default');
    say({ op: 1, senderMac: '02:00:00:00:00:07', sender: '192.0.2.7', target: '10.99.0.1' });
    expect(watch.delta()).toEqual({});
    expect(peer.take()).toEqual([]);
  });

  it('that are short, of another hardware or operation move nothing', () => {
    start();
    const watch = new LedgerWatch(host.ledger);
    const good = arp({ op: 1, senderMac: peer.mac, sender: '10.99.0.9', target: '10.99.0.1' });
    for (const change of [
      (b: Uint8Array) => b.subarray(0, 20),
      (b: Uint8Array) => b.fill(9, 0, 2),
      (b: Uint8Array) => b.fill(9, 6, 8),
    ]) {
      peer.sendFrame(ethernet(BROADCAST_MAC, peer.mac, EtherType.arp, change(good.slice()), false));
    }
    sim.pass(1000);
    expect(peer.take()).toEqual([]);
    expect(watch.delta()).toEqual({});
    expect(stateOf('10.99.0.9')).toBeUndefined();
  });
});

describe('a conflict', () => {
  it('is reported and not believed', () => {
    start();
    const seen: string[] = [];
    host.stack.arp.onConflict = (c) => seen.push(`${c.address} ${c.mac} ${c.device}`);
    say({ op: 1, senderMac: '02:00:00:00:00:66', sender: '10.99.0.1', target: '10.99.0.1' });
    expect(seen).toEqual([`10.99.0.1 02:00:00:00:00:66 ${host.device.name}`]);
    expect(host.stack.arp.conflicts).toHaveLength(1);
    expect(peer.take()).toEqual([]);
    expect(stateOf('10.99.0.1')).toBeUndefined();
  });

  it('can be looked for: an announcement is a gratuitous request', () => {
    start();
    host.stack.arp.announce(host.device, IpAddress.from('10.99.0.1'));
    sim.pass(100);
    expect(peer.take()).toMatchObject([{ kind: 'arp', type: 1, src: '10.99.0.1', dst: '10.99.0.1', dmac: BROADCAST_MAC }]);
  });
});
