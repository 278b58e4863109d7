/** shutdown(2) of the sending side, and the state changes that closing makes (RFC 9293 3.6, 3.10.4). */
import type { Connection } from './connection.js';
import { sendFin } from './output.js';
import { TcpState } from './state.js';

/** The user sends no more: the next state. True: a FIN belongs to it. */
export function closeState(c: Connection): boolean {
  switch (c.state) {
    case TcpState.ESTABLISHED:
    case TcpState.SYN_RECV:
      c.setState(TcpState.FIN_WAIT1);
      return true;
    case TcpState.CLOSE_WAIT:
      c.setState(TcpState.LAST_ACK);
      return true;
    case TcpState.SYN_SENT:
      c.setState(TcpState.CLOSE);
      return false;
    default:
      return false;
  }
}

export function shutdownSend(c: Connection): void {
  const s = c.state;
  if (s !== TcpState.ESTABLISHED && s !== TcpState.SYN_SENT && s !== TcpState.CLOSE_WAIT) return;
  if (closeState(c)) sendFin(c);
}
