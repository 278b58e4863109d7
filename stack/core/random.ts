/** Chance is an argument: the worker gives a generator seeded from the operating system, tests a seed of their own. */
export interface Random {
  /** Uniform 32-bit unsigned integer. */
  u32(): number;
}

/** xoshiro128** seeded by splitmix32. Not for secrets: keys come from `key()` of the stack's options. */
export class SeededRandom implements Random {
  private a: number;
  private b: number;
  private c: number;
  private d: number;
  constructor(seed: number) {
    let s = seed >>> 0;
    const mix = () => {
      s = (s + 0x9e3779b9) >>> 0;
      let z = s;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return (z ^ (z >>> 15)) >>> 0;
    };
    this.a = mix();
    this.b = mix();
    this.c = mix();
    this.d = mix();
  }
  u32(): number {
    const x = Math.imul(this.b, 5);
    const r = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= t;
    this.d = (this.d << 11) | (this.d >>> 21);
    return r;
  }
}

/** Uniform in [0, n). */
export function below(random: Random, n: number): number {
  return Math.floor((random.u32() / 0x1_0000_0000) * n);
}
/** True with probability p. */
export function chance(random: Random, p: number): boolean {
  return p > 0 && random.u32() < p * 0x1_0000_0000;
}
