/**
 * Options of IPPROTO_IP and IPPROTO_IPV6 that are one thing under two numbers (RFC 3493 5, 3542 6), for streams and datagrams alike. A socket
 * of either family has one setting: what an IPv6 socket is told at IPPROTO_IP holds for its IPv6 packets too.
 */
import { Errno } from '../core/errno.js';
import type { Kept, Option, OptionKinds, OptionRow } from './option.js';
import { Ip6Opt, IpOpt, Level } from './socket.js';

export interface IpSettings {
  tos: number;
  /** -1: the stack's default. */
  ttl: number;
  pmtuDiscovery: number;
  recvErr: boolean;
  freeBind: boolean;
  kept: Kept;
}

/** IP_MTU_DISCOVER and IPV6_MTU_DISCOVER: never, as the route says, always, always as large as the device's, the same without DF (twice). */
export const PmtuDiscovery = Object.freeze({ dont: 0, want: 1, do: 2, probe: 3, interface: 4, omit: 5 });

export interface IpOptionHost<S> {
  /** Bits of the TOS byte that are the protocol's own. */
  readonly reservedTos: number;
  readonly defaultTtl: (s: S) => number;
  readonly defaultHops: (s: S) => number;
  /** MTU of a connected socket's path; 0 without. */
  readonly mtu: (s: S) => number;
}

export function ipOptions<S, R extends IpSettings>(k: OptionKinds<S, R>, host: IpOptionHost<S>): readonly OptionRow<S>[] {
  const tos = (least: number, accept: (v: number) => boolean): Option<S> => ({
    set: (s, v) => {
      if (!accept(v)) return -Errno.EINVAL;
      const own = k.own(s);
      own.tos = (Math.max(v, least) & 0xff & ~host.reservedTos) | (own.tos & host.reservedTos);
      return 0;
    },
    get: (s) => k.read(s).tos,
  });
  const hops = (least: number, byDefault: (s: S) => number): Option<S> => ({
    set: (s, v) => {
      if (v !== -1 && (v < least || v > 255)) return -Errno.EINVAL;
      k.own(s).ttl = v;
      return 0;
    },
    get: (s) => (k.read(s).ttl < 0 ? byDefault(s) : k.read(s).ttl),
  });
  const discover = k.stored('pmtuDiscovery', PmtuDiscovery.dont, PmtuDiscovery.omit);
  const mtu: Option<S> = { get: (s) => host.mtu(s) || null, getErrno: Errno.ENOTCONN };
  return [
    [Level.IP, IpOpt.TOS, tos(Number.NEGATIVE_INFINITY, () => true)],
    [Level.IPV6, Ip6Opt.TCLASS, tos(0, (v) => v >= -1 && v <= 255)],
    [Level.IP, IpOpt.TTL, hops(1, host.defaultTtl)],
    [Level.IPV6, Ip6Opt.UNICAST_HOPS, hops(0, host.defaultHops)],
    [Level.IP, IpOpt.MTU_DISCOVER, discover],
    [Level.IPV6, Ip6Opt.MTU_DISCOVER, discover],
    [Level.IP, IpOpt.RECVERR, k.flag('recvErr')],
    [Level.IPV6, Ip6Opt.RECVERR, k.flag('recvErr')],
    [Level.IP, IpOpt.FREEBIND, k.flag('freeBind')],
    [Level.IPV6, Ip6Opt.FREEBIND, k.flag('freeBind')],
    [Level.IP, IpOpt.MTU, mtu],
    [Level.IPV6, Ip6Opt.MTU, mtu],
  ];
}

/** IPPROTO_IPV6 on a socket of IPv4: Linux refuses to write with one errno and to read with another. */
export const NO_IPV6: { readonly errno: number } = { errno: Errno.EOPNOTSUPP };
