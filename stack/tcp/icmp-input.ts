import type { IcmpError } from '../ip/protocol.js';
import type { Connection } from './connection.js';
export function icmpErrorInput(c: Connection, e: IcmpError): void {
  void c;
  void e;
}
