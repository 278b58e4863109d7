/**
 * Extension headers of a packet that came in (RFC 8200 4.2 to 4.4, 4.6; RFC 5095: no source routes; RFC 4942 2.1.9.5 on padding), judged in
 * Linux's order and with its limits. What is refused is counted InHdrErrors by the caller's owner, once.
 */
import { Ip6 } from '../../mib/catalogue/index.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import { Destination, LinkType, type Packet } from '../core/packet.js';
import { Icmp6Type, Parameter6 } from '../wire/icmp6.js';
import { IPV6_HEADER, Ipv6At } from '../wire/ipv6.js';
import type { Ipv6Layer } from './ipv6.js';

const Option = Object.freeze({ pad1: 0, padN: 1, routerAlert: 5, calipso: 7, jumbo: 0xc2 });
/** Options that a header may hold (net.ipv6.max_hbh_opts_number, max_dst_opts_number), and bytes of padding in a row. */
const MAX_OPTIONS = 8;
const MAX_PADDING = 7;
const MAX_PAYLOAD = 65535;
const RoutingType = Object.freeze({ rpl: 3, segments: 4 });

/** The packet ends here: it was counted and, where the RFC wants it, answered. */
export const REFUSED = -1;

export class ExtensionHeaders {
  /** The last hop-by-hop header had a router alert (MLD). */
  routerAlert = false;
  private readonly ip: Ipv6Layer;
  private readonly unattributed: Owner;

  constructor(ip: Ipv6Layer) {
    this.ip = ip;
    this.unattributed = ip.env.ledger.unattributed;
  }

  /** The header at p.transport; moves p.transport behind it. The next header, or REFUSED. */
  hopByHop(p: Packet): number {
    this.routerAlert = false;
    return this.options(p, true);
  }
  destinationOptions(p: Packet): number {
    return this.options(p, false);
  }

  private options(p: Packet, hopByHop: boolean): number {
    const at = p.transport;
    const length = p.tail - at >= 8 ? (p.bytes[at + 1]! + 1) * 8 : 0;
    if (length === 0 || p.tail - at < length || !this.walk(p, at + 2, at + length, hopByHop)) {
      this.unattributed.inc(Ip6.InHdrErrors);
      return REFUSED;
    }
    p.transport = at + length;
    return p.bytes[at]!;
  }

  private walk(p: Packet, from: number, end: number, hopByHop: boolean): boolean {
    const b = p.bytes;
    let padding = 0;
    let options = 0;
    let i = from;
    while (i < end) {
      const type = b[i]!;
      if (type === Option.pad1) {
        if (++padding > MAX_PADDING) return false;
        i++;
        continue;
      }
      if (end - i < 2) return false;
      const size = b[i + 1]! + 2;
      if (size > end - i) return false;
      if (type === Option.padN) {
        padding += size;
        if (padding > MAX_PADDING) return false;
        for (let k = 2; k < size; k++) if (b[i + k] !== 0) return false;
      } else {
        if (++options > MAX_OPTIONS) return false;
        if (!this.option(p, i, type, hopByHop)) return false;
        padding = 0;
      }
      i += size;
    }
    return true;
  }

  private option(p: Packet, at: number, type: number, hopByHop: boolean): boolean {
    if (hopByHop && type === Option.routerAlert) {
      this.routerAlert = p.bytes[at + 1] === 2;
      return this.routerAlert;
    }
    if (hopByHop && type === Option.jumbo) return this.jumbo(p, at);
    // RFC 5570: a label of a domain that nobody has defined, which is any, is refused in silence, as a kernel with NetLabel does
    if (hopByHop && type === Option.calipso) return false;
    return this.unknown(p, at, type);
  }

  /** RFC 8200 4.2: the two high bits of an unknown option say what to do. */
  private unknown(p: Packet, at: number, type: number): boolean {
    const action = type >> 6;
    if (action === 0) return true;
    if (action === 2 || (action === 3 && p.bytes[p.network + Ipv6At.destination] !== 0xff))
      this.complain(p, Parameter6.option, at);
    return false;
  }

  /** RFC 2675: no frame here is as long as a jumbogram; what claims to be one is refused. */
  private jumbo(p: Packet, at: number): boolean {
    if (p.bytes[at + 1] !== 4 || ((at - p.network) & 3) !== 2) return false;
    const length = p.view.getUint32(at + 2);
    if (length <= MAX_PAYLOAD) this.complain(p, Parameter6.field, at + 2);
    else if (p.view.getUint16(p.network + Ipv6At.payloadLength) !== 0) this.complain(p, Parameter6.field, at);
    else if (length > p.tail - p.network - IPV6_HEADER) this.unattributed.inc(Ip6.InTruncatedPkts);
    return false;
  }

  /** The routing header at p.transport (RFC 8200 4.4, 5095): passed over when nothing is left of its route. The next header, or REFUSED. */
  routing(p: Packet): number {
    const at = p.transport;
    const b = p.bytes;
    const length = p.tail - at >= 8 ? (b[at + 1]! + 1) * 8 : 0;
    if (length === 0 || p.tail - at < length) {
      this.unattributed.inc(Ip6.InHdrErrors);
      return REFUSED;
    }
    if (p.linkType !== LinkType.host || p.destination !== Destination.host) {
      this.unattributed.inc(Ip6.InAddrErrors);
      return REFUSED;
    }
    const type = b[at + 2]!;
    // routes of segments and of RPL are taken only where they were allowed (seg6_enabled, rpl_seg_enabled), and else dropped without a count
    if (type === RoutingType.segments || type === RoutingType.rpl) return REFUSED;
    if (b[at + 3] !== 0) {
      this.unattributed.inc(Ip6.InHdrErrors);
      this.complain(p, Parameter6.field, at + 3);
      return REFUSED;
    }
    p.transport = at + length;
    return b[at]!;
  }

  private complain(p: Packet, code: number, at: number): void {
    this.ip.sendError(p, Icmp6Type.parameterProblem, code, at - p.network);
  }
}
