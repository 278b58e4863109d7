/** Situations beyond the parity oracle's, each measured against a kernel: whole ledgers, sums of rows, and what went out. */
import { afterEach, describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { Errno } from '../../../stack/core/errno.js';
import { DatagramService } from '../../../stack/services/datagram-service.js';
import { type DatagramSocket, Ip6Opt, Level, ReceivedFrom, So, UdpOpt } from '../../../stack/socket/socket.js';
import { bytes, checksum, filler, mac, Proto, u16, u32 } from '../../support/frames.js';
import { type Delta, expectSums } from '../../support/ledger.js';
import { fragmentHeader, groupMac6, type Ip6Fields, ip6, type Peer6 } from '../../support/peer6.js';
import { type Bed, bed, deltaOf, QUIET } from './fixture.js';
import { situations6 } from './kernel-situations.js';

const FAR = '2001:db8::1';
const GROUP = 'ff05::1:3';
const ALERT = bytes([58, 0, 5, 2, 0, 0, 1, 0]);
const FORWARDING = { 'net.ipv6.conf.all.forwarding': 1 };
const MS = 1000;

let b: Bed;
let six: Peer6;
const into = new Uint8Array(65536);
const info = new ReceivedFrom();

interface Scenario {
  readonly act: () => void;
  readonly sysctl?: Readonly<Record<string, number>>;
  readonly passUs?: number;
  /** ICMPv6 types that went out, in order; -1 is something else. */
  readonly sees?: readonly number[];
}

function run(s: Scenario): Delta {
  b = bed({ sysctl: { ...QUIET, ...s.sysctl } });
  six = b.six;
  for (const port of [7, 9]) {
    const socket = b.host.stack.udp(6);
    expect(socket.setOption(Level.IPV6, Ip6Opt.V6ONLY, 1)).toBe(0);
    expect(DatagramService.bind(socket, port)).toBe(0);
    new DatagramService(socket, port === 7 ? (service) => service.echo() : () => {});
  }
  return deltaOf(b, s.act, s.passUs ?? 200 * MS);
}

const pass = (us = 10 * MS) => b.sim.pass(us);
const route = (command: string) => expect(b.host.stack.routeCommand(command)).toBe(true);
const to = (address: string, port = 9) => ({ address: IpAddress.from(address), port });
const send = (s: DatagramSocket, n: number, address: string, port = 9) => s.sendTo(filler(n), 0, n, 0, to(address, port));
const read = (s: DatagramSocket) => s.receiveFrom(into, 0, into.length, 0, info);
const mreq = bytes(ip6(GROUP), u32(0));

interface Datagram extends Ip6Fields {
  readonly protocol?: number;
  readonly badSum?: number;
  readonly noSum?: boolean;
  /** UDP-Lite: in place of the whole length. */
  readonly coverage?: number;
  /** In place of the length 0 (RFC 2675 4). */
  readonly lengthZero?: boolean;
}
function datagram(port: number, data: Uint8Array | string, f: Datagram = {}): void {
  const protocol = f.protocol ?? Proto.udp;
  const d = bytes(data);
  const length = 8 + d.length;
  const head = bytes(u16(5001), u16(port), u16(f.lengthZero ? 0 : (f.coverage ?? length)));
  const covered = d.subarray(0, f.coverage === undefined ? d.length : Math.max(f.coverage - 8, 0));
  const pseudo = bytes(ip6(f.src ?? six.address), ip6(f.dst ?? six.target), u32(length), u32(protocol));
  const sum = f.noSum ? 0 : (checksum(pseudo, head, u16(0), covered) || 0xffff) ^ (f.badSum ?? 0);
  six.send(protocol, bytes(head, u16(sum), d), f);
}
const lite = { protocol: Proto.udplite };
/** A message of the listeners' protocol, with hop limit 1 and the router alert. */
function listener(type: number, dst: string, rest: Uint8Array): void {
  const f = { src: 'fe80::2', dst, hopLimit: 1, extension: ALERT, first: 0 };
  six.send(Proto.icmpv6, six.icmp(type, 0, rest, f), f);
}
const inGroup = bytes(u32(0), ip6(GROUP));
const records = bytes(u16(0), u16(1), [4, 0, 0, 0], ip6(GROUP));
const piece = (next: number, data: Uint8Array, offset: number, more: boolean, f: Ip6Fields = {}) =>
  six.send(next, data, { extension: fragmentHeader(next, offset, more), first: 44, ...f });
function bound(s: DatagramSocket, rcvbuf = 0): DatagramSocket {
  if (rcvbuf > 0) s.setOption(Level.SOCKET, So.RCVBUF, rcvbuf);
  expect(s.bind(null, 6000)).toBe(0);
  return s;
}
function overflow(s: DatagramSocket, protocol: number): void {
  bound(s, 2304);
  for (let i = 0; i < 12; i++) datagram(6000, filler(500), { protocol });
  pass();
  let n = 0;
  while (read(s) === 500) n++;
  expect(n).toBe(3);
}
function fillSendBuffer(s: DatagramSocket): void {
  s.setOption(Level.SOCKET, So.SNDBUF, 4608);
  six.answers = false;
  const sent = Array.from({ length: 8 }, () => send(s, 1000, 'fd99::77'));
  expect(sent).toEqual([1000, 1000, 1000, 1000, -Errno.EAGAIN, -Errno.EAGAIN, -Errno.EAGAIN, -Errno.EAGAIN]);
}
const forwarded = (command: string | null, f: Ip6Fields, sees: readonly number[]): Scenario => ({
  sysctl: FORWARDING,
  sees,
  act: () => {
    if (command) route(command);
    six.ping(1, { dst: FAR, ...f });
  },
});
const bigPing = () => six.sendIcmp(128, 0, bytes([0, 77, 0, 1], new Uint8Array(1400)), { dst: FAR });

const scenarios: Readonly<Record<keyof typeof situations6, Scenario>> = {
  ip6_bad_hbh_not_ours: {
    // looked at before a route is
    act: () => six.sendIcmp(128, 0, u32(0), { dst: 'fd99::200', extension: bytes([58, 0, 1, 1, 1, 0, 0, 0]), first: 0 }),
    sees: [],
  },
  ip6_calipso: {
    act: () => six.sendIcmp(128, 0, u32(0), { extension: bytes([58, 1, 7, 8], u32(1), [0, 0, 0, 0, 1, 2, 0, 0]), first: 0 }),
    sees: [],
  },
  ip6_chain_cut: {
    // a header that ends behind the packet and is followed by ICMPv6, perhaps by an error: none about it
    act: () =>
      six.send(Proto.icmpv6, bytes([0x80, 0, 0, 0x84]), {
        extension: bytes([0, 0, 1, 4, 0, 0, 0, 0], [58, 200, 1, 4, 0, 0, 0, 0]),
        first: 60,
      }),
    sees: [],
  },
  ip6_chain_cut_fragment: {
    // of a first fragment it may come later
    act: () =>
      six.send(Proto.icmpv6, bytes([]), {
        extension: bytes([44, 0, 0xde, 4, 0, 0, 0, 0], fragmentHeader(58, 0, true)),
        first: 60,
      }),
    sees: [4],
  },
  ip6_fwd: forwarded(null, { src: 'fd99::9' }, [128]),
  ip6_fwd_hlim: forwarded(null, { hopLimit: 1 }, [3]),
  ip6_fwd_redirect: {
    sysctl: { ...FORWARDING, 'net.ipv6.conf.all.addr_gen_mode': 0 },
    act: () => ['fd99::77', FAR].forEach((dst) => void six.ping(1, { dst })),
    sees: [137, 135, 128],
  },
  ip6_fwd_too_big: {
    sysctl: FORWARDING,
    act: () => {
      route('ip -6 route add 2001:db8::/32 via fd99::2 mtu lock 1280');
      bigPing();
    },
    sees: [2],
  },
  ip6_fwd_mtu_unlocked: {
    sysctl: FORWARDING,
    act: () => {
      route('ip -6 route add 2001:db8::/32 via fd99::2 mtu 1280');
      bigPing();
    },
    sees: [2],
  },
  ip6_fwd_no_route: forwarded('ip -6 route del default', {}, [1]),
  ip6_no_route: { ...forwarded('ip -6 route del default', {}, [1]), sysctl: {} },
  ip6_fwd_prohibit: forwarded('ip -6 route add prohibit 2001:db8::/32', {}, [1]),
  ip6_fwd_blackhole: forwarded('ip -6 route add blackhole 2001:db8::/32', {}, []),
  ip6_fwd_unreachable: forwarded('ip -6 route add unreachable 2001:db8::/32', {}, [1]),
  ip6_fwd_link_local: forwarded(null, { src: 'fe80::2' }, [128]),
  ip6_disabled: {
    act: () => {
      b.host.stack.env.sysctl.set('net.ipv6.conf.all.disable_ipv6', 1);
      six.ping();
    },
    sees: [],
  },
  icmp6_bad_csum: {
    act: () => {
      const m = six.icmp(128, 0, bytes([0, 77, 0, 1], new Uint8Array(56)));
      m[2]! ^= 0x11;
      six.send(Proto.icmpv6, m);
    },
    sees: [],
  },
  icmp6_reply_in: { act: () => six.sendIcmp(129, 0, bytes([0, 77, 0, 1], new Uint8Array(8))), sees: [] },
  icmp6_unknown_types: {
    act: () => [5, 100, 127, 138, 139, 144, 200, 255].forEach((type) => void six.sendIcmp(type, 0, u32(0))),
    sees: [],
  },
  icmp6_rate_limit: {
    act: () => {
      for (let i = 0; i < 10; i++) datagram(5555, 'x');
    },
    sees: [1, 1, 1, 1, 1, 1],
  },
  icmp6_rate_limit_far: {
    sysctl: FORWARDING,
    act: () => {
      for (let i = 0; i < 20; i++) datagram(5555, 'x', { src: `2001:db8::${1 + (i % 2)}` });
    },
    sees: new Array<number>(12).fill(1),
  },
  icmp6_na_unasked: { act: () => six.advertise('fd99::55', 0x20000000, { src: 'fd99::55', dst: 'ff02::1' }), sees: [] },
  icmp6_na_dad_conflict: { act: () => six.advertise(six.target, 0x20000000, { src: 'fd99::55', dst: 'ff02::1' }), sees: [] },
  icmp6_rs_in: {
    sysctl: FORWARDING,
    act: () => six.sendIcmp(133, 0, bytes(u32(0), [1, 1], mac(six.peer.mac)), { src: 'fe80::2', dst: 'ff02::2', hopLimit: 255 }),
    sees: [],
  },
  icmp6_mld_reports_in: {
    act: () => {
      listener(131, GROUP, inGroup);
      listener(132, 'ff02::2', inGroup);
      listener(143, 'ff02::16', records);
    },
    sees: [],
  },
  icmp6_mld_unicast_in: {
    act: () => {
      listener(130, six.target, bytes(u32(0), ip6('::')));
      listener(131, six.target, inGroup);
      listener(132, six.target, inGroup);
      listener(143, six.target, records);
    },
    sees: [131],
  },
  icmp6_join_leave: {
    act: () => {
      const s = b.host.stack.udp(6);
      for (const option of [Ip6Opt.JOIN_GROUP, Ip6Opt.LEAVE_GROUP]) {
        expect(s.setOption(Level.IPV6, option, mreq)).toBe(0);
        pass(200 * MS);
      }
    },
    sees: [143, 143, 143, 143],
  },
  icmp6_mldv1_done: {
    act: () => {
      listener(130, 'ff02::1', bytes(u16(10), u16(0), ip6('::')));
      pass(300 * MS);
      const s = b.host.stack.udp(6);
      for (const option of [Ip6Opt.JOIN_GROUP, Ip6Opt.LEAVE_GROUP]) {
        expect(s.setOption(Level.IPV6, option, mreq)).toBe(0);
        pass(300 * MS);
      }
    },
    sees: [131, 131, 131, 132],
  },
  icmp6_active_ping: {
    act: () => {
      const s = b.host.stack.ping(6);
      expect(s.connect(IpAddress.from(six.address), 0)).toBe(0);
      const request = bytes([128, 0, 0, 0, 0, 0, 0, 1], 'abc');
      expect(s.sendTo(request, 0, request.length, 0, null)).toBe(11);
      pass();
      const [asked] = six.take();
      expect(asked).toMatchObject({ type: 128, sumGood: true });
      six.sendIcmp(129, 0, asked!.data.subarray(4));
      pass();
      expect(read(s)).toBe(11);
    },
  },
  icmp6_solicit_unanswered: {
    act: () => expect(send(b.host.stack.udp(6), 10, 'fd99::77')).toBe(10),
    passUs: 3_600 * MS,
    sees: [135, 135, 135],
  },
  icmp6_raw_ra: {
    act: () => {
      const s = b.host.stack.rawIcmp6();
      const advertisement = bytes([134, 0, 0, 0, 64, 0], u16(1800), u32(0), u32(0));
      expect(s.sendTo(advertisement, 0, 16, 0, to(six.address, 0))).toBe(16);
      const query = bytes([130, 0, 0, 0], u16(1000), u16(0), new Uint8Array(16));
      expect(s.sendTo(query, 0, 24, 0, to(six.address, 0))).toBe(24);
    },
    sees: [134, 130],
  },
  icmp6_out_errors: {
    act: () => {
      for (let i = 0; i < 80; i++) six.sendIcmp(128, 0, bytes([0, 77, 0, i], new Uint8Array(1400)), { src: 'fd99::77' });
    },
    sees: [135],
  },
  udp6_bad_csum: { act: () => datagram(7, 'hello', { badSum: 1 }), sees: [] },
  udp6_bad_csum_large: {
    act: () => [9, 5555].forEach((port) => void datagram(port, filler(200), { badSum: 1 })),
    sees: [],
  },
  udp6_zero_csum: { act: () => datagram(7, 'hello', { noSum: true }), sees: [] },
  udp6_zero_csum_many: { act: () => datagram(9, 'hello', { noSum: true, dst: 'ff02::1' }), sees: [] },
  udp6_length_zero: { act: () => datagram(9, 'hello', { lengthZero: true }), sees: [] },
  udp6_length_zero_bad_csum: { act: () => datagram(9, 'hello', { lengthZero: true, badSum: 1 }), sees: [] },
  udp6_rcvbuf: { act: () => overflow(b.host.stack.udp(6), Proto.udp), sees: [] },
  udp6_sndbuf: { act: () => fillSendBuffer(b.host.stack.udp(6)), sees: [135] },
  udp6_dontfrag: {
    act: () => {
      const s = b.host.stack.udp(6);
      expect(s.setOption(Level.IPV6, Ip6Opt.DONTFRAG, 1)).toBe(0);
      expect(send(s, 4000, six.address)).toBe(-Errno.EMSGSIZE);
    },
    sees: [],
  },
  udp6_mcast_ignored: { act: () => [5555, 9].forEach((port) => void datagram(port, 'x', { dst: 'ff02::1' })), sees: [] },
  udp6_mcast_not_joined: { act: () => datagram(9, 'x', { dst: GROUP }), sees: [] },
  udp6_refused: {
    act: () => {
      const s = b.host.stack.udp(6);
      expect(s.connect(IpAddress.from(six.address), 5001)).toBe(0);
      expect(s.sendTo(filler(10), 0, 10, 0, null)).toBe(10);
      pass();
      const [sent] = six.take();
      const quoted = six.packet(Proto.udp, sent!.data, { src: six.target, dst: six.address });
      six.sendIcmp(1, 4, bytes(u32(0), quoted));
      pass();
      expect(read(s)).toBe(-Errno.ECONNREFUSED);
    },
  },
  udp6_out_mcast: { act: () => expect(send(b.host.stack.udp(6), 10, 'ff02::1')).toBe(10), sees: [-1] },
  udplite6_echo: {
    act: () => {
      const s = bound(b.host.stack.udpLite(6));
      datagram(6000, 'hello', lite);
      datagram(6000, 'hello', { ...lite, badSum: 1 });
      datagram(6001, 'hello', lite);
      pass();
      expect(read(s)).toBe(5);
      expect(send(s, 5, six.address, 5001)).toBe(5);
    },
    sees: [1, -1],
  },
  udplite6_coverage: {
    act: () => {
      const s = bound(b.host.stack.udpLite(6));
      for (const coverage of [8, 4, 400]) datagram(6000, filler(100), { ...lite, coverage });
      datagram(6000, filler(100), { ...lite, coverage: 20, badSum: 1 });
      pass();
      expect([read(s), read(s)]).toEqual([100, -Errno.EAGAIN]);
    },
    sees: [],
  },
  udplite6_min_coverage: {
    act: () => {
      const s = bound(b.host.stack.udpLite(6));
      s.setOption(Proto.udplite, UdpOpt.RECV_CSCOV, 50);
      for (const coverage of [8, 50]) datagram(6000, filler(100), { ...lite, coverage });
      pass();
      expect([read(s), read(s)]).toEqual([100, -Errno.EAGAIN]);
    },
    sees: [],
  },
  udplite6_rcvbuf: { act: () => overflow(b.host.stack.udpLite(6), Proto.udplite), sees: [] },
  udplite6_sndbuf: { act: () => fillSendBuffer(b.host.stack.udpLite(6)), sees: [135] },
  udplite6_zero_csum: {
    act: () => {
      bound(b.host.stack.udpLite(6));
      datagram(6000, 'hello', { ...lite, noSum: true });
    },
    sees: [],
  },
  ip6_frag_atomic: { act: () => piece(Proto.icmpv6, six.icmp(128, 0, u32(0)), 0, false), sees: [129] },
  ip6_frag_oversize: { act: () => piece(Proto.icmpv6, filler(1000), 65528, false), sees: [4] },
  ip6_frag_odd: { act: () => piece(Proto.udp, filler(1003), 0, true), sees: [4] },
  ip6_frag_headerless: { act: () => piece(Proto.udp, new Uint8Array(4), 0, true), sees: [4] },
  ip6_frag_mcast_ping: {
    act: () => {
      const f = { dst: 'ff02::1', dmac: groupMac6('ff02::1') };
      const d = six.icmp(128, 0, bytes([0, 1, 0, 1], filler(1992)), f);
      for (const at of [0, 1000]) piece(Proto.icmpv6, d.subarray(at, at + 1000), at, at === 0, f);
    },
    sees: [-1, -1],
  },
  ip6_mcast_not_joined: { act: () => six.ping(1, { dst: GROUP }), sees: [] },
  ip6_bad_sources: {
    act: () => ['::1', 'ff02::5', '::', '::ffff:a00:1'].forEach((src) => void six.ping(1, { src })),
  },
  ip6_bad_destinations: {
    act: () => ['::1', '::', 'ff00::1', 'ff01::1'].forEach((dst) => void six.ping(1, { dst })),
    sees: [],
  },
  icmp6_echo_ignore: {
    act: () => {
      const set = (name: string) => b.host.stack.env.sysctl.set(`net.ipv6.icmp.${name}`, 1);
      set('echo_ignore_multicast');
      six.ping(1, { dst: 'ff02::1' });
      six.ping();
      pass();
      set('echo_ignore_all');
      six.ping();
    },
    sees: [129],
  },
  icmp6_pkt_too_big_then_fragments: {
    act: () => {
      const s = b.host.stack.udp(6);
      expect(send(s, 1400, six.address, 5001)).toBe(1400);
      pass();
      const [sent] = six.take();
      const quoted = six.packet(Proto.udp, sent!.data, { src: six.target, dst: six.address }).subarray(0, 200);
      six.sendIcmp(2, 0, bytes(u32(1280), quoted));
      pass();
      expect(send(s, 1400, six.address, 5001)).toBe(1400);
    },
    sees: [-1, -1],
  },
};

afterEach(() => expectSums(b.host.ledger));

describe('IPv6 in situations of our own, as the kernel counts it', () => {
  it.each(Object.keys(scenarios) as (keyof typeof situations6)[])('%s', (name) => {
    const s = scenarios[name];
    expect(run(s)).toEqual(situations6[name]);
    const out = six.take();
    if (s.sees) expect(out.map((f) => f.type)).toEqual(s.sees);
    expect(out.every((f) => f.sumGood)).toBe(true);
  });
});
