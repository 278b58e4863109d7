/** What a command may touch of the world: given by main.ts, or by a test. */
export interface Io {
  /** @param encoding latin1 for text that was read as octets: they leave as they came */
  out(text: string, encoding?: 'utf8' | 'latin1'): void;
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly version: string;
  /** Raised by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** Something that went wrong and is the user's to know: one line on stderr, exit status 1. */
export class CommandError extends Error {
  readonly status = 1;
}

/** Milliseconds, or until the signal is raised. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}

/** JSON that keeps integers of any size exact: a bigint is written as its digits. */
export function jsonText(value: unknown, indent = ''): string {
  if (typeof value === 'bigint') return String(value);
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  const deeper = `${indent}  `;
  const list = Array.isArray(value);
  const parts = list
    ? value.map((v) => jsonText(v, deeper))
    : Object.entries(value).map(([k, v]) => `${JSON.stringify(k)}: ${jsonText(v, deeper)}`);
  if (parts.length === 0) return list ? '[]' : '{}';
  return `${list ? '[' : '{'}\n${deeper}${parts.join(`,\n${deeper}`)}\n${indent}${list ? ']' : '}'}`;
}
