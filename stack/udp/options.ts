/** Socket options of UDP and UDP-Lite sockets, with Linux's numbers, ranges and errors: one table, a row an option. */
import { Errno } from '../core/errno.js';
import { Sysctl } from '../core/sysctl.js';
import { commonOptions } from '../socket/common-options.js';
import { deviceOptions } from '../socket/device-options.js';
import { filterOptions } from '../socket/filter-options.js';
import { ipOptions, NO_IPV6, PmtuDiscovery } from '../socket/ip-options.js';
import {
  type Option as AnyOption,
  always,
  atLevel,
  constant,
  OptionKinds,
  type OptionResult,
  type OptionRow,
  OptionTable,
  refused,
  words,
} from '../socket/option.js';
import { reuseportOptions } from '../socket/reuseport.js';
import { Ip6Opt, IpOpt, Level, type OptionValue, So, UdpOpt } from '../socket/socket.js';
import { UDP, UDPLITE } from './cells.js';
import {
  multicastInterface,
  multicastInterface6,
  setInterface,
  setInterface6,
  setMembership,
  setMembership6,
} from './multicast-options.js';
import type { UdpSocket } from './socket.js';

type Option = AnyOption<UdpSocket>;

const SOCK_DGRAM = 2;
const AF_INET = 2;
const AF_INET6 = 10;
/** SOCK_MIN_RCVBUF and SOCK_MIN_SNDBUF: a 2 KiB buffer with its sk_buff, once and twice. */
const MIN_RCVBUF = 2304;
const MIN_SNDBUF = 4608;
const MAX_BUFFER = 0x3fffffff;
const LONGEST = 0x7fffffff;

const kinds = new OptionKinds<UdpSocket, UdpSocket>(
  (s) => s,
  (s) => s,
);
const sysctl = (s: UdpSocket, index: number): number => s.layer.env.sysctl.values[index]!;

const doubled = (asked: number, least: number): number => Math.max(2 * Math.min(asked, MAX_BUFFER), least);
function setReceiveBuffer(s: UdpSocket, v: number, bounded: boolean): number {
  s.receiveBuffer = doubled(bounded ? Math.min(v >>> 0, sysctl(s, Sysctl.rmem_max)) : Math.max(v, 0), MIN_RCVBUF);
  s.rcvbufLocked = true;
  return 0;
}
function setSendBuffer(s: UdpSocket, v: number, bounded: boolean): number {
  s.sendBuffer = doubled(bounded ? Math.min(v >>> 0, sysctl(s, Sysctl.wmem_max)) : Math.max(v, 0), MIN_SNDBUF);
  s.sndbufLocked = true;
  return 0;
}

/** SO_LINGER: there is nothing to wait for, it is only given back. */
const linger: Option = {
  raw: true,
  set: (s, _v, raw) => {
    if (!Array.isArray(raw) || raw.length !== 2) return -Errno.EINVAL;
    s.kept = { ...s.kept, [So.LINGER]: raw[0] === 0 ? -1 : Number(raw[1]) };
    return 0;
  },
  get: (s) => {
    const seconds = s.kept[So.LINGER] ?? -1;
    return [seconds < 0 ? 0 : 1, Math.max(seconds, 0)];
  },
};

/** sockaddr_in of the peer. */
function peerName(s: UdpSocket): OptionValue | null {
  if (!s.connected) return null;
  const b = new Uint8Array(16);
  const v = new DataView(b.buffer);
  v.setUint16(0, AF_INET, true);
  v.setUint16(2, s.remotePort);
  v.setUint32(4, s.remote3);
  return b;
}

const socketOptions: readonly (readonly [number, Option])[] = [
  ...commonOptions(kinds, { cookies: (s) => s.layer.env.cookies }),
  ...filterOptions(kinds, (s) => s.layer.env.random),
  ...deviceOptions(kinds, {
    indexOf: (s, name) => s.layer.networkOf(s.family)?.deviceNamed(name)?.index ?? 0,
    nameOf: (s, index) => s.layer.networkOf(s.family)?.deviceAt(index)?.name ?? '',
    changed: (s) => s.identify(),
  }),
  ...reuseportOptions<UdpSocket, UdpSocket>({
    random: (s) => s.layer.env.random,
    asked: (s) => s.reusePort,
    group: (s) => s.group ?? (s.localPort === 0 ? null : false),
    early: (s) => s.groupProgram,
    setEarly: (s, program) => {
      s.groupProgram = program;
    },
  }),
  [So.PEEK_OFF, kinds.stored('peekOffset', Number.NEGATIVE_INFINITY, LONGEST)],
  [So.TYPE, constant(SOCK_DGRAM)],
  [So.DOMAIN, { get: (s) => (s.family === 4 ? AF_INET : AF_INET6) }],
  [So.PROTOCOL, { get: (s) => s.layer.protocol }],
  [So.ERROR, { get: (s) => s.takeError() }],
  [So.ACCEPTCONN, constant(0)],
  [So.BROADCAST, kinds.flag('broadcast')],
  [So.RCVBUF, { set: (s, v) => setReceiveBuffer(s, v, true), get: (s) => s.receiveBuffer }],
  [So.RCVBUFFORCE, { set: (s, v) => setReceiveBuffer(s, v, false) }],
  [So.SNDBUF, { set: (s, v) => setSendBuffer(s, v, true), get: (s) => s.sendBuffer }],
  [So.SNDBUFFORCE, { set: (s, v) => setSendBuffer(s, v, false) }],
  [So.NO_CHECK, kinds.flag('noCheckTx')],
  [So.KEEPALIVE, kinds.keptFlag(So.KEEPALIVE)],
  [So.OOBINLINE, kinds.keptFlag(So.OOBINLINE)],
  [So.LINGER, linger],
  [So.RCVLOWAT, kinds.kept(So.RCVLOWAT, 1, always, (v) => (v < 0 ? LONGEST : v || 1))],
  [So.PEERNAME, { get: peerName, getErrno: Errno.ENOTCONN }],
  [So.MAX_PACING_RATE, kinds.kept(So.MAX_PACING_RATE, 0xffffffff, always, (v) => v >>> 0)],
  [So.INCOMING_CPU, kinds.kept(So.INCOMING_CPU, -1, always, Number)],
  [So.CNX_ADVICE, { set: always }],
  [So.MEMINFO, { get: (s) => words(s.queue.charged, s.receiveBuffer, 0, s.sendBuffer, 0, 0, 0, 0, s.drops) }],
  [So.ZEROCOPY, refused(Errno.EOPNOTSUPP, Errno.EOPNOTSUPP)],
  [So.TXREHASH, refused(Errno.EOPNOTSUPP, Errno.EOPNOTSUPP)],
];

const hopLimit: Option = {
  set: (s, v) => {
    if (v < -1 || v > 255) return -Errno.EINVAL;
    s.multicastTtl = v === -1 ? 1 : v;
    return 0;
  },
  get: (s) => s.multicastTtl,
};
/** Only 0 and 1 are taken, or anything. */
const yesNo = (key: 'multicastLoop' | 'multicastAll') => kinds.stored(key, 0, 1);

/** IPV6_DONTFRAG. */
const dontFragment: Option = {
  set: (s, v) => {
    s.pmtuDiscovery = v !== 0 ? PmtuDiscovery.do : PmtuDiscovery.want;
    return 0;
  },
  get: (s) => (s.pmtuDiscovery === PmtuDiscovery.do ? 1 : 0),
};

function setV6Only(s: UdpSocket, v: number): number {
  if (s.localPort !== 0) return -Errno.EINVAL;
  s.v6Only = v !== 0;
  return 0;
}

const groupOptions: readonly OptionRow<UdpSocket>[] = [
  [Level.IP, IpOpt.BIND_ADDRESS_NO_PORT, kinds.keptFlag(IpOpt.BIND_ADDRESS_NO_PORT)],
  [Level.IP, IpOpt.MULTICAST_TTL, hopLimit],
  [Level.IPV6, Ip6Opt.MULTICAST_HOPS, hopLimit],
  [Level.IP, IpOpt.MULTICAST_LOOP, kinds.flag('multicastLoop')],
  [Level.IPV6, Ip6Opt.MULTICAST_LOOP, yesNo('multicastLoop')],
  [Level.IP, IpOpt.MULTICAST_ALL, yesNo('multicastAll')],
  [Level.IPV6, Ip6Opt.MULTICAST_ALL, kinds.flag('multicastAll')],
  [Level.IP, IpOpt.MULTICAST_IF, { raw: true, set: (s, _v, raw) => setInterface(s, raw), get: multicastInterface }],
  [Level.IPV6, Ip6Opt.MULTICAST_IF, { set: setInterface6, get: multicastInterface6 }],
  [Level.IP, IpOpt.ADD_MEMBERSHIP, { raw: true, set: (s, _v, raw) => setMembership(s, raw, true) }],
  [Level.IP, IpOpt.DROP_MEMBERSHIP, { raw: true, set: (s, _v, raw) => setMembership(s, raw, false) }],
  [Level.IPV6, Ip6Opt.JOIN_GROUP, { raw: true, set: (s, _v, raw) => setMembership6(s, raw, true) }],
  [Level.IPV6, Ip6Opt.LEAVE_GROUP, { raw: true, set: (s, _v, raw) => setMembership6(s, raw, false) }],
  [Level.IPV6, Ip6Opt.DONTFRAG, dontFragment],
  [Level.IPV6, Ip6Opt.V6ONLY, { set: setV6Only, get: (s) => (s.v6Only ? 1 : 0) }],
];

/** RFC 3828 3.1: a coverage of 1 to 7 is illegal and taken as 8, the header alone. */
function coverage(key: 'sendCoverage' | 'receiveCoverage'): Option {
  return {
    set: (s, v) => {
      if (s.layer.protocol !== UDPLITE) return -Errno.ENOPROTOOPT;
      s[key] = v !== 0 && v < 8 ? 8 : Math.min(v, 0xffff);
      return 0;
    },
    get: (s) => (s.layer.protocol === UDPLITE ? s[key] : null),
  };
}

const udpOptions: readonly (readonly [number, Option])[] = [
  [
    UdpOpt.CORK,
    {
      set: (s, v) => {
        s.setCorked(v !== 0);
        return 0;
      },
      get: (s) => (s.corked ? 1 : 0),
    },
  ],
  [UdpOpt.SEGMENT, kinds.stored('segmentSize', 0, 0xffff)],
  [UdpOpt.GRO, kinds.flag('gro')],
  [UdpOpt.SEND_CSCOV, coverage('sendCoverage')],
  [UdpOpt.RECV_CSCOV, coverage('receiveCoverage')],
];

const table = new OptionTable<UdpSocket>(
  ...atLevel(Level.SOCKET, socketOptions),
  ...ipOptions(kinds, {
    reservedTos: 0,
    defaultTtl: (s) => sysctl(s, Sysctl.ip_default_ttl),
    defaultHops: (s) => sysctl(s, Sysctl.ip6_hop_limit),
    mtu: (s) => (s.connected && s.route ? s.route.mtu(s.layer.env.nowUs) : 0),
  }),
  ...groupOptions,
  ...atLevel(Level.UDP, udpOptions),
);

/** Linux takes the level of UDP or of UDP-Lite for sockets of either; ping sockets have neither. */
function levelOf(s: UdpSocket, level: number): number {
  if (level !== Level.UDP && level !== UDPLITE) return level;
  return s.layer.protocol === UDP || s.layer.protocol === UDPLITE ? Level.UDP : -1;
}

export function setUdpOption(s: UdpSocket, level: number, name: number, value: OptionValue): number {
  if (level === Level.SOCKET && name === So.ATTACH_FILTER && levelOf(s, Level.UDP) < 0) return -Errno.ENOPROTOOPT; // ping sockets run none
  if (level === Level.IPV6 && s.family === 4) return -Errno.ENOPROTOOPT;
  return table.set(s, levelOf(s, level), name, value);
}

export function getUdpOption(s: UdpSocket, level: number, name: number): OptionResult {
  if (level === Level.IPV6 && s.family === 4) return NO_IPV6;
  return table.get(s, levelOf(s, level), name);
}
