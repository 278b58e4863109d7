/**
 * How Linux sends what is a datagram by itself (ip_send_skb, ip6_send_skb: UDP's, ping sockets', ICMP's): one that could not leave is
 * discarded by IP, and counted so. TCP sends again what was lost; IGMP and neighbour discovery let it be: they call `output` themselves.
 */
import { Ip, Ip6 } from '../../mib/catalogue/index.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import type { Packet } from '../core/packet.js';
import type { NetworkLayer, Route } from './protocol.js';

export function outputOrDiscard(network: NetworkLayer, p: Packet, route: Route, owner: Owner, ttl: number, tos: number): number {
  const error = network.output(p, route, owner, ttl, tos);
  if (error < 0) discarded(network, owner);
  return error;
}

/** A datagram that ends here for want of room. */
export function discarded(network: NetworkLayer, owner: Owner): void {
  owner.inc(network.family === 4 ? Ip.OutDiscards : Ip6.OutDiscards);
}
