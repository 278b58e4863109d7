/** What every door shows of one moment: the answer of the view. */
import type { InterfaceDto } from '../mib/dto.js';
import type { Snapshot } from '../mib/snapshot.js';

/** How many rows there are, by what they are. */
export interface SocketCounts {
  /** TCP rows by TcpState number (1 ESTABLISHED … 12 NEW_SYN_RECV), both families; TIME-WAIT and requests included. */
  readonly tcpStates: number[];
  /** TCP sockets, i.e. rows but TIME-WAIT and requests. */
  tcp4: number;
  tcp6: number;
  udp4: number;
  udp6: number;
  udpLite4: number;
  udpLite6: number;
  /** Ping sockets, both families. */
  ping: number;
  /** Octets in the queues of TCP connections, and of UDP endpoints by family. */
  tcpReceiveQueue: number;
  tcpSendQueue: number;
  udp4ReceiveQueue: number;
  udp4SendQueue: number;
  udp6ReceiveQueue: number;
  udp6SendQueue: number;
}

export function noSockets(): SocketCounts {
  return {
    tcpStates: new Array<number>(13).fill(0),
    tcp4: 0,
    tcp6: 0,
    udp4: 0,
    udp6: 0,
    udpLite4: 0,
    udpLite6: 0,
    ping: 0,
    tcpReceiveQueue: 0,
    tcpSendQueue: 0,
    udp4ReceiveQueue: 0,
    udp4SendQueue: 0,
    udp6ReceiveQueue: 0,
    udp6SendQueue: 0,
  };
}

export interface Moment {
  readonly snapshot: Snapshot;
  /** Identity and state of the devices, with the counters of the snapshot. */
  readonly interfaces: readonly InterfaceDto[];
  readonly sockets: SocketCounts;
  readonly rows: { readonly used: number; readonly max: number; readonly exhausted: number };
}
