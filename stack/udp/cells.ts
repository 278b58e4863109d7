/** The counters of one of the four UDP groups: UDP and UDP-Lite have separate MIBs, and so have IPv4 and IPv6. */
import { Udp, Udp6, UdpLite, UdpLite6 } from '../../mib/catalogue/index.js';

export interface UdpCells {
  readonly InDatagrams: number;
  readonly NoPorts: number;
  readonly InErrors: number;
  readonly OutDatagrams: number;
  readonly RcvbufErrors: number;
  readonly SndbufErrors: number;
  readonly InCsumErrors: number;
  readonly MemErrors: number;
  /** -1: the kernel prints no such counter for UDP-Lite over IPv6. */
  readonly IgnoredMulti: number;
}

const lite6: UdpCells = Object.freeze({ ...UdpLite6, IgnoredMulti: -1 });

/** By the family of the packet, not of the socket: a dual-stack socket moves both groups. */
export function udpCells(protocol: number, family: number): UdpCells {
  if (protocol === UDPLITE) return family === 4 ? UdpLite : lite6;
  return family === 4 ? Udp : Udp6;
}

export const UDP = 17;
export const UDPLITE = 136;
