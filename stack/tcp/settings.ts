/**
 * What socket options leave behind. One record per socket; a child shares its listener's record until one of the two changes an option
 * (then it is copied), so that an idle accepted connection pays nothing for options that nobody set.
 */
import { Sysctl, type SysctlTable } from '../core/sysctl.js';
import type { SocketFilter } from '../socket/filter.js';
import { PmtuDiscovery } from '../socket/ip-options.js';
import { type Kept, NOTHING_KEPT } from '../socket/option.js';
import type { AoInfo } from './ao/key.js';
import type { SignatureKey } from './signature.js';

export class TcpSettings {
  // SOL_SOCKET
  reuseAddress = false;
  reusePort = false;
  keepAlive = false;
  lingerOn = false;
  lingerSeconds = 0;
  /** Bytes, overhead included, as getsockopt shows them (twice what was set). */
  sndbuf: number;
  rcvbuf: number;
  /** Set by the user: auto-tuning keeps off. */
  sndbufLocked = false;
  rcvbufLocked = false;
  rcvlowat = 1;
  oobInline = false;
  priority = 0;
  mark = 0;
  /** SO_MAX_PACING_RATE, bytes per second; Infinity without. `paced` since it was first set to less, for good. */
  maxPacingRate = Number.POSITIVE_INFINITY;
  paced = false;
  boundDevice = 0;
  /** SOF_TIMESTAMPING_* bits. */
  timestamping = 0;
  /** SO_RCVTIMEO and SO_SNDTIMEO, 0 without: kept for whoever waits on top, as calls here never wait. */
  receiveTimeoutUs = 0;
  sendTimeoutUs = 0;
  zeroCopy = false;
  /** SO_TXREHASH: a bad path may be left for another (tx-hash.ts). */
  txRehash: boolean;
  // IPPROTO_IP
  tos = 0;
  /** -1: net.ipv4.ip_default_ttl. */
  ttl = -1;
  minTtl = 0;
  pmtuDiscovery: number;
  recvErr = false;
  freeBind = false;
  bindAddressNoPort = false;
  // IPPROTO_TCP
  noDelay = false;
  cork = false;
  /** TCP_MAXSEG, 0 without. */
  userMss = 0;
  /** Seconds; 0: the sysctl. */
  keepIdle = 0;
  keepInterval = 0;
  keepCount = 0;
  /** SYN retries, 0: the sysctl. */
  synCount = 0;
  /** Seconds in FIN-WAIT-2 for an orphan: 0 the sysctl, -1 not at all. */
  linger2 = 0;
  /** SYN-ACK retransmissions to wait for data, 0 without. */
  deferAccept = 0;
  windowClamp = 0;
  userTimeoutMs = 0;
  /** TCP_QUICKACK 0 before the connection: its first ACK waits for data. */
  pingpong = false;
  /** Index in CongestionNames; -1: the sysctl. */
  congestion = -1;
  /** TCP_NOTSENT_LOWAT, bytes; 0: the sysctl. */
  notSentLowat = 0;
  thinLinearTimeouts = false;
  /** TCP_RTO_MIN_US, TCP_RTO_MAX_MS, TCP_DELACK_MAX_US; 0: the sysctl, or Linux's constant. */
  rtoMinUs = 0;
  rtoMaxMs = 0;
  delackMaxUs = 0;
  txDelayUs = 0;
  fastOpenConnect = false;
  fastOpenNoCookie = false;
  saveSyn = 0;
  /** TCP_MD5SIG (RFC 2385): replaced as a whole when a key changes. */
  signatureKeys: readonly SignatureKey[] | null = null;
  /** TCP-AO (RFC 5925): this socket's keys, shared by no other socket. */
  ao: AoInfo | null = null;
  inq = false;
  /** SO_ATTACH_FILTER: what of a segment the socket sees; children inherit it. */
  filter: SocketFilter | null = null;
  filterLocked = false;
  /** SO_ATTACH_REUSEPORT_CBPF before listen: what its group begins with. */
  groupProgram: SocketFilter | null = null;
  /** SO_PEEK_OFF: where peeking begins, -1 without. A connection's moves (rare.ts). */
  peekOffset = -1;
  /** Options that are given back as they were set and have no effect; replaced as a whole. */
  kept: Kept = NOTHING_KEPT;

  constructor(sysctl: SysctlTable) {
    this.sndbuf = sysctl.values[Sysctl.tcp_wmem + 1]!;
    this.rcvbuf = sysctl.values[Sysctl.tcp_rmem + 1]!;
    this.txRehash = sysctl.values[Sysctl.txrehash] !== 0;
    this.pmtuDiscovery = sysctl.values[Sysctl.ip_no_pmtu_disc] ? PmtuDiscovery.dont : PmtuDiscovery.want;
  }

  clone(): TcpSettings {
    return Object.assign(Object.create(TcpSettings.prototype) as TcpSettings, this);
  }
}
