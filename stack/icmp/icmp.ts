/**
 * ICMP for IPv4 (RFC 792, 1122 3.2.2, 1812 4.3, 1191): answers echo and timestamp requests, hands errors to the transport they quote, and
 * sends errors under RFC 1122's rules: never about an error, a fragment but the first, or what was sent to many.
 *
 * InMsgs counts what reached this layer, the slot of its type what had a readable header; InErrors what could not be used. Replies of
 * Linux 6.18 are all counted in slot 0, timestamp replies too: so here.
 */
import { Icmp, IcmpMsg } from '../../mib/catalogue/index.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import { IpAddress } from '../core/address.js';
import { copyBytes } from '../core/bytes.js';
import { finish, partialSum } from '../core/checksum.js';
import type { Env } from '../core/env.js';
import { Csum, Destination, LinkType, Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import { discarded, outputOrDiscard } from '../ip/discard.js';
import type { ErrorSender, Ipv4Layer } from '../ip/ipv4.js';
import { IcmpError, type PingHandler, type ProtocolHandler, type Route, TX_TRANSPORT } from '../ip/protocol.js';
import {
  emitIcmp,
  ICMP_HEADER,
  ICMP_KNOWN_TYPES,
  IcmpType,
  icmpErrno,
  icmpFatal,
  isIcmpError,
  TimeExceeded,
  UNREACHABLE_CODES,
  Unreachable,
} from '../wire/icmp.js';
import { IPV4_HEADER, IpFlag, Ipv4At, Protocol } from '../wire/ipv4.js';
import { IcmpRateLimit } from './rate-limit.js';

/** RFC 1812 4.3.2.3: as much as fits into 576 octets. */
const ERROR_SIZE = 576;
const MAX_MESSAGE = 65536;
/** TOS of errors: internetwork control (RFC 1812 4.3.2.5). */
const CONTROL = 0xc0;
const TOS_MASK = 0x1e;
/** 2 * SKB_TRUESIZE(64 KiB). */
const SEND_BUFFER = 132224;

export class IcmpLayer implements ProtocolHandler, ErrorSender {
  readonly protocol = Protocol.icmp;
  /** Set by whoever offers ping sockets. */
  ping: PingHandler | null = null;
  private readonly env: Env;
  private readonly ip: Ipv4Layer;
  private readonly scratch = new Packet(TX_TRANSPORT + MAX_MESSAGE);
  private readonly error = new IcmpError();
  /** The host's bucket is ICMPv6's too. */
  readonly limit: IcmpRateLimit;
  private readonly unattributed: Owner;

  constructor(env: Env, ip: Ipv4Layer) {
    this.env = env;
    this.ip = ip;
    this.unattributed = env.ledger.unattributed;
    this.limit = new IcmpRateLimit(env, ip.peers);
    ip.errors = this;
    ip.register(this);
  }

  demux(p: Packet): Owner {
    const type = p.tail > p.transport ? p.bytes[p.transport]! : -1;
    if (this.ping && (type === IcmpType.echoReply || type === IcmpType.extendedEchoReply)) {
      return this.ping.owner(p) ?? this.unattributed;
    }
    return this.unattributed;
  }

  input(p: Packet, owner: Owner): void {
    owner.inc(Icmp.InMsgs);
    const length = p.tail - p.transport;
    if (p.csum === Csum.none && finish(partialSum(p, p.transport, length)) !== 0) {
      owner.inc(Icmp.InCsumErrors);
      owner.inc(Icmp.InErrors);
      return;
    }
    if (length < ICMP_HEADER) {
      owner.inc(Icmp.InErrors);
      return;
    }
    const type = p.bytes[p.transport]!;
    owner.inc(IcmpMsg.In + type);
    if (type === IcmpType.extendedEcho) return; // answered only when icmp_echo_enable_probe says so
    if (type === IcmpType.extendedEchoReply) {
      this.ping?.input(p, owner);
      return;
    }
    if (type > ICMP_KNOWN_TYPES || !this.allowedToMany(p, type)) {
      owner.inc(Icmp.InErrors);
      return;
    }
    this.dispatch(p, owner, type);
  }

  /** RFC 1122 3.2.2.6, 3.2.2.8: what may come by broadcast or multicast. */
  private allowedToMany(p: Packet, type: number): boolean {
    if (p.destination === Destination.host) return true;
    if (type === IcmpType.echo || type === IcmpType.timestamp) {
      return this.env.sysctl.values[Sysctl.icmp_echo_ignore_broadcasts] === 0;
    }
    return type === IcmpType.addressMask || type === IcmpType.addressMaskReply;
  }

  private dispatch(p: Packet, owner: Owner, type: number): void {
    switch (type) {
      case IcmpType.echoReply:
        this.ping?.input(p, owner);
        return;
      case IcmpType.destinationUnreachable:
      case IcmpType.sourceQuench:
      case IcmpType.timeExceeded:
      case IcmpType.parameterProblem:
        this.errorIn(p, owner, type);
        return;
      case IcmpType.redirect:
        this.redirectIn(p, owner);
        return;
      case IcmpType.echo:
        if (this.env.sysctl.values[Sysctl.icmp_echo_ignore_all] === 0) this.echo(p);
        return;
      case IcmpType.timestamp:
        this.timestamp(p, owner);
        return;
      default: // router discovery, information and address mask messages are discarded (RFC 1122 3.2.2.7, 3.2.2.9)
        return;
    }
  }

  // --- questions answered

  private echo(p: Packet): void {
    const out = this.begin(p);
    if (!out) return;
    const length = p.tail - p.transport;
    copyBytes(out.bytes, out.transport, p.bytes, p.transport, length);
    out.tail = out.transport + length;
    // Linux answers with the request's code.
    this.reply(p, out, IcmpType.echoReply, p.bytes[p.transport + 1]!);
  }

  private timestamp(p: Packet, owner: Owner): void {
    if (p.tail - p.transport < ICMP_HEADER + 4) {
      owner.inc(Icmp.InErrors);
      return;
    }
    const out = this.begin(p);
    if (!out) return;
    const at = out.transport + ICMP_HEADER;
    const now = this.ip.timestamp();
    out.view.setUint32(at, p.view.getUint32(p.transport + ICMP_HEADER));
    out.view.setUint32(at + 4, now);
    out.view.setUint32(at + 8, now);
    out.tail = at + 12;
    this.reply(p, out, IcmpType.timestampReply, 0);
  }

  /** The scratch packet with the options that the answer to `p` echoes; null when they cannot be. */
  private begin(p: Packet): Packet | null {
    const out = this.scratch;
    out.reset(TX_TRANSPORT);
    out.transport = TX_TRANSPORT;
    out.protocol = Protocol.icmp;
    const options = this.ip.options;
    if (p.ipOptions === 0 || options.packet !== p) return out;
    const ours = this.ip.isOwn(p.dst3) ? p.dst3 : (p.device?.primary(4)?.address.w3 ?? 0);
    if (!options.buildEcho(p, ours)) return null;
    out.ipOptions = options.echoLength;
    out.bytes.set(options.echo.subarray(0, options.echoLength), out.transport - options.echoLength);
    return out;
  }

  private reply(p: Packet, out: Packet, type: number, code: number): void {
    const limited = this.limit.limited(type, 0);
    if (limited && !this.limit.global(this.unattributed)) return;
    const route = this.routeBack(p.src3, p.destination === Destination.host ? p.dst3 : 0);
    if (!route) return;
    if (limited && !this.limit.destination(p.src3, route.device.loopback, this.unattributed)) return;
    emitIcmp(out, type, code, p.view.getUint32(p.transport + 4));
    this.send(out, IcmpType.echoReply, route, p.tos);
  }

  private send(out: Packet, slot: number, route: Route, tos: number): void {
    const u = this.unattributed;
    if (this.bufferFull(route)) {
      u.inc(Icmp.OutErrors);
      discarded(this.ip, u);
      return;
    }
    u.inc(Icmp.OutMsgs);
    u.inc(IcmpMsg.Out + slot);
    out.data = out.transport;
    out.df = false;
    outputOrDiscard(this.ip, out, route, u, this.env.sysctl.values[Sysctl.ip_default_ttl]!, tos);
  }

  /** What waits for a neighbour fills the send buffer of Linux's ICMP socket. */
  private bufferFull(route: Route): boolean {
    return route.waitingBytes(Protocol.icmp) >= SEND_BUFFER;
  }

  /** A way to `to` from our address `from` (0: any). */
  private routeBack(to: number, from: number): Route | null {
    const route = this.ip.routeTo(to);
    if (typeof route === 'number') return null;
    if (from === 0 || route.source.w3 === from) return route;
    const exact = this.ip.route(IpAddress.v4(to), IpAddress.v4(from), this.unattributed, false);
    return typeof exact === 'number' ? null : exact;
  }

  // --- errors that come in

  /** icmp_unreach: what is quoted must be a header; some codes end here. */
  private errorIn(p: Packet, owner: Owner, type: number): void {
    const code = p.bytes[p.transport + 1]!;
    const at = p.transport + ICMP_HEADER;
    const rest = p.view.getUint32(p.transport + 4);
    if (p.tail - at < IPV4_HEADER || (p.bytes[at]! & 15) < 5) {
      owner.inc(Icmp.InErrors);
      return;
    }
    let info = 0;
    if (type === IcmpType.destinationUnreachable) {
      if (code > UNREACHABLE_CODES) return;
      if ((code & 15) === Unreachable.fragmentationNeeded) {
        if (this.env.sysctl.values[Sysctl.ip_no_pmtu_disc]! >= 2) return;
        info = rest & 0xffff;
      }
    } else if (type === IcmpType.parameterProblem) info = rest >>> 24;
    else if (type === IcmpType.timeExceeded && code === TimeExceeded.reassembly) return;
    this.hand(p, owner, type, code, info);
  }

  private redirectIn(p: Packet, owner: Owner): void {
    const at = p.transport + ICMP_HEADER;
    if (p.tail - at < IPV4_HEADER || (p.bytes[at]! & 15) < 5) {
      owner.inc(Icmp.InErrors);
      return;
    }
    const code = p.bytes[p.transport + 1]!;
    const gateway = p.view.getUint32(p.transport + 4);
    if (!this.hand(p, owner, IcmpType.redirect, code, gateway)) return;
    const ours = p.view.getUint32(at + Ipv4At.source);
    if (code > 3 || !this.ip.isOwn(ours)) return;
    this.ip.redirect(IpAddress.v4(p.view.getUint32(at + Ipv4At.destination)), IpAddress.v4(gateway), p.src3);
  }

  /** icmp_socket_deliver: the quoted header and 8 octets more go to the protocol. False: too short, counted. */
  private hand(p: Packet, owner: Owner, type: number, code: number, info: number): boolean {
    const at = p.transport + ICMP_HEADER;
    const transport = at + (p.bytes[at]! & 15) * 4;
    if (p.tail - transport < 8) {
      owner.inc(Icmp.InErrors);
      return false;
    }
    const handler = this.ip.handlers[p.bytes[at + Ipv4At.protocol]!];
    if (!handler) return false;
    handler.icmpError(this.quote(p, at, transport, type, code, info));
    this.error.packet = null;
    return true;
  }

  /** The error in hand; what it quotes begins at `at`, the quoted transport header at `transport`. */
  private quote(p: Packet, at: number, transport: number, type: number, code: number, info: number): IcmpError {
    const e = this.error;
    e.family = 4;
    e.type = type;
    e.code = code;
    e.info = info;
    e.errno = icmpErrno(type, code);
    e.fatal = icmpFatal(type, code);
    e.local3 = p.view.getUint32(at + Ipv4At.source);
    e.remote3 = p.view.getUint32(at + Ipv4At.destination);
    e.local2 = e.remote2 = 0xffff;
    e.local0 = e.local1 = e.remote0 = e.remote1 = 0;
    e.packet = p;
    e.transport = transport;
    e.quoted = p.tail - transport;
    return e;
  }

  /** A reply that a ping socket here waits for; an error about something of ours; questions are answered by anybody. */
  ours(p: Packet): boolean {
    const type = p.tail - p.transport >= ICMP_HEADER ? p.bytes[p.transport]! : IcmpType.echo;
    if (type === IcmpType.echoReply || type === IcmpType.extendedEchoReply) return !!this.ping?.owner(p);
    return type > ICMP_KNOWN_TYPES || !isIcmpError(type) || this.quotesOurs(p, type);
  }
  private quotesOurs(p: Packet, type: number): boolean {
    const at = p.transport + ICMP_HEADER;
    if (p.tail - at < IPV4_HEADER || (p.bytes[at]! & 15) < 5) return true;
    const transport = at + (p.bytes[at]! & 15) * 4;
    const handler = this.ip.handlers[p.bytes[at + Ipv4At.protocol]!];
    if (p.tail - transport < 8 || !handler) return true;
    const answer = handler.quotes(this.quote(p, at, transport, type, p.bytes[p.transport + 1]!, 0));
    this.error.packet = null;
    return answer;
  }
  /** Of an answer of ours the path MTU is learned, by whoever it comes to. */
  quotes(e: IcmpError): boolean {
    return e.packet!.bytes[e.transport] === IcmpType.echoReply || !!this.ping?.quotes(e);
  }

  /** An error about an ICMP message of ours: a ping socket's request, or an answer of the kernel's. */
  icmpError(e: IcmpError): void {
    if (e.packet!.bytes[e.transport] !== IcmpType.echoReply) this.ping?.icmpError(e);
    else if (e.type === IcmpType.destinationUnreachable && e.code === Unreachable.fragmentationNeeded) {
      this.ip.updatePmtu(IpAddress.v4(e.remote3), e.info);
    }
  }

  // --- errors that go out

  /** Sends an error about `p` (header at p.network), if RFC 1122 3.2.2 and the limits let it. `info` is the rest-of-header word. */
  sendError(p: Packet, type: number, code: number, info: number): void {
    if (p.linkType !== LinkType.host || p.destination !== Destination.host) return;
    const v = p.view;
    const b = p.bytes;
    const at = p.network;
    if ((v.getUint16(at + Ipv4At.fragment) & IpFlag.offset) !== 0) return;
    if (b[at + Ipv4At.protocol] === Protocol.icmp && isIcmpError(type)) {
      const inner = at + (b[at]! & 15) * 4;
      if (inner >= p.tail || isIcmpError(b[inner]!)) return;
    }
    const limited = !p.device?.loopback && this.limit.limited(type, code);
    if (limited && !this.limit.global(this.unattributed)) return;
    const to = v.getUint32(at + Ipv4At.source);
    const from = v.getUint32(at + Ipv4At.destination);
    const route = this.routeBack(to, this.ip.isOwn(from) ? from : 0);
    if (!route) return;
    if (limited && !this.limit.destination(to, route.device.loopback, this.unattributed)) return;
    this.emitError(p, type, code, info, route);
  }

  private emitError(p: Packet, type: number, code: number, info: number, route: Route): void {
    const out = this.begin(p);
    if (!out) return;
    const room = Math.min(route.mtu(this.env.nowUs), ERROR_SIZE) - IPV4_HEADER - out.ipOptions - ICMP_HEADER;
    if (room <= IPV4_HEADER) return;
    const length = Math.min(p.tail - p.network, room);
    copyBytes(out.bytes, out.transport + ICMP_HEADER, p.bytes, p.network, length);
    out.tail = out.transport + ICMP_HEADER + length;
    emitIcmp(out, type, code, info);
    const tos = p.bytes[p.network + Ipv4At.tos]!;
    this.send(out, type, route, isIcmpError(type) ? (tos & TOS_MASK) | CONTROL : tos);
  }
}
