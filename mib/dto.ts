/**
 * The JSON that the daemon's REST doors speak and the command line reads: one declaration for both sides.
 *
 *   GET /api/v1/counters                    CountersDto
 *   GET /api/v1/counters/owners             CounterOwnersDto
 *   GET /api/v1/connections                 ConnectionsDto (connections, listeners, endpoints, TIME-WAIT, requests; ?closed=true: history)
 *   GET /api/v1/connections/{id}/counters   ConnectionCountersDto (id `row.generation`, or the 4-tuple `local-remote`)
 *   GET /api/v1/interfaces                  InterfacesDto
 *   GET /api/v1/routes                      RoutesDto
 *   GET /api/v1/neighbours                  NeighboursDto
 *   GET /api/v1/groups                      GroupsOfInterfacesDto
 *   GET /api/v1/trace?probe=NAME&probe=…    Server-Sent Events: `data:` TraceEventDto; `event: gap` with `data:` TraceGapDto
 *
 * Numbers are plain JSON numbers: cells are exact integers below 2^53. Times are RFC 3339 in UTC.
 */

/** In front of every answer: which snapshot it was made from. */
export interface SnapshotDto {
  /** Number of the snapshot; rises by at least one with each. */
  snapshot: number;
  takenAt: string;
  /** When counting began: the discontinuity time of every counter. */
  startedAt: string;
  /** False when the stack did not answer in time and the live cells were read. */
  consistent: boolean;
}

/** Group, then the kernel's spelling, in print order. IcmpMsg and Icmp6 also hold `InType<n>`/`OutType<n>` where nonzero. */
export type GroupsDto = Record<string, Record<string, number>>;

export interface CountersDto extends SnapshotDto {
  counters: GroupsDto;
}

/**
 * To whom the counters belong. With the stack at rest, for every counter: rows + closed + unattributed = counters (a name that is missing is
 * 0). While it works, rows are a little later than the rest. Constants are nobody's events and left out.
 */
export interface CounterOwnersDto extends SnapshotDto {
  counters: GroupsDto;
  /** Sums over all connections, listeners and endpoints there are. */
  rows: GroupsDto;
  /** Of those that have ended. */
  closed: GroupsDto;
  /** What none of them caused. */
  unattributed: GroupsDto;
}

export interface EndpointDto {
  /** Printable; `0.0.0.0` or `::` when not bound or not connected. */
  address: string;
  /** 0 when not bound or not connected. */
  port: number;
}

export type RowKindDto = 'connection' | 'listener' | 'endpoint' | 'time-wait' | 'request';
export type ProtocolDto = 'tcp' | 'udp' | 'udplite' | 'icmp';
/** netstat -o's words; `keepalive` is also the SYN-ACK timer of a listener's request. */
export type TimerKindDto = 'off' | 'on' | 'keepalive' | 'timewait' | 'probe';

export interface ConnectionDto {
  /** `row.generation`. */
  id: string;
  kind: RowKindDto;
  protocol: ProtocolDto;
  family: 4 | 6;
  /** `10.77.0.2:80-10.77.0.1:45678`, local end first; IPv6 in brackets. */
  name: string;
  local: EndpointDto;
  remote: EndpointDto;
  /** netstat's word: ESTABLISHED, LISTEN, TIME_WAIT …; empty for an endpoint that is not connected. */
  state: string;
  /** ifindex it is bound to, 0 for any. */
  interface: number;
  inode: number;
  uid: number;
  /** Octets received and not yet read; for a listener the connections that wait to be accepted. */
  recvQ: number;
  /** Octets written and not yet acknowledged; for a listener its backlog. */
  sendQ: number;
  timer: { kind: TimerKindDto; expiresInMs: number; retransmits: number; probes: number };
  /** Did this end open it? */
  active: boolean;
  /** id of the listener a passive connection came from, null without or when that is gone. */
  listener: string | null;
  createdAt: string | null;
  establishedAt: string | null;
  closedAt: string | null;
  /** tcp_info under Linux's names (tcpi_rto, tcpi_rtt in µs, …) and `drops`. */
  info: Record<string, number>;
}

export interface ConnectionsDto extends SnapshotDto {
  connections: ConnectionDto[];
  /** Give it back as `cursor` to get what follows; null at the end. */
  next: string | null;
}

export interface ConnectionCountersDto extends SnapshotDto {
  connection: ConnectionDto;
  /** True when the row is read from the history of closed ones. */
  closed: boolean;
  /** Every group; the row's own cells, the global constants, 0 where rows own nothing. */
  counters: GroupsDto;
}

/** The words of ip(8); dadfailed is an address that another host was found to have, and not used. IPv4's are always preferred. */
export type AddressStateDto = 'tentative' | 'preferred' | 'deprecated' | 'dadfailed';

/** An interface without its counters, which are in the ledger. */
export type DeviceIdentity = Omit<InterfaceDto, 'counters'>;

export interface InterfaceDto {
  index: number;
  name: string;
  mac: string;
  mtu: number;
  up: boolean;
  running: boolean;
  loopback: boolean;
  broadcast: boolean;
  multicast: boolean;
  promiscuous: boolean;
  addresses: { address: string; prefix: number; state: AddressStateDto }[];
  /** By the names of mib/catalogue/interface.ts: rxBytes, rxPackets, … */
  counters: Record<string, number>;
}

export interface InterfacesDto extends SnapshotDto {
  interfaces: InterfaceDto[];
}

export interface RouteDto {
  family: 4 | 6;
  destination: string;
  prefix: number;
  /** null for a route on the link. */
  gateway: string | null;
  interface: string;
  metric: number;
  /** netstat's letters: U up, G gateway, H host, ! reject; of IPv6 also n no next hop (an own address), A and D advertised by a router. */
  flags: string;
}

export interface RoutesDto extends SnapshotDto {
  routes: RouteDto[];
}

export interface NeighbourDto {
  family: 4 | 6;
  address: string;
  /** null while it is not known. */
  mac: string | null;
  interface: string;
  /** Linux's words: INCOMPLETE, REACHABLE, STALE, DELAY, PROBE, FAILED, PERMANENT. */
  state: string;
  /** It has said that it is a router (IPv6). */
  router: boolean;
}

export interface NeighboursDto extends SnapshotDto {
  neighbours: NeighbourDto[];
}

/** A multicast group that an interface is in. */
export interface GroupDto {
  family: 4 | 6;
  interface: string;
  group: string;
  /** How many joined it; with several queues the most of one. */
  users: number;
}

export interface GroupsOfInterfacesDto extends SnapshotDto {
  groups: GroupDto[];
}

/** The connection (or, without a row, the addresses of the packet at hand) an event was made on. */
export interface TraceConnectionDto {
  /** null when no row owns the event. */
  id: string | null;
  protocol: string;
  family: 4 | 6;
  local: EndpointDto;
  remote: EndpointDto;
  /** netstat's word at the time of the event; empty without a row. */
  state: string;
}

export interface TracePacketDto {
  direction: 'in' | 'out';
  /** Interface name. */
  device: string;
  /** Octets of payload. */
  length: number;
  /** TCP flags as letters in the order F S R P A U E C, `-` for none. */
  flags: string;
  seq: number;
  ack: number;
  window: number;
}

export interface TraceEventDto {
  /** `Tcp.RetransSegs`, or an event probe such as `tcp:state-change`. */
  probe: string;
  time: string;
  /** µs of the stack's clock. */
  timeUs: number;
  /** The counter's increment (negative when a gauge falls); arg0 of an event probe. */
  increment: number;
  /** Second argument of an event probe (the new state of tcp:state-change), else 0. */
  arg1: number;
  /** null for an event without addresses. */
  connection: TraceConnectionDto | null;
  packet: TracePacketDto | null;
}

/** Events that found the ring full. `lost` is the sum of their increments: events + gaps = the counter's delta. */
export interface TraceGapDto {
  probe: string;
  lost: number;
  /** How many events that were. */
  events: number;
}

/** application/problem+json (RFC 9457). */
export interface ProblemDto {
  type: string;
  title: string;
  status: number;
  detail?: string;
}
