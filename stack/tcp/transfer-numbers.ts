/**
 * More of a connection's numbers in shared memory (connection-numbers.ts): buffers and windows, which are doubles wherever one of their sources is
 * a setting or a product; receive buffer autotuning and the receiver's RTT behind it; the stopwatch of tcp_info.
 */
import type { Owner } from '../../mib/ledger/ledger.js';
import type { IpAddress } from '../core/address.js';
import { ConnectionNumbers, type NumberPool } from './connection-numbers.js';
import { NEVER } from './constants.js';

export class TransferNumbers extends ConnectionNumbers {
  constructor(pool: NumberPool, flowKind: number, family: 4 | 6, local: IpAddress, remote: IpAddress, owner: Owner) {
    super(pool, flowKind, family, local, remote, owner);
    this.rcvRttFromUs = NEVER;
  }

  // ---- buffers, windows

  /** Room to receive, truesize (sk_rcvbuf). */
  get rcvBuf(): number {
    return this.numbers[this.numbersAt + 31]!;
  }
  set rcvBuf(v: number) {
    this.numbers[this.numbersAt + 31] = v;
  }
  /** Memory charged for what waits to be read and for out-of-order data (skb truesize as Linux accounts it). */
  get rmemAlloc(): number {
    return this.numbers[this.numbersAt + 32]!;
  }
  set rmemAlloc(v: number) {
    this.numbers[this.numbersAt + 32] = v;
  }
  /** Memory granted in pages and not charged yet (sk_forward_alloc): header prediction needs enough of it. */
  get forwardAlloc(): number {
    return this.numbers[this.numbersAt + 33]!;
  }
  set forwardAlloc(v: number) {
    this.numbers[this.numbersAt + 33] = v;
  }
  /** SND.WND. */
  get sndWnd(): number {
    return this.numbers[this.numbersAt + 34]!;
  }
  set sndWnd(v: number) {
    this.numbers[this.numbersAt + 34] = v;
  }
  /** The largest window that the peer ever announced. */
  get maxWindow(): number {
    return this.numbers[this.numbersAt + 35]!;
  }
  set maxWindow(v: number) {
    this.numbers[this.numbersAt + 35] = v;
  }
  /** Room to send, truesize (sk_sndbuf). */
  get sndBuf(): number {
    return this.numbers[this.numbersAt + 36]!;
  }
  set sndBuf(v: number) {
    this.numbers[this.numbersAt + 36] = v;
  }
  /** RFC 6298 4: SND.NXT when the variance was last let down; it is again when that is acknowledged. */
  get rttMeasureSeq(): number {
    return this.numbers[this.numbersAt + 37]!;
  }
  set rttMeasureSeq(v: number) {
    this.numbers[this.numbersAt + 37] = v;
  }

  // ---- receive buffer autotuning (Linux's dynamic right-sizing)

  /** Eight times the RTT as the receiver sees it; 0 unknown. */
  get rcvRttUs(): number {
    return this.numbers[this.numbersAt + 38]!;
  }
  set rcvRttUs(v: number) {
    this.numbers[this.numbersAt + 38] = v;
  }
  /** The end of the window of data whose arrival measures it, and when it began; NEVER while none is measured. */
  get rcvRttSeq(): number {
    return this.numbers[this.numbersAt + 39]!;
  }
  set rcvRttSeq(v: number) {
    this.numbers[this.numbersAt + 39] = v;
  }
  get rcvRttFromUs(): number {
    return this.numbers[this.numbersAt + 40]!;
  }
  set rcvRttFromUs(v: number) {
    this.numbers[this.numbersAt + 40] = v;
  }
  /** The echo that last measured it. */
  get rcvRttTsEcr(): number {
    return this.numbers[this.numbersAt + 41]!;
  }
  set rcvRttTsEcr(v: number) {
    this.numbers[this.numbersAt + 41] = v;
  }
  /** What the user had read when its rate was last looked at, when that was, and how much it had taken in a round trip. */
  get rcvSpaceSeq(): number {
    return this.numbers[this.numbersAt + 42]!;
  }
  set rcvSpaceSeq(v: number) {
    this.numbers[this.numbersAt + 42] = v;
  }
  get rcvSpaceUs(): number {
    return this.numbers[this.numbersAt + 43]!;
  }
  set rcvSpaceUs(v: number) {
    this.numbers[this.numbersAt + 43] = v;
  }
  get rcvSpace(): number {
    return this.numbers[this.numbersAt + 44]!;
  }
  set rcvSpace(v: number) {
    this.numbers[this.numbersAt + 44] = v;
  }

  // ---- stopwatch

  /** When the running stopwatch was started. */
  get chronoSinceUs(): number {
    return this.numbers[this.numbersAt + 45]!;
  }
  set chronoSinceUs(v: number) {
    this.numbers[this.numbersAt + 45] = v;
  }
  /** Time under each heading, µs: chrono.ts. */
  get chronoBusyUs(): number {
    return this.numbers[this.numbersAt + 46]!;
  }
  set chronoBusyUs(v: number) {
    this.numbers[this.numbersAt + 46] = v;
  }
  get chronoWindowUs(): number {
    return this.numbers[this.numbersAt + 47]!;
  }
  set chronoWindowUs(v: number) {
    this.numbers[this.numbersAt + 47] = v;
  }
  get chronoBufferUs(): number {
    return this.numbers[this.numbersAt + 48]!;
  }
  set chronoBufferUs(v: number) {
    this.numbers[this.numbersAt + 48] = v;
  }
}
