/** process_* and nodejs_*: what prom-client knows of the daemon's process, written as everything else here. The only place where it is used. */
import { collectDefaultMetrics, Registry } from 'prom-client';
import { type FamilyType, type Format, headText, labelText, numberText, sampleName } from './exposition.js';

/** How often the event loop's lag is looked at: each look wakes an idle daemon. */
const LAG_SAMPLE_MS = 500;

/** Gauges that prom-client names `_total`, which the conventions keep for counters; their parts are in the metric without it. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

/**
 * Asking costs milliseconds, of system calls and of the lag's histogram, which is gone through for each of its figures: scrapes that come
 * more often than Prometheus' do are shown the same.
 */
const KEEP_MS = 5000;

export class OwnMetrics {
  private readonly registry = new Registry();
  private readonly nowMs: () => number;
  private metrics: Promise<readonly Metric[]> = Promise.resolve([]);
  private askedMs = Number.NEGATIVE_INFINITY;
  /** The same as text, by format, until they are asked for again. */
  private readonly texts = new Map<Format, string>();

  /** @param nowMs a monotonic clock */
  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: LAG_SAMPLE_MS });
    for (const name of MISNAMED) this.registry.removeSingleMetric(name);
  }

  /** Whole families, without an end mark. */
  async text(format: Format): Promise<string> {
    if (this.nowMs() - this.askedMs >= KEEP_MS) {
      this.askedMs = this.nowMs();
      this.texts.clear();
      this.metrics = this.registry.getMetricsAsJSON();
    }
    const kept = this.texts.get(format);
    if (kept !== undefined) return kept;
    const text = (await this.metrics).map((m) => familyText(format, m)).join('');
    this.texts.set(format, text);
    return text;
  }
}

function familyText(format: Format, m: Metric): string {
  const type = String(m.type) as FamilyType;
  const family = type === 'counter' ? m.name.replace(/_total$/, '') : m.name;
  const lines = (m.values as readonly JsonValue[]).map((v) => {
    if (v.value === null || v.value === undefined) return ''; // a mean of nothing
    const suffix = v.metricName?.startsWith(m.name) ? v.metricName.slice(m.name.length) : '';
    const labels = Object.entries(v.labels).map(([name, value]) => [name, String(value)] as const);
    return `${sampleName(family, type)}${suffix}${labelText(labels)} ${numberText(v.value)}\n`;
  });
  return headText(format, family, type, m.help) + lines.join('');
}

type Metric = Awaited<ReturnType<Registry['getMetricsAsJSON']>>[number];

interface JsonValue {
  readonly value: number | null | undefined;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName?: string;
}
