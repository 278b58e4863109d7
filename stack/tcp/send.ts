import type { Connection } from './connection.js';
export function sendBytes(c: Connection, from: Uint8Array, at: number, length: number, flags: number): number {
  void [c, from, at, length, flags];
  return 0;
}
