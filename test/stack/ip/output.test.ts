/** Our own datagrams: to ourselves, to all, to nobody. Each measured against a kernel: whole ledgers, and what went out. */
import { afterEach, describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { IpOpt, Level, So } from '../../../stack/socket/socket.js';
import { BROADCAST_MAC, filler, u16 } from '../../support/frames.js';
import { expectSums } from '../../support/ledger.js';
import { host, peer, scenario, sim, TARGET } from './fixture.js';
import { kernel } from './kernel-output.js';

afterEach(() => expectSums(host.ledger));

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
    expect(scenario(act)).toEqual(kernel.ip4_self);
    expect(peer.take()).toEqual([]);
  });

  it('ip4_self_frag: lo takes 64 KiB in one piece', () => {
    expect(scenario(() => send('127.0.0.1', 9, 60000, [cut]))).toEqual(kernel.ip4_self_frag);
  });

  it('ip4_out_bcast_frag: looped whole, sent in pieces', () => {
    expect(scenario(() => send('10.99.0.255', 9, 3000, [broadcast, cut]))).toEqual(kernel.ip4_out_bcast_frag);
    expect(peer.take().map((f) => [f.kind, f.dmac])).toEqual(new Array(3).fill(['fragment', BROADCAST_MAC]));
  });

  it('ip4_out_lbcast', () => {
    expect(scenario(() => send('255.255.255.255', 9, 10, [broadcast]))).toEqual(kernel.ip4_out_lbcast);
  });

  it('arp_fail_many: each waiting datagram comes back as host unreachable', () => {
    const act = () => {
      const s = send('10.99.0.50', 9, 10);
      for (let i = 0; i < 7; i++) s.sendTo(filler(10), 0, 10, 0, { address: IpAddress.from('10.99.0.50'), port: 9 });
    };
    expect(scenario(act, {}, 3_600_000)).toEqual(kernel.arp_fail_many);
    expect(u16(peer.take().length)).toEqual(u16(3)); // three requests
  });
});
