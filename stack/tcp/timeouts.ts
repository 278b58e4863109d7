/** What the timers do: retransmission (RFC 6298 5, 1122 4.2.3.5), loss probe, zero-window probe (9293 3.8.6.1), keepalive (1122 4.2.3.6), FIN-WAIT-2. */
import { TcpExt } from '../../mib/catalogue/index.js';
import { Errno } from '../core/errno.js';
import { Sysctl } from '../core/sysctl.js';
import type { Connection } from './connection.js';
import { Ca, Pending, RESOURCE_PROBE_INTERVAL, TIMEOUT_INIT, TIMEWAIT_LEN, TimerKind } from './constants.js';
import { ackTimerFired, flushCompressedAck } from './delayed-ack.js';
import { done, purgeSendQueue, timeWait } from './ending.js';
import { memoryExhausted, tooManyOrphans } from './lifecycle.js';
import { currentMss } from './mss.js';
import { suspectBlackHole } from './mtu-probe.js';
import { nagleMode, PushOne, probe, spaceCheck, writeOut } from './output.js';
import { sendActiveReset } from './output-segment.js';
import { pacingDelay } from './pacing.js';
import { detectLoss } from './rack.js';
import { enterLoss, enterRecovery, prr } from './recovery.js';
import { retransmit, retransmitQueue, sendLossProbe } from './retransmit.js';
import { computedRto, rtoMaxUs, rtoMinUs, tsAt, tsNow } from './rtt.js';
import { packetsInFlight } from './segments.js';
import { TcpState } from './state.js';
import { noteTimeout } from './timeout-sums.js';
import {
  armKeepalive,
  armTransmit,
  clampProbe0,
  finTime,
  keepaliveInterval,
  keepaliveProbes,
  keepaliveTime,
  probe0When,
  rearmRto,
} from './timers.js';
import { rehashAfterTimeout } from './tx-hash.js';

export function timerFired(c: Connection, kind: number, nowUs: number): void {
  if (c.state === TcpState.CLOSE) return;
  void nowUs;
  switch (kind) {
    case TimerKind.delayedAck:
      ackTimerFired(c);
      break;
    case TimerKind.compressedAck:
      flushCompressedAck(c);
      break;
    case TimerKind.keepalive:
      keepaliveFired(c);
      break;
    case TimerKind.pacing:
      pacingFired(c);
      break;
    default:
      transmitFired(c);
  }
}

function transmitFired(c: Connection): void {
  const what = c.pending;
  switch (what) {
    case Pending.reorder:
      reorderFired(c);
      break;
    case Pending.lossProbe:
      sendLossProbe(c);
      break;
    case Pending.retransmit:
      c.pending = Pending.none;
      retransmitFired(c);
      break;
    case Pending.probe0:
      c.pending = Pending.none;
      probeFired(c);
      break;
  }
}

/** States in which there may be something to send. */
const SENDING: readonly number[] = [
  TcpState.ESTABLISHED,
  TcpState.FIN_WAIT1,
  TcpState.CLOSING,
  TcpState.CLOSE_WAIT,
  TcpState.LAST_ACK,
];

/** The next segment may leave: a lost one first. */
function pacingFired(c: Connection): void {
  if (!SENDING.includes(c.state)) return;
  if (c.loss.lostOut > c.loss.retransOut && c.sndCwnd > packetsInFlight(c)) retransmitQueue(c);
  writeOut(c, currentMss(c), nagleMode(c), PushOne.no);
  spaceCheck(c);
}

/** RFC 8985 6.3: the reordering window has passed. */
function reorderFired(c: Connection): void {
  const was = packetsInFlight(c);
  const lost = c.loss.lost;
  detectLoss(c);
  if (was !== packetsInFlight(c)) {
    if (c.loss.caState !== Ca.recovery) {
      enterRecovery(c, false);
      if (c.congestion.control === null) prr(c, 1, c.loss.lost - lost, 0);
    }
    retransmitQueue(c);
  }
  if (c.pending !== Pending.retransmit) rearmRto(c);
}

// ---- giving up

/** The peer is gone: ETIMEDOUT, or what ICMP said. */
function giveUp(c: Connection): void {
  c.error = c.softError || Errno.ETIMEDOUT;
  purgeSendQueue(c);
  const user = c.user;
  const owner = c.owner;
  owner.inc(TcpExt.TCPAbortOnTimeout);
  done(c);
  user?.onError(c);
}

/** How long `boundary` retransmissions with doubled time-outs last, µs. */
function modelTimeout(c: Connection, boundary: number, base: number): number {
  const max = rtoMaxUs(c);
  const linear = Math.floor(Math.log2(max / base));
  if (boundary <= linear) return (2 * 2 ** boundary - 1) * base;
  return (2 * 2 ** linear - 1) * base + (boundary - linear) * max;
}

/** RFC 1122 4.2.3.5: have retransmissions gone on for as long as `boundary` of them would take, or for `timeoutUs`? */
function retransmitsTimedOut(c: Connection, boundary: number, timeoutUs: number): boolean {
  if (c.retransmits === 0) return false;
  let timeout = timeoutUs;
  if (timeout === 0) {
    const opening = c.state === TcpState.SYN_SENT || c.state === TcpState.SYN_RECV;
    timeout = modelTimeout(c, boundary, opening ? TIMEOUT_INIT : rtoMinUs(c));
  }
  return (tsNow(c) - c.loss.retransStamp) >>> 0 >= Math.floor(timeout / 1000);
}

function orphanRetries(c: Connection, alive: boolean): number {
  let n = c.env.sysctl.values[Sysctl.tcp_orphan_retries]!;
  if (c.softError && !alive) n = 0;
  if (n === 0 && alive) n = 8;
  return n;
}

/** Too many orphans: this one goes (RST when it was lively). */
function outOfResources(c: Connection, reset: boolean): boolean {
  let shift = 0;
  const idle = c.env.nowUs - c.lsndTimeUs;
  if (idle > 2 * rtoMaxUs(c) || !reset) shift++;
  if (c.softError) shift++;
  if (!tooManyOrphans(c, shift) && !memoryExhausted(c)) return false;
  const owner = c.owner;
  if (reset || idle <= TIMEWAIT_LEN || (c.sndWnd === 0 && c.packetsOut === 0)) sendActiveReset(c);
  owner.inc(TcpExt.TCPAbortOnMemory);
  done(c);
  return true;
}

/** A time-out: is it one too many? True: the connection is gone. */
function writeTimeout(c: Connection): boolean {
  const sysctl = c.env.sysctl.values;
  let expired = false;
  let until: number;
  if (c.state === TcpState.SYN_SENT || c.state === TcpState.SYN_RECV) {
    until = c.settings.synCount || sysctl[Sysctl.tcp_syn_retries]!;
    const most = until + (c.state === TcpState.SYN_SENT ? sysctl[Sysctl.tcp_syn_linear_timeouts]! : 0);
    expired = c.retransmits >= most;
  } else {
    if (retransmitsTimedOut(c, sysctl[Sysctl.tcp_retries1]!, 0)) {
      suspectBlackHole(c);
      c.routeStale = true;
    }
    until = sysctl[Sysctl.tcp_retries2]!;
    if (c.orphan) {
      const alive = c.rtoUs < rtoMaxUs(c);
      until = orphanRetries(c, alive);
      if (outOfResources(c, alive || !retransmitsTimedOut(c, until, 0))) return true;
    }
  }
  if (!expired) expired = retransmitsTimedOut(c, until, c.settings.userTimeoutMs * 1000);
  if (expired) {
    giveUp(c);
    return true;
  }
  rehashAfterTimeout(c);
  return false;
}

// ---- retransmission

function firstFailure(c: Connection): void {
  const l = c.loss;
  if (l.caState === Ca.recovery) c.owner.inc(c.sackOk ? TcpExt.TCPSackRecoveryFail : TcpExt.TCPRenoRecoveryFail);
  else if (l.caState === Ca.loss) c.owner.inc(TcpExt.TCPLossFailures);
  else if (l.caState === Ca.disorder || l.sackedOut > 0) c.owner.inc(c.sackOk ? TcpExt.TCPSackFailures : TcpExt.TCPRenoFailures);
}

function retransmitFired(c: Connection): void {
  if (c.fastOpenServer) {
    synAckTimeout(c);
    return;
  }
  const head = c.sendQueue.rtxHead;
  if (c.packetsOut === 0 || !head) return;
  const opening = c.state === TcpState.SYN_SENT || c.state === TcpState.SYN_RECV;
  if (c.sndWnd === 0 && !c.orphan && !opening) {
    const since = (tsNow(c) - (c.loss.retransStamp || tsAt(head.sentUs))) >>> 0;
    if (windowProbeTimedOut(c, since)) {
      giveUp(c);
      return;
    }
    enterLoss(c);
    retransmit(c, head, 1);
    c.routeStale = true;
    backOff(c);
    return;
  }
  c.owner.inc(TcpExt.TCPTimeouts);
  if (writeTimeout(c)) return;
  if (c.retransmits === 0) firstFailure(c);
  enterLoss(c);
  noteTimeout(c);
  const first = c.sendQueue.rtxHead;
  if (first && retransmit(c, first, 1) > 0) {
    armTransmit(c, Pending.retransmit, RESOURCE_PROBE_INTERVAL);
    return;
  }
  backOff(c);
}

/** RFC 6298 5.5: the time-out doubles; linearly for the first SYNs (tcp_syn_linear_timeouts) and thin streams. */
function backOff(c: Connection): void {
  const sysctl = c.env.sysctl.values;
  const thin = c.settings.thinLinearTimeouts || sysctl[Sysctl.tcp_thin_linear_timeouts] !== 0;
  const isThin = c.packetsOut < 4 && c.sndSsthresh !== 0x7fffffff;
  if (c.state === TcpState.ESTABLISHED && thin && isThin && c.retransmits <= 6) {
    c.backoff = 0;
    c.rtoUs = Math.min(Math.max(computedRto(c), rtoMinUs(c)), rtoMaxUs(c));
  } else if (c.state !== TcpState.SYN_SENT || c.loss.totalRto > sysctl[Sysctl.tcp_syn_linear_timeouts]!) {
    c.backoff++;
    c.rtoUs = Math.min(c.rtoUs * 2, rtoMaxUs(c));
  }
  armTransmit(c, Pending.retransmit, clampToUserTimeout(c));
  if (retransmitsTimedOut(c, sysctl[Sysctl.tcp_retries1]! + 1, 0)) c.routeStale = true;
}

function clampToUserTimeout(c: Connection): number {
  const user = c.settings.userTimeoutMs;
  if (!user) return c.rtoUs;
  const left = user - ((tsNow(c) - c.loss.retransStamp) | 0);
  return left <= 0 ? 1 : Math.min(c.rtoUs, left * 1000);
}

/** The window is shut and retransmissions serve as probes: the peer may take as long as it answers. */
function windowProbeTimedOut(c: Connection, sinceMs: number): boolean {
  let timeout = rtoMaxUs(c) * 2;
  const user = c.settings.userTimeoutMs;
  if (user) {
    if (sinceMs > user) return true;
    timeout = Math.min(timeout, user * 1000);
  }
  if (c.env.nowUs - c.rcvTstampUs <= timeout) return false;
  return sinceMs * 1000 > timeout;
}

/** The SYN-ACK of a Fast Open child was not answered. */
function synAckTimeout(c: Connection): void {
  const most = (c.settings.synCount || c.env.sysctl.values[Sysctl.tcp_synack_retries]!) + 1;
  c.owner.inc(TcpExt.TCPTimeouts);
  if (c.retransmits >= most) {
    giveUp(c);
    return;
  }
  if (c.retransmits === 1) enterLoss(c);
  c.fastOpenServer!.resend(c);
  noteTimeout(c);
  if (c.loss.retransStamp === 0) c.loss.retransStamp = tsNow(c) || 1;
  armTransmit(c, Pending.retransmit, TIMEOUT_INIT * 2 ** c.retransmits);
}

// ---- zero window

function probeFired(c: Connection): void {
  if (c.packetsOut > 0 || !c.sendQueue.sendHead) {
    c.probesOut = 0;
    c.probesTstampUs = 0;
    return;
  }
  const user = c.settings.userTimeoutMs * 1000;
  if (c.probesTstampUs === 0) c.probesTstampUs = c.env.nowUs;
  else if (user && c.env.nowUs - c.probesTstampUs >= user) {
    giveUp(c);
    return;
  }
  let most = c.env.sysctl.values[Sysctl.tcp_retries2]!;
  if (c.orphan) {
    const alive = Math.min(c.rtoUs * 2 ** c.backoff, rtoMaxUs(c)) < rtoMaxUs(c);
    most = orphanRetries(c, alive);
    if (!alive && c.backoff >= most) {
      giveUp(c);
      return;
    }
    if (outOfResources(c, true)) return;
  }
  if (c.probesOut >= most) giveUp(c);
  else sendProbe0(c);
}

function sendProbe0(c: Connection): void {
  const error = probe(c, TcpExt.TCPWinProbe);
  if (c.packetsOut > 0 || !c.sendQueue.sendHead) {
    c.probesOut = 0;
    c.backoff = 0;
    c.probesTstampUs = 0;
    return;
  }
  c.probesOut++;
  let wait = RESOURCE_PROBE_INTERVAL;
  if (error <= 0) {
    if (c.backoff < c.env.sysctl.values[Sysctl.tcp_retries2]!) c.backoff++;
    wait = probe0When(c);
  }
  armTransmit(c, Pending.probe0, clampProbe0(c, wait) + pacingDelay(c));
}

// ---- keepalive and FIN-WAIT-2

function keepaliveFired(c: Connection): void {
  if (c.state === TcpState.FIN_WAIT2 && c.orphan) {
    if (c.settings.linger2 >= 0) {
      const wait = finTime(c) - TIMEWAIT_LEN;
      if (wait > 0) {
        timeWait(c, TcpState.FIN_WAIT2, wait);
        return;
      }
    }
    sendActiveReset(c);
    done(c);
    return;
  }
  if (!c.settings.keepAlive || c.state === TcpState.SYN_SENT) return;
  const idle = keepaliveTime(c);
  if (c.packetsOut > 0 || c.sendQueue.sendHead) {
    armKeepalive(c, idle);
    return;
  }
  const elapsed = c.env.nowUs - Math.max(c.lrcvTimeUs, c.rcvTstampUs);
  if (elapsed < idle) {
    armKeepalive(c, idle - elapsed);
    return;
  }
  const user = c.settings.userTimeoutMs * 1000;
  if (user ? elapsed >= user && c.probesOut > 0 : c.probesOut >= keepaliveProbes(c)) {
    sendActiveReset(c);
    giveUp(c);
    return;
  }
  if (probe(c, TcpExt.TCPKeepAlive) <= 0) {
    c.probesOut++;
    armKeepalive(c, keepaliveInterval(c));
  } else armKeepalive(c, RESOURCE_PROBE_INTERVAL);
}
