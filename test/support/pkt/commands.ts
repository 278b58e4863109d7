/** The shell commands of scripts, against the adapter: sysctl, nstat, ip, tc, and the module parameters of CUBIC. */
import type { PacketdrillStack } from '../../interop/packetdrill-adapter.js';

const SYSCTL = /net[./]ipv4[./](\w+)=("[^"]*"|'[^']*'|\S+)/g;
const GREP = /^nstat( -s)? ?\| ?grep (\w+)(?: ?\| ?grep -q " *(\d+) *")?$/;
const ROUTE = /^ip route (?:change|replace|add) (\S+) via \S+ dev tun0(.*)$/;
const METRIC = /(advmss|mtu|initcwnd|initrwnd|rto_min)(?: lock)? (\d+)/g;

export class Commands {
  private readonly stack: PacketdrillStack;
  private counted: Record<string, number> = {};
  constructor(stack: PacketdrillStack) {
    this.stack = stack;
  }

  /** Throws an Error when a command is not known or says no. */
  run(text: string): void {
    for (const line of text.replaceAll('\\\n', ' ').split(/\n|;|&&/)) {
      const words = line
        .replace(/(^|\s)#.*$/, '')
        .replace(/\s*\d?>(&\d|\s*\/dev\/null)/g, '')
        .trim();
      if (words !== '') this.one(words);
    }
  }

  private one(words: string): void {
    const parameter = /^echo (\d+) > \/sys\/module\/tcp_cubic\/parameters\/(\w+)$/.exec(words);
    const grep = GREP.exec(words);
    const route = ROUTE.exec(words);
    const mtu = /^ip link set dev tun0 mtu (\d+)$/.exec(words);
    const qdisc = /^tc qdisc \w+ dev tun0 root ?(.*)$/.exec(words);
    if (/^sysctl\b/.test(words)) for (const m of words.matchAll(SYSCTL)) this.set(m[1]!, m[2]!.replace(/^["']|["']$/g, ''));
    else if (parameter) this.set(`cubic.${parameter[2]}`, parameter[1]!);
    else if (/^nstat( -n)?$/.test(words)) this.counted = this.stack.counters();
    else if (grep) this.check(grep[2]!, grep[3] === undefined ? null : Number(grep[3]), grep[1] !== undefined);
    else if (/^ip tcp_metrics flush/.test(words)) this.stack.flushMetrics();
    else if (route) this.route(route[1]!, route[2]!);
    else if (mtu) this.stack.setMtu(Number(mtu[1]));
    else if (!qdisc || !this.stack.qdisc(qdisc[1]!)) throw new Error(`no such command here: ${words}`);
  }

  private set(name: string, value: string): void {
    if (!this.stack.sysctl(name, value)) throw new Error(`${name} = ${value} was refused`);
  }

  /** How a counter has moved; without a number: that it has. */
  private check(name: string, wanted: number | null, keep: boolean): void {
    const now = this.stack.counters();
    const moved = (now[name] ?? Number.NaN) - (this.counted[name] ?? 0);
    if (!keep) this.counted = now;
    if (wanted === null ? !(moved > 0) : moved !== wanted)
      throw new Error(`${name} moved by ${moved}, the script says ${wanted ?? 'some'}`);
  }

  private route(dst: string, metrics: string): void {
    const o: { dst: string } & Record<string, number | string> = { dst };
    for (const m of metrics.matchAll(METRIC)) o[m[1]!] = Number(m[2]);
    this.stack.route(o);
  }
}
