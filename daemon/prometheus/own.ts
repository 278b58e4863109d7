/**
 * The daemon's own series: process_*, nodejs_* and the duration and success of scrapes. The only place where prom-client is used: what
 * it holds is written by the same serializer as everything else, so that both text formats and one response hold both.
 */
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';
import { Exposition, type FamilyType, type Format } from './exposition.js';

/** How often the event loop's lag is looked at: each look wakes an idle daemon. */
const LAG_SAMPLE_MS = 500;

/** Gauges that prom-client names `_total`, which the conventions keep for counters; their parts are in the metric without it. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

const PROCESS_KEEP_MS = 1000;

export class OwnMetrics {
  private readonly registry = new Registry();
  /** process_* and nodejs_*: asking costs a millisecond of system calls, so more than one scrape a second is shown the same. */
  private readonly process = new Registry();
  private readonly nowMs: () => number;
  private processMetrics: Promise<readonly Metric[]> = Promise.resolve([]);
  private processAskedMs = Number.NEGATIVE_INFINITY;
  /** The same as text, by format, until they are asked for again. */
  private readonly processTexts = new Map<Format, string>();
  private readonly duration: Histogram<'path'>;
  private readonly scrapes: Counter<'path' | 'result'>;

  /** @param nowMs a monotonic clock */
  constructor(nowMs: () => number = () => performance.now()) {
    this.nowMs = nowMs;
    collectDefaultMetrics({ register: this.process, eventLoopMonitoringPrecision: LAG_SAMPLE_MS });
    for (const name of MISNAMED) this.process.removeSingleMetric(name);
    this.duration = new Histogram({
      name: 'tsnetstat_scrape_duration_seconds',
      help: 'Time it took to answer a scrape, by path; the scrape at hand not yet included',
      labelNames: ['path'],
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5],
      registers: [this.registry],
    });
    this.scrapes = new Counter({
      name: 'tsnetstat_scrapes_total',
      help: 'Scrapes answered, by path and result: success, or inconsistent when live cells had to be shown',
      labelNames: ['path', 'result'],
      registers: [this.registry],
    });
    for (const path of ['/metrics', '/metrics/node'])
      for (const result of ['success', 'inconsistent']) this.scrapes.inc({ path, result }, 0);
  }

  scraped(path: string, consistent: boolean, seconds: number): void {
    this.duration.observe({ path }, seconds);
    this.scrapes.inc({ path, result: consistent ? 'success' : 'inconsistent' });
  }

  async write(out: Exposition): Promise<void> {
    if (this.nowMs() - this.processAskedMs >= PROCESS_KEEP_MS) {
      this.processAskedMs = this.nowMs();
      this.processTexts.clear();
      this.processMetrics = this.process.getMetricsAsJSON();
    }
    const metrics = await this.processMetrics;
    let text = this.processTexts.get(out.format);
    if (text === undefined) {
      const fresh = new Exposition(out.format);
      this.writeAll(fresh, metrics);
      text = fresh.body();
      this.processTexts.set(out.format, text);
    }
    out.text(text);
    this.writeAll(out, await this.registry.getMetricsAsJSON());
  }

  private writeAll(out: Exposition, metrics: readonly Metric[]): void {
    for (const m of metrics) {
      const type = String(m.type) as FamilyType;
      const family = type === 'counter' ? m.name.replace(/_total$/, '') : m.name;
      out.family(family, type, m.help);
      for (const v of m.values as readonly JsonValue[]) {
        if (v.value === null || v.value === undefined) continue; // a mean of nothing
        const suffix = v.metricName?.startsWith(m.name) ? v.metricName.slice(m.name.length) : '';
        out.sample(
          v.value,
          Object.entries(v.labels).map(([name, value]) => [name, String(value)]),
          suffix,
        );
      }
    }
  }
}

type Metric = Awaited<ReturnType<Registry['getMetricsAsJSON']>>[number];

interface JsonValue {
  readonly value: number | null | undefined;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName?: string;
}
