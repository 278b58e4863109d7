/**
 * A link: what moves frames. Small, so that TAP, in-memory wire, loopback and the pcap middleware are all the same to the stack.
 * A shared test suite (test/stack/link) holds every implementation.
 */
import type { Packet } from '../core/packet.js';

/** What a link does for the stack (virtio_net_hdr). */
export const LinkFeature = Object.freeze({
  /** Completes the transport checksum of outgoing frames, and vouches for that of incoming ones. */
  csum: 1,
  tso4: 2,
  tso6: 4,
  uso4: 8,
  uso6: 16,
});

export interface Link {
  readonly name: string;
  /** Largest IP packet of one wire frame. */
  readonly mtu: number;
  /** LinkFeature bits that are in force. */
  readonly features: number;
  /** Puts the next waiting frame into the packet (data at the Ethernet header, tail at its end, csum and gso fields set). False: none waits. */
  receive(into: Packet): boolean;
  /** Takes a frame. 0, or -errno when it was refused (the device counts it). The bytes are the caller's again on return. */
  transmit(frame: Packet): number;
  /** For links that live in virtual time: make visible what is due. */
  advance(nowUs: number): void;
  /** When `receive` will have something that it has not now; Infinity when only the outside world knows. */
  nextDeadlineUs(): number;
  close(): void;
}
