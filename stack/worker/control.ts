/**
 * How the host's thread reaches a stack's thread that never returns to its event loop: words in shared memory, and a wake-up.
 *
 * The order that loses no wake-up: whoever has something raises `pending` and then looks at `sleeping`; the stack's thread raises `sleeping`
 * and then looks at `pending`. One of the two sees the other.
 */
import { writeSync } from 'node:fs';

/** Int32 words, all accessed with Atomics. */
export const Word = Object.freeze({
  /** Something waits for the stack's thread: a message, a doorbell, a request for a snapshot. */
  pending: 0,
  /** The stack's thread sleeps, or is about to. */
  sleeping: 1,
  /** Stop.orderly or Stop.now. */
  stop: 2,
  /** Turns of the loop, one writer: an idle stack makes hardly any. */
  turns: 3,
});
/** orderly: close connections first. now: close the TAP and leave. */
export const Stop = Object.freeze({ orderly: 1, now: 2 });

export function createControl(): SharedArrayBuffer {
  return new SharedArrayBuffer(64);
}

const one = new Uint8Array(new BigUint64Array([1n]).buffer);

/** Writes an eventfd. Its counter being full, or the descriptor closed by a thread that has left, is as good as awake. */
export function ringEventfd(fd: number): void {
  try {
    writeSync(fd, one);
  } catch {
    // awake, or gone
  }
}

/** The waking side. */
export class Waker {
  private readonly words: Int32Array;
  private readonly eventfd: number;

  /** @param eventfd descriptor that the stack's thread polls, -1 when it sleeps on `Word.sleeping` itself */
  constructor(memory: SharedArrayBuffer, eventfd: number) {
    this.words = new Int32Array(memory);
    this.eventfd = eventfd;
  }

  wake(): void {
    Atomics.store(this.words, Word.pending, 1);
    if (Atomics.exchange(this.words, Word.sleeping, 0) === 0) return;
    if (this.eventfd >= 0) ringEventfd(this.eventfd);
    else Atomics.notify(this.words, Word.sleeping);
  }

  /** Asks the thread to end. Wakes it whatever the words say. */
  stop(how: number): void {
    if (Atomics.load(this.words, Word.stop) < how) Atomics.store(this.words, Word.stop, how);
    this.wake();
    if (this.eventfd >= 0) ringEventfd(this.eventfd);
  }
}
