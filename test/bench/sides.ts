/** The two sides of most measures: the stack on its TAP, and the kernel's own sockets behind a veth pair, with the same client. */
import { type Answer, type Bed, type Daemon, get, type Running, root, type Tool } from './bed.js';
import { sharesBetween, type ThreadShares, threadTimes } from './process-cpu.js';
import type { Mode } from './report.js';

export interface Settings {
  readonly rounds: number;
  /** Of each sample. */
  readonly seconds: number;
  /** Only to see that all works. */
  readonly quick: boolean;
  /** Of the crowd measure. */
  readonly connections: number;
  /** More flags for the daemon. */
  readonly flags: readonly string[];
  /** Folder for profiles of the daemon; '' for none. */
  readonly profile: string;
  /** Another built checkout to measure against instead of the kernel; '' for none. */
  readonly against: string;
}

/** One value, and the CPU time that the stack's process spent for it (0 for the kernel). */
export interface Sample {
  readonly value: number;
  readonly cpu: ThreadShares;
  readonly answer: Answer;
}

const NO_CPU: ThreadShares = { main: 0, stack: 0, all: 0 };
/** 10.77.0.1 and .2 are the two ends, from .100 on live the clients of a crowd. */
const FIRST_SOURCE = 10;
const LAST_SOURCE = 99;

/** A server, and where its clients run. */
export class Side {
  readonly name: string;
  /** Of the clients. */
  readonly namespace: string;
  readonly address: string;
  readonly device: string;
  /** The stack's process; null for the kernel. */
  readonly process: Running | null;
  /** Its unix socket; '' where there is none. */
  readonly socket: string;
  private readonly bed: Bed;
  private source = FIRST_SOURCE;

  constructor(bed: Bed, name: string, namespace: string, address: string, device: string, process: Running | null, socket = '') {
    this.bed = bed;
    this.name = name;
    this.namespace = namespace;
    this.address = address;
    this.device = device;
    this.process = process;
    this.socket = socket;
  }

  /** Of the stack's process; 0 for the kernel. */
  get pid(): number {
    return this.process?.pid ?? 0;
  }

  /** Runs a client. */
  ask(tool: Tool, ...args: readonly (string | number)[]): Promise<Answer> {
    return this.bed.ask(this.namespace, tool, ...args);
  }

  /** Runs a client and takes one member of its answer as the value. */
  async sample(value: string, tool: Tool, ...args: readonly (string | number)[]): Promise<Sample> {
    const before = this.pid ? threadTimes(this.pid) : null;
    const answer = await this.ask(tool, ...args);
    const cpu = before ? sharesBetween(this.pid, before, threadTimes(this.pid)) : NO_CPU;
    return { value: answer[value] ?? Number.NaN, cpu, answer };
  }

  /** A source address of its own for each run of many connects, or TIME-WAIT on the client eats the ports. */
  async freshSource(): Promise<string> {
    const address = this.address.replace(/\d+$/, String(this.source));
    this.source = this.source === LAST_SOURCE ? FIRST_SOURCE : this.source + 1;
    await this.bed.run('', ['ip', '-n', this.namespace, 'addr', 'replace', `${address}/24`, 'dev', this.device]);
    return address;
  }
}

export interface Bench {
  readonly bed: Bed;
  readonly mode: Mode;
  readonly settings: Settings;
  readonly daemon: Daemon;
  readonly stack: Side;
  /** What it is measured against: the kernel, or another build of the stack. */
  readonly other: Side;
  /** Where the kernel's servers run; '' where there are none. */
  readonly kernelServer: string;
}

export const STACK_ADDRESS = '10.77.0.2';
export const STACK_ADDRESS6 = 'fd77::2';
const KERNEL_ADDRESS = '10.78.0.2';
export const KERNEL_ADDRESS6 = 'fd78::2';

/** What a fresh daemon does first, s of each: afterwards its code is compiled, and its pools and tables are there. */
const WARM_S = 0.7;

/** Traffic of every kind. */
async function warmUp(side: Side): Promise<void> {
  await side.ask('peer', 'upload', side.address, 9, WARM_S);
  await side.ask('peer', 'download', side.address, 19, WARM_S);
  await side.ask('peer', 'echo', side.address, 7, WARM_S);
  await side.ask('peer', 'connect', side.address, 7, WARM_S / 2, 1, await side.freshSource());
  await side.ask('datagrams', 'window', side.address, 7, WARM_S / 2, 64, 64);
  await side.ask('ping', side.address, WARM_S / 2, 0);
}

/** A daemon on a TAP in a namespace of its own. */
export async function startStack(
  bed: Bed,
  name: string,
  mode: Mode,
  flags: readonly string[],
  nodeFlags: readonly string[] = [],
  { warm = true, checkout = root }: { readonly warm?: boolean; readonly checkout?: string } = {},
): Promise<{ daemon: Daemon; side: Side }> {
  const ns = await bed.namespace(name);
  const daemon = await bed.daemon(ns, [...(mode === 'plain' ? ['--no-offloads'] : []), ...flags], nodeFlags, checkout);
  const side = new Side(bed, checkout === root ? 'tsnetstat' : checkout, ns, STACK_ADDRESS, 'tsn0', daemon, daemon.socket);
  if (warm) await warmUp(side);
  return { daemon, side };
}

/** The kernel's servers behind a veth pair, whose offloads are as the stack's are. */
async function startKernel(bed: Bed, mode: Mode): Promise<{ side: Side; server: string }> {
  const [client, server] = [await bed.namespace('client'), await bed.namespace('server')];
  const ip = (ns: string, ...args: string[]) => bed.run('', ['ip', '-n', ns, ...args]);
  await ip(client, 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1', 'netns', server);
  await ip(client, 'addr', 'add', KERNEL_ADDRESS.replace(/\d+$/, '1/24'), 'dev', 'v0');
  await ip(server, 'addr', 'add', `${KERNEL_ADDRESS}/24`, 'dev', 'v1');
  await ip(client, '-6', 'addr', 'add', KERNEL_ADDRESS6.replace(/\d+$/, '1/64'), 'dev', 'v0', 'nodad');
  await ip(server, '-6', 'addr', 'add', `${KERNEL_ADDRESS6}/64`, 'dev', 'v1', 'nodad');
  await ip(client, 'link', 'set', 'v0', 'up');
  await ip(server, 'link', 'set', 'v1', 'up');
  if (mode === 'plain') {
    const off = ['tx', 'off', 'rx', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off'];
    await bed.run(client, ['ethtool', '-K', 'v0', ...off]);
    await bed.run(server, ['ethtool', '-K', 'v1', ...off]);
  }
  await bed.serve(server, 'peer', 'serve');
  await bed.serve(server, 'peer', 'serve6');
  await bed.serve(server, 'datagrams', 'serve');
  return { side: new Side(bed, 'kernel veth', client, KERNEL_ADDRESS, 'v0', null), server };
}

/** Both sides, ready. */
export async function startBench(bed: Bed, mode: Mode, settings: Settings): Promise<Bench> {
  const { flags, profile, against } = settings;
  const profiling = profile ? ['--cpu-prof', '--cpu-prof-interval', '200', '--cpu-prof-dir', profile] : [];
  const { daemon, side: stack } = await startStack(bed, 'tap', mode, flags, profiling);
  const other = against
    ? { ...(await startStack(bed, 'other', mode, flags, [], { checkout: against })), server: '' }
    : await startKernel(bed, mode);
  return { bed, mode, settings, daemon, stack, other: other.side, kernelServer: other.server };
}

/** Runs each in turn, A B A B …, and gives the results of each. */
export async function inTurn<T>(rounds: number, ...runs: readonly (() => Promise<T>)[]): Promise<T[][]> {
  const results: T[][] = runs.map(() => []);
  for (let i = 0; i < rounds; i++) {
    const order = [...runs.entries()];
    if (i % 2 === 1) order.reverse(); // who comes first finds another machine than who comes second
    for (const [j, run] of order) results[j]!.push(await run());
  }
  return results;
}

export const values = (samples: readonly Sample[]): number[] => samples.map((s) => s.value);

/** Work per CPU second of the stack's process, for values that are rates over so many seconds. */
export function perCpuSecond(samples: readonly Sample[], seconds: number): number[] {
  return samples.map((s) => (s.value * seconds) / s.cpu.all);
}

/** One counter of a daemon. */
export async function counter(socket: string, group: string, name: string): Promise<number> {
  const answer = JSON.parse(await get(socket, `/api/v1/counters?group=${group}`)) as {
    counters: Record<string, Record<string, number>>;
  };
  return answer.counters[group]![name]!;
}
