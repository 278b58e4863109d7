/**
 * The character generator's pattern (RFC 864): lines of 72 of the 95 printable characters, each line starting one character further on;
 * after 95 lines it repeats.
 */
const LINE = 72;
const LINE_BYTES = LINE + 2;
const PRINTABLE = 95;
/** Bytes after which the pattern repeats. */
export const PATTERN: number = PRINTABLE * LINE_BYTES;

/** At least `length` bytes from any point of the first pattern. */
export function characters(length: number): Uint8Array {
  const out = new Uint8Array(PATTERN * Math.ceil((length + PATTERN) / PATTERN));
  for (let line = 0, at = 0; line < PRINTABLE; line++, at += LINE_BYTES) {
    for (let i = 0; i < LINE; i++) out[at + i] = 0x20 + ((line + i) % PRINTABLE);
    out[at + LINE] = 13;
    out[at + LINE + 1] = 10;
  }
  for (let made = PATTERN; made < out.length; made *= 2) out.copyWithin(made, 0, made);
  return out;
}

/** One line after another, made once. */
export class CharacterLines {
  private readonly lines: readonly Uint8Array[];
  private line = 0;

  constructor() {
    const all = characters(0);
    this.lines = Array.from({ length: PRINTABLE }, (_, i) => all.subarray(i * LINE_BYTES, (i + 1) * LINE_BYTES));
  }

  next(): Uint8Array {
    const line = this.lines[this.line]!;
    this.line = (this.line + 1) % PRINTABLE;
    return line;
  }
}
