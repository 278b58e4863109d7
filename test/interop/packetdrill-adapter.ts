/**
 * The stack as the packetdrill runner drives it: frames in and out by hand, virtual time, system calls by name. Blocking calls are kept
 * until they can finish, and looked at whenever something has happened.
 */
import { counters } from '../../mib/catalogue/index.js';
import { Ledger } from '../../mib/ledger/ledger.js';
import { createLedgerMemory } from '../../mib/ledger/memory.js';
import { SeededRandom } from '../../stack/core/random.js';
import { Stack } from '../../stack/stack.js';
import { DirectLink, type FrameMeta } from './direct-link.js';
import { type SystemCallArgs, type SystemCallResult, SystemCalls } from './system-calls.js';

export interface AdapterConfig {
  readonly mac: string;
  readonly ip: string;
  readonly prefix: number;
  readonly gateway: string;
  readonly neighbors?: Readonly<Record<string, string>>;
  readonly mtu?: number;
  readonly clock?: { nowUs(): number };
  readonly sysctls?: Readonly<Record<string, string>>;
}

/** Virtual time 0 of a script is this time of the stack: its clocks shall not start at 0. */
const EPOCH_US = 1_000_000_000;

/** Scripts speak of a new stack each: the same chance for all. */
const SEED = 0x7cb5;

/** What scripts take for granted of the machine they run on: packetdrill's test bed has larger buffers than a new Linux. */
const TEST_BED: Readonly<Record<string, string>> = { tcp_rmem: '4096 540000 15728640', tcp_wmem: '4096 262144 4194304' };

export class PacketdrillStack {
  readonly stack: Stack;
  readonly link: DirectLink;
  private readonly ledger: Ledger;
  private readonly calls: SystemCalls;
  private readonly device;
  private readonly gateway: string;
  private nowUs = EPOCH_US;
  private busy = false;

  constructor(cfg: AdapterConfig) {
    this.ledger = new Ledger(createLedgerMemory(256), EPOCH_US, 0);
    const random = new SeededRandom(SEED);
    const secret = Uint8Array.from({ length: 16 }, () => random.u32() & 255);
    this.stack = new Stack({ ledger: this.ledger, random, secret, nowUs: EPOCH_US });
    this.link = new DirectLink(cfg.mtu ?? 1500);
    this.device = this.stack.addDevice(this.link, {
      mac: cfg.mac,
      addresses: [`${cfg.ip}/${cfg.prefix}`],
      gateway: cfg.gateway,
    });
    this.gateway = cfg.gateway;
    this.calls = new SystemCalls(this.stack, () => this.nowUs, EPOCH_US);
    for (const [name, value] of Object.entries({ ...TEST_BED, ...cfg.sysctls })) this.sysctl(name, value);
    this.run();
  }

  onTransmit(callback: (frame: Buffer, timeUs: number) => void): void {
    this.link.onFrame = (frame) => callback(frame, this.nowUs - EPOCH_US);
  }

  inject(frame: Buffer, timeUs: number, meta?: FrameMeta): void {
    this.link.inject(frame, meta);
    if (this.busy) return; // an answer to what is being sent: taken when the present step is done
    this.nowUs = Math.max(this.nowUs, timeUs + EPOCH_US);
    this.run();
  }

  /** Takes waiting frames and calls until nothing moves at this instant. */
  private run(): void {
    if (this.busy) return;
    this.busy = true;
    try {
      do {
        this.stack.poll(this.nowUs);
      } while (this.link.waiting > 0 || this.calls.retry());
    } finally {
      this.busy = false;
    }
  }

  private nextUs(): number {
    return Math.min(this.stack.nextDeadlineUs(), this.calls.nextDeadlineUs());
  }

  advanceTo(timeUs: number): void {
    const target = timeUs + EPOCH_US;
    for (let next = this.nextUs(); next <= target; next = this.nextUs()) {
      this.nowUs = Math.max(this.nowUs, next);
      this.run();
    }
    this.nowUs = Math.max(this.nowUs, target);
    this.run();
  }

  nextTimerUs(): number | null {
    const next = this.nextUs();
    return next === Number.POSITIVE_INFINITY ? null : Math.max(0, next - EPOCH_US);
  }

  sysctl(name: string, value: string): boolean {
    if (name === 'tcp_fastopen_key') return this.stack.tcpLayer.fastOpenCookies.setKeys(value);
    // CUBIC's module parameters
    return this.stack.env.sysctl.set(name.replace(/^cubic\./, 'module.tcp_cubic.'), value);
  }

  counters(): Record<string, number> {
    const flat: Record<string, number> = {};
    for (const c of counters) flat[c.group.name + c.entry.name] = c.id >= 0 ? this.ledger.cells[c.id]! : 0;
    return flat;
  }

  sys(name: string, args: SystemCallArgs, done: (r: SystemCallResult) => void): void {
    this.busy = true; // frames that answer what the call sends wait until it is over
    try {
      this.calls.call(name, args, (r) => done({ ...r, timeUs: this.nowUs - EPOCH_US }));
    } finally {
      this.busy = false;
    }
    this.run();
  }

  setMtu(mtu: number): void {
    this.device.mtu = mtu;
  }

  route(o: Readonly<Record<string, string | number>> & { dst: string }): void {
    const metrics = Object.entries(o).filter(([key]) => key !== 'dst');
    this.stack.routeCommand(['route', 'replace', o.dst, 'via', this.gateway, ...metrics.flatMap(([key, n]) => [key, String(n)])]);
  }

  /** `pfifo limit 0`: every frame is refused. False for disciplines that are not modelled. */
  qdisc(text: string): boolean {
    this.link.refuse = text === 'pfifo limit 0';
    this.device.paces = /^fq\b/.test(text);
    if (this.device.paces) return true;
    return this.link.refuse || text === '' || text === 'pfifo' || text === 'pfifo_fast';
  }

  flushMetrics(): void {
    this.stack.tcpLayer.fastOpen.flush();
  }

  destroy(): void {
    this.link.close();
  }
}

export async function createStack(cfg: AdapterConfig): Promise<PacketdrillStack> {
  return new PacketdrillStack(cfg);
}
