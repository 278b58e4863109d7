/** What tcp_info tells of time-outs (tcpi_total_rto, _recoveries, _time, tcpi_rehash): how many, in how many bouts, and how long these lasted. */
import type { Connection } from './connection.js';

/** A time-out: the first one since progress begins a bout. */
export function noteTimeout(c: Connection): void {
  if (c.retransmits === 0) {
    const r = c.needRare();
    r.timeoutBouts++;
    r.boutSinceUs = c.env.nowUs;
  }
  c.retransmits++;
  c.loss.totalRto++;
}

/** What the time-outs were about has been acknowledged. */
export function endBout(c: Connection): void {
  const r = c.rare;
  if (r === null || r.boutSinceUs < 0) return;
  r.boutMs += milliseconds(c, r.boutSinceUs);
  r.boutSinceUs = -1;
}
function milliseconds(c: Connection, sinceUs: number): number {
  return Math.floor(c.env.nowUs / 1000) - Math.floor(sinceUs / 1000);
}

/** All bouts, the present one included, in ms. */
export function boutsMs(c: Connection): number {
  const r = c.rare;
  if (r === null) return 0;
  return r.boutMs + (r.boutSinceUs < 0 ? 0 : milliseconds(c, r.boutSinceUs));
}
