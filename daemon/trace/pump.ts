/**
 * One pump reads the probe ring and hands its events to all who trace. A probe point is armed while somebody wants it. What did not fit
 * into the ring, or into the queue of a subscriber that reads too slowly, is told as a gap: for every subscriber and counter,
 * events + gaps = what the counter moved while it was traced.
 */

import { CELLS } from '../../mib/catalogue/index.js';
import type { TraceEventDto, TraceGapDto } from '../../mib/dto.js';
import type { Readings } from '../../mib/ledger/readings.js';
import { probeName } from '../../mib/probe/names.js';
import { Rec } from '../../mib/probe/ring.js';
import { type TraceContext, traceEvent } from '../../mib/probe/trace-event.js';

/** Who traces. Calls must not throw. */
export interface TraceSubscriber {
  /** An event, and the same as JSON (made once for all). False: there is no room; the event is then part of a gap that comes later. */
  event(event: TraceEventDto, json: string): boolean;
  /** False: no room now, ask again. */
  gap(gap: TraceGapDto): boolean;
}

interface Gap {
  lost: number;
  events: number;
}

class Subscription {
  readonly subscriber: TraceSubscriber;
  readonly points: ReadonlySet<number>;
  readonly onEnd: () => void;
  /** Not yet told, by probe point. */
  readonly gaps = new Map<number, Gap>();

  constructor(subscriber: TraceSubscriber, points: readonly number[], onEnd: () => void) {
    this.subscriber = subscriber;
    this.onEnd = onEnd;
    this.points = new Set(points);
  }

  missed(point: number, lost: number, events: number): void {
    const gap = this.gaps.get(point);
    if (gap) {
      gap.lost += lost;
      gap.events += events;
    } else this.gaps.set(point, { lost, events });
  }

  /** Tells the gaps that there is room for. */
  tellGaps(): void {
    for (const [point, gap] of this.gaps) {
      if (!this.subscriber.gap({ probe: probeName(point), ...gap })) return;
      this.gaps.delete(point);
    }
  }
}

/** What was lost of an armed point when last looked at. */
interface Lost {
  sum: number;
  records: number;
}

/** Records read in one turn of the event loop. */
const BUDGET = 2000;
/** Turns that take more than a full ring. */
const TURNS = 8;
const BUSY_MS = 2;
const IDLE_MS = 20;

export class TracePump {
  private readonly reader: Readings;
  private readonly context: TraceContext;
  private readonly subscriptions = new Set<Subscription>();
  /** Armed points. */
  private readonly lost = new Map<number, Lost>();
  private timer: NodeJS.Timeout | undefined;

  constructor(reader: Readings, context: TraceContext) {
    this.reader = reader;
    this.context = context;
  }

  get clients(): number {
    return this.subscriptions.size;
  }

  /**
   * Traces probe points for a subscriber from now on.
   * @param onEnd called when the pump is closed
   * @returns ends it; what is in the ring by then is still told
   */
  subscribe(points: readonly number[], subscriber: TraceSubscriber, onEnd: () => void = () => {}): () => void {
    this.pumpAll(); // what is in the ring belongs to those who were there before
    const subscription = new Subscription(subscriber, points, onEnd);
    for (const point of subscription.points) {
      if (!this.lost.has(point))
        this.lost.set(point, { sum: this.reader.probes.lost(point), records: this.reader.probes.lostRecords(point) });
      this.reader.arm(point);
    }
    this.subscriptions.add(subscription);
    this.schedule(IDLE_MS);
    return () => this.unsubscribe(subscription);
  }

  private unsubscribe(subscription: Subscription): void {
    if (!this.subscriptions.has(subscription)) return;
    for (const point of subscription.points) this.reader.disarm(point);
    this.pumpAll();
    this.subscriptions.delete(subscription);
    for (const point of subscription.points) if (!this.reader.isArmed(point)) this.lost.delete(point);
    if (this.subscriptions.size === 0) clearTimeout(this.timer);
  }

  /** Ends every subscription. */
  close(): void {
    for (const s of [...this.subscriptions]) {
      this.unsubscribe(s);
      s.onEnd();
    }
  }

  /** Reads what is in the ring, at most once around. */
  pumpAll(): void {
    for (let turn = 0; turn < TURNS && this.pump() === BUDGET; turn++);
  }

  /** One turn: how many records it read. */
  private pump(): number {
    const n = this.reader.probes.read(BUDGET, this.deliver);
    this.findLost();
    for (const s of this.subscriptions) if (s.gaps.size > 0) s.tellGaps();
    return n;
  }

  private readonly deliver = (f: Float64Array, at: number): void => {
    const point = f[at + Rec.point]!;
    let event: TraceEventDto | undefined;
    let json = '';
    for (const s of this.subscriptions) {
      if (!s.points.has(point)) continue;
      if (!event) {
        event = traceEvent(f, at, this.context);
        json = JSON.stringify(event);
      }
      if (!s.subscriber.event(event, json)) s.missed(point, point < CELLS ? event.increment : 1, 1);
    }
  };

  private findLost(): void {
    for (const [point, last] of this.lost) {
      const records = this.reader.probes.lostRecords(point);
      if (records === last.records) continue;
      const sum = this.reader.probes.lost(point);
      for (const s of this.subscriptions) if (s.points.has(point)) s.missed(point, sum - last.sum, records - last.records);
      last.sum = sum;
      last.records = records;
    }
  }

  private schedule(ms: number): void {
    clearTimeout(this.timer);
    if (this.subscriptions.size === 0) return;
    this.timer = setTimeout(() => {
      const n = this.pump();
      this.schedule(n === 0 ? IDLE_MS : n === BUDGET ? 0 : BUSY_MS);
    }, ms);
  }
}
