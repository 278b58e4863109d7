/**
 * Our sender beside Linux's on the same bad path, in real time. A Linux kernel receives in a namespace of its own behind a TAP; before the TAP
 * lies the in-memory wire with its rate, queue, delay and losses. The sender is another kernel behind a second TAP, or a stack of ours
 * in this process. Prints what the receiver got in so many seconds, the median of several runs, and the ratio. How to run it: README.md.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { Ledger } from '../../mib/ledger/ledger.js';
import { createLedgerMemory } from '../../mib/ledger/memory.js';
import { IpAddress } from '../../stack/core/address.js';
import { HEADROOM, MAX_FRAME, Packet } from '../../stack/core/packet.js';
import { chance, SeededRandom } from '../../stack/core/random.js';
import { Wire, type WireEnd } from '../../stack/link/memory-wire.js';
import { openTap, type TapLink } from '../../stack/link/tap.js';
import { libc } from '../../stack/link/tap-libc.js';
import { Stack } from '../../stack/stack.js';

const { values } = parseArgs({
  options: {
    loss: { type: 'string', default: '0,0.01,0.03' },
    rtt: { type: 'string', default: '20' },
    rate: { type: 'string', default: '100' },
    queue: { type: 'string', default: '250' },
    reorder: { type: 'string', default: '0' },
    congestion: { type: 'string', default: 'reno,cubic' },
    seconds: { type: 'string', default: '10' },
    runs: { type: 'string', default: '3' },
  },
});

const SENDER = '10.66.0.1';
const RECEIVER = '10.66.0.2';
const PORT = 7000;
const MACS = ['02:00:00:00:66:01', '02:00:00:00:66:02'] as const;
/** Frames of data are larger: the handshake and ACKs are spared. */
const SMALL_FRAME = 200;
const POLLIN = 1;
/** How long the loop sleeps at most before it looks at what the children say. */
const SLICE_US = 2000;

const RECEIVE = `
import socket, sys, time
l = socket.socket(); l.setsockopt(1, 2, 1); l.bind(('${RECEIVER}', ${PORT})); l.listen(1); print('ready', flush=True)
c, _ = l.accept(); b = bytearray(1 << 18); total = c.recv_into(b); end = time.monotonic() + float(sys.argv[1])
while (left := end - time.monotonic()) > 0:
    c.settimeout(left)
    try: n = c.recv_into(b)
    except TimeoutError: break
    if not n: break
    total += n
print(total, flush=True)
`;
const SEND = `
import socket, sys
s = socket.socket(); s.setsockopt(6, 13, sys.argv[1].encode()); s.connect(('${RECEIVER}', ${PORT})); b = bytes(1 << 16)
while True: s.sendall(b)
`;

const nowUs = () => Math.floor(performance.now() * 1000);
const ip = (...args: string[]) => execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] });

/** A kernel: a namespace with a TAP whose other end is here. */
class KernelEnd {
  readonly netns: string;
  readonly tap: TapLink;
  constructor(name: string, address: string, mac: string, peer: string, peerMac: string) {
    this.netns = `${name}-ns`;
    ip('netns', 'add', this.netns);
    this.tap = openTap({ name, attach: false, offloads: false });
    ip('link', 'set', name, 'netns', this.netns);
    this.run('sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv4.tcp_no_metrics_save=1');
    this.run('ip', 'link', 'set', name, 'address', mac, 'up');
    this.run('ip', 'addr', 'add', `${address}/24`, 'dev', name);
    this.run('ip', 'neigh', 'replace', peer, 'lladdr', peerMac, 'dev', name, 'nud', 'permanent');
  }
  run(...command: string[]): void {
    execFileSync('ip', ['netns', 'exec', this.netns, ...command], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  python(program: string, argument: string): ChildProcess {
    return spawn('ip', ['netns', 'exec', this.netns, 'python3', '-c', program, argument], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  }
  close(): void {
    this.tap.close();
    ip('netns', 'del', this.netns);
  }
}

interface Cell {
  readonly congestion: string;
  readonly loss: number;
}

/** Moves frames between TAPs and the wire, and runs our stack, until told to stop. */
class Loop {
  private readonly c = libc();
  private readonly packet = new Packet(HEADROOM + MAX_FRAME);
  private readonly fds: DataView;
  private readonly timeout = new DataView(new ArrayBuffer(16));
  private readonly pairs: readonly (readonly [TapLink, WireEnd])[];
  private readonly wire: Wire;
  private readonly stack: Stack | null;

  constructor(wire: Wire, pairs: readonly (readonly [TapLink, WireEnd])[], stack: Stack | null) {
    this.wire = wire;
    this.pairs = pairs;
    this.stack = stack;
    this.fds = new DataView(new ArrayBuffer(8 * pairs.length));
    for (const [i, [tap]] of pairs.entries()) {
      this.fds.setInt32(8 * i, tap.fd, true);
      this.fds.setInt16(8 * i + 4, POLLIN, true);
    }
  }

  async until(done: () => boolean, limitUs: number): Promise<boolean> {
    const end = nowUs() + limitUs;
    while (!done()) {
      if (nowUs() > end) return false;
      for (let i = 0; i < 20 && !done(); i++) this.turn();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    return true;
  }

  private turn(): void {
    this.wire.a.advance(nowUs());
    for (const [tap, end] of this.pairs) while (tap.receive(this.packet)) end.transmit(this.packet);
    this.stack?.poll(nowUs());
    this.wire.a.advance(nowUs());
    for (const [tap, end] of this.pairs) while (end.receive(this.packet)) tap.transmit(this.packet);
    const next = Math.min(
      this.wire.a.nextDeadlineUs(),
      this.wire.b.nextDeadlineUs(),
      this.stack?.nextDeadlineUs() ?? Number.POSITIVE_INFINITY,
    );
    const us = Math.max(0, Math.min(SLICE_US, next - nowUs()));
    this.timeout.setUint32(8, Math.floor(us * 1000), true);
    this.c.ppoll(this.c.address(this.fds), this.pairs.length, this.c.address(this.timeout), 0, 0);
  }
}

function badWire(cell: Cell, seed: number): Wire {
  const delayUs = (Number(values.rtt) * 1000) / 2;
  const wire = new Wire(new SeededRandom(seed), {
    both: { delayUs, rate: Number(values.rate) * 1e6, queueLimit: Number(values.queue) },
  });
  const random = new SeededRandom(seed + 1);
  Object.assign(wire.ab.settings, {
    reorder: Number(values.reorder),
    reorderUs: Math.max(1000, Number(values.rtt) * 100),
    lose: (p: Packet) => p.tail - p.data > SMALL_FRAME && chance(random, cell.loss),
  });
  wire.nowUs = nowUs();
  return wire;
}

/** Our sender on the wire's end A. */
function ourSender(wire: Wire, congestion: string): Stack {
  const random = new SeededRandom(nowUs() >>> 0);
  const secret = Uint8Array.from({ length: 16 }, () => random.u32() & 255);
  const now = nowUs();
  const stack = new Stack({ ledger: new Ledger(createLedgerMemory(64), now, 0), random, secret, nowUs: now });
  stack.addDevice(wire.a, { mac: MACS[0], addresses: [`${SENDER}/24`] });
  const s = stack.tcp(4);
  const data = new Uint8Array(65536);
  s.setOption(6, 13, congestion);
  s.onReady = () => {
    while (s.send(data, 0, data.length, 0) > 0);
  };
  s.connect(IpAddress.from(RECEIVER), PORT);
  return stack;
}

/** Bytes that the receiver got. */
async function once(cell: Cell, ours: boolean, seed: number, a: KernelEnd, b: KernelEnd): Promise<number> {
  const wire = badWire(cell, seed);
  const receiver = b.python(RECEIVE, String(values.seconds));
  let said = '';
  receiver.stdout!.on('data', (d: Buffer) => {
    said += d.toString();
  });
  const idle = new Loop(wire, [[b.tap, wire.b]], null);
  await idle.until(() => said.includes('ready'), 10e6);
  const sender = ours ? null : a.python(SEND, cell.congestion);
  const stack = ours ? ourSender(wire, cell.congestion) : null;
  const loop = ours
    ? new Loop(wire, [[b.tap, wire.b]], stack)
    : new Loop(
        wire,
        [
          [a.tap, wire.a],
          [b.tap, wire.b],
        ],
        null,
      );
  const answered = await loop.until(() => /ready\s+\d+\s/.test(said), Number(values.seconds) * 1e6 + 20e6);
  sender?.kill('SIGKILL');
  receiver.kill('SIGKILL');
  await loop.until(() => false, 100_000); // what is still under way, so that the next run begins on an empty wire
  if (!answered) throw new Error('the receiver said nothing');
  return Number(/ready\s+(\d+)/.exec(said)![1]);
}

function median(of: readonly number[]): number {
  const sorted = [...of].sort((x, y) => x - y);
  return sorted[sorted.length >> 1]!;
}

async function main(): Promise<void> {
  const a = new KernelEnd(`imp${process.pid}a`, SENDER, MACS[0], RECEIVER, MACS[1]);
  const b = new KernelEnd(`imp${process.pid}b`, RECEIVER, MACS[1], SENDER, MACS[0]);
  const mbps = (bytes: number) => ((bytes * 8) / (Number(values.seconds) * 1e6)).toFixed(2);
  try {
    for (const congestion of values.congestion.split(',')) {
      for (const loss of values.loss.split(',').map(Number)) {
        const got = { ours: [] as number[], kernel: [] as number[] };
        for (let run = 0; run < Number(values.runs); run++) {
          // the same losses for both, in turn
          got.kernel.push(await once({ congestion, loss }, false, 1000 * run + 17, a, b));
          got.ours.push(await once({ congestion, loss }, true, 1000 * run + 17, a, b));
        }
        const [k, o] = [median(got.kernel), median(got.ours)];
        const all = (of: readonly number[]) => of.map(mbps).join(' ');
        console.log(
          `${congestion} loss ${loss} rtt ${values.rtt} ms: kernel ${mbps(k)} (${all(got.kernel)}), ours ${mbps(o)} (${all(got.ours)}) Mb/s, ratio ${(o / k).toFixed(3)}`,
        );
      }
    }
  } finally {
    a.close();
    b.close();
  }
}

await main();
process.exit(0);
