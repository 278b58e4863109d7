/**
 * When to acknowledge (RFC 9293 3.8.6.3, RFC 5681 4.2): every second full segment at once, the rest within the delayed-ACK time, which adapts
 * to the peer (ato, 40 to 200 ms). A new or disturbed connection acknowledges quickly; one whose user answers at once lets the
 * answer carry the ACK (ping-pong). Duplicate ACKs beyond the third are compressed (tcp_comp_sack_*).
 */
import { TcpExt } from '../../mib/catalogue/index.js';
import { Sysctl } from '../core/sysctl.js';
import { ackScheduled, endCompression, inQuickAck, pingpong } from './ack-state.js';
import type { Connection } from './connection.js';
import { AckPending, ATO_MIN, DELACK_MAX, DELACK_MIN, FASTRETRANS_THRESH, MSEC } from './constants.js';
import { sendAckNow } from './output-segment.js';
import { rtoMinUs } from './rtt.js';
import { armAckTimer } from './timers.js';
import { possibleWindow } from './window.js';

/** Ends the compression of duplicate ACKs by sending one; the one that goes is not counted as compressed. */
export function flushCompressedAck(c: Connection): void {
  if (c.compressedAcks === 0) return;
  c.owner.add(TcpExt.TCPAckCompressed, c.compressedAcks - 1);
  endCompression(c);
  sendAckNow(c);
}

/** After input: is there something to acknowledge, and when? */
export function ackCheck(c: Connection): void {
  if (ackScheduled(c)) ackCheckNow(c, true);
}

export function ackCheckNow(c: Connection, ofoPossible: boolean): void {
  const unacked = (c.rcvNxt - c.rcvWup) >>> 0;
  if (
    (unacked > c.rcvMss && ((c.rcvNxt - c.copiedSeq) >>> 0 < c.settings.rcvlowat || possibleWindow(c) >= c.rcvWnd)) ||
    inQuickAck(c) ||
    c.ackPending & AckPending.now
  ) {
    sendAckNow(c);
    return;
  }
  const holes = ofoPossible && c.receiveQueue !== null && c.receiveQueue.ofo.length > 0;
  if (!holes) delayAck(c);
  else compressOrSend(c);
}

function compressOrSend(c: Connection): void {
  const sysctl = c.env.sysctl.values;
  if (!c.sackOk || c.compressedAcks >= sysctl[Sysctl.tcp_comp_sack_nr]!) {
    sendAckNow(c);
    return;
  }
  if (c.compressedAckRcvNxt !== c.rcvNxt) {
    c.compressedAckRcvNxt = c.rcvNxt;
    c.dupAckCounter = 0;
  }
  if (c.dupAckCounter < FASTRETRANS_THRESH) {
    c.dupAckCounter++;
    sendAckNow(c);
    return;
  }
  c.compressedAcks++;
  const timer = c.needRare().compressedAckTimer;
  if (timer.armed) return;
  let rtt = c.rcvRttUs;
  if (c.rtt.srttUs && c.rtt.srttUs < rtt) rtt = c.rtt.srttUs;
  const delay =
    Math.min(sysctl[Sysctl.tcp_comp_sack_delay_ns]! / 1000, rtt / 8 / 20) + sysctl[Sysctl.tcp_comp_sack_slack_ns]! / 1000;
  c.env.timers.arm(timer, c.env.nowUs + Math.max(1, Math.floor(delay)));
}

/** Waits for company, or for the timer. */
export function delayAck(c: Connection): void {
  const now = c.env.nowUs;
  let ato = c.atoUs;
  if (ato > DELACK_MIN) {
    let most = 500 * MSEC;
    if (pingpong(c) || c.ackPending & AckPending.pushed) most = DELACK_MAX;
    if (c.rtt.srttUs) most = Math.min(most, Math.max(c.rtt.srttUs >>> 3, DELACK_MIN));
    ato = Math.min(ato, most);
  }
  ato = Math.min(ato, c.settings.delackMaxUs || DELACK_MAX, Math.max(rtoMinUs(c), 2 * MSEC) - MSEC);
  let at = now + ato;
  if (c.ackPending & AckPending.timer) {
    if (c.ackTimeoutUs <= now + (ato >> 2)) {
      sendAckNow(c);
      return;
    }
    if (at >= c.ackTimeoutUs) at = c.ackTimeoutUs;
  }
  armAckTimer(c, at);
}

/** The delayed-ACK timer (kind delayedAck). */
export function ackTimerFired(c: Connection): void {
  if (c.compressedAcks > 0) {
    flushCompressedAck(c);
    return;
  }
  if ((c.ackPending & AckPending.timer) === 0) return;
  c.ackPending &= ~AckPending.timer;
  if (!ackScheduled(c)) return;
  if (!pingpong(c)) c.atoUs = Math.min(c.atoUs * 2, c.rtoUs);
  else {
    c.ackPingpong = 0;
    c.atoUs = ATO_MIN;
  }
  sendAckNow(c);
  c.owner.inc(TcpExt.DelayedACKs);
}
