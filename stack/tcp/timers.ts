/**
 * Arming and disarming. One timer serves retransmission, tail loss probe, RACK reordering and zero-window probe, as they exclude each
 * other (`c.pending` says which); another the delayed ACK; keepalive, which also ends FIN-WAIT-2 of orphans, has one made when needed.
 */
import { Col, Info } from '../../mib/ledger/layout.js';
import { Sysctl } from '../core/sysctl.js';
import { Timer } from '../core/timer.js';
import type { Connection } from './connection.js';
import { AckPending, Ca, JIFFY, Pending, TIMEOUT_INIT, TIMEOUT_MIN, TimerKind } from './constants.js';
import { pacingDelay } from './pacing.js';
import { rtoMaxUs, rtoMinUs } from './rtt.js';

export function armTransmit(c: Connection, what: number, afterUs: number): void {
  c.pending = what;
  let after = Math.ceil(Math.min(afterUs, rtoMaxUs(c)) / JIFFY) * JIFFY;
  // the running jiffy does not count: what is to wait less than one waits until the end of the next
  if (after <= JIFFY && (what === Pending.lossProbe || what === Pending.reorder)) after = 2 * JIFFY;
  const at = c.env.nowUs + after;
  c.env.timers.arm(c.retransmitTimer, at);
  showTimer(c, what === Pending.probe0 ? 4 : 1, at);
}
export function clearTransmit(c: Connection): void {
  c.pending = Pending.none;
  c.env.timers.cancel(c.retransmitTimer);
  showTimer(c, 0, 0);
}
/** /proc/net/tcp's timer column. */
function showTimer(c: Connection, kind: number, at: number): void {
  const ledger = c.env.ledger;
  ledger.setColumn(c.owner, Col.timerKind, kind);
  ledger.setColumn(c.owner, Col.retransmits, c.retransmits);
  ledger.setColumn(c.owner, Col.probes, c.probesOut);
  ledger.setInfo(c.owner, Info.timerAtUs, at);
}

/** How far the retransmission of the oldest segment is away. */
export function rtoDelta(c: Connection): number {
  const head = c.sendQueue.rtxHead;
  if (!head) return c.rtoUs;
  return head.sentUs + c.rtoUs - c.env.nowUs;
}

/** RFC 6298 5.2, 5.3: restarts the retransmission timer, or stops it when all is acknowledged. */
export function rearmRto(c: Connection): void {
  if (c.fastOpenServer) return;
  if (c.packetsOut === 0) {
    clearTransmit(c);
    return;
  }
  let rto = c.rtoUs;
  if (c.pending === Pending.reorder || c.pending === Pending.lossProbe) rto = Math.max(rtoDelta(c), 1);
  armTransmit(c, Pending.retransmit, rto + pacingDelay(c));
}

/** RFC 8985 7.2: arms the probe timeout when the tail is all there is to hear of. */
export function scheduleLossProbe(c: Connection, advancing: boolean): boolean {
  if (c.fastOpenServer) return false;
  const early = c.env.sysctl.values[Sysctl.tcp_early_retrans]!;
  const state = c.loss.caState;
  if ((early !== 3 && early !== 4) || c.packetsOut === 0 || !c.sackOk || (state !== Ca.open && state !== Ca.cwr)) return false;
  let timeout = TIMEOUT_INIT;
  if (c.rtt.srttUs !== 0) {
    timeout = c.rtt.srttUs >>> 2;
    timeout += c.packetsOut === 1 ? rtoMinUs(c) : TIMEOUT_MIN;
  }
  const rto = advancing ? c.rtoUs : rtoDelta(c);
  if (rto > 0) timeout = Math.min(timeout, rto);
  armTransmit(c, Pending.lossProbe, timeout + pacingDelay(c));
  return true;
}

export function setTransmitTimer(c: Connection): void {
  if (!scheduleLossProbe(c, true)) rearmRto(c);
}

// ---- zero window

export function probe0Base(c: Connection): number {
  return Math.max(c.rtoUs, rtoMinUs(c));
}
export function probe0When(c: Connection): number {
  const limit = Math.floor(Math.log2(120_000_000 / 200_000)) + 1;
  return Math.min(probe0Base(c) * 2 ** Math.min(limit, c.backoff), rtoMaxUs(c));
}
/** TCP_USER_TIMEOUT bounds the wait for the next probe. */
export function clampProbe0(c: Connection, whenUs: number): number {
  const user = c.settings.userTimeoutMs * 1000;
  if (!user || c.probesTstampUs === 0) return whenUs;
  const elapsed = Math.max(0, c.env.nowUs - c.probesTstampUs);
  return Math.min(whenUs, Math.max(user - elapsed, TIMEOUT_MIN));
}

// ---- delayed ACK

export function clearAckTimer(c: Connection): void {
  c.ackPending = 0;
  c.ackRetry = 0;
  c.env.timers.cancel(c.ackTimer);
}
/** No timer of Linux fires within the running tick, not even one for now (a FIN before any data has no delay yet). */
const LEAST_DELAY = 3000;

export function armAckTimer(c: Connection, atUs: number): void {
  c.ackPending |= AckPending.sched | AckPending.timer;
  c.ackTimeoutUs = atUs;
  c.env.timers.arm(c.ackTimer, Math.max(atUs, c.env.nowUs + LEAST_DELAY));
}

// ---- keepalive

export function armKeepalive(c: Connection, afterUs: number): void {
  c.keepaliveTimer ??= new Timer(c, TimerKind.keepalive);
  c.env.timers.arm(c.keepaliveTimer, c.env.nowUs + afterUs);
}
export function keepaliveTime(c: Connection): number {
  return (c.settings.keepIdle || c.env.sysctl.values[Sysctl.tcp_keepalive_time]!) * 1_000_000;
}
export function keepaliveInterval(c: Connection): number {
  return (c.settings.keepInterval || c.env.sysctl.values[Sysctl.tcp_keepalive_intvl]!) * 1_000_000;
}
export function keepaliveProbes(c: Connection): number {
  return c.settings.keepCount || c.env.sysctl.values[Sysctl.tcp_keepalive_probes]!;
}

/** How long an orphan may stay in FIN-WAIT-2: tcp_fin_timeout or TCP_LINGER2, at least 3.5 RTO. */
export function finTime(c: Connection): number {
  const seconds = c.settings.linger2 || c.env.sysctl.values[Sysctl.tcp_fin_timeout]!;
  return Math.max(seconds * 1_000_000, c.rtoUs * 3.5);
}

/** All timers off and out of the queue: the connection ends. */
export function forgetTimers(c: Connection): void {
  const t = c.env.timers;
  c.pending = Pending.none;
  c.ackPending = 0;
  t.cancel(c.retransmitTimer, true);
  t.cancel(c.ackTimer, true);
  if (c.keepaliveTimer) t.cancel(c.keepaliveTimer, true);
  if (c.pacer) t.cancel(c.pacer.timer, true);
  if (c.rare) t.cancel(c.rare.compressedAckTimer, true);
}
