/**
 * Families of one sample each, read from a snapshot's cells. From one scrape to the next few of 500 counters move, and those lie together:
 * the text of each block is kept until one of its values is another, so that frequent scrapes take little from the cores that the stack
 * needs.
 */
import { Exposition, type FamilyType, type Format } from './exposition.js';

export interface CellFamily {
  /** The cell's id. */
  readonly id: number;
  /** Without `_total`. */
  readonly family: string;
  readonly type: FamilyType;
  readonly help: string;
  /** What the cell is multiplied with: 0.001 for milliseconds. */
  readonly scale: number;
}

/** Counters that are written anew together, when one of them has moved. */
const BLOCK = 8;

export class FamilyBlocks {
  private readonly families: readonly CellFamily[];
  private readonly kept: Readonly<Record<Format, Kept>>;

  constructor(families: readonly CellFamily[]) {
    this.families = families;
    this.kept = { text: new Kept(families.length), openmetrics: new Kept(families.length) };
  }

  write(out: Exposition, cells: Float64Array): void {
    const kept = this.kept[out.format];
    for (let from = 0; from < this.families.length; from += BLOCK) {
      const end = Math.min(from + BLOCK, this.families.length);
      if (this.moved(kept.values, from, end, cells)) kept.texts[from / BLOCK] = this.render(out.format, kept.values, from, end);
      out.text(kept.texts[from / BLOCK]!);
    }
  }

  private moved(values: Float64Array, from: number, end: number, cells: Float64Array): boolean {
    let moved = false;
    for (let i = from; i < end; i++) {
      const value = cells[this.families[i]!.id]!;
      if (value === values[i]) continue;
      values[i] = value;
      moved = true;
    }
    return moved;
  }

  private render(format: Format, values: Float64Array, from: number, end: number): string {
    const out = new Exposition(format);
    for (let i = from; i < end; i++) {
      const f = this.families[i]!;
      out.single(f.family, f.type, f.help, values[i]! * f.scale);
    }
    return out.body();
  }
}

/** What was written last in one format. */
class Kept {
  readonly values: Float64Array;
  readonly texts: string[] = [];

  constructor(families: number) {
    this.values = new Float64Array(families).fill(Number.NaN);
  }
}
