import { describe, expect, it } from 'vitest';
import { Log } from '../../daemon/log.js';

const now = () => Date.UTC(2026, 0, 2, 3, 4, 5, 678);
function lines(options: { level: 'error' | 'warn' | 'info' | 'debug'; json: boolean }, act: (log: Log) => void): string[] {
  const out: string[] = [];
  act(new Log({ ...options, now, write: (l) => out.push(l) }));
  return out;
}

describe('log', () => {
  it('writes one line an event, with name=value', () => {
    expect(lines({ level: 'info', json: false }, (l) => l.info('ready', { doors: 'a b', n: 3, gone: undefined }))).toEqual([
      '2026-01-02T03:04:05.678Z info  ready doors="a b" n=3\n',
    ]);
  });
  it('keeps a line a line whatever it tells of', () => {
    expect(lines({ level: 'info', json: false }, (l) => l.warn('a\nb\u001b[31m', { e: 'x\ny' }))).toEqual([
      '2026-01-02T03:04:05.678Z warn  a\\u000ab\\u001b[31m e="x\\ny"\n',
    ]);
  });
  it('writes JSON when asked', () => {
    const [line] = lines({ level: 'info', json: true }, (l) => l.error('it broke', { code: 7 }));
    expect(JSON.parse(line!)).toEqual({ time: '2026-01-02T03:04:05.678Z', level: 'error', message: 'it broke', code: 7 });
  });
  it('leaves out what is below its level', () => {
    const all = (l: Log) => {
      l.error('e');
      l.warn('w');
      l.info('i');
      l.debug('d');
    };
    expect(lines({ level: 'error', json: false }, all)).toHaveLength(1);
    expect(lines({ level: 'warn', json: false }, all)).toHaveLength(2);
    expect(lines({ level: 'debug', json: false }, all)).toHaveLength(4);
  });
});
