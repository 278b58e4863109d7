/**
 * What of IPv6 is handled here and what by another stack of this host: ip/sharing.ts for its chain of headers. Pieces of one packet meet at
 * a home that addresses and identification say; an atomic fragment is none (RFC 6946). Discovery and MLD teach all stacks, unless they are
 * for a group that this host is not in.
 */
import { Destination, type Packet } from '../core/packet.js';
import type { Siblings } from '../core/siblings.js';
import { Sharing } from '../ip/sharing.js';
import { teachesAll } from '../wire/icmp6.js';
import { Frag6, isExtensionHeader, NextHeader, NOT_FOUND, skipExtensions, skipped } from '../wire/ipv6.js';
import type { Ipv6Layer } from './ipv6.js';

/** Our own message of the link that came back: what goes with PassKind.looped. */
export const NOT_ROUTED = 1;

export class Sharing6 extends Sharing {
  private readonly ip: Ipv6Layer;

  constructor(ip: Ipv6Layer, siblings: Siblings) {
    super(siblings, ip.handlers);
    this.ip = ip;
  }

  /**
   * True when another stack has the packet now, or it is lost.
   * @param next the kind of the header at p.transport
   * @param size octets of the IP packet as it came, padding included
   */
  elsewhere(p: Packet, next: number, kind: number, size: number, hops: number, note: number): boolean {
    const s = this.siblings;
    if (s.isLast(hops)) return false;
    const at = p.transport;
    let protocol = next;
    if (isExtensionHeader(next)) {
      const upper = skipExtensions(p, at, next, p.tail);
      if (upper === NOT_FOUND) return false;
      if (skipped.fragmented && isPiece(p, skipped.fragmentAt)) return this.fragment(p, kind, size, this.homeOf(p));
      protocol = skipped.next;
      p.transport = upper;
    }
    const teaches = protocol === NextHeader.icmpv6 && p.tail > p.transport && teachesAll(p.bytes[p.transport]!);
    const gone = teaches ? this.teach(p, kind, size) : this.byOwner(p, protocol, kind, size, hops, note);
    p.transport = at;
    return gone;
  }

  private homeOf(p: Packet): number {
    const from = p.src0 ^ p.src1 ^ p.src2 ^ p.src3;
    const to = p.dst0 ^ p.dst1 ^ p.dst2 ^ p.dst3;
    return this.siblings.fragmentHome(from, to, NextHeader.fragment, p.view.getUint32(skipped.fragmentAt + 4));
  }

  private teach(p: Packet, kind: number, size: number): false {
    const hears = p.destination !== Destination.multicast || this.ip.isMember(p.device!, p.dst0, p.dst1, p.dst2, p.dst3);
    return hears && this.show(p, kind, size);
  }
}

/** Is the fragment header there one of a packet in several pieces? */
function isPiece(p: Packet, at: number): boolean {
  return (p.view.getUint16(at + 2) & (Frag6.offset | Frag6.more)) !== 0;
}
