/** What socket options leave behind in a datagram socket. */
import type { IpAddress } from '../core/address.js';
import { Sysctl, type SysctlTable } from '../core/sysctl.js';
import type { SocketFilter } from '../socket/filter.js';
import { PmtuDiscovery } from '../socket/ip-options.js';
import { type Kept, NOTHING_KEPT } from '../socket/option.js';

export class UdpSettings {
  reuseAddress = false;
  reusePort = false;
  broadcast = false;
  v6Only = false;
  freeBind = false;
  recvErr = false;
  noCheckTx = false;
  boundDevice = 0;
  receiveBuffer: number;
  sendBuffer: number;
  /** -1: the stack's default. */
  ttl = -1;
  tos = 0;
  pmtuDiscovery: number = PmtuDiscovery.want;
  multicastTtl = 1;
  multicastLoop = true;
  multicastAll = true;
  multicastSource: IpAddress | null = null;
  /** UDP-Lite checksum coverage: of what is sent (0 all), and the least that is accepted. */
  sendCoverage = 0;
  receiveCoverage = 0;
  multicastIndex = 0;
  /** The program that its group begins with. */
  groupProgram: SocketFilter | null = null;
  /** SO_ATTACH_FILTER: what of a datagram the socket sees. */
  filter: SocketFilter | null = null;
  filterLocked = false;
  /** SO_PEEK_OFF: how many bytes of the queue the next peek passes over, -1: none, and peeks do not move it. */
  peekOffset = -1;
  priority = 0;
  mark = 0;
  receiveTimeoutUs = 0;
  sendTimeoutUs = 0;
  sndbufLocked = false;
  rcvbufLocked = false;
  kept: Kept = NOTHING_KEPT;
  /** UDP_GRO: super-frames come whole. */
  gro = false;
  /** UDP_SEGMENT: what is sent is cut into datagrams of this size; 0: not. */
  segmentSize = 0;
  /** UDP_CORK: what is sent gathers in `cork` until the option is taken back. */
  corked = false;

  constructor(sysctl: SysctlTable) {
    this.receiveBuffer = sysctl.values[Sysctl.rmem_default]!;
    this.sendBuffer = sysctl.values[Sysctl.wmem_default]!;
    this.pmtuDiscovery = sysctl.values[Sysctl.ip_no_pmtu_disc] ? PmtuDiscovery.dont : PmtuDiscovery.want;
  }
}
