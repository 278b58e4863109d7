/**
 * Random runs of two hosts on a bad wire. A part of them in every `npm test`; all with CONSERVATION_RUNS=1000. Each run's seed is its number,
 * so that a failure names what to run again (CONSERVATION_SEED).
 */
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { conservationRun, type RunSummary, type Traffic } from './conservation.js';
import { tcpTraffic } from './tcp-traffic.js';
import { udpTraffic } from './udp-traffic.js';

const RUNS = Number(process.env['CONSERVATION_RUNS'] ?? (process.env['CI'] ? 1000 : 200));
const ONE = process.env['CONSERVATION_SEED'];

function runs(count: number, from: number, traffic: Traffic): RunSummary {
  const total: RunSummary = { frames: 0, lost: 0, duplicated: 0, corrupted: 0 };
  const seeds = ONE === undefined ? Array.from({ length: count }, (_, i) => from + i) : [Number(ONE)];
  const wrong: string[] = [];
  for (const seed of seeds) {
    try {
      const r = conservationRun(seed, traffic);
      for (const k of Object.keys(total) as (keyof RunSummary)[]) total[k] += r[k];
    } catch (error) {
      wrong.push(
        error instanceof Error
          ? error.message.startsWith('seed')
            ? error.message
            : `seed ${seed}: ${error.stack}`
          : String(error),
      );
    }
  }
  if (wrong.length > 0) throw new Error(`${wrong.length} of ${seeds.length} runs failed\n${wrong.slice(0, 5).join('\n')}`);
  return total;
}

describe('conservation of counts', () => {
  it(`udp: ${RUNS} runs`, { timeout: 600_000 }, () => {
    const t = runs(RUNS, 1, udpTraffic);
    if (ONE !== undefined) return;
    // The runs were about something: every fault occurred.
    expect(t.frames).toBeGreaterThan(RUNS * 20);
    for (const n of [t.lost, t.duplicated, t.corrupted]) expect(n).toBeGreaterThan(RUNS / 10);
  });

  it(`tcp: ${RUNS} runs`, { timeout: 600_000 }, () => {
    const t = runs(RUNS, 1, tcpTraffic);
    if (ONE !== undefined) return;
    expect(t.frames).toBeGreaterThan(RUNS * 20);
    for (const n of [t.lost, t.duplicated, t.corrupted]) expect(n).toBeGreaterThan(RUNS / 10);
  });
});
