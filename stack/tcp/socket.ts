/**
 * A TCP socket: the calls of RFC 9293 3.9.1 with BSD's shape and Linux's errno, on a listener or a connection. Non-blocking: what would
 * wait answers EAGAIN or EINPROGRESS and is told by `onReady`. The connection may outlive it (orphan) and it may outlive the connection.
 */
import { Probe } from '../../mib/probe/points.js';
import { ANY4, ANY6, IpAddress, isMapped } from '../core/address.js';
import { Errno } from '../core/errno.js';
import { Destination } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import type { Route } from '../ip/protocol.js';
import { type Endpoint, Msg, type OptionValue, Poll, Shutdown, type StreamSocket, type TcpInfo } from '../socket/socket.js';
import { Connection } from './connection.js';
import { Shut, Urg } from './constants.js';
import type { ConnectionUser } from './contract.js';
import { ErrorQueue, type ErrorReport } from './error-queue.js';
import { FastOpenBit } from './fastopen.js';
import { Listener, type ListenerUser } from './listener.js';
import { settleMemory } from './memory.js';
import { getTcpOption, setTcpOption } from './options.js';
import type { Binding } from './ports.js';
import { isWritable } from './send-room.js';
import { TcpSettings } from './settings.js';
import { TcpState } from './state.js';
import { FlowKind } from './table.js';
import type { TcpLayer } from './tcp.js';
import type { TimeWait } from './timewait-store.js';

/** Where a socket stands for connect(2), beside its TCP state (Linux's SS_*). */
const Phase = Object.freeze({ unconnected: 0, connecting: 1, connected: 2 });

export class TcpSocket implements StreamSocket, ConnectionUser, ListenerUser {
  readonly family: 4 | 6;
  readonly tcp: TcpLayer;
  onReady: (bits: number) => void = nobody;
  settings: TcpSettings;
  binding: Binding | null = null;
  listener: Listener | null = null;
  connection: Connection | null = null;
  v6Only = false;
  /** TCP_FASTOPEN set before listen. */
  fastOpenLimit = 0;
  closed = false;
  /** TCP_FASTOPEN_CONNECT: where the first send will connect to. */
  deferred: Endpoint | null = null;
  private phase: number = Phase.unconnected;
  /** An error that has no connection to keep it. */
  private error = 0;
  private shutdownBits = 0;
  /** Poll bits that are to be told at the end of the batch of frames. */
  private news = 0;
  /** Made by the first MSG_ZEROCOPY. */
  private errorQueue: ErrorQueue | null = null;

  constructor(tcp: TcpLayer, family: 4 | 6, accepted: Connection | null = null) {
    this.tcp = tcp;
    this.family = family;
    if (accepted) {
      this.settings = accepted.settings;
      this.connection = accepted;
      this.phase = Phase.connected;
      accepted.user = this;
    } else {
      this.settings = new TcpSettings(tcp.env.sysctl);
      tcp.env.ledger.unattributed.fire(Probe.socketCreate, 6, 0);
    }
  }

  get state(): number {
    if (this.listener) return TcpState.LISTEN;
    return this.connection ? this.connection.state : TcpState.CLOSE;
  }

  // ---- readiness

  poll(): number {
    if (this.listener) return this.listener.acceptable > 0 ? Poll.IN : 0;
    const c = this.connection;
    if (!c) {
      if (this.deferred) return Poll.OUT;
      const down = this.shutdownBits & Shut.receive ? Poll.IN | Poll.RDHUP : 0;
      return Poll.OUT | Poll.HUP | down | (this.error ? Poll.ERR : 0);
    }
    let bits = 0;
    const shut = c.shutdown | (c.finReceived ? Shut.receive : 0);
    if (shut === Shut.both || c.state === TcpState.CLOSE) bits |= Poll.HUP;
    if (shut & Shut.receive) bits |= Poll.IN | Poll.RDHUP;
    if (c.state !== TcpState.SYN_SENT && (c.state !== TcpState.SYN_RECV || c.fastOpenServer !== null)) {
      if (c.readable() >= Math.max(1, this.settings.rcvlowat)) bits |= Poll.IN;
      if (shut & Shut.send || writable(c)) bits |= Poll.OUT;
      if (c.rare !== null && c.rare.urgState === Urg.valid) bits |= Poll.PRI;
    }
    this.settleZeroCopy();
    if (c.error || this.error || (this.errorQueue !== null && this.errorQueue.length > 0)) bits |= Poll.ERR;
    return bits;
  }

  /** Tells whoever drives the socket which of these bits are true. */
  private tell(bits: number): void {
    if (this.closed) return;
    if (this.tcp.draining) {
      // as a process under Linux runs when the batch of frames is done: one read, and one ACK, for all that came
      if (this.news === 0) this.tcp.atDrain(this);
      this.news |= bits;
      return;
    }
    this.tellNow(bits);
  }
  private tellNow(bits: number): void {
    const now = this.poll() & (bits | Poll.ERR | Poll.HUP | Poll.RDHUP);
    if (now !== 0) this.onReady(now);
  }
  /** The batch is done. */
  drained(): void {
    const bits = this.news;
    this.news = 0;
    if (!this.closed) this.tellNow(bits);
  }
  onAcceptable(): void {
    this.tell(Poll.IN);
  }
  onReadable(): void {
    this.tell(Poll.IN | Poll.PRI);
  }
  onWritable(): void {
    this.tell(Poll.OUT);
  }
  onEstablished(): void {
    this.tell(Poll.OUT | Poll.IN);
  }
  onError(): void {
    this.tell(Poll.IN | Poll.OUT);
  }
  onClosed(): void {
    this.tell(Poll.IN | Poll.OUT);
  }

  // ---- naming

  bind(address: IpAddress | null, port: number): number {
    const a = address ?? (this.family === 4 ? ANY4 : ANY6);
    if (a.family !== this.family) return -Errno.EAFNOSUPPORT;
    if (this.state !== TcpState.CLOSE || this.connection || this.binding) return -Errno.EINVAL;
    const free = this.settings.freeBind || this.tcp.env.sysctl.values[Sysctl.ip_nonlocal_bind] !== 0;
    const ours = a.isAny() || free || (this.tcp.has(a.family) && this.tcp.network(a.family).isLocal(a));
    if (!ours) return -Errno.EADDRNOTAVAIL;
    const o = this.settings;
    const b = this.tcp.ports.bind(a, port, o.reuseAddress, o.reusePort, this.v6Only, o.boundDevice);
    if (typeof b === 'number') return b;
    b.held = true;
    this.binding = b;
    return 0;
  }

  listen(backlog: number): number {
    if (this.listener) {
      this.listener.setBacklog(backlog);
      return 0;
    }
    if (this.connection || this.deferred || this.phase !== Phase.unconnected) return -Errno.EINVAL;
    if (!this.binding) {
      const error = this.bind(null, 0);
      if (error < 0) return error;
    }
    const b = this.binding!;
    b.reuseAddress = this.settings.reuseAddress;
    b.reusePort = this.settings.reusePort;
    b.listening = true;
    if (this.tcp.ports.listenConflict(b)) {
      b.listening = false;
      return -Errno.EADDRINUSE;
    }
    this.listener = new Listener(this.tcp, b, this.settings, this);
    this.listener.setBacklog(backlog);
    this.listener.fastOpen.limit = this.fastOpenLimit;
    const bits = this.tcp.env.sysctl.values[Sysctl.tcp_fastopen]!;
    const always = FastOpenBit.server | FastOpenBit.serverWithoutOption;
    if ((bits & always) === always && !this.fastOpenLimit) this.listener.fastOpen.limit = this.listener.backlog;
    this.tcp.listeners.add(this.listener);
    return 0;
  }

  accept(): TcpSocket | number {
    if (!this.listener) return -Errno.EINVAL;
    const c = this.listener.accept();
    if (!c) return -Errno.EAGAIN;
    return new TcpSocket(this.tcp, this.family, c);
  }

  localName(): Endpoint | null {
    const c = this.connection;
    if (c) return { address: c.local, port: c.localPort };
    const any = this.family === 4 ? ANY4 : ANY6;
    return this.binding ? { address: this.binding.address, port: this.binding.port } : { address: any, port: 0 };
  }
  peerName(): Endpoint | null {
    const c = this.connection;
    const known = c && c.state !== TcpState.CLOSE && c.state !== TcpState.SYN_SENT;
    return known ? { address: c.remote, port: c.remotePort } : null;
  }

  // ---- connecting

  /** A null address is connect(AF_UNSPEC): the connection is given up and the socket may be used again. */
  connect(address: IpAddress | null, port: number): number {
    if (address === null) return this.disconnect();
    if (this.phase === Phase.connected) return -Errno.EISCONN;
    if (this.phase === Phase.connecting) return this.connectAgain();
    if (this.listener || this.connection) return -Errno.EISCONN;
    if (this.settings.fastOpenConnect && this.tcp.fastOpen.request(address, this.settings.fastOpenNoCookie)) {
      return this.deferConnect(address, port);
    }
    const error = this.open(address, port, null, 0, 0, false);
    return error < 0 ? error : -Errno.EINPROGRESS;
  }

  /** TCP_FASTOPEN_CONNECT with a cookie at hand: the SYN waits for the first data. Without, the SYN goes now and asks for one. */
  private deferConnect(address: IpAddress, port: number): number {
    const request = this.tcp.fastOpen.request(address, this.settings.fastOpenNoCookie)!;
    if (request.cookie === null && !request.noCookie) {
      const error = this.open(address, port, null, 0, 0, true);
      return error < 0 ? error : -Errno.EINPROGRESS;
    }
    this.deferred = { address, port };
    this.phase = Phase.connecting;
    return 0;
  }

  private connectAgain(): number {
    if (this.deferred) return -Errno.EISCONN;
    const c = this.connection;
    if (c && (c.state === TcpState.SYN_SENT || c.state === TcpState.SYN_RECV)) return -Errno.EALREADY;
    if (!c || c.state === TcpState.CLOSE) {
      const error = this.takeError();
      this.forget();
      return -(error || Errno.ECONNABORTED);
    }
    this.phase = Phase.connected;
    return 0;
  }

  /** The connection is gone; the socket is as new, but for what it is bound to by number. */
  private forget(): void {
    const c = this.connection;
    if (c) {
      c.user = null;
      if (c.state !== TcpState.CLOSE) c.disconnect();
      else settleMemory(c);
    }
    this.connection = null;
    this.deferred = null;
    this.phase = Phase.unconnected;
    this.shutdownBits = 0;
  }

  private disconnect(): number {
    if (this.listener) {
      this.endListening();
      return 0;
    }
    const c = this.connection;
    if (c) c.owner.fire(Probe.tcpDisconnect, c.state, 0);
    this.forget();
    this.error = c ? c.takeError() : 0;
    return 0;
  }

  /** Chooses route and port, enters the table, sends the SYN. 0 or -errno. */
  private open(address: IpAddress, port: number, from: Uint8Array | null, at: number, length: number, fastOpen: boolean): number {
    let to = isMapped(address) ? IpAddress.v4(address.w3) : address;
    if (to.family !== this.family && !(this.family === 6 && !this.v6Only)) return -Errno.EAFNOSUPPORT;
    if (to.isAny()) to = to.family === 4 ? IpAddress.v4(0x7f000001) : new IpAddress(6, 0, 0, 0, 1);
    const bound = this.binding;
    const from0 = bound && !bound.address.isAny() ? bound.address : null;
    const unowned = this.tcp.env.ledger.unattributed;
    if (!this.tcp.has(to.family)) return -Errno.ENETUNREACH;
    const route = this.tcp.network(to.family).route(to, from0, unowned, true);
    if (typeof route === 'number') return route;
    if (route.kind !== Destination.host) return -Errno.ENETUNREACH;
    const c = new Connection(this.tcp, to.family, this.settings);
    c.remote = to;
    c.remotePort = port;
    c.local = from0 ?? route.source;
    c.user = this;
    c.active = true;
    const error = bound ? this.claimBound(c, bound, route) : this.claimPort(c, route);
    if (error < 0) {
      c.releaseNumbers(false);
      return error;
    }
    this.tcp.table.insert(c);
    if (fastOpen) c.fastOpen = this.tcp.fastOpen.request(to, this.settings.fastOpenNoCookie);
    this.connection = c;
    this.phase = Phase.connecting;
    const result = c.connect(route, from, at, length);
    if (result < 0) {
      c.user = null;
      if (c.inTable) this.tcp.remove(c);
      c.releaseNumbers(false);
      this.connection = null;
      this.phase = Phase.unconnected;
      return result;
    }
    return 0;
  }

  /** The 4-tuple of a socket that was bound before: it must be free, or in TIME-WAIT and reusable. */
  private claimBound(c: Connection, bound: Binding, route: Route): number {
    c.localPort = bound.port;
    const other = this.tcp.table.lookup(c.local, c.localPort, c.remote, c.remotePort);
    if (other) {
      const free = other.flowKind === FlowKind.timeWait && this.tcp.timeWait.reuse(other as TimeWait, c, false, route.local);
      if (!free) return -Errno.EADDRNOTAVAIL;
    }
    c.binding = bound;
    return 0;
  }

  private claimPort(c: Connection, route: Route): number {
    const tcp = this.tcp;
    const b = tcp.ports.connect(c.local, tcp.portOffset(c.local, c.remote, c.remotePort), (port) => {
      const other = tcp.table.lookup(c.local, port, c.remote, c.remotePort);
      if (!other) return true;
      return other.flowKind === FlowKind.timeWait && tcp.timeWait.reuse(other as TimeWait, c, true, route.local);
    });
    if (typeof b === 'number') return b;
    c.localPort = b.port;
    c.binding = b;
    return 0;
  }

  // ---- data

  send(from: Uint8Array, at: number, length: number, flags: number): number {
    if (this.deferred) {
      const to = this.deferred;
      this.deferred = null;
      this.phase = Phase.unconnected;
      return this.fastOpenSend(from, at, length, flags, to);
    }
    const c = this.connection;
    if (!c) {
      if (flags & Msg.FASTOPEN) return -Errno.EDESTADDRREQ;
      return this.error ? -this.takeError() : -Errno.EPIPE;
    }
    const n = c.send(from, at, length, flags);
    c.owner.fire(Probe.socketSend, n, 0);
    if (flags & Msg.ZEROCOPY && n > 0) this.noteZeroCopy(c);
    return n;
  }

  private noteZeroCopy(c: Connection): void {
    if (!this.settings.zeroCopy) return;
    this.errorQueue ??= new ErrorQueue();
    this.errorQueue.sent(c.writeSeq);
  }

  /** Reports the MSG_ZEROCOPY sends that were acknowledged meanwhile. True when there is something new for MSG_ERRQUEUE. */
  settleZeroCopy(): boolean {
    const c = this.connection;
    const stamped = c?.rare?.stamps?.reports;
    if (stamped && stamped.length > 0) {
      this.errorQueue ??= new ErrorQueue();
      this.errorQueue.add(stamped);
    }
    const q = this.errorQueue;
    return c !== null && q !== null && q.pending > 0 && q.acknowledged(c.sndUna, c.state === TcpState.CLOSE);
  }

  /** recvmsg(MSG_ERRQUEUE): the oldest report, null when there is none. */
  takeReport(): ErrorReport | null {
    this.settleZeroCopy();
    return this.errorQueue ? this.errorQueue.take() : null;
  }

  sendTo(from: Uint8Array, at: number, length: number, flags: number, to: Endpoint): number {
    if ((flags & Msg.FASTOPEN) === 0) return this.send(from, at, length, flags);
    if ((this.tcp.env.sysctl.values[Sysctl.tcp_fastopen]! & FastOpenBit.client) === 0) return -Errno.EOPNOTSUPP;
    if (this.phase === Phase.connected) return -Errno.EISCONN;
    if (this.phase === Phase.connecting)
      return this.connection?.fastOpen ? -Errno.EALREADY : this.connectAgain() || -Errno.EISCONN;
    if (this.listener) return -Errno.EISCONN;
    return this.fastOpenSend(from, at, length, flags, to);
  }

  /** RFC 7413 4.2: connects, with as much of the data in the SYN as the cookie allows. The number of bytes taken, or EINPROGRESS. */
  private fastOpenSend(from: Uint8Array, at: number, length: number, flags: number, to: Endpoint): number {
    const error = this.open(to.address, to.port, from, at, length, true);
    if (error < 0) return error;
    const c = this.connection!;
    const copied = c.fastOpen?.copied ?? 0;
    if (flags & Msg.ZEROCOPY && copied > 0) this.noteZeroCopy(c);
    return copied > 0 ? copied : -Errno.EINPROGRESS;
  }

  receive(into: Uint8Array, at: number, length: number, flags: number): number {
    if (this.listener) return -Errno.ENOTCONN;
    const c = this.connection;
    if (!c) {
      if (this.error) return -this.takeError();
      return this.shutdownBits & Shut.receive ? 0 : -Errno.ENOTCONN;
    }
    const n = c.receive(into, at, length, flags);
    c.owner.fire(Probe.socketReceive, n, 0);
    return n;
  }

  readable(): number {
    return this.connection ? this.connection.readable() : 0;
  }
  unsent(): number {
    return this.connection ? this.connection.unacked() : 0;
  }

  // ---- the end

  shutdown(how: number): number {
    if (how !== Shutdown.RD && how !== Shutdown.WR && how !== Shutdown.RDWR) return -Errno.EINVAL;
    const bits = how === Shutdown.RD ? Shut.receive : how === Shutdown.WR ? Shut.send : Shut.both;
    if (this.listener) {
      if (bits & Shut.receive) this.endListening();
      return 0;
    }
    const c = this.connection;
    if (!c || c.state === TcpState.CLOSE) return -Errno.ENOTCONN;
    if (c.state === TcpState.SYN_SENT) {
      this.disconnect();
      this.tell(Poll.IN | Poll.OUT);
      return 0;
    }
    if (bits & Shut.receive) c.shutdownRead();
    if (bits & Shut.send) {
      c.shutdown |= Shut.send;
      c.shutdownWrite();
    }
    this.tell(Poll.IN | Poll.OUT);
    return 0;
  }

  private endListening(): void {
    const l = this.listener;
    this.listener = null;
    if (!l) return;
    l.close();
    if (this.binding) this.binding.listening = false;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.onReady = nobody;
    this.endListening();
    const c = this.connection;
    (c ? c.owner : this.tcp.env.ledger.unattributed).fire(Probe.socketClose, 0, 0);
    const b = this.binding;
    this.binding = null;
    if (b) b.held = false;
    if (c) {
      c.user = null;
      c.close();
    }
    if (b && (!c || c.binding !== b)) this.tcp.ports.release(b);
  }

  /** SO_ERROR: the pending error, which is cleared. */
  takeError(): number {
    const c = this.connection;
    const e = this.error || (c ? c.takeError() : 0);
    this.error = 0;
    return e;
  }

  setOption(level: number, name: number, value: OptionValue): number {
    return setTcpOption(this, level, name, value);
  }
  getOption(level: number, name: number): { readonly errno: number } | { readonly value: OptionValue | TcpInfo } {
    return getTcpOption(this, level, name);
  }

  /** The record to change an option in: own, not the listener's or a sibling's. */
  ownSettings(): TcpSettings {
    const s = this.settings.clone();
    this.settings = s;
    if (this.connection) this.connection.settings = s;
    if (this.listener) this.listener.settings = s;
    return s;
  }
}

function nobody(): void {}

/** Is there room to write a sensible amount? If not, the connection will tell. */
function writable(c: Connection): boolean {
  if (isWritable(c)) return true;
  c.wantsSpace = true;
  return false;
}
