/**
 * The host's hold on one stack's thread: its shared memories, its message port, the way to wake it, its beginning and its end. What several
 * threads have to do with each other is host.ts's business.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { LedgerMemory } from '../../mib/ledger/memory.js';
import { createControl, Waker, Word } from './control.js';
import { threadEntry } from './entry.js';
import type { HostMessage, ThreadData, ThreadMessage } from './messages.js';
import { heapLimitMb } from './reserve.js';
import { closeEventfd, createEventfd } from './sleep.js';

/** The stack did not start: `code` is EPERM, EBUSY, ENODEV, … or ERR_STACK; the message is fit for a user. */
export class StackStartError extends Error {
  readonly code: string;
  constructor(message: string, code: string) {
    super(message);
    this.name = 'StackStartError';
    this.code = code;
  }
}

export type Ready = Extract<ThreadMessage, { readonly op: 'ready' }>;
export type Said = Exclude<ThreadMessage, { readonly op: 'ready' | 'refused' | 'crashed' }>;

export class ThreadHandle {
  readonly memory: LedgerMemory;
  readonly control: SharedArrayBuffer;
  /** Descriptor that the thread polls, -1 when it sleeps on a word. */
  readonly eventfd: number;
  /** Resolves when the thread is gone. */
  exited: Promise<void> = Promise.resolve();
  /** Why it ended, when it ended by itself. */
  crash: Error | null = null;
  private readonly waker: Waker;
  private readonly port: MessagePort;
  private readonly remotePort: MessagePort;
  private worker: Worker | null = null;
  private closed = false;

  /** @throws SystemError */
  constructor(memory: LedgerMemory, polls: boolean) {
    this.memory = memory;
    this.control = createControl();
    this.eventfd = polls ? createEventfd() : -1;
    this.waker = new Waker(this.control, this.eventfd);
    const channel = new MessageChannel();
    this.port = channel.port1;
    this.remotePort = channel.port2;
  }

  get running(): boolean {
    return this.worker !== null;
  }
  /** How often it has woken or gone round, modulo 2^32. */
  get turns(): number {
    return Atomics.load(new Int32Array(this.control), Word.turns) >>> 0;
  }

  /**
   * Starts the thread and resolves when its stack is up.
   * @param data what it is given, but for its own port @param heard everything it says afterwards @param ended called once, when it is gone
   * @throws StackStartError, or what the thread died of
   */
  launch(data: Omit<ThreadData, 'port'>, name: string, heard: (m: Said) => void, ended: () => void): Promise<Ready> {
    const { program, options } = threadEntry(new URL('./main.js', import.meta.url), import.meta.url);
    const workerData: ThreadData = { ...data, port: this.remotePort };
    const resourceLimits = { maxOldGenerationSizeMb: heapLimitMb(this.memory.maxRows) };
    const worker = new Worker(program, { ...options, workerData, transferList: [this.remotePort], name, resourceLimits });
    this.worker = worker;
    return new Promise((resolve, reject) => {
      const hear = (m: ThreadMessage): void => {
        if (m.op === 'ready') resolve(m);
        else if (m.op === 'refused') reject(new StackStartError(m.message, m.code));
        else if (m.op === 'crashed') {
          this.crash = new Error(m.message);
          this.crash.stack = m.stack;
        } else heard(m);
      };
      this.port.on('message', hear);
      worker.on('error', (e) => {
        this.crash ??= e as Error;
      });
      this.exited = new Promise((done) => {
        worker.once('exit', () => {
          // what the thread said last comes before its end
          for (let m = receiveMessageOnPort(this.port); m; m = receiveMessageOnPort(this.port)) hear(m.message as ThreadMessage);
          this.worker = null;
          reject(this.crash ?? new StackStartError('the stack ended while it started', 'ERR_STACK'));
          ended();
          done();
        });
      });
    });
  }

  post(m: HostMessage): void {
    if (!this.worker) return;
    this.port.postMessage(m);
    this.wake();
  }

  wake(): void {
    if (this.worker) this.waker.wake();
  }

  /** Asks it to end, whatever it does. */
  stop(how: number): void {
    this.waker.stop(how);
  }

  async terminate(): Promise<void> {
    await this.worker?.terminate();
  }

  /** Gives the descriptor back, when no thread of the host is left that could write it: the number may then be another file's. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.port.close();
    if (this.eventfd >= 0) closeEventfd(this.eventfd);
  }
}
