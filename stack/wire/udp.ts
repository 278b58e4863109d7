/**
 * The headers of UDP (RFC 768) and UDP-Lite (RFC 3828 3.1), which differ in one word only: UDP's length is UDP-Lite's checksum coverage.
 * One reused record; `parse` is the only bounds check and does not judge.
 */
import type { Packet } from '../core/packet.js';

export const UDP_HEADER = 8;
/** Offset of the checksum field. */
export const UDP_CSUM = 6;

export class UdpHeader {
  sourcePort = 0;
  destinationPort = 0;
  /** UDP: header and data in octets. UDP-Lite: how many octets the checksum covers, 0 for all. */
  length = 0;
  checksum = 0;

  /** False: shorter than a header. */
  parse(p: Packet): boolean {
    const at = p.transport;
    if (p.tail - at < UDP_HEADER) return false;
    const v = p.view;
    this.sourcePort = v.getUint16(at);
    this.destinationPort = v.getUint16(at + 2);
    this.length = v.getUint16(at + 4);
    this.checksum = v.getUint16(at + UDP_CSUM);
    p.payload = at + UDP_HEADER;
    return true;
  }
}

/** Writes the header at p.transport; the checksum field is left 0. */
export function emitUdp(p: Packet, sourcePort: number, destinationPort: number, length: number): void {
  const v = p.view;
  const at = p.transport;
  v.setUint16(at, sourcePort);
  v.setUint16(at + 2, destinationPort);
  v.setUint16(at + 4, length);
  v.setUint16(at + UDP_CSUM, 0);
}
