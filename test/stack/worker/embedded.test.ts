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

const FOUR = { peer: '10.77.0.1/24', ours: IpAddress.from('10.77.0.2') };
const SIX = { peer: 'fd77::1/64', ours: IpAddress.from('fd77::2') };

function run(seed: number, seconds: number, ends = [FOUR]) {
  let nowUs = 1_000_000;
  const ipv6 = ends.includes(SIX);
  const peer = new EmbeddedPeer({ seed, offloads: false, ends, nowUs });
  const ledger = smallLedger(1024, nowUs);
  const stack = new Stack({ ledger, random: new SeededRandom(seed), secret: new Uint8Array(16).fill(seed), nowUs, ipv6 });
  const addresses = ['10.77.0.2/24', ...(ipv6 ? ['fd77::2/64'] : [])];
  stack.addDevice(peer.link, { mac: '02:00:0a:4d:00:02', addresses, gateway: '10.77.0.1' }).gsoMaxSize = 0;
  const services = new Services(stack, { wallClock: () => new Date(0), families: ipv6 ? [4, 6] : [4] });
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

  it('goes over both families where the hosts speak both', () => {
    const { ledger } = run(3, 90, [FOUR, SIX]);
    const moved = (n: string) => ledger.cells[counterByKey(n)!.id]!;
    const named = [
      'Ip6.InReceives',
      'Ip6.InDelivers',
      'Ip6.OutRequests',
      'Ip6.FragCreates',
      'Ip6.ReasmOKs',
      'Ip6.InMcastPkts',
      'Icmp6.InEchos',
      'Icmp6.OutEchoReplies',
      'Icmp6.OutDestUnreachs',
      'Icmp6.InNeighborSolicits',
      'Icmp6.OutNeighborAdvertisements',
      'Icmp6.OutMLDv2Reports',
      'Udp6.InDatagrams',
      'Udp6.OutDatagrams',
      'Udp6.NoPorts',
      'Ip.InReceives',
      'Udp.InDatagrams',
    ];
    expect(named.filter((n) => !(moved(n) > 0))).toEqual([]);
    // as much of the one as of the other, within what chance does
    expect(moved('Ip6.InReceives') / moved('Ip.InReceives')).toBeGreaterThan(0.25);
    expect(moved('Ip6.InReceives') / moved('Ip.InReceives')).toBeLessThan(4);
    expect(moved('Ip6.OutNoRoutes')).toBe(0);
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
