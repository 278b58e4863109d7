/** tsnetstat against a daemon that the test plays on a unix socket. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { socketPaths } from '../../cli/sources/daemon.js';
import { CELLS, Icmp, IpExt, Tcp } from '../../mib/catalogue/index.js';
import type { ConnectionDto, InterfaceDto, RouteDto } from '../../mib/dto.js';
import { Ledger } from '../../mib/ledger/ledger.js';
import { createLedgerMemory } from '../../mib/ledger/memory.js';
import { groupsOfCells } from '../../mib/snapshot.js';
import { cli, type FakeDaemon, fakeDaemon, type Handler } from './harness.js';

let daemon: FakeDaemon | undefined;
afterEach(async () => {
  await daemon?.close();
  daemon = undefined;
});
const ask = (...args: string[]) => cli([...args, '--socket', daemon!.socket]);

const HEAD = { snapshot: 7, takenAt: '2026-01-01T00:00:01.000Z', startedAt: '2026-01-01T00:00:00.000Z', consistent: true };

function someCells(): Float64Array {
  const cells = new Float64Array(new Ledger(createLedgerMemory(1), 0, 0).cells.subarray(0, CELLS));
  cells[Tcp.InSegs] = 12;
  cells[Icmp.InEchos] = 3;
  cells[IpExt.InOctets] = 2 ** 53 - 1;
  return cells;
}

function connection(over: Partial<ConnectionDto>): ConnectionDto {
  return {
    id: '3.1',
    kind: 'connection',
    protocol: 'tcp',
    family: 4,
    name: '10.77.0.2:80-10.77.0.1:45678',
    local: { address: '10.77.0.2', port: 80 },
    remote: { address: '10.77.0.1', port: 45678 },
    state: 'ESTABLISHED',
    interface: 0,
    inode: 1001,
    uid: 0,
    recvQ: 5,
    sendQ: 1448,
    timer: { kind: 'on', expiresInMs: 204, retransmits: 2, probes: 0 },
    active: false,
    listener: '0.1',
    createdAt: null,
    establishedAt: null,
    closedAt: null,
    info: {},
    ...over,
  };
}
const LISTENER = connection({
  id: '0.1',
  kind: 'listener',
  state: 'LISTEN',
  remote: { address: '0.0.0.0', port: 0 },
  recvQ: 0,
  sendQ: 128,
  timer: { kind: 'off', expiresInMs: 0, retransmits: 0, probes: 0 },
});

describe('tsnetstat -s', () => {
  it("prints the daemon's counters as netstat would print the kernel's", async () => {
    daemon = await fakeDaemon({ '/api/v1/counters': { ...HEAD, counters: groupsOfCells(someCells()) } });
    const { stdout, stderr, status } = await ask('-st');
    expect([stderr, status]).toEqual(['', 0]);
    expect(stdout).toContain('IcmpMsg:\n    InType8: 3\nTcp:\n    0 active connection openings\n');
    expect(stdout).toContain('    12 segments received\n');
    expect(stdout).toContain('IpExt:\n    InOctets: 9007199254740991\n');
    expect(stdout).not.toContain('Ip:');
    expect((await ask('-s6t')).stdout).toMatch(/^UdpLite6:\nTcp:\n {4}0 active/);
    expect((await ask('-s')).stdout).toMatch(/^Ip:\n {4}Forwarding: 2\n {4}0 total packets received\n/);
  });

  it('prints one connection by its id or its ends, and says what is unknown', async () => {
    const answer = { ...HEAD, connection: connection({}), closed: false, counters: groupsOfCells(someCells()) };
    daemon = await fakeDaemon({
      '/api/v1/connections/3.1/counters': answer,
      '/api/v1/connections/10.77.0.2:80-10.77.0.1:45678/counters': answer,
    });
    expect((await ask('-s', '--connection', '3.1')).stdout).toContain('    12 segments received\n');
    expect((await ask('-s', '--connection=10.77.0.2:80-10.77.0.1:45678')).stdout).toContain('    12 segments received\n');
    const ran = await ask('-s', '--connection', '9.9');
    expect([ran.stdout, ran.status]).toEqual(['', 1]);
    expect(ran.stderr).toBe('tsnetstat: nothing is called /api/v1/connections/9.9/counters\n');
  });

  it('says who the counts belong to: what is on the right is what is on the left', async () => {
    const counters = { Tcp: { InSegs: 12, OutSegs: 7, AttemptFails: 0 }, Udp: { NoPorts: 4 } };
    const rows = { Tcp: { InSegs: 9, OutSegs: 7, AttemptFails: 0 }, Udp: { NoPorts: 0 } };
    const closed = { Tcp: { InSegs: 2 } };
    const unattributed = { Tcp: { InSegs: 1 }, Udp: { NoPorts: 4 } };
    daemon = await fakeDaemon({ '/api/v1/counters/owners': { ...HEAD, counters, rows, closed, unattributed } });
    const { stdout, stderr, status } = await ask('-s', '--owners');
    expect([stderr, status]).toEqual(['', 0]);
    expect(stdout.split('\n').map((l) => l.split(/ +/))).toEqual([
      ['counter', 'all', 'rows', 'closed', 'unattributed'],
      ['Tcp.InSegs', '12', '9', '2', '1'],
      ['Tcp.OutSegs', '7', '7', '0', '0'],
      ['Udp.NoPorts', '4', '0', '0', '4'],
      [''],
    ]);
    const json = JSON.parse((await ask('-su', '--owners', '--json')).stdout) as Record<string, unknown>;
    expect(json).toEqual({
      ...HEAD,
      counters: { Udp: counters.Udp },
      rows: { Udp: rows.Udp },
      closed: {},
      unattributed: { Udp: { NoPorts: 4 } },
    });
    expect((await ask('--owners')).stderr).toBe('tsnetstat: --owners needs -s\n');
    expect((await ask('-s', '--owners', '--connection', '3.1')).status).toBe(3);
  });

  it('gives JSON with the snapshot in front, and says when it is not of one moment', async () => {
    daemon = await fakeDaemon({ '/api/v1/counters': { ...HEAD, consistent: false, counters: groupsOfCells(someCells()) } });
    const { stdout, stderr } = await ask('-sw4', '--json');
    const json = JSON.parse(stdout) as { counters: Record<string, Record<string, number>> };
    expect(json).toMatchObject({ snapshot: 7, consistent: false, counters: { Icmp: { InEchos: 3 } } });
    expect(Object.keys(json.counters)).toEqual(['Ip', 'Icmp', 'IcmpMsg', 'UdpLite', 'IpExt', 'MPTcpExt']);
    expect(stderr.split('\n').length).toBe(2);
  });

  it('reads an answer in chunks and one that ends with the connection', async () => {
    const body = JSON.stringify({ ...HEAD, counters: groupsOfCells(someCells()) });
    const chunked: Handler = (_, response) => {
      for (let i = 0; i < body.length; i += 1000) response.write(body.slice(i, i + 1000));
      response.end();
    };
    daemon = await fakeDaemon({ '/api/v1/counters': chunked });
    expect((await ask('-s')).stdout).toContain('    12 segments received\n');
    await daemon.close();
    const bare: Handler = (request) => request.socket.end(`HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n${body}`);
    daemon = await fakeDaemon({ '/api/v1/counters': bare });
    expect((await ask('-s')).stdout).toContain('    12 segments received\n');
  });

  it('says in one line what is wrong with an answer', async () => {
    const broken: Handler = (request) => request.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a"');
    const nonsense: Handler = (_, response) => response.end('<html>');
    const noHttp: Handler = (request) => request.socket.end('SSH-2.0\r\n');
    for (const [handler, words] of [
      [broken, 'not complete'],
      [nonsense, 'no JSON'],
      [noHttp, 'no daemon answers'],
    ] as const) {
      daemon = await fakeDaemon({ '/api/v1/counters': handler });
      const ran = await ask('-s');
      expect([ran.stdout, ran.status, ran.stderr.split('\n').length]).toEqual(['', 1, 2]);
      expect(ran.stderr).toContain(words);
      await daemon.close();
      daemon = undefined;
    }
  });
});

describe('without a daemon', () => {
  it.each(['-s', '-an', '-i', '-r', 'trace Tcp.InSegs'])('tsnetstat %s is one line and status 1', async (args) => {
    const ran = await cli([...args.split(' '), '--socket', '/nonexistent/x.sock']);
    expect([ran.stdout, ran.status]).toEqual(['', 1]);
    expect(ran.stderr).toMatch(/^tsnetstat: no daemon answers at \/nonexistent\/x\.sock \(ENOENT\).*\n$/);
  });

  it('looks for the socket where the daemon puts it', () => {
    const system = '/run/tsnetstat/tsnetstat.sock';
    expect(socketPaths({ env: { TSNETSTAT_SOCKET: '/a' }, uid: 0 }, undefined)).toEqual(['/a']);
    expect(socketPaths({ env: { TSNETSTAT_SOCKET: '/a' }, uid: 0 }, '/b')).toEqual(['/b']);
    expect(socketPaths({ env: {}, uid: 0 }, undefined)).toEqual([system]);
    expect(socketPaths({ env: { XDG_RUNTIME_DIR: '/run/user/5' }, uid: 5 }, undefined)[0]).toBe('/run/user/5/tsnetstat.sock');
    expect(socketPaths({ env: {}, uid: 5 }, undefined)).toEqual([join(tmpdir(), 'tsnetstat-5', 'tsnetstat.sock'), system]);
  });
});

describe('tables of the daemon', () => {
  it('show sockets in the columns of netstat, listeners first, all pages', async () => {
    const endpoint = connection({
      kind: 'endpoint', protocol: 'udp', family: 6, state: '', local: { address: 'fd77::2', port: 7 }, remote: { address: '::', port: 0 }, recvQ: 0,
      timer: { kind: 'off', expiresInMs: 0, retransmits: 0, probes: 0 }, sendQ: 0,
    }); // biome-ignore format: a record
    const ping = connection({ kind: 'endpoint', protocol: 'icmp', state: '' });
    const timeWait = connection({
      kind: 'time-wait',
      state: 'TIME_WAIT',
      timer: { kind: 'timewait', expiresInMs: 59_990, retransmits: 0, probes: 0 },
    });
    const pages: Handler = (request, response) => {
      const second = request.url!.includes('cursor=a%20b');
      const connections = second ? [ping, LISTENER, timeWait] : [endpoint, connection({})];
      response.end(JSON.stringify({ ...HEAD, connections, next: second ? null : 'a b' }));
    };
    daemon = await fakeDaemon({ '/api/v1/connections': pages });
    expect((await ask('-ano')).stdout).toBe(
      'Active Internet connections (servers and established)\n' +
        'Proto Recv-Q Send-Q Local Address           Foreign Address         State       Timer\n' +
        'tcp        0      0 10.77.0.2:80            0.0.0.0:*               LISTEN      off (0.00/0/0)\n' +
        'tcp        5   1448 10.77.0.2:80            10.77.0.1:45678         ESTABLISHED on (0.20/2/0)\n' +
        'tcp        5   1448 10.77.0.2:80            10.77.0.1:45678         TIME_WAIT   timewait (59.99/0/0)\n' +
        'udp6       0      0 fd77::2:7               :::*                                off (0.00/0/0)\n',
    );
    expect((await ask('-tln')).stdout.split('\n')[2]).toMatch(/LISTEN/);
    expect((await ask('-un')).stdout.split('\n').length).toBe(3);
    const json = JSON.parse((await ask('-tn', '--json')).stdout) as { connections: ConnectionDto[] };
    expect(json.connections.map((c) => c.kind)).toEqual(['connection', 'time-wait']);
  });

  it('show interfaces', async () => {
    const tap: InterfaceDto = {
      index: 2, name: 'tsn0', mac: '02:00:00:00:00:02', mtu: 1500, up: true, running: true, loopback: false, broadcast: true, multicast: true,
      promiscuous: false, addresses: [], counters: { rxPackets: 10, rxErrs: 1, rxDrop: 2, rxUnknownProtos: 3, rxFifo: 4, txPackets: 20, txErrs: 5, txDrop: 6, txFifo: 7 },
    }; // biome-ignore format: a record
    const down = { ...tap, name: 'lo', up: false, running: false };
    daemon = await fakeDaemon({ '/api/v1/interfaces': { ...HEAD, interfaces: [tap, down] } });
    const head =
      'Kernel Interface table\nIface             MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg\n';
    const line = 'tsn0             1500       10      1      5 4            20      5      6      7 BMRU\n';
    expect((await ask('-i')).stdout).toBe(head + line);
    expect((await ask('-ia')).stdout.split('\n').length).toBe(5);
    expect(JSON.parse((await ask('-i', '--json')).stdout)).toMatchObject({
      snapshot: 7,
      interfaces: [{ name: 'tsn0' }, { name: 'lo' }],
    });
  });

  it('show routes', async () => {
    const route = (r: Partial<RouteDto>): RouteDto => ({
      family: 4, destination: '10.77.0.0', prefix: 24, gateway: null, interface: 'tsn0', metric: 0, flags: 'U', ...r,
    }); // biome-ignore format: a record
    const routes = [
      route({ destination: '0.0.0.0', prefix: 0, gateway: '10.77.0.1', flags: 'UG' }),
      route({}),
      route({ family: 6, destination: 'fd77::', prefix: 64 }),
    ];
    daemon = await fakeDaemon({ '/api/v1/routes': { ...HEAD, routes } });
    expect((await ask('-rn')).stdout).toBe(
      'Kernel IP routing table\n' +
        'Destination     Gateway         Genmask         Flags   MSS Window  irtt Iface\n' +
        '0.0.0.0         10.77.0.1       0.0.0.0         UG        0 0          0 tsn0\n' +
        '10.77.0.0       0.0.0.0         255.255.255.0   U         0 0          0 tsn0\n',
    );
    expect((await ask('-r', '--json')).stdout).toContain('"fd77::"');
    expect((await ask('-6rn')).stdout.split('\n')[2]).toBe(
      'fd77::/64                      ::                         U    0   0      0 tsn0',
    );
  });

  it('show groups, of both families or of one', async () => {
    const groups = [
      { family: 4, interface: 'tsn0', group: '224.0.0.1', users: 1 },
      { family: 6, interface: 'tsn0', group: 'ff02::fb', users: 2 },
    ];
    daemon = await fakeDaemon({
      '/api/v1/groups': { ...HEAD, groups },
      '/api/v1/connections': { ...HEAD, connections: [], next: null },
    });
    const head = 'IPv6/IPv4 Group Memberships\nInterface       RefCnt Group\n--------------- ------ ---------------------\n';
    const four = 'tsn0            1      224.0.0.1\n';
    const six = 'tsn0            2      ff02::fb\n';
    expect(await ask('-gn')).toEqual({ stdout: head + four + six, stderr: '', status: 0 });
    expect((await ask('-gn6')).stdout).toMatch(new RegExp(`^Active Internet connections .*\\nProto .*\\n${head}${six}$`));
    expect(JSON.parse((await ask('-g', '--json')).stdout)).toMatchObject({ snapshot: 7, groups });
  });

  it('show neighbours, of both families or of one', async () => {
    const neighbour = { interface: 'tsn0', mac: '02:00:00:00:00:01', state: 'REACHABLE', router: false };
    const neighbours = [
      { ...neighbour, family: 4, address: '10.77.0.1' },
      { ...neighbour, family: 4, address: '10.77.0.9', mac: null, state: 'FAILED' },
      { ...neighbour, family: 6, address: 'fd77::1', router: true, state: 'STALE' },
    ];
    daemon = await fakeDaemon({ '/api/v1/neighbours': { ...HEAD, neighbours } });
    const four = '10.77.0.1 dev tsn0 lladdr 02:00:00:00:00:01 REACHABLE\n10.77.0.9 dev tsn0 FAILED\n';
    const six = 'fd77::1 dev tsn0 lladdr 02:00:00:00:00:01 router STALE\n';
    expect(await ask('neigh')).toEqual({ stdout: four + six, stderr: '', status: 0 });
    expect([(await ask('neigh', '-4')).stdout, (await ask('neigh', '-6')).stdout]).toEqual([four, six]);
    expect(JSON.parse((await ask('neigh', '-6', '--json')).stdout)).toEqual({ ...HEAD, neighbours: [neighbours[2]] });
    expect(await cli(['neigh', '--proc'])).toMatchObject({
      status: 3,
      stdout: '',
      stderr: expect.stringContaining('needs the daemon'),
    });
  });
});
