/** The parity oracle's IPv6 scenarios, frame by frame, against what a kernel counted: whole ledgers, sums of rows included. */
import { afterEach, describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { DatagramService } from '../../../stack/services/datagram-service.js';
import { Ip6Opt, Level } from '../../../stack/socket/socket.js';
import { bytes, filler, Proto, TcpFlag, u16, u32 } from '../../support/frames.js';
import { type Delta, expectSums } from '../../support/ledger.js';
import { fragmentHeader, ip6, type Peer6 } from '../../support/peer6.js';
import { type Bed, bed, deltaOf, QUIET } from './fixture.js';
import { kernel6 } from './kernel-deltas.js';
import { Tcp6 } from './tcp6.js';

let b: Bed;
let six: Peer6;

function scenario(act: () => void, sysctl: Record<string, number> = {}, passUs = 50_000): Delta {
  b = bed({ sysctl: { ...QUIET, ...sysctl } });
  six = b.six;
  for (const port of [7, 9]) {
    const s = b.host.stack.udp(6);
    expect(s.setOption(Level.IPV6, Ip6Opt.V6ONLY, 1)).toBe(0);
    expect(DatagramService.bind(s, port)).toBe(0);
    new DatagramService(s, port === 7 ? (service) => service.echo() : () => {});
  }
  return deltaOf(b, act, passUs);
}
const echoRequest = () => six.icmp(128, 0, u32(0));
const datagram = () => six.udp(5001, 9, filler(2000));
const fragment = (data: Uint8Array, from: number, to: number, more: boolean, protocol: number = Proto.udp) =>
  six.send(protocol, data.subarray(from, to), { extension: fragmentHeader(protocol, from, more), first: 44 });
/** A datagram of the target's, as an error quotes it. */
const quoted = () => {
  const ends = { src: six.target, dst: six.address };
  return six.packet(Proto.udp, six.udp(999, 5001, 'zz', ends), ends);
};
const options = (first: number) => {
  for (const type of [0x1e, 0x5e, 0x9e, 0xde]) {
    six.send(Proto.icmpv6, echoRequest(), { extension: bytes([58, 0, type, 4, 0, 0, 0, 0]), first });
  }
};

afterEach(() => expectSums(b.host.ledger));

describe('IPv6 as the kernel counts it', () => {
  it('ip6_ping', () => {
    const act = () => [0, 1, 2].forEach((i) => void six.ping(i));
    expect(scenario(act)).toEqual(kernel6.ip6_ping);
    const replies = six.take();
    expect(replies).toMatchObject([{ type: 129 }, { type: 129 }, { type: 129 }]);
    expect(replies.every((f) => f.sumGood && f.hopLimit === 64 && f.src === six.target)).toBe(true);
  });
  it('ip6_wrong_version', () => {
    expect(scenario(() => six.ping(1, { version: 5 }))).toEqual(kernel6.ip6_wrong_version);
  });
  it('ip6_truncated', () => {
    expect(scenario(() => six.ping(1, { payloadLength: 400 }))).toEqual(kernel6.ip6_truncated);
  });
  it('ip6_hlim0', () => {
    expect(scenario(() => six.ping(1, { hopLimit: 0 }))).toEqual(kernel6.ip6_hlim0);
  });
  it('ip6_not_for_us', () => {
    const act = () => ['fd99::77', '2001:db8::1'].forEach((dst) => void six.ping(1, { dst }));
    expect(scenario(act)).toEqual(kernel6.ip6_not_for_us);
  });
  it('ip6_unknown_nexthdr', () => {
    expect(scenario(() => six.send(253, bytes('hello')))).toEqual(kernel6.ip6_unknown_nexthdr);
    const [f] = six.take();
    expect(f).toMatchObject({ type: 4, code: 1, sumGood: true });
    expect([...f!.data.subarray(4, 8)]).toEqual([0, 0, 0, 6]); // the pointer names the next-header field
  });
  it('ip6_no_next_header', () => {
    expect(scenario(() => six.send(59, new Uint8Array(0)))).toEqual(kernel6.ip6_no_next_header);
  });
  it('ip6_hbh_unknown', () => {
    expect(scenario(() => options(0))).toEqual(kernel6.ip6_hbh_unknown);
    expect(six.take().map((f) => [f.type, f.code, f.data[7]])).toEqual([[129, 0, 0], [4, 2, 42], [4, 2, 42]]); // biome-ignore format: a table
  });
  it('ip6_dstopt_unknown', () => {
    expect(scenario(() => options(60))).toEqual(kernel6.ip6_dstopt_unknown);
  });
  it('ip6_routing_header', () => {
    const act = () => {
      const route = bytes([58, 2, 0, 1], u32(0), ip6('fd99::9'));
      for (const extension of [route, bytes([58, 0, 77, 1], u32(0)), bytes([58, 0, 77, 0], u32(0))]) {
        six.send(Proto.icmpv6, echoRequest(), { extension, first: 43 });
      }
    };
    expect(scenario(act)).toEqual(kernel6.ip6_routing_header);
  });
  it('ip6_ecn_marks', () => {
    const act = () => [0, 1, 2, 3].forEach((trafficClass) => void six.ping(1, { trafficClass }));
    expect(scenario(act)).toEqual(kernel6.ip6_ecn_marks);
  });
  it('ip6_frag_reverse', () => {
    const act = () => {
      const d = datagram();
      fragment(d, 1000, d.length, false);
      fragment(d, 0, 1000, true);
    };
    expect(scenario(act)).toEqual(kernel6.ip6_frag_reverse);
  });
  it('ip6_frag_overlap', () => {
    const act = () => {
      const d = datagram();
      fragment(d, 0, 1000, true);
      fragment(d, 800, d.length, false);
    };
    expect(scenario(act)).toEqual(kernel6.ip6_frag_overlap);
  });
  it('ip6_frag_timeout', () => {
    const act = () => fragment(datagram(), 0, 1000, true);
    expect(scenario(act, { 'net.ipv6.ip6frag_time': 1 }, 1_500_000)).toEqual(kernel6.ip6_frag_timeout);
    const [f] = six.take();
    expect(f).toMatchObject({ type: 3, code: 1 });
    expect(f!.data.length).toBe(8 + 40 + 8 + 1000); // the first fragment as it came
  });
  it('ip6_frag_timeout_nofirst', () => {
    const act = () => fragment(datagram(), 1000, 2008, false);
    expect(scenario(act, { 'net.ipv6.ip6frag_time': 1 }, 1_500_000)).toEqual(kernel6.ip6_frag_timeout_nofirst);
  });
  it('ip6_big_ping', () => {
    const act = () => {
      const d = six.icmp(128, 0, bytes([0, 1, 0, 1], filler(2992)));
      for (const at of [0, 1400, 2800]) fragment(d, at, Math.min(at + 1400, d.length), at < 2800, Proto.icmpv6);
    };
    expect(scenario(act)).toEqual(kernel6.ip6_big_ping);
    expect(six.take().map((f) => [f.extensions[0], f.data.length])).toEqual([[44, 1448], [44, 1448], [44, 104]]); // biome-ignore format: a table
  });
  it('icmp6_short', () => {
    expect(scenario(() => six.send(Proto.icmpv6, bytes([0x80, 0])))).toEqual(kernel6.icmp6_short);
  });
  it('icmp6_ns_na', () => {
    const act = () => {
      six.solicit();
      six.sendIcmp(135, 0, bytes(u32(0), ip6(six.target)), { hopLimit: 255 });
    };
    expect(scenario(act)).toEqual(kernel6.icmp6_ns_na);
    expect(six.take().map((f) => [f.type, f.hopLimit, f.data[4]! & 0xe0, f.data.length])).toEqual([[136, 255, 0x60, 32], [136, 255, 0x40, 24]]); // biome-ignore format: a table
  });
  it('icmp6_ns_bad', () => {
    const act = () => {
      six.solicit(six.target, { hopLimit: 64 });
      six.sendIcmp(135, 0, bytes(u32(0), ip6('ff02::1')), { hopLimit: 255 });
      six.sendIcmp(135, 1, bytes(u32(0), ip6(six.target)), { hopLimit: 255 });
      six.sendIcmp(135, 0, bytes(u32(0), new Uint8Array(8)), { hopLimit: 255 });
      six.solicit('fd99::1234');
    };
    expect(scenario(act)).toEqual(kernel6.icmp6_ns_bad);
    expect(six.take()).toEqual([]);
  });
  it('icmp6_dad_probe', () => {
    expect(scenario(() => six.solicit(six.target, { src: '::' }, false))).toEqual(kernel6.icmp6_dad_probe);
    expect(six.take()).toMatchObject([{ type: 136, dst: 'ff02::1' }]);
  });
  it('icmp6_rs_ra_redirect', () => {
    const act = () => {
      six.sendIcmp(133, 0, u32(0), { src: 'fe80::2', dst: 'ff02::2', hopLimit: 255 });
      const ra = bytes([64, 0], u16(1800), u32(0), u32(0));
      six.sendIcmp(134, 0, ra, { src: 'fe80::2', dst: 'ff02::1', hopLimit: 255 });
      six.sendIcmp(137, 0, bytes(u32(0), ip6('fe80::2'), ip6('2001:db8::1')), { src: 'fe80::2', hopLimit: 255 });
    };
    expect(scenario(act)).toEqual(kernel6.icmp6_rs_ra_redirect);
  });
  it('icmp6_errors_in', () => {
    const act = () => {
      six.sendIcmp(1, 4, bytes(u32(0), quoted()));
      six.sendIcmp(2, 0, bytes(u32(1280), quoted()));
      six.sendIcmp(3, 0, bytes(u32(0), quoted()));
      six.sendIcmp(4, 0, bytes(u32(0), quoted()));
      six.sendIcmp(1, 4, bytes(u32(0), quoted().subarray(0, 20)));
    };
    expect(scenario(act)).toEqual(kernel6.icmp6_errors_in);
  });
  it('icmp6_mcast_ping', () => {
    expect(scenario(() => six.ping(1, { dst: 'ff02::1' }))).toEqual(kernel6.icmp6_mcast_ping);
    expect(six.take()).toMatchObject([{ type: 129, src: six.target }]);
  });
  it('icmp6_mldv1_query', () => {
    const act = () => {
      const f = { src: 'fe80::2', dst: 'ff02::1', hopLimit: 1, extension: bytes([58, 0, 5, 2, 0, 0, 1, 0]), first: 0 };
      six.send(Proto.icmpv6, six.icmp(130, 0, bytes(u16(10), u16(0), ip6('::')), f), f);
    };
    expect(scenario(act)).toEqual(kernel6.icmp6_mldv1_query);
    expect(six.take()).toMatchObject([{ type: 131, dst: 'ff02::1:ff00:1', hopLimit: 1, extensions: [0], sumGood: true }]);
  });
  it('udp6_echo', () => {
    const act = () => {
      for (const data of ['hello1', 'hello2', 'hello3']) {
        six.send(Proto.udp, six.udp(5001, 7, data));
        b.sim.pass(1000);
      }
    };
    expect(scenario(act)).toEqual(kernel6.udp6_echo);
  });
  it('udp6_closed_port', () => {
    expect(scenario(() => six.send(Proto.udp, six.udp(5001, 5555, 'x')))).toEqual(kernel6.udp6_closed_port);
    expect(six.take()).toMatchObject([{ type: 1, code: 4, sumGood: true }]);
  });
  it('udp6_len_bad', () => {
    const act = () => [200, 5].forEach((length) => void six.send(Proto.udp, six.udp(5001, 7, 'hello', { length })));
    expect(scenario(act)).toEqual(kernel6.udp6_len_bad);
  });
  it('udp6_out_no_route', () => {
    const act = () => {
      expect(b.host.stack.routeCommand('ip -6 route del default')).toBe(true);
      const s = b.host.stack.udp(6);
      const to = { address: IpAddress.from('2001:db8::1'), port: 9 };
      expect(s.sendTo(new Uint8Array(10), 0, 10, 0, to)).toBe(-101);
    };
    expect(scenario(act)).toEqual(kernel6.udp6_out_no_route);
  });
  it('udp6_out_fragment', () => {
    const act = () => {
      const s = b.host.stack.udp(6);
      expect(s.sendTo(filler(4000), 0, 4000, 0, { address: IpAddress.from(six.address), port: 5001 })).toBe(4000);
    };
    expect(scenario(act)).toEqual(kernel6.udp6_out_fragment);
    expect(six.take().map((f) => f.extensions)).toEqual([[44], [44], [44]]);
  });
});

describe('TCP over IPv6 as the kernel counts it', () => {
  it('tcp6_bad_csum', () => {
    expect(
      scenario(() => new Tcp6(six, 7).send({ flags: TcpFlag.SYN, badSum: 1, options: bytes([2, 4], u16(1440), [4, 2, 1, 1]) })),
    ).toEqual(kernel6.tcp6_bad_csum);
  });
  it('tcp6_connect_close', () => {
    const act = () => {
      const l = b.host.stack.tcp(6);
      expect(l.bind(null, 7)).toBe(0);
      expect(l.listen(4)).toBe(0);
      const c = new Tcp6(six, 7);
      c.handshake(b.sim);
      const s = l.accept();
      if (typeof s === 'number') throw new Error(`nothing to accept: ${s}`);
      c.send({ flags: TcpFlag.PSH | TcpFlag.ACK }, bytes('hello'));
      b.sim.pass(1000);
      const data = new Uint8Array(5);
      expect([s.receive(data, 0, 5, 0), s.send(data, 0, 5, 0)]).toEqual([5, 5]);
      b.sim.pass(1000);
      c.ack += 5;
      c.send({ flags: TcpFlag.ACK });
      c.send({ flags: TcpFlag.FIN | TcpFlag.ACK });
      b.sim.pass(1000);
      s.close();
      b.sim.pass(1000);
      c.ack += 1;
      c.send({ flags: TcpFlag.ACK });
    };
    expect(scenario(act)).toEqual(kernel6.tcp6_connect_close);
  });
  it('tcp6_rst_established', () => {
    const act = () => {
      const l = b.host.stack.tcp(6);
      expect(l.bind(null, 7)).toBe(0);
      expect(l.listen(4)).toBe(0);
      const c = new Tcp6(six, 7);
      c.handshake(b.sim);
      c.send({ flags: TcpFlag.RST });
    };
    expect(scenario(act)).toEqual(kernel6.tcp6_rst_established);
  });
});
