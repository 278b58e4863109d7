/** From a ping's arrival to its answer, beside the least C program that does the same (native/responder.c) on a TAP of its own. */
import type { Measure } from './measure.js';
import { row } from './report.js';
import { type Bench, inTurn, Side } from './sides.js';

const RESPONDER_ADDRESS = '10.79.0.2';
const DEVICE = 'c0';
/** Silence between answer and question, µs: the stack sleeps by then, and so does the C program. */
const GAP_US = 3000;

async function startResponder(bench: Bench): Promise<{ side: Side; end: () => Promise<void> }> {
  const { bed } = bench;
  const ns = await bed.namespace('ping');
  const responder = await bed.serve(ns, 'responder', DEVICE, RESPONDER_ADDRESS);
  await bed.run('', ['ip', '-n', ns, 'addr', 'add', RESPONDER_ADDRESS.replace(/\d+$/, '1/24'), 'dev', DEVICE]);
  await bed.run('', ['ip', '-n', ns, 'link', 'set', DEVICE, 'up']);
  return { side: new Side(bed, 'C responder', ns, RESPONDER_ADDRESS, DEVICE, null), end: () => bed.end(responder) };
}

export const ping: Measure = {
  name: 'ping',
  about: 'an ICMP echo that wakes the stack, and one after the other, beside a C program that only answers pings',
  modes: ['offloads'],
  async run(bench) {
    const { settings, stack, mode } = bench;
    const { side: responder, end } = await startResponder(bench);
    try {
      const rows = [];
      for (const [kind, gap] of [
        ['wake-up', GAP_US],
        ['back to back', 0],
      ] as const) {
        const take = async (side: Side) => {
          const a = await side.ask('ping', side.address, settings.seconds, gap);
          if (a['wrong']! > 0 || a['answers'] === 0) throw new Error(`ping: ${JSON.stringify(a)}`);
          return a;
        };
        const [ours, theirs] = await inTurn(
          settings.rounds,
          () => take(stack),
          () => take(responder),
        );
        const lost = ours!.reduce((n, a) => n + a['lost']!, 0);
        for (const percentile of ['p50', 'p99'] as const) {
          rows.push(
            row({
              name: `ping ${kind} ${percentile}`,
              mode,
              unit: 'µs',
              lowerIsBetter: true,
              ours: ours!.map((a) => a[percentile]!),
              theirs: theirs!.map((a) => a[percentile]!),
              baseline: responder.name,
              goal: percentile === 'p50' ? { most: 1.5, aim: 1.5 } : null,
              notes: lost > 0 && percentile === 'p50' ? [`${lost} of ours were not answered`] : [],
            }),
          );
        }
      }
      return rows;
    } finally {
      await end();
    }
  },
};
