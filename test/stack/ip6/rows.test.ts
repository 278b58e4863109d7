/**
 * Every row of the IPv6 groups is moved by an event that a kernel was asked about: the tables of kernel deltas name it, and a scenario holds
 * each table's entry. What a kernel in a namespace cannot be asked (a limit of the whole machine, a start from nothing) follows below.
 */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { cellName, counters } from '../../../mib/catalogue/index.js';
import type { DatagramSocket } from '../../../stack/socket/socket.js';
import { filler } from '../../support/frames.js';
import { type Delta, expectSums } from '../../support/ledger.js';
import { type Bed, bed, deltaOf, QUIET } from './fixture.js';
import { kernel6 } from './kernel-deltas.js';
import { situations6 } from './kernel-situations.js';

let b: Bed;
afterEach(() => {
  if (b) expectSums(b.host.ledger);
});

/** The first seven seconds of an interface that nobody answers: measured with every setting as it is but one solicitation of routers. */
const START: Delta = {
  'Ip6.OutRequests': 6,
  'Ip6.OutMcastPkts': 6,
  'Ip6.OutOctets': 432,
  'Ip6.OutMcastOctets': 432,
  'Ip6.OutTransmits': 6,
  'Icmp6.OutMsgs': 6,
  'Icmp6.OutType133': 1,
  'Icmp6.OutType135': 1,
  'Icmp6.OutType143': 4,
};
/** udp_mem is one for the whole machine, so no namespace could be asked: MemErrors and InErrors together, as Linux moves them for IPv4. */
const MEMORY = ['Udp6.MemErrors', 'UdpLite6.MemErrors'];

describe('the rows of the IPv6 groups', () => {
  const groups = ['Ip6', 'Icmp6', 'Udp6', 'UdpLite6'];
  const rows = counters.filter((c) => groups.includes(c.group.name) && !c.entry.unsupported);
  const measured: readonly Delta[] = [...Object.values(kernel6), ...Object.values(situations6), START];
  const moved = new Set([...measured.flatMap((d) => Object.keys(d)), ...MEMORY]);

  it('are all moved by an event that a scenario makes', () => {
    expect(rows.length).toBeGreaterThan(80);
    expect(rows.filter((c) => !moved.has(cellName(c.id))).map((c) => c.key)).toEqual([]);
  });

  it('and each measured situation is a scenario', () => {
    const source = readFileSync(new URL('./parity.test.ts', import.meta.url), 'utf8');
    const held = new Set([...source.matchAll(/toEqual\(kernel6\.(\w+)\)/g)].map((m) => m[1]));
    expect(Object.keys(kernel6).filter((name) => !held.has(name))).toEqual([]);
    // those of kernel-situations.ts are the keys of situations.test.ts's table: the compiler holds them
  });
});

it('the first seconds of an interface: detection, listeners twice from each address, one question for routers', () => {
  b = bed({ warm: false, addresses: [], gateway6: undefined, sysctl: { 'net.ipv6.conf.all.router_solicitations': 1 } });
  expect(deltaOf(b, () => {}, 7_000_000)).toEqual(START);
  const frames = b.six.take();
  expect(frames.map((f) => f.type).sort()).toEqual([133, 135, 143, 143, 143, 143]);
  expect(frames.filter((f) => f.type === 143).map((f) => f.src)).toEqual(['::', '::', 'fe80::ff:fe00:1', 'fe80::ff:fe00:1']);
});

describe('udp_mem', () => {
  it.each([
    ['Udp6', 17, (at: Bed) => at.host.stack.udp(6)],
    ['UdpLite6', 136, (at: Bed) => at.host.stack.udpLite(6)],
  ] as const)('limits all sockets together: %s.MemErrors', (group, protocol, make) => {
    b = bed({ sysctl: QUIET });
    b.host.stack.env.sysctl.set('udp_mem', '1 1 2');
    const s: DatagramSocket = make(b);
    expect(s.bind(null, 6000)).toBe(0);
    const datagram = b.six.udp(5001, 6000, filler(1000), { protocol });
    const delta = deltaOf(b, () => {
      for (let i = 0; i < 12; i++) b.six.send(protocol, datagram);
    });
    const errors = delta[`${group}.MemErrors`]!;
    expect(errors).toBeGreaterThan(0);
    expect(errors).toBeLessThan(12);
    expect(delta[`${group}.InErrors`]).toBe(errors);
    expect(delta[`${group}.RcvbufErrors`]).toBeUndefined();
  });
});
