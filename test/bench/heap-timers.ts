/** What stack/core/timer.ts is measured against: a binary heap of timers, with the same trick for deadlines that move later. */
import type { TimerHandler } from '../../stack/core/timer.js';

export class HeapTimer {
  readonly handler: TimerHandler;
  readonly kind: number;
  deadline = Number.POSITIVE_INFINITY;
  key = 0;
  order = 0;
  index = -1;
  constructor(handler: TimerHandler, kind: number) {
    this.handler = handler;
    this.kind = kind;
  }
}

function before(a: HeapTimer, b: HeapTimer): boolean {
  return a.key < b.key || (a.key === b.key && a.order < b.order);
}

export class HeapTimers {
  private readonly heap: HeapTimer[] = [];
  private order = 0;

  arm(t: HeapTimer, deadline: number): void {
    t.deadline = deadline;
    if (t.index >= 0 && deadline >= t.key) return;
    t.key = deadline;
    t.order = this.order++;
    if (t.index < 0) {
      t.index = this.heap.length;
      this.heap.push(t);
    }
    this.up(t.index);
  }
  cancel(t: HeapTimer): void {
    t.deadline = Number.POSITIVE_INFINITY;
  }

  run(now: number): void {
    for (;;) {
      const t = this.heap[0];
      if (!t || t.key > now) return;
      if (t.deadline > t.key && t.deadline !== Number.POSITIVE_INFINITY) {
        t.key = t.deadline;
        t.order = this.order++;
        this.down(0);
        continue;
      }
      this.removeFirst();
      if (t.deadline === Number.POSITIVE_INFINITY) continue;
      t.deadline = Number.POSITIVE_INFINITY;
      t.handler.onTimer(t.kind, now);
    }
  }

  private removeFirst(): void {
    const h = this.heap;
    h[0]!.index = -1;
    const last = h.pop()!;
    if (last.index < 0) return;
    h[0] = last;
    last.index = 0;
    this.down(0);
  }
  private up(from: number): void {
    const h = this.heap;
    const t = h[from]!;
    let i = from;
    for (; i > 0; i = (i - 1) >> 1) {
      const parent = h[(i - 1) >> 1]!;
      if (!before(t, parent)) break;
      h[i] = parent;
      parent.index = i;
    }
    h[i] = t;
    t.index = i;
  }
  private down(from: number): void {
    const h = this.heap;
    const t = h[from]!;
    let i = from;
    for (let c = 2 * i + 1; c < h.length; c = 2 * i + 1) {
      if (c + 1 < h.length && before(h[c + 1]!, h[c]!)) c++;
      const child = h[c]!;
      if (!before(child, t)) break;
      h[i] = child;
      child.index = i;
      i = c;
    }
    h[i] = t;
    t.index = i;
  }
}
