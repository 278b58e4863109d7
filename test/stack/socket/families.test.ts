/** Sockets of IPv6 on `::` take IPv4 too, unless ipv6Only: as node:net's and node:dgram's do. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DatagramOptions } from '../../../stack/socket/node/datagram.js';
import type { StackHost } from '../../../stack/worker/host.js';
import { next, OWN, startEmbedded } from '../../support/embedded-host.js';

let host: StackHost;
beforeAll(async () => {
  host = await startEmbedded({ addresses: [`${OWN}/24`, 'fd77::2/64'] });
});
afterAll(() => host.stop());

async function listening(port: number, address: string, ipv6Only = false) {
  const server = host.sockets.createServer((s) => s.end('hello'));
  server.listen({ port, host: address, ipv6Only });
  await next(server, 'listening');
  return server;
}
async function bound(port: number, options: DatagramOptions) {
  const s = host.sockets.createSocket(options);
  s.bind(port);
  await next(s, 'listening');
  return s;
}
async function answer(port: number, address: string): Promise<string> {
  const s = host.sockets.connect({ host: address, port });
  const [data] = await next<[Buffer]>(s, 'data');
  s.destroy();
  return data.toString();
}

describe('a server on ::', () => {
  it('is reached over both families', async () => {
    const server = await listening(6100, '::');
    expect(server.address()).toEqual({ address: '::', port: 6100, family: 'IPv6' });
    expect([await answer(6100, '::1'), await answer(6100, OWN)]).toEqual(['hello', 'hello']);
    await expect(listening(6100, '0.0.0.0')).rejects.toMatchObject({ code: 'EADDRINUSE' });
    server.close();
  });

  it('leaves IPv4 to others when it is ipv6Only', async () => {
    const six = await listening(6101, '::', true);
    await expect(answer(6101, OWN)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    const four = await listening(6101, '0.0.0.0');
    expect([await answer(6101, '::1'), await answer(6101, OWN)]).toEqual(['hello', 'hello']);
    six.close();
    four.close();
  });
});

describe('a datagram socket of IPv6', () => {
  it('takes both families, and answers each in its own', async () => {
    const both = await bound(6102, { type: 'udp6' });
    both.onMessage((m, from) => both.send(m, from.port, from.address));
    for (const [type, to] of [
      ['udp4', OWN],
      ['udp6', '::1'],
    ] as const) {
      // biome-ignore format: one thing
      const client = await bound(0, { type });
      client.send('hello', 6102, to);
      const [message, from] = await next<[Buffer, { address: string }]>(client, 'message');
      expect([message.toString(), from.address]).toEqual(['hello', to]);
      client.close();
    }
    await expect(bound(6102, { type: 'udp4' })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    both.close();
  });

  it('leaves IPv4 to others when it is ipv6Only', async () => {
    const six = await bound(6103, { type: 'udp6', ipv6Only: true });
    const four = await bound(6103, { type: 'udp4' });
    expect([six.address().family, four.address().family]).toEqual(['IPv6', 'IPv4']);
    six.close();
    four.close();
  });
});
