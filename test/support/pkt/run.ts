/**
 * Runs a .pkt script against the stack in virtual time. Each event happens at its own time; an expected segment is waited for by jumping
 * from timer to timer, and must come within the tolerance and be equal in everything the script says of it. Nothing may come unasked.
 */
import { readFileSync } from 'node:fs';
import { PacketdrillStack } from '../../interop/packetdrill-adapter.js';
import type { SystemCallResult } from '../../interop/system-calls.js';
import { arp, bytes, EtherType, ethernet, icmp, ipv4, type ParsedFrame, Proto, parseFrame, u16, u32 } from '../frames.js';
import { CallTable, LOCAL, PORT, REMOTE } from './calls.js';
import { parseScript } from './parse.js';
import type { CallStep, Event, IcmpStep, Script, TcpOption, TcpStep } from './script.js';
import { decodeOptions, encodeSegment, flagBits, flagText, Numbering, optionText, streamByte } from './wire.js';

const MAC = '02:00:00:00:00:01';
const GATEWAY_MAC = '02:00:00:00:00:02';
const GATEWAY = '192.168.0.2';
const TOLERANCE_US = 4000;
const CLIENT_PORT = 50000;

const ICMP: Readonly<Record<string, readonly [number, number]>> = {
  net_unreachable: [3, 0],
  host_unreachable: [3, 1],
  protocol_unreachable: [3, 2],
  port_unreachable: [3, 3],
  frag_needed: [3, 4],
  admin_prohibited: [3, 13],
};

class ScriptFailure extends Error {}

/** Runs one script file; throws with the script's line when it does not hold. */
export function runScriptFile(file: string): void {
  new Run(parseScript(readFileSync(file, 'utf8'))).all();
}
export function runScriptText(text: string): void {
  new Run(parseScript(text)).all();
}

interface Pending {
  readonly step: CallStep;
  readonly line: number;
  readonly endUs: number;
}

class Run {
  private readonly script: Script;
  private readonly stack: PacketdrillStack;
  private readonly calls = new CallTable();
  private readonly sent: { f: ParsedFrame; at: number }[] = [];
  private readonly tolerance: number;
  private numbering = new Numbering();
  private localPort = PORT;
  private remotePort = CLIENT_PORT;
  private nowUs = 0;
  private lastUs = 0;
  private pending: Pending | null = null;
  private failure: string | null = null;
  private counted: Record<string, number> = {};

  constructor(script: Script) {
    this.script = script;
    this.tolerance = Number(script.options.get('tolerance_usecs') ?? TOLERANCE_US);
    const mtu = Number(script.options.get('mtu') ?? 1500);
    this.stack = new PacketdrillStack({ mac: MAC, ip: LOCAL, prefix: 16, gateway: GATEWAY, mtu });
    this.stack.onTransmit((frame, at) => this.heard(parseFrame(frame), at));
    if (script.setup !== null) this.command(script.setup);
  }

  private heard(f: ParsedFrame, at: number): void {
    if (f.kind === 'tcp') this.sent.push({ f, at });
    if (f.kind !== 'arp' || f.dst !== GATEWAY) return;
    const reply = arp({ op: 2, senderMac: GATEWAY_MAC, sender: GATEWAY, targetMac: MAC, target: LOCAL });
    this.stack.inject(Buffer.from(ethernet(MAC, GATEWAY_MAC, EtherType.arp, reply)), at);
  }

  all(): void {
    for (const e of this.script.events) {
      try {
        this.event(e);
        if (this.failure) throw new ScriptFailure(this.failure);
      } catch (x) {
        if (x instanceof ScriptFailure) throw new Error(`line ${e.line}: ${x.message}`);
        throw x;
      }
    }
    if (this.pending) this.finishPending();
    const extra = this.sent[0];
    if (extra) throw new Error(`at the end: nobody asked for ${this.describe(extra.f)} at ${extra.at / 1e6}`);
    this.stack.destroy();
  }

  private event(e: Event): void {
    const base = e.relative ? this.lastUs : 0;
    const at = base + e.at;
    const what = e.what;
    if (what.step === 'tcp' && !what.inbound) {
      this.lastUs = this.expectSegment(what, e.anyTime ? null : at, e.until === null ? at : base + e.until);
      return;
    }
    this.advance(at);
    this.lastUs = at;
    if (what.step === 'tcp') this.inject(what);
    else if (what.step === 'icmp') this.injectError(what);
    else if (what.step === 'command') this.command(what.text);
    else if (what.step === 'assert') this.assertInfo(what.text);
    else this.call(what, e, what.end === null ? null : base + what.end);
  }

  private advance(toUs: number): void {
    if (toUs <= this.nowUs) return;
    this.stack.advanceTo(toUs);
    this.nowUs = toUs;
  }

  // ---- packets

  private inject(step: TcpStep): void {
    if (step.flags.includes('S')) this.numbering.remoteIsn = step.seq;
    const ends = { local: LOCAL, remote: REMOTE, localPort: this.localPort, remotePort: this.remotePort };
    const segment = encodeSegment(step, this.numbering, ends);
    const packet = ipv4({ src: REMOTE, dst: LOCAL, protocol: Proto.tcp, ttl: 255, tos: step.ecn ?? 0 }, segment);
    this.stack.inject(Buffer.from(ethernet(MAC, GATEWAY_MAC, EtherType.ipv4, packet)), this.nowUs);
  }

  private injectError(step: IcmpStep): void {
    const kind = ICMP[step.code];
    if (!kind) throw new ScriptFailure(`ICMP ${step.type} ${step.code} is not known here`);
    const seq = (step.seq + (this.numbering.localIsn ?? 0)) >>> 0;
    const header = bytes(u16(this.localPort), u16(this.remotePort), u32(seq));
    const quoted = ipv4({ src: LOCAL, dst: REMOTE, protocol: Proto.tcp, totalLength: 40 + step.length }, header);
    const rest = bytes(u32(kind[1] === 4 ? step.mtu : 0), quoted);
    const packet = ipv4({ src: REMOTE, dst: LOCAL, protocol: Proto.icmp }, icmp(kind[0], kind[1], rest));
    this.stack.inject(Buffer.from(ethernet(MAC, GATEWAY_MAC, EtherType.ipv4, packet)), this.nowUs);
  }

  /** The next segment on the wire, or null when none comes until the deadline. */
  private nextSegment(deadlineUs: number): { f: ParsedFrame; at: number } | null {
    for (;;) {
      const x = this.sent.shift();
      if (x) return x;
      const timer = this.stack.nextTimerUs();
      if (timer === null || timer > deadlineUs) return null;
      this.advance(Math.max(timer, this.nowUs));
      this.stack.advanceTo(this.nowUs);
    }
  }

  private expectSegment(step: TcpStep, from: number | null, until: number): number {
    const slack = Math.max(this.tolerance, (until - this.lastUs) / 100);
    const deadline = from === null ? Number.MAX_SAFE_INTEGER : until + slack;
    const first = this.nextSegment(deadline);
    if (!first) throw new ScriptFailure(`nothing was sent until ${deadline / 1e6}`);
    this.learn(step, first.f);
    this.compare(step, first.f, this.rest(step, first.f, deadline));
    if (from !== null && (first.at < from - slack || first.at > deadline)) {
      throw new ScriptFailure(`sent at ${first.at / 1e6}, not at ${from / 1e6}${until > from ? `~${until / 1e6}` : ''}`);
    }
    this.nowUs = Math.max(this.nowUs, first.at);
    return from === null ? first.at : Math.max(from, Math.min(first.at, until));
  }

  /** Segments that follow the first until the script's length is there (a super-frame that the device cut). The last of them. */
  private rest(step: TcpStep, f: ParsedFrame, deadline: number): ParsedFrame {
    let last = f;
    for (let length = f.data.length; length < step.length; length += last.data.length) {
      const next = this.nextSegment(deadline)?.f;
      if (!next) throw new ScriptFailure(`only ${length} of ${step.length} bytes were sent`);
      if (next.seq !== (last.seq + last.data.length) >>> 0 || next.ack !== f.ack)
        throw new ScriptFailure(`a piece does not follow: ${this.describe(next)}`);
      this.checkBytes(next);
      last = next;
    }
    const sum = (last.seq + last.data.length - f.seq) >>> 0;
    if (sum !== step.length) throw new ScriptFailure(`${sum} bytes of data, the script says ${step.length}: ${this.describe(f)}`);
    return last;
  }

  private learn(step: TcpStep, f: ParsedFrame): void {
    if (step.flags.includes('S') && this.numbering.localIsn === null) {
      this.numbering.localIsn = f.seq;
      this.localPort = f.sport;
      this.remotePort = f.dport;
    }
  }

  private describe(f: ParsedFrame): string {
    const n = this.numbering;
    const seq = (f.seq - (n.localIsn ?? 0)) >>> 0;
    const ack = f.flags & 16 ? `ack ${(f.ack - (f.flags & 2 ? 0 : n.remoteIsn)) >>> 0} ` : '';
    return `${flagText(f.flags)} ${seq}:${seq + f.data.length}(${f.data.length}) ${ack}win ${f.window} <${optionText(decodeOptions(f, n.remoteIsn))}>`;
  }

  private compare(step: TcpStep, f: ParsedFrame, last: ParsedFrame): void {
    const n = this.numbering;
    const wrong = (what: string): never => {
      throw new ScriptFailure(`${what} is not the script's: ${this.describe(f)}`);
    };
    if (!f.sumsGood) wrong('a checksum');
    if (f.sport !== this.localPort || f.dport !== this.remotePort) wrong('a port');
    const ends = 1 | 8; // FIN and PSH are on the last piece
    if (((f.flags & ~ends) | (last.flags & ends)) !== flagBits(step.flags)) wrong('a flag');
    if ((f.seq - (n.localIsn ?? 0)) >>> 0 !== step.seq) wrong('the sequence number');
    const syn = step.flags.includes('S');
    const ack = syn ? n.remoteIsn + (step.ack ?? 0) : (step.ack ?? 0) + n.remoteIsn;
    if (step.flags.includes('.') && f.ack !== (syn ? (step.ack ?? 0) : ack) >>> 0) wrong('the acknowledgement');
    if (step.window !== null && f.window !== step.window) wrong('the window');
    if (step.ecn !== null && (f.tos & 3) !== step.ecn) wrong('the ECN codepoint');
    if (step.options !== null) this.compareOptions(step.options, decodeOptions(f, n.remoteIsn), wrong);
    this.checkBytes(f);
  }

  private compareOptions(wanted: readonly TcpOption[], got: readonly TcpOption[], wrong: (what: string) => never): void {
    if (wanted.length !== got.length) wrong(`the list of options (${optionText(wanted)})`);
    for (const [i, w] of wanted.entries()) {
      const g = got[i]!;
      if (w.kind === 'TS' && g.kind === 'TS') this.numbering.timestamps.set(w.numbers![0]!, g.numbers![0]!);
      else if (JSON.stringify(w) !== JSON.stringify(g)) wrong(`option ${optionText([w])}`);
    }
  }

  private checkBytes(f: ParsedFrame): void {
    const place = ((f.seq - (this.numbering.localIsn ?? 0)) >>> 0) - (f.flags & 2 ? 0 : 1);
    for (let i = 0; i < f.data.length; i++) {
      if (f.data[i] !== streamByte(place + i)) throw new ScriptFailure(`byte ${place + i} of the stream is wrong`);
    }
  }

  // ---- calls, commands, assertions

  private call(step: CallStep, e: Event, endUs: number | null): void {
    if (this.pending) this.finishPending();
    if (step.name === 'socket') this.numbering = new Numbering();
    if (step.name === 'connect' || step.name === 'sendto') this.remotePort = PORT;
    let returned = false;
    const done = (r: SystemCallResult) => {
      returned = true;
      const at = r.timeUs ?? this.nowUs;
      const late = endUs !== null && Math.abs(at - endUs) > Math.max(this.tolerance, (endUs - this.lastUs) / 100);
      this.failure ??= late ? `${step.name} returned at ${at / 1e6}, not at ${endUs / 1e6}` : this.calls.judge(step, r);
      this.pending = null;
    };
    this.stack.sys(step.name, this.calls.args(step), done);
    if (returned) return;
    if (endUs === null) throw new ScriptFailure(`${step.name} blocks`);
    this.pending = { step, line: e.line, endUs };
  }

  private finishPending(): void {
    const p = this.pending!;
    const deadline = p.endUs + Math.max(this.tolerance, (p.endUs - this.lastUs) / 100);
    while (this.pending && this.nowUs < deadline) this.advance(Math.min(this.stack.nextTimerUs() ?? deadline, deadline));
    if (this.pending) throw new ScriptFailure(`${p.step.name} of line ${p.line} never returned`);
    if (this.failure) throw new ScriptFailure(this.failure);
  }

  private command(text: string): void {
    for (const line of text.split(/[\n;]/)) {
      const words = line.trim();
      if (words === '') continue;
      const sysctl = /^sysctl (?:-[qw]+ )?(.*)$/.exec(words);
      const grep = /^nstat -s \| grep (\w+) \| grep -q " (\d+) "$/.exec(words);
      if (sysctl) this.sysctl(sysctl[1]!);
      else if (words === 'nstat -n') this.counted = this.stack.counters();
      else if (grep) this.checkCounter(grep[1]!, Number(grep[2]));
      else throw new ScriptFailure(`no such command here: ${words}`);
    }
  }

  private sysctl(text: string): void {
    for (const m of text.matchAll(/net\.ipv4\.(\w+)=("[^"]*"|\S+)/g)) {
      if (!this.stack.sysctl(m[1]!, m[2]!.replaceAll('"', ''))) throw new ScriptFailure(`sysctl ${m[0]} was refused`);
    }
  }

  private checkCounter(name: string, wanted: number): void {
    const moved = (this.stack.counters()[name] ?? Number.NaN) - (this.counted[name] ?? 0);
    if (moved !== wanted) throw new ScriptFailure(`${name} moved by ${moved}, the script says ${wanted}`);
  }

  /** `assert tcpi_unacked == 2` of the socket that was made last; several joined by `and`, or on lines of their own. */
  private assertInfo(text: string): void {
    const fd = [...this.calls.files.values()].at(-1)?.fd;
    let info: Record<string, number> = {};
    this.stack.sys('getsockopt', { fd, level: 'SOL_TCP', name: 'TCP_INFO' }, (r) => {
      info = (r.out?.['value'] ?? {}) as Record<string, number>;
    });
    for (const line of text.split('\n')) {
      const claim = /^\s*assert\s+([^,#]*)/.exec(line)?.[1];
      for (const part of claim?.split(' and ') ?? []) {
        const m = /^\s*(\w+)\s*(==|!=|<=|>=|<|>)\s*(\d+)\s*$/.exec(part);
        if (!m) throw new ScriptFailure(`cannot read the assertion ${part}`);
        if (!holds(info[m[1]!], m[2]!, Number(m[3]))) throw new ScriptFailure(`assert ${part.trim()}: it is ${info[m[1]!]}`);
      }
    }
  }
}

function holds(a: number | undefined, op: string, b: number): boolean {
  if (a === undefined) return false;
  switch (op) {
    case '==':
      return a === b;
    case '!=':
      return a !== b;
    case '<=':
      return a <= b;
    case '>=':
      return a >= b;
    case '<':
      return a < b;
    default:
      return a > b;
  }
}
