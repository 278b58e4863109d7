/**
 * A connection request (RFC 9293 SYN-RECEIVED, RFC 4987 3.3): all that must be remembered between a SYN and the final ACK. Small on
 * purpose, since a flood makes many. It has no row: its events belong to the listener until a connection exists.
 */
import type { IpAddress } from '../core/address.js';
import { Timer, type TimerHandler } from '../core/timer.js';
import type { Route } from '../ip/protocol.js';
import { Flag } from '../wire/tcp.js';
import { reflectedFlags } from './accecn.js';
import type { Listener } from './listener.js';
import { Flow, FlowKind } from './table.js';
import { newTxHash } from './tx-hash.js';

export class Request extends Flow implements TimerHandler {
  /** Another one of its SO_REUSEPORT group when it has closed (tcp_migrate_req). */
  listener: Listener;
  /** The way back; the SYN-ACK went along it. */
  route: Route;
  /** IRS and ISS (RFC 9293 3.4). */
  rcvIsn = 0;
  sndIsn = 0;
  /** IRS + 1, and more when the SYN's data was taken (Fast Open). */
  rcvNxt = 0;
  /** The window that the SYN announced. */
  peerWindow = 0;
  /** The peer's MSS (536 without the option), at most TCP_MAXSEG. */
  mss = 0;
  /** What our SYN-ACK announces. */
  advMss = 0;
  wscaleOk = false;
  sndWscale = 0;
  rcvWscale = 0;
  sackOk = false;
  tsOk = false;
  ecnOk = false;
  /** Accurate ECN was asked for and granted; the SYN's codepoint; what went wrong (AceFail); what was seen of the option (OptionSeen). */
  accEcnOk = false;
  synMark = 0;
  accEcnFail = 0;
  accEcnSeen = 0;
  /** The peer's last TSval and the second it came (RFC 7323 TS.Recent). */
  tsRecent = 0;
  tsRecentUs = 0;
  /** What is added to our millisecond clock in TSval. */
  tsOffset = 0;
  /** TSvals that our SYN-ACKs carried: an echo outside them is not of ours. */
  tsSentFirst = 0;
  tsSentLast = 0;
  /** Initial receive window announced, and the clamp it was chosen under. */
  rcvWnd = 0;
  windowClamp = 0;
  /** When the first SYN-ACK went out: the handshake's RTT sample (RFC 6298 3). */
  synAckUs = 0;
  /** SYN-ACKs sent again, and timer expiries (which a deferred accept also counts). */
  retransmits = 0;
  timeouts = 0;
  /** The bare final ACK was seen (TCP_DEFER_ACCEPT). */
  acked = false;
  /** Made from a SYN cookie: nothing was queued. */
  fromCookie = false;
  /** Fast Open: the connection exists already, this request only guards its SYN-ACK. */
  fastOpen = false;
  /** Half-open requests of one listener, for its end. */
  queuePrevious: Request | null = null;
  queueNext: Request | null = null;
  /** What chooses the way of its SYN-ACKs, and the connection's after them (tx-hash.ts). */
  txHash: number;
  /** TOS byte of the SYN. */
  synTos = 0;
  lastOowAckUs = -1e12;
  /** SYN as it came, headers included (TCP_SAVE_SYN). */
  savedSyn: Uint8Array | null = null;
  /** TCP-AO: IDs of the keys that sign our segments and the peer's, as its SYN asked, in two bytes; -1 without. */
  aoIds = -1;
  readonly timer: Timer = new Timer(this, 0);

  constructor(listener: Listener, family: 4 | 6, local: IpAddress, remote: IpAddress, route: Route) {
    super(FlowKind.request, family, local, remote, listener.owner);
    this.listener = listener;
    this.route = route;
    this.txHash = newTxHash(family, listener.tcp.env.random);
  }

  /**
   * ECN's flags of the SYN-ACK. One that is sent again by the timer for the second time has none: perhaps they are why it is lost
   * (RFC 9768 3.1.4.2).
   */
  ecnFlags(again: boolean): number {
    if (!this.accEcnOk) return this.ecnOk ? Flag.ECE : 0;
    return again && this.timeouts > 0 ? 0 : reflectedFlags(this.synMark);
  }

  onTimer(): void {
    this.listener.requestTimeout(this);
  }
}
