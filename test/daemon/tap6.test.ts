/** The daemon's IPv6 as a user meets it: on by default, by the tools of a Debian machine, in a network namespace of the test's own. */
import { request } from 'node:http';
import process from 'node:process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { counters } from '../../mib/catalogue/index.js';
import type { ConnectionsDto, CountersDto, InterfacesDto, NeighboursDto, RoutesDto } from '../../mib/dto.js';
import { cli } from '../cli/harness.js';
import { needs, note } from '../support/needs.js';
import { TapPlace } from './tap-place.js';

const why = needs.all(needs.tap, needs.netns);
const tools = needs.all(needs.tool('ping'), needs.tool('curl'), needs.tool('nc'), needs.tool('snmpwalk'));

describe.skipIf(why)(`tsnetstatd's IPv6 on a TAP${note(why)}`, () => {
  let place: TapPlace;
  beforeEach(() => {
    place = new TapPlace();
  });
  afterEach(() => place.remove());

  const shell = (command: string) => place.run('sh', '-c', command);
  const get = (path: string) =>
    new Promise<string>((resolve, reject) => {
      const r = request({ socketPath: place.socket, path, agent: false }, (response) => {
        let text = '';
        response.on('data', (d) => (text += String(d)));
        response.on('end', () => resolve(text));
      });
      r.on('error', reject).end();
    });
  const json = async <T>(path: string) => JSON.parse(await get(path)) as T;
  const tsnetstat = async (flags: string) => (await cli([...flags.split(' '), '--socket', place.socket])).stdout;

  it.skipIf(tools)(`answers ping, curl, nc and snmpwalk on both families${note(tools)}`, { timeout: 60_000 }, async () => {
    const { child, ready, ended } = place.start();
    await ready;
    const ping = (...to: string[]) => place.run('ping', '-c', '1', '-W', '5', ...to).stdout;
    const { interfaces } = await json<InterfacesDto>('/api/v1/interfaces');
    const own = interfaces.find((i) => i.name === 'tsn0')!.addresses.map((a) => `${a.address}/${a.prefix}`);
    expect(own).toEqual(['10.77.0.2/24', expect.stringMatching(/^fe80::.*\/64$/), 'fd77::2/64']);
    // a name with both addresses: the other one is tried where the first is not answered at once
    const page = 'http://stack/healthz';
    const both = ['curl', '-s', '-w', ' %{remote_ip}', '--resolve', 'stack:80:[fd77::2],10.77.0.2', page];
    expect(place.run(...both).stdout).toMatch(/"status":"ok".* (fd77::2|10\.77\.0\.2)$/);
    expect(ping('-6', 'fd77::2')).toContain(' 1 received');
    expect(ping('-6', `${own[1]!.slice(0, -3)}%tsn0`)).toContain(' 1 received');
    expect(ping('10.77.0.2')).toContain(' 1 received');

    for (const [family, host] of [['-6', '[fd77::2]'], ['-4', '10.77.0.2']]) // biome-ignore format: one thing
      expect(JSON.parse(place.run('curl', family!, '-s', `http://${host}/healthz`).stdout)).toMatchObject({ status: 'ok' });

    expect(place.run(...both).stdout).toMatch(/ fd77::2$/);

    const nc = (line: string) => shell(`printf hello | nc -6 -w 5 ${line}`).stdout;
    expect(nc('-N fd77::2 7')).toBe('hello');
    expect(nc('-N fd77::2 9')).toBe('');
    expect(nc('-N fd77::2 13')).toMatch(/^\w+day, .*-UTC\r\n$/);
    expect(nc('fd77::2 19 | head -c 8')).toBe(' !"#$%&\'');
    expect(nc('-u fd77::2 7 | head -c 5')).toBe('hello');
    expect(nc('-u fd77::2 13 | head -c 3')).toMatch(/^[SMTWF][a-z]{2}$/);
    expect(nc('-u fd77::2 19 | head -c 3')).toBe(' !"');
    expect(shell('printf x | nc -6 -w 5 fd77::2 81').status).toBe(1);

    const walk = (agent: string) =>
      place.run('snmpwalk', '-v2c', '-c', 'public', '-On', '-Oe', agent, '.1.3.6.1.2.1.1').stdout.split('\n');
    expect(walk('udp6:[fd77::2]')[0]).toBe(walk('udp:10.77.0.2')[0]);
    expect(walk('udp6:[fd77::2]')[0]).toMatch(/^\.1\.3\.6\.1\.2\.1\.1\.1\.0 = STRING: "?tsnetstat /);
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0 });
  });

  it.skipIf(tools)(`has one count of IPv6 behind all doors${note(tools)}`, { timeout: 60_000 }, async () => {
    // one snapshot serves for some seconds, so that every door can be asked about the same one
    const { child, ready, ended } = place.start(
      '--view-cache-ms',
      '4000',
      '--snmp-listen',
      '[::1]:1161',
      '--http-listen',
      '[::1]:9700',
    );
    await ready;
    place.run('ping', '-6', '-c', '2', '-i', '0.2', '-W', '5', 'fd77::2');
    shell('printf hello | nc -6 -u -w 2 fd77::2 7 | head -c 5; printf hello | nc -6 -u -w 1 fd77::2 4321');
    const names: readonly [string, string][] = [
      ['Ip6.InReceives', '4.31.1.1.4.2'],
      ['Ip6.OutRequests', '4.31.1.1.21.2'],
      ['Ip6.InOctets', '4.31.1.1.6.2'],
      ['Ip6.InMcastPkts', '4.31.1.1.35.2'],
      ['Icmp6.InMsgs', '5.29.1.2.2'],
      ['Icmp6.OutMsgs', '5.29.1.4.2'],
      ['Icmp6.InEchos', '5.30.1.3.2.128'],
      ['Icmp6.OutEchoReplies', '5.30.1.4.2.129'],
    ];
    const read = async () => {
      const rest = await json<CountersDto>('/api/v1/counters');
      const oids = names.map(([, oid]) => `.1.3.6.1.2.1.${oid}`).join(' ');
      const snmp = shell(`snmpget -v2c -c public -Oqv udp6:[::1]:1161 ${oids}`).stdout.trim().split('\n').map(Number);
      const proc = await get('/api/v1/counters?format=proc&file=snmp6');
      const native = shell("curl -s 'http://[::1]:9700/metrics'").stdout;
      const node = await get('/metrics/node');
      const text = await tsnetstat('-s6');
      return { rest, snmp, proc, native, node, text, after: await json<CountersDto>('/api/v1/counters') };
    };
    let doors = await read();
    while (doors.rest.snapshot !== doors.after.snapshot || doors.rest.counters['Udp6']!['NoPorts'] === 0) doors = await read();
    const value = (key: string) => doors.rest.counters[key.split('.')[0]!]![key.split('.')[1]!]!;
    expect(doors.snmp).toEqual(names.map(([key]) => value(key)));
    for (const c of counters.filter((x) => ['Ip6', 'Icmp6', 'Udp6'].includes(x.group.name))) {
      const key = `${c.group.name}${c.entry.name}`;
      expect(doors.proc, key).toMatch(new RegExp(`^${key}\\s+${value(c.key)}$`, 'm'));
      expect(doors.node, key).toMatch(new RegExp(`^node_netstat_${c.group.name}_${c.entry.name} ${value(c.key)}$`, 'm'));
    }
    expect(doors.native).toContain(`\ntsnetstat_icmp6_in_echos_total ${value('Icmp6.InEchos')}\n`);
    expect(doors.text).toContain(`    ${value('Ip6.InReceives')} total packets received\n`);
    expect(doors.text).toContain(`        echo requests: ${value('Icmp6.InEchos')}\n`);
    expect([
      value('Icmp6.InEchos'),
      value('Icmp6.OutEchoReplies'),
      value('Udp6.InDatagrams'),
      value('Udp6.OutDatagrams'),
    ]).toEqual([2, 2, 1, 1]);
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0 });
  });

  it.each(['1', '2'])('shows its sockets, routes and neighbours of IPv6 as Linux shows its own, queues: %s', async (queues) => {
    const { ready } = place.start('--queues', queues);
    await ready;
    const page =
      "fetch('http://[fd77::2]/api/v1/connections?local=:80&state=ESTABLISHED').then((r) => r.text()).then(console.log)";
    const fetched = place.run(process.execPath, '-e', page);
    expect(fetched.stderr).toBe('');
    const { connections } = JSON.parse(fetched.stdout) as ConnectionsDto;
    expect(connections.map((c) => [c.family, c.local.address, c.remote.address])).toEqual([[6, 'fd77::2', 'fd77::1']]);
    const servers = (await tsnetstat('-tuln')).split('\n').map((l) => l.trim().split(/\s+/));
    const of = (port: number) => servers.filter((w) => w[3]?.endsWith(`:${port}`)).map((w) => `${w[0]} ${w[3]} ${w[4]}`);
    expect(of(80)).toEqual(['tcp6 :::80 :::*']);
    expect(of(161)).toEqual(['udp 0.0.0.0:161 0.0.0.0:*', 'udp6 :::161 :::*']);
    expect(of(7)).toEqual(['tcp 0.0.0.0:7 0.0.0.0:*', 'tcp6 :::7 :::*', 'udp 0.0.0.0:7 0.0.0.0:*', 'udp6 :::7 :::*']);

    // each address is looked at for a random while before it is in use, and its route there
    const six = async () =>
      (await json<RoutesDto>('/api/v1/routes')).routes
        .filter((r) => r.family === 6)
        .map((r) => `${r.destination}/${r.prefix} ${r.gateway} ${r.interface} ${r.metric}`);
    const wanted = ['fd77::/64 null tsn0 256', 'fe80::/64 null tsn0 256', '::/0 fd77::1 tsn0 1024'];
    await expect.poll(six, { timeout: 15_000 }).toEqual(expect.arrayContaining(wanted));
    const { neighbours } = await json<NeighboursDto>('/api/v1/neighbours');
    const kernel = neighbours.find((n) => n.address === 'fd77::1');
    expect(kernel).toMatchObject({ family: 6, interface: 'tsn0', mac: expect.stringMatching(/^[0-9a-f:]{17}$/) });
    expect(['REACHABLE', 'STALE', 'DELAY', 'PROBE']).toContain(kernel!.state);
  });

  it.each([
    ['net.ipv6.conf.mine.disable_ipv6 is set', 'sysctl -qw net.ipv6.conf.mine.disable_ipv6=1'],
    ['its MTU is below the 1280 octets that IPv6 needs', 'ip link set mine mtu 1200'],
  ])('goes without where the kernel does, in one line (%s), and serves IPv4', async (reason, command) => {
    expect(place.run('ip', ...'tuntap add dev mine mode tap vnet_hdr'.split(' ')).status).toBe(0);
    expect(place.run(...command.split(' ')).status).toBe(0);
    const { child, ready, ended } = place.start('--tap', 'mine');
    await ready;
    expect(place.run('ip', '-6', '-o', 'address', 'show', 'dev', 'mine').stdout).toBe('');
    const page = "fetch('http://10.77.0.2/healthz').then((r) => r.json()).then((j) => console.log(j.status))";
    expect(place.run(process.execPath, '-e', page).stdout).toBe('ok\n');
    child.kill('SIGTERM');
    const end = await ended;
    expect(end.code).toBe(0);
    expect(end.stderr.split('\n').filter((l) => l.includes('without IPv6'))).toEqual([
      expect.stringContaining(` info  the kernel's side of mine is without IPv6: ${reason}`),
    ]);
    expect(end.stderr).not.toMatch(/ (warn|error) /);
  });

  it('is off where it is not wanted', async () => {
    const { child, ready, ended } = place.start('--address6', 'off');
    await ready;
    expect(place.run('ip', '-6', '-o', 'address', 'show', 'dev', 'tsn0').stdout).toBe('');
    expect((await tsnetstat('-tuln')).match(/^\w+6 /gm)).toBeNull();
    expect(await tsnetstat('-tln')).toMatch(/^tcp {8}0 {6}0 0\.0\.0\.0:80 /m);
    expect((await json<CountersDto>('/api/v1/counters?group=Ip6&nonzero=true')).counters['Ip6']).toEqual({});
    child.kill('SIGTERM');
    const end = await ended;
    expect(end.code).toBe(0);
    expect(end.stderr).not.toContain('IPv6');
  });

  it('says who has its address already, and does not use it', async () => {
    const commands = ['tuntap add dev mine mode tap vnet_hdr', 'link set mine address 02:00:00:00:00:77', 'link set mine up'];
    for (const c of [...commands, '-6 address add fd77::2/64 dev mine nodad'])
      expect(place.run('ip', ...c.split(' ')).status).toBe(0);
    const { child, ready, ended } = place.start('--tap', 'mine', '--no-host-setup');
    await ready;
    const state = async () => {
      const { interfaces } = await json<InterfacesDto>('/api/v1/interfaces');
      return interfaces.find((i) => i.name === 'mine')!.addresses.find((a) => a.address === 'fd77::2')!.state;
    };
    await expect.poll(state, { timeout: 15_000 }).toBe('dadfailed');
    child.kill('SIGTERM');
    expect((await ended).stderr.split('\n').filter((l) => l.includes(' warn '))).toEqual([
      expect.stringMatching(/ warn {2}duplicate address fd77::2 on mine: 02:00:00:00:00:77 has it, it is not used here$/),
    ]);
  });

  it('is for those who attach a TAP too, with the address on it or not', async () => {
    for (const command of ['tuntap add dev mine mode tap vnet_hdr', '-6 address add fd77::1/64 dev mine nodad'])
      expect(place.run('ip', ...command.split(' ')).status).toBe(0);
    const { child, ready, ended } = place.start('--tap', 'mine');
    await ready;
    expect(place.run('ip', '-6', '-o', 'address', 'show', 'dev', 'mine', 'scope', 'global').stdout.match(/inet6/g)).toHaveLength(
      1,
    );
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0 });
  });
});
