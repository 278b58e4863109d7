/**
 * What a Linux kernel did, played again. A trace holds the frames that a raw peer sent, the socket calls, the frames the kernel answered
 * with and how every counter moved. The same frames and calls are given to our stack at the same (virtual) times; what differs between
 * two hosts by nature is translated: initial sequence numbers, the clock of timestamps, ports the stack chose.
 */
import { readFileSync } from 'node:fs';
import { DirectLink } from '../interop/direct-link.js';
import { ParityTarget, type Request } from '../interop/parity-target.js';

const TCP = 6;
const ICMP = 1;
/** ICMP types that quote a packet. */
const QUOTING = [3, 4, 5, 11, 12];
const SYN = 2;
const ACK = 16;
/** Virtual time of a trace's first event. */
const START_US = 5_000_000;
/** How much later or earlier a frame may leave: the kernel's timers run in ticks of 4 ms, coarser the longer they are. */
const SLACK_US = 20_000;
const SLACK_SHARE = 0.13;

interface Event {
  readonly atUs: number;
  readonly kind: 'in' | 'out' | 'op' | 'counters' | 'info' | 'end';
  readonly frame: Buffer;
  readonly request: Request | null;
}
export interface KernelTrace {
  readonly events: readonly Event[];
  readonly counters: ReadonlyMap<string, number>;
}

function frameOf(text: string): Buffer {
  const [head, fill] = text.split('+');
  const start = Buffer.from(head!, 'hex');
  if (!fill) return start;
  const [count, byte] = fill.split('*');
  return Buffer.concat([start, Buffer.alloc(Number(count), Number.parseInt(byte!, 16))]);
}

export function readTrace(path: string): KernelTrace {
  const events: Event[] = [];
  const counters = new Map<string, number>();
  const none = Buffer.alloc(0);
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [first, what, ...rest] = line.split(' ');
    if (first === '=') {
      counters.set(what!, Number(rest[0]));
      continue;
    }
    const atUs = START_US + Math.round(Number(first) * 1e6);
    const body = rest.join(' ');
    if (what === '<') events.push({ atUs, kind: 'in', frame: frameOf(body), request: null });
    else if (what === '>') events.push({ atUs, kind: 'out', frame: frameOf(body), request: null });
    else if (what === 'op') events.push({ atUs, kind: 'op', frame: none, request: JSON.parse(body) as Request });
    else if (what === 'info') {
      const request = { op: 'info', fd: Number(rest[0]), fields: JSON.parse(rest.slice(1).join(' ')) as Record<string, number> };
      events.push({ atUs, kind: 'info', frame: none, request });
    } else events.push({ atUs, kind: what === 'end' ? 'end' : 'counters', frame: none, request: null });
  }
  return { events, counters };
}

/** What one host's frames taught us of its connections, by the peer's port. */
class Identity {
  readonly isn: Map<number, number> = new Map();
  readonly port: Map<number, number> = new Map();
  readonly firstTs: Map<number, number> = new Map();
  readonly ts: Map<number, number[]> = new Map();
}

/** A frame as it is compared. */
interface Sent {
  readonly atUs: number;
  readonly text: string;
}

function sumOf(b: Buffer, start = 0): number {
  let s = start;
  for (let i = 0; i + 1 < b.length; i += 2) s += b.readUInt16BE(i);
  if (b.length & 1) s += b[b.length - 1]! << 8;
  while (s > 0xffff) s = (s & 0xffff) + (s >>> 16);
  return s;
}

function eachOption(f: Buffer, at: number, end: number, visit: (kind: number, at: number, length: number) => void): void {
  for (let i = at; i < end; ) {
    const kind = f[i]!;
    if (kind === 0) return;
    if (kind === 1) {
      visit(1, i, 1);
      i++;
      continue;
    }
    const length = f[i + 1] ?? 0;
    if (length < 2 || i + length > end) return;
    visit(kind, i, length);
    i += length;
  }
}

/** Options as text: SACK edges and everything else in full, timestamps by their echo. */
function optionText(f: Buffer, at: number, end: number, port: number, who: Identity): string {
  let text = '';
  eachOption(f, at, end, (kind, i, length) => {
    if (kind === 1) text += 'nop ';
    else if (kind === 8) {
      const value = f.readUInt32BE(i + 2);
      if (!who.firstTs.has(port)) who.firstTs.set(port, value);
      const seen = who.ts.get(port);
      if (seen) seen.push(value);
      else who.ts.set(port, [value]);
      text += `ts ecr ${f.readUInt32BE(i + 6)} `;
    } else if (kind === 5) {
      text += 'sack ';
      for (let b = i + 2; b < i + length; b += 8) text += `${f.readUInt32BE(b)}-${f.readUInt32BE(b + 4)} `;
    } else if (kind === 34) text += `fastopen ${length} `;
    else text += `${kind}:${f.subarray(i + 2, i + length).toString('hex')} `;
  });
  return text;
}

/** A frame of the host under test as text; null for what is not compared (ARP). */
function describe(f: Buffer, atUs: number, who: Identity): Sent | null {
  if (f.readUInt16BE(12) !== 0x800) return null;
  const at = 14 + (f[14]! & 15) * 4;
  if (f[23] === ICMP) return { atUs, text: `icmp ${f[at]}/${f[at + 1]}` };
  if (f[23] !== TCP) return null;
  const port = f.readUInt16BE(at + 2);
  who.port.set(port, f.readUInt16BE(at));
  const flags = f.readUInt16BE(at + 12) & 0x1ff;
  const header = (f[at + 12]! >> 4) * 4;
  const seq = f.readUInt32BE(at + 4);
  if (flags & SYN) who.isn.set(port, seq);
  const isn = who.isn.get(port);
  const from = isn === undefined ? 0 : (seq - isn) | 0;
  const length = 14 + f.readUInt16BE(16) - at - header;
  const ack = flags & ACK ? f.readUInt32BE(at + 8) : 0;
  const options = optionText(f, at + 20, at + header, port, who);
  const rest = `win ${f.readUInt16BE(at + 14)} urg ${f.readUInt16BE(at + 18)} tos ${f[15]}`;
  return { atUs, text: `:${port} flags ${flags} ${from}(${length}) ack ${ack} ${rest} ${options}` };
}

/** The peer's frame as it must be for our stack: its acknowledgments refer to our numbers. */
function translate(frame: Buffer, kernel: Identity, ours: Identity): Buffer {
  const f = Buffer.from(frame);
  if (f.readUInt16BE(12) !== 0x800 || (f[14]! & 15) < 5) return f;
  const at = 14 + (f[14]! & 15) * 4;
  const end = Math.min(f.length, 14 + f.readUInt16BE(16));
  if (f[23] === TCP && (f.readUInt16BE(20) & 0x1fff) === 0 && end - at >= 20) translateTcp(f, at, end, kernel, ours);
  else if (f[23] === ICMP && QUOTING.includes(f[at]!)) translateQuoted(f, at, end, kernel, ours);
  return f;
}

function tcpSum(f: Buffer, at: number, end: number): number {
  const pseudo = Buffer.alloc(12);
  f.copy(pseudo, 0, 26, 34);
  pseudo[9] = TCP;
  pseudo.writeUInt16BE(end - at, 10);
  return sumOf(f.subarray(at, end), sumOf(pseudo));
}

function translateTcp(f: Buffer, at: number, end: number, kernel: Identity, ours: Identity): void {
  const port = f.readUInt16BE(at);
  const good = tcpSum(f, at, end) === 0xffff;
  const theirs = kernel.port.get(port);
  const own = ours.port.get(port);
  if (theirs !== undefined && own !== undefined && f.readUInt16BE(at + 2) === theirs) f.writeUInt16BE(own, at + 2);
  const isn = kernel.isn.get(port);
  const ourIsn = ours.isn.get(port);
  if (isn !== undefined && ourIsn !== undefined) {
    const move = (i: number) => f.writeUInt32BE((f.readUInt32BE(i) + ourIsn - isn) >>> 0, i);
    if (f[at + 13]! & ACK) move(at + 8);
    eachOption(f, at + 20, Math.min(end, at + (f[at + 12]! >> 4) * 4), (kind, i, length) => {
      if (kind === 5) for (let b = i + 2; b + 4 <= i + length; b += 4) move(b);
      if (kind === 8) f.writeUInt32BE(echoFor(f.readUInt32BE(i + 6), port, kernel, ours), i + 6);
    });
  }
  if (!good) return;
  f.writeUInt16BE(0, at + 16);
  f.writeUInt16BE(~tcpSum(f, at, end) & 0xffff, at + 16);
}

/** Our timestamp for one of the kernel's that the peer echoes: the clocks tick alike, but not at the same instant. */
function echoFor(echo: number, port: number, kernel: Identity, ours: Identity): number {
  const theirs = kernel.firstTs.get(port);
  const own = ours.firstTs.get(port);
  if (echo === 0 || theirs === undefined || own === undefined) return echo;
  const wanted = (echo - theirs + own) >>> 0;
  let best = wanted;
  let distance = 3;
  for (const t of ours.ts.get(port) ?? []) {
    const d = Math.abs((t - wanted) | 0);
    if (d < distance) {
      distance = d;
      best = t;
    }
  }
  return best;
}

function translateQuoted(f: Buffer, at: number, end: number, kernel: Identity, ours: Identity): void {
  const quoted = at + 8;
  if (end - at < 36 || f[quoted + 9] !== TCP) return;
  const t = quoted + (f[quoted]! & 15) * 4;
  const port = f.readUInt16BE(t + 2);
  const isn = kernel.isn.get(port);
  const ourIsn = ours.isn.get(port);
  if (isn !== undefined && ourIsn !== undefined) f.writeUInt32BE((f.readUInt32BE(t + 4) + ourIsn - isn) >>> 0, t + 4);
  const own = ours.port.get(port);
  if (own !== undefined) f.writeUInt16BE(own, t);
  f.writeUInt16BE(0, at + 2);
  f.writeUInt16BE(~sumOf(f.subarray(at, end)) & 0xffff, at + 2);
}

function countersOf(target: ParityTarget, nowUs: number): Map<string, number> {
  target.request({ op: 'counters' }, nowUs);
  const reply = target.reply(nowUs) as unknown as { snmp: string; netstat: string };
  const out = new Map<string, number>();
  for (const text of [reply.snmp, reply.netstat]) {
    const lines = text.trim().split('\n');
    for (let i = 0; i < lines.length; i += 2) {
      const [group, names] = lines[i]!.split(': ');
      const values = lines[i + 1]!.split(': ')[1]!.split(' ');
      for (const [k, name] of names!.split(' ').entries()) {
        out.set(name.startsWith(group!) ? name : group! + name, Number(values[k]));
      }
    }
  }
  return out;
}

function infoDifferences(target: ParityTarget, request: Request, nowUs: number): string[] {
  target.request(request, nowUs);
  const ours = (target.reply(nowUs) as unknown as { info?: Readonly<Record<string, number>> }).info ?? {};
  const wanted = request['fields'] as Readonly<Record<string, number>>;
  return Object.entries(wanted)
    .filter(([name, value]) => ours[name] !== value)
    .map(([name, value]) => `${name}: kernel ${value}, ours ${ours[name]}`);
}

export interface Replay {
  /** Counters that moved otherwise than the kernel's: name, kernel, ours. */
  readonly counters: readonly string[];
  /** Fields of tcp_info that the trace tells and ours has otherwise. */
  readonly info: readonly string[];
  readonly kernel: readonly Sent[];
  readonly ours: readonly Sent[];
}

/** Plays a trace against a fresh stack. */
export function replay(trace: KernelTrace): Replay {
  const link = new DirectLink(1500);
  let now = trace.events[0]!.atUs;
  const target = new ParityTarget(link, {
    mac: '02:00:00:00:00:01',
    addresses: ['10.99.0.1/24'],
    gateways: ['10.99.0.2'],
    clock: () => now,
  });
  const kernel = new Identity();
  const ours = new Identity();
  const theirFrames: Sent[] = [];
  let ourFrames: Sent[] = [];
  link.onFrame = (frame) => {
    const s = describe(frame, now, ours);
    if (s) ourFrames.push(s);
  };
  const poll = () => {
    for (let n = 0; target.poll(now) && n < 1000; n++);
    target.reply(now);
  };
  const advance = (to: number) => {
    for (let next = Math.ceil(target.nextDeadlineUs()); next <= to; next = Math.ceil(target.nextDeadlineUs())) {
      now = Math.max(now, next);
      poll();
    }
    now = Math.max(now, to);
    poll();
  };
  // the settings the kernel was recorded with
  for (const [name, value] of [['tcp_congestion_control', 'reno'] as const, ['tcp_rmem', '4096 131072 33554432'] as const]) {
    target.request({ op: 'sysctl', name: `net.ipv4.${name}`, value }, now);
    target.reply(now);
  }
  let before = new Map<string, number>();
  const info: string[] = [];
  for (const e of trace.events) {
    if (e.kind === 'out') {
      const s = describe(e.frame, e.atUs, kernel);
      if (s) theirFrames.push(s);
      continue;
    }
    advance(e.atUs);
    if (e.kind === 'in') link.inject(translate(e.frame, kernel, ours));
    else if (e.kind === 'info') info.push(...infoDifferences(target, e.request!, now));
    else if (e.kind === 'op') target.request(e.request!, now);
    else if (e.kind === 'counters') {
      before = countersOf(target, now);
      ourFrames = [];
    }
    poll();
  }
  const counters: string[] = [];
  const after = countersOf(target, now);
  for (const [name, value] of after) {
    const moved = value - (before.get(name) ?? 0);
    const expected = trace.counters.get(name) ?? 0;
    if (moved !== expected) counters.push(`${name}: kernel ${expected}, ours ${moved}`);
  }
  return { counters, info, kernel: theirFrames, ours: ourFrames };
}

/** The first frame that differs in content, or in time by more than timers can, as text; '' when all agree. */
export function firstDifference(r: Replay): string {
  const start = r.kernel[0]?.atUs ?? 0;
  for (let i = 0; i < Math.max(r.kernel.length, r.ours.length); i++) {
    const k = r.kernel[i];
    const o = r.ours[i];
    if (k?.text !== o?.text) return `frame ${i}:\n  kernel ${k?.text ?? 'nothing'}\n  ours   ${o?.text ?? 'nothing'}`;
    const late = Math.abs(k!.atUs - o!.atUs);
    if (late > SLACK_US + SLACK_SHARE * (k!.atUs - start)) return `frame ${i} is ${late} µs off: ${k!.text}`;
  }
  return '';
}
