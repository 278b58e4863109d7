/** Single counter events and snapshots, in this process (micro.ts). */
import type { Measure } from './measure.js';
import { type Micro, micro } from './micro.js';
import { type Mode, type Row, row } from './report.js';

const FIGURES: readonly (readonly [keyof Micro, string, string])[] = [
  ['plainCell', 'event: a cell of a plain array', 'ns'],
  ['unattributed', 'event: unattributed', 'ns'],
  ['row', 'event: on a row', 'ns'],
  ['armed', 'event: on a row, probe armed', 'ns'],
  ['snapshotUs', 'snapshot published', 'µs'],
];
const ROUNDS = 3;

export function eventRows(mode: Mode, quick: boolean): Row[] {
  const runs = Array.from({ length: quick ? 1 : ROUNDS }, () => micro());
  return FIGURES.map(([key, name, unit]) => row({ name, mode, unit, lowerIsBetter: true, ours: runs.map((m) => m[key]) }));
}

export const events: Measure = {
  name: 'events',
  about: 'ns of one counter event, with the probe off and armed, and of a snapshot; best of several',
  modes: ['offloads'],
  run: async ({ settings, mode }) => eventRows(mode, settings.quick),
};
