/**
 * SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash for short inputs that nobody without the key can predict. It makes initial sequence
 * numbers, SYN cookies, Fast Open cookies and port offsets. 64-bit arithmetic is done on halves: `v0h` is the high half of v0.
 */
export class SipHash {
  private readonly k0l: number;
  private readonly k0h: number;
  private readonly k1l: number;
  private readonly k1h: number;
  /** The input: 32-bit little-endian words, filled by the caller. */
  readonly words: Uint32Array = new Uint32Array(16);
  /** The last result's halves. */
  low = 0;
  high = 0;
  private v0l = 0;
  private v0h = 0;
  private v1l = 0;
  private v1h = 0;
  private v2l = 0;
  private v2h = 0;
  private v3l = 0;
  private v3h = 0;

  /** @param key 16 bytes */
  constructor(key: Uint8Array) {
    const v = new DataView(key.buffer, key.byteOffset, 16);
    this.k0l = v.getUint32(0, true);
    this.k0h = v.getUint32(4, true);
    this.k1l = v.getUint32(8, true);
    this.k1h = v.getUint32(12, true);
  }

  /** Hashes the first `count` words of `words`. Returns the low half, which is also in `low`. */
  hash(count: number): number {
    this.v0l = this.k0l ^ 0x70736575;
    this.v0h = this.k0h ^ 0x736f6d65;
    this.v1l = this.k1l ^ 0x6e646f6d;
    this.v1h = this.k1h ^ 0x646f7261;
    this.v2l = this.k0l ^ 0x6e657261;
    this.v2h = this.k0h ^ 0x6c796765;
    this.v3l = this.k1l ^ 0x79746573;
    this.v3h = this.k1h ^ 0x74656462;
    const w = this.words;
    let i = 0;
    for (; i + 1 < count; i += 2) this.absorb(w[i]!, w[i + 1]!);
    const length = (count * 4) << 24;
    if (i < count) this.absorb(w[i]!, length);
    else this.absorb(0, length);
    this.v2l ^= 0xff;
    for (let r = 0; r < 4; r++) this.round();
    this.low = (this.v0l ^ this.v1l ^ this.v2l ^ this.v3l) >>> 0;
    this.high = (this.v0h ^ this.v1h ^ this.v2h ^ this.v3h) >>> 0;
    return this.low;
  }

  private absorb(low: number, high: number): void {
    this.v3l ^= low;
    this.v3h ^= high;
    this.round();
    this.round();
    this.v0l ^= low;
    this.v0h ^= high;
  }

  private round(): void {
    let { v0l, v0h, v1l, v1h, v2l, v2h, v3l, v3h } = this;
    let t = (v0l >>> 0) + (v1l >>> 0);
    v0h = (v0h + v1h + (t > 0xffffffff ? 1 : 0)) | 0;
    v0l = t | 0;
    t = (v1l << 13) | (v1h >>> 19);
    v1h = (v1h << 13) | (v1l >>> 19);
    v1l = t ^ v0l;
    v1h ^= v0h;
    t = v0l;
    v0l = v0h;
    v0h = t;
    t = (v2l >>> 0) + (v3l >>> 0);
    v2h = (v2h + v3h + (t > 0xffffffff ? 1 : 0)) | 0;
    v2l = t | 0;
    t = (v3l << 16) | (v3h >>> 16);
    v3h = (v3h << 16) | (v3l >>> 16);
    v3l = t ^ v2l;
    v3h ^= v2h;
    t = (v0l >>> 0) + (v3l >>> 0);
    v0h = (v0h + v3h + (t > 0xffffffff ? 1 : 0)) | 0;
    v0l = t | 0;
    t = (v3l << 21) | (v3h >>> 11);
    v3h = (v3h << 21) | (v3l >>> 11);
    v3l = t ^ v0l;
    v3h ^= v0h;
    t = (v2l >>> 0) + (v1l >>> 0);
    v2h = (v2h + v1h + (t > 0xffffffff ? 1 : 0)) | 0;
    v2l = t | 0;
    t = (v1l << 17) | (v1h >>> 15);
    v1h = (v1h << 17) | (v1l >>> 15);
    v1l = t ^ v2l;
    v1h ^= v2h;
    t = v2l;
    v2l = v2h;
    v2h = t;
    this.v0l = v0l;
    this.v0h = v0h;
    this.v1l = v1l;
    this.v1h = v1h;
    this.v2l = v2l;
    this.v2h = v2h;
    this.v3l = v3l;
    this.v3h = v3h;
  }
}

/** Reverses a word's bytes: how a big-endian field looks to a little-endian hash. */
export function swap32(w: number): number {
  return (((w & 0xff) << 24) | ((w & 0xff00) << 8) | ((w >>> 8) & 0xff00) | (w >>> 24)) >>> 0;
}
