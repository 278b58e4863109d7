/**
 * setsockopt and getsockopt of TCP sockets: one table, an entry an option (more of them in option-tables.ts), with Linux's ranges and errno. What an option changes at once
 * in a connection (push, timers, quick ACKs) is the connection's `optionChanged`.
 */

import { IpAddress } from '../core/address.js';
import { Errno } from '../core/errno.js';
import { CongestionNames, Sysctl } from '../core/sysctl.js';
import { commonOptions } from '../socket/common-options.js';
import { deviceOptions } from '../socket/device-options.js';
import { filterOptions } from '../socket/filter-options.js';
import { ipOptions, NO_IPV6 } from '../socket/ip-options.js';
import { atLevel, numberOf, type OptionResult, type OptionRow, OptionTable } from '../socket/option.js';
import { reuseportOptions } from '../socket/reuseport.js';
import { Ip6Opt, IpOpt, Level, type OptionValue, So, type TcpInfo, TcpOpt } from '../socket/socket.js';
import { pingpong } from './ack-state.js';
import { addAoKey, deleteAoKey, getAoInfo, getAoKeys, setAoInfo } from './ao/options.js';
import { type CongestionControl, changeCongestion, congestionByNumber } from './congestion/congestion.js';
import { idleTcpInfo } from './info.js';
import type { Listener } from './listener.js';
import { optionChanged } from './option-effects.js';
import { kinds, type OptionRows, sysctl } from './option-entry.js';
import { moreSocketOptions, moreTcpOptions } from './option-tables.js';
import { needPacing } from './pacing.js';
import { changeKeys, keyFor } from './signature.js';
import type { TcpSocket } from './socket.js';
import { TcpState } from './state.js';
import { countFrom, Stamping, stampingRefused } from './tx-stamps.js';
import { spaceFromWindow } from './window.js';

/** Smallest buffers (a full-sized skb, and two). */
const MIN_RCVBUF = 2304;
const MIN_SNDBUF = 4608;
const MIN_MSS = 88;
const MAX_WINDOW = 32767;
/** TCP_FIN_TIMEOUT_MAX, seconds. */
const MAX_LINGER2 = 120;
const MAX_KEEPALIVE = 32767;
const MAX_COUNT = 127;
/** TCP_CA_NAME_MAX without its end. */
const MAX_CONGESTION_NAME = 15;
/** SO_MAX_PACING_RATE without bound, in the option's two sizes. */
const UNLIMITED_32 = 0xffffffff;
const UNLIMITED_64 = 2 ** 64;
/** First SYN-ACK time-out, seconds. */
const FIRST_TIMEOUT_S = 1;
/** struct tcp_md5sig: sockaddr_storage, flags, prefix, key length, interface, key. */
const MD5SIG_BYTES = 216;
const MD5SIG_KEY_LENGTH_AT = 130;
const MD5SIG_KEY_AT = 136;
const AF_INET = 2;
const AF_INET6 = 10;

const closedOrListening = (s: TcpSocket) => s.state === TcpState.CLOSE || s.state === TcpState.LISTEN;

function setReceiveBuffer(s: TcpSocket, v: number, bounded: boolean): number {
  const own = s.ownSettings();
  const asked = bounded ? Math.min(v >>> 0, sysctl(s, Sysctl.rmem_max)) : Math.max(0, v);
  own.rcvbuf = Math.max(Math.min(asked, 0x3fffffff) * 2, MIN_RCVBUF);
  own.rcvbufLocked = true;
  if (s.connection) s.connection.rcvBuf = own.rcvbuf;
  return 0;
}
function setSendBuffer(s: TcpSocket, v: number, bounded: boolean): number {
  const own = s.ownSettings();
  const asked = bounded ? Math.min(v >>> 0, sysctl(s, Sysctl.wmem_max)) : Math.max(0, v);
  own.sndbuf = Math.max(Math.min(asked, 0x3fffffff) * 2, MIN_SNDBUF);
  own.sndbufLocked = true;
  if (s.connection) {
    s.connection.sndBuf = own.sndbuf;
    s.onWritable();
  }
  return 0;
}

/** SO_RCVLOWAT: at most half of what the buffer may become; the buffer and the window grow so that so much can wait. */
function setReceiveLowat(s: TcpSocket, v: number): number {
  const own = s.ownSettings();
  const most = (own.rcvbufLocked ? (s.connection?.rcvBuf ?? own.rcvbuf) : sysctl(s, Sysctl.tcp_rmem + 2)) >> 1;
  own.rcvlowat = Math.min(v < 0 ? 0x7fffffff : v, most) || 1;
  const c = s.connection;
  if (c && !own.rcvbufLocked) {
    const space = spaceFromWindow(c, own.rcvlowat);
    if (space > c.rcvBuf) {
      c.rcvBuf = space;
      if (c.windowClamp < own.rcvlowat) c.windowClamp = own.rcvlowat;
    }
  }
  if (c) s.onReadable();
  return 0;
}

function setLinger(s: TcpSocket, raw: OptionValue): number {
  if (!Array.isArray(raw) || raw.length !== 2) return -Errno.EINVAL;
  const own = s.ownSettings();
  own.lingerOn = raw[0] !== 0;
  own.lingerSeconds = own.lingerOn ? Number(raw[1]) : 0;
  return 0;
}

/** SO_TIMESTAMPING. */
function setTimestamping(s: TcpSocket, v: number): number {
  const old = s.settings.timestamping;
  const c = s.listener ? null : s.connection;
  const open = c !== null && c.state !== TcpState.CLOSE;
  if (stampingRefused(v, old, open)) return -Errno.EINVAL;
  if (c && v & Stamping.optId && (old & Stamping.optId) === 0) countFrom(c, v);
  s.ownSettings().timestamping = v;
  return 0;
}

/** TCP_QUICKACK on a connection: optionChanged. Before it, 0 makes the handshake's ACK wait for data. */
function setQuickAck(s: TcpSocket, v: number): number {
  if (!s.connection) s.ownSettings().pingpong = v === 0;
  return 0;
}
function quickAck(s: TcpSocket): number {
  return (s.connection ? pingpong(s.connection) : s.settings.pingpong) ? 0 : 1;
}

/** TCP_DEFER_ACCEPT: seconds to the number of SYN-ACK time-outs that they cover, and back. */
function secondsToRetries(seconds: number, maxTimeout: number): number {
  if (seconds <= 0) return 0;
  let timeout = FIRST_TIMEOUT_S;
  let period = timeout;
  let retries = 1;
  while (seconds > period && retries < 255) {
    retries++;
    timeout = Math.min(timeout * 2, maxTimeout);
    period += timeout;
  }
  return retries;
}
function retriesToSeconds(retries: number, maxTimeout: number): number {
  let timeout = FIRST_TIMEOUT_S;
  let period = retries > 0 ? timeout : 0;
  for (let i = 1; i < retries; i++) {
    timeout = Math.min(timeout * 2, maxTimeout);
    period += timeout;
  }
  return period;
}
const rtoMaxSeconds = (s: TcpSocket) => (s.settings.rtoMaxMs || sysctl(s, Sysctl.tcp_rto_max_ms)) / 1000;

const socketOptions: OptionRows = [
  [So.TYPE, { get: () => 1 }],
  [So.DOMAIN, { get: (s) => (s.family === 4 ? 2 : 10) }],
  [So.TIMESTAMPING, { set: setTimestamping, get: (s) => s.settings.timestamping }],
  [So.ERROR, { get: (s) => s.takeError() || (s.connection ? s.connection.takeSoftError() : 0) }],
  [So.ACCEPTCONN, { get: (s) => (s.listener ? 1 : 0) }],
  [So.KEEPALIVE, kinds.flag('keepAlive')],
  [So.OOBINLINE, kinds.flag('oobInline')],
  [
    So.LINGER,
    { raw: true, set: (s, _v, raw) => setLinger(s, raw), get: (s) => [s.settings.lingerOn ? 1 : 0, s.settings.lingerSeconds] },
  ],
  [So.SNDBUF, { set: (s, v) => setSendBuffer(s, v, true), get: (s) => s.connection?.sndBuf || s.settings.sndbuf }],
  [So.SNDBUFFORCE, { set: (s, v) => setSendBuffer(s, v, false) }],
  [So.RCVBUF, { set: (s, v) => setReceiveBuffer(s, v, true), get: (s) => s.connection?.rcvBuf || s.settings.rcvbuf }],
  [So.RCVBUFFORCE, { set: (s, v) => setReceiveBuffer(s, v, false) }],
  [So.RCVLOWAT, { set: setReceiveLowat, get: (s) => s.settings.rcvlowat }],
  [So.ZEROCOPY, kinds.stored('zeroCopy', 0, 1)],
  [So.MAX_PACING_RATE, { raw: true, set: setMaxPacingRate, get: maxPacingRate }],
];

const ownIpOptions: readonly OptionRow<TcpSocket>[] = [
  [Level.IP, IpOpt.MINTTL, kinds.stored('minTtl', 0, 255)],
  [Level.IPV6, Ip6Opt.MINHOPCOUNT, kinds.stored('minTtl', 0, 255)],
  [Level.IP, IpOpt.BIND_ADDRESS_NO_PORT, kinds.flag('bindAddressNoPort')],
  [Level.IPV6, Ip6Opt.V6ONLY, { set: setV6Only, get: (s) => (s.v6Only ? 1 : 0) }],
];

function setV6Only(s: TcpSocket, v: number): number {
  if ((s.localName()?.port ?? 0) !== 0) return -Errno.EINVAL;
  s.v6Only = v !== 0;
  return 0;
}

function setLinger2(s: TcpSocket, v: number): number {
  s.ownSettings().linger2 = v < 0 ? -1 : Math.min(v, MAX_LINGER2);
  return 0;
}

function setWindowClamp(s: TcpSocket, v: number): number {
  if (v === 0 && s.state !== TcpState.CLOSE) return -Errno.EINVAL;
  s.ownSettings().windowClamp = v === 0 ? 0 : Math.max(v, MIN_RCVBUF / 2);
  return 0;
}

/** The algorithm that a socket has, or its connection would get. */
function congestionOf(s: TcpSocket): CongestionControl {
  return s.connection ? s.connection.congestion : congestionByNumber(s.settings.congestion, s.tcp.env.sysctl);
}

/** A user of the stack is one without CAP_NET_ADMIN here: it may choose what tcp_allowed_congestion_control has. */
function setCongestion(s: TcpSocket, raw: OptionValue): number {
  const text = typeof raw === 'string' ? raw : raw instanceof Uint8Array ? new TextDecoder().decode(raw) : '';
  if (text.length === 0) return -Errno.EINVAL;
  const name = text.replace(/\0.*$/s, '').slice(0, MAX_CONGESTION_NAME);
  const index = (CongestionNames as readonly string[]).indexOf(name);
  if (index < 0) return -Errno.ENOENT;
  const same = congestionOf(s).name === name;
  if (!same && (sysctl(s, Sysctl.tcp_allowed_congestion_control) & (1 << index)) === 0) return -Errno.EPERM;
  s.ownSettings().congestion = index;
  if (s.connection) changeCongestion(s.connection, index);
  return 0;
}

/** What it was set to, and all ones of the 32-bit form without bound. */
function maxPacingRate(s: TcpSocket): number {
  const rate = s.settings.maxPacingRate;
  return rate === Number.POSITIVE_INFINITY ? UNLIMITED_32 : rate;
}
/** Bytes per second, in 32 bits or in 64; all ones: without bound. Who has set a bound once is paced from then on, as under Linux. */
function setMaxPacingRate(s: TcpSocket, v: number, raw: OptionValue): number {
  let rate = v < 0 ? v >>> 0 : v;
  if (raw instanceof Uint8Array) {
    if (raw.length < 4) return -Errno.EINVAL;
    const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
    const high = raw.length >= 8 ? view.getUint32(4, true) : 0;
    rate = view.getUint32(0, true) + high * 0x1_0000_0000;
    if (raw.length >= 8) rate = rate >= UNLIMITED_64 ? Number.POSITIVE_INFINITY : rate;
    else if (rate === UNLIMITED_32) rate = Number.POSITIVE_INFINITY;
  } else if (rate === UNLIMITED_32 || rate >= UNLIMITED_64) rate = Number.POSITIVE_INFINITY;
  const own = s.ownSettings();
  own.maxPacingRate = rate;
  if (rate !== Number.POSITIVE_INFINITY) own.paced = true;
  const c = s.connection;
  if (c === null) return 0;
  if (own.paced) needPacing(c);
  c.pacingRate = Math.min(c.pacingRate, rate);
  return 0;
}

function setFastOpen(s: TcpSocket, v: number): number {
  if (v < 0 || !closedOrListening(s)) return -Errno.EINVAL;
  const limit = Math.min(v, sysctl(s, Sysctl.somaxconn));
  s.fastOpenLimit = limit;
  if (s.listener) s.listener.fastOpen.limit = limit;
  return 0;
}

function setFastOpenConnect(s: TcpSocket, v: number): number {
  if (v !== 0 && v !== 1) return -Errno.EINVAL;
  if ((sysctl(s, Sysctl.tcp_fastopen) & 1) === 0) return -Errno.EOPNOTSUPP;
  if (s.state !== TcpState.CLOSE || s.connection) return -Errno.EINVAL;
  s.ownSettings().fastOpenConnect = v === 1;
  return 0;
}

/** TCP_MD5SIG: struct tcp_md5sig, a peer's address and its key; a key of no length takes it away. */
function setSignatureKey(s: TcpSocket, raw: OptionValue): number {
  if (!(raw instanceof Uint8Array) || raw.length < MD5SIG_BYTES) return -Errno.EINVAL;
  const v = new DataView(raw.buffer, raw.byteOffset, raw.length);
  const family = v.getUint16(0, true);
  const length = v.getUint16(MD5SIG_KEY_LENGTH_AT, true);
  if (family !== AF_INET && family !== AF_INET6) return -Errno.EINVAL;
  const four = family === AF_INET;
  const word = (i: number) => v.getUint32(8 + i * 4);
  const address = four ? IpAddress.v4(v.getUint32(4)) : new IpAddress(6, word(0), word(1), word(2), word(3));
  if (length > raw.length - MD5SIG_KEY_AT) return -Errno.EINVAL;
  const key = raw.slice(MD5SIG_KEY_AT, MD5SIG_KEY_AT + length);
  if (length > 0 && s.settings.ao?.demands(address)) return -Errno.EKEYREJECTED;
  const keys = changeKeys(s.settings.signatureKeys ?? [], address, four ? 32 : 128, key);
  if (keys === null) return length === 0 ? -Errno.ENOENT : -Errno.EINVAL;
  s.ownSettings().signatureKeys = keys;
  const c = s.connection;
  if (c && !c.signature?.ao) c.signature = keyFor(keys, c.remote);
  return 0;
}

function setKey(s: TcpSocket, raw: OptionValue): number {
  return raw instanceof Uint8Array && s.tcp.fastOpenCookies.setRawKeys(raw) ? 0 : -Errno.EINVAL;
}

/** What getsockopt(TCP_MAXSEG) says: the user's bound before a connection, the segment size in use after. */
function maxSegment(s: TcpSocket): number {
  if (closedOrListening(s) && s.settings.userMss) return s.settings.userMss;
  return s.connection ? s.connection.mssCache : 536;
}

const tcpOptions: OptionRows = [
  [TcpOpt.NODELAY, kinds.flag('noDelay')],
  [TcpOpt.CORK, kinds.flag('cork')],
  [
    TcpOpt.MAXSEG,
    {
      set: (s, v) => {
        if (v !== 0 && (v < MIN_MSS || v > MAX_WINDOW)) return -Errno.EINVAL;
        s.ownSettings().userMss = v;
        return 0;
      },
      get: maxSegment,
    },
  ],
  [
    TcpOpt.KEEPIDLE,
    kinds.stored('keepIdle', 1, MAX_KEEPALIVE, (s) => s.settings.keepIdle || sysctl(s, Sysctl.tcp_keepalive_time)),
  ],
  [
    TcpOpt.KEEPINTVL,
    kinds.stored('keepInterval', 1, MAX_KEEPALIVE, (s) => s.settings.keepInterval || sysctl(s, Sysctl.tcp_keepalive_intvl)),
  ],
  [
    TcpOpt.KEEPCNT,
    kinds.stored('keepCount', 1, MAX_COUNT, (s) => s.settings.keepCount || sysctl(s, Sysctl.tcp_keepalive_probes)),
  ],
  [TcpOpt.SYNCNT, kinds.stored('synCount', 1, MAX_COUNT, (s) => s.settings.synCount || sysctl(s, Sysctl.tcp_syn_retries))],
  [TcpOpt.LINGER2, { set: setLinger2, get: (s) => s.settings.linger2 || sysctl(s, Sysctl.tcp_fin_timeout) }],
  [
    TcpOpt.DEFER_ACCEPT,
    {
      set: (s, v) => {
        s.ownSettings().deferAccept = secondsToRetries(v, rtoMaxSeconds(s));
        return 0;
      },
      get: (s) => retriesToSeconds(s.settings.deferAccept, rtoMaxSeconds(s)),
    },
  ],
  [TcpOpt.WINDOW_CLAMP, { set: setWindowClamp, get: (s) => s.connection?.windowClamp ?? s.settings.windowClamp }],
  [TcpOpt.INFO, { get: (s) => (s.connection ? s.connection.info() : idleInfo(s)) }],
  [TcpOpt.QUICKACK, { set: setQuickAck, get: quickAck }],
  [
    TcpOpt.CONGESTION,
    {
      raw: true,
      set: (s, _v, raw) => setCongestion(s, raw),
      get: (s) => congestionOf(s).name,
    },
  ],
  [
    TcpOpt.CC_INFO,
    {
      get: (s) => {
        const info = congestionOf(s).info;
        return info && s.connection ? info(s.connection) : new Uint8Array(0);
      },
    },
  ],
  [TcpOpt.USER_TIMEOUT, kinds.stored('userTimeoutMs', 0, 0x7fffffff)],
  [
    TcpOpt.NOTSENT_LOWAT,
    {
      set: (s, v) => {
        s.ownSettings().notSentLowat = v >>> 0;
        return 0;
      },
      get: (s) => s.settings.notSentLowat,
    },
  ],
  [TcpOpt.FASTOPEN, { set: setFastOpen, get: (s) => s.listener?.fastOpen.limit ?? s.fastOpenLimit }],
  [TcpOpt.FASTOPEN_CONNECT, { set: setFastOpenConnect, get: (s) => (s.settings.fastOpenConnect ? 1 : 0) }],
  [
    TcpOpt.FASTOPEN_NO_COOKIE,
    {
      set: (s, v) => {
        if ((v !== 0 && v !== 1) || !closedOrListening(s)) return -Errno.EINVAL;
        s.ownSettings().fastOpenNoCookie = v === 1;
        return 0;
      },
      get: (s) => (s.settings.fastOpenNoCookie ? 1 : 0),
    },
  ],
  [TcpOpt.FASTOPEN_KEY, { raw: true, set: (s, _v, raw) => setKey(s, raw), get: () => new Uint8Array(0) }],
  [TcpOpt.MD5SIG, { raw: true, set: (s, _v, raw) => setSignatureKey(s, raw) }],
  [TcpOpt.AO_ADD_KEY, { raw: true, set: (s, _v, raw) => addAoKey(s, raw) }],
  [TcpOpt.AO_DEL_KEY, { raw: true, set: (s, _v, raw) => deleteAoKey(s, raw) }],
  [TcpOpt.AO_INFO, { raw: true, set: (s, _v, raw) => setAoInfo(s, raw), get: getAoInfo, getErrno: Errno.ENOENT }],
  [TcpOpt.AO_GET_KEYS, { get: getAoKeys, getErrno: Errno.ENOENT }],
  [TcpOpt.AO_REPAIR, { set: () => -Errno.EPERM }],
  [TcpOpt.SAVE_SYN, kinds.stored('saveSyn', 0, 2)],
  [TcpOpt.SAVED_SYN, { get: takeSavedSyn }],
  [TcpOpt.INQ, kinds.stored('inq', 0, 1)],
];

/** The SYN as it came, once. */
function takeSavedSyn(s: TcpSocket): OptionValue {
  const syn = s.connection?.savedSyn ?? new Uint8Array(0);
  if (s.connection) s.connection.savedSyn = null;
  return syn;
}

/** tcp_info of a socket without a connection: what is set already, and of a listener its queue and its bound. */
function idleInfo(s: TcpSocket): TcpInfo {
  const rate = Math.min(s.settings.maxPacingRate, UNLIMITED_64);
  const l = s.listener;
  return idleTcpInfo(s.state, l ? l.acceptable : 0, l ? l.backlog : 0, sysctl(s, Sysctl.tcp_reordering), rate);
}

const table = new OptionTable<TcpSocket>(
  ...atLevel(Level.SOCKET, [
    ...commonOptions(kinds, { cookies: (s) => s.tcp.env.cookies }),
    ...deviceOptions(kinds, {
      indexOf: (s, name) => s.tcp.network(s.family).deviceNamed(name)?.index ?? 0,
      nameOf: (s, index) => s.tcp.network(s.family).deviceAt(index)?.name ?? '',
      changed: (s) => {
        if (s.binding) s.binding.device = s.settings.boundDevice;
      },
    }),
    ...filterOptions(kinds, (s) => s.tcp.env.random),
    ...reuseportOptions<TcpSocket, Listener>({
      random: (s) => s.tcp.env.random,
      asked: (s) => s.settings.reusePort,
      group: (s) => (s.listener ? (s.listener.group ?? false) : null),
      early: (s) => s.settings.groupProgram,
      setEarly: (s, program) => {
        s.ownSettings().groupProgram = program;
      },
    }),
    ...socketOptions,
    ...moreSocketOptions,
  ]),
  ...ipOptions(kinds, {
    reservedTos: 3, // ECN is TCP's own
    defaultTtl: (s) => sysctl(s, Sysctl.ip_default_ttl),
    defaultHops: (s) => sysctl(s, Sysctl.ip6_hop_limit),
    mtu: (s) => s.connection?.route?.mtu(s.tcp.env.nowUs) ?? 0,
  }),
  ...ownIpOptions,
  ...atLevel(Level.TCP, [...tcpOptions, ...moreTcpOptions]),
);

export function setTcpOption(s: TcpSocket, level: number, name: number, value: OptionValue): number {
  if (level === Level.IPV6 && s.family === 4) return -Errno.ENOPROTOOPT;
  const error = table.set(s, level, name, value);
  if (error === 0 && s.connection) optionChanged(s.connection, level, name, numberOf(value) || 0);
  return error;
}

export function getTcpOption(s: TcpSocket, level: number, name: number): OptionResult {
  if (level === Level.IPV6 && s.family === 4) return NO_IPV6;
  return table.get(s, level, name);
}
