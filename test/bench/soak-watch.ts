/**
 * Those who watch and turn knobs during the soak, over the daemon's unix socket: REST, both Prometheus pages, traces that come and go, sysctls
 * that are changed and put back. What they see is checked: no counter ever goes back, every answer is whole.
 */
import type { ConnectionsDto, CountersDto } from '../../mib/dto.js';
import { below, SeededRandom } from '../../stack/core/random.js';
import { ask, get, pause } from './bed.js';
import { type Flat, fallen, flat } from './soak-audit.js';
import { Trace } from './soak-trace.js';

const PAGES = [
  '/metrics',
  '/metrics/node',
  '/api/v1/counters?format=proc',
  '/api/v1/counters?nonzero=true',
  '/api/v1/interfaces',
  '/api/v1/routes',
  '/api/v1/neighbours',
  '/api/v1/sysctl',
  '/api/v1/connections?closed=true',
  '/api/v1/connections?state=ESTABLISHED&limit=20',
  '/openapi.json',
  '/healthz',
] as const;

const PROBES = [
  'Tcp.InSegs',
  'Tcp.RetransSegs',
  'Tcp.PassiveOpens',
  'Tcp.EstabResets',
  'TcpExt.DelayedACKs',
  'TcpExt.TCPTimeouts',
  'Udp.InDatagrams',
  'Ip.InReceives',
  'tcp:state-change',
  'tcp:send',
  'ip:receive',
] as const;

/** Values to change to and fro; those that this stack does not have are left out. */
const KNOBS: Readonly<Record<string, readonly string[]>> = {
  'net.ipv4.tcp_sack': ['0', '1'],
  'net.ipv4.tcp_timestamps': ['0', '1', '2'],
  'net.ipv4.tcp_window_scaling': ['0', '1'],
  'net.ipv4.tcp_ecn': ['0', '1', '2'],
  'net.ipv4.tcp_congestion_control': ['reno', 'cubic', 'bbr'],
  'net.ipv4.tcp_slow_start_after_idle': ['0', '1'],
  'net.ipv4.tcp_rmem': ['4096 131072 6291456', '4096 16384 262144'],
  'net.ipv4.tcp_wmem': ['4096 16384 4194304', '4096 16384 131072'],
  'net.ipv4.tcp_moderate_rcvbuf': ['0', '1'],
  'net.ipv4.tcp_dsack': ['0', '1'],
  'net.ipv4.tcp_recovery': ['0', '1'],
  // not 0: a cookie sent before the turn would be worth nothing after it, and its client, as with Linux, reset
  'net.ipv4.tcp_syncookies': ['1', '2'],
  'net.ipv4.tcp_max_syn_backlog': ['16', '1024'],
  'net.ipv4.tcp_max_tw_buckets': ['100', '16384'],
  'net.ipv4.tcp_fin_timeout': ['5', '60'],
};

export interface Watched {
  scrapes: number;
  /** Answers with the live cells because the stack did not publish in time. */
  inconsistent: number;
  traces: number;
  events: number;
  gaps: number;
  knobsTurned: number;
  readonly problems: string[];
}

/** A row of numbers is written with tabs, as Linux does, and read with any blanks. */
const plainSpaces = (text: string) => text.trim().replace(/\s+/g, ' ');

export class Watch {
  readonly seen: Watched = { scrapes: 0, inconsistent: 0, traces: 0, events: 0, gaps: 0, knobsTurned: 0, problems: [] };
  private readonly socket: string;
  private readonly random: SeededRandom;
  private readonly until: number;
  private last: Flat = new Map();
  private readonly original = new Map<string, string>();

  /** @param until performance.now() when to stop */
  constructor(socket: string, seed: number, until: number) {
    this.socket = socket;
    this.random = new SeededRandom(seed);
    this.until = until;
  }

  /** Runs all loops until the end; then everything is as it was. */
  async run(): Promise<void> {
    await this.readKnobs();
    await Promise.all([
      this.loop('scrape', 600, () => this.scrape()),
      this.loop('scrape', 300, () => this.page()),
      this.loop('trace', 1500, () => this.trace()),
      this.loop('trace', 3000, () => this.trace()),
      this.loop('sysctl', 2000, () => this.turn()),
    ]);
    for (const [name, value] of this.original) await this.set(name, value);
  }

  private async loop(name: string, restMs: number, step: () => Promise<void>): Promise<void> {
    while (performance.now() < this.until) {
      try {
        await step();
      } catch (e) {
        this.problem(`${name}: ${(e as Error).message}`);
        await pause(1000);
      }
      await pause(below(this.random, restMs));
    }
  }

  private problem(text: string): void {
    if (this.seen.problems.length < 50) this.seen.problems.push(text);
  }

  private any<T>(list: readonly T[]): T {
    return list[below(this.random, list.length)]!;
  }

  /** All counters, none of which has gone back; and those of one connection. */
  private async scrape(): Promise<void> {
    const all = JSON.parse(await get(this.socket, '/api/v1/counters')) as CountersDto;
    this.seen.scrapes++;
    if (!all.consistent) this.seen.inconsistent++;
    const now = flat(all.counters);
    for (const f of fallen(this.last, now)) this.problem(`a counter went back: ${f}`);
    this.last = now;
    const { connections } = JSON.parse(await get(this.socket, '/api/v1/connections?limit=50')) as ConnectionsDto;
    const one = connections.length > 0 ? this.any(connections) : null;
    if (one) {
      await get(this.socket, `/api/v1/connections/${one.id}/counters`).catch((e: Error) => {
        if (!/: 404/.test(e.message)) throw e; // it has ended meanwhile
      });
    }
  }

  private async page(): Promise<void> {
    const text = await get(this.socket, this.any(PAGES));
    if (text.length === 0) throw new Error('an empty answer');
    this.seen.scrapes++;
  }

  /** A trace of one or two probes for up to three seconds. */
  private async trace(): Promise<void> {
    const trace = new Trace(this.socket, [...new Set([this.any(PROBES), this.any(PROBES)])]);
    await trace.armed;
    await pause(200 + below(this.random, 2800));
    trace.leave();
    this.seen.traces++;
    this.seen.events += trace.events;
    this.seen.gaps += trace.gaps;
  }

  private async readKnobs(): Promise<void> {
    const { sysctl } = JSON.parse(await get(this.socket, '/api/v1/sysctl')) as { sysctl: Record<string, string> };
    for (const name of Object.keys(KNOBS)) if (sysctl[name] !== undefined) this.original.set(name, sysctl[name]!);
    if (this.original.size < 5) this.problem(`only ${this.original.size} of the sysctls are there`);
  }

  /** Sets one, and leaves it for a while or for good. */
  private async turn(): Promise<void> {
    const name = this.any([...this.original.keys()]);
    await this.set(name, this.any(KNOBS[name]!));
    this.seen.knobsTurned++;
    await pause(below(this.random, 3000));
    if (below(this.random, 2) === 0) await this.set(name, this.original.get(name)!);
  }

  /** @throws Error when it is not what it was set to */
  private async set(name: string, value: string): Promise<void> {
    let text: string;
    try {
      text = await ask('PUT', this.socket, `/api/v1/sysctl/${name}`, { value });
    } catch (e) {
      if (/: 422/.test((e as Error).message)) return; // a word that this stack does not have
      throw e;
    }
    const { sysctl } = JSON.parse(text) as { sysctl: Record<string, string> };
    if (plainSpaces(sysctl[name]!) !== plainSpaces(value)) throw new Error(`${name} was set to ${value} and is ${sysctl[name]}`);
  }
}
