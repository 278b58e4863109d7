/**
 * The AccECN option (RFC 9768 3.2.3): up to three byte counters of 24 bits, in one of two orders that its kind tells:
 *
 *   kind 172   ECT(0), CE, ECT(1)            kind 174   ECT(1), CE, ECT(0)          sent here, as by Linux
 *
 * The ECT counters start at 1, so that an option whose fields were zeroed shows. An option may be short: fields are left out from the end, and
 * those that changed since the last one must be there. Room is scarce: the option takes the places of other options' padding (the two NOPs
 * before SACK blocks), and one SACK block's if it must.
 */
import { Sysctl } from '../core/sysctl.js';
import { Opt, type TcpHeader } from '../wire/tcp.js';
import { type AccEcn, AceFail, Mark, OptionSeen } from './accecn-state.js';
import type { Connection } from './connection.js';
import { EcnFlag, MAX_OPTION_SPACE, SLOWPATH } from './constants.js';

const FIELDS = 3;
const FIELD_BYTES = 3;
const MOST_BYTES = 2 + FIELDS * FIELD_BYTES;
const SACK_BLOCK = 8;
/** Bytes sent without having seen an option, after which none is believed any more: the counters may have wrapped. */
const LATEST = (1 << 23) - 1;

const FIRST_ORDER: readonly number[] = [Mark.ect0, Mark.ce, Mark.ect1];
const SECOND_ORDER: readonly number[] = [Mark.ect1, Mark.ce, Mark.ect0];
const startOf = (mark: number): number => (mark === Mark.ce ? 0 : 1);

// ---- receiving

/** What a first option looks like (3.2.3.2.4). */
export function firstLook(h: TcpHeader): number {
  if (h.accEcnCount < 1) return OptionSeen.empty;
  if (h.accEcn[0] === 0 || (h.accEcnCount === FIELDS && h.accEcn[2] === 0)) return OptionSeen.bad;
  return OptionSeen.counters;
}
export function noteSeen(a: AccEcn, seen: number): void {
  a.optionSeen = seen;
  if (seen === OptionSeen.bad) a.failMode |= AceFail.optionReceive;
}
/** Looks at the option of a segment when none with counters was seen yet. True: there was one to look at. */
export function sawOption(a: AccEcn, h: TcpHeader): boolean {
  if (h.accEcnCount < 0 || a.optionSeen >= OptionSeen.counters) return false;
  noteSeen(a, firstLook(h));
  return true;
}

/** Takes the peer's byte counters over. True: they can be relied on for this ACK, which delivered `bytes`. */
export function processOption(c: Connection, a: AccEcn, h: TcpHeader, bytes: number, flag: number): boolean {
  if (a.failMode & AceFail.optionReceive) return false;
  if ((flag & SLOWPATH) === 0 || h.accEcnCount < 0) {
    if (a.optionSeen === OptionSeen.none) {
      if (c.bytesSent >= LATEST) noteSeen(a, OptionSeen.bad);
      return false;
    }
    if (a.likelyMark === 0) return false;
    a.addDelivered(a.likelyMark, bytes);
    return true;
  }
  if (a.optionSeen < OptionSeen.counters) noteSeen(a, firstLook(h));
  return takeFields(a, h);
}

function takeFields(a: AccEcn, h: TcpHeader): boolean {
  const expected = a.likelyMark;
  const order = h.accEcnEct1First ? SECOND_ORDER : FIRST_ORDER;
  let known = expected !== 0;
  let clear = true;
  let changed = false;
  for (let i = 0; i < h.accEcnCount; i++) {
    const mark = order[i]!;
    // 24 bits on the wire: the nearest value to ours, before it when our estimate was too high
    const delta = ((h.accEcn[i]! - startOf(mark) - a.delivered(mark)) << 8) >> 8;
    if (delta === 0) continue;
    a.addDelivered(mark, delta);
    if (delta < 0) {
      known = false;
      clear = false;
    }
    if (mark === expected) continue;
    if (!changed) {
      a.likelyMark = mark;
      changed = true;
    } else {
      known = false;
      clear = false;
    }
  }
  if (!clear) a.likelyMark = 0;
  return known;
}

// ---- sending

/** What `fitOption` found: how many fields (-1: no option), and how many SACK blocks are left beside it. */
export const fit = { fields: -1, blocks: 0 };

/**
 * The longest option with at least `required` fields that fits into `room` bytes; `saving` bytes of it may lie in the padding of other
 * options. Gives up one of three SACK blocks for fields that are due. Returns the bytes that it adds, which a lost SACK block makes negative.
 */
export function fitOption(required: number, room: number, saving: number, blocks: number): number {
  let fields = FIELDS;
  let size = MOST_BYTES;
  let left = room;
  let given = 0;
  fit.blocks = blocks;
  while (fields >= required) {
    const aligned = (size & 3) > saving ? (size + 3) & ~3 : size & ~3;
    if (left >= aligned) {
      fit.fields = fields;
      fit.blocks = blocks - given;
      return aligned - given * SACK_BLOCK;
    }
    if (fields === required && required > 0 && blocks - given > 2) {
      given++;
      left += SACK_BLOCK;
      fields = FIELDS;
      size = MOST_BYTES;
      continue;
    }
    fields--;
    size -= FIELD_BYTES;
  }
  fit.fields = -1;
  return 0;
}

/** A segment's option (not a SYN's): must and may it carry one? As `fitOption`. */
export function fitEstablished(c: Connection, room: number, blocks: number): number {
  fit.fields = -1;
  fit.blocks = blocks;
  const a = c.accEcn;
  if (a === null || (c.ecn & EcnFlag.modes) !== EcnFlag.accEcn) return 0;
  const mode = c.env.sysctl.values[Sysctl.tcp_ecn_option]!;
  if (mode === 0 || a.optionSeen === OptionSeen.none) return 0;
  if (a.failMode & AceFail.optionSend && mode < 3) return 0;
  if (mode === 1 && a.demand === 0 && !beaconDue(c, a)) return 0;
  return fitOption(a.leastFields, room, blocks > 0 ? 2 : 0, blocks);
}

/** tcp_ecn_option_beacon: the option goes along so many times in a round trip even if nothing has changed. */
export function beaconDue(c: Connection, a: AccEcn): boolean {
  const times = c.env.sysctl.values[Sysctl.tcp_ecn_option_beacon]!;
  return times !== 0 && (c.env.nowUs - a.optionUs) * times >= c.rtt.srttUs >>> 3;
}

/** Up to two bytes of an option that go where the next one has its padding: NOPs when there are none. */
export const leftover = { high: Opt.NOP as number, low: Opt.NOP as number };
export function noLeftover(): void {
  leftover.high = Opt.NOP;
  leftover.low = Opt.NOP;
}

/** Writes the option with `fit.fields` fields; bytes that do not fill a word are left in `leftover`. `a` null: a SYN-ACK's. */
export function writeOption(v: DataView, at: number, a: AccEcn | null): number {
  const fields = fit.fields;
  const ect1 = ((a ? a.receivedEct1 : 0) + 1) & 0xffffff;
  const ce = (a ? a.receivedCeBytes : 0) & 0xffffff;
  const ect0 = ((a ? a.receivedEct0 : 0) + 1) & 0xffffff;
  const length = 2 + fields * FIELD_BYTES;
  noLeftover();
  if (fields === 0) {
    leftover.high = Opt.ACCECN1;
    leftover.low = length;
    return 0;
  }
  v.setUint32(at, ((Opt.ACCECN1 << 24) | (length << 16) | (ect1 >>> 8)) >>> 0);
  if (fields === 1) {
    leftover.high = ect1 & 0xff;
    return 4;
  }
  v.setUint32(at + 4, (((ect1 & 0xff) << 24) | ce) >>> 0);
  if (fields === 2) return 8;
  v.setUint32(at + 8, ((ect0 << 8) | Opt.NOP) >>> 0);
  return 12;
}

/** The option of a SYN-ACK whose other options take `others` bytes, SACK-permitted by itself or a window scale among them. */
export function writeSynAckOption(v: DataView, at: number, mode: number, others: number, sack: boolean, scale: boolean): number {
  noLeftover();
  fit.fields = -1;
  const room = MAX_OPTION_SPACE - others;
  if (mode === 0 || room < 2) return 0;
  fitOption(0, room, sack ? 2 : scale ? 1 : 0, 0);
  return fit.fields >= 0 ? writeOption(v, at, null) : 0;
}

/** SACK-permitted as a word, and window scale as one: their padding takes up what is left over. */
export function writeSackPermitted(v: DataView, at: number): number {
  v.setUint32(at, ((leftover.high << 24) | (leftover.low << 16) | (Opt.SACK_PERM << 8) | 2) >>> 0);
  noLeftover();
  return 4;
}
export function writeScale(v: DataView, at: number, scale: number): number {
  let pad: number = Opt.NOP;
  if (leftover.low === Opt.NOP) {
    pad = leftover.high; // one byte: two would be torn apart
    leftover.high = Opt.NOP;
  }
  v.setUint32(at, ((pad << 24) | (Opt.WSCALE << 16) | (3 << 8) | scale) >>> 0);
  return 4;
}

/** Four bytes with what is left over, when no other option took it. */
export function writeLeftover(v: DataView, at: number): number {
  if (leftover.high === Opt.NOP && leftover.low === Opt.NOP) return 0;
  v.setUint32(at, ((leftover.high << 24) | (leftover.low << 16) | (Opt.NOP << 8) | Opt.NOP) >>> 0);
  noLeftover();
  return 4;
}

/** The option has left. */
export function optionSent(c: Connection, a: AccEcn): void {
  a.leastFields = 0;
  a.optionUs = c.env.nowUs;
  a.optionSent = true;
  if (a.demand > 0) a.demand--;
}
