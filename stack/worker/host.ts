/**
 * The host's side of a stack on a thread of its own, or of several that are one host (a thread for each queue of the TAP): start, wake, ask,
 * stop. A thread sleeps in poll(2) and never returns to its event loop, so everything goes through shared memory and a message port that it
 * looks at in each turn; and every way out of the process wakes it first, since neither `terminate()` nor `process.exit()` can end a thread
 * that is blocked in a system call. Threads end together: when one fails, the others are told to leave.
 */
import { randomBytes } from 'node:crypto';
import process from 'node:process';
import type { LedgerMemory } from '../../mib/ledger/memory.js';
import { SeededRandom } from '../core/random.js';
import { createSiblingsMemory } from '../core/siblings.js';
import { SysctlTable } from '../core/sysctl.js';
import { SystemError } from '../link/tap-libc.js';
import { Sockets } from '../socket/node/sockets.js';
import { monotonicMs, ORIGIN_US } from './clock.js';
import type { StackConfig } from './config.js';
import { Stop } from './control.js';
import { type Said, StackStartError, ThreadHandle } from './handle.js';
import type { TableName, Tables, ThreadData } from './messages.js';
import { mergeGroups, mergeNeighbours } from './neighbours.js';
import { reserveLedgers } from './reserve.js';

export { StackStartError } from './handle.js';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

export interface HostEvents {
  /** A line for the log. */
  readonly log?: (level: LogLevel, text: string) => void;
  /** A thread ended without being asked to, and all have ended with it; their sockets have ended with ENETDOWN. */
  readonly crashed?: (error: Error) => void;
}

/** Longest an orderly stop may take before the threads are ended by force, ms. */
const STOP_LIMIT_MS = 4000;

export class StackHost {
  /** One ledger a thread. */
  readonly memories: readonly LedgerMemory[];
  readonly sysctl: SysctlTable;
  readonly sockets: Sockets;
  readonly config: StackConfig;
  /** LinkFeature bits in force. */
  features = 0;
  mtu = 0;
  private readonly threads: readonly ThreadHandle[];
  private readonly events: HostEvents;
  private readonly questions = new Map<number, (rows: Tables[TableName] | null) => void>();
  private nextQuestion = 1;
  private stopping = false;
  private ready = false;
  private crash: Error | null = null;
  private setUpDone: ((error: StackStartError | null) => void) | null = null;
  private readonly onProcessExit = (): void => this.stopAll(Stop.now);

  private constructor(config: StackConfig, events: HostEvents) {
    this.config = config;
    this.events = events;
    const queues = config.mode === 'tap' ? (config.queues ?? 1) : 1;
    const threads: ThreadHandle[] = [];
    try {
      for (const memory of reserveLedgers(queues, config.maxRows)) threads.push(new ThreadHandle(memory, config.mode === 'tap'));
    } catch (e) {
      for (const t of threads) t.close();
      throw e;
    }
    this.threads = threads;
    this.memories = threads.map((t) => t.memory);
    const { maxRows } = this.memories[0]!;
    if (maxRows < config.maxRows)
      events.log?.('warn', `no memory can be reserved for ${config.maxRows} rows: there are ${maxRows}`);
    this.sysctl = new SysctlTable();
    this.sockets = new Sockets(...threads.map((t) => ({ post: t.post.bind(t), wake: t.wake.bind(t) })));
  }

  /**
   * Starts a stack and resolves when its link is up.
   * @throws StackStartError with one line that says why not (TypeError for sysctls that do not exist)
   */
  static async start(config: StackConfig, events: HostEvents = {}): Promise<StackHost> {
    const host = StackHost.make(config, events);
    for (const [name, value] of Object.entries(config.sysctl ?? {})) {
      if (!host.sysctl.set(name, value)) {
        host.closeThreads();
        throw new TypeError(`no such sysctl, or a value out of range: ${name} = ${value}`);
      }
    }
    await host.launch();
    return host;
  }

  private static make(config: StackConfig, events: HostEvents): StackHost {
    try {
      return new StackHost(config, events);
    } catch (e) {
      if (e instanceof SystemError) throw new StackStartError(e.message, e.code);
      throw e;
    }
  }

  /** The first thread's ledger: the only one, where there is one queue. */
  get memory(): LedgerMemory {
    return this.memories[0]!;
  }

  /** Wakes the threads that sleep, so that they look at requests (publish, doorbells, messages). */
  wake(): void {
    for (const t of this.threads) t.wake();
  }

  devices(): Promise<Tables['devices']> {
    return this.table(0, 'devices');
  }
  routes(): Promise<Tables['routes']> {
    return this.table(0, 'routes');
  }
  async neighbours(): Promise<Tables['neighbours']> {
    return mergeNeighbours(await this.tables('neighbours'));
  }
  async groups(): Promise<Tables['groups']> {
    return mergeGroups(await this.tables('groups'));
  }

  /** Sets a sysctl by Linux's name. False when there is none of that name or the value is out of range. */
  setSysctl(name: string, value: string | number): boolean {
    return this.sysctl.set(name, value);
  }

  /** How often the stack's threads have woken or gone round, modulo 2^32. */
  get turns(): number {
    return this.threads.reduce((n, t) => (n + t.turns) >>> 0, 0);
  }

  /** Is a thread running? */
  get running(): boolean {
    return this.threads.some((t) => t.running);
  }

  /** Closes connections, removes the TAP, ends the threads. Resolves when they are gone; may be called again. */
  async stop(): Promise<void> {
    this.stopping = true;
    if (!this.running) return;
    this.stopAll(Stop.orderly);
    if (await this.within(STOP_LIMIT_MS)) return;
    this.stopAll(Stop.now);
    if (!(await this.within(STOP_LIMIT_MS))) await Promise.all(this.threads.map((t) => t.terminate()));
  }

  private stopAll(how: number): void {
    for (const t of this.threads) if (t.running) t.stop(how);
  }

  /** The first thread makes the TAP, the others join it; when every queue is there, the kernel's side is set up and frames come. */
  private async launch(): Promise<void> {
    process.on('exit', this.onProcessExit);
    const data = this.threadData();
    const launch = (i: number) =>
      this.threads[i]!.launch(data[i]!, i === 0 ? 'stack' : `stack ${i}`, (m) => this.onMessage(m, i), () => this.onExit(i)); // biome-ignore format: one thing
    try {
      const { features, mtu } = await launch(0);
      this.features = features;
      this.mtu = mtu;
      await Promise.all(this.threads.slice(1).map((_, i) => launch(i + 1)));
      if (this.threads.length > 1) await this.setUp();
      this.ready = true;
    } catch (e) {
      this.stopping = true;
      this.stopAll(Stop.now);
      await Promise.all(this.threads.map((t) => t.exited));
      this.closeThreads();
      throw e;
    }
  }

  private threadData(): Omit<ThreadData, 'port'>[] {
    const { config, threads } = this;
    const { seed } = config;
    const random = new SeededRandom(seed);
    const secret = seed ? Uint8Array.from({ length: 16 }, () => random.u32() & 255) : Uint8Array.from(randomBytes(16));
    const shared = threads.length > 1 ? createSiblingsMemory(threads.length) : null;
    const controls = threads.map((t) => t.control);
    const eventfds = threads.map((t) => t.eventfd);
    const originMs = monotonicMs();
    const wallOffsetUs = Date.now() * 1000 - ORIGIN_US;
    return threads.map((t, index) => ({
      config,
      originMs,
      wallOffsetUs,
      ledger: t.memory,
      sysctl: this.sysctl.memory,
      control: t.control,
      eventfd: t.eventfd,
      doorbells: this.sockets.memories[index]!,
      siblings: shared && { memory: shared, index, secret, controls, eventfds },
    }));
  }

  private setUp(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.setUpDone = (error) => (error ? reject(error) : resolve());
      this.threads[0]!.post({ op: 'setUp' });
    });
  }

  private onMessage(m: Said, thread: number): void {
    if (m.op === 'log') this.events.log?.(m.level, m.text);
    else if (m.op === 'setUp') this.setUpDone?.(m.failed ? new StackStartError(m.failed.message, m.failed.code) : null);
    else if (m.op === 'table') {
      this.questions.get(m.id)?.(m.rows);
      this.questions.delete(m.id);
    } else this.sockets.deliver(m, thread);
  }

  /** Whatever the reason: one host, one end. */
  private onExit(thread: number): void {
    if (this.ready && !this.stopping) this.crash ??= this.threads[thread]!.crash ?? new Error('the stack ended by itself');
    this.setUpDone?.(new StackStartError('the stack ended while it started', 'ERR_STACK'));
    if (this.running) {
      if (!this.stopping) this.stopAll(Stop.now);
      return;
    }
    this.closeThreads();
    this.sockets.stop(this.stopping);
    for (const answer of this.questions.values()) answer(null);
    this.questions.clear();
    if (this.ready && !this.stopping) this.events.crashed?.(this.crash!);
  }

  private closeThreads(): void {
    process.off('exit', this.onProcessExit);
    for (const t of this.threads) t.close();
  }

  private tables<T extends TableName>(table: T): Promise<Tables[T][]> {
    return Promise.all(this.threads.map((_, i) => this.table(i, table)));
  }

  private async table<T extends TableName>(thread: number, table: T): Promise<Tables[T]> {
    const t = this.threads[thread]!;
    if (!t.running) return [];
    const id = this.nextQuestion++;
    const answer = new Promise<Tables[TableName] | null>((resolve) => this.questions.set(id, resolve));
    t.post({ op: 'table', id, table });
    return ((await answer) ?? []) as Tables[T];
  }

  /** Have the threads ended within so many ms? */
  private async within(ms: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), ms);
    });
    const all = Promise.all(this.threads.map((t) => t.exited));
    const ended = await Promise.race([all.then(() => true as const), late]);
    clearTimeout(timer);
    return ended;
  }
}
