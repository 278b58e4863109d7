/**
 * Ping sockets (SOCK_DGRAM, IPPROTO_ICMP and IPPROTO_ICMPV6; one layer each): an unprivileged way to send ICMP echo requests (RFC 792, RFC 1122 3.2.2.6) and read the
 * replies. The user writes the ICMP header; the stack puts the socket's own identifier and the checksum into it. The identifier plays the
 * part of the port. What comes in is counted by the ICMP layer, which asks here whose reply it is.
 */
import { Icmp, Icmp6, Icmp6Msg, IcmpMsg } from '../../mib/catalogue/index.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import { Probe } from '../../mib/probe/points.js';
import type { IpAddress } from '../core/address.js';
import { finish as complement, fold, partialSum, pseudoSum } from '../core/checksum.js';
import type { Env } from '../core/env.js';
import { Errno } from '../core/errno.js';
import { MAX_FRAME, Packet } from '../core/packet.js';
import { type IcmpError, type NetworkLayer, type PingHandler, TX_TRANSPORT } from '../ip/protocol.js';
import { AddressCache } from './address-cache.js';
import { bindable } from './bindable.js';
import type { UdpCells } from './cells.js';
import { DatagramPool, truesize } from './datagram-queue.js';
import type { DatagramLayer } from './layer.js';
import { reportIcmp } from './report.js';
import { UdpSocket } from './socket.js';
import { UdpTable } from './table.js';

const ICMP_HEADER = 8;
/** Protocol, type of an echo request, and counters, by family. */
const OF4 = Object.freeze({ protocol: 1, echo: 8, outMsgs: Icmp.OutMsgs, outType: IcmpMsg.Out });
const OF6 = Object.freeze({ protocol: 58, echo: 128, outMsgs: Icmp6.OutMsgs, outType: Icmp6Msg.Out });

/** Ping sockets have no MIB of their own. */
const NO_CELLS: UdpCells = Object.freeze({
  InDatagrams: -1,
  NoPorts: -1,
  InErrors: -1,
  OutDatagrams: -1,
  RcvbufErrors: -1,
  SndbufErrors: -1,
  InCsumErrors: -1,
  MemErrors: -1,
  IgnoredMulti: -1,
});

export class PingLayer implements DatagramLayer, PingHandler {
  readonly protocol: number;
  readonly headerLength: number = 0;
  readonly env: Env;
  readonly table: UdpTable;
  readonly pool: DatagramPool = new DatagramPool();
  readonly addresses: AddressCache = new AddressCache();
  readonly transmitPacket: Packet = new Packet(MAX_FRAME + TX_TRANSPORT + 64);
  private readonly network: NetworkLayer;
  private readonly of: typeof OF4 | typeof OF6;

  constructor(env: Env, network: NetworkLayer) {
    this.env = env;
    this.network = network;
    this.of = network.family === 4 ? OF4 : OF6;
    this.protocol = this.of.protocol;
    this.table = new UdpTable(env);
  }

  socket(): UdpSocket {
    this.env.ledger.unattributed.fire(Probe.socketCreate, this.protocol, 0);
    return new UdpSocket(this, this.network.family);
  }

  networkOf(family: number): NetworkLayer | null {
    return family === this.network.family ? this.network : null;
  }
  cells(): UdpCells {
    return NO_CELLS;
  }
  addressKind(address: IpAddress): number {
    return bindable(this, address);
  }
  charge(): void {}
  uncharge(): void {}
  mayCharge(): boolean {
    return true;
  }

  /** Echo requests only. */
  judge(from: Uint8Array, at: number, length: number): number {
    return length < ICMP_HEADER || from[at] !== this.of.echo || from[at + 1] !== 0 ? -Errno.EINVAL : 0;
  }

  finish(s: UdpSocket, p: Packet): void {
    p.view.setUint16(p.transport + 4, s.localPort);
    this.seal(s, p, this.of.echo);
  }

  /** Writes the checksum, and counts the message. */
  protected seal(s: UdpSocket, p: Packet, type: number): void {
    const at = p.transport;
    p.view.setUint16(at + 2, 0);
    const length = p.tail - at;
    const pseudo = this.network.family === 6 ? pseudoSum(p, this.protocol, length) : 0;
    p.view.setUint16(at + 2, complement(fold(partialSum(p, at, length) + pseudo)));
    s.owner.inc(this.of.outMsgs);
    s.owner.inc(this.of.outType + type);
  }

  owner(p: Packet): Owner | null {
    const s = this.find(p);
    return s ? s.owner : null;
  }

  input(p: Packet): boolean {
    const s = this.find(p);
    if (!s) return false;
    p.payload = p.transport;
    s.deliver(p, 0, truesize(p.tail - p.network), false, 0);
    return true;
  }

  icmpError(e: IcmpError): void {
    const s = this.quoted(e);
    if (s) reportIcmp(s, e);
  }
  quotes(e: IcmpError): boolean {
    return this.quoted(e) !== null;
  }
  private quoted(e: IcmpError): UdpSocket | null {
    const p = e.packet;
    if (!p || e.quoted < ICMP_HEADER) return null;
    return this.byId(p.view.getUint16(e.transport + 4), e.local0, e.local1, e.local2, e.local3);
  }

  private find(p: Packet): UdpSocket | null {
    if (p.tail - p.transport < ICMP_HEADER) return null;
    return this.byId(p.view.getUint16(p.transport + 4), p.dst0, p.dst1, p.dst2, p.dst3);
  }

  /** Identifier and local address decide; from whom a reply comes does not matter, as in Linux. */
  private byId(id: number, w0: number, w1: number, w2: number, w3: number): UdpSocket | null {
    const there = this.table.at(id);
    if (!there) return null;
    for (const s of there) if (s.localAny || s.localIs(w0, w1, w2, w3)) return s;
    return null;
  }
}
