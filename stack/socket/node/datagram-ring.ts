/**
 * Datagrams in a ByteRing: records that never wrap, each 8-byte aligned.
 *
 *   0 size of the record, or SKIP: go on at the start   4 payload length   8 segment size (0: one datagram), later the status (0 or errno,
 *   by the reader)   12 family * 65536 + port   16 address, four host-order words                    32 payload
 */
import { IpAddress } from '../../core/address.js';
import type { ByteRing } from './ring.js';

const HEADER = 32;
const SKIP = -1;
/** The largest UDP payload over IPv4 is 65507 octets. */
export const LARGEST_DATAGRAM = 65527;

const sizeOf = (length: number) => (HEADER + length + 7) & ~7;

/** Where records begin and what they say. One on each side of a ring. */
export class DatagramRing {
  readonly ring: ByteRing;
  private readonly view: DataView;

  constructor(ring: ByteRing) {
    this.ring = ring;
    this.view = new DataView(ring.bytes.buffer, ring.bytes.byteOffset, ring.capacity);
  }

  /** Writer: where the payload of a datagram of this length may be put, or -1 when there is no room now. */
  reserve(length: number): number {
    const size = sizeOf(length);
    const at = this.ring.writeAt();
    const toEnd = this.ring.capacity - at;
    if (size <= toEnd) return this.ring.free() >= size ? at + HEADER : -1;
    if (this.ring.free() < toEnd + size) return -1;
    this.view.setInt32(at, SKIP, true);
    this.ring.produced(toEnd);
    return HEADER;
  }

  /** Writer: the payload is in its place. */
  commit(length: number, address: IpAddress, port: number, segmentSize = 0): void {
    const at = this.ring.writeAt();
    const v = this.view;
    v.setInt32(at, sizeOf(length), true);
    v.setInt32(at + 4, length, true);
    v.setInt32(at + 8, segmentSize, true);
    v.setInt32(at + 12, address.family * 65536 + port, true);
    v.setUint32(at + 16, address.w0, true);
    v.setUint32(at + 20, address.w1, true);
    v.setUint32(at + 24, address.w2, true);
    v.setUint32(at + 28, address.w3, true);
    this.ring.produced(sizeOf(length));
  }

  /** Reader: offset of the first record, or -1 when none waits. */
  first(): number {
    for (;;) {
      if (this.ring.used() === 0) return -1;
      const at = this.ring.readAt();
      if (this.view.getInt32(at, true) !== SKIP) return at;
      this.ring.consumed(this.ring.capacity - at);
    }
  }
  length(record: number): number {
    return this.view.getInt32(record + 4, true);
  }
  payloadAt(record: number): number {
    return record + HEADER;
  }
  segmentSize(record: number): number {
    return this.view.getInt32(record + 8, true);
  }
  port(record: number): number {
    return this.view.getInt32(record + 12, true) & 0xffff;
  }
  address(record: number): IpAddress {
    const v = this.view;
    const family = v.getInt32(record + 12, true) >>> 16 === 6 ? 6 : 4;
    const at = record + 16;
    return new IpAddress(
      family,
      v.getUint32(at, true),
      v.getUint32(at + 4, true),
      v.getUint32(at + 8, true),
      v.getUint32(at + 12, true),
    );
  }
  /** Reader: done with the first record; `status` tells the writer what became of it. */
  release(record: number, status: number): void {
    const size = this.view.getInt32(record, true);
    this.view.setInt32(record + 8, status, true);
    this.ring.consumed(size);
  }

  /** Writer: what became of the record written at ring position `position`, which the reader has released and nothing has overwritten. */
  statusAt(position: number): number {
    return this.view.getInt32((position & (this.ring.capacity - 1)) + 8, true);
  }
}
