/** A `Route` made from the routing table: kept by connections and by the cache of the network layer. */
import type { Owner } from '../../mib/ledger/ledger.js';
import type { IpAddress } from '../core/address.js';
import type { NetDevice } from './device.js';
import type { FibEntry, RouteTable } from './fib.js';
import type { Hop } from './hop.js';
import type { PathException, PathTable } from './path.js';
import type { Route } from './protocol.js';

export class RouteEntry implements Route {
  readonly device: NetDevice;
  readonly destination: IpAddress;
  readonly source: IpAddress;
  readonly nextHop: IpAddress;
  readonly kind: number;
  readonly local: boolean;
  readonly advmss: number;
  readonly initcwnd: number;
  readonly initrwnd: number;
  readonly rtoMinUs: number;
  /** Null for a way that no table entry stands behind (limited broadcast). */
  readonly entry: FibEntry | null;
  /** The neighbour, once it was asked for. */
  hop: Hop | null = null;
  /** What routers said of the link's MTU (IPv6); Infinity without. */
  private readonly linkMtu: number;
  private readonly table: RouteTable;
  private readonly generation: number;
  private readonly paths: PathTable;
  private pathVersion = 0;
  private exception: PathException | null = null;

  constructor(
    table: RouteTable,
    paths: PathTable,
    entry: FibEntry | null,
    device: NetDevice,
    destination: IpAddress,
    source: IpAddress,
    nextHop: IpAddress,
    kind: number,
    local: boolean,
    linkMtu: number = Number.POSITIVE_INFINITY,
  ) {
    this.table = table;
    this.paths = paths;
    this.generation = table.generation;
    this.entry = entry;
    this.device = device;
    this.destination = destination;
    this.source = source;
    this.nextHop = nextHop;
    this.kind = kind;
    this.local = local;
    this.linkMtu = linkMtu;
    this.advmss = entry ? entry.metrics.advmss : 0;
    this.initcwnd = entry ? entry.metrics.initcwnd : 0;
    this.initrwnd = entry ? entry.metrics.initrwnd : 0;
    this.rtoMinUs = entry ? entry.metrics.rto_min * 1000 : 0;
  }

  private path(): PathException | null {
    if (this.pathVersion !== this.paths.version) {
      this.exception = this.paths.find(this.destination);
      this.pathVersion = this.paths.version;
    }
    return this.exception;
  }

  mtu(nowUs: number): number {
    const m = this.entry ? this.entry.metrics : null;
    const link = Math.min(this.device.mtu, this.linkMtu);
    const mtu = m && m.mtu > 0 ? Math.min(m.mtu, link) : link;
    if (m?.mtuLocked) return mtu;
    const e = this.path();
    return e && e.pmtu > 0 && nowUs < e.expiresUs && e.pmtu < mtu ? e.pmtu : mtu;
  }

  /** The path MTU is below min_pmtu: DF must not be set (Linux's locked MTU). */
  mtuLocked(nowUs: number): boolean {
    const e = this.path();
    return e?.locked === true && nowUs < e.expiresUs;
  }

  valid(): boolean {
    if (this.generation !== this.table.generation) return false;
    const e = this.path();
    return e === null || e.gateway === null || e.gateway === this.nextHop;
  }

  // --- what is asked of the neighbour, which may not have been asked for yet

  confirm(): void {
    this.hop?.confirm();
  }
  waits(owner: Owner): boolean {
    return this.hop?.holds(owner) ?? false;
  }
  heldData(owner: Owner, overhead: number): number {
    return this.hop?.heldData(owner, overhead) ?? 0;
  }
  heldBytes(owner: Owner): number {
    return this.hop?.heldBytes(owner) ?? 0;
  }
  waitingBytes(protocol: number): number {
    return this.hop?.waitingBytes(protocol) ?? 0;
  }
}
