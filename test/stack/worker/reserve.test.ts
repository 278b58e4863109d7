import { getHeapStatistics } from 'node:v8';
import { describe, expect, it } from 'vitest';
import { createLedgerMemory } from '../../../mib/ledger/memory.js';
import { heapLimitMb, reserveLedgers } from '../../../stack/worker/reserve.js';

describe('room for many connections', () => {
  it('a machine that refuses so much address space gets half as many rows, and again half', () => {
    const asked: number[] = [];
    const memories = reserveLedgers(2, 100_001, (rows) => {
      asked.push(rows);
      const tooMuch = rows > 60_000 || asked.length === 3; // the second one of 50,000
      if (tooMuch) throw new RangeError('Array buffer allocation failed');
      return createLedgerMemory(rows);
    });
    expect(asked).toEqual([100_001, 50_000, 50_000, 25_000, 25_000]);
    expect(memories.map((m) => m.maxRows)).toEqual([25_000, 25_000]);
  });

  it('a refusal that has another reason is passed on', () => {
    const refuse = (e: Error) => () => {
      throw e;
    };
    expect(() => reserveLedgers(1, 64, refuse(new RangeError('no')))).toThrow('no');
    expect(() => reserveLedgers(1, 1 << 20, refuse(new TypeError('defect')))).toThrow('defect');
  });

  it('the heap may grow as the connections need, and never less than Node would let it', () => {
    const usual = Math.ceil(getHeapStatistics().heap_size_limit / 2 ** 20);
    expect(heapLimitMb(64)).toBe(Math.max(usual, 257));
    expect(heapLimitMb(4 << 20)).toBeGreaterThanOrEqual(4 * 4096);
  });
});
