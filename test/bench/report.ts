/** What a bench has measured: rows, their table in Markdown, and what changed against an earlier run. No measuring here. */
import { type Interval, median, ratios, spread } from './statistics.js';

export const MODES = ['offloads', 'plain'] as const;
export type Mode = (typeof MODES)[number];

/** What a row ought to reach: its ratio, or its value where there is no baseline. */
export interface Goal {
  readonly least?: number;
  readonly most?: number;
  readonly aim: number;
}

export interface Row {
  readonly name: string;
  readonly mode: Mode;
  readonly unit: string;
  readonly lowerIsBetter: boolean;
  /** One value a round. */
  readonly ours: readonly number[];
  /** What was measured in turn with it, and of what; empty without a baseline. */
  readonly theirs: readonly number[];
  readonly baseline: string;
  /** Work per CPU second of the stack's process: in the row's unit without its `/s`; empty where that says nothing. */
  readonly perCpu: readonly number[];
  readonly goal: Goal | null;
  readonly notes: readonly string[];
}

export interface Results {
  readonly format: 2;
  readonly when: string;
  readonly machine: { readonly node: string; readonly kernel: string; readonly cores: number };
  readonly settings: Readonly<Record<string, unknown>>;
  readonly rows: readonly Row[];
}

type RowParts = Partial<Row> & Pick<Row, 'name' | 'mode' | 'unit' | 'ours'>;
export function row(parts: RowParts): Row {
  return { lowerIsBetter: false, theirs: [], baseline: '', perCpu: [], goal: null, notes: [], ...parts };
}

/** What a row is judged and compared by: the ratios to its baseline, or the values themselves. */
export function figures(r: Row): readonly number[] {
  return r.theirs.length > 0 ? ratios(r.ours, r.theirs) : r.ours;
}

export type Change = 'better' | 'worse' | 'same';

/** Beyond the spread: the intervals in which the two medians lie do not touch. */
export function change(before: Row, after: Row): Change {
  const old = spread(figures(before));
  const now = spread(figures(after));
  if (now.low > old.high) return after.lowerIsBetter ? 'worse' : 'better';
  if (now.high < old.low) return after.lowerIsBetter ? 'better' : 'worse';
  return 'same';
}

export function reached(r: Row): 'aim' | 'yes' | 'no' | '' {
  const g = r.goal;
  if (!g) return '';
  const x = median(figures(r));
  const within = (limit: number) => (g.most === undefined ? x >= limit : x <= limit);
  if (within(g.aim)) return 'aim';
  return within(g.most ?? g.least ?? g.aim) ? 'yes' : 'no';
}

/** Three digits that count; thousands whole. */
export function short(x: number): string {
  if (!Number.isFinite(x)) return '–';
  const size = Math.abs(x);
  if (size >= 100) return Math.round(x).toString();
  if (size >= 10) return x.toFixed(1);
  return size >= 0.1 || x === 0 ? x.toFixed(2) : x.toPrecision(2);
}

const range = ({ low, high }: Interval, show: (x: number) => string) => `[${show(low)}–${show(high)}]`;
const shown = (xs: readonly number[], show = short) =>
  xs.length > 1 ? `${show(median(xs))} ${range(spread(xs), show)}` : show(median(xs));
const ratioDigits = (x: number) => (Number.isFinite(x) ? x.toFixed(3) : '–');

function goalText(r: Row): string {
  const g = r.goal;
  if (!g) return '';
  const sign = g.most === undefined ? '≥' : '≤';
  const limit = g.most ?? g.least ?? g.aim;
  const words = { aim: 'aim reached', yes: 'reached', no: 'MISSED', '': '' }[reached(r)];
  return `${sign} ${limit}${limit === g.aim ? '' : ` (aim ${g.aim})`}: ${words}`;
}

const MARK: Readonly<Record<Change, string>> = { better: '▲ better', worse: '▼ WORSE', same: '=' };

function beforeCells(r: Row, earlier: readonly Row[]): string[] {
  const before = earlier.find((o) => o.name === r.name && o.mode === r.mode);
  if (!before) return ['–', ''];
  return [shown(figures(before), before.theirs.length > 0 ? ratioDigits : short), MARK[change(before, r)]];
}

/** The rows as a table in Markdown, notes below. With an earlier run, two more columns. */
export function table(rows: readonly Row[], earlier?: readonly Row[]): string {
  const head = ['measure', 'tsnetstat', 'against', 'ratio', 'per CPU s', 'goal', ...(earlier ? ['before', 'change'] : [])];
  const lines = [head, head.map(() => '---')];
  for (const r of rows) {
    const theirs = r.theirs.length > 0 ? `${shown(r.theirs)} (${r.baseline})` : '';
    const ratio = r.theirs.length > 0 ? shown(figures(r), ratioDigits) : '';
    const perCpu = r.perCpu.length > 0 ? shown(r.perCpu) : '';
    const name = r.mode === 'plain' ? `${r.name}, plain` : r.name;
    const cells = [name, `${shown(r.ours)} ${r.unit}`, theirs, ratio, perCpu, goalText(r)];
    lines.push(earlier ? [...cells, ...beforeCells(r, earlier)] : cells);
  }
  const notes = rows.flatMap((r) => r.notes.map((n) => `- ${r.name}${r.mode === 'plain' ? ', plain' : ''}: ${n}`));
  const text = lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  return notes.length > 0 ? `${text}\n\n${notes.join('\n')}` : text;
}

/** An earlier run's file. @throws Error for anything else, in words for the user */
export function parseResults(text: string, name: string): Results {
  let r: Partial<Results>;
  try {
    r = JSON.parse(text) as Partial<Results>;
  } catch {
    throw new Error(`${name} is no JSON`);
  }
  if (r?.format !== 2 || !Array.isArray(r.rows)) throw new Error(`${name} was not written by this bench (--json)`);
  return r as Results;
}
