/**
 * IPv6 between the daemon and real kernels: a router with radvd, a second host on the same link, a far host behind a narrower link, all in
 * namespaces of the test's own. What the kernel shows of a neighbour or counts in the same situation is asked of it, not written down.
 *
 *   daemon ─ TAP ┐
 *                br0 router ─ far host (MTU 1300)
 *   host N ─ veth┘
 */
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Namespace } from '../support/namespace.js';
import { needs, note } from '../support/needs.js';
import { KernelSide, must, TAP, until } from './kernel-side.js';

const whyNot = needs.all(needs.tap, needs.netns, needs.tool('ping'));
const noRadvd = needs.all(whyNot, needs.tool('radvd'));
const noNdisc = needs.all(noRadvd, needs.tool('ndisc6'));

const MAC = '02:00:00:00:00:77';
/** A reachable time of 1.1 s at least, whatever chance makes of it, is longer than the first probe's delay: else two that probe each other never end. */
const REACHABLE_MS = 2200;
/** Of the advertised prefix: the router, and addresses that come and go. */
const ROUTER = '2001:db8:1::1';
const BEYOND = '2001:db8:9::1';
const FAR = '2001:db8:2::2';
const FAR_TOO = '2001:db8:2::3';
const RADVD = `interface br0 {
  AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvDefaultLifetime 1800;
  AdvCurHopLimit 55; AdvLinkMTU 1400; AdvReachableTime ${REACHABLE_MS}; AdvRetransTimer 200;
  prefix 2001:db8:1::/64 { AdvOnLink on; AdvAutonomous on; AdvValidLifetime 3600; AdvPreferredLifetime 1800; };
};`;
/** Stable identifiers (RFC 7217); and no waiting where only time would pass. */
const SETTINGS = [
  'net.ipv6.conf.all.addr_gen_mode=2',
  'net.ipv6.conf.all.router_solicitation_delay=0',
  'net.ipv6.neigh.default.delay_first_probe_time=1',
];
const counter = (ns: Namespace, name: string) =>
  Number(new RegExp(`^${name}\\s+(\\d+)`, 'm').exec(must(ns, 'cat', ['/proc/net/snmp6']))![1]);
const received = (output: string) => Number(/(\d+) received/.exec(output)?.[1] ?? -1);

describe.skipIf(noRadvd)(`IPv6 and a router that is a kernel${note(noRadvd)}`, () => {
  let side: KernelSide;
  let n: Namespace;
  let far: Namespace;
  /** What the daemon has made of the prefix. */
  let own: string;
  let ownMac: string;

  const ping = (to: string, ...options: string[]) =>
    side.ns.run('ping', ['-6', '-n', '-c', '1', '-W', '2', ...options, to]).stdout;

  beforeAll(async () => {
    side = new KernelSide();
    side.sysctl('net.ipv6.conf.all.forwarding=1', 'net.ipv6.conf.default.accept_dad=0');
    side.ip('link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0');
    n = side.neighbourhood('b0', 'n0');
    far = side.neighbourhood('f0', 'h0');
    for (const port of [TAP, 'b0']) side.ip('link', 'set', port, 'master', 'br0', 'up');
    for (const device of ['br0', 'f0']) side.ip('link', 'set', device, 'up');
    side.ip('address', 'add', `${ROUTER}/64`, 'dev', 'br0', 'nodad');
    side.ip('address', 'add', '2001:db8:2::1/64', 'dev', 'f0', 'nodad');
    side.ip('link', 'set', 'f0', 'mtu', '1300');
    const settings = ['accept_dad=0', 'accept_ra=1', 'router_solicitation_delay=0'].map((s) => `net.ipv6.conf.n0.${s}`);
    must(n, 'sysctl', ['-qw', ...settings, 'net.ipv6.neigh.n0.delay_first_probe_time=1']);
    must(n, 'ip', ['address', 'add', `${BEYOND}/128`, 'dev', 'lo', 'nodad']);
    must(n, 'ip', ['link', 'set', 'n0', 'up']);
    must(far, 'sysctl', ['-qw', 'net.ipv6.conf.h0.accept_dad=0', 'net.ipv6.conf.h0.accept_ra=0']);
    must(far, 'ip', ['link', 'set', 'h0', 'up']);
    for (const address of [FAR, FAR_TOO]) must(far, 'ip', ['address', 'add', `${address}/64`, 'dev', 'h0', 'nodad']);
    must(far, 'ip', ['route', 'add', 'default', 'via', '2001:db8:2::1', 'mtu', '1300']);
    writeFileSync(side.file('radvd.conf'), RADVD, { mode: 0o600 });
    side.start('radvd', ['-n', '-C', side.file('radvd.conf'), '-p', side.file('radvd.pid'), '-m', 'stderr'], () => {});
    await side.daemon(...['--mac', MAC, '--address6', 'fd77::2/64'], ...['--sysctl', SETTINGS.join(',')]);
    const mine = (a: { address: string; state?: string }) => a.address.startsWith('2001:db8:1:') && a.state === 'preferred';
    own = (
      await until(
        () => side.addresses(),
        (all) => all.some(mine),
      )
    ).find(mine)!.address;
    ownMac = MAC;
  }, 60_000);
  afterAll(async () => side?.close());

  it('an advertisement gives address, default route, MTU and hop limit; the kernel reaches the address', async () => {
    expect(own).not.toContain('ff:fe00:77'); // RFC 7217, not the MAC address
    const linkLocal = (await side.addresses()).find((a) => a.address.startsWith('fe80:'))!.address;
    expect(linkLocal).not.toContain('ff:fe00:77');
    const routes = await side.routes();
    const router = /inet6 (fe80:\S+)\//.exec(side.ip('-6', 'address', 'show', 'dev', 'br0', 'scope', 'link'))![1]!;
    expect(routes).toContain(`::/0 via ${router}`);
    expect(routes).toContain('2001:db8:1::/64');
    const out = ping(own);
    expect(out).toContain('ttl=55'); // AdvCurHopLimit
    expect(received(ping(own, '-s', '1360'))).toBe(1); // 1408 octets do not fit AdvLinkMTU: the reply is in two
    const counters = await side.counters();
    expect(counters['Ip6.FragCreates']).toBe(2);
    expect(counters['Icmp6.InRouterAdvertisements']).toBeGreaterThanOrEqual(1);
    expect(received(ping(`${linkLocal}%br0`))).toBe(1);
  });

  it.skipIf(noNdisc)(`answers ndisc6, and is silent to rdisc6${note(noNdisc)}`, () => {
    expect(must(side.ns, 'ndisc6', ['-1', own, 'br0'])).toContain(ownMac.toUpperCase());
    const routers = side.ns.run('rdisc6', ['-1', '-w', '400', 'br0']).stdout;
    expect(routers).not.toContain(own);
  });

  it('answers what comes in pieces, up to the largest there is, and who asks all nodes', async () => {
    for (const size of ['4000', '65000']) expect(received(ping(own, '-s', size))).toBe(1);
    const before = await side.counters();
    const all = must(side.ns, 'ping', ['-6', '-n', '-c', '2', '-i', '0.2', '-W', '1', 'ff02::1%br0']);
    const linkLocal = (await side.addresses()).find((a) => a.address.startsWith('fe80:'))!.address;
    expect(all).toContain(`from ${linkLocal}%br0`);
    const after = await side.counters();
    expect(after['Ip6.InMcastPkts']! - before['Ip6.InMcastPkts']!).toBeGreaterThanOrEqual(1);
    expect(after['Ip6.ReasmFails'] ?? 0).toBe(0);
  });

  it('a path that is narrower than the link: told by the router, it sends in pieces', async () => {
    const before = await side.counters();
    const out = must(far, 'ping', ['-6', '-n', '-c', '3', '-i', '0.2', '-W', '1', '-s', '1330', '-I', FAR, own]);
    expect(received(out)).toBe(2); // the first reply was too big
    const after = await side.counters();
    expect(after['Icmp6.InPktTooBigs']).toBe(1);
    expect(after['Ip6.FragOKs']! - (before['Ip6.FragOKs'] ?? 0)).toBe(2);
  });

  it('and so does TCP, whose segments were cut for the link', async () => {
    must(far, 'ip', ['route', 'replace', 'default', 'via', '2001:db8:2::1']); // which side of the link is narrow it is not to know
    const before = await side.counters();
    const client = `
      let n = 0; const s = require('node:net').connect({ host: '${own}', port: 19, localAddress: '${FAR_TOO}' });
      s.on('data', (d) => { n += d.length; if (n >= 1 << 20) { console.log('enough'); process.exit(0); } });
      s.on('error', (e) => { console.log(e.message); process.exit(1); });`;
    expect(must(far, process.execPath, ['-e', client])).toBe('enough\n');
    const after = await until(
      () => side.counters(),
      (c) => c['Icmp6.InPktTooBigs']! > (before['Icmp6.InPktTooBigs'] ?? 0),
    );
    expect(after['Ip6.FragOKs']).toBe(before['Ip6.FragOKs']); // smaller segments, not pieces
  });

  it('a redirect: the next packet goes to the other host itself', async () => {
    side.ip('-6', 'route', 'add', `${BEYOND}/128`, 'via', linkLocalOf(n), 'dev', 'br0');
    const forwarded = () => counter(side.ns, 'Ip6OutForwDatagrams');
    const ask = () => received(must(n, 'ping', ['-6', '-n', '-c', '1', '-W', '2', '-I', BEYOND, own]));
    const start = forwarded();
    expect(ask()).toBe(1);
    expect(forwarded() - start).toBe(1);
    await until(
      () => side.counters(),
      (c) => c['Icmp6.InRedirects'] === 1,
    );
    expect(ask()).toBe(1);
    expect(forwarded() - start).toBe(1); // the router has seen nothing of it
    const neighbour = await side.neighbour(linkLocalOf(n));
    expect(neighbour?.mac).toBe(macOf(n));
  });

  it('a neighbour goes through the states that a kernel shows of it', async () => {
    const ours = new Trail(async (address) => (await side.neighbour(address))?.state);
    const kernels = new Trail((address) => / ([A-Z]+)\s*$/.exec(n.run('ip', ['-6', 'neigh', 'show', address]).stdout)?.[1]);
    const kernelHost = await until(
      () => /inet6 (2001:db8:1:\S+)\//.exec(must(n, 'ip', ['-6', 'address', 'show', 'dev', 'n0']))?.[1],
      (address) => address !== undefined,
    );
    // one that asks and is there, then gone: used, probed, and given up
    side.ip('address', 'add', '2001:db8:1::55/64', 'dev', 'br0', 'nodad');
    for (const to of [own, kernelHost!]) expect(received(ping(to, '-I', '2001:db8:1::55'))).toBe(1);
    const watch = (address: string, end: string) =>
      Promise.all(
        [ours, kernels].map((t) =>
          until(
            () => t.look(address),
            (states) => states.at(-1) === end,
          ),
        ),
      );
    await watch('2001:db8:1::55', 'REACHABLE');
    await watch('2001:db8:1::55', 'STALE');
    side.ip('address', 'del', '2001:db8:1::55/64', 'dev', 'br0');
    side.ip('address', 'add', '2001:db8:1::55/128', 'dev', 'lo', 'nodad'); // it can ask, but does not answer who asks for it
    for (const to of [own, kernelHost!]) ping(to, '-I', '2001:db8:1::55');
    await watch('2001:db8:1::55', 'FAILED');
    // one that was never there
    side.ip('address', 'add', '2001:db8:1::66/128', 'dev', 'lo', 'nodad');
    for (const to of [own, kernelHost!]) side.ns.run('ping', ['-6', '-n', '-c', '1', '-W', '0.01', '-I', '2001:db8:1::66', to]);
    await watch('2001:db8:1::66', 'FAILED');
    expect(ours.of('2001:db8:1::66')).toEqual(kernels.of('2001:db8:1::66'));
    expect(ours.of('2001:db8:1::66')).toEqual(['INCOMPLETE', 'FAILED']);
    // before it became STALE it was used, probed and confirmed, once or more, as chance and the moment of looking had it
    const last = (t: Trail) => t.of('2001:db8:1::55').slice(-4);
    expect(last(ours)).toEqual(last(kernels));
    expect(last(ours)).toEqual(['STALE', 'DELAY', 'PROBE', 'FAILED']);
  }, 30_000);

  it('with forwarding on, a hop limit that is used up is told, as traceroute needs it', async () => {
    side.ip('-6', 'route', 'add', '2001:db8:7::/64', 'via', own, 'dev', 'br0');
    expect(ping('2001:db8:7::1', '-t', '1', '-W', '0.2')).not.toContain('Time exceeded'); // a host forwards nothing
    await side.setSysctl('net.ipv6.conf.all.accept_ra', 2); // a router that keeps the way it was told of
    await side.setSysctl('net.ipv6.conf.all.forwarding', 1);
    const out = ping('2001:db8:7::1', '-t', '1');
    expect(out).toMatch(new RegExp(`From ${own}.*Time exceeded: Hop limit`));
    await until(
      () => side.counters(),
      (c) => c['Icmp6.OutTimeExcds'] === 1,
    );
  });
});

/** The states of neighbours as they were seen, one after the other. */
class Trail {
  private readonly seen = new Map<string, string[]>();
  private readonly read: (address: string) => string | undefined | Promise<string | undefined>;
  constructor(read: (address: string) => string | undefined | Promise<string | undefined>) {
    this.read = read;
  }
  of(address: string): string[] {
    return this.seen.get(address) ?? [];
  }
  async look(address: string): Promise<readonly string[]> {
    const states = this.of(address);
    const now = await this.read(address);
    if (now !== undefined && states.at(-1) !== now) states.push(now);
    this.seen.set(address, states);
    return states;
  }
}

function linkLocalOf(ns: Namespace): string {
  return /inet6 (fe80:\S+)\//.exec(must(ns, 'ip', ['-6', 'address', 'show', 'dev', 'n0', 'scope', 'link']))![1]!;
}
function macOf(ns: Namespace): string {
  return /link\/ether (\S+)/.exec(must(ns, 'ip', ['link', 'show', 'n0']))![1]!;
}
