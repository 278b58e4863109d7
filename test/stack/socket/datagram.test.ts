/** The dgram-like socket, between two of them on one stack. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DatagramSocket, RemoteInfo } from '../../../stack/socket/node/datagram.js';
import type { StackHost } from '../../../stack/worker/host.js';
import { next, OWN, startEmbedded } from '../../support/embedded-host.js';

let host: StackHost;
beforeAll(async () => {
  host = await startEmbedded();
});
afterAll(() => host.stop());

async function bound(port = 0): Promise<DatagramSocket> {
  const s = host.sockets.createSocket('udp4');
  s.bind(port, OWN);
  await next(s, 'listening');
  return s;
}
const send = (s: DatagramSocket, m: Uint8Array | string, port: number, to = OWN) =>
  new Promise<{ code: string; bytes: number }>((resolve) => {
    s.send(m, port, to, (e, bytes) => resolve({ code: (e as NodeJS.ErrnoException | null)?.code ?? '', bytes }));
  });

describe('a datagram socket of the stack', () => {
  it('sends, receives, and says who sent', async () => {
    const a = await bound(5001);
    const b = await bound();
    expect(a.address()).toEqual({ address: OWN, family: 'IPv4', port: 5001 });
    const arrived = next<[Buffer, RemoteInfo]>(a, 'message');
    expect(await send(b, 'hello', 5001)).toEqual({ code: '', bytes: 5 });
    const [message, from] = await arrived;
    expect(message.toString()).toBe('hello');
    expect(from).toEqual({ address: OWN, family: 'IPv4', port: b.address().port, size: 5 });
    a.close();
    b.close();
  });

  it('keeps the order and bytes of many datagrams of all sizes, both ways', async () => {
    const a = await bound();
    const b = await bound();
    a.on('message', (m: Buffer, from: RemoteInfo) => a.send(m, from.port, from.address));
    const sizes = [0, 1, 2, 1400, 1472, 1473, 9000, 20000, 65507];
    for (let i = 0; i < 200; i++) {
      const out = Buffer.alloc(sizes[i % sizes.length]!, i);
      const back = next<[Buffer]>(b, 'message');
      b.send(out, a.address().port, OWN);
      const [echo] = await back;
      expect(echo.equals(out)).toBe(true);
    }
    a.close();
    b.close();
  });

  it('sends before it is bound, from a port of its own', async () => {
    const a = await bound();
    const b = host.sockets.createSocket('udp4');
    const arrived = next<[Buffer, RemoteInfo]>(a, 'message');
    expect((await send(b, 'early', a.address().port)).code).toBe('');
    const [message, from] = await arrived;
    expect(message.toString()).toBe('early');
    expect(from.port).toBe(b.address().port);
    a.close();
    b.close();
  });

  it('calls back every send of a burst larger than its ring', async () => {
    const b = await bound();
    const results = await Promise.all(Array.from({ length: 2000 }, (_, i) => send(b, Buffer.alloc(1000, i), 9)));
    expect(results.filter((r) => r.code !== '' || r.bytes !== 1000)).toEqual([]);
    b.close();
  });

  it('cuts what is sent into datagrams of one size, when told to', async () => {
    const a = await bound();
    const b = await bound();
    const sizes: number[] = [];
    let all = Buffer.alloc(0);
    const arrived = new Promise<void>((resolve) => {
      a.on('message', (m: Buffer) => {
        sizes.push(m.length);
        all = Buffer.concat([all, m]);
        if (all.length === 3500) resolve();
      });
    });
    const out = Buffer.from(Array.from({ length: 2500 }, (_, i) => i & 255));
    b.setSegmentSize(1000);
    expect(await send(b, out, a.address().port)).toEqual({ code: '', bytes: 2500 });
    expect(await send(b, Buffer.alloc(1000 * 129), a.address().port)).toMatchObject({ code: 'EMSGSIZE' });
    b.setSegmentSize(1);
    expect(await send(b, Buffer.alloc(129), a.address().port)).toMatchObject({ code: 'EINVAL' });
    b.setSegmentSize(0);
    await send(b, out.subarray(0, 1000), a.address().port);
    await arrived;
    expect(sizes).toEqual([1000, 1000, 500, 1000]);
    expect(all.equals(Buffer.concat([out, out.subarray(0, 1000)]))).toBe(true);
    for (const bad of [-1, 1.5, 65536, Number.NaN]) expect(() => b.setSegmentSize(bad)).toThrow(RangeError);
    a.close();
    b.close();
  });

  it('gives the errors of the stack', async () => {
    const a = await bound(5002);
    const second = host.sockets.createSocket('udp4');
    second.bind(5002, OWN);
    await expect(next(second, 'listening')).rejects.toMatchObject({ code: 'EADDRINUSE', syscall: 'bind', port: 5002 });
    const foreign = host.sockets.createSocket('udp4');
    foreign.bind(5003, '192.0.2.1');
    await expect(next(foreign, 'listening')).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
    expect((await send(a, Buffer.alloc(65508), 9)).code).toBe('EMSGSIZE');
    expect((await send(a, 'x', 9, 'not an address')).code).toBe('EINVAL');
    expect((await send(a, 'x', 9, '10.77.0.255')).code).toBe('EACCES');
    a.close();
    expect((await send(a, 'x', 9)).code).toBe('EBADF');
  });

  it('leaves nothing behind when it closes', async () => {
    const before = host.sockets.open;
    const a = await bound(5004);
    expect(host.sockets.open).toBe(before + 1);
    const closed = next(a, 'close');
    a.close();
    await closed;
    expect(host.sockets.open).toBe(before);
    const again = await bound(5004); // the port is free at once
    again.close();
  });
});
