/** Reads .pkt scripts: tokens by one sticky expression, then recursive descent. Errors say the line. */
import { ANY, type Event, type IpFields, type Script, type Step, type TcpOption, type Value } from './script.js';

interface Token {
  readonly kind: 'number' | 'word' | 'text' | 'shell' | 'code' | 'flag' | 'mark';
  readonly text: string;
  readonly line: number;
}

const SKIP = /(?:\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)+/y;
const TOKENS: readonly (readonly [Token['kind'], RegExp])[] = [
  ['flag', /--\w+(?:=[^\s`]+)*/y],
  ['shell', /`[^`]*`/y],
  ['code', /%\{[\s\S]*?\}%/y],
  ['text', /"(?:\\.|[^"])*"/y],
  ['mark', /\.\.\./y],
  ['number', /-?(?:0x[0-9a-fA-F]+|\d+\.\d+\.\d+\.\d+|\d*\.\d+|\d+)(?![\w])/y],
  ['word', /[A-Za-z0-9_]+/y],
  ['mark', /[\s\S]/y],
];

export class ScriptError extends Error {}

function tokenize(source: string): Token[] {
  const out: Token[] = [];
  let at = 0;
  let line = 1;
  const advance = (text: string) => {
    at += text.length;
    line += text.split('\n').length - 1;
  };
  while (at < source.length) {
    SKIP.lastIndex = at;
    const space = SKIP.exec(source);
    if (space) {
      advance(space[0]);
      continue;
    }
    for (const [kind, pattern] of TOKENS) {
      pattern.lastIndex = at;
      const m = pattern.exec(source);
      if (!m) continue;
      out.push({ kind, text: m[0], line });
      advance(m[0]);
      break;
    }
  }
  return out;
}

const CONSTANTS: Readonly<Record<string, number>> = {
  NULL: 0,
  O_RDWR: 2,
  O_NONBLOCK: 0o4000,
  MSG_OOB: 1,
  MSG_PEEK: 2,
  MSG_TRUNC: 0x20,
  MSG_DONTWAIT: 0x40,
  MSG_WAITALL: 0x100,
  MSG_EOR: 0x80,
  MSG_ERRQUEUE: 0x2000,
  MSG_NOSIGNAL: 0x4000,
  MSG_MORE: 0x8000,
  MSG_ZEROCOPY: 0x4000000,
  MSG_FASTOPEN: 0x20000000,
  POLLIN: 1,
  POLLPRI: 2,
  POLLOUT: 4,
  POLLERR: 8,
  POLLHUP: 16,
  POLLRDHUP: 0x2000,
  EPOLLIN: 1,
  EPOLLPRI: 2,
  EPOLLOUT: 4,
  EPOLLERR: 8,
  EPOLLHUP: 16,
  EPOLLRDHUP: 0x2000,
  EPOLLEXCLUSIVE: 1 << 28,
  EPOLLONESHOT: 1 << 30,
  EPOLLET: 1 << 31,
};
const ECN: Readonly<Record<string, readonly number[]>> = { noecn: [0], ect1: [1], ect0: [2], ect01: [1, 2], ce: [3] };
/** What scripts expect to be defined beside their own `--define=NAME=VALUE`. */
const DEFINES: Readonly<Record<string, string>> = {
  TFO_COOKIE: '3021b9d889017eeb',
  TFO_COOKIE_ZERO: 'b7c12350a90dc8f5',
  CMSG_LEVEL_IP: 'SOL_IP',
  CMSG_TYPE_RECVERR: 'IP_RECVERR',
};

export function parseScript(source: string): Script {
  const defines = new Map(Object.entries(DEFINES));
  for (const m of source.matchAll(/^\s*--define=(\w+)=(\S+)/gm)) defines.set(m[1]!, m[2]!);
  const tokens = tokenize(source).map((t) => (t.kind === 'word' ? { ...t, text: defines.get(t.text) ?? t.text } : t));
  return new Parser(tokens).script();
}

class Parser {
  private readonly tokens: Token[];
  private at = 0;
  constructor(tokens: Token[]) {
    this.tokens = tokens;
  }

  private get now(): Token {
    return this.tokens[this.at] ?? { kind: 'mark', text: 'end of script', line: this.tokens.at(-1)?.line ?? 0 };
  }
  private fail(wanted: string): never {
    throw new ScriptError(`line ${this.now.line}: expected ${wanted}, found ${this.now.text.slice(0, 30)}`);
  }
  private take(): Token {
    const t = this.now;
    this.at++;
    return t;
  }
  private eat(text: string): boolean {
    if (this.now.text !== text || this.now.kind === 'text') return false;
    this.at++;
    return true;
  }
  private need(text: string): void {
    if (!this.eat(text)) this.fail(text);
  }
  private number(): number {
    if (this.now.kind !== 'number') this.fail('a number');
    return Number(this.take().text);
  }
  private microseconds(): number {
    return Math.round(this.number() * 1e6);
  }

  script(): Script {
    const options = new Map<string, string>();
    while (this.now.kind === 'flag') {
      const [name, ...value] = this.take().text.slice(2).split('=');
      options.set(name!, value.join('='));
    }
    const setup = this.now.kind === 'shell' ? this.take().text.slice(1, -1) : null;
    const events: Event[] = [];
    while (this.at < this.tokens.length) {
      if (this.now.kind === 'shell' && this.at === this.tokens.length - 1) break; // cleaning up: nothing is left behind here
      events.push(this.event());
    }
    return { options, setup, events };
  }

  private event(): Event {
    const line = this.now.line;
    const anyTime = this.eat('*');
    const relative = !anyTime && this.eat('+');
    const at = anyTime ? 0 : this.microseconds();
    let until: number | null = null;
    if (this.eat('~')) {
      this.eat('+');
      until = this.microseconds();
    }
    return { line, relative, at, until, anyTime, what: this.step() };
  }

  private step(): Step {
    const t = this.now;
    if (t.kind === 'shell') return { step: 'command', text: this.take().text.slice(1, -1) };
    if (t.kind === 'code') return { step: 'assert', text: this.take().text.slice(2, -2).trim() };
    if (t.text === '<' || t.text === '>') return this.packet(this.take().text === '<');
    return this.call();
  }

  // ---- packets

  private packet(inbound: boolean): Step {
    const ip = this.ipFields();
    if (this.eat('icmp')) return this.icmp();
    const ports = this.tokens[this.at + 1]?.text === '>' ? this.ports() : null;
    let flags = '';
    while (!(this.now.kind === 'number' && this.tokens[this.at + 1]?.text === ':')) flags += this.take().text;
    if (!/^[-FSRP.UEWA0-7]+$/.test(flags)) this.fail('TCP flags');
    const { seq, length } = this.range();
    const ack = this.eat('ack') ? this.number() : null;
    const window = this.eat('win') ? this.number() : null;
    const urgent = this.eat('urg') ? this.number() : 0;
    return { step: 'tcp', inbound, ports, flags, seq, length, ack, window, urgent, options: this.options(), ip };
  }
  private ports(): [number, number] {
    const from = this.number();
    this.need('>');
    return [from, this.number()];
  }
  /** `[ect0]`, `[tos 0x10, ttl 64]`. */
  private ipFields(): IpFields {
    let ecn: readonly number[] | null = null;
    let tos: number | null = null;
    let ttl: number | null = null;
    if (!this.eat('[')) return { ecn, tos, ttl };
    do {
      const word = this.take().text;
      if (word === 'tos') tos = this.number();
      else if (word === 'ttl') ttl = this.number();
      else ecn = ECN[word] ?? this.fail('an ECN codepoint');
    } while (this.eat(','));
    this.need(']');
    return { ecn, tos, ttl };
  }

  /** `seq:end(length)`. */
  private range(): { seq: number; length: number } {
    const seq = this.number();
    this.need(':');
    const end = this.number();
    this.need('(');
    const length = this.number();
    this.need(')');
    if (end - seq !== length) this.fail('sequence numbers that agree with the length');
    return { seq, length };
  }

  private icmp(): Step {
    const type = this.take().text;
    const code = this.now.kind === 'word' && this.now.text !== 'mtu' ? this.take().text : '';
    const mtu = this.eat('mtu') ? this.number() : 0;
    if (!this.eat('[')) return { step: 'icmp', type, code, mtu, seq: 0, length: 0 };
    const { seq, length } = this.range();
    this.need(']');
    return { step: 'icmp', type, code, mtu, seq, length };
  }

  private options(): TcpOption[] | null {
    const list: TcpOption[] = [];
    if (!this.eat('<')) return list;
    if (this.eat('...')) {
      this.need('>');
      return null;
    }
    do list.push(this.option());
    while (this.eat(','));
    this.need('>');
    return list;
  }

  private option(): TcpOption {
    const kind = this.take().text;
    switch (kind) {
      case 'nop':
      case 'eol':
      case 'sackOK':
        return { kind };
      case 'mss':
      case 'wscale':
        return { kind, value: this.number() };
      case 'TS': {
        this.need('val');
        const val = this.number();
        this.need('ecr');
        return { kind, numbers: [val, this.number()] };
      }
      case 'sack': {
        const numbers: number[] = [];
        while (this.now.kind === 'number') {
          numbers.push(this.number());
          this.need(':');
          numbers.push(this.number());
        }
        return { kind, numbers };
      }
      case 'ECN': {
        const words: string[] = [];
        while (/^(e0b|e1b|ceb)$/.test(this.now.text)) words.push(this.take().text, String(this.number()));
        return { kind, counters: words.join(' ') };
      }
      case 'md5':
        return { kind, cookie: this.take().text };
      case 'FO':
      case 'FOEXP':
        return { kind, cookie: this.now.text === ',' || this.now.text === '>' ? '' : this.take().text };
      default:
        return this.fail('a TCP option');
    }
  }

  // ---- system calls

  private call(): Step {
    const end = this.eat('...') ? this.microseconds() : null;
    const name = this.take().text;
    this.need('(');
    const args = this.list(')');
    this.need('=');
    const result = this.value();
    const errno = /^E[A-Z]+$/.test(this.now.text) ? this.take().text : null;
    if (this.eat('(')) while (!this.eat(')')) this.take();
    return { step: 'call', name, args, result, errno, end };
  }

  private list(close: string): Value[] {
    const out: Value[] = [];
    if (this.eat(close)) return out;
    do out.push(this.value());
    while (this.eat(','));
    this.need(close);
    return out;
  }

  private value(): Value {
    let v = this.single();
    while (this.eat('|')) {
      const other = this.single();
      v = typeof v === 'number' && typeof other === 'number' ? v | other : `${String(v)}|${String(other)}`;
    }
    return v;
  }

  private single(): Value {
    if (this.eat('...')) return ANY;
    if (this.now.kind === 'number') return this.number();
    if (this.now.kind === 'text') return this.text();
    if (this.eat('[')) return this.list(']');
    if (this.eat('{')) return this.struct();
    const word = this.take().text;
    if (this.eat('(')) return this.list(')')[0] ?? ANY; // htons(8080), inet_addr("…")
    return CONSTANTS[word] ?? word;
  }
  /** Texts that follow one another are one; a `...` after them says that more follows. */
  private text(): string {
    let all = '';
    while (this.now.kind === 'text') all += this.take().text.slice(1, -1);
    this.eat('...');
    return all;
  }

  private struct(): Value {
    const out: Record<string, Value> = {};
    let place = 0;
    if (this.eat('}')) return out;
    do {
      const next = this.tokens[this.at + 1]?.text;
      const named = this.now.kind === 'word' && (next === '=' || next === '(');
      const field = named ? this.take().text : String(place++);
      if (named && this.eat('(')) this.list(')');
      if (named) this.need('=');
      out[field] = this.value();
    } while (this.eat(','));
    this.need('}');
    return out;
  }
}
