import { describe, expect, it } from 'vitest';
import { change, figures, parseResults, reached, row, short, table } from './report.js';

const upload = (ours: readonly number[], theirs: readonly number[] = [20, 20, 20]) =>
  row({ name: 'upload', mode: 'offloads', unit: 'Gb/s', ours, theirs, baseline: 'kernel veth', goal: { least: 0.6, aim: 0.9 } });
const latency = (ours: readonly number[]) =>
  row({ name: 'ping', mode: 'offloads', unit: 'µs', lowerIsBetter: true, ours, goal: { most: 15, aim: 10 } });

describe('a row', () => {
  it('is judged by its ratio where it has a baseline, else by its value', () => {
    expect(figures(upload([10, 12, 14]))).toEqual([0.5, 0.6, 0.7]);
    expect(figures(latency([9, 11]))).toEqual([9, 11]);
  });

  it('reaches its goal, its aim, or misses both', () => {
    expect([11, 13, 19].map((x) => reached(upload([x, x, x])))).toEqual(['no', 'yes', 'aim']);
    expect([20, 12, 9].map((x) => reached(latency([x])))).toEqual(['no', 'yes', 'aim']);
    expect(reached(row({ name: 'x', mode: 'plain', unit: 's', ours: [1] }))).toBe('');
  });
});

describe('a change', () => {
  it('is none while the spreads touch', () => {
    expect(change(upload([10, 11, 12]), upload([12, 13, 14]))).toBe('same');
  });

  it('is one beyond them, and better is what the row calls better', () => {
    expect(change(upload([10, 11, 12]), upload([13, 14, 15]))).toBe('better');
    expect(change(upload([13, 14, 15]), upload([10, 11, 12]))).toBe('worse');
    expect(change(latency([9, 10]), latency([12, 13]))).toBe('worse');
    expect(change(latency([12, 13]), latency([9, 10]))).toBe('better');
  });

  it('is of ratios: a machine that is slower for both sides changes nothing', () => {
    expect(change(upload([10, 11, 12]), upload([5, 5.5, 6], [10, 10, 10]))).toBe('same');
  });
});

describe('the table', () => {
  it('is Markdown with medians, spreads, ratios, goals and notes', () => {
    const r = { ...upload([10, 12, 19]), perCpu: [30], notes: ['a remark'] };
    expect(table([r])).toBe(
      [
        '| measure | tsnetstat | against | ratio | per CPU s | goal |',
        '| --- | --- | --- | --- | --- | --- |',
        '| upload | 12.0 [10.0–19.0] Gb/s | 20.0 [20.0–20.0] (kernel veth) | 0.600 [0.500–0.950] | 30.0 | ≥ 0.6 (aim 0.9): reached |',
        '',
        '- upload: a remark',
      ].join('\n'),
    );
  });

  it('shows what an earlier run had, and what is new', () => {
    const plain = { ...upload([10]), mode: 'plain' as const };
    expect(
      table([upload([19, 19, 19]), plain], [upload([10, 10, 10])])
        .split('\n')
        .slice(2),
    ).toEqual([
      '| upload | 19.0 [19.0–19.0] Gb/s | 20.0 [20.0–20.0] (kernel veth) | 0.950 [0.950–0.950] |  | ≥ 0.6 (aim 0.9): aim reached ' +
        '| 0.500 [0.500–0.500] | ▲ better |',
      '| upload, plain | 10.0 Gb/s | 20.0 [20.0–20.0] (kernel veth) | 0.500 |  | ≥ 0.6 (aim 0.9): MISSED | – |  |',
    ]);
  });

  it('writes numbers with three digits that count', () => {
    expect([27858.4, 127.2, 30.61, 1.236, 0.1234, 0.01234, 0, Number.NaN].map(short)).toEqual([
      '27858',
      '127',
      '30.6',
      '1.24',
      '0.12',
      '0.012',
      '0.00',
      '–',
    ]);
  });
});

describe("an earlier run's file", () => {
  it('is read back', () => {
    const results = { format: 2, when: '', machine: { node: '', kernel: '', cores: 2 }, settings: {}, rows: [upload([1])] };
    expect(parseResults(JSON.stringify(results), 'x.json')).toEqual(results);
  });

  it('is refused in one line when it is something else', () => {
    expect(() => parseResults('nothing', 'x.json')).toThrow('x.json is no JSON');
    expect(() => parseResults('{"offloads":true}', 'x.json')).toThrow('x.json was not written by this bench (--json)');
    expect(() => parseResults('null', 'x.json')).toThrow('x.json was not written by this bench (--json)');
  });
});
