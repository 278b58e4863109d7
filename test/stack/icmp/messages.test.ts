/** ICMP messages of every kind. Each measured against a kernel: whole ledgers, and what went out. */
import { afterEach, describe, expect, it } from 'vitest';
import { BROADCAST_MAC, bytes, EtherType, ethernet, groupMac, icmp, ip4, ipv4, u32, udp } from '../../support/frames.js';
import { expectSums } from '../../support/ledger.js';
import { datagram, FAR, four, host, PEER, peer, ping, quoted, scenario, TARGET, zero } from '../ip/fixture.js';
import { kernel } from './kernel-deltas.js';

afterEach(() => expectSums(host.ledger));

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
    icmp_redirect_tcpinner: () => {
      const q = quoted(6, bytes(u32((999 << 16) | 5001), zero(4))).subarray(0, 28);
      peer.sendIcmp(5, 1, bytes(ip4('10.99.0.77'), q));
      peer.sendIcmp(3, 1, bytes(four, q));
    },
    icmp_big_error: () => {
      peer.sendIp(udp({ src: PEER, dst: TARGET, sport: 5001, dport: 5555 }, zero(1000)), { protocol: 17 });
    },
    icmp_err_to_self_src: () => ['10.99.0.255', '10.99.0.0'].forEach((src) => void datagram(5555, { src })),
  };
  it.each(Object.keys(acts))('%s', (name) => {
    expect(scenario(acts[name]!)).toEqual(kernel[name as keyof typeof kernel]);
  });

  it('icmp_too_short and icmp_unreach_20: messages cut short', () => {
    const bare = (b: Uint8Array) =>
      peer.sendFrame(ethernet(peer.targetMac, peer.mac, EtherType.ipv4, ipv4({ src: PEER, dst: TARGET, protocol: 1 }, b), false));
    const short = () => [icmp(8, 0, zero(0)), bytes([8]), zero(0)].forEach(bare);
    expect(scenario(short)).toEqual(kernel.icmp_too_short);
    const cut = () =>
      [bytes(four, inner.subarray(0, 20)), bytes(four, inner.subarray(0, 27)), four, zero(0)].forEach(
        (b) => void bare(icmp(3, 3, b)),
      );
    expect(scenario(cut)).toEqual(kernel.icmp_unreach_20);
  });

  it('icmp_timestamp: three times in the answer', () => {
    scenario(() => peer.sendIcmp(13, 0, bytes([0, 1, 0, 1], u32(77), zero(8))));
    const [f] = peer.take();
    expect(f).toMatchObject({ type: 14, code: 0, sumsGood: true });
    expect(f!.data).toEqual(bytes([0, 1, 0, 1], u32(77), u32(1001), u32(1001)));
  });

  it('icmp_echo_code: the answer has the code of the question', () => {
    expect(scenario(() => peer.sendIcmp(8, 5, bytes([0, 1, 0, 1])))).toEqual(kernel.icmp_echo_code);
    expect(peer.take()).toMatchObject([{ type: 0, code: 5, sumsGood: true }]);
  });

  it('icmp_echo_reply_fields: TOS comes back, DF does not', () => {
    expect(scenario(() => ping({ tos: 0x23, df: true }))).toEqual(kernel.icmp_echo_reply_fields);
    expect(peer.take()).toMatchObject([{ tos: 0x23, df: false, ttl: 64 }]);
  });

  it('settings: icmp_echo_ignore_all, icmp_echo_ignore_broadcasts, icmp_ratemask', () => {
    expect(scenario(() => ping(), { icmp_echo_ignore_all: 1 })).toEqual(kernel.icmp_echo_ignore);
    const all = () => {
      ping({ dst: '10.99.0.255' }, BROADCAST_MAC);
      ping({ dst: '255.255.255.255' }, BROADCAST_MAC);
      ping({ dst: '224.0.0.1' }, groupMac('224.0.0.1'));
    };
    expect(scenario(all, { icmp_echo_ignore_broadcasts: 0 })).toEqual(kernel.icmp_echo_bcast_on);
    expect(peer.take().map((f) => f.src)).toEqual([TARGET, TARGET, TARGET]);
    const ten = () => {
      for (let i = 0; i < 10; i++) peer.ping(i);
    };
    expect(scenario(ten, { icmp_ratemask: 1 })).toEqual(kernel.icmp_mask0);
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
