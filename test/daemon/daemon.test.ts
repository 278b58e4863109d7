/** The whole daemon as a process of its own on the embedded wire: its doors agree, it starts and ends in good order. */
import { createSocket } from 'node:dgram';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { counters } from '../../mib/catalogue/index.js';
import { metricName, metricScale } from '../../mib/catalogue/metric-name.js';
import type { ConnectionsDto, CountersDto, InterfacesDto, TraceEventDto } from '../../mib/dto.js';
import { DaemonProcess, runToEnd } from './daemon-process.js';

const HOST_DOORS = ['--http-listen', 'off', '--snmp-listen', 'off', '--http-socket', 'off'];

describe('doors', () => {
  let daemon: DaemonProcess;
  beforeAll(async () => {
    // one snapshot serves for three seconds, so that all doors can be asked about the same one
    daemon = await DaemonProcess.start([
      '--embedded',
      'yes',
      '--seed',
      '3',
      '--view-cache-ms',
      '3000',
      '--sysctl',
      'net.ipv4.tcp_reordering=5',
    ]);
  });
  afterAll(() => daemon?.dispose());

  it('agree to the count on one snapshot', async () => {
    const read = async () => {
      const rest = await daemon.json<CountersDto>('/api/v1/counters', 'unix');
      const native = (await daemon.get('/metrics')).body;
      const node = (await daemon.get('/metrics/node')).body;
      const proc = (await daemon.get('/api/v1/counters?format=proc')).body;
      const snmp = { InReceives: await snmpGet(daemon.snmp, '0403'), InDatagrams: await snmpGet(daemon.snmp, '0701') };
      const after = await daemon.json<CountersDto>('/api/v1/counters');
      return { rest, native, node, proc, snmp, after };
    };
    let pages = await read();
    // a moment may end in between, and the first one may be too young to have seen a packet
    while (pages.rest.snapshot !== pages.after.snapshot || pages.rest.counters['Udp']!['InDatagrams'] === 0) pages = await read();
    const { rest, native, node, proc, snmp } = pages;
    expect(rest.counters['Ip']!['InReceives']).toBeGreaterThan(0);
    expect(native).toMatch(new RegExp(`^tsnetstat_snapshot_number ${rest.snapshot}$`, 'm'));
    expect(snmp).toEqual({ InReceives: rest.counters['Ip']!['InReceives'], InDatagrams: rest.counters['Udp']!['InDatagrams'] });
    const values = procValues(proc);
    for (const c of counters) {
      const value = rest.counters[c.group.name]![c.entry.name]!;
      const native_ = Number(new RegExp(`^${metricName(c)} (\\S+)$`, 'm').exec(native)?.[1]);
      expect(native_, c.key).toBeCloseTo(value * metricScale(c), 9);
      expect(Number(new RegExp(`^node_netstat_${c.group.name}_${c.entry.name} (\\S+)$`, 'm').exec(node)?.[1]), c.key).toBe(value);
      expect(values.get(c.key), c.key).toBe(value);
    }
  });

  it('show counters that move', async () => {
    const living = await DaemonProcess.start(['--embedded', 'yes']);
    try {
      const read = async () => (await living.json<CountersDto>('/api/v1/counters?group=Ip')).counters['Ip']!['InReceives']!;
      const before = await read();
      await expect.poll(read, { timeout: 20_000 }).toBeGreaterThan(before);
      const six = async () => {
        const { counters: c } = await living.json<CountersDto>('/api/v1/counters?group=Ip6,Icmp6,Udp6');
        return [c['Ip6']!['InDelivers'], c['Icmp6']!['InMsgs'], c['Udp6']!['InDatagrams']].filter((n) => !(n! > 0));
      };
      await expect.poll(six, { timeout: 20_000 }).toEqual([]);
    } finally {
      await living.dispose();
    }
  });

  it('show the devices, the listeners and the endpoints of the stack itself', async () => {
    const { interfaces } = await daemon.json<InterfacesDto>('/api/v1/interfaces');
    for (const own of ['10.77.0.2', 'fd77::2'])
      expect(interfaces.some((i) => i.addresses.some((a) => a.address === own))).toBe(true);
    const { connections } = await daemon.json<ConnectionsDto>('/api/v1/connections?kind=listener&kind=endpoint');
    const ends = connections.map((c) => `${c.protocol} ${c.local.port}`);
    expect(ends).toEqual(expect.arrayContaining(['tcp 7', 'tcp 9', 'tcp 13', 'tcp 19', 'udp 7', 'tcp 80', 'udp 161']));
  });

  it('take changes of sysctls over the unix socket, which the stack has at once', async () => {
    const name = 'net.ipv4.tcp_retries2';
    expect((await daemon.put(`/api/v1/sysctl/${name}`, { value: 7 }, 'tcp')).status).toBe(403);
    expect((await daemon.put(`/api/v1/sysctl/${name}`, { value: 7 }, 'unix')).status).toBe(200);
    expect((await daemon.json<{ sysctl: object }>(`/api/v1/sysctl/${name}`)).sysctl).toEqual({ [name]: '7' });
  });

  it('trace a counter live, each event with its endpoint', async () => {
    const stop = new AbortController();
    const response = await fetch(`http://${daemon.http}/api/v1/trace?probe=Udp.InDatagrams`, { signal: stop.signal });
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body!) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      if ((text.match(/^data: /gm) ?? []).length >= 3) break;
    }
    stop.abort();
    expect(text).toMatch(/^: tsnetstat \{"snapshot":\d+,/);
    const events = [...text.matchAll(/^data: (.*)$/gm)].map((m) => JSON.parse(m[1]!) as TraceEventDto);
    for (const e of events) {
      expect(e).toMatchObject({ probe: 'Udp.InDatagrams', increment: 1 });
      expect(e.connection).toMatchObject({ id: expect.stringMatching(/^\d+\.\d+$/), protocol: 'udp' });
    }
  });

  it('set sysctls at the start, and refuse what is none', async () => {
    const answer = await daemon.json<{ sysctl: object }>('/api/v1/sysctl/net.ipv4.tcp_reordering');
    expect(answer.sysctl).toEqual({ 'net.ipv4.tcp_reordering': '5' });
    const refused = await runToEnd([
      '--embedded',
      'yes',
      ...HOST_DOORS,
      '--log-level',
      'error',
      '--sysctl',
      'net.ipv4.tcp_sack=7',
    ]);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      'tsnetstatd: no such sysctl, or a value out of range: net.ipv4.tcp_sack = 7\n',
    ]);
  });
});

describe('its end', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('%s leaves nothing behind', async (signal) => {
    const daemon = await DaemonProcess.start(['--embedded', 'yes']);
    expect(existsSync(daemon.socket)).toBe(true);
    // a client that stays must not keep it
    const trace = fetch(`http://${daemon.http}/api/v1/trace?probe=Ip.InReceives`).then((r) => r.text());
    await expect.poll(async () => (await daemon.get('/healthz')).status).toBe(200);
    daemon.child.kill(signal);
    const ended = await daemon.ended;
    await trace;
    expect([ended.code, ended.signal, ended.stdout]).toEqual([0, null, '']);
    expect(ended.stderr.trim().split('\n').at(-1)).toMatch(new RegExp(`info {2}${signal}: stopping$`));
    expect(existsSync(daemon.socket)).toBe(false);
    await daemon.dispose();
  });

  it('has one queue on the embedded wire, whatever is asked for, and says so', async () => {
    const ended = await runToEnd(['--embedded', 'yes', '--queues', '4', ...HOST_DOORS], {}, (child, log) => {
      if (log.includes(' ready ') && !child.killed) child.kill('SIGTERM');
    });
    expect(ended.code).toBe(0);
    expect(ended.stderr.split('\n').filter((l) => l.includes('queues'))).toEqual([
      expect.stringMatching(/ info {2}queues 4: the embedded wire has one$/),
    ]);
  });

  it('is possible while it starts', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tsnetstatd-test-'));
    const path = join(folder, 'x.sock');
    const running = runToEnd(
      ['--embedded', 'yes', '--http-listen', 'off', '--snmp-listen', 'off', '--http-socket', path],
      {},
      (child, log) => {
        if (log.includes('embedded wire') && !child.killed) child.kill('SIGTERM');
      },
    );
    const ended = await running;
    expect([ended.code, existsSync(path)]).toEqual([0, false]);
    rmSync(folder, { recursive: true });
  });
});

describe('errors of the user', () => {
  it.each([
    [['--frobnicate'], 'tsnetstatd: --frobnicate: unknown option\n'],
    [['--config', '/nonexistent/x.json'], 'tsnetstatd: /nonexistent/x.json: cannot be read: ENOENT\n'],
    [['--address', 'x'], 'tsnetstatd: --address x: must be an IPv4 address with its prefix length, like 10.77.0.2/24\n'],
  ])('%j: one line, exit code 1', async (args, stderr) => {
    expect(await runToEnd(args)).toEqual({ code: 1, signal: null, stdout: '', stderr });
  });

  it('a busy port: one line, exit code 1, nothing left behind', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tsnetstatd-test-'));
    const path = join(folder, 'x.sock');
    const busy = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => busy.once('listening', resolve));
    const { port } = busy.address() as AddressInfo;
    const udp = createSocket('udp4');
    await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
    const base = ['--embedded', 'yes', '--log-level', 'warn', '--http-socket', path];
    const tcp = await runToEnd([...base, '--http-listen', `127.0.0.1:${port}`, '--snmp-listen', 'off']);
    expect(tcp).toMatchObject({ code: 1, stderr: `tsnetstatd: http.listen 127.0.0.1:${port}: is in use already\n` });
    const snmp = await runToEnd([...base, '--http-listen', 'off', '--snmp-listen', `127.0.0.1:${udp.address().port}`]);
    expect([snmp.code, snmp.stderr]).toEqual([
      1,
      `tsnetstatd: SNMP cannot listen on UDP 127.0.0.1:${udp.address().port}: the port is in use\n`,
    ]);
    expect(existsSync(path)).toBe(false);
    busy.close();
    udp.close();
    rmSync(folder, { recursive: true });
  });

  it('a file that is not a configuration: one line, exit code 1', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tsnetstatd-test-'));
    const file = join(folder, 'c.json');
    writeFileSync(file, '{"htp":{}}');
    expect(await runToEnd(['--config', file])).toMatchObject({ code: 1, stderr: `tsnetstatd: ${file}: htp: unknown key\n` });
    writeFileSync(file, '{"embedded":"yes"}');
    expect(await runToEnd(['--config', file, '--check'])).toMatchObject({ code: 0, stdout: `${file}: ok\n` });
    writeFileSync(file, '{"sysctl":["net.ipv4.tcp_sack=7"]}');
    expect(await runToEnd(['--config', file, '--check'])).toMatchObject({
      code: 1,
      stderr: 'tsnetstatd: no such sysctl, or a value out of range: net.ipv4.tcp_sack = 7\n',
    });
    rmSync(folder, { recursive: true });
  });

  it('a TAP that cannot be had: one line, exit code 1', async () => {
    const ended = await runToEnd([...HOST_DOORS, '--tap', 'tsn-none-such', '--log-level', 'error']);
    expect([ended.code, ended.stderr.trim().split('\n').length]).toEqual([1, 1]);
    expect(ended.stderr).toMatch(/^tsnetstatd: .*(tsn-none-such|\/dev\/net\/tun)/);
  });

  it('--help and --version', async () => {
    const help = await runToEnd(['--help']);
    expect([help.code, help.stderr]).toEqual([0, '']);
    expect(help.stdout).toContain('--http-listen ADDR:PORT');
    expect((await runToEnd(['--version'])).stdout).toMatch(/^tsnetstatd \d+\.\d+\.\d+\n$/);
  });
});

/** Asks for a scalar Counter32 of mib-2. @param object its two arcs in hex: 0403 is ip(4) ipInReceives(3) */
async function snmpGet(at: string, object: string): Promise<number> {
  const [host, port] = at.split(':') as [string, string];
  const name = `06082b06010201${object}00`;
  const request = Buffer.from(`302602010104067075626c6963a019020101020100020100300e300c${name}0500`, 'hex');
  const socket = createSocket('udp4');
  const answer = await new Promise<Buffer>((resolve, reject) => {
    socket.once('message', resolve);
    socket.once('error', reject);
    socket.send(request, Number(port), host);
  });
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  const value = new RegExp(`${name}41(..)(.*)$`).exec(answer.toString('hex'));
  expect(value, answer.toString('hex')).not.toBeNull();
  expect(Number.parseInt(value![1]!, 16) * 2).toBe(value![2]!.length);
  return Number.parseInt(value![2]!, 16);
}

/** Values of the three files by `Group.Name`. */
function procValues(text: string): Map<string, number> {
  const values = new Map<string, number>();
  const lines = text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const six = /^(Ip6|Icmp6|Udp6|UdpLite6)(\w+)\s+(\d+)$/.exec(lines[i]!);
    if (six) {
      values.set(`${six[1]}.${six[2]}`, Number(six[3]));
      continue;
    }
    const names = /^(\w+): (.*)$/.exec(lines[i]!);
    const numbers = /^(\w+): (.*)$/.exec(lines[i + 1] ?? '');
    if (!names || !numbers || names[1] !== numbers[1]) continue;
    const list = numbers[2]!.split(' ');
    for (const [k, name] of names[2]!.split(' ').entries()) values.set(`${names[1]}.${name}`, Number(list[k]));
    i++;
  }
  return values;
}
