/** Run by platform.test.ts: a thread that sleeps in ppoll on a TAP (here the read end of nothing: fd -1) and an eventfd, as the stack's does. */
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { createControl, ringEventfd, Stop, Waker, Word } from '../../stack/worker/control.js';
import { threadEntry } from '../../stack/worker/entry.js';
import { createEventfd, PollSleeper } from '../../stack/worker/sleep.js';

const way = process.argv[2] ?? '';

function thread(): void {
  const { control, eventfd } = workerData as { control: SharedArrayBuffer; eventfd: number };
  const words = new Int32Array(control);
  const sleeper = new PollSleeper(control, -1, eventfd);
  for (;;) {
    if (Atomics.exchange(words, Word.pending, 0) !== 0) {
      Atomics.add(words, 8, 1);
      Atomics.notify(words, 8);
    }
    if (Atomics.load(words, Word.stop) !== 0) return;
    sleeper.sleep(1e6);
    Atomics.add(words, 9, 1); // turns
  }
}

async function main(): Promise<void> {
  const control = createControl();
  const words = new Int32Array(control);
  const eventfd = createEventfd();
  const waker = new Waker(control, eventfd);
  const { program, options } = threadEntry(new URL(import.meta.url), import.meta.url);
  const worker = new Worker(program, { ...options, workerData: { control, eventfd } });
  await new Promise((resolve) => worker.once('online', resolve));
  if (way === 'wake') {
    let lost = 0;
    for (let i = 0; i < 500; i++) {
      const before = Atomics.load(words, 8);
      waker.wake();
      if (Atomics.wait(words, 8, before, 5000) === 'timed-out') lost++;
    }
    const woken = Atomics.load(words, 8);
    waker.stop(Stop.orderly);
    await new Promise((resolve) => worker.once('exit', resolve));
    console.log(JSON.stringify({ lost, woken }));
  } else if (way === 'exit') {
    process.on('exit', () => waker.stop(Stop.now));
    setTimeout(() => process.exit(7), 100);
  } else if (way === 'throw') {
    process.on('exit', () => waker.stop(Stop.now));
    setTimeout(() => {
      throw new Error('on purpose');
    }, 100);
  } else if (way === 'terminate') {
    setTimeout(async () => {
      const t = performance.now();
      const ended = worker.terminate();
      ringEventfd(eventfd);
      await ended;
      console.log(JSON.stringify({ ms: performance.now() - t }));
    }, 100);
  }
}

if (isMainThread) await main();
else thread();
