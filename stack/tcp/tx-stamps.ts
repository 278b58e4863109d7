/**
 * Transmit timestamps (SO_TIMESTAMPING, Linux's networking/timestamping): when the last byte of a send went to the device's queue (SCHED),
 * left (SND) and was acknowledged (ACK), as reports on the error queue. One byte of a segment record is watched at a time: a later send
 * that joins the record takes the place of the earlier, as in Linux, where the key lies in the sk_buff.
 */
import type { Connection } from './connection.js';
import { ErrorOrigin, ErrorReport } from './error-queue.js';
import type { Segment } from './send-queue.js';
import { before } from './seq.js';

/** SOF_TIMESTAMPING_*. */
export const Stamping = Object.freeze({
  txSoftware: 2,
  software: 16,
  optId: 128,
  txSched: 256,
  txAck: 512,
  optCmsg: 1024,
  optTsOnly: 2048,
  optStats: 4096,
  optIdTcp: 1 << 16,
});
/** What asks for reports. */
const RECORD = Stamping.txSoftware | Stamping.txSched | Stamping.txAck | 1;
const KNOWN = (1 << 19) - 1;
/** SCM_TSTAMP_*, the report's `info`. */
const Kind = Object.freeze({ snd: 0, sched: 1, ack: 2 });
const ENOMSG = 42;

interface Mark {
  /** Sequence number of the byte. */
  readonly key: number;
  readonly flags: number;
}

export class TxStamps {
  /** Sequence number from which SOF_TIMESTAMPING_OPT_ID counts. */
  base = 0;
  /** What the present send asks for itself (a control message); -1: what the socket says. */
  asked = -1;
  readonly marks: Mark[] = [];
  readonly reports: ErrorReport[] = [];
}

/** Would Linux refuse these flags (EINVAL)? `open`: there is a connection whose bytes can be counted. */
export function stampingRefused(flags: number, old: number, open: boolean): boolean {
  if (flags < 0 || flags > KNOWN) return true;
  if (flags & Stamping.optIdTcp && !(flags & Stamping.optId)) return true;
  if (flags & Stamping.optStats && !(flags & Stamping.optTsOnly)) return true;
  return (flags & Stamping.optId) !== 0 && (old & Stamping.optId) === 0 && !open;
}

/** SOF_TIMESTAMPING_OPT_ID was switched on: bytes are counted from what is written next, or from what is not acknowledged yet. */
export function countFrom(c: Connection, flags: number): void {
  const r = c.needRare();
  r.stamps ??= new TxStamps();
  r.stamps.base = flags & Stamping.optIdTcp ? c.writeSeq : c.sndUna;
}

/** What the present send asks for. */
export function stampingOf(c: Connection): number {
  const asked = c.rare !== null && c.rare.stamps !== null ? c.rare.stamps.asked : -1;
  return asked >= 0 ? asked : c.settings.timestamping;
}
/** The next send asks for these reports in place of the socket's. */
export function askOnce(c: Connection, flags: number): void {
  const r = c.needRare();
  r.stamps ??= new TxStamps();
  r.stamps.asked = (c.settings.timestamping & ~RECORD) | flags;
}

/** A send has put its last byte into `s`. `flags` are the socket's, or what the send asked for itself. */
export function watchSend(c: Connection, s: Segment, flags: number): void {
  if ((flags & RECORD) === 0) {
    if (c.rare?.stamps) c.rare.stamps.asked = -1;
    return;
  }
  const r = c.needRare();
  r.stamps ??= new TxStamps();
  const marks = r.stamps.marks;
  while (marks.length > 0 && !before(marks.at(-1)!.key, s.seq)) marks.pop();
  marks.push({ key: (c.writeSeq - 1) >>> 0, flags });
  r.stamps.asked = -1;
}

function report(c: Connection, t: TxStamps, kind: number, key: number): void {
  const flags = c.settings.timestamping;
  const id = flags & Stamping.optId ? (key - t.base) >>> 0 : 0;
  const e = new ErrorReport(ENOMSG, ErrorOrigin.timestamping, 0, kind, id);
  if (flags & Stamping.software) e.timeUs = c.env.nowUs;
  e.whole = (flags & Stamping.optTsOnly) === 0;
  t.reports.push(e);
  c.user?.onError(c);
}

/** A segment has left, for the first time or again. */
export function stampSent(c: Connection, t: TxStamps, s: Segment): void {
  for (const m of t.marks) {
    if (before(m.key, s.seq) || !before(m.key, s.endSeq)) continue;
    if (m.flags & Stamping.txSched) report(c, t, Kind.sched, m.key);
    if (m.flags & Stamping.txSoftware) report(c, t, Kind.snd, m.key);
  }
}

/** SND.UNA has moved. */
export function stampAcked(c: Connection, t: TxStamps): void {
  const marks = t.marks;
  for (let m = marks[0]; m && before(m.key, c.sndUna); m = marks[0]) {
    marks.shift();
    if (m.flags & Stamping.txAck) report(c, t, Kind.ack, m.key);
  }
}
