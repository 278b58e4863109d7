/**
 * SOL_SOCKET options that streams and datagrams answer alike: some with an effect in both, most only remembered since nothing in this stack
 * depends on them, or refused as Linux refuses them to a process without privileges.
 */
import type { SocketCookies } from '../core/cookies.js';
import { Errno } from '../core/errno.js';
import { always, constant, type Kept, type Option, type OptionKinds, onlyZero, refused, words } from './option.js';
import { type OptionValue, So } from './socket.js';

const CLOCK_MONOTONIC = 1;
/** SOF_TXTIME_DEADLINE_MODE and SOF_TXTIME_REPORT_ERRORS. */
const TXTIME_FLAGS = 3;

/** What both kinds of sockets keep. */
export interface CommonSettings {
  reuseAddress: boolean;
  reusePort: boolean;
  priority: number;
  mark: number;
  /** SO_RCVTIMEO and SO_SNDTIMEO, 0 without: calls never wait here, whoever builds waiting ones on top asks for it. */
  receiveTimeoutUs: number;
  sendTimeoutUs: number;
  sndbufLocked: boolean;
  rcvbufLocked: boolean;
  kept: Kept;
}

/** SO_RCVTIMEO and SO_SNDTIMEO: struct timeval, as its bytes or its two numbers. */
function timeout<S, R extends CommonSettings>(k: OptionKinds<S, R>, key: 'receiveTimeoutUs' | 'sendTimeoutUs'): Option<S> {
  return {
    raw: true,
    set: (s, _v, raw) => {
      const [seconds, us] = timeval(raw) ?? [Number.NaN, 0];
      if (Number.isNaN(seconds)) return -Errno.EINVAL;
      if (us < 0 || us >= 1_000_000) return -Errno.EDOM;
      const own: CommonSettings = k.own(s);
      own[key] = Math.max(0, seconds * 1e6 + us);
      return 0;
    },
    get: (s) => words(Math.floor(k.read(s)[key] / 1e6), 0, k.read(s)[key] % 1e6, 0),
  };
}

function timeval(raw: OptionValue): readonly [number, number] | null {
  if (Array.isArray(raw)) return raw.length === 2 ? [Number(raw[0]), Number(raw[1])] : null;
  if (!(raw instanceof Uint8Array) || raw.length < 16) return null;
  const v = new DataView(raw.buffer, raw.byteOffset, raw.length);
  const seconds = v.getInt32(4, true) < 0 ? -1 : v.getUint32(0, true);
  return [seconds, v.getInt32(8, true)];
}

/** SO_BUF_LOCK: which buffers auto-tuning must leave alone. */
function bufferLock<S, R extends CommonSettings>(k: OptionKinds<S, R>): Option<S> {
  return {
    set: (s, v) => {
      if (v < 0 || v > 3) return -Errno.EINVAL;
      const own = k.own(s);
      own.sndbufLocked = (v & 1) !== 0;
      own.rcvbufLocked = (v & 2) !== 0;
      return 0;
    },
    get: (s) => (k.read(s).sndbufLocked ? 1 : 0) | (k.read(s).rcvbufLocked ? 2 : 0),
  };
}

/** SO_PRIORITY: 0 to 6 for everybody. */
function priority<S, R extends CommonSettings>(k: OptionKinds<S, R>): Option<S> {
  return {
    set: (s, v) => {
      if (v < 0 || v > 6) return -Errno.EPERM;
      k.own(s).priority = v;
      return 0;
    },
    get: (s) => k.read(s).priority,
  };
}

function mark<S, R extends CommonSettings>(k: OptionKinds<S, R>): Option<S> {
  return {
    set: (s, v) => {
      k.own(s).mark = v >>> 0;
      return 0;
    },
    get: (s) => k.read(s).mark | 0,
  };
}

/** SO_COOKIE: a u64. */
function cookie<S extends object>(cookies: (s: S) => SocketCookies): Option<S> {
  return { get: (s) => words(cookies(s).of(s), 0) };
}

/** SO_TXTIME, struct sock_txtime: a clock and flags. CLOCK_MONOTONIC is the stack's; Linux keeps the others to the privileged. */
function txTime<S, R extends CommonSettings>(k: OptionKinds<S, R>): Option<S> {
  return {
    raw: true,
    set: (s, _v, raw) => {
      if (!(raw instanceof Uint8Array) || raw.length !== 8) return -Errno.EINVAL;
      const v = new DataView(raw.buffer, raw.byteOffset, raw.length);
      const [clock, flags] = [v.getInt32(0, true), v.getUint32(4, true)];
      if (flags > TXTIME_FLAGS) return -Errno.EINVAL;
      if (clock !== CLOCK_MONOTONIC) return -Errno.EPERM;
      const own = k.own(s);
      own.kept = { ...own.kept, [So.TXTIME]: flags };
      return 0;
    },
    get: (s) => {
      const flags = k.read(s).kept[So.TXTIME];
      return words(flags === undefined ? 0 : CLOCK_MONOTONIC, flags ?? 0);
    },
  };
}

export interface CommonHost<S> {
  readonly cookies: (s: S) => SocketCookies;
}

export function commonOptions<S extends object, R extends CommonSettings>(
  k: OptionKinds<S, R>,
  host: CommonHost<S>,
): readonly (readonly [number, Option<S>])[] {
  const flags = [So.DONTROUTE, So.NO_CHECK, So.TIMESTAMP, So.TIMESTAMPNS, So.RXQ_OVFL, So.WIFI_STATUS, So.NOFCS];
  const more = [So.SELECT_ERR_QUEUE, So.TIMESTAMP_NEW, So.TIMESTAMPNS_NEW, So.RCVMARK, So.RCVPRIORITY];
  return [
    ...[...flags, ...more].map((name) => [name, k.keptFlag(name)] as const),
    [So.DEBUG, onlyZero(Errno.EACCES)],
    [So.REUSEADDR, k.flag('reuseAddress')],
    [So.REUSEPORT, k.flag('reusePort')],
    [So.PRIORITY, priority(k)],
    [So.MARK, mark(k)],
    [So.TXTIME, txTime(k)],
    [So.COOKIE, cookie(host.cookies)],
    [So.BSDCOMPAT, { set: always, get: () => 0 }],
    [So.PEERCRED, constant(words(0, -1, -1))],
    [So.SNDLOWAT, constant(1)],
    [So.RCVTIMEO, timeout(k, 'receiveTimeoutUs')],
    [So.SNDTIMEO, timeout(k, 'sendTimeoutUs')],
    [So.RCVTIMEO_NEW, timeout(k, 'receiveTimeoutUs')],
    [So.SNDTIMEO_NEW, timeout(k, 'sendTimeoutUs')],
    [So.BUSY_POLL, k.kept(So.BUSY_POLL, 0, (v) => (v < 0 ? -Errno.EINVAL : 0), Number)],
    [So.BPF_EXTENSIONS, constant(64)],
    [So.INCOMING_NAPI_ID, constant(0)],
    [So.PEERGROUPS, { getErrno: Errno.ENODATA }],
    [So.PREFER_BUSY_POLL, onlyZero(Errno.EPERM)],
    [So.BUSY_POLL_BUDGET, { set: (_s, v) => (v === 0 ? 0 : v < 0 ? -Errno.EINVAL : -Errno.EPERM) }],
    [So.NETNS_COOKIE, { getErrno: Errno.EINVAL }],
    [So.BUF_LOCK, bufferLock(k)],
    [So.RESERVE_MEM, { set: (_s, v) => (v < 0 ? -Errno.EINVAL : -Errno.EOPNOTSUPP), get: () => 0 }],
    [So.PASSPIDFD, refused(Errno.EOPNOTSUPP, Errno.EOPNOTSUPP)],
    [So.PEERPIDFD, { getErrno: Errno.ENODATA }],
    [So.PASSRIGHTS, refused(Errno.EOPNOTSUPP, Errno.EOPNOTSUPP)],
  ];
}
