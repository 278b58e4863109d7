/** IPPROTO_IPV6 options of stream sockets (RFC 3493 5, 3542), with Linux's numbers, ranges and errors. */
import { Errno } from '../core/errno.js';
import { Sysctl } from '../core/sysctl.js';
import { Ip6Opt } from '../socket/socket.js';
import type { Option } from './option-entry.js';

const ECN = 3;

export const ip6Options: readonly (readonly [number, Option])[] = [
  [
    Ip6Opt.V6ONLY,
    {
      set: (s, v) => {
        if (s.family !== 6 || (s.localName()?.port ?? 0) !== 0) return -Errno.EINVAL;
        s.v6Only = v !== 0;
        return 0;
      },
      get: (s) => (s.v6Only ? 1 : 0),
    },
  ],
  [
    Ip6Opt.UNICAST_HOPS,
    {
      set: (s, v) => {
        if (v < -1 || v > 255) return -Errno.EINVAL;
        s.ownSettings().ttl = v;
        return 0;
      },
      get: (s) => (s.settings.ttl < 0 ? s.tcp.env.sysctl.values[Sysctl.ip6_hop_limit]! : s.settings.ttl),
    },
  ],
  [
    Ip6Opt.TCLASS,
    {
      set: (s, v) => {
        if (v < -1 || v > 255) return -Errno.EINVAL;
        const own = s.ownSettings();
        own.tos = ((v === -1 ? 0 : v) & ~ECN) | (own.tos & ECN); // the ECN bits are TCP's own
        return 0;
      },
      get: (s) => s.settings.tos,
    },
  ],
  [
    Ip6Opt.MTU_DISCOVER,
    {
      set: (s, v) => {
        if (v < 0 || v > 5) return -Errno.EINVAL;
        s.ownSettings().pmtuDiscovery = v;
        return 0;
      },
      get: (s) => s.settings.pmtuDiscovery,
    },
  ],
  [
    Ip6Opt.RECVERR,
    {
      set: (s, v) => {
        s.ownSettings().recvErr = v !== 0;
        return 0;
      },
      get: (s) => (s.settings.recvErr ? 1 : 0),
    },
  ],
  [Ip6Opt.MTU, { get: (s) => s.connection?.route?.mtu(s.tcp.env.nowUs) ?? 0 }],
];
