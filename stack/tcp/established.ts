/** The moment a connection is established (RFC 9293 3.5; RFC 6298 5.7, RFC 6928 for what the handshake's losses mean). */
import { Probe } from '../../mib/probe/points.js';
import { growSendBuffer } from './ack.js';
import { initCwnd } from './congestion/window.js';
import type { Connection } from './connection.js';
import { INFINITE_SSTHRESH, TIMEOUT_FALLBACK } from './constants.js';
import { initMtuProbe } from './mtu-probe.js';
import { needPacing } from './pacing.js';
import { TcpState } from './state.js';
import { armKeepalive, keepaliveTime } from './timers.js';
import { fastPathOn, initBufferSpace } from './window.js';

/** Congestion window, metrics, buffers. */
export function initTransfer(c: Connection): void {
  initMtuProbe(c);
  c.sndSsthresh = INFINITE_SSTHRESH; // what was lost in the handshake says little of the path
  if (!c.tcp.metrics.use(c) && c.rtt.srttUs === 0) {
    // no sample from the handshake: it was lost at least once, so be careful
    c.rtt.rttvarUs = TIMEOUT_FALLBACK;
    c.rtt.mdevUs = TIMEOUT_FALLBACK;
    c.rtt.mdevMaxUs = TIMEOUT_FALLBACK;
    c.rtoUs = TIMEOUT_FALLBACK;
  }
  c.sndCwnd = c.totalRetrans > 1 && c.loss.undoMarked ? 1 : initCwnd(c);
  c.sndCwndStampUs = c.env.nowUs;
  if (c.route?.device.paces) needPacing(c);
  c.congestion.start(c);
  growSendBuffer(c);
  initBufferSpace(c);
}

/** An active open is acknowledged. */
export function finishConnect(c: Connection): void {
  c.setState(TcpState.ESTABLISHED);
  c.owner.fire(Probe.tcpConnectEstablished, c.remotePort, c.localPort);
  c.lrcvTimeUs = c.env.nowUs;
  initTransfer(c);
  c.lsndTimeUs = c.env.nowUs;
  if (c.settings.keepAlive) armKeepalive(c, keepaliveTime(c));
  if (c.sndWscale === 0) fastPathOn(c);
  else c.predFlags = 0;
}
