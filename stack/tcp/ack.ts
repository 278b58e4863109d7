/**
 * The ACK field (RFC 9293 3.10.7.4 fifth check, RFC 5961 5, RFC 5681, RFC 7323 4): what it acknowledges, the window it brings, the RTT it
 * measures, and what congestion control and recovery make of it. `ackInput` is Linux's tcp_ack step by step.
 */
import { TcpExt } from '../../mib/catalogue/index.js';
import { Sysctl } from '../core/sysctl.js';
import { Flag, type TcpHeader } from '../wire/tcp.js';
import { accEcnFeedback, speaksClassic } from './accecn.js';
import { challengeAck } from './challenge.js';
import { Chrono, chronoStop } from './chrono.js';
import { slowStartAfterIdle } from './congestion/window.js';
import type { Connection } from './connection.js';
import {
  ACK_MAYBE_DELAYED,
  ACKED,
  CA_ALERT,
  Ca,
  DATA,
  DATA_ACKED,
  DSACK_TLP,
  DSACKING_ACK,
  ECE,
  EcnFlag,
  FORWARD_PROGRESS,
  LOST,
  NO_CHALLENGE_ACK,
  NOT_DUP,
  ORIG_SACK_ACKED,
  Pending,
  RETRANS,
  RETRANS_ANY,
  RETRANS_DATA_ACKED,
  Rexmit,
  SACK_RENEGING,
  SACKED,
  SET_XMIT_TIMER,
  SLOWPATH,
  SND_UNA_ADVANCED,
  SYN_ACKED,
  UPDATE_TS_RECENT,
  WIN_UPDATE,
} from './constants.js';
import { syncMss } from './mss.js';
import { mtuProbeAcked } from './mtu-probe.js';
import { windowEnd } from './output.js';
import { followWindow, pacingDelay } from './pacing.js';
import { rackAdvance, spuriousRetrans, updateReorderingWindow } from './rack.js';
import { AckWork, countDelivered, processTlpAck, prr, recoveryStep, removeRenoSacks, transmitRecovery } from './recovery.js';
import { estimateRtt, rttByTimestamp, updateMinRtt, updateRto } from './rtt.js';
import { SackWork, sackInput } from './sack.js';
import { freeSegment, packetsInFlight, trimHead } from './segments.js';
import type { Segment } from './send-queue.js';
import { after, before } from './seq.js';
import { armTransmit, clampProbe0, clearTransmit, probe0When, setTransmitTimer } from './timers.js';
import { replaceTsRecent } from './timestamps.js';
import { stampAcked } from './tx-stamps.js';
import { checkSackReordering, highestSackSeq, inCwndReduction } from './undo.js';
import { fastPathCheck } from './window.js';

/** Reused: one ACK is worked on at a time. */
const work = new AckWork();
const sackWork = new SackWork();
const rate = sackWork.rate;

/** What ackInput answers: bad (drop the segment), old, accepted. */
export const Acceptance = Object.freeze({ bad: -1, old: 0, ok: 1 });

export function mayUpdateWindow(c: Connection, ack: number, seq: number, window: number): boolean {
  return after(ack, c.sndUna) || after(seq, c.sndWl1) || (seq === c.sndWl1 && (window > c.sndWnd || window === 0));
}

function advanceUna(c: Connection, ack: number): void {
  c.bytesAcked += (ack - c.sndUna) >>> 0;
  c.sndUna = ack;
}

/** The window of a segment that may tell it (RFC 9293 3.10.7.4: SND.WL1, SND.WL2). */
function updateWindow(c: Connection, h: TcpHeader): number {
  let flag = 0;
  const window = h.flags & Flag.SYN ? h.window : h.window * (1 << c.sndWscale);
  if (mayUpdateWindow(c, h.ack, h.seq, window)) {
    flag = WIN_UPDATE;
    c.sndWl1 = h.seq;
    if (c.sndWnd !== window) {
      c.sndWnd = window;
      c.predFlags = 0;
      fastPathCheck(c);
      if (c.sendQueue.sendHead) slowStartAfterIdle(c);
      if (window > c.maxWindow) {
        c.maxWindow = window;
        syncMss(c, c.pmtu);
      }
    }
  }
  advanceUna(c, h.ack);
  return flag;
}

/** RFC 3168 6.1.2: the peer echoes congestion. */
function ecnEcho(c: Connection, h: TcpHeader): number {
  return h.flags & Flag.ECE && !(h.flags & Flag.SYN) && speaksClassic(c) ? ECE : 0;
}

/** Works an ACK in. `flag` holds what the caller knows (constants.ts). */
export function ackInput(c: Connection, h: TcpHeader, given: number): number {
  const l = c.loss;
  const priorUna = c.sndUna;
  const priorPackets = c.packetsOut;
  const priorDelivered = l.delivered;
  const priorLost = l.lost;
  let flag = given;
  work.rexmit = Rexmit.none;
  sackWork.reset();
  rate.begin(packetsInFlight(c));
  const reneged = l.sackReneg;
  if (before(h.ack, priorUna)) {
    const most = Math.min(c.maxWindow, c.bytesAcked);
    if (before(h.ack, (priorUna - most) >>> 0)) {
      if ((flag & NO_CHALLENGE_ACK) === 0) challengeAck(c);
      return Acceptance.bad;
    }
    return oldAck(c, h, flag, priorUna, priorDelivered);
  }
  if (after(h.ack, c.sndNxt)) {
    if ((flag & NO_CHALLENGE_ACK) === 0) challengeAck(c);
    return Acceptance.bad;
  }
  if (after(h.ack, priorUna)) {
    flag |= SND_UNA_ADVANCED;
    c.retransmits = 0;
  }
  const priorFack = c.sackOk ? highestSackSeq(c) : c.sndUna;
  const priorSacked = l.sackedOut;
  if (flag & UPDATE_TS_RECENT) flag |= replaceTsRecent(c, h.seq);
  if ((flag & (SLOWPATH | SND_UNA_ADVANCED)) === SND_UNA_ADVANCED) {
    c.sndWl1 = h.seq;
    advanceUna(c, h.ack);
    flag |= WIN_UPDATE;
    c.owner.inc(TcpExt.TCPHPAcks);
  } else {
    if (h.seq !== h.endSeq) flag |= DATA;
    else c.owner.inc(TcpExt.TCPPureAcks);
    flag |= updateWindow(c, h);
    if (h.sackCount > 0 && c.sackOk) flag |= sackInput(c, h, priorUna, sackWork);
  }
  flag |= ecnEcho(c, h);
  if (sackWork.delivered > 0) countDelivered(c, sackWork.delivered, (flag & ECE) !== 0);
  c.softError = 0;
  c.probesOut = 0;
  c.rcvTstampUs = c.env.nowUs;
  work.flag = flag;
  ackedBytes = (h.ack - priorUna) >>> 0;
  markedCount = 0;
  if (priorPackets === 0) return nothingOut(c, h, priorUna, priorDelivered);
  cleanQueue(c, priorFack, priorUna, priorSacked);
  updateReorderingWindow(c, rate.priorDelivered);
  if (c.ecn & EcnFlag.accEcn) feedback(c, h, priorDelivered);
  if (c.congestion.ackDone !== null) c.congestion.ackDone(c);
  if (l.tlpActive) tlpAck(c, h);
  if (isDubious(c, work.flag)) {
    const duplicate = (work.flag & (SND_UNA_ADVANCED | NOT_DUP | DSACKING_ACK)) === 0;
    recoveryStep(c, work, priorUna, duplicate ? 1 : 0);
  }
  if (work.flag & SET_XMIT_TIMER) setTransmitTimer(c);
  if (work.flag & FORWARD_PROGRESS || !(work.flag & NOT_DUP)) confirmRoute(c);
  const delivered = newlyDelivered(c, priorDelivered);
  rate.ackDelayed = (work.flag & ACK_MAYBE_DELAYED) !== 0;
  rate.finish(c, delivered, l.lost - priorLost, reneged);
  congestionControl(c, h.ack, delivered, l.lost - priorLost, work.flag);
  const rexmit = work.rexmit;
  transmitRecovery(c, rexmit);
  return Acceptance.ok;
}

function confirmRoute(c: Connection): void {
  c.route?.confirm();
}

function isDubious(c: Connection, flag: number): boolean {
  return !(flag & NOT_DUP) || (flag & CA_ALERT) !== 0 || c.loss.caState !== Ca.open;
}

function tlpAck(c: Connection, h: TcpHeader): void {
  const flag = work.flag;
  processTlpAck(c, h.ack, flag, (flag & DSACK_TLP) !== 0, (flag & NOT_DUP) !== 0);
}

/** Accurate ECN: what the ACK says of the packets that it delivered. */
function feedback(c: Connection, h: TcpHeader, priorDelivered: number): void {
  const packets = c.loss.delivered - priorDelivered;
  markedCount = accEcnFeedback(c, h, packets, ackedBytes + sackWork.bytes, work.flag);
  if (markedCount > 0) work.flag |= ECE;
}

function newlyDelivered(c: Connection, before0: number): number {
  const n = c.loss.delivered - before0;
  c.owner.add(TcpExt.TCPDelivered, n);
  if (work.flag & ECE) c.owner.add(TcpExt.TCPDeliveredCE, speaksClassic(c) ? n : markedCount);
  return n;
}

/** An ACK below SND.UNA: only its SACK blocks may be news. */
function oldAck(c: Connection, h: TcpHeader, flag: number, priorUna: number, priorDelivered: number): number {
  if (h.sackCount > 0 && c.sackOk) {
    work.flag = flag | sackInput(c, h, priorUna, sackWork);
    if (sackWork.delivered > 0) countDelivered(c, sackWork.delivered, false);
    ackedBytes = 0;
    markedCount = 0;
    if (c.ecn & EcnFlag.accEcn) feedback(c, h, priorDelivered);
    if (c.congestion.ackDone !== null) c.congestion.ackDone(c);
    recoveryStep(c, work, priorUna, 0);
    newlyDelivered(c, priorDelivered);
    transmitRecovery(c, work.rexmit);
  }
  return Acceptance.old;
}

/** Nothing was in flight: a window update, a probe's answer, or a late DSACK. */
function nothingOut(c: Connection, h: TcpHeader, priorUna: number, priorDelivered: number): number {
  if (c.ecn & EcnFlag.accEcn) feedback(c, h, priorDelivered);
  if (c.congestion.ackDone !== null) c.congestion.ackDone(c);
  if (work.flag & DSACKING_ACK) {
    recoveryStep(c, work, priorUna, 0);
    newlyDelivered(c, priorDelivered);
  }
  probeAnswered(c);
  if (c.loss.tlpActive) tlpAck(c, h);
  return Acceptance.ok;
}

/** The zero-window probe was answered: the window is open for the next segment, or the next probe waits its full time. */
function probeAnswered(c: Connection): void {
  const head = c.sendQueue.sendHead;
  if (!head) return;
  if (!after(head.endSeq, windowEnd(c))) {
    c.backoff = 0;
    c.probesTstampUs = 0;
    if (c.pending === Pending.probe0) clearTransmit(c);
  } else armTransmit(c, Pending.probe0, clampProbe0(c, probe0When(c)) + pacingDelay(c));
}

let ackedCount = 0;
/** Bytes that the present ACK delivered (those that SACK had delivered before are taken off), and packets that it says were CE-marked. */
let ackedBytes = 0;
let markedCount = 0;
let firstAckUs = -1;
let lastAckUs = -1;
let reord = 0;
let fullyAcked = true;

/** A segment, or the first part of one, was acknowledged: the scoreboard's counts. */
function countAcked(c: Connection, s: Segment, startSeq: number, n: number, bytes: number, flag0: number): number {
  const l = c.loss;
  let flag = flag0;
  const bits = s.sacked;
  if (bits & RETRANS_ANY) {
    if (bits & RETRANS) l.retransOut -= n;
    flag |= RETRANS_DATA_ACKED;
  } else if ((bits & SACKED) === 0) {
    lastAckUs = s.sentUs;
    if (firstAckUs < 0) firstAckUs = s.sentUs;
    if (before(startSeq, reord)) reord = startSeq;
    if (!after(s.endSeq, l.highSeq)) flag |= ORIG_SACK_ACKED;
  }
  if (bits & SACKED) {
    l.sackedOut -= n;
    ackedBytes -= bytes;
  } else if (c.sackOk) {
    countDelivered(c, n, (flag & ECE) !== 0);
    if (!spuriousRetrans(c, s)) rackAdvance(c, bits, s.endSeq, s.sentUs);
  }
  if (bits & LOST) l.lostOut -= n;
  c.packetsOut -= n;
  ackedCount += n;
  rate.note(c, s, (bits & SACKED) !== 0);
  if (s.flags & Flag.SYN) {
    flag |= SYN_ACKED;
    l.retransStamp = 0;
  } else flag |= DATA_ACKED;
  return flag;
}

/** Takes what is acknowledged off the queue, measures the RTT, feeds congestion control (tcp_clean_rtx_queue). */
function cleanQueue(c: Connection, priorFack: number, priorUna: number, priorSacked: number): void {
  const q = c.sendQueue;
  let flag = work.flag;
  ackedCount = 0;
  firstAckUs = -1;
  lastAckUs = -1;
  reord = c.sndNxt;
  fullyAcked = true;
  let s = q.rtxHead;
  while (s !== null && s !== q.sendHead) {
    const startSeq = s.seq;
    let bytes = s.length;
    let n = s.pcount;
    if (after(s.endSeq, c.sndUna)) {
      if (s.pcount === 1 || !after(c.sndUna, s.seq)) break;
      n = trimHead(c, s, c.sndUna);
      if (n === 0) break;
      bytes -= s.length;
      fullyAcked = false;
    }
    flag = countAcked(c, s, startSeq, n, bytes, flag);
    if (!fullyAcked) break;
    const next: Segment | null = s.next;
    freeSegment(c, s);
    s = next;
  }
  const left = q.rtxHead;
  if (left === null) chronoStop(c, Chrono.busy);
  const r = c.rare;
  if (r && !before(r.sndUp, priorUna) && !after(r.sndUp, c.sndUna)) {
    r.sndUp = c.sndUna;
    r.urgentSent = false;
  }
  if (r && r.stamps !== null) stampAcked(c, r.stamps);
  if (left && left.sacked & SACKED) flag |= SACK_RENEGING;
  work.flag = flag;
  measure(c, left, priorFack, priorUna, priorSacked);
}

function measure(c: Connection, left: Segment | null, priorFack: number, priorUna: number, priorSacked: number): void {
  const now = c.env.nowUs;
  let flag = work.flag;
  let seqRtt = -1;
  let sackRtt = -1;
  let caRtt = -1;
  if (firstAckUs >= 0 && (flag & RETRANS_DATA_ACKED) === 0) {
    seqRtt = now - firstAckUs;
    caRtt = now - lastAckUs;
    const runt = ackedCount === 1 && fullyAcked && priorSacked === 0 && (c.sndUna - priorUna) >>> 0 < c.mssCache;
    if (runt && rate.priorDelivered + 1 === c.loss.delivered && (flag & (CA_ALERT | SYN_ACKED)) === 0) flag |= ACK_MAYBE_DELAYED;
  }
  if (sackWork.firstSackUs >= 0) {
    sackRtt = now - sackWork.firstSackUs;
    caRtt = now - sackWork.lastSackUs;
  }
  const updated = updateRtt(c, flag, seqRtt, sackRtt, caRtt);
  if (flag & ACKED) {
    flag |= SET_XMIT_TIMER;
    if (c.rare !== null && c.rare.mtuProbe !== null) mtuProbeAcked(c, c.rare.mtuProbe);
    if (!c.sackOk) {
      removeRenoSacks(c, ackedCount, (flag & ECE) !== 0);
      if (flag & RETRANS_DATA_ACKED) flag &= ~ORIG_SACK_ACKED;
    } else if (before(reord, priorFack)) checkSackReordering(c, reord, false);
  } else if (left && updated && sackRtt >= 0 && sackRtt > now - left.sentUs) flag |= SET_XMIT_TIMER;
  work.flag = flag;
  rate.rttUs = usedRtt;
  c.congestion.acked(c, ackedCount, usedRtt);
}

let usedRtt = -1;
/** RFC 6298 3 (Karn), RFC 7323 4: the best sample of this ACK. False: none. */
export function updateRtt(c: Connection, flag: number, seqRtt: number, sackRtt: number, caRtt: number): boolean {
  let rtt = seqRtt < 0 ? sackRtt : seqRtt;
  usedRtt = caRtt;
  if (rtt < 0 && c.sawTs && c.rcvTsEcr !== 0 && flag & ACKED) {
    rtt = rttByTimestamp(c, 1);
    usedRtt = rtt;
  }
  if (rtt < 0) return false;
  updateMinRtt(c, usedRtt, (flag & ACK_MAYBE_DELAYED) !== 0);
  estimateRtt(c, rtt);
  updateRto(c);
  c.backoff = 0;
  return true;
}

/** Grows the window, or lets PRR hold it (tcp_cong_control). */
function congestionControl(c: Connection, ack: number, delivered: number, lost: number, flag: number): void {
  const control = c.congestion.control;
  if (control !== null) {
    control(c, rate);
    growSendBuffer(c);
    return;
  }
  if (inCwndReduction(c)) prr(c, delivered, lost, flag);
  else {
    const reordered = c.loss.reordering > c.env.sysctl.values[Sysctl.tcp_reordering]!;
    if (flag & (reordered ? FORWARD_PROGRESS : DATA_ACKED)) {
      c.congestion.avoid(c, ack, delivered);
      c.sndCwndStampUs = c.env.nowUs;
    }
  }
  followWindow(c);
  growSendBuffer(c);
}

/** Room for headers and skb_shared_info in an sk_buff for sending. */
const SKB_HEADERS = 576;

/** The send buffer follows the window (tcp_sndbuf_expand). */
export function growSendBuffer(c: Connection): void {
  if (c.settings.sndbufLocked || !c.tcp.memory.plenty) return;
  let perMss = Math.max(c.mssClamp, c.mssCache) + SKB_HEADERS;
  perMss = (1 << (32 - Math.clz32(perMss - 1))) + 256; // the next power of two
  const segments = Math.max(10, c.sndCwnd, c.loss.reordering + 1);
  const wanted = Math.min(c.congestion.sendBuffers * segments * perMss, c.env.sysctl.values[Sysctl.tcp_wmem + 2]!);
  if (wanted > c.sndBuf) c.sndBuf = wanted;
}
