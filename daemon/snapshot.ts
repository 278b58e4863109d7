/** What every door shows of one moment: the answer of the view. */
import type { InterfaceDto } from '../mib/dto.js';
import type { SocketCounts } from '../mib/ledger/socket-counts.js';
import type { Snapshot } from '../mib/snapshot.js';

export interface Moment {
  readonly snapshot: Snapshot;
  /** Identity and state of the devices, with the counters of the snapshot. */
  readonly interfaces: readonly InterfaceDto[];
  readonly sockets: SocketCounts;
  readonly rows: { readonly used: number; readonly max: number; readonly exhausted: number };
}
