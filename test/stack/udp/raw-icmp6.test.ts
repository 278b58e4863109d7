/** Raw ICMPv6 sockets: what they send is counted by its type, what they hear is every message, beside the stack itself. */
import { afterEach, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { Errno } from '../../../stack/core/errno.js';
import { type DatagramSocket, Ip6Opt, Level, ReceivedFrom } from '../../../stack/socket/socket.js';
import { bytes, u16, u32 } from '../../support/frames.js';
import { expectSums, rowCells } from '../../support/ledger.js';
import { type Bed, bed, QUIET } from '../ip6/fixture.js';

let b: Bed;
const into = new Uint8Array(2000);
const from = new ReceivedFrom();
const read = (s: DatagramSocket) => s.receiveFrom(into, 0, into.length, 0, from);
const advertisement = bytes([134, 0, 0xab, 0xcd, 64, 0], u16(1800), u32(0), u32(0));

afterEach(() => expectSums(b.host.ledger));

it('sends a router advertisement with the checksum and the hop limit that routers need, on its own row', () => {
  b = bed({ sysctl: { ...QUIET, 'net.ipv6.conf.all.addr_gen_mode': 0 } });
  b.six.take();
  const s = b.host.stack.rawIcmp6();
  expect(s.setOption(Level.IPV6, Ip6Opt.MULTICAST_HOPS, 255)).toBe(0);
  expect(s.setOption(Level.IPV6, Ip6Opt.MULTICAST_LOOP, 0)).toBe(0);
  expect(s.sendTo(advertisement, 0, 16, 0, { address: IpAddress.from('ff02::1'), port: 0 })).toBe(16);
  b.sim.pass(1000);
  const [sent] = b.six.take();
  expect(sent).toMatchObject({ type: 134, src: 'fe80::ff:fe00:1', dst: 'ff02::1', hopLimit: 255, sumGood: true });
  const row = (s as unknown as { readonly owner: { readonly row: number } }).owner.row;
  expect(rowCells(b.host.ledger, row)).toMatchObject({ 'Ip6.OutRequests': 1, 'Ip6.OutMcastPkts': 1 });
  expect(s.sendTo(advertisement, 0, 3, 0, { address: IpAddress.from('ff02::1'), port: 0 })).toBe(-Errno.EINVAL);
});

it('hears every message whose checksum is right, and the stack answers all the same', () => {
  b = bed({ sysctl: QUIET });
  const [all, one] = [b.host.stack.rawIcmp6(), b.host.stack.rawIcmp6()];
  expect(one.connect(IpAddress.from('fd99::77'), 0)).toBe(0);
  b.six.ping(3);
  const wrong = b.six.icmp(128, 0, bytes([0, 77, 0, 4]));
  wrong[3]! ^= 1;
  b.six.send(58, wrong);
  b.sim.pass(1000);
  expect(b.six.take()).toMatchObject([{ type: 129 }]);
  expect([read(all), read(all), read(one)]).toEqual([64, -Errno.EAGAIN, -Errno.EAGAIN]);
  read(all);
  expect([...into.subarray(0, 8)].filter((_, i) => i !== 2 && i !== 3)).toEqual([128, 0, 0, 77, 0, 3]);
  expect(from.address?.toString()).toBe('fd99::2');
  all.close();
  one.close();
});

it('is not to be had without IPv6', () => {
  b = bed({ sysctl: QUIET });
  const none = b.sim.host(b.sim.wire().a, { addresses: ['10.98.0.1/24'] });
  expect(() => none.stack.rawIcmp6()).toThrow('IPv6');
});
