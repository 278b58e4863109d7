/**
 * Loss recovery as a state machine: Open, Disorder, CWR, Recovery (RFC 6675, 6582, PRR 6937), Loss (RFC 5681, F-RTO 5682). Entered with every
 * ACK that is not plain progress; the order of its steps decides the counters.
 */
import { TcpExt } from '../../mib/catalogue/index.js';
import { Sysctl } from '../core/sysctl.js';
import { currentSsthresh } from './congestion/window.js';
import type { Connection } from './connection.js';
import {
  Ca,
  DATA_SACKED,
  ECE,
  EcnFlag,
  LOST_RETRANS,
  NAGLE_OFF,
  ORIG_SACK_ACKED,
  Pending,
  Rexmit,
  SACK_RENEGING,
  SACKED,
  SET_XMIT_TIMER,
  SND_UNA_ADVANCED,
} from './constants.js';
import { simpleRetransmit } from './icmp-input.js';
import { currentMss } from './mss.js';
import { mtuProbeLost } from './mtu-probe.js';
import { pushPending, windowEnd } from './output.js';
import { markLost, newRenoMarkLost, rackMarkLost, rackTimeLeft } from './rack.js';
import { retransmitQueue } from './retransmit.js';
import { anyRetransDone, packetsInFlight } from './segments.js';
import { after, before } from './seq.js';
import { TcpState } from './state.js';
import { endBout } from './timeout-sums.js';
import { armTransmit } from './timers.js';
import {
  endCwndReduction,
  inCwndReduction,
  initUndo,
  setCaState,
  tryKeepOpen,
  tryUndoDsack,
  tryUndoLoss,
  tryUndoPartial,
  tryUndoRecovery,
} from './undo.js';

/** Flags of the ACK that is worked on (in and out), and what is to be sent afterwards. */
export class AckWork {
  flag = 0;
  rexmit: number = Rexmit.none;
}

// ---- reductions

/** Begins a reduction of the window by PRR. */
export function initCwndReduction(c: Connection): void {
  const l = c.loss;
  l.highSeq = c.sndNxt;
  l.tlpActive = false;
  c.sndCwndCnt = 0;
  l.priorCwnd = c.sndCwnd;
  l.prrDelivered = 0;
  l.prrOut = 0;
  c.sndSsthresh = c.congestion.ssthresh(c);
  queueCwr(c);
}
/** RFC 3168 only: in AccECN the flag is part of a counter. */
export function queueCwr(c: Connection): void {
  if ((c.ecn & EcnFlag.modes) === EcnFlag.ok) c.ecn |= EcnFlag.queueCwr;
}

/** RFC 6937: how much may leave for what was delivered. */
export function prr(c: Connection, delivered: number, lost: number, flag: number): void {
  const l = c.loss;
  if (delivered <= 0 || l.priorCwnd === 0) return;
  const flight = packetsInFlight(c);
  const delta = c.sndSsthresh - flight;
  l.prrDelivered += delivered;
  let count: number;
  if (delta < 0) {
    count = Math.floor((c.sndSsthresh * l.prrDelivered + l.priorCwnd - 1) / l.priorCwnd) - l.prrOut;
  } else {
    count = Math.max(l.prrDelivered - l.prrOut, delivered);
    if (flag & SND_UNA_ADVANCED && lost === 0) count++;
    count = Math.min(delta, count);
  }
  count = Math.max(count, l.prrOut > 0 ? 0 : 1);
  c.sndCwnd = Math.max(1, flight + count);
}

/** A congestion signal without loss (ECE, a refused transmission). */
export function enterCwr(c: Connection): void {
  const l = c.loss;
  l.priorSsthresh = 0;
  if (l.caState >= Ca.cwr) return;
  l.undoMarked = false;
  initCwndReduction(c);
  setCaState(c, Ca.cwr);
}

export function enterRecovery(c: Connection, ece: boolean): void {
  const l = c.loss;
  if (!anyRetransDone(c)) l.retransStamp = 0;
  c.owner.inc(c.sackOk ? TcpExt.TCPSackRecovery : TcpExt.TCPRenoRecovery);
  l.priorSsthresh = 0;
  initUndo(c);
  if (!inCwndReduction(c)) {
    if (!ece) l.priorSsthresh = currentSsthresh(c);
    initCwndReduction(c);
  }
  setCaState(c, Ca.recovery);
}

/** RFC 5681 3.1 after a time-out: everything is lost, the window is one. */
export function enterLoss(c: Connection): void {
  const l = c.loss;
  const sysctl = c.env.sysctl.values;
  const fresh = l.caState < Ca.recovery;
  timeoutMarkLost(c);
  if (l.caState <= Ca.disorder || !after(l.highSeq, c.sndUna) || (l.caState === Ca.loss && c.retransmits === 0)) {
    l.priorSsthresh = currentSsthresh(c);
    l.priorCwnd = c.sndCwnd;
    c.sndSsthresh = c.congestion.ssthresh(c);
    c.congestion.timedOut(c);
    initUndo(c);
  }
  c.sndCwnd = packetsInFlight(c) + 1;
  c.sndCwndCnt = 0;
  c.sndCwndStampUs = c.env.nowUs;
  const reordering = sysctl[Sysctl.tcp_reordering]! | 0;
  if (l.caState <= Ca.disorder && l.sackedOut >= reordering) l.reordering = Math.min(l.reordering, reordering);
  setCaState(c, Ca.loss);
  l.highSeq = c.sndNxt;
  l.tlpActive = false;
  queueCwr(c);
  l.frto = sysctl[Sysctl.tcp_frto] !== 0 && (fresh || c.retransmits > 0);
}

function timeoutMarkLost(c: Connection): void {
  const l = c.loss;
  const q = c.sendQueue;
  const head = q.rtxHead;
  const reneged = head !== null && (head.sacked & SACKED) !== 0;
  if (reneged) {
    c.owner.inc(TcpExt.TCPSACKReneging);
    l.sackedOut = 0;
    l.sackReneg = true;
  } else if (!c.sackOk) l.sackedOut = 0;
  for (let s = head; s !== null && s !== q.sendHead; s = s.next) {
    if (reneged) s.sacked &= ~SACKED;
    else if (s !== head && rackTimeLeft(c, s, 0) > 0) continue; // sent just now: it may still arrive
    markLost(c, s);
  }
  l.retransmitHint = null;
}

// ---- without SACK: duplicate ACKs stand for segments (RFC 6582)

export function addRenoSacks(c: Connection, n: number, ece: boolean): void {
  if (n === 0) return;
  const l = c.loss;
  const was = l.sackedOut;
  l.sackedOut += n;
  checkRenoReordering(c, 0);
  if (l.sackedOut > was) countDelivered(c, l.sackedOut - was, ece);
}
export function removeRenoSacks(c: Connection, acked: number, ece: boolean): void {
  const l = c.loss;
  if (acked > 0) {
    countDelivered(c, Math.max(acked - l.sackedOut, 1), ece);
    l.sackedOut = acked - 1 >= l.sackedOut ? 0 : l.sackedOut - (acked - 1);
  }
  checkRenoReordering(c, acked);
}
function checkRenoReordering(c: Connection, addend: number): void {
  const l = c.loss;
  const holes = Math.min(Math.max(l.lostOut, 1), c.packetsOut);
  if (l.sackedOut + holes <= c.packetsOut) return;
  l.sackedOut = c.packetsOut - holes;
  l.reordering = Math.min(c.packetsOut + addend, c.env.sysctl.values[Sysctl.tcp_max_reordering]! | 0);
  l.reordSeen++;
  c.owner.inc(TcpExt.TCPRenoReorder);
}
export function countDelivered(c: Connection, n: number, ece: boolean): void {
  c.loss.delivered += n;
  if (ece && (c.ecn & EcnFlag.accEcn) === 0) c.loss.deliveredCe += n;
}

// ---- the machine

/** SACKed data that was thrown away again by the receiver: wait a little, then time out. */
function renegingCheck(c: Connection, w: AckWork): boolean {
  if ((w.flag & SACK_RENEGING) === 0 || (w.flag & SND_UNA_ADVANCED) === 0) return false;
  armTransmit(c, Pending.retransmit, Math.max(c.rtt.srttUs >>> 4, 10_000));
  w.flag &= ~SET_XMIT_TIMER;
  return true;
}

function identifyLoss(c: Connection, w: AckWork): void {
  if (c.sendQueue.rtxHead === null) return;
  if (!c.sackOk) {
    newRenoMarkLost(c, (w.flag & SND_UNA_ADVANCED) !== 0);
    return;
  }
  const was = c.loss.retransOut;
  if (rackMarkLost(c)) w.flag &= ~SET_XMIT_TIMER;
  if (was > c.loss.retransOut) w.flag |= LOST_RETRANS;
}

function tryToOpen(c: Connection, flag: number): void {
  if (!anyRetransDone(c)) c.loss.retransStamp = 0;
  if (flag & ECE) enterCwr(c);
  if (c.loss.caState !== Ca.cwr) tryKeepOpen(c);
}

/** An ACK in Loss state: F-RTO (RFC 5682 2.1, SACK form 3.1), undo, or on with the retransmissions. */
function processLoss(c: Connection, w: AckWork, dupAcks: number): void {
  const l = c.loss;
  const flag = w.flag;
  const recovered = !before(c.sndUna, l.highSeq);
  if ((flag & SND_UNA_ADVANCED || c.fastOpenServer) && tryUndoLoss(c, false)) return;
  if (l.frto) {
    if (flag & ORIG_SACK_ACKED && tryUndoLoss(c, true)) return;
    if (after(c.sndNxt, l.highSeq)) {
      if (flag & DATA_SACKED || dupAcks > 0) l.frto = false;
    } else if (flag & SND_UNA_ADVANCED && !recovered) {
      l.highSeq = c.sndNxt;
      if (c.sendQueue.sendHead && after(windowEnd(c), c.sndNxt)) {
        w.rexmit = Rexmit.fresh;
        return;
      }
      l.frto = false;
    }
  }
  if (recovered) {
    tryUndoRecovery(c);
    return;
  }
  if (!c.sackOk) {
    if (after(c.sndNxt, l.highSeq) && dupAcks > 0) addRenoSacks(c, dupAcks, (flag & ECE) !== 0);
    else if (flag & SND_UNA_ADVANCED) l.sackedOut = 0;
  }
  w.rexmit = Rexmit.lost;
}

/** High_seq was acknowledged: states that it ends. True: nothing more to do. */
function leaveStates(c: Connection): boolean {
  const l = c.loss;
  if (l.caState === Ca.open) {
    l.retransStamp = 0;
    return false;
  }
  if (before(c.sndUna, l.highSeq)) return false;
  if (l.caState === Ca.cwr) {
    if (c.sndUna !== l.highSeq) {
      endCwndReduction(c);
      setCaState(c, Ca.open);
    }
  } else if (l.caState === Ca.recovery) {
    if (!c.sackOk) l.sackedOut = 0;
    if (tryUndoRecovery(c)) return true;
    endCwndReduction(c);
  }
  return false;
}

/** Every dubious ACK comes here. */
export function recoveryStep(c: Connection, w: AckWork, priorUna: number, dupAcks: number): void {
  const l = c.loss;
  const ece = (w.flag & ECE) !== 0;
  if (c.packetsOut === 0 && l.sackedOut > 0) l.sackedOut = 0;
  if (ece) l.priorSsthresh = 0;
  if (renegingCheck(c, w)) return;
  if (leaveStates(c)) return;
  if (l.caState === Ca.recovery) {
    if ((w.flag & SND_UNA_ADVANCED) === 0) {
      if (!c.sackOk) addRenoSacks(c, dupAcks, ece);
    } else if (tryUndoPartial(c, priorUna)) return;
    if (tryUndoDsack(c)) tryToOpen(c, w.flag);
    identifyLoss(c, w);
    if ((l.caState as number) !== Ca.recovery) {
      if (l.lostOut === 0) return;
      enterRecovery(c, ece);
    }
    w.rexmit = Rexmit.lost;
    return;
  }
  if (l.caState === Ca.loss) {
    processLoss(c, w, dupAcks);
    if ((l.caState as number) !== Ca.loss) endBout(c);
    identifyLoss(c, w);
    if ((l.caState as number) !== Ca.open && (w.flag & LOST_RETRANS) === 0) return;
  }
  if (!c.sackOk) {
    if (w.flag & SND_UNA_ADVANCED) l.sackedOut = 0;
    addRenoSacks(c, dupAcks, ece);
  }
  if (l.caState <= Ca.disorder) tryUndoDsack(c);
  identifyLoss(c, w);
  if (l.lostOut === 0) {
    tryToOpen(c, w.flag);
    return;
  }
  if (l.caState < Ca.cwr && mtuProbeLost(c)) {
    simpleRetransmit(c);
    return;
  }
  enterRecovery(c, ece);
  w.rexmit = Rexmit.lost;
}

/** Sends what the ACK has made necessary. */
export function transmitRecovery(c: Connection, rexmit: number): void {
  if (rexmit === Rexmit.none || c.state === TcpState.SYN_SENT) return;
  if (rexmit === Rexmit.fresh) {
    pushPending(c, currentMss(c), NAGLE_OFF);
    if (after(c.sndNxt, c.loss.highSeq)) return;
    c.loss.frto = false;
  }
  retransmitQueue(c);
}

/** An ACK at or above the probe's mark (RFC 8985 7.4): did the probe repair a loss? */
export function processTlpAck(c: Connection, ack: number, flag: number, dsackTlp: boolean, notDup: boolean): void {
  const l = c.loss;
  if (before(ack, l.tlpHighSeq)) return;
  if (!l.tlpRetrans || dsackTlp) {
    l.tlpActive = false;
    return;
  }
  if (after(ack, l.tlpHighSeq)) {
    initCwndReduction(c);
    setCaState(c, Ca.cwr);
    endCwndReduction(c);
    tryKeepOpen(c);
    c.owner.inc(TcpExt.TCPLossProbeRecovery);
  } else if ((flag & (SND_UNA_ADVANCED | DATA_SACKED)) === 0 && !notDup) l.tlpActive = false;
}
