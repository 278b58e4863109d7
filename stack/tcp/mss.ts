/** Segment sizes: the sending MSS from path MTU, the peer's MSS and its window (RFC 9293 3.7.1, RFC 6691), and how large super-frames may be. */
import { Sysctl } from '../core/sysctl.js';
import type { Connection } from './connection.js';
import { MSS_DEFAULT } from './constants.js';
import { establishedOptionBytes } from './output-segment.js';
import { minRttUs } from './rtt.js';

const TCP_FIXED = 20;
/** Room that Linux keeps in a super-frame for headers (MAX_TCP_HEADER). */
const GSO_RESERVE = 321;
const MAX_GSO_SEGS = 65535;

/** Segments to peers with tiny windows are at most half the largest window seen. */
function boundToHalfWindow(c: Connection, size: number): number {
  const cutoff = c.maxWindow > MSS_DEFAULT ? c.maxWindow >> 1 : c.maxWindow;
  return cutoff && size > cutoff ? Math.max(cutoff, 68 - c.headerLength) : size;
}

/** The path MTU or the peer's window changed: recomputes the MSS. */
export function syncMss(c: Connection, mtu: number): void {
  const probe = c.rare === null ? null : c.rare.mtuProbe;
  if (probe !== null && probe.high > mtu) probe.high = mtu;
  c.pmtu = mtu;
  const mss = boundToHalfWindow(c, mtuToMss(c, mtu));
  c.mssCache = probe?.enabled ? Math.min(mss, mtuToMss(c, probe.low)) : mss;
}

/** Data that a segment may carry in a packet of this size. */
export function mtuToMss(c: Connection, mtu: number): number {
  const mss = Math.min(mtu - c.tcp.network(c.family).headerLength - TCP_FIXED, c.mssClamp);
  return Math.max(mss, c.env.sysctl.values[Sysctl.tcp_min_snd_mss]!) - (c.headerLength - TCP_FIXED);
}
export function mssToMtu(c: Connection, mss: number): number {
  return mss + c.headerLength + c.tcp.network(c.family).headerLength;
}

/** MSS of what is sent now: SACK blocks take room. */
export function currentMss(c: Connection): number {
  const mtu = c.route ? c.route.mtu(c.env.nowUs) : c.pmtu;
  if (mtu !== c.pmtu) syncMss(c, mtu);
  const header = TCP_FIXED + establishedOptionBytes(c);
  return c.mssCache - (header - c.headerLength);
}

function gsoMax(c: Connection): number {
  if (c.signature) return 0; // each segment is signed by itself
  const device = c.route ? c.route.device : null;
  const size = device ? device.gsoMaxSize : 0;
  return size > 0 ? Math.max(size - GSO_RESERVE, 0) : 0;
}

/** How many bytes one segment record may take. */
export function sizeGoal(c: Connection, mss: number, large: boolean): number {
  if (!large) return mss;
  const most = boundToHalfWindow(c, gsoMax(c));
  return Math.max(Math.floor(most / mss) * mss, mss);
}

/** How many segments may leave as one super-frame: about a millisecond's worth, more on short paths. */
export function maxTsoSegs(c: Connection, mss: number): number {
  const most = gsoMax(c);
  if (most <= mss) return 1;
  let bytes = Math.floor(c.pacingRate / 1024);
  const log = c.env.sysctl.values[Sysctl.tcp_tso_rtt_log]!;
  const r = log < 32 ? minRttUs(c) >>> log : 0;
  if (r < 32) bytes += most >>> r;
  bytes = Math.min(bytes, most);
  const least = c.congestion.minTsoSegs;
  const segs = Math.max(Math.floor(bytes / mss), least === null ? c.env.sysctl.values[Sysctl.tcp_min_tso_segs]! : least(c));
  return Math.min(segs, Math.floor(most / mss), MAX_GSO_SEGS); // never more than one frame holds, however large the MSS (loopback)
}
