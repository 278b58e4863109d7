/** The program of a stack's thread: builds the stack, says that it is ready or why not, runs it, and leaves nothing open behind. */
import { setFlagsFromString } from 'node:v8';
import { workerData } from 'node:worker_threads';
import type { ThreadData, ThreadMessage } from './messages.js';
import { StackThread } from './thread.js';

const data = workerData as ThreadData;
const say = (m: ThreadMessage): void => data.port.postMessage(m);

/**
 * How much V8 takes into a function it compiles, in bytes of bytecode. A packet goes through some hundred short functions; with V8's own bound of
 * 920 most of them stay calls, and a packet takes a tenth more of the processor.
 */
const INLINED_BYTES = 4000;

function main(): void {
  setFlagsFromString(`--max-inlined-bytecode-size-cumulative=${INLINED_BYTES}`);
  let thread: StackThread;
  try {
    thread = new StackThread(data);
  } catch (e) {
    const error = e as NodeJS.ErrnoException;
    say({ op: 'refused', message: error.message, code: error.code ?? 'ERR_STACK' });
    return;
  }
  say({ op: 'ready', features: thread.features, mtu: thread.mtu });
  try {
    thread.run();
  } catch (e) {
    const error = e as Error;
    say({ op: 'crashed', message: error.message, stack: error.stack ?? '' });
  } finally {
    thread.close();
  }
}

main();
data.port.close();
