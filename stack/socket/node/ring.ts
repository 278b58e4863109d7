/**
 * A byte ring in shared memory with one writer and one reader, each on its own thread.
 *
 *        tail (reader's)          head (writer's)
 *          v                        v
 *   [ .... xxxxxxxxxxxxxxxxxxxxxxxx ........ ]      used = head - tail, both ever growing mod 2^32
 *
 * Who moves a position publishes with an atomic store what it wrote or has done with before. Both sides work on contiguous pieces, so that
 * a socket can receive straight into the ring and send straight out of it.
 */
export class ByteRing {
  readonly capacity: number;
  readonly bytes: Uint8Array;
  private readonly words: Int32Array;
  private readonly headWord: number;
  private readonly tailWord: number;

  /**
   * @param memory the buffer that both threads map
   * @param headWord Int32 index of the head; the tail lies a cache line behind it
   * @param at byte offset of the ring
   * @param capacity a power of two
   */
  constructor(memory: SharedArrayBuffer, headWord: number, at: number, capacity: number) {
    if ((capacity & (capacity - 1)) !== 0) throw new RangeError(`a ring's capacity is a power of two, not ${capacity}`);
    this.words = new Int32Array(memory, 0, headWord + 17);
    this.bytes = new Uint8Array(memory, at, capacity);
    this.headWord = headWord;
    this.tailWord = headWord + 16;
    this.capacity = capacity;
  }

  /** Bytes that wait for the reader. */
  used(): number {
    return (Atomics.load(this.words, this.headWord) - Atomics.load(this.words, this.tailWord)) | 0;
  }
  free(): number {
    return this.capacity - this.used();
  }
  /** The writer's position, mod 2^32 as a signed number. */
  head(): number {
    return Atomics.load(this.words, this.headWord);
  }
  /** The reader's position. */
  tail(): number {
    return Atomics.load(this.words, this.tailWord);
  }

  /** Where in `bytes` the next byte goes. */
  writeAt(): number {
    return this.words[this.headWord]! & (this.capacity - 1);
  }
  /** Bytes that can be written at `writeAt` without wrapping. */
  contiguousFree(): number {
    return Math.min(this.free(), this.capacity - this.writeAt());
  }
  produced(n: number): void {
    Atomics.store(this.words, this.headWord, (this.words[this.headWord]! + n) | 0);
  }

  readAt(): number {
    return this.words[this.tailWord]! & (this.capacity - 1);
  }
  contiguousUsed(): number {
    return Math.min(this.used(), this.capacity - this.readAt());
  }
  consumed(n: number): void {
    Atomics.store(this.words, this.tailWord, (this.words[this.tailWord]! + n) | 0);
  }

  /** Copies in as much as fits: how much that was. */
  write(from: Uint8Array, at: number, length: number): number {
    const n = Math.min(length, this.free());
    const to = this.writeAt();
    const first = Math.min(n, this.capacity - to);
    this.bytes.set(from.subarray(at, at + first), to);
    if (n > first) this.bytes.set(from.subarray(at + first, at + n), 0);
    if (n > 0) this.produced(n);
    return n;
  }
}
