/** Both ends of a stream that crosses threads, here on one: `step` is a turn of the stack's loop. */
import { describe, expect, it } from 'vitest';
import { Sockets } from '../../../stack/socket/node/sockets.js';
import type { StackSocket } from '../../../stack/socket/node/stream.js';
import { Level, TcpOpt } from '../../../stack/socket/socket.js';
import { SocketBridge } from '../../../stack/worker/socket-bridge.js';
import { next } from '../../support/embedded-host.js';
import { FakeStreams } from '../../support/fake-streams.js';

function world() {
  const net = new FakeStreams();
  let bridge: SocketBridge;
  let wakes = 0;
  let bells = 0;
  let scheduled = false;
  const step = () => {
    scheduled = false;
    net.run();
    if (bridge.service() || net.pending) wake();
  };
  const wake = () => {
    wakes++;
    if (!scheduled) setImmediate(step);
    scheduled = true;
  };
  const sockets = new Sockets({
    post: (r) =>
      setImmediate(() => {
        bridge.request(r);
        wake();
      }),
    wake,
  });
  bridge = new SocketBridge(net, sockets.memory, (r) => {
    if (r.op === 'bell') bells++;
    setImmediate(() => sockets.deliver(r));
  });
  return { net, sockets, bridge, counts: () => ({ wakes, bells }) };
}
async function pair(w: ReturnType<typeof world>, halfOpen = false): Promise<[StackSocket, StackSocket]> {
  const server = w.sockets.createServer();
  server.allowHalfOpen = halfOpen;
  server.listen({ port: 80 });
  await next(server, 'listening');
  const accepted = next<[StackSocket]>(server, 'connection');
  const client = w.sockets.connect({ host: '10.0.0.1', port: 80, allowHalfOpen: halfOpen });
  await next(client, 'connect');
  const [other] = await accepted;
  server.close();
  return [client, other];
}
async function collect(s: StackSocket): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const p of s) pieces.push(p as Buffer);
  return Buffer.concat(pieces);
}
const pattern = (n: number) => Buffer.from(Uint8Array.from({ length: n }, (_, i) => (i * 7 + (i >> 8)) & 255));

describe('a stream between threads', () => {
  it('carries megabytes through rings and sockets much smaller, both ways at once', async () => {
    const [a, b] = await pair(world(), true);
    const data = pattern(3_000_000);
    const gotA = collect(a);
    const gotB = collect(b);
    a.end(data);
    b.end(data.subarray(1));
    expect((await gotB).equals(data)).toBe(true);
    expect((await gotA).equals(data.subarray(1))).toBe(true);
    expect([a.bytesWritten, b.bytesRead, b.bytesWritten]).toEqual([3_000_000, 3_000_000, 2_999_999]);
  });

  it('holds the writer up while nobody reads', async () => {
    const [a, b] = await pair(world());
    let done = 0;
    for (let i = 0; i < 100; i++) a.write(Buffer.alloc(65536), () => done++);
    for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
    const held = done;
    expect(held).toBeLessThan(20); // two rings of 256 KiB and a socket
    a.end();
    expect((await collect(b)).length).toBe(100 * 65536);
    expect(done).toBe(100);
  });

  it('sends what is in the ring after destroy, and closes the socket then, not before', async () => {
    const w = world();
    const [a, b] = await pair(w);
    const data = pattern(200_000); // fits into the ring, not into the socket
    a.write(data, () => a.destroy());
    expect((await collect(b)).equals(data)).toBe(true);
    if (!b.closed) await next(b, 'close');
    while (w.bridge.open > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(w.sockets.open).toBe(0);
  });

  it('drops what is unsent when it resets, and the other side learns of it after what had come', async () => {
    const [a, b] = await pair(world());
    a.write(Buffer.alloc(1000, 'x'));
    const [first] = await next<[Buffer]>(b, 'data');
    expect(first.length).toBe(1000);
    a.resetAndDestroy();
    const [error] = await next<[NodeJS.ErrnoException]>(b, 'error');
    expect([error.code, error.syscall]).toEqual(['ECONNRESET', 'read']);
  });

  it('gives a late write the error', async () => {
    const [a, b] = await pair(world());
    a.on('error', () => {});
    b.resetAndDestroy();
    await new Promise((resolve) => a.once('close', resolve));
    await expect(new Promise((_, reject) => a.write('x', (e) => reject(e)))).rejects.toBeInstanceOf(Error);
  });

  it('hands NODELAY to the socket, set before or after it connects', async () => {
    const w = world();
    const [a] = await pair(w);
    a.setNoDelay(true);
    await next(a.destroy(), 'close');
    while (w.bridge.open > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(w.net.made.flatMap((s) => s.options)).toContainEqual([Level.TCP, TcpOpt.NODELAY, 1]);
  });

  it('frees a connection that was given up before it came about', async () => {
    const w = world();
    const server = w.sockets.createServer();
    server.listen({ port: 80 });
    await next(server, 'listening');
    server.on('connection', (s: StackSocket) => s.resume());
    for (let turns = 0; turns < 8; turns++) {
      const s = w.sockets.connect({ host: '10.0.0.1', port: 80 });
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
      await next(s.destroy(), 'close');
    }
    server.close();
    while (w.bridge.open > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(w.net.made.every((s) => s.closed)).toBe(true);
    expect(w.sockets.open).toBe(0);
  });

  it('wakes each side far less often than it moves pieces', async () => {
    const w = world();
    const [a, b] = await pair(w);
    const got = collect(b);
    for (let i = 0; i < 5000; i++) a.write('a line of text\n');
    a.end();
    expect((await got).length).toBe(75_000);
    expect(w.counts().bells).toBeLessThan(500);
  });

  it('refuses a host that is a name', async () => {
    const s = world().sockets.connect({ host: 'localhost', port: 1 });
    await expect(next(s, 'connect')).rejects.toMatchObject({ code: 'EINVAL' });
  });
});
