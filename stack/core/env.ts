/** What every layer of one stack shares: time, timers, chance, settings, ledger. Handed down by constructor; nothing is global. */
import type { Ledger } from '../../mib/ledger/ledger.js';
import type { SocketCookies } from './cookies.js';
import type { HostLimits } from './host-limits.js';
import type { Random } from './random.js';
import type { Siblings } from './siblings.js';
import type { SysctlTable } from './sysctl.js';
import type { TimerQueue } from './timer.js';

export interface Env {
  /**
   * The stack's clock in integer microseconds, set by Stack.poll. It stands still while one batch is worked on, but for a step before a frame
   * that may answer one of the same batch (StackOptions.clock).
   */
  nowUs: number;
  readonly timers: TimerQueue;
  readonly random: Random;
  readonly sysctl: SysctlTable;
  readonly ledger: Ledger;
  /** 16 secret bytes for ISN, cookies, port hashing (RFC 6528, 6056). */
  readonly secret: Uint8Array;
  /** The other stacks of this host; null when this one is all of it. */
  readonly siblings: Siblings | null;
  /** What is limited for the host as a whole. */
  readonly limits: HostLimits;
  readonly cookies: SocketCookies;
}
