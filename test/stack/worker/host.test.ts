/** A stack on a thread, in the embedded mode that every machine can run. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Icmp, Ip, Udp } from '../../../mib/catalogue/index.js';
import { Col, headerAt, Info, RowKind, rowAt } from '../../../mib/ledger/layout.js';
import { LedgerReader } from '../../../mib/ledger/reader.js';
import { PCAP_MAGIC } from '../../../stack/link/pcap.js';
import { type StackHost, StackStartError } from '../../../stack/worker/host.js';
import { embeddedConfig, next, OWN, startEmbedded } from '../../support/embedded-host.js';

let host: StackHost;
let reader: LedgerReader;
const asking = { timeoutMs: 2000, wake: () => host.wake() };
beforeAll(async () => {
  host = await startEmbedded();
  reader = new LedgerReader(host.memory);
});
afterAll(() => host.stop());

/** Asks until the condition holds; the test's own time-out is the limit. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe('a stack on a thread', () => {
  it('publishes snapshots when asked, asleep or not, each newer than the last', async () => {
    let last = await reader.snapshot(asking);
    for (let i = 0; i < 50; i++) {
      const s = await reader.snapshot(asking);
      expect(s.consistent).toBe(true);
      expect(s.header().snapshot).toBeGreaterThan(last.header().snapshot);
      last = s;
    }
    expect(Math.abs(last.takenAtUnixMs - Date.now())).toBeLessThan(5000);
  });

  it('shows the second host pinging it and sending datagrams', async () => {
    const moved = async (id: number) => (await reader.snapshot(asking)).cells[id]! > 0;
    await until(async () => (await moved(Icmp.InEchos)) && (await moved(Udp.InDatagrams)) && (await moved(Ip.OutRequests)));
  }, 15_000);

  it('tells its devices, routes, groups and neighbours', async () => {
    const devices = await host.devices();
    expect(devices.map((d) => [d.index, d.name, d.mac, d.mtu])).toEqual([
      [1, 'lo', '00:00:00:00:00:00', 65536],
      [2, 'wire0', '02:00:0a:4d:00:02', 1500],
    ]);
    expect(devices[1]!.addresses).toEqual([{ address: '10.77.0.2', prefix: 24, state: 'preferred' }]);
    const routes = await host.routes();
    expect(routes.map((r) => `${r.destination}/${r.prefix} ${r.gateway} ${r.flags}`).sort()).toEqual([
      '0.0.0.0/0 10.77.0.1 UG',
      '10.77.0.0/24 null U',
    ]);
    expect((await host.groups()).map((g) => [g.interface, g.group, g.users])).toEqual([
      ['lo', '224.0.0.1', 1],
      ['wire0', '224.0.0.1', 1],
    ]);
    await until(async () => (await host.neighbours()).some((n) => n.address === '10.77.0.1' && n.mac === '02:00:0a:4d:00:01'));
  }, 15_000);

  it('refreshes the information of rows on request', async () => {
    for (let i = 0; i < 20; i++) expect(await reader.refreshInfo(asking)).toBe(true);
  });

  it('brings queue lengths, timers and tcp_info of connections up to date when asked', async () => {
    const server = host.sockets.createServer((s) => s.pause());
    server.listen({ port: 6500, host: OWN });
    await next(server, 'listening');
    const s = host.sockets.connect({ host: OWN, port: 6500 });
    await next(s, 'connect');
    s.write(Buffer.alloc(3 << 20)); // more than the ring of the server's stream holds
    const ints = new Int32Array(host.memory.cells);
    const cells = new Float64Array(host.memory.cells);
    const find = (column: number) => {
      for (let row = 0; row < reader.rowsTop(); row++) {
        const at = headerAt(row);
        if (ints[at + Col.kind] === RowKind.connection && ints[at + column] === 6500) return row;
      }
      return -1;
    };
    await until(async () => {
      expect(await reader.refreshInfo(asking)).toBe(true);
      const [here, there] = [find(Col.localPort), find(Col.remotePort)];
      return here >= 0 && there >= 0 && ints[headerAt(here) + Col.recvQ]! > 0 && ints[headerAt(there) + Col.sendQ]! > 0;
    });
    const there = rowAt(find(Col.remotePort));
    expect(cells[there + Info.tcpi_snd_mss]).toBeGreaterThan(500);
    expect(cells[there + Info.tcpi_rtt]).toBeGreaterThan(0);
    expect(cells[there + Info.tcpi_bytes_acked]).toBeGreaterThan(100_000);
    s.destroy();
    server.close();
  }, 20_000);

  it('shares its sysctls', async () => {
    expect(host.setSysctl('net.ipv4.icmp_echo_ignore_all', 1)).toBe(true);
    expect(host.setSysctl('net.ipv4.no_such_thing', 1)).toBe(false);
    expect(host.setSysctl('net.ipv4.ip_default_ttl', 300)).toBe(false);
    // echoes that come in from now on are not answered
    const cell = async (id: number) => (await reader.snapshot(asking)).cells[id]!;
    const answered = await cell(Icmp.OutEchoReps);
    const asked = await cell(Icmp.InEchos);
    await until(async () => (await cell(Icmp.InEchos)) > asked + 1);
    expect(await cell(Icmp.OutEchoReps)).toBe(answered);
    host.setSysctl('net.ipv4.icmp_echo_ignore_all', 0);
  }, 20_000);
});

describe('the life of a stack on a thread', () => {
  it('ends soon, may be stopped twice, and answers nothing afterwards', async () => {
    const h = await startEmbedded();
    const started = performance.now();
    await Promise.all([h.stop(), h.stop()]);
    await h.stop();
    expect(performance.now() - started).toBeLessThan(3000);
    expect(h.running).toBe(false);
    expect(await h.routes()).toEqual([]);
    h.wake();
  });

  it('writes what it sends and receives into a pcap file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tsn-pcap-'));
    const file = join(folder, 'frames.pcap');
    const h = await startEmbedded({ pcap: file });
    const r = new LedgerReader(h.memory);
    await until(async () => (await r.snapshot({ timeoutMs: 2000, wake: () => h.wake() })).cells[Ip.InReceives]! > 0);
    await h.stop();
    const b = readFileSync(file);
    expect(b.readUInt32LE(0)).toBe(PCAP_MAGIC);
    expect(b.length).toBeGreaterThan(24 + 16 + 14);
    rmSync(folder, { recursive: true });
  }, 15_000);

  it('does not start with what cannot be, and says why', async () => {
    await expect(startEmbedded({ pcap: '/nonexistent/x.pcap' })).rejects.toMatchObject({
      name: 'StackStartError',
      code: 'ENOENT',
    });
    await expect(startEmbedded({ addresses: ['10.77.0.2'] })).rejects.toBeInstanceOf(StackStartError);
    await expect(startEmbedded({ mac: 'no mac' })).rejects.toThrow(/MAC/);
    await expect(startEmbedded({ sysctl: { 'net.ipv4.nothing': 1 } })).rejects.toThrow(/net\.ipv4\.nothing/);
    expect(existsSync('/nonexistent')).toBe(false);
    expect(embeddedConfig.pcap).toBe('');
  });
});
