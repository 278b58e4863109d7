/**
 * AES-128 encryption of single blocks (FIPS 197), for the CMAC of RFC 4493. Substitution and column mixing are one table of 256 words, made
 * at load from the field's arithmetic. Its look-ups take time that depends on the data, as any table's: whoever can time this process to
 * nanoseconds is inside the host already.
 */

/** 11 round keys of 4 words. */
export const AES_KEY_WORDS = 44;
export const AES_BLOCK = 16;

const sbox = new Uint8Array(256);
/** Column that one substituted byte in the first row gives; the other rows' are its rotations. */
const mixed = new Uint32Array(256);

/** Twice a byte in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
function twice(b: number): number {
  return ((b << 1) ^ (b & 0x80 ? 0x11b : 0)) & 255;
}

function makeTables(): void {
  let p = 1;
  let q = 1;
  do {
    p = p ^ twice(p); // times 3, which runs through all of the field but 0
    q ^= q << 1;
    q ^= q << 2;
    q ^= q << 4;
    q &= 255;
    if (q & 0x80) q ^= 0x09; // divided by 3: q is the inverse of p
    const r = (n: number) => ((q << n) | (q >>> (8 - n))) & 255;
    sbox[p] = q ^ r(1) ^ r(2) ^ r(3) ^ r(4) ^ 0x63;
  } while (p !== 1);
  sbox[0] = 0x63;
  for (let i = 0; i < 256; i++) {
    const s = sbox[i]!;
    const s2 = twice(s);
    mixed[i] = (s2 << 24) | (s << 16) | (s << 8) | (s2 ^ s);
  }
}
makeTables();

function substitute(w: number): number {
  return (sbox[w >>> 24]! << 24) | (sbox[(w >>> 16) & 255]! << 16) | (sbox[(w >>> 8) & 255]! << 8) | sbox[w & 255]!;
}

/** Writes the round keys of a 16-byte key. */
export function expandKey(key: Uint8Array, into: Uint32Array, at: number): void {
  for (let i = 0; i < 4; i++) {
    into[at + i] = (key[4 * i]! << 24) | (key[4 * i + 1]! << 16) | (key[4 * i + 2]! << 8) | key[4 * i + 3]!;
  }
  let round = 1;
  for (let i = 4; i < AES_KEY_WORDS; i++) {
    let t = into[at + i - 1]!;
    if (i % 4 === 0) {
      t = substitute((t << 8) | (t >>> 24)) ^ (round << 24);
      round = twice(round);
    }
    into[at + i] = into[at + i - 4]! ^ t;
  }
}

function column(a: number, b: number, c: number, d: number): number {
  const x = mixed[(b >>> 16) & 255]!;
  const y = mixed[(c >>> 8) & 255]!;
  const z = mixed[d & 255]!;
  return mixed[a >>> 24]! ^ ((x >>> 8) | (x << 24)) ^ ((y >>> 16) | (y << 16)) ^ ((z >>> 24) | (z << 8));
}
function last(a: number, b: number, c: number, d: number): number {
  return (sbox[a >>> 24]! << 24) | (sbox[(b >>> 16) & 255]! << 16) | (sbox[(c >>> 8) & 255]! << 8) | sbox[d & 255]!;
}

/** Encrypts the four words of `block` in place under the round keys at the beginning of `k`. */
export function encryptBlock(k: Uint32Array, block: Uint32Array): void {
  let a = block[0]! ^ k[0]!;
  let b = block[1]! ^ k[1]!;
  let c = block[2]! ^ k[2]!;
  let d = block[3]! ^ k[3]!;
  for (let at = 4; at < AES_KEY_WORDS - 4; at += 4) {
    const e = column(a, b, c, d) ^ k[at]!;
    const f = column(b, c, d, a) ^ k[at + 1]!;
    const g = column(c, d, a, b) ^ k[at + 2]!;
    d = column(d, a, b, c) ^ k[at + 3]!;
    a = e;
    b = f;
    c = g;
  }
  block[0] = last(a, b, c, d) ^ k[40]!;
  block[1] = last(b, c, d, a) ^ k[41]!;
  block[2] = last(c, d, a, b) ^ k[42]!;
  block[3] = last(d, a, b, c) ^ k[43]!;
}
