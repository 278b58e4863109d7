/** Udp6: RFC 768 over RFC 8200. In the kernel's print order; sentences as the real netstat 2.10 prints them. */
import { group } from './entry.js';

export const udp6Group = group('Udp6', 'snmp6', true, [
  {
    name: 'InDatagrams',
    kind: 'counter',
    meaning:
      'datagram read by the application with a good checksum (counted in recvmsg, not when queued: one left unread is never counted) (IPv6)',
    print: 'always',
    sentence: '% packets received',
  },
  {
    name: 'NoPorts',
    kind: 'counter',
    meaning: 'datagram with good checksum for a port nobody listens on (ICMP 3/3 sent unless multicast/broadcast) (IPv6)',
    print: 'always',
    sentence: '% packets to unknown port received',
  },
  {
    name: 'InErrors',
    kind: 'counter',
    meaning: 'bad length or checksum, receive buffer full, memory limit, filter: any other undeliverable (IPv6)',
    print: 'always',
    sentence: '% packet receive errors',
  },
  {
    name: 'OutDatagrams',
    kind: 'counter',
    meaning: 'datagram sent (IPv6)',
    print: 'always',
    sentence: '% packets sent',
  },
  {
    name: 'RcvbufErrors',
    kind: 'counter',
    meaning: 'SO_RCVBUF exceeded (InErrors too) (IPv6)',
  },
  {
    name: 'SndbufErrors',
    kind: 'counter',
    meaning: 'send failed with ENOBUFS or SO_SNDBUF/queue full (IPv6)',
  },
  {
    name: 'InCsumErrors',
    kind: 'counter',
    meaning: 'checksum wrong (InErrors too) (IPv6)',
  },
  {
    name: 'IgnoredMulti',
    kind: 'counter',
    meaning: 'multicast or broadcast datagram that matched no socket (IPv6)',
  },
  {
    name: 'MemErrors',
    kind: 'counter',
    meaning: 'udp_mem limit: no memory to charge the datagram (InErrors too) (IPv6)',
  },
]);
