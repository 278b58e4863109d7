/** The sender's scoreboard counts and its loss recovery state (RFC 6675 pipe, 6937 PRR, 8985 RACK-TLP, 5682 F-RTO, Eifel and DSACK undo). */
import type { Segment } from './send-queue.js';

export class LossState {
  /** Ca number. */
  caState = 0;
  sackedOut = 0;
  lostOut = 0;
  retransOut = 0;
  /** SND.NXT when recovery began. */
  highSeq = 0;
  /** Millisecond clock of the first retransmission, 0 without (as Linux's retrans_stamp). */
  retransStamp = 0;
  undoMarker = 0;
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
  rackStampUs = 0;
  rackRttUs = 0;
  rackEndSeq = 0;
  rackAdvanced = false;
  rackDsackSeen = false;
  rackReoWndSteps = 1;
  rackReoWndPersist = 0;
  rackLastDelivered = 0;
  // TLP
  tlpHighSeq = 0;
  tlpActive = false;
  tlpRetrans = false;
  /** Segment with the highest SACKed start; null with sackedOut > 0 means SND.NXT. */
  highestSack: Segment | null = null;
  /** SACK blocks of the last ACK in order, as pairs from the end; -1 for none. */
  sackCache: Float64Array | null = null;
  /** Where the next look for segments to retransmit starts. */
  retransmitHint: Segment | null = null;
}
