/**
 * setsockopt and getsockopt as data: an option is a level, a number and what reading and writing it does; a table finds it. The kinds that
 * come again and again (a number in a range, a flag, what is only given back) are made by `OptionKinds`.
 */
import { Errno } from '../core/errno.js';
import type { OptionValue, TcpInfo } from './socket.js';

export type OptionAnswer = OptionValue | TcpInfo;

export interface Option<S> {
  /** 0 or -errno; absent: ENOPROTOOPT. `value` is the number that was given, also as four bytes. */
  readonly set?: (s: S, value: number, raw: OptionValue) => number;
  /** Absent, or null: `getErrno`. */
  readonly get?: (s: S) => OptionAnswer | null;
  /** What getsockopt fails with where there is nothing to get (default ENOPROTOOPT). */
  readonly getErrno?: number;
  /** `set` looks at `raw` itself; for all others what is no number is EINVAL. */
  readonly raw?: boolean;
}
export type OptionRow<S> = readonly [level: number, name: number, option: Option<S>];
export type OptionResult = { readonly errno: number } | { readonly value: OptionAnswer };

/** The rows of one level. */
export function atLevel<S>(level: number, rows: readonly (readonly [number, Option<S>])[]): readonly OptionRow<S>[] {
  return rows.map(([name, option]) => [level, name, option]);
}

export class OptionTable<S> {
  private readonly byLevel = new Map<number, Map<number, Option<S>>>();

  constructor(...rows: readonly OptionRow<S>[]) {
    for (const [level, name, option] of rows) {
      let there = this.byLevel.get(level);
      if (!there) this.byLevel.set(level, (there = new Map<number, Option<S>>()));
      there.set(name, option);
    }
  }

  set(s: S, level: number, name: number, raw: OptionValue): number {
    const option = this.byLevel.get(level)?.get(name);
    if (!option?.set) return -Errno.ENOPROTOOPT;
    const value = numberOf(raw);
    if (Number.isNaN(value) && !option.raw) return -Errno.EINVAL;
    return option.set(s, value, raw);
  }

  get(s: S, level: number, name: number): OptionResult {
    const option = this.byLevel.get(level)?.get(name);
    const value = option?.get?.(s) ?? null;
    return value === null ? { errno: option?.getErrno ?? Errno.ENOPROTOOPT } : { value };
  }
}

/** The int that a value is or starts with; NaN without. */
export function numberOf(raw: OptionValue): number {
  if (typeof raw === 'number') return raw;
  if (!(raw instanceof Uint8Array) || raw.length < 4) return Number.NaN;
  return new DataView(raw.buffer, raw.byteOffset, raw.length).getInt32(0, true);
}

/** Options that are given back as they were set and have no effect: replaced as a whole, since records may share it. */
export type Kept = Readonly<Record<number, number>>;
export const NOTHING_KEPT: Kept = Object.freeze({});

export const always = () => 0;
export const refused = <S>(errno: number, getErrno: number): Option<S> => ({ set: () => -errno, getErrno });
export const onlyZero = <S>(errno: number): Option<S> => ({ set: (_s, v) => (v === 0 ? 0 : -errno), get: () => 0 });
/** What can be read and never changes. */
export const constant = <S>(value: OptionAnswer): Option<S> => ({ get: () => value });

/** Ints as getsockopt writes structures of them. */
export function words(...values: readonly number[]): Uint8Array {
  const b = new Uint8Array(values.length * 4);
  const v = new DataView(b.buffer);
  for (const [i, n] of values.entries()) v.setInt32(i * 4, n | 0, true);
  return b;
}

/** Makes options of sockets S whose settings lie in a record R: `read` may be shared with other sockets, `own` is this one's. */
export class OptionKinds<S, R extends { kept: Kept }> {
  readonly read: (s: S) => Readonly<R>;
  readonly own: (s: S) => R;

  constructor(read: (s: S) => Readonly<R>, own: (s: S) => R) {
    this.read = read;
    this.own = own;
  }

  /** A number or a flag that is stored when it lies in a range. */
  stored<K extends keyof R>(
    key: K,
    min: number,
    max: number,
    shown: (s: S) => number = (s) => Number(this.read(s)[key]),
  ): Option<S> {
    return {
      set: (s, v) => {
        if (v < min || v > max) return -Errno.EINVAL;
        const own = this.own(s);
        (own[key] as unknown) = typeof own[key] === 'boolean' ? v !== 0 : v;
        return 0;
      },
      get: shown,
    };
  }

  /** A switch: whatever is not 0 is on. */
  flag<K extends keyof R>(key: K): Option<S> {
    return this.stored(key, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
  }

  /** What is given back as it was set, with no effect here. */
  kept(name: number, start: number, accept: (v: number, s: S) => number, shown: (v: number) => number): Option<S> {
    return {
      set: (s, v) => {
        const error = accept(v, s);
        if (error !== 0) return error;
        const own = this.own(s);
        own.kept = { ...own.kept, [name]: shown(v) };
        return 0;
      },
      get: (s) => this.read(s).kept[name] ?? start,
    };
  }

  keptFlag(name: number): Option<S> {
    return this.kept(name, 0, always, (v) => (v === 0 ? 0 : 1));
  }
}
