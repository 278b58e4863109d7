/**
 * The loop of a stack's thread. One turn: requests of the host, one poll of the stack (a batch of frames and what is due, and at its border
 * the snapshot that a reader asked for), the sockets of other threads, a piece of the row information that was asked for; then sleep until a frame, a wake-up or the next
 * deadline. Everything it touches is an argument, so that it runs under test without a thread.
 */
import type { Ledger } from '../../mib/ledger/ledger.js';
import { Ctl } from '../../mib/ledger/memory.js';
import { Word } from './control.js';
import type { Sleeper } from './sleep.js';

export interface Pollable {
  /** True when there is more to do at once. */
  poll(nowUs: number): boolean;
  /** When to poll again at the latest; Infinity for never. */
  nextDeadlineUs(): number;
}

export interface LoopParts {
  /** A monotonic clock in integer µs. */
  readonly clock: () => number;
  readonly control: SharedArrayBuffer;
  readonly ledger: Ledger;
  /** The stack, and in embedded mode the second host, in the order in which they are polled. */
  readonly stacks: readonly Pollable[];
  readonly sockets: { service(): boolean };
  readonly sleeper: Sleeper;
  /** Looks at the host's messages. */
  readonly messages: () => void;
  /** Brings tcp_info and queue lengths in the rows up to date, in pieces of which each takes some tens of µs. */
  readonly rows: { begin(): void; step(): boolean };
}

export class StackLoop {
  private readonly parts: LoopParts;
  private readonly words: Int32Array;
  private readonly ctl: Int32Array;
  /** The request that the refresh under way answers. */
  private infoFor = 0;
  private infoRunning = false;

  constructor(parts: LoopParts) {
    this.parts = parts;
    this.words = new Int32Array(parts.control);
    this.ctl = new Int32Array(parts.ledger.memory.control);
  }

  /** Stop.orderly or Stop.now when the host asked to end, 0 otherwise. */
  get stopAsked(): number {
    return Atomics.load(this.words, Word.stop);
  }

  /** One turn without the sleep. True when there is more to do at once. */
  turn(): boolean {
    const p = this.parts;
    this.words[Word.turns]! += 1;
    if (Atomics.exchange(this.words, Word.pending, 0) !== 0) p.messages();
    const nowUs = p.clock();
    let more = false;
    for (const s of p.stacks) more = s.poll(nowUs) || more;
    more = p.sockets.service() || more;
    return this.refresh() || more;
  }

  /** Sleeps until something happens or is due, or until `untilUs`. */
  sleep(untilUs = Number.POSITIVE_INFINITY): void {
    const p = this.parts;
    let next = untilUs;
    for (const s of p.stacks) next = Math.min(next, s.nextDeadlineUs());
    p.sleeper.sleep(next - p.clock());
  }

  /** A bounded piece of what was asked for in Ctl.infoRequested. True while there is more. */
  private refresh(): boolean {
    if (!this.infoRunning) {
      const asked = Atomics.load(this.ctl, Ctl.infoRequested);
      if (asked === Atomics.load(this.ctl, Ctl.infoDone)) return false;
      this.infoRunning = true;
      this.infoFor = asked;
      this.parts.rows.begin();
    }
    if (this.parts.rows.step()) return true;
    this.infoRunning = false;
    Atomics.store(this.ctl, Ctl.infoDone, this.infoFor);
    Atomics.notify(this.ctl, Ctl.infoDone);
    return false;
  }
}
