/** PromQL for counters by their kernel name, so that a panel cannot name a metric that does not exist. */
import { counterByKey } from '../mib/catalogue/index.js';
import { metricName } from '../mib/catalogue/metric-name.js';

/** What every selector of every query carries: the dashboard's variables. */
export const SELECTOR = 'job=~"$job", instance=~"$instance"';

/** One line of a panel. */
export interface Series {
  readonly expr: string;
  readonly legend: string;
  /** Counters it shows, for the panel's description. */
  readonly keys: readonly string[];
}

/** @throws RangeError for a name that the catalogue does not know */
function counter(key: string) {
  const c = counterByKey(key);
  if (!c) throw new RangeError(`no such counter: ${key}`);
  return c;
}
export function meaning(key: string): string {
  return counter(key).entry.meaning;
}

/** A counter per second, summed over the chosen instances. */
export function rateOf(metric: string, matchers = ''): string {
  return `sum(rate(${metric}{${SELECTOR}${matchers && `, ${matchers}`}}[$__rate_interval]))`;
}
/** How fast a counter moves: `per('Tcp.InSegs', 'in')`. */
export function per(key: string, legend: string): Series {
  return { expr: rateOf(metricName(counter(key))), legend, keys: [key] };
}
/** How fast several counters move together. */
export function perSum(keys: readonly string[], legend: string): Series {
  return { expr: keys.map((k) => rateOf(metricName(counter(k)))).join(' + '), legend, keys };
}
/** One counter's rate as a share of another's. */
export function share(key: string, ofKey: string, legend: string): Series {
  const [part, whole] = [key, ofKey].map((k) => rateOf(metricName(counter(k))));
  return { expr: `${part} / ${whole}`, legend, keys: [key, ofKey] };
}
/** A gauge of the catalogue, summed. */
export function level(key: string, legend: string): Series {
  return { expr: `sum(${metricName(counter(key))}{${SELECTOR}})`, legend, keys: [key] };
}
/** Any other metric of the daemon. */
export function raw(expr: string, legend: string): Series {
  return { expr, legend, keys: [] };
}
