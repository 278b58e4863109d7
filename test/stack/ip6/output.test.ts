/** What cannot leave: who counts it, by family and protocol, is Linux's (ip_send_skb, ip6_send_skb, mld_sendpack, ndisc_send_skb). */
import { afterEach, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { Errno } from '../../../stack/core/errno.js';
import { Ip6Opt, IpOpt, Level } from '../../../stack/socket/socket.js';
import { bytes } from '../../support/frames.js';
import { expectSums, LedgerWatch } from '../../support/ledger.js';
import { ip6 } from '../../support/peer6.js';
import { type Bed, bed, deltaOf, QUIET } from './fixture.js';

let b: Bed;
afterEach(() => expectSums(b.host.ledger));

const send = (to: string, family: 4 | 6) =>
  b.host.stack.udp(family).sendTo(new Uint8Array(10), 0, 10, 0, { address: IpAddress.from(to), port: 9 });

it('a datagram for which there is no neighbour left is a discard, and with IPv6 an error to the caller', () => {
  b = bed({ sysctl: { ...QUIET, 'net.ipv6.neigh.default.gc_thresh3': 3, 'net.ipv4.neigh.default.gc_thresh3': 3 } });
  for (let n = 0; send(`fd99::${10 + n}`, 6) === 10; n++) expect(n).toBeLessThan(4);
  for (const host of [50, 51, 52]) send(`10.99.0.${host}`, 4);
  const watch = new LedgerWatch(b.host.ledger);
  expect(send('fd99::99', 6)).toBe(-Errno.EINVAL);
  expect(watch.delta()).toEqual({
    'Ip6.OutRequests': 1,
    'Ip6.OutTransmits': 1,
    'Ip6.OutOctets': 58,
    'Ip6.OutNoRoutes': 1,
    'Ip6.OutDiscards': 1,
  });
  expect(send('10.99.0.99', 4)).toBe(10);
  expect(watch.delta()).toEqual({
    'Ip.OutRequests': 1,
    'Ip.OutTransmits': 1,
    'IpExt.OutOctets': 38,
    'Ip.OutDiscards': 1,
    'Udp.SndbufErrors': 1,
  });
});

it('a report of listeners that the link refuses is a discard, one of IGMP and a question of discovery are not', () => {
  b = bed({ sysctl: QUIET });
  b.host.device.link.transmit = () => -Errno.ENOBUFS;
  const group6 = bytes(ip6('ff02::1234'), [0, 0, 0, 0]);
  const s6 = b.host.stack.udp(6);
  const reports = deltaOf(b, () => expect(s6.setOption(Level.IPV6, Ip6Opt.JOIN_GROUP, group6)).toBe(0));
  expect(reports['Ip6.OutDiscards']).toBeGreaterThan(0);
  expect(reports['Ip6.OutDiscards']).toBe(reports['Ip6.OutRequests']);
  expect(reports['Icmp6.OutMsgs']).toBeUndefined();
  const s4 = b.host.stack.udp(4);
  const group4 = bytes([239, 1, 2, 3], [10, 99, 0, 1]);
  const igmp = deltaOf(b, () => expect(s4.setOption(Level.IP, IpOpt.ADD_MEMBERSHIP, group4)).toBe(0));
  expect(igmp['Ip.OutRequests']).toBeGreaterThan(0);
  expect(igmp['Ip.OutDiscards']).toBeUndefined();
  const asked = deltaOf(b, () => expect(send('fd99::77', 6)).toBe(10));
  expect(asked['Ip6.OutRequests']).toBe(2); // the datagram that waits, and the question
  expect(asked['Ip6.OutDiscards']).toBeUndefined();
});
