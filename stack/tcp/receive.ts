import type { Connection } from './connection.js';
export function receiveBytes(c: Connection, into: Uint8Array, at: number, length: number, flags: number): number {
  void [c, into, at, length, flags];
  return 0;
}
