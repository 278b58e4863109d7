/** The daemon's log: one line per event on stderr, as words and name=value, or as JSON. */
export type Level = 'error' | 'warn' | 'info' | 'debug';
export type Fields = Readonly<Record<string, string | number | boolean | null | undefined>>;

const RANK: Readonly<Record<Level, number>> = { error: 0, warn: 1, info: 2, debug: 3 };

export interface LogOptions {
  readonly level: Level;
  readonly json: boolean;
  readonly write?: (line: string) => void;
  /** Unix time, ms. */
  readonly now?: () => number;
}

/** A line must stay a line whatever it tells of. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

export class Log {
  private readonly options: LogOptions;
  private readonly write: (line: string) => void;
  private readonly now: () => number;

  constructor(options: LogOptions) {
    this.options = options;
    this.write = options.write ?? ((line) => void process.stderr.write(line));
    this.now = options.now ?? Date.now;
  }

  error(message: string, fields: Fields = {}): void {
    this.event('error', message, fields);
  }
  warn(message: string, fields: Fields = {}): void {
    this.event('warn', message, fields);
  }
  info(message: string, fields: Fields = {}): void {
    this.event('info', message, fields);
  }
  debug(message: string, fields: Fields = {}): void {
    this.event('debug', message, fields);
  }

  event(level: Level, message: string, fields: Fields): void {
    if (RANK[level] > RANK[this.options.level]) return;
    const time = new Date(this.now()).toISOString();
    if (this.options.json) {
      this.write(`${JSON.stringify({ time, level, message, ...fields })}\n`);
      return;
    }
    const pairs = Object.entries(fields)
      .filter(([, v]) => v !== undefined)
      .map(([k, v]) => ` ${k}=${quoted(String(v))}`);
    this.write(`${time} ${level.padEnd(5)} ${printable(message)}${pairs.join('')}\n`);
  }
}

function quoted(text: string): string {
  return /^[^\s"=\\]+$/.test(text) ? printable(text) : JSON.stringify(text);
}
