/** UdpLite6: RFC 3828 over RFC 8200. In the kernel's print order; sentences as the real netstat 2.10 prints them. */
import { group } from './entry.js';

export const udpLite6Group = group('UdpLite6', 'snmp6', true, [
  {
    name: 'InDatagrams',
    kind: 'counter',
    meaning:
      'datagram read by the application with a good checksum (counted in recvmsg, not when queued: one left unread is never counted) (UDP-Lite over IPv6)',
  },
  {
    name: 'NoPorts',
    kind: 'counter',
    meaning:
      'datagram with good checksum for a port nobody listens on (ICMP 3/3 sent unless multicast/broadcast) (UDP-Lite over IPv6)',
  },
  {
    name: 'InErrors',
    kind: 'counter',
    meaning: 'bad length or checksum, receive buffer full, memory limit, filter: any other undeliverable (UDP-Lite over IPv6)',
  },
  {
    name: 'OutDatagrams',
    kind: 'counter',
    meaning: 'datagram sent (UDP-Lite over IPv6)',
  },
  {
    name: 'RcvbufErrors',
    kind: 'counter',
    meaning: 'SO_RCVBUF exceeded (InErrors too) (UDP-Lite over IPv6)',
  },
  {
    name: 'SndbufErrors',
    kind: 'counter',
    meaning: 'send failed with ENOBUFS or SO_SNDBUF/queue full (UDP-Lite over IPv6)',
  },
  {
    name: 'InCsumErrors',
    kind: 'counter',
    meaning: 'checksum wrong (InErrors too) (UDP-Lite over IPv6)',
  },
  {
    name: 'MemErrors',
    kind: 'counter',
    meaning: 'udp_mem limit: no memory to charge the datagram (InErrors too) (UDP-Lite over IPv6)',
  },
]);
