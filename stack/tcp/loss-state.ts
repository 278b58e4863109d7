/** The sender's scoreboard counts and its loss recovery state (RFC 6675 pipe, 6937 PRR, 8985 RACK-TLP, 5682 F-RTO, Eifel and DSACK undo). */
import type { Segment } from './send-queue.js';

export class LossState {
  private numbers: Float64Array;
  private numbersAt: number;
  /** Ca number. */
  caState = 0;
  sackedOut = 0;
  lostOut = 0;
  retransOut = 0;
  /** Whether undoMarker is set: a sequence number may be 0. */
  undoMarked = false;
  undoRetrans = 0;
  priorSsthresh = 0;
  priorCwnd = 0;
  prrDelivered = 0;
  prrOut = 0;
  reordering = 3;
  reordSeen = 0;
  /** Segments delivered and lost in all. */
  delivered = 0;
  deliveredCe = 0;
  lost = 0;
  dsackDups = 0;
  /** F-RTO is on. */
  frto = false;
  sackReneg = false;
  totalRto = 0;
  // RACK
  rackRttUs = 0;
  rackAdvanced = false;
  rackDsackSeen = false;
  rackReoWndSteps = 1;
  rackReoWndPersist = 0;
  rackLastDelivered = 0;
  // TLP
  tlpActive = false;
  tlpRetrans = false;
  /** Segment with the highest SACKed start; null with sackedOut > 0 means SND.NXT. */
  highestSack: Segment | null = null;
  /** SACK blocks of the last ACK in order, as pairs from the end; -1 for none. */
  sackCache: Float64Array | null = null;
  /** Where the next look for segments to retransmit starts. */
  retransmitHint: Segment | null = null;

  /** Numbers that are no small integers lie in the connection's slot (connection-numbers.ts). */
  constructor(numbers: Float64Array, at: number) {
    this.numbers = numbers;
    this.numbersAt = at;
  }
  moved(numbers: Float64Array, at: number): void {
    this.numbers = numbers;
    this.numbersAt = at;
  }

  /** SND.NXT when recovery began. */
  get highSeq(): number {
    return this.numbers[this.numbersAt + 49]!;
  }
  set highSeq(v: number) {
    this.numbers[this.numbersAt + 49] = v;
  }
  /** SND.UNA when it began: what is acknowledged beyond may prove it spurious. */
  get undoMarker(): number {
    return this.numbers[this.numbersAt + 50]!;
  }
  set undoMarker(v: number) {
    this.numbers[this.numbersAt + 50] = v;
  }
  /** Millisecond clock of the first retransmission, 0 without (as Linux's retrans_stamp). */
  get retransStamp(): number {
    return this.numbers[this.numbersAt + 51]!;
  }
  set retransStamp(v: number) {
    this.numbers[this.numbersAt + 51] = v;
  }
  /** RACK: when the segment that was delivered and sent last was sent. */
  get rackStampUs(): number {
    return this.numbers[this.numbersAt + 52]!;
  }
  set rackStampUs(v: number) {
    this.numbers[this.numbersAt + 52] = v;
  }
  /** RACK: its end. */
  get rackEndSeq(): number {
    return this.numbers[this.numbersAt + 53]!;
  }
  set rackEndSeq(v: number) {
    this.numbers[this.numbersAt + 53] = v;
  }
  /** SND.NXT when the loss probe was sent. */
  get tlpHighSeq(): number {
    return this.numbers[this.numbersAt + 54]!;
  }
  set tlpHighSeq(v: number) {
    this.numbers[this.numbersAt + 54] = v;
  }
}
