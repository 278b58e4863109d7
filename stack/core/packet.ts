/**
 * The packet buffer, after Linux's sk_buff: one backing store, offsets into it, and what the layers learn on the way. A frame's Ethernet
 * header starts at an offset of 2 mod 4, so that the IP header falls on a 4-byte boundary (NET_IP_ALIGN) and checksums can run over 16-bit
 * words. Packets are made once and reused: nothing on the data path allocates one.
 */
import type { NetDevice } from '../ip/device.js';
import type { PacketPool } from './packet-pool.js';

/** What is known of the transport checksum (virtio_net_hdr and Linux's ip_summed). */
export const Csum = Object.freeze({
  /** Nothing: software must verify (in) or has filled it in (out). */
  none: 0,
  /** In: known good, do not verify. */
  unnecessary: 1,
  /** In or out: the field holds the pseudo-header sum; the link or the receiver completes it from csumStart. */
  partial: 2,
});
export const Gso = Object.freeze({ none: 0, tcpv4: 1, udp: 3, tcpv6: 4, udpL4: 5 });

/** Room in front of the Ethernet header, for a virtio_net_hdr (10 or 12 bytes) that a link puts there. */
export const HEADROOM = 66; // 2 mod 4
/** A super-frame: 64 KiB of IP packet behind the headers. */
export const MAX_FRAME = 65536 + 14;

export class Packet {
  /** The whole store, three views of it. The store's byteOffset is 0. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly words: Uint16Array;
  /** First byte of the frame or, once headers were pulled, of what the present layer sees. */
  data = 0;
  /** One past the last byte. `tail - data` is the length. */
  tail = 0;
  /** Offsets of the headers, from the start of the store. */
  mac = 0;
  network = 0;
  transport = 0;
  /** First byte of the transport payload. */
  payload = 0;

  /** 4 or 6; 0 before the network layer looked. */
  family = 0;
  protocol = 0;
  ttl = 0;
  /** The TOS or traffic class byte; ECN in the low two bits. */
  tos = 0;
  src0 = 0;
  src1 = 0;
  src2 = 0xffff;
  src3 = 0;
  dst0 = 0;
  dst1 = 0;
  dst2 = 0xffff;
  dst3 = 0;
  /** Length of IP options or extension headers, 0 without. */
  ipOptions = 0;
  /** Linux's rtable flags of the input route: to this host, broadcast, multicast. */
  destination = 0;
  /** Link-layer destination: PACKET_HOST, BROADCAST, MULTICAST, OTHERHOST. */
  linkType = 0;

  csum: number = Csum.none;
  csumStart = 0;
  csumOffset = 0;
  gsoType: number = Gso.none;
  gsoSize = 0;
  /** Wire segments this packet stands for; 1 for an ordinary frame. */
  gsoSegs = 1;
  /** The CWR flag is of all segments, not of the first: part of AccECN's ACE field (Linux's SKB_GSO_TCP_ACCECN). */
  keepCwr = false;
  /** Don't Fragment was set (in) or must be set (out). */
  df = false;
  /** Out: a multicast comes back to this host when the group was joined (IP_MULTICAST_LOOP). */
  multicastLoop = true;
  /** Out: fit it to the device's MTU, whatever is known of the path (IP_PMTUDISC_PROBE). */
  linkMtu = false;

  /** Out: the sender's hash, of which IPv6 makes the flow label; 0: one of the flow's addresses and ports. */
  txHash = 0;

  timeUs = 0;
  /** Out: when it may leave the device, 0 at once. */
  departUs = 0;
  device: NetDevice | null = null;
  /** Where it goes back to when it was kept; null for a packet that must not be. */
  home: PacketPool | null = null;
  /** Somebody holds it for its bytes: nothing may be received into it. */
  kept = false;
  /** Where the store lies in memory, for links that need to know; 0: not asked yet. */
  address = 0;

  constructor(capacity: number) {
    const store = new ArrayBuffer((capacity + 3) & ~3);
    this.bytes = new Uint8Array(store);
    this.view = new DataView(store);
    this.words = new Uint16Array(store);
  }

  get length(): number {
    return this.tail - this.data;
  }

  /** Empties the packet: the frame will start at `headroom`. */
  reset(headroom: number): void {
    this.data = headroom;
    this.tail = headroom;
    this.mac = headroom;
    this.network = 0;
    this.transport = 0;
    this.payload = 0;
    this.family = 0;
    this.csum = Csum.none;
    this.gsoType = Gso.none;
    this.gsoSize = 0;
    this.gsoSegs = 1;
    this.keepCwr = false;
    this.ipOptions = 0;
    this.destination = Destination.host;
    this.linkType = LinkType.host;
    this.df = false;
    this.multicastLoop = true;
    this.linkMtu = false;
    this.txHash = 0;
    this.departUs = 0;
  }

  /** Copies frame and meaning of another packet. */
  copyFrom(o: Packet): void {
    this.bytes.set(o.bytes.subarray(o.data, o.tail), o.data);
    this.data = o.data;
    this.tail = o.tail;
    this.mac = o.mac;
    this.network = o.network;
    this.transport = o.transport;
    this.payload = o.payload;
    this.family = o.family;
    this.protocol = o.protocol;
    this.ttl = o.ttl;
    this.tos = o.tos;
    this.src0 = o.src0;
    this.src1 = o.src1;
    this.src2 = o.src2;
    this.src3 = o.src3;
    this.dst0 = o.dst0;
    this.dst1 = o.dst1;
    this.dst2 = o.dst2;
    this.dst3 = o.dst3;
    this.ipOptions = o.ipOptions;
    this.destination = o.destination;
    this.linkType = o.linkType;
    this.csum = o.csum;
    this.csumStart = o.csumStart;
    this.csumOffset = o.csumOffset;
    this.gsoType = o.gsoType;
    this.gsoSize = o.gsoSize;
    this.gsoSegs = o.gsoSegs;
    this.keepCwr = o.keepCwr;
    this.df = o.df;
    this.timeUs = o.timeUs;
    this.departUs = o.departUs;
    this.device = o.device;
  }
}

export const Destination = Object.freeze({ host: 0, broadcast: 1, multicast: 2 });
export const LinkType = Object.freeze({ host: 0, broadcast: 1, multicast: 2, otherhost: 3, loopback: 5 });
