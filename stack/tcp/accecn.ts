/**
 * Accurate ECN feedback (RFC 9768). Each end counts what arrives (CE-marked packets, and bytes by codepoint) and says so in every segment:
 *
 *  - The three flags AE, CWR, ECE together are the ACE field. On a SYN they ask (111), on a SYN-ACK and the third ACK they say with which
 *    codepoint the SYN or SYN-ACK came (3.1.1, table 2), and from then on they are the low three bits of r.cep, the number of CE packets
 *    received, which starts at 5 (3.2.2).
 *  - The AccECN option (accecn-option.ts) carries the byte counters.
 *
 * The sender follows the peer's numbers with s.cep (`loss.deliveredCe`): an ACK that covers more than seven packets may hide a wrap of the
 * field, and then the byte counters, or caution, decide (3.2.2.5.1). What a middlebox has bleached shows in the handshake; the connection
 * then goes on without ECT (3.2.2.3, 3.2.2.4).
 *
 * Whoever receives a mark counts it, whatever was agreed: tcp_info shows it.
 */
import { Sysctl } from '../core/sysctl.js';
import { Flag, type TcpHeader } from '../wire/tcp.js';
import { processOption, sawOption } from './accecn-option.js';
import { AccEcn, AceFail, CEP_START, Mark } from './accecn-state.js';
import type { Connection } from './connection.js';
import { AckPending, Ca, EcnFlag, FORWARD_PROGRESS, SLOWPATH, SYN_ACKED, TS_PROGRESS } from './constants.js';
import { fastPathOn } from './window.js';

const ACE_MASK = 7;
/** So many CE packets unsaid, and the next ACK must not wait: the field is about to wrap. */
const MOST_UNSAID = 6;
/** A counter's 4,194,304 bytes: the option is due at the latest then. */
const BYTES_SHIFT = 22;
/** Packets that an ACK covers on average (weight 1/64), from which on large ACKs are nothing unusual. */
const USUAL_WEIGHT = 6;
const USUALLY_LARGE = 4 << 6;

export const ACE_FLAGS = Flag.AE | Flag.CWR | Flag.ECE;

export function aceOf(flags: number): number {
  return ((flags & Flag.AE) >> 6) | ((flags & Flag.CWR) >> 6) | ((flags & Flag.ECE) >> 6);
}
export function flagsOf(ace: number): number {
  return ((ace & 4) << 6) | ((ace & 3) << 6);
}

/** Table 2: how a SYN-ACK says with which codepoint the SYN came; the third ACK says so of the SYN-ACK. */
const REFLECTED: readonly number[] = [0b010, 0b011, 0b100, 0b110];
export function reflectedFlags(mark: number): number {
  return flagsOf(REFLECTED[mark & 3]!);
}
/** And back; what table 2 leaves undefined is read as Linux does. */
const SENT_MARK: readonly number[] = [Mark.ect0, Mark.ect1, Mark.none, Mark.ect1, Mark.ect0, Mark.ect1, Mark.ce, Mark.ect1];

/** Only ECT may change on its way, and only to CE or the other ECT (3.2.2.3). */
function plausible(sent: number, arrived: number): boolean {
  return sent === arrived || (sent !== Mark.none && arrived !== Mark.none && sent !== Mark.ce);
}

export function accEcnOf(c: Connection): AccEcn {
  return (c.accEcn ??= new AccEcn());
}
/** AccECN feedback was agreed. */
export function speaksAccEcn(c: Connection): boolean {
  return (c.ecn & EcnFlag.modes) === EcnFlag.accEcn;
}
/** Classic feedback was agreed (RFC 3168). */
export function speaksClassic(c: Connection): boolean {
  return (c.ecn & EcnFlag.modes) === EcnFlag.ok;
}
export function setEcnMode(c: Connection, mode: number): void {
  c.ecn = (c.ecn & ~EcnFlag.modes) | mode;
}

/** May this end set ECT at all? */
export function mayMark(a: AccEcn): boolean {
  return (a.failMode & (AceFail.receive | AceFail.send)) === 0;
}

// ---- receiving

/** A segment has arrived in ESTABLISHED: `length` bytes of data in `segs` wire segments, with the codepoint of `tos`. */
export function ecnReceived(c: Connection, tos: number, segs: number, length: number): void {
  const mark = tos & 3;
  if (mark === Mark.none && c.accEcn === null) return;
  const a = accEcnOf(c);
  if (mark !== Mark.none) countMark(c, a, mark, segs, length);
  const edge = a.lastMark !== mark;
  if (!edge && mark !== Mark.ce) return;
  a.lastMark = mark;
  if (!speaksAccEcn(c)) return;
  // 3.2.2.5.1: a change is told at once, and twice, so that the second ACK is clear about it
  if (edge) c.ackPending |= AckPending.now;
  a.demand = 2;
}

function countMark(c: Connection, a: AccEcn, mark: number, segs: number, length: number): void {
  if (!speaksClassic(c)) c.ecn |= EcnFlag.seen;
  if (mark === Mark.ce) {
    const n = Math.max(1, segs);
    a.receivedCe = (a.receivedCe + n) | 0;
    a.unsaidCe = Math.min(15, a.unsaidCe + n);
  }
  if (length === 0) return;
  const was = a.received(mark);
  const now = (was + length) | 0;
  a.setReceived(mark, now);
  a.leastFields = Math.max(a.leastFields, a.fieldOf(mark));
  if ((was ^ now) >>> BYTES_SHIFT !== 0) a.demand = Math.max(a.demand, 1);
}

/** The third ACK (or what comes in its place) says how our SYN-ACK arrived (3.2.2.1, table 4). */
export function thirdAck(c: Connection, h: TcpHeader): void {
  const a = accEcnOf(c);
  const ace = aceOf(h.flags);
  if (ace === 0) {
    a.failMode |= AceFail.receive;
    return;
  }
  if (ace === 1 || ace === 5 || ace === 7) return; // unused, or a counter already
  if (h.seq !== h.endSeq || h.sackCount > 0) return;
  if (feedbackPlausible(c, a, ace) && SENT_MARK[ace] === Mark.ce && c.loss.deliveredCe === 0) c.loss.deliveredCe = 1;
}

function feedbackPlausible(c: Connection, a: AccEcn, ace: number): boolean {
  if (c.env.sysctl.values[Sysctl.tcp_ecn_fallback] === 0) return true;
  if (plausible(a.sentMark, SENT_MARK[ace]!)) return true;
  a.failMode |= AceFail.receive;
  return false;
}

/** The SYN-ACK decides what this end speaks (3.1.2, table 2). Only asked when our SYN offered ECN. */
export function synAckDecides(c: Connection, tos: number, h: TcpHeader): void {
  if ((c.ecn & EcnFlag.modes) === 0) return;
  const pending = (c.ecn & EcnFlag.modes) === EcnFlag.modes;
  const ace = aceOf(h.flags);
  if (ace === 0 || ace === 7) {
    setEcnMode(c, 0);
    return;
  }
  if (ace === 1 || (ace === 5 && !pending)) {
    setEcnMode(c, EcnFlag.ok);
    return;
  }
  const a = accEcnOf(c);
  a.asked = pending;
  setEcnMode(c, EcnFlag.accEcn);
  a.synMark = tos & 3;
  if (sawOption(a, h)) a.demand = 2;
  // 3.1.3: 101 is reserved; it confirms AccECN, and says nothing of the SYN
  if (a.synMark === Mark.ce && (ace === 5 || feedbackPlausible(c, a, ace))) {
    a.receivedCe++;
    a.unsaidCe++;
  }
}

/** A SYN crosses ours (3.1.5). */
export function crossingSyn(c: Connection, tos: number, h: TcpHeader): void {
  const ace = aceOf(h.flags);
  if ((c.ecn & EcnFlag.modes) === EcnFlag.modes) {
    if (asksAccEcn(ace)) {
      const a = accEcnOf(c);
      a.asked = true;
      a.synMark = tos & 3;
      a.lastMark = a.synMark;
      setEcnMode(c, EcnFlag.accEcn);
    } else setEcnMode(c, EcnFlag.ok);
  }
  if (speaksClassic(c) && (ace & 3) !== 3) setEcnMode(c, 0);
}

/** 3.1.2: a SYN asks for AccECN with any flags but none and those of RFC 3168. */
export function asksAccEcn(ace: number): boolean {
  return ace !== 0 && ace !== 3;
}

// ---- what the peer says of our packets

/**
 * Works an ACK's feedback in: how many of our packets it says were CE-marked, 0 when it says nothing. `packets` and `bytes` are what the
 * ACK delivered. Follows s.cep, `loss.deliveredCe`.
 */
export function accEcnFeedback(c: Connection, h: TcpHeader, packets: number, bytes: number, flag: number): number {
  const n = newlyMarked(c, accEcnOf(c), h, packets, bytes, flag);
  if (n <= 0) return 0;
  c.loss.deliveredCe += n;
  if (c.predFlags !== 0) fastPathOn(c); // the next ACK is expected to have the new count
  return n;
}

function newlyMarked(c: Connection, a: AccEcn, h: TcpHeader, packets: number, bytes: number, flag: number): number {
  if ((flag & (FORWARD_PROGRESS | TS_PROGRESS)) === 0) return 0; // reordered, perhaps
  const ceBytes = a.deliveredCeBytes;
  const bytesKnown = processOption(c, a, h, bytes, flag);
  if (a.asked && packets > 0) a.notePackets(packets, USUAL_WEIGHT);
  if ((flag & SLOWPATH) === 0 && packets <= ACE_MASK) return 0;
  if (flag & SYN_ACKED) return 0; // the field is no counter yet
  if (a.unsaidCe >= MOST_UNSAID) c.ackPending |= AckPending.now;
  const delta = (aceOf(h.flags) - CEP_START - c.loss.deliveredCe) & ACE_MASK;
  if (packets <= ACE_MASK) return delta;
  const safe = packets - ((packets - delta) & ACE_MASK);
  if (bytesKnown) return byBytes(c, (a.deliveredCeBytes - ceBytes) | 0, delta, safe, packets, bytes);
  return a.asked && a.usualPackets > USUALLY_LARGE ? delta : safe;
}

/** The ACE field may have wrapped: how often, the CE bytes tell (appendix A.2). */
function byBytes(c: Connection, ceBytes: number, delta: number, safe: number, packets: number, bytes: number): number {
  if (ceBytes === 0) return delta;
  const state = c.loss.caState;
  if (packets >= 2 * (ACE_MASK + 1) && (c.sackOk || state === Ca.open || state === Ca.cwr)) {
    if (bytes <= ceBytes) return safe;
    const estimate = Math.ceil((ceBytes * packets) / bytes);
    return Math.min(safe, delta + (estimate & ~ACE_MASK));
  }
  if (ceBytes > delta * c.mssCache) return safe;
  return ceBytes < (safe * c.mssCache) >> 1 ? delta : safe;
}

// ---- sending

/** The ACE field of a segment: r.cep, unless the segment reflects a SYN's codepoint already. */
export function aceFlags(a: AccEcn, flags: number): number {
  if (flags & ACE_FLAGS) return flags;
  a.unsaidCe = 0;
  return flags | flagsOf((a.receivedCe + CEP_START) & ACE_MASK);
}
