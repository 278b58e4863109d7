/**
 * Options of Linux 6.18 beside those in options.ts: those that bend timers, those that only have to be remembered since nothing in this
 * stack depends on them, and those that are refused here as Linux refuses them to a process without privileges.
 */
import { Errno } from '../core/errno.js';
import { Sysctl } from '../core/sysctl.js';
import { always, constant, refused, words } from '../socket/option.js';
import { type OptionValue, So, TcpOpt } from '../socket/socket.js';
import type { Connection } from './connection.js';
import { kinds, type Option, type OptionRows, sysctl } from './option-entry.js';
import { lengthenRtt } from './rtt.js';
import type { TcpSocket } from './socket.js';
import { TcpState } from './state.js';

/** The kernel's timers tick every 4 ms: times are rounded up to ticks, and no timer is shorter than two. */
const TICK_US = 4000;
const SHORTEST_US = 2 * TICK_US;
const LONGEST_US = 200_000;
const SECOND_MS = 1000;
const LONGEST_RTO_MS = 120_000;
/** srtt is kept in eighths of µs in 32 bits: what is added to it must leave room. */
const TX_DELAY_BOUND = 2 ** 28;
const AF_INET = 2;

const ticks = (us: number): number => Math.ceil(us / TICK_US) * TICK_US;

/** TCP_RTO_MIN_US and TCP_DELACK_MAX_US. */
function shortTime(key: 'rtoMinUs' | 'delackMaxUs', fallback: (s: TcpSocket) => number): Option {
  return {
    set: (s, v) => {
      const us = ticks(v);
      if (us < SHORTEST_US || us > LONGEST_US) return -Errno.EINVAL;
      s.ownSettings()[key] = us;
      return 0;
    },
    get: (s) => s.settings[key] || fallback(s),
  };
}

const txRehash: Option = {
  set: (s, v) => {
    if (v < -1 || v > 1) return -Errno.EINVAL;
    s.ownSettings().txRehash = v === -1 ? s.tcp.env.sysctl.values[Sysctl.txrehash] !== 0 : v === 1;
    return 0;
  },
  get: (s) => (s.settings.txRehash ? 1 : 0),
};

/** sockaddr_in of the peer. */
function peerName(s: TcpSocket): OptionValue | null {
  const c = s.connection;
  if (c === null || c.state === TcpState.CLOSE) return null;
  const b = new Uint8Array(16);
  const v = new DataView(b.buffer);
  v.setUint16(0, AF_INET, true);
  v.setUint16(2, c.remotePort);
  v.setUint32(4, c.remote.w3);
  return b;
}

/** SO_MEMINFO: memory charged and allowed on both sides, granted ahead, queued. */
function memoryInfo(s: TcpSocket): OptionValue {
  const c: Connection | null = s.connection;
  const { rcvbuf, sndbuf } = s.settings;
  if (c === null) return words(0, rcvbuf, 0, sndbuf, 0, 0, 0, 0, 0);
  return words(c.rmemAlloc, c.rcvBuf, 0, c.sndBuf, c.forwardAlloc, c.wmemQueued, 0, 0, 0);
}

/** SO_CNX_ADVICE 1: the user found the way bad; it is looked up again. */
const advice: Option = {
  set: (s, v) => {
    if (v === 1 && s.connection) s.connection.routeStale = true;
    return 0;
  },
};

function setPeekOffset(s: TcpSocket, v: number): number {
  s.ownSettings().peekOffset = v;
  if (s.connection) s.connection.needRare().peekOffset = v;
  return 0;
}

/** TCP_TX_DELAY. An open connection's round trips become so much longer, and its time-out is told before they do. */
function setTransmitDelay(s: TcpSocket, v: number): number {
  if (v < 0 || v >= TX_DELAY_BOUND) return -Errno.EINVAL;
  const more = v - s.settings.txDelayUs;
  s.ownSettings().txDelayUs = v;
  const c = s.connection;
  if (c && more !== 0 && c.state === TcpState.ESTABLISHED) lengthenRtt(c, more);
  return 0;
}

export const moreSocketOptions: OptionRows = [
  [So.PEEK_OFF, { set: setPeekOffset, get: (s) => s.connection?.rare?.peekOffset ?? s.settings.peekOffset }],
  [So.BROADCAST, kinds.keptFlag(So.BROADCAST)],
  [So.PEERNAME, { get: peerName, getErrno: Errno.ENOTCONN }],
  [So.PROTOCOL, constant(6)],
  [So.INCOMING_CPU, { set: kinds.kept(So.INCOMING_CPU, -1, always, Number).set!, get: incomingCpu }],
  [So.CNX_ADVICE, advice],
  [So.MEMINFO, { get: memoryInfo }],
  [So.TXREHASH, txRehash],
];

/** SO_INCOMING_CPU: what was set; a connection's is the one that its stack runs on. */
function incomingCpu(s: TcpSocket): number {
  const set = s.settings.kept[So.INCOMING_CPU];
  return set ?? (s.connection ? 0 : -1);
}

/** TCP_REPAIR and its kin take CAP_NET_ADMIN. */
const repairQueueSeq: Option = {
  set: (s) => (s.state === TcpState.CLOSE ? -Errno.EINVAL : -Errno.EPERM),
  getErrno: Errno.EINVAL,
};

const rtoMax: Option = {
  set: (s, v) => {
    if (v < SECOND_MS || v > LONGEST_RTO_MS) return -Errno.EINVAL;
    s.ownSettings().rtoMaxMs = ticks(v * 1000) / 1000;
    return 0;
  },
  get: (s) => s.settings.rtoMaxMs || sysctl(s, Sysctl.tcp_rto_max_ms),
};

export const moreTcpOptions: OptionRows = [
  [TcpOpt.THIN_LINEAR_TIMEOUTS, kinds.stored('thinLinearTimeouts', 0, 1, (s) => (s.settings.thinLinearTimeouts ? 1 : 0))],
  [TcpOpt.THIN_DUPACK, { set: (_s, v) => (v === 0 || v === 1 ? 0 : -Errno.EINVAL), get: () => 0 }],
  [TcpOpt.REPAIR, { set: () => -Errno.EPERM, get: () => 0 }],
  [TcpOpt.REPAIR_QUEUE, refused(Errno.EPERM, Errno.EINVAL)],
  [TcpOpt.QUEUE_SEQ, repairQueueSeq],
  [TcpOpt.REPAIR_OPTIONS, { set: () => -Errno.EINVAL }],
  [TcpOpt.TIMESTAMP, { set: () => -Errno.EPERM, get: timestamp }],
  [TcpOpt.REPAIR_WINDOW, refused(Errno.EPERM, Errno.EINVAL)],
  [TcpOpt.ULP, { set: () => -Errno.ENOENT, get: () => '' }],
  [TcpOpt.ZEROCOPY_RECEIVE, { getErrno: Errno.EINVAL }],
  [TcpOpt.TX_DELAY, { set: setTransmitDelay, get: (s) => s.settings.txDelayUs }],
  [TcpOpt.IS_MPTCP, { get: () => 0 }],
  [TcpOpt.RTO_MAX_MS, rtoMax],
  [TcpOpt.RTO_MIN_US, shortTime('rtoMinUs', (s) => sysctl(s, Sysctl.tcp_rto_min_us))],
  [TcpOpt.DELACK_MAX_US, shortTime('delackMaxUs', () => LONGEST_US)],
];

/** TCP_TIMESTAMP: TSval as it would be sent now. */
function timestamp(s: TcpSocket): number {
  return (Math.floor(s.tcp.env.nowUs / 1000) + (s.connection ? s.connection.tsOffset : 0)) | 0;
}
