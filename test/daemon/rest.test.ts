import { Value } from 'typebox/value';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Log } from '../../daemon/log.js';
import { MetricsPages } from '../../daemon/prometheus/pages.js';
import { buildRest, type RestApp } from '../../daemon/rest/app.js';
import * as schemas from '../../daemon/rest/schemas.js';
import { TracePump } from '../../daemon/trace/pump.js';
import { View } from '../../daemon/view.js';
import { counters, Tcp } from '../../mib/catalogue/index.js';
import type { ConnectionsDto, CounterOwnersDto, CountersDto } from '../../mib/dto.js';
import { RowKind } from '../../mib/ledger/layout.js';
import { TimeWaitWriter } from '../../mib/ledger/time-wait.js';
import { type MadeUpStack, madeUpStack, PEER, US } from './made-up-stack.js';

const sysctl = new Map([
  ['net.ipv4.tcp_sack', '1'],
  ['net.core.somaxconn', '4096'],
]);
let stack: MadeUpStack;
let view: View;
let app: RestApp;
let stopping = false;
const logged: string[] = [];

beforeAll(async () => {
  ({ stack } = madeUpStack());
  view = new View(stack, { cacheMs: 0, timeoutMs: 500 });
  const info = { version: '1.2.3', mode: 'tap' };
  app = await buildRest({
    view,
    pump: new TracePump(view.reader, { wallOffsetUs: 0, deviceName: String }),
    sysctl: {
      names: () => [...sysctl.keys()],
      get: (n) => sysctl.get(n),
      set: (n, v) => sysctl.has(n) && /^\d+$/.test(String(v)) && sysctl.set(n, String(v)) !== undefined,
    },
    metrics: new MetricsPages(view, info),
    info,
    log: new Log({ level: 'debug', json: false, write: (l) => logged.push(l) }),
    token: '',
    doors: () => ['http://127.0.0.1:9700', 'unix:/x<y>.sock'],
    stopping: () => stopping,
  });
});
afterAll(() => app.close());

async function get(url: string): Promise<{ status: number; type: string; headers: Record<string, unknown>; body: string }> {
  const r = await app.fastify.inject({ method: 'GET', url });
  return { status: r.statusCode, type: String(r.headers['content-type']), headers: r.headers, body: r.body };
}
async function json<T>(url: string): Promise<T> {
  const r = await get(url);
  expect([r.status, r.type], r.body).toEqual([200, 'application/json; charset=utf-8']);
  return JSON.parse(r.body) as T;
}

describe('answers', () => {
  it.each([
    ['/api/v1/counters', schemas.Counters],
    ['/api/v1/counters/owners', schemas.CounterOwners],
    ['/api/v1/connections', schemas.Connections],
    ['/api/v1/connections?closed=true', schemas.Connections],
    ['/api/v1/connections/1.1', schemas.OneConnection],
    ['/api/v1/connections/1.1/counters', schemas.ConnectionCounters],
    ['/api/v1/interfaces', schemas.Interfaces],
    ['/api/v1/routes', schemas.Routes],
    ['/api/v1/neighbours', schemas.Neighbours],
    ['/api/v1/groups', schemas.Groups],
    ['/api/v1/sysctl', schemas.Sysctls],
    ['/healthz', schemas.Health],
    ['/readyz', schemas.Health],
  ] as const)('%s is of its schema', async (url, schema) => {
    const answer = await json(url);
    expect(Value.Errors(schema, answer)).toEqual([]);
    expect(answer).toMatchObject({
      startedAt: '2023-11-14T22:13:20.000Z',
      takenAt: '2023-11-14T22:13:24.000Z',
      consistent: true,
    });
  });

  it('counters: all of the ledger, by group', async () => {
    const answer = await json<CountersDto>('/api/v1/counters');
    expect(answer.snapshot).toBeGreaterThan(0);
    expect(Object.keys(answer.counters)).toEqual(Object.keys((await view.snapshot()).counters()));
    expect(answer.counters['Tcp']!['InSegs']).toBe(stack.ledger.cells[Tcp.InSegs]);
    expect(answer.counters['IcmpMsg']).toEqual({ InType8: 88, OutType0: 80, OutType3: 83 });
  });
  it('counters of some groups, without zeros', async () => {
    const answer = await json<CountersDto>('/api/v1/counters?group=Tcp&group=Udp,Icmp&nonzero=true');
    expect(Object.keys(answer.counters)).toEqual(['Icmp', 'Tcp', 'Udp']);
    expect(Object.values(answer.counters['Icmp']!)).not.toContain(0);
    expect(answer.counters['Icmp']).not.toHaveProperty('InRedirects');
  });
  it('whose the counters are: what rows, closed rows and nobody had is all there is', async () => {
    const answer = await json<CounterOwnersDto>('/api/v1/counters/owners');
    const of = (sums: CounterOwnersDto['rows'], group: string, name: string) => sums[group]?.[name] ?? 0;
    for (const [group, values] of Object.entries(answer.counters)) {
      for (const [name, all] of Object.entries(values)) {
        const sum = of(answer.rows, group, name) + of(answer.closed, group, name) + of(answer.unattributed, group, name);
        expect(sum, `${group}.${name}`).toBe(all);
      }
    }
    expect([answer.rows['Tcp']!['InSegs'], answer.closed['Tcp']!['RetransSegs']]).toEqual([8, 4]);
    expect(answer.counters['Tcp']).not.toHaveProperty('RtoMin');
    const some = await json<CounterOwnersDto>('/api/v1/counters/owners?group=Udp&nonzero=true');
    expect([some.rows, some.closed]).toEqual([{ Udp: { InDatagrams: 5 } }, { Udp: {} }]);
    expect((await get('/api/v1/counters/owners?group=Foo')).status).toBe(400);
  });
  it("counters as the kernel's files", async () => {
    const all = await get('/api/v1/counters?format=proc');
    expect([all.status, all.type]).toEqual([200, 'text/plain; charset=utf-8']);
    expect(all.headers['x-tsnetstat-snapshot']).toMatch(/^\d+$/);
    const snmp = (await get('/api/v1/counters?format=proc&file=snmp')).body;
    const value = stack.ledger.cells[Tcp.InSegs];
    expect(/^Tcp: 1 200 120000 -1 (\d+ ){5}(\d+) /m.exec(snmp)?.[2]).toBe(String(value));
    expect(all.body.startsWith(snmp)).toBe(true);
    expect(all.body).toMatch(/^TcpExt: SyncookiesSent /m);
    expect(all.body).toMatch(/^Ip6InReceives\s+\d+$/m);
  });
});

describe('a TIME-WAIT entry', () => {
  it('is listed and shown, but has no counters of its own', async () => {
    const writer = new TimeWaitWriter(stack.memory);
    const words = (w3: number) => ({ w0: 0, w1: 0, w2: 0xffff, w3 });
    writer.open(0, 4, words(0x0a4d0002), 13, words(0x0a4d0001), 50000, 6);
    const name = '10.77.0.2:13-10.77.0.1:50000';
    const { connections } = await json<ConnectionsDto>('/api/v1/connections?local=10.77.0.2:13');
    expect(connections.map((c) => [c.name, c.state, c.kind])).toEqual([[name, 'TIME_WAIT', 'time-wait']]);
    for (const id of [name, connections[0]!.id]) {
      expect((await get(`/api/v1/connections/${id}`)).status).toBe(200);
      const counters = await get(`/api/v1/connections/${id}/counters`);
      expect([counters.status, JSON.parse(counters.body).code ?? counters.body]).toEqual([
        404,
        expect.stringContaining('no-connection'),
      ]);
    }
    writer.close(0);
  });
});

describe('connections', () => {
  const names = async (query: string) =>
    (await json<ConnectionsDto>(`/api/v1/connections${query}`)).connections.map((c) => c.name);
  const listener = '10.77.0.2:80-0.0.0.0:0';
  const first = '10.77.0.2:80-10.77.0.1:45678';
  const second = '10.77.0.2:80-10.77.0.1:45679';
  const endpoint = '10.77.0.2:7-0.0.0.0:0';
  const timeWait = '10.77.0.2:9-10.77.0.1:45680';

  it.each([
    ['', [listener, first, second, endpoint, timeWait]],
    ['?state=established', [first]],
    ['?state=LISTEN,time-wait', [listener, timeWait]],
    ['?kind=connection', [first, second]],
    ['?kind=connection&kind=endpoint&state=CLOSE_WAIT', [second]],
    ['?protocol=udp', [endpoint]],
    ['?local=:80', [listener, first, second]],
    ['?local=10.77.0.2:9', [timeWait]],
    ['?local=10.77.0.3', []],
    ['?remote=10.77.0.1', [first, second, timeWait]],
    ['?remote=10.77.0.1:45679&kind=connection', [second]],
    ['?closed=true', ['10.77.0.2:80-10.77.0.1:45000']],
    ['?closed=true&kind=listener', []],
  ])('%s', async (query, expected) => {
    expect(await names(query)).toEqual(expected);
  });

  it('come in pages that miss none and repeat none', async () => {
    const seen: string[] = [];
    let cursor: string | null = '';
    let pages = 0;
    while (cursor !== null) {
      const page: ConnectionsDto = await json<ConnectionsDto>(`/api/v1/connections?limit=2&cursor=${cursor}`);
      seen.push(...page.connections.map((c) => c.name));
      expect(page.connections.length).toBeLessThanOrEqual(2);
      cursor = page.next;
      pages++;
    }
    expect([seen, pages]).toEqual([[listener, first, second, endpoint, timeWait], 3]);
  });

  it('are found by id and by name, with their own counters and the global constants', async () => {
    for (const id of ['1.1', first, encodeURIComponent(first)]) {
      const c = await json<{ connection: { id: string; listener: string }; counters: CountersDto['counters'] }>(
        `/api/v1/connections/${id}/counters`,
      );
      expect(c.connection).toMatchObject({ id: '1.1', listener: '0.1', state: 'ESTABLISHED', recvQ: 100, sendQ: 2000 });
      expect(c.counters['Tcp']).toMatchObject({ InSegs: 7, OutSegs: 9, CurrEstab: 1, RtoMin: 200, MaxConn: -1, ActiveOpens: 0 });
      expect(c.counters['TcpExt']).toMatchObject({ TCPHPHits: 3, ListenDrops: 0 });
      const constants = counters.filter((x) => x.entry.kind === 'constant').map((x) => x.key);
      const moved = Object.entries(c.counters)
        .flatMap(([group, values]) => Object.entries(values).map(([name, n]) => [`${group}.${name}`, n] as const))
        .filter(([key, n]) => n !== 0 && !constants.includes(key));
      expect(Object.fromEntries(moved)).toEqual({ 'Tcp.InSegs': 7, 'Tcp.OutSegs': 9, 'Tcp.CurrEstab': 1, 'TcpExt.TCPHPHits': 3 });
    }
  });

  it('are found in the history when they have ended', async () => {
    const c = await json<{ closed: boolean; counters: CountersDto['counters'] }>('/api/v1/connections/5.1/counters');
    expect([c.closed, c.counters['Tcp']!['RetransSegs']]).toEqual([true, 4]);
  });

  it('go on being found while rows come and go', async () => {
    const owner = stack.addRow({ kind: RowKind.connection, protocol: 6, state: 1, local: [US, 80], remote: [PEER, 50000] });
    expect(await names('?remote=:50000')).toEqual(['10.77.0.2:80-10.77.0.1:50000']);
    stack.ledger.releaseRow(owner);
    expect(await names('?remote=:50000')).toEqual([]);
  });
});

describe('problems', () => {
  it.each([
    ['/nowhere', 404, 'not-found', '/nowhere: see / for what is here'],
    ['/api/v1/counters?group=TCP', 400, 'unknown-group', undefined],
    ['/api/v1/counters?gruop=Tcp', 400, 'bad-parameter', 'gruop: no such parameter of the query'],
    ['/api/v1/counters?format=xml', 400, 'bad-parameter', 'format: must be equal to one of the allowed values: json, proc'],
    ['/api/v1/counters?nonzero=perhaps', 400, 'bad-parameter', 'nonzero: must be boolean'],
    ['/api/v1/counters?file=snmp', 400, 'bad-parameter', 'file: only with format=proc'],
    ['/api/v1/counters?format=proc&group=Tcp', 400, 'bad-parameter', 'group and nonzero: only with format=json'],
    ['/api/v1/interfaces?x=1', 400, 'bad-parameter', 'x: no such parameter of the query'],
    ['/api/v1/connections?limit=0', 400, 'bad-parameter', 'limit: must be >= 1'],
    ['/api/v1/connections?cursor=x', 400, 'bad-cursor', undefined],
    ['/api/v1/connections?kind=socket', 400, 'bad-parameter', undefined],
    ['/api/v1/connections?state=OPEN', 400, 'bad-parameter', undefined],
    ['/api/v1/connections?local=80', 400, 'bad-parameter', undefined],
    ['/api/v1/connections?remote=:99999', 400, 'bad-parameter', undefined],
    ['/api/v1/connections/99.1', 404, 'no-connection', undefined],
    ['/api/v1/connections/1.2/counters', 404, 'no-connection', undefined],
    ['/api/v1/connections/10.77.0.2:80/counters', 404, 'no-connection', undefined],
    ['/api/v1/connections/%zz', 400, 'bad-parameter', undefined],
    ['/api/v1/sysctl/net.ipv4.tcp_none', 404, 'no-sysctl', 'net.ipv4.tcp_none: this stack has no such sysctl'],
    ['/api/v1/trace', 400, 'bad-parameter', "query: must have required property 'probe'"],
    ['/api/v1/trace?probe=Tcp.None', 400, 'unknown-probe', undefined],
    ['/api/v1/trace?probe=,', 400, 'unknown-probe', 'probe: none was named'],
  ])('%s is %i', async (url, status, kind, detail) => {
    const r = await get(url);
    expect([r.status, r.type]).toEqual([status, 'application/problem+json; charset=utf-8']);
    const problem = JSON.parse(r.body) as Record<string, unknown>;
    expect(Value.Errors(schemas.ProblemSchema, problem)).toEqual([]);
    expect(problem).toMatchObject({ type: `urn:tsnetstat:problem:${kind}`, status });
    if (detail) expect(problem['detail']).toBe(detail);
  });

  it('wrong methods are 405 and say which are right', async () => {
    for (const [method, url, allow] of [
      ['POST', '/api/v1/counters', 'GET'],
      ['DELETE', '/api/v1/sysctl/net.ipv4.tcp_sack', 'GET, PUT'],
      ['POST', '/metrics', 'GET'],
    ] as const) {
      const r = await app.fastify.inject({ method, url });
      expect([r.statusCode, r.headers['allow'], (r.json() as { type: string }).type]).toEqual([
        405,
        allow,
        'urn:tsnetstat:problem:method-not-allowed',
      ]);
    }
  });

  it('a failure of our own is a 500 that tells nothing, and a line in the log', async () => {
    const devices = stack.devices.bind(stack);
    stack.devices = () => Promise.reject(new Error('secret inner detail'));
    const broken = new View(stack, { cacheMs: 0, timeoutMs: 100 });
    const original = view.moment;
    view.moment = () => broken.moment();
    const r = await get('/api/v1/interfaces');
    view.moment = original;
    stack.devices = devices;
    expect([r.status, (JSON.parse(r.body) as { detail: string }).detail]).toEqual([500, 'see the log of the daemon']);
    expect(logged.join('')).toContain('secret inner detail');
  });

  it('the stack silent: alive, but not ready', async () => {
    const quick = view.snapshot;
    const impatient = new View(stack, { cacheMs: 0, timeoutMs: 5 });
    view.snapshot = () => impatient.snapshot();
    stack.answers = false;
    const [health, ready] = [await get('/healthz'), await get('/readyz')];
    stack.answers = true;
    view.snapshot = quick;
    expect([health.status, (JSON.parse(health.body) as { consistent: boolean }).consistent]).toEqual([200, false]);
    expect([ready.status, (JSON.parse(ready.body) as { type: string }).type]).toEqual([
      503,
      'urn:tsnetstat:problem:stack-silent',
    ]);
  });

  it('stopping: not ready', async () => {
    stopping = true;
    const ready = await get('/readyz');
    stopping = false;
    expect(ready.status).toBe(503);
  });
});

describe('sysctl', () => {
  it('is shown, also by prefix and one by one', async () => {
    expect((await json<{ sysctl: object }>('/api/v1/sysctl')).sysctl).toEqual(Object.fromEntries(sysctl));
    expect((await json<{ sysctl: object }>('/api/v1/sysctl?prefix=net.core')).sysctl).toEqual({ 'net.core.somaxconn': '4096' });
    expect((await json<{ sysctl: object }>('/api/v1/sysctl/net.ipv4.tcp_sack')).sysctl).toEqual({ 'net.ipv4.tcp_sack': '1' });
  });
  it('is changed by no other door than the unix socket', async () => {
    const r = await app.fastify.inject({ method: 'PUT', url: '/api/v1/sysctl/net.ipv4.tcp_sack', payload: { value: 0 } });
    expect([r.statusCode, (r.json() as { type: string }).type]).toEqual([403, 'urn:tsnetstat:problem:unix-socket-only']);
    expect(sysctl.get('net.ipv4.tcp_sack')).toBe('1');
  });
});

describe('documents', () => {
  it('the page names the doors and links what is there', async () => {
    const r = await get('/');
    expect([r.status, r.type]).toEqual([200, 'text/html; charset=utf-8']);
    expect(r.headers['content-security-policy']).toContain("default-src 'none'");
    expect(r.body).toContain('unix:/x&lt;y&gt;.sock');
    const links = [...r.body.matchAll(/href="([^"]+)"/g)].map((m) => m[1]!).filter((l) => !l.includes('/trace?'));
    expect(links.length).toBeGreaterThan(8);
    for (const link of links) expect([link, (await get(link)).status]).toEqual([link, 200]);
  });

  it('openapi.json describes every route, and every reference in it is there', async () => {
    const document = await json<{
      openapi: string;
      paths: Record<string, Record<string, { responses: object; parameters: object[] }>>;
      components: object;
    }>('/openapi.json');
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths)).toEqual([
      '/api/v1/counters',
      '/api/v1/counters/owners',
      '/api/v1/interfaces',
      '/api/v1/routes',
      '/api/v1/neighbours',
      '/api/v1/groups',
      '/api/v1/connections',
      '/api/v1/connections/{id}',
      '/api/v1/connections/{id}/counters',
      '/api/v1/sysctl',
      '/api/v1/sysctl/{name}',
      '/api/v1/trace',
      '/healthz',
      '/readyz',
    ]);
    expect(Object.keys(document.paths['/api/v1/sysctl/{name}']!)).toEqual(['get', 'put']);
    const text = JSON.stringify(document);
    for (const [, ref] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      const target = ref!.split('/').reduce<unknown>((at, step) => (at as Record<string, unknown>)[step], document);
      expect(target, ref).toBeTypeOf('object');
    }
    const operations = Object.values(document.paths).flatMap((p) => Object.values(p)) as unknown as { operationId: string }[];
    expect(new Set(operations.map((o) => o.operationId)).size).toBe(operations.length);
    for (const [path, methods] of Object.entries(document.paths))
      for (const name of path.match(/\{(\w+)\}/g) ?? [])
        for (const o of Object.values(methods))
          expect(o.parameters).toContainEqual(expect.objectContaining({ name: name.slice(1, -1), in: 'path', required: true }));
  });

  it('both metrics pages are there, by Accept', async () => {
    const text = await get('/metrics');
    expect([text.status, text.type]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
    expect(text.body).toContain(`tsnetstat_tcp_in_segs_total ${stack.ledger.cells[Tcp.InSegs]}\n`);
    const open = await app.fastify.inject({ url: '/metrics/node', headers: { accept: 'application/openmetrics-text' } });
    expect(open.headers['content-type']).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(open.body).toContain('# TYPE node_netstat_Tcp_InSegs unknown\n');
  });
});
