import type { Connection } from './connection.js';
export class ReceiveQueue {
  available(c: Connection): number {
    return (c.rcvNxt - c.copiedSeq) >>> 0;
  }
}
