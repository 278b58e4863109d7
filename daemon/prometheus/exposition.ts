/**
 * The two text formats of a scrape: Prometheus' own (0.0.4) and OpenMetrics 1.0. They differ in how a counter's family is named, in the
 * word for "untyped", and in the end mark.
 */
export type Format = 'text' | 'openmetrics';
export type FamilyType = 'counter' | 'gauge' | 'untyped' | 'histogram' | 'summary';

export const CONTENT_TYPES: Readonly<Record<Format, string>> = Object.freeze({
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
});

export type Labels = readonly (readonly [name: string, value: string])[];

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
function escapeValue(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
/** `{device="tsn0"}`, or nothing without labels. */
export function labelText(labels: Labels): string {
  if (labels.length === 0) return '';
  return `{${labels.map(([n, v]) => `${n}="${escapeValue(v)}"`).join(',')}}`;
}
export function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

/** What a family's samples are called. @param family a counter's without `_total`, which its samples get */
export function sampleName(family: string, type: FamilyType): string {
  return type === 'counter' ? `${family}_total` : family;
}

/** The two lines above a family's samples. */
export function headText(format: Format, family: string, type: FamilyType, help: string): string {
  const name = format === 'openmetrics' ? family : sampleName(family, type);
  const word = format === 'openmetrics' && type === 'untyped' ? 'unknown' : type;
  const escaped = format === 'openmetrics' ? escapeValue(help) : escapeHelp(help);
  return `# HELP ${name} ${escaped}\n# TYPE ${name} ${word}\n`;
}

/** What stands behind everything. */
export const END_MARKS: Readonly<Record<Format, string>> = Object.freeze({ text: '', openmetrics: '# EOF\n' });

/** Content negotiation: OpenMetrics when the client asks for it at least as much as for plain text. */
export function formatOf(accept: string | undefined): Format {
  if (!accept) return 'text';
  let openmetrics = 0;
  let text = 0;
  for (const part of accept.split(',')) {
    const [type, ...parameters] = part.split(';').map((p) => p.trim().toLowerCase());
    const q = parameters.find((p) => p.startsWith('q='));
    const weight = q ? Number(q.slice(2)) || 0 : 1;
    if (type === 'application/openmetrics-text') openmetrics = Math.max(openmetrics, weight);
    else if (type === 'text/plain' || type === 'text/*' || type === '*/*') text = Math.max(text, weight);
  }
  return openmetrics > 0 && openmetrics >= text ? 'openmetrics' : 'text';
}
