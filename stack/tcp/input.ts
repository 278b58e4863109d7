import type { Packet } from '../core/packet.js';
import type { TcpHeader } from '../wire/tcp.js';
import type { Connection } from './connection.js';
export function segmentInput(c: Connection, p: Packet, h: TcpHeader): void {
  void c;
  void p;
  void h;
}
