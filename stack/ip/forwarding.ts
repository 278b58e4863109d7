/**
 * Forwarding (RFC 1812 5.2.1, 5.3.1, 5.2.7): TTL, path MTU, redirects to a sender that took a detour, and the answers to what cannot be
 * forwarded. Off unless net.ipv4.ip_forward is set.
 */
import { Ip } from '../../mib/catalogue/index.js';
import type { Packet } from '../core/packet.js';
import { LinkType } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import { IpFlag, Ipv4At, refreshChecksum } from '../wire/ipv4.js';
import type { NetDevice } from './device.js';
import type { Ipv4Layer } from './ipv4.js';
import type { RouteEntry } from './route.js';
import { segmentLength } from './segmentation.js';

/** Linux's defaults for redirects (net.ipv4.route): silence, number, load; and for unreachables: cost and burst. */
const REDIRECT_SILENCE_US = 20_480_000;
const REDIRECT_NUMBER = 9;
const REDIRECT_LOAD_US = 20_000;
const ERROR_COST_US = 1_000_000;
const ERROR_BURST = 5;
const REDIRECT = 5;

export class Forwarder {
  private readonly ip: Ipv4Layer;

  constructor(ip: Ipv4Layer) {
    this.ip = ip;
  }

  /** A packet whose destination lies elsewhere; InReceives has been counted, and its options worked in. */
  forward(p: Packet, device: NetDevice): void {
    const ip = this.ip;
    const u = ip.env.ledger.unattributed;
    if (p.linkType !== LinkType.host) return;
    if (p.ttl <= 1) {
      u.inc(Ip.InHdrErrors);
      ip.sendError(p, 11, 0, 0);
      return;
    }
    const route = ip.routeTo(p.dst3);
    if (typeof route === 'number') return;
    u.inc(Ip.ForwDatagrams);
    const mtu = route.entry && route.entry.metrics.mtu > 0 ? route.mtu(ip.env.nowUs) : route.device.mtu;
    const df = (p.view.getUint16(p.network + Ipv4At.fragment) & IpFlag.df) !== 0;
    if (df && (p.gsoSize > 0 ? segmentLength(p) : p.tail - p.network) > mtu) {
      u.inc(Ip.FragFails);
      ip.sendError(p, 3, 4, mtu);
      return;
    }
    p.bytes[p.network + Ipv4At.ttl] = p.ttl - 1;
    if (route.device === device && this.detour(p, route)) this.redirect(p, route);
    refreshChecksum(p, p.network);
    p.data = p.network;
    ip.transmit(p, route, u);
  }

  /** The sender is on the same link as the next hop: it could have gone there itself. */
  private detour(p: Packet, route: RouteEntry): boolean {
    if (this.ip.env.sysctl.values[Sysctl.send_redirects] === 0) return false;
    const e = this.ip.table.lookup4(p.src3);
    return e !== null && e.device === route.device && e.gateway === null;
  }

  /** At most nine redirects to a host, each later than the one before by twice the time (ip_rt_send_redirect). */
  private redirect(p: Packet, route: RouteEntry): void {
    const now = this.ip.env.nowUs;
    const peer = this.ip.peers.get(p.src3, now);
    if (now > peer.lastUs + REDIRECT_SILENCE_US) {
      peer.tokensUs = 0;
      peer.redirects = 0;
    }
    if (peer.redirects >= REDIRECT_NUMBER) {
      peer.lastUs = now;
      return;
    }
    if (peer.redirects > 0 && now <= peer.lastUs + REDIRECT_LOAD_US * 2 ** peer.redirects) return;
    refreshChecksum(p, p.network);
    this.ip.sendError(p, REDIRECT, 1, route.nextHop.w3);
    peer.lastUs = now;
    peer.redirects++;
  }

  /** Says that there is no way there, when this host is a router (ip_error). */
  refuse(p: Packet, code: number): void {
    if (this.ip.env.sysctl.values[Sysctl.ip_forward] === 0) return;
    const now = this.ip.env.nowUs;
    if (this.ip.peers.get(p.src3, now).allow(now, ERROR_COST_US, ERROR_BURST)) this.ip.sendError(p, 3, code, 0);
  }
}
