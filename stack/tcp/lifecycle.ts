import type { Packet } from '../core/packet.js';
import type { Route } from '../ip/protocol.js';
import type { TcpHeader } from '../wire/tcp.js';
import type { Connection } from './connection.js';
import type { Request } from './request.js';
export function connectActive(c: Connection, route: Route, from: Uint8Array | null, at: number, n: number): number {
  void [c, route, from, at, n];
  return 0;
}
export function adoptRequest(c: Connection, r: Request, p: Packet, h: TcpHeader): void {
  void [c, r, p, h];
}
export function closeConnection(c: Connection): void {
  void c;
}
export function disconnect(c: Connection, errno: number): void {
  void [c, errno];
}
export function shutdownSend(c: Connection): void {
  void c;
}
export function destroy(c: Connection): void {
  void c;
}
