/** What an option changes at once in a connection that exists: pushes what was held back, arms or ends timers, settles the delayed ACK. */
import { Level, So, TcpOpt } from '../socket/socket.js';
import { ackScheduled, enterPingpong } from './ack-state.js';
import type { Connection } from './connection.js';
import { AckPending, NAGLE_OFF, NAGLE_PUSH } from './constants.js';
import { currentMss } from './mss.js';
import { nagleMode, pushPending } from './output.js';
import { afterRead } from './receive.js';
import { TcpState } from './state.js';
import { armKeepalive, keepaliveTime } from './timers.js';
import { setWindowClamp } from './window.js';

export function optionChanged(c: Connection, level: number, name: number, value: number): void {
  if (c.state === TcpState.CLOSE) return;
  if (level === Level.SOCKET) {
    if (name === So.KEEPALIVE) keepaliveChanged(c, value !== 0);
    return;
  }
  if (level !== Level.TCP) return;
  switch (name) {
    case TcpOpt.NODELAY:
      if (value !== 0) release(c, nagleMode(c) | NAGLE_OFF | NAGLE_PUSH);
      break;
    case TcpOpt.CORK:
      if (value === 0) release(c, nagleMode(c) | (c.settings.noDelay ? NAGLE_PUSH : 0));
      break;
    case TcpOpt.KEEPIDLE:
      if (c.settings.keepAlive) armKeepalive(c, Math.max(0, keepaliveTime(c) - idleUs(c)));
      break;
    case TcpOpt.QUICKACK:
      quickAckChanged(c, value);
      break;
    case TcpOpt.WINDOW_CLAMP:
      if (value !== 0) setWindowClamp(c, c.settings.windowClamp);
      break;
    case TcpOpt.NOTSENT_LOWAT:
      c.user?.onWritable(c);
      break;
  }
}

/** Lets go what Nagle or the cork held. */
function release(c: Connection, nonagle: number): void {
  if (c.sendQueue.sendHead) pushPending(c, currentMss(c), nonagle);
}

/** How long nothing was received, neither data nor an ACK. */
function idleUs(c: Connection): number {
  return c.env.nowUs - Math.max(c.lrcvTimeUs, c.rcvTstampUs);
}

function keepaliveChanged(c: Connection, on: boolean): void {
  if (on) {
    if (!c.keepaliveTimer?.armed) armKeepalive(c, keepaliveTime(c));
  } else if (c.keepaliveTimer) c.env.timers.cancel(c.keepaliveTimer);
}

/** TCP_QUICKACK: 0 lets answers carry ACKs; 1 acknowledges at once what waits; an even number does so only now. */
function quickAckChanged(c: Connection, value: number): void {
  if (value === 0) {
    enterPingpong(c);
    return;
  }
  c.ackPingpong = 0;
  const open = c.state === TcpState.ESTABLISHED || c.state === TcpState.CLOSE_WAIT;
  if (!open || !ackScheduled(c)) return;
  c.ackPending |= AckPending.pushed;
  afterRead(c, 1);
  if ((value & 1) === 0) enterPingpong(c);
}
