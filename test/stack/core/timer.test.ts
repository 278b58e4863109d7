/** The timer queue against the plainest one there is: a list that is searched. */
import { describe, expect, it } from 'vitest';
import { below, SeededRandom } from '../../../stack/core/random.js';
import { Timer, TimerQueue } from '../../../stack/core/timer.js';

interface Entry {
  deadline: number;
  order: number;
}

/** A queue and its model, driven together. */
class Pair {
  readonly queue = new TimerQueue();
  readonly timers: Timer[];
  readonly fired: number[] = [];
  readonly wanted: number[] = [];
  nowUs = 1_000_000;
  /** What a timer does when it fires. */
  onFire: (id: number) => void = () => {};
  private readonly model = new Map<number, Entry>();
  private order = 0;

  constructor(count: number) {
    const handler = { onTimer: (id: number) => this.note(id) };
    this.timers = Array.from({ length: count }, (_, id) => new Timer(handler, id));
  }

  arm(id: number, deadline: number): void {
    this.queue.arm(this.timers[id]!, deadline);
    this.model.set(id, { deadline: Math.ceil(deadline), order: this.order++ });
  }
  cancel(id: number, forget = false): void {
    this.queue.cancel(this.timers[id]!, forget);
    this.model.delete(id);
  }
  run(nowUs: number): void {
    this.nowUs = nowUs;
    this.queue.run(nowUs);
  }
  deadline(id: number): number {
    return this.model.get(id)?.deadline ?? Number.POSITIVE_INFINITY;
  }
  /** The model's earliest entry. */
  first(): [id: number, deadline: number] {
    let best: [number, Entry] | undefined;
    for (const [id, e] of this.model) {
      const sooner = best && (e.deadline < best[1].deadline || (e.deadline === best[1].deadline && e.order < best[1].order));
      if (!best || sooner) best = [id, e];
    }
    return best ? [best[0], best[1].deadline] : [-1, Number.POSITIVE_INFINITY];
  }
  private note(id: number): void {
    const [wanted, deadline] = this.first();
    this.fired.push(id);
    this.wanted.push(deadline <= this.nowUs ? wanted : -1);
    this.model.delete(id);
    this.onFire(id);
  }
}

describe('in the order of deadlines, and of arming among equals', () => {
  const counts = [3, 17, 200, 1500];
  const spreads = [1, 60, 5000, 300_000, 1e9, 3e10];
  const cases = counts.flatMap((count) => spreads.map((spread) => [count, spread] as const));

  it.each(cases)('%i timers within %i µs, armed, moved, cancelled and fired at random', (count, spread) => {
    const pair = new Pair(count);
    const random = new SeededRandom(count * 31 + (spread % 1009));
    let inTick = 0;
    pair.onFire = () => {
      const id = below(random, count);
      const what = below(random, 8);
      if (what === 0) pair.arm(id, pair.nowUs + 1 + below(random, spread));
      else if (what === 1) pair.cancel(id, below(random, 2) === 0);
      else if (what < 4 && inTick++ < 40) pair.arm(id, pair.nowUs - below(random, 3)); // due in its own tick
    };
    for (let step = 0; step < 1500; step++) {
      const id = below(random, count);
      const what = below(random, 12);
      const from = below(random, 3) === 0 && pair.timers[id]!.armed ? pair.deadline(id) : pair.nowUs;
      if (what < 6) pair.arm(id, from + below(random, spread) + (below(random, 4) === 0 ? 0.5 : 0));
      else if (what === 6) pair.cancel(id, below(random, 2) === 0);
      else if (what < 9) expect(pair.queue.nextUs()).toBe(pair.first()[1]);
      else {
        inTick = 0;
        const next = pair.queue.nextUs();
        const late = below(random, 3) === 0 ? below(random, spread) : 0;
        pair.run(Math.max(pair.nowUs, next === Number.POSITIVE_INFINITY ? 0 : next) + late);
        expect(pair.first()[1]).toBeGreaterThan(pair.nowUs);
      }
      expect([pair.timers[id]!.armed, pair.queue.deadlineOf(pair.timers[id]!)]).toEqual([
        pair.deadline(id) !== Number.POSITIVE_INFINITY,
        pair.deadline(id),
      ]);
    }
    expect(pair.fired.length).toBeGreaterThan(100);
    expect(pair.fired).toEqual(pair.wanted);
    for (let id = 0; id < count; id++) pair.cancel(id, true);
    expect([pair.queue.size, pair.queue.nextUs()]).toEqual([0, Number.POSITIVE_INFINITY]);
  });

  it('thousands at one moment, some of them moved there from earlier ones', () => {
    const pair = new Pair(3000);
    for (let id = 0; id < 3000; id++) pair.arm(id, 2_000_000 - (id % 3) * 1000);
    for (let id = 2999; id >= 0; id -= 2) pair.arm(id, 2_000_000);
    pair.run(3_000_000);
    expect(pair.fired).toHaveLength(3000);
    expect(pair.fired).toEqual(pair.wanted);
  });
});

describe('what a queue holds', () => {
  it('a cancelled timer stays in it until it is looked at, a forgotten one goes at once', () => {
    const pair = new Pair(2);
    pair.arm(0, 2_000_000);
    pair.arm(1, 3_000_000);
    pair.cancel(0);
    expect([pair.queue.size, pair.timers[0]!.armed, pair.queue.nextUs(), pair.queue.size]).toEqual([2, false, 3_000_000, 1]);
    pair.cancel(1, true);
    expect([pair.queue.size, pair.queue.nextUs()]).toEqual([0, Number.POSITIVE_INFINITY]);
  });

  it('one that is armed again while its cancelled entry is there', () => {
    const pair = new Pair(1);
    pair.arm(0, 2_000_000);
    pair.cancel(0);
    pair.arm(0, 1_500_000);
    expect([pair.queue.size, pair.queue.nextUs()]).toEqual([1, 1_500_000]);
    pair.run(1_499_999);
    expect(pair.fired).toEqual([]);
    pair.run(1_500_000);
    expect([pair.fired, pair.queue.size]).toEqual([[0], 0]);
  });

  it('deadlines in the past, in hours, beyond its range', () => {
    const pair = new Pair(3);
    pair.arm(0, 1e300);
    pair.arm(1, 7_200_000_000);
    pair.arm(2, -5);
    expect(pair.queue.nextUs()).toBe(0);
    pair.run(1_000_000);
    expect([pair.fired, pair.queue.nextUs()]).toEqual([[2], 7_200_000_000]);
    pair.run(7_200_000_000);
    expect(pair.queue.nextUs()).toBe(2 ** 48 - 1);
  });

  /** Steps are counted as the places of arrays that are looked at, so that no clock judges. */
  it('looks at no more entries for one timer among 60,000 than among 600', () => {
    const steps = (count: number) => {
      const pair = new Pair(0);
      const random = new SeededRandom(5);
      const queue = pair.queue;
      let fired = 0;
      const handler = { onTimer: () => fired++ };
      const all = Array.from({ length: count }, () => new Timer(handler, 0));
      const counter = countReads(queue);
      let most = 0;
      for (const t of all) {
        const before = counter.reads;
        queue.arm(t, 1_000_000 + below(random, count * 3));
        most = Math.max(most, counter.reads - before);
      }
      for (let now = 1_000_000; fired < count; now = queue.nextUs()) {
        const before = [counter.reads, fired] as const;
        queue.run(now);
        most = Math.max(most, (counter.reads - before[0]) / Math.max(1, fired - before[1]));
      }
      return { each: counter.reads / count, most };
    };
    const few = steps(600);
    const many = steps(60_000);
    expect(few.each).toBeGreaterThan(2); // something was counted
    expect(many.each).toBeLessThan(few.each * 1.5);
    expect(many.most).toBeLessThan(2000); // a leaf that is split down all levels
  });
});

/** Counts what is read of the queue's int records. */
function countReads(queue: TimerQueue): { reads: number } {
  const counter = { reads: 0 };
  const own = queue as unknown as { ints: Int32Array };
  let ints = own.ints;
  const watch = (a: Int32Array) =>
    new Proxy(a, {
      get(target, key) {
        if (typeof key === 'string' && /^\d+$/.test(key)) counter.reads++;
        return Reflect.get(target, key);
      },
      set: (target, key, value) => Reflect.set(target, key, value),
    });
  let watched = watch(ints);
  Object.defineProperty(queue, 'ints', {
    get: () => watched,
    set: (a: Int32Array) => {
      ints = a;
      watched = watch(ints);
    },
  });
  return counter;
}
