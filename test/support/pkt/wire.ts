/** Segments of a script and on the wire: numbers relative to the first ones, options both ways, payload by its place in the stream. */
import { bytes, type ParsedFrame, tcp, u16, u32 } from '../frames.js';
import type { TcpOption, TcpStep } from './script.js';

const FLAGS: Readonly<Record<string, number>> = { F: 1, S: 2, R: 4, P: 8, '.': 16, U: 32, E: 64, W: 128, A: 256 };

export function flagBits(text: string): number {
  let bits = 0;
  for (const c of text) bits |= c >= '0' && c <= '7' ? Number(c) << 6 : (FLAGS[c] ?? 0);
  return bits;
}
export function flagText(bits: number): string {
  return Object.keys(FLAGS)
    .filter((c) => bits & FLAGS[c]!)
    .join('');
}

/** The byte at a place of a stream: a function of the place, so that a misplaced byte shows. */
export function streamByte(place: number): number {
  return (Math.imul(place + 1, 0x9e3779b1) >>> 24) & 255;
}
export function streamBytes(from: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => streamByte(from + i));
}

/**
 * One connection as the script numbers it: from each end's first SYN on, but that a SYN's own numbers stand as they are in the script, ours
 * counted from where the script had it (`sisn`).
 */
export class Numbering {
  /** First sequence numbers: ours (the stack's) and the script's peer's; null before the SYN. */
  localIsn: number | null = null;
  scriptIsn = 0;
  remoteIsn = 0;
  /** Script TSval to the stack's. */
  readonly timestamps = new Map<number, number>();
  /** The first pair of them: TSval of the script and of the stack. */
  firstTimestamp: readonly [number, number] | null = null;

  toLive(step: TcpStep): { seq: number; ack: number } {
    const syn = step.flags.includes('S');
    const seq = syn ? step.seq : step.seq + this.remoteIsn;
    const base = syn ? (this.localIsn ?? 0) - this.scriptIsn : (this.localIsn ?? 0);
    const ack = step.flags.includes('.') ? (step.ack ?? 0) + base : (step.ack ?? 0);
    return { seq: seq >>> 0, ack: ack >>> 0 };
  }
  /** The script's number for one of our sequence numbers. */
  toScript(f: ParsedFrame): number {
    if (this.localIsn === null) return f.seq;
    return (f.seq - this.localIsn + (f.flags & 2 ? this.scriptIsn : 0)) >>> 0;
  }
  noteTimestamp(script: number, live: number): void {
    this.timestamps.set(script, live);
    this.firstTimestamp ??= [script, live];
  }
}

export function encodeOptions(options: readonly TcpOption[], numbering: Numbering, acks: boolean): Uint8Array {
  return bytes(
    ...options.map((o) => {
      switch (o.kind) {
        case 'nop':
          return bytes(1);
        case 'eol':
          return bytes(0);
        case 'mss':
          return bytes([2, 4], u16(o.value!));
        case 'wscale':
          return bytes([3, 3, o.value!]);
        case 'sackOK':
          return bytes([4, 2]);
        case 'TS': {
          const [val, ecr] = o.numbers as [number, number];
          return bytes([8, 10], u32(val >>> 0), u32((acks ? (numbering.timestamps.get(ecr) ?? ecr) : ecr) >>> 0));
        }
        case 'sack':
          return bytes([5, 2 + o.numbers!.length * 4], ...o.numbers!.map((n) => u32((n + (numbering.localIsn ?? 0)) >>> 0)));
        case 'ECN':
          return encodeCounters(o.counters!);
        case 'md5':
          return bytes([19, 18], Uint8Array.from(Buffer.from(o.cookie!, 'hex')));
        case 'FO':
        case 'FOEXP': {
          const cookie = Uint8Array.from(Buffer.from(o.cookie!, 'hex'));
          return o.kind === 'FO' ? bytes([34, 2 + cookie.length], cookie) : bytes([254, 4 + cookie.length, 0xf9, 0x89], cookie);
        }
        default:
          throw new Error(`option ${String(o.kind)}`);
      }
    }),
  );
}

/** AccECN's option (RFC 9768 3.2.3); the first counter tells the order. */
function encodeCounters(text: string): Uint8Array {
  const words = text.split(' ').filter((w) => w !== '');
  const values = words.filter((_, i) => i & 1).map(Number);
  return bytes([words[0] === 'e0b' ? 172 : 174, 2 + 3 * values.length], ...values.map((n) => u32(n).subarray(1)));
}
function counterText(option: Uint8Array): string {
  const names = option[0] === 172 ? ['e0b', 'ceb', 'e1b'] : ['e1b', 'ceb', 'e0b'];
  const count = (option.length - 2) / 3;
  const value = (i: number) => (option[2 + 3 * i]! << 16) | (option[3 + 3 * i]! << 8) | option[4 + 3 * i]!;
  return Array.from({ length: count }, (_, i) => `${names[i]} ${value(i)}`).join(' ');
}

/** The options of a segment as the script would write them. */
export function decodeOptions(f: ParsedFrame, remoteIsn: number): TcpOption[] {
  const out: TcpOption[] = [];
  const b = f.options;
  const v = new DataView(b.buffer, b.byteOffset, b.length);
  const rel = (at: number) => (v.getUint32(at) - remoteIsn) >>> 0;
  for (let at = 0; at < b.length; ) {
    const k = b[at]!;
    if (k <= 1) {
      out.push({ kind: k ? 'nop' : 'eol' });
      at++;
      continue;
    }
    const size = b[at + 1]!;
    if (k === 2) out.push({ kind: 'mss', value: v.getUint16(at + 2) });
    else if (k === 3) out.push({ kind: 'wscale', value: b[at + 2]! });
    else if (k === 4) out.push({ kind: 'sackOK' });
    else if (k === 5) out.push({ kind: 'sack', numbers: Array.from({ length: (size - 2) / 4 }, (_, i) => rel(at + 2 + i * 4)) });
    else if (k === 8) out.push({ kind: 'TS', numbers: [v.getUint32(at + 2), v.getUint32(at + 6)] });
    else if (k === 172 || k === 174) out.push({ kind: 'ECN', counters: counterText(b.subarray(at, at + size)) });
    else if (k === 19) out.push({ kind: 'md5', cookie: Buffer.from(b.subarray(at + 2, at + size)).toString('hex') });
    else if (k === 34) out.push({ kind: 'FO', cookie: Buffer.from(b.subarray(at + 2, at + size)).toString('hex') });
    else if (k === 254) out.push({ kind: 'FOEXP', cookie: Buffer.from(b.subarray(at + 4, at + size)).toString('hex') });
    else throw new Error(`option ${k} on the wire`);
    at += size;
  }
  return out;
}

export function optionText(options: readonly TcpOption[]): string {
  return options
    .map((o) => [o.kind, o.value ?? o.numbers?.join(' ') ?? o.cookie ?? o.counters ?? ''].join(' ').trim())
    .join(', ');
}

export interface Ends {
  readonly local: string;
  readonly remote: string;
  readonly localPort: number;
  readonly remotePort: number;
}

/** The script's inbound segment as TCP bytes. */
export function encodeSegment(step: TcpStep, numbering: Numbering, ends: Ends): Uint8Array {
  const { seq, ack } = numbering.toLive(step);
  const options = encodeOptions(step.options ?? [], numbering, step.flags.includes('.'));
  if (options.length % 4 !== 0) throw new Error('the options are not a multiple of four bytes');
  const place = step.flags.includes('S') ? 0 : Math.max(0, step.seq - 1);
  return tcp(
    {
      src: ends.remote,
      dst: ends.local,
      sport: ends.remotePort,
      dport: ends.localPort,
      seq,
      ack,
      flags: flagBits(step.flags),
      window: step.window ?? 0,
      urgent: step.urgent,
      options,
    },
    streamBytes(place, step.length),
  );
}
