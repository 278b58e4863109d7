/** The oracle's operations on one stack. Nothing blocks: an operation that waits is looked at after each poll until it is done or late. */
import { Ledger } from '../../mib/ledger/ledger.js';
import { createLedgerMemory } from '../../mib/ledger/memory.js';
import { procNetstat, procSnmp, procSnmp6 } from '../../mib/text/proc-counters.js';
import { IpAddress } from '../../stack/core/address.js';
import { Errno } from '../../stack/core/errno.js';
import { SeededRandom } from '../../stack/core/random.js';
import type { Link } from '../../stack/link/link.js';
import {
  type DatagramSocket,
  type Endpoint,
  IpOpt,
  Level,
  Msg,
  Poll,
  ReceivedFrom,
  So,
  type StreamSocket,
  TcpOpt,
} from '../../stack/socket/socket.js';
import { Stack } from '../../stack/stack.js';
import { md5Signature, parityOption, parityValue } from './parity-options.js';
import { ParityServices } from './parity-services.js';

export interface Request {
  readonly op: string;
  readonly [key: string]: unknown;
}
export type Reply = { ok: boolean; error?: string } & Record<string, unknown>;
type Result = Record<string, unknown>;

/** One that is not done yet: asked after each poll, until `untilUs`, when `late` answers. */
interface Waiting {
  readonly attempt: () => Result | null;
  readonly untilUs: number;
  readonly late: () => Result;
}

type Socket = StreamSocket | DatagramSocket;
const isStream = (s: Socket): s is StreamSocket => 'listen' in s;

/** What the oracle's reference results were recorded under. */
export const CONGESTION = 'bbr';

export interface TargetOptions {
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly gateways: readonly string[];
  /** Integer µs. */
  readonly clock: () => number;
}

export class ParityTarget {
  readonly stack: Stack;
  private readonly ledger: Ledger;
  private readonly services: ParityServices;
  private readonly sockets = new Map<number, Socket>();
  private readonly buffer = new Uint8Array(1 << 20);
  private readonly from = new ReceivedFrom();
  private nextFd = 1;
  private waiting: Waiting | null = null;
  private done: Reply | null = null;

  constructor(link: Link, options: TargetOptions) {
    const { clock } = options;
    const nowUs = clock();
    this.ledger = new Ledger(createLedgerMemory(4096), nowUs, 0);
    const random = new SeededRandom(nowUs >>> 0);
    const secret = Uint8Array.from({ length: 16 }, () => random.u32() & 255);
    this.stack = new Stack({ ledger: this.ledger, random, secret, nowUs, clock, ipv6: true });
    const is4 = (a: string) => !a.includes(':');
    // as the oracle's kernel target is set up: nothing is said that nobody asked for
    const set = (name: string, value: number) => this.stack.env.sysctl.set(`net.ipv6.conf.all.${name}`, value);
    set('accept_dad', 0);
    set('accept_ra', 0);
    set('router_solicitations', 0);
    set('addr_gen_mode', 1);
    set('mldv1_unsolicited_report_interval', 1);
    set('mldv2_unsolicited_report_interval', 1);
    const device = this.stack.addDevice(link, {
      mac: options.mac,
      addresses: options.addresses,
      gateway: options.gateways.find(is4),
      gateway6: options.gateways.find((g) => !is4(g)),
    });
    // As the oracle's kernel target is set up: its congestion control, and group reports follow one another at once.
    this.stack.env.sysctl.set('net.ipv4.tcp_congestion_control', CONGESTION);
    this.stack.env.sysctl.set('net.ipv4.conf.all.igmpv3_unsolicited_report_interval', 1);
    device.gsoMaxSize = 65536; // the kernel's counts are those of a stack that builds super-frames and has them cut in software
    this.services = new ParityServices(this.stack);
  }

  get busy(): boolean {
    return this.waiting !== null || this.done !== null;
  }

  poll(nowUs: number): boolean {
    const more = this.stack.poll(nowUs);
    this.services.run();
    return more;
  }

  nextDeadlineUs(): number {
    return Math.min(this.stack.nextDeadlineUs(), this.waiting?.untilUs ?? Number.POSITIVE_INFINITY);
  }

  /** The reply that is due, if any. */
  reply(nowUs: number): Reply | null {
    if (this.waiting) this.settle(this.waiting, nowUs);
    const r = this.done;
    this.done = null;
    return r;
  }

  request(r: Request, nowUs: number): void {
    this.guard(() => {
      const result = this.perform(r, nowUs);
      if ('attempt' in result) this.settle((this.waiting = result as unknown as Waiting), nowUs);
      else this.done = { ...result, ok: true };
    });
  }

  private settle(w: Waiting, nowUs: number): void {
    this.guard(() => {
      const result = w.attempt() ?? (nowUs >= w.untilUs ? w.late() : null);
      if (!result) return;
      this.waiting = null;
      this.done = { ...result, ok: true };
    });
  }

  private guard(work: () => void): void {
    try {
      work();
    } catch (e) {
      this.waiting = null;
      this.done = { ok: false, error: (e as Error).message };
    }
  }

  private perform(r: Request, nowUs: number): Result | Waiting {
    switch (r.op) {
      case 'services':
        return this.openServices();
      case 'counters':
        return this.counters();
      case 'sysctl':
        return this.sysctl(String(r['name']), r['value']);
      case 'socket':
        return { fd: this.add(this.make(String(r['type'] ?? 'tcp'), r['family'] === 'inet6' ? 6 : 4)) };
      case 'sh':
        return { rc: this.shell(String(r['cmd'])) };
      case 'closeall':
        return this.closeAll();
      default:
        return this.onSocket(r, nowUs);
    }
  }

  private onSocket(r: Request, nowUs: number): Result | Waiting {
    const fd = Number(r['fd']);
    const s = this.sockets.get(fd);
    if (!s) throw new Error(`no socket ${fd} for ${r.op}`);
    switch (r.op) {
      case 'bind':
        return must(s.bind(r['addr'] === undefined ? null : addressOf(r['addr']), Number(r['port'])), 'bind');
      case 'listen':
        return must(stream(s).listen(Number(r['backlog'] ?? 16)), 'listen');
      case 'accept':
        return this.accept(stream(s), until(nowUs, r['timeout'], 2));
      case 'connect':
        return this.connect(s, r, nowUs);
      case 'send':
        return this.send(s, r);
      case 'sendto':
        return this.sendTo(s, r);
      case 'recv':
        return this.receive(s, Number(r['n'] ?? 65536), until(nowUs, r['timeout'], 1));
      case 'shutdown':
        return must(s.shutdown({ rd: 0, wr: 1, rdwr: 2 }[String(r['how'])] ?? 2), 'shutdown');
      case 'close':
        s.close();
        this.sockets.delete(fd);
        return {};
      case 'opt': {
        const [level, name] = parityOption(String(r['name']));
        return must(s.setOption(level, name, parityValue(r['value'])), `option ${String(r['name'])}`);
      }
      case 'md5':
        return must(s.setOption(Level.TCP, TcpOpt.MD5SIG, md5Signature(addressOf(r['addr']).w3, String(r['key']))), 'md5');
      case 'join':
        return must(s.setOption(Level.IP, IpOpt.ADD_MEMBERSHIP, membership(addressOf(r['group']))), 'join');
      case 'info': {
        const info = s.getOption(Level.TCP, TcpOpt.INFO);
        return 'value' in info ? { info: info.value } : {};
      }
      case 'state':
        return { state: stream(s).state };
      default:
        throw new Error(`unknown operation ${r.op}`);
    }
  }

  private openServices(): Result {
    this.services.open(4);
    this.services.open(6);
    return {};
  }

  private counters(): Result {
    const cells = this.ledger.cells;
    return { snmp: procSnmp(cells), netstat: procNetstat(cells), snmp6: procSnmp6(cells) };
  }

  private sysctl(name: string, value: unknown): Result {
    const table = this.stack.env.sysctl;
    const old = table.get(name);
    if (old === undefined) throw new Error(`no sysctl ${name}`);
    if (!table.set(name, String(value))) throw new Error(`sysctl ${name} refuses ${String(value)}`);
    return { old };
  }

  private make(type: string, family: 4 | 6): Socket {
    if (type === 'tcp') return this.stack.tcp(family);
    if (type === 'udp') return this.stack.udp(family);
    if (type === 'ping') return this.stack.ping(family);
    if (type === 'udplite') return this.stack.udpLite(family);
    throw new Error(`no sockets of type ${type}`);
  }

  private accept(s: StreamSocket, untilUs: number): Waiting {
    const attempt = (): Result | null => {
      const c = s.accept();
      if (typeof c !== 'number') return { fd: this.add(c), peer: c.peerName()?.address.toString() ?? '' };
      if (c === -Errno.EAGAIN) return null;
      throw new Error(`accept: ${c}`);
    };
    return { attempt, untilUs, late: timedOut };
  }

  private connect(s: Socket, r: Request, nowUs: number): Result | Waiting {
    const errno = -s.connect(addressOf(r['addr']), Number(r['port']));
    if (!r['wait']) return { errno };
    const pending = (): Result => {
      const error = s.getOption(Level.SOCKET, So.ERROR);
      return { errno: 'value' in error ? error.value : error.errno };
    };
    const attempt = () => ((s.poll() & (Poll.OUT | Poll.ERR | Poll.HUP)) !== 0 ? pending() : null);
    return { attempt, untilUs: nowUs + Number(r['wait']) * 1e6, late: pending };
  }

  private send(s: Socket, r: Request): Result {
    const data = typeof r['hex'] === 'string' ? Buffer.from(r['hex'], 'hex') : Buffer.alloc(Number(r['n']), 'D');
    const n = isStream(s) ? s.send(data, 0, data.length, Msg.DONTWAIT) : s.sendTo(data, 0, data.length, Msg.DONTWAIT, null);
    return n < 0 ? { n: -1, errno: -n } : { n };
  }

  private sendTo(s: Socket, r: Request): Result {
    const data = Buffer.alloc(Number(r['n']), 'D');
    const to: Endpoint = { address: addressOf(r['addr']), port: Number(r['port']) };
    const n = s.sendTo(data, 0, data.length, 0, to);
    return n < 0 ? { n: -1, errno: -n } : { n };
  }

  private receive(s: Socket, most: number, untilUs: number): Waiting {
    const attempt = (): Result | null => {
      const n = isStream(s)
        ? s.receive(this.buffer, 0, most, Msg.DONTWAIT)
        : s.receiveFrom(this.buffer, 0, most, Msg.DONTWAIT, this.from);
      if (n === -Errno.EAGAIN) return null;
      return n < 0 ? { n: -1, errno: -n } : { n };
    };
    return { attempt, untilUs, late: () => ({ n: -1, errno: 'timeout' }) };
  }

  /** The `ip route` commands of the scenarios. An exit status. */
  private shell(command: string): number {
    return this.stack.routeCommand(command) ? 0 : 1;
  }

  private closeAll(): Result {
    for (const s of this.sockets.values()) s.close();
    this.sockets.clear();
    return {};
  }

  private add(s: Socket): number {
    const fd = this.nextFd++;
    this.sockets.set(fd, s);
    return fd;
  }
}

function must(result: number, what: string): Result {
  if (result < 0) throw new Error(`${what}: errno ${-result}`);
  return {};
}
function timedOut(): Result {
  throw new Error('TimeoutError: timed out');
}
function until(nowUs: number, seconds: unknown, fallback: number): number {
  return nowUs + Number(seconds ?? fallback) * 1e6;
}
function stream(s: Socket): StreamSocket {
  if (!isStream(s)) throw new Error('not a stream socket');
  return s;
}
function addressOf(text: unknown): IpAddress {
  const a = IpAddress.parse(String(text));
  if (!a) throw new Error(`not an address: ${String(text)}`);
  return a;
}
/** struct ip_mreq: the group, any interface. */
function membership(group: IpAddress): Uint8Array {
  const b = new Uint8Array(8);
  new DataView(b.buffer).setUint32(0, group.w3);
  return b;
}
