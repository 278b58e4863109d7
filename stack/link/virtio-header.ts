/**
 * struct virtio_net_hdr (virtio 1.2, 5.1.6), 10 bytes before every frame of a TAP with IFF_VNET_HDR: what is left to do on the frame's
 * checksum, and the size at which a super-frame is to be cut.
 *
 *   0 flags   1 gso_type   2 hdr_len   4 gso_size   6 csum_start   8 csum_offset       (all but the bytes in the machine's order)
 *
 * csum_start and hdr_len count from the Ethernet header; a packet's `csumStart` counts, as its other offsets do, from the store's start.
 * Received super-frames always come with NEEDS_CSUM, so that csum_start is their transport header.
 */
import { Csum, Gso, type Packet } from '../core/packet.js';

export const VIRTIO_HEADER = 10;

const NEEDS_CSUM = 1;
const DATA_VALID = 2;
/** gso_type's bit for "the first segment carries CWR"; segments after it must not. Asked for from no kernel, so never received. */
const GSO_ECN = 0x80;

const ETHERNET_HEADER = 14;
const UDP_HEADER = 8;
const UDP_CSUM = 6;
const TCP_HEADER = 20;
/** More datagrams than this Linux neither sends nor takes in one super-frame. */
const MAX_DATAGRAMS = 128;

/**
 * Reads the header at `at` into the packet, whose data and tail are set.
 * @returns false for a header that contradicts its frame: the frame must not be believed
 */
export function parseVirtioHeader(p: Packet, at: number): boolean {
  const v = p.view;
  const flags = v.getUint8(at);
  const gsoType = v.getUint8(at + 1) & ~GSO_ECN;
  p.csum = Csum.none;
  p.gsoType = Gso.none;
  p.gsoSize = 0;
  p.gsoSegs = 1;
  if ((flags & NEEDS_CSUM) !== 0) {
    p.csumStart = p.data + v.getUint16(at + 6, true);
    p.csumOffset = v.getUint16(at + 8, true);
    if (p.csumStart < p.data + ETHERNET_HEADER || p.csumStart + p.csumOffset + 2 > p.tail) return false;
    p.csum = Csum.partial;
  } else if ((flags & DATA_VALID) !== 0) p.csum = Csum.unnecessary;
  return gsoType === Gso.none ? true : parseGso(p, gsoType, v.getUint16(at + 4, true));
}

function parseGso(p: Packet, type: number, size: number): boolean {
  if (p.csum !== Csum.partial || size === 0) return false;
  let header: number;
  if (type === Gso.tcpv4 || type === Gso.tcpv6) {
    if (p.csumStart + TCP_HEADER > p.tail) return false;
    header = (p.bytes[p.csumStart + 12]! >>> 4) * 4;
  } else if (type === Gso.udpL4 && p.csumOffset === UDP_CSUM) header = UDP_HEADER;
  else return false;
  const payload = p.tail - p.csumStart - header;
  if (payload <= 0) return false;
  if (payload <= size) return true; // one segment is an ordinary frame
  const segments = Math.ceil(payload / size);
  if (type === Gso.udpL4 && segments > MAX_DATAGRAMS) return false;
  p.gsoType = type;
  p.gsoSize = size;
  p.gsoSegs = segments;
  return true;
}

/** Writes the header for a frame to send at `at`, which lies VIRTIO_HEADER bytes before the frame or elsewhere in the same store. */
export function emitVirtioHeader(p: Packet, at: number): void {
  const v = p.view;
  const partial = p.csum === Csum.partial;
  v.setUint8(at, partial ? NEEDS_CSUM : 0);
  v.setUint8(at + 1, 0);
  v.setUint32(at + 2, 0);
  v.setUint16(at + 6, partial ? p.csumStart - p.data : 0, true);
  v.setUint16(at + 8, partial ? p.csumOffset : 0, true);
  if (p.gsoType === Gso.none || !partial) return;
  const transport = p.gsoType === Gso.udpL4 ? UDP_HEADER : (p.bytes[p.csumStart + 12]! >>> 4) * 4;
  v.setUint8(at + 1, p.gsoType);
  v.setUint16(at + 2, p.csumStart - p.data + transport, true);
  v.setUint16(at + 4, p.gsoSize, true);
}
