/**
 * The pieces of one datagram, as both families gather them (RFC 815; RFC 5722's rule for overlaps; RFC 3168 5.3; Linux's inet_fragment.c). A
 * piece that lies wholly in what was had is a duplicate; one that overlaps in part ends the whole queue. What a duplicate is shows how Linux
 * keeps pieces: those that came one behind the other are a run, and only what lies inside one run is a duplicate.
 */
import type { Packet } from '../core/packet.js';
import { Timer, type TimerHandler } from '../core/timer.js';
import { receiveTruesize } from '../core/truesize.js';
import type { NetDevice } from './device.js';

export const QUEUE_OVERHEAD = 208;
export const Had = Object.freeze({ first: 1, last: 2 });
/** What becomes of a piece. */
export const Fit = Object.freeze({ good: 0, duplicate: 1, overlap: 2 });

const ECN_MASK = 3;
const ECN_CE = 3;
/** Bits of the ECN fields seen. */
const Seen = Object.freeze({ notEct: 1, ce: 8 });

interface Piece {
  readonly offset: number;
  readonly end: number;
  readonly bytes: Uint8Array;
  runEnd: number;
  runHead: boolean;
}

export abstract class FragmentQueue implements TimerHandler {
  readonly device: NetDevice;
  readonly timer: Timer;
  /** In order of offset. */
  pieces: Piece[] = [];
  had = 0;
  /** Of the whole, as far as is known. */
  length = 0;
  memory = QUEUE_OVERHEAD;
  /** What lay before the first piece, and what an ICMP error about it needs. */
  header: Uint8Array | null = null;
  linkType = 0;
  destinationKind = 0;
  private tail: Piece | null = null;
  private meat = 0;
  private ecn = 0;

  constructor(device: NetDevice) {
    this.device = device;
    this.timer = new Timer(this, 0);
  }

  /** The time to wait for pieces is over. */
  abstract onTimer(): void;

  get empty(): boolean {
    return this.tail === null;
  }
  get complete(): boolean {
    return this.had === (Had.first | Had.last) && this.meat === this.length;
  }

  /** Forgets all pieces. */
  clear(): void {
    this.pieces = [];
    this.tail = null;
    this.had = 0;
    this.length = 0;
    this.meat = 0;
    this.memory = QUEUE_OVERHEAD;
    this.ecn = 0;
    this.header = null;
  }

  /** May a piece lie there? False: it is empty, or contradicts what is known of the length. */
  place(offset: number, end: number, more: boolean): boolean {
    if (!more) {
      if (end < this.length || ((this.had & Had.last) !== 0 && end !== this.length)) return false;
      this.had |= Had.last;
      this.length = end;
    } else if (end > this.length) {
      if ((this.had & Had.last) !== 0) return false;
      this.length = end;
    }
    return end !== offset;
  }

  /** Puts the bytes of `p` from `from` on in their place: Fit.*. */
  insert(p: Packet, from: number, offset: number, end: number): number {
    const piece: Piece = { offset, end, bytes: p.bytes.slice(from, from + end - offset), runEnd: end, runHead: true };
    const last = this.tail;
    if (last && last.end >= end) return this.between(piece);
    if (last && offset < last.end) return Fit.overlap;
    if (last && offset === last.end) {
      piece.runHead = false;
      this.lastRun().runEnd = end;
    }
    this.pieces.push(piece);
    this.tail = piece;
    return Fit.good;
  }

  private between(piece: Piece): number {
    for (let i = 0; i < this.pieces.length; i++) {
      const run = this.pieces[i]!;
      if (!run.runHead || piece.offset >= run.runEnd) continue;
      if (piece.end <= run.offset) {
        this.pieces.splice(i, 0, piece);
        return Fit.good;
      }
      return piece.offset >= run.offset && piece.end <= run.runEnd ? Fit.duplicate : Fit.overlap;
    }
    return Fit.overlap;
  }

  private lastRun(): Piece {
    for (let i = this.pieces.length - 1; i > 0; i--) if (this.pieces[i]!.runHead) return this.pieces[i]!;
    return this.pieces[0]!;
  }

  /** The packet's piece has been put in: what it costs in memory. */
  account(p: Packet, size: number): number {
    const cost = receiveTruesize(p.tail - p.network);
    this.memory += cost;
    this.meat += size;
    this.ecn |= 1 << (p.tos & ECN_MASK);
    return cost;
  }

  /** Of the packet with the first piece. */
  keepHeader(p: Packet, end: number): void {
    this.had |= Had.first;
    this.header = p.bytes.slice(p.network, end);
    this.linkType = p.linkType;
    this.destinationKind = p.destination;
  }

  /** What the ECN field of the whole gets from those of the pieces; -1 when they cannot belong together. */
  mergedEcn(): number {
    const bits = this.ecn;
    if ((bits & Seen.notEct) !== 0) return bits === Seen.notEct ? 0 : -1;
    return (bits & Seen.ce) !== 0 && bits !== Seen.ce ? ECN_CE : 0;
  }

  /** Writes all pieces from `at` on. */
  copyTo(p: Packet, at: number): void {
    for (const piece of this.pieces) p.bytes.set(piece.bytes, at + piece.offset);
    p.tail = at + this.length;
  }
}
