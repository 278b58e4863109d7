/** How connections end: FIN received, RST received, time-outs, TIME-WAIT (RFC 9293 3.6, 3.10.7.4). */
import { Tcp } from '../../mib/catalogue/index.js';
import { Errno } from '../core/errno.js';
import { enterPingpong, scheduleAck } from './ack-state.js';
import type { Connection } from './connection.js';
import { Shut } from './constants.js';
import { uncharge, unchargeReceive } from './memory.js';
import { sendAckNow } from './output-segment.js';
import { TcpState } from './state.js';

/** Throws away what was queued to send. */
export function purgeSendQueue(c: Connection): void {
  const l = c.loss;
  uncharge(c, c.wmemQueued);
  c.wmemQueued = 0;
  c.sendQueue.clear();
  c.packetsOut = 0;
  l.sackedOut = 0;
  l.lostOut = 0;
  l.retransOut = 0;
  l.highestSack = null;
  l.retransmitHint = null;
  c.backoff = 0;
}
/** Out-of-order data is thrown away. */
export function purgeOutOfOrder(c: Connection): void {
  const q = c.receiveQueue;
  if (q) while (q.ofo.length > 0) unchargeReceive(c, q.removeRange(q.ofo.length - 1));
  c.sackCount = 0;
  c.dsack = false;
}

/** CLOSED. What was received may still be read by a user who is there. */
export function done(c: Connection): void {
  if (c.state === TcpState.SYN_SENT || c.state === TcpState.SYN_RECV) c.owner.inc(Tcp.AttemptFails);
  c.setState(TcpState.CLOSE);
  c.shutdown = Shut.both;
  c.destroy();
}

/** TIME-WAIT, or an orphan's FIN-WAIT-2, as a small entry; this Connection is over, its row is folded into the closed ones. */
export function timeWait(c: Connection, substate: number, timeoutUs: number): void {
  c.tcp.timeWait.enter(c, substate, timeoutUs);
  c.tcp.metrics.save(c);
  done(c);
}

/** An acceptable RST. */
export function connectionReset(c: Connection): void {
  switch (c.state) {
    case TcpState.SYN_SENT:
      c.error = Errno.ECONNREFUSED;
      break;
    case TcpState.CLOSE_WAIT:
      c.error = Errno.EPIPE;
      break;
    case TcpState.CLOSE:
      return;
    default:
      c.error = Errno.ECONNRESET;
  }
  purgeSendQueue(c);
  const user = c.user;
  done(c);
  user?.onError(c);
}

/** The peer's FIN is next in order. */
export function finReceived(c: Connection): void {
  scheduleAck(c);
  c.shutdown |= Shut.receive;
  c.finReceived = true;
  switch (c.state) {
    case TcpState.SYN_RECV:
    case TcpState.ESTABLISHED:
      c.setState(TcpState.CLOSE_WAIT);
      enterPingpong(c);
      break;
    case TcpState.FIN_WAIT1:
      sendAckNow(c);
      c.setState(TcpState.CLOSING);
      break;
    case TcpState.FIN_WAIT2:
      sendAckNow(c);
      purgeOutOfOrder(c);
      timeWait(c, TcpState.TIME_WAIT, 0);
      return;
  }
  purgeOutOfOrder(c);
}
