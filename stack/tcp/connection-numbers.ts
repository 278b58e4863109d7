/**
 * The numbers of a connection that are no small integers: sequence numbers, times, sums. As fields each would be a heap object of its own
 * beside its slot (V8 boxes them); 100,000 idle connections would be three million objects for the collector to follow. So they lie in
 * chunks of plain memory that many connections share, and the accessors make them look like fields. Slots 0 to 30 and 55 to 62 are shown here, 31 to
 * 48 in transfer-numbers.ts, 49 to 54 in loss-state.ts; the rest is free.
 */
import type { Owner } from '../../mib/ledger/ledger.js';
import type { IpAddress } from '../core/address.js';
import { NEVER, NOTHING_YET } from './constants.js';
import { Flow } from './table.js';

const SLOT = 64;
const CHUNK_SLOTS = 256;
/** Slots that were given back wait until so many others were, before they are used again: who still looks sees the last values. */
const QUARANTINE = 256;

/** One stack's slots. */
export class NumberPool {
  /** Chunks with the slots that are free, in the order in which they were given back. */
  private readonly freeChunks: Float64Array[] = [];
  private readonly freeSlots: number[] = [];
  private head = 0;
  private chunk: Float64Array = new Float64Array(0);
  private next = 0;
  /** What `take` has taken. */
  taken = 0;

  /** A slot: its chunk; `taken` is where it starts. Its numbers are to be set. */
  take(): Float64Array {
    if (this.freeSlots.length - this.head > QUARANTINE) {
      const c = this.freeChunks[this.head]!;
      this.taken = this.freeSlots[this.head]!;
      this.head++;
      if (this.head === 1024) {
        this.freeChunks.splice(0, this.head);
        this.freeSlots.splice(0, this.head);
        this.head = 0;
      }
      return c;
    }
    if (this.next === this.chunk.length) {
      this.chunk = new Float64Array(CHUNK_SLOTS * SLOT);
      this.next = 0;
    }
    this.taken = this.next;
    this.next += SLOT;
    return this.chunk;
  }
  give(chunk: Float64Array, at: number): void {
    this.freeChunks.push(chunk);
    this.freeSlots.push(at);
  }
}

export class ConnectionNumbers extends Flow {
  protected numbers: Float64Array;
  protected numbersAt: number;
  private pool: NumberPool | null;

  constructor(pool: NumberPool, flowKind: number, family: 4 | 6, local: IpAddress, remote: IpAddress, owner: Owner) {
    super(flowKind, family, local, remote, owner);
    this.pool = pool;
    this.numbers = pool.take();
    this.numbersAt = pool.taken;
    this.numbers.fill(0, this.numbersAt, this.numbersAt + SLOT);
    this.tsRecentUs = NEVER;
    this.rcvTstampUs = NEVER;
    this.lrcvTimeUs = NEVER;
    this.lastOowAckUs = NEVER;
    this.sndCwndStampUs = NEVER;
    this.lsndTimeUs = NEVER;
    this.emittedUs = NEVER;
    this.pacingRate = Number.POSITIVE_INFINITY;
    this.deliveredUs = NEVER;
    this.appLimited = NOTHING_YET;
    this.rateAppLimited = 1;
  }

  /** Who shows other numbers of the same slot looks where they are now. */
  protected moved(_numbers: Float64Array, _at: number): void {}

  /** The connection is over: its slot goes back. @param kept somebody may still look: the numbers are copied first */
  releaseNumbers(kept: boolean): void {
    const pool = this.pool;
    if (pool === null) return;
    this.pool = null;
    const { numbers, numbersAt } = this;
    if (kept) {
      this.numbers = numbers.slice(numbersAt, numbersAt + SLOT);
      this.numbersAt = 0;
      this.moved(this.numbers, 0);
    }
    pool.give(numbers, numbersAt);
  }

  /** TS.Recent (RFC 7323 4.3). */
  get tsRecent(): number {
    return this.numbers[this.numbersAt]!;
  }
  set tsRecent(v: number) {
    this.numbers[this.numbersAt] = v;
  }
  /** When tsRecent was taken, µs. */
  get tsRecentUs(): number {
    return this.numbers[this.numbersAt + 1]!;
  }
  set tsRecentUs(v: number) {
    this.numbers[this.numbersAt + 1] = v;
  }
  /** What is added to our millisecond clock in TSval. */
  get tsOffset(): number {
    return this.numbers[this.numbersAt + 2]!;
  }
  set tsOffset(v: number) {
    this.numbers[this.numbersAt + 2] = v;
  }
  /** The TSecr of the last segment, 0 without timestamps; as Linux's rx_opt.rcv_tsecr. */
  get rcvTsEcr(): number {
    return this.numbers[this.numbersAt + 3]!;
  }
  set rcvTsEcr(v: number) {
    this.numbers[this.numbersAt + 3] = v;
  }
  /** The TSval of the last segment. */
  get rcvTsVal(): number {
    return this.numbers[this.numbersAt + 4]!;
  }
  set rcvTsVal(v: number) {
    this.numbers[this.numbersAt + 4] = v;
  }
  /** Initial receive sequence number. */
  get irs(): number {
    return this.numbers[this.numbersAt + 5]!;
  }
  set irs(v: number) {
    this.numbers[this.numbersAt + 5] = v;
  }
  /** RCV.NXT. */
  get rcvNxt(): number {
    return this.numbers[this.numbersAt + 6]!;
  }
  set rcvNxt(v: number) {
    this.numbers[this.numbersAt + 6] = v;
  }
  /** First byte the user has not read. */
  get copiedSeq(): number {
    return this.numbers[this.numbersAt + 7]!;
  }
  set copiedSeq(v: number) {
    this.numbers[this.numbersAt + 7] = v;
  }
  /** rcvNxt when the last window was advertised. */
  get rcvWup(): number {
    return this.numbers[this.numbersAt + 8]!;
  }
  set rcvWup(v: number) {
    this.numbers[this.numbersAt + 8] = v;
  }
  /** Header prediction: 0 off, else the flags, offset and window word that the next segment is expected to have. */
  get predFlags(): number {
    return this.numbers[this.numbersAt + 9]!;
  }
  set predFlags(v: number) {
    this.numbers[this.numbersAt + 9] = v;
  }
  /** When the last segment came in, for keepalive. */
  get rcvTstampUs(): number {
    return this.numbers[this.numbersAt + 10]!;
  }
  set rcvTstampUs(v: number) {
    this.numbers[this.numbersAt + 10] = v;
  }
  /** When the delayed ACK is due. */
  get ackTimeoutUs(): number {
    return this.numbers[this.numbersAt + 11]!;
  }
  set ackTimeoutUs(v: number) {
    this.numbers[this.numbersAt + 11] = v;
  }
  /** When data last came. */
  get lrcvTimeUs(): number {
    return this.numbers[this.numbersAt + 12]!;
  }
  set lrcvTimeUs(v: number) {
    this.numbers[this.numbersAt + 12] = v;
  }
  /** When an ACK for something out of the window was last sent. */
  get lastOowAckUs(): number {
    return this.numbers[this.numbersAt + 13]!;
  }
  set lastOowAckUs(v: number) {
    this.numbers[this.numbersAt + 13] = v;
  }
  /** Initial send sequence number. */
  get iss(): number {
    return this.numbers[this.numbersAt + 14]!;
  }
  set iss(v: number) {
    this.numbers[this.numbersAt + 14] = v;
  }
  /** SND.UNA. */
  get sndUna(): number {
    return this.numbers[this.numbersAt + 15]!;
  }
  set sndUna(v: number) {
    this.numbers[this.numbersAt + 15] = v;
  }
  /** SND.NXT. */
  get sndNxt(): number {
    return this.numbers[this.numbersAt + 16]!;
  }
  set sndNxt(v: number) {
    this.numbers[this.numbersAt + 16] = v;
  }
  /** One past the last byte queued. */
  get writeSeq(): number {
    return this.numbers[this.numbersAt + 17]!;
  }
  set writeSeq(v: number) {
    this.numbers[this.numbersAt + 17] = v;
  }
  /** One past the last byte that was pushed. */
  get pushedSeq(): number {
    return this.numbers[this.numbersAt + 18]!;
  }
  set pushedSeq(v: number) {
    this.numbers[this.numbersAt + 18] = v;
  }
  /** End of the last small segment (Nagle after Minshall). */
  get sndSml(): number {
    return this.numbers[this.numbersAt + 19]!;
  }
  set sndSml(v: number) {
    this.numbers[this.numbersAt + 19] = v;
  }
  /** SND.WL1. */
  get sndWl1(): number {
    return this.numbers[this.numbersAt + 20]!;
  }
  set sndWl1(v: number) {
    this.numbers[this.numbersAt + 20] = v;
  }
  /** SND.NXT when maxPacketsOut was noted. */
  get cwndUsageSeq(): number {
    return this.numbers[this.numbersAt + 21]!;
  }
  set cwndUsageSeq(v: number) {
    this.numbers[this.numbersAt + 21] = v;
  }
  /** When the congestion window was last used in full, or changed. */
  get sndCwndStampUs(): number {
    return this.numbers[this.numbersAt + 22]!;
  }
  set sndCwndStampUs(v: number) {
    this.numbers[this.numbersAt + 22] = v;
  }
  /** When data was last sent. */
  get lsndTimeUs(): number {
    return this.numbers[this.numbersAt + 23]!;
  }
  set lsndTimeUs(v: number) {
    this.numbers[this.numbersAt + 23] = v;
  }
  /** Bytes a second at which to send (sk_pacing_rate); Infinity until an RTT is known. */
  get pacingRate(): number {
    return this.numbers[this.numbersAt + 24]!;
  }
  set pacingRate(v: number) {
    this.numbers[this.numbersAt + 24] = v;
  }
  /** When the SYN-ACK of a passive open left, 0 when it was sent more than once. */
  get synAckUs(): number {
    return this.numbers[this.numbersAt + 25]!;
  }
  set synAckUs(v: number) {
    this.numbers[this.numbersAt + 25] = v;
  }
  /** tcp_info: bytes acknowledged, received, sent, sent again. */
  get bytesAcked(): number {
    return this.numbers[this.numbersAt + 26]!;
  }
  set bytesAcked(v: number) {
    this.numbers[this.numbersAt + 26] = v;
  }
  get bytesReceived(): number {
    return this.numbers[this.numbersAt + 27]!;
  }
  set bytesReceived(v: number) {
    this.numbers[this.numbersAt + 27] = v;
  }
  get bytesSent(): number {
    return this.numbers[this.numbersAt + 28]!;
  }
  set bytesSent(v: number) {
    this.numbers[this.numbersAt + 28] = v;
  }
  get bytesRetrans(): number {
    return this.numbers[this.numbersAt + 29]!;
  }
  set bytesRetrans(v: number) {
    this.numbers[this.numbersAt + 29] = v;
  }
  /** When any segment was last sent. */
  get emittedUs(): number {
    return this.numbers[this.numbersAt + 30]!;
  }
  set emittedUs(v: number) {
    this.numbers[this.numbersAt + 30] = v;
  }
  /** When something was last delivered, or sent with nothing out. */
  get deliveredUs(): number {
    return this.numbers[this.numbersAt + 55]!;
  }
  set deliveredUs(v: number) {
    this.numbers[this.numbersAt + 55] = v;
  }
  /** When the last delivered segment was sent. */
  get firstTxUs(): number {
    return this.numbers[this.numbersAt + 56]!;
  }
  set firstTxUs(v: number) {
    this.numbers[this.numbersAt + 56] = v;
  }
  /** The delivered count up to which the application was the limit, 0 when it is not. */
  get appLimited(): number {
    return this.numbers[this.numbersAt + 57]!;
  }
  set appLimited(v: number) {
    this.numbers[this.numbersAt + 57] = v;
  }
  /** The delivery rate that tcp_info tells: segments, in how long, 1 when the application was the limit. */
  get rateDelivered(): number {
    return this.numbers[this.numbersAt + 58]!;
  }
  set rateDelivered(v: number) {
    this.numbers[this.numbersAt + 58] = v;
  }
  get rateIntervalUs(): number {
    return this.numbers[this.numbersAt + 59]!;
  }
  set rateIntervalUs(v: number) {
    this.numbers[this.numbersAt + 59] = v;
  }
  get rateAppLimited(): number {
    return this.numbers[this.numbersAt + 60]!;
  }
  set rateAppLimited(v: number) {
    this.numbers[this.numbersAt + 60] = v;
  }
  /** What chooses the way of its packets (tx-hash.ts), and the flow label under which the last data came. */
  get txHash(): number {
    return this.numbers[this.numbersAt + 61]!;
  }
  set txHash(v: number) {
    this.numbers[this.numbersAt + 61] = v;
  }
  get lrcvFlowLabel(): number {
    return this.numbers[this.numbersAt + 62]!;
  }
  set lrcvFlowLabel(v: number) {
    this.numbers[this.numbersAt + 62] = v;
  }
}
