/**
 * "Look at these sockets": one bit a socket and one pending flag, in shared memory, one doorbell for each direction. However many sockets
 * are rung for between two looks, the other thread is woken once.
 */
const PENDING = 0;
/** Bits start on a cache line of their own. */
const BITS_AT = 16;

export class Doorbell {
  private readonly words: Int32Array;
  private readonly bitWords: number;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
    this.bitWords = this.words.length - BITS_AT;
  }

  /** Memory for `slots` sockets. */
  static memory(slots: number): SharedArrayBuffer {
    return new SharedArrayBuffer((BITS_AT + Math.ceil(slots / 32)) * 4);
  }

  /** Marks a socket. True when the other side has to be woken for it: it was not already on its way. */
  ring(slot: number): boolean {
    Atomics.or(this.words, BITS_AT + (slot >>> 5), 1 << (slot & 31));
    return Atomics.exchange(this.words, PENDING, 1) === 0;
  }

  pending(): boolean {
    return Atomics.load(this.words, PENDING) !== 0;
  }

  /** Calls `each` for every socket that was marked since the last time. */
  collect(each: (slot: number) => void): void {
    // the flag first: a bit set from here on raises it anew
    if (Atomics.exchange(this.words, PENDING, 0) === 0) return;
    for (let w = 0; w < this.bitWords; w++) {
      if (Atomics.load(this.words, BITS_AT + w) === 0) continue;
      let bits = Atomics.exchange(this.words, BITS_AT + w, 0);
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        each(w * 32 + bit);
      }
    }
  }
}
