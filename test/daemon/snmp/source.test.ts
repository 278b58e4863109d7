/** The adapter over the daemon's view, on a real ledger. */
import { describe, expect, it } from 'vitest';
import { parseInet } from '../../../daemon/snmp/address.js';
import { type StackMoment, type StackView, viewSource } from '../../../daemon/snmp/source.js';
import { Tcp } from '../../../mib/catalogue/index.js';
import { Dev } from '../../../mib/catalogue/interface.js';
import type { NeighbourDto, RouteDto } from '../../../mib/dto.js';
import { Col, deviceCell, RowKind } from '../../../mib/ledger/layout.js';
import { Ledger, type Owner } from '../../../mib/ledger/ledger.js';
import { createLedgerMemory } from '../../../mib/ledger/memory.js';
import { LedgerReader } from '../../../mib/ledger/reader.js';

const device: StackMoment['devices'][number] = {
  index: 3,
  name: 'tsn0',
  mac: '02:00:5e:10:00:01',
  mtu: 1500,
  up: true,
  running: false,
  loopback: false,
  broadcast: true,
  multicast: true,
  promiscuous: false,
  addresses: [
    { address: '10.77.0.2', prefix: 24, state: 'preferred' },
    { address: 'fd77::2', prefix: 64, state: 'tentative' },
  ],
};
const routes: RouteDto[] = [
  { family: 4, destination: '0.0.0.0', prefix: 0, gateway: '10.77.0.1', interface: 'tsn0', metric: 0, flags: 'UG' },
  { family: 6, destination: 'fd77::', prefix: 64, gateway: null, interface: 'gone', metric: 9, flags: '!' },
];
const neighbours: NeighbourDto[] = [
  { family: 4, address: '10.77.0.1', mac: null, interface: 'tsn0', state: 'INCOMPLETE', router: false },
];

function setUp() {
  const memory = createLedgerMemory(64);
  const ledger = new Ledger(memory, 1_000_000, 0);
  const reader = new LedgerReader(memory);
  let scans = 0;
  let nowMs = 0;
  let scanMs = 0;
  let moment: StackMoment | undefined;
  const tables = { devices: [device] as StackMoment['devices'], routes, neighbours };
  const view: StackView = {
    latest: () => moment,
    moment: async () => (moment ??= { snapshot: reader.liveSnapshot(), devices: tables.devices }),
    routes: async () => tables.routes,
    neighbours: async () => tables.neighbours,
    reader: {
      forEachRow(visit) {
        scans++;
        nowMs += scanMs;
        reader.forEachRow(visit);
      },
    },
  };
  return {
    ledger,
    view,
    tables,
    source: viewSource(view, () => nowMs),
    nextMoment: () => (moment = undefined),
    pass: (ms: number) => (nowMs += ms),
    scansTake: (ms: number) => (scanMs = ms),
    scans: () => scans,
  };
}

function row(ledger: Ledger, kind: RowKind, columns: Partial<Record<keyof typeof Col, number>>): Owner {
  const owner = ledger.takeRow(kind);
  for (const [name, value] of Object.entries(columns)) ledger.setColumn(owner, Col[name as keyof typeof Col], value);
  return owner;
}

describe('viewSource', () => {
  it('reads counters, devices, routes and neighbours', async () => {
    const { ledger, source } = setUp();
    ledger.unattributed.add(Tcp.InSegs, 12);
    ledger.addDevice().add(Dev.rxBytes, 5);
    ledger.addDevice().add(Dev.rxBytes, 6);
    const r = await source.read();
    expect(r.cell(Tcp.InSegs)).toBe(12);
    expect(r.interfaces).toMatchObject([
      { index: 3, name: 'tsn0', running: false, mac: Uint8Array.of(2, 0, 0x5e, 0x10, 0, 1), device: 0 },
    ]);
    expect([0, 1].map((i) => r.cell(deviceCell(i, Dev.rxBytes)))).toEqual([5, 6]);
    expect(r.interfaces[0]!.addresses).toEqual([
      { octets: [10, 77, 0, 2], prefix: 24, state: 'preferred' },
      { octets: [0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2], prefix: 64, state: 'tentative' },
    ]);
    expect(r.routes).toMatchObject([
      { destination: [0, 0, 0, 0], gateway: [10, 77, 0, 1], ifIndex: 3, reject: false },
      { prefix: 64, gateway: undefined, ifIndex: 0, metric: 9, reject: true },
    ]);
    expect(r.neighbours).toEqual([{ octets: [10, 77, 0, 1], mac: new Uint8Array(0), ifIndex: 3, state: 'INCOMPLETE' }]);
  });

  it('reads sockets from the rows', async () => {
    const { ledger, source } = setUp();
    const v4 = (word: number) => [0, 0, 0xffff, word] as const;
    const [, , l2, l3] = v4(0x0a4d0002 | 0);
    const listener = row(ledger, RowKind.listener, { protocol: 6, family: 4, state: 10, localPort: 80, inode: 7 });
    row(ledger, RowKind.connection, { protocol: 6, family: 4, state: 1, localPort: 80, remotePort: 50_000, inode: 8 });
    for (const [i, word] of [0, 0, l2, l3].entries()) ledger.setColumn(listener, (Col.local + i) as never, word);
    const sockets = (await source.read()).sockets();
    expect(sockets).toMatchObject([
      { protocol: 6, listener: true, state: 10, local: [10, 77, 0, 2], localPort: 80, instance: 7 },
      { protocol: 6, listener: false, state: 1, localPort: 80, remotePort: 50_000, instance: 8 },
    ]);
    expect(new Set(sockets.map((s) => s.id)).size).toBe(2);
  });

  it('makes one reading of one moment, and scans rows only when asked', async () => {
    const { source, nextMoment, scans } = setUp();
    const first = await source.read();
    expect(await source.read()).toBe(first);
    expect(scans()).toBe(0);
    expect(first.sockets()).toBe(first.sockets());
    expect(scans()).toBe(1);
    nextMoment();
    expect(await source.read()).not.toBe(first);
  });

  it('shows the same array of sockets while none has changed', async () => {
    const { ledger, source, nextMoment } = setUp();
    const scan = async () => {
      nextMoment();
      return (await source.read()).sockets();
    };
    expect(await scan()).toBe(await scan());
    const tcp = (localPort: number) =>
      row(ledger, RowKind.connection, { protocol: 6, family: 4, state: 1, localPort, remotePort: 50_000, inode: localPort });
    const owners = Array.from({ length: 40 }, (_, i) => tcp(100 + i));
    const first = await scan();
    expect(first.map((s) => s.localPort)).toEqual(owners.map((_, i) => 100 + i));
    owners[3]!.add(Tcp.InSegs, 1);
    ledger.setColumn(owners[3]!, Col.recvQ, 77);
    expect(await scan()).toBe(first);

    ledger.setColumn(owners[5]!, Col.state, 4);
    const second = await scan();
    expect(second.map((s, i) => [i, s.state, s === first[i]])).toEqual(first.map((_, i) => [i, i === 5 ? 4 : 1, i !== 5]));
    expect(await scan()).toBe(second);

    ledger.releaseRow(owners[0]!);
    const third = await scan();
    expect(third.map((s) => s.id)).toEqual(second.slice(1).map((s) => s.id));
    ledger.releaseRow(owners[39]!);
    expect(await scan()).toEqual(third.slice(0, -1));
    tcp(9);
    const fourth = await scan();
    expect(fourth.map((s) => s.localPort).sort((a, b) => a - b)).toEqual([9, ...owners.slice(1, -1).map((_, i) => 101 + i)]);
    expect(await scan()).toBe(fourth);
  });

  it('makes of devices, routes and neighbours only anew what has changed', async () => {
    const { source, nextMoment, tables, pass } = setUp();
    const read = async () => {
      nextMoment();
      pass(1000);
      const { interfaces, routes: r, neighbours: n } = await source.read();
      return [interfaces, r, n] as const;
    };
    const kept = (a: readonly unknown[], b: readonly unknown[]) => a.map((x, i) => x === b[i]);
    const first = await read();
    const second = await read();
    expect(kept(first, second)).toEqual([true, true, true]);
    tables.routes = routes.slice(1);
    const third = await read();
    expect(kept(second, third)).toEqual([true, false, true]);
    expect(third[1]).toHaveLength(1);
    tables.neighbours = [...neighbours, { ...neighbours[0]!, address: '10.77.0.9' }];
    const fourth = await read();
    expect(kept(third, fourth)).toEqual([true, true, false]);
    expect(fourth[2]).toHaveLength(2);
    // routes and neighbours say their device's number
    tables.devices = [{ ...device, index: 7 }];
    const fifth = await read();
    expect(kept(fourth, fifth)).toEqual([false, false, false]);
    expect([fifth[0][0]!.index, fifth[1][0]!.ifIndex, fifth[2][0]!.ifIndex]).toEqual([7, 0, 7]);
    tables.routes = routes;
    expect((await read())[1].map((x) => x.ifIndex)).toEqual([7, 0]);
  });

  it('asks for routes and neighbours once in 0.9 s, and meanwhile waits for nothing where there is a moment', async () => {
    const { source, view, nextMoment, tables, pass } = setUp();
    await source.read();
    tables.routes = [];
    pass(899);
    nextMoment();
    await view.moment();
    const reading = source.read();
    if (reading instanceof Promise) throw new Error('it waits');
    expect(reading.routes).toHaveLength(2);
    pass(1);
    expect(source.read()).toBe(reading);
    nextMoment();
    expect((await source.read()).routes).toEqual([]);
  });

  it('uses a scan for twenty times as long as it took', async () => {
    const { source, nextMoment, scans, pass, scansTake } = setUp();
    scansTake(50);
    const first = (await source.read()).sockets();
    const again = async () => {
      nextMoment();
      return (await source.read()).sockets();
    };
    pass(999);
    expect(await again()).toBe(first);
    expect(scans()).toBe(1);
    pass(1);
    await again();
    expect(scans()).toBe(2);
  });
});

describe('parseInet', () => {
  it.each([
    ['10.77.0.2', '0a4d0002'],
    ['::', '0'.repeat(32)],
    ['::1', `${'0'.repeat(31)}1`],
    ['fd77::2:0', 'fd770000000000000000000000020000'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['::ffff:1.2.3.4', '00000000000000000000ffff01020304'],
    ['fe80::1%tsn0', 'fe800000000000000000000000000001'],
  ])('%s', (text, hex) => {
    expect(Buffer.from(parseInet(text)!).toString('hex')).toBe(hex);
  });
  it.each(['', '1.2.3', ':::', 'x'])('refuses %j', (text) => {
    expect(parseInet(text)).toBeUndefined();
  });
});
