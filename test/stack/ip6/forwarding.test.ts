/** Super-frames that are forwarded: what counts is the length of the packets they will be cut into (skb_gso_validate_network_len). */
import { afterEach, describe, expect, it } from 'vitest';
import { Proto, TcpFlag } from '../../support/frames.js';
import { expectSums } from '../../support/ledger.js';
import { Peer6 } from '../../support/peer6.js';
import { type Bed, bed, deltaOf, QUIET } from './fixture.js';
import { Tcp6 } from './tcp6.js';

const FAR = '2001:db8::9';
const HEADERS = 40 + 20;
const MTU = 1300;

let b: Bed;
afterEach(() => expectSums(b.host.ledger));

/** Three segments of TCP that come as one super-frame, for a host behind a route of this MTU. */
function forwardJoined(data: number) {
  b = bed({ sysctl: { ...QUIET, 'net.ipv6.conf.all.forwarding': 1 }, coalesce: true });
  expect(b.host.stack.routeCommand(`ip -6 route add 2001:db8::/32 via fd99::2 mtu lock ${MTU}`)).toBe(true);
  const far = new Tcp6(new Peer6(b.peer, 'fd99::2', FAR), 80);
  const delta = deltaOf(b, () => {
    for (let i = 0; i < 3; i++) far.send({ flags: TcpFlag.ACK }, new Uint8Array(data));
  });
  const frames = b.six.take();
  const sizes = frames.filter((f) => f.next === Proto.tcp).map((f) => f.data.length + 40);
  return { delta, sizes, errors: frames.filter((f) => f.next === Proto.icmpv6).map((f) => f.type) };
}

describe('a super-frame on its way to somebody else', () => {
  it('goes on when each of its segments fits', () => {
    const { delta, sizes, errors } = forwardJoined(MTU - HEADERS);
    expect(delta).toMatchObject({ 'Ip6.InReceives': 1, 'Ip6.OutForwDatagrams': 1 });
    expect(delta['Ip6.InTooBigErrors']).toBeUndefined();
    expect(sizes).toEqual([MTU, MTU, MTU]);
    expect(errors).not.toContain(2);
  });

  it('is too big when they are so by no more than the transport header', () => {
    const { delta, sizes, errors } = forwardJoined(MTU - HEADERS + 1);
    expect(delta).toMatchObject({ 'Ip6.InReceives': 1, 'Ip6.InTooBigErrors': 1, 'Ip6.FragFails': 1, 'Icmp6.OutType2': 1 });
    expect(sizes).toEqual([]);
    expect(errors).toContain(2);
  });
});
