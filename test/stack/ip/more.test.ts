/** Situations beyond the parity scenarios, each measured against a kernel: whole ledgers, and what went out. */
import { afterEach, describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { DatagramService } from '../../../stack/services/datagram-service.js';
import { IpOpt, Level, So } from '../../../stack/socket/socket.js';
import {
  BROADCAST_MAC,
  bytes,
  EtherType,
  ethernet,
  filler,
  groupMac,
  icmp,
  ip4,
  ipv4,
  Proto,
  u16,
  u32,
  udp,
} from '../../support/frames.js';
import { type Delta, expectSums, LedgerWatch } from '../../support/ledger.js';
import type { RawPeer } from '../../support/raw-peer.js';
import { type Host, hostAndPeer, type Simulation } from '../../support/simulation.js';
import { more } from './kernel-more.js';

let sim: Simulation;
let host: Host;
let peer: RawPeer;

const PEER = '10.99.0.2';
const TARGET = '10.99.0.1';
const FAR = '192.0.2.1';
const zero = (n: number) => new Uint8Array(n);
const four = zero(4);

function scenario(act: () => void, sysctl: Record<string, number | string> = {}, passUs = 200_000): Delta {
  ({ sim, host, peer } = hostAndPeer({ sysctl }));
  for (const port of [7, 9]) {
    const s = host.stack.udp(4);
    expect(DatagramService.bind(s, port)).toBe(0);
    new DatagramService(s, port === 7 ? (service) => service.echo() : () => {});
  }
  const watch = new LedgerWatch(host.ledger);
  act();
  sim.pass(passUs);
  return watch.delta();
}
type Fields = NonNullable<Parameters<RawPeer['ping']>[1]>;
/** The oracle's echo request: 56 octets of payload; then time for an answer. */
function ping(fields: Fields = {}, dmac?: string): void {
  peer.ping(1, fields, dmac);
  sim.pass(1000);
}
const datagram = (dport: number, fields: { src?: string; dst?: string } = {}, dmac?: string, options?: Uint8Array) => {
  const f = { src: PEER, dst: TARGET, sport: 5001, ...fields };
  peer.sendIp(udp({ ...f, dport }, bytes('x')), { src: f.src, dst: f.dst, protocol: Proto.udp, options }, dmac);
};
const piece = (
  data: Uint8Array,
  offset: number,
  mf: boolean,
  fields: Partial<Fields> & { protocol?: number } = {},
  dmac?: string,
) => peer.sendIp(data, { protocol: Proto.udp, id: 4711, offset, mf, ...fields }, dmac);
const big = (dport: number, n = 2000, dst = TARGET, badSum = 0) => udp({ src: PEER, dst, sport: 5001, dport, badSum }, filler(n));
const quoted = (protocol: number, payload: Uint8Array, src = TARGET, dst = PEER) => ipv4({ src, dst, protocol }, payload);
const route = (command: string) => expect(host.stack.routeCommand(command)).toBe(true);
/** Options of the IPv4 header of a frame that came. */
const optionsOf = (raw: Uint8Array) => Buffer.from(raw.subarray(34, 14 + (raw[14]! & 15) * 4)).toString('hex');

afterEach(() => expectSums(host.ledger));

describe('IPv4 options, as the kernel does', () => {
  it.each([
    ['ip4_record_route', [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0], '070b0c0a6300010a63000100'],
    ['ip4_record_route_full', [7, 7, 8, 1, 1, 1, 1, 0], '0707080101010100'],
    ['ip4_ts_overflow', [0x44, 8, 9, 0, 0, 0, 0, 0], '4408091000000000'],
    ['ip4_opt_unknown', [0x1e, 4, 0, 0], ''],
    ['ip4_opt_eol_junk', [0, 7, 7, 7], ''],
    ['ip4_opt_ra', [0x94, 4, 0, 0], ''],
  ] as const)('%s: the echo carries back %s as %s', (name, options, echoed) => {
    expect(scenario(() => ping({ options: bytes(options) }))).toEqual(more[name]);
    const [f] = peer.take();
    expect(f).toMatchObject({ kind: 'icmp', type: 0, sumsGood: true });
    expect(optionsOf(f!.raw)).toBe(echoed);
  });

  it('ip4_ts_addr: address and time, coming and going', () => {
    expect(scenario(() => ping({ options: bytes([0x44, 20, 5, 1], zero(16)) }))).toEqual(more.ip4_ts_addr);
    const time = u32(1001); // ms since midnight; the clock started there
    expect(optionsOf(peer.take()[0]!.raw)).toBe(
      Buffer.from(bytes([0x44, 20, 21, 1], ip4(TARGET), time, ip4(TARGET), time)).toString('hex'),
    );
  });

  it('ip4_ts_prespec: only next to our own address', () => {
    const options = bytes([0x44, 20, 5, 3], ip4(TARGET), zero(4), ip4('1.2.3.4'), zero(4));
    expect(scenario(() => ping({ options }))).toEqual(more.ip4_ts_prespec);
    const filled = bytes([0x44, 20, 13, 3], ip4(TARGET), u32(1001), ip4('1.2.3.4'), zero(4));
    expect(optionsOf(peer.take()[0]!.raw)).toBe(Buffer.from(filled).toString('hex'));
  });

  it.each([
    ['ip4_ts_overflow15', [0x44, 8, 9, 0xf0, 0, 0, 0, 0], 0x17],
    ['ip4_ts_bad_ptr', [0x44, 8, 4, 0, 0, 0, 0, 0], 0x16],
    ['ip4_rr_bad_ptr', [7, 7, 3, 0, 0, 0, 0, 0], 0x16],
    ['ip4_opt_short', [1, 1, 1, 7], 0x17],
    ['ip4_srr_two', [0x89, 3, 4, 0x83, 3, 4, 0, 0], 0x17],
    ['ip4_opt_two_rr', [7, 7, 4, 0, 0, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0, 0], 0x1b],
  ] as const)('%s: parameter problem', (name, options, pointer) => {
    expect(scenario(() => ping({ options: bytes(options) }))).toEqual(more[name]);
    const [f] = peer.take();
    expect(f).toMatchObject({ kind: 'icmp', type: 12, code: 0, sumsGood: true });
    expect(f!.data[0]).toBe(pointer);
  });

  it('ip4_ssrr is refused in silence', () => {
    expect(scenario(() => ping({ options: bytes([0x89, 7, 4], ip4('10.99.0.9'), [0]) }))).toEqual(more.ip4_ssrr);
  });

  it('ip4_unreach_with_rr: an error echoes the record too', () => {
    expect(scenario(() => datagram(5555, {}, undefined, bytes([7, 11, 4], zero(9))))).toEqual(more.ip4_unreach_with_rr);
    expect(optionsOf(peer.take()[0]!.raw)).toBe('070b0c0a6300010a63000100');
  });
});

describe('sources and destinations', () => {
  it.each([
    ['ip4_bad_version', { version: 5 }],
    ['ip4_src_zero', { src: '0.0.0.0' }],
    ['ip4_src_mcast', { src: '224.0.0.5' }],
    ['ip4_src_loopback', { src: '127.0.0.1' }],
    ['ip4_src_lbcast', { src: '255.255.255.255' }],
    ['ip4_src_dbcast', { src: '10.99.0.255' }],
    ['ip4_src_240', { src: '240.0.0.1' }],
    ['ip4_src_net', { src: '10.99.0.0' }],
    ['ip4_src_offlink', { src: '192.0.2.9' }],
    ['ip4_ttl0', { ttl: 0 }],
    ['ip4_ttl1', { ttl: 1 }],
  ] as const)('%s', (name, fields) => {
    // The oracle's frame with a wrong version is a short one.
    const act = name === 'ip4_bad_version' ? () => peer.sendIcmp(8, 0, four, fields) : () => ping(fields);
    expect(scenario(act)).toEqual(more[name]);
  });

  it('ip4_src_zero_bcast', () => {
    const act = () => datagram(9, { src: '0.0.0.0', dst: '255.255.255.255' }, BROADCAST_MAC);
    expect(scenario(act)).toEqual(more.ip4_src_zero_bcast);
  });

  it('ip4_unicast_bcast_mac: answered, but never by an error', () => {
    const act = () => {
      ping({}, BROADCAST_MAC);
      datagram(5555, {}, BROADCAST_MAC);
    };
    expect(scenario(act)).toEqual(more.ip4_unicast_bcast_mac);
  });

  it('ip4_unicast_mcast_mac', () => {
    expect(scenario(() => ping({}, groupMac('224.0.0.1')))).toEqual(more.ip4_unicast_mcast_mac);
  });

  it('ip4_bcast_unicast_mac', () => {
    const act = () => [9, 5555].forEach((port) => void datagram(port, { dst: '10.99.0.255' }));
    expect(scenario(act)).toEqual(more.ip4_bcast_unicast_mac);
  });

  it('ip4_net_addr', () => {
    const act = () => {
      datagram(9, { dst: '10.99.0.0' }, BROADCAST_MAC);
      ping({ dst: '10.99.0.0' });
    };
    expect(scenario(act)).toEqual(more.ip4_net_addr);
  });

  it('ip4_not_for_us_bcast_mac', () => {
    expect(scenario(() => ping({ dst: '10.99.0.77' }, BROADCAST_MAC))).toEqual(more.ip4_not_for_us_bcast_mac);
  });

  it('ip4_mcast_not_joined', () => {
    expect(scenario(() => ping({ dst: '239.1.2.3' }, groupMac('239.1.2.3')))).toEqual(more.ip4_mcast_not_joined);
  });

  it('ip4_short: frames that end inside the IPv4 header', () => {
    const cut = [bytes([0x45, 0, 0, 0x14, 0, 0]), zero(0), bytes([0x46, 0, 0, 0x14], zero(16))];
    const act = () => {
      for (const b of cut) peer.sendFrame(ethernet(peer.targetMac, peer.mac, EtherType.ipv4, b, false));
    };
    expect(scenario(act)).toEqual(more.ip4_short);
  });

  it('ip4_unknown_proto and ip4_protos: protocol unreachable, but for the ones a kernel takes', () => {
    expect(scenario(() => peer.sendIp(filler(20), { protocol: 200 }))).toEqual(more.ip4_unknown_proto);
    expect(peer.take()).toMatchObject([{ type: 3, code: 2 }]);
    const each = () => {
      for (const n of [4, 41, 47, 50, 51, 132, 103]) peer.sendIp(filler(40), { protocol: n, src: `10.99.0.${100 + (n % 50)}` });
    };
    expect(scenario(each)).toEqual(more.ip4_protos);
    const toAll = () => peer.sendIp(filler(20), { protocol: 200, dst: '10.99.0.255' }, BROADCAST_MAC);
    expect(scenario(toAll)).toEqual(more.ip4_unknown_proto_bcast);
  });
});

describe('reassembly', () => {
  const d = big(9, 3000);
  const parts: Record<string, () => void> = {
    ip4_frag_reverse: () => {
      const e = big(9);
      piece(e.subarray(1000), 1000, false);
      piece(e.subarray(0, 1000), 0, true);
    },
    ip4_frag_middle_last: () => {
      piece(d.subarray(0, 1000), 0, true);
      piece(d.subarray(2000), 2000, false);
      piece(d.subarray(1000, 2000), 1000, true);
    },
    ip4_frag_dup_last: () => {
      piece(d.subarray(2000), 2000, false);
      piece(d.subarray(2000), 2000, false);
      piece(d.subarray(0, 1000), 0, true);
      piece(d.subarray(1000, 2000), 1000, true);
    },
    ip4_frag_overlap_tail: () => {
      const e = big(9, 4000);
      piece(e.subarray(1600, 2400), 1600, true);
      piece(e.subarray(800, 1800), 800, true);
    },
    ip4_frag_after_done: () => {
      const e = big(9);
      piece(e.subarray(0, 1000), 0, true);
      piece(e.subarray(1000), 1000, false);
      piece(e.subarray(1000), 1000, false);
    },
    ip4_frag_odd_mf: () => {
      const e = big(9);
      piece(e.subarray(0, 1003), 0, true);
      piece(e.subarray(1000), 1000, false);
    },
    ip4_frag_unknown_proto: () => {
      piece(filler(800), 0, true, { protocol: 200 });
      piece(filler(800), 800, false, { protocol: 200 });
    },
    ip4_frag_port_unreach: () => {
      const e = big(5555);
      piece(e.subarray(0, 1000), 0, true);
      piece(e.subarray(1000), 1000, false);
    },
    ip4_frag_bad_csum: () => {
      const e = big(9, 2000, TARGET, 1);
      piece(e.subarray(0, 1000), 0, true);
      piece(e.subarray(1000), 1000, false);
    },
    ip4_frag_mcast: () => {
      const e = big(9, 2000, '224.0.0.1');
      piece(e.subarray(0, 1000), 0, true, { dst: '224.0.0.1' }, groupMac('224.0.0.1'));
      piece(e.subarray(1000), 1000, false, { dst: '224.0.0.1' }, groupMac('224.0.0.1'));
    },
    ip4_frag_dist: () => {
      const e = big(9);
      piece(e.subarray(0, 1000), 0, true, { id: 1 });
      for (let i = 0; i < 70; i++) piece(e.subarray(0, 1000), 0, true, { id: 100 + i });
      piece(e.subarray(1000), 1000, false, { id: 1 });
    },
    ip4_frag_opts: () => {
      const e = icmp(8, 0, bytes([0, 1, 0, 1], filler(1992)));
      piece(e.subarray(0, 1000), 0, true, { protocol: 1, options: bytes([7, 7, 4, 0, 0, 0, 0, 0]) });
      piece(e.subarray(1000), 1000, false, { protocol: 1 });
    },
  };
  it.each(Object.keys(parts))('%s', (name) => {
    expect(scenario(parts[name]!)).toEqual(more[name as keyof typeof more]);
  });

  it('ip4_frag_ecn: marks that belong together are merged, others end it', () => {
    const e = big(9);
    const pair = (id: number, first: number, second: number) => {
      piece(e.subarray(0, 1000), 0, true, { id, tos: first });
      piece(e.subarray(1000), 1000, false, { id, tos: second });
    };
    const act = () => {
      pair(1, 1, 0);
      pair(2, 2, 3);
      pair(3, 2, 1);
    };
    expect(scenario(act)).toEqual(more.ip4_frag_ecn);
  });

  it('ip4_frag_empty: pieces that carry nothing', () => {
    const act = () => {
      const bare = (f: Fields, data: Uint8Array) =>
        peer.sendFrame(
          ethernet(
            peer.targetMac,
            peer.mac,
            EtherType.ipv4,
            ipv4({ src: PEER, dst: TARGET, protocol: 17, id: 5, ...f }, data),
            false,
          ),
        );
      bare({ mf: true }, zero(0));
      bare({ mf: true }, bytes('abc'));
      bare({ offset: 800 }, zero(0));
    };
    expect(scenario(act)).toEqual(more.ip4_frag_empty);
  });

  it('ip4_frag_oversize_done: more than 65535 octets put together', () => {
    const act = () => {
      let at = 0;
      for (; at + 1480 < 65400; at += 1480) piece(filler(1480), at, true, { protocol: 1 });
      piece(filler(1000), at, false, { protocol: 1 });
    };
    expect(scenario(act)).toEqual(more.ip4_frag_oversize_done);
  });

  it('ip4_frag_mem: nothing more is taken above ipfrag_high_thresh', () => {
    const act = () => {
      for (let i = 0; i < 40; i++) piece(big(9).subarray(0, 1000), 0, true, { id: 100 + i, src: `10.99.0.${100 + i}` });
    };
    expect(scenario(act, { ipfrag_low_thresh: 15000, ipfrag_high_thresh: 20000 })).toEqual(more.ip4_frag_mem);
  });

  it('ip4_frag_timeout: the first piece was had, so its sender is told', () => {
    const act = () => piece(big(9).subarray(0, 1000), 0, true);
    expect(scenario(act, { ipfrag_time: 1 }, 1_600_000)).toEqual(more.ip4_frag_timeout);
    const [f] = peer.take();
    expect(f).toMatchObject({ type: 11, code: 1, totalLength: 576, tos: 0xc0, sumsGood: true });
    const toAll = () => piece(big(9).subarray(0, 1000), 0, true, { dst: '10.99.0.255' }, BROADCAST_MAC);
    expect(scenario(toAll, { ipfrag_time: 1 }, 1_600_000)).toEqual(more.ip4_frag_timeout_bcast);
  });
});

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
    expect(scenario(act, { 'net.ipv4.conf.tap0.rp_filter': filter })).toEqual(more[name]);
  });

  it('ip4_rp_filter_bcast', () => {
    const act = () => {
      route('ip route del default');
      datagram(9, { src: '10.98.0.9', dst: '10.99.0.255' }, BROADCAST_MAC);
      ping({ src: '10.99.0.255' });
    };
    expect(scenario(act, { 'conf.all.rp_filter': 1 })).toEqual(more.ip4_rp_filter_bcast);
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
    expect(scenario(act)).toEqual(more[name]);
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
    expect(scenario(act, on)).toEqual(more[name]);
    expect(peer.take()).toMatchObject([...answers]);
  });

  it('ip4_fwd_noroute_many: errors are few', () => {
    const act = () => {
      route('ip route del default');
      for (let i = 0; i < 10; i++) peer.ping(i, { dst: `192.0.2.${i}` });
    };
    expect(scenario(act, on)).toEqual(more.ip4_fwd_noroute_many);
  });

  it('ip4_fwd_mtu: DF is told the MTU, the other is cut', () => {
    const act = () => {
      route('ip route add 192.0.2.0/24 via 10.99.0.2 mtu 1000');
      const message = icmp(8, 0, zero(1400));
      peer.sendIp(message, { protocol: 1, dst: FAR, df: true });
      peer.sendIp(message, { protocol: 1, dst: FAR });
    };
    expect(scenario(act, on)).toEqual(more.ip4_fwd_mtu);
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
    expect(scenario(act, on)).toEqual(more.ip4_fwd_bcast);
  });

  it('ip4_fwd_opts: the route is recorded once', () => {
    expect(scenario(() => ping({ dst: FAR, options: bytes([7, 11, 4], zero(9)) }), on)).toEqual(more.ip4_fwd_opts);
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
    expect(scenario(act, on)).toEqual(more.ip4_fwd_src_martian);
  });

  it('ip4_fwd_frag: fragments pass as they are', () => {
    const act = () => {
      piece(filler(800), 0, true, { dst: FAR });
      piece(filler(800), 800, false, { dst: FAR });
    };
    expect(scenario(act, on)).toEqual(more.ip4_fwd_frag);
  });

  it('ip4_fwd_ttl_icmp: no error about an error', () => {
    const act = () => {
      peer.sendIcmp(3, 1, bytes(four, [0x45], zero(27)), { dst: FAR, ttl: 1 });
      peer.sendIcmp(0, 0, four, { dst: FAR, ttl: 1 });
    };
    expect(scenario(act, on)).toEqual(more.ip4_fwd_ttl_icmp);
  });

  it('ip4_fwd_redirects: each later than the last by twice the time', () => {
    const act = () => {
      for (let i = 0; i < 12; i++) {
        peer.ping(i, { dst: '10.99.0.77' });
        sim.pass(100_000);
      }
    };
    expect(scenario(act, on)).toEqual(more.ip4_fwd_redirects);
  });
});

describe('ICMP', () => {
  const toAll = (type: number, rest: Uint8Array) => peer.sendIcmp(type, 0, rest, { dst: '10.99.0.255' }, BROADCAST_MAC);
  const inner = quoted(17, udp({ src: TARGET, dst: PEER, sport: 999, dport: 5001 }, bytes('zz')));
  const acts: Record<string, () => void> = {
    icmp_bad_csum: () => peer.sendIp(icmp(8, 0, zero(60), 1), { protocol: 1 }),
    icmp_timestamp: () => peer.sendIcmp(13, 0, bytes([0, 1, 0, 1], zero(12))),
    icmp_timestamp_min: () => peer.sendIcmp(13, 0, bytes([0, 1, 0, 1], four)),
    icmp_timestamp_bcast: () => toAll(13, bytes([0, 1, 0, 1], zero(12))),
    icmp_discard_types: () => [1, 2, 6, 7, 9, 10, 15, 16].forEach((t) => void peer.sendIcmp(t, 0, four)),
    icmp_bcast_types: () => [0, 3, 5, 11, 14, 17, 18].forEach((t) => void toAll(t, zero(60))),
    icmp_ext_echo: () => [42, 43].forEach((t) => void peer.sendIcmp(t, 0, zero(16))),
    icmp_unreach_codes: () => {
      for (let code = 0; code < 18; code++) peer.sendIcmp(3, code, bytes(four, inner.subarray(0, 28)));
    },
    icmp_unreach_protos: () => {
      for (const n of [1, 2, 200, 4]) peer.sendIcmp(3, 1, bytes(four, quoted(n, bytes([8], zero(19)))));
    },
    icmp_unreach_inner_notours: () => {
      const f = { src: '10.99.0.9', dst: PEER, sport: 999, dport: 5001 };
      peer.sendIcmp(3, 3, bytes(four, quoted(17, udp(f, bytes('zz')), '10.99.0.9').subarray(0, 28)));
    },
    icmp_redirect: () => {
      const q = quoted(17, udp({ src: TARGET, dst: FAR, sport: 999, dport: 5001 }, bytes('zz')), TARGET, FAR).subarray(0, 28);
      const gateway = ip4('10.99.0.77');
      peer.sendIcmp(5, 1, bytes(gateway, q));
      peer.sendIcmp(5, 1, bytes(gateway, q.subarray(0, 20)));
      peer.sendIcmp(5, 1, bytes(gateway, [0x45]));
      peer.sendIcmp(5, 1, bytes(gateway, [0x44], q.subarray(1)));
    },
    icmp_big_error: () => {
      peer.sendIp(udp({ src: PEER, dst: TARGET, sport: 5001, dport: 5555 }, zero(1000)), { protocol: 17 });
    },
    icmp_err_to_self_src: () => ['10.99.0.255', '10.99.0.0'].forEach((src) => void datagram(5555, { src })),
  };
  it.each(Object.keys(acts))('%s', (name) => {
    expect(scenario(acts[name]!)).toEqual(more[name as keyof typeof more]);
  });

  it('icmp_too_short and icmp_unreach_20: messages cut short', () => {
    const bare = (b: Uint8Array) =>
      peer.sendFrame(ethernet(peer.targetMac, peer.mac, EtherType.ipv4, ipv4({ src: PEER, dst: TARGET, protocol: 1 }, b), false));
    const short = () => [icmp(8, 0, zero(0)), bytes([8]), zero(0)].forEach(bare);
    expect(scenario(short)).toEqual(more.icmp_too_short);
    const cut = () =>
      [bytes(four, inner.subarray(0, 20)), bytes(four, inner.subarray(0, 27)), four, zero(0)].forEach(
        (b) => void bare(icmp(3, 3, b)),
      );
    expect(scenario(cut)).toEqual(more.icmp_unreach_20);
  });

  it('icmp_timestamp: three times in the answer', () => {
    scenario(() => peer.sendIcmp(13, 0, bytes([0, 1, 0, 1], u32(77), zero(8))));
    const [f] = peer.take();
    expect(f).toMatchObject({ type: 14, code: 0, sumsGood: true });
    expect(f!.data).toEqual(bytes([0, 1, 0, 1], u32(77), u32(1001), u32(1001)));
  });

  it('icmp_echo_code: the answer has the code of the question', () => {
    expect(scenario(() => peer.sendIcmp(8, 5, bytes([0, 1, 0, 1])))).toEqual(more.icmp_echo_code);
    expect(peer.take()).toMatchObject([{ type: 0, code: 5, sumsGood: true }]);
  });

  it('icmp_echo_reply_fields: TOS comes back, DF does not', () => {
    expect(scenario(() => ping({ tos: 0x23, df: true }))).toEqual(more.icmp_echo_reply_fields);
    expect(peer.take()).toMatchObject([{ tos: 0x23, df: false, ttl: 64 }]);
  });

  it('settings: icmp_echo_ignore_all, icmp_echo_ignore_broadcasts, icmp_ratemask', () => {
    expect(scenario(() => ping(), { icmp_echo_ignore_all: 1 })).toEqual(more.icmp_echo_ignore);
    const all = () => {
      ping({ dst: '10.99.0.255' }, BROADCAST_MAC);
      ping({ dst: '255.255.255.255' }, BROADCAST_MAC);
      ping({ dst: '224.0.0.1' }, groupMac('224.0.0.1'));
    };
    expect(scenario(all, { icmp_echo_ignore_broadcasts: 0 })).toEqual(more.icmp_echo_bcast_on);
    expect(peer.take().map((f) => f.src)).toEqual([TARGET, TARGET, TARGET]);
    const ten = () => {
      for (let i = 0; i < 10; i++) peer.ping(i);
    };
    expect(scenario(ten, { icmp_ratemask: 1 })).toEqual(more.icmp_mask0);
  });

  it('the bucket of the host: OutRateLimitGlobal once the burst is used up', () => {
    const act = () => {
      for (let i = 0; i < 200; i++) datagram(5555, { src: `10.99.0.${10 + (i % 200)}` });
    };
    const d = scenario(act, { icmp_msgs_burst: 20, icmp_msgs_per_sec: 20 });
    const limited = d['Icmp.OutRateLimitGlobal']!;
    expect(d['Icmp.OutMsgs']! + limited).toBe(200);
    expect(d['Icmp.OutMsgs']).toBeGreaterThanOrEqual(10); // each takes 0 to 2 of the 20
    expect(d['Icmp.OutMsgs']).toBeLessThanOrEqual(80);
    expect(d['Icmp.OutRateLimitHost']).toBeUndefined();
  });
});

describe('our own datagrams', () => {
  const send = (address: string, port: number, n: number, options: [number, number, number][] = []) => {
    const s = host.stack.udp(4);
    for (const [level, name, value] of options) expect(s.setOption(level, name, value)).toBe(0);
    expect(s.sendTo(filler(n), 0, n, 0, { address: IpAddress.from(address), port })).toBe(n);
    sim.pass(1000);
    return s;
  };
  const broadcast: [number, number, number] = [Level.SOCKET, So.BROADCAST, 1];
  const cut: [number, number, number] = [Level.IP, IpOpt.MTU_DISCOVER, 0];

  it('ip4_self: to ourselves by lo, errors too', () => {
    const act = () => {
      const s = send('127.0.0.1', 9, 10);
      for (const [a, port] of [
        [TARGET, 9],
        ['127.0.0.1', 5555],
      ] as const) {
        s.sendTo(filler(10), 0, 10, 0, { address: IpAddress.from(a), port });
        sim.pass(1000);
      }
    };
    expect(scenario(act)).toEqual(more.ip4_self);
    expect(peer.take()).toEqual([]);
  });

  it('ip4_self_frag: lo takes 64 KiB in one piece', () => {
    expect(scenario(() => send('127.0.0.1', 9, 60000, [cut]))).toEqual(more.ip4_self_frag);
  });

  it('ip4_out_bcast_frag: looped whole, sent in pieces', () => {
    expect(scenario(() => send('10.99.0.255', 9, 3000, [broadcast, cut]))).toEqual(more.ip4_out_bcast_frag);
    expect(peer.take().map((f) => [f.kind, f.dmac])).toEqual(new Array(3).fill(['fragment', BROADCAST_MAC]));
  });

  it('ip4_out_lbcast', () => {
    expect(scenario(() => send('255.255.255.255', 9, 10, [broadcast]))).toEqual(more.ip4_out_lbcast);
  });

  it('arp_fail_many: each waiting datagram comes back as host unreachable', () => {
    const act = () => {
      const s = send('10.99.0.50', 9, 10);
      for (let i = 0; i < 7; i++) s.sendTo(filler(10), 0, 10, 0, { address: IpAddress.from('10.99.0.50'), port: 9 });
    };
    expect(scenario(act, {}, 3_600_000)).toEqual(more.arp_fail_many);
    expect(u16(peer.take().length)).toEqual(u16(3)); // three requests
  });
});
