/** What every door shows of one moment: the answer of the view. */
import type { DeviceIdentity, InterfaceDto } from '../mib/dto.js';
import type { SocketCounts } from '../mib/ledger/socket-counts.js';
import { deviceCounters, type Snapshot } from '../mib/snapshot.js';

export interface RowCounts {
  readonly used: number;
  readonly max: number;
  readonly exhausted: number;
}

export class Moment {
  readonly snapshot: Snapshot;
  /** In the order of their cells. The very array of the moment before while nothing but counters has moved: what was made of it holds. */
  readonly devices: readonly DeviceIdentity[];
  readonly sockets: SocketCounts;
  readonly rows: RowCounts;
  private dtos: readonly InterfaceDto[] | undefined;

  constructor(snapshot: Snapshot, devices: readonly DeviceIdentity[], sockets: SocketCounts, rows: RowCounts) {
    this.snapshot = snapshot;
    this.devices = devices;
    this.sockets = sockets;
    this.rows = rows;
  }

  /** The devices with their counters by name, made when first asked for. */
  get interfaces(): readonly InterfaceDto[] {
    this.dtos ??= this.devices.map((d, i) => ({ ...d, counters: deviceCounters(this.snapshot.device(i)) }));
    return this.dtos;
  }
}
