/** What an option changes at once in a connection that exists. */
import type { Connection } from './connection.js';

export function optionChanged(c: Connection, level: number, name: number, value: number): void {
  void [c, level, name, value];
}
