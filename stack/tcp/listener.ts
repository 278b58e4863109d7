/**
 * A listening socket: RFC 9293 3.10.7.2 (LISTEN), RFC 4987 (SYN floods), RFC 7413 (Fast Open), as Linux keeps its two queues.
 *
 * A SYN makes a request, which is answered and retried by its own timer and takes one place in the SYN queue. The final ACK makes a
 * connection of it, which waits in the accept queue, whose bound is the backlog. When the accept queue is full, SYNs are dropped and final
 * ACKs too (ListenOverflows), so that the peer tries again; when the SYN queue is full, SYN cookies take over or SYNs are dropped.
 * Everything that happens here is counted on the listener's row until a connection exists.
 */
import { Tcp, TcpExt } from '../../mib/catalogue/index.js';
import { Col, Info, RowKind } from '../../mib/ledger/layout.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import type { IpAddress } from '../core/address.js';
import type { Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import type { ReuseportGroup } from '../socket/reuseport.js';
import type { TcpHeader } from '../wire/tcp.js';
import { AceFail } from './accecn-state.js';
import { type CongestionControl, congestionByNumber } from './congestion/congestion.js';
import { Connection } from './connection.js';
import type { ConnectionUser } from './contract.js';
import { FastOpenQueue } from './fastopen.js';
import { settleMemory } from './memory.js';
import type { Binding } from './ports.js';
import type { Request } from './request.js';
import type { TcpSettings } from './settings.js';
import { TcpState } from './state.js';
import { type CookieOption, sendSynAckNow } from './synack.js';
import type { TcpLayer } from './tcp.js';

/** First wait for the final ACK (RFC 6298 2.1), doubled at each expiry. */
const REQUEST_TIMEOUT_US = 1_000_000;

/** Whoever wants to know that `accept` has something. */
export interface ListenerUser {
  onAcceptable(): void;
}

export class Listener implements ConnectionUser {
  readonly tcp: TcpLayer;
  readonly owner: Owner;
  readonly binding: Binding;
  user: ListenerUser | null;
  settings: TcpSettings;
  backlog = 0;
  /** When the last SYN cookie was sent: only then are ACKs searched for them. */
  lastCookieUs = -1e15;
  readonly fastOpen: FastOpenQueue = new FastOpenQueue();
  /** Next listener of the same port. */
  next: Listener | null = null;
  closed = false;
  /** The SO_REUSEPORT listeners that share address and port; null for one without that option. */
  group: ReuseportGroup<Listener> | null = null;
  /** Closed, and its SO_REUSEPORT group takes over what hangs on it. */
  private migrates = false;
  /** Half-open requests, and those that were never sent a second SYN-ACK. */
  requests = 0;
  young = 0;
  private requestHead: Request | null = null;
  private readonly accepting: Connection[] = [];
  private acceptHead = 0;

  constructor(tcp: TcpLayer, binding: Binding, settings: TcpSettings, user: ListenerUser | null) {
    this.tcp = tcp;
    this.binding = binding;
    this.settings = settings;
    this.user = user;
    this.owner = tcp.env.ledger.takeRow(RowKind.listener);
    this.identify();
  }

  get family(): 4 | 6 {
    return this.binding.family;
  }
  get port(): number {
    return this.binding.port;
  }
  get address(): IpAddress {
    return this.binding.address;
  }

  private identify(): void {
    const ledger = this.tcp.env.ledger;
    const o = this.owner;
    const a = this.address;
    ledger.setState(o, TcpState.LISTEN);
    ledger.setColumn(o, Col.family, this.family);
    ledger.setColumn(o, Col.protocol, 6);
    ledger.setColumn(o, Col.localPort, this.port);
    ledger.setColumn(o, Col.local, a.w0);
    ledger.setColumn(o, Col.local + 1, a.w1);
    ledger.setColumn(o, Col.local + 2, a.isAny() && a.family === 4 ? 0xffff : a.w2);
    ledger.setColumn(o, Col.local + 3, a.w3);
    if (this.family === 4) ledger.setColumn(o, Col.remote + 2, 0xffff);
    ledger.show(o);
    ledger.setInfo(o, Info.createdUs, this.tcp.env.nowUs);
  }

  setBacklog(backlog: number): void {
    const max = this.tcp.env.sysctl.values[Sysctl.somaxconn]!;
    this.backlog = backlog < 0 ? max : Math.min(backlog, max);
    this.publishQueue();
  }

  /** Its children's, until one chooses another. */
  get congestion(): CongestionControl {
    return congestionByNumber(this.settings.congestion, this.tcp.env.sysctl);
  }

  // ---- SYN cookies

  cookieSent(): void {
    const env = this.tcp.env;
    this.lastCookieUs = env.nowUs;
    if (env.siblings) env.siblings.noteCookie(this.port, this.address.w3, env.nowUs);
  }
  /** When the last cookie was sent, by this listener or its like in another stack of the host. */
  newestCookieUs(): number {
    const siblings = this.tcp.env.siblings;
    return siblings ? Math.max(this.lastCookieUs, siblings.lastCookieUs(this.port, this.address.w3)) : this.lastCookieUs;
  }

  // ---- SYN queue

  /** Linux's limit is the backlog, and one more. */
  requestQueueFull(): boolean {
    return this.requests > this.backlog;
  }
  acceptQueueFull(): boolean {
    return this.acceptable > this.backlog;
  }

  /** Queues a request, whose SYN-ACK is about to be sent, and starts its timer. */
  addRequest(r: Request): void {
    this.queueRequest(r);
    this.young++;
    this.tcp.env.timers.arm(r.timer, this.tcp.env.nowUs + REQUEST_TIMEOUT_US);
  }

  private queueRequest(r: Request): void {
    this.tcp.table.insert(r);
    r.queueNext = this.requestHead;
    if (this.requestHead) this.requestHead.queuePrevious = r;
    this.requestHead = r;
    this.requests++;
  }

  /** Forgets a half-open request; false when it was none any more. */
  dropRequest(r: Request): boolean {
    if (!r.inTable) return false;
    this.tcp.table.remove(r);
    if (r.queuePrevious) r.queuePrevious.queueNext = r.queueNext;
    else this.requestHead = r.queueNext;
    if (r.queueNext) r.queueNext.queuePrevious = r.queuePrevious;
    r.queuePrevious = null;
    r.queueNext = null;
    this.requests--;
    if (r.timeouts === 0) this.young--;
    this.tcp.env.timers.cancel(r.timer, true);
    return true;
  }

  /** When the next SYN-ACK is due. */
  rearmRequest(r: Request): void {
    const max = (this.settings.rtoMaxMs || this.tcp.env.sysctl.values[Sysctl.tcp_rto_max_ms]!) * 1000;
    this.tcp.env.timers.arm(r.timer, this.tcp.env.nowUs + Math.min(max, REQUEST_TIMEOUT_US * 2 ** r.timeouts));
  }

  /** Sends the SYN-ACK again, by the timer or because the SYN came again; counts RetransSegs. False: it could not be sent. */
  resendSynAck(r: Request, cookie: CookieOption | null = null): boolean {
    if (sendSynAckNow(this.tcp, r, cookie, r.owner) < 0) return false;
    r.retransmits++;
    if (r.accEcnOk && r.retransmits > 1) r.accEcnFail |= AceFail.send;
    r.owner.inc(Tcp.RetransSegs);
    r.owner.inc(TcpExt.TCPSynRetrans);
    return true;
  }

  /**
   * The SYN-ACK timer. Old requests are given up sooner when they fill more than half of the queue and there are many young ones, which
   * keeps room for new peers in a flood.
   */
  requestTimeout(r: Request): void {
    if (this.closed) {
      this.migrateRequest(r);
      return;
    }
    const sysctl = this.tcp.env.sysctl.values;
    let retries = this.settings.synCount || sysctl[Sysctl.tcp_synack_retries]!;
    if (this.requests * 2 > Math.max(8, this.backlog)) {
      let young = this.young * 2;
      while (retries > 2 && this.requests >= young) {
        retries--;
        young *= 2;
      }
    }
    const defer = this.settings.deferAccept;
    let expired = r.timeouts >= retries;
    let resend = true;
    if (defer > 0) {
      expired &&= !r.acked || r.timeouts >= defer;
      resend = !r.acked || r.timeouts >= defer - 1;
    }
    this.owner.inc(TcpExt.TCPTimeouts);
    if (expired || (resend && !this.resendSynAck(r) && !r.acked)) {
      this.dropRequest(r);
      return;
    }
    if (r.timeouts++ === 0) this.young--;
    this.rearmRequest(r);
  }

  // ---- after the end: tcp_migrate_req

  /** Who takes over what still hangs on this listener; null, counted, when nobody does. */
  private successor(hash: number): Listener | null {
    if (!this.migrates) return null;
    const next = this.tcp.listeners.successor(this, hash);
    if (!next) this.owner.inc(TcpExt.TCPMigrateReqFailure);
    return next;
  }
  /** The listener that a segment for one of our requests is for: this one, or once it has closed another of its group. */
  takerOf(r: Request): Listener | null {
    return this.closed ? this.successor(r.hash) : this;
  }

  /** A request of a closed listener is due: the next SYN-ACK is another's business. */
  private migrateRequest(r: Request): void {
    const next = this.successor(r.hash);
    this.dropRequest(r);
    if (!next) return;
    r.listener = next;
    r.owner = next.owner;
    next.queueRequest(r);
    if (r.timeouts === 0) next.young++;
    next.requestTimeout(r);
    next.owner.inc(r.inTable ? TcpExt.TCPMigrateReqSuccess : TcpExt.TCPMigrateReqFailure);
  }

  /** A child that nobody accepted goes to another listener of the group, or is reset. */
  private migrateChild(c: Connection): void {
    c.user = null;
    if (c.state === TcpState.CLOSE) {
      settleMemory(c);
      return;
    }
    const next = this.successor(c.hash);
    if (!next) {
      c.abort(0);
      return;
    }
    c.user = next;
    this.tcp.env.ledger.setColumn(c.owner, Col.listener, next.owner.row);
    next.enqueue(c);
    next.owner.inc(TcpExt.TCPMigrateReqSuccess);
    next.user?.onAcceptable();
  }

  // ---- children

  /**
   * Makes the connection of a request whose final ACK (or Fast Open SYN) is `p`: in the table, in SYN-RECEIVED, waiting to be
   * accepted. Null when the accept queue is full (ListenOverflows, ListenDrops have been counted).
   */
  makeChild(r: Request, p: Packet, h: TcpHeader): Connection | null {
    if (this.acceptQueueFull()) {
      this.owner.inc(TcpExt.ListenOverflows);
      this.owner.inc(TcpExt.ListenDrops);
      return null;
    }
    const tcp = this.tcp;
    const c = new Connection(tcp, r.family, this.settings);
    c.local = r.local;
    c.remote = r.remote;
    c.localPort = r.localPort;
    c.remotePort = r.remotePort;
    c.user = this;
    const b = this.binding;
    c.binding = tcp.ports.attach(b.port, r.local, false, b.reuseAddress, b.reusePort);
    r.listener.dropRequest(r);
    r.listener = this;
    tcp.table.insert(c);
    c.adopt(r, p, h);
    return c;
  }

  /** Puts a child at the end of the accept queue. */
  enqueue(c: Connection): void {
    this.accepting.push(c);
    this.publishQueue();
  }

  get acceptable(): number {
    return this.accepting.length - this.acceptHead;
  }

  /** The oldest child, null when there is none. */
  accept(): Connection | null {
    if (this.acceptable === 0) return null;
    const c = this.accepting[this.acceptHead]!;
    this.acceptHead++;
    if (this.acceptHead > 32 && this.acceptHead * 2 > this.accepting.length) {
      this.accepting.splice(0, this.acceptHead);
      this.acceptHead = 0;
    }
    this.publishQueue();
    return c;
  }

  private publishQueue(): void {
    this.tcp.env.ledger.setQueues(this.owner, this.acceptable, this.backlog);
  }

  // ---- children that wait to be accepted have the listener for their user

  onReadable(): void {}
  onWritable(): void {}
  onError(): void {}
  onClosed(): void {}
  onEstablished(): void {
    this.user?.onAcceptable();
  }

  /**
   * The end of listening: requests are forgotten, children that nobody accepted are reset; or, with tcp_migrate_req and SO_REUSEPORT, others
   * take them over: children at once, a request when something happens to it.
   */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.tcp.listeners.remove(this);
    this.migrates = this.binding.reusePort && this.tcp.env.sysctl.values[Sysctl.tcp_migrate_req] !== 0;
    if (!this.migrates) while (this.requestHead) this.dropRequest(this.requestHead);
    for (let c = this.accept(); c !== null; c = this.accept()) this.migrateChild(c);
    this.tcp.env.ledger.releaseRow(this.owner);
  }
}
