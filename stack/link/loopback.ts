/**
 * The loopback link: what is transmitted is received by the same host, at once. Like Linux's `lo` it has an MTU of 65536, moves
 * super-frames as they are and needs no checksums; its queue is bounded (netdev_max_backlog), and what does not fit is refused.
 */
import { Errno } from '../core/errno.js';
import type { Packet } from '../core/packet.js';
import { FramePool, FrameQueue } from './frame-store.js';
import { type Link, LinkFeature } from './link.js';

const MAX_BACKLOG = 1000;

export class Loopback implements Link {
  readonly name: string;
  readonly mtu = 65536;
  readonly features: number = LinkFeature.csum | LinkFeature.tso4 | LinkFeature.tso6 | LinkFeature.uso4 | LinkFeature.uso6;
  /** Frames larger than the buffer that the stack offered: dropped. */
  oversized = 0;
  private readonly pool = new FramePool();
  private readonly queue = new FrameQueue();
  private nowUs = 0;
  private closed = false;

  constructor(name = 'lo') {
    this.name = name;
  }

  receive(into: Packet): boolean {
    for (;;) {
      const f = this.closed ? null : this.queue.shift();
      if (!f) return false;
      const fits = f.copyTo(into);
      this.pool.give(f);
      if (fits) return true;
      this.oversized++;
    }
  }

  /** -ENOBUFS: the queue is full; -EMSGSIZE: longer than the MTU; -ENETDOWN: closed. */
  transmit(frame: Packet): number {
    if (this.closed) return -Errno.ENETDOWN;
    const length = frame.tail - frame.data;
    if (length > this.mtu + 14) return -Errno.EMSGSIZE;
    if (this.queue.length >= MAX_BACKLOG) return -Errno.ENOBUFS;
    const f = this.pool.take(length);
    f.copyFrom(frame);
    f.dueUs = this.nowUs;
    this.queue.insert(f);
    return 0;
  }

  advance(nowUs: number): void {
    this.nowUs = nowUs;
  }

  nextDeadlineUs(): number {
    return this.queue.first && !this.closed ? this.queue.first.dueUs : Number.POSITIVE_INFINITY;
  }

  close(): void {
    this.closed = true;
  }
}
