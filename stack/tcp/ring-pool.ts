/**
 * Rings of send queues that nobody has data in: an idle connection has none, and one that sends again need not ask the system for memory. Of
 * each small size so many are kept; large ones are few and matter more, so they share one bound, whatever their sizes.
 */
export interface RingPoolLimits {
  /** Octets of the largest small ring. */
  readonly small: number;
  /** Small rings kept of each size. */
  readonly maxSmall: number;
  /** Octets of all larger rings together. */
  readonly maxLargeBytes: number;
}

export class RingPool {
  private readonly limits: RingPoolLimits;
  /** By the logarithm of the size. */
  private readonly idle: Uint8Array[][] = Array.from({ length: 32 }, () => []);
  private largeBytes = 0;

  constructor(limits: RingPoolLimits) {
    this.limits = limits;
  }

  /** @param size octets, a power of two */
  take(size: number): Uint8Array {
    const ring = this.idle[31 - Math.clz32(size)]!.pop();
    if (ring === undefined) return new Uint8Array(size);
    if (size > this.limits.small) this.largeBytes -= size;
    return ring;
  }

  give(ring: Uint8Array): void {
    const { small, maxSmall, maxLargeBytes } = this.limits;
    const size = ring.length;
    const list = this.idle[31 - Math.clz32(size)]!;
    if (size <= small) {
      if (list.length < maxSmall) list.push(ring);
    } else if (this.largeBytes + size <= maxLargeBytes) {
      this.largeBytes += size;
      list.push(ring);
    }
  }
}
