/** Udp: RFC 768, 4113 (UDP-MIB). In the kernel's print order; sentences as the real netstat 2.10 prints them. */
import { group } from './entry.js';

export const udpGroup = group('Udp', 'snmp', true, [
  {
    name: 'InDatagrams',
    kind: 'counter',
    meaning:
      'datagram read by the application with a good checksum (counted in recvmsg, not when queued: one left unread is never counted)',
    smi: ['udpInDatagrams 1.3.6.1.2.1.7.1', 'udpHCInDatagrams 1.3.6.1.2.1.7.8'],
    print: 'always',
    sentence: '% packets received',
    probes: ['mib:::udpHCInDatagrams'],
  },
  {
    name: 'NoPorts',
    kind: 'counter',
    meaning: 'datagram with good checksum for a port nobody listens on (ICMP 3/3 sent unless multicast/broadcast)',
    smi: ['udpNoPorts 1.3.6.1.2.1.7.2'],
    print: 'always',
    sentence: '% packets to unknown port received',
    probes: ['mib:::udpNoPorts'],
  },
  {
    name: 'InErrors',
    kind: 'counter',
    meaning: 'bad length or checksum, receive buffer full, memory limit, filter: any other undeliverable',
    smi: ['udpInErrors 1.3.6.1.2.1.7.3'],
    print: 'always',
    sentence: '% packet receive errors',
    probes: ['mib:::udpInErrors'],
  },
  {
    name: 'OutDatagrams',
    kind: 'counter',
    meaning: 'datagram sent',
    smi: ['udpOutDatagrams 1.3.6.1.2.1.7.4', 'udpHCOutDatagrams 1.3.6.1.2.1.7.9'],
    print: 'always',
    sentence: '% packets sent',
    probes: ['mib:::udpHCOutDatagrams'],
  },
  {
    name: 'RcvbufErrors',
    kind: 'counter',
    meaning: 'SO_RCVBUF exceeded (InErrors too)',
    print: 'always',
    sentence: '% receive buffer errors',
    probes: ['mib:::udpInOverflows'],
  },
  {
    name: 'SndbufErrors',
    kind: 'counter',
    meaning: 'send failed with ENOBUFS or SO_SNDBUF/queue full',
    print: 'always',
    sentence: '% send buffer errors',
  },
  { name: 'InCsumErrors', kind: 'counter', meaning: 'checksum wrong (InErrors too)', probes: ['mib:::udpInCksumErrs'] },
  { name: 'IgnoredMulti', kind: 'counter', meaning: 'multicast or broadcast datagram that matched no socket' },
  { name: 'MemErrors', kind: 'counter', meaning: 'udp_mem limit: no memory to charge the datagram (InErrors too)' },
]);
