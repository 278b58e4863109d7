/**
 * The host's side of a stack on a thread of its own: start, wake, ask, stop. The thread sleeps in poll(2) and never returns to its event
 * loop, so everything goes through shared memory and a message port that it looks at in each turn; and every way out of the process wakes
 * it first, since neither `terminate()` nor `process.exit()` can end a thread that is blocked in a system call.
 */
import process from 'node:process';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { createLedgerMemory, type LedgerMemory } from '../../mib/ledger/memory.js';
import { SysctlTable } from '../core/sysctl.js';
import { SystemError } from '../link/tap-libc.js';
import { Sockets } from '../socket/node/sockets.js';
import type { StackConfig } from './config.js';
import { createControl, Stop, Waker, Word } from './control.js';
import { threadEntry } from './entry.js';
import type { HostMessage, TableName, Tables, ThreadData, ThreadMessage } from './messages.js';
import { closeEventfd, createEventfd } from './sleep.js';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

export interface HostEvents {
  /** A line for the log. */
  readonly log?: (level: LogLevel, text: string) => void;
  /** The thread ended without being asked to; its sockets have ended with ENETDOWN. */
  readonly crashed?: (error: Error) => void;
}

/** Longest an orderly stop may take before the thread is ended by force, ms. */
const STOP_LIMIT_MS = 4000;

/** The stack did not start: `code` is EPERM, EBUSY, ENODEV, … or ERR_STACK; the message is fit for a user. */
export class StackStartError extends Error {
  readonly code: string;
  constructor(message: string, code: string) {
    super(message);
    this.name = 'StackStartError';
    this.code = code;
  }
}

export class StackHost {
  readonly memory: LedgerMemory;
  readonly sysctl: SysctlTable;
  readonly sockets: Sockets;
  readonly config: StackConfig;
  /** LinkFeature bits in force. */
  features = 0;
  mtu = 0;
  private readonly waker: Waker;
  private readonly control: SharedArrayBuffer;
  private readonly eventfd: number;
  private readonly events: HostEvents;
  private readonly port: MessagePort;
  private readonly remotePort: MessagePort;
  private readonly questions = new Map<number, (rows: Tables[TableName] | null) => void>();
  private nextQuestion = 1;
  private worker: Worker | null = null;
  private exited: Promise<void> = Promise.resolve();
  private stopping = false;
  private ready = false;
  private crash: Error | null = null;
  private readonly onProcessExit = (): void => this.waker.stop(Stop.now);

  private constructor(config: StackConfig, events: HostEvents) {
    this.config = config;
    this.events = events;
    this.memory = createLedgerMemory(config.maxRows);
    this.sysctl = new SysctlTable();
    this.control = createControl();
    this.eventfd = config.mode === 'tap' ? createEventfd() : -1;
    this.waker = new Waker(this.control, this.eventfd);
    const channel = new MessageChannel();
    this.port = channel.port1;
    this.remotePort = channel.port2;
    this.sockets = new Sockets({ post: (m) => this.post(m), wake: () => this.wake() });
  }

  /**
   * Starts a stack and resolves when its link is up.
   * @throws StackStartError with one line that says why not (TypeError for sysctls that do not exist)
   */
  static async start(config: StackConfig, events: HostEvents = {}): Promise<StackHost> {
    const host = StackHost.make(config, events);
    for (const [name, value] of Object.entries(config.sysctl ?? {})) {
      if (!host.sysctl.set(name, value)) throw new TypeError(`no such sysctl, or a value out of range: ${name} = ${value}`);
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

  /** Wakes the thread when it sleeps, so that it looks at requests (publish, doorbells, messages). */
  wake(): void {
    if (this.worker) this.waker.wake(); // afterwards the descriptor may be another file's
  }

  devices(): Promise<Tables['devices']> {
    return this.table('devices');
  }
  routes(): Promise<Tables['routes']> {
    return this.table('routes');
  }
  neighbours(): Promise<Tables['neighbours']> {
    return this.table('neighbours');
  }

  /** Sets a sysctl by Linux's name. False when there is none of that name or the value is out of range. */
  setSysctl(name: string, value: string | number): boolean {
    return this.sysctl.set(name, value);
  }

  get memories(): readonly LedgerMemory[] {
    return [this.memory];
  }

  /** How often the stack's thread has woken or gone round, modulo 2^32. */
  get turns(): number {
    return Atomics.load(new Int32Array(this.control), Word.turns) >>> 0;
  }

  /** Is the thread running? */
  get running(): boolean {
    return this.worker !== null;
  }

  /** Closes connections, removes the TAP, ends the thread. Resolves when it is gone; may be called again. */
  async stop(): Promise<void> {
    this.stopping = true;
    if (!this.worker) return;
    this.waker.stop(Stop.orderly);
    if (!(await this.within(STOP_LIMIT_MS))) {
      this.waker.stop(Stop.now);
      if (!(await this.within(STOP_LIMIT_MS))) await this.worker?.terminate();
    }
  }

  private launch(): Promise<void> {
    const data: ThreadData = {
      config: this.config,
      ledger: this.memory,
      sysctl: this.sysctl.memory,
      control: this.control,
      eventfd: this.eventfd,
      doorbells: this.sockets.memory,
      port: this.remotePort,
    };
    const { program, options } = threadEntry(new URL('./main.js', import.meta.url), import.meta.url);
    const worker = new Worker(program, { ...options, workerData: data, transferList: [this.remotePort], name: 'stack' });
    this.worker = worker;
    process.on('exit', this.onProcessExit);
    return new Promise((resolve, reject) => {
      const failed = (e: Error): void => {
        this.stopping = true;
        reject(e);
      };
      const heard = (m: ThreadMessage): void => {
        if (m.op === 'ready') {
          this.features = m.features;
          this.mtu = m.mtu;
          this.ready = true;
          resolve();
        } else if (m.op === 'refused') failed(new StackStartError(m.message, m.code));
        else this.onMessage(m);
      };
      this.port.on('message', heard);
      worker.on('error', (e) => {
        this.crash ??= e as Error;
      });
      this.exited = new Promise((done) => {
        worker.once('exit', () => {
          // what the thread said last comes before its end
          for (let m = receiveMessageOnPort(this.port); m; m = receiveMessageOnPort(this.port)) heard(m.message as ThreadMessage);
          this.onExit();
          reject(this.crash ?? new StackStartError('the stack ended while it started', 'ERR_STACK'));
          done();
        });
      });
    });
  }

  private onMessage(m: Exclude<ThreadMessage, { readonly op: 'ready' | 'refused' }>): void {
    if (m.op === 'log') this.events.log?.(m.level, m.text);
    else if (m.op === 'crashed') {
      this.crash = new Error(m.message);
      this.crash.stack = m.stack;
    } else if (m.op === 'table') {
      this.questions.get(m.id)?.(m.rows);
      this.questions.delete(m.id);
    } else this.sockets.deliver(m);
  }

  private onExit(): void {
    this.worker = null;
    process.off('exit', this.onProcessExit);
    this.port.close();
    if (this.eventfd >= 0) closeEventfd(this.eventfd);
    this.sockets.stop(this.stopping);
    for (const answer of this.questions.values()) answer(null);
    this.questions.clear();
    if (this.ready && !this.stopping) this.events.crashed?.(this.crash ?? new Error('the stack ended by itself'));
  }

  private post(m: HostMessage): void {
    if (!this.worker) return;
    this.port.postMessage(m);
    this.wake();
  }

  private async table<T extends TableName>(table: T): Promise<Tables[T]> {
    if (!this.worker) return [];
    const id = this.nextQuestion++;
    const answer = new Promise<Tables[TableName] | null>((resolve) => this.questions.set(id, resolve));
    this.post({ op: 'table', id, table });
    return ((await answer) ?? []) as Tables[T];
  }

  /** Has the thread ended within so many ms? */
  private async within(ms: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), ms);
    });
    const ended = await Promise.race([this.exited.then(() => true as const), late]);
    clearTimeout(timer);
    return ended;
  }
}
