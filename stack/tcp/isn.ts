/**
 * Initial sequence numbers (RFC 6528) and timestamp offsets (RFC 7323 5.4).
 *
 * ISN = M + F(local, remote, secret): M is a clock that ticks every 4 µs, so that numbers of one 4-tuple rise over time and old
 * segments of an earlier incarnation fall below; F is a keyed hash, so that nobody outside can guess the numbers of others. The offset
 * of the timestamp clock is another keyed hash, of the two addresses alone: a host's uptime does not show, and all connections
 * between two hosts share one clock (which TIME-WAIT reuse relies on, RFC 6191).
 */
import type { IpAddress } from '../core/address.js';
import { SipHash } from '../core/siphash.js';

export class SequenceSource {
  private readonly isn: SipHash;
  private readonly offset: SipHash;
  private readonly port: SipHash;

  constructor(secret: Uint8Array) {
    this.isn = new SipHash(derive(secret, 0x15));
    this.offset = new SipHash(derive(secret, 0x7e));
    this.port = new SipHash(derive(secret, 0xb0));
  }

  initialSequence(local: IpAddress, localPort: number, remote: IpAddress, remotePort: number, nowUs: number): number {
    const n = addresses(this.isn, local, remote);
    this.isn.words[n] = ((remotePort << 16) | localPort) >>> 0;
    return (this.isn.hash(n + 1) + Math.floor(nowUs / 4)) >>> 0;
  }

  /** Added to the millisecond clock to make TSval. Symmetric ends give different offsets, as each host has its own secret. */
  timestampOffset(local: IpAddress, remote: IpAddress): number {
    return this.offset.hash(addresses(this.offset, local, remote));
  }

  /** Where to begin looking for a port to this remote end (RFC 6056 3.3.4). */
  portOffset(local: IpAddress, remote: IpAddress, remotePort: number): number {
    const n = addresses(this.port, local, remote);
    this.port.words[n] = remotePort;
    return this.port.hash(n + 1);
  }
}

/** Puts both addresses into the hash's input; the number of words. */
export function addresses(hash: SipHash, a: IpAddress, b: IpAddress): number {
  const w = hash.words;
  if (a.family === 4) {
    w[0] = b.w3;
    w[1] = a.w3;
    return 2;
  }
  w[0] = b.w0;
  w[1] = b.w1;
  w[2] = b.w2;
  w[3] = b.w3;
  w[4] = a.w0;
  w[5] = a.w1;
  w[6] = a.w2;
  w[7] = a.w3;
  return 8;
}

/** A key of its own for each use of the stack's one secret. */
export function derive(secret: Uint8Array, use: number): Uint8Array {
  const hash = new SipHash(secret);
  const key = new Uint8Array(16);
  const v = new DataView(key.buffer);
  for (let i = 0; i < 2; i++) {
    hash.words[0] = use;
    hash.words[1] = i;
    hash.hash(2);
    v.setUint32(i * 8, hash.low);
    v.setUint32(i * 8 + 4, hash.high);
  }
  return key;
}
