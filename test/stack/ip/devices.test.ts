/** Frames a device drops, groups, and what probes see of packets. */
import { afterEach, describe, expect, it } from 'vitest';
import { counterByKey } from '../../../mib/catalogue/index.js';
import { Dev } from '../../../mib/catalogue/interface.js';
import { DEVICES_BASE } from '../../../mib/ledger/layout.js';
import { LedgerReader } from '../../../mib/ledger/reader.js';
import { Probe } from '../../../mib/probe/points.js';
import { Rec } from '../../../mib/probe/ring.js';
import { IpAddress } from '../../../stack/core/address.js';
import { HEADROOM, Packet } from '../../../stack/core/packet.js';
import { EthernetInput } from '../../../stack/ethernet.js';
import { BROADCAST_MAC, bytes, EtherType, ethernet, filler, groupMac, icmp, Proto } from '../../support/frames.js';
import { expectSums, LedgerWatch } from '../../support/ledger.js';
import type { RawPeer } from '../../support/raw-peer.js';
import { type Host, hostAndPeer, type Simulation } from '../../support/simulation.js';

let sim: Simulation;
let host: Host;
let peer: RawPeer;
const start = (sysctl: Record<string, number> = {}) => {
  ({ sim, host, peer } = hostAndPeer({ sysctl }));
};
function deviceDelta(act: () => void): Record<string, number> {
  const columns = Object.entries(Dev);
  const base = DEVICES_BASE + (host.device.index - 1) * columns.length;
  const before = host.ledger.cells.slice(base, base + columns.length);
  act();
  sim.pass(1000);
  const out: Record<string, number> = {};
  for (const [name, column] of columns) {
    const n = host.ledger.cells[base + column]! - before[column]!;
    if (n !== 0) out[name] = n;
  }
  return out;
}
const frame = (dmac: string, type: number, length = 60) => ethernet(dmac, peer.mac, type, filler(length - 14), false);

afterEach(() => expectSums(host.ledger));

describe('a device counts', () => {
  it.each([
    ['frames for another host', () => frame('02:00:00:00:00:99', EtherType.ipv4), { rxPackets: 1, rxBytes: 60, rxOtherhost: 1 }],
    ['an EtherType that nobody handles', () => frame(peer.targetMac, 0x1234), { rxPackets: 1, rxBytes: 60, rxUnknownProtos: 1 }],
    ['802.3 lengths as such', () => frame(peer.targetMac, 0x20), { rxPackets: 1, rxBytes: 60, rxUnknownProtos: 1 }],
    ['IPv6 as unknown, for now', () => frame(peer.targetMac, EtherType.ipv6), { rxPackets: 1, rxBytes: 60, rxUnknownProtos: 1 }],
    ['broadcasts', () => frame(BROADCAST_MAC, 0x1234), { rxPackets: 1, rxBytes: 60, rxBroadcast: 1, rxUnknownProtos: 1 }],
    ['multicasts', () => frame(groupMac('224.0.0.5'), 0x1234), { rxPackets: 1, rxBytes: 60, rxMulticast: 1, rxUnknownProtos: 1 }],
  ] as const)('%s', (_, make, expected) => {
    start();
    const watch = new LedgerWatch(host.ledger);
    expect(deviceDelta(() => peer.sendFrame(make()))).toEqual(expected);
    expect(watch.delta()).toEqual({});
  });
});

it('a frame shorter than an Ethernet header is an error of the device', () => {
  start();
  const p = new Packet(200);
  p.reset(HEADROOM);
  p.tail = HEADROOM + 13;
  expect(deviceDelta(() => new EthernetInput(host.ledger.unattributed).receive(p, host.device))).toEqual({ rxErrs: 1 });
});

describe('a group', () => {
  const report = (type: number, group: string) =>
    bytes([0x22, 0], [0, 0], [0, 0, 0, 1], [type, 0, 0, 0], group.split('.').map(Number));
  const join = (on: boolean) => {
    const group = IpAddress.from('239.1.2.3');
    if (on) host.stack.ip4.joinGroup(host.device, group);
    else host.stack.ip4.leaveGroup(host.device, group);
  };

  it('that is joined and left is reported twice each (RFC 3376), as the kernel counts it', () => {
    start();
    const watch = new LedgerWatch(host.ledger);
    join(true);
    join(true);
    sim.pass(2_000_000);
    join(false);
    sim.pass(2_000_000);
    expect(peer.received).toHaveLength(2);
    join(false);
    sim.pass(2_000_000);
    expect(watch.delta()).toEqual({
      'Ip.OutRequests': 4,
      'Ip.OutTransmits': 4,
      'IpExt.OutMcastPkts': 4,
      'IpExt.OutOctets': 160,
      'IpExt.OutMcastOctets': 160,
    });
    const back = peer.take();
    for (const f of back) {
      expect(f).toMatchObject({
        kind: 'igmp',
        dst: '224.0.0.22',
        ttl: 1,
        tos: 0xc0,
        df: true,
        id: 0,
        sumsGood: true,
        dmac: groupMac('224.0.0.22'),
      });
      expect([...f.raw.subarray(34, 38)]).toEqual([0x94, 4, 0, 0]);
    }
    const plain = (d: Uint8Array) => bytes(d.subarray(0, 2), [0, 0], d.subarray(4));
    expect(back.map((f) => plain(f.data))).toEqual([4, 4, 3, 3].map((type) => report(type, '239.1.2.3')));
  });

  const query = (code: number, group: string) => {
    const body = icmp(0x11, code, bytes(group.split('.').map(Number), [2, 125, 0, 0]));
    const dst = group === '0.0.0.0' ? '224.0.0.1' : group;
    peer.sendIp(body, { protocol: Proto.igmp, dst, ttl: 1 }, groupMac(dst));
    sim.pass(1);
  };

  it('is named again when a router asks', () => {
    start();
    join(true);
    sim.pass(2_000_000);
    peer.take();
    query(10, '0.0.0.0');
    sim.pass(1_100_000);
    const back = peer.take();
    expect(back).toHaveLength(1);
    expect(back[0]!.data[8]).toBe(2);
  });

  it('alone is named when a router asks for it, as soon as the most impatient of several questions says', () => {
    start();
    join(true);
    host.stack.ip4.joinGroup(host.device, IpAddress.from('239.9.9.9'));
    sim.pass(2_000_000);
    peer.take();
    query(100, '239.1.2.3');
    query(1, '239.1.2.3');
    sim.pass(102_000);
    const back = peer.take();
    expect(back).toHaveLength(1);
    expect(back[0]!.data.subarray(4)).toEqual(bytes([0, 0, 0, 1], [2, 0, 0, 0], [239, 1, 2, 3]));
  });
});

describe('a probe', () => {
  it('on an unattributed event sees the packet at hand, local end first', () => {
    start();
    const reader = new LedgerReader(host.ledger.memory);
    const noPorts = counterByKey('Udp.NoPorts')!.id;
    reader.arm(noPorts);
    reader.arm(Probe.ipSend);
    sim.pass(1000); // armed from the next poll on
    peer.sendUdp({ sport: 5001, dport: 5555 }, 'hello');
    sim.pass(1000);
    const seen: Record<string, number>[] = [];
    reader.probes.read(10, (f, at) => {
      const r = (k: keyof typeof Rec) => f[at + Rec[k]]!;
      seen.push({
        point: r('point'),
        direction: r('direction'),
        length: r('length'),
        ports: r('ports'),
        protocol: r('familyProtocol') & 255,
      });
      expect(f[at + Rec.local + 3]).toBe(IpAddress.from('10.99.0.1').w3);
      expect(f[at + Rec.remote + 3]).toBe(IpAddress.from('10.99.0.2').w3);
      expect(r('device')).toBe(host.device.index);
      expect(r('timeUs')).toBe(sim.nowUs - 1000);
    });
    expect(seen).toEqual([
      { point: noPorts, direction: 1, length: 5, ports: 5555 * 65536 + 5001, protocol: 17 },
      { point: Probe.ipSend, direction: 2, length: 33, ports: 0, protocol: 1 },
    ]);
    reader.disarm(noPorts);
    reader.disarm(Probe.ipSend);
    sim.pass(1000);
    expect(host.stack.ip4.armed).toBe(false);
  });
});
