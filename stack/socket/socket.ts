/**
 * The socket contract inside the worker: non-blocking BSD semantics with Linux's numbers. Calls return a count, 0 or -errno and never
 * throw; readiness is poll(2)'s bits, and `onReady` is called when bits that were clear become set (edge). The oracles drive this
 * interface; services and the façades for other threads sit on it.
 */
import type { IpAddress } from '../core/address.js';

export const Poll = Object.freeze({ IN: 1, PRI: 2, OUT: 4, ERR: 8, HUP: 16, RDHUP: 0x2000 });
export const Msg = Object.freeze({
  OOB: 1,
  PEEK: 2,
  DONTROUTE: 4,
  TRUNC: 0x20,
  DONTWAIT: 0x40,
  EOR: 0x80,
  WAITALL: 0x100,
  ERRQUEUE: 0x2000,
  NOSIGNAL: 0x4000,
  MORE: 0x8000,
  ZEROCOPY: 0x4000000,
  FASTOPEN: 0x20000000,
});
export const Shutdown = Object.freeze({ RD: 0, WR: 1, RDWR: 2 });

/** Option levels: SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_IPV6. */
export const Level = Object.freeze({ SOCKET: 1, IP: 0, TCP: 6, UDP: 17, IPV6: 41 });
/** SOL_SOCKET options. */
export const So = Object.freeze({
  DEBUG: 1,
  REUSEADDR: 2,
  TYPE: 3,
  ERROR: 4,
  DONTROUTE: 5,
  BROADCAST: 6,
  SNDBUF: 7,
  RCVBUF: 8,
  KEEPALIVE: 9,
  OOBINLINE: 10,
  NO_CHECK: 11,
  PRIORITY: 12,
  LINGER: 13,
  BSDCOMPAT: 14,
  REUSEPORT: 15,
  PEERCRED: 17,
  RCVLOWAT: 18,
  SNDLOWAT: 19,
  RCVTIMEO: 20,
  SNDTIMEO: 21,
  BINDTODEVICE: 25,
  ATTACH_FILTER: 26,
  DETACH_FILTER: 27,
  PEERNAME: 28,
  TIMESTAMP: 29,
  ACCEPTCONN: 30,
  SNDBUFFORCE: 32,
  RCVBUFFORCE: 33,
  TIMESTAMPNS: 35,
  MARK: 36,
  TIMESTAMPING: 37,
  PROTOCOL: 38,
  DOMAIN: 39,
  RXQ_OVFL: 40,
  WIFI_STATUS: 41,
  PEEK_OFF: 42,
  NOFCS: 43,
  LOCK_FILTER: 44,
  SELECT_ERR_QUEUE: 45,
  BUSY_POLL: 46,
  MAX_PACING_RATE: 47,
  BPF_EXTENSIONS: 48,
  INCOMING_CPU: 49,
  ATTACH_REUSEPORT_CBPF: 51,
  CNX_ADVICE: 53,
  MEMINFO: 55,
  INCOMING_NAPI_ID: 56,
  COOKIE: 57,
  PEERGROUPS: 59,
  ZEROCOPY: 60,
  TXTIME: 61,
  BINDTOIFINDEX: 62,
  TIMESTAMP_NEW: 63,
  TIMESTAMPNS_NEW: 64,
  RCVTIMEO_NEW: 66,
  SNDTIMEO_NEW: 67,
  DETACH_REUSEPORT_BPF: 68,
  PREFER_BUSY_POLL: 69,
  BUSY_POLL_BUDGET: 70,
  NETNS_COOKIE: 71,
  BUF_LOCK: 72,
  RESERVE_MEM: 73,
  TXREHASH: 74,
  RCVMARK: 75,
  PASSPIDFD: 76,
  PEERPIDFD: 77,
  RCVPRIORITY: 82,
  PASSRIGHTS: 83,
});
export const IpOpt = Object.freeze({
  TOS: 1,
  TTL: 2,
  RETOPTS: 7,
  MTU_DISCOVER: 10,
  RECVERR: 11,
  RECVTTL: 12,
  MTU: 14,
  FREEBIND: 15,
  MINTTL: 21,
  BIND_ADDRESS_NO_PORT: 24,
  MULTICAST_IF: 32,
  MULTICAST_TTL: 33,
  MULTICAST_LOOP: 34,
  ADD_MEMBERSHIP: 35,
  DROP_MEMBERSHIP: 36,
  MULTICAST_ALL: 49,
});
export const Ip6Opt = Object.freeze({
  UNICAST_HOPS: 16,
  MULTICAST_IF: 17,
  MULTICAST_HOPS: 18,
  MULTICAST_LOOP: 19,
  JOIN_GROUP: 20,
  LEAVE_GROUP: 21,
  MTU_DISCOVER: 23,
  MTU: 24,
  RECVERR: 25,
  V6ONLY: 26,
  MULTICAST_ALL: 29,
  DONTFRAG: 62,
  TCLASS: 67,
  MINHOPCOUNT: 73,
  FREEBIND: 78,
});
export const TcpOpt = Object.freeze({
  NODELAY: 1,
  MAXSEG: 2,
  CORK: 3,
  KEEPIDLE: 4,
  KEEPINTVL: 5,
  KEEPCNT: 6,
  SYNCNT: 7,
  LINGER2: 8,
  DEFER_ACCEPT: 9,
  WINDOW_CLAMP: 10,
  INFO: 11,
  QUICKACK: 12,
  CONGESTION: 13,
  MD5SIG: 14,
  THIN_LINEAR_TIMEOUTS: 16,
  THIN_DUPACK: 17,
  USER_TIMEOUT: 18,
  REPAIR: 19,
  REPAIR_QUEUE: 20,
  QUEUE_SEQ: 21,
  REPAIR_OPTIONS: 22,
  FASTOPEN: 23,
  TIMESTAMP: 24,
  NOTSENT_LOWAT: 25,
  CC_INFO: 26,
  SAVE_SYN: 27,
  SAVED_SYN: 28,
  REPAIR_WINDOW: 29,
  FASTOPEN_CONNECT: 30,
  ULP: 31,
  FASTOPEN_KEY: 33,
  FASTOPEN_NO_COOKIE: 34,
  ZEROCOPY_RECEIVE: 35,
  INQ: 36,
  TX_DELAY: 37,
  AO_ADD_KEY: 38,
  AO_DEL_KEY: 39,
  AO_INFO: 40,
  AO_GET_KEYS: 41,
  AO_REPAIR: 42,
  IS_MPTCP: 43,
  RTO_MAX_MS: 44,
  RTO_MIN_US: 45,
  DELACK_MAX_US: 46,
});

/** Level 17 and, for UDP-Lite sockets, 136 alike; the coverages are UDP-Lite's. */
export const UdpOpt = Object.freeze({ CORK: 1, SEND_CSCOV: 10, RECV_CSCOV: 11, SEGMENT: 103, GRO: 104 });

/**
 * An option's value: a number, text (congestion control), bytes, or two numbers: SO_LINGER [onoff, seconds], SO_RCVTIMEO and SO_SNDTIMEO
 * [seconds, microseconds].
 */
export type OptionValue = number | string | Uint8Array | readonly [number, number];

/** tcp_info under Linux's field names, µs where Linux has µs; only numbers. */
export type TcpInfo = Record<string, number>;

export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
}

export interface SocketBase {
  readonly family: 4 | 6;
  /** Poll bits that are true now. */
  poll(): number;
  /** Called with the bits that have become true. One listener; set by whoever drives the socket. */
  onReady: (bits: number) => void;
  bind(address: IpAddress | null, port: number): number;
  connect(address: IpAddress | null, port: number): number;
  shutdown(how: number): number;
  /** Ends the socket for its owner. Always succeeds; the connection may live on (orphan). */
  close(): void;
  setOption(level: number, name: number, value: OptionValue): number;
  /** The value, or -errno as a number when `getOptionError` says so: { errno } or { value }. */
  getOption(level: number, name: number): { readonly errno: number } | { readonly value: OptionValue | TcpInfo };
  localName(): Endpoint | null;
  peerName(): Endpoint | null;
}

export interface StreamSocket extends SocketBase {
  listen(backlog: number): number;
  /** The next established connection, or -errno. */
  accept(): StreamSocket | number;
  /** Queues bytes to send: how many, or -errno (EAGAIN, EPIPE, ENOTCONN, the pending error). */
  send(from: Uint8Array, at: number, length: number, flags: number): number;
  /** Fast Open: connect with data. */
  sendTo(from: Uint8Array, at: number, length: number, flags: number, to: Endpoint): number;
  /** Bytes read, 0 at end of stream, or -errno. */
  receive(into: Uint8Array, at: number, length: number, flags: number): number;
  /** SIOCINQ and SIOCOUTQ. */
  readable(): number;
  unsent(): number;
  /** TcpState number. */
  readonly state: number;
}

/** A datagram that was received. Reused by the caller. */
export class ReceivedFrom {
  address: IpAddress | null = null;
  port = 0;
  /** Full length of the datagram, even when cut. */
  length = 0;
  flags = 0;
  /** UDP_GRO's control message: several datagrams of this size, the last one perhaps shorter, came as one; 0 for one by itself. */
  segmentSize = 0;
}

export interface DatagramSocket extends SocketBase {
  /**
   * Sends one datagram: its length or -errno. `to` null: to the connected peer. `segmentSize` is UDP_SEGMENT's control message: cut it into
   * datagrams of this size, 0 not at all; without it the socket's option holds. `departUs` is SCM_TXTIME's, in µs of the stack's clock: not before
   * then does it leave the device (EINVAL without SO_TXTIME).
   */
  sendTo(
    from: Uint8Array,
    at: number,
    length: number,
    flags: number,
    to: Endpoint | null,
    segmentSize?: number,
    departUs?: number,
  ): number;
  receiveFrom(into: Uint8Array, at: number, length: number, flags: number, info: ReceivedFrom): number;
  /** Length of the next datagram (SIOCINQ). */
  readable(): number;
}

/** Makes sockets: what oracles, services and façades are given. */
export interface SocketFactory {
  tcp(family: 4 | 6): StreamSocket;
  udp(family: 4 | 6): DatagramSocket;
  /** Ping socket (SOCK_DGRAM, IPPROTO_ICMP). */
  ping(family: 4 | 6): DatagramSocket;
}
