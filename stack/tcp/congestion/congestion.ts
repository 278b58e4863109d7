/**
 * The interface of congestion control (RFC 5681 3.1), after Linux's tcp_congestion_ops, and the algorithms by number. An algorithm is
 * one shared object; what it must remember of a connection it makes in `start` and keeps in `c.congestionState`. All objects have all
 * fields, in this order, so that the calls stay fast.
 */
import { CongestionNames, Sysctl, type SysctlTable } from '../../core/sysctl.js';
import type { Connection } from '../connection.js';
import type { RateSample } from '../delivery-rate.js';
import { TcpState } from '../state.js';
import { type BbrState, bbr } from './bbr.js';
import { type CubicState, cubic } from './cubic.js';
import { type DctcpState, dctcp } from './dctcp.js';
import { reno } from './reno.js';

export type CongestionState = CubicState | BbrState | DctcpState;

export interface CongestionControl {
  readonly name: string;
  /** ECN is a part of it: it is asked for, and every packet is ECN-capable, whatever tcp_ecn and RFC 3168 say. */
  readonly needsEcn: boolean;
  /** The connection is about to send its first data, or has changed to this algorithm. */
  start(c: Connection): void;
  /** Slow start threshold after a loss. */
  ssthresh(c: Connection): number;
  /** An ACK for `acked` segments while the window may grow. */
  avoid(c: Connection, ack: number, acked: number): void;
  /** Rules window and pacing rate by itself, on every ACK, in every state: neither `avoid` nor PRR is asked then. */
  readonly control: ((c: Connection, rs: RateSample) => void) | null;
  /** The window to go back to when a reduction was spurious. */
  undoCwnd(c: Connection): number;
  /** The congestion state is about to become `next`. */
  setState(c: Connection, next: number): void;
  /** Segments were acknowledged; rttUs of the last of them, -1 unknown. */
  acked(c: Connection, count: number, rttUs: number): void;
  /** A time-out: `ssthresh` was asked, the window not cut yet. */
  timedOut(c: Connection): void;
  /** An ACK took effect on queue and counts; null: does not want to know. */
  readonly ackDone: ((c: Connection) => void) | null;
  /** Data came in a packet that is ECN-capable, or CE-marked. Asked for with `needsEcn` only. */
  dataCame(c: Connection, ce: boolean): void;
  /** First transmission after an idle time. */
  txStart(c: Connection): void;
  /** Least size of a super-frame in segments; null: net.ipv4.tcp_min_tso_segs. */
  readonly minTsoSegs: ((c: Connection) => number) | null;
  /** How many windows the send buffer is to hold. */
  readonly sendBuffers: number;
  /** What getsockopt(TCP_CC_INFO) tells, as Linux lays it out; null for nothing. */
  readonly info: ((c: Connection) => Uint8Array) | null;
}

const implementations: Readonly<Record<(typeof CongestionNames)[number], CongestionControl>> = { cubic, reno, bbr, dctcp };
const byNumber: readonly CongestionControl[] = CongestionNames.map((n) => implementations[n]);

/** -1: the sysctl's. */
export function congestionByNumber(n: number, sysctl: SysctlTable): CongestionControl {
  return byNumber[n < 0 ? sysctl.values[Sysctl.tcp_congestion_control]! : n] ?? cubic;
}

/** The user chose another algorithm for a connection that lives (TCP_CONGESTION). A pacer that the old one wanted stays. */
export function changeCongestion(c: Connection, n: number): void {
  const next = byNumber[n]!;
  if (c.congestion === next) return;
  c.congestion = next;
  c.congestionState = null;
  c.loss.priorSsthresh = 0;
  if (c.state !== TcpState.CLOSE) next.start(c);
}
