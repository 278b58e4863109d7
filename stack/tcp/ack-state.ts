/** The delayed-ACK state of a connection: quick ACKs left, ping-pong, what an ACK that leaves settles. When to send one: delayed-ack.ts. */
import { TcpExt } from '../../mib/catalogue/index.js';
import { Sysctl } from '../core/sysctl.js';
import type { Connection } from './connection.js';
import { AckPending, ATO_MIN, MAX_QUICKACKS } from './constants.js';
import { clearAckTimer } from './timers.js';

/** Interactive: answers carry the ACKs. It takes tcp_pingpong_thresh answers in a row, or somebody who knows. */
export function pingpong(c: Connection): boolean {
  return c.ackPingpong >= c.env.sysctl.values[Sysctl.tcp_pingpong_thresh]!;
}
export function enterPingpong(c: Connection): void {
  c.ackPingpong = c.env.sysctl.values[Sysctl.tcp_pingpong_thresh]!;
}
export function ackScheduled(c: Connection): boolean {
  return (c.ackPending & AckPending.sched) !== 0;
}
export function scheduleAck(c: Connection): void {
  c.ackPending |= AckPending.sched;
}

/** The next segments are acknowledged at once: as many as half the window holds, at most `most`. */
export function raiseQuickAcks(c: Connection, most: number): void {
  const n = Math.min(Math.floor(c.rcvWnd / (2 * c.rcvMss)) || 2, most);
  if (n > c.ackQuick) c.ackQuick = n;
}
export function enterQuickAck(c: Connection, most: number = MAX_QUICKACKS): void {
  raiseQuickAcks(c, most);
  c.ackPingpong = 0;
  c.atoUs = ATO_MIN;
}
export function inQuickAck(c: Connection): boolean {
  return c.ackQuick > 0 && !pingpong(c);
}

/** A segment with the ACK bit left: whatever waited is said. Only ACKs of new data use up quick ones. */
export function ackSent(c: Connection): void {
  flushCompressed(c);
  if (c.ackQuick > 0 && ackScheduled(c)) {
    if (c.ackQuick === 1) {
      c.ackQuick = 0;
      c.atoUs = ATO_MIN;
    } else c.ackQuick--;
  }
  clearAckTimer(c);
}

/** An ACK stands for those that were held back. */
export function flushCompressed(c: Connection): void {
  if (c.compressedAcks === 0) return;
  c.owner.add(TcpExt.TCPAckCompressed, c.compressedAcks);
  endCompression(c);
}
export function endCompression(c: Connection): void {
  c.compressedAcks = 0;
  if (c.rare) c.env.timers.cancel(c.rare.compressedAckTimer);
}
