/**
 * A fresh stack on a TAP that exists, driven by JSON lines on stdin: the target's side of the parity oracle. One request a line, one reply
 * a line, { ok: true, … } or { ok: false, error }. Everything runs on this thread, which sleeps in ppoll on the TAP and stdin, so that a
 * request takes effect in the order in which frames and requests arrive. How to run it: README.md here.
 */
import { readSync, writeSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { openTap } from '../../stack/link/tap.js';
import { libc } from '../../stack/link/tap-libc.js';
import { ParityTarget, type Reply, type Request } from './parity-target.js';
import { warmUp } from './parity-warm-up.js';

const { values } = parseArgs({
  options: {
    tap: { type: 'string', default: 'tap0' },
    mac: { type: 'string', default: '02:00:00:00:00:01' },
    ip: { type: 'string', default: '10.99.0.1/24' },
    gw: { type: 'string' },
    ip6: { type: 'string' },
    gw6: { type: 'string' },
    'warm-up': { type: 'string', default: '300' },
  },
});

const POLLIN = 1;
const POLLHUP = 16;
const LONGEST_SLEEP_US = 1e6;

/** Waits for the TAP or stdin. True when stdin has something (or has ended). */
class Waiter {
  private readonly c = libc();
  private readonly fds = new DataView(new ArrayBuffer(16));
  private readonly timeout = new DataView(new ArrayBuffer(16));

  constructor(tap: number) {
    this.fds.setInt32(0, tap, true);
    this.fds.setInt16(4, POLLIN, true);
    this.fds.setInt32(8, 0, true);
    this.fds.setInt16(12, POLLIN, true);
  }

  wait(us: number): boolean {
    const seconds = Math.floor(us / 1e6);
    this.timeout.setUint32(0, seconds, true);
    this.timeout.setUint32(8, Math.floor((us - seconds * 1e6) * 1000), true);
    this.fds.setInt16(14, 0, true);
    this.c.ppoll(this.c.address(this.fds), 2, this.c.address(this.timeout), 0, 0);
    return (this.fds.getInt16(14, true) & (POLLIN | POLLHUP)) !== 0;
  }
}

/** Whole lines of stdin. */
class Lines {
  private rest = '';
  private readonly buffer = Buffer.alloc(65536);
  readonly waiting: string[] = [];

  /** Reads what is there. False at the end. */
  read(): boolean {
    const n = readSync(0, this.buffer, 0, this.buffer.length, null);
    if (n === 0) return false;
    const lines = (this.rest + this.buffer.toString('utf8', 0, n)).split('\n');
    this.rest = lines.pop()!;
    this.waiting.push(...lines.filter((l) => l.trim() !== ''));
    return true;
  }
}

const nowUs = () => Math.floor(performance.now() * 1000);
const say = (r: Reply): void => {
  writeSync(1, `${JSON.stringify(r)}\n`);
};

function main(): void {
  warmUp(Number(values['warm-up']));
  const link = openTap({ name: values.tap, attach: true, offloads: false });
  const target = new ParityTarget(link, {
    mac: values.mac,
    addresses: [values.ip, ...(values.ip6 ? [values.ip6] : [])],
    gateways: [values.gw, values.gw6].filter((g) => g !== undefined),
    clock: nowUs,
  });
  const waiter = new Waiter(link.fd);
  const lines = new Lines();
  for (;;) {
    const more = target.poll(nowUs());
    const reply = target.reply(nowUs());
    if (reply) say(reply);
    if (!target.busy && lines.waiting.length > 0) {
      const request = JSON.parse(lines.waiting.shift()!) as Request;
      if (request.op === 'quit') return;
      target.request(request, nowUs());
      continue;
    }
    const us = more || reply ? 0 : Math.min(LONGEST_SLEEP_US, Math.max(0, target.nextDeadlineUs() - nowUs()));
    if (waiter.wait(us) && !lines.read()) return;
  }
}

main();
process.exit(0);
