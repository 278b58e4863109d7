/** What the process does when nothing happens: CPU time, and turns of the stack's loop, from 100 ms after the last traffic on. */
import { pause } from './bed.js';
import type { Measure } from './measure.js';
import { busiestThread, sharesBetween, sleeps, threadTimes, tickSeconds } from './process-cpu.js';
import { row } from './report.js';

const AFTER_MS = 100;

export const silence: Measure = {
  name: 'silence',
  about: 'CPU time of the process and turns of its loop in silence, from 100 ms after traffic has ended',
  modes: ['offloads'],
  async run({ settings, stack, mode }) {
    const { pid } = stack;
    const ticks: number[] = [];
    const process: number[] = [];
    const thread: number[] = [];
    const turns: number[] = [];
    for (let i = 0; i < settings.rounds; i++) {
      const begin = threadTimes(pid);
      await stack.ask('peer', 'upload', stack.address, 9, 0.3);
      await stack.ask('peer', 'echo', stack.address, 7, 0.3);
      const loop = busiestThread(pid, begin, threadTimes(pid));
      await pause(AFTER_MS);
      const from = performance.now();
      const [cpu, tick, slept] = [threadTimes(pid), tickSeconds(`/proc/${pid}/stat`), sleeps(pid, loop)];
      await pause(settings.seconds * 1000);
      const seconds = (performance.now() - from) / 1000;
      const after = threadTimes(pid);
      ticks.push(((tickSeconds(`/proc/${pid}/stat`) - tick) / seconds) * 100);
      process.push((sharesBetween(pid, cpu, after).all / seconds) * 100);
      thread.push((((after.get(loop) ?? 0) - (cpu.get(loop) ?? 0)) / seconds) * 100);
      turns.push((sleeps(pid, loop) - slept) / seconds);
    }
    const lower = { mode, lowerIsBetter: true };
    return [
      row({ ...lower, name: 'silence: process, utime + stime', unit: '% of a core', ours: ticks, goal: { most: 0.5, aim: 0 } }),
      row({ ...lower, name: 'silence: process', unit: '% of a core', ours: process }),
      row({ ...lower, name: "silence: stack's thread", unit: '% of a core', ours: thread, goal: { most: 0.05, aim: 0.05 } }),
      row({ ...lower, name: 'silence: turns of the loop', unit: '/s', ours: turns }),
    ];
  },
};
