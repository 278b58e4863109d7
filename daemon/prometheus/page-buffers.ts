/**
 * Where pages lie on their way out. A page has some 100 kB: given to the response as a string it is copied into memory that Node asks the
 * system for, and gives back, each time. A buffer that was written out serves for the next page.
 */
const ROOM = 1 << 16;
/** Buffers kept while no page needs them. */
const SPARE = 4;

export class PageBuffers {
  private readonly spare: Buffer[] = [];

  /** The text's bytes; they are the caller's until `release`. */
  encode(text: string): { readonly bytes: Buffer; release(): void } {
    const length = Buffer.byteLength(text);
    const buffer = this.take(length);
    buffer.write(text, 0, length, length === text.length ? 'latin1' : 'utf8');
    let held = true;
    return {
      bytes: buffer.subarray(0, length),
      release: () => {
        if (held && this.spare.length < SPARE) this.spare.push(buffer);
        held = false;
      },
    };
  }

  private take(length: number): Buffer {
    const at = this.spare.findIndex((b) => b.length >= length);
    if (at >= 0) return this.spare.splice(at, 1)[0]!;
    this.spare.pop(); // too small for the pages there are now
    return Buffer.allocUnsafeSlow(Math.ceil(length / ROOM) * ROOM);
  }
}
