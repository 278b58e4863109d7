/**
 * DCTCP (RFC 8257), for networks whose switches mark early and often, with Linux's constants. The receiver says of every segment whether it
 * was CE-marked (3.2: an ACK at each change, and the state in every ECE), the sender keeps `alpha`, the share of marked segments, and takes
 * from the window what that share asks for instead of half (3.3):
 *
 *   alpha = (1 − g)·alpha + g·F once a round trip,  cwnd = cwnd·(1 − alpha/2) at most once in one
 *
 * Growth and answers to loss are Reno's. All its packets are ECN-capable, those without data too; over RFC 3168's feedback, since ECE without
 * memory is all it needs. Who speaks with a peer without ECN falls back to Reno. Not for the Internet (5): so not among what everybody may choose.
 */
import { Sysctl } from '../../core/sysctl.js';
import type { Connection } from '../connection.js';
import { AckPending, Ca, EcnFlag } from '../constants.js';
import { sendAckUpTo } from '../output-segment.js';
import { before } from '../seq.js';
import { TcpState } from '../state.js';
import type { CongestionControl } from './congestion.js';
import { PLB_UNIT, Plb, plbCheck, plbRound, plbTimedOut } from './plb.js';
import { reno } from './reno.js';

/** alpha's 1, and the bits that it is scaled by. */
const MAX_ALPHA = 1024;
const ALPHA_BITS = 10;
const CC_INFO_BYTES = 16;

export class DctcpState {
  alpha = MAX_ALPHA;
  /** The observation window: its end, and what was delivered, and delivered CE-marked, when it began. */
  nextSeq = 0;
  oldDelivered = 0;
  oldDeliveredCe = 0;
  /** RCV.NXT behind the last segment looked at, and whether that was CE-marked (DCTCP.CE). */
  priorRcvNxt = 0;
  ce = false;
  /** The window before the last answer to a loss. */
  lossCwnd = 0;
  readonly plb: Plb = new Plb();
}

function stateOf(c: Connection): DctcpState {
  return (c.congestionState ??= new DctcpState()) as DctcpState;
}

function beginWindow(c: Connection, s: DctcpState): void {
  s.nextSeq = c.sndNxt | 0; // only ever compared modulo 2^32
  s.oldDelivered = c.loss.delivered;
  s.oldDeliveredCe = c.loss.deliveredCe;
}

/** RFC 8257 3.3: one observation window is over. */
function endWindow(c: Connection, s: DctcpState): void {
  const delivered = c.loss.delivered - s.oldDelivered;
  const marked = c.loss.deliveredCe - s.oldDeliveredCe;
  if (delivered > 0) {
    plbRound(c, s.plb, marked > 0 ? Math.floor((marked * PLB_UNIT) / delivered) : 0);
    plbCheck(c, s.plb);
  }
  const g = c.env.sysctl.values[Sysctl.dctcp_shift_g]!;
  s.alpha -= s.alpha >> g || s.alpha;
  if (marked > 0) s.alpha = Math.min(s.alpha + Math.floor((marked * 2 ** (ALPHA_BITS - g)) / Math.max(1, delivered)), MAX_ALPHA);
  beginWindow(c, s);
}

function loss(c: Connection, s: DctcpState): void {
  s.lossCwnd = c.sndCwnd;
  c.sndSsthresh = Math.max(c.sndCwnd >> 1, 2);
}

function echo(c: Connection, ce: boolean): void {
  if (ce) c.ecn |= EcnFlag.demandCwr;
  else c.ecn &= ~EcnFlag.demandCwr;
}

/** struct tcp_dctcp_info: in force, DCTCP.CE, alpha, bytes of the window so far that were marked and in all. */
function info(c: Connection): Uint8Array {
  const s = stateOf(c);
  const out = new Uint8Array(CC_INFO_BYTES);
  const v = new DataView(out.buffer);
  v.setUint16(0, 1, true);
  v.setUint16(2, s.ce ? 1 : 0, true);
  v.setUint32(4, s.alpha, true);
  v.setUint32(8, c.mssCache * (c.loss.deliveredCe - s.oldDeliveredCe), true);
  v.setUint32(12, c.mssCache * (c.loss.delivered - s.oldDelivered), true);
  return out;
}

export const dctcp: CongestionControl = {
  ...reno,
  name: 'dctcp',
  needsEcn: true,
  start(c: Connection): void {
    if ((c.ecn & EcnFlag.modes) === 0 && c.state !== TcpState.CLOSE) {
      c.congestion = withoutEcn;
      c.ecn &= ~EcnFlag.marked;
      return;
    }
    const s = new DctcpState();
    c.congestionState = s;
    s.priorRcvNxt = c.rcvNxt | 0;
    s.alpha = Math.min(c.env.sysctl.values[Sysctl.dctcp_alpha_on_init]!, MAX_ALPHA);
    beginWindow(c, s);
  },
  ssthresh(c: Connection): number {
    const s = stateOf(c);
    s.lossCwnd = c.sndCwnd;
    return Math.max(c.sndCwnd - Math.floor((c.sndCwnd * s.alpha) / (2 * MAX_ALPHA)), 2);
  },
  undoCwnd(c: Connection): number {
    return Math.max(c.sndCwnd, stateOf(c).lossCwnd);
  },
  setState(c: Connection, next: number): void {
    if (next === Ca.recovery && next !== c.loss.caState) loss(c, stateOf(c));
  },
  timedOut(c: Connection): void {
    const s = stateOf(c);
    plbTimedOut(c, s.plb);
    loss(c, s);
  },
  txStart(c: Connection): void {
    plbCheck(c, stateOf(c).plb);
  },
  ackDone(c: Connection): void {
    const s = stateOf(c);
    if (!before(c.sndUna, s.nextSeq)) endWindow(c, s);
  },
  /** RFC 8257 3.2: a change of state is told at once, after an ACK under the old one for what waits to be acknowledged. */
  dataCame(c: Connection, ce: boolean): void {
    const s = stateOf(c);
    if (ce !== s.ce) {
      if (c.ackPending & AckPending.timer) {
        echo(c, s.ce);
        sendAckUpTo(c, s.priorRcvNxt >>> 0);
      }
      c.ackPending |= AckPending.now;
    }
    s.priorRcvNxt = c.rcvNxt | 0;
    s.ce = ce;
    echo(c, ce);
  },
  info,
};

/** Its stand-in where the peer has no ECN. */
const withoutEcn: CongestionControl = { ...reno, name: 'dctcp-reno', info: () => new Uint8Array(CC_INFO_BYTES) };
