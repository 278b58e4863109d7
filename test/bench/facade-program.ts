/**
 * A program as a user would write it: a stack on its own thread (StackHost) and servers on this one, over the sockets in shared memory. The
 * built stack's index is its first argument. Ports: echo 1007, sink 1009, source 1019; a reader that reads nothing 1010; a source that tells
 * when write() says no 1020; UDP echo 1007. `stats` on standard input is answered with one JSON line.
 *
 *   facade-program STACK_INDEX plain|offloads
 */
import process from 'node:process';
import { createInterface } from 'node:readline';

type Stack = typeof import('../../stack/index.js');

const PIECE = Buffer.alloc(64 << 10, 'x');
const [index, mode] = process.argv.slice(2);

const { StackHost } = (await import(index!)) as Stack;
const host = await StackHost.start({
  mode: 'tap',
  tap: { name: 'tsn0', attach: false, hostAddress: '10.77.0.1/24' },
  mac: '02:00:0a:4d:00:02',
  addresses: ['10.77.0.2/24'],
  gateway: '10.77.0.1',
  offloads: mode === 'offloads',
  coalesce: true,
  maxRows: 4096,
  services: ['echo', 'discard', 'chargen'],
  seed: 0,
  pcap: '',
});

type StackSocket = ReturnType<typeof host.sockets.connect>;
const stats = { refused: 0, drained: 0, written: 0, heldBack: 0 };

/** Writes for as long as write() says yes, and goes on when the stream has drained. */
function pump(s: StackSocket): void {
  s.on('error', () => {});
  const write = () => {
    while (!s.destroyed && s.write(PIECE));
  };
  s.on('drain', write);
  write();
}

/** The same, and tells. */
function tellingPump(s: StackSocket): void {
  s.on('error', () => {});
  const write = () => {
    while (!s.destroyed) {
      const more = s.write(PIECE);
      stats.written += PIECE.length;
      stats.heldBack = s.writableLength;
      if (!more) {
        stats.refused++;
        return;
      }
    }
  };
  s.on('drain', () => {
    stats.drained++;
    write();
  });
  write();
}

const servers: readonly (readonly [number, (s: StackSocket) => void])[] = [
  [
    1007,
    (s) =>
      s
        .setNoDelay()
        .on('error', () => {})
        .pipe(s),
  ],
  [1009, (s) => s.on('error', () => {}).resume()],
  [1010, (s) => s.on('error', () => {}).pause()],
  [1019, pump],
  [1020, tellingPump],
];
for (const [port, serve] of servers) {
  await new Promise<void>((resolve, reject) => {
    const server = host.sockets.createServer(serve);
    server.once('error', reject);
    server.listen({ port, host: '10.77.0.2' }, () => resolve());
  });
}
const datagrams = host.sockets.createSocket('udp4', (message, from) => datagrams.send(message, from.port, from.address));
datagrams.bind(1007, '10.77.0.2', () => process.stdout.write('{"ready":1}\n'));

createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'stats') process.stdout.write(`${JSON.stringify(stats)}\n`);
});

async function end(): Promise<void> {
  await host.stop();
  process.exit(0);
}
process.on('SIGTERM', () => void end());
process.stdin.on('end', () => void end()); // the bench is gone
