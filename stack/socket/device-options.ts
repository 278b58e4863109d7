/**
 * SO_BINDTODEVICE (a name) and SO_BINDTOIFINDEX: what comes in by other devices is not for this socket. Which way its packets take is still
 * routing's business alone.
 */
import { Errno } from '../core/errno.js';
import type { Kept, Option, OptionKinds } from './option.js';
import { type OptionValue, So } from './socket.js';

/** IFNAMSIZ without its end. */
const LONGEST_NAME = 15;

export interface DeviceSettings {
  /** 0: all. */
  boundDevice: number;
  kept: Kept;
}

export interface DeviceHost<S> {
  /** Index of a device, 0 when there is none of this name; its name, '' without. */
  readonly indexOf: (s: S, name: string) => number;
  readonly nameOf: (s: S, index: number) => string;
  readonly changed: (s: S) => void;
}

/** As text up to its end; a number is its four bytes. */
function nameFrom(raw: OptionValue): string {
  if (typeof raw === 'string') return raw;
  let b = raw instanceof Uint8Array ? raw : new Uint8Array(4);
  if (typeof raw === 'number') new DataView(b.buffer).setInt32(0, raw, true);
  const end = b.indexOf(0);
  if (end >= 0) b = b.subarray(0, end);
  return new TextDecoder('latin1').decode(b.subarray(0, LONGEST_NAME));
}

export function deviceOptions<S, R extends DeviceSettings>(
  k: OptionKinds<S, R>,
  host: DeviceHost<S>,
): readonly (readonly [number, Option<S>])[] {
  /** To change a binding needs privileges. */
  const bind = (s: S, index: number): number => {
    if (k.read(s).boundDevice !== 0) return -Errno.EPERM;
    if (index < 0) return -Errno.EINVAL;
    k.own(s).boundDevice = index;
    host.changed(s);
    return 0;
  };
  const bindByName = (s: S, raw: OptionValue): number => {
    const name = nameFrom(raw);
    const index = name === '' ? 0 : host.indexOf(s, name);
    return name !== '' && index === 0 ? -Errno.ENODEV : bind(s, index);
  };
  const name = (s: S): Uint8Array => {
    const index = k.read(s).boundDevice;
    return new TextEncoder().encode(index === 0 ? '' : `${host.nameOf(s, index)}\0`);
  };
  return [
    [So.BINDTODEVICE, { raw: true, set: (s, _v, raw) => bindByName(s, raw), get: name }],
    [So.BINDTOIFINDEX, { set: bind, get: (s) => k.read(s).boundDevice }],
  ];
}
