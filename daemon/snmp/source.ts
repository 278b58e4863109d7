/**
 * What the agent needs to know of the stack: a narrow reading, all of one moment, and how it is made from the daemon's view.
 */

import type { AddressStateDto, DeviceIdentity, NeighbourDto, RouteDto } from '../../mib/dto.js';
import { type InetOctets, macOctets, parseInet } from './address.js';
import { type RowSource, Scans, type SocketReading } from './scans.js';

export interface InterfaceReading {
  readonly index: number;
  readonly name: string;
  readonly mac: Uint8Array;
  readonly mtu: number;
  readonly loopback: boolean;
  readonly up: boolean;
  readonly running: boolean;
  readonly broadcast: boolean;
  readonly promiscuous: boolean;
  readonly addresses: readonly { readonly octets: InetOctets; readonly prefix: number; readonly state: AddressStateDto }[];
  /** Its place among the devices: where the reading has its counters. */
  readonly device: number;
}

export interface RouteReading {
  readonly destination: InetOctets;
  readonly prefix: number;
  /** Undefined for a route on the link. */
  readonly gateway: InetOctets | undefined;
  readonly ifIndex: number;
  readonly metric: number;
  readonly reject: boolean;
}

export interface NeighbourReading {
  readonly octets: InetOctets;
  readonly mac: Uint8Array;
  readonly ifIndex: number;
  /** Linux's words: INCOMPLETE, REACHABLE, STALE, DELAY, PROBE, FAILED, PERMANENT. */
  readonly state: string;
}

export interface SnmpReading {
  /** Since counting began, hundredths of a second. */
  readonly upTimeCs: number;
  /** A counter, gauge or constant by cell id, a device's counter by `deviceCell` (mib/ledger/layout.ts). */
  cell(at: number): number;
  /** The very array of the reading before while nothing in it has changed, as are the next two: what was made of it holds. */
  readonly interfaces: readonly InterfaceReading[];
  readonly routes: readonly RouteReading[];
  readonly neighbours: readonly NeighbourReading[];
  /** The same array for the same reading. */
  sockets(): readonly SocketReading[];
}

export interface SnmpSource {
  /** The reading that serves now, or a promise of the next. */
  read(): SnmpReading | Promise<SnmpReading>;
}

/** What the agent uses of daemon/view.ts. Arrays are the same while their contents are. */
export interface StackView {
  /** The moment while it serves, without asking. */
  latest(): StackMoment | undefined;
  moment(): Promise<StackMoment>;
  routes(maxAgeMs: number): Promise<readonly RouteDto[]>;
  neighbours(maxAgeMs: number): Promise<readonly NeighbourDto[]>;
  readonly reader: RowSource;
}
export interface StackMoment {
  readonly snapshot: {
    readonly uptimeUs: number;
    /** All cells, as the ledger lays them. */
    readonly published: Float64Array;
  };
  readonly devices: readonly DeviceIdentity[];
}

/**
 * Managers poll every some seconds, and snmpd keeps its tables of routes and neighbours for longer than this: together a second, most of it
 * here, so that most readings wait for nothing but their moment.
 */
const TABLES_KEEP_MS = 900;
const TABLES_MAX_AGE_MS = 100;

/** The agent's source over the daemon's view. @param nowMs a monotonic clock */
export function viewSource(view: StackView, nowMs: () => number = () => performance.now()): SnmpSource {
  const scans = new Scans(view.reader, nowMs);
  const tables = new Tables();
  let validUntilMs = Number.NEGATIVE_INFINITY;
  let last: { readonly moment: StackMoment; readonly reading: SnmpReading } | undefined;
  const readingOf = (moment: StackMoment): SnmpReading => {
    if (last?.moment === moment) return last.reading;
    tables.useDevices(moment.devices);
    last = { moment, reading: new StackReading(moment, tables, scans) };
    return last.reading;
  };
  const next = async (): Promise<SnmpReading> => {
    if (nowMs() < validUntilMs) return readingOf(await view.moment());
    const [moment, routes, neighbours] = await Promise.all([
      view.moment(),
      view.routes(TABLES_MAX_AGE_MS),
      view.neighbours(TABLES_MAX_AGE_MS),
    ]);
    tables.use(routes, neighbours);
    validUntilMs = nowMs() + TABLES_KEEP_MS;
    return readingOf(moment);
  };
  const read = () => {
    const moment = view.latest();
    // a walk is many requests within one moment
    if (moment && (last?.moment === moment || nowMs() < validUntilMs)) return readingOf(moment);
    return next();
  };
  return { read };
}

class StackReading implements SnmpReading {
  readonly upTimeCs: number;
  readonly interfaces: readonly InterfaceReading[];
  readonly routes: readonly RouteReading[];
  readonly neighbours: readonly NeighbourReading[];
  private readonly cells: Float64Array;
  private readonly scans: Scans;
  private scan: readonly SocketReading[] | null = null;

  constructor({ snapshot }: StackMoment, tables: Tables, scans: Scans) {
    this.upTimeCs = Math.floor(snapshot.uptimeUs / 10_000);
    this.interfaces = tables.interfaces;
    this.routes = tables.routes;
    this.neighbours = tables.neighbours;
    this.cells = snapshot.published;
    this.scans = scans;
  }

  cell(at: number): number {
    return this.cells[at]!;
  }
  sockets(): readonly SocketReading[] {
    this.scan ??= this.scans.latest();
    return this.scan;
  }
}

/** What the agent makes of devices, routes and neighbours, made anew only of what has changed: they hardly ever do. */
class Tables {
  interfaces: readonly InterfaceReading[] = [];
  routes: readonly RouteReading[] = [];
  neighbours: readonly NeighbourReading[] = [];
  private devices: readonly DeviceIdentity[] = [];
  private fromRoutes: readonly RouteDto[] = [];
  private fromNeighbours: readonly NeighbourDto[] = [];
  /** ifIndex by the device's name. */
  private indexes = new Map<string, number>();

  useDevices(devices: readonly DeviceIdentity[]): void {
    if (devices === this.devices) return;
    this.devices = devices;
    this.interfaces = devices.map(interfaceReading);
    this.indexes = new Map(devices.map((d) => [d.name, d.index]));
    // they name their device
    this.readRoutes();
    this.readNeighbours();
  }

  use(routes: readonly RouteDto[], neighbours: readonly NeighbourDto[]): void {
    if (routes !== this.fromRoutes) {
      this.fromRoutes = routes;
      this.readRoutes();
    }
    if (neighbours !== this.fromNeighbours) {
      this.fromNeighbours = neighbours;
      this.readNeighbours();
    }
  }

  private readRoutes(): void {
    this.routes = this.fromRoutes.flatMap((r) => routeReading(r, this.indexes.get(r.interface) ?? 0));
  }
  private readNeighbours(): void {
    this.neighbours = this.fromNeighbours.flatMap((n) => neighbourReading(n, this.indexes.get(n.interface) ?? 0));
  }
}

function interfaceReading(i: DeviceIdentity, device: number): InterfaceReading {
  const addresses = i.addresses.flatMap((a) => {
    const octets = parseInet(a.address);
    return octets ? [{ octets, prefix: a.prefix, state: a.state }] : [];
  });
  return { ...i, mac: i.loopback ? new Uint8Array(0) : macOctets(i.mac), addresses, device };
}

function routeReading(r: RouteDto, ifIndex: number): RouteReading[] {
  const destination = parseInet(r.destination);
  if (!destination) return [];
  return [
    {
      destination,
      prefix: r.prefix,
      gateway: r.gateway === null ? undefined : parseInet(r.gateway),
      ifIndex,
      metric: r.metric,
      reject: r.flags.includes('!'),
    },
  ];
}

function neighbourReading(n: NeighbourDto, ifIndex: number): NeighbourReading[] {
  const octets = parseInet(n.address);
  return octets ? [{ octets, mac: macOctets(n.mac), ifIndex, state: n.state }] : [];
}
