/**
 * Where the time goes while there is something to send (tcp_info's busy_time, rwnd_limited, sndbuf_limited): one stopwatch that runs under the
 * most telling of three headings.
 */
import type { Connection } from './connection.js';

/** Higher ones win. */
export const Chrono = Object.freeze({ none: 0, busy: 1, receiveWindow: 2, sendBuffer: 3 });

function run(c: Connection, heading: number): void {
  const us = c.env.nowUs - c.chronoSinceUs;
  if (c.chrono === Chrono.busy) c.chronoBusyUs += us;
  else if (c.chrono === Chrono.receiveWindow) c.chronoWindowUs += us;
  else if (c.chrono === Chrono.sendBuffer) c.chronoBufferUs += us;
  c.chrono = heading;
  c.chronoSinceUs = c.env.nowUs;
}

/** Time under a heading until now, µs. */
export function chronoTotal(c: Connection, heading: number): number {
  const sum = heading === Chrono.busy ? c.chronoBusyUs : heading === Chrono.receiveWindow ? c.chronoWindowUs : c.chronoBufferUs;
  return sum + (c.chrono === heading ? c.env.nowUs - c.chronoSinceUs : 0);
}

/** A reason begins to hold. */
export function chronoStart(c: Connection, heading: number): void {
  if (heading > c.chrono) run(c, heading);
}
/** It holds no more: back to "busy", or to nothing when all is sent and acknowledged. */
export function chronoStop(c: Connection, heading: number): void {
  if (c.chrono === Chrono.none) return;
  if (c.sendQueue.head === null) run(c, Chrono.none);
  else if (heading === c.chrono) run(c, Chrono.busy);
}
