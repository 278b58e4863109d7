/**
 * Datagrams for a socket with a filter (SO_ATTACH_FILTER). The program sees the UDP header and what follows; what it cuts off, the reader never sees,
 * but the header stays. A datagram that it refuses is InErrors and the socket's drop. No program sees one whose checksum is wrong.
 */
import { copyBytes } from '../core/bytes.js';
import { Gso, type Packet } from '../core/packet.js';
import type { SocketFilter } from '../socket/filter.js';
import { UDP_HEADER } from '../wire/udp.js';
import type { UdpCells } from './cells.js';
import { pagedTruesize, truesize } from './datagram-queue.js';
import type { UdpSocket } from './socket.js';

const LENGTH_AT = 4;
const under = new Uint8Array(UDP_HEADER);

export function deliverFiltered(
  s: UdpSocket,
  filter: SocketFilter,
  p: Packet,
  sourcePort: number,
  cells: UdpCells,
  good: boolean,
): void {
  if (!good) {
    s.owner.inc(cells.InCsumErrors);
    refuse(s, cells);
  } else if (p.gsoType !== Gso.udpL4) pass(s, filter, p, sourcePort, cells, truesize(p.tail - p.network), 0);
  else if (s.gro) pass(s, filter, p, sourcePort, cells, pagedTruesize(p.tail - p.payload), p.gsoSize);
  else segments(s, filter, p, sourcePort, cells);
}

function refuse(s: UdpSocket, cells: UdpCells): void {
  s.owner.inc(cells.InErrors);
  s.dropped();
}

/** Others may hear the same packet: it is left as it was. */
function pass(
  s: UdpSocket,
  filter: SocketFilter,
  p: Packet,
  sourcePort: number,
  cells: UdpCells,
  size: number,
  gsoSize: number,
): void {
  const tail = p.tail;
  const keep = filter.run(p, p.transport);
  if (keep === 0) refuse(s, cells);
  else {
    p.tail = Math.min(tail, p.transport + Math.max(keep, UDP_HEADER));
    s.deliver(p, sourcePort, size, false, gsoSize);
    p.tail = tail;
  }
}

/** Each datagram of a super-frame by itself, with its header put right before its bytes while the program looks. */
function segments(s: UdpSocket, filter: SocketFilter, p: Packet, sourcePort: number, cells: UdpCells): void {
  const { transport, payload, tail } = p;
  for (let at = payload; at < tail; at += p.gsoSize) {
    const head = at - UDP_HEADER;
    copyBytes(under, 0, p.bytes, head, UDP_HEADER);
    copyBytes(p.bytes, head, p.bytes, transport, UDP_HEADER);
    p.transport = head;
    p.payload = at;
    p.tail = Math.min(at + p.gsoSize, tail);
    p.view.setUint16(head + LENGTH_AT, p.tail - head);
    pass(s, filter, p, sourcePort, cells, pagedTruesize(p.tail - at), 0);
    copyBytes(p.bytes, head, under, 0, UDP_HEADER);
  }
  p.transport = transport;
  p.payload = payload;
  p.tail = tail;
}
