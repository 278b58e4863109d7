/** SO_ATTACH_FILTER, SO_DETACH_FILTER and SO_LOCK_FILTER. A program is given as its instructions (struct sock_filter records), not by a pointer to them. */
import { Errno } from '../core/errno.js';
import type { Random } from '../core/random.js';
import { SocketFilter } from './filter.js';
import type { Kept, Option, OptionKinds } from './option.js';
import { type OptionValue, So } from './socket.js';

export interface FilterSettings {
  filter: SocketFilter | null;
  filterLocked: boolean;
  kept: Kept;
}

export function filterOptions<S, R extends FilterSettings>(
  k: OptionKinds<S, R>,
  random: (s: S) => Random,
): readonly (readonly [number, Option<S>])[] {
  const attach = (s: S, raw: OptionValue): number => {
    if (k.read(s).filterLocked) return -Errno.EPERM;
    const filter = raw instanceof Uint8Array ? SocketFilter.from(raw, random(s)) : null;
    if (!filter) return -Errno.EINVAL;
    k.own(s).filter = filter;
    return 0;
  };
  const detach = (s: S): number => {
    if (k.read(s).filterLocked) return -Errno.EPERM;
    if (k.read(s).filter === null) return -Errno.ENOENT;
    k.own(s).filter = null;
    return 0;
  };
  const lock = (s: S, v: number): number => {
    if (v === 0 && k.read(s).filterLocked) return -Errno.EPERM;
    k.own(s).filterLocked = v !== 0;
    return 0;
  };
  return [
    [
      So.ATTACH_FILTER,
      { raw: true, set: (s, _v, raw) => attach(s, raw), get: (s) => k.read(s).filter?.program ?? new Uint8Array(0) },
    ],
    [So.DETACH_FILTER, { set: detach }],
    [So.LOCK_FILTER, { set: lock, get: (s) => (k.read(s).filterLocked ? 1 : 0) }],
  ];
}
