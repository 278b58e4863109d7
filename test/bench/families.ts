/**
 * IPv6 beside IPv4: the same transfers to one daemon over both families in turn, so that neither the process nor the hour differs. What the
 * kernel makes of IPv6 over its veth pair is taken in the same turns.
 */
import type { Measure } from './measure.js';
import { MODES, type Row, row } from './report.js';
import { type Bench, inTurn, KERNEL_ADDRESS6, perCpuSecond, type Sample, STACK_ADDRESS6, startStack, values } from './sides.js';

/** The ratio that is asked for, and the one that is aimed at. */
const GOAL = { least: 0.95, aim: 1 };

async function bothFamilies(bench: Bench, what: 'upload' | 'download', port: number): Promise<Row[]> {
  const { bed, mode, settings, other } = bench;
  const flags = ['--address6', `${STACK_ADDRESS6}/64`, ...settings.flags];
  const { daemon, side } = await startStack(bed, 'six', mode, flags);
  const take = (at: string, from = side): Promise<Sample> => from.sample('gbps', 'peer', what, at, port, settings.seconds);
  try {
    await take(STACK_ADDRESS6); // its code, compiled for this family too
    const kernels = other.process ? [] : [() => take(KERNEL_ADDRESS6, other)]; // against another build there are none
    const [six, four, kernel] = await inTurn(
      settings.rounds,
      () => take(STACK_ADDRESS6),
      () => take(side.address),
      ...kernels,
    );
    const [ours, theirs] = [six!, four!];
    const [perCpu, theirPerCpu] = [perCpuSecond(ours, settings.seconds), perCpuSecond(theirs, settings.seconds)];
    const rows = [
      row({
        name: `${what}6`,
        mode,
        unit: 'Gb/s',
        baseline: 'IPv4',
        ours: values(ours),
        theirs: values(theirs),
        perCpu,
        goal: GOAL,
      }),
      row({
        name: `${what}6 per CPU s`,
        mode,
        unit: 'Gb/CPU s',
        baseline: 'IPv4',
        ours: perCpu,
        theirs: theirPerCpu,
        goal: GOAL,
      }),
    ];
    if (!kernel) return rows;
    const common = { mode, unit: 'Gb/s', baseline: `${other.name} IPv6` };
    return [...rows, row({ ...common, name: `${what}6 of a kernel`, ours: values(ours), theirs: values(kernel) })];
  } finally {
    await bed.end(daemon);
  }
}

const measure = (what: 'upload' | 'download', port: number): Measure => ({
  name: `${what}6`,
  about: `${what} over IPv6 beside IPv4, one daemon, in turn; and a kernel's IPv6, Gb/s`,
  modes: MODES,
  run: (bench) => bothFamilies(bench, what, port),
});

export const families: readonly Measure[] = [measure('upload', 9), measure('download', 19)];
