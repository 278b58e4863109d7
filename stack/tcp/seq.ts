/** Sequence numbers (RFC 9293 3.4): unsigned 32-bit, compared modulo 2^32. Kept as unsigned doubles; `>>> 0` after every sum. */
export function before(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}
export function after(a: number, b: number): boolean {
  return ((b - a) | 0) < 0;
}
/** low <= s <= high. */
export function between(s: number, low: number, high: number): boolean {
  return (high - low) >>> 0 >= (s - low) >>> 0;
}
