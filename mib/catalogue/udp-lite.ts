/** UdpLite: RFC 3828. In the kernel's print order; sentences as the real netstat 2.10 prints them. */
import { group } from './entry.js';

export const udpLiteGroup = group('UdpLite', 'snmp', true, [
  {
    name: 'InDatagrams',
    kind: 'counter',
    meaning:
      'datagram read by the application with a good checksum (counted in recvmsg, not when queued: one left unread is never counted) (UDP-Lite, RFC 3828, protocol 136)',
  },
  {
    name: 'NoPorts',
    kind: 'counter',
    meaning:
      'datagram with good checksum for a port nobody listens on (ICMP 3/3 sent unless multicast/broadcast) (UDP-Lite, RFC 3828, protocol 136)',
  },
  {
    name: 'InErrors',
    kind: 'counter',
    meaning:
      'bad length or checksum, receive buffer full, memory limit, filter: any other undeliverable (UDP-Lite, RFC 3828, protocol 136)',
  },
  { name: 'OutDatagrams', kind: 'counter', meaning: 'datagram sent (UDP-Lite, RFC 3828, protocol 136)' },
  { name: 'RcvbufErrors', kind: 'counter', meaning: 'SO_RCVBUF exceeded (InErrors too) (UDP-Lite, RFC 3828, protocol 136)' },
  {
    name: 'SndbufErrors',
    kind: 'counter',
    meaning: 'send failed with ENOBUFS or SO_SNDBUF/queue full (UDP-Lite, RFC 3828, protocol 136)',
  },
  { name: 'InCsumErrors', kind: 'counter', meaning: 'checksum wrong (InErrors too) (UDP-Lite, RFC 3828, protocol 136)' },
  {
    name: 'IgnoredMulti',
    kind: 'counter',
    meaning: 'multicast or broadcast datagram that matched no socket (UDP-Lite, RFC 3828, protocol 136)',
  },
  {
    name: 'MemErrors',
    kind: 'counter',
    meaning: 'udp_mem limit: no memory to charge the datagram (InErrors too) (UDP-Lite, RFC 3828, protocol 136)',
  },
]);
