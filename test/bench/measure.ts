/** What a measure is. Each file beside this one has those of one group; measures.ts lists them all. */
import type { Mode, Row } from './report.js';
import type { Bench } from './sides.js';

export interface Measure {
  readonly name: string;
  /** One line for --list. */
  readonly about: string;
  /** The modes in which it is taken when none is asked for. */
  readonly modes: readonly Mode[];
  run(bench: Bench): Promise<Row[]>;
}
