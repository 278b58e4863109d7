/** `tsnetstat -s --owners`: every counter that moved, and who it belongs to. The sum of the last three columns is the first, with the stack at rest. */
import type { CounterOwnersDto } from '../mib/dto.js';

const WIDTH = 14;

export function printOwners(answer: CounterOwnersDto): string {
  const line = (name: string, numbers: readonly (number | string)[]) =>
    `${name.padEnd(36)}${numbers.map((n) => ` ${String(n).padStart(WIDTH)}`).join('')}\n`;
  let text = line('counter', ['all', 'rows', 'closed', 'unattributed']);
  for (const [group, values] of Object.entries(answer.counters)) {
    for (const [name, all] of Object.entries(values)) {
      const of = [answer.rows, answer.closed, answer.unattributed].map((sums) => sums[group]?.[name] ?? 0);
      if (all !== 0 || of.some((n) => n !== 0)) text += line(`${group}.${name}`, [all, ...of]);
    }
  }
  return text;
}
