/** Reno (RFC 5681): half the window on loss, one segment a round trip otherwise. */
import type { Connection } from '../connection.js';
import type { CongestionControl } from './congestion.js';
import { additiveIncrease, inSlowStart, isCwndLimited, slowStart } from './window.js';

export const reno: CongestionControl = {
  name: 'reno',
  needsEcn: false,
  start(): void {},
  ssthresh(c: Connection): number {
    return Math.max(c.sndCwnd >> 1, 2);
  },
  avoid(c: Connection, _ack: number, acked: number): void {
    if (!isCwndLimited(c)) return;
    let left = acked;
    if (inSlowStart(c)) {
      left = slowStart(c, left);
      if (left === 0) return;
    }
    additiveIncrease(c, c.sndCwnd, left);
  },
  control: null,
  undoCwnd(c: Connection): number {
    return Math.max(c.sndCwnd, c.loss.priorCwnd);
  },
  setState(): void {},
  acked(): void {},
  timedOut(): void {},
  ackDone: null,
  dataCame(): void {},
  txStart(): void {},
  minTsoSegs: null,
  sendBuffers: 2,
  info: null,
};
