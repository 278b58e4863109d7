/**
 * UDP (RFC 768, RFC 1122 4.1) and UDP-Lite (RFC 3828) inbound: one layer for each of the two, protocols 17 and 136.
 *
 * A datagram is checked (length, checksum), its socket is found by ports and addresses, and it is queued there. Datagrams to a group or to
 * broadcast go to every socket that hears them. What nobody hears is answered by ICMP port unreachable when it was for this host alone.
 *
 * A super-frame is one packet up to its socket, and there the datagrams it was made of, unless the socket takes it whole (UDP_GRO). So
 * NoPorts and IgnoredMulti count it once, InDatagrams, RcvbufErrors and InErrors its datagrams.
 *
 * Checksums as Linux: up to 76 octets are verified before anything else; a larger one is verified when somebody reads it, when poll looks
 * at it, or when there is no socket for it. We compute the sum at once, while the bytes are in the cache, and count at Linux's moment.
 */
import { Icmp, Icmp6 } from '../../mib/catalogue/index.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import { Probe } from '../../mib/probe/points.js';
import type { IpAddress } from '../core/address.js';
import { finish as complement, fold, partialSum, pseudoSum } from '../core/checksum.js';
import type { Env } from '../core/env.js';
import { Account, type HostOctets } from '../core/host-limits.js';
import { Csum, Destination, Gso, MAX_FRAME, Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import { type IcmpError, type NetworkLayer, type ProtocolHandler, TX_TRANSPORT } from '../ip/protocol.js';
import { emitUdp, UDP_CSUM, UDP_HEADER, UdpHeader } from '../wire/udp.js';
import { AddressCache } from './address-cache.js';
import { bindable } from './bindable.js';
import { UDP, UDPLITE, type UdpCells, udpCells } from './cells.js';
import { DatagramPool, pagedTruesize, truesize } from './datagram-queue.js';
import { deliverFiltered } from './filtered.js';
import type { DatagramLayer } from './layer.js';
import { reportIcmp } from './report.js';
import { UdpSocket } from './socket.js';
import { UdpTable } from './table.js';

const PAGE = 4096;
/** Linux verifies datagrams up to this size (header included) at once (CHECKSUM_BREAK). */
const VERIFY_AT_ONCE = 76;

const Verdict = Object.freeze({ good: 0, bad: 1, badWhenRead: 2 });

const ICMP_UNREACHABLE = 3;
const ICMP_PORT_UNREACHABLE = 3;
const ICMP6_UNREACHABLE = 1;
const ICMP6_PORT_UNREACHABLE = 4;

export class UdpLayer implements ProtocolHandler, DatagramLayer {
  readonly protocol: number;
  readonly headerLength: number = UDP_HEADER;
  readonly env: Env;
  readonly table: UdpTable;
  readonly pool: DatagramPool;
  readonly addresses: AddressCache = new AddressCache();
  /** The one packet that datagrams are sent with. */
  readonly transmitPacket: Packet = new Packet(MAX_FRAME + TX_TRANSPORT + 64);
  /** What is charged to all sockets of this protocol, for udp_mem. */
  private readonly octets: HostOctets;
  private readonly ip4: NetworkLayer;
  private readonly ip6: NetworkLayer | null;
  private readonly header = new UdpHeader();
  /** The socket `demux` found for the `input` that follows. */
  private found: UdpSocket | null = null;
  private readonly members: UdpSocket[] = [];

  constructor(env: Env, protocol: typeof UDP | typeof UDPLITE, ip4: NetworkLayer, ip6: NetworkLayer | null) {
    this.env = env;
    this.protocol = protocol;
    this.octets = env.limits.octetsOf(protocol === UDP ? Account.udp : Account.udpLite);
    this.ip4 = ip4;
    this.ip6 = ip6;
    this.table = new UdpTable(env);
    this.pool = new DatagramPool();
    ip4.register(this);
    ip6?.register(this);
  }

  socket(family: 4 | 6): UdpSocket {
    this.env.ledger.unattributed.fire(Probe.socketCreate, this.protocol, 0);
    return new UdpSocket(this, family);
  }

  networkOf(family: number): NetworkLayer | null {
    return family === 4 ? this.ip4 : this.ip6;
  }

  cells(family: number): UdpCells {
    return udpCells(this.protocol, family);
  }

  addressKind(address: IpAddress): number {
    return bindable(this, address);
  }

  judge(): number {
    return 0;
  }

  charge(bytes: number): void {
    this.octets.add(bytes);
  }
  uncharge(bytes: number): void {
    this.octets.take(bytes);
  }
  /** Bytes charged in this stack. */
  get memory(): number {
    return this.octets.held;
  }

  /** Is there memory for `size` more bytes on a socket that holds `held`? Small queues are always served (udp_rmem_min). */
  mayCharge(held: number, size: number): boolean {
    const v = this.env.sysctl.values;
    return this.octets.total + size <= v[Sysctl.udp_mem + 2]! * PAGE || held < v[Sysctl.udp_rmem_min]!;
  }

  finish(s: UdpSocket, p: Packet, port: number, byLink: boolean): void {
    const size = p.tail - p.transport;
    const lite = this.protocol === UDPLITE;
    const covered = lite && s.sendCoverage < size ? s.sendCoverage : 0;
    emitUdp(p, s.localPort, port, covered === 0 ? size : covered);
    if (s.noCheckTx && !lite && p.family === 4) return;
    const pseudo = pseudoSum(p, this.protocol, size);
    if (byLink && !lite) {
      p.csum = Csum.partial;
      p.csumStart = p.transport;
      p.csumOffset = UDP_CSUM;
      p.view.setUint16(p.transport + UDP_CSUM, pseudo);
      return;
    }
    const value = complement(fold(pseudo + partialSum(p, p.transport, covered === 0 ? size : covered)));
    p.view.setUint16(p.transport + UDP_CSUM, value === 0 ? 0xffff : value); // 0 means none (RFC 768)
  }

  demux(p: Packet): Owner {
    const h = this.header;
    this.found = null;
    if (h.parse(p)) {
      if (p.destination === Destination.host) this.found = this.table.find(p, h.sourcePort, h.destinationPort);
      else this.found = this.hearers(p) > 0 ? this.members[0]! : null;
    }
    return this.found ? this.found.owner : this.env.ledger.unattributed;
  }

  input(p: Packet, owner: Owner): void {
    const h = this.header;
    const cells = this.cells(p.family);
    if (!h.parse(p) || !this.trim(p)) {
      owner.inc(cells.InErrors);
      return;
    }
    const toMany = p.destination !== Destination.host;
    if (toMany && p.family === 6 && h.checksum === 0 && this.protocol !== UDPLITE) {
      owner.inc(cells.IgnoredMulti); // no socket of Linux takes it unasked (UDP_NO_CHECK6_RX)
      return;
    }
    const verdict = this.verify(p);
    if (verdict === Verdict.bad) {
      this.badSum(owner, cells);
      return;
    }
    if (toMany) this.fanOut(p, owner, cells, verdict);
    else if (this.found) this.deliver(this.found, p, cells, verdict);
    else if (verdict !== Verdict.good) this.badSum(owner, cells);
    else {
      owner.inc(cells.NoPorts);
      if (p.family === 4) this.ip4.sendError(p, ICMP_UNREACHABLE, ICMP_PORT_UNREACHABLE, 0);
      else this.ip6!.sendError(p, ICMP6_UNREACHABLE, ICMP6_PORT_UNREACHABLE, 0);
    }
  }

  /** Errors about what a socket sent (RFC 1122 4.1.3.3): told to connected sockets by their next call, and to those that asked by IP_RECVERR. */
  icmpError(e: IcmpError): void {
    const p = e.packet;
    const s = p && e.quoted >= 4 ? this.quotedSocket(e, p) : null;
    if (!s) {
      this.env.ledger.unattributed.inc(e.family === 4 ? Icmp.InErrors : Icmp6.InErrors);
      return;
    }
    reportIcmp(s, e);
  }

  quotes(e: IcmpError): boolean {
    const p = e.packet;
    return p !== null && e.quoted >= 4 && this.quotedSocket(e, p) !== null;
  }
  /** A datagram with a socket here, or one so short that it has none. To many: `Sharing` has seen to it. */
  ours(p: Packet): boolean {
    return this.found !== null || p.tail - p.transport < UDP_HEADER;
  }

  private quotedSocket(e: IcmpError, p: Packet): UdpSocket | null {
    const localPort = p.view.getUint16(e.transport);
    const remotePort = p.view.getUint16(e.transport + 2);
    return this.table.look(
      e.family,
      e.local0,
      e.local1,
      e.local2,
      e.local3,
      localPort,
      e.remote0,
      e.remote1,
      e.remote2,
      e.remote3,
      remotePort,
      p.device ? p.device.index : 0,
    );
  }

  /**
   * The length field must not say more than there is. UDP's covers the header at least; what follows it is cut off. Over IPv6 0 is what a
   * datagram says that is too long to say it (RFC 2675 4).
   */
  private trim(p: Packet): boolean {
    const length = this.header.length;
    if (length > p.tail - p.transport) return false;
    if (this.protocol === UDPLITE || (length === 0 && p.family === 6)) return true;
    if (length < UDP_HEADER) return false;
    p.tail = p.transport + length;
    return true;
  }

  private verify(p: Packet): number {
    const h = this.header;
    const size = p.tail - p.transport;
    let covered = size;
    if (this.protocol === UDPLITE) {
      // RFC 3828 3.1: a checksum is a must, and the coverage is 0 or at least the header.
      if (h.checksum === 0 || (h.length !== 0 && h.length < UDP_HEADER)) return Verdict.bad;
      if (h.length !== 0) covered = h.length;
    } else if (h.checksum === 0) return p.family === 4 ? Verdict.good : Verdict.bad;
    if (p.csum !== Csum.none && covered === size) return Verdict.good;
    const sum = fold(pseudoSum(p, this.protocol, size) + partialSum(p, p.transport, covered));
    if (sum === 0xffff) return Verdict.good;
    return size <= VERIFY_AT_ONCE && covered === size ? Verdict.bad : Verdict.badWhenRead;
  }

  private badSum(owner: Owner, cells: UdpCells): void {
    owner.inc(cells.InCsumErrors);
    owner.inc(cells.InErrors);
    if (this.found) this.found.dropped();
  }

  private deliver(s: UdpSocket, p: Packet, cells: UdpCells, verdict: number): void {
    const h = this.header;
    if (s.receiveCoverage !== 0 && this.protocol === UDPLITE) {
      const size = p.tail - p.transport;
      const partial = h.length !== 0 && h.length < size;
      if (partial && h.length < s.receiveCoverage) {
        s.owner.inc(cells.InErrors);
        s.dropped();
        return;
      }
    }
    if (s.filter !== null) deliverFiltered(s, s.filter, p, h.sourcePort, cells, verdict === Verdict.good);
    else if (p.gsoType === Gso.udpL4) this.deliverSuperFrame(s, p, cells);
    else s.deliver(p, h.sourcePort, truesize(p.tail - p.network), verdict !== Verdict.good, 0);
  }

  private deliverSuperFrame(s: UdpSocket, p: Packet, cells: UdpCells): void {
    const payload = p.tail - p.payload;
    if (s.gro) s.deliver(p, this.header.sourcePort, pagedTruesize(payload), false, p.gsoSize);
    else if (payload > p.gsoSize) s.deliverSegments(p, this.header.sourcePort);
    else {
      // its length field leaves less than one datagram of the size it says: Linux cannot cut that, and drops as many as came
      s.owner.add(cells.InErrors, p.gsoSegs);
      s.dropped(p.gsoSegs);
    }
  }

  private fanOut(p: Packet, owner: Owner, cells: UdpCells, verdict: number): void {
    const n = this.hearers(p);
    if (n === 0) {
      if (cells.IgnoredMulti >= 0) owner.inc(cells.IgnoredMulti);
      return;
    }
    // A listener's callback may close any of them.
    for (let i = 0; i < n; i++) {
      const s = this.members[i]!;
      if (s.localPort !== 0) this.deliver(s, p, cells, verdict);
    }
    this.members.length = 0;
  }

  /** Puts the sockets that hear a datagram to a group or to broadcast into `members`. Answers how many. */
  private hearers(p: Packet): number {
    const h = this.header;
    const out = this.members;
    out.length = 0;
    const there = this.table.at(h.destinationPort);
    if (!there) return 0;
    const device = p.device ? p.device.index : 0;
    const multicast = p.destination === Destination.multicast;
    for (const s of there) {
      if (!s.hears(p.family, device)) continue;
      if (!s.localAny && !s.localIs(p.dst0, p.dst1, p.dst2, p.dst3)) continue;
      if (s.connected && (s.remotePort !== h.sourcePort || !s.remoteIs(p.src0, p.src1, p.src2, p.src3))) continue;
      if (multicast && !s.multicastAll && !s.memberships.has(p.dst0, p.dst1, p.dst2, p.dst3, device)) continue;
      out.push(s);
    }
    return out.length;
  }
}
