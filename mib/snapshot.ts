/**
 * A snapshot: all global cells of a ledger at one batch border, with the times that give them meaning. Every door (SNMP, Prometheus, REST)
 * shows one of these, so that they agree to the count.
 */
import { CELLS, cellByKey, counters, Icmp6Msg, IcmpMsg } from './catalogue/index.js';
import { Dev, deviceEntries } from './catalogue/interface.js';
import type { GroupsDto, SnapshotDto } from './dto.js';
import {
  CLOSED_BASE,
  DEVICE_CELLS,
  DEVICES_BASE,
  GAUGES_BASE,
  GLOBAL_BASE,
  PUBLISHED_CELLS,
  UNATTRIBUTED_BASE,
} from './ledger/layout.js';

export interface SnapshotTimes {
  /** The stack's clock, µs. */
  readonly takenAtUs: number;
  readonly startedAtUs: number;
  /** What to add to get Unix time, µs. */
  readonly wallOffsetUs: number;
}

export class Snapshot {
  /** Number of the publication it is a copy of. */
  readonly id: number;
  /** The stack's clock when it was taken, µs. */
  readonly takenAtUs: number;
  /** The stack's clock when counting began, µs. */
  readonly startedAtUs: number;
  readonly wallOffsetUs: number;
  /** False when the stack did not answer in time: then these are the live cells. */
  readonly consistent: boolean;
  /** All cells, as the ledger lays them (layout.ts); what follows are parts of it. */
  readonly published: Float64Array;
  /** Global cells by cell id. */
  readonly cells: Float64Array;
  /** What no row owned, by cell id. */
  readonly unattributed: Float64Array;
  /** What the rows had that have ended, by cell id. */
  readonly closed: Float64Array;
  /** DEVICE_CELLS per device. */
  readonly devices: Float64Array;
  /** How many sockets there are; index as Gauge. */
  readonly gauges: Float64Array;

  /** @param published global, unattributed, closed, device and gauge cells, as the ledger lays them; the snapshot keeps the array */
  constructor(id: number, times: SnapshotTimes, consistent: boolean, published: Float64Array) {
    if (published.length !== PUBLISHED_CELLS)
      throw new RangeError(`a snapshot has ${PUBLISHED_CELLS} cells, not ${published.length}`);
    this.id = id;
    this.takenAtUs = times.takenAtUs;
    this.startedAtUs = times.startedAtUs;
    this.wallOffsetUs = times.wallOffsetUs;
    this.consistent = consistent;
    this.published = published;
    this.cells = published.subarray(GLOBAL_BASE, GLOBAL_BASE + CELLS);
    this.unattributed = published.subarray(UNATTRIBUTED_BASE, UNATTRIBUTED_BASE + CELLS);
    this.closed = published.subarray(CLOSED_BASE, CLOSED_BASE + CELLS);
    this.devices = published.subarray(DEVICES_BASE, GAUGES_BASE);
    this.gauges = published.subarray(GAUGES_BASE, PUBLISHED_CELLS);
  }

  /** Unix times, ms with a fraction. */
  get takenAtUnixMs(): number {
    return (this.takenAtUs + this.wallOffsetUs) / 1000;
  }
  get startedAtUnixMs(): number {
    return (this.startedAtUs + this.wallOffsetUs) / 1000;
  }
  /** How long counting has gone on: sysUpTime, µs. */
  get uptimeUs(): number {
    return this.takenAtUs - this.startedAtUs;
  }
  value(id: number): number {
    return this.cells[id]!;
  }
  /** The cells of one device; index them with Dev. @param device 0-based, in the order of Ledger.addDevice */
  device(device: number): Float64Array {
    return this.devices.subarray(device * DEVICE_CELLS, (device + 1) * DEVICE_CELLS);
  }

  /** The head of every answer. */
  header(): SnapshotDto {
    return {
      snapshot: this.id,
      takenAt: new Date(this.takenAtUnixMs).toISOString(),
      startedAt: new Date(this.startedAtUnixMs).toISOString(),
      consistent: this.consistent,
    };
  }
  counters(): GroupsDto {
    return groupsOfCells(this.cells);
  }
}

/** Cells by group and kernel name. @param cells by cell id: a snapshot's, or a row's */
export function groupsOfCells(cells: ArrayLike<number>): GroupsDto {
  const groups: GroupsDto = {};
  for (const c of counters) {
    const name = c.group.name;
    if (name === 'Tcp' && !groups['IcmpMsg']) groups['IcmpMsg'] = typesOf(cells, IcmpMsg.In, IcmpMsg.Out);
    const group = (groups[name] ??= {});
    group[c.entry.name] = cells[c.id]!;
  }
  Object.assign(groups['Icmp6']!, typesOf(cells, Icmp6Msg.In, Icmp6Msg.Out));
  return groups;
}

/** `InType3: 5 …`: all types received, ascending, then all sent; only those that are not 0, as the kernel prints them. */
function typesOf(cells: ArrayLike<number>, inBase: number, outBase: number): Record<string, number> {
  const types: Record<string, number> = {};
  for (let t = 0; t < 256; t++) if (cells[inBase + t] !== 0) types[`InType${t}`] = cells[inBase + t]!;
  for (let t = 0; t < 256; t++) if (cells[outBase + t] !== 0) types[`OutType${t}`] = cells[outBase + t]!;
  return types;
}

/** The inverse of groupsOfCells. Names that the catalogue does not know are returned, `Group.Name`. */
export function cellsOfGroups(groups: GroupsDto): { cells: Float64Array; unknown: string[] } {
  const cells = new Float64Array(CELLS);
  const unknown: string[] = [];
  for (const [group, values] of Object.entries(groups)) {
    for (const [name, value] of Object.entries(values)) {
      const id = cellByKey(`${group}.${name}`);
      if (id === undefined) unknown.push(`${group}.${name}`);
      else cells[id] = value;
    }
  }
  return { cells, unknown };
}

/** A device's cells by name. */
export function deviceCounters(cells: ArrayLike<number>): Record<string, number> {
  return Object.fromEntries(deviceEntries.map((e) => [e.name, cells[Dev[e.name as keyof typeof Dev]]!]));
}
