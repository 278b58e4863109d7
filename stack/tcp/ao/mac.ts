/**
 * The algorithms of RFC 5926: HMAC-SHA-1 (RFC 2104) and AES-128-CMAC (RFC 4493), each used twice, to derive a connection's traffic keys from
 * the master key (3.1.1) and to sign its segments with them (3.2). What a key costs once is done once: `prepare` makes of it the words that
 * each message starts from.
 */
import { AES_BLOCK, AES_KEY_WORDS, encryptBlock, expandKey } from './aes128.js';
import { SHA1_BLOCK, SHA1_BYTES, SHA1_WORDS, Sha1 } from './sha1.js';

export interface Mac {
  /** As Linux names it. */
  readonly name: string;
  /** Length of a whole code, and of a traffic key. */
  readonly bytes: number;
  prepare(key: Uint8Array): Uint32Array;
  begin(prepared: Uint32Array): void;
  update(from: Uint8Array, at: number, length: number): void;
  /** Writes the whole code. */
  end(into: Uint8Array): void;
}

class HmacSha1 implements Mac {
  readonly name = 'hmac(sha1)';
  readonly bytes: number = SHA1_BYTES;
  private readonly sha = new Sha1();
  private prepared: Uint32Array = new Uint32Array(2 * SHA1_WORDS);

  /** The states behind the inner and the outer padded key. */
  prepare(key: Uint8Array): Uint32Array {
    const sha = this.sha;
    let short = key;
    if (key.length > SHA1_BLOCK) {
      short = new Uint8Array(SHA1_BYTES);
      sha.begin();
      sha.update(key, 0, key.length);
      sha.end(short, 0);
    }
    const words = new Uint32Array(2 * SHA1_WORDS);
    for (const [i, pad] of [0x36, 0x5c].entries()) {
      sha.begin();
      for (let n = 0; n < SHA1_BLOCK; n++) sha.byte((short[n] ?? 0) ^ pad);
      words.set(sha.state, i * SHA1_WORDS);
    }
    return words;
  }

  begin(prepared: Uint32Array): void {
    this.prepared = prepared;
    this.sha.resume(prepared, 0, 1);
  }
  update(from: Uint8Array, at: number, length: number): void {
    this.sha.update(from, at, length);
  }
  end(into: Uint8Array): void {
    const sha = this.sha;
    sha.end(into, 0);
    sha.resume(this.prepared, SHA1_WORDS, 1);
    sha.update(into, 0, SHA1_BYTES);
    sha.end(into, 0);
  }
}

/** Behind the round keys: K1 for a last block that is whole, K2 for one that is padded. */
const K1 = AES_KEY_WORDS;
const K2 = AES_KEY_WORDS + 4;

class AesCmac implements Mac {
  readonly name = 'cmac(aes)';
  readonly bytes: number = AES_BLOCK;
  private prepared: Uint32Array = new Uint32Array(AES_KEY_WORDS + 8);
  /** The chain, and the block that is being filled: it is mixed in when another byte comes, since the last one is treated apart. */
  private readonly chain = new Uint32Array(4);
  private readonly block = new Uint8Array(AES_BLOCK);
  private filled = 0;

  prepare(key: Uint8Array): Uint32Array {
    const words = new Uint32Array(AES_KEY_WORDS + 8);
    expandKey(key, words, 0);
    const l = new Uint32Array(4);
    encryptBlock(words, l);
    for (const at of [K1, K2]) {
      const carry = l[0]! >>> 31;
      for (let i = 0; i < 4; i++) l[i] = (l[i]! << 1) | (i < 3 ? l[i + 1]! >>> 31 : 0);
      if (carry) l[3]! ^= 0x87;
      words.set(l, at);
    }
    return words;
  }

  begin(prepared: Uint32Array): void {
    this.prepared = prepared;
    this.chain.fill(0);
    this.filled = 0;
  }
  update(from: Uint8Array, at: number, length: number): void {
    for (let i = 0; i < length; i++) {
      if (this.filled === AES_BLOCK) this.mix(-1);
      this.block[this.filled++] = from[at + i]!;
    }
  }
  end(into: Uint8Array): void {
    const whole = this.filled === AES_BLOCK;
    if (!whole) {
      this.block[this.filled] = 0x80;
      this.block.fill(0, this.filled + 1);
    }
    this.mix(whole ? K1 : K2);
    for (let i = 0; i < AES_BLOCK; i++) into[i] = (this.chain[i >> 2]! >>> (24 - 8 * (i & 3))) & 255;
  }

  private mix(sub: number): void {
    const b = this.block;
    const x = this.chain;
    for (let i = 0; i < 4; i++) {
      x[i]! ^= (b[4 * i]! << 24) | (b[4 * i + 1]! << 16) | (b[4 * i + 2]! << 8) | b[4 * i + 3]!;
      if (sub >= 0) x[i]! ^= this.prepared[sub + i]!;
    }
    encryptBlock(this.prepared, x);
    this.filled = 0;
  }
}

export const hmacSha1: Mac = new HmacSha1();
export const aesCmac: Mac = new AesCmac();

/** RFC 5926 3.1.1.2: AES takes 16 bytes; a master key of another length is first made into one under the key 0. */
export function cmacMasterKey(key: Uint8Array): Uint8Array {
  if (key.length === AES_BLOCK) return key;
  const out = new Uint8Array(AES_BLOCK);
  aesCmac.begin(aesCmac.prepare(new Uint8Array(AES_BLOCK)));
  aesCmac.update(key, 0, key.length);
  aesCmac.end(out);
  return out;
}
