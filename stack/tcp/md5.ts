/** MD5 (RFC 1321), for the segment signatures of RFC 2385 and nothing else: it has long been broken as a hash. */

const SHIFTS = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21] as const;
const SINES: Uint32Array = Uint32Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32));

export class Md5 {
  private readonly state = new Uint32Array(4);
  private readonly block = new Uint8Array(64);
  private readonly words = new Uint32Array(16);
  private filled = 0;
  private length = 0;

  constructor() {
    this.begin();
  }

  begin(): void {
    this.state[0] = 0x67452301;
    this.state[1] = 0xefcdab89;
    this.state[2] = 0x98badcfe;
    this.state[3] = 0x10325476;
    this.filled = 0;
    this.length = 0;
  }

  byte(b: number): void {
    this.block[this.filled++] = b;
    this.length++;
    if (this.filled === 64) this.mix();
  }
  /** A 16-bit or 32-bit number in network order. */
  u16(n: number): void {
    this.byte(n >>> 8);
    this.byte(n & 255);
  }
  u32(n: number): void {
    this.u16(n >>> 16);
    this.u16(n & 0xffff);
  }
  bytes(from: Uint8Array, at: number, length: number): void {
    for (let i = 0; i < length; i++) this.byte(from[at + i]!);
  }

  /** Writes the 16 bytes of the digest. */
  end(into: Uint8Array, at: number): void {
    const bits = this.length * 8;
    this.byte(0x80);
    while (this.filled !== 56) this.byte(0);
    for (let i = 0; i < 8; i++) this.byte(Math.floor(bits / 2 ** (8 * i)) & 255);
    for (let i = 0; i < 16; i++) into[at + i] = (this.state[i >> 2]! >>> (8 * (i & 3))) & 255;
  }

  private mix(): void {
    this.filled = 0;
    const b = this.block;
    const w = this.words;
    for (let i = 0; i < 16; i++) w[i] = b[i * 4]! | (b[i * 4 + 1]! << 8) | (b[i * 4 + 2]! << 16) | (b[i * 4 + 3]! << 24);
    const s = this.state;
    let [a0, b0, c0, d0] = [s[0]! | 0, s[1]! | 0, s[2]! | 0, s[3]! | 0];
    for (let i = 0; i < 64; i++) {
      const round = i >> 4;
      let f: number;
      let g: number;
      if (round === 0) {
        f = (b0 & c0) | (~b0 & d0);
        g = i;
      } else if (round === 1) {
        f = (d0 & b0) | (~d0 & c0);
        g = 5 * i + 1;
      } else if (round === 2) {
        f = b0 ^ c0 ^ d0;
        g = 3 * i + 5;
      } else {
        f = c0 ^ (b0 | ~d0);
        g = 7 * i;
      }
      const sum = (a0 + f + SINES[i]! + w[g & 15]!) | 0;
      const r = SHIFTS[round * 4 + (i & 3)]!;
      a0 = d0;
      d0 = c0;
      c0 = b0;
      b0 = (b0 + ((sum << r) | (sum >>> (32 - r)))) | 0;
    }
    s[0]! += a0;
    s[1]! += b0;
    s[2]! += c0;
    s[3]! += d0;
  }
}
