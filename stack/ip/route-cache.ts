/**
 * Routes that were made before, by destination, until the routing table changes. Two caches a family: the ways whose source was chosen by the
 * table, and those whose source was given, of which the last one a destination is kept (connections between two addresses share it).
 */
import { Destination } from '../core/packet.js';
import type { RouteTable } from './fib.js';
import type { RouteEntry } from './route.js';

const MAX_ROUTES = 4096;

/** @typeParam K the destination as a key: a word in IPv4, a string in IPv6 */
export class RouteCache<K> {
  private readonly table: RouteTable;
  private readonly routes = new Map<K, RouteEntry>();
  private generation = 0;

  constructor(table: RouteTable) {
    this.table = table;
  }

  /** A route that still is what a look-up would answer. */
  get(key: K): RouteEntry | undefined {
    if (this.generation !== this.table.generation) return undefined;
    const known = this.routes.get(key);
    return known?.valid() ? known : undefined;
  }

  private put(key: K, route: RouteEntry): void {
    if (this.generation !== this.table.generation || this.routes.size > MAX_ROUTES) {
      this.routes.clear();
      this.generation = this.table.generation;
    }
    this.routes.set(key, route);
  }

  /** Keeps what was made without a source, unless it is an error; gives it back. */
  keep(key: K, made: RouteEntry | number): RouteEntry | number {
    if (typeof made !== 'number') this.put(key, made);
    return made;
  }

  /** The same with a source that was given: only ways to one host are worth it. */
  keepSourced(key: K, made: RouteEntry | number): RouteEntry | number {
    if (typeof made !== 'number' && made.kind === Destination.host) this.put(key, made);
    return made;
  }
}
