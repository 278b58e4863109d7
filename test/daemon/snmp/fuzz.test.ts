/**
 * 20,000 mutated datagrams, seeded: no exception, and each ends in exactly one way, a valid response or the one counter that says why not.
 */
import { describe, expect, it } from 'vitest';
import { fuzzOnce, OUTCOMES, seeded } from '../../fuzz/snmp.js';
import { testAgent } from './agent.js';

describe('mutated datagrams', () => {
  it.each([1, 2, 3, 4])('seed %d: 5,000 end in one way each', async (seed) => {
    const random = seeded(seed);
    const agent = testAgent(600);
    const seen: Record<string, number> = {};
    for (let n = 0; n < 5000; n++) {
      const outcome = await fuzzOnce(agent, random);
      seen[outcome] = (seen[outcome] ?? 0) + 1;
    }
    // All of them were met, or this test does not test them.
    for (const o of OUTCOMES) if (o !== 'snmpSilentDrops') expect(seen[o], o).toBeGreaterThan(20);
  });
});
