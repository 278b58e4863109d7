/**
 * Listener discovery beside routers of versions 1 and 2. What is sent when was asked of Linux 6.18 by a raw-frame peer; times that are drawn at
 * random are held to their bounds.
 */
import { afterEach, expect, it } from 'vitest';
import { type DatagramSocket, Ip6Opt, Level } from '../../../stack/socket/socket.js';
import { bytes, Proto, u16, u32 } from '../../support/frames.js';
import { expectSums } from '../../support/ledger.js';
import { ip6 } from '../../support/peer6.js';
import { type Bed, bed } from '../ip6/fixture.js';

const [A, B] = ['ff05::1234', 'ff05::5678'];
const SECOND = 1_000_000;
const REPORT1 = 131;
const DONE = 132;
const REPORT2 = 143;
const OWN_INTERVAL = { 'net.ipv6.conf.all.mldv1_unsolicited_report_interval': 10_000, 'net.ipv6.conf.all.mldv2_unsolicited_report_interval': 1000 }; // biome-ignore format: one line

let b: Bed;
let socket: DatagramSocket;
afterEach(() => expectSums(b.host.ledger));

const start = (...groups: string[]) => {
  b = bed({ sysctl: { ...OWN_INTERVAL, 'net.ipv6.conf.all.accept_dad': 0, 'net.ipv6.conf.all.router_solicitations': 0 } });
  socket = b.host.stack.udp(6);
  b.sim.pass(3 * SECOND);
  for (const g of groups) join(g);
  b.sim.pass(3 * SECOND);
  b.six.take();
};
const member = (option: number, g: string) => expect(socket.setOption(Level.IPV6, option, bytes(ip6(g), u32(0)))).toBe(0);
const join = (g: string) => member(Ip6Opt.JOIN_GROUP, g);
const leave = (g: string) => member(Ip6Opt.LEAVE_GROUP, g);
const listener = (type: number, body: Uint8Array, dst: string) => {
  const f = { src: 'fe80::2', dst, hopLimit: 1, first: 0, extension: bytes([58, 0, 5, 2, 0, 0, 1, 0]) };
  b.six.send(Proto.icmpv6, b.six.icmp(type, 0, body, f), f);
  b.sim.pass(1);
};
/** @param newer what version 2 has behind it: S and QRV, QQIC */
const query = (ms: number, group = '::', newer?: readonly [number, number]) => {
  const rest = newer ? bytes([...newer, 0, 0]) : bytes('');
  listener(130, bytes(u16(ms), u16(0), ip6(group), rest), group === '::' ? 'ff02::1' : group);
};
/** What came of A and B within this time: type and group, or of records type, their types and groups. */
const heard = (us: number) => {
  b.sim.pass(us);
  return b.six
    .take()
    .filter((f) => f.type === REPORT1 || f.type === DONE || f.type === REPORT2)
    .map((f) => {
      expect(f).toMatchObject({ hopLimit: 1, extensions: [0], sumGood: true });
      if (f.type !== REPORT2) return [f.type, groupAt(f.data, 8)];
      const records: unknown[] = [REPORT2];
      for (let at = 8; at < f.data.length; at += 20) records.push(f.data[at], groupAt(f.data, at + 4));
      return records;
    })
    .filter((m) => m.includes(A) || m.includes(B));
};
const groupAt = (d: Uint8Array, at: number) => [A, B].find((g) => ip6(g).every((octet, i) => octet === d[at + i])) ?? '';

it('version 1: each group has its time, its report goes to itself; done is said of those that we reported last', () => {
  start(A, B);
  query(1000);
  const times: number[] = [];
  for (let ms = 0; ms < 1100; ms++) if (heard(1000).length > 0) times.push(ms);
  expect(times).toHaveLength(2);
  expect(times[0]).not.toBe(times[1]);
  query(1000);
  listener(REPORT1, bytes(u16(0), u16(0), ip6(B)), B);
  expect(heard(1.1 * SECOND)).toEqual([[REPORT1, A]]);
  leave(B);
  leave(A);
  expect(heard(SECOND)).toEqual([[DONE, A]]);
});

it('version 1: joining is told at once and once more within ten seconds', () => {
  start();
  query(1000);
  heard(2 * SECOND);
  join(A);
  expect(heard(1000)).toEqual([[REPORT1, A]]);
  expect(heard(10.1 * SECOND)).toEqual([[REPORT1, A]]);
  expect(heard(30 * SECOND)).toEqual([]);
});

it('version 1 makes what version 2 was about to say forgotten', () => {
  start(A);
  join(B);
  expect(heard(1000)).toEqual([[REPORT2, 4, B]]);
  query(10_000, '::', [2, 125]);
  query(100);
  const said = heard(30 * SECOND).map(([type, group]) => `${type} ${group}`);
  expect(said.sort()).toEqual([`${REPORT1} ${A}`, `${REPORT1} ${B}`]);
});

it('a querier of version 2 says how often changes are reported, twice at least', () => {
  start();
  for (const [qrv, times] of [
    [4, 4],
    [0, 4],
    [1, 2],
  ] as const) {
    query(500, '::', [qrv, 2]);
    heard(SECOND);
    join(B);
    expect(heard(5 * SECOND)).toEqual(new Array(times).fill([REPORT2, 4, B]));
    leave(B);
    expect(heard(5 * SECOND)).toEqual(new Array(times).fill([REPORT2, 3, B]));
  }
});

it.each([
  ['robustness 2, 125 s and 10 s', null, 260],
  ['what the last querier of version 2 said', [1, 1], 2.5],
] as const)('a router of version 1 is held to be there for %s, whoever of version 2 asks meanwhile', (_, said, seconds) => {
  start(A);
  if (said) query(500, '::', said);
  heard(2 * SECOND);
  query(100);
  heard((seconds / 2) * SECOND);
  query(100, A, [2, 1]);
  expect(heard(0.2 * SECOND)).toEqual([[REPORT1, A]]);
  heard((seconds / 2 - 0.4) * SECOND);
  query(100, A, [2, 1]);
  expect(heard(0.12 * SECOND)).toEqual([[REPORT1, A]]);
  heard(0.1 * SECOND);
  query(100, A, [2, 1]);
  expect(heard(0.2 * SECOND)).toEqual([[REPORT2, 2, A]]);
});
