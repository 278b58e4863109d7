/**
 * Runs a .pkt script against the stack in virtual time. Each event happens at its own time; an expected segment is waited for by jumping
 * from timer to timer, and must come within the tolerance and be equal in everything the script says of it. Nothing may come unasked.
 */
import { readFileSync } from 'node:fs';
import { PacketdrillStack } from '../../interop/packetdrill-adapter.js';
import type { SystemCallResult } from '../../interop/system-calls.js';
import { arp, bytes, EtherType, ethernet, icmp, ipv4, type ParsedFrame, Proto, parseFrame, u16, u32 } from '../frames.js';
import { runBlock } from './assert.js';
import { CallTable, LOCAL, REMOTE } from './calls.js';
import { Commands } from './commands.js';
import { type Flow, Flows } from './flow.js';
import { parseScript } from './parse.js';
import type { CallStep, Event, IcmpStep, IpFields, Script, TcpOption, TcpStep } from './script.js';
import { decodeOptions, encodeSegment, flagBits, flagText, optionText, streamByte } from './wire.js';

const MAC = '02:00:00:00:00:01';
const GATEWAY_MAC = '02:00:00:00:00:02';
const GATEWAY = '192.168.0.2';
const TOLERANCE_US = 4000;
const TOLERANCE_PERCENT = 1;

/** Types and codes of ICMP errors. */
const ICMP_TYPE: Readonly<Record<string, number>> = { unreachable: 3, source_quench: 4, time_exceeded: 11 };
const ICMP_CODE: Readonly<Record<string, number>> = {
  '': 0,
  net_unreachable: 0,
  host_unreachable: 1,
  protocol_unreachable: 2,
  port_unreachable: 3,
  frag_needed: 4,
  source_route_failed: 5,
  admin_prohibited: 13,
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
  private readonly commands: Commands;
  private readonly flows = new Flows();
  private readonly sent: { f: ParsedFrame; at: number }[] = [];
  private readonly tolerance: number;
  private readonly percent: number;
  /** What assertions have kept. */
  private readonly scope = new Map<string, number | boolean>();
  private nowUs = 0;
  private lastUs = 0;
  private pending: Pending | null = null;
  private failure: string | null = null;

  constructor(script: Script) {
    this.script = script;
    this.tolerance = Number(script.options.get('tolerance_usecs') ?? TOLERANCE_US);
    this.percent = Number(script.options.get('tolerance_percent') ?? TOLERANCE_PERCENT);
    const mtu = Number(script.options.get('mtu') ?? 1500);
    this.stack = new PacketdrillStack({ mac: MAC, ip: LOCAL, prefix: 16, gateway: GATEWAY, mtu });
    this.commands = new Commands(this.stack);
    this.stack.onTransmit((frame, at) => this.heard(parseFrame(frame), at));
    if (script.setup !== null) this.command(script.setup);
  }

  /** How far from its time a thing may happen, `spanUs` after the last one. */
  private slack(spanUs: number): number {
    return Math.max(this.tolerance, (spanUs * this.percent) / 100);
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
    const extra = this.sent.find((x) => this.flows.isCurrent(x.f));
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
    const flow = this.flows.inbound(step);
    const [remotePort, localPort] = step.ports ?? [flow.remotePort, flow.localPort];
    const segment = encodeSegment(step, flow.numbering, { local: LOCAL, remote: REMOTE, localPort, remotePort });
    const { ecn, tos, ttl } = step.ip;
    const packet = ipv4({ src: REMOTE, dst: LOCAL, protocol: Proto.tcp, ttl: ttl ?? 255, tos: tos ?? ecn?.[0] ?? 0 }, segment);
    const frame = Buffer.from(ethernet(MAC, GATEWAY_MAC, EtherType.ipv4, packet));
    const mss = this.script.options.get('mss');
    this.stack.inject(frame, this.nowUs, mss ? { gsoSize: Number(mss) } : undefined);
  }

  private injectError(step: IcmpStep): void {
    const type = ICMP_TYPE[step.type];
    const code = ICMP_CODE[step.code];
    const flow = this.flows.current;
    if (type === undefined || code === undefined || !flow)
      throw new ScriptFailure(`ICMP ${step.type} ${step.code} is not known here`);
    const seq = (step.seq + (flow.numbering.localIsn ?? 0)) >>> 0;
    const header = bytes(u16(flow.localPort), u16(flow.remotePort), u32(seq));
    const quoted = ipv4({ src: LOCAL, dst: REMOTE, protocol: Proto.tcp, totalLength: 40 + step.length }, header);
    const packet = ipv4({ src: REMOTE, dst: LOCAL, protocol: Proto.icmp }, icmp(type, code, bytes(u32(step.mtu), quoted)));
    this.stack.inject(Buffer.from(ethernet(MAC, GATEWAY_MAC, EtherType.ipv4, packet)), this.nowUs);
  }

  /** The next segment of the current connection on the wire, or null when none comes until the deadline. */
  private nextSegment(deadlineUs: number): { f: ParsedFrame; at: number } | null {
    for (;;) {
      for (let x = this.sent.shift(); x; x = this.sent.shift()) if (this.flows.isCurrent(x.f)) return x;
      const timer = this.stack.nextTimerUs();
      if (timer === null || timer > deadlineUs) return null;
      this.advance(Math.max(timer, this.nowUs));
      this.stack.advanceTo(this.nowUs);
    }
  }

  private expectSegment(step: TcpStep, from: number | null, until: number): number {
    const slack = this.slack(until - this.lastUs);
    const deadline = from === null ? Number.MAX_SAFE_INTEGER : until + slack;
    const first = this.nextSegment(deadline);
    if (!first) throw new ScriptFailure(`nothing was sent until ${deadline / 1e6}`);
    const flow = this.flows.current!;
    this.flows.learn(flow, step, first.f);
    this.compare(step, flow, first.f, this.rest(step, first.f, deadline));
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

  private describe(f: ParsedFrame): string {
    const n = this.flows.current!.numbering;
    const seq = n.toScript(f);
    const ack = f.flags & 16 ? `ack ${(f.ack - (f.flags & 2 ? 0 : n.remoteIsn)) >>> 0} ` : '';
    return `${flagText(f.flags)} ${seq}:${seq + f.data.length}(${f.data.length}) ${ack}win ${f.window} <${optionText(decodeOptions(f, n.remoteIsn))}>`;
  }

  private compare(step: TcpStep, flow: Flow, f: ParsedFrame, last: ParsedFrame): void {
    const n = flow.numbering;
    const wrong = (what: string): never => {
      throw new ScriptFailure(`${what} is not the script's: ${this.describe(f)}`);
    };
    if (!f.sumsGood) wrong('a checksum');
    const ends = 1 | 8; // FIN and PSH are on the last piece
    if (((f.flags & ~ends) | (last.flags & ends)) !== flagBits(step.flags)) wrong('a flag');
    if (n.toScript(f) !== step.seq) wrong('the sequence number');
    const ack = step.flags.includes('S') ? (step.ack ?? 0) : (step.ack ?? 0) + n.remoteIsn;
    if (step.flags.includes('.') && f.ack !== ack >>> 0) wrong('the acknowledgement');
    if (step.window !== null && f.window !== step.window) wrong('the window');
    if (f.urgent !== step.urgent) wrong('the urgent pointer');
    this.compareIp(step.ip, f, wrong);
    if (step.options !== null) this.compareOptions(step.options, decodeOptions(f, n.remoteIsn), wrong);
    this.checkBytes(f);
  }

  private compareIp(wanted: IpFields, f: ParsedFrame, wrong: (what: string) => never): void {
    if (wanted.ecn && !wanted.ecn.includes(f.tos & 3)) wrong('the ECN codepoint');
    if (wanted.tos !== null && f.tos !== wanted.tos) wrong('the type of service');
    if (wanted.ttl !== null && f.ttl !== wanted.ttl) wrong('the time to live');
  }

  private compareOptions(wanted: readonly TcpOption[], got: readonly TcpOption[], wrong: (what: string) => never): void {
    const n = this.flows.current!.numbering;
    if (wanted.length !== got.length) wrong(`the list of options (${optionText(wanted)})`);
    for (const [i, w] of wanted.entries()) {
      const g = got[i]!;
      if (w.kind === 'TS' && g.kind === 'TS') {
        n.noteTimestamp(w.numbers![0]!, g.numbers![0]!);
        if (this.clockDiffers(w.numbers![0]!, g.numbers![0]!)) wrong('the timestamp');
      } else if (JSON.stringify(w) !== JSON.stringify(g)) wrong(`option ${optionText([w])}`);
    }
  }

  /** With `--tcp_ts_tick_usecs` TSval must be as far from the first one as the script's is. */
  private clockDiffers(script: number, live: number): boolean {
    const tick = Number(this.script.options.get('tcp_ts_tick_usecs') ?? 0);
    const [firstScript, firstLive] = this.flows.current!.numbering.firstTimestamp!;
    const off = ((live - firstLive) | 0) - (script - firstScript);
    return tick > 0 && Math.abs(off) * tick > this.slack(this.nowUs);
  }

  private checkBytes(f: ParsedFrame): void {
    const place = ((f.seq - (this.flows.current!.numbering.localIsn ?? 0)) >>> 0) - (f.flags & 2 ? 0 : 1);
    for (let i = 0; i < f.data.length; i++) {
      if (f.data[i] !== streamByte(place + i)) throw new ScriptFailure(`byte ${place + i} of the stream is wrong`);
    }
  }

  // ---- calls, commands, assertions

  private call(step: CallStep, e: Event, endUs: number | null): void {
    if (this.pending) this.finishPending();
    const args = this.calls.args(step);
    if (step.name === 'listen') this.flows.listens(args['fd']);
    if (this.calls.connects(step, args)) this.flows.connects(args['fd']);
    let returned = false;
    const done = (r: SystemCallResult) => {
      returned = true;
      const at = r.timeUs ?? this.nowUs;
      const late = endUs !== null && Math.abs(at - endUs) > this.slack(endUs - this.lastUs);
      this.failure ??= late ? `${step.name} returned at ${at / 1e6}, not at ${endUs / 1e6}` : this.calls.judge(step, r);
      if (step.name === 'socket' && r.ret >= 0) this.flows.socketMade(r.ret);
      if (step.name === 'accept' && r.ret >= 0) this.flows.accepted(r.ret);
      this.pending = null;
    };
    this.stack.sys(step.name, args, done);
    if (returned) return;
    if (endUs === null) throw new ScriptFailure(`${step.name} blocks`);
    this.pending = { step, line: e.line, endUs };
  }

  private finishPending(): void {
    const p = this.pending!;
    const deadline = p.endUs + this.slack(p.endUs - this.lastUs);
    while (this.pending && this.nowUs < deadline) this.advance(Math.min(this.stack.nextTimerUs() ?? deadline, deadline));
    if (this.pending) throw new ScriptFailure(`${p.step.name} of line ${p.line} never returned`);
    if (this.failure) throw new ScriptFailure(this.failure);
  }

  private command(text: string): void {
    rethrow(() => this.commands.run(text));
  }

  /** `assert tcpi_unacked == 2` of the current connection. */
  private assertInfo(text: string): void {
    let info: Record<string, number> = {};
    this.stack.sys('getsockopt', { fd: this.flows.current?.fd, level: 'SOL_TCP', name: 'TCP_INFO' }, (r) => {
      info = (r.out?.['value'] ?? {}) as Record<string, number>;
    });
    rethrow(() => runBlock(text, info, this.scope));
  }
}

/** What goes wrong in a part of a script is the script's failure at its line. */
function rethrow(part: () => void): void {
  try {
    part();
  } catch (x) {
    throw new ScriptFailure(x instanceof Error ? x.message : String(x));
  }
}
