/**
 * The interface of congestion control (RFC 5681 3.1), after Linux's tcp_congestion_ops, and the two algorithms by number. An algorithm is
 * one shared object; what it must remember of a connection it makes in `start` and keeps in `c.congestionState`.
 */
import { CongestionNames, Sysctl, type SysctlTable } from '../../core/sysctl.js';
import type { Connection } from '../connection.js';
import { cubic } from './cubic.js';
import { reno } from './reno.js';

export interface CongestionControl {
  readonly name: string;
  /** The connection is about to send its first data. */
  start(c: Connection): void;
  /** Slow start threshold after a loss. */
  ssthresh(c: Connection): number;
  /** An ACK for `acked` segments while the window may grow. */
  avoid(c: Connection, ack: number, acked: number): void;
  /** The window to go back to when a reduction was spurious. */
  undoCwnd(c: Connection): number;
  /** The congestion state is about to become `next`. */
  setState(c: Connection, next: number): void;
  /** Segments were acknowledged; rttUs of the last of them, -1 unknown. */
  acked(c: Connection, count: number, rttUs: number): void;
  /** First transmission after an idle time. */
  txStart(c: Connection): void;
}

const byNumber: readonly CongestionControl[] = CongestionNames.map((n) => (n === 'reno' ? reno : cubic));

/** -1: the sysctl's. */
export function congestionByNumber(n: number, sysctl: SysctlTable): CongestionControl {
  return byNumber[n < 0 ? sysctl.values[Sysctl.tcp_congestion_control]! : n] ?? cubic;
}
