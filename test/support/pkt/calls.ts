/** A script's system call as the arguments that the adapter takes, and its result held against the script. */
import type { SystemCallArgs, SystemCallResult } from '../../interop/system-calls.js';
import { ANY, type CallStep, type Value } from './script.js';
import { streamByte, streamBytes } from './wire.js';

export const LOCAL = '192.168.0.1';
export const REMOTE = '192.0.2.1';
export const PORT = 8080;

/** A file number of the script. */
export class ScriptFile {
  readonly fd: number;
  /** Bytes written to and read from the stream. */
  written = 0;
  read = 0;
  constructor(fd: number) {
    this.fd = fd;
  }
}

const asText = (v: Value | undefined) => (v === undefined || v === ANY ? '' : String(v));
const first = (v: Value | undefined): Value => (Array.isArray(v) ? (v[0] ?? ANY) : (v ?? ANY));

export class CallTable {
  readonly files = new Map<number, ScriptFile>();

  private live(v: Value | undefined): number {
    const f = this.files.get(Number(v));
    return f ? f.fd : Number(v);
  }
  file(step: CallStep): ScriptFile | undefined {
    return this.files.get(Number(step.args[0]));
  }

  args(step: CallStep): SystemCallArgs {
    const a = step.args;
    const fd = this.live(a[0]);
    const written = this.file(step)?.written ?? 0;
    switch (step.name) {
      case 'socket':
        return { type: 'SOCK_STREAM', nonblock: asText(a[1]).includes('SOCK_NONBLOCK') };
      case 'bind':
        return { fd, ip: LOCAL, port: PORT };
      case 'listen':
        return { fd, backlog: a[1] };
      case 'connect':
        return { fd, ip: REMOTE, port: PORT, disconnect: family(a[1]) === 'AF_UNSPEC' };
      case 'read':
      case 'recv':
        return { fd, len: a[2], flags: a[3] ?? 0 };
      case 'write':
      case 'send':
      case 'sendto':
        return { fd, data: streamBytes(written, Number(a[2])), flags: a[3] ?? 0, ip: REMOTE, port: PORT };
      case 'recvmsg':
        return { fd, iov: lengths(a[1]), flags: a[2] ?? 0, wantControl: true };
      case 'sendmsg': {
        const control = ((a[1] ?? {}) as Fields)['msg_control'];
        return { fd, data: streamBytes(written, sum(lengths(a[1]))), flags: a[2] ?? 0, control, ip: REMOTE, port: PORT };
      }
      case 'shutdown':
        return { fd, how: a[1] };
      case 'fcntl':
        return { fd, cmd: a[1], flags: Number(a[2]) & 0o4000 };
      case 'setsockopt':
        return { fd, level: a[1], name: a[2], value: first(a[3]), raw: a[3] };
      case 'getsockopt':
        return { fd, level: a[1], name: a[2] };
      case 'ioctl':
        return { fd, req: a[1] };
      case 'epoll_create':
        return { size: a[0] };
      case 'epoll_ctl': {
        const e = (a[3] ?? {}) as Fields;
        return {
          epfd: fd,
          op: a[1],
          fd: this.live(a[2]),
          events: e['events'],
          data: e['fd'] ?? e['ptr'] ?? e['u32'] ?? e['u64'],
        };
      }
      case 'epoll_wait':
        return { epfd: fd, max: a[2], timeout: a[3] };
      case 'poll':
        return {
          fds: (a[0] as { [k: string]: Value }[]).map((x) => ({ fd: this.live(x['fd']), events: x['events'] })),
          timeout: a[2],
        };
      default:
        return { fd };
    }
  }

  /** Does this call open a connection? */
  connects(step: CallStep, args: SystemCallArgs): boolean {
    if (step.name === 'connect') return !args['disconnect'];
    return step.name === 'sendto' || (step.name === 'sendmsg' && (Number(args['flags']) & 0x20000000) !== 0);
  }

  /** What is wrong with a call's result, null when it is what the script says. */
  judge(step: CallStep, r: SystemCallResult): string | null {
    if (r.unsupported) return `${step.name}: ${r.unsupported} is not supported`;
    const got = `${r.ret}${r.errno ? ` ${r.errno}` : ''}`;
    const makesFile = ['socket', 'accept', 'epoll_create'].includes(step.name);
    if (makesFile && r.ret >= 0 && Number(step.result) >= 0) this.files.set(Number(step.result), new ScriptFile(r.ret));
    else if (step.result !== ANY && r.ret !== step.result) return `${step.name} gave ${got}`;
    if ((step.errno ?? undefined) !== r.errno && step.result !== ANY) return `${step.name} gave ${got}`;
    return this.judgeOutput(step, r);
  }

  private judgeOutput(step: CallStep, r: SystemCallResult): string | null {
    const file = this.file(step);
    if (/^(write|send)/.test(step.name) && file && r.ret > 0) file.written += r.ret;
    if (step.name === 'recvmsg' && r.ret === 0) return differsInMessage(step.args[1]!, r);
    if (/^(read|recv)/.test(step.name) && file && r.ret > 0) return this.judgeBytes(step, file, r);
    if (step.name === 'getsockopt' && r.ret === 0) return differs(step.args[3]!, r.out?.['value'], String(step.args[2]));
    if (step.name === 'ioctl' && r.ret === 0) return differs(step.args[2]!, r.out?.['value'], String(step.args[1]));
    if (step.name === 'poll') {
      const wanted = (step.args[0] as { [k: string]: Value }[]).map((x) => x['revents'] ?? 0);
      return differs(wanted, r.out?.['revents'], 'revents');
    }
    if (step.name === 'epoll_wait' && r.ret > 0) return differs(eventsOf(step.args[1]), r.out?.['events'], 'events');
    if (step.name === 'close') this.files.delete(Number(step.args[0]));
    return null;
  }

  private judgeBytes(step: CallStep, file: ScriptFile, r: SystemCallResult): string | null {
    const data = r.out?.['data'] as Uint8Array;
    const flags = Number(step.args[step.name === 'recvmsg' ? 2 : 3] ?? 0);
    if ((flags & 1) !== 0) return null; // the urgent byte
    if ((flags & 0x20) === 0) return this.judgeData(file, data, flags, r.ret);
    if ((flags & 2) === 0) file.read += r.ret; // thrown away unseen
    return null;
  }
  private judgeData(file: ScriptFile, data: Uint8Array, flags: number, length: number): string | null {
    for (let i = 0; i < data.length; i++)
      if (data[i] !== streamByte(file.read + i)) return `byte ${file.read + i} of the stream is wrong`;
    if ((flags & 2) === 0) file.read += length;
    return null;
  }
}

type Fields = { [k: string]: Value };

/** AF_UNSPEC as a word or in a struct. */
function family(address: Value | undefined): string {
  const a = address ?? ANY;
  return typeof a === 'object' && a !== null && !Array.isArray(a) ? asText(a['sa_family']) : asText(a);
}
/** What epoll_wait is expected to report: one event or a list. */
function eventsOf(v: Value | undefined): Value {
  const all = Array.isArray(v) ? v : [v ?? ANY];
  return all.map((e) => ({ events: (e as Fields)['events'] ?? ANY }));
}

/** Lengths of a message's parts. */
function lengths(message: Value | undefined): number[] {
  const parts = ((message ?? {}) as Fields)['msg_iov'];
  return (Array.isArray(parts) ? (parts as Fields[]) : []).map((x) => Number(x['1'] ?? 0));
}
const sum = (n: readonly number[]) => n.reduce((x, y) => x + y, 0);

function differsInMessage(message: Value, r: SystemCallResult): string | null {
  const m = message as Fields;
  const flags = m['msg_flags'];
  const control = m['msg_control'];
  const wrong = flags === undefined ? null : differs(flags, r.out?.['msg_flags'], 'msg_flags');
  return wrong ?? (Array.isArray(control) && control.length > 0 ? differs(control, r.out?.['control'], 'msg_control') : null);
}

function differs(wanted: Value, got: unknown, what: string): string | null {
  if (wanted === ANY) return null;
  if (Array.isArray(wanted)) {
    const list = Array.isArray(got) ? got : [got];
    for (const [i, w] of wanted.entries()) {
      const wrong = differs(w, list[i], what);
      if (wrong) return wrong;
    }
    return null;
  }
  if (typeof wanted === 'object') {
    const fields = (got ?? {}) as Record<string, unknown>;
    for (const [k, w] of Object.entries(wanted)) {
      const wrong = differs(w, fields[k], `${what}.${k}`);
      if (wrong) return wrong;
    }
    return null;
  }
  if (typeof wanted === 'number' && typeof got === 'number' && wanted >>> 0 === got >>> 0) return null;
  return wanted === got ? null : `${what} is ${JSON.stringify(got)}, the script says ${wanted}`;
}
