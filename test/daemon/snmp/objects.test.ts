/** What is served: names, types and values, over a made-up stack. */
import { describe, expect, it } from 'vitest';
import { notServed } from '../../../daemon/snmp/objects/catalogue.js';
import { formatOid } from '../../../daemon/snmp/oid.js';
import type { InterfaceReading } from '../../../daemon/snmp/source.js';
import { smiTags } from '../../../daemon/snmp/value.js';
import { counters as catalogue, Icmp6Msg, IcmpMsg, Ip } from '../../../mib/catalogue/index.js';
import { Dev } from '../../../mib/catalogue/interface.js';
import { testAgent, walk } from './agent.js';
import { compareNames, message, PDU, type ReadBinding } from './ber.js';
import { madeUpSockets, socket, v6 } from './fake-source.js';

const all = async () => walk(testAgent());
const byName = (bindings: ReadBinding[]) => new Map(bindings.map((b) => [b.oid, b]));
const under = (bindings: ReadBinding[], prefix: string) => bindings.filter((b) => b.oid.startsWith(`${prefix}.`));

describe('the view', () => {
  it('is walked in order, each name once, to its end', async () => {
    const names = (await all()).map((b) => b.oid);
    expect(names.length).toBeGreaterThan(500);
    for (let i = 1; i < names.length; i++) expect(compareNames(names[i - 1]!, names[i]!)).toBeLessThan(0);
  });

  it('gives the same names and values to GETNEXT, GETBULK of any size, and GET', async () => {
    const agent = testAgent();
    const bulk = await walk(agent);
    const volatile = /^1\.3\.6\.1\.2\.1\.11\./; // the agent counts what it is asked
    const stable = (list: ReadBinding[]) => list.filter((b) => !volatile.test(b.oid));
    expect(stable(await walk(agent, '0.0', 1))).toEqual(stable(bulk));
    for (const [i, b] of bulk.entries()) {
      if (volatile.test(b.oid)) continue;
      const next = await agent.ask(message(PDU.next, [i === 0 ? '0.0' : bulk[i - 1]!.oid]));
      expect(next!.bindings).toEqual([b]);
      const got = await agent.ask(message(PDU.get, [b.oid]));
      expect(got!.bindings).toEqual([b]);
    }
  });

  it('types every value as its object says', async () => {
    const agent = testAgent();
    const objects = agent.view.objects.map((o) => ({ oid: `${formatOid(o.base)}.`, tag: smiTags[o.type] }));
    const met = new Set<string>();
    for (const b of await walk(agent)) {
      const object = objects.find((o) => b.oid.startsWith(o.oid))!;
      expect(b.tag, b.oid).toBe(object.tag);
      met.add(object.oid);
    }
    expect(objects.filter((o) => !met.has(o.oid))).toEqual([]);
  });
});

describe('the catalogue', () => {
  it('has every SMI object served with its value, but those that say why not', async () => {
    const agent = testAgent();
    const served = byName(await walk(agent));
    const { cells } = agent.source;
    const missing: string[] = [];
    for (const c of catalogue) {
      for (const text of c.entry.smi ?? []) {
        const [label, oid] = text.split(' ') as [string, string];
        const [name, version, type] = label.split('.') as [string, string?, string?];
        const row = version === undefined ? '0' : `${version === 'ipv4' ? 1 : 2}${type === undefined ? '' : `.${type}`}`;
        const b = served.get(`${oid}.${row}`);
        if (!b) missing.push(name);
        else if (c.group.name !== 'Udp') {
          const value = cells[c.id]!;
          const shown = b.tag === 0x41 ? value % 2 ** 32 : b.tag === 2 ? Math.min(value, 2 ** 31 - 1) : value;
          expect(b.value, text).toBe(BigInt(shown));
        }
      }
    }
    expect(missing).toEqual(Object.keys(notServed));
  });

  it('sums UDP over both IP versions, without UDP-Lite', async () => {
    const agent = testAgent();
    const served = byName(await walk(agent));
    const id = (key: string) => catalogue.find((c) => c.key === key)!.id;
    const { cells } = agent.source;
    for (const [column, name] of ['InDatagrams', 'NoPorts', 'InErrors', 'OutDatagrams'].entries()) {
      const sum = cells[id(`Udp.${name}`)]! + cells[id(`Udp6.${name}`)]!;
      expect(served.get(`1.3.6.1.2.1.7.${column + 1}.0`)!.value).toBe(BigInt(sum) % 2n ** 32n);
    }
    const sum = cells[id('Udp.InDatagrams')]! + cells[id('Udp6.InDatagrams')]!;
    expect(served.get('1.3.6.1.2.1.7.8.0')).toMatchObject({ tag: 0x46, value: BigInt(sum) });
  });

  it('shows constants and gauges as they are', async () => {
    const served = byName(await all());
    expect(served.get('1.3.6.1.2.1.6.4.0')).toMatchObject({ tag: 2, value: -1n });
    expect(served.get('1.3.6.1.2.1.6.3.0')).toMatchObject({ tag: 2, value: 120_000n });
    expect(served.get('1.3.6.1.2.1.6.9.0')).toMatchObject({ tag: 0x42, value: 3n });
    expect(served.get('1.3.6.1.2.1.4.2.0')).toMatchObject({ tag: 2, value: 64n });
  });
});

describe('statistics by IP version', () => {
  it('have a high-capacity column with all bits beside each 32-bit one', async () => {
    const served = await all();
    const map = byName(served);
    for (const [low, high] of [
      [3, 4],
      [5, 6],
      [12, 13],
      [18, 19],
      [20, 21],
      [23, 24],
      [30, 31],
      [32, 33],
      [34, 35],
      [36, 37],
      [38, 39],
      [40, 41],
    ]) {
      for (const version of [1, 2]) {
        const narrow = map.get(`1.3.6.1.2.1.4.31.1.1.${low}.${version}`)!.value as bigint;
        const wide = map.get(`1.3.6.1.2.1.4.31.1.1.${high}.${version}`)!;
        expect(wide.tag).toBe(0x46);
        expect((wide.value as bigint) % 2n ** 32n).toBe(narrow);
        expect(wide.value as bigint).toBeGreaterThan(2n ** 32n);
      }
    }
    expect(map.has('1.3.6.1.2.1.4.31.1.1.42.1')).toBe(true);
    expect(map.has('1.3.6.1.2.1.4.31.1.1.42.2')).toBe(false);
  });

  it('show ICMP types that the catalogue names and those that were met', async () => {
    const served = await all();
    const types = (version: number) =>
      under(served, `1.3.6.1.2.1.5.30.1.3.${version}`).map((b) => Number(b.oid.split('.').at(-1)));
    expect(types(1)).toEqual([0, 3, 4, 5, 8, 11, 12, 13, 14, 17, 18, 42]);
    expect(types(2)).toEqual([1, 2, 3, 4, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 143, 200]);
    expect(byName(served).get('1.3.6.1.2.1.5.30.1.3.1.42')!.value).toBe(7n);
    expect(byName(served).get('1.3.6.1.2.1.5.30.1.4.2.200')!.value).toBe(9n);
  });
});

describe('interfaces', () => {
  it('split packets into unicast, multicast and broadcast', async () => {
    const map = byName(await all());
    const at = (oid: string) => map.get(oid)!.value;
    expect(at('1.3.6.1.2.1.2.1.0')).toBe(2n);
    expect(at('1.3.6.1.2.1.2.2.1.11.2')).toBe(9950n);
    expect(at('1.3.6.1.2.1.2.2.1.12.2')).toBe(50n);
    expect(at('1.3.6.1.2.1.31.1.1.1.2.2')).toBe(30n);
    expect(at('1.3.6.1.2.1.31.1.1.1.7.2')).toBe(9950n);
    expect(at('1.3.6.1.2.1.2.2.1.10.2')).toBe(5000n);
    expect(at('1.3.6.1.2.1.31.1.1.1.6.2')).toBe(2n ** 32n + 5000n);
    expect(at('1.3.6.1.2.1.2.2.1.6.2')).toBe('02005e100001');
    expect(at('1.3.6.1.2.1.2.2.1.6.1')).toBe('');
  });
});

describe('addresses, neighbours and routes', () => {
  it('stand under their indexes', async () => {
    const names = (await all()).map((b) => b.oid);
    const rows = (column: string) =>
      names.filter((n) => n.startsWith(`1.3.6.1.2.1.4.${column}.`)).map((n) => n.slice(`1.3.6.1.2.1.4.${column}.`.length));
    const six2 = '253.119.0.0.0.0.0.0.0.0.0.0.0.0.0.2';
    const six0 = '253.119.0.0.0.0.0.0.0.0.0.0.0.0.0.0';
    const zero16 = new Array(16).fill(0).join('.');
    expect(rows('20.1.1')).toEqual(['10.77.0.2', '127.0.0.1']);
    expect(rows('34.1.4')).toEqual([
      '1.4.10.77.0.2',
      '1.4.10.77.0.255',
      '1.4.127.0.0.1',
      `2.16.${new Array(15).fill(0).join('.')}.1`,
      `2.16.${six2}`,
      `2.16.254.128.${new Array(13).fill(0).join('.')}.2`,
    ]);
    expect(rows('22.1.1')).toEqual(['2.10.77.0.1']);
    expect(rows('35.1.7')).toEqual(['2.1.4.10.77.0.1', '2.1.4.10.77.0.77', '2.2.16.253.119.0.0.0.0.0.0.0.0.0.0.0.0.0.1']);
    expect(rows('24.4.1.1')).toEqual([
      '0.0.0.0.0.0.0.0.0.10.77.0.1',
      '10.77.0.0.255.255.255.0.0.0.0.0.0',
      '192.0.2.0.255.255.255.128.0.0.0.0.0',
    ]);
    expect(rows('24.7.1.8')).toEqual([
      '1.4.0.0.0.0.0.2.0.0.1.4.10.77.0.1',
      '1.4.10.77.0.0.24.3.0.0.2.1.4.0.0.0.0',
      '1.4.192.0.2.0.25.3.0.0.2.1.4.0.0.0.0',
      `2.16.${six0}.64.3.0.0.2.2.16.${zero16}`,
      `2.16.${six2}.128.3.0.0.1.2.16.${zero16}`,
    ]);
  });

  it('have the values a Linux agent shows', async () => {
    const map = byName(await all());
    const at = (rest: string) => map.get(`1.3.6.1.2.1.4.${rest}`)!.value;
    expect(at('20.1.3.10.77.0.2')).toBe('ffffff00');
    expect(at('34.1.4.1.4.10.77.0.255')).toBe(3n);
    expect(at('34.1.5.1.4.10.77.0.2')).toBe('1.3.6.1.2.1.4.32.1.5.2.1.4.10.77.0.0.24');
    expect(map.has(at('34.1.5.1.4.10.77.0.2') as string)).toBe(true);
    expect(at('35.1.7.2.1.4.10.77.0.77')).toBe(7n);
    expect(at('35.1.4.2.1.4.10.77.0.1')).toBe('02005e100009');
    expect([at('24.4.1.6.0.0.0.0.0.0.0.0.0.10.77.0.1'), at('24.4.1.6.10.77.0.0.255.255.255.0.0.0.0.0.0')]).toEqual([4n, 3n]);
    expect(at('24.4.1.6.192.0.2.0.255.255.255.128.0.0.0.0.0')).toBe(2n);
    expect(at('24.6.0')).toBe(5n);
    // what snmpd shows of the same host on Linux 6.18
    expect(at('24.7.1.8.2.16.253.119.0.0.0.0.0.0.0.0.0.0.0.0.0.2.128.3.0.0.1.2.16.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0')).toBe(3n);
    const linkLocal = `2.16.254.128.${new Array(13).fill(0).join('.')}.2`;
    expect([at(`34.1.11.${linkLocal}`), at('34.1.11.2.16.253.119.0.0.0.0.0.0.0.0.0.0.0.0.0.2')]).toEqual([4n, 2n]);
    expect([at(`34.1.7.${linkLocal}`), at('34.1.7.1.4.10.77.0.2')]).toEqual([6n, 1n]);
    const zones = Array.from({ length: 12 }, (_, i) => at(`36.1.${i + 2}.2`));
    expect(zones).toEqual([2n, ...new Array<bigint>(11).fill(0n)]);
    expect(map.has('1.3.6.1.2.1.4.36.1.2.1')).toBe(false);
    expect(at('24.3.0')).toBe(3n);
  });
});

describe('sockets', () => {
  it('are in the tables they belong to', async () => {
    const served = await all();
    const count = (column: string) => under(served, `1.3.6.1.2.1.${column}`).length;
    expect(count('6.13.1.1')).toBe(12);
    expect(count('6.19.1.7')).toBe(12);
    expect(count('6.20.1.4')).toBe(2);
    expect(count('7.5.1.1')).toBe(3);
    expect(count('7.7.1.8')).toBe(4);
  });

  it('map their states as TCP-MIB numbers them', async () => {
    const map = byName(await all());
    const expected: Record<number, bigint> = { 1: 5n, 2: 3n, 3: 4n, 4: 6n, 5: 7n, 6: 11n, 7: 1n, 8: 8n, 9: 9n, 11: 10n, 12: 4n };
    for (const s of madeUpSockets()) {
      if (s.protocol !== 6 || s.listener || s.local.length !== 4) continue;
      const index = [...s.local, s.localPort, ...s.remote, s.remotePort].join('.');
      expect(map.get(`1.3.6.1.2.1.6.13.1.1.${index}`)!.value, `state ${s.state}`).toBe(expected[s.state]);
      const neutral = [1, 4, ...s.local, s.localPort, 1, 4, ...s.remote, s.remotePort].join('.');
      expect(map.get(`1.3.6.1.2.1.6.19.1.7.${neutral}`)!.value).toBe(expected[s.state]);
    }
    expect(map.get('1.3.6.1.2.1.6.13.1.1.0.0.0.0.80.0.0.0.0.0')!.value).toBe(2n);
    expect(map.get(`1.3.6.1.2.1.6.20.1.4.2.16.${new Array(16).fill(0).join('.')}.65535`)).toMatchObject({ tag: 0x42, value: 0n });
  });

  it('are walked on rightly while they come and go', async () => {
    const agent = testAgent();
    const column = '1.3.6.1.2.1.6.20.1.4';
    const listeners = [10, 20, 30, 40].map((localPort) => socket({ state: 10, listener: true, localPort }));
    agent.source.sockets = listeners;
    const first = await agent.ask(message(PDU.bulk, [column], { b: 2 }));
    expect(first!.bindings.map((b) => b.oid.split('.').at(-1))).toEqual(['10', '20']);
    agent.source.sockets = [...listeners.filter((l) => l.localPort !== 20), socket({ state: 10, listener: true, localPort: 25 })];
    const second = await agent.ask(message(PDU.bulk, [first!.bindings[1]!.oid], { b: 2 }));
    expect(second!.bindings.map((b) => b.oid.split('.').at(-1))).toEqual(['25', '30']);
  });
});

describe('what is kept from one request to the next', () => {
  const at = async (agent: ReturnType<typeof testAgent>, ...oids: string[]) =>
    (await agent.ask(message(PDU.get, oids)))!.bindings.map((b) => (b.tag >= 0x80 ? undefined : b.value));
  const rowsOf = async (agent: ReturnType<typeof testAgent>, column: string) => under(await walk(agent, column), column).length;

  it('is rows, while the interfaces, routes, neighbours and types are the same: counters move in them', async () => {
    const agent = testAgent();
    const byObject = () => {
      const r = agent.source.reading();
      return agent.view.objects.filter((o) => !/^(tcp|udp)/.test(o.name)).map((o) => [o.name, o.rows(r)] as const);
    };
    const before = byObject();
    await walk(agent);
    agent.source.cells = agent.source.cells.map((n) => (n === 0 ? 0 : n + 1));
    const changed = byObject().filter(([, rows], i) => rows !== before[i]![1]);
    expect(changed.map(([name]) => name)).toEqual([]);
    expect(before.length).toBeGreaterThan(200);
  });

  it('follows counters of devices and of the host', async () => {
    const agent = testAgent();
    const oids = ['1.3.6.1.2.1.2.2.1.10.2', '1.3.6.1.2.1.4.31.1.1.4.1', '1.3.6.1.2.1.5.30.1.3.1.42'];
    expect(await at(agent, ...oids)).toEqual([5000n, BigInt(2 ** 32 + 1000 + Ip.InReceives), 7n]);
    agent.source.devices[1]![Dev.rxBytes] = 77;
    agent.source.cells[Ip.InReceives] = 78;
    agent.source.cells[IcmpMsg.In + 42] = 79;
    expect(await at(agent, ...oids)).toEqual([77n, 78n, 79n]);
  });

  it('is forgotten when an interface changes', async () => {
    const agent = testAgent();
    const [lo, tap] = agent.source.interfaces as [InterfaceReading, InterfaceReading];
    const [up, mtu, mask] = ['1.3.6.1.2.1.2.2.1.8.2', '1.3.6.1.2.1.2.2.1.4.2', '1.3.6.1.2.1.4.20.1.3.10.77.0.2'];
    expect(await at(agent, up, mtu, mask)).toEqual([1n, 1500n, 'ffffff00']);
    const addresses = tap.addresses.filter((a) => a.octets.length === 16);
    agent.source.interfaces = [lo, { ...tap, running: false, mtu: 9000, addresses }];
    expect(await at(agent, up, mtu, mask)).toEqual([7n, 9000n, undefined]);
    agent.source.interfaces = [lo];
    expect(await at(agent, '1.3.6.1.2.1.2.1.0', up, '1.3.6.1.2.1.31.1.2.1.3.0.2')).toEqual([1n, undefined, undefined]);
    for (const [column, rows] of [
      ['1.3.6.1.2.1.2.2.1.2', 1],
      ['1.3.6.1.2.1.31.1.1.1.1', 1],
      ['1.3.6.1.2.1.31.1.2.1.3', 2],
      ['1.3.6.1.2.1.4.32.1.5', 2],
      ['1.3.6.1.2.1.4.34.1.4', 2],
      ['1.3.6.1.2.1.4.36.1.2', 0],
    ] as const)
      expect(await rowsOf(agent, column), column).toBe(rows);
  });

  it('is forgotten when a route or a neighbour comes, changes or goes', async () => {
    const agent = testAgent();
    const metric = '1.3.6.1.2.1.4.24.4.1.11.10.77.0.0.255.255.255.0.0.0.0.0.0';
    const state = '1.3.6.1.2.1.4.35.1.7.2.1.4.10.77.0.77';
    expect(await at(agent, metric, state)).toEqual([0n, 7n]);
    const { routes, neighbours } = agent.source;
    agent.source.routes = [...routes.slice(1).map((r) => ({ ...r, metric: 8 })), { ...routes[3]!, destination: v6(9) }];
    agent.source.neighbours = neighbours.slice(1).map((n) => ({ ...n, state: 'FAILED' }));
    expect(await at(agent, metric, state, '1.3.6.1.2.1.4.24.3.0', '1.3.6.1.2.1.4.24.6.0')).toEqual([8n, 5n, 2n, 5n]);
    expect(await rowsOf(agent, '1.3.6.1.2.1.4.21.1.1')).toBe(2);
    expect(await rowsOf(agent, '1.3.6.1.2.1.4.37.1.4')).toBe(0);
    expect(await rowsOf(agent, '1.3.6.1.2.1.4.35.1.7')).toBe(2);
    expect(await rowsOf(agent, '1.3.6.1.2.1.4.22.1.1')).toBe(0);
  });

  it('is forgotten when an ICMP type is met or no longer there', async () => {
    const agent = testAgent();
    const [met, gone] = ['1.3.6.1.2.1.5.30.1.4.2.77', '1.3.6.1.2.1.5.30.1.3.1.42'];
    expect(await at(agent, met, gone)).toEqual([undefined, 7n]);
    agent.source.cells[Icmp6Msg.Out + 77] = 3;
    agent.source.cells[IcmpMsg.In + 42] = 0;
    expect(await at(agent, met, gone)).toEqual([3n, undefined]);
    agent.source.cells = new Float64Array(agent.source.cells.length);
    expect(await rowsOf(agent, '1.3.6.1.2.1.5.30.1.3')).toBe(11 + 15);
  });
});
