/**
 * Is there room to send into? The send buffer has a limit, and TCP_NOTSENT_LOWAT one for what was not even sent. Whoever writes may fill up
 * to both; whoever waits hears of room only when a third of the buffer is free and half of what may wait unsent is gone, so that he is not
 * woken for little.
 */
import { Sysctl } from '../core/sysctl.js';
import type { Connection } from './connection.js';

/** Less than so many bytes unsent? The sysctl's number, 2^32 − 1 by default, is compared in its place: what passes it on would box it. */
function belowLimit(c: Connection, unsent: number): boolean {
  const own = c.settings.notSentLowat;
  if (own !== 0) return unsent < own;
  return unsent < c.env.sysctl.values[Sysctl.tcp_notsent_lowat]!;
}

/** May a writer begin another segment? */
export function hasRoom(c: Connection): boolean {
  return c.wmemQueued < c.sndBuf && belowLimit(c, c.unsent());
}

/** Is it worth telling a writer (POLLOUT)? */
export function isWritable(c: Connection): boolean {
  if (c.wmemQueued >= c.sndBuf || c.sndBuf - c.wmemQueued < c.wmemQueued >> 1) return false;
  return belowLimit(c, 2 * c.unsent());
}
