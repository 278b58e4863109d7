/**
 * Ping sockets (SOCK_DGRAM, IPPROTO_ICMP): an unprivileged way to send ICMP echo requests (RFC 792, RFC 1122 3.2.2.6) and read the
 * replies. The user writes the ICMP header; the stack puts the socket's own identifier and the checksum into it. The identifier plays the
 * part of the port. What comes in is counted by the ICMP layer, which asks here whose reply it is.
 */
import { Icmp, IcmpMsg } from '../../mib/catalogue/index.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import { Probe } from '../../mib/probe/points.js';
import type { IpAddress } from '../core/address.js';
import { finish as complement, partialSum } from '../core/checksum.js';
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

const ICMP = 1;
const ECHO = 8;
const ICMP_HEADER = 8;

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
  readonly protocol: number = ICMP;
  readonly headerLength: number = 0;
  readonly env: Env;
  readonly table: UdpTable;
  readonly pool: DatagramPool = new DatagramPool();
  readonly addresses: AddressCache = new AddressCache();
  readonly transmitPacket: Packet = new Packet(MAX_FRAME + TX_TRANSPORT + 64);
  memory = 0;
  private readonly ip4: NetworkLayer;

  constructor(env: Env, ip4: NetworkLayer) {
    this.env = env;
    this.ip4 = ip4;
    this.table = new UdpTable(env);
  }

  socket(): UdpSocket {
    this.env.ledger.unattributed.fire(Probe.socketCreate, this.protocol, 0);
    return new UdpSocket(this, 4);
  }

  networkOf(family: number): NetworkLayer | null {
    return family === 4 ? this.ip4 : null;
  }
  cells(): UdpCells {
    return NO_CELLS;
  }
  addressKind(address: IpAddress): number {
    return bindable(this, address);
  }
  mayCharge(): boolean {
    return true;
  }

  /** Echo requests only. */
  judge(from: Uint8Array, at: number, length: number): number {
    return length < ICMP_HEADER || from[at] !== ECHO || from[at + 1] !== 0 ? -Errno.EINVAL : 0;
  }

  finish(s: UdpSocket, p: Packet): void {
    const at = p.transport;
    p.view.setUint16(at + 4, s.localPort);
    p.view.setUint16(at + 2, 0);
    p.view.setUint16(at + 2, complement(partialSum(p, at, p.tail - at)));
    s.owner.inc(Icmp.OutMsgs);
    s.owner.inc(IcmpMsg.Out + ECHO);
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
