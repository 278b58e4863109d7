/** The store of TIME-WAIT entries against a plain list of them. */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { below, SeededRandom } from '../../../stack/core/random.js';
import { TimerQueue } from '../../../stack/core/timer.js';
import { TimeWaitStore } from '../../../stack/tcp/timewait-store.js';
import { smallLedger } from '../../support/ledger.js';

const LOCAL = IpAddress.from('10.0.0.1');
const REMOTE = IpAddress.from('2001:db8::7');
const PERIOD = 60_000;

interface Model {
  hash: number;
  port: number;
  rcvNxt: number;
  deadline: number;
}

describe('the store', () => {
  it('finds, ends and re-schedules what a list of 3,000 random steps has', () => {
    const random = new SeededRandom(5);
    const timers = new TimerQueue();
    const ended: number[] = [];
    let nowUs = 0;
    const store = new TimeWaitStore(timers, smallLedger().unattributed, (i) => {
      ended.push(store.load(i).rcvNxt);
      store.release(i);
    });
    const model = new Map<number, Model>();
    const look = (m: Model) => store.lookup(m.hash, LOCAL, m.port, LOCAL, 9);
    let largest = 0;
    for (let step = 1; step <= 3000; step++) {
      nowUs += below(random, 100);
      timers.run(nowUs);
      const due = [...model.values()].filter((m) => m.deadline <= nowUs);
      expect(ended.splice(0).sort((a, b) => a - b)).toEqual(due.map((m) => m.rcvNxt).sort((a, b) => a - b));
      for (const m of due) model.delete(m.rcvNxt);
      const odd = below(random, 8) === 0;
      const period = odd ? 1 + below(random, 2 * PERIOD) : PERIOD;
      const chosen = [...model.values()][below(random, Math.max(1, model.size))];
      const what = below(random, 8);
      if (what < 5 || !chosen) {
        const m: Model = {
          hash: random.u32() & 0xff00000f,
          port: step,
          rcvNxt: (0xfffff000 + step) >>> 0,
          deadline: nowUs + period,
        };
        const e = store.take(m.hash >>> 0, LOCAL, m.port, LOCAL, 9, null);
        m.hash >>>= 0;
        e.rcvNxt = m.rcvNxt;
        e.substate = 6;
        e.rcvWscale = 14;
        e.tos = 0xff;
        store.save();
        store.schedule(e.index, m.deadline, !odd);
        model.set(m.rcvNxt, m);
      } else if (what === 5) {
        store.release(look(chosen)!.index);
        model.delete(chosen.rcvNxt);
      } else {
        chosen.deadline = nowUs + period;
        store.schedule(look(chosen)!.index, chosen.deadline, !odd);
      }
      largest = Math.max(largest, model.size);
      expect(store.count).toBe(model.size);
    }
    expect(largest).toBeGreaterThan(256); // it has grown
    for (const m of model.values()) {
      const e = look(m)!;
      expect([e.rcvNxt, e.localPort, e.remotePort, e.substate, e.rcvWscale, e.tos]).toEqual([m.rcvNxt, m.port, 9, 6, 14, 0xff]);
      expect(store.lookup(m.hash, LOCAL, m.port, LOCAL, 10)).toBeNull();
      expect(store.lookup(m.hash, REMOTE, m.port, LOCAL, 9)).toBeNull();
    }
    const visited: number[] = [];
    store.forEach((i) => {
      visited.push(store.load(i).rcvNxt);
      store.release(i);
    });
    expect(visited.sort()).toEqual([...model.keys()].sort());
    expect([store.count, timers.nextUs()]).toEqual([0, Number.POSITIVE_INFINITY]);
  });
});
