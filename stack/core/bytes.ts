/** Copying between byte stores. */

/** Below this many bytes a loop beats the set-up of a bulk copy. */
const BULK_FROM = 96;

/** Copies `length` bytes. The stores must be different ones, or the ranges must not overlap. */
export function copyBytes(into: Uint8Array, at: number, from: Uint8Array, fromAt: number, length: number): void {
  if (length < BULK_FROM) {
    for (let i = 0; i < length; i++) into[at + i] = from[fromAt + i]!;
    return;
  }
  into.set(fromAt === 0 && length === from.length ? from : from.subarray(fromAt, fromAt + length), at);
}
