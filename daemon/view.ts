/**
 * The view: the one source of snapshots for SNMP, Prometheus, REST and the page. A moment (global cells, devices, counts of rows) serves
 * every request of the next `cacheMs`, and requests that come while one is being taken share it, so that the doors agree to the count and
 * no number of clients can ask more of the stack than one snapshot per `cacheMs`. Rows are read in place. Rates are not its business.
 */
import type { DeviceIdentity, GroupDto, NeighbourDto, RouteDto } from '../mib/dto.js';
import { openReadings } from '../mib/ledger/cluster-reader.js';
import type { LedgerMemory } from '../mib/ledger/memory.js';
import type { Readings } from '../mib/ledger/readings.js';
import type { Snapshot } from '../mib/snapshot.js';
import { Moment } from './snapshot.js';

/** What the view asks of the thread that runs the stack. */
export interface StackPort {
  /** One ledger a stack: several stacks may be one host. */
  readonly memories: readonly LedgerMemory[];
  /** Wakes whoever sleeps, so that it publishes. */
  wake(): void;
  /** In the order of their cells in the ledger. */
  devices(): Promise<readonly DeviceIdentity[]>;
  routes(): Promise<readonly RouteDto[]>;
  neighbours(): Promise<readonly NeighbourDto[]>;
  groups(): Promise<readonly GroupDto[]>;
}

export interface ViewOptions {
  /** For how long a moment serves, ms. */
  readonly cacheMs: number;
  /** How long to wait for the stack before live cells are taken, ms. */
  readonly timeoutMs: number;
  /** A monotonic clock, ms. */
  readonly nowMs?: () => number;
}

/** Keeps the answer of an asynchronous question for a while; askers meanwhile share one. */
class Shared<T> {
  private readonly ask: () => Promise<T>;
  private readonly keepMs: number;
  private readonly nowMs: () => number;
  private pending: Promise<T> | null = null;
  private last: T | undefined;
  private takenMs = Number.NEGATIVE_INFINITY;

  constructor(ask: () => Promise<T>, keepMs: number, nowMs: () => number) {
    this.ask = ask;
    this.keepMs = keepMs;
    this.nowMs = nowMs;
  }

  /** The last answer while it serves and no other is under way. @param maxAgeMs how old an answer this asker takes */
  fresh(maxAgeMs = this.keepMs): T | undefined {
    return !this.pending && this.nowMs() - this.takenMs < maxAgeMs ? this.last : undefined;
  }

  get(maxAgeMs = this.keepMs): Promise<T> {
    if (this.pending) return this.pending;
    const fresh = this.fresh(maxAgeMs);
    if (fresh !== undefined) return Promise.resolve(fresh);
    const asked = this.ask().then(
      (value) => {
        this.last = value;
        this.takenMs = this.nowMs();
        this.pending = null;
        return value;
      },
      (error: unknown) => {
        this.pending = null;
        throw error;
      },
    );
    this.pending = asked;
    return asked;
  }

  /** The answer, or, when it takes longer than that, the last one there was: a stack that is silent must not make its readers so. */
  async within(ms: number, otherwise: T, maxAgeMs = this.keepMs): Promise<T> {
    // Most askers come while the last answer is fresh: no timer and no race for those.
    const fresh = this.fresh(maxAgeMs);
    if (fresh !== undefined) return fresh;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<T>((resolve) => {
      timer = setTimeout(() => resolve(this.last ?? otherwise), ms);
    });
    try {
      return await Promise.race([this.get(maxAgeMs), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Gives the very object of the answer before while the next says the same: what askers made of it holds on. */
function unlessSame<T>(ask: () => Promise<T>): () => Promise<T> {
  let last: { readonly value: T; readonly text: string } | undefined;
  return async () => {
    const value = await ask();
    const text = JSON.stringify(value);
    if (last?.text !== text) last = { value, text };
    return last.value;
  };
}

/** Routes and neighbours cost a message to the stack's thread: they are kept at least this long, ms, and longer where an asker allows it. */
const TABLES_KEEP_MS = 100;
/** Names, addresses and MTU of devices, which every moment needs, hardly ever change: that message is not worth sending at each scrape. */
const DEVICES_KEEP_MS = 1000;

/** For how long a snapshot may stop this thread, which is not the stack's. */
const BLOCK_MS = 0.3;

export class View {
  readonly reader: Readings;
  private readonly port: StackPort;
  private readonly options: ViewOptions;
  private readonly tablesMs: number;
  private readonly momentShared: Shared<Moment>;
  private readonly infoShared: Shared<boolean>;
  private readonly devicesShared: Shared<readonly DeviceIdentity[]>;
  private readonly routesShared: Shared<readonly RouteDto[]>;
  private readonly neighboursShared: Shared<readonly NeighbourDto[]>;
  private readonly groupsShared: Shared<readonly GroupDto[]>;

  constructor(port: StackPort, options: ViewOptions) {
    this.port = port;
    this.options = options;
    this.reader = openReadings(port.memories);
    const nowMs = options.nowMs ?? (() => performance.now());
    this.tablesMs = Math.max(options.cacheMs, TABLES_KEEP_MS);
    this.momentShared = new Shared(() => this.take(), options.cacheMs, nowMs);
    this.infoShared = new Shared(() => this.reader.refreshInfo(this.asking()), options.cacheMs, nowMs);
    const table = <T>(ask: () => Promise<readonly T[]>, keepMs = this.tablesMs) => new Shared(unlessSame(ask), keepMs, nowMs);
    this.devicesShared = table(() => port.devices(), Math.max(options.cacheMs, DEVICES_KEEP_MS));
    this.routesShared = table(() => port.routes());
    this.neighboursShared = table(() => port.neighbours());
    this.groupsShared = table(() => port.groups());
  }

  /** What all doors show now, where it need not be asked for. */
  latest(): Moment | undefined {
    return this.momentShared.fresh();
  }
  /** What all doors show now. */
  moment(): Promise<Moment> {
    return this.momentShared.get();
  }
  async snapshot(): Promise<Snapshot> {
    return (await this.moment()).snapshot;
  }
  /** Has tcp_info of all rows brought up to date. False when the stack did not answer in time. */
  refreshInfo(): Promise<boolean> {
    return this.infoShared.get();
  }
  /** Tables are the last ones known when the stack does not answer in time: the snapshot taken with them is then marked. */
  devices(): Promise<readonly DeviceIdentity[]> {
    return this.devicesShared.within(this.options.timeoutMs, []);
  }
  routes(maxAgeMs = this.tablesMs): Promise<readonly RouteDto[]> {
    return this.routesShared.within(this.options.timeoutMs, [], maxAgeMs);
  }
  neighbours(maxAgeMs = this.tablesMs): Promise<readonly NeighbourDto[]> {
    return this.neighboursShared.within(this.options.timeoutMs, [], maxAgeMs);
  }
  groups(): Promise<readonly GroupDto[]> {
    return this.groupsShared.within(this.options.timeoutMs, []);
  }

  private asking() {
    return { timeoutMs: this.options.timeoutMs, wake: () => this.port.wake() };
  }

  private async take(): Promise<Moment> {
    const devices = await this.devices();
    const snapshot = await this.reader.snapshot({ ...this.asking(), blockMs: BLOCK_MS });
    return new Moment(snapshot, devices, this.reader.countSockets(snapshot), {
      used: this.reader.rowsUsed(),
      max: this.reader.maxRows,
      exhausted: this.reader.rowsExhausted(),
    });
  }
}
