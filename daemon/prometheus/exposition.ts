/**
 * The two text formats of a scrape: Prometheus' own (0.0.4) and OpenMetrics 1.0. One writer for every series that this daemon shows; the
 * formats differ in how a counter's family is named, in the word for "untyped", and in the end mark.
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
function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

/** The two lines above a family's samples, and what these are called. Made once: names and help texts are the program's own, so they are few. */
interface Head {
  readonly type: FamilyType;
  readonly help: string;
  readonly sampleName: string;
  readonly text: string;
}
const heads: Readonly<Record<Format, Map<string, Head>>> = { text: new Map(), openmetrics: new Map() };

function makeHead(format: Format, name: string, type: FamilyType, help: string): Head {
  const sampleName = type === 'counter' ? `${name}_total` : name;
  const family = format === 'openmetrics' ? name : sampleName;
  const word = format === 'openmetrics' && type === 'untyped' ? 'unknown' : type;
  const escaped = format === 'openmetrics' ? escapeValue(help) : escapeHelp(help);
  return { type, help, sampleName, text: `# HELP ${family} ${escaped}\n# TYPE ${family} ${word}\n` };
}

export class Exposition {
  readonly format: Format;
  private readonly parts: string[] = [];
  private sampleName = '';

  constructor(format: Format) {
    this.format = format;
  }

  /** Opens a family. A counter's name is given without `_total`, which its samples get. */
  family(name: string, type: FamilyType, help: string): void {
    let head = heads[this.format].get(name);
    if (!head || head.type !== type || head.help !== help) {
      head = makeHead(this.format, name, type, help);
      heads[this.format].set(name, head);
    }
    this.sampleName = head.sampleName;
    this.parts.push(head.text);
  }

  /** One sample of the open family. @param suffix `_bucket`, `_sum`, `_count` of a histogram or summary */
  sample(value: number, labels: Labels = [], suffix = ''): void {
    this.parts.push(`${this.sampleName}${suffix}${labelText(labels)} ${numberText(value)}\n`);
  }

  /** A family of one sample without labels. */
  single(name: string, type: FamilyType, help: string, value: number): void {
    this.family(name, type, help);
    this.sample(value);
  }

  /** Whole families that were written before, without their end mark. */
  text(families: string): void {
    this.parts.push(families);
  }

  /** What was written so far. */
  body(): string {
    return this.parts.join('');
  }
  end(): string {
    if (this.format === 'openmetrics') this.parts.push('# EOF\n');
    return this.body();
  }
}

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
