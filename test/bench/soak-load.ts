/**
 * The clients of the soak, a program of its own in the namespace of the TAP: transfers through echo whose bytes come from a seed and are
 * checked by SHA-256 when they are back, downloads checked against chargen's pattern, uploads, short connections of every kind of ending, and
 * datagrams. Every loop ends at the deadline, every step has a limit. One JSON line of totals at the end.
 *
 *   soak-load ADDRESS SECONDS SEED SOCKET
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import process from 'node:process';
import { promisify } from 'node:util';
import type { ConnectionsDto } from '../../mib/dto.js';
import { below, chance, SeededRandom } from '../../stack/core/random.js';
import { characters, PATTERN } from '../../stack/services/characters.js';
import { get, pause } from './bed.js';

const [address, seconds, seed] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])];
/** The daemon's, to ask it for its end of a connection that is stuck. */
const daemonSocket = process.argv[5]!;
const deadline = performance.now() + seconds * 1000;
/** A connection that moves nothing for so long is stuck: more than the time-outs of an interface that was down for a moment. */
const STALL_MS = 30_000;
/** Whose bytes are a pattern or nobody's: how long one may take. */
const LIMIT_MS = 60_000;
/** A slow reader's, in one transfer: small pieces make many chunks, and each may bring a pause. */
const MOST_PAUSES = 200;
const PIECE = 64 << 10;
const SMALL_TRANSFERS = 4;
const LARGE_TRANSFERS = 2;
const LARGEST = 64 << 20;
const CHURNS = 4;

const totals = {
  transfers: 0,
  verified: 0,
  mismatches: 0,
  uploaded: 0,
  downloaded: 0,
  visits: 0,
  refusals: 0,
  unreachable: 0,
  datagrams: 0,
  datagramsLost: 0,
  errors: 0,
};
const problems: string[] = [];

/** While the interface is down nothing can be reached: the soak does that on purpose. */
const AWAY = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'ENETDOWN']);

function problem(what: string, e: Error): void {
  if (AWAY.has((e as NodeJS.ErrnoException).code ?? '')) {
    totals.unreachable++;
    return;
  }
  totals.errors++;
  if (problems.length < 20) problems.push(`${what}: ${e.message}`);
}

/** Repeats a step until the deadline. What goes wrong is counted; the loop goes on a little later. */
async function loop(
  name: string,
  random: SeededRandom,
  restMs: number,
  step: (random: SeededRandom) => Promise<void>,
): Promise<void> {
  while (performance.now() < deadline) {
    try {
      await step(random);
    } catch (e) {
      problem(name, e as Error);
      await pause(100);
    }
    await pause(below(random, restMs));
  }
}

/** Settles with the socket's end; destroys it after a while, which is an error. */
function whole(s: Socket): Promise<void> {
  const late = setTimeout(() => s.destroy(new Error(`not done after ${LIMIT_MS} ms`)), LIMIT_MS);
  return ended(s, () => clearTimeout(late));
}

/** Settles with the socket's end; destroys it when nothing came for long, which is an error. @param state for its message */
function moving(s: Socket, state: () => string): Promise<void> {
  const giveUp = async () => {
    const message = `nothing came for ${STALL_MS} ms: ${state()}\n${await bothEnds(s.localPort!)}`;
    s.destroy(new Error(message));
  };
  const stalled = setTimeout(giveUp, STALL_MS);
  s.on('data', () => stalled.refresh());
  return ended(s, () => clearTimeout(stalled));
}

/** What the stack and the kernel say of the connection of this client's port: a stall is rare, and gone when it is looked for afterwards. */
async function bothEnds(port: number): Promise<string> {
  const ours = async () => {
    const { connections } = JSON.parse(await get(daemonSocket, '/api/v1/connections?limit=1000')) as ConnectionsDto;
    const row = connections.find((c) => c.remote.port === port);
    return row ? await get(daemonSocket, `/api/v1/connections/${row.id}/counters`) : 'no such row';
  };
  const kernel = async () => (await promisify(execFile)('ss', ['-tinmo', 'sport', '=', `:${port}`])).stdout;
  const told = await Promise.allSettled([ours(), kernel()]);
  return told.map((t) => (t.status === 'fulfilled' ? t.value : String(t.reason))).join('\n');
}

function ended(s: Socket, clear: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    s.once('error', reject);
    s.once('close', () => {
      clear();
      resolve();
    });
  });
}

/** The next bytes of a seed. A piece may be handed on, so each is fresh. */
function bytesOf(random: SeededRandom, length: number): Buffer {
  const words = new Uint32Array((length + 3) >> 2);
  for (let i = 0; i < words.length; i++) words[i] = random.u32();
  return Buffer.from(words.buffer, 0, length);
}

/** As likely between 10 and 100 as between 1000 and 10,000. */
const logUniform = (random: SeededRandom, most: number) => Math.ceil(most ** ((below(random, 10_000) + 1) / 10_000));

async function transfer(random: SeededRandom, size: number): Promise<void> {
  const seedOfBytes = random.u32();
  const source = new SeededRandom(seedOfBytes);
  const [sent, back] = [createHash('sha256'), createHash('sha256')];
  // not more than a million writes: 64 MB byte by byte take node a minute and a half against any server
  const pieceSize = chance(random, 0.2) ? Math.max(1 + below(random, 1400), size >> 20) : PIECE;
  const slow = chance(random, 0.1);
  let left = size;
  let received = 0;
  let pauses = 0;
  const s = connect({ port: 7, host: address });
  if (chance(random, 0.5)) s.setNoDelay(true);
  const write = (): void => {
    while (left > 0) {
      const piece = bytesOf(source, Math.min(left, pieceSize));
      left -= piece.length;
      sent.update(piece);
      if (!s.write(piece)) return;
    }
    s.end();
  };
  s.on('connect', write);
  s.on('drain', write);
  s.on('data', (d: Buffer) => {
    received += d.length;
    back.update(d);
    if (!slow || pauses >= MOST_PAUSES || !chance(random, 0.02)) return;
    pauses++;
    s.pause();
    setTimeout(() => s.resume(), below(random, 100));
  });
  await moving(
    s,
    () => `port ${s.localPort}, ${size} bytes in pieces of ${pieceSize}, ${left} to write, ${received} back, ${pauses} pauses`,
  );
  const [want, got] = [sent.digest('hex'), back.digest('hex')];
  totals.transfers++;
  if (received === size && want === got) totals.verified += size;
  else {
    totals.mismatches++;
    problems.push(`transfer of ${size} bytes of seed ${seedOfBytes}: ${received} came back, ${got} for ${want}`);
  }
}

/** chargen from its first character on: what arrives must be the pattern. */
const pattern = Buffer.from(characters(PATTERN + PIECE));
async function download(random: SeededRandom): Promise<void> {
  const most = logUniform(random, 32 << 20);
  let received = 0;
  const s = connect({ port: 19, host: address });
  s.on('data', (d: Buffer) => {
    for (let at = 0; at < d.length; ) {
      const from = (received + at) % PATTERN;
      const n = Math.min(d.length - at, PIECE);
      if (d.compare(pattern, from, from + n, at, at + n) !== 0) {
        totals.mismatches++;
        s.destroy(new Error(`chargen's pattern broke near octet ${received + at}`));
        return;
      }
      at += n;
    }
    received += d.length;
    totals.downloaded += d.length;
    totals.verified += d.length;
    if (received >= most) s.destroy();
  });
  await whole(s);
  if (received < most) throw new Error(`download ended after ${received} of ${most}`);
}

async function upload(random: SeededRandom): Promise<void> {
  let left = logUniform(random, 32 << 20);
  const piece = Buffer.alloc(PIECE, 'u');
  const s = connect({ port: 9, host: address });
  const write = (): void => {
    while (left > 0) {
      left -= piece.length;
      totals.uploaded += piece.length;
      if (!s.write(piece)) return;
    }
    s.end();
  };
  s.on('connect', write);
  s.on('drain', write);
  s.resume();
  await whole(s);
}

/** Short connections: each way to end one. */
const VISITS: readonly ((s: Socket) => void)[] = [
  (s) => s.on('connect', () => s.write('x')).on('data', () => s.end()), // the client's FIN first
  (s) => s.on('connect', () => s.write('x')).on('data', () => s.resetAndDestroy()), // RST
  (s) => s.on('connect', () => s.destroy()), // nothing said
  (s) => s.on('connect', () => s.end('x')).resume(), // half closed, the echo comes behind it
  (s) => s.on('connect', () => s.resetAndDestroy()),
];

async function visit(random: SeededRandom): Promise<void> {
  if (chance(random, 0.1)) return refused();
  const daytime = chance(random, 0.15); // the server's FIN first: TIME-WAIT is the stack's
  const s = connect({ port: daytime ? 13 : 7, host: address });
  if (daytime) s.resume();
  else VISITS[below(random, VISITS.length)]!(s);
  await whole(s);
  totals.visits++;
}

async function refused(): Promise<void> {
  try {
    await whole(connect({ port: 4, host: address }));
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'ECONNREFUSED') throw e;
    totals.refusals++;
    return;
  }
  throw new Error('a connect to a closed port was not refused');
}

/** Datagrams of every size, some of many fragments; the wire may lose them, but what comes back is what went. */
async function datagrams(random: SeededRandom): Promise<void> {
  const s = createSocket('udp4');
  const waiting = new Map<number, Buffer>();
  let number = 0;
  s.on('error', (e) => problem('udp', e));
  s.on('message', (m) => {
    const id = m.length >= 4 ? m.readUInt32BE(0) : -1;
    const sent = waiting.get(id);
    waiting.delete(id);
    if (!sent?.equals(m)) totals.mismatches++;
    else {
      totals.datagrams++;
      totals.verified += m.length;
    }
  });
  const until = Math.min(deadline, performance.now() + 5000);
  while (performance.now() < until) {
    for (let i = below(random, 8); i >= 0; i--) {
      const size = 4 + (chance(random, 0.1) ? below(random, 20_000) : below(random, 1469));
      const m = bytesOf(random, size);
      m.writeUInt32BE(++number, 0);
      waiting.set(number, m);
      const id = number;
      s.send(m, 7, address, (e) => {
        if (!e) return;
        waiting.delete(id);
        problem('udp send', e);
      });
    }
    await pause(below(random, 10));
  }
  await pause(1000);
  totals.datagramsLost += waiting.size;
  s.close();
}

const seeded = (n: number) => new SeededRandom((seed + n * 7919) >>> 0);
const loops: Promise<void>[] = [loop('download', seeded(100), 300, download), loop('upload', seeded(101), 300, upload)];
for (let i = 0; i < SMALL_TRANSFERS; i++) loops.push(loop('transfer', seeded(i), 40, (r) => transfer(r, logUniform(r, 8 << 20))));
for (let i = 0; i < LARGE_TRANSFERS; i++)
  loops.push(loop('large transfer', seeded(10 + i), 100, (r) => transfer(r, 1 + below(r, LARGEST))));
for (let i = 0; i < CHURNS; i++) loops.push(loop('visit', seeded(20 + i), 15, visit));
loops.push(loop('udp', seeded(30), 100, datagrams));
// a bench that is gone must not leave this behind
process.stdin.on('end', () => process.exit(1)).resume();
await Promise.all(loops);
process.stdout.write(`${JSON.stringify({ ...totals, problems })}\n`);
process.exit(0);
