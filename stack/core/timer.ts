/**
 * Timers: a binary heap of intrusive entries in exact deadline order (ties in the order of arming, so that runs are deterministic).
 * Moving a deadline later costs one store: the entry is put right when it reaches the top. Nothing here reads a clock.
 */
export interface TimerHandler {
  /** Called with the deadline that was reached. `kind` tells an owner of several timers which one. */
  onTimer(kind: number, nowUs: number): void;
}

export class Timer {
  readonly handler: TimerHandler;
  readonly kind: number;
  /** When it should fire; Infinity when not armed. */
  deadlineUs = Number.POSITIVE_INFINITY;
  /** The key it has in the heap: at most deadlineUs. */
  heapKey = 0;
  heapOrder = 0;
  heapIndex = -1;

  constructor(handler: TimerHandler, kind: number) {
    this.handler = handler;
    this.kind = kind;
  }
  get armed(): boolean {
    return this.deadlineUs !== Number.POSITIVE_INFINITY;
  }
}

export class TimerQueue {
  private readonly heap: Timer[] = [];
  private order = 0;

  /** (Re)arms a timer for an absolute time. */
  arm(t: Timer, deadlineUs: number): void {
    t.deadlineUs = deadlineUs;
    if (t.heapIndex >= 0) {
      if (deadlineUs >= t.heapKey) return; // lazily put right at the top
      t.heapKey = deadlineUs;
      t.heapOrder = this.order++;
      this.up(t.heapIndex);
      return;
    }
    t.heapKey = deadlineUs;
    t.heapOrder = this.order++;
    t.heapIndex = this.heap.length;
    this.heap.push(t);
    this.up(t.heapIndex);
  }

  /** Disarms; the entry leaves the heap when it reaches the top, or at once when `forget` (its owner goes away). */
  cancel(t: Timer, forget = false): void {
    t.deadlineUs = Number.POSITIVE_INFINITY;
    if (forget && t.heapIndex >= 0) this.remove(t.heapIndex);
  }

  /** The earliest deadline, Infinity without. */
  nextUs(): number {
    this.settle();
    return this.heap.length > 0 ? this.heap[0]!.heapKey : Number.POSITIVE_INFINITY;
  }

  /** Fires everything due at nowUs, in order. Handlers may arm and cancel. */
  run(nowUs: number): void {
    for (;;) {
      this.settle();
      const t = this.heap[0];
      if (!t || t.heapKey > nowUs) return;
      this.remove(0);
      t.deadlineUs = Number.POSITIVE_INFINITY;
      t.handler.onTimer(t.kind, nowUs);
    }
  }

  get size(): number {
    return this.heap.length;
  }

  /** Brings the true earliest timer to the top. */
  private settle(): void {
    for (;;) {
      const t = this.heap[0];
      if (!t || t.heapKey === t.deadlineUs) return;
      if (t.deadlineUs === Number.POSITIVE_INFINITY) this.remove(0);
      else {
        t.heapKey = t.deadlineUs;
        t.heapOrder = this.order++;
        this.down(0);
      }
    }
  }

  private before(a: Timer, b: Timer): boolean {
    return a.heapKey < b.heapKey || (a.heapKey === b.heapKey && a.heapOrder < b.heapOrder);
  }
  private up(i: number): void {
    const h = this.heap;
    const t = h[i]!;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const p = h[parent]!;
      if (!this.before(t, p)) break;
      h[i] = p;
      p.heapIndex = i;
      i = parent;
    }
    h[i] = t;
    t.heapIndex = i;
  }
  private down(i: number): void {
    const h = this.heap;
    const n = h.length;
    const t = h[i]!;
    for (;;) {
      let c = 2 * i + 1;
      if (c >= n) break;
      if (c + 1 < n && this.before(h[c + 1]!, h[c]!)) c++;
      const child = h[c]!;
      if (!this.before(child, t)) break;
      h[i] = child;
      child.heapIndex = i;
      i = c;
    }
    h[i] = t;
    t.heapIndex = i;
  }
  private remove(i: number): void {
    const h = this.heap;
    const t = h[i]!;
    const last = h.pop()!;
    t.heapIndex = -1;
    if (last === t) return;
    h[i] = last;
    last.heapIndex = i;
    this.up(i);
    this.down(last.heapIndex);
  }
}
