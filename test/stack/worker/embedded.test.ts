/** The embedded default in virtual time: its traffic is varied, the same for the same seed, and does not pile up. */
import { describe, expect, it } from 'vitest';
import { CELLS, cellName, counterByKey } from '../../../mib/catalogue/index.js';
import { Ctl } from '../../../mib/ledger/memory.js';
import { IpAddress } from '../../../stack/core/address.js';
import { SeededRandom } from '../../../stack/core/random.js';
import { Services } from '../../../stack/services/services.js';
import { Stack } from '../../../stack/stack.js';
import { EmbeddedPeer } from '../../../stack/worker/embedded-peer.js';
import { expectSums, smallLedger } from '../../support/ledger.js';

function run(seed: number, seconds: number) {
  let nowUs = 1_000_000;
  const ours = IpAddress.from('10.77.0.2');
  const peer = new EmbeddedPeer({ seed, offloads: false, address: '10.77.0.1/24', ours, nowUs }, IpAddress.from('10.77.0.1'));
  const ledger = smallLedger(1024, nowUs);
  const stack = new Stack({ ledger, random: new SeededRandom(seed), secret: new Uint8Array(16).fill(seed), nowUs });
  stack.addDevice(peer.link, { mac: '02:00:0a:4d:00:02', addresses: ['10.77.0.2/24'], gateway: '10.77.0.1' }).gsoMaxSize = 0;
  const services = new Services(stack, { wallClock: () => new Date(0) });
  peer.addClient(stack, nowUs);
  const endUs = nowUs + seconds * 1e6;
  while (nowUs < endUs) {
    for (let more = true; more; ) {
      more = peer.poll(nowUs);
      more = stack.poll(nowUs) || more;
    }
    nowUs = Math.max(nowUs + 1, Math.ceil(Math.min(peer.nextDeadlineUs(), stack.nextDeadlineUs())));
  }
  const moved = new Map<string, number>();
  for (let id = 0; id < CELLS; id++) if (ledger.cells[id] !== 0) moved.set(cellName(id), ledger.cells[id]!);
  return { moved, ledger, stack, peer, services, rows: ledger.control[Ctl.rowsUsed]! };
}

describe('embedded traffic', () => {
  it('moves the counters that a host on a network moves', () => {
    const { ledger } = run(3, 60);
    const named = [
      'Ip.InReceives',
      'Ip.ReasmOKs',
      'Ip.FragCreates',
      'Icmp.InEchos',
      'Icmp.OutEchoReps',
      'Icmp.OutDestUnreachs',
      'Tcp.ActiveOpens',
      'Tcp.PassiveOpens',
      'Tcp.AttemptFails',
      'Tcp.EstabResets',
      'Tcp.InSegs',
      'Tcp.OutSegs',
      'Tcp.RetransSegs',
      'Tcp.OutRsts',
      'Udp.InDatagrams',
      'Udp.OutDatagrams',
      'Udp.NoPorts',
      'TcpExt.TW',
      'IpExt.InOctets',
    ];
    expect(named.filter((n) => !(ledger.cells[counterByKey(n)!.id]! > 0))).toEqual([]);
    expectSums(ledger);
  }, 60_000);

  it('is the same for the same seed and another for another', () => {
    const a = run(4, 8).moved;
    expect([...run(4, 8).moved]).toEqual([...a]);
    expect([...run(5, 8).moved]).not.toEqual([...a]);
  }, 60_000);

  it('leaves no more than TIME-WAIT behind when it stops', () => {
    const r = run(6, 10);
    expect(r.rows).toBeLessThan(200);
    r.peer.stop();
    r.services.close();
    const live = () => r.stack.tcpLayer.table.counts[0]!;
    let nowUs = 11_100_000;
    for (let i = 0; i < 5_000_000 && live() > 0; i++) {
      r.peer.poll(nowUs);
      r.stack.poll(nowUs);
      nowUs = Math.max(nowUs + 1, Math.ceil(Math.min(r.peer.nextDeadlineUs(), r.stack.nextDeadlineUs())));
    }
    expect(live()).toBe(0);
  }, 60_000);
});
