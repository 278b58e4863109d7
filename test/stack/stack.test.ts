/** The loop of a host: batches, deadlines, loopback, publishing, and what addDevice refuses. */
import { describe, expect, it } from 'vitest';
import { Ip } from '../../mib/catalogue/index.js';
import { LedgerReader } from '../../mib/ledger/reader.js';
import { IpAddress } from '../../stack/core/address.js';
import { SeededRandom } from '../../stack/core/random.js';
import { Wire } from '../../stack/link/memory-wire.js';
import { ReceivedFrom } from '../../stack/socket/socket.js';
import { Stack } from '../../stack/stack.js';
import { expectSums, LedgerWatch, smallLedger } from '../support/ledger.js';
import { RawPeer } from '../support/raw-peer.js';
import { hostAndPeer } from '../support/simulation.js';

const bare = (nowUs = 1_000_000) => {
  const ledger = smallLedger(16, nowUs);
  const stack = new Stack({ ledger, random: new SeededRandom(1), secret: new Uint8Array(16), nowUs });
  const wire = new Wire(new SeededRandom(2));
  wire.nowUs = nowUs;
  return { ledger, stack, wire };
};

describe('poll', () => {
  it('takes 64 frames of a device at a time and says that more wait', () => {
    const { ledger, stack, wire } = bare();
    stack.addDevice(wire.a, { mac: '02:00:00:00:00:01', addresses: ['10.99.0.1/24'] });
    const peer = new RawPeer(wire.b);
    peer.poll(1_000_000);
    for (let i = 0; i < 150; i++) peer.ping(i & 255);
    expect(stack.nextDeadlineUs()).toBeLessThanOrEqual(1_000_000);
    const counts: number[] = [];
    for (let more = true; more; ) {
      more = stack.poll(1_000_000);
      counts.push(ledger.cells[Ip.InReceives]!);
    }
    expect(counts).toEqual([64, 128, 150]);
    expectSums(ledger);
  });

  it('with nothing to do waits for the outside world', () => {
    const { stack } = bare();
    expect(stack.poll(1_000_000)).toBe(false);
    expect(stack.nextDeadlineUs()).toBe(Number.POSITIVE_INFINITY);
  });

  it('names the time of its next timer, and time never goes back', () => {
    const { sim, host } = hostAndPeer();
    const s = host.stack.udp(4);
    s.sendTo(new Uint8Array(1), 0, 1, 0, { address: IpAddress.from('10.99.0.50'), port: 9 });
    expect(host.stack.nextDeadlineUs()).toBe(sim.nowUs + 1_000_000);
    host.stack.poll(5);
    expect(host.stack.env.nowUs).toBe(sim.nowUs);
  });

  it('answers a request for a snapshot at the batch border', async () => {
    const { ledger, stack } = bare();
    const reader = new LedgerReader(ledger.memory);
    const wanted = reader.snapshot();
    stack.poll(1_234_567);
    expect((await wanted).takenAtUs).toBe(1_234_567);
  });

  it('shows settings among the counters as the kernel does', () => {
    const { ledger, stack } = bare();
    stack.poll(1_000_000);
    expect([ledger.cells[Ip.Forwarding], ledger.cells[Ip.DefaultTTL]]).toEqual([2, 64]);
    stack.env.sysctl.set('net.ipv4.ip_forward', 1);
    stack.env.sysctl.set('net.ipv4.ip_default_ttl', 33);
    stack.poll(1_000_001);
    expect([ledger.cells[Ip.Forwarding], ledger.cells[Ip.DefaultTTL]]).toEqual([1, 33]);
  });
});

describe('a host', () => {
  it('without any link talks to itself', () => {
    const { ledger, stack } = bare();
    const [a, b] = [stack.udp(4), stack.udp(4)];
    expect(b.bind(IpAddress.from('127.0.0.1'), 6000)).toBe(0);
    const watch = new LedgerWatch(ledger);
    expect(a.sendTo(new Uint8Array(100), 0, 100, 0, { address: IpAddress.from('127.0.0.1'), port: 6000 })).toBe(100);
    stack.poll(1_000_000);
    const info = new ReceivedFrom();
    expect(b.receiveFrom(new Uint8Array(200), 0, 200, 0, info)).toBe(100);
    expect(String(info.address)).toBe('127.0.0.1');
    expect(watch.delta()).toMatchObject({ 'Ip.OutRequests': 1, 'Ip.InReceives': 1, 'Ip.InDelivers': 1, 'IpExt.InOctets': 128 });
    expectSums(ledger);
  });

  it.each([
    ['a MAC address', { mac: '02:00:00', addresses: ['10.0.0.1/24'] }, /MAC/],
    ['an address', { mac: '02:00:00:00:00:01', addresses: ['10.0.0.300/24'] }, /10\.0\.0\.300/],
    ['a prefix', { mac: '02:00:00:00:00:01', addresses: ['10.0.0.1/33'] }, /10\.0\.0\.1\/33/],
    ['a missing prefix', { mac: '02:00:00:00:00:01', addresses: ['10.0.0.1'] }, /10\.0\.0\.1/],
    ['a gateway elsewhere', { mac: '02:00:00:00:00:01', addresses: ['10.0.0.1/24'], gateway: '10.0.1.1' }, /10\.0\.1\.1/],
    ['a gateway that is none', { mac: '02:00:00:00:00:01', addresses: ['10.0.0.1/24'], gateway: 'x' }, /x/],
  ] as const)('refuses %s', (_, options, message) => {
    const { stack, wire } = bare();
    expect(() => stack.addDevice(wire.a, options)).toThrow(message);
    expect(stack.interfaces().map((d) => d.name)).toEqual(['lo']);
    expect(stack.routes()).toEqual([]);
  });

  it('tells what it has', () => {
    const { stack, wire } = bare();
    stack.addDevice(wire.a, { mac: '02:00:00:00:00:01', addresses: ['10.99.0.1/24', '192.0.2.1/30'], gateway: '10.99.0.2' });
    expect(stack.interfaces()).toMatchObject([
      { index: 1, name: 'lo', mtu: 65536, loopback: true, addresses: [{ address: '127.0.0.1', prefix: 8 }] },
      { index: 2, mac: '02:00:00:00:00:01', mtu: 1500, loopback: false },
    ]);
    expect(stack.routes().map((r) => `${r.destination}/${r.prefix} ${r.gateway ?? '*'}`)).toEqual([
      '192.0.2.0/30 *',
      '10.99.0.0/24 *',
      '0.0.0.0/0 10.99.0.2',
    ]);
  });

  it('that is closed has no timers left', () => {
    const { sim, host } = hostAndPeer();
    host.stack.udp(4).sendTo(new Uint8Array(1), 0, 1, 0, { address: IpAddress.from('10.99.0.50'), port: 9 });
    host.stack.close();
    host.stack.close();
    expect(host.stack.env.timers.nextUs()).toBe(Number.POSITIVE_INFINITY);
    expect(host.stack.poll(sim.nowUs)).toBe(false);
  });
});
