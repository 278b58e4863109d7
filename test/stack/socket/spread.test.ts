/** Which of several stacks is asked for a socket, and how a listener comes to be in all of them or in none. */
import { describe, expect, it } from 'vitest';
import { Errno } from '../../../stack/core/errno.js';
import { Channel, Word } from '../../../stack/socket/node/channel.js';
import { Doorbell } from '../../../stack/socket/node/doorbell.js';
import type { SocketRequest } from '../../../stack/socket/node/messages.js';
import { SOCKET_SLOTS } from '../../../stack/socket/node/registry.js';
import { Sockets } from '../../../stack/socket/node/sockets.js';
import type { StackSocket } from '../../../stack/socket/node/stream.js';

const LOCAL = { address: '10.77.0.2', port: 6000 };
const REMOTE = { address: '10.77.0.1', port: 40_000 };

/** Sockets over stacks that do what the test says: `asked` is what each was asked since the last look. */
function world(count: number) {
  const posts: SocketRequest[][] = Array.from({ length: count }, () => []);
  const wakes = new Array<number>(count).fill(0);
  const sockets = new Sockets(
    ...posts.map((list, i) => ({
      post: (r: SocketRequest) => list.push(r),
      wake: () => {
        wakes[i]!++;
      },
    })),
  );
  const asked = () => posts.map((list) => list.splice(0).map((r) => (r.op === 'listen' ? `listen ${r.at.port}` : r.op)));
  const listening = (stack: number, id: number, port = 6000) =>
    sockets.deliver({ op: 'listening', id, local: { ...LOCAL, port } }, stack);
  const accepted = (stack: number, id: number, slot: number) => {
    const channel = Channel.create(1024);
    sockets.deliver({ op: 'accepted', id, slot, memory: channel.memory, local: LOCAL, remote: REMOTE }, stack);
    return channel;
  };
  return { sockets, posts, wakes, asked, listening, accepted };
}
const FIRST = 1;

describe('a listener over several stacks', () => {
  it('is opened in the first, then by number in the others, and listens when all do', () => {
    const w = world(3);
    const said: string[] = [];
    const server = w.sockets.createServer(() => said.push('connection'));
    server.on('listening', () => said.push(`listening ${server.address()!.port}`));
    server.listen({ port: 0 });
    expect(w.asked()).toEqual([['listen 0'], [], []]);
    w.listening(0, FIRST, 45_000);
    expect(w.asked()).toEqual([[], ['listen 45000'], ['listen 45000']]);
    w.accepted(0, FIRST, 0);
    w.listening(2, FIRST, 45_000);
    expect(said).toEqual([]);
    w.listening(1, FIRST, 45_000);
    expect(said).toEqual(['listening 45000', 'connection']);
    w.accepted(2, FIRST, 0);
    expect(said).toEqual(['listening 45000', 'connection', 'connection']);
    server.close();
    expect(w.asked()).toEqual([['cancel'], ['cancel'], ['cancel']]);
  });

  it('is taken back everywhere when one refuses, and the connections that it had are closed', () => {
    const w = world(3);
    const server = w.sockets.createServer(() => expect.unreachable());
    const errors: unknown[] = [];
    server.on('error', (e) => errors.push(e));
    server.on('listening', () => expect.unreachable());
    server.listen({ port: 6000 });
    w.listening(0, FIRST);
    const early = w.accepted(0, FIRST, 5);
    w.asked();
    w.sockets.deliver({ op: 'failed', id: FIRST, errno: Errno.EADDRINUSE, call: 'listen' }, 1);
    expect(errors).toMatchObject([{ code: 'EADDRINUSE' }]);
    expect(w.asked()).toEqual([['cancel'], ['cancel'], ['cancel']]);
    expect(early.get(Word.close)).toBe(1);
    // what was under way meanwhile
    w.listening(2, FIRST);
    expect(w.accepted(2, FIRST, 0).get(Word.close)).toBe(1);
    expect(errors).toHaveLength(1);
    expect(w.asked()).toEqual([[], [], []]);
  });

  it('that the first refuses is asked of nobody else', () => {
    const w = world(2);
    const errors: unknown[] = [];
    w.sockets.createServer().on('error', (e) => errors.push(e)).listen({ port: 7 }); // biome-ignore format: one thing
    w.asked();
    w.sockets.deliver({ op: 'failed', id: FIRST, errno: Errno.EADDRINUSE, call: 'listen' }, 0);
    expect(errors).toMatchObject([{ code: 'EADDRINUSE' }]);
  });
});

describe('other sockets over several stacks', () => {
  it('go to the home of the port that was chosen, else to each in turn', () => {
    const w = world(3);
    for (let i = 0; i < 6; i++) w.sockets.connect({ host: REMOTE.address, port: 80 }).on('error', () => {});
    expect(w.asked().map((a) => a.length)).toEqual([2, 2, 2]);
    w.sockets.connect({ host: REMOTE.address, port: 80, localPort: 3001 }).on('error', () => {});
    expect(w.asked().map((a) => a.length)).toEqual([0, 1, 0]);
    for (const port of [5000, 5001, 5002, 5003]) w.sockets.createSocket('udp4').bind(port);
    expect(w.asked().map((a) => a.length)).toEqual([1, 1, 2]);
  });

  it('are cancelled where they are', () => {
    const w = world(2);
    const s = w.sockets.connect({ host: REMOTE.address, port: 80, localPort: 3001 });
    w.asked();
    s.destroy();
    expect(w.asked()).toEqual([[], ['cancel']]);
  });

  it('have slots of their own stack: bells ring there and come from there', async () => {
    const w = world(2);
    const server = w.sockets.createServer();
    const connections: StackSocket[] = [];
    server.on('connection', (s: StackSocket) => connections.push(s));
    server.listen({ port: 6000 });
    for (const k of [0, 1]) w.listening(k, FIRST);
    const channels = [0, 1].map((k) => w.accepted(k, FIRST, 3));
    w.wakes.fill(0);
    connections[1]!.write('hello');
    expect(w.wakes).toEqual([0, 1]);
    expect(channels.map((c) => c.toSend.used())).toEqual([0, 5]);
    const rung: number[] = [];
    new Doorbell(w.sockets.memories[1]!.toStack).collect((slot) => rung.push(slot));
    expect(rung).toEqual([3]);
    // the other way: octets for the first stack's slot 3 alone
    const heard = [0, 1].map((k) => new Promise<string>((r) => connections[k]!.once('data', (b) => r(`${k} ${b}`))));
    channels[0]!.received.write(new TextEncoder().encode('from 0'), 0, 6);
    new Doorbell(w.sockets.memories[0]!.toUser).ring(3);
    w.sockets.deliver({ op: 'bell' }, 0);
    expect(await Promise.race(heard)).toBe('0 from 0');
    expect(w.sockets.open).toBe(2);
    expect(SOCKET_SLOTS).toBeGreaterThan(3);
  });
});
