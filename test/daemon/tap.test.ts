/** The daemon on a real TAP in a network namespace of the test's own. */
import { existsSync } from 'node:fs';
import process from 'node:process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConnectionCountersDto, ConnectionsDto, CountersDto } from '../../mib/dto.js';
import { needs, note } from '../support/needs.js';
import { TapPlace } from './tap-place.js';

const why = needs.all(needs.tap, needs.netns);

describe.skipIf(why)(`tsnetstatd on a TAP${note(why)}`, () => {
  let place: TapPlace;
  let socket: string;
  beforeEach(() => {
    place = new TapPlace();
    socket = place.socket;
  });
  afterEach(() => place.remove());
  const run = (...args: string[]) => place.run(...args);
  const start = (...args: string[]) => place.start(...args);

  it('makes the TAP and gives the kernel its address; SIGTERM removes all of it', async () => {
    const { child, ready, ended } = start();
    await ready;
    expect(run('ip', '-4', '-o', 'address', 'show', 'dev', 'tsn0').stdout).toContain('inet 10.77.0.1/24');
    const second = start('--http-listen', 'off', '--snmp-listen', 'off', '--http-socket', 'off', '--log-level', 'error');
    second.ready.catch(() => {});
    expect(await second.ended).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^tsnetstatd: tsn0 is in use[^\n]*\n$/),
    });
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0, signal: null });
    expect(run('ip', 'link', 'show', 'tsn0').status).not.toBe(0);
    expect(existsSync(socket)).toBe(false);
  });

  it.each(['1', '2'])(
    'speaks IPv6 where it has an address: the kernel finds it, bytes come back as they were, and its own counters tell, queues: %s',
    async (queues) => {
      const { child, ready, ended } = start('--address6', 'fd77::2/64', '--queues', queues);
      await ready;
      expect(run('ip', '-6', '-o', 'address', 'show', 'dev', 'tsn0').stdout).toContain('inet6 fd77::1/64');
      const client = `
      const { connect } = require('node:net'); const { createHash, randomBytes } = require('node:crypto');
      const chunk = randomBytes(1 << 20), total = 32, sent = createHash('sha256'), came = createHash('sha256');
      /* the first SYN waits until the stack has found its address free */
      const open = (tries) => {
        const s = connect({ host: 'fd77::2', port: 7 });
        s.on('error', (e) => (tries > 0 ? setTimeout(open, 250, tries - 1) : console.log(e.message)));
        s.on('data', (d) => came.update(d));
        s.on('end', () => console.log(sent.digest('hex') === came.digest('hex') ? 'same' : 'other'));
        s.on('connect', () => {
          let n = 0;
          const more = () => { while (n < total) { n++; sent.update(chunk); if (!s.write(chunk)) return s.once('drain', more); } s.end(); };
          more();
        });
      };
      open(40);`;
      const transfer = run(process.execPath, '-e', client);
      expect([transfer.stderr, transfer.stdout]).toEqual(['', 'same\n']);
      const url = "fetch('http://10.77.0.2/api/v1/counters?group=Ip6&nonzero=true').then((r) => r.text()).then(console.log)";
      const { counters } = JSON.parse(run(process.execPath, '-e', url).stdout) as CountersDto;
      expect(counters['Ip6']!['InOctets']).toBeGreaterThan(32 << 20);
      expect(counters['Ip6']!['OutOctets']).toBeGreaterThan(32 << 20);
      child.kill('SIGTERM');
      expect(await ended).toMatchObject({ code: 0 });
    },
  );

  it('answers HTTP and UDP through the stack itself, and counts them on the connection that was it', async () => {
    const { child, ready, ended } = start();
    await ready;
    const text = (url: string) => `fetch('${url}').then((r) => r.text()).then(console.log)`;
    const page = run(process.execPath, '-e', text('http://10.77.0.2/api/v1/connections?local=:80&state=ESTABLISHED'));
    expect(page.stderr).toBe('');
    const { connections } = JSON.parse(page.stdout) as ConnectionsDto;
    expect(connections.map((c) => [c.remote.address, c.local.address, c.active])).toEqual([['10.77.0.1', '10.77.0.2', false]]);
    const one = run(process.execPath, '-e', text(`http://127.0.0.1:9700/api/v1/connections/${connections[0]!.id}/counters`));
    const { counters, connection } = JSON.parse(one.stdout) as ConnectionCountersDto;
    expect(connection.name).toBe(connections[0]!.name);
    expect(counters['Tcp']!['InSegs']).toBeGreaterThanOrEqual(3);
    expect(counters['Tcp']!['PassiveOpens']).toBe(1);
    const echo = `const s = require('dgram').createSocket('udp4'); s.on('message', (m) => { console.log(String(m)); s.close(); }); s.send('hello', 7, '10.77.0.2')`;
    expect(run(process.execPath, '-e', echo).stdout).toBe('hello\n');
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0 });
  });

  it('leaves the kernel side alone with --no-host-setup, and attaches with --tap', async () => {
    expect(run('ip', 'tuntap', 'add', 'dev', 'mine', 'mode', 'tap', 'vnet_hdr').status).toBe(0);
    expect(run('ip', 'address', 'add', '10.77.0.5/24', 'dev', 'mine').status).toBe(0);
    const { child, ready, ended } = start('--tap', 'mine', '--no-host-setup');
    await ready;
    expect(run('ip', '-4', '-o', 'address', 'show', 'dev', 'mine').stdout).not.toContain('10.77.0.1/');
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0 });
    expect(run('ip', 'link', 'show', 'mine').status).toBe(0);
  });

  it.each(['1', '2'])('ends with one clear line and exit code 1 when the stack cannot go on, queues: %s', async (queues) => {
    const { ready, ended } = start('--queues', queues);
    await ready;
    expect(run('ip', 'link', 'del', 'tsn0').status).toBe(0);
    const end = await ended;
    expect(end.code).toBe(1);
    const lines = end.stderr.trim().split('\n');
    expect(lines.slice(lines.findIndex((l) => l.includes(' ready ')) + 1)).toEqual([
      expect.stringMatching(/ error the stack failed: tsn0 .*$/),
    ]);
    expect(existsSync(socket)).toBe(false);
  });

  it('runs on several queues: one host behind all doors, gone with one signal', async () => {
    const { child, ready, ended } = start('--queues', '2', '--no-offloads', '--no-coalesce');
    await ready;
    const client = `const net = require('net');
      const one = () => new Promise((resolve) => { const s = net.connect(7, '10.77.0.2', () => s.write('hello')); s.on('data', () => resolve(s)); });
      Promise.all(Array.from({ length: 24 }, one)).then(async (open) => {
        const get = (path) => fetch('http://127.0.0.1:9700' + path).then((r) => r.json());
        const rows = await get('/api/v1/connections?protocol=tcp&local=:7&limit=100');
        const { counters } = await get('/api/v1/counters?group=Tcp');
        const page = await fetch('http://10.77.0.2/healthz').then((r) => r.json());
        console.log(JSON.stringify({ rows: rows.connections, tcp: counters.Tcp, page }));
        process.exit(0);
      });`;
    const r = run(process.execPath, '-e', client);
    expect(r.stderr).toBe('');
    const {
      rows: all,
      tcp,
      page,
    } = JSON.parse(r.stdout) as {
      rows: ConnectionsDto['connections'];
      tcp: Record<string, number>;
      page: { consistent: boolean };
    };
    expect(all.filter((c) => c.family === 6).map((c) => [c.kind, c.local.address])).toEqual([['listener', '::']]);
    const rows = all.filter((c) => c.family === 4);
    const [listeners, connections] = [rows.filter((c) => c.kind === 'listener'), rows.filter((c) => c.kind === 'connection')];
    expect(listeners).toHaveLength(1);
    expect(connections).toHaveLength(24);
    expect(new Set(connections.map((c) => c.listener))).toEqual(new Set([listeners[0]!.id]));
    expect(new Set(rows.map((c) => c.id)).size).toBe(25);
    expect(tcp).toMatchObject({ PassiveOpens: 24, CurrEstab: 24 });
    expect(page.consistent).toBe(true);
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0, signal: null });
    expect(run('ip', 'link', 'show', 'tsn0').status).not.toBe(0);
    expect(existsSync(socket)).toBe(false);
  });

  it('says that a TAP of one queue takes no second one', async () => {
    expect(run('ip', 'tuntap', 'add', 'dev', 'mine', 'mode', 'tap', 'vnet_hdr').status).toBe(0);
    const { ready, ended } = start('--tap', 'mine', '--queues', '2', '--http-listen', 'off', '--snmp-listen', 'off');
    ready.catch(() => {});
    expect(await ended).toMatchObject({
      code: 1,
      stderr: 'tsnetstatd: mine exists and is no TAP of several queues (multi_queue)\n',
    });
  });
});
