/**
 * Which of our addresses a packet leaves with (RFC 6724 5, in Linux's form: rules 1, 2, 3, 5, 6 and 8; this host has no home address and makes
 * no temporary ones). The label table is RFC 6724's with Linux's rows for prefixes that have fallen out of use.
 */
import { IpAddress } from '../core/address.js';
import type { NetDevice } from '../ip/device.js';
import { networkOf } from '../ip/fib.js';
import { isLinkLocal, scopeOf } from '../wire/scope6.js';
import { AddressState, type InterfaceAddress } from './interface-address.js';

interface Label {
  readonly prefix: IpAddress;
  readonly length: number;
  readonly label: number;
}
const label = (text: string, length: number, n: number): Label => ({ prefix: IpAddress.from(text), length, label: n });
/** Longest prefixes first. */
const LABELS: readonly Label[] = [
  label('::1', 128, 0),
  label('::ffff:0:0', 96, 4),
  label('::', 96, 3),
  label('2001::', 32, 6),
  label('2001:10::', 28, 7),
  label('3ffe::', 16, 12),
  label('2002::', 16, 2),
  label('fec0::', 10, 11),
  label('fc00::', 7, 5),
  label('::', 0, 1),
];

export function labelOf(a: IpAddress): number {
  for (const l of LABELS) if (networkOf(a, l.length).equals(l.prefix)) return l.label;
  return 1;
}

/** How many leading bits two addresses share. */
export function commonPrefix(a: IpAddress, b: IpAddress): number {
  const x = [a.w0 ^ b.w0, a.w1 ^ b.w1, a.w2 ^ b.w2, a.w3 ^ b.w3];
  for (let i = 0; i < 4; i++) if (x[i] !== 0) return i * 32 + Math.clz32(x[i]!);
  return 128;
}

/** Does candidate `a` beat `b` as the source for `destination` over `device`? */
function better(a: InterfaceAddress, b: InterfaceAddress, destination: IpAddress, device: NetDevice): boolean {
  const same = (c: InterfaceAddress) => c.address.equals(destination);
  if (same(a) !== same(b)) return same(a); // rule 1
  const wanted = scopeOf(destination);
  const sa = scopeOf(a.address);
  const sb = scopeOf(b.address);
  if (sa !== sb) return sa < sb ? sa >= wanted : sb < wanted; // rule 2
  const fresh = (c: InterfaceAddress) => c.state === AddressState.preferred;
  if (fresh(a) !== fresh(b)) return fresh(a); // rule 3
  if ((a.device === device) !== (b.device === device)) return a.device === device; // rule 5
  const l = labelOf(destination);
  const matches = (c: InterfaceAddress) => labelOf(c.address) === l;
  if (matches(a) !== matches(b)) return matches(a); // rule 6
  const length = (c: InterfaceAddress) => Math.min(commonPrefix(c.address, destination), c.prefix);
  return length(a) > length(b); // rule 8; a tie stays with the first
}

/** The best usable address, null when there is none. Groups and link-local destinations take addresses of the device alone. */
export function sourceFor(addresses: readonly InterfaceAddress[], destination: IpAddress, device: NetDevice): IpAddress | null {
  const onLink = destination.isMulticast() || isLinkLocal(destination.w0);
  let best: InterfaceAddress | null = null;
  for (const a of addresses) {
    if (!a.usable || (onLink && a.device !== device)) continue;
    if (a.device.loopback && !device.loopback) continue;
    if (best === null || better(a, best, destination, device)) best = a;
  }
  return best ? best.address : null;
}
