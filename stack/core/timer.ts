/**
 * Timers in exact deadline order, ties in the order of arming, so that runs are deterministic. Nothing here reads a clock.
 *
 * The deadlines, whole µs of 48 bits (nine years), lie in a radix tree of 64-way nodes: the digits of a deadline are the way to its
 * leaf, the first leaf holds what is due next. A leaf above the last level is an unsorted list of at most LEAF timers; when one more comes
 * it becomes a node, and its timers go one digit down. A leaf of the last level is one µs, in the order of arming. So it is a
 * timing wheel (Varghese and Lauck 1987) whose wheels are made where timers are dense, when they become so, and never turn: no timer is
 * rounded, nothing is moved because time passes, and no bucket is ever so full that looking through it would hold up the packets. Arming,
 * firing and cancelling cost at most eight steps down and LEAF timers looked at, among ten timers or a million.
 *
 * Moving a deadline later costs two stores, cancelling one: the entry is put right when its leaf is looked at.
 *
 * Entries and nodes are records in typed arrays: a million of them are nothing to the garbage collector, and an idle Timer is three words.
 */
export interface TimerHandler {
  /** Called with the deadline that was reached. `kind` tells an owner of several timers which one. */
  onTimer(kind: number, nowUs: number): void;
}

const NONE = -1;

export class Timer {
  readonly handler: TimerHandler;
  readonly kind: number;
  /** The record it has: slot when armed; -2 - slot when cancelled and its record is still in the tree; NONE without. The queue's business. */
  slot = NONE;

  constructor(handler: TimerHandler, kind: number) {
    this.handler = handler;
    this.kind = kind;
  }
  get armed(): boolean {
    return this.slot >= 0;
  }
}

/** Floats of a record. */
const F = Object.freeze({ deadline: 0, order: 1 });
const FLOATS = 4;
/** Its ints, in the same memory behind the floats: neighbours in its leaf (a ring), and the leaf. A free record's `next` is the next free one. */
const I = Object.freeze({ next: 4, previous: 5, leaf: 6 });
const INTS = 2 * FLOATS;

const BITS = 6;
const WAYS = 1 << BITS;
/** Levels of the tree: 0 is the last one, whose leaves are 1 µs. */
const LEVELS = 8;
/** The digits of levels 4 to 7 are taken from the upper half of a deadline. */
const HALF_LEVELS = 4;
const HALF = 2 ** (BITS * HALF_LEVELS);
const LAST_DEADLINE = HALF * HALF - 1;
/** µs that a leaf of each level stands for. */
const WIDTH: Float64Array = Float64Array.from({ length: LEVELS }, (_, level) => WAYS ** level);
/** Timers of a leaf above the last level. */
const LEAF = 16;

/** What is known of a place in a node: how many timers the leaf has (levels above 0), or one of these. */
const EMPTY = 0;
const SORTED = 1;
const UNSORTED = 2;
const NODE = 255;

const ROOT = 0;
const FIRST_RECORDS = 64;
const FIRST_NODES = 8;

/** Number of the lowest bit that is set. */
function lowest(word: number): number {
  return 31 - Math.clz32(word & -word);
}

export class TimerQueue {
  /** Entries of the tree, with those that were cancelled and not met yet. */
  size = 0;
  /** The record of the earliest timer; NONE when it must be looked for. */
  private first = NONE;
  private order = 0;
  // ---- records
  private floats = new Float64Array(FIRST_RECORDS * FLOATS);
  private ints = new Int32Array(this.floats.buffer);
  private readonly timers: (Timer | null)[] = [];
  private freeRecord = NONE;
  // ---- nodes: per place the first record of a leaf or the node below, and what it is; per node two words of occupied places
  private places = new Int32Array(FIRST_NODES * WAYS);
  private marks = new Uint8Array(FIRST_NODES * WAYS);
  private occupied = new Int32Array(FIRST_NODES * 2);
  private levels = new Uint8Array(FIRST_NODES);
  /** Where each node's range begins, and its place in the node above; a free node's is the next free one. */
  private starts = new Float64Array(FIRST_NODES);
  private parents = new Int32Array(FIRST_NODES);
  private freeNode = NONE;
  private nodesTop = 1;
  /** For the rare leaf that must be sorted. */
  private readonly sorting: number[] = [];
  private readonly byOrder = (a: number, b: number): number =>
    this.floats[a * FLOATS + F.order]! - this.floats[b * FLOATS + F.order]!;

  constructor() {
    this.levels[ROOT] = LEVELS - 1;
    this.parents[ROOT] = NONE;
  }

  /** (Re)arms a timer for an absolute time; a fraction of a µs counts as a whole one. */
  arm(t: Timer, deadlineUs: number): void {
    const deadline = Math.max(0, Math.min(LAST_DEADLINE, Math.ceil(deadlineUs)));
    if (t.slot === NONE) {
      const slot = this.takeRecord(t);
      const at = slot * FLOATS;
      this.floats[at + F.deadline] = deadline;
      this.floats[at + F.order] = this.order++;
      if (this.size++ === 0 || (this.first !== NONE && deadline < this.floats[this.first * FLOATS + F.deadline]!))
        this.first = slot;
      this.place(slot, ROOT);
      return;
    }
    if (t.slot < 0) t.slot = -2 - t.slot;
    this.move(t.slot, deadline);
  }

  private move(slot: number, deadline: number): void {
    const f = this.floats;
    const at = slot * FLOATS;
    const leaf = this.ints[slot * INTS + I.leaf]!;
    const node = leaf >>> BITS;
    const level = this.levels[node]!;
    const start = this.starts[node]! + (leaf & (WAYS - 1)) * WIDTH[level]!;
    if (slot === this.first) {
      if (deadline >= f[at + F.deadline]!) this.first = NONE;
    } else if (this.first !== NONE && deadline < f[this.first * FLOATS + F.deadline]!) this.first = slot;
    f[at + F.deadline] = deadline;
    f[at + F.order] = this.order++;
    if (deadline > start || (deadline === start && level > 0)) return; // put right when its leaf is looked at
    this.unlink(slot);
    this.place(slot, ROOT);
  }

  /** Disarms; the entry leaves the tree when its leaf is looked at, or at once when `forget` (its owner goes away). */
  cancel(t: Timer, forget = false): void {
    if (t.slot >= 0) {
      if (t.slot === this.first) this.first = NONE;
      this.floats[t.slot * FLOATS + F.deadline] = Number.POSITIVE_INFINITY;
      t.slot = -2 - t.slot;
    }
    if (forget && t.slot !== NONE) this.drop(-2 - t.slot);
  }

  /** When a timer will fire; Infinity when it is not armed. */
  deadlineOf(t: Timer): number {
    return t.slot >= 0 ? this.floats[t.slot * FLOATS + F.deadline]! : Number.POSITIVE_INFINITY;
  }

  /** The earliest deadline, Infinity without. */
  nextUs(): number {
    if (this.first === NONE) this.first = this.find();
    return this.first === NONE ? Number.POSITIVE_INFINITY : this.floats[this.first * FLOATS + F.deadline]!;
  }

  /** Fires everything due at nowUs, in order. Handlers may arm and cancel. */
  run(nowUs: number): void {
    while (this.nextUs() <= nowUs) {
      const slot = this.first;
      const t = this.timers[slot]!;
      this.first = NONE;
      this.drop(slot);
      t.handler.onTimer(t.kind, nowUs);
    }
  }

  // ---- the tree

  /** Puts an entry into the leaf that its deadline leads to, from a node on in whose range it is. */
  private place(slot: number, from: number): void {
    const deadline = this.floats[slot * FLOATS + F.deadline]!;
    const upper = Math.floor(deadline / HALF);
    const lower = deadline - upper * HALF;
    let node = from;
    for (let level = this.levels[node]!; ; level--) {
      const digit = (level < HALF_LEVELS ? lower >>> (level * BITS) : upper >>> ((level - HALF_LEVELS) * BITS)) & (WAYS - 1);
      const place = node * WAYS + digit;
      const mark = this.marks[place]!;
      if (mark !== NODE) {
        this.link(slot, place, level, mark);
        return;
      }
      node = this.places[place]!;
    }
  }

  /** At the end of a leaf's ring. */
  private link(slot: number, place: number, level: number, mark: number): void {
    const ints = this.ints;
    const at = slot * INTS;
    ints[at + I.leaf] = place;
    if (mark === EMPTY) {
      ints[at + I.next] = slot;
      ints[at + I.previous] = slot;
      this.places[place] = slot;
      this.marks[place] = 1; // SORTED, or one timer
      const digit = place & (WAYS - 1);
      this.occupied[(place >>> BITS) * 2 + (digit >>> 5)]! |= 1 << (digit & 31);
      return;
    }
    const head = this.places[place]!;
    const tail = ints[head * INTS + I.previous]!;
    ints[at + I.next] = head;
    ints[at + I.previous] = tail;
    ints[head * INTS + I.previous] = slot;
    ints[tail * INTS + I.next] = slot;
    if (level > 0) {
      if (mark === LEAF) this.split(place, level);
      else this.marks[place] = mark + 1;
    } else if (this.floats[slot * FLOATS + F.order]! < this.floats[tail * FLOATS + F.order]!) this.marks[place] = UNSORTED;
  }

  /** A leaf is full: a node in its place. What was moved or cancelled meanwhile goes where it belongs. */
  private split(place: number, level: number): void {
    const head = this.places[place]!;
    const end = this.ints[head * INTS + I.previous]!; // the one that was put here now, so that the node will not be empty
    const start = this.starts[place >>> BITS]! + (place & (WAYS - 1)) * WIDTH[level]!;
    const node = this.takeNode(start, level - 1, place);
    this.places[place] = node;
    this.marks[place] = NODE;
    for (let slot = head; ; ) {
      const next = this.ints[slot * INTS + I.next]!;
      const last = slot === end;
      const deadline = this.floats[slot * FLOATS + F.deadline]!;
      if (deadline === Number.POSITIVE_INFINITY) this.giveRecord(slot);
      else this.place(slot, deadline < start + WIDTH[level]! ? node : ROOT);
      if (last) return;
      slot = next;
    }
  }

  /** Takes an entry out of its leaf; nodes that become empty go. */
  private unlink(slot: number): void {
    const ints = this.ints;
    const at = slot * INTS;
    const place = ints[at + I.leaf]!;
    const next = ints[at + I.next]!;
    if (next === slot) {
      this.clear(place);
      return;
    }
    const previous = ints[at + I.previous]!;
    ints[previous * INTS + I.next] = next;
    ints[next * INTS + I.previous] = previous;
    if (this.places[place] === slot) this.places[place] = next;
    if (this.levels[place >>> BITS]! > 0) this.marks[place]! -= 1;
  }

  private clear(emptied: number): void {
    for (let place = emptied; ; ) {
      const node = place >>> BITS;
      const digit = place & (WAYS - 1);
      const word = node * 2 + (digit >>> 5);
      this.marks[place] = EMPTY;
      this.occupied[word]! &= ~(1 << (digit & 31));
      if (node === ROOT || this.occupied[word] !== 0 || this.occupied[word ^ 1] !== 0) return;
      place = this.parents[node]!;
      this.parents[node] = this.freeNode;
      this.freeNode = node;
    }
  }

  /** The earliest entry, NONE without. Looks through the first leaf, and puts right what it meets there. */
  private find(): number {
    let node = ROOT;
    for (;;) {
      const low = this.occupied[node * 2]!;
      const high = this.occupied[node * 2 + 1]!;
      if (low === 0 && high === 0) return NONE; // the root alone is ever empty
      const place = node * WAYS + (low !== 0 ? lowest(low) : 32 + lowest(high));
      if (this.marks[place] === NODE) {
        node = this.places[place]!;
        continue;
      }
      const slot = this.levels[node] === 0 ? this.firstOfLast(place) : this.firstOfLeaf(place);
      if (slot !== NONE) return slot;
      node = ROOT;
    }
  }

  /** The earliest entry of a leaf above the last level; NONE when none of its entries belongs there. */
  private firstOfLeaf(place: number): number {
    const node = place >>> BITS;
    const width = WIDTH[this.levels[node]!]!;
    const end = this.starts[node]! + (place & (WAYS - 1)) * width + width;
    let best = NONE;
    let bestDeadline = Number.POSITIVE_INFINITY;
    let bestOrder = 0;
    let slot = this.places[place]!;
    for (let left = this.marks[place]!; left > 0; left--) {
      const next = this.ints[slot * INTS + I.next]!;
      const at = slot * FLOATS;
      const deadline = this.floats[at + F.deadline]!;
      if (deadline >= end) this.replace(slot);
      else if (deadline < bestDeadline || (deadline === bestDeadline && this.floats[at + F.order]! < bestOrder)) {
        best = slot;
        bestDeadline = deadline;
        bestOrder = this.floats[at + F.order]!;
      }
      slot = next;
    }
    return best;
  }

  /** The same for a leaf of one µs, whose entries are in order. */
  private firstOfLast(place: number): number {
    if (this.marks[place] === UNSORTED) this.sort(place);
    const deadline = this.starts[place >>> BITS]! + (place & (WAYS - 1));
    for (;;) {
      const slot = this.places[place]!;
      if (this.floats[slot * FLOATS + F.deadline] === deadline) return slot;
      const only = this.ints[slot * INTS + I.next] === slot;
      this.replace(slot);
      if (only) return NONE;
    }
  }

  /** The entry was moved later, or cancelled. */
  private replace(slot: number): void {
    if (this.floats[slot * FLOATS + F.deadline] === Number.POSITIVE_INFINITY) {
      this.drop(slot);
      return;
    }
    this.unlink(slot);
    this.place(slot, ROOT);
  }

  private sort(place: number): void {
    const list = this.sorting;
    const head = this.places[place]!;
    let slot = head;
    do {
      list.push(slot);
      slot = this.ints[slot * INTS + I.next]!;
    } while (slot !== head);
    list.sort(this.byOrder);
    let previous = list[list.length - 1]!;
    for (const s of list) {
      this.ints[previous * INTS + I.next] = s;
      this.ints[s * INTS + I.previous] = previous;
      previous = s;
    }
    this.places[place] = list[0]!;
    this.marks[place] = SORTED;
    list.length = 0;
  }

  // ---- room

  /** Out of the tree. */
  private drop(slot: number): void {
    this.unlink(slot);
    this.giveRecord(slot);
  }

  private giveRecord(slot: number): void {
    this.timers[slot]!.slot = NONE;
    this.timers[slot] = null;
    this.ints[slot * INTS + I.next] = this.freeRecord;
    this.freeRecord = slot;
    this.size--;
  }

  private takeRecord(t: Timer): number {
    let slot = this.freeRecord;
    if (slot !== NONE) {
      this.freeRecord = this.ints[slot * INTS + I.next]!;
      this.timers[slot] = t;
    } else {
      slot = this.timers.length;
      this.timers.push(t);
      if (slot * FLOATS === this.floats.length) {
        const grown = new Float64Array(this.floats.length * 2);
        grown.set(this.floats);
        this.floats = grown;
        this.ints = new Int32Array(grown.buffer);
      }
    }
    t.slot = slot;
    return slot;
  }

  private takeNode(start: number, level: number, parent: number): number {
    let node = this.freeNode;
    if (node !== NONE) this.freeNode = this.parents[node]!;
    else {
      node = this.nodesTop++;
      if (node === this.levels.length) this.growNodes();
    }
    this.starts[node] = start;
    this.levels[node] = level;
    this.parents[node] = parent;
    return node;
  }

  private growNodes(): void {
    const size = this.levels.length * 2;
    const places = new Int32Array(size * WAYS);
    places.set(this.places);
    this.places = places;
    const marks = new Uint8Array(size * WAYS);
    marks.set(this.marks);
    this.marks = marks;
    const occupied = new Int32Array(size * 2);
    occupied.set(this.occupied);
    this.occupied = occupied;
    const levels = new Uint8Array(size);
    levels.set(this.levels);
    this.levels = levels;
    const starts = new Float64Array(size);
    starts.set(this.starts);
    this.starts = starts;
    const parents = new Int32Array(size);
    parents.set(this.parents);
    this.parents = parents;
  }
}
