/** The parity oracle's ip4_* and icmp_* scenarios, frame by frame, against what a kernel counted: whole ledgers, sums of rows included. */
import { afterEach, describe, expect, it } from 'vitest';
import { BROADCAST_MAC, bytes, filler, groupMac, icmp, ip4, ipv4, Proto, u32, udp } from '../../support/frames.js';
import { expectSums } from '../../support/ledger.js';
import type { RawPeer } from '../../support/raw-peer.js';
import { host, scenario as measured, peer, sim } from './fixture.js';
import { kernel } from './kernel-deltas.js';

const scenario = (act: () => void, sysctl: Record<string, number> = {}, passUs = 50_000) => measured(act, sysctl, passUs);
/** A request and time for its answer. */
const ping = (sequence: number, ...rest: [Parameters<RawPeer['ping']>[1]?, string?]) => {
  peer.ping(sequence, ...rest);
  sim.pass(1000);
};
const UDP = { src: '10.99.0.2', dst: '10.99.0.1' };
const fragment = (data: Uint8Array, offset: number, mf: boolean, protocol: number = Proto.udp) =>
  peer.sendIp(data, { protocol, id: 4711, offset, mf });
/** 2000 bytes of UDP payload to a port. */
const big = (dport: number) => udp({ ...UDP, sport: 5001, dport }, filler(2000));
/** A datagram of the target's, as an error quotes it. */
const quoted = ipv4(
  { src: UDP.dst, dst: UDP.src, protocol: Proto.udp },
  udp({ src: UDP.dst, dst: UDP.src, sport: 999, dport: 5001 }, bytes('zz')),
);

afterEach(() => expectSums(host.ledger));

describe('IPv4 as the kernel counts it', () => {
  it('ip4_ping', () => {
    expect(scenario(() => [0, 1, 2].forEach((i) => void ping(i)))).toEqual(kernel.ip4_ping);
    expect(peer.take()).toMatchObject([{ type: 0 }, { type: 0 }, { type: 0 }]);
  });

  it('ip4_bad_hdr_csum', () => {
    expect(scenario(() => peer.sendIp(icmp(8, 0, u32(0)), { protocol: 1, checksum: 0x1111 }))).toEqual(kernel.ip4_bad_hdr_csum);
  });

  it('ip4_ihl_too_small', () => {
    expect(scenario(() => peer.sendIp(icmp(8, 0, u32(0)), { protocol: 1, ihl: 4 }))).toEqual(kernel.ip4_ihl_too_small);
  });

  it('ip4_truncated', () => {
    const act = () => peer.sendIp(bytes(icmp(8, 0, u32(0)), filler(60)), { protocol: 1, totalLength: 400 });
    expect(scenario(act)).toEqual(kernel.ip4_truncated);
  });

  it('ip4_totlen_below_ihl', () => {
    expect(scenario(() => peer.sendIp(icmp(8, 0, u32(0)), { protocol: 1, totalLength: 12 }))).toEqual(
      kernel.ip4_totlen_below_ihl,
    );
  });

  it('ip4_trailing_padding', () => {
    expect(scenario(() => peer.sendIcmp(8, 0, u32(0x4d0001)))).toEqual(kernel.ip4_trailing_padding);
    expect(peer.take()).toMatchObject([{ kind: 'icmp', type: 0, totalLength: 28, sumsGood: true }]);
  });

  it('ip4_bad_option_len', () => {
    expect(scenario(() => ping(1, { options: bytes([7, 0x20, 4, 0]) }))).toEqual(kernel.ip4_bad_option_len);
    const [f] = peer.take();
    expect(f).toMatchObject({ type: 12, code: 0, sumsGood: true });
    expect(f!.data[0]).toBe(20); // the pointer names the option's first octet
  });

  it('ip4_timestamp_opt', () => {
    let at = 0;
    const act = () => {
      at = Math.floor(sim.nowUs / 1000); // the clock starts at midnight
      ping(1, { options: bytes([0x44, 8, 5, 0, 0, 0, 0, 0]) });
    };
    expect(scenario(act)).toEqual(kernel.ip4_timestamp_opt);
    const raw = peer.take()[0]!.raw;
    expect([...raw.subarray(34, 38)]).toEqual([0x44, 8, 9, 0]);
    expect(new DataView(raw.buffer, raw.byteOffset + 38).getUint32(0)).toBe(at);
  });

  it('ip4_lsrr', () => {
    expect(scenario(() => ping(1, { options: bytes([0x83, 7, 4], ip4('10.99.0.9'), [0]) }))).toEqual(kernel.ip4_lsrr);
    expect(peer.take()).toEqual([]);
  });

  it('ip4_not_for_us', () => {
    const act = () => ['10.99.0.77', '192.0.2.1'].forEach((dst) => void ping(1, { dst }));
    expect(scenario(act)).toEqual(kernel.ip4_not_for_us);
  });

  it('ip4_other_mac', () => {
    expect(scenario(() => ping(1, {}, '02:00:00:00:00:99'))).toEqual(kernel.ip4_other_mac);
  });

  it('ip4_martian_dest', () => {
    const act = () => ['127.0.0.1', '0.0.0.0', '240.0.0.1'].forEach((dst) => void ping(1, { dst }));
    expect(scenario(act)).toEqual(kernel.ip4_martian_dest);
  });

  it('ip4_own_source', () => {
    expect(scenario(() => ping(1, { src: UDP.dst }))).toEqual(kernel.ip4_own_source);
  });

  it('ip4_broadcast_ping', () => {
    const act = () => ['10.99.0.255', '255.255.255.255'].forEach((dst) => void ping(1, { dst }, BROADCAST_MAC));
    expect(scenario(act)).toEqual(kernel.ip4_broadcast_ping);
  });

  it('ip4_mcast_ping', () => {
    expect(scenario(() => ping(1, { dst: '224.0.0.1' }, groupMac('224.0.0.1')))).toEqual(kernel.ip4_mcast_ping);
  });

  it('ip4_ecn_marks', () => {
    expect(scenario(() => [0, 1, 2, 3].forEach((tos) => void ping(tos, { tos })))).toEqual(kernel.ip4_ecn_marks);
    expect(peer.take().map((f) => f.tos)).toEqual([0, 1, 2, 3]);
  });

  it('ip4_frag_inorder', () => {
    const d = big(7);
    const act = () => {
      fragment(d.subarray(0, 1000), 0, true);
      fragment(d.subarray(1000), 1000, false);
    };
    expect(scenario(act)).toEqual(kernel.ip4_frag_inorder);
    expect(peer.take()).toMatchObject([
      { kind: 'fragment', offset: 0, mf: true, totalLength: 1500, sumsGood: true },
      { kind: 'fragment', offset: 1480, mf: false, totalLength: 548, sumsGood: true },
    ]);
  });

  it('ip4_frag_overlap', () => {
    const d = big(9);
    const act = () => {
      fragment(d.subarray(0, 1000), 0, true);
      fragment(d.subarray(800, 1600), 800, true);
      fragment(d.subarray(1600), 1600, false);
    };
    expect(scenario(act)).toEqual(kernel.ip4_frag_overlap);
  });

  it('ip4_frag_duplicate', () => {
    const d = big(9);
    const act = () => {
      fragment(d.subarray(0, 1000), 0, true);
      fragment(d.subarray(0, 1000), 0, true);
      fragment(d.subarray(1000), 1000, false);
    };
    expect(scenario(act)).toEqual(kernel.ip4_frag_duplicate);
  });

  it('ip4_frag_timeout_nofirst', () => {
    const act = () => fragment(big(9).subarray(1000), 1000, false);
    expect(scenario(act, { ipfrag_time: 1 }, 1_600_000)).toEqual(kernel.ip4_frag_timeout_nofirst);
    expect(peer.take()).toEqual([]);
  });

  it('ip4_frag_oversize', () => {
    const act = () => {
      fragment(filler(1000), 0, true, 1);
      fragment(filler(1000), 65528, false, 1);
    };
    expect(scenario(act)).toEqual(kernel.ip4_frag_oversize);
  });

  it('ip4_frag_two_ends', () => {
    const act = () => {
      fragment(filler(800), 800, false);
      fragment(filler(800), 1600, false);
    };
    expect(scenario(act)).toEqual(kernel.ip4_frag_two_ends);
  });

  it('ip4_big_ping', () => {
    const d = icmp(8, 0, bytes([0, 1, 0, 1], filler(2992)));
    const act = () => {
      fragment(d.subarray(0, 1480), 0, true, 1);
      fragment(d.subarray(1480, 2960), 1480, true, 1);
      fragment(d.subarray(2960), 2960, false, 1);
    };
    expect(scenario(act)).toEqual(kernel.ip4_big_ping);
    const back = peer.take();
    expect(back.map((f) => f.offset)).toEqual([0, 1480, 2960]);
    expect(bytes(...back.map((f) => f.data)).subarray(4)).toEqual(d.subarray(4));
  });

  it('ip4_forward', () => {
    const act = () => {
      ping(1, { dst: '10.99.0.77' });
      ping(2, { dst: '192.0.2.1' });
      ping(3, { dst: '192.0.2.1', ttl: 1 });
    };
    expect(scenario(act, { ip_forward: 1 }, 200_000)).toEqual(kernel.ip4_forward);
    const back = peer.take().filter((f) => f.kind === 'icmp');
    expect(back).toMatchObject([
      { type: 5, code: 1 },
      { type: 8, ttl: 63, dst: '192.0.2.1', sumsGood: true },
    ]);
  });
});

describe('ICMP as the kernel counts it', () => {
  const four = u32(0);

  it('icmp_unknown_type', () => {
    expect(scenario(() => peer.sendIcmp(99, 0, four))).toEqual(kernel.icmp_unknown_type);
  });

  it('icmp_type_18plus', () => {
    const act = () => {
      peer.sendIcmp(40, 0, four);
      peer.sendIcmp(255, 1, four);
    };
    expect(scenario(act)).toEqual(kernel.icmp_type_18plus);
  });

  it('icmp_timestamp_short', () => {
    expect(scenario(() => peer.sendIcmp(13, 0, bytes([0, 1, 0, 1])))).toEqual(kernel.icmp_timestamp_short);
  });

  it('icmp_addr_mask', () => {
    expect(scenario(() => peer.sendIcmp(17, 0, bytes([0, 1, 0, 1, 0, 0, 0, 0])))).toEqual(kernel.icmp_addr_mask);
    expect(peer.take()).toEqual([]);
  });

  it('icmp_unsolicited_reply', () => {
    expect(scenario(() => [0, 14, 18].forEach((type) => void peer.sendIcmp(type, 0, four)))).toEqual(
      kernel.icmp_unsolicited_reply,
    );
  });

  it('icmp_unreach_unknown_udp', () => {
    expect(scenario(() => peer.sendIcmp(3, 3, bytes(four, quoted.subarray(0, 28))))).toEqual(kernel.icmp_unreach_unknown_udp);
  });

  it('icmp_unreach_short_inner', () => {
    const act = () => {
      peer.sendIcmp(3, 3, bytes(four, [0x45, 0, 0, 0x20]));
      peer.sendIcmp(3, 1, bytes(four, [0x44], new Uint8Array(27)));
      peer.sendIcmp(3, 99, bytes(four, [0x45], new Uint8Array(27)));
    };
    expect(scenario(act)).toEqual(kernel.icmp_unreach_short_inner);
  });

  it('icmp_quench_paramprob_timex', () => {
    const inner = quoted.subarray(0, 28);
    const act = () => {
      peer.sendIcmp(4, 0, bytes(four, inner));
      peer.sendIcmp(12, 0, bytes([0x14, 0, 0, 0], inner));
      peer.sendIcmp(11, 0, bytes(four, inner));
      peer.sendIcmp(11, 1, bytes(four, inner));
    };
    expect(scenario(act)).toEqual(kernel.icmp_quench_paramprob_timex);
  });

  it('icmp_rate_limit', () => {
    const act = () => {
      for (let i = 0; i < 20; i++) peer.sendUdp({ sport: 5001, dport: 5555 }, 'x');
    };
    expect(scenario(act)).toEqual(kernel.icmp_rate_limit);
    expect(peer.take()).toHaveLength(6);
  });

  it('icmp_error_about_icmp_error', () => {
    const inner = ipv4({ src: UDP.dst, dst: UDP.src, protocol: 1 }, icmp(3, 3, four));
    expect(scenario(() => peer.sendIcmp(3, 1, bytes(four, inner)))).toEqual(kernel.icmp_error_about_icmp_error);
  });
});
