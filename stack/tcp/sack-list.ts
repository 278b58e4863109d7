/** The SACK blocks that this end reports (RFC 2018 4): up to four, the most recently changed first. */
import type { Connection } from './connection.js';
import { NEW_SACKS } from './constants.js';
import { after, before } from './seq.js';

/** Reports a range: extends the block it touches, or starts one. The index at which it was found (0 for a first block). */
export function addSack(c: Connection, seq: number, endSeq: number): number {
  const s = (c.sacks ??= new Uint32Array(2 * NEW_SACKS));
  let i = 0;
  for (; i < c.sackCount; i++) {
    if (after(seq, s[2 * i + 1]!) || after(s[2 * i]!, endSeq)) continue;
    if (before(seq, s[2 * i]!)) s[2 * i] = seq;
    if (after(endSeq, s[2 * i + 1]!)) s[2 * i + 1] = endSeq;
    toFront(s, i);
    if (c.sackCount > 1) merge(c, s);
    return i;
  }
  const found = i;
  if (i >= NEW_SACKS) {
    i--;
    c.sackCount--;
  }
  for (; i > 0; i--) {
    s[2 * i] = s[2 * i - 2]!;
    s[2 * i + 1] = s[2 * i - 1]!;
  }
  s[0] = seq;
  s[1] = endSeq;
  c.sackCount++;
  return found;
}

function toFront(s: Uint32Array, from: number): void {
  const start = s[2 * from]!;
  const end = s[2 * from + 1]!;
  for (let i = from; i > 0; i--) {
    s[2 * i] = s[2 * i - 2]!;
    s[2 * i + 1] = s[2 * i - 1]!;
  }
  s[0] = start;
  s[1] = end;
}

/** The first block has grown: others that it touches are part of it. */
function merge(c: Connection, s: Uint32Array): void {
  let i = 1;
  while (i < c.sackCount) {
    if (after(s[2 * i]!, s[1]!) || after(s[0]!, s[2 * i + 1]!)) {
      i++;
      continue;
    }
    if (before(s[2 * i]!, s[0]!)) s[0] = s[2 * i]!;
    if (after(s[2 * i + 1]!, s[1]!)) s[1] = s[2 * i + 1]!;
    drop(c, s, i);
  }
}
function drop(c: Connection, s: Uint32Array, at: number): void {
  c.sackCount--;
  for (let i = at; i < c.sackCount; i++) {
    s[2 * i] = s[2 * i + 2]!;
    s[2 * i + 1] = s[2 * i + 3]!;
  }
}

/** RCV.NXT moved: blocks that it has reached are history. */
export function removeSacks(c: Connection): void {
  const s = c.sacks;
  if (!s || c.receiveQueue === null || c.receiveQueue.ofo.length === 0) {
    c.sackCount = 0;
    return;
  }
  let i = 0;
  while (i < c.sackCount) {
    if (!before(c.rcvNxt, s[2 * i]!)) drop(c, s, i);
    else i++;
  }
}
