/** The contracts between the network layers and what lies above and beside them. No implementation here, so that nobody imports upward. */
import type { Owner } from '../../mib/ledger/ledger.js';
import type { IpAddress } from '../core/address.js';
import type { Packet } from '../core/packet.js';
import type { NetDevice } from './device.js';

/** An ICMP error that quotes a packet of ours. Reused: valid during the call. */
export class IcmpError {
  family = 4;
  type = 0;
  code = 0;
  /** Next-hop MTU of "fragmentation needed", pointer of "parameter problem", gateway of "redirect" (type 5, which is no error). */
  info = 0;
  /** Linux's mapping of type and code, and whether it ends a connection (icmp_err_convert). */
  errno = 0;
  fatal = false;
  /** The quoted packet: our address first. The quoted transport header starts at `transport` of `packet` and is `quoted` bytes long. */
  local0 = 0;
  local1 = 0;
  local2 = 0;
  local3 = 0;
  remote0 = 0;
  remote1 = 0;
  remote2 = 0;
  remote3 = 0;
  packet: Packet | null = null;
  transport = 0;
  quoted = 0;
}

/** A transport protocol as the network layer sees it. */
export interface ProtocolHandler {
  readonly protocol: number;
  /**
   * Whose packet is this? Called once per inbound packet after the network header was checked and before anything is counted, so that
   * InReceives and the rest land on the right row. `p.transport` and `p.tail` are set; the transport header may be short or wrong: then,
   * and when nobody owns it, the answer is the unattributed owner. May remember the socket it found for the `input` that follows at once.
   */
  demux(p: Packet): Owner;
  /** The packet was for us: InDelivers has been counted on `owner`. */
  input(p: Packet, owner: Owner): void;
  icmpError(e: IcmpError): void;
  /**
   * Asked only where several stacks are one host: is the packet that `demux` has just looked at to be handled here? False: somebody else may
   * know better.
   */
  ours(p: Packet): boolean;
  /** The same of an ICMP error: does it quote something of this stack's? */
  quotes(e: IcmpError): boolean;
}

/**
 * Ping sockets as the ICMP layer sees them. An echo reply (or extended echo reply) that came in has been counted already: InMsgs and the
 * type's slot on the owner that `demux` of the ICMP layer took from `owner(p)`.
 */
export interface PingHandler {
  /** Whose reply is this? p.transport at the ICMP header, which may be short. Null: nobody's. */
  owner(p: Packet): Owner | null;
  /** The reply: the ICMP header at p.transport, its rest up to p.tail. False: nobody took it. */
  input(p: Packet, owner: Owner): boolean;
  /** An ICMP error that quotes an ICMP message of ours (not an echo reply). */
  icmpError(e: IcmpError): void;
  /** Does it quote a request of a socket here? */
  quotes(e: IcmpError): boolean;
}

/** A way to a destination. Kept by connections; `generation` tells when to look again. */
export interface Route {
  readonly device: NetDevice;
  readonly destination: IpAddress;
  readonly source: IpAddress;
  /** Next hop on the link: the gateway, or the destination itself. */
  readonly nextHop: IpAddress;
  /** Destination.host, broadcast or multicast. */
  readonly kind: number;
  /** To an address of our own: through the loopback device. */
  readonly local: boolean;
  /** Path MTU: the device's, or what ICMP said (expires). */
  mtu(nowUs: number): number;
  /** Metrics of the route, 0 without: advmss, the first windows in segments, floor of the time-out. */
  readonly advmss: number;
  readonly initcwnd: number;
  readonly initrwnd: number;
  readonly rtoMinUs: number;
  /** Still what a look-up would answer. */
  valid(): boolean;
  /** Tells the neighbour table that the next hop was heard of by forward progress (MSG_CONFIRM). */
  confirm(): void;
  /** Does a packet of this owner still wait for the neighbour's address? Linux's skb_still_in_host_queue (TCPSpuriousRtxHostQueues). */
  waits(owner: Owner): boolean;
  /** Octets of data of this owner that still wait there, and `overhead` for each packet of it (Linux's sk_wmem_alloc). */
  heldData(owner: Owner, overhead: number): number;
  /** All that waits there of this owner's packets, as Linux charges it. */
  heldBytes(owner: Owner): number;
  /** What waits there of one protocol's packets, as Linux charges it. */
  waitingBytes(protocol: number): number;
}

/** What transports ask of IPv4 and IPv6 alike. */
export interface NetworkLayer {
  readonly family: 4 | 6;
  /** 20 or 40. */
  readonly headerLength: number;
  register(handler: ProtocolHandler): void;
  /** A route or -errno (ENETUNREACH, EHOSTUNREACH, EACCES for broadcast without leave, EADDRNOTAVAIL, EINVAL). A failure counts OutNoRoutes on `owner` when `count`. */
  route(destination: IpAddress, source: IpAddress | null, owner: Owner, count: boolean): Route | number;
  /**
   * Sends what lies between data (the transport header) and tail: puts the network header before it, fragments, resolves the neighbour,
   * counts OutRequests and all that follows on `owner`. The packet's csum, gso, df fields are the transport's to set; ttl and tos are
   * arguments. 0 or -errno (EMSGSIZE when df forbids, ENOBUFS). The packet is the caller's again on return.
   */
  output(p: Packet, route: Route, owner: Owner, ttl: number, tos: number): number;
  /** TTL or hop limit of what nobody set one for. */
  defaultTtl(route: Route): number;
  /** A path MTU that ICMP reported for a destination (RFC 1191); kept for mtu_expires. */
  updatePmtu(destination: IpAddress, mtu: number): void;
  /** Is it an address of this host (unicast)? */
  isLocal(address: IpAddress): boolean;
  /** An ICMP error about an inbound packet (rate limits and RFC 1122 3.2.2 rules are the callee's). */
  sendError(p: Packet, type: number, code: number, info: number): void;
  /** The device with an index; null without. */
  deviceAt(index: number): NetDevice | null;
  deviceNamed(name: string): NetDevice | null;
  /** Membership of a group on a device; counted, one `leave` for each `join`. */
  joinGroup?(device: NetDevice, group: IpAddress): void;
  leaveGroup?(device: NetDevice, group: IpAddress): void;
}

/** Who tells routers of groups that are joined and left (IGMP and MLD, one floor up). */
export interface GroupReporter {
  joined(device: NetDevice, group: IpAddress): void;
  left(device: NetDevice, group: IpAddress): void;
}

/** First byte of the transport header in a packet to send: room for the largest network header, Ethernet and a virtio header before it. */
export const TX_TRANSPORT = 120;
