import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { helpTable, helpText } from '../../daemon/config/help.js';
import { ConfigError, defaultConfig, loadConfig } from '../../daemon/config/load.js';
import { leaves } from '../../daemon/config/schema.js';

const files: Record<string, string> = {
  '/good.json': '{"address":"10.9.0.2/16","hostAddress":"10.9.0.1/16","http":{"listen":"127.0.0.1:1"},"log":{"level":"debug"}}',
  '/typo.json': '{"http":{"lisen":"127.0.0.1:1"}}',
  '/section.json': '{"http":"127.0.0.1:1"}',
  '/type.json': '{"maxRows":"many"}',
  '/deep.json': '{"tap":{"name":{"a":1}}}',
  '/array.json': '[1]',
  '/broken.json': '{"http":',
  '/proto.json': '{"__proto__":{"address":"1.1.1.1/8"}}',
};
const read = (path: string): string => {
  const text = files[path];
  if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
  return text;
};
const load = (argv: string[], env: Record<string, string> = {}) => loadConfig(argv, env, read);

describe('config', () => {
  it('has the documented defaults', () => {
    const c = defaultConfig();
    expect(c.tap).toEqual({ name: 'tsn0', attach: '', hostSetup: true });
    expect([c.address, c.hostAddress, c.gateway, c.embedded]).toEqual(['10.77.0.2/24', '10.77.0.1/24', '', 'auto']);
    expect([c.address6, c.hostAddress6, c.gateway6]).toEqual(['fd77::2/64', 'fd77::1/64', '']);
    expect(c.snmp).toMatchObject({ listen: '127.0.0.1:1161', community: 'public', inStack: 161 });
    expect(c.http).toEqual({ listen: '127.0.0.1:9700', socket: '', inStack: 80, token: '' });
    expect(c.services).toEqual(['echo', 'discard', 'daytime', 'chargen']);
  });

  it('lets flags win over the environment, that over the file, that over defaults', () => {
    expect(load(['--config', '/good.json']).config.http.listen).toBe('127.0.0.1:1');
    const env = { TSNETSTAT_HTTP_LISTEN: '127.0.0.1:2', TSNETSTAT_CONFIG: '/good.json' };
    expect(load([], env).config.http.listen).toBe('127.0.0.1:2');
    expect(load(['--http-listen=127.0.0.1:3'], env).config.http.listen).toBe('127.0.0.1:3');
    expect(load([], env).config.address).toBe('10.9.0.2/16');
    expect(load([], env).config.log).toEqual({ level: 'debug', json: false });
  });

  it('reads every type from text', () => {
    const { config } = load([
      '--no-host-setup',
      '--log-json',
      '--services',
      'echo,discard',
      '--max-rows',
      '100',
      '--tap',
      'tap7',
    ]);
    expect(config.tap).toEqual({ name: 'tsn0', attach: 'tap7', hostSetup: false });
    expect([config.log.json, config.services, config.maxRows]).toEqual([true, ['echo', 'discard'], 100]);
    expect(load(['--services', 'none']).config.services).toEqual([]);
    expect(load([], { TSNETSTAT_OFFLOADS: 'no', TSNETSTAT_SOCKET: '/x/y.sock' }).config).toMatchObject({
      offloads: false,
      http: { socket: '/x/y.sock' },
    });
  });

  it('takes any IPv6 addresses of one network, and those of two where the host is not set up', () => {
    const six = ['--address6', '2001:db8::2/48', '--host-address6', '2001:DB8:0:1::1/48', '--gateway6', 'fe80::1'];
    expect(load(six).config).toMatchObject({ address6: '2001:db8::2/48', gateway6: 'fe80::1' });
    expect(load(['--address6', 'fd99::2/64', '--no-host-setup']).config.address6).toBe('fd99::2/64');
    expect(load(['--http-listen', '[::1]:9700', '--snmp-listen', '[::1]:1161']).config.http.listen).toBe('[::1]:9700');
  });

  it('keeps nothing of one call for the next', () => {
    load(['--services', 'echo']).config.services.push('chargen');
    defaultConfig().services.push('echo');
    expect(defaultConfig().services).toHaveLength(4);
  });

  it('names variables that mean nothing', () => {
    expect(load([], { TSNETSTAT_LISTEN: 'x', TSNETSTAT_CONFIG: '', HOME: '/' }).unknownEnvironment).toEqual(['TSNETSTAT_LISTEN']);
  });

  const errors: [argv: string[], env: Record<string, string>, message: string][] = [
    [['--foo'], {}, '--foo: unknown option'],
    [['--adress', 'x'], {}, '--adress: unknown option (did you mean --address?)'],
    [['tap0'], {}, 'tap0: not understood; tsnetstatd takes only --options (see --help)'],
    [['--address'], {}, '--address: needs a value'],
    [['--no-address'], {}, '--no-address: unknown option'],
    [['--help=1'], {}, '--help: takes no value'],
    [['--no-offloads=1'], {}, '--no-offloads: takes no value'],
    [['--offloads=maybe'], {}, '--offloads maybe: must be true or false'],
    [['--address', '1.2.3.4/99'], {}, '--address 1.2.3.4/99: must be an IPv4 address with its prefix length, like 10.77.0.2/24'],
    [['--address', '10.77.0.2'], {}, '--address 10.77.0.2: must be an IPv4 address with its prefix length, like 10.77.0.2/24'],
    [
      [],
      { TSNETSTAT_ADDRESS: '10.77.0/24' },
      'TSNETSTAT_ADDRESS=10.77.0/24: must be an IPv4 address with its prefix length, like 10.77.0.2/24',
    ],
    [['--gateway', '10.77.0.300'], {}, '--gateway 10.77.0.300: must be an IPv4 address'],
    [['--gateway', '10.78.0.1'], {}, 'gateway 10.78.0.1: must lie in the network of address 10.77.0.2/24'],
    [['--host-address', '10.78.0.1/24'], {}, 'hostAddress 10.78.0.1/24: must lie in the network of address 10.77.0.2/24'],
    [['--address', '10.77.0.1/24'], {}, 'address 10.77.0.1/24 and hostAddress 10.77.0.1/24: must differ'],
    [['--address6', ''], {}, '--address6 : must be an IPv6 address with its prefix length, like fd77::2/64, or off'],
    [['--address6', 'fe80::2%eth0/64'], {}, '--address6 fe80::2%eth0/64: must be an IPv6 address with its prefix length, like fd77::2/64, or off'], // biome-ignore format: one line
    [['--host-address6', 'off'], {}, '--host-address6 off: must be an IPv6 address with its prefix length, like fd77::2/64'],
    [['--address6', 'fd99::2/64'], {}, 'hostAddress6 fd77::1/64: must lie in the network of address6 fd99::2/64'],
    [['--address6', 'fd77:0::1/64'], {}, 'address6 fd77:0::1/64 and hostAddress6 fd77::1/64: must differ'],
    [['--gateway6', 'fd99::1'], {}, 'gateway6 fd99::1: must lie in the network of address6 fd77::2/64, or be link-local'],
    [['--gateway6', '10.77.0.1'], {}, '--gateway6 10.77.0.1: must be an IPv6 address without a zone'],
    [['--http-listen', '[::]:80'], {}, 'http.listen [::]:80: http.token must be set to listen on more than a loopback address'],
    [['--mac', '01:00:5e:00:00:01'], {}, '--mac 01:00:5e:00:00:01: must be a unicast MAC address, like 02:00:0a:4d:00:02'],
    [['--tap', 'a/b'], {}, '--tap a/b: must be an interface name of 1 to 15 characters'],
    [['--tap-name', 'sixteencharacter'], {}, '--tap-name sixteencharacter: must be an interface name of 1 to 15 characters'],
    [['--tap', 'tap0', '--embedded', 'yes'], {}, 'tap.attach tap0 and embedded yes: only one of the two can be'],
    [['--max-rows', '1e3'], {}, '--max-rows 1e3: must be a whole number from 64 to 4194304'],
    [['--seed', '-1'], {}, '--seed -1: must be a whole number from 0 to 2147483647'],
    [['--http-listen', 'example.org:80'], {}, '--http-listen example.org:80: must be ADDRESS:PORT, like 127.0.0.1:9700, or off'],
    [
      ['--http-listen', '127.0.0.1:70000'],
      {},
      '--http-listen 127.0.0.1:70000: must be ADDRESS:PORT, like 127.0.0.1:9700, or off',
    ],
    [
      ['--http-listen', '0.0.0.0:80'],
      {},
      'http.listen 0.0.0.0:80: http.token must be set to listen on more than a loopback address',
    ],
    [['--http-token', 'short'], {}, '--http-token (secret): must be empty or 16 to 256 printable characters'],
    [['--http-socket', 'x.sock'], {}, '--http-socket x.sock: must be an absolute path of at most 100 bytes, or off'],
    [
      ['--services', 'echo,ftp'],
      {},
      '--services echo,ftp: must be a list of echo, discard, daytime, chargen (comma-separated; empty for none)',
    ],
    [['--sysctl', 'net.ipv4.tcp_sack'], {}, '--sysctl net.ipv4.tcp_sack: must be a list of NAME=VALUE, like net.ipv4.tcp_sack=0'],
    [['--log-level', 'loud'], {}, '--log-level loud: must be error or warn or info or debug'],
    [['--config', '/none.json'], {}, '/none.json: cannot be read: ENOENT'],
    [['--config', '/typo.json'], {}, '/typo.json: http.lisen: unknown key (did you mean http.listen?)'],
    [['--config', '/section.json'], {}, '/section.json: http: must be an object of keys'],
    [['--config', '/type.json'], {}, '/type.json: maxRows: "many": must be a whole number from 64 to 4194304'],
    [['--config', '/deep.json'], {}, '/deep.json: tap.name: {"a":1}: must be an interface name of 1 to 15 characters'],
    [['--config', '/array.json'], {}, '/array.json: must hold one JSON object'],
    [['--config', '/proto.json'], {}, '/proto.json: __proto__: unknown key'],
  ];
  it.each(errors)('refuses %j %j in one line', (argv, env, message) => {
    expect(() => load(argv, env)).toThrow(new ConfigError(message));
  });
  it('says where a file stops being JSON, in one line', () => {
    expect(() => load(['--config', '/broken.json'])).toThrow(/^\/broken\.json: not JSON: [^\n]+$/);
  });

  it('has one flag, one variable and one line of help for each key', () => {
    for (const key of ['flag', 'env', 'path'] as const) expect(new Set(leaves.map((l) => l[key])).size).toBe(leaves.length);
    const help = helpText();
    for (const l of leaves) {
      expect(help).toMatch(new RegExp(`^  --(no-)?${l.flag}\\b`, 'm'));
      expect(l.description, l.path).not.toBe('');
      expect(l.must, l.path).not.toBe('');
    }
  });

  it('is the table in the README', () => {
    expect(readFileSync(new URL('../../daemon/README.md', import.meta.url), 'utf8')).toContain(helpTable());
  });
});
