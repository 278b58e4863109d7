/** TS.Recent and PAWS (RFC 7323 4.3, 5). */
import type { TcpHeader } from '../wire/tcp.js';
import type { Connection } from './connection.js';
import { PAWS_WRAP, TS_PROGRESS } from './constants.js';
import { after } from './seq.js';

/** Takes a segment's timestamps into the connection; the echo without our offset. */
export function takeTimestamps(c: Connection, h: TcpHeader): void {
  c.sawTs = h.sawTs && c.tsOk;
  if (!c.sawTs) return;
  c.rcvTsVal = h.tsVal;
  c.rcvTsEcr = h.tsEcr !== 0 ? (h.tsEcr - c.tsOffset) >>> 0 : 0;
}

/** Is the last timestamp new enough? `slack` ms of it may be older. */
export function pawsPasses(c: Connection, slack: number): boolean {
  if (((c.tsRecent - c.rcvTsVal) | 0) <= slack) return true;
  if (c.env.nowUs - c.tsRecentUs >= PAWS_WRAP) return true;
  return c.tsRecent === 0; // some send 0 in their SYN and real values later
}

export function storeTsRecent(c: Connection): void {
  c.tsRecent = c.rcvTsVal;
  c.tsRecentUs = c.env.nowUs;
}

/** Updates TS.Recent from a segment at or before the last ACK sent (RFC 7323 4.3 step 2). TS_PROGRESS when the peer's clock moved on. */
export function replaceTsRecent(c: Connection, seq: number): number {
  if (!c.sawTs || after(seq, c.rcvWup) || !pawsPasses(c, 0)) return 0;
  const later = ((c.rcvTsVal - c.tsRecent) | 0) > 0;
  storeTsRecent(c);
  return later ? TS_PROGRESS : 0;
}
