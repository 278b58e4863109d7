/**
 * What a page shows, laid out once: families and labels as literal text, and between them slots for the numbers of a moment. Which series
 * there are is decided here and holds until the devices or the message types met are others (series.ts); page.ts fills the slots.
 */
import type { Moment } from '../snapshot.js';
import { type FamilyType, type Format, headText, type Labels, labelText, numberText, sampleName } from './exposition.js';

/** Where a slot's number comes from: a published cell times `scale`, or what `read` makes of the moment. */
export interface Slot {
  /** Index into Snapshot.published (a cell's id, or `deviceCell`), -1 when `read` tells. */
  readonly cell: number;
  readonly scale: number;
  readonly read: (moment: Moment) => number;
}

const unread = (): number => 0;

export class Layout {
  readonly format: Format;
  readonly slots: Slot[] = [];
  /** What stands in front of each slot, and behind the last. */
  readonly literals: string[] = [''];
  /** Slots whose filling is timed together: behind the last one of each section. */
  readonly sectionEnds: number[] = [];
  /** How long each section took when the page was filled last, seconds. */
  readonly durations: number[] = [];
  private name = '';

  constructor(format: Format) {
    this.format = format;
  }

  /** Opens a family. A counter's name is given without `_total`. */
  family(name: string, type: FamilyType, help: string): void {
    this.name = sampleName(name, type);
    this.text(headText(this.format, name, type, help));
  }

  /** A sample of the open family. @param suffix `_bucket`, `_sum`, `_count` of a histogram or summary */
  sample(read: (moment: Moment) => number, labels: Labels = [], suffix = ''): void {
    this.slot({ cell: -1, scale: 1, read }, labels, suffix);
  }
  /** A sample that is a cell. @param cell its id, or `deviceCell` of the ledger's layout */
  cell(cell: number, labels: Labels = [], scale = 1): void {
    this.slot({ cell, scale, read: unread }, labels, '');
  }
  /** A sample that stays what it is while the page is laid out as it is. */
  constant(value: number, labels: Labels = []): void {
    this.text(`${this.name}${labelText(labels)} ${numberText(value)}\n`);
  }
  /** A family of one sample without labels. */
  single(name: string, type: FamilyType, help: string, read: (moment: Moment) => number): void {
    this.family(name, type, help);
    this.sample(read);
  }

  /** Whole lines. */
  text(lines: string): void {
    this.literals[this.literals.length - 1] += lines;
  }

  /** Ends a section: the slots since the one before. */
  endSection(): void {
    this.sectionEnds.push(this.slots.length);
    this.durations.push(0);
  }

  private slot(slot: Slot, labels: Labels, suffix: string): void {
    this.text(`${this.name}${suffix}${labelText(labels)} `);
    this.slots.push(slot);
    this.literals.push('\n');
  }
}
