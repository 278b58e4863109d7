/**
 * Packetization layer path MTU discovery (RFC 4821 7, as tcp_mtu_probing has it): a segment larger than the MSS now and then, a binary search
 * between what is known to pass and what may. Acknowledged, it raises the MSS; lost alone, it lowers the upper end, and congestion control
 * hears nothing of it (7.6.3). And black holes: retransmissions that never arrive lower the MSS, where no ICMP says why (7.7).
 *
 * tcp_mtu_probing: 1 from the first black hole on, 2 always. What a connection needs for it lies in its rare state.
 */
import { TcpExt } from '../../mib/catalogue/index.js';
import { Sysctl } from '../core/sysctl.js';
import { currentSsthresh } from './congestion/window.js';
import type { Connection } from './connection.js';
import { mssToMtu, mtuToMss, syncMss } from './mss.js';
import { MtuProbe } from './rare.js';
import { before } from './seq.js';

const TCP_FIXED = 20;

/** The largest MTU worth trying: the peer's MSS with headers. */
function upperEnd(c: Connection): number {
  return c.mssClamp + TCP_FIXED + c.tcp.network(c.family).headerLength;
}

/** The search begins (tcp_mtup_init): at the SYN, and again when data may be sent. */
export function initMtuProbe(c: Connection): void {
  const sysctl = c.env.sysctl.values;
  const on = sysctl[Sysctl.tcp_mtu_probing]! > 1;
  if (!on && c.rare?.mtuProbe == null) return;
  const m = needMtuProbe(c);
  m.enabled = on;
  m.high = upperEnd(c);
  m.low = mssToMtu(c, sysctl[Sysctl.tcp_base_mss]!);
  m.size = 0;
  if (on) m.stampUs = c.env.nowUs;
}
function needMtuProbe(c: Connection): MtuProbe {
  const rare = c.needRare();
  rare.mtuProbe ??= new MtuProbe();
  return rare.mtuProbe;
}

/** Retransmission after retransmission is lost: is it their size? The first time probing begins, then the lower end is halved. */
export function suspectBlackHole(c: Connection): void {
  const sysctl = c.env.sysctl.values;
  if (sysctl[Sysctl.tcp_mtu_probing] === 0) return;
  let m = c.rare?.mtuProbe ?? null;
  if (m === null) {
    m = needMtuProbe(c);
    m.high = Math.min(upperEnd(c), c.pmtu);
    m.low = mssToMtu(c, sysctl[Sysctl.tcp_base_mss]!);
  }
  if (!m.enabled) {
    m.enabled = true;
    m.stampUs = c.env.nowUs;
  } else {
    const half = Math.min(sysctl[Sysctl.tcp_base_mss]!, mtuToMss(c, m.low) >> 1);
    m.low = mssToMtu(c, Math.max(half, sysctl[Sysctl.tcp_mtu_probe_floor]!, sysctl[Sysctl.tcp_min_snd_mss]!));
  }
  syncMss(c, c.pmtu);
}

/** The search has ended; after tcp_probe_interval it begins anew above the MSS of now. */
export function searchAgain(c: Connection, m: MtuProbe, mss: number): void {
  if (c.env.nowUs - m.stampUs < c.env.sysctl.values[Sysctl.tcp_probe_interval]! * 1e6) return;
  m.size = 0;
  m.high = upperEnd(c);
  m.low = mssToMtu(c, mss);
  m.stampUs = c.env.nowUs;
}

/** New data was acknowledged: the probe with it? Then its size is the MSS, and the window is as many bytes as before. */
export function mtuProbeAcked(c: Connection, m: MtuProbe): void {
  if (m.size === 0 || before(c.sndUna, m.endSeq)) return;
  c.loss.priorSsthresh = currentSsthresh(c);
  c.sndCwnd = Math.max(1, Math.floor((c.sndCwnd * mssToMtu(c, c.mssCache)) / m.size));
  c.sndCwndCnt = 0;
  c.sndCwndStampUs = c.env.nowUs;
  c.sndSsthresh = currentSsthresh(c);
  m.low = m.size;
  m.size = 0;
  syncMss(c, c.pmtu);
  c.owner.inc(TcpExt.TCPMTUPSuccess);
}

/** Something is lost: the probe alone, which is then no sign of congestion? */
export function mtuProbeLost(c: Connection): boolean {
  const m = c.rare?.mtuProbe;
  if (!m || m.size === 0 || c.sndUna !== m.seq) return false;
  m.high = m.size - 1;
  m.size = 0;
  c.owner.inc(TcpExt.TCPMTUPFail);
  c.sndCwnd++;
  return true;
}

/** A retransmission while a probe is out: whatever became of it proves nothing. */
export function mtuProbeInconclusive(c: Connection): void {
  const m = c.rare?.mtuProbe;
  if (m) m.size = 0;
}
