/** How scrapes themselves went: how long answers took, and whether they were of one moment. */
import { type Labels, numberText } from './exposition.js';
import type { Layout } from './layout.js';

export const PATHS = ['/metrics', '/metrics/node'] as const;
export type MetricsPath = (typeof PATHS)[number];

/** Upper edges of the histogram's buckets, seconds. */
const BUCKETS: readonly number[] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, Number.POSITIVE_INFINITY];

interface PathScrapes {
  /** Cumulative: how many took no longer than each edge. */
  readonly buckets: Float64Array;
  seconds: number;
  success: number;
  inconsistent: number;
}

export class Scrapes {
  private readonly of: Readonly<Record<MetricsPath, PathScrapes>>;

  constructor() {
    const none = () => ({ buckets: new Float64Array(BUCKETS.length), seconds: 0, success: 0, inconsistent: 0 });
    this.of = { '/metrics': none(), '/metrics/node': none() };
  }

  scraped(path: MetricsPath, consistent: boolean, seconds: number): void {
    const s = this.of[path];
    for (let b = BUCKETS.length - 1; b >= 0 && seconds <= BUCKETS[b]!; b--) s.buckets[b]! += 1;
    s.seconds += seconds;
    if (consistent) s.success++;
    else s.inconsistent++;
  }

  lay(out: Layout): void {
    const duration = 'Time it took to answer a scrape, by path; the scrape at hand not yet included';
    out.family('tsnetstat_scrape_duration_seconds', 'histogram', duration);
    for (const path of PATHS) {
      const s = this.of[path];
      const labels: Labels = [['path', path]];
      for (const [b, edge] of BUCKETS.entries())
        out.sample(() => s.buckets[b]!, [['le', numberText(edge)], ...labels], '_bucket');
      out.sample(() => s.seconds, labels, '_sum');
      out.sample(() => s.buckets[BUCKETS.length - 1]!, labels, '_count');
    }
    const answered = 'Scrapes answered, by path and result: success, or inconsistent when live cells had to be shown';
    out.family('tsnetstat_scrapes', 'counter', answered);
    for (const path of PATHS) {
      const s = this.of[path];
      for (const result of ['success', 'inconsistent'] as const)
        out.sample(
          () => s[result],
          [
            ['path', path],
            ['result', result],
          ],
        );
    }
  }
}
