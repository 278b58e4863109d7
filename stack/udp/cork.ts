/**
 * A datagram under construction (UDP_CORK, MSG_MORE): its route, destination and segment size are the first call's, and every further call
 * appends, whatever destination it names. Made at a socket's first use and kept, with its buffer, for the next.
 */
import { copyBytes } from '../core/bytes.js';
import type { NetworkLayer, Route } from '../ip/protocol.js';

const FIRST_BYTES = 2048;

export class Cork {
  /** A datagram is waiting for its end. */
  open = false;
  network: NetworkLayer;
  route: Route;
  port = 0;
  segmentSize = 0;
  /** The largest packet of the path when it was begun. */
  mtu = 0;
  bytes: Uint8Array = new Uint8Array(FIRST_BYTES);
  length = 0;

  constructor(network: NetworkLayer, route: Route) {
    this.network = network;
    this.route = route;
  }

  begin(network: NetworkLayer, route: Route, port: number, segmentSize: number, mtu: number): void {
    this.open = true;
    this.network = network;
    this.route = route;
    this.port = port;
    this.segmentSize = segmentSize;
    this.mtu = mtu;
    this.length = 0;
  }

  append(from: Uint8Array, at: number, length: number): void {
    const end = this.length + length;
    if (end > this.bytes.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.bytes.length));
      copyBytes(larger, 0, this.bytes, 0, this.length);
      this.bytes = larger;
    }
    copyBytes(this.bytes, this.length, from, at, length);
    this.length = end;
  }
}
