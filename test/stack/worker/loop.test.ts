/** The loop of a stack's thread, without a thread: what one turn does, and when it may sleep. */
import { describe, expect, it } from 'vitest';
import { Ctl } from '../../../mib/ledger/memory.js';
import { createControl, Stop, Waker, Word } from '../../../stack/worker/control.js';
import { type Pollable, StackLoop } from '../../../stack/worker/loop.js';
import { smallLedger } from '../../support/ledger.js';

class FakeStack implements Pollable {
  polls: number[] = [];
  more = false;
  deadlineUs = Number.POSITIVE_INFINITY;
  poll(nowUs: number): boolean {
    this.polls.push(nowUs);
    return this.more;
  }
  nextDeadlineUs(): number {
    return this.deadlineUs;
  }
}

function set() {
  const ledger = smallLedger();
  const control = createControl();
  const said: string[] = [];
  const slept: number[] = [];
  const a = new FakeStack();
  const b = new FakeStack();
  const state = { nowUs: 1000, socketsMore: false, pieces: 0 };
  const loop = new StackLoop({
    clock: () => state.nowUs,
    control,
    ledger,
    stacks: [a, b],
    sockets: {
      service: () => {
        said.push('sockets');
        return state.socketsMore;
      },
    },
    sleeper: { sleep: (us) => slept.push(us) },
    messages: () => said.push('messages'),
    rows: {
      begin: () => {
        state.pieces = 3;
        said.push('begin');
      },
      step: () => --state.pieces > 0,
    },
  });
  return { ledger, control, said, slept, a, b, state, loop, waker: new Waker(control, -1) };
}

describe('one turn of the loop', () => {
  it('polls every stack at one instant and services the sockets; it may sleep when nobody has more to do', () => {
    const s = set();
    expect(s.loop.turn()).toBe(false);
    expect([s.a.polls, s.b.polls, s.said]).toEqual([[1000], [1000], ['sockets']]);
    for (const busy of [() => (s.a.more = true), () => (s.b.more = true), () => (s.state.socketsMore = true)]) {
      s.a.more = s.b.more = s.state.socketsMore = false;
      busy();
      expect(s.loop.turn()).toBe(true);
    }
    expect(s.a.polls.length).toBe(4);
    expect(s.b.polls.length).toBe(4);
  });

  it('looks at messages only when something is pending', () => {
    const s = set();
    s.loop.turn();
    s.waker.wake();
    s.loop.turn();
    s.loop.turn();
    expect(s.said.filter((x) => x === 'messages').length).toBe(1);
    expect(new Int32Array(s.control)[Word.pending]).toBe(0);
  });

  it('refreshes rows in pieces, one a turn, and answers the request that it began with', () => {
    const s = set();
    const ctl = s.ledger.control;
    s.loop.turn();
    Atomics.store(ctl, Ctl.infoRequested, 5);
    expect([s.loop.turn(), s.loop.turn()]).toEqual([true, true]);
    Atomics.store(ctl, Ctl.infoRequested, 6); // asked too late for this one: some rows had been passed
    expect(Atomics.load(ctl, Ctl.infoDone)).toBe(0);
    s.loop.turn();
    expect(Atomics.load(ctl, Ctl.infoDone)).toBe(5);
    for (let i = 0; i < 3; i++) s.loop.turn();
    expect(Atomics.load(ctl, Ctl.infoDone)).toBe(6);
    expect(s.said.filter((x) => x === 'begin').length).toBe(2);
    expect(s.loop.turn()).toBe(false);
  });

  it('sleeps until the earliest deadline, or the time it is given', () => {
    const s = set();
    s.loop.sleep();
    s.a.deadlineUs = 5000;
    s.b.deadlineUs = 3000;
    s.loop.sleep();
    s.loop.sleep(1500);
    s.state.nowUs = 4000;
    s.loop.sleep();
    expect(s.slept).toEqual([Number.POSITIVE_INFINITY, 2000, 500, -1000]);
  });

  it('learns that it is to stop, and how; a stop at once is not taken back', () => {
    const s = set();
    expect(s.loop.stopAsked).toBe(0);
    s.waker.stop(Stop.orderly);
    expect(s.loop.stopAsked).toBe(Stop.orderly);
    s.waker.stop(Stop.now);
    s.waker.stop(Stop.orderly);
    expect(s.loop.stopAsked).toBe(Stop.now);
  });
});
