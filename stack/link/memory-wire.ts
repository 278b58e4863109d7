/**
 * A wire between two hosts in one process, in virtual time. Each direction has its own delay, rate, queue and faults, and counts what it
 * does to frames, so that tests can hold A's sent counters − lost + duplicated = B's received ones. Everything is decided by the `Random`
 * it is given: the same seed gives the same run to the byte.
 *
 * What happens to a frame, in this order: queue limit, serialisation at the rate, loss, corruption (one flipped bit), reordering (extra
 * delay, so that later frames overtake), delay, duplication (the copy follows at once).
 */
import { finish, partialSum } from '../core/checksum.js';
import { Errno } from '../core/errno.js';
import { Csum, Gso, type Packet } from '../core/packet.js';
import { below, chance, type Random } from '../core/random.js';
import { FramePool, FrameQueue, type StoredFrame } from './frame-store.js';
import { type Link, LinkFeature } from './link.js';

const ETHERNET_HEADER = 14;

/** Settings of one direction; probabilities in [0, 1]. May be changed while the wire runs. */
export interface WireSettings {
  delayUs: number;
  /** Bits per second; 0 for a wire without serialisation time. */
  rate: number;
  /** Frames that may wait for the rate; more are dropped. */
  queueLimit: number;
  loss: number;
  duplicate: number;
  /** Frames that are held back by up to `reorderUs`. */
  reorder: number;
  reorderUs: number;
  /** Frames in which one bit is flipped, at or behind `corruptFrom`: behind the Ethernet header, where checksums can tell. */
  corrupt: number;
  corruptFrom: number;
  /** Chooses the bit to flip in a frame of so many bytes, counted from its first; null: any, all alike. */
  corruptBit: ((length: number, random: Random) => number) | null;
  /** For tests that watch or lose chosen frames: asked of every frame sent; true loses it. `nth` counts the direction's frames from 0. */
  lose: ((frame: Packet, nth: number) => boolean) | null;
}

export const PERFECT_WIRE: Readonly<WireSettings> = Object.freeze({
  delayUs: 0,
  rate: 0,
  queueLimit: 1000,
  loss: 0,
  duplicate: 0,
  reorder: 0,
  reorderUs: 1000,
  corrupt: 0,
  corruptFrom: ETHERNET_HEADER,
  corruptBit: null,
  lose: null,
});

/** What one direction has done. sent = delivered + lost + queueDrops + oversized − duplicated + what is under way. Super-frames count as one. */
export class WireCounts {
  sent = 0;
  sentBytes = 0;
  delivered = 0;
  deliveredBytes = 0;
  lost = 0;
  queueDrops = 0;
  duplicated = 0;
  corrupted = 0;
  /** Corrupted frames that arrived, second copies included. */
  corruptedDelivered = 0;
  reordered = 0;
  /** Frames larger than the buffer that the receiver offered. */
  oversized = 0;
}

export interface WireOptions {
  readonly mtu?: number;
  /** LinkFeature bits of both ends: hosts then exchange super-frames with partial checksums. */
  readonly features?: number;
  /** Names of the ends. */
  readonly names?: readonly [string, string];
  /** Settings of both directions, and what differs in one. */
  readonly both?: Partial<WireSettings>;
  readonly ab?: Partial<WireSettings>;
  readonly ba?: Partial<WireSettings>;
}

/** One direction. */
export class WireDirection {
  readonly settings: WireSettings;
  readonly counts: WireCounts = new WireCounts();
  private readonly random: Random;
  private readonly pool: FramePool;
  private readonly underway = new FrameQueue();
  /** When the last frame has left the sender, and when those before it did that may still be in the queue. */
  private freeAtUs = 0;
  private readonly departures: number[] = [];
  private departed = 0;

  constructor(settings: WireSettings, random: Random, pool: FramePool) {
    this.settings = settings;
    this.random = random;
    this.pool = pool;
  }

  /** Frames on their way. */
  get inFlight(): number {
    return this.underway.length;
  }

  send(p: Packet, nowUs: number): void {
    const s = this.settings;
    const c = this.counts;
    const length = p.tail - p.data;
    const nth = c.sent++;
    c.sentBytes += length;
    const chosen = s.lose?.(p, nth) === true;
    if (s.rate > 0 && !this.serialise(length, nowUs)) {
      c.queueDrops++;
      return;
    }
    if (chance(this.random, s.loss) || chosen) {
      c.lost++;
      return;
    }
    const f = this.pool.take(length);
    f.copyFrom(p);
    if (chance(this.random, s.corrupt)) this.corrupt(f, p);
    f.dueUs = (s.rate > 0 ? this.freeAtUs : nowUs) + s.delayUs;
    if (chance(this.random, s.reorder)) {
      c.reordered++;
      f.dueUs += 1 + below(this.random, s.reorderUs);
    }
    this.underway.insert(f);
    if (chance(this.random, s.duplicate)) this.duplicate(f);
  }

  /** The next frame that is due; false when none is. */
  receive(into: Packet, nowUs: number): boolean {
    for (;;) {
      const f = this.underway.first;
      if (!f || f.dueUs > nowUs) return false;
      this.underway.shift();
      const fits = f.copyTo(into);
      this.pool.give(f);
      if (fits) {
        this.counts.delivered++;
        this.counts.deliveredBytes += f.length;
        if (f.corrupted) this.counts.corruptedDelivered++;
        return true;
      }
      this.counts.oversized++;
    }
  }

  nextUs(): number {
    return this.underway.first ? this.underway.first.dueUs : Number.POSITIVE_INFINITY;
  }

  /** Takes the sender's time for a frame; false when too many wait already. */
  private serialise(length: number, nowUs: number): boolean {
    const d = this.departures;
    while (this.departed < d.length && d[this.departed]! <= nowUs) this.departed++;
    if (this.departed === d.length) {
      d.length = 0;
      this.departed = 0;
    } else if (this.departed > 1024) {
      d.copyWithin(0, this.departed);
      d.length -= this.departed;
      this.departed = 0;
    }
    if (d.length - this.departed >= this.settings.queueLimit) return false;
    const startUs = Math.max(nowUs, this.freeAtUs);
    this.freeAtUs = startUs + Math.max(1, Math.round((length * 8e6) / this.settings.rate));
    d.push(this.freeAtUs);
    return true;
  }

  private corrupt(f: StoredFrame, p: Packet): void {
    const from = Math.min(this.settings.corruptFrom, f.length - 1);
    if (f.csum === Csum.partial) {
      // Whoever trusts the offload state could not see the error: give the frame the checksum it would have on a real wire.
      const at = f.csumStart + f.csumOffset;
      const sum = finish(partialSum(p, p.csumStart, p.tail - p.csumStart)) || 0xffff;
      f.bytes[at] = sum >>> 8;
      f.bytes[at + 1] = sum & 0xff;
    }
    f.csum = Csum.none;
    const choose = this.settings.corruptBit;
    const bit = choose ? choose(f.length, this.random) : from * 8 + below(this.random, (f.length - from) * 8);
    f.bytes[bit >>> 3]! ^= 1 << (bit & 7);
    f.corrupted = true;
    this.counts.corrupted++;
  }

  private duplicate(f: StoredFrame): void {
    const copy = this.pool.take(f.length);
    copy.bytes.set(f.length === f.bytes.length ? f.bytes : f.bytes.subarray(0, f.length));
    copy.length = f.length;
    copy.dueUs = f.dueUs;
    copy.csum = f.csum;
    copy.csumStart = f.csumStart;
    copy.csumOffset = f.csumOffset;
    copy.gsoType = f.gsoType;
    copy.gsoSize = f.gsoSize;
    copy.gsoSegs = f.gsoSegs;
    copy.corrupted = f.corrupted;
    this.counts.duplicated++;
    this.underway.insert(copy);
  }
}

/** One end of a wire: the Link a host is given. */
export class WireEnd implements Link {
  readonly name: string;
  readonly mtu: number;
  readonly features: number;
  private readonly wire: Wire;
  private readonly out: WireDirection;
  private readonly in: WireDirection;
  private closed = false;

  constructor(wire: Wire, name: string, options: WireOptions, out: WireDirection, incoming: WireDirection) {
    this.wire = wire;
    this.name = name;
    this.mtu = options.mtu ?? 1500;
    this.features = options.features ?? 0;
    this.out = out;
    this.in = incoming;
  }

  receive(into: Packet): boolean {
    return !this.closed && this.in.receive(into, this.wire.nowUs);
  }

  /** -EINVAL: the frame asks for an offload that the wire does not do; -EMSGSIZE: longer than the MTU; -ENETDOWN: closed. */
  transmit(frame: Packet): number {
    if (this.closed) return -Errno.ENETDOWN;
    const length = frame.tail - frame.data;
    if (length < ETHERNET_HEADER) return -Errno.EINVAL;
    if (frame.csum === Csum.partial && (this.features & LinkFeature.csum) === 0) return -Errno.EINVAL;
    if (frame.gsoSize > 0) {
      if ((this.features & featureOf(frame.gsoType)) === 0) return -Errno.EINVAL;
    } else if (length > this.mtu + ETHERNET_HEADER) return -Errno.EMSGSIZE;
    this.out.send(frame, this.wire.nowUs);
    return 0;
  }

  advance(nowUs: number): void {
    if (nowUs > this.wire.nowUs) this.wire.nowUs = nowUs;
  }

  nextDeadlineUs(): number {
    return this.closed ? Number.POSITIVE_INFINITY : this.in.nextUs();
  }

  close(): void {
    this.closed = true;
  }
}

function featureOf(gsoType: number): number {
  if (gsoType === Gso.tcpv4) return LinkFeature.tso4;
  if (gsoType === Gso.tcpv6) return LinkFeature.tso6;
  return LinkFeature.uso4;
}

export class Wire {
  nowUs = 0;
  readonly ab: WireDirection;
  readonly ba: WireDirection;
  readonly a: WireEnd;
  readonly b: WireEnd;

  constructor(random: Random, options: WireOptions = {}) {
    const pool = new FramePool();
    this.ab = new WireDirection({ ...PERFECT_WIRE, ...options.both, ...options.ab }, random, pool);
    this.ba = new WireDirection({ ...PERFECT_WIRE, ...options.both, ...options.ba }, random, pool);
    const names = options.names ?? ['wire0', 'wire1'];
    this.a = new WireEnd(this, names[0], options, this.ab, this.ba);
    this.b = new WireEnd(this, names[1], options, this.ba, this.ab);
  }
}
