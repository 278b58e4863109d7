/**
 * Bytes both ways over a bad wire in virtual time: 2 % loss, reordering, duplication and corruption (one flipped bit). Byte-equal, and the
 * same seed gives the same pcap. 100 seeds with CI=true, 8 without; TRANSFER_SEEDS and TRANSFER_BYTES choose.
 */
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { expectSums } from '../support/ledger.js';
import { transfer } from '../support/transfer.js';

const seeds = Number(process.env['TRANSFER_SEEDS'] ?? (process.env['CI'] ? 100 : 8));
const bytes = Number(process.env['TRANSFER_BYTES'] ?? 8_000_000);
const bad = { both: { delayUs: 5000, loss: 0.02, reorder: 0.02, reorderUs: 3000, duplicate: 0.01, corrupt: 0.01, rate: 1e9 } };

describe('8 MB each way over a bad wire', () => {
  it.each(Array.from({ length: seeds }, (_, i) => i + 1))('arrives byte by byte, seed %i', (seed) => {
    const r = transfer(seed, bytes, bad);
    expect([r.client.error, r.server.error, r.finished]).toEqual([0, 0, true]);
    expect([r.client.received, r.server.received]).toEqual([bytes, bytes]);
    expectSums(r.a.ledger);
    expectSums(r.b.ledger);
  });

  it('is the same run for the same seed, and another for another', () => {
    const size = Math.min(bytes, 500_000);
    const first = transfer(1, size, bad).pcap;
    expect(transfer(1, size, bad).pcap).toBe(first);
    expect(transfer(2, size, bad).pcap).not.toBe(first);
  });
});
