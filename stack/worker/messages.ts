/** What the host's thread and the stack's thread say to each other, beside the sockets' messages. */
import type { InterfaceDto, NeighbourDto, RouteDto } from '../../mib/dto.js';
import type { LedgerMemory } from '../../mib/ledger/memory.js';
import type { SocketReply, SocketRequest } from '../socket/node/messages.js';
import type { StackConfig } from './config.js';

/** An interface without its counters, which are in the ledger. */
export type DeviceIdentity = Omit<InterfaceDto, 'counters'>;

export interface Tables {
  readonly devices: readonly DeviceIdentity[];
  readonly routes: readonly RouteDto[];
  readonly neighbours: readonly NeighbourDto[];
}
export type TableName = keyof Tables;

export type HostMessage = SocketRequest | { readonly op: 'table'; readonly id: number; readonly table: TableName };

export type ThreadMessage =
  | SocketReply
  /** The TAP is open, the addresses are set. */
  | { readonly op: 'ready'; readonly features: number; readonly mtu: number }
  /** It could not start. */
  | { readonly op: 'refused'; readonly message: string; readonly code: string }
  /** It cannot go on. */
  | { readonly op: 'crashed'; readonly message: string; readonly stack: string }
  | { readonly op: 'log'; readonly level: 'error' | 'warn' | 'info' | 'debug'; readonly text: string }
  | { readonly op: 'table'; readonly id: number; readonly rows: Tables[TableName] };

/** workerData of the stack's thread. */
export interface ThreadData {
  readonly config: StackConfig;
  readonly ledger: LedgerMemory;
  readonly sysctl: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
  /** Descriptor to poll for wake-ups, -1 without a TAP. */
  readonly eventfd: number;
  readonly doorbells: { readonly toStack: SharedArrayBuffer; readonly toUser: SharedArrayBuffer };
  readonly port: import('node:worker_threads').MessagePort;
}
