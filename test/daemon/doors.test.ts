import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { get as httpGet, request } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, duplexPair } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { socketPath } from '../../daemon/daemon.js';
import { Log } from '../../daemon/log.js';
import { MetricsPages } from '../../daemon/prometheus/pages.js';
import { buildRest, type RestApp } from '../../daemon/rest/app.js';
import { type Door, openStackDoor, openTcpDoor, openUnixDoor } from '../../daemon/rest/doors.js';
import { TracePump } from '../../daemon/trace/pump.js';
import { View } from '../../daemon/view.js';
import { madeUpStack } from './made-up-stack.js';

const TOKEN = 'sesame-open-sesame';
const folder = mkdtempSync(join(tmpdir(), 'tsnetstat-doors-'));
const sysctl = new Map([['net.ipv4.tcp_sack', '1']]);
let app: RestApp;
const doors: Door[] = [];
const opened = async (door: Promise<Door>): Promise<Door> => {
  const d = await door;
  doors.push(d);
  return d;
};

beforeAll(async () => {
  const view = new View(madeUpStack().stack, { cacheMs: 0, timeoutMs: 500 });
  const info = { version: '1', mode: 'tap' };
  app = await buildRest({
    view,
    pump: new TracePump(view.reader, { wallOffsetUs: 0, deviceName: String }),
    sysctl: {
      names: () => [...sysctl.keys()],
      get: (n) => sysctl.get(n),
      set: (n, v) => String(v).length === 1 && sysctl.set(n, String(v)) !== undefined,
    },
    metrics: new MetricsPages(view, info),
    info,
    log: new Log({ level: 'error', json: false, write: () => {} }),
    token: TOKEN,
    doors: () => [],
    stopping: () => false,
  });
});
afterEach(async () => {
  await Promise.all(doors.splice(0).map((d) => d.close()));
});
afterAll(async () => {
  await app.close();
  rmSync(folder, { recursive: true });
});

type To = { port: number } | { socketPath: string };
function ask(
  method: string,
  path: string,
  to: To,
  body?: string,
  headers: Record<string, string> = {},
): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    const r = request({ ...to, method, path, agent: false, headers: { ...type, ...headers } }, (response) => {
      let text = '';
      response.on('data', (d) => (text += String(d)));
      response.on('end', () => resolve([response.statusCode!, text]));
    });
    r.on('error', reject);
    r.end(body);
  });
}
const portOf = (door: Door) => Number(/:(\d+)$/.exec(door.address)![1]);
const kind = (text: string) => (JSON.parse(text) as { type: string }).type.replace('urn:tsnetstat:problem:', '');

describe('the TCP door', () => {
  it('asks for the token, and takes no changes', async () => {
    const port = portOf(await opened(openTcpDoor(app, '127.0.0.1', 0)));
    const authorization = `Bearer ${TOKEN}`;
    const [status, text] = await ask('GET', '/healthz', { port });
    expect([status, kind(text)]).toEqual([401, 'unauthorized']);
    expect((await ask('GET', '/nowhere', { port }))[0]).toBe(401);
    expect((await ask('GET', '/healthz', { port }, undefined, { authorization: `${authorization}x` }))[0]).toBe(401);
    expect((await ask('GET', '/healthz', { port }, undefined, { authorization }))[0]).toBe(200);
    const [put, why] = await ask('PUT', '/api/v1/sysctl/net.ipv4.tcp_sack', { port }, '{"value":0}', { authorization });
    expect([put, kind(why), sysctl.get('net.ipv4.tcp_sack')]).toEqual([403, 'unix-socket-only', '1']);
  });

  it('says in one line that its port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as AddressInfo;
    await expect(openTcpDoor(app, '127.0.0.1', port)).rejects.toThrow(`http.listen 127.0.0.1:${port}: is in use already`);
    await new Promise((resolve) => other.close(resolve));
  });

  it.each([
    ['no HTTP at all', '\u0000\u0001\u0002 nonsense\r\n\r\n', '400'],
    ['a header too long', `GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, '431'],
    ['two lengths', 'PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n', '400'],
  ])('answers %s and lives on', async (_what, bytes, status) => {
    const port = portOf(await opened(openTcpDoor(app, '127.0.0.1', 0)));
    const text = await new Promise<string>((resolve, reject) => {
      let seen = '';
      const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
      socket.on('data', (d) => (seen += String(d)));
      socket.on('close', () => resolve(seen));
      socket.on('error', reject);
    });
    expect(text.startsWith(`HTTP/1.1 ${status} `)).toBe(true);
    expect(text).toContain('application/problem+json');
    expect((await ask('GET', '/healthz', { port }, undefined, { authorization: `Bearer ${TOKEN}` }))[0]).toBe(200);
  });
});

describe('the unix door', () => {
  const path = join(folder, 'deep', 'er', 'x.sock');

  it('is its owner’s alone, needs no token, and takes changes', async () => {
    const door = await opened(openUnixDoor(app, path));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect((await ask('GET', '/healthz', { socketPath: path }))[0]).toBe(200);
    const put = (name: string, body: string) => ask('PUT', `/api/v1/sysctl/${name}`, { socketPath: path }, body);
    const [status, text] = await put('net.ipv4.tcp_sack', '{"value":0}');
    expect([status, (JSON.parse(text) as { sysctl: object }).sysctl]).toEqual([200, { 'net.ipv4.tcp_sack': '0' }]);
    for (const [name, body, expected, problem] of [
      ['net.ipv4.tcp_sack', '{"value":"10"}', 422, 'bad-value'],
      ['net.ipv4.tcp_sack', '{"valu":1}', 400, 'bad-parameter'],
      ['net.ipv4.tcp_sack', '{"value":', 400, 'bad-parameter'],
      ['net.ipv4.tcp_sack', `{"value":"${'9'.repeat(5000)}"}`, 400, 'bad-parameter'],
      ['net.ipv4.none', '{"value":1}', 404, 'no-sysctl'],
    ] as const) {
      const [s, t] = await put(name, body);
      expect([s, kind(t)], body.slice(0, 30)).toEqual([expected, problem]);
    }
    expect(sysctl.get('net.ipv4.tcp_sack')).toBe('0');
    await door.close();
    expect([existsSync(path), existsSync(join(folder, 'deep'))]).toEqual([false, false]);
  });

  it('takes the place of a socket that nobody listens on, of nothing else', async () => {
    await opened(openUnixDoor(app, path));
    await expect(openUnixDoor(app, path)).rejects.toThrow(`http.socket ${path}: is in use already (another tsnetstatd?)`);
    const file = join(folder, 'file');
    writeFileSync(file, 'mine');
    await expect(openUnixDoor(app, file)).rejects.toThrow(`http.socket ${file}: a file that is not a socket is in the way`);
    expect(statSync(file).size).toBe(4);
    await expect(openUnixDoor(app, join(file, 'x.sock'))).rejects.toThrow(/^http\.socket .*: EEXIST$/);
  });

  it('lies in a folder of the user’s own when it must', async () => {
    const shared = join(folder, 'shared');
    mkdirSync(shared);
    chmodSync(shared, 0o777);
    await expect(openUnixDoor(app, join(shared, 'x.sock'), true)).rejects.toThrow("its folder is not this user's alone");
    const own = join(folder, 'own');
    await opened(openUnixDoor(app, join(own, 'x.sock'), true));
    expect(statSync(own).mode & 0o777).toBe(0o700);
  });

  it('has its path from the configuration, root’s place, or the user’s own', () => {
    expect(socketPath('off', {}, 0)).toBe('');
    expect(socketPath('/a/b.sock', { XDG_RUNTIME_DIR: '/run/user/7' }, 7)).toBe('/a/b.sock');
    expect(socketPath('', { XDG_RUNTIME_DIR: '/run/user/0' }, 0)).toBe('/run/tsnetstat/tsnetstat.sock');
    expect(socketPath('', { XDG_RUNTIME_DIR: '/run/user/7' }, 7)).toBe('/run/user/7/tsnetstat.sock');
    expect(socketPath('', {}, 7)).toBe(join(tmpdir(), 'tsnetstat-7', 'tsnetstat.sock'));
  });
});

describe('the door through the stack', () => {
  it('is fed with streams of any kind, and ends them when it closes', async () => {
    let connection: (stream: Duplex) => void = () => {};
    let closed = false;
    const door = await openStackDoor(app, 'http://10.77.0.2:80', async (onConnection) => {
      connection = onConnection;
      return { close: () => (closed = true) };
    });
    const [client, server] = duplexPair();
    connection(server);
    const [status, text] = await new Promise<[number, string]>((resolve, reject) => {
      httpGet({ path: '/api/v1/routes', createConnection: () => client }, (response) => {
        let seen = '';
        response.on('data', (d) => (seen += String(d)));
        response.on('end', () => resolve([response.statusCode!, seen]));
      }).on('error', reject);
    });
    expect([status, (JSON.parse(text) as { routes: object[] }).routes.length]).toEqual([200, 2]);

    const [idle, other] = duplexPair();
    connection(other);
    const ended = new Promise((resolve) => idle.once('end', resolve));
    idle.resume();
    await door.close();
    await ended;
    expect([closed, other.destroyed]).toEqual([true, true]);
  });
});
