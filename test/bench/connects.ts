/** Short connections: how many a second, and how long a handshake takes. */
import type { Measure } from './measure.js';
import { row } from './report.js';
import { inTurn, perCpuSecond, type Side, values } from './sides.js';

function connects(clients: number): Measure {
  const name = `connects${clients}`;
  return {
    name,
    about: `connect, one byte to and fro, close, with ${clients} ${clients === 1 ? 'client' : 'clients'} at once; and the handshake's time`,
    modes: ['offloads'],
    async run({ settings, stack, kernel, mode }) {
      const { rounds, seconds } = settings;
      const take = async (side: Side) => {
        const source = await side.freshSource();
        return side.sample('rate', 'peer', 'connect', side.address, 7, seconds, clients, source);
      };
      const [ours, theirs] = await inTurn(
        rounds,
        () => take(stack),
        () => take(kernel),
      );
      const failed = [...ours!, ...theirs!].reduce((n, s) => n + s.answer['failed']!, 0);
      const latency = (percentile: 'p50' | 'p99') =>
        row({
          name: `${name} handshake ${percentile}`,
          mode,
          unit: 'µs',
          lowerIsBetter: true,
          ours: ours!.map((s) => s.answer[percentile]!),
          theirs: theirs!.map((s) => s.answer[percentile]!),
          baseline: kernel.name,
        });
      return [
        row({
          name,
          mode,
          unit: 'connects/s',
          ours: values(ours!),
          theirs: values(theirs!),
          baseline: kernel.name,
          perCpu: perCpuSecond(ours!, seconds),
          goal: { least: 0.9, aim: 1.3 },
          notes: failed > 0 ? [`${failed} connects failed`] : [],
        }),
        latency('p50'),
        latency('p99'),
      ];
    },
  };
}

export const connectMeasures: readonly Measure[] = [connects(1), connects(8)];
