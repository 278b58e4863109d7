/**
 * What the agent needs to know of the stack: a narrow reading, all of one moment, and how it is made from the daemon's view.
 *
 * Rows are too many to be part of a snapshot: they are read in place when a request first asks for them. A scan of 100,000 rows costs some
 * tens of ms, and a walk through them sends thousands of requests, so a scan serves for REUSE times as long as it took: scanning takes at
 * most one part in REUSE of the daemon's time, and with a few hundred rows a scan is as fresh as its snapshot.
 */
import type { AddressStateDto, InterfaceDto, NeighbourDto, RouteDto } from '../../mib/dto.js';
import { Col, RowKind } from '../../mib/ledger/layout.js';
import type { RowView } from '../../mib/ledger/row-view.js';
import { type InetOctets, macOctets, octetsOfWords, parseInet } from './address.js';

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
  /** By the names of mib/catalogue/interface.ts. */
  readonly counters: Readonly<Record<string, number>>;
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

/** A connection, listener or endpoint. */
export interface SocketReading {
  /** Never two meanings. */
  readonly id: string;
  /** 6 TCP, 17 UDP, 136 UDP-Lite, 1 and 58 ICMP. */
  readonly protocol: number;
  readonly listener: boolean;
  /** TcpState's number. */
  readonly state: number;
  readonly local: InetOctets;
  readonly localPort: number;
  readonly remote: InetOctets;
  readonly remotePort: number;
  /** A number of its own among sockets of the same name. */
  readonly instance: number;
}

export interface SnmpReading {
  /** Since counting began, hundredths of a second. */
  readonly upTimeCs: number;
  /** A counter, gauge or constant by cell id. */
  value(id: number): number;
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

/** What the agent uses of daemon/view.ts. */
export interface StackView {
  /** The moment while it serves, without asking. */
  latest(): object | undefined;
  moment(): Promise<{
    readonly snapshot: { readonly uptimeUs: number; value(id: number): number };
    readonly interfaces: readonly InterfaceDto[];
  }>;
  routes(maxAgeMs: number): Promise<readonly RouteDto[]>;
  neighbours(maxAgeMs: number): Promise<readonly NeighbourDto[]>;
  readonly reader: { forEachRow(visit: (row: RowView) => unknown): void };
}

const REUSE = 20;
/** Managers poll every some seconds, and snmpd keeps its tables of routes and neighbours for longer than this. */
const TABLES_MAX_AGE_MS = 1000;

/** The agent's source over the daemon's view. @param nowMs a monotonic clock */
export function viewSource(view: StackView, nowMs: () => number = () => performance.now()): SnmpSource {
  const scans = new Scans(view, nowMs);
  let last: { moment: object; routes: object; neighbours: object; reading: SnmpReading } | undefined;
  const next = async (): Promise<SnmpReading> => {
    const [moment, routes, neighbours] = await Promise.all([
      view.moment(),
      view.routes(TABLES_MAX_AGE_MS),
      view.neighbours(TABLES_MAX_AGE_MS),
    ]);
    if (last?.moment === moment && last.routes === routes && last.neighbours === neighbours) return last.reading;
    const { snapshot } = moment;
    const ifIndexes = new Map(moment.interfaces.map((i) => [i.name, i]));
    let sockets: readonly SocketReading[] | undefined;
    const reading: SnmpReading = {
      upTimeCs: Math.floor(snapshot.uptimeUs / 10_000),
      value: (id) => snapshot.value(id),
      interfaces: moment.interfaces.map(interfaceReading),
      routes: routes.flatMap((r) => routeReading(r, ifIndexes.get(r.interface))),
      neighbours: neighbours.flatMap((n) => neighbourReading(n, ifIndexes.get(n.interface))),
      sockets: () => (sockets ??= scans.latest()),
    };
    last = { moment, routes, neighbours, reading };
    return reading;
  };
  // a walk is many requests within one moment
  return { read: () => (last && view.latest() === last.moment ? last.reading : next()) };
}

class Scans {
  private readonly view: StackView;
  private readonly nowMs: () => number;
  private scan: readonly SocketReading[] = [];
  private validUntilMs = Number.NEGATIVE_INFINITY;

  constructor(view: StackView, nowMs: () => number) {
    this.view = view;
    this.nowMs = nowMs;
  }

  latest(): readonly SocketReading[] {
    const began = this.nowMs();
    if (began < this.validUntilMs) return this.scan;
    const sockets: SocketReading[] = [];
    this.view.reader.forEachRow((row) => {
      sockets.push(socketReading(row));
    });
    this.scan = sockets;
    const ended = this.nowMs();
    this.validUntilMs = ended + (ended - began) * REUSE;
    return sockets;
  }
}

function socketReading(row: RowView): SocketReading {
  return {
    id: row.id,
    protocol: row.protocol,
    listener: row.kind === RowKind.listener,
    state: row.state,
    local: octetsOfWords(row.family, row.ints, Col.local),
    localPort: row.localPort,
    remote: octetsOfWords(row.family, row.ints, Col.remote),
    remotePort: row.remotePort,
    instance: row.column(Col.inode) >>> 0,
  };
}

function interfaceReading(i: InterfaceDto): InterfaceReading {
  const addresses = i.addresses.flatMap((a) => {
    const octets = parseInet(a.address);
    return octets ? [{ octets, prefix: a.prefix, state: a.state }] : [];
  });
  return { ...i, mac: i.loopback ? new Uint8Array(0) : macOctets(i.mac), addresses };
}

function routeReading(r: RouteDto, device: InterfaceDto | undefined): RouteReading[] {
  const destination = parseInet(r.destination);
  if (!destination) return [];
  return [
    {
      destination,
      prefix: r.prefix,
      gateway: r.gateway === null ? undefined : parseInet(r.gateway),
      ifIndex: device?.index ?? 0,
      metric: r.metric,
      reject: r.flags.includes('!'),
    },
  ];
}

function neighbourReading(n: NeighbourDto, device: InterfaceDto | undefined): NeighbourReading[] {
  const octets = parseInet(n.address);
  return octets ? [{ octets, mac: macOctets(n.mac), ifIndex: device?.index ?? 0, state: n.state }] : [];
}
