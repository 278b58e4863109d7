/** Neighbour and router discovery, addresses and their detection, listener discovery: what is said on the wire, when, and what comes of it. */
import { afterEach, describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { Ip6Opt, Level, ReceivedFrom } from '../../../stack/socket/socket.js';
import { bytes, mac, Proto, u16, u32 } from '../../support/frames.js';
import { expectSums } from '../../support/ledger.js';
import { type Frame6, groupMac6, ip6, ip6Text, solicitedGroup } from '../../support/peer6.js';
import { type Bed, bed, deltaOf, QUIET } from '../ip6/fixture.js';

let b: Bed;
const LINK_LOCAL = 'fe80::ff:fe00:1'; // EUI-64 of 02:00:00:00:00:01
const ROUTER = 'fe80::99';
const SECOND = 1_000_000;

const addresses = () => b.host.device.addresses.map((a) => `${a.address}/${a.prefix}`);
const neighbour = (address: string) => b.host.stack.neighbours().find((n) => n.address === address);
const routes = () => b.host.stack.routes().filter((r) => r.family === 6).map((r) => `${r.destination}/${r.prefix} ${r.gateway ?? ''}`.trim()); // biome-ignore format: one line
const ofType = (type: number, frames: Frame6[]) => frames.filter((f) => f.type === type);
const send = (to: string, n = 10) =>
  b.host.stack.udp(6).sendTo(new Uint8Array(n), 0, n, 0, { address: IpAddress.from(to), port: 9 });

interface Advert {
  readonly lifetime?: number;
  readonly hopLimit?: number;
  readonly reachable?: number;
  readonly options?: Uint8Array[];
}
function advertise(a: Advert): void {
  const head = bytes([a.hopLimit ?? 0, 0], u16(a.lifetime ?? 0), u32(a.reachable ?? 0), u32(0));
  const link = bytes([1, 1], mac('02:00:00:00:00:99'));
  const body = bytes(head, link, ...(a.options ?? []));
  b.six.sendIcmp(134, 0, body, { src: ROUTER, dst: 'ff02::1', hopLimit: 255 });
  b.sim.pass(1000);
}
const prefixOption = (prefix: string, valid: number, preferred: number, flags = 0xc0) =>
  bytes([3, 4, 64, flags], u32(valid), u32(preferred), u32(0), ip6(prefix));
const mtuOption = (mtu: number) => bytes([5, 1, 0, 0], u32(mtu));

afterEach(() => expectSums(b.host.ledger));

describe('duplicate address detection', () => {
  it('probes the solicited-node group once, with a nonce, and takes the address a retransmission time later', () => {
    b = bed({ warm: false });
    b.sim.pass(SECOND - 1);
    const probes = ofType(135, b.six.take());
    expect(probes.map((f) => [f.src, f.dst, f.hopLimit, f.data.length])).toEqual([
      ['::', solicitedGroup(LINK_LOCAL), 255, 32],
      ['::', 'ff02::1:ff00:1', 255, 32],
    ]);
    expect(probes[0]!.data.subarray(24, 26)).toEqual(bytes([14, 1]));
    expect(b.host.stack.ip6!.layer.isLocal(IpAddress.from('fd99::1'))).toBe(false);
    b.sim.pass(SECOND);
    expect(b.host.stack.ip6!.layer.isLocal(IpAddress.from('fd99::1'))).toBe(true);
    expect(addresses()).toEqual(['10.99.0.1/24', `${LINK_LOCAL}/64`, 'fd99::1/64']);
  });

  it.each([
    ['a neighbour advertises it', () => b.six.advertise('fd99::1', 0x20000000, { dst: 'ff02::1' })],
    ['a neighbour probes it too', () => b.six.solicit('fd99::1', { src: '::' }, false)],
  ])('%s: the address stays unused and the conflict is told', (_, act) => {
    b = bed({ warm: false });
    const told: string[] = [];
    b.host.stack.ip6!.discovery.onConflict = (c) => told.push(`${c.address} ${c.mac}`);
    b.sim.pass(SECOND / 2);
    act();
    b.sim.pass(5 * SECOND);
    expect(told).toEqual([`fd99::1 ${b.peer.mac}`]);
    expect(b.host.stack.ip6!.layer.isLocal(IpAddress.from('fd99::1'))).toBe(false);
    b.six.take();
    b.six.ping();
    b.sim.pass(1000);
    expect(b.six.take()).toEqual([]);
  });

  it('does not take its own probe, come back, for another node', () => {
    b = bed({ warm: false });
    b.sim.pass(SECOND - 1);
    const [probe] = ofType(135, b.six.take()).filter((f) => f.dst === 'ff02::1:ff00:1');
    b.six.send(Proto.icmpv6, probe!.data, { src: '::', dst: 'ff02::1:ff00:1', hopLimit: 255 });
    b.sim.pass(SECOND);
    expect(b.host.stack.ip6!.layer.isLocal(IpAddress.from('fd99::1'))).toBe(true);
  });

  it('gives a stable identifier another try', () => {
    b = bed({ warm: false, addresses: [], gateway6: undefined, sysctl: { 'net.ipv6.conf.all.addr_gen_mode': 2 } });
    const first = addresses()[0]!.split('/')[0]!;
    expect(first).not.toBe(LINK_LOCAL);
    b.sim.pass(SECOND / 2);
    b.six.advertise(first, 0x20000000, { dst: 'ff02::1' });
    b.sim.pass(4 * SECOND);
    const used = b.host.stack.ip6!.layer.addresses.filter((a) => a.device === b.host.device && a.usable);
    expect(used).toHaveLength(1);
    expect(used[0]!.address.toString()).not.toBe(first);
  });
});

describe('address resolution', () => {
  it('asks by multicast with its link-layer address, and sends what waited when the answer comes', () => {
    b = bed({ warm: false, sysctl: QUIET });
    b.six.answers = false;
    b.six.take();
    expect(send('fd99::2')).toBe(10);
    b.sim.pass(1000);
    const [ask] = b.six.take();
    expect(ask).toMatchObject({ type: 135, src: 'fd99::1', dst: 'ff02::1:ff00:2', hopLimit: 255 });
    expect(ask!.data.subarray(24)).toEqual(bytes([1, 1], mac('02:00:00:00:00:01')));
    expect(neighbour('fd99::2')).toMatchObject({ state: 'INCOMPLETE', mac: null });
    b.six.advertise('fd99::2', 0x60000000, { dst: 'fd99::1' });
    b.sim.pass(1000);
    expect(b.six.take()).toMatchObject([{ next: Proto.udp, dst: 'fd99::2', sumGood: true }]);
    expect(neighbour('fd99::2')).toMatchObject({ state: 'REACHABLE', mac: b.peer.mac });
  });

  it('asks for the sender of an echo request that it does not know, and answers when it does', () => {
    b = bed({ sysctl: QUIET });
    b.six.answers = false;
    b.six.ping(7, { src: 'fd99::77' });
    b.sim.pass(1000);
    expect(b.six.take()).toMatchObject([{ type: 135, dst: 'ff02::1:ff00:77' }]);
    b.six.advertise('fd99::77', 0x60000000, { src: 'fd99::77' });
    b.sim.pass(1000);
    const [reply] = b.six.take();
    expect(reply).toMatchObject({ type: 129, dst: 'fd99::77', sumGood: true });
    expect(reply!.data[7]).toBe(7);
  });

  it('goes through the states of RFC 4861 7.3: delay, probe by unicast, and gone', () => {
    b = bed({ sysctl: { ...QUIET, 'net.ipv6.conf.all.addr_gen_mode': 0 } });
    b.six.answers = false;
    expect(neighbour('fd99::2')!.state).toBe('DELAY'); // learnt as STALE from its question, and used for the answer
    b.sim.pass(5 * SECOND + 1000);
    expect(neighbour('fd99::2')!.state).toBe('PROBE');
    b.sim.pass(4 * SECOND);
    const asked = ofType(135, b.six.take());
    expect(asked.map((f) => f.dst)).toEqual(['fd99::2', 'fd99::2', 'fd99::2']);
    expect(neighbour('fd99::2')!.state).toBe('FAILED');
  });

  it('tells the sender of what waited that nobody is there', () => {
    b = bed({ sysctl: QUIET });
    const s = b.host.stack.udp(6);
    expect(s.connect(IpAddress.from('fd99::77'), 9)).toBe(0);
    const delta = deltaOf(b, () => s.sendTo(new Uint8Array(10), 0, 10, 0, null), 4 * SECOND);
    expect(delta).toMatchObject({ 'Icmp6.OutType135': 3, 'Icmp6.OutType1': 1, 'Icmp6.InType1': 1, 'Udp6.OutDatagrams': 1 });
  });

  it('holds a reachable neighbour for stale when an advertisement without override names another address', () => {
    b = bed({ sysctl: QUIET });
    b.six.advertise('fd99::2', 0x60000000);
    b.sim.pass(1000);
    expect(neighbour('fd99::2')!.state).toBe('REACHABLE');
    b.six.sendIcmp(136, 0, bytes(u32(0), ip6('fd99::2'), [2, 1], mac('02:00:00:00:00:55')), { hopLimit: 255 });
    b.sim.pass(1000);
    expect(neighbour('fd99::2')).toMatchObject({ state: 'STALE', mac: b.peer.mac });
  });
});

describe('router discovery', () => {
  const loud = () => bed({ warm: false, addresses: [], gateway6: undefined });

  it('asks all routers from the link-local address, ever more rarely, until one answers', () => {
    b = loud();
    b.sim.pass(20 * SECOND);
    const asked = ofType(133, b.six.take());
    expect(asked).toHaveLength(3); // at 2 s or so, 4 s later, 8 s later
    expect(asked[0]).toMatchObject({ src: LINK_LOCAL, dst: 'ff02::2', hopLimit: 255 });
    expect(asked[0]!.data.subarray(8)).toEqual(bytes([1, 1], mac('02:00:00:00:00:01')));
    advertise({ lifetime: 1800 });
    b.sim.pass(60 * SECOND);
    expect(ofType(133, b.six.take())).toEqual([]);
  });

  it('makes an address of an advertised prefix, and a default route, hop limit, MTU and timers of the rest', () => {
    b = loud();
    b.sim.pass(3 * SECOND);
    b.six.take();
    advertise({
      lifetime: 1800,
      hopLimit: 17,
      reachable: 12_345,
      options: [prefixOption('2001:db8:1::', 600, 300), mtuOption(1400)],
    });
    b.sim.pass(3 * SECOND);
    expect(addresses()).toContain('2001:db8:1::ff:fe00:1/64');
    expect(routes()).toEqual(expect.arrayContaining([`::/0 ${ROUTER}`, '2001:db8:1::/64']));
    expect(neighbour(ROUTER)).toMatchObject({ mac: '02:00:00:00:00:99' });
    expect(b.host.stack.env.sysctl.get('net.ipv6.neigh.wire0.base_reachable_time_ms')).toBe('12345');
    b.six.take();
    expect(send('2001:db8:1::5', 1390)).toBe(1390);
    b.six.advertise('2001:db8:1::5', 0x60000000, { dst: 'ff02::1' });
    b.sim.pass(1000);
    const [ask] = ofType(135, b.six.take());
    expect(ask!.src).toBe('2001:db8:1::ff:fe00:1');
    const route = b.host.stack.ip6!.layer.find(IpAddress.from('2001:db8:1::5'), null);
    expect(typeof route === 'number' ? route : [route.mtu(b.sim.nowUs), b.host.stack.ip6!.layer.defaultTtl(route)]).toEqual([
      1400, 17,
    ]);
  });

  it('ends what it was given when the time is over', () => {
    b = loud();
    b.sim.pass(3 * SECOND);
    advertise({ lifetime: 100, options: [prefixOption('2001:db8:1::', 60, 30)] });
    b.sim.pass(10 * SECOND);
    const address = () => b.host.stack.ip6!.layer.addresses.find((a) => a.origin === 'router');
    expect(address()!.state).toBe(1);
    b.sim.pass(25 * SECOND);
    expect(address()!.state).toBe(2); // deprecated
    b.sim.pass(30 * SECOND);
    expect(address()).toBeUndefined();
    expect(routes()).not.toContain('2001:db8:1::/64');
    expect(routes()).toContain(`::/0 ${ROUTER}`);
    b.sim.pass(40 * SECOND);
    expect(routes()).not.toContain(`::/0 ${ROUTER}`);
  });

  it('takes the default route away at once when the router says it is none any more', () => {
    b = loud();
    b.sim.pass(3 * SECOND);
    advertise({ lifetime: 1800 });
    expect(routes()).toContain(`::/0 ${ROUTER}`);
    advertise({ lifetime: 0 });
    expect(routes()).not.toContain(`::/0 ${ROUTER}`);
  });

  it('does not believe advertisements from afar, nor a lifetime that is cut short (RFC 4862 5.5.3 e)', () => {
    b = loud();
    b.sim.pass(3 * SECOND);
    b.six.sendIcmp(134, 0, bytes([64, 0], u16(1800), u32(0), u32(0)), { src: ROUTER, dst: 'ff02::1', hopLimit: 64 });
    b.six.sendIcmp(134, 0, bytes([64, 0], u16(1800), u32(0), u32(0)), { src: 'fd99::9', dst: 'ff02::1', hopLimit: 255 });
    b.sim.pass(1000);
    expect(routes()).not.toContain(`::/0 ${ROUTER}`);
    advertise({ lifetime: 1800, options: [prefixOption('2001:db8:1::', 100_000, 50_000)] });
    advertise({ lifetime: 1800, options: [prefixOption('2001:db8:1::', 10, 5)] });
    const address = b.host.stack.ip6!.layer.addresses.find((a) => a.origin === 'router')!;
    expect(address.validUntilUs - b.sim.nowUs).toBeGreaterThan(7_199 * SECOND);
  });

  it('follows a redirect of the present first hop, and of nobody else', () => {
    b = loud();
    b.sim.pass(3 * SECOND);
    advertise({ lifetime: 1800, options: [prefixOption('2001:db8:1::', 600, 300)] });
    b.sim.pass(3 * SECOND);
    const redirect = (src: string) => {
      const options = bytes([2, 1], mac('02:00:00:00:00:88'));
      const body = bytes(u32(0), ip6('fe80::88'), ip6('2001:db8:9::1'), options);
      b.six.sendIcmp(137, 0, body, { src, dst: '2001:db8:1::ff:fe00:1', hopLimit: 255 });
      b.sim.pass(1000);
    };
    const hop = () => {
      const r = b.host.stack.ip6!.layer.find(IpAddress.from('2001:db8:9::1'), null);
      return typeof r === 'number' ? r : r.nextHop.toString();
    };
    redirect('fe80::77');
    expect(hop()).toBe(ROUTER);
    redirect(ROUTER);
    expect(hop()).toBe('fe80::88');
    expect(neighbour('fe80::88')).toMatchObject({ mac: '02:00:00:00:00:88', state: 'STALE' });
  });
});

describe('multicast listener discovery', () => {
  const GROUP = 'ff05::1:3';
  const mreq = bytes(ip6(GROUP), u32(0));
  const records = (f: Frame6) =>
    Array.from({ length: (f.data[6]! << 8) | f.data[7]! }, (_, i) => {
      const at = 8 + i * 20;
      return `${f.data[at]} ${ip6Text(f.data.subarray(at + 4, at + 20))}`;
    });

  it('reports a group when it is joined, twice, and when it is left', () => {
    b = bed({ sysctl: QUIET });
    const s = b.host.stack.udp(6);
    expect(s.setOption(Level.IPV6, Ip6Opt.JOIN_GROUP, mreq)).toBe(0);
    b.sim.pass(100_000);
    const joined = b.six.take();
    expect(joined.map((f) => [f.type, f.dst, f.hopLimit, ...f.extensions])).toEqual([[143, 'ff02::16', 1, 0], [143, 'ff02::16', 1, 0]]); // biome-ignore format: a table
    expect(joined.flatMap(records)).toEqual([`4 ${GROUP}`, `4 ${GROUP}`]);
    s.setOption(Level.IPV6, Ip6Opt.LEAVE_GROUP, mreq);
    b.sim.pass(100_000);
    expect(b.six.take().flatMap(records)).toEqual([`3 ${GROUP}`, `3 ${GROUP}`]);
  });

  it('answers a query of version 2 with all it listens to, within the response time', () => {
    b = bed({ sysctl: QUIET });
    b.host.stack.udp(6).setOption(Level.IPV6, Ip6Opt.JOIN_GROUP, mreq);
    b.sim.pass(100_000);
    b.six.take();
    const f = { src: 'fe80::2', dst: 'ff02::1', hopLimit: 1, extension: bytes([58, 0, 5, 2, 0, 0, 1, 0]), first: 0 };
    b.six.send(Proto.icmpv6, b.six.icmp(130, 0, bytes(u16(1000), u16(0), ip6('::'), [2, 125], u16(0)), f), f);
    b.sim.pass(SECOND + 1000);
    const [report] = b.six.take();
    expect(records(report!).sort()).toEqual([`2 ${GROUP}`, '2 ff02::1:ff00:1'].sort());
  });

  it('hears what is sent to the group, and nothing once it has left', () => {
    b = bed({ sysctl: QUIET });
    const s = b.host.stack.udp(6);
    s.bind(null, 6000);
    s.setOption(Level.IPV6, Ip6Opt.JOIN_GROUP, mreq);
    const f = { dst: GROUP, dmac: groupMac6(GROUP) };
    const datagram = () => b.six.send(Proto.udp, b.six.udp(5000, 6000, 'hello', f), f);
    s.onReady = () => void s.receiveFrom(new Uint8Array(100), 0, 100, 0, new ReceivedFrom());
    expect(deltaOf(b, datagram)).toMatchObject({ 'Udp6.InDatagrams': 1, 'Ip6.InMcastPkts': 1 });
    s.setOption(Level.IPV6, Ip6Opt.LEAVE_GROUP, mreq);
    expect(deltaOf(b, datagram)['Udp6.InDatagrams']).toBeUndefined();
  });
});
