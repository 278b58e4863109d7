/** tsnetstat --proc DIR against the machine's real netstat: tables, names, filters, exit statuses. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ProcSource } from '../../cli/sources/proc.js';
import { interfacesOfProc } from '../../cli/tables/interfaces.js';
import { procIgmp, procIgmp6 } from '../../mib/text/proc-groups.js';
import { procDev, procRoute6 } from '../../mib/text/proc-tables.js';
import { SeededRandom } from '../../stack/core/random.js';
import { Wire } from '../../stack/link/memory-wire.js';
import { Ip6Opt, Level } from '../../stack/socket/socket.js';
import { Stack } from '../../stack/stack.js';
import { oracleNeeds, runNetstat, writeFiles } from '../mib/netstat-oracle.js';
import { smallLedger } from '../support/ledger.js';
import { needs, note } from '../support/needs.js';
import { counterVector, seeded } from '../support/vectors.js';
import { cli, fakeDaemon } from './harness.js';

const work = mkdtempSync(join(tmpdir(), 'tsnetstat-tables-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
let folders = 0;
const folder = (files: Record<string, string>) => writeFiles(join(work, String(folders++)), files);

/** Every set of flags on every folder, ours and the real one's. */
async function compare(dirs: readonly string[], flags: readonly string[]): Promise<void> {
  const cases = dirs.flatMap((dir) => flags.map((f) => ({ dir, args: f.split(' ') })));
  const real = runNetstat(cases);
  for (const [i, c] of cases.entries()) {
    const mine = await cli([...c.args, '--proc', c.dir]);
    expect({ args: c.args, dir: c.dir, ...mine }).toEqual({ args: c.args, dir: c.dir, ...real[i] });
  }
}

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';

function socketFiles(seed: number): Record<string, string> {
  const random = seeded(seed);
  const int = (n: number) => Math.floor(random() * n);
  const pick = <T>(from: readonly T[]): T => from[int(from.length)]!;
  const hex = (n: number, width: number) => n.toString(16).toUpperCase().padStart(width, '0');
  const word = () =>
    pick(['00000000', '0100007F', '0200007F', hex(int(2 ** 32), 8), 'FFFFFFFF', 'B80D0120', '0000FFFF', '01000000']);
  const address = (family: number) =>
    family === 4
      ? word()
      : pick([
          '0'.repeat(32),
          `0000000000000000FFFF0000${word()}`,
          `${'0'.repeat(24)}01000000`,
          `${'0'.repeat(24)}${word()}`,
          word() + word() + word() + word(),
          `000080FE00000000${word()}${word()}`,
        ]);
  const port = () => hex(pick([0, 0, 7, 22, 53, 80, 443, 8080, 6000, int(65536)]), 4);
  const line = (family: number, states: readonly string[]) => {
    const ends = `${address(family)}:${port()} ${address(family)}:${port()}`;
    const timer = `0${int(6)}:${hex(pick([0, 20, 100, int(2 ** 31)]), 8)}`;
    const queues = `${hex(pick([0, 0, int(2 ** 20), int(2 ** 31)]), 8)}:${hex(pick([0, 0, 5, int(2 ** 24)]), 8)}`;
    const rest = `${hex(int(20), 8)} ${pick(['    0', ' 1000', '65534'])}        ${int(5)} ${int(2 ** 31)} 1 0000000000000000 100 0 0 10 0`;
    return `${String(int(99)).padStart(4)}: ${ends} ${pick(states)} ${queues} ${timer} ${rest}\n`;
  };
  const file = (family: number, states: readonly string[]) => {
    let text = HEAD;
    for (let n = int(8); n > 0; n--) text += random() < 0.03 ? 'no such line\n' : line(family, states);
    return text;
  };
  const tcp = ['00', '01', '02', '03', '04', '05', '06', '07', '08', '09', '0A', '0B'];
  const files: Record<string, string> = {};
  for (const [name, states] of [
    ['tcp', tcp],
    ['udp', ['01', '07', '02']],
    ['udplite', ['01', '07']],
    ['raw', ['07', '01']],
  ] as const) {
    if (random() < 0.95) files[name] = file(4, states);
    if (random() < 0.9) files[`${name}6`] = file(6, states);
  }
  return files;
}

describe('tsnetstat --proc equals the real netstat', () => {
  const flags =
    '-ant -at -tn -tln -tl -antoe -anto -antW -ant4 -ant6 -anu -au -un -uln -anuoe -anU -anUo -anw -aw -wlno -antuw -anteo -tu -antp -n4a -6a --tcp|--all|--numeric -ta|--numeric-ports -ta|--numeric-hosts -ae4 -ae4|--numeric-users -alt';

  it.skipIf(oracleNeeds)(`in 40 random socket tables${note(oracleNeeds)}`, { timeout: 60_000 }, async () => {
    const dirs = Array.from({ length: 40 }, (_, i) => folder(socketFiles(i + 1)));
    await compare(
      dirs,
      flags.split(' ').map((f) => f.replaceAll('|', ' ')),
    );
  });

  it.skipIf(oracleNeeds)(`in routing tables${note(oracleNeeds)}`, async () => {
    const route = (fields: string) => `${fields.split(' ').join('\t')}\n`;
    const head = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';
    const z = '0'.repeat(32);
    const dir = folder({
      route:
        head +
        route('eth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0') +
        route('eth0 000200C0 00000000 0001 3 77 100 00FFFFFF 1500 8192 300') +
        route('eth0 0100007F 00000000 0005 0 0 0 FFFFFFFF 0 0 0') +
        route('* 0000630A 00000000 0201 0 0 5 00FFFFFF 0 0 0') +
        route('lo 0000007F 0100007F 0003 0 0 0 000000FF 65536 0 0') +
        route('t0 0000FEA9 00000000 0001 0 0 1000 0000FFFF 0 0 0') +
        route('t0 0000000A 00000000 0000 0 0 1000 000000FF 0 0 0'),
      ipv6_route:
        `fd000000000000000000000000000000 40 ${z} 00 ${z} 00000100 00000001 00000000 00000001     eth0\n` +
        `${z} 00 ${z} 00 fd000000000000000000000000000001 00000400 00000002 00000007 00000003     eth0\n` +
        `fe8000000000000000fc00fffe000001 80 ${z} 00 ${z} 00000000 00000002 00000000 80200001     eth0\n` +
        `${z} 00 ${z} 00 ${z} ffffffff 00000001 00000000 00200200       lo\n` +
        `${z.slice(1)}1 80 ${z} 00 ${z} 00000000 00000002 00000000 01000001     eth0\n` +
        `20010db8000000000000000000000000 20 ${z} 00 fd000000000000000000000000000001 00000400 00000001 00000000 00450013     eth0\n`,
    });
    await compare(
      [dir, folder({})],
      ['-rn', '-r', '-rne', '-rnee', '-6rn', '-6r', '-r46n', '-rn4', '-6rne', '--route|-n'].map((f) => f.replace('|', ' ')),
    );
  });

  it.skipIf(oracleNeeds)(`in tables of groups${note(oracleNeeds)}`, { timeout: 60_000 }, async () => {
    const head = 'Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n';
    const igmp =
      `${head}1\tlo        :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n4\teth0      :     2      V3\n` +
      '\t\t\t\tFB0000E0 12345 0:00000000\t\t1\n\t\t\t\t010000E0     1 0:00000000\t\t0\n5\tverylongdevice1:     1      V2\n' +
      '\t\t\t\t0100007F     3 0:00000000\t\t0\n6\tempty0    :     0      V3\nbogus\n\tbogus too\n';
    const z = '0'.repeat(31);
    const igmp6 =
      `1    lo              ff02${z.slice(4)}1     1 0000000C 0\nbogus line\n` +
      `4    eth0            ff020000000000000000000${'1ff000002'}     1 00000004 0\n` +
      `5    verylongdevice1 ff05${z.slice(4)}1 12345 0000000C 0\n4    eth0            ${z}0     1 0000000C 0\n` +
      `4    eth0            ${z}1     1 0000000C 0\n`;
    const sockets = socketFiles(5);
    const dirs = [{ igmp, igmp6 }, { igmp }, { igmp6 }, {}, { igmp: '', igmp6: '' }, { ...sockets, igmp, igmp6 }].map((f) =>
      folder(f as Record<string, string>),
    );
    const flags = '-g -gn --groups -g4 -g6n -g46 -gna -gl -gtn -gun -gt6n -gt|-g4 -gnW -ge -go -gp -gN'.split(' ');
    await compare(
      dirs,
      flags.map((f) => f.replaceAll('|', ' ')),
    );
  });

  it.skipIf(oracleNeeds)(`in routes and groups of a daemon, written as files${note(oracleNeeds)}`, async () => {
    const stack = new Stack({ ledger: smallLedger(16, 0), random: new SeededRandom(1), secret: new Uint8Array(16), ipv6: true });
    const wire = new Wire(new SeededRandom(1), {});
    const addresses = ['10.77.0.2/24', 'fd77::2/64'];
    stack.addDevice(wire.a, { mac: '02:00:0a:4d:00:02', addresses, gateway: '10.77.0.1', gateway6: 'fd77::1' });
    stack.routeCommand('ip -6 route add fd99::/32 via fd77::9 metric 7');
    stack.routeCommand('ip -6 route add unreachable fd98::/32');
    const socket = stack.udp(6);
    socket.bind(null, 5353);
    const mreq = Uint8Array.from([0xff, 2, ...new Array<number>(13).fill(0), 0xfb, 2, 0, 0, 0]);
    expect(socket.setOption(Level.IPV6, Ip6Opt.JOIN_GROUP, mreq)).toBe(0);
    for (let nowUs = 0; nowUs < 4e6; nowUs += 1e5) stack.poll(nowUs);
    const routes = stack.routes();
    const groups = stack.groups();
    const index = (name: string) => stack.devices.find((d) => d.name === name)!.index;
    const dir = folder({
      ipv6_route: procRoute6(routes),
      igmp: procIgmp(groups, index),
      igmp6: procIgmp6(groups, index),
    });
    const daemon = await fakeDaemon({ '/api/v1/routes': { routes }, '/api/v1/groups': { groups } });
    try {
      const args = [['-6rn'], ['-6r'], ['-A', 'inet6', '-rn'], ['-gn']];
      const real = runNetstat(args.map((a) => ({ dir, args: a })));
      for (const [i, a] of args.entries()) expect(await cli([...a, '--socket', daemon.socket])).toEqual(real[i]);
      expect(real[0]!.stdout).toMatch(/^fd77::2\/128 +:: +Un +0 /m);
      expect(real[0]!.stdout).toMatch(/^::\/0 +fd77::1 +UG +1024 /m);
      expect(real[3]!.stdout).toMatch(/ 1 +ff02::fb$/m);
    } finally {
      await daemon.close();
    }
  });

  const why = needs.all(oracleNeeds, needs.netns);
  it.skipIf(why)(`in the table of interfaces${note(why)}`, () => {
    // The kernel says RUNNING some moments after the links are up.
    const running = (name: string) => `until ip -o link show ${name} | grep -q 'state UP'; do sleep 0.02; done; `;
    const netns =
      'ip link set lo up; ip link add t2 type veth peer name t10; ip link set t2 mtu 1400 up; ip link set t10 arp off promisc on up; ' +
      running('t2') +
      running('t10');
    const line = (name: string, first: number) =>
      `${name.padStart(6)}: ${Array.from({ length: 16 }, (_, i) => first + i).join(' ')}\n`;
    const dir = folder({
      dev: `${procDev([])}${line('t10', 50)}${line('lo', 1)}${line('t2', 10 ** 12)}`,
    });
    const [real] = runNetstat([{ dir, args: ['-ia'] }], { netns });
    const live: Record<string, { mtu: number; flags: number }> = {
      lo: { mtu: 65536, flags: 0x49 },
      t2: { mtu: 1400, flags: 0x1043 },
      t10: { mtu: 1500, flags: 0x11c3 },
    };
    expect(interfacesOfProc(new ProcSource(dir), true, (name) => live[name])).toEqual(real);
  });

  it.skipIf(oracleNeeds)(`in statistics, by way of the command${note(oracleNeeds)}`, async () => {
    const dirs = [folder({}), ...Array.from({ length: 10 }, (_, i) => folder(counterVector(9000 + i)))];
    const all =
      '-s -s6 -st -su -sw -sS -sU -s6t -s6u -s6w -stuw -s4 -s|-4|-6 --statistics --stat -sn -sa -snae -slo|-p -sW -sc --inet6|-s -A|inet6|-s';
    await compare(
      dirs,
      all.split(' ').map((f) => f.replaceAll('|', ' ')),
    );
  });
});

describe('a folder of /proc files', () => {
  it('may be shaped like /proc itself', async () => {
    const dir = folder({ 'net/snmp': 'Tcp: ActiveOpens\nTcp: 3\n' });
    expect(await cli(['-s', '--proc', dir])).toEqual({
      stdout: 'Tcp:\n    3 active connection openings\n',
      stderr: '',
      status: 0,
    });
  });
  it('that is none is one clear line', async () => {
    const ran = await cli(['-s', '--proc', join(work, 'nowhere')]);
    expect([ran.stdout, ran.status]).toEqual(['', 1]);
    expect(ran.stderr).toBe(`tsnetstat: ${join(work, 'nowhere')}: no such folder\n`);
  });
  it('is read as octets', async () => {
    const dir = folder({});
    writeFiles(dir, { snmp: 'Tcp: Gr\u00fc\u00dfe\nTcp: 3\n' });
    const { stdout } = await cli(['-s', '--proc', dir]);
    expect(Buffer.from(stdout, 'latin1').equals(Buffer.from(readFileSync(join(dir, 'snmp'))))).toBe(false);
    expect(Buffer.from(stdout, 'latin1').toString('utf8')).toBe('Tcp:\n    Gr\u00fc\u00dfe: 3\n');
  });
  it('is shown as JSON with values of any size', async () => {
    const dir = folder({
      snmp: 'Tcp: MaxConn InSegs\nTcp: -1 18446744073709551615\nUdp: NoPorts\nUdp: 1\n',
      snmp6: 'Ip6InReceives\t4\n',
    });
    const { stdout } = await cli(['-s', '--json', '--proc', dir]);
    expect(stdout).toContain('"InSegs": 18446744073709551615');
    expect(JSON.parse(stdout)).toMatchObject({ counters: { Tcp: { MaxConn: -1 }, Udp: { NoPorts: 1 }, Ip6: { InReceives: 4 } } });
    expect(Object.keys(JSON.parse((await cli(['-su4', '--json', '--proc', dir])).stdout).counters)).toEqual(['Udp']);
  });
});
