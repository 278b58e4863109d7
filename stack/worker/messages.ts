/** What the host's thread and the stack's thread say to each other, beside the sockets' messages. */
import type { DeviceIdentity, GroupDto, NeighbourDto, RouteDto } from '../../mib/dto.js';
import type { LedgerMemory } from '../../mib/ledger/memory.js';
import type { SiblingsMemory } from '../core/siblings.js';
import type { SocketReply, SocketRequest } from '../socket/node/messages.js';
import type { StackConfig } from './config.js';

export interface Tables {
  readonly devices: readonly DeviceIdentity[];
  readonly routes: readonly RouteDto[];
  readonly neighbours: readonly NeighbourDto[];
  readonly groups: readonly GroupDto[];
}
export type TableName = keyof Tables;

export type HostMessage =
  | SocketRequest
  | { readonly op: 'table'; readonly id: number; readonly table: TableName }
  /** Every queue of the TAP is open: set up the kernel's side. Answered by the same. */
  | { readonly op: 'setUp' };

export type ThreadMessage =
  | SocketReply
  /** The TAP is open, the addresses are set. */
  | { readonly op: 'ready'; readonly features: number; readonly mtu: number }
  /** It could not start. */
  | { readonly op: 'refused'; readonly message: string; readonly code: string }
  /** It cannot go on. */
  | { readonly op: 'crashed'; readonly message: string; readonly stack: string }
  | { readonly op: 'log'; readonly level: 'error' | 'warn' | 'info' | 'debug'; readonly text: string }
  | { readonly op: 'table'; readonly id: number; readonly rows: Tables[TableName] }
  | { readonly op: 'setUp'; readonly failed: { readonly message: string; readonly code: string } | null };

/** What a thread that is one of several knows of the others. */
export interface ThreadSiblings {
  readonly memory: SiblingsMemory;
  readonly index: number;
  /** The host's one secret. */
  readonly secret: Uint8Array;
  /** Control words and eventfds of all, by index: how they are woken. */
  readonly controls: readonly SharedArrayBuffer[];
  readonly eventfds: readonly number[];
}

/** workerData of the stack's thread. */
export interface ThreadData {
  readonly config: StackConfig;
  /** The system's monotonic clock when the host began, ms: the stacks' clocks start there. */
  readonly originMs: number;
  /** What to add to those clocks to get Unix time, µs. */
  readonly wallOffsetUs: number;
  /** Null where this thread is the only one. */
  readonly siblings: ThreadSiblings | null;
  readonly ledger: LedgerMemory;
  readonly sysctl: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
  /** Descriptor to poll for wake-ups, -1 without a TAP. */
  readonly eventfd: number;
  readonly doorbells: { readonly toStack: SharedArrayBuffer; readonly toUser: SharedArrayBuffer };
  readonly port: import('node:worker_threads').MessagePort;
}
