/** Run by tap-host.test.ts inside a namespace of its own: a stack on a TAP, as the daemon has it, and one way of ending. */
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { IpExt } from '../../../mib/catalogue/index.js';
import { ClusterReader } from '../../../mib/ledger/cluster-reader.js';
import { interfaceExists } from '../../../stack/link/tap-host-setup.js';
import type { StackConfig } from '../../../stack/worker/config.js';
import { StackHost } from '../../../stack/worker/host.js';

const way = process.argv[2] ?? '';
/** `offloads`, `coalesced` (plain frames, joined) or `plain`. */
const offloads = process.argv[3] !== 'plain' && process.argv[3] !== 'coalesced';
const queues = Number(process.argv[4] ?? 1);
const NAME = 'tsnt0';
const config: StackConfig = {
  mode: 'tap',
  tap: { name: NAME, attach: false, hostAddress: '10.77.0.1/24' },
  mac: '02:00:0a:4d:00:02',
  addresses: ['10.77.0.2/24'],
  gateway: '10.77.0.1',
  offloads,
  coalesce: process.argv[3] !== 'plain',
  queues,
  maxRows: 1024,
  services: ['echo', 'discard', 'daytime', 'chargen'],
  seed: 0,
  pcap: '',
};
const say = (o: unknown) => console.log(JSON.stringify(o));
const failure = (e: unknown) => ({ code: (e as NodeJS.ErrnoException).code, message: (e as Error).message });

/** Runs a command without blocking this thread. */
function run(command: string, args: string[]): Promise<{ status: number | null; stdout: string }> {
  return new Promise((resolve) => {
    const p = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    p.stdout.on('data', (d) => {
      stdout += String(d);
    });
    p.on('close', (status) => resolve({ status, stdout }));
  });
}

/** Random octets to the echo service and back at the same time: SHA-256 of what was sent and of what came. */
async function echoed(size: number): Promise<{ sent: string; came: string }> {
  const scratch = mkdtempSync(join(tmpdir(), 'tsn-echo-'));
  try {
    const file = join(scratch, 'random');
    await run('bash', ['-c', `head -c ${size} /dev/urandom > ${file}`]);
    const both = `exec 3<>/dev/tcp/10.77.0.2/7; cat ${file} >&3 & head -c ${size} <&3 | sha256sum`;
    const [sent, came] = [await run('sha256sum', [file]), await run('bash', ['-c', both])].map((r) => r.stdout.split(' ')[0]!);
    return { sent: sent!, came: came! };
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** Data both ways over connections that each end has opened, both asking for ECN: ECT packets that either end has counted. */
async function ecn(): Promise<object> {
  writeFileSync('/proc/sys/net/ipv4/tcp_ecn', '1');
  host.setSysctl('net.ipv4.tcp_ecn', process.argv[5]!);
  const there = await echoed(3_000_000);
  const server = createServer((s) => s.pipe(s)).listen(5000, '10.77.0.1');
  await once(server, 'listening');
  const sent = createHash('sha256');
  const came = createHash('sha256');
  const socket = host.sockets.connect({ host: '10.77.0.1', port: 5000 });
  for (let i = 0; i < 300; i++) {
    const block = randomBytes(10_000);
    sent.update(block);
    if (!socket.write(block)) await once(socket, 'drain');
  }
  socket.end();
  for await (const chunk of socket) came.update(chunk as Buffer);
  server.close();
  const cells = (await new ClusterReader(host.memories).snapshot({ wake: () => host.wake(), timeoutMs: 2000 })).cells;
  await host.stop();
  const [names, values] = readFileSync('/proc/net/netstat', 'utf8')
    .split('\n')
    .filter((l) => l.startsWith('IpExt:'));
  const kernel = Number(values!.split(' ')[names!.split(' ').indexOf('InECT0Pkts')]);
  const active = { sent: sent.digest('hex'), came: came.digest('hex') };
  return { there, active, kernelEct0: kernel, ourEct0: cells[IpExt.InECT0Pkts] };
}

const host = await StackHost.start(config, {
  crashed: (e) => {
    say({ crashed: e.message });
  },
});

if (way === 'traffic') {
  const ping = await run('ping', ['-c', '3', '-i', '0.2', '-W', '2', '10.77.0.2']);
  const large = await run('ping', ['-c', '1', '-s', '8000', '-W', '2', '10.77.0.2']);
  const busy = await StackHost.start(config).catch(failure);
  await host.stop();
  say({ ping: ping.status, large: large.status, busy, after: interfaceExists(NAME), features: host.features, mtu: host.mtu });
} else if (way === 'tcp') {
  const script = 'exec 3<>/dev/tcp/10.77.0.2/7; echo hello >&3; read -t 5 line <&3; echo got $line';
  const echo = await run('bash', ['-c', script]);
  const daytime = await run('bash', ['-c', 'cat < /dev/tcp/10.77.0.2/13']);
  const size = 30_000_000;
  const up = await run('bash', ['-c', `head -c ${size} /dev/zero > /dev/tcp/10.77.0.2/9; echo $?`]);
  const down = await run('bash', ['-c', `head -c ${size} < /dev/tcp/10.77.0.2/19 | sha256sum`]);
  const there = await echoed(100_000_000);
  const refused = await run('bash', ['-c', 'cat < /dev/tcp/10.77.0.2/81']);
  await host.stop();
  say({ echo: echo.stdout, daytime: daytime.stdout, up: up.stdout, down: down.stdout, there, refused: refused.status });
} else if (way === 'ecn') {
  say(await ecn());
} else if (way === 'idle') {
  await run('ping', ['-c', '1', '-W', '2', '10.77.0.2']);
  await sleep(2000); // the kernel and the stack have said what they had to say
  const turns = host.turns;
  const cpu = process.cpuUsage();
  await sleep(2000);
  const used = process.cpuUsage(cpu);
  say({ turns: host.turns - turns, cpuMs: (used.user + used.system) / 1000 });
  await host.stop();
} else if (way === 'exit') {
  process.exit(3);
} else if (way === 'throw') {
  setTimeout(() => {
    throw new Error('on purpose');
  }, 50);
} else if (way === 'deleted') {
  spawnSync('ip', ['link', 'del', NAME]);
} else if (way === 'sigterm') {
  // one client that listens for the end, one in the middle of an endless stream
  const script = 'exec 3<>/dev/tcp/10.77.0.2/7; echo hello >&3; read line <&3; echo $line; cat <&3; echo ended $?';
  const client = spawn('bash', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let heard = '';
  const connected = new Promise<void>((resolve) => {
    client.stdout.on('data', (d) => {
      heard += String(d);
      if (heard.includes('hello')) resolve();
    });
  });
  const ended = new Promise((resolve) => client.once('close', resolve));
  const endless = run('bash', ['-c', 'cat < /dev/tcp/10.77.0.2/19 > /dev/null; echo ended']);
  await connected;
  const stopped = new Promise<void>((resolve) => process.once('SIGTERM', () => void host.stop().then(resolve)));
  process.kill(process.pid, 'SIGTERM');
  await stopped;
  await ended;
  say({ heard, endless: (await endless).stdout, after: interfaceExists(NAME) });
} else if (way === 'persistent') {
  await host.stop();
  spawnSync('ip', ['tuntap', 'add', 'dev', NAME, 'mode', 'tap', ...(queues > 1 ? ['multi_queue'] : [])]);
  spawnSync('ip', ['addr', 'add', '10.77.0.1/24', 'dev', NAME]);
  spawnSync('ip', ['link', 'set', NAME, 'up']);
  const attached = await StackHost.start({ ...config, tap: { name: NAME, attach: true, hostAddress: null } });
  const ping = await run('ping', ['-c', '1', '-W', '2', '10.77.0.2']);
  const busy = await StackHost.start({ ...config, tap: { name: NAME, attach: true, hostAddress: null } }).catch(failure);
  await attached.stop();
  say({ ping: ping.status, after: interfaceExists(NAME), busy });
  spawnSync('ip', ['link', 'del', NAME]);
}
