/**
 * IGMP beside routers of versions 1, 2 and 3. What is sent when, and what is counted, was asked of Linux 6.18 by a raw-frame peer; times that
 * are drawn at random are held to their bounds.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { bytes, groupMac, icmp, ip4, Proto } from '../../support/frames.js';
import { type Delta, expectSums, LedgerWatch } from '../../support/ledger.js';
import type { RawPeer } from '../../support/raw-peer.js';
import { type Host, hostAndPeer, type Simulation } from '../../support/simulation.js';

const [A, B, LINK] = ['239.1.2.3', '239.9.9.9', '224.0.0.251'];
const SECOND = 1_000_000;
const [V1, V2, LEAVE, V3] = [0x12, 0x16, 0x17, 0x22];
const ROUTER_ALERT = bytes([0x94, 4, 0, 0]);

let sim: Simulation;
let host: Host;
let peer: RawPeer;
let watch: LedgerWatch;

const start = (...groups: string[]) => startWith({}, ...groups);
const startWith = (sysctl: Record<string, number>, ...groups: string[]) => {
  ({ sim, host, peer } = hostAndPeer({ sysctl }));
  for (const g of groups) join(g);
  sim.pass(3 * SECOND);
  peer.take();
  watch = new LedgerWatch(host.ledger);
};
afterEach(() => expectSums(host.ledger));

const join = (g: string) => host.stack.ip4.joinGroup(host.device, IpAddress.from(g));
const leave = (g: string) => host.stack.ip4.leaveGroup(host.device, IpAddress.from(g));
const send = (body: Uint8Array, dst: string) => {
  peer.sendIp(body, { protocol: Proto.igmp, dst, ttl: 1, options: ROUTER_ALERT }, groupMac(dst));
  sim.pass(1);
};
/** @param newer what version 3 has behind it: S and QRV, QQIC */
const query = (code: number, group = '0.0.0.0', newer?: readonly [number, number], sources = 0) => {
  const rest = newer ? bytes(ip4(group), [...newer, 0, sources]) : ip4(group);
  send(icmp(0x11, code, rest), group === '0.0.0.0' ? '224.0.0.1' : group);
};
/** What came within this time: type, destination and group, or for records their type in the group's place. */
const heard = (us: number) => {
  sim.pass(us);
  return peer
    .take()
    .filter((f) => f.kind === 'igmp')
    .map((f) => {
      expect(f).toMatchObject({ ttl: 1, tos: 0xc0, df: true, id: 0, sumsGood: true, dmac: groupMac(f.dst!) });
      expect([...f.raw.subarray(34, 38)]).toEqual([...ROUTER_ALERT]);
      return f.data[0] === V3 ? [V3, f.data[8]] : [f.data[0], f.dst, [...f.data.subarray(4)].join('.')];
    });
};
const sorted = (list: unknown[]) => list.map(String).sort();
const report = (type: number, g: string) => [type, g, g];

describe('a router of version 2', () => {
  it('gets a report of each group, at a time of its own and to the group, which comes back', () => {
    start(A, B);
    query(10);
    const times: number[] = [];
    for (let ms = 0; ms < 1100; ms++) if (heard(1000).length > 0) times.push(ms);
    expect(times).toHaveLength(2);
    expect(times[0]).not.toBe(times[1]);
    expect(watch.delta()).toEqual({
      'Ip.InReceives': 3,
      'Ip.InDelivers': 3,
      'Ip.OutRequests': 2,
      'Ip.OutTransmits': 2,
      'IpExt.InMcastPkts': 3,
      'IpExt.OutMcastPkts': 2,
      'IpExt.InOctets': 110, // the query's padding is in it, as in Linux
      'IpExt.OutOctets': 64,
      'IpExt.InMcastOctets': 96,
      'IpExt.OutMcastOctets': 64,
      'IpExt.InNoECTPkts': 3,
    } satisfies Delta);
  });

  it('hears nothing of a group that another host has reported to it, and no leaving either', () => {
    start(A, B);
    query(10);
    send(icmp(V2, 0, ip4(B)), B);
    expect(heard(1.5 * SECOND)).toEqual([report(V2, A)]);
    leave(B);
    expect(heard(SECOND)).toEqual([]);
    leave(A);
    expect(heard(SECOND)).toEqual([[LEAVE, '224.0.0.2', A]]);
  });

  it('hears of a joining at once and once more within ten seconds', () => {
    start();
    query(10);
    heard(SECOND);
    join(A);
    expect(heard(2000)).toEqual([report(V2, A)]);
    expect(heard(10.1 * SECOND)).toEqual([report(V2, A)]);
    expect(heard(30 * SECOND)).toEqual([]);
  });

  it('makes what was to be said of changes forgotten', () => {
    start();
    join(A);
    expect(heard(2000)).toEqual([[V3, 4]]);
    query(100);
    expect(heard(10.1 * SECOND)).toEqual([report(V2, A)]);
  });

  it('is still there while one of version 3 asks too', () => {
    start(A);
    query(10);
    heard(2 * SECOND);
    query(10, undefined, [2, 125]);
    expect(heard(1.1 * SECOND)).toEqual([report(V2, A)]);
    query(10, A, [2, 125]);
    expect(heard(1.1 * SECOND)).toEqual([report(V2, A)]);
  });

  it.each([
    ['robustness 2, 125 s and 10 s, unless told otherwise', null, 260],
    ['what the last router of version 3 said', [3, 20], 70],
    ['with a response interval below its query interval', [1, 1], 1],
  ] as const)('is held to be there for %s', (_, said, seconds) => {
    start(A);
    if (said) query(1, undefined, said);
    heard(SECOND);
    query(1);
    heard((seconds - 0.2) * SECOND);
    query(1, A, [2, 125]);
    expect(heard(0.15 * SECOND)).toEqual([report(V2, A)]);
    heard(0.1 * SECOND);
    query(1, A, [2, 125]);
    expect(heard(SECOND)).toEqual([[V3, 2]]);
  });
});

describe('a router of version 1', () => {
  it('gets reports of version 1 within ten seconds, and of all groups whichever it names', () => {
    start(A, B);
    query(0, A);
    expect(sorted(heard(10.1 * SECOND))).toEqual(sorted([report(V1, A), report(V1, B)]));
    query(10, A, [2, 125]);
    expect(sorted(heard(10.1 * SECOND))).toEqual(sorted([report(V1, A), report(V1, B)]));
  });

  it('hears of joining twice, and of leaving nothing', () => {
    start();
    query(0);
    join(A);
    expect(heard(11 * SECOND)).toEqual([report(V1, A), report(V1, A)]);
    leave(A);
    expect(heard(SECOND)).toEqual([]);
  });
});

describe('a router of version 3', () => {
  it('says how often a change is to be reported', () => {
    start(A);
    query(1, undefined, [4, 125]);
    expect(heard(SECOND)).toEqual([[V3, 2]]);
    join(B);
    expect(heard(5 * SECOND)).toEqual(new Array(4).fill([V3, 4]));
    leave(B);
    expect(heard(5 * SECOND)).toEqual(new Array(4).fill([V3, 3]));
  });

  it('is not answered when it names sources and no group, or when its query is too short or broken', () => {
    start(A);
    query(1, undefined, [2, 125], 1);
    send(icmp(0x11, 1, new Uint8Array(6)), '224.0.0.1');
    send(icmp(0x11, 1, bytes([0, 0, 0, 0], [2, 125, 0, 0]), 1), '224.0.0.1');
    expect(heard(2 * SECOND)).toEqual([]);
  });

  it('gets no other host’s word for ours: reports of others, to us alone or of our own address', () => {
    start(A);
    query(10);
    heard(2 * SECOND);
    query(10);
    peer.sendIp(icmp(V2, 0, ip4(A)), { protocol: Proto.igmp, ttl: 1 });
    expect(heard(1.1 * SECOND)).toEqual([report(V2, A)]);
  });
});

describe('sysctls', () => {
  it('igmp_link_local_mcast_reports 0 keeps groups of the link to ourselves', () => {
    startWith({ 'net.ipv4.igmp_link_local_mcast_reports': 0 }, A);
    join(LINK);
    query(1);
    expect(heard(SECOND)).toEqual([report(V2, A)]);
    leave(LINK);
    expect(heard(SECOND)).toEqual([]);
  });

  it.each([
    [1, [report(V1, A), report(V1, A)]],
    [2, [report(V2, A), report(V2, A), [LEAVE, '224.0.0.2', A]]],
  ] as const)('force_igmp_version %i needs no router', (version, expected) => {
    startWith({ 'net.ipv4.conf.all.force_igmp_version': version });
    join(A);
    const said = heard(11 * SECOND);
    leave(A);
    expect([...said, ...heard(SECOND)]).toEqual(expected);
  });
});
