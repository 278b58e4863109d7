/** What an entry of the option tables is, and the commonest kinds. */
import { Errno } from '../core/errno.js';
import type { OptionValue, TcpInfo } from '../socket/socket.js';
import type { TcpSettings } from './settings.js';
import type { TcpSocket } from './socket.js';

export type OptionAnswer = OptionValue | TcpInfo;
export interface Option {
  /** 0 or -errno; absent: ENOPROTOOPT. `value` is 0 when what was given is no number. */
  readonly set?: (s: TcpSocket, value: number, raw: OptionValue) => number;
  /** Absent, or null: `getErrno`. */
  readonly get?: (s: TcpSocket) => OptionAnswer | null;
  /** What getsockopt fails with where there is nothing to get (default ENOPROTOOPT). */
  readonly getErrno?: number;
}
export type OptionTable = readonly (readonly [number, Option])[];

/** An option that only stores a number or a flag. */
export function stored<K extends keyof TcpSettings>(key: K, min: number, max: number, shown: (s: TcpSocket) => number): Option {
  return {
    set: (s, v) => {
      if (v < min || v > max) return -Errno.EINVAL;
      const own = s.ownSettings();
      (own[key] as unknown) = typeof own[key] === 'boolean' ? v !== 0 : v;
      return 0;
    },
    get: shown,
  };
}
export function flag<K extends keyof TcpSettings>(key: K): Option {
  return stored(key, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, (s) => (s.settings[key] ? 1 : 0));
}
export const sysctl = (s: TcpSocket, index: number): number => s.tcp.env.sysctl.values[index]!;
