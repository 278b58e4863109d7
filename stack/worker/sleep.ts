/**
 * How a stack's thread waits when there is nothing to do: for a frame on the TAP or a wake-up (ppoll on TAP and eventfd), or, without a
 * TAP, for the wake-up alone (Atomics.wait, which needs neither Linux nor koffi).
 */
import { type Libc, libc, SystemError } from '../link/tap-libc.js';
import { Word } from './control.js';

export interface Sleeper {
  /** Sleeps until a wake-up, or a frame, or `maxUs` have passed. */
  sleep(maxUs: number): void;
}

/** Longest sleep in µs: whatever goes wrong with a wake-up is then over soon. */
export const LONGEST_SLEEP_US = 1_000_000;
/** A sleep shorter than this costs more than it saves. */
const SHORTEST_SLEEP_US = 5;

export class WordSleeper implements Sleeper {
  private readonly words: Int32Array;
  constructor(control: SharedArrayBuffer) {
    this.words = new Int32Array(control);
  }

  sleep(maxUs: number): void {
    if (maxUs < SHORTEST_SLEEP_US) return;
    const w = this.words;
    Atomics.store(w, Word.sleeping, 1);
    if (Atomics.load(w, Word.pending) === 0) Atomics.wait(w, Word.sleeping, 1, Math.min(maxUs, LONGEST_SLEEP_US) / 1000);
    Atomics.store(w, Word.sleeping, 0);
  }
}

/**
 * How long to look for the next frame before sleeping, µs. Waking a thread on a core that has gone to sleep takes longer than that, so where
 * question follows answer this doubles the rate; an idle stack looks once per wake-up and sleeps.
 */
export const BUSY_POLL_US = 50;

const POLLIN = 1;
/** struct pollfd: int fd; short events; short revents. */
const POLLFD = 8;

export class PollSleeper implements Sleeper {
  private readonly words: Int32Array;
  private readonly c: Libc;
  private readonly eventfd: number;
  private readonly fds: DataView;
  private readonly timeout: DataView;
  private readonly count = new Uint8Array(8);
  private readonly fdsAt: number;
  private readonly timeoutAt: number;
  private readonly countAt: number;

  constructor(control: SharedArrayBuffer, tapFd: number, eventfd: number) {
    this.words = new Int32Array(control);
    this.c = libc();
    this.eventfd = eventfd;
    this.fds = new DataView(new ArrayBuffer(2 * POLLFD));
    this.fds.setInt32(0, tapFd, true);
    this.fds.setInt16(4, POLLIN, true);
    this.fds.setInt32(POLLFD, eventfd, true);
    this.fds.setInt16(POLLFD + 4, POLLIN, true);
    this.timeout = new DataView(new ArrayBuffer(16));
    this.fdsAt = this.c.address(this.fds);
    this.timeoutAt = this.c.address(this.timeout);
    this.countAt = this.c.address(this.count);
  }

  sleep(maxUs: number): void {
    if (maxUs < SHORTEST_SLEEP_US) return;
    const w = this.words;
    Atomics.store(w, Word.sleeping, 1);
    if (Atomics.load(w, Word.pending) === 0 && !this.busyPoll(maxUs)) this.poll(Math.min(maxUs, LONGEST_SLEEP_US));
    Atomics.store(w, Word.sleeping, 0);
  }

  /** Looks for a while. True when there is something to do, or it is time. */
  private busyPoll(maxUs: number): boolean {
    const until = performance.now() + Math.min(maxUs, BUSY_POLL_US) / 1000;
    do if (this.poll(0)) return true;
    while (performance.now() < until);
    return maxUs <= BUSY_POLL_US;
  }

  /** Waits at most so long. False when time is up. */
  private poll(us: number): boolean {
    const seconds = Math.floor(us / 1e6);
    this.timeout.setUint32(0, seconds, true); // struct timespec: both fields 64 bits, the upper halves stay 0
    this.timeout.setUint32(8, Math.floor((us - seconds * 1e6) * 1000), true);
    this.fds.setInt16(6, 0, true);
    this.fds.setInt16(POLLFD + 6, 0, true);
    if (this.c.ppoll(this.fdsAt, 2, this.timeoutAt, 0, 0) <= 0) return false; // time is up, or a signal
    if ((this.fds.getInt16(POLLFD + 6, true) & POLLIN) !== 0) this.c.read(this.eventfd, this.countAt, 8);
    return true;
  }
}

const EFD_CLOEXEC_NONBLOCK = 0o2000000 | 0o4000;

/** A descriptor to wake a PollSleeper with. Any thread of the process may write it. @throws SystemError */
export function createEventfd(): number {
  const c = libc();
  const fd = c.eventfd(0, EFD_CLOEXEC_NONBLOCK);
  if (fd < 0) throw new SystemError('no descriptor left for an eventfd', c.errno());
  return fd;
}
export function closeEventfd(fd: number): void {
  libc().close(fd);
}
