/** How many sockets there are, by what they are: the gauges that the writer keeps (gauges.ts) by their names. */
import { Gauge } from './layout.js';
import type { RowView } from './row-view.js';

/** Numbers of TcpState, 0 to 12. */
const TCP_STATES = 13;

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
  /** Pages of 4096 octets that TCP's queues take (tcp_mem). */
  tcpPages: number;
  udp4ReceiveQueue: number;
  udp4SendQueue: number;
  udp6ReceiveQueue: number;
  udp6SendQueue: number;
}

/** @param gauges a snapshot's */
export function socketCounts(gauges: Float64Array): SocketCounts {
  const g = (at: number) => gauges[at]!;
  return {
    tcpStates: [...gauges.subarray(Gauge.tcpState, Gauge.tcpState + TCP_STATES)],
    tcp4: g(Gauge.tcp4),
    tcp6: g(Gauge.tcp6),
    udp4: g(Gauge.udp4),
    udp6: g(Gauge.udp6),
    udpLite4: g(Gauge.udpLite4),
    udpLite6: g(Gauge.udpLite6),
    ping: g(Gauge.ping),
    tcpReceiveQueue: g(Gauge.tcpReceiveQueue),
    tcpSendQueue: g(Gauge.tcpSendQueue),
    tcpPages: g(Gauge.tcpPages),
    udp4ReceiveQueue: g(Gauge.udp4ReceiveQueue),
    udp4SendQueue: g(Gauge.udp4SendQueue),
    udp6ReceiveQueue: g(Gauge.udp6ReceiveQueue),
    udp6SendQueue: g(Gauge.udp6SendQueue),
  };
}

/** A listener or an endpoint that shows as a part of another row: what waits in it counts, itself not. */
export function uncountPart(s: SocketCounts, part: RowView): void {
  const six = part.family === 6;
  switch (part.protocol) {
    case 6:
      s.tcpStates[part.state]! -= 1;
      if (six) s.tcp6--;
      else s.tcp4--;
      return;
    case 17:
      if (six) s.udp6--;
      else s.udp4--;
      return;
    case 136:
      if (six) s.udpLite6--;
      else s.udpLite4--;
      return;
    default:
      s.ping--;
  }
}
