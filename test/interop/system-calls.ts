/** System calls by name over the socket contract: file numbers, blocking in virtual time, poll and epoll. */
import { IpAddress } from '../../stack/core/address.js';
import { Errno, errnoName } from '../../stack/core/errno.js';
import { IpOpt, Level, Msg, type OptionValue, Poll, Shutdown, So, type StreamSocket, TcpOpt } from '../../stack/socket/socket.js';
import type { Stack } from '../../stack/stack.js';
import { ErrorOrigin, type ErrorReport } from '../../stack/tcp/error-queue.js';
import { atMark, inqHint } from '../../stack/tcp/receive.js';
import type { TcpSocket } from '../../stack/tcp/socket.js';
import { TcpState } from '../../stack/tcp/state.js';
import { askOnce, Stamping } from '../../stack/tcp/tx-stamps.js';

const O_NONBLOCK = 0o4000;
const EPOLLET = 2 ** 31;
const EPOLLONESHOT = 1 << 30;
const POLL_MASK = 0x2fff;

// biome-ignore lint/suspicious/noExplicitAny: arguments are what the script's author wrote
export type SystemCallArgs = Record<string, any>;
export interface SystemCallResult {
  readonly ret: number;
  readonly errno?: string;
  readonly out?: Record<string, unknown>;
  readonly unsupported?: string;
  readonly timeUs?: number;
}
type Done = (r: SystemCallResult) => void;

/** States in which close(2) with SO_LINGER waits. */
const LINGERING: ReadonlySet<number> = new Set([TcpState.FIN_WAIT1, TcpState.CLOSING, TcpState.LAST_ACK]);

class OpenSocket {
  readonly socket: StreamSocket;
  nonblock: boolean;
  constructor(socket: StreamSocket, nonblock: boolean) {
    this.socket = socket;
    this.nonblock = nonblock;
  }
}
class Watch {
  readonly fd: number;
  events: number;
  data: unknown;
  /** Edge-triggered: bits that became true since the last wait. */
  fresh = true;
  armed = true;
  constructor(fd: number, events: number, data: unknown) {
    this.fd = fd;
    this.events = events;
    this.data = data;
  }
}
class Epoll {
  readonly watches = new Map<number, Watch>();
}

/** A call that may have to wait. */
class Wait {
  /** The result, or null while it must go on waiting. */
  readonly attempt: () => SystemCallResult | null;
  readonly untilUs: number;
  /** The result when the time is over. */
  readonly late: () => SystemCallResult;
  done: Done = () => {};
  constructor(attempt: () => SystemCallResult | null, untilUs = Number.POSITIVE_INFINITY, late = () => failure(Errno.EAGAIN)) {
    this.attempt = attempt;
    this.untilUs = untilUs;
    this.late = late;
  }
}

const failure = (errno: number): SystemCallResult => ({ ret: -1, errno: errnoName(errno) });
const success = (ret = 0, out?: Record<string, unknown>): SystemCallResult => ({ ret, out });
const resultOf = (n: number): SystemCallResult => (n < 0 ? failure(-n) : success(n));

const LEVELS: Readonly<Record<string, number>> = {
  SOL_SOCKET: Level.SOCKET,
  SOL_TCP: Level.TCP,
  IPPROTO_TCP: Level.TCP,
  SOL_IP: Level.IP,
  IPPROTO_IP: Level.IP,
};
const NAMES: Readonly<Record<number, readonly [string, Readonly<Record<string, number>>]>> = {
  [Level.SOCKET]: ['SO_', So],
  [Level.TCP]: ['TCP_', TcpOpt],
  [Level.IP]: ['IP_', IpOpt],
};

const SHUTDOWNS: Readonly<Record<string, number>> = { SHUT_RD: Shutdown.RD, SHUT_WR: Shutdown.WR, SHUT_RDWR: Shutdown.RDWR };

function optionNumber(level: number, name: string): number | undefined {
  if (/^\d+$/.test(name)) return Number(name);
  const known = NAMES[level];
  return known && name.startsWith(known[0]) ? known[1][name.slice(known[0].length)] : undefined;
}

export class SystemCalls {
  private readonly stack: Stack;
  private readonly now: () => number;
  private readonly files = new Map<number, OpenSocket | Epoll>();
  private nextFd = 3;
  private waiting: Wait[] = [];

  /** Times that are told count from here. */
  private readonly epochUs: number;

  constructor(stack: Stack, now: () => number, epochUs: number) {
    this.stack = stack;
    this.now = now;
    this.epochUs = epochUs;
  }

  nextDeadlineUs(): number {
    return this.waiting.reduce((least, w) => Math.min(least, w.untilUs), Number.POSITIVE_INFINITY);
  }

  /** Looks at the calls that wait; true when one finished. */
  retry(): boolean {
    let finished = false;
    for (const [fd, f] of this.files) {
      if (!(f instanceof OpenSocket) || !(f.socket as TcpSocket).settleZeroCopy()) continue;
      for (const e of this.files.values()) if (e instanceof Epoll) this.refresh(e, fd);
    }
    for (const w of [...this.waiting]) {
      const r = w.attempt() ?? (this.now() >= w.untilUs ? w.late() : null);
      if (!r) continue;
      this.waiting = this.waiting.filter((x) => x !== w);
      finished = true;
      w.done(r);
    }
    return finished;
  }

  call(name: string, a: SystemCallArgs, done: Done): void {
    const outcome = this.start(name, a);
    if (!(outcome instanceof Wait)) {
      done(outcome);
      return;
    }
    const r = outcome.attempt() ?? (outcome.untilUs <= this.now() ? outcome.late() : null);
    outcome.done = done;
    if (r) done(r);
    else this.waiting.push(outcome);
  }

  private start(name: string, a: SystemCallArgs): SystemCallResult | Wait {
    switch (name) {
      case 'socket':
        return this.socket(a);
      case 'poll':
        return new Wait(
          () => this.poll(a['fds']),
          this.deadline(a['timeout']),
          () => success(0, { revents: (a['fds'] as unknown[]).map(() => 0) }),
        );
      case 'epoll_create':
        this.files.set(this.nextFd, new Epoll());
        return success(this.nextFd++);
      case 'epoll_ctl':
        return this.epollControl(a);
      case 'epoll_wait':
        return new Wait(
          () => this.epollWait(a),
          this.deadline(a['timeout']),
          () => success(0, { events: [] }),
        );
    }
    const file = this.files.get(a['fd']);
    if (!file) return failure(Errno.EBADF);
    if (file instanceof Epoll) return name === 'close' ? this.close(a['fd']) : failure(Errno.EINVAL);
    return this.socketCall(name, file, a);
  }

  private deadline(timeoutMs: number): number {
    return timeoutMs < 0 ? Number.POSITIVE_INFINITY : this.now() + timeoutMs * 1000;
  }
  /** SO_RCVTIMEO and SO_SNDTIMEO. */
  private limit(timeoutUs: number): number {
    return timeoutUs === 0 ? Number.POSITIVE_INFINITY : this.now() + timeoutUs;
  }

  private socketCall(name: string, f: OpenSocket, a: SystemCallArgs): SystemCallResult | Wait {
    const s = f.socket;
    const { receiveTimeoutUs } = (s as TcpSocket).settings;
    if (typeof a['flags'] === 'string') a['flags'] = a['flags'] === 'MSG_OOB' ? Msg.OOB : Number.NaN;
    if (Number.isNaN(a['flags'])) return { ret: -1, unsupported: `flags of ${name}` };
    switch (name) {
      case 'bind':
        return resultOf(s.bind(IpAddress.from(a['ip']), a['port']));
      case 'listen':
        return resultOf(s.listen(a['backlog']));
      case 'accept':
        return new Wait(() => this.accept(f), this.limit(receiveTimeoutUs));
      case 'connect':
        return this.connect(f, a);
      case 'write':
      case 'send':
      case 'sendto':
      case 'sendmsg':
        return this.send(f, name, a);
      case 'read':
      case 'recv':
      case 'recvfrom':
      case 'recvmsg':
        return this.receive(f, name, a);
      case 'shutdown':
        return resultOf(s.shutdown(SHUTDOWNS[a['how']]!));
      case 'close':
        return this.close(a['fd']);
      case 'fcntl':
        return this.fcntl(f, a);
      case 'setsockopt':
        return this.setOption(s, a);
      case 'getsockopt':
        return this.getOption(s, a);
      case 'ioctl':
        return this.ioctl(s, a);
      default:
        return { ret: -1, unsupported: name };
    }
  }

  private socket(a: SystemCallArgs): SystemCallResult {
    if (a['type'] !== undefined && a['type'] !== 'SOCK_STREAM') return { ret: -1, unsupported: `socket ${a['type']}` };
    return this.open(this.stack.tcp(4), Boolean(a['nonblock']));
  }

  private open(socket: StreamSocket, nonblock: boolean): SystemCallResult {
    const fd = this.nextFd++;
    this.files.set(fd, new OpenSocket(socket, nonblock));
    socket.onReady = () => {
      for (const file of this.files.values())
        if (file instanceof Epoll) file.watches.get(fd)?.fresh !== undefined && this.refresh(file, fd);
    };
    return success(fd);
  }
  private refresh(e: Epoll, fd: number): void {
    const w = e.watches.get(fd);
    if (w) w.fresh = true;
  }

  private close(fd: number): SystemCallResult | Wait {
    const f = this.files.get(fd);
    this.files.delete(fd);
    for (const e of this.files.values()) if (e instanceof Epoll) e.watches.delete(fd);
    if (!(f instanceof OpenSocket)) return success();
    const { connection, settings } = f.socket as TcpSocket;
    f.socket.close();
    if (!connection || !settings.lingerOn || settings.lingerSeconds === 0) return success();
    const lingers = () => (LINGERING.has(connection.state) ? null : success());
    return new Wait(lingers, this.limit(settings.lingerSeconds * 1e6), success);
  }

  private accept(f: OpenSocket): SystemCallResult | null {
    const s = f.socket.accept();
    if (typeof s !== 'number') return this.open(s, false);
    return s === -Errno.EAGAIN && !f.nonblock ? null : failure(-s);
  }

  private connect(f: OpenSocket, a: SystemCallArgs): SystemCallResult | Wait {
    const s = f.socket;
    if (a['disconnect']) return resultOf(s.connect(null, 0));
    const to = IpAddress.from(a['ip']);
    const first = s.connect(to, a['port']);
    if (f.nonblock || (first !== -Errno.EINPROGRESS && first !== -Errno.EALREADY)) return resultOf(first);
    const ready = () => (connecting(s) ? null : resultOf(s.connect(to, a['port'])));
    return new Wait(ready, this.limit((s as TcpSocket).settings.sendTimeoutUs), () => failure(-first));
  }

  private send(f: OpenSocket, name: string, a: SystemCallArgs): SystemCallResult | Wait {
    const data: Uint8Array = a['data'];
    const flags: number = a['flags'] ?? 0;
    const asked = stampsAsked(a['control']);
    if (Number.isNaN(asked)) return { ret: -1, unsupported: 'control messages' };
    const from = (f.socket as TcpSocket).connection;
    if (asked >= 0 && from) askOnce(from, asked);
    const dontWait = f.nonblock || (flags & Msg.DONTWAIT) !== 0;
    const s = f.socket;
    let sent = 0;
    const open = flags & Msg.FASTOPEN && name !== 'write' && name !== 'send';
    if (open) {
      const to = { address: IpAddress.from(a['ip']), port: a['port'] as number };
      const n = s.sendTo(data, 0, data.length, flags, to);
      if (n < 0 && (dontWait || n !== -Errno.EINPROGRESS)) return failure(-n);
      if (dontWait) return success(n);
      sent = Math.max(0, n);
    }
    const attempt = () => {
      const c = (s as TcpSocket).connection;
      if (c) c.writePending = !dontWait && connecting(s); // the handshake's ACK will ride on the data
      if (open && connecting(s)) return null;
      while (sent < data.length) {
        const n = s.send(data, sent, data.length - sent, flags & ~Msg.FASTOPEN);
        if (n === -Errno.EAGAIN && !dontWait) return null;
        if (n === -Errno.EINPROGRESS && !dontWait) return null;
        if (n < 0) return sent > 0 ? success(sent) : failure(-n);
        if (n === 0) return success(sent);
        sent += n;
        if (dontWait && n >= 0) break;
      }
      if (data.length === 0) return resultOf(s.send(data, 0, 0, flags));
      return success(sent);
    };
    const late = () => (sent > 0 ? success(sent) : failure(Errno.EAGAIN));
    return new Wait(attempt, this.limit((s as TcpSocket).settings.sendTimeoutUs), late);
  }

  private receive(f: OpenSocket, name: string, a: SystemCallArgs): SystemCallResult | Wait {
    const flags: number = a['flags'] ?? 0;
    if (flags & Msg.ERRQUEUE) return errorReport(f.socket, this.epochUs);
    const length: number = name === 'recvmsg' ? (a['iov'] as number[]).reduce((x, y) => x + y, 0) : a['len'];
    const into = new Uint8Array(length);
    const dontWait = f.nonblock || (flags & Msg.DONTWAIT) !== 0;
    const { settings } = f.socket as TcpSocket;
    const target = flags & Msg.PEEK ? 1 : flags & Msg.WAITALL ? length : Math.min(settings.rcvlowat, length);
    let got = 0;
    const result = () => {
      const out: Record<string, unknown> = { data: Buffer.from(into.subarray(0, got)), msg_flags: 0 };
      if (a['wantControl']) out['control'] = this.control(f.socket);
      return success(got, out);
    };
    const attempt = () => {
      // whoever has taken something already is woken by SO_RCVLOWAT bytes more, or the end
      if (got > 0 && (f.socket.poll() & (Poll.IN | Poll.ERR | Poll.HUP)) === 0) return null;
      for (;;) {
        const n = f.socket.receive(into, got, length - got, flags);
        if (n === -Errno.EAGAIN && !dontWait) return null;
        if (n < 0) return got > 0 ? result() : failure(-n);
        got += n;
        if (n === 0 || got >= target) return result();
      }
    };
    const late = () => (got > 0 ? result() : failure(Errno.EAGAIN));
    return new Wait(attempt, this.limit(settings.receiveTimeoutUs), late);
  }

  /** Control messages of recvmsg: TCP_INQ. */
  private control(s: StreamSocket): unknown[] {
    const { connection, settings } = s as TcpSocket;
    if (!settings.inq || !connection) return [];
    return [{ cmsg_level: 'SOL_TCP', cmsg_type: 'TCP_CM_INQ', cmsg_data: inqHint(connection) }];
  }

  private fcntl(f: OpenSocket, a: SystemCallArgs): SystemCallResult {
    if (a['cmd'] === 'F_GETFL') return success(2 | (f.nonblock ? O_NONBLOCK : 0));
    if (a['cmd'] !== 'F_SETFL') return { ret: -1, unsupported: `fcntl ${a['cmd']}` };
    f.nonblock = (a['flags'] & O_NONBLOCK) !== 0;
    return success();
  }

  private setOption(s: StreamSocket, a: SystemCallArgs): SystemCallResult {
    const level = LEVELS[a['level']];
    const name = level === undefined ? undefined : optionNumber(level, a['name']);
    if (level === undefined || name === undefined) return { ret: -1, unsupported: `${a['level']}/${a['name']}` };
    let value = a['value'] as OptionValue;
    const raw = a['raw'];
    if (raw && typeof raw === 'object' && 'onoff' in raw) value = [raw.onoff, raw.linger];
    if (raw && typeof raw === 'object' && 'tv_sec' in raw) value = [raw.tv_sec, raw.tv_usec];
    if (name === So.TIMESTAMPING && level === Level.SOCKET) value = stampingBits(value as string | number);
    if (level === Level.TCP && name === TcpOpt.FASTOPEN_KEY && typeof value === 'string') value = Buffer.from(value, 'hex');
    return resultOf(s.setOption(level, name, value));
  }

  private getOption(s: StreamSocket, a: SystemCallArgs): SystemCallResult {
    const level = LEVELS[a['level']];
    const name = level === undefined ? undefined : optionNumber(level, a['name']);
    if (level === undefined || name === undefined) return { ret: -1, unsupported: `${a['level']}/${a['name']}` };
    const r = s.getOption(level, name);
    if (!('value' in r)) return failure(Math.abs(r.errno));
    const v = r.value;
    if (level === Level.SOCKET && (name === So.RCVTIMEO || name === So.SNDTIMEO) && v instanceof Uint8Array) {
      const b = new DataView(v.buffer, v.byteOffset, v.length); // struct timeval
      return success(0, { value: { tv_sec: b.getUint32(0, true), tv_usec: b.getUint32(8, true) } });
    }
    return success(0, { value: Array.isArray(v) ? { onoff: v[0], linger: v[1] } : v });
  }

  private ioctl(s: StreamSocket, a: SystemCallArgs): SystemCallResult {
    if (a['req'] === 'SIOCINQ' || a['req'] === 'FIONREAD') return success(0, { value: s.readable() });
    if (a['req'] === 'SIOCOUTQ') return success(0, { value: s.unsent() });
    const c = (s as TcpSocket).connection;
    if (a['req'] === 'SIOCOUTQNSD') return success(0, { value: c ? c.unsent() : 0 });
    if (a['req'] === 'SIOCATMARK') return success(0, { value: c && atMark(c) ? 1 : 0 });
    return { ret: -1, unsupported: `ioctl ${a['req']}` };
  }

  private readyBits(fd: number, events: number): number {
    const f = this.files.get(fd);
    if (!(f instanceof OpenSocket)) return 0x20; // POLLNVAL
    return f.socket.poll() & (events | Poll.ERR | Poll.HUP);
  }

  private poll(fds: { fd: number; events: number }[]): SystemCallResult | null {
    const revents = fds.map((f) => this.readyBits(f.fd, f.events));
    const ready = revents.filter((r) => r !== 0).length;
    return ready > 0 ? success(ready, { revents }) : null;
  }

  private epollControl(a: SystemCallArgs): SystemCallResult {
    const e = this.files.get(a['epfd']);
    if (!(e instanceof Epoll)) return failure(Errno.EBADF);
    const has = e.watches.has(a['fd']);
    if (a['op'] === 'EPOLL_CTL_DEL') return e.watches.delete(a['fd']) ? success() : failure(Errno.ENOENT);
    if (a['op'] === 'EPOLL_CTL_ADD' && has) return failure(17);
    if (a['op'] === 'EPOLL_CTL_MOD' && !has) return failure(Errno.ENOENT);
    e.watches.set(a['fd'], new Watch(a['fd'], a['events'], a['data']));
    return success();
  }

  private epollWait(a: SystemCallArgs): SystemCallResult | null {
    const e = this.files.get(a['epfd']);
    if (!(e instanceof Epoll)) return failure(Errno.EBADF);
    const events: { events: number; data: unknown }[] = [];
    for (const w of e.watches.values()) {
      if (events.length >= a['max'] || !w.armed) continue;
      const edge = ((w.events >>> 0) & EPOLLET) !== 0;
      const bits = this.readyBits(w.fd, w.events & POLL_MASK);
      if (bits === 0 || (edge && !w.fresh)) continue;
      w.fresh = false;
      if (w.events & EPOLLONESHOT) w.armed = false;
      events.push({ events: bits, data: w.data });
    }
    return events.length > 0 ? success(events.length, { events }) : null;
  }
}

const STAMPING: Readonly<Record<string, number>> = {
  TX_HARDWARE: 1,
  TX_SOFTWARE: Stamping.txSoftware,
  RX_HARDWARE: 4,
  RX_SOFTWARE: 8,
  SOFTWARE: Stamping.software,
  OPT_ID: Stamping.optId,
  TX_SCHED: Stamping.txSched,
  TX_ACK: Stamping.txAck,
  OPT_CMSG: Stamping.optCmsg,
  OPT_TSONLY: Stamping.optTsOnly,
  OPT_STATS: Stamping.optStats,
  OPT_ID_TCP: Stamping.optIdTcp,
};
/** `SOF_TIMESTAMPING_TX_ACK|SOF_TIMESTAMPING_SOFTWARE`, or the number. */
function stampingBits(value: string | number): number {
  if (typeof value === 'number') return value;
  return value.split('|').reduce((bits, w) => bits | (STAMPING[w.replace('SOF_TIMESTAMPING_', '')] ?? 1 << 30), 0);
}
/** What a send's control messages ask for: -1 nothing, NaN something that is not known here. */
function stampsAsked(control: unknown): number {
  if (!Array.isArray(control) || control.length === 0) return -1;
  const [m] = control as Record<string, string | number>[];
  const known = control.length === 1 && m?.['cmsg_level'] === 'SOL_SOCKET' && m['cmsg_type'] === 'SO_TIMESTAMPING';
  return known ? stampingBits(m['cmsg_data']!) : Number.NaN;
}
const STAMP_KINDS = ['SCM_TSTAMP_SND', 'SCM_TSTAMP_SCHED', 'SCM_TSTAMP_ACK'] as const;

/** recvmsg(MSG_ERRQUEUE) of a transmit timestamp. */
function stampReport(report: ErrorReport, epochUs: number): SystemCallResult {
  const us = report.timeUs - epochUs;
  const time = { scm_sec: Math.floor(us / 1e6), scm_nsec: (us % 1e6) * 1000 };
  const data = {
    ee_errno: 'ENOMSG',
    ee_origin: 'SO_EE_ORIGIN_TIMESTAMPING',
    ee_type: 0,
    ee_code: 0,
    ee_info: STAMP_KINDS[report.info],
    ee_data: report.data,
  };
  const control = [
    ...(report.timeUs < 0 ? [] : [{ cmsg_level: 'SOL_SOCKET', cmsg_type: 'SCM_TIMESTAMPING', cmsg_data: time }]),
    { cmsg_level: 'SOL_IP', cmsg_type: 'IP_RECVERR', cmsg_data: data },
  ];
  return success(0, { data: Buffer.alloc(0), msg_flags: Msg.ERRQUEUE | (report.whole ? Msg.TRUNC : 0), control });
}

/** recvmsg(MSG_ERRQUEUE), its numbers under the names that scripts use. */
function errorReport(s: StreamSocket, epochUs: number): SystemCallResult {
  const report = (s as TcpSocket).takeReport();
  if (!report) return failure(Errno.EAGAIN);
  if (report.origin === ErrorOrigin.timestamping) return stampReport(report, epochUs);
  const data = {
    ee_errno: report.errno,
    ee_origin: report.origin === ErrorOrigin.zeroCopy ? 'SO_EE_ORIGIN_ZEROCOPY' : report.origin,
    ee_type: 0,
    ee_code: report.code === 1 ? 'SO_EE_CODE_ZEROCOPY_COPIED' : report.code,
    ee_info: report.info,
    ee_data: report.data,
  };
  const control = [{ cmsg_level: 'SOL_IP', cmsg_type: 'IP_RECVERR', cmsg_data: data }];
  return success(0, { data: Buffer.alloc(0), msg_flags: Msg.ERRQUEUE, control });
}

function connecting(s: StreamSocket): boolean {
  return s.state === TcpState.SYN_SENT || s.state === TcpState.SYN_RECV;
}
