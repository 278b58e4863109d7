/**
 * A UDP or UDP-Lite socket (RFC 768, RFC 1122 4.1, RFC 3828) with Linux's rules: binding and connecting, the receive queue with its
 * accounting, errors that ICMP reported, readiness. Sending is in send.ts, options in options.ts.
 *
 * Two events are counted later than one may think, because Linux does: a datagram is counted as received when it is read, and a wrong
 * checksum of a large datagram is found when it is read or looked at by poll.
 */
import { Col, Info, RowKind } from '../../mib/ledger/layout.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import { Probe } from '../../mib/probe/points.js';
import { ANY4, ANY6, IpAddress, isMapped } from '../core/address.js';
import { copyBytes } from '../core/bytes.js';
import { Errno } from '../core/errno.js';
import { Destination, type Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import type { Route } from '../ip/protocol.js';
import { ReuseportGroup } from '../socket/reuseport.js';
import {
  type DatagramSocket,
  type Endpoint,
  Msg,
  type OptionValue,
  Poll,
  type ReceivedFrom,
  Shutdown,
  So,
  type TcpInfo,
} from '../socket/socket.js';
import type { Cork } from './cork.js';
import { type Datagram, DatagramQueue, pagedTruesize } from './datagram-queue.js';
import type { DatagramLayer } from './layer.js';
import { Memberships } from './membership.js';
import { getUdpOption, setUdpOption } from './options.js';
import { sendDatagram, uncork } from './send.js';
import { UdpSettings } from './settings.js';

/** What the kernel shows as state of a datagram socket: TCP_ESTABLISHED and TCP_CLOSE. */
const STATE_CONNECTED = 1;
const STATE_UNCONNECTED = 7;

const noListener = () => {};

export class UdpSocket extends UdpSettings implements DatagramSocket {
  readonly layer: DatagramLayer;
  readonly family: 4 | 6;
  onReady: (bits: number) => void = noListener;
  /** Its row, from bind to close; the unattributed cells before and after. */
  owner: Owner;

  // identity
  local0 = 0;
  local1 = 0;
  local2 = 0;
  local3 = 0;
  localPort = 0;
  localAny = true;
  /** Bound to a group or broadcast address: hears it, but cannot send from it. */
  localIsGroup = false;
  private addressLocked = false;
  private portLocked = false;
  local: IpAddress;
  remote: IpAddress | null = null;
  remote0 = 0;
  remote1 = 0;
  remote2 = 0;
  remote3 = 0;
  remotePort = 0;
  connected = false;
  nextConnected: UdpSocket | null = null;

  /** SO_REUSEPORT: the sockets that share its port; null when it was bound without. */
  group: ReuseportGroup<UdpSocket> | null = null;
  /** SCM_TXTIME of the datagram at hand, 0 without. */
  departUs = 0;
  /** What gathers while `corked`. */
  cork: Cork | null = null;

  readonly memberships: Memberships;
  readonly queue: DatagramQueue;
  /** The way to the last destination and what it was asked with. */
  route: Route | null = null;
  routeTo: IpAddress | null = null;
  routeFrom: IpAddress | null = null;
  private error = 0;
  private shut = 0;
  private closed = false;
  drops = 0;
  private readyBits: number = Poll.OUT;

  constructor(layer: DatagramLayer, family: 4 | 6) {
    super(layer.env.sysctl);
    this.layer = layer;
    this.family = family;
    this.owner = layer.env.ledger.unattributed;
    this.local = family === 4 ? ANY4 : ANY6;
    this.local2 = family === 4 ? 0xffff : 0;
    this.queue = new DatagramQueue(layer.pool);
    this.memberships = new Memberships(this);
  }

  // --- identity

  /** Does it take packets of this family from this device? */
  hears(family: number, device: number): boolean {
    if (this.family !== family && (this.family === 4 || this.v6Only)) return false;
    return this.boundDevice === 0 || this.boundDevice === device;
  }
  localIs(w0: number, w1: number, w2: number, w3: number): boolean {
    return this.local3 === w3 && this.local2 === w2 && this.local1 === w1 && this.local0 === w0;
  }
  remoteIs(w0: number, w1: number, w2: number, w3: number): boolean {
    return this.remote3 === w3 && this.remote2 === w2 && this.remote1 === w1 && this.remote0 === w0;
  }

  /** -EINVAL bound already; -EAFNOSUPPORT; -EADDRNOTAVAIL not an address of ours; -EADDRINUSE. Port 0: a random free one. */
  bind(address: IpAddress | null, port: number): number {
    if (this.closed) return -Errno.EBADF;
    if (this.localPort !== 0 || this.connected) return -Errno.EINVAL;
    if (port < 0 || port > 0xffff) return -Errno.EINVAL;
    const wanted = address ?? (this.family === 4 ? ANY4 : ANY6);
    if (wanted.family !== this.family && (this.family === 4 || this.v6Only)) return -Errno.EAFNOSUPPORT;
    const isAny = wanted.isAny();
    let group = false;
    if (!isAny) {
      const kind = this.layer.addressKind(wanted);
      if (kind < 0 && !this.freeBind && !this.layer.env.sysctl.values[Sysctl.ip_nonlocal_bind]) return -Errno.EADDRNOTAVAIL;
      group = kind > Destination.host;
    }
    this.setLocal(wanted, isAny);
    this.localIsGroup = group;
    const error = this.takePort(port);
    if (error !== 0) {
      this.setLocal(this.family === 4 ? ANY4 : ANY6, true);
      this.localIsGroup = false;
      return error === -Errno.EAGAIN ? -Errno.EADDRINUSE : error;
    }
    this.addressLocked = !isAny;
    this.portLocked = port !== 0;
    return 0;
  }

  /** Binds to a random port when it has none. 0 or -EAGAIN. */
  autobind(): number {
    return this.localPort !== 0 ? 0 : this.takePort(0);
  }

  /** `address` null: back to unconnected. Otherwise fixes peer and source address; errors are those of routing, and -EACCES for broadcast. */
  connect(address: IpAddress | null, port: number): number {
    if (this.closed) return -Errno.EBADF;
    if (!address) return this.disconnect();
    const to = isMapped(address) ? IpAddress.v4(address.w3) : address;
    if (to.family !== this.family && (this.family === 4 || this.v6Only)) {
      return this.family === 4 ? -Errno.EAFNOSUPPORT : -Errno.ENETUNREACH;
    }
    const network = this.layer.networkOf(to.family);
    if (!network) return -Errno.ENETUNREACH;
    const bound = this.autobind();
    if (bound !== 0) return bound;
    const source = this.addressLocked && !this.localIsGroup ? this.local : null;
    const route = network.route(to, to.isMulticast() ? (source ?? this.multicastSource) : source, this.owner, true);
    if (typeof route === 'number') return route;
    if (route.kind === Destination.broadcast && !this.broadcast) return -Errno.EACCES;
    if (this.connected) this.layer.table.removeConnected(this);
    if (!this.addressLocked) this.setLocal(route.source, false);
    this.remote = route.destination;
    this.remote0 = route.destination.w0;
    this.remote1 = route.destination.w1;
    this.remote2 = route.destination.w2;
    this.remote3 = route.destination.w3;
    this.remotePort = port;
    this.connected = true;
    this.layer.table.addConnected(this);
    this.keepRoute(route, route.destination, this.localIsGroup ? null : this.local);
    if (this.cork) {
      this.cork.route = route; // what is under construction goes to the new peer, as in Linux
      this.cork.port = port;
    }
    this.identify();
    return 0;
  }

  private disconnect(): number {
    if (this.connected) this.layer.table.removeConnected(this);
    this.connected = false;
    this.remote = null;
    this.remote0 = this.remote1 = this.remote2 = this.remote3 = 0;
    this.remotePort = 0;
    this.route = null;
    if (!this.addressLocked) this.setLocal(this.family === 4 ? ANY4 : ANY6, true);
    if (this.portLocked || this.localPort === 0) this.identify();
    else this.leaveTable();
    return 0;
  }

  shutdown(how: number): number {
    if (this.closed) return -Errno.EBADF;
    if (how < Shutdown.RD || how > Shutdown.RDWR) return -Errno.EINVAL;
    this.shut |= how === Shutdown.RDWR ? 3 : how + 1;
    this.changed();
    return this.connected ? 0 : -Errno.ENOTCONN;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.onReady = noListener;
    this.memberships.leaveAll();
    if (this.connected) this.layer.table.removeConnected(this);
    this.connected = false;
    this.cork = null;
    this.layer.uncharge(this.queue.clear());
    if (this.localPort !== 0) this.leaveTable();
    this.owner.fire(Probe.socketClose, this.layer.protocol, 0);
  }

  localName(): Endpoint | null {
    return this.closed ? null : { address: this.local, port: this.localPort };
  }
  peerName(): Endpoint | null {
    return this.remote ? { address: this.remote, port: this.remotePort } : null;
  }

  // --- data

  sendTo(
    from: Uint8Array,
    at: number,
    length: number,
    flags: number,
    to: Endpoint | null,
    segmentSize = this.segmentSize,
    departUs = 0,
  ): number {
    if (this.closed) return -Errno.EBADF;
    if (departUs !== 0 && this.kept[So.TXTIME] === undefined) return -Errno.EINVAL;
    this.departUs = departUs;
    const n = sendDatagram(this, from, at, length, flags, to, segmentSize);
    this.owner.fire(Probe.socketSend, n, 0);
    return n;
  }

  /** The pending error first; then one datagram, cut to `length`. -EAGAIN when none waits. */
  receiveFrom(into: Uint8Array, at: number, length: number, flags: number, info: ReceivedFrom): number {
    if (this.closed) return -Errno.EBADF;
    if (flags & Msg.ERRQUEUE) return -Errno.EAGAIN;
    if (this.error !== 0) return -this.takeError();
    this.dropBad();
    const peek = (flags & Msg.PEEK) !== 0;
    const d = peek && this.peekOffset >= 0 ? this.queue.behind(this.peekOffset) : this.queue.first;
    if (!d) return -Errno.EAGAIN;
    const from = peek && this.peekOffset >= 0 ? this.queue.offset : 0;
    const n = Math.min(length, d.length - from);
    copyBytes(into, at, d.bytes, from, n);
    info.address = this.layer.addresses.get(d.family, d.source0, d.source1, d.source2, d.source3);
    info.port = d.sourcePort;
    info.length = d.length;
    info.segmentSize = this.gro ? d.segmentSize : 0;
    info.flags = length <= d.length - from && n < d.length ? Msg.TRUNC : 0;
    const answer = flags & Msg.TRUNC ? d.length : n;
    if (this.peekOffset >= 0) this.peekOffset = Math.max(0, this.peekOffset + (peek ? answer : -answer));
    if (peek) d.peeked = true;
    else {
      this.count(this.layer.cells(d.family).InDatagrams);
      this.owner.fire(Probe.udpReceive, d.length, 0);
      this.takeFirst(d);
    }
    return answer;
  }

  readable(): number {
    this.dropBad();
    return this.queue.first ? this.queue.first.length : 0;
  }

  /** A datagram for this socket (payload to tail), checked as far as Linux checks before queueing. `segmentSize` not 0: several as one. */
  deliver(p: Packet, sourcePort: number, size: number, bad: boolean, segmentSize: number): void {
    this.enqueue(p, sourcePort, size, bad, segmentSize);
    this.showQueue();
    if (this.onReady !== noListener) this.changed();
  }

  /** The datagrams of a super-frame, each by itself. The listener hears of them when all have been queued. */
  deliverSegments(p: Packet, sourcePort: number): void {
    const start = p.payload;
    const end = p.tail;
    for (let at = start; at < end; at += p.gsoSize) {
      p.payload = at;
      p.tail = Math.min(at + p.gsoSize, end);
      this.enqueue(p, sourcePort, pagedTruesize(p.tail - at), false, 0);
    }
    p.payload = start;
    p.tail = end;
    this.showQueue();
    if (this.onReady !== noListener) this.changed();
  }

  /** Counts what it cannot take. */
  private enqueue(p: Packet, sourcePort: number, size: number, bad: boolean, segmentSize: number): void {
    const cells = this.layer.cells(p.family);
    const q = this.queue;
    if (q.charged > 0 && q.charged + size > this.receiveBuffer) {
      this.count(cells.RcvbufErrors);
      this.count(cells.InErrors);
      this.dropped();
      return;
    }
    if (!this.layer.mayCharge(q.charged, size)) {
      this.count(cells.MemErrors);
      this.count(cells.InErrors);
      this.dropped();
      return;
    }
    q.push(p, sourcePort, size, bad, segmentSize);
    this.layer.charge(size);
  }

  /** One event of this socket; -1 is none. */
  count(id: number): void {
    if (id >= 0) this.owner.inc(id);
  }

  /** More in /proc/net/udp's column of drops. */
  dropped(n = 1): void {
    this.drops += n;
    this.layer.env.ledger.setInfo(this.owner, Info.drops, this.drops);
  }

  // --- readiness and errors

  poll(): number {
    let bits = Poll.OUT;
    if (this.error !== 0) bits |= Poll.ERR;
    if (this.shut & 1) bits |= Poll.IN | Poll.RDHUP;
    if (this.shut === 3) bits |= Poll.HUP;
    this.dropBad();
    if (this.queue.first) bits |= Poll.IN;
    this.readyBits = bits;
    return bits;
  }

  /** Kept for the next call; the socket polls ERR until then. */
  setError(errno: number): void {
    this.error = errno;
    this.changed();
  }
  /** The pending error as a positive number, 0 without; it is forgotten. */
  takeError(): number {
    const e = this.error;
    this.error = 0;
    this.readyBits &= ~Poll.ERR;
    return e;
  }
  get mayNotSend(): boolean {
    return (this.shut & 2) !== 0;
  }

  setOption(level: number, name: number, value: OptionValue): number {
    return this.closed ? -Errno.EBADF : setUdpOption(this, level, name, value);
  }
  getOption(level: number, name: number): { readonly errno: number } | { readonly value: OptionValue | TcpInfo } {
    return this.closed ? { errno: Errno.EBADF } : getUdpOption(this, level, name);
  }

  /** UDP_CORK. Taking it back sends what has gathered; what becomes of that is only counted. */
  setCorked(on: boolean): void {
    this.corked = on;
    if (!on) uncork(this);
  }

  keepRoute(route: Route, to: IpAddress, from: IpAddress | null): void {
    this.route = route;
    this.routeTo = to;
    this.routeFrom = from;
  }

  /** Tells the listener which bits have become set since it was last told or asked. */
  private changed(): void {
    const before = this.readyBits;
    const fresh = this.poll() & ~before;
    if (fresh !== 0) this.onReady(fresh);
  }

  /** Datagrams whose checksum is found wrong only now that somebody looks at them. */
  private dropBad(): void {
    for (let d = this.queue.first; d?.bad; d = this.queue.first) {
      const cells = this.layer.cells(d.family);
      this.count(cells.InCsumErrors);
      this.count(cells.InErrors);
      this.dropped();
      this.takeFirst(d);
    }
  }

  private takeFirst(d: Datagram): void {
    this.layer.uncharge(this.queue.shift(this.receiveBuffer >>> 2));
    this.queue.free(d);
    this.showQueue();
    if (!this.queue.first && (this.shut & 1) === 0) this.readyBits &= ~Poll.IN;
  }

  private showQueue(): void {
    this.layer.env.ledger.setQueues(this.owner, this.queue.waiting, 0);
  }

  /** 0, -EADDRINUSE, or -EAGAIN when no ephemeral port is free. */
  private takePort(port: number): number {
    const table = this.layer.table;
    if (port !== 0 && table.conflicts(this, port)) return -Errno.EADDRINUSE;
    const chosen = port !== 0 ? port : table.ephemeral(this);
    if (chosen === 0) return -Errno.EAGAIN;
    this.localPort = chosen;
    if (this.reusePort) {
      this.group = table.groupFor(this) ?? new ReuseportGroup<UdpSocket>(this.groupProgram);
      this.group.members.push(this);
    }
    table.add(this);
    this.owner = this.layer.env.ledger.takeRow(RowKind.endpoint);
    this.layer.env.ledger.setInfo(this.owner, Info.createdUs, this.layer.env.nowUs);
    this.identify();
    return 0;
  }

  private leaveTable(): void {
    this.layer.table.remove(this);
    this.group?.leave(this);
    this.group = null;
    this.localPort = 0;
    this.layer.env.ledger.releaseRow(this.owner);
    this.owner = this.layer.env.ledger.unattributed;
  }

  private setLocal(address: IpAddress, isAny: boolean): void {
    this.local = address;
    this.localAny = isAny;
    this.local0 = address.w0;
    this.local1 = address.w1;
    this.local2 = address.w2;
    this.local3 = address.w3;
    this.route = null;
  }

  /** Writes who it is into its row. */
  identify(): void {
    const ledger = this.layer.env.ledger;
    const o = this.owner;
    if (o.row < 0) return;
    const at = ledger.headerAt(o.row);
    Atomics.add(ledger.ints, at + Col.seq, 1);
    ledger.setState(o, this.connected ? STATE_CONNECTED : STATE_UNCONNECTED);
    ledger.setColumn(o, Col.family, this.family);
    ledger.setColumn(o, Col.protocol, this.layer.protocol);
    ledger.setColumn(o, Col.localPort, this.localPort);
    ledger.setColumn(o, Col.remotePort, this.remotePort);
    ledger.setColumn(o, Col.local, this.local0);
    ledger.setColumn(o, Col.local + 1, this.local1);
    ledger.setColumn(o, Col.local + 2, this.local2);
    ledger.setColumn(o, Col.local + 3, this.local3);
    ledger.setColumn(o, Col.remote, this.remote0);
    ledger.setColumn(o, Col.remote + 1, this.remote1);
    ledger.setColumn(o, Col.remote + 2, this.connected ? this.remote2 : this.family === 4 ? 0xffff : 0);
    ledger.setColumn(o, Col.remote + 3, this.remote3);
    ledger.setColumn(o, Col.ifindex, this.boundDevice);
    ledger.show(o);
    Atomics.add(ledger.ints, at + Col.seq, 1);
  }
}
