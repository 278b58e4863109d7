import { describe, expect, it } from 'vitest';
import { type Audit, fallen, flat, moved, violations } from './soak-audit.js';
import { notFlat, type SoakSample, summarise } from './soak-summary.js';

const counts = (n: Record<string, number>) => new Map(Object.entries(n));

describe('counters seen over REST', () => {
  it('are laid flat; constants are none', () => {
    const all = flat({ Tcp: { RtoMin: 200, InSegs: 5, CurrEstab: 2 }, Udp: { InDatagrams: 7 } });
    expect(Object.fromEntries(all)).toEqual({ 'Tcp.InSegs': 5, 'Tcp.CurrEstab': 2, 'Udp.InDatagrams': 7 });
  });

  it('never go back; gauges may', () => {
    const before = counts({ 'Tcp.InSegs': 5, 'Tcp.CurrEstab': 2 });
    expect(fallen(before, counts({ 'Tcp.InSegs': 5, 'Tcp.CurrEstab': 0, 'Tcp.OutSegs': 1 }))).toEqual([]);
    expect(fallen(before, counts({ 'Tcp.InSegs': 4, 'Tcp.CurrEstab': 2 }))).toEqual(['Tcp.InSegs 5 → 4']);
  });
});

describe('the sum rule between two quiet moments', () => {
  const audit = (inSegs: number, rows: Record<string, number>, consistent = true): Audit => ({
    global: counts({ 'Tcp.InSegs': inSegs }),
    rows: new Map(Object.entries(rows).map(([id, n]) => [id, counts({ 'Tcp.InSegs': n })])),
    unattributed: counts({ 'Tcp.InSegs': inSegs }),
    consistent,
  });

  it('holds when all that moved has moved on the rows', () => {
    expect(violations(audit(100, { '1.1': 3, '2.1': 4 }), audit(110, { '1.1': 9, '2.1': 8 }))).toEqual([]);
    expect(moved(audit(100, {}), audit(110, {}))).toBe(1);
  });

  it('lets the kernel speak unasked over IPv6: what nobody has must be nobody’s', () => {
    const six = (all: number, nobody: number): Audit => ({
      global: counts({ 'Ip6.InReceives': all }),
      rows: new Map(),
      unattributed: counts({ 'Ip6.InReceives': nobody }),
      consistent: true,
    });
    expect(violations(six(5, 3), six(6, 4))).toEqual([]);
    expect(violations(six(5, 3), six(6, 3))).toEqual(['Ip6.InReceives has moved by 1, on the rows by 0']);
  });

  it('is broken by an event that no row has, and by one that was counted twice on rows', () => {
    expect(violations(audit(100, { '1.1': 3 }), audit(110, { '1.1': 12 }))).toEqual([
      'Tcp.InSegs has moved by 10, on the rows by 9',
    ]);
    expect(violations(audit(100, { '1.1': 3 }), audit(110, { '1.1': 14 }))).toEqual([
      'Tcp.InSegs has moved by 10, on the rows by 11',
    ]);
  });

  it('is broken by rows that have more than there is', () => {
    expect(violations(audit(5, { '1.1': 6 }), audit(5, { '1.1': 6 }))).toEqual(['Tcp.InSegs is 5, but 6 on the rows']);
  });

  it('says when the moments were not quiet', () => {
    expect(violations(audit(5, { '1.1': 1 }), audit(5, { '1.2': 1 }, false))).toEqual([
      'there are other rows than before: this was no quiet moment',
      'a snapshot was not consistent',
      'Tcp.InSegs has moved by 0, on the rows by 1',
    ]);
  });
});

describe('memory over a soak', () => {
  const samples = (mb: (at: number) => number): SoakSample[] =>
    Array.from({ length: 1800 }, (_, at) => ({
      at,
      residentKb: mb(at) * 1024,
      heapBytes: 30 << 20,
      cores: 1,
      mainCores: 0.25,
      stackCores: 0.75,
      rows: at % 20,
    }));

  it('is told at three points, with the slope of the second half', () => {
    const s = summarise(samples((at) => 100 + at / 36));
    expect(s.residentMb.map((x) => Math.round(x))).toEqual([105, 125, 148]);
    expect(s.slopeMbPerHour).toBeCloseTo(100, 6);
    expect(s.gainMb).toBeCloseTo(25, 0);
    expect(s).toMatchObject({ heapMb: [30, 30, 30], cores: 1, mainCores: 0.25, stackCores: 0.75, mostRows: 19 });
  });

  it('is flat when it fills up early and then stays, saw teeth and all', () => {
    expect(notFlat(summarise(samples((at) => Math.min(300, 100 + at) + (at % 60) / 4)), 1800)).toBe('');
  });

  it('is flat when garbage goes to and fro by more than a tenth, and happens to be much at the end', () => {
    const toAndFro = (at: number) => 360 + 25 * Math.sin(at / 70) + (at > 1720 ? 15 : 0);
    expect(notFlat(summarise(samples(toAndFro)), 1800)).toBe('');
  });

  it('is not flat when it goes on growing', () => {
    expect(notFlat(summarise(samples((at) => 100 + at / 20)), 1800)).toBe(
      'resident memory went from 152 to 182 MB in the second half (slope 180 MB/h)',
    );
  });

  it('is not judged over a few minutes, in which pools still fill', () => {
    expect(notFlat(summarise(samples((at) => 100 + at)), 300)).toBe('');
  });
});
