/**
 * A daemon whose TAP is one of a kernel's interfaces in a namespace of the test's own, set up before it starts: what the kernel does there is
 * the test's choice. Nothing here sleeps for a fixed time; `until` looks again until what is waited for has come, or says what it saw last.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import type { CountersDto, InterfacesDto, NeighboursDto, RoutesDto } from '../../mib/dto.js';
import { Namespace } from '../support/namespace.js';
import { program } from './daemon-process.js';

export const TAP = 'tsk0';
const LOOK_MS = 20;
const DEADLINE_MS = 15_000;

export async function until<T>(look: () => T | Promise<T>, good: (seen: T) => boolean, deadlineMs = DEADLINE_MS): Promise<T> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const seen = await look();
    if (good(seen)) return seen;
    if (Date.now() > end) throw new Error(`did not come within ${deadlineMs} ms; last seen: ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

export class KernelSide {
  readonly ns = new Namespace('tsk');
  private readonly others: Namespace[] = [];
  private readonly folder = mkdtempSync(join(tmpdir(), 'tsnetstatd-kernel-'));
  private readonly children: ChildProcess[] = [];
  /** What the daemon has written to its log. */
  log = '';

  constructor() {
    this.ip('tuntap', 'add', 'dev', TAP, 'mode', 'tap', 'vnet_hdr');
  }

  /** A further namespace, tied to the first by a pair of interfaces; removed with it. */
  neighbourhood(here: string, there: string): Namespace {
    const ns = new Namespace('tsk');
    this.others.push(ns);
    this.ip('link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', ns.name);
    return ns;
  }

  /** `ip …` in the namespace. @throws Error when it fails */
  ip(...args: string[]): string {
    return must(this.ns, 'ip', args);
  }
  sysctl(...settings: string[]): void {
    must(this.ns, 'sysctl', ['-qw', ...settings]);
  }
  file(name: string): string {
    return join(this.folder, name);
  }

  /** Starts a program in the namespace that runs until the end; its output goes to `heard`. */
  start(command: string, args: readonly string[], heard: (text: string) => void): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.ns.name, command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.on('data', (d) => heard(String(d)));
    child.stderr.on('data', (d) => heard(String(d)));
    this.children.push(child);
    return child;
  }

  /** Starts the daemon on the TAP; resolves when it is ready. */
  async daemon(...args: string[]): Promise<void> {
    const off = ['--http-listen', 'off', '--snmp-listen', 'off', '--no-host-setup', '--tap', TAP];
    const argv = [...program, '--http-socket', this.file('x.sock'), ...off, ...args];
    const child = this.start(process.execPath, argv, (text) => {
      this.log += text;
    });
    await until(
      () => this.log,
      (log) => log.includes(' ready ') || child.exitCode !== null,
    );
    if (child.exitCode !== null) throw new Error(`the daemon ended: ${this.log}`);
  }

  private get<T>(path: string, method = 'GET', body?: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-type': 'application/json' };
      const to = { socketPath: this.file('x.sock'), path: `/api/v1/${path}`, agent: false, method, headers };
      const r = request(to, (response) => {
        let text = '';
        response.on('data', (d) => (text += String(d)));
        response.on('end', () => resolve(JSON.parse(text) as T));
      });
      r.on('error', reject);
      r.end(body);
    });
  }

  async setSysctl(name: string, value: number): Promise<void> {
    await this.get(`sysctl/${name}`, 'PUT', JSON.stringify({ value }));
  }

  /** The TAP's addresses with their states, as the daemon tells them. */
  async addresses(): Promise<{ address: string; prefix: number; state?: string }[]> {
    const { interfaces } = await this.get<InterfacesDto>('interfaces');
    return interfaces.find((i) => i.name === TAP)!.addresses;
  }
  async routes(): Promise<string[]> {
    const { routes } = await this.get<RoutesDto>('routes');
    return routes.filter((r) => r.family === 6).map((r) => `${r.destination}/${r.prefix}${r.gateway ? ` via ${r.gateway}` : ''}`);
  }
  async neighbour(address: string): Promise<{ state: string; mac: string | null } | undefined> {
    return (await this.get<NeighboursDto>('neighbours')).neighbours.find((n) => n.address === address);
  }
  /** Counters of IPv6 and ICMPv6, those that have moved, as of now: a snapshot serves for some ms. */
  async counters(): Promise<Record<string, number>> {
    const from = Date.now();
    const { counters } = await until(
      () => this.get<CountersDto>('counters?nonzero=true'),
      (snapshot) => Date.parse(snapshot.takenAt) >= from,
    );
    const of = (group: string) => Object.entries(counters[group] ?? {}).map(([name, n]) => [`${group}.${name}`, n]);
    return Object.fromEntries([...of('Ip6'), ...of('Icmp6')]) as Record<string, number>;
  }

  async close(): Promise<void> {
    const ended = this.children.map((c) =>
      c.exitCode !== null || c.signalCode !== null ? null : new Promise((resolve) => c.once('close', resolve)),
    );
    for (const c of this.children) c.kill('SIGTERM');
    await Promise.all(ended);
    for (const ns of [...this.others, this.ns]) ns.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Runs a command in a namespace: what it wrote. @throws Error when it fails */
export function must(ns: Namespace, command: string, args: readonly string[]): string {
  const r = ns.run(command, args);
  if (r.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${r.stderr}${r.stdout}`);
  return r.stdout;
}
