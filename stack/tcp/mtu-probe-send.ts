/** Builds and sends a probe of the path MTU (RFC 4821 7.3, 7.4; Linux's tcp_mtu_probe): the next bytes in one segment of the size to try. */
import { Sysctl } from '../core/sysctl.js';
import { Flag } from '../wire/tcp.js';
import type { Connection } from './connection.js';
import { Ca } from './constants.js';
import { currentMss, mssToMtu, mtuToMss } from './mss.js';
import { searchAgain } from './mtu-probe.js';
import { transmit } from './output-segment.js';
import type { MtuProbe } from './rare.js';
import { fragment, freeSegment, packetsInFlight } from './segments.js';
import type { Segment } from './send-queue.js';
import { after } from './seq.js';

/** What became of it: the segment that must be counted as sent is the next one to send. */
export const Probed = Object.freeze({ no: 0, wait: 1, sent: 2 });
/** A probe costs a segment's place in the window: with fewer it is not worth it. */
const LEAST_CWND = 11;

export function sendMtuProbe(c: Connection, m: MtuProbe): number {
  if (!m.enabled || m.size !== 0 || c.loss.caState !== Ca.open || c.sndCwnd < LEAST_CWND) return Probed.no;
  if (c.sackCount > 0 || c.dsack) return Probed.no; // options of changing length would blur the size
  const mss = currentMss(c);
  const size = mtuToMss(c, (m.high + m.low) >> 1);
  if (size > mtuToMss(c, m.high) || m.high - m.low < c.env.sysctl.values[Sysctl.tcp_probe_threshold]!) {
    searchAgain(c, m, mss);
    return Probed.no;
  }
  // enough must follow for the loss of the probe to be seen without a time-out
  const needed = size + (c.loss.reordering + 1) * c.mssCache;
  if ((c.writeSeq - c.sndNxt) >>> 0 < needed || c.sndWnd < needed) return Probed.no;
  if (after((c.sndNxt + needed) >>> 0, (c.sndUna + c.sndWnd) >>> 0)) return Probed.wait;
  const flight = packetsInFlight(c);
  if (flight + 2 > c.sndCwnd) return flight === 0 ? Probed.no : Probed.wait;
  const s = c.sendQueue.sendHead;
  if (s === null || !joinable(s, size)) return Probed.no;
  join(c, s, size, mss);
  s.mss = s.length;
  s.pcount = 1;
  if (transmit(c, s) < 0) return Probed.no;
  c.sndCwnd--; // it takes the room of two
  m.size = mssToMtu(c, s.length);
  m.seq = s.seq;
  m.endSeq = s.endSeq;
  return Probed.sent;
}

/** May the records of the next `size` bytes become one? */
function joinable(first: Segment, size: number): boolean {
  let left = size;
  for (let s: Segment | null = first; s !== null; s = s.next) {
    if (left <= s.length) return true;
    if (s.eor) return false;
    left -= s.length;
  }
  return false;
}

function join(c: Connection, s: Segment, size: number, mss: number): void {
  if (s.length > size) {
    fragment(c, s, size, mss);
    return;
  }
  while (s.length < size) {
    const next = s.next!;
    const n = Math.min(size - s.length, next.length);
    s.endSeq = (s.endSeq + n) >>> 0;
    s.truesize += n;
    next.truesize -= n;
    next.seq = (next.seq + n) >>> 0;
    if (next.length > 0) {
      s.flags |= next.flags & ~(Flag.FIN | Flag.PSH);
      continue;
    }
    s.endSeq = next.endSeq;
    s.flags |= next.flags;
    s.eor = next.eor;
    freeSegment(c, next);
  }
}
