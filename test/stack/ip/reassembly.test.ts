/** Fragments in every order, and those that make no whole. Each measured against a kernel: whole ledgers, and what went out. */
import { afterEach, describe, expect, it } from 'vitest';
import { BROADCAST_MAC, bytes, EtherType, ethernet, filler, groupMac, icmp, ipv4 } from '../../support/frames.js';
import { expectSums } from '../../support/ledger.js';
import { big, type Fields, host, PEER, peer, piece, ping, scenario, TARGET, zero } from './fixture.js';
import { kernel } from './kernel-reassembly.js';

afterEach(() => expectSums(host.ledger));

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
    expect(scenario(parts[name]!)).toEqual(kernel[name as keyof typeof kernel]);
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
    expect(scenario(act)).toEqual(kernel.ip4_frag_ecn);
  });

  it('ip4_df_mf: a piece that must not be cut is a piece like any other', () => {
    const act = () => {
      peer.sendIcmp(8, 0, bytes([0, 1, 0, 1], zero(96)), { df: true, mf: true });
      ping({ df: true });
    };
    expect(scenario(act)).toEqual(kernel.ip4_df_mf);
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
    expect(scenario(act)).toEqual(kernel.ip4_frag_empty);
  });

  it('ip4_frag_oversize_done: more than 65535 octets put together', () => {
    const act = () => {
      let at = 0;
      for (; at + 1480 < 65400; at += 1480) piece(filler(1480), at, true, { protocol: 1 });
      piece(filler(1000), at, false, { protocol: 1 });
    };
    expect(scenario(act)).toEqual(kernel.ip4_frag_oversize_done);
  });

  it('ip4_frag_mem: nothing more is taken above ipfrag_high_thresh', () => {
    const act = () => {
      for (let i = 0; i < 40; i++) piece(big(9).subarray(0, 1000), 0, true, { id: 100 + i, src: `10.99.0.${100 + i}` });
    };
    expect(scenario(act, { ipfrag_low_thresh: 15000, ipfrag_high_thresh: 20000 })).toEqual(kernel.ip4_frag_mem);
  });

  it('ip4_frag_timeout: the first piece was had, so its sender is told', () => {
    const act = () => piece(big(9).subarray(0, 1000), 0, true);
    expect(scenario(act, { ipfrag_time: 1 }, 1_600_000)).toEqual(kernel.ip4_frag_timeout);
    const [f] = peer.take();
    expect(f).toMatchObject({ type: 11, code: 1, totalLength: 576, tos: 0xc0, sumsGood: true });
    const toAll = () => piece(big(9).subarray(0, 1000), 0, true, { dst: '10.99.0.255' }, BROADCAST_MAC);
    expect(scenario(toAll, { ipfrag_time: 1 }, 1_600_000)).toEqual(kernel.ip4_frag_timeout_bcast);
  });
});
