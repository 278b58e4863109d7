/**
 * The routing table (RFC 1812 5.2.4.3: longest prefix, then lowest metric), one per family. Routes are few, so a sorted list is walked; what
 * the data path uses are the `Route`s made from it, which live until `generation` moves.
 */

import { IpAddress } from '../core/address.js';
import { Errno } from '../core/errno.js';
import type { NetDevice } from './device.js';

export const RouteType = Object.freeze({
  unicast: 1,
  local: 2,
  broadcast: 3,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
});
export type RouteType = (typeof RouteType)[keyof typeof RouteType];

/** What `ip route` can say of a route beyond where it leads; 0 is "not said". */
export interface RouteMetrics {
  readonly mtu: number;
  readonly mtuLocked: boolean;
  readonly advmss: number;
  readonly initcwnd: number;
  readonly initrwnd: number;
  readonly window: number;
  /** Floor of TCP's time-out, milliseconds. */
  readonly rto_min: number;
}
export const NO_METRICS: RouteMetrics = Object.freeze({
  mtu: 0,
  mtuLocked: false,
  advmss: 0,
  initcwnd: 0,
  initrwnd: 0,
  window: 0,
  rto_min: 0,
});

export interface FibEntry {
  readonly type: RouteType;
  /** The network, host bits zero. */
  readonly destination: IpAddress;
  readonly prefix: number;
  readonly gateway: IpAddress | null;
  /** Null for the types that lead nowhere. */
  readonly device: NetDevice | null;
  /** Preferred source address. */
  readonly source: IpAddress | null;
  readonly metric: number;
  /** `kernel` for what an address brings with it, `static` for what was added, `ra` for what routers advertised. */
  readonly protocol: 'kernel' | 'static' | 'boot' | 'redirect' | 'ra';
  readonly metrics: RouteMetrics;
}

/** Mask of the 32 bits of word `i` for a prefix over the four words. */
function maskWord(bits: number, i: number): number {
  const n = Math.min(Math.max(bits - i * 32, 0), 32);
  return n === 0 ? 0 : (0xffffffff << (32 - n)) >>> 0;
}

/** The address with its host bits cleared; `prefix` counts from the family's own first bit. */
export function networkOf(a: IpAddress, prefix: number): IpAddress {
  const bits = a.family === 4 ? prefix + 96 : prefix;
  const w = (i: number, x: number) => (x & maskWord(bits, i)) >>> 0;
  return new IpAddress(a.family, w(0, a.w0), w(1, a.w1), w(2, a.w2), w(3, a.w3));
}
/** The last address of a network. */
export function broadcastOf(a: IpAddress, prefix: number): IpAddress {
  return IpAddress.v4((a.w3 | ~maskWord(prefix, 0)) >>> 0);
}

class Row {
  readonly entry: FibEntry;
  readonly m0: number;
  readonly m1: number;
  readonly m2: number;
  readonly m3: number;
  constructor(entry: FibEntry) {
    this.entry = entry;
    const bits = entry.destination.family === 4 ? entry.prefix + 96 : entry.prefix;
    this.m0 = maskWord(bits, 0);
    this.m1 = maskWord(bits, 1);
    this.m2 = maskWord(bits, 2);
    this.m3 = maskWord(bits, 3);
  }
  matches(w0: number, w1: number, w2: number, w3: number): boolean {
    const d = this.entry.destination;
    return (
      ((w3 ^ d.w3) & this.m3) === 0 &&
      ((w2 ^ d.w2) & this.m2) === 0 &&
      ((w1 ^ d.w1) & this.m1) === 0 &&
      ((w0 ^ d.w0) & this.m0) === 0
    );
  }
}

/** Linux's error of a route that leads nowhere, 0 for the others. */
export function routeError(type: RouteType): number {
  if (type === RouteType.blackhole) return -Errno.EINVAL;
  if (type === RouteType.unreachable) return -Errno.EHOSTUNREACH;
  return type === RouteType.prohibit ? -Errno.EACCES : 0;
}

export class RouteTable {
  /** Moves with every change. */
  generation = 1;
  private rows: Row[] = [];

  get entries(): readonly FibEntry[] {
    return this.rows.map((r) => r.entry);
  }

  /** 0, or -EEXIST when such a route (destination, metric, type class) is there and `replace` is off. */
  add(entry: FibEntry, replace = false): number {
    const own = entry.type === RouteType.local || entry.type === RouteType.broadcast;
    const at = own ? -1 : this.rows.findIndex((r) => sameSlot(r.entry, entry));
    if (at >= 0 && !replace) return -Errno.EEXIST;
    if (at >= 0) this.rows.splice(at, 1);
    this.rows.push(new Row(entry));
    this.rows.sort((a, b) => precedence(a.entry, b.entry));
    this.generation++;
    return 0;
  }

  /** Removes the first route for which `matches`; -ESRCH without. */
  remove(matches: (e: FibEntry) => boolean): number {
    const at = this.rows.findIndex((r) => matches(r.entry));
    if (at < 0) return -Errno.ESRCH;
    this.rows.splice(at, 1);
    this.generation++;
    return 0;
  }

  /** The best route or null. */
  lookup(w0: number, w1: number, w2: number, w3: number): FibEntry | null {
    const rows = this.rows;
    for (let i = 0; i < rows.length; i++) if (rows[i]!.matches(w0, w1, w2, w3)) return rows[i]!.entry;
    return null;
  }
  lookup4(word: number): FibEntry | null {
    return this.lookup(0, 0, 0xffff, word);
  }
}

function sameSlot(a: FibEntry, b: FibEntry): boolean {
  if (a.type === RouteType.local || a.type === RouteType.broadcast) return false;
  return a.prefix === b.prefix && a.metric === b.metric && a.destination.equals(b.destination);
}
/** Local and broadcast addresses come first (Linux's table `local`), then longer prefixes, then lower metrics. */
function precedence(a: FibEntry, b: FibEntry): number {
  const rank = (e: FibEntry) => (e.type === RouteType.local || e.type === RouteType.broadcast ? 0 : 1);
  return rank(a) - rank(b) || b.prefix - a.prefix || a.metric - b.metric;
}
