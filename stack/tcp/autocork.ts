/**
 * Automatic corking (tcp_autocorking): a short segment that would only wait in the host behind an earlier one of its connection is not sent
 * yet, so that more can join it. Here segments wait in the host while the neighbour's address is asked for; links take every frame at once.
 */
import { TcpExt } from '../../mib/catalogue/index.js';
import { Sysctl } from '../core/sysctl.js';
import type { Connection } from './connection.js';
import { TX_OVERHEAD } from './memory.js';
import { currentMss } from './mss.js';
import { nagleMode, PushOne, writeOut } from './output.js';
import type { Segment } from './send-queue.js';
import { TcpState } from './state.js';

/** Others are on their way: must the last segment wait? The first time that one does is counted. */
export function autocorks(c: Connection, tail: Segment, goal: number): boolean {
  if (tail.length >= goal || tail.eor) return false;
  if (!c.route || c.env.sysctl.values[Sysctl.tcp_autocorking] === 0) return false;
  const held = c.route.heldData(c.owner, TX_OVERHEAD);
  if (held === 0 || held + 1 <= tail.truesize) return false; // Linux's count begins at 1
  const rare = c.needRare();
  if (!rare.corked) {
    rare.corked = true;
    c.owner.inc(TcpExt.TCPAutoCorking);
    c.tcp.corked.push(c);
  }
  return true;
}

/** What was held back may go when the host holds nothing of the connection any more. False: it still does. */
export function uncork(c: Connection): boolean {
  if (c.state !== TcpState.CLOSE && c.route?.waits(c.owner)) return false;
  c.rare!.corked = false;
  const sending =
    c.state === TcpState.ESTABLISHED ||
    c.state === TcpState.FIN_WAIT1 ||
    c.state === TcpState.CLOSING ||
    c.state === TcpState.CLOSE_WAIT ||
    c.state === TcpState.LAST_ACK;
  if (sending && c.sendQueue.sendHead) writeOut(c, currentMss(c), nagleMode(c), PushOne.no);
  return true;
}
