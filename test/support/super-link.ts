/** A link for super-frames: frames are put in with their offload state, as a TAP's virtio header brings it, and what is sent goes to a listener. */
import { Csum, Gso, HEADROOM, type Packet } from '../../stack/core/packet.js';
import { type Link, LinkFeature } from '../../stack/link/link.js';
import type { Bytes } from './frames.js';

/** What a link does: all, all but segmenting UDP, checksums alone, nothing. */
export const linkKinds = {
  whole: LinkFeature.csum | LinkFeature.tso4 | LinkFeature.tso6 | LinkFeature.uso4 | LinkFeature.uso6,
  cut: LinkFeature.csum | LinkFeature.tso4 | LinkFeature.tso6,
  sums: LinkFeature.csum,
  plain: 0,
} as const;

const TCP = 6;
const TRANSPORT = 34;

interface Injected {
  readonly frame: Bytes;
  readonly segment: number;
}

export class SuperLink implements Link {
  readonly name = 'va';
  readonly mtu = 1500;
  readonly features: number;
  onFrame: (p: Packet) => void = () => {};
  private readonly waiting: Injected[] = [];

  constructor(features: number) {
    this.features = features;
  }

  /** An Ethernet frame. IPv4's without options come with an unfinished checksum, in segments of this size when they are longer. */
  inject(frame: Bytes, segment = 0): void {
    this.waiting.push({ frame, segment });
  }

  receive(into: Packet): boolean {
    const next = this.waiting.shift();
    if (!next) return false;
    const { frame, segment } = next;
    into.reset(HEADROOM);
    into.bytes.set(frame, HEADROOM);
    into.tail = HEADROOM + frame.length;
    if (frame[12] !== 8 || frame[13] !== 0) return true;
    const tcp = frame[23] === TCP;
    into.csum = Csum.partial;
    into.csumStart = HEADROOM + TRANSPORT;
    into.csumOffset = tcp ? 16 : 6;
    const payload = frame.length - TRANSPORT - (tcp ? (frame[TRANSPORT + 12]! >> 4) * 4 : 8);
    if (segment === 0 || payload <= segment) return true;
    into.gsoType = tcp ? Gso.tcpv4 : Gso.udpL4;
    into.gsoSize = segment;
    into.gsoSegs = Math.ceil(payload / segment);
    return true;
  }

  transmit(p: Packet): number {
    this.onFrame(p);
    return 0;
  }
  advance(): void {}
  nextDeadlineUs(): number {
    return this.waiting.length > 0 ? 0 : Number.POSITIVE_INFINITY;
  }
  close(): void {}
}
