/** Computes the tables of this folder anew. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CROWDS, fairnessLine, goodputLine, paths } from '../../support/goodput.js';

function write(name: string, lines: readonly string[]): void {
  writeFileSync(join(import.meta.dirname, name), `${lines.join('\n')}\n`);
}
write('goodput.txt', paths().map(goodputLine));
write(
  'fairness.txt',
  CROWDS.map(([kinds, rttMs]) => fairnessLine(kinds, rttMs)),
);
