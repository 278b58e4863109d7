/**
 * Forwarding (RFC 8200 3, 5; RFC 4443 3; RFC 4861 8.2): hop limit, path MTU, redirects, scopes. Off unless net.ipv6.conf.all.forwarding is
 * set.
 */
import { Ip6 } from '../../mib/catalogue/index.js';
import { IpAddress } from '../core/address.js';
import { LinkType, type Packet } from '../core/packet.js';
import type { NetDevice } from '../ip/device.js';
import { segmentLength } from '../ip/segmentation.js';
import { Icmp6Type, TimeExceeded6, Unreachable6 } from '../wire/icmp6.js';
import { IPV6_MIN_MTU, Ipv6At } from '../wire/ipv6.js';
import { isLinkLocal, isLoopback6 } from '../wire/scope6.js';
import type { Ipv6Layer } from './ipv6.js';

export class Forwarder6 {
  private readonly ip: Ipv6Layer;

  constructor(ip: Ipv6Layer) {
    this.ip = ip;
  }

  /** A packet whose destination lies elsewhere; InReceives has been counted. */
  forward(p: Packet, device: NetDevice): void {
    const ip = this.ip;
    const u = ip.env.ledger.unattributed;
    if (p.linkType !== LinkType.host) return;
    if (p.ttl <= 1) {
      u.inc(Ip6.InHdrErrors);
      ip.sendError(p, Icmp6Type.timeExceeded, TimeExceeded6.hopLimit, 0);
      return;
    }
    const route = ip.find(new IpAddress(6, p.dst0, p.dst1, p.dst2, p.dst3), null);
    if (typeof route === 'number') return;
    if (route.device === device) {
      if (route.entry !== null) ip.errors.redirect(p, route);
    } else if (!this.mayLeave(p)) {
      u.inc(Ip6.InAddrErrors);
      return;
    }
    u.inc(Ip6.OutForwDatagrams);
    // Linux asks the link here, and the route only where its MTU is locked; a path that is narrower is found out on the way out
    const link = route.entry?.metrics.mtuLocked ? route.mtu(ip.env.nowUs) : ip.mtuOf(route.device);
    if (this.tooBig(p, link)) {
      u.inc(Ip6.InTooBigErrors);
      return;
    }
    p.bytes[p.network + Ipv6At.hopLimit] = p.ttl - 1;
    if (this.tooBig(p, route.mtu(ip.env.nowUs))) return;
    p.data = p.network;
    ip.transmit(p, route, u);
  }

  private tooBig(p: Packet, wanted: number): boolean {
    const mtu = Math.max(wanted, IPV6_MIN_MTU);
    if ((p.gsoSize > 0 ? segmentLength(p) : p.tail - p.network) <= mtu) return false;
    this.ip.env.ledger.unattributed.inc(Ip6.FragFails);
    this.ip.sendError(p, Icmp6Type.packetTooBig, 0, mtu);
    return true;
  }

  /** Sources that mean nothing beyond their link (RFC 4291 2.5.2, 2.5.3, 2.5.6). */
  private mayLeave(p: Packet): boolean {
    if (p.src0 >>> 24 === 0xff || isLoopback6(p.src0, p.src1, p.src2, p.src3)) return false;
    if (p.src0 === 0 && p.src1 === 0 && p.src2 === 0 && p.src3 === 0) return false;
    if (!isLinkLocal(p.src0)) return true;
    this.ip.sendError(p, Icmp6Type.destinationUnreachable, Unreachable6.beyondScope, 0);
    return false;
  }
}
