/** CPU time and memory of a process and its threads, from /proc. */
import { readdirSync, readFileSync } from 'node:fs';

/** Seconds on a CPU, by thread. A thread that ends takes its time with it, as those of a running daemon do not. */
export type ThreadTimes = ReadonlyMap<number, number>;

const TICKS_PER_SECOND = 100; // USER_HZ, the same everywhere

function threadSeconds(folder: string): number {
  try {
    // "ns on the CPU, ns waiting, slices"
    return Number(readFileSync(`${folder}/schedstat`, 'utf8').split(' ')[0]) / 1e9;
  } catch {
    return tickSeconds(`${folder}/stat`);
  }
}

/** utime + stime of a stat file: what top shows, in steps of 10 ms. */
export function tickSeconds(statFile: string): number {
  const fields = readFileSync(statFile, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

export function threadTimes(pid: number): ThreadTimes {
  const times = new Map<number, number>();
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    try {
      times.set(Number(tid), threadSeconds(`/proc/${pid}/task/${tid}`));
    } catch {
      // it ended just now
    }
  }
  return times;
}

export interface ThreadShares {
  /** The first thread: the daemon's, with its event loop. */
  readonly main: number;
  /** The busiest of the others, which is the stack's where there is traffic. */
  readonly stack: number;
  readonly all: number;
}

/** Seconds on a CPU between two readings. */
export function sharesBetween(pid: number, before: ThreadTimes, after: ThreadTimes): ThreadShares {
  let main = 0;
  let stack = 0;
  let all = 0;
  for (const [tid, seconds] of after) {
    const spent = seconds - (before.get(tid) ?? 0);
    all += spent;
    if (tid === pid) main = spent;
    else stack = Math.max(stack, spent);
  }
  return { main, stack, all };
}

/** The thread that worked most between two readings, the first one left out. */
export function busiestThread(pid: number, before: ThreadTimes, after: ThreadTimes): number {
  let busiest = pid;
  let most = -1;
  for (const [tid, seconds] of after) {
    const spent = seconds - (before.get(tid) ?? 0);
    if (tid !== pid && spent > most) {
      most = spent;
      busiest = tid;
    }
  }
  return busiest;
}

/** How often a thread has gone to sleep by itself: for the stack's, turns of its loop that ended in a sleep. */
export function sleeps(pid: number, tid: number): number {
  const status = readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8');
  return Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)?.[1]);
}

/** Resident memory in kB. */
export function residentKb(pid: number): number {
  return Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
