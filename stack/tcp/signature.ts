/**
 * Segment signatures (RFC 2385, TCP_MD5SIG): an option of 16 bytes, the MD5 of pseudo-header, header without options and with checksum 0,
 * data, and a key that both ends know. Keys belong to a socket, each to a range of peers; a listener's go to its connections.
 */
import type { IpAddress } from '../core/address.js';
import type { Packet } from '../core/packet.js';
import { Opt, TCP_HEADER } from '../wire/tcp.js';
import { Md5 } from './md5.js';

/** Option bytes with the two NOPs in front. */
const SIGNATURE_BYTES = 20;
const DIGEST_BYTES = 16;
const MAX_KEY = 80;
const PROTOCOL_TCP = 6;
const CHECKSUM_AT = 16;

/** How segments are signed: with MD5 (here) or with TCP-AO (ao/). The option comes first, and is filled in when the segment is whole. */
export interface Signer {
  /** TCP-AO? */
  readonly ao: boolean;
  /** Bytes of the option, padding included; they may change from one segment to the next. */
  readonly optionBytes: number;
  /** Writes the option at `at`, its code to come. */
  reserve(p: Packet, at: number): void;
  /** Header, payload and tail of `p` are final: fills in the code of the option that begins the option field. */
  sign(p: Packet, payload: number): void;
}

/** Option bytes that a signature takes. */
export function signatureBytes(s: Signer | null): number {
  return s === null ? 0 : s.optionBytes;
}

/** Is `a` one of the addresses that agree with `address` in the first `prefix` bits? */
export function covers(address: IpAddress, prefix: number, a: IpAddress): boolean {
  if (a.family !== address.family) return false;
  const words = a.family === 4 ? [a.w3] : [a.w0, a.w1, a.w2, a.w3];
  const own = a.family === 4 ? [address.w3] : [address.w0, address.w1, address.w2, address.w3];
  let left = prefix;
  for (let i = 0; i < words.length && left > 0; i++, left -= 32) {
    const mask = left >= 32 ? 0xffffffff : ~(0xffffffff >>> left);
    if ((words[i]! & mask) !== (own[i]! & mask)) return false;
  }
  return true;
}

export class SignatureKey implements Signer {
  readonly ao = false;
  readonly optionBytes: number = SIGNATURE_BYTES;
  readonly address: IpAddress;
  /** Bits of the address that count. */
  readonly prefix: number;
  readonly key: Uint8Array;
  constructor(address: IpAddress, prefix: number, key: Uint8Array) {
    this.address = address;
    this.prefix = prefix;
    this.key = key;
  }

  covers(a: IpAddress): boolean {
    return covers(this.address, this.prefix, a);
  }

  reserve(p: Packet, at: number): void {
    p.view.setUint32(at, (Opt.NOP << 24) | (Opt.NOP << 16) | (Opt.MD5 << 8) | (2 + DIGEST_BYTES));
    p.bytes.fill(0, at + 4, at + SIGNATURE_BYTES);
  }
  sign(p: Packet, payload: number): void {
    digest(p, payload, this, p.bytes, p.transport + TCP_HEADER + 4);
  }
}

/** The key for a peer: the one with the longest prefix; null without. */
export function keyFor(keys: readonly SignatureKey[], remote: IpAddress): SignatureKey | null {
  let best: SignatureKey | null = null;
  for (const k of keys) if (k.covers(remote) && (best === null || k.prefix > best.prefix)) best = k;
  return best;
}

/** TCP_MD5SIG: the list after a key was set for a peer, or taken away by one of no length. Null: no such key, or too long. */
export function changeKeys(
  keys: readonly SignatureKey[],
  address: IpAddress,
  prefix: number,
  key: Uint8Array,
): SignatureKey[] | null {
  if (key.length > MAX_KEY) return null;
  const rest = keys.filter((k) => !(k.prefix === prefix && k.address.equals(address)));
  if (key.length === 0) return rest.length === keys.length ? null : rest;
  return [...rest, new SignatureKey(address, prefix, key)];
}

const md5 = new Md5();
const scratch = new Uint8Array(DIGEST_BYTES);

/** The digest of the segment in `p` (transport to tail; options to `payload`). */
function digest(p: Packet, payload: number, key: SignatureKey, into: Uint8Array, at: number): void {
  const length = p.tail - p.transport;
  md5.begin();
  if (p.family === 6) {
    for (const w of [p.src0, p.src1, p.src2, p.src3, p.dst0, p.dst1, p.dst2, p.dst3]) md5.u32(w);
    md5.u32(length);
    md5.u32(PROTOCOL_TCP);
  } else {
    md5.u32(p.src3);
    md5.u32(p.dst3);
    md5.u16(PROTOCOL_TCP);
    md5.u16(length);
  }
  md5.bytes(p.bytes, p.transport, CHECKSUM_AT);
  md5.u16(0);
  md5.bytes(p.bytes, p.transport + CHECKSUM_AT + 2, TCP_HEADER - CHECKSUM_AT - 2);
  md5.bytes(p.bytes, payload, p.tail - payload);
  md5.bytes(key.key, 0, key.key.length);
  md5.end(into, at);
}

/** Is the option at `at` the right one? */
export function signatureGood(p: Packet, payload: number, at: number, key: SignatureKey): boolean {
  digest(p, payload, key, scratch, 0);
  let wrong = 0;
  for (let i = 0; i < DIGEST_BYTES; i++) wrong |= scratch[i]! ^ p.bytes[at + i]!;
  return wrong === 0;
}
