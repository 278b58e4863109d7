/**
 * What is remembered of a peer after a connection (RFC 2140's control block interdependence; Linux's tcp_metrics): round trip and deviation,
 * ssthresh, congestion window, reordering, by the pair of addresses. A connection that ends in order, into TIME-WAIT or out of LAST-ACK, leaves
 * what it has learnt (tcp_no_metrics_save = 1: nothing); one that begins takes from it a more careful time-out, the reordering that was met
 * and, with tcp_no_ssthresh_metrics_save = 0, where slow start should end. The congestion window is kept and not used, as in Linux, where it
 * bounds a connection only when an administrator has locked it.
 *
 * Bounded as Linux's table on a machine with 512 MiB and more: 16384 chains, and from the seventh entry of a chain on the oldest is overwritten.
 * Nothing is made before the first connection ends. After an hour without news an entry is forgotten.
 */
import type { IpAddress } from '../core/address.js';
import type { Env } from '../core/env.js';
import { Sysctl } from '../core/sysctl.js';
import type { Connection } from './connection.js';
import { Ca, INFINITE_SSTHRESH } from './constants.js';
import { rtoMinUs } from './rtt.js';

const CHAINS_BITS = 14;
const CHAINS = 1 << CHAINS_BITS;
/** A chain longer than this overwrites. */
const RECLAIM_DEPTH = 5;
const LIFETIME_US = 3600e6;
/** The kernel's clock counts in jiffies (HZ = 250), µs; the estimate is in eighths. */
const TICK_US = 4000;
const TICK_IN_EIGHTHS = 8 * TICK_US;

export class PeerMetrics {
  local: IpAddress;
  remote: IpAddress;
  /** When something was learnt last. */
  stampUs = 0;
  /** Smoothed round trip in eighths of µs; 0: unknown. */
  rtt = 0;
  /** Its mean deviation, in quarters. */
  rttvar = 0;
  ssthresh = 0;
  cwnd = 0;
  reordering = 0;
  next: PeerMetrics | null = null;

  constructor(local: IpAddress, remote: IpAddress) {
    this.local = local;
    this.remote = remote;
  }

  isOf(local: IpAddress, remote: IpAddress): boolean {
    return this.remote.equals(remote) && this.local.equals(local);
  }
  forget(): void {
    this.rtt = this.rttvar = this.ssthresh = this.cwnd = this.reordering = 0;
  }
}

function chainOf(local: IpAddress, remote: IpAddress): number {
  let h = Math.imul(remote.w3 ^ Math.imul(local.w3, 0x85ebca6b), 0x9e3779b1);
  if (remote.family === 6)
    h = Math.imul(h ^ remote.w0 ^ Math.imul(remote.w1, 0x85ebca6b) ^ Math.imul(remote.w2, 0xc2b2ae35), 0x9e3779b1);
  return (h ^ (h >>> 15)) & (CHAINS - 1);
}

/** The memory of one stack. */
export class MetricsCache {
  private readonly env: Env;
  private chains: (PeerMetrics | null)[] | null = null;
  size = 0;

  constructor(env: Env) {
    this.env = env;
  }

  /** What is known of a peer; null: nothing. */
  find(local: IpAddress, remote: IpAddress): PeerMetrics | null {
    if (this.chains === null) return null;
    for (let m: PeerMetrics | null = this.chains[chainOf(local, remote)]!; m !== null; m = m.next) {
      if (!m.isOf(local, remote)) continue;
      if (this.env.nowUs - m.stampUs > LIFETIME_US) {
        m.forget();
        m.stampUs = this.env.nowUs;
      }
      return m;
    }
    return null;
  }

  /** A peer that has answered us before (tcp_peer_is_proven). */
  proven(local: IpAddress, remote: IpAddress): boolean {
    const m = this.find(local, remote);
    return m !== null && m.rtt !== 0;
  }

  private need(local: IpAddress, remote: IpAddress): PeerMetrics {
    const known = this.find(local, remote);
    if (known !== null) return known;
    this.chains ??= new Array<PeerMetrics | null>(CHAINS).fill(null);
    const i = chainOf(local, remote);
    let depth = 0;
    let oldest: PeerMetrics | null = null;
    for (let m: PeerMetrics | null = this.chains[i]!; m !== null; m = m.next) {
      if (oldest === null || m.stampUs < oldest.stampUs) oldest = m;
      depth++;
    }
    if (oldest !== null && depth > RECLAIM_DEPTH) {
      oldest.local = local;
      oldest.remote = remote;
      oldest.forget();
      return oldest;
    }
    const fresh = new PeerMetrics(local, remote);
    fresh.stampUs = this.env.nowUs;
    fresh.next = this.chains[i]!;
    this.chains[i] = fresh;
    this.size++;
    return fresh;
  }

  flush(): void {
    this.chains = null;
    this.size = 0;
  }

  /** A connection ends in order (tcp_update_metrics). */
  save(c: Connection): void {
    if (this.env.sysctl.values[Sysctl.tcp_no_metrics_save] !== 0 || c.route === null) return;
    if (c.backoff !== 0 || c.rtt.srttUs === 0) {
      const m = this.find(c.local, c.remote); // nothing came back in time: what was known may be wrong
      if (m !== null) m.rtt = 0;
      return;
    }
    const m = this.need(c.local, c.remote);
    learnRtt(m, c.rtt.srttUs, c.rtt.mdevUs);
    learnWindow(m, c, this.env.sysctl.values[Sysctl.tcp_no_ssthresh_metrics_save] === 0);
    m.stampUs = this.env.nowUs;
  }

  /** A connection begins: ssthresh, reordering and time-out (tcp_init_metrics). True: the time-out was set. */
  use(c: Connection): boolean {
    const m = c.route === null ? null : this.find(c.local, c.remote);
    if (m === null) return false;
    if (m.ssthresh !== 0 && this.env.sysctl.values[Sysctl.tcp_no_ssthresh_metrics_save] === 0) c.sndSsthresh = m.ssthresh;
    if (m.reordering !== 0) c.loss.reordering = m.reordering;
    if (m.rtt <= c.rtt.srttUs) return false;
    // what a SYN took says little of larger segments: the time-out is that of what was known
    const rttUs = Math.floor(m.rtt / TICK_IN_EIGHTHS) * TICK_US;
    c.rtoUs = rttUs + Math.max(2 * rttUs, rtoMinUs(c));
    return true;
  }
}

/** A longer round trip is believed at once, a shorter one slowly; the deviation the same way. */
function learnRtt(m: PeerMetrics, srtt: number, mdevUs: number): void {
  const change = m.rtt - srtt;
  m.rtt = change <= 0 ? srtt : m.rtt - (change >> 3);
  const deviation = Math.max(Math.abs(change) >> 1, mdevUs);
  m.rttvar = deviation >= m.rttvar ? deviation : m.rttvar - ((m.rttvar - deviation) >> 2);
}

function learnWindow(m: PeerMetrics, c: Connection, ssthreshToo: boolean): void {
  if (c.sndSsthresh >= INFINITE_SSTHRESH) {
    // slow start has not ended: the window is a lower bound
    if (ssthreshToo && m.ssthresh !== 0 && c.sndCwnd >> 1 > m.ssthresh) m.ssthresh = c.sndCwnd >> 1;
    m.cwnd = Math.max(m.cwnd, c.sndCwnd);
  } else if (c.sndCwnd >= c.sndSsthresh && c.loss.caState === Ca.open) {
    if (ssthreshToo) m.ssthresh = Math.max(c.sndCwnd >> 1, c.sndSsthresh);
    m.cwnd = (m.cwnd + c.sndCwnd) >> 1;
  } else {
    m.cwnd = (m.cwnd + c.sndSsthresh) >> 1;
    if (ssthreshToo && m.ssthresh !== 0 && c.sndSsthresh > m.ssthresh) m.ssthresh = c.sndSsthresh;
    if (m.reordering < c.loss.reordering && c.loss.reordering !== c.env.sysctl.values[Sysctl.tcp_reordering]) {
      m.reordering = c.loss.reordering;
    }
  }
}
