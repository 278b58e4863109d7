import { describe, expect, it } from 'vitest';
import { reached } from './report.js';
import { bytesAt, type Piece, scrapeRows } from './scrapes.js';

describe('bytes at a time', () => {
  const points = [
    { at: 1, bytes: 100 },
    { at: 2, bytes: 300 },
    { at: 4, bytes: 300 },
  ];
  it('are those told, or between them', () => {
    expect([1, 1.25, 2, 3].map((at) => bytesAt(points, at))).toEqual([100, 150, 300, 300]);
  });
  it('are not made up outside', () => {
    expect([0.5, 4.5].map((at) => bytesAt(points, at))).toEqual([Number.NaN, Number.NaN]);
  });
});

describe('watched pieces', () => {
  const quiet = (rate: number, main = 0.01): Piece => ({ rate, seconds: 1, cpu: { main, stack: 0.5, all: 1 }, scraped: null });
  const watched = (rate: number, main: number): Piece => ({
    rate,
    seconds: 1,
    cpu: { main, stack: 0.5, all: 1 },
    scraped: { rounds: 10, octets: 100_000, p50: 5000 },
  });

  it('are compared with the quiet ones on their two sides, each kind with its own', () => {
    const first = [quiet(10), watched(9.9, 0.03), quiet(10), watched(6, 0.21)];
    const taken = [...first, quiet(14), watched(13.86, 0.03), quiet(14), watched(7, 0.21), quiet(14)];
    const [pages] = scrapeRows(taken, 0, 2, 'pages', 'offloads');
    expect(pages).toMatchObject({ ours: [9.9, 13.86], theirs: [10, 14] });
    expect(reached(pages!)).toBe('yes');
    const [walks, perCpu] = scrapeRows(taken, 1, 2, 'walks', 'offloads');
    expect(walks).toMatchObject({ ours: [6, 7], theirs: [12, 14] });
    expect(reached(walks!)).toBe('no');
    expect(perCpu).toMatchObject({ ours: [6, 7], theirs: [12, 14], goal: null });
  });

  it("tell what a round takes of the daemon's thread beyond what it takes anyway", () => {
    const [r] = scrapeRows([quiet(10), watched(10, 0.06), quiet(10)], 0, 1, 'pages', 'offloads');
    expect(r!.notes).toEqual([
      "every 100 ms, 1 pieces: a round of 10 kB is answered in 5.0 ms and takes 5.0 ms of the daemon's thread",
    ]);
  });
});
