/** Short connections: how many a second, and how long a handshake takes. */
import { compare, type Measure } from './measure.js';
import { row } from './report.js';
import type { Side } from './sides.js';

function connects(clients: number): Measure {
  const name = `connects${clients}`;
  return {
    name,
    about: `connect, one byte to and fro, close, with ${clients} ${clients === 1 ? 'client' : 'clients'} at once; and the handshake's time`,
    modes: ['offloads'],
    async run(bench) {
      const take = async (side: Side) => {
        const source = await side.freshSource();
        return side.sample('rate', 'peer', 'connect', side.address, 7, bench.settings.seconds, clients, source);
      };
      const { rows, ours, theirs } = await compare(bench, name, 'connects/s', take, { least: 0.9, aim: 1.3 });
      const failed = [...ours, ...theirs].reduce((n, s) => n + s.answer['failed']!, 0);
      const latency = (percentile: 'p50' | 'p99') =>
        row({
          name: `${name} handshake ${percentile}`,
          mode: bench.mode,
          unit: 'µs',
          lowerIsBetter: true,
          ours: ours.map((s) => s.answer[percentile]!),
          theirs: theirs.map((s) => s.answer[percentile]!),
          baseline: bench.other.name,
          notes: failed > 0 && percentile === 'p50' ? [`${failed} connects failed`] : [],
        });
      return [...rows, latency('p50'), latency('p99')];
    },
  };
}

export const connectMeasures: readonly Measure[] = [connects(1), connects(8)];
