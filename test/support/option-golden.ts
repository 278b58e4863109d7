/** What a kernel said of socket options (test/golden/socket-options*.json), and the same of a socket of ours: an errno N is "EN", what is no number "N bytes". */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SocketBase } from '../../stack/socket/socket.js';

export type Answer = number | string;
export interface OptionGolden {
  readonly values: readonly number[];
  readonly options: Readonly<Record<string, Readonly<Record<string, readonly Answer[]>>>>;
}

export function optionGolden(file: string): OptionGolden {
  return JSON.parse(readFileSync(join(import.meta.dirname, '../golden', file), 'utf8')) as OptionGolden;
}

function shown(s: SocketBase, level: number, name: number): Answer {
  const r = s.getOption(level, name);
  if (!('value' in r)) return `E${Math.abs(r.errno)}`;
  const v = r.value;
  if (typeof v === 'number') return v;
  if (v instanceof Uint8Array) return `${v.length} bytes`;
  return Array.isArray(v) ? `${v.length * 4} bytes` : '280 bytes'; // linger, tcp_info
}

/** What the socket says at first, and of each value: refused, or what it says then. */
export function optionAnswers(s: SocketBase, level: number, name: number, values: readonly number[]): Answer[] {
  const out: Answer[] = [shown(s, level, name)];
  for (const v of values) {
    const error = s.setOption(level, name, v);
    out.push(error < 0 ? `E${-error}` : shown(s, level, name));
  }
  return out;
}
