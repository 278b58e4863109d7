/** A cell as the kernel would print it: unsigned, modulo 2^64. */
export function unsignedText(value: number): string {
  if (value >= 0 && value <= Number.MAX_SAFE_INTEGER) return String(value);
  return String(BigInt.asUintN(64, BigInt(Math.trunc(value))));
}
