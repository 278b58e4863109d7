/**
 * Run by queues.test.ts inside a namespace of its own: a host of several stacks on a TAP of several queues, and the kernel's own sockets at
 * the other end, in this process. Prints what came of it as JSON.
 */
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, connect as kernelConnect, type Server, type Socket } from 'node:net';
import process from 'node:process';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { counters, Ip, Ip6, Tcp, TcpExt, Udp, Udp6 } from '../../../mib/catalogue/index.js';
import { Dev } from '../../../mib/catalogue/interface.js';
import { openReadings } from '../../../mib/ledger/cluster-reader.js';
import { RowKind } from '../../../mib/ledger/layout.js';
import { LedgerReader } from '../../../mib/ledger/reader.js';
import { interfaceExists } from '../../../stack/link/tap-host-setup.js';
import type { StackConfig } from '../../../stack/worker/config.js';
import type { ThreadHandle } from '../../../stack/worker/handle.js';
import { StackHost } from '../../../stack/worker/host.js';

const queues = Number(process.argv[2]);
/** Over IPv6, else over IPv4. */
const six = process.argv[3] === '6';
const KERNEL = six ? 'fd77::1' : '10.77.0.1';
const US = six ? 'fd77::2' : '10.77.0.2';
const InReceives = six ? Ip6.InReceives : Ip.InReceives;
const CONNECTIONS = 48;
/** The kernel's TAP forgets a flow after 3 s. */
const FORGOTTEN_MS = 4000;

const config: StackConfig = {
  mode: 'tap',
  tap: { name: 'tsnq0', attach: false, hostAddress: '10.77.0.1/24', ...(six ? { hostAddress6: `${KERNEL}/64` } : {}) },
  queues,
  mac: '02:00:0a:4d:00:02',
  addresses: ['10.77.0.2/24', ...(six ? [`${US}/64`] : [])],
  gateway: '10.77.0.1',
  // plain frames: what one side sends the other receives, count for count
  offloads: false,
  coalesce: false,
  maxRows: 1024,
  services: ['echo', 'discard', 'daytime', 'chargen'],
  seed: 0,
  pcap: '',
  // neighbours are each stack's own affair, and not what is counted here
  sysctl: {
    'net.ipv4.neigh.default.delay_first_probe_time': 3600,
    'net.ipv6.neigh.default.delay_first_probe_time': 3600,
  },
};

const hash = (b: Buffer) => createHash('sha256').update(b).digest('hex');
/** Sends, and reads as much as it sent: do the octets come back? */
async function echoes(s: Duplex, octets: Buffer): Promise<boolean> {
  const came: Buffer[] = [];
  let n = 0;
  const all = new Promise<void>((resolve, reject) => {
    const take = (b: Buffer) => {
      came.push(b);
      n += b.length;
      if (n < octets.length) return;
      s.off('data', take);
      resolve();
    };
    s.on('data', take);
    s.once('error', reject);
    s.once('end', () => reject(new Error('ended')));
  });
  s.write(octets);
  await all;
  return hash(Buffer.concat(came)) === hash(octets);
}
const many = <T>(make: (i: number) => Promise<T>) => Promise.all(Array.from({ length: CONNECTIONS }, (_, i) => make(i)));
const share = async (list: Promise<boolean[]>) => (await list).filter((ok) => ok).length;

function kernelTcp(): { OutSegs: number; InSegs: number; RetransSegs: number } {
  const lines = readFileSync('/proc/self/net/snmp', 'utf8').split('\n').filter((l) => l.startsWith('Tcp:')); // biome-ignore format: one thing
  const [names, values] = lines.map((l) => l.split(' ').slice(1)) as [string[], string[]];
  const of = (name: string) => Number(values[names.indexOf(name)]);
  return { OutSegs: of('OutSegs'), InSegs: of('InSegs'), RetransSegs: of('RetransSegs') };
}

/** What the process holds of this kind: TAPs, and eventfds (each thread's loop has some of its own). */
function descriptors(): { tun: number; eventfd: number } {
  const targets = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return []; // the folder itself, closed again
    }
  });
  return {
    tun: targets.filter((t) => t.includes('net/tun')).length,
    eventfd: targets.filter((t) => t.includes('eventfd')).length,
  };
}

const before = descriptors();
let crashes = 0;
const host = await StackHost.start(config, { crashed: () => crashes++ });
const reader = openReadings(host.memories);
const asking = { timeoutMs: 5000, wake: () => host.wake() };
/** A counter in each ledger. */
const each = (id: number) => host.memories.map((m) => new LedgerReader(m).liveSnapshot().cells[id]!);
const received = () => host.memories.map((m) => new LedgerReader(m).liveSnapshot().device(1)[Dev.rxPackets]!);

/** Connections of the kernel's to the echo service. */
async function toService(): Promise<{ sockets: Socket[]; good: number }> {
  const sockets = await many(async () => {
    const s = kernelConnect(7, US);
    await once(s, 'connect');
    return s;
  });
  return { sockets, good: await share(many((i) => echoes(sockets[i]!, randomBytes(10_000)))) };
}

/** Connections of the kernel's to a listener of this thread. */
async function toListener(): Promise<number> {
  const server = host.sockets.createServer((s) => s.pipe(s));
  server.listen({ port: 6000, host: US });
  await once(server, 'listening');
  const sockets = await many(async () => {
    const s = kernelConnect(6000, US);
    await once(s, 'connect');
    return s;
  });
  const good = await share(many((i) => echoes(sockets[i]!, randomBytes(10_000))));
  for (const s of sockets) s.end();
  await many((i) => once(sockets[i]!, 'close'));
  server.close();
  return good;
}

/** Connections of ours to the kernel: data at once, and when the TAP has forgotten them. */
async function fromUs(): Promise<{ good: number; later: number; astray: boolean; server: Server }> {
  const accepted: Socket[] = [];
  const server = createServer((s) => {
    accepted.push(s);
    s.pipe(s);
  });
  server.listen(7000, KERNEL);
  await once(server, 'listening');
  const sockets = await many(async () => {
    const s = host.sockets.connect({ host: KERNEL, port: 7000 });
    await once(s, 'connect');
    return s;
  });
  const good = await share(many((i) => echoes(sockets[i]!, randomBytes(10_000))));
  await sleep(FORGOTTEN_MS);
  // now the kernel speaks first: on the connections of the first stack, whose frames come by any queue, then on all
  const [came, handled] = [received(), each(InReceives)];
  const word = async (s: Socket) => {
    const heard = once(sockets.find((ours) => ours.localPort === s.remotePort)!, 'data');
    s.write('word');
    return String((await heard)[0]) === 'word';
  };
  const atFirst = accepted.filter((s) => s.remotePort! % queues === 0);
  let later = await share(Promise.all(atFirst.map(word)));
  const astray = each(InReceives)[0]! - handled[0]! > received()[0]! - came[0]!;
  later += await share(Promise.all(accepted.filter((s) => !atFirst.includes(s)).map(word)));
  for (const s of sockets) s.end();
  await many((i) => once(sockets[i]!, 'close'));
  return { good, later, astray, server };
}

/** Datagrams to sockets of this thread and to the service, small and in fragments. */
async function datagrams(): Promise<{ bound: number; service: number }> {
  const open = async (port: number) => {
    const u = host.sockets.createSocket(six ? 'udp6' : 'udp4');
    u.onMessage((m, from) => u.send(m, from.port, from.address));
    await new Promise<void>((resolve) => u.bind(port, US, resolve));
    return u;
  };
  const ours = await Promise.all([5000, 5001, 5002, 5003, 0, 0].map(open));
  const ask = async (port: number, size: number) => {
    const s = createSocket(six ? 'udp6' : 'udp4');
    const message = randomBytes(size);
    const answer = once(s, 'message');
    s.send(message, port, US);
    const [came] = (await answer) as [Buffer];
    s.close();
    return came.equals(message);
  };
  let bound = 0;
  let service = 0;
  for (const size of [10, 1400, 9000]) {
    for (const u of ours) if (await ask(u.address().port, size)) bound++;
    for (let i = 0; i < 4; i++) if (await ask(7, size)) service++;
  }
  for (const u of ours) u.close();
  return { bound, service };
}

/** The kernel's questions, once duplicate address detection at both ends is over. */
async function answeredPings(): Promise<number> {
  const ping = (...more: string[]) => spawnSync('ping', ['-n', '-W', '1', ...more, US], { encoding: 'utf8' });
  for (let n = 0; n < 50 && ping('-c', '1').status !== 0; n++) await sleep(100);
  return Number(/(\d+) received/.exec(ping('-c', '10', '-i', '0.01').stdout)?.[1]);
}

const pings = six ? await answeredPings() : 0;
const service = await toService();
const listener = await toListener();
const active = await fromUs();
const udp = await datagrams();
await sleep(300); // delayed acknowledgements
const snapshot = await reader.snapshot(asking);
const kernel = kernelTcp();
/** What the TAP's queues had no room for. */
const dropped = Number(readFileSync('/sys/class/net/tsnq0/statistics/tx_dropped', 'utf8'));
const rows = reader.rows();
const sum = reader.sumOfRows();
const moving = counters.filter((c) => c.entry.kind !== 'constant');
const wrong = moving.filter((c) => sum[c.id]! + snapshot.closed[c.id]! + snapshot.unattributed[c.id]! !== snapshot.cells[c.id]);
const result = {
  service: service.good,
  listener,
  active: active.good,
  later: active.later,
  astray: active.astray,
  udp,
  consistent: snapshot.consistent,
  wrong: wrong.map((c) => c.key),
  listeners: rows.filter((r) => r.kind === RowKind.listener && r.localPort === 7).length,
  endpoints: rows.filter((r) => r.kind === RowKind.endpoint && r.localPort === 7).length,
  established: [snapshot.value(Tcp.CurrEstab), rows.filter((r) => r.kind === RowKind.connection && r.state === 1).length],
  opens: [snapshot.value(Tcp.PassiveOpens), snapshot.value(Tcp.ActiveOpens)],
  spread: [each(Tcp.PassiveOpens), each(Tcp.ActiveOpens)].map((shares) => shares.filter((n) => n > 0).length),
  // Linux does not count a segment that is sent again as an OutSeg, but for a SYN-ACK: what is over must be that
  in: kernel.OutSegs + kernel.RetransSegs - dropped - snapshot.value(Tcp.InSegs),
  out: snapshot.value(Tcp.OutSegs) + snapshot.value(Tcp.RetransSegs) - kernel.InSegs,
  repeats: [kernel.RetransSegs, snapshot.value(TcpExt.TCPSynRetrans)],
  datagrams: [Udp, Udp6].map((u) => [snapshot.value(u.InDatagrams), snapshot.value(u.NoPorts)])[six ? 1 : 0],
  pings,
  neighbours: (await host.neighbours()).map((n) => n.address),
  sockets: reader.countSockets().tcpStates[1],
};
for (const s of service.sockets) s.destroy();
active.server.close();
await host.stop();
const left = { tap: interfaceExists('tsnq0'), before, after: descriptors(), crashes };

// a thread that ends by itself takes the others with it, and that is told once
const second = await StackHost.start(config, { crashed: () => crashes++ });
const dies = (second as unknown as { threads: readonly ThreadHandle[] }).threads[queues - 1]!;
const socket = second.sockets.connect({ host: KERNEL, port: 7001 });
const ended = once(socket, 'error').catch(() => []);
await dies.terminate();
await ended;
while (second.running) await sleep(10);
const afterCrash = { crashes, tap: interfaceExists('tsnq0'), after: descriptors() };
console.log(JSON.stringify({ ...result, left, afterCrash }));
process.exit(0);
