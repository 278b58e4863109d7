/**
 * The transmission control block (RFC 9293 3.3.1) and the life of a connection. Fields that every segment touches lie in `Connection`;
 * what only some connections need (keepalive, urgent data, Fast Open, ACK compression, receive autotuning) is made when it is first
 * needed, so that an idle connection stays small. The work is done by the modules beside this one; the class is the door.
 *
 * Sequence numbers are unsigned doubles (seq.ts), times integer microseconds of the stack's clock, windows bytes.
 */
import { Tcp } from '../../mib/catalogue/index.js';
import { Col, Info, RowKind } from '../../mib/ledger/layout.js';
import { Probe } from '../../mib/probe/points.js';
import { ANY4, ANY6 } from '../core/address.js';
import type { Env } from '../core/env.js';
import type { Packet } from '../core/packet.js';
import { Timer, type TimerHandler } from '../core/timer.js';
import type { IcmpError, Route } from '../ip/protocol.js';
import type { TcpInfo } from '../socket/socket.js';
import type { TcpHeader } from '../wire/tcp.js';
import type { AccEcn } from './accecn-state.js';
import { Chrono } from './chrono.js';
import { type CongestionControl, type CongestionState, congestionByNumber } from './congestion/congestion.js';
import { Shut, TimerKind } from './constants.js';
import type { ConnectionUser, FastOpenRequest, FastOpenServer, TcpHost } from './contract.js';
import { icmpErrorInput } from './icmp-input.js';
import { tcpInfo } from './info.js';
import { segmentInput } from './input.js';
import type { SynOffer } from './input-states.js';
import { adoptRequest, closeConnection, destroy, disconnect } from './lifecycle.js';
import { LossState } from './loss-state.js';
import { Pacer } from './pacing.js';
import { Rare } from './rare.js';
import { readableBytes, receiveBytes } from './receive.js';
import type { ReceiveQueue } from './receive-queue.js';
import type { Request } from './request.js';
import { RttEstimator } from './rtt.js';
import { sendBytes } from './send.js';
import { SendQueue } from './send-queue.js';
import type { TcpSettings } from './settings.js';
import { shutdownSend } from './shutdown.js';
import type { Signer } from './signature.js';
import { TcpState } from './state.js';
import { connectActive } from './syn.js';
import { FlowKind } from './table.js';
import { timerFired } from './timeouts.js';
import { TransferNumbers } from './transfer-numbers.js';

/**
 * `Flow` holds the 4-tuple, the place in the table and `owner`, on whom all events are counted: the connection's row; unattributed before
 * it has one and after it was given back.
 */
export class Connection extends TransferNumbers implements TimerHandler {
  readonly tcp: TcpHost;
  readonly env: Env;
  /** Socket options. May be shared with others: whoever sets an option replaces it by a changed clone. */
  settings: TcpSettings;
  user: ConnectionUser | null = null;
  /** TcpState. Written by setState alone. */
  state: number = TcpState.CLOSE;
  /** Closed by its user and living on. */
  orphan = false;
  orphanCounted = false;
  destroyed = false;
  /** Pending error (SO_ERROR) and the soft error that becomes one on timeout. Positive errno. */
  error = 0;
  softError = 0;
  /** Shut bits. */
  shutdown = 0;
  /** FIN received (nothing more to read after the queue). */
  finReceived = false;
  /** This end opened the connection. */
  active = false;

  route: Route | null = null;
  /** Retransmissions failed: look the way up again before the next segment. */
  routeStale = false;
  /** A child of Fast Open that is not yet acknowledged. */
  fastOpenServer: FastOpenServer | null = null;
  /** An active open with data in the SYN. */
  fastOpen: FastOpenRequest | null = null;
  savedSyn: Uint8Array | null = null;
  /** Segments are signed and must be (RFC 2385, 5925). */
  signature: Signer | null = null;
  /** Our SYN carried data. */
  synData = false;
  /** Data in a SYN was taken: ours by the peer, or a Fast Open client's by us (tcpi_options). */
  synDataAcked = false;
  /** What our SYN offered, until it is answered. */
  synOffer: SynOffer | null = null;
  /** A writer waits for the handshake: data will follow at once. */
  writePending = false;

  // ---- options agreed in the handshake
  tsOk = false;
  sackOk = false;
  wscaleOk = false;
  sndWscale = 0;
  rcvWscale = 0;
  sawTs = false;
  /** The peer's MSS bound (rx_opt.mss_clamp) and what we advertised. */
  mssClamp = 536;
  advmss = 536;
  /** ECN: bits of EcnFlag. */
  ecn = 0;
  /** What Accurate ECN counts; null as long as there is nothing to count. */
  accEcn: AccEcn | null = null;

  // ---- receiving
  rcvWnd = 0;
  rcvSsthresh = 0;
  windowClamp = 0;
  /** Q8 share of the buffer that is payload (tcp_sock.scaling_ratio). */
  scalingRatio = 128;
  /** TCP header length of a segment without SACK blocks: 20, 32 with timestamps. */
  headerLength = 20;
  rcvOooPack = 0;
  receiveQueue: ReceiveQueue | null = null;
  /** SACK: a duplicate to report first (DSACK), and up to four blocks, most recent first, as pairs in `sacks`. */
  dsack = false;
  dsackStart = 0;
  dsackEnd = 0;
  sackCount = 0;
  sacks: Uint32Array | null = null;

  // ---- delayed ACK (inet_csk.icsk_ack)
  ackPending = 0;
  ackQuick = 0;
  ackPingpong = 0;
  ackRetry = 0;
  atoUs = 0;
  lastSegSize = 0;
  rcvMss = 0;
  compressedAcks = 0;
  dupAckCounter = 0;
  compressedAckRcvNxt = 0;

  // ---- sending
  mssCache = 536;
  /** Path MTU the MSS was computed from. */
  pmtu = 0;
  packetsOut = 0;
  maxPacketsOut = 0;
  cwndLimited = false;
  sndCwnd = 10;
  sndCwndCnt = 0;
  sndCwndUsed = 0;
  sndSsthresh = 0x7fffffff;
  /** Memory charged for the write queue. */
  wmemQueued = 0;
  /** A sender waits for room: tell it (SOCK_NOSPACE). */
  wantsSpace = false;
  readonly sendQueue: SendQueue = new SendQueue();
  congestion: CongestionControl;
  congestionState: CongestionState | null = null;
  /** Segments leave at `pacingRate`; null: as the windows allow. */
  pacer: Pacer | null = null;
  readonly rtt: RttEstimator = new RttEstimator();
  readonly loss: LossState;

  // ---- timers
  pending = 0;
  rtoUs = 1_000_000;
  /** icsk_retransmits, icsk_probes_out, icsk_backoff. */
  retransmits = 0;
  probesOut = 0;
  backoff = 0;
  probesTstampUs = 0;
  readonly retransmitTimer: Timer = new Timer(this, TimerKind.retransmit);
  readonly ackTimer: Timer = new Timer(this, TimerKind.delayedAck);
  /** Made when first armed. */
  keepaliveTimer: Timer | null = null;

  // ---- tcp_info's sums
  segsIn = 0;
  segsOut = 0;
  dataSegsIn = 0;
  dataSegsOut = 0;
  totalRetrans = 0;

  /** What only some connections need. */
  rare: Rare | null = null;
  /** Receive buffer autotuning has begun. */
  tuned = false;
  /** The heading under which the stopwatch runs. */
  chrono: number = Chrono.none;

  constructor(tcp: TcpHost, family: 4 | 6, settings: TcpSettings) {
    const any = family === 4 ? ANY4 : ANY6;
    super(tcp.numbers, FlowKind.connection, family, any, any, tcp.env.ledger.unattributed);
    this.tcp = tcp;
    this.env = tcp.env;
    this.settings = settings;
    this.loss = new LossState(this.numbers, this.numbersAt);
    this.rcvBuf = settings.rcvbuf;
    this.sndBuf = settings.sndbuf;
    this.congestion = congestionByNumber(settings.congestion, tcp.env.sysctl);
    if (settings.paced) this.pacer = new Pacer(this);
  }

  protected override moved(numbers: Float64Array, at: number): void {
    this.loss.moved(numbers, at);
  }

  // ---- life

  /**
   * Active open. The caller has set both ends and ports and put the connection into the table (and, for a re-used TIME-WAIT pair, `iss`,
   * `tsRecent` and `tsRecentUs`). Takes a row when `owner` is nobody's, sends the SYN: SYN-SENT. 0 or -errno (the caller takes it out of
   * the table then). With `fastOpen` set, `from` is the data of sendto(MSG_FASTOPEN); `fastOpen.copied` says how much was taken.
   */
  connect(route: Route, from: Uint8Array | null = null, at = 0, length = 0): number {
    return connectActive(this, route, from, at, length);
  }
  /**
   * Passive open: fills this new connection from a request whose final ACK (or Fast Open SYN) is `p`: SYN-RECEIVED. The caller has
   * set `user` (or none until accept), puts it into the table in the request's place, and then calls `input` with the same segment.
   */
  adopt(request: Request, p: Packet, h: TcpHeader): void {
    adoptRequest(this, request, p, h);
  }
  /** A segment for this connection: any state but LISTEN and TIME-WAIT. The layer has counted InSegs and checked the checksum. */
  input(p: Packet, h: TcpHeader): void {
    segmentInput(this, p, h);
  }
  /** An ICMP error that quotes one of our segments. */
  icmpError(e: IcmpError): void {
    icmpErrorInput(this, e);
  }
  onTimer(kind: number, nowUs: number): void {
    timerFired(this, kind, nowUs);
  }

  // ---- the user's calls: a count, 0 or -errno

  send(from: Uint8Array, at: number, length: number, flags: number): number {
    return sendBytes(this, from, at, length, flags);
  }
  receive(into: Uint8Array, at: number, length: number, flags: number): number {
    return receiveBytes(this, into, at, length, flags);
  }
  /** shutdown(SHUT_WR): FIN behind the queued data. */
  shutdownWrite(): void {
    shutdownSend(this);
  }
  /** shutdown(SHUT_RD): what comes from now on is acknowledged and thrown away only by close; Linux goes on queueing. */
  shutdownRead(): void {
    this.shutdown |= Shut.receive;
    this.user?.onReadable(this);
  }
  /** close(2): the user is gone; the connection becomes an orphan, or is reset (unread data, SO_LINGER 0). */
  close(): void {
    closeConnection(this);
  }
  /** Resets the connection if it is synchronised, sets `error`, and ends it. */
  abort(errno: number): void {
    disconnect(this, errno);
  }
  /** connect(AF_UNSPEC): reset if needed, CLOSED; `error` says what became of a connection that was open or opening. */
  disconnect(): void {
    disconnect(this, 0);
  }

  /** Pending error, cleared by the call. */
  takeError(): number {
    const e = this.error;
    this.error = 0;
    return e;
  }
  /** What ICMP said of a connection that lives on; cleared by the call. */
  takeSoftError(): number {
    const e = this.softError;
    this.softError = 0;
    return e;
  }
  /** Bytes in order that were not read (SIOCINQ); counts urgent data as Linux does. */
  readable(): number {
    return readableBytes(this);
  }
  /** Bytes not acknowledged (SIOCOUTQ), and not even sent (SIOCOUTQNSD). */
  unacked(): number {
    return (this.writeSeq - this.sndUna) >>> 0;
  }
  unsent(): number {
    return (this.writeSeq - this.sndNxt) >>> 0;
  }
  info(): TcpInfo {
    return tcpInfo(this);
  }

  /**
   * The one door of the state: gauge, transitions that counters know (tcp_set_state), row, probe. Leaving the table and the ports on
   * CLOSE is `destroy`'s business.
   */
  setState(next: number): void {
    const old = this.state;
    if (old === next) return;
    const owner = this.owner;
    const counted = old === TcpState.ESTABLISHED || old === TcpState.CLOSE_WAIT;
    if (next === TcpState.ESTABLISHED) {
      owner.inc(Tcp.CurrEstab);
      this.env.ledger.setInfo(owner, Info.establishedUs, this.env.nowUs);
    } else if (next === TcpState.CLOSE_WAIT) {
      if (old === TcpState.SYN_RECV) owner.inc(Tcp.CurrEstab);
    } else if (counted) {
      owner.add(Tcp.CurrEstab, -1);
      if (next === TcpState.CLOSE) owner.inc(Tcp.EstabResets);
    }
    this.state = next;
    this.env.ledger.setState(owner, next);
    owner.fire(Probe.tcpStateChange, old, next);
  }

  /** Takes a row when the owner is still nobody's, and writes who we are into it. */
  identify(listenerRow: number): void {
    const ledger = this.env.ledger;
    if (this.owner.row < 0) this.owner = ledger.takeRow(RowKind.connection);
    const o = this.owner;
    if (o.row < 0) return;
    const ints = ledger.ints;
    const at = ledger.headerAt(o.row);
    const l = this.local;
    const r = this.remote;
    ints[at + Col.seq]! += 1;
    ints[at + Col.kind] = RowKind.connection;
    ints[at + Col.family] = this.family;
    ints[at + Col.protocol] = 6;
    ints[at + Col.localPort] = this.localPort;
    ints[at + Col.remotePort] = this.remotePort;
    ints[at + Col.local] = l.w0;
    ints[at + Col.local + 1] = l.w1;
    ints[at + Col.local + 2] = l.w2;
    ints[at + Col.local + 3] = l.w3;
    ints[at + Col.remote] = r.w0;
    ints[at + Col.remote + 1] = r.w1;
    ints[at + Col.remote + 2] = r.w2;
    ints[at + Col.remote + 3] = r.w3;
    ledger.setState(o, this.state);
    ints[at + Col.active] = this.active ? 1 : 0;
    ints[at + Col.listener] = listenerRow;
    ledger.show(o);
    Atomics.add(ints, at + Col.seq, 1);
    ledger.setInfo(o, Info.createdUs, this.env.nowUs);
  }

  /** The record of rare things, made now when it is not there. */
  needRare(): Rare {
    return (this.rare ??= new Rare(this, this.settings.peekOffset));
  }

  /** The end: CLOSED, timers off, out of the table, row given back, user told. */
  destroy(): void {
    destroy(this);
  }
}
