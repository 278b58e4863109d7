/**
 * Where the time goes while there is something to send (tcp_info's busy_time, rwnd_limited, sndbuf_limited): one stopwatch that runs under the
 * most telling of three headings.
 */
import type { Connection } from './connection.js';

/** Higher ones win. */
export const Chrono = Object.freeze({ none: 0, busy: 1, receiveWindow: 2, sendBuffer: 3 });

/** A connection's stopwatch, made with its first data. */
export class Stopwatch {
  running: number = Chrono.none;
  sinceUs = 0;
  /** Time under each heading, µs; index as Chrono. */
  readonly sums: Float64Array = new Float64Array(4);

  run(heading: number, nowUs: number): void {
    if (this.running !== Chrono.none) this.sums[this.running]! += nowUs - this.sinceUs;
    this.running = heading;
    this.sinceUs = nowUs;
  }
  /** Time under a heading until now. */
  total(heading: number, nowUs: number): number {
    return this.sums[heading]! + (this.running === heading ? nowUs - this.sinceUs : 0);
  }
}

/** A reason begins to hold. */
export function chronoStart(c: Connection, heading: number): void {
  const w = (c.stopwatch ??= new Stopwatch());
  if (heading > w.running) w.run(heading, c.env.nowUs);
}
/** It holds no more: back to "busy", or to nothing when all is sent and acknowledged. */
export function chronoStop(c: Connection, heading: number): void {
  const w = c.stopwatch;
  if (w === null || w.running === Chrono.none) return;
  if (c.sendQueue.head === null) w.run(Chrono.none, c.env.nowUs);
  else if (heading === w.running) w.run(Chrono.busy, c.env.nowUs);
}
