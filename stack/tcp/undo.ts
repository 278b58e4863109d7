/**
 * Was a reduction of the window spurious? Eifel by timestamps (RFC 3522, 4015), DSACK counting (RFC 3708), F-RTO (RFC 5682); and the
 * bookkeeping of reordering.
 */
import { TcpExt } from '../../mib/catalogue/index.js';
import { Sysctl } from '../core/sysctl.js';
import type { Connection } from './connection.js';
import { Ca, EcnFlag, INFINITE_SSTHRESH, LOST, RACK_RECOVERY_THRESH } from './constants.js';
import { echoBefore } from './rtt.js';
import { anyRetransDone, leftOut } from './segments.js';
import { before } from './seq.js';
import { TcpState } from './state.js';

export function setCaState(c: Connection, next: number): void {
  c.congestion.setState(c, next);
  c.loss.caState = next;
}
export function inCwndReduction(c: Connection): boolean {
  return c.loss.caState === Ca.cwr || c.loss.caState === Ca.recovery;
}

/** Start of the highest SACKed segment; SND.UNA when nothing is SACKed. */
export function highestSackSeq(c: Connection): number {
  const l = c.loss;
  if (l.sackedOut === 0) return c.sndUna;
  const h = l.highestSack;
  return h === null || h === c.sendQueue.sendHead ? c.sndNxt : h.seq;
}

/** Something below the highest SACK was delivered late: the network reorders by at least this much. */
export function checkSackReordering(c: Connection, lowSeq: number, byTimestamp: boolean): void {
  const l = c.loss;
  const fack = highestSackSeq(c);
  if (!before(lowSeq, fack)) return;
  const metric = (fack - lowSeq) >>> 0;
  const mss = c.mssCache;
  if (mss && metric > l.reordering * mss) {
    l.reordering = Math.min(Math.floor((metric + mss - 1) / mss), c.env.sysctl.values[Sysctl.tcp_max_reordering]! | 0);
  }
  l.reordSeen++;
  c.owner.inc(byTimestamp ? TcpExt.TCPTSReorder : TcpExt.TCPSACKReorder);
}

/** Remembers where a reduction began. */
export function initUndo(c: Connection): void {
  const l = c.loss;
  l.undoMarker = c.sndUna;
  l.undoMarked = true;
  l.undoRetrans = l.retransOut + (l.tlpActive && l.tlpRetrans ? 1 : 0) || -1;
}

/** The ACK answers the original, not the retransmission. */
function packetDelayed(c: Connection): boolean {
  const l = c.loss;
  if (l.retransStamp !== 0 && echoBefore(c, l.retransStamp)) return true;
  if (l.retransStamp !== 0) return false;
  // nothing was retransmitted yet; but the stamp is also cleared when NewReno waits at high_seq, and when our SYN is acknowledged
  if (!c.sackOk && !before(c.sndUna, l.highSeq)) return false;
  return c.state !== TcpState.SYN_SENT;
}
function mayUndo(c: Connection): boolean {
  return c.loss.undoMarked && (c.loss.undoRetrans === 0 || packetDelayed(c));
}

/** Gives the window back. */
export function undoReduction(c: Connection, unmark: boolean): void {
  const l = c.loss;
  if (unmark) {
    for (let s = c.sendQueue.rtxHead; s !== null && s !== c.sendQueue.sendHead; s = s.next) s.sacked &= ~LOST;
    l.lostOut = 0;
    l.retransmitHint = null;
  }
  if (l.priorSsthresh) {
    c.sndCwnd = c.congestion.undoCwnd(c);
    if (l.priorSsthresh > c.sndSsthresh) {
      c.sndSsthresh = l.priorSsthresh;
      c.ecn &= ~EcnFlag.queueCwr;
    }
  }
  c.sndCwndStampUs = c.env.nowUs;
  l.undoMarked = false;
  l.undoMarker = 0;
  l.rackAdvanced = true;
}

/** NewReno stays in recovery until something above high_seq is acknowledged (RFC 6582 6). */
function renoHolds(c: Connection): boolean {
  if (c.sndUna !== c.loss.highSeq || c.sackOk) return false;
  if (!anyRetransDone(c)) c.loss.retransStamp = 0;
  return true;
}

/** Recovery's end: was it all for nothing? True: the state stays as it is. */
export function tryUndoRecovery(c: Connection): boolean {
  const l = c.loss;
  if (mayUndo(c)) {
    const counter = l.caState === Ca.loss ? TcpExt.TCPLossUndo : TcpExt.TCPFullUndo;
    undoReduction(c, false);
    c.owner.inc(counter);
  } else if (l.rackReoWndPersist > 0) l.rackReoWndPersist--;
  if (renoHolds(c)) return true;
  setCaState(c, Ca.open);
  l.sackReneg = false;
  return false;
}

export function tryUndoDsack(c: Connection): boolean {
  const l = c.loss;
  if (!l.undoMarked || l.undoRetrans !== 0) return false;
  l.rackReoWndPersist = Math.min(RACK_RECOVERY_THRESH, l.rackReoWndPersist + 1);
  undoReduction(c, false);
  c.owner.inc(TcpExt.TCPDSACKUndo);
  return true;
}

export function tryUndoLoss(c: Connection, byFrto: boolean): boolean {
  if (!byFrto && !mayUndo(c)) return false;
  undoReduction(c, true);
  c.owner.inc(TcpExt.TCPLossUndo);
  if (byFrto) c.owner.inc(TcpExt.TCPSpuriousRTOs);
  c.retransmits = 0;
  if (renoHolds(c)) return true;
  if (byFrto || c.sackOk) {
    setCaState(c, Ca.open);
    c.loss.sackReneg = false;
  }
  return true;
}

/** A partial ACK for an original (Hoe): true when retransmissions are still out and nothing more is to be done. */
export function tryUndoPartial(c: Connection, priorUna: number): boolean {
  const l = c.loss;
  if (!l.undoMarked || !packetDelayed(c)) return false;
  checkSackReordering(c, priorUna, true);
  if (l.retransOut > 0) return true;
  if (!anyRetransDone(c)) l.retransStamp = 0;
  undoReduction(c, true);
  c.owner.inc(TcpExt.TCPPartialUndo);
  tryKeepOpen(c);
  return false;
}

/** Open, or Disorder while something is out of order. */
export function tryKeepOpen(c: Connection): void {
  const next = leftOut(c) > 0 || anyRetransDone(c) ? Ca.disorder : Ca.open;
  if (c.loss.caState === next) return;
  setCaState(c, next);
  c.loss.highSeq = c.sndNxt;
}

/** The reduction is over: the window is ssthresh, unless it was undone. */
export function endCwndReduction(c: Connection): void {
  const l = c.loss;
  if (c.congestion.control !== null) return;
  if (c.sndSsthresh < INFINITE_SSTHRESH && (l.caState === Ca.cwr || l.undoMarked)) {
    c.sndCwnd = c.sndSsthresh;
    c.sndCwndStampUs = c.env.nowUs;
  }
}
