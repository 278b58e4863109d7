/**
 * Several stacks as one host on a link of IPv6: an address is looked for, comes into use and goes in all of them at once, what the link says
 * is learned by all, and what one host says is said once.
 */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../stack/core/address.js';
import { IpOpt, Level } from '../../stack/socket/socket.js';
import type { Stack } from '../../stack/stack.js';
import { bytes, groupMac, icmp, mac, Proto, u16, u32 } from '../support/frames.js';
import { expectSums } from '../support/ledger.js';
import { type Frame6, ip6, solicitedGroup } from '../support/peer6.js';
import { anywhere, type Outcome } from '../support/several.js';
import { type Making, type Script6, same6, type World6, world6 } from '../support/several6.js';

const SECOND = 1_000_000;
const LINK_LOCAL = 'fe80::ff:fe00:1'; // EUI-64 of 02:00:00:00:00:01
const ROUTER = 'fe80::99';
const ROUTER_MAC = '02:00:00:00:00:99';

const usable = (s: Stack, address: string) => s.ip6!.layer.isLocal(IpAddress.from(address));
const addressesOf = (s: Stack) => s.ip6!.layer.addresses.map((a) => `${a.address}/${a.prefix} ${a.origin} ${a.state}`);
const routesOf = (s: Stack) =>
  s
    .routes()
    .filter((r) => r.family === 6)
    .map((r) => `${r.destination}/${r.prefix} ${r.gateway ?? ''}`.trim())
    .sort();
const neighbour = (s: Stack, address: string) => s.neighbours().find((n) => n.address === address);
/** What every stack says, which must be the same of all. */
function each<T>(w: World6, what: (s: Stack) => T): T {
  const [first, ...others] = w.cluster.stacks.map(what);
  for (const o of others) expect(o).toEqual(first);
  return first!;
}
const ofType = (o: Outcome, type: number) => o.sent.filter((f) => (f as Frame6).type === type);

function advertise(w: World6, lifetime: number, ...options: Uint8Array[]): void {
  const head = bytes([17, 0], u16(lifetime), u32(12_345), u32(0), [1, 1], mac(ROUTER_MAC));
  w.six.sendIcmp(134, 0, bytes(head, ...options), { src: ROUTER, dst: 'ff02::1', hopLimit: 255 });
  w.sim.pass(1000);
}
const prefixOption = (prefix: string, valid: number, preferred: number) =>
  bytes([3, 4, 64, 0xc0], u32(valid), u32(preferred), u32(0), ip6(prefix));

/** Without what differs by chance: when MLD repeats a report. */
const cold = (more: Making['sysctl'] = {}): Making => ({
  cold: true,
  sysctl: {
    'net.ipv6.conf.all.mldv2_unsolicited_report_interval': 1,
    'net.ipv6.neigh.default.delay_first_probe_time': 100_000,
    ...more,
  },
});

describe('duplicate address detection by several stacks', () => {
  it('is done once for the host; the addresses come into use in all stacks at one instant', () => {
    const script: Script6 = (w) => {
      const at = w.sim.nowUs;
      w.sim.run(() => w.cluster.stacks.some((s) => usable(s, 'fd99::1')), 10 * SECOND);
      expect(w.sim.nowUs - at).toBeGreaterThan(SECOND / 2);
      w.sim.pass(1);
      expect(each(w, (s) => usable(s, 'fd99::1'))).toBe(true);
      w.sim.pass(2 * SECOND);
      expect(each(w, addressesOf)).toEqual(['::1/128 manual 1', `${LINK_LOCAL}/64 link-local 1`, 'fd99::1/64 manual 1']);
    };
    const one = same6(script, cold({ 'net.ipv6.conf.all.router_solicitations': 0 }));
    expect(ofType(one, 135)).toHaveLength(2);
    expect(one.delta['Icmp6.OutType135']).toBe(2);
  });

  it.each([
    ['a neighbour advertises it', (w: World6) => w.six.advertise('fd99::1', 0x20000000, { dst: 'ff02::1' })],
    ['a neighbour probes it too', (w: World6) => w.six.solicit('fd99::1', { src: '::' }, false)],
  ])('%s: the conflict is told once, and no stack uses the address', (_, act) => {
    same6(
      (w) => {
        const told: string[] = [];
        for (const s of w.cluster.stacks) s.ip6!.discovery.onConflict = (c) => told.push(`${c.address} ${c.mac}`);
        w.sim.pass(SECOND / 2);
        act(w);
        w.sim.pass(5 * SECOND);
        expect(told).toEqual(['fd99::1 02:00:00:00:00:02']);
        expect(each(w, addressesOf)).toContain('fd99::1/64 manual 3');
        w.six.ping();
        w.sim.pass(1000);
      },
      cold({ 'net.ipv6.conf.all.router_solicitations': 0 }),
    );
  });

  it('does not take its own probe, come back to any queue, for another node; a stable identifier gets another try in all', () => {
    same6(
      (w) => {
        w.sim.pass(SECOND - 1);
        const probes = w.six.take().filter((f) => f.type === 135);
        for (const p of probes) w.six.send(Proto.icmpv6, p.data, { src: '::', dst: p.dst, hopLimit: 255 });
        w.sim.pass(SECOND / 2);
        const [, tried] = each(w, addressesOf);
        expect(tried).toMatch(/^fe80::.* link-local [01]$/);
        w.sim.pass(SECOND);
        expect(each(w, addressesOf)[1]).toMatch(/ 1$/);
      },
      cold({ 'net.ipv6.conf.all.addr_gen_mode': 2, 'net.ipv6.conf.all.router_solicitations': 0 }),
    );
    same6(
      (w) => {
        w.sim.pass(SECOND / 2);
        const [, first] = each(w, addressesOf);
        w.six.advertise(first!.split('/')[0]!, 0x20000000, { dst: 'ff02::1' });
        w.sim.pass(5 * SECOND);
        const list = each(w, addressesOf);
        expect(list.filter((a) => a.includes('link-local')).map((a) => a.slice(-1))).toEqual(['3', '1']);
      },
      cold({ 'net.ipv6.conf.all.addr_gen_mode': 2, 'net.ipv6.conf.all.router_solicitations': 0 }),
    );
  });

  it('a conflict over an address in use is told once, by whom it came to', () => {
    for (const count of [1, 2, 4]) {
      const w = world6(count, anywhere(5));
      const told: string[] = [];
      for (const s of w.cluster.stacks) s.ip6!.discovery.onConflict = (c) => told.push(c.address);
      w.six.advertise('fd99::1', 0x20000000, { dst: 'ff02::1' });
      w.sim.pass(1000);
      expect(told).toEqual(['fd99::1']);
      expect(each(w, (s) => usable(s, 'fd99::1'))).toBe(true);
    }
  });
});

describe('neighbours of several stacks', () => {
  it('a question is answered once and learned from by all', () => {
    const one = same6((w) => {
      for (let n = 0; n < 4; n++) {
        w.six.solicit();
        w.sim.pass(1000);
        w.six.solicit('fd99::77'); // not ours
        w.sim.pass(1000);
        w.six.solicit('fd99::1', { src: '::' }, false); // somebody’s probe
        w.sim.pass(1000);
      }
      expect(each(w, (s) => neighbour(s, 'fd99::2')?.mac)).toBe('02:00:00:00:00:02');
    });
    expect(ofType(one, 136)).toHaveLength(8);
    expect(one.delta).toMatchObject({ 'Icmp6.InType135': 8, 'Icmp6.OutType136': 8 });
  });

  it('an advertisement refreshes the entry of every stack, whichever asked', () => {
    same6((w) => {
      w.six.advertise('fd99::2', 0x60000000, { dst: 'fd99::1' });
      w.sim.pass(1000);
      expect(each(w, (s) => neighbour(s, 'fd99::2')?.state)).toBe('REACHABLE');
      const moved = bytes(u32(0x20000000), ip6('fd99::2'), [2, 1], mac('02:00:00:00:00:55'));
      w.six.sendIcmp(136, 0, moved, { dst: 'ff02::1', hopLimit: 255 });
      w.sim.pass(1000);
      expect(each(w, (s) => neighbour(s, 'fd99::2'))).toMatchObject({ state: 'STALE', mac: '02:00:00:00:00:55' });
    });
  });

  it('who asks hears the answer, wherever it comes', () => {
    same6((w) => {
      for (let port = 5000; port < 5004; port++) {
        const s = w.home(port).udp(6);
        s.bind(null, port);
        expect(s.sendTo(new Uint8Array(5), 0, 5, 0, { address: IpAddress.from(`fd99::${port}`), port: 9 })).toBe(5);
        w.sim.pass(1000);
        const [ask] = w.six.take();
        expect(ask).toMatchObject({ type: 135, dst: solicitedGroup(`fd99::${port}`) });
        w.six.advertise(`fd99::${port}`, 0x60000000, { dst: 'fd99::1' });
        w.sim.pass(1000);
        expect(w.six.take()).toMatchObject([{ next: Proto.udp, dst: `fd99::${port}` }]);
      }
    });
  });
});

describe('routers and several stacks', () => {
  it('are asked for by one; what they say is believed by all, and an address is made once', () => {
    const one = same6((w) => {
      w.sim.pass(3 * SECOND);
      advertise(w, 1800, prefixOption('2001:db8:1::', 600, 300), bytes([5, 1, 0, 0], u32(1400)));
      w.sim.pass(3 * SECOND);
      expect(each(w, addressesOf)).toContain('2001:db8:1::ff:fe00:1/64 router 1');
      expect(each(w, routesOf)).toEqual(expect.arrayContaining([`::/0 ${ROUTER}`, '2001:db8:1::/64']));
      expect(each(w, (s) => neighbour(s, ROUTER)?.mac)).toBe(ROUTER_MAC);
      const way = (s: Stack) => {
        const r = s.ip6!.layer.find(IpAddress.from('2001:db8:1::5'), null);
        return typeof r === 'number' ? r : [r.source.toString(), r.mtu(w.sim.nowUs), s.ip6!.layer.defaultTtl(r)];
      };
      expect(each(w, way)).toEqual(['2001:db8:1::ff:fe00:1', 1400, 17]);
      w.six.ping(1, { src: '2001:db8:1::7', dst: '2001:db8:1::ff:fe00:1' });
      w.sim.pass(20 * SECOND);
    }, cold());
    expect(ofType(one, 133)).toHaveLength(1);
  });

  it('the time of addresses and routes ends in all', () => {
    same6((w) => {
      w.sim.pass(3 * SECOND);
      advertise(w, 100, prefixOption('2001:db8:1::', 60, 30));
      w.sim.pass(10 * SECOND);
      const address = (s: Stack) => addressesOf(s).find((a) => a.includes('router'));
      expect(each(w, address)).toMatch(/ 1$/);
      w.sim.pass(25 * SECOND);
      expect(each(w, address)).toMatch(/ 2$/);
      w.sim.pass(30 * SECOND);
      expect(each(w, address)).toBeUndefined();
      expect(each(w, (s) => usable(s, '2001:db8:1::ff:fe00:1'))).toBe(false);
      expect(each(w, routesOf)).toContain(`::/0 ${ROUTER}`);
      w.sim.pass(40 * SECOND);
      expect(each(w, routesOf)).not.toContain(`::/0 ${ROUTER}`);
    }, cold());
  });

  it('a redirect is followed by all', () => {
    same6((w) => {
      w.sim.pass(3 * SECOND);
      advertise(w, 1800, prefixOption('2001:db8:1::', 600, 300));
      w.sim.pass(3 * SECOND);
      const body = bytes(u32(0), ip6('fe80::88'), ip6('2001:db8:9::1'), [2, 1], mac('02:00:00:00:00:88'));
      w.six.sendIcmp(137, 0, body, { src: ROUTER, dst: '2001:db8:1::ff:fe00:1', hopLimit: 255 });
      w.sim.pass(1000);
      const hop = (s: Stack) => {
        const r = s.ip6!.layer.find(IpAddress.from('2001:db8:9::1'), null);
        return typeof r === 'number' ? r : r.nextHop.toString();
      };
      expect(each(w, hop)).toBe('fe80::88');
      expect(each(w, (s) => neighbour(s, 'fe80::88')?.mac)).toBe('02:00:00:00:00:88');
    }, cold());
  });
});

it('a query of IGMP is answered with one report, of what all stacks have joined', () => {
  for (const count of [1, 2, 4]) {
    const w = world6(count, anywhere(count));
    for (const [n, group] of [
      [239, 1, 2, 3],
      [239, 1, 2, 4],
    ].entries()) {
      const u = w.home(5000 + n).udp(4);
      expect(u.setOption(Level.IP, IpOpt.ADD_MEMBERSHIP, bytes(group, [0, 0, 0, 0]))).toBe(0);
    }
    w.sim.pass(3 * SECOND);
    w.six.peer.take();
    const query = icmp(0x11, 10, bytes(u32(0), [2, 125, 0, 0]));
    w.six.peer.sendIp(query, { protocol: Proto.igmp, dst: '224.0.0.1', ttl: 1 }, groupMac('224.0.0.1'));
    w.sim.pass(2 * SECOND);
    const reports = w.six.peer.take().filter((f) => f.kind === 'igmp');
    expect(reports.map((f) => f.data.length)).toEqual([8 + 2 * 8]);
  }
});

it('the sums of rows hold in each stack of a host that nobody speaks to', () => {
  const w = world6(4, anywhere(1), cold());
  w.sim.pass(30 * SECOND);
  for (const l of w.cluster.ledgers) expectSums(l);
});
