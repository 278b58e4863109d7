/** The routing table, `ip route` commands, path MTU and redirects. */
import { afterEach, describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { Destination } from '../../../stack/core/packet.js';
import type { RouteEntry } from '../../../stack/ip/route.js';
import { bytes, ip4, ipv4, u16, udp } from '../../support/frames.js';
import { expectSums, LedgerWatch } from '../../support/ledger.js';
import type { RawPeer } from '../../support/raw-peer.js';
import { type Host, hostAndPeer, type Simulation } from '../../support/simulation.js';

let sim: Simulation;
let host: Host;
let peer: RawPeer;
const start = (sysctl: Record<string, number> = {}) => {
  ({ sim, host, peer } = hostAndPeer({ sysctl }));
};
const find = (to: string, from: string | null = null): RouteEntry | number =>
  host.stack.ip4.route(IpAddress.from(to), from ? IpAddress.from(from) : null, host.ledger.unattributed, true) as
    | RouteEntry
    | number;
const via = (to: string, from: string | null = null) => {
  const r = find(to, from);
  return typeof r === 'number' ? r : `${r.nextHop} dev ${r.device.name} src ${r.source}`;
};
const command = (text: string) => host.stack.routeCommand(text);
const name = () => host.device.name;

afterEach(() => expectSums(host.ledger));

describe('a route', () => {
  it('is the longest prefix that matches', () => {
    start();
    expect(command('ip route add 192.0.2.0/24 via 10.99.0.3')).toBe(true);
    expect(command('ip route add 192.0.2.128/25 via 10.99.0.4')).toBe(true);
    expect(command('ip route add 192.0.2.200 via 10.99.0.5')).toBe(true);
    expect(via('192.0.2.1')).toBe(`10.99.0.3 dev ${name()} src 10.99.0.1`);
    expect(via('192.0.2.129')).toBe(`10.99.0.4 dev ${name()} src 10.99.0.1`);
    expect(via('192.0.2.200')).toBe(`10.99.0.5 dev ${name()} src 10.99.0.1`);
    expect(via('198.51.100.1')).toBe(`10.99.0.2 dev ${name()} src 10.99.0.1`);
    expect(via('10.99.0.9')).toBe(`10.99.0.9 dev ${name()} src 10.99.0.1`);
  });

  it('with the lower metric wins, and the other comes back when it goes', () => {
    start();
    command('ip route add 192.0.2.0/24 via 10.99.0.3 metric 20');
    command('ip route add 192.0.2.0/24 via 10.99.0.4 metric 10');
    expect(via('192.0.2.1')).toContain('10.99.0.4');
    expect(command('ip route del 192.0.2.0/24 metric 10')).toBe(true);
    expect(via('192.0.2.1')).toContain('10.99.0.3');
  });

  it('to our own addresses leads through lo', () => {
    start();
    expect(via('10.99.0.1')).toBe('10.99.0.1 dev lo src 10.99.0.1');
    expect(via('127.9.9.9')).toBe('127.9.9.9 dev lo src 127.0.0.1');
    expect(find('10.99.0.1')).toMatchObject({ local: true, kind: Destination.host });
  });

  it('knows broadcast and multicast', () => {
    start();
    expect(find('10.99.0.255')).toMatchObject({ kind: Destination.broadcast, local: false });
    expect(find('255.255.255.255')).toMatchObject({ kind: Destination.broadcast });
    expect(find('239.1.1.1')).toMatchObject({ kind: Destination.multicast });
    command('ip route del default');
    expect(find('239.1.1.1')).toBe(-101);
    expect(find('239.1.1.1', '10.99.0.1')).toMatchObject({ kind: Destination.multicast });
    expect(find('255.255.255.255', '10.99.0.1')).toMatchObject({ kind: Destination.broadcast });
  });

  it('from an address that is not ours is refused; without any way OutNoRoutes counts', () => {
    start();
    expect(find('10.99.0.2', '10.99.0.77')).toBe(-22);
    command('ip route del default');
    const watch = new LedgerWatch(host.ledger);
    expect(find('192.0.2.1')).toBe(-101);
    expect(watch.delta()).toEqual({ 'Ip.OutNoRoutes': 1 });
  });

  it('is no longer valid once the table changes', () => {
    start();
    const r = find('192.0.2.1') as RouteEntry;
    expect(r.valid()).toBe(true);
    expect(find('192.0.2.1')).toBe(r);
    command('ip route add 192.0.2.0/24 via 10.99.0.3');
    expect(r.valid()).toBe(false);
  });
});

describe('ip route', () => {
  it('takes metrics that transports read', () => {
    start();
    expect(command('ip route replace 192.0.2.0/24 via 10.99.0.3 mtu lock 1200 advmss 900 initcwnd 20')).toBe(true);
    const r = find('192.0.2.1') as RouteEntry;
    expect([r.mtu(sim.nowUs), r.advmss, r.initcwnd]).toEqual([1200, 900, 20]);
    host.stack.ip4.updatePmtu(IpAddress.from('192.0.2.1'), 700);
    expect(r.mtu(sim.nowUs)).toBe(1200); // locked
  });

  it('shows what netstat -r needs', () => {
    start();
    command('ip route add 192.0.2.7 via 10.99.0.3 metric 5');
    command('ip route add unreachable 198.51.100.0/24');
    expect(host.stack.routes()).toEqual([
      { family: 4, destination: '192.0.2.7', prefix: 32, gateway: '10.99.0.3', interface: name(), metric: 5, flags: 'UGH' },
      { family: 4, destination: '10.99.0.0', prefix: 24, gateway: null, interface: name(), metric: 0, flags: 'U' },
      { family: 4, destination: '198.51.100.0', prefix: 24, gateway: null, interface: '-', metric: 0, flags: '!' },
      { family: 4, destination: '0.0.0.0', prefix: 0, gateway: '10.99.0.2', interface: name(), metric: 0, flags: 'UG' },
    ]);
  });

  it.each([
    'ip route add 192.0.2.0/24 via 203.0.113.1 dev nope',
    'ip route add 192.0.2.1/24 via 10.99.0.3',
    'ip route add 192.0.2.0/33 via 10.99.0.3',
    'ip route add 192.0.2.0/24',
    'ip route add 192.0.2.0/24 via',
    'ip route add 192.0.2.0/24 via 10.99.0.3 frobnicate 3',
    'ip route add default via 10.99.0.3',
    'ip route del 192.0.2.0/24',
    'ip route frobnicate',
    'ip route del default via 10.99.0.77',
    'ip -6 route del default',
    'reboot',
    '',
  ])('refuses %j and changes nothing', (text) => {
    start();
    const before = host.stack.routes();
    expect(command(text)).toBe(false);
    expect(host.stack.routes()).toEqual(before);
  });

  it('takes words as well as text, with and without ip', () => {
    start();
    expect(host.stack.routeCommand(['route', 'del', 'default'])).toBe(true);
    expect(command('route add default via 10.99.0.2')).toBe(true);
    expect(command('ip route change default via 10.99.0.3')).toBe(true);
    expect(via('192.0.2.1')).toContain('10.99.0.3');
  });
});

describe('path MTU (RFC 1191)', () => {
  it('is kept for mtu_expires, and only gets smaller meanwhile', () => {
    start();
    const to = IpAddress.from('192.0.2.1');
    const r = find('192.0.2.1') as RouteEntry;
    host.stack.ip4.updatePmtu(to, 1400);
    expect(r.mtu(sim.nowUs)).toBe(1400);
    host.stack.ip4.updatePmtu(to, 1450);
    expect(r.mtu(sim.nowUs)).toBe(1400);
    host.stack.ip4.updatePmtu(to, 1300);
    expect(r.mtu(sim.nowUs)).toBe(1300);
    expect((find('192.0.2.2') as RouteEntry).mtu(sim.nowUs)).toBe(1500);
    sim.pass(599_000_000);
    expect(r.mtu(sim.nowUs)).toBe(1300);
    sim.pass(2_000_000);
    expect(r.mtu(sim.nowUs)).toBe(1500);
  });

  it('below min_pmtu stays at it, and DF is not set any more', () => {
    start();
    host.stack.ip4.updatePmtu(IpAddress.from('192.0.2.1'), 100);
    const r = find('192.0.2.1') as RouteEntry;
    expect(r.mtu(sim.nowUs)).toBe(552);
    expect(r.mtuLocked(sim.nowUs)).toBe(true);
  });
});

describe('a redirect (RFC 1122 3.2.2.2)', () => {
  const redirect = (gateway: string, from = '10.99.0.2', target = '192.0.2.1') => {
    const quoted = ipv4(
      { src: '10.99.0.1', dst: target, protocol: 17 },
      udp({ src: '10.99.0.1', dst: target, sport: 6000, dport: 9 }, bytes('x')),
    );
    peer.sendIcmp(5, 1, bytes(ip4(gateway), quoted.subarray(0, 28)), { src: from });
    sim.pass(1000);
  };
  const known = (address: string) => host.stack.arp.table.hop(host.device, IpAddress.from(address))!.fix(0x0200, 0x77);

  it('from the present gateway to a neighbour that is known is followed', () => {
    start();
    known('10.99.0.77');
    const r = find('192.0.2.1') as RouteEntry;
    redirect('10.99.0.77');
    expect(r.valid()).toBe(false);
    expect(via('192.0.2.1')).toContain('10.99.0.77');
    expect(via('192.0.2.2')).toContain('10.99.0.2');
  });

  it('to a stranger asks first', () => {
    start();
    redirect('10.99.0.77');
    expect(via('192.0.2.1')).toContain('10.99.0.2');
    expect(peer.take()).toMatchObject([{ kind: 'arp', dst: '10.99.0.77' }]);
  });

  it.each([
    ['from somebody else', '10.99.0.77', '10.99.0.9', 1],
    ['to ourselves', '10.99.0.1', '10.99.0.2', 1],
    ['to a group', '224.0.0.1', '10.99.0.2', 1],
    ['when accept_redirects is off', '10.99.0.77', '10.99.0.2', 0],
  ])('%s is not followed', (_, gateway, from, accept) => {
    start({ 'conf.all.accept_redirects': accept });
    known('10.99.0.77');
    redirect(gateway, from);
    expect(via('192.0.2.1')).toContain('10.99.0.2');
  });
});

describe('fragmentation needed', () => {
  it('for an echo reply of ours is remembered', () => {
    start();
    const reply = ipv4({ src: '10.99.0.1', dst: '10.99.0.2', protocol: 1 }, bytes([0, 0, 0, 0, 0, 1, 0, 1]));
    peer.sendIcmp(3, 4, bytes(u16(0), u16(1000), reply));
    sim.pass(1000);
    expect((find('10.99.0.2') as RouteEntry).mtu(sim.nowUs)).toBe(1000);
  });
});
