/** One clock for all threads of a host: sequence numbers, timestamps and SYN cookies of one are understood by the others. */
import process from 'node:process';

/** Milliseconds of the system's monotonic clock, the same on every thread. */
export function monotonicMs(): number {
  const [seconds, ns] = process.hrtime();
  return seconds * 1e3 + ns / 1e6;
}

/** What a clock made by `stackClock` says at its origin, µs: a time of 0 means "never" here and there. */
export const ORIGIN_US = 1_000_000;

/**
 * A monotonic clock in integer µs that says 1 s at `originMs`. performance.now() is cheaper to ask than the system's clock, and counts from
 * the thread's own beginning.
 */
export function stackClock(originMs: number): () => number {
  const startedMs = performance.now() - (monotonicMs() - originMs);
  return () => ORIGIN_US + Math.floor((performance.now() - startedMs) * 1000);
}
