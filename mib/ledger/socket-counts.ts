/** How many rows there are, by what they are: counted in place, from the few words of each header that are looked at. */
import { Col, RowKind } from './layout.js';

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

/** Adds the row whose header begins at `at`. @param queuesOnly it shows as a part of another row: what waits in it counts, itself not */
export function countSocket(s: SocketCounts, ints: Int32Array, at: number, queuesOnly = false): void {
  const kind = ints[at + Col.kind]!;
  const six = ints[at + Col.family] === 6;
  const one = queuesOnly ? 0 : 1;
  const received = ints[at + Col.recvQ]! >>> 0;
  const sent = ints[at + Col.sendQ]! >>> 0;
  switch (ints[at + Col.protocol]) {
    case 6: {
      const state = ints[at + Col.state]!;
      if (state > 0 && state < s.tcpStates.length) s.tcpStates[state]! += one;
      if (kind === RowKind.timeWait || kind === RowKind.request) return;
      if (six) s.tcp6 += one;
      else s.tcp4 += one;
      if (kind === RowKind.listener) return; // its queues hold connections
      s.tcpReceiveQueue += received;
      s.tcpSendQueue += sent;
      return;
    }
    case 17:
      if (six) {
        s.udp6 += one;
        s.udp6ReceiveQueue += received;
        s.udp6SendQueue += sent;
      } else {
        s.udp4 += one;
        s.udp4ReceiveQueue += received;
        s.udp4SendQueue += sent;
      }
      return;
    case 136:
      if (six) s.udpLite6 += one;
      else s.udpLite4 += one;
      return;
    case 1:
    case 58:
      s.ping += one;
  }
}
