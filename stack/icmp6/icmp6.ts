/**
 * ICMPv6 (RFC 4443): answers echo requests, hands errors to the transport they quote, sends errors under the rules of 2.4, and passes
 * neighbour discovery and multicast listener messages to those who speak them.
 *
 * InMsgs counts what reached this layer, the slot of its type what had a sound checksum and a whole header; InErrors what could not be used.
 */
import { Icmp6, Icmp6Msg } from '../../mib/catalogue/index.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import { IpAddress } from '../core/address.js';
import { copyBytes } from '../core/bytes.js';
import type { Env } from '../core/env.js';
import { Csum, Destination, LinkType, Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import type { IcmpRateLimit } from '../icmp/rate-limit.js';
import { discarded, outputOrDiscard } from '../ip/discard.js';
import { IcmpError, type PingHandler, type ProtocolHandler, type Route, TX_TRANSPORT } from '../ip/protocol.js';
import type { RouteEntry } from '../ip/route.js';
import type { ErrorSender6, Ipv6Layer } from '../ip6/ipv6.js';
import {
  emitIcmp6,
  ICMP6_HEADER,
  Icmp6Type,
  icmp6ChecksumGood,
  icmp6Errno,
  icmp6Fatal,
  isIcmp6Error,
  Parameter6,
} from '../wire/icmp6.js';
import {
  IPV6_HEADER,
  IPV6_MIN_MTU,
  Ipv6At,
  isExtensionHeader,
  NextHeader,
  NOT_FOUND,
  skipExtensions,
  skipped,
} from '../wire/ipv6.js';

const MAX_MESSAGE = 65536;
/** 2 * SKB_TRUESIZE(64 KiB). */
const SEND_BUFFER = 132224;
/** Bits that ask for a message in an option type: "discard and tell, but not of groups" is not among them. */
const TELL = 0x80;

/** Who speaks what ICMPv6 carries. p.transport at the ICMPv6 header. */
export interface Icmp6Speaker {
  input(p: Packet, type: number): void;
  /** Another stack of this host takes it: what it teaches is learned, what it asks is not answered. */
  overhear(p: Packet, type: number): void;
}

export class Icmp6Layer implements ProtocolHandler, ErrorSender6 {
  readonly protocol = NextHeader.icmpv6;
  ping: PingHandler | null = null;
  /** Raw sockets. */
  raw: { hear(p: Packet): void } | null = null;
  /** Types 133 to 137. */
  discovery: Icmp6Speaker | null = null;
  /** Types 130 to 132 and 143. */
  listeners: Icmp6Speaker | null = null;
  /** Sends redirects; null before the stack has set it. */
  redirects: ((p: Packet, route: RouteEntry) => void) | null = null;
  private readonly env: Env;
  private readonly ip: Ipv6Layer;
  private readonly limit: IcmpRateLimit;
  private readonly unattributed: Owner;
  private readonly scratch = new Packet(TX_TRANSPORT + MAX_MESSAGE);
  private readonly error = new IcmpError();

  /** @param limit the host's bucket, which both families share */
  constructor(env: Env, ip: Ipv6Layer, limit: IcmpRateLimit) {
    this.env = env;
    this.ip = ip;
    this.limit = limit;
    this.unattributed = env.ledger.unattributed;
    ip.errors = this;
    ip.overhears = this;
    ip.register(this);
  }

  demux(p: Packet): Owner {
    const type = p.tail > p.transport ? p.bytes[p.transport]! : -1;
    if (this.ping && (type === Icmp6Type.echoReply || type === Icmp6Type.extendedEchoReply))
      return this.ping.owner(p) ?? this.unattributed;
    return this.unattributed;
  }

  input(p: Packet, owner: Owner): void {
    owner.inc(Icmp6.InMsgs);
    if (p.csum === Csum.none && !icmp6ChecksumGood(p)) {
      owner.inc(Icmp6.InCsumErrors);
      owner.inc(Icmp6.InErrors);
      return;
    }
    this.raw?.hear(p);
    if (p.tail - p.transport < ICMP6_HEADER) {
      owner.inc(Icmp6.InErrors);
      return;
    }
    const type = p.bytes[p.transport]!;
    owner.inc(Icmp6Msg.In + type);
    switch (type) {
      case Icmp6Type.echoRequest:
        this.echo(p);
        return;
      case Icmp6Type.echoReply:
      case Icmp6Type.extendedEchoReply:
        this.ping?.input(p, owner);
        return;
      default:
        if (isIcmp6Error(type)) this.errorIn(p, owner, type);
        else this.speakerOf(type)?.input(p, type); // RFC 4443 2.4 (b): unknown informational messages are discarded
    }
  }

  private speakerOf(type: number): Icmp6Speaker | null {
    if (type >= Icmp6Type.routerSolicitation && type <= Icmp6Type.redirect) return this.discovery;
    return type === Icmp6Type.listenerQuery || type === Icmp6Type.listenerReport ? this.listeners : null;
  }

  /** A message that another stack of this host takes and counts. */
  overhear(p: Packet): void {
    if (p.tail - p.transport < ICMP6_HEADER || (p.csum === Csum.none && !icmp6ChecksumGood(p))) return;
    const type = p.bytes[p.transport]!;
    this.speakerOf(type)?.overhear(p, type);
  }

  // --- echo

  private echo(p: Packet): void {
    const s = this.env.sysctl.values;
    if (s[Sysctl.ip6_echo_ignore_all] !== 0) return;
    const many = p.destination !== Destination.host;
    if (many && s[Sysctl.ip6_echo_ignore_multicast] !== 0) return;
    if (!this.mayBegin(Icmp6Type.echoReply, p)) return;
    const route = this.routeBack(p, !many);
    if (!route || !this.mayReach(Icmp6Type.echoReply, p, route)) return;
    const out = this.begin(route);
    const length = p.tail - p.transport;
    copyBytes(out.bytes, out.transport, p.bytes, p.transport, length);
    out.tail = out.transport + length;
    emitIcmp6(out, Icmp6Type.echoReply, 0, p.view.getUint32(p.transport + 4));
    this.send(out, Icmp6Type.echoReply, route, p.tos);
  }

  // --- sending

  /** A packet with the route's addresses, for a message that is to be emitted at out.transport. Without `out` the scratch packet. */
  begin(route: Route, out: Packet = this.scratch): Packet {
    out.reset(TX_TRANSPORT);
    out.transport = TX_TRANSPORT;
    out.protocol = NextHeader.icmpv6;
    this.address(out, route.source, route.destination);
    return out;
  }
  address(out: Packet, from: IpAddress, to: IpAddress): void {
    out.family = 6;
    out.src0 = from.w0;
    out.src1 = from.w1;
    out.src2 = from.w2;
    out.src3 = from.w3;
    out.dst0 = to.w0;
    out.dst1 = to.w1;
    out.dst2 = to.w2;
    out.dst3 = to.w3;
  }

  /** Sends a finished answer or error and counts it. */
  send(out: Packet, type: number, route: RouteEntry, tos: number): void {
    const u = this.unattributed;
    // what waits for a neighbour fills the send buffer of Linux's ICMPv6 socket
    if ((route.hop?.waitingBytes(NextHeader.icmpv6) ?? 0) >= SEND_BUFFER) {
      u.inc(Icmp6.OutErrors);
      discarded(this.ip, u);
      return;
    }
    u.inc(Icmp6.OutMsgs);
    u.inc(Icmp6Msg.Out + type);
    out.data = out.transport;
    out.df = false;
    outputOrDiscard(this.ip, out, route, u, this.ip.defaultTtl(route), tos);
  }

  /** Sends a finished message of the link, which counts when it has left. A listener report that has not is a discard, discovery's is nothing. */
  sendOnLink(out: Packet, type: number, route: RouteEntry, hopLimit: number): void {
    const u = this.unattributed;
    out.data = out.transport;
    out.df = false;
    const report = type < Icmp6Type.routerSolicitation || type > Icmp6Type.redirect;
    const error = report ? outputOrDiscard(this.ip, out, route, u, hopLimit, 0) : this.ip.output(out, route, u, hopLimit, 0);
    if (error < 0) return;
    u.inc(Icmp6.OutMsgs);
    u.inc(Icmp6Msg.Out + type);
  }

  /** The way back to the sender, from the address it asked when that is ours. */
  private routeBack(p: Packet, ours: boolean): RouteEntry | null {
    const to = new IpAddress(6, p.src0, p.src1, p.src2, p.src3);
    const from = ours && this.ip.isOwn(p.dst0, p.dst1, p.dst2, p.dst3) ? new IpAddress(6, p.dst0, p.dst1, p.dst2, p.dst3) : null;
    const route = this.ip.find(to, from);
    return typeof route === 'number' ? null : route;
  }

  // --- errors that come in

  /** icmpv6_notify: the quoted header and 8 octets more go to the protocol. */
  private errorIn(p: Packet, owner: Owner, type: number): void {
    const at = p.transport + ICMP6_HEADER;
    const transport = this.quotedTransport(p, at);
    const next = skipped.next;
    if (transport < 0 || p.tail - transport < 8) {
      owner.inc(Icmp6.InErrors);
      return;
    }
    this.ip.handlers[next]?.icmpError(this.quote(p, at, transport, type));
    this.error.packet = null;
  }

  /** The error in hand; what it quotes begins at `at`, the quoted transport header at `transport`. */
  private quote(p: Packet, at: number, transport: number, type: number): IcmpError {
    const e = this.error;
    const v = p.view;
    const code = p.bytes[p.transport + 1]!;
    e.family = 6;
    e.type = type;
    e.code = code;
    e.info = v.getUint32(p.transport + 4);
    e.errno = icmp6Errno(type, code);
    e.fatal = icmp6Fatal(type, code);
    e.local0 = v.getUint32(at + Ipv6At.source);
    e.local1 = v.getUint32(at + Ipv6At.source + 4);
    e.local2 = v.getUint32(at + Ipv6At.source + 8);
    e.local3 = v.getUint32(at + Ipv6At.source + 12);
    e.remote0 = v.getUint32(at + Ipv6At.destination);
    e.remote1 = v.getUint32(at + Ipv6At.destination + 4);
    e.remote2 = v.getUint32(at + Ipv6At.destination + 8);
    e.remote3 = v.getUint32(at + Ipv6At.destination + 12);
    e.packet = p;
    e.transport = transport;
    e.quoted = p.tail - transport;
    return e;
  }

  /** Where the transport header of the packet quoted at `at` begins, its kind in `skipped.next`; NOT_FOUND without. */
  private quotedTransport(p: Packet, at: number): number {
    if (p.tail - at < IPV6_HEADER) return NOT_FOUND;
    const next = p.bytes[at + Ipv6At.nextHeader]!;
    if (isExtensionHeader(next)) return skipExtensions(p, at + IPV6_HEADER, next, p.tail);
    skipped.next = next;
    return at + IPV6_HEADER;
  }

  /** An error about an ICMPv6 message of ours: a ping socket's request. */
  icmpError(e: IcmpError): void {
    const type = e.packet!.bytes[e.transport]!;
    if (type === Icmp6Type.echoRequest) this.ping?.icmpError(e);
    if (e.type === Icmp6Type.packetTooBig)
      this.ip.updatePmtu(new IpAddress(6, e.remote0, e.remote1, e.remote2, e.remote3), e.info);
  }

  /** A reply that a ping socket here waits for; an error about something of ours; everything else is handled by anybody. */
  ours(p: Packet): boolean {
    const type = p.tail - p.transport >= ICMP6_HEADER ? p.bytes[p.transport]! : Icmp6Type.echoRequest;
    if (type === Icmp6Type.echoReply || type === Icmp6Type.extendedEchoReply) return !!this.ping?.owner(p);
    return !isIcmp6Error(type) || this.quotesOurs(p, type);
  }
  private quotesOurs(p: Packet, type: number): boolean {
    const at = p.transport + ICMP6_HEADER;
    const transport = this.quotedTransport(p, at);
    const handler = transport < 0 ? null : this.ip.handlers[skipped.next];
    if (!handler || p.tail - transport < 8) return true;
    const answer = handler.quotes(this.quote(p, at, transport, type));
    this.error.packet = null;
    return answer;
  }
  /** Of an answer of ours the path MTU is learned, by whoever it comes to. */
  quotes(e: IcmpError): boolean {
    return e.packet!.bytes[e.transport] !== Icmp6Type.echoRequest || !!this.ping?.quotes(e);
  }

  // --- errors that go out

  /** Sends an error about `p` (header at p.network) when RFC 4443 2.4 (e) and the limits (f) let it. `info` is the rest-of-header word. */
  sendError(p: Packet, type: number, code: number, info: number): void {
    const many = p.linkType !== LinkType.host || p.bytes[p.network + Ipv6At.destination] === 0xff;
    if (many && !this.evenToMany(p, type, code, info)) return;
    if (p.src0 >>> 24 === 0xff || (p.src0 === 0 && p.src1 === 0 && p.src2 === 0 && p.src3 === 0)) return;
    if (this.aboutError(p)) return;
    if (!this.mayBegin(type, p)) return;
    const route = this.routeBack(p, !many);
    if (!route || !this.mayReach(type, p, route)) return;
    const out = this.begin(route);
    const length = Math.min(p.tail - p.network, IPV6_MIN_MTU - IPV6_HEADER - ICMP6_HEADER);
    copyBytes(out.bytes, out.transport + ICMP6_HEADER, p.bytes, p.network, length);
    out.tail = out.transport + ICMP6_HEADER + length;
    emitIcmp6(out, type, code, info);
    this.send(out, type, route, 0);
  }

  /** RFC 4443 2.4 (e.3): path MTU, and options whose type asks for it, are told of packets to groups too. */
  private evenToMany(p: Packet, type: number, code: number, info: number): boolean {
    if (type === Icmp6Type.packetTooBig) return true;
    if (type !== Icmp6Type.parameterProblem || code !== Parameter6.option) return false;
    return (p.bytes[p.network + info]! & 0xc0) === TELL;
  }

  /** RFC 4443 2.4 (e.1), (e.2): never about an error or a redirect. */
  private aboutError(p: Packet): boolean {
    const at = p.network;
    const next = p.bytes[at + Ipv6At.nextHeader]!;
    const upper = skipExtensions(p, at + IPV6_HEADER, next, p.tail);
    if (skipped.next !== NextHeader.icmpv6) return false;
    if (upper !== NOT_FOUND && upper < p.tail) return isIcmp6Error(p.bytes[upper]!);
    // not there to be read: of a fragment it may come later (RFC 8200 4.5), else it may have been an error
    return !skipped.fragmented || p.view.getUint16(skipped.fragmentAt + 2) === 0;
  }

  /** Is the type limited (net.ipv6.icmp.ratemask: all errors but "too big")? */
  private limited(type: number): boolean {
    return isIcmp6Error(type) && type !== Icmp6Type.packetTooBig;
  }
  private mayBegin(type: number, p: Packet): boolean {
    if (!this.limited(type) || p.device?.loopback) return true;
    return this.limit.global(this.unattributed);
  }
  /** One bucket per destination; a wider route has a larger one (icmpv6_xrlim_allow). */
  private mayReach(type: number, p: Packet, route: RouteEntry): boolean {
    if (!this.limited(type) || p.device?.loopback) return true;
    const prefix = route.entry ? route.entry.prefix : 128;
    const costUs = (this.env.sysctl.values[Sysctl.ip6_ratelimit]! * 1000) / 2 ** ((128 - prefix) >> 5);
    const peer = this.ip.peers.get(route.destination.toString(), this.env.nowUs);
    return this.limit.peer(peer, costUs, route.device.loopback, this.unattributed, Icmp6.OutRateLimitHost);
  }

  redirect(p: Packet, route: RouteEntry): void {
    this.redirects?.(p, route);
  }
}
