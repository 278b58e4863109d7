/** What a measure is, and the commonest one: ours and theirs in turn. Each file beside this one has the measures of one group. */
import { type Goal, type Mode, type Row, row } from './report.js';
import { type Bench, inTurn, perCpuSecond, type Sample, type Side, values } from './sides.js';

export interface Measure {
  readonly name: string;
  /** One line for --list. */
  readonly about: string;
  /** The modes in which it is taken when none is asked for. */
  readonly modes: readonly Mode[];
  run(bench: Bench): Promise<Row[]>;
}

export interface Compared {
  readonly rows: Row[];
  readonly ours: readonly Sample[];
  readonly theirs: readonly Sample[];
}

/**
 * Takes a rate of the stack and of what it is measured against in turn. Against another build of the stack there is a row of what each does
 * per CPU second too: on a machine that others use as well, this is the steadier one.
 */
export async function compare(
  bench: Bench,
  name: string,
  unit: string,
  take: (side: Side) => Promise<Sample>,
  goal: Goal | null = null,
): Promise<Compared> {
  const { settings, mode, stack, other } = bench;
  const [a, b] = await inTurn(
    settings.rounds,
    () => take(stack),
    () => take(other),
  );
  const [ours, theirs] = [a!, b!];
  const perCpu = perCpuSecond(ours, settings.seconds);
  const common = { mode, baseline: other.name };
  const rate = row({
    ...common,
    name,
    unit,
    ours: values(ours),
    theirs: values(theirs),
    perCpu,
    goal: settings.against ? null : goal,
  });
  if (!other.process) return { rows: [rate], ours, theirs };
  const perCpuUnit = unit.replace('/s', '/CPU s');
  const theirPerCpu = perCpuSecond(theirs, settings.seconds);
  return {
    rows: [rate, row({ ...common, name: `${name} per CPU s`, unit: perCpuUnit, ours: perCpu, theirs: theirPerCpu })],
    ours,
    theirs,
  };
}
