/** The Duplex over the stack's TCP, as node:net's users use it, between two of them on one stack. */
import { createHash } from 'node:crypto';
import { createServer, request } from 'node:http';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StackServer } from '../../../stack/socket/node/server.js';
import type { StackSocket } from '../../../stack/socket/node/stream.js';
import type { StackHost } from '../../../stack/worker/host.js';
import { next, OWN, startEmbedded } from '../../support/embedded-host.js';

let host: StackHost;
beforeAll(async () => {
  host = await startEmbedded();
});
afterAll(() => host.stop());

async function listening(port: number, onConnection: (s: StackSocket) => void): Promise<StackServer> {
  const server = host.sockets.createServer(onConnection);
  server.listen({ port, host: OWN });
  await next(server, 'listening');
  return server;
}
async function connected(port: number, allowHalfOpen = false): Promise<StackSocket> {
  const s = host.sockets.connect({ host: OWN, port, allowHalfOpen });
  await next(s, 'connect');
  return s;
}
/** All bytes up to the end. Not by `for await`, which destroys a Duplex when it has read it. */
function all(s: Readable): Promise<Buffer> {
  const pieces: Buffer[] = [];
  s.on('data', (d: Buffer) => pieces.push(d));
  return new Promise((resolve, reject) => s.once('end', () => resolve(Buffer.concat(pieces))).once('error', reject));
}
const text = async (s: Readable) => (await all(s)).toString();
/** Pseudo-random bytes that no transfer could get right by chance, and their hash. */
function bytes(n: number, salt: number): { data: Buffer; hash: string } {
  const data = Buffer.alloc(n);
  let x = salt | 1;
  for (let i = 0; i < n; i++) {
    x = Math.imul(x, 1664525) + 1013904223;
    data[i] = x >>> 24;
  }
  return { data, hash: createHash('sha256').update(data).digest('hex') };
}
const hashOf = async (s: Readable) =>
  createHash('sha256')
    .update(await all(s))
    .digest('hex');

describe('a stream of the stack', () => {
  it('connects, knows both ends, talks and ends', async () => {
    const server = await listening(6001, (s) => {
      expect(s.remoteAddress).toBe(OWN);
      expect(s.localPort).toBe(6001);
      s.end('bye');
    });
    expect(server.address()).toEqual({ address: OWN, port: 6001, family: 'IPv4' });
    const s = await connected(6001);
    expect([s.remoteAddress, s.remotePort, s.localAddress, s.remoteFamily]).toEqual([OWN, 6001, OWN, 'IPv4']);
    expect(await text(s)).toBe('bye');
    if (!s.closed) await next(s, 'close');
    expect(s.bytesRead).toBe(3);
    server.close();
  });

  it('moves 4 MB each way at once, byte for byte', async () => {
    const up = bytes(4 << 20, 1);
    const down = bytes(4 << 20, 2);
    let served: Promise<string> | undefined;
    const server = await listening(6002, (s) => {
      served = hashOf(s);
      Readable.from([down.data]).pipe(s as Writable);
    });
    const s = await connected(6002, true);
    const got = hashOf(s);
    s.end(up.data);
    expect(await got).toBe(down.hash);
    expect(await served).toBe(up.hash);
    server.close();
  });

  it('stops the writer when nobody reads, and loses nothing when somebody does', async () => {
    let peer: StackSocket | undefined;
    const server = await listening(6003, (s) => {
      peer = s;
      s.pause();
    });
    const s = await connected(6003);
    const piece = Buffer.alloc(65536, 'x');
    let wrote = 0;
    let full = false;
    // until a write stays unfinished for several round trips of the rings: buffers of the ring, the sockets and the peer's ring are full
    while (!full || !peer) {
      if (!full) {
        s.write(piece);
        wrote += piece.length;
      }
      if (s.writableLength > 4 * piece.length) full = true;
      await new Promise((resolve) => setImmediate(resolve)); // when full too: the peer may still be on its way
    }
    expect(wrote).toBeLessThan(64 << 20);
    s.end();
    let read = 0;
    peer!.on('data', (d: Buffer) => {
      read += d.length;
    });
    peer!.resume();
    await next(peer!, 'end');
    expect(read).toBe(wrote);
    server.close();
  });

  it('delivers what was written before an immediate end and destroy', async () => {
    const { data, hash } = bytes(1 << 20, 3);
    const server = await listening(6004, (s) => {
      s.end(data);
      s.once('finish', () => s.destroy());
    });
    expect(await hashOf(await connected(6004))).toBe(hash);
    server.close();
  });

  it('can be read after it was ended, when half open', async () => {
    const server = await listening(6005, (s) => {
      s.allowHalfOpen = true;
      void text(s).then((t) => s.end(t.toUpperCase()));
    });
    server.allowHalfOpen = true;
    const s = await connected(6005, true);
    s.end('question');
    expect(await text(s)).toBe('QUESTION');
    server.close();
  });

  it('is refused as node:net is', async () => {
    const s = host.sockets.connect({ host: OWN, port: 6099 });
    await expect(next(s, 'connect')).rejects.toMatchObject({
      code: 'ECONNREFUSED',
      syscall: 'connect',
      address: OWN,
      port: 6099,
      message: `connect ECONNREFUSED ${OWN}:6099`,
    });
    expect(s.destroyed).toBe(true);
  });

  it('learns of a reset', async () => {
    const server = await listening(6006, (s) => s.resetAndDestroy());
    const s = host.sockets.connect({ host: OWN, port: 6006 });
    const [error] = await next<[NodeJS.ErrnoException]>(s, 'error');
    expect(error.code).toBe('ECONNRESET');
    server.close();
  });

  it('says that a port is taken, and gives it back', async () => {
    const server = await listening(6007, () => {});
    const second = host.sockets.createServer();
    second.listen({ port: 6007, host: OWN });
    await expect(next(second, 'listening')).rejects.toMatchObject({ code: 'EADDRINUSE', port: 6007 });
    server.close();
    await next(server, 'close');
    const third = await listening(6007, () => {});
    third.close();
  });

  it('may be given up while it connects', async () => {
    const s = host.sockets.connect({ host: '10.77.0.77', port: 1 }); // nobody there
    s.destroy();
    await next(s, 'close');
    expect(s.connecting || s.destroyed).toBe(true);
  });

  it('emits timeout when nothing moves', async () => {
    const server = await listening(6008, () => {});
    const s = await connected(6008);
    s.setTimeout(30);
    await next(s, 'timeout');
    expect(s.destroyed).toBe(false);
    s.destroy();
    server.close();
  });

  it('serves HTTP, with keep-alive, a body each way and a client that leaves', async () => {
    const web = createServer((req, res) => {
      void pipeline(req, res.setHeader('x-path', req.url ?? ''));
    });
    const server = await listening(6080, (s) => web.emit('connection', s));
    const { data, hash } = bytes(300_000, 4);
    for (const path of ['/one', '/two']) {
      const socket = host.sockets.connect({ host: OWN, port: 6080 });
      const req = request({
        createConnection: () => socket as never,
        method: 'POST',
        path,
        headers: { 'content-length': data.length },
      });
      req.end(data);
      const [res] = await next<[import('node:http').IncomingMessage]>(req, 'response');
      expect(res.headers['x-path']).toBe(path);
      expect(await hashOf(res)).toBe(hash);
    }
    const rude = await connected(6080);
    rude.write('GET / HTTP/1.1\r\n');
    rude.destroy();
    web.close();
    server.close();
  });
});

describe('sockets of a stack that stops', () => {
  it('close without an error when it was asked to, and new ones fail with ENETDOWN', async () => {
    const other = await startEmbedded({ seed: 8 });
    const server = other.sockets.createServer();
    server.listen({ port: 7001, host: OWN });
    await next(server, 'listening');
    const s = other.sockets.connect({ host: OWN, port: 7001 });
    await next(s, 'connect');
    const closed = next(s, 'close');
    await other.stop();
    await closed;
    const late = other.sockets.connect({ host: OWN, port: 7001 });
    await expect(next(late, 'connect')).rejects.toMatchObject({ code: 'ENETDOWN' });
    expect(other.sockets.open).toBe(0);
  });
});
