/** A link without a wire: frames are put in and taken out by the one who drives the stack. */
import { Errno } from '../../stack/core/errno.js';
import type { Packet } from '../../stack/core/packet.js';
import { Gso, HEADROOM } from '../../stack/core/packet.js';
import type { Link } from '../../stack/link/link.js';

export interface FrameMeta {
  /** The frame stands for merged segments of this payload size. */
  readonly gsoSize?: number;
}

export class DirectLink implements Link {
  readonly name = 'tun0';
  readonly mtu: number;
  readonly features = 0;
  /** Every frame is refused, as by a queue without room. */
  refuse = false;
  onFrame: (frame: Buffer) => void = () => {};
  private readonly queue: { frame: Uint8Array; meta: FrameMeta | undefined }[] = [];

  constructor(mtu: number) {
    this.mtu = mtu;
  }
  get waiting(): number {
    return this.queue.length;
  }
  inject(frame: Uint8Array, meta?: FrameMeta): void {
    this.queue.push({ frame: Uint8Array.from(frame), meta });
  }
  receive(into: Packet): boolean {
    const next = this.queue.shift();
    if (!next) return false;
    const { frame, meta } = next;
    into.reset(HEADROOM);
    into.bytes.set(frame, HEADROOM);
    into.tail = HEADROOM + frame.length;
    const size = meta?.gsoSize ?? 0;
    const payload = tcpPayload(frame);
    if (size > 0 && payload > size) {
      into.gsoType = Gso.tcpv4;
      into.gsoSize = size;
      into.gsoSegs = Math.ceil(payload / size);
    }
    return true;
  }
  transmit(frame: Packet): number {
    if (this.refuse) return -Errno.ENOBUFS;
    this.onFrame(Buffer.from(frame.bytes.subarray(frame.data, frame.tail)));
    return 0;
  }
  advance(): void {}
  nextDeadlineUs(): number {
    return this.queue.length > 0 ? 0 : Number.POSITIVE_INFINITY;
  }
  close(): void {
    this.queue.length = 0;
  }
}

/** Bytes of TCP payload in an Ethernet frame, 0 for anything else. */
function tcpPayload(frame: Uint8Array): number {
  if (frame[12] !== 8 || frame[13] !== 0 || frame[23] !== 6) return 0;
  const ihl = (frame[14]! & 15) * 4;
  const total = (frame[16]! << 8) | frame[17]!;
  return total - ihl - (frame[14 + ihl + 12]! >> 4) * 4;
}
