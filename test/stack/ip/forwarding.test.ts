/** Filters, routes that lead nowhere, and forwarding. Each measured against a kernel: whole ledgers, and what went out. */
import { afterEach, describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { BROADCAST_MAC, bytes, filler, icmp } from '../../support/frames.js';
import { expectSums } from '../../support/ledger.js';
import { datagram, FAR, four, host, optionsOf, peer, piece, ping, route, scenario, sim, TARGET, zero } from './fixture.js';
import { kernel } from './kernel-routes.js';

afterEach(() => expectSums(host.ledger));

describe('filters and routes that lead nowhere', () => {
  it.each([
    ['ip4_rp_filter', 1],
    ['ip4_rp_filter_loose', 2],
  ] as const)('%s', (name, filter) => {
    const act = () => {
      ping({ src: '10.98.0.9' });
      route('ip route del default');
      ping({ src: '10.98.0.9' });
    };
    expect(scenario(act, { 'net.ipv4.conf.tap0.rp_filter': filter })).toEqual(kernel[name]);
  });

  it('ip4_rp_filter_bcast', () => {
    const act = () => {
      route('ip route del default');
      datagram(9, { src: '10.98.0.9', dst: '10.99.0.255' }, BROADCAST_MAC);
      ping({ src: '10.99.0.255' });
    };
    expect(scenario(act, { 'conf.all.rp_filter': 1 })).toEqual(kernel.ip4_rp_filter_bcast);
  });

  it.each([
    ['ip4_no_default_in', 'ip route del default', 101],
    ['ip4_blackhole', 'ip route add blackhole 192.0.2.0/24', 22],
    ['ip4_unreach_route', 'ip route add unreachable 192.0.2.0/24', 113],
    ['ip4_prohibit_route', 'ip route add prohibit 192.0.2.0/24', 13],
  ] as const)('%s', (name, command, errno) => {
    const act = () => {
      route(command);
      ping({ dst: FAR });
      ping({ src: FAR });
    };
    expect(scenario(act)).toEqual(kernel[name]);
    const found = host.stack.ip4.route(IpAddress.from(FAR), null, host.ledger.unattributed, false);
    expect(found).toBe(-errno);
  });
});

describe('forwarding', () => {
  const on = { ip_forward: 1 };
  it.each([
    ['ip4_fwd_noroute', 'ip route del default', [{ type: 3, code: 0 }]],
    ['ip4_fwd_blackhole', 'ip route add blackhole 192.0.2.0/24', []],
    ['ip4_fwd_unreachable', 'ip route add unreachable 192.0.2.0/24', [{ type: 3, code: 1 }]],
    ['ip4_fwd_prohibit', 'ip route add prohibit 192.0.2.0/24', [{ type: 3, code: 13 }]],
  ] as const)('%s', (name, command, answers) => {
    const act = () => {
      route(command);
      ping({ dst: FAR });
    };
    expect(scenario(act, on)).toEqual(kernel[name]);
    expect(peer.take()).toMatchObject([...answers]);
  });

  it('ip4_fwd_noroute_many: errors are few', () => {
    const act = () => {
      route('ip route del default');
      for (let i = 0; i < 10; i++) peer.ping(i, { dst: `192.0.2.${i}` });
    };
    expect(scenario(act, on)).toEqual(kernel.ip4_fwd_noroute_many);
  });

  it('ip4_fwd_mtu: DF is told the MTU, the other is cut', () => {
    const act = () => {
      route('ip route add 192.0.2.0/24 via 10.99.0.2 mtu 1000');
      const message = icmp(8, 0, zero(1400));
      peer.sendIp(message, { protocol: 1, dst: FAR, df: true });
      peer.sendIp(message, { protocol: 1, dst: FAR });
    };
    expect(scenario(act, on)).toEqual(kernel.ip4_fwd_mtu);
    const back = peer.take();
    expect(back.filter((f) => f.type === 3)).toMatchObject([{ code: 4, totalLength: 576 }]);
    expect(back.filter((f) => f.kind === 'fragment').map((f) => f.totalLength)).toEqual([996, 448]);
    const mtu = back.find((f) => f.type === 3)!.data;
    expect((mtu[2]! << 8) | mtu[3]!).toBe(1000);
  });

  it('ip4_fwd_bcast', () => {
    const act = () => {
      ping({ dst: '10.99.0.255' }, BROADCAST_MAC);
      ping({ dst: FAR }, BROADCAST_MAC);
    };
    expect(scenario(act, on)).toEqual(kernel.ip4_fwd_bcast);
  });

  it('ip4_fwd_opts: the route is recorded once', () => {
    expect(scenario(() => ping({ dst: FAR, options: bytes([7, 11, 4], zero(9)) }), on)).toEqual(kernel.ip4_fwd_opts);
    expect(peer.take().map((f) => optionsOf(f.raw))).toEqual(['070b0c0a6300010a63000100', '070b080a6300010000000000']);
  });

  it('ip4_fwd_src_martian', () => {
    const act = () => {
      ping({ src: '127.0.0.1', dst: FAR });
      ping({ src: TARGET, dst: FAR });
      ping({ src: '192.0.2.7', dst: FAR });
      ping({ dst: '240.0.0.1' });
      ping({ dst: '0.1.2.3' });
    };
    expect(scenario(act, on)).toEqual(kernel.ip4_fwd_src_martian);
  });

  it('ip4_fwd_frag: fragments pass as they are', () => {
    const act = () => {
      piece(filler(800), 0, true, { dst: FAR });
      piece(filler(800), 800, false, { dst: FAR });
    };
    expect(scenario(act, on)).toEqual(kernel.ip4_fwd_frag);
  });

  it('ip4_fwd_ttl_icmp: no error about an error', () => {
    const act = () => {
      peer.sendIcmp(3, 1, bytes(four, [0x45], zero(27)), { dst: FAR, ttl: 1 });
      peer.sendIcmp(0, 0, four, { dst: FAR, ttl: 1 });
    };
    expect(scenario(act, on)).toEqual(kernel.ip4_fwd_ttl_icmp);
  });

  it('ip4_fwd_redirects: each later than the last by twice the time', () => {
    const act = () => {
      for (let i = 0; i < 12; i++) {
        peer.ping(i, { dst: '10.99.0.77' });
        sim.pass(100_000);
      }
    };
    expect(scenario(act, on)).toEqual(kernel.ip4_fwd_redirects);
  });
});
