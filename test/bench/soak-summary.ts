/** What a soak's samples say: how memory went, and whether it stayed flat. No measuring here. */
import { median, slope } from './statistics.js';

/** Once a second. */
export interface SoakSample {
  /** Seconds since the load began. */
  readonly at: number;
  readonly residentKb: number;
  /** Of the daemon's own thread; the stack's thread has one of its own, which shows in the resident memory. */
  readonly heapBytes: number;
  /** Cores used since the sample before: all threads, the daemon's, the stack's. */
  readonly cores: number;
  readonly mainCores: number;
  readonly stackCores: number;
  readonly rows: number;
}

export interface SoakSummary {
  /** Resident memory, MB: medians around 10 %, 50 % and the end of the time. */
  readonly residentMb: readonly [number, number, number];
  /** Medians of the second half's first and last third, MB: long enough that a collection or two lie in each. */
  readonly thirdsMb: readonly [number, number];
  /** Of the second half, MB an hour. */
  readonly slopeMbPerHour: number;
  /** What the straight line through the second half gains, MB. */
  readonly gainMb: number;
  readonly heapMb: readonly [number, number, number];
  readonly cores: number;
  readonly mainCores: number;
  readonly stackCores: number;
  readonly mostRows: number;
}

const MB = 1024;

/** The median of the samples in a part of the time. */
function around(samples: readonly SoakSample[], from: number, to: number, of: (s: SoakSample) => number): number {
  const end = samples.at(-1)?.at ?? 0;
  const within = samples.filter((s) => s.at >= from * end && s.at <= to * end);
  return median((within.length > 0 ? within : samples).map(of));
}

export function summarise(samples: readonly SoakSample[]): SoakSummary {
  const three = (of: (s: SoakSample) => number): [number, number, number] => [
    around(samples, 0.07, 0.13, of),
    around(samples, 0.45, 0.55, of),
    around(samples, 0.94, 1, of),
  ];
  const end = samples.at(-1)?.at ?? 0;
  const half = samples.filter((s) => s.at >= end / 2);
  const perSecond = slope(
    half.map((s) => s.at),
    half.map((s) => s.residentKb / MB),
  );
  const mean = (of: (s: SoakSample) => number) => samples.reduce((sum, s) => sum + of(s), 0) / Math.max(1, samples.length);
  return {
    residentMb: three((s) => s.residentKb / MB),
    thirdsMb: [around(samples, 1 / 2, 2 / 3, (s) => s.residentKb / MB), around(samples, 5 / 6, 1, (s) => s.residentKb / MB)],
    slopeMbPerHour: perSecond * 3600,
    gainMb: (perSecond * end) / 2,
    heapMb: three((s) => s.heapBytes / MB / MB),
    cores: mean((s) => s.cores),
    mainCores: mean((s) => s.mainCores),
    stackCores: mean((s) => s.stackCores),
    mostRows: samples.reduce((most, s) => Math.max(most, s.rows), 0),
  };
}

/** Flat is what grows by less than a tenth, or by less than what one collection moves, over the second half. */
const FLAT_PART = 0.1;
const FLAT_MB = 20;
/** A shorter soak is still filling its pools. */
export const JUDGED_FROM_S = 600;

/** Why memory was not flat, or ''. */
export function notFlat(s: SoakSummary, seconds: number): string {
  if (seconds < JUDGED_FROM_S) return '';
  const [first, last] = s.thirdsMb;
  const most = Math.max(FLAT_MB, first * FLAT_PART);
  if (last - first <= most && s.gainMb <= most) return '';
  return `resident memory went from ${first.toFixed(0)} to ${last.toFixed(0)} MB in the second half (slope ${s.slopeMbPerHour.toFixed(0)} MB/h)`;
}
