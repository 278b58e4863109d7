/**
 * Addresses of both families as four host-order 32-bit words; IPv4 is the mapped form ::ffff:a.b.c.d (RFC 4291 2.5.5.2). No table, row or
 * interface of the stack assumes IPv4. Text form after RFC 5952.
 */
export type Family = 4 | 6;

export class IpAddress {
  readonly family: Family;
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;

  constructor(family: Family, w0: number, w1: number, w2: number, w3: number) {
    this.family = family;
    this.w0 = w0 >>> 0;
    this.w1 = w1 >>> 0;
    this.w2 = w2 >>> 0;
    this.w3 = w3 >>> 0;
  }

  static v4(word: number): IpAddress {
    return new IpAddress(4, 0, 0, 0xffff, word);
  }

  /** Undefined when the text is no address. */
  static parse(text: string): IpAddress | undefined {
    const v4 = parseV4(text);
    if (v4 !== undefined) return IpAddress.v4(v4);
    const w = parseV6(text);
    return w && new IpAddress(6, w[0], w[1], w[2], w[3]);
  }

  /** For constants and tests: throws on bad text. */
  static from(text: string): IpAddress {
    const a = IpAddress.parse(text);
    if (!a) throw new TypeError(`not an IP address: ${text}`);
    return a;
  }

  equals(o: IpAddress): boolean {
    return this.w3 === o.w3 && this.w2 === o.w2 && this.w1 === o.w1 && this.w0 === o.w0;
  }
  isAny(): boolean {
    return this.w3 === 0 && this.w0 === 0 && this.w1 === 0 && (this.w2 === 0 || this.family === 4);
  }
  isMulticast(): boolean {
    return this.family === 4 ? this.w3 >>> 28 === 0xe : this.w0 >>> 24 === 0xff;
  }
  toString(): string {
    return this.family === 4 ? formatV4(this.w3) : formatV6(this.w0, this.w1, this.w2, this.w3);
  }
}

export const ANY4: IpAddress = IpAddress.v4(0);
export const ANY6: IpAddress = new IpAddress(6, 0, 0, 0, 0);

/** The form in which a dual-stack socket names an IPv4 address: ::ffff:a.b.c.d. */
export function isMapped(a: IpAddress): boolean {
  return a.family === 6 && a.w0 === 0 && a.w1 === 0 && a.w2 === 0xffff;
}

export function parseV4(text: string): number | undefined {
  const m = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (!m) return undefined;
  let word = 0;
  for (let i = 1; i <= 4; i++) {
    const n = Number(m[i]);
    if (n > 255 || (m[i]!.length > 1 && m[i]![0] === '0')) return undefined;
    word = ((word << 8) | n) >>> 0;
  }
  return word;
}

export function formatV4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

function parseV6(text: string): [number, number, number, number] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groups16(halves[0]!);
  const tail = halves.length === 2 ? groups16(halves[1]!) : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const g = [...head, ...new Array<number>(missing).fill(0), ...tail];
  const word = (i: number) => ((g[i]! << 16) | g[i + 1]!) >>> 0;
  return [word(0), word(2), word(4), word(6)];
}

function groups16(text: string): number[] | undefined {
  if (text === '') return [];
  const out: number[] = [];
  const parts = text.split(':');
  for (const [i, p] of parts.entries()) {
    if (i === parts.length - 1 && p.includes('.')) {
      const v4 = parseV4(p);
      if (v4 === undefined) return undefined;
      out.push(v4 >>> 16, v4 & 0xffff);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(p)) return undefined;
      out.push(Number.parseInt(p, 16));
    }
  }
  return out;
}

export function formatV6(w0: number, w1: number, w2: number, w3: number): string {
  if (w0 === 0 && w1 === 0 && w2 === 0xffff) return `::ffff:${formatV4(w3)}`;
  const g = [w0 >>> 16, w0 & 0xffff, w1 >>> 16, w1 & 0xffff, w2 >>> 16, w2 & 0xffff, w3 >>> 16, w3 & 0xffff];
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && g[i + n] === 0) n++;
    if (n > bestLength) {
      best = i;
      bestLength = n;
    }
  }
  const hex = (from: number, to: number) =>
    g
      .slice(from, to)
      .map((x) => x.toString(16))
      .join(':');
  return best < 0 ? hex(0, 8) : `${hex(0, best)}::${hex(best + bestLength, 8)}`;
}
