/** The little statistics that a bench needs. Medians, because one run that was disturbed must not move the figure. */

const sorted = (xs: readonly number[]) => [...xs].sort((a, b) => a - b);

/** NaN of nothing. */
export function median(xs: readonly number[]): number {
  const s = sorted(xs);
  const middle = s.length >> 1;
  return s.length % 2 === 1 ? s[middle]! : (s[middle - 1]! + s[middle]!) / 2;
}

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * Where the true median lies: the narrowest pair of order statistics that holds it with a likelihood of 90 % or more, whatever the
 * distribution is (the number of samples below the median is binomial). Fewer than five samples have no such pair: least and greatest then.
 */
export function spread(xs: readonly number[]): Interval {
  const s = sorted(xs);
  const n = s.length;
  if (n === 0) return { low: Number.NaN, high: Number.NaN };
  let outside = 0;
  let term = 0.5 ** n; // C(n, k) / 2^n
  let k = 0;
  while (k < (n - 1) >> 1 && 2 * (outside + term) <= 0.1) {
    outside += term;
    term = (term * (n - k)) / (k + 1);
    k++;
  }
  // k samples may be left out on either side
  const cut = Math.max(0, k - 1);
  return { low: s[cut]!, high: s[n - 1 - cut]! };
}

/** Ours over theirs, pair by pair: what was measured one after the other was disturbed alike. Pairs that are not whole are left out. */
export function ratios(ours: readonly number[], theirs: readonly number[]): number[] {
  const n = Math.min(ours.length, theirs.length);
  return Array.from({ length: n }, (_, i) => ours[i]! / theirs[i]!).filter(Number.isFinite);
}

/** Slope of the straight line through the points (least squares); 0 of fewer than two. */
export function slope(xs: readonly number[], ys: readonly number[]): number {
  const n = xs.length;
  if (n < 2) return 0;
  const mx = xs.reduce((a, b) => a + b, 0) / n;
  const my = ys.reduce((a, b) => a + b, 0) / n;
  let over = 0;
  let under = 0;
  for (let i = 0; i < n; i++) {
    over += (xs[i]! - mx) * (ys[i]! - my);
    under += (xs[i]! - mx) ** 2;
  }
  return under === 0 ? 0 : over / under;
}
