/**
 * Which chain of a hash table an entry belongs to, while the table grows by one chain at a time (linear hashing, Litwin 1980): a table that
 * doubles must touch all its entries at once, and a million of them stop a stack for a tenth of a second. Here an entry more splits
 * one chain at most. Chains lie in segments, so that no array is ever copied.
 */

/** Chains of a segment are `1 << SEGMENT_BITS`. */
export const SEGMENT_BITS = 10;
export const SEGMENT: number = 1 << SEGMENT_BITS;
export const SEGMENT_MASK: number = SEGMENT - 1;

export class ChainIndex {
  /** How many chains there are. */
  count: number;
  /** Chains below `next` have been split in this round: they and those above `mask` are told apart by one more bit. */
  private mask: number;
  private next = 0;

  /** @param count a power of two */
  constructor(count: number) {
    this.count = count;
    this.mask = count - 1;
  }

  /** The chain of a hash, whose low bits must be good ones. */
  of(hash: number): number {
    const i = hash & this.mask;
    return i < this.next ? hash & (2 * this.mask + 1) : i;
  }

  /** One chain more, the last: some entries of the chain whose number is returned belong to it now. */
  grow(): number {
    const split = this.next++;
    this.count++;
    if (this.next > this.mask) {
      this.mask = 2 * this.mask + 1;
      this.next = 0;
    }
    return split;
  }
}
