/** SHA-1 (RFC 3174, FIPS 180-4), for the HMAC of RFC 5926 and nothing else: as a hash of its own it is broken. */

export const SHA1_BYTES = 20;
export const SHA1_BLOCK = 64;
export const SHA1_WORDS = 5;

export class Sha1 {
  /** H0 … H4; whoever has hashed whole blocks may keep it and put it back. */
  readonly state = new Int32Array(SHA1_WORDS);
  private readonly block = new Uint8Array(SHA1_BLOCK);
  private readonly w = new Int32Array(80);
  private filled = 0;
  private length = 0;

  begin(): void {
    const h = this.state;
    h[0] = 0x67452301;
    h[1] = 0xefcdab89;
    h[2] = 0x98badcfe;
    h[3] = 0x10325476;
    h[4] = 0xc3d2e1f0;
    this.filled = 0;
    this.length = 0;
  }

  /** Goes on from words that `state` held after `blocks` whole blocks. */
  resume(from: Uint32Array, at: number, blocks: number): void {
    for (let i = 0; i < SHA1_WORDS; i++) this.state[i] = from[at + i]!;
    this.filled = 0;
    this.length = blocks * SHA1_BLOCK;
  }

  byte(b: number): void {
    this.block[this.filled++] = b;
    this.length++;
    if (this.filled === SHA1_BLOCK) this.mix();
  }
  update(from: Uint8Array, at: number, length: number): void {
    for (let i = 0; i < length; i++) this.byte(from[at + i]!);
  }

  /** Writes the 20 bytes of the digest. */
  end(into: Uint8Array, at: number): void {
    const bits = this.length * 8;
    this.byte(0x80);
    while (this.filled !== SHA1_BLOCK - 8) this.byte(0);
    for (let i = 3; i >= 0; i--) this.byte((Math.floor(bits / 0x1_0000_0000) >>> (8 * i)) & 255);
    for (let i = 3; i >= 0; i--) this.byte((bits >>> (8 * i)) & 255);
    for (let i = 0; i < SHA1_BYTES; i++) into[at + i] = (this.state[i >> 2]! >>> (24 - 8 * (i & 3))) & 255;
  }

  private mix(): void {
    this.filled = 0;
    const w = this.w;
    const m = this.block;
    for (let i = 0; i < 16; i++) w[i] = (m[4 * i]! << 24) | (m[4 * i + 1]! << 16) | (m[4 * i + 2]! << 8) | m[4 * i + 3]!;
    for (let i = 16; i < 80; i++) {
      const x = w[i - 3]! ^ w[i - 8]! ^ w[i - 14]! ^ w[i - 16]!;
      w[i] = (x << 1) | (x >>> 31);
    }
    const h = this.state;
    let a = h[0]!;
    let b = h[1]!;
    let c = h[2]!;
    let d = h[3]!;
    let e = h[4]!;
    for (let i = 0; i < 80; i++) {
      let f: number;
      let k: number;
      if (i < 20) {
        f = (b & c) | (~b & d);
        k = 0x5a827999;
      } else if (i < 40) {
        f = b ^ c ^ d;
        k = 0x6ed9eba1;
      } else if (i < 60) {
        f = (b & c) | (b & d) | (c & d);
        k = 0x8f1bbcdc;
      } else {
        f = b ^ c ^ d;
        k = 0xca62c1d6;
      }
      const t = (((a << 5) | (a >>> 27)) + f + e + k + w[i]!) | 0;
      e = d;
      d = c;
      c = (b << 30) | (b >>> 2);
      b = a;
      a = t;
    }
    h[0]! += a;
    h[1]! += b;
    h[2]! += c;
    h[3]! += d;
    h[4]! += e;
  }
}
