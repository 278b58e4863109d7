/**
 * Several stacks that are one host, in virtual time and without threads: one end of a wire behind a kernel that steers frames to their
 * queues as the test says, however badly.
 */
import { CELLS, cellName } from '../../mib/catalogue/index.js';
import { DEVICES_BASE, GLOBAL_BASE, PUBLISHED_CELLS } from '../../mib/ledger/layout.js';
import type { Ledger } from '../../mib/ledger/ledger.js';
import { MAX_FRAME, Packet } from '../../stack/core/packet.js';
import { SeededRandom } from '../../stack/core/random.js';
import { createSiblingsMemory, Siblings } from '../../stack/core/siblings.js';
import { SysctlTable } from '../../stack/core/sysctl.js';
import type { NetDevice } from '../../stack/ip/device.js';
import { FramePool, FrameQueue } from '../../stack/link/frame-store.js';
import type { Link } from '../../stack/link/link.js';
import { Stack } from '../../stack/stack.js';
import { type Delta, smallLedger } from './ledger.js';
import type { HostOptions, Simulation } from './simulation.js';

/** The queue of a frame that comes from the wire; p.data at its Ethernet header. */
export type Steering = (p: Packet) => number;

/** One queue of a TAP of several. */
class QueueLink implements Link {
  readonly waiting: FrameQueue = new FrameQueue();
  private readonly tap: SteeredTap;
  constructor(tap: SteeredTap) {
    this.tap = tap;
  }
  get name(): string {
    return this.tap.inner.name;
  }
  get mtu(): number {
    return this.tap.inner.mtu;
  }
  get features(): number {
    return this.tap.inner.features;
  }
  receive(into: Packet): boolean {
    const f = this.waiting.shift();
    if (!f) return false;
    f.copyTo(into);
    this.tap.pool.give(f);
    return true;
  }
  transmit(frame: Packet): number {
    return this.tap.inner.transmit(frame);
  }
  advance(nowUs: number): void {
    this.tap.advance(nowUs);
  }
  nextDeadlineUs(): number {
    return this.waiting.first ? 0 : this.tap.inner.nextDeadlineUs();
  }
  close(): void {}
}

class SteeredTap {
  readonly inner: Link;
  readonly pool: FramePool = new FramePool();
  readonly queues: readonly QueueLink[];
  steer: Steering;
  private readonly packet = new Packet(MAX_FRAME + 128);

  constructor(inner: Link, count: number, steer: Steering) {
    this.inner = inner;
    this.steer = steer;
    this.queues = Array.from({ length: count }, () => new QueueLink(this));
  }

  advance(nowUs: number): void {
    this.inner.advance(nowUs);
    const p = this.packet;
    while (this.inner.receive(p)) {
      const f = this.pool.take(p.length);
      f.copyFrom(p);
      this.queues[this.steer(p) % this.queues.length]!.waiting.insert(f);
    }
  }
}

export interface ClusterOptions extends HostOptions {
  readonly count: number;
  readonly steer: Steering;
  readonly seed?: number;
  readonly ringBytes?: number;
}

export class Cluster {
  readonly stacks: Stack[] = [];
  readonly ledgers: Ledger[] = [];
  readonly devices: NetDevice[] = [];
  /** How often each stack was woken. */
  readonly wakes: number[];
  private readonly tap: SteeredTap;

  constructor(sim: Simulation, link: Link, options: ClusterOptions) {
    const { count } = options;
    const random = new SeededRandom(options.seed ?? 77);
    const secret = Uint8Array.from({ length: 16 }, () => random.u32() & 255);
    const memory = createSiblingsMemory(count, options.ringBytes);
    const sysctl = new SysctlTable();
    this.tap = new SteeredTap(link, count, options.steer);
    this.wakes = new Array<number>(count).fill(0);
    for (const [name, value] of Object.entries(options.sysctl ?? {})) {
      if (!sysctl.set(name, value)) throw new Error(`sysctl ${name} = ${value} refused`);
    }
    for (let i = 0; i < count; i++) {
      const ledger = smallLedger(options.maxRows ?? 64, sim.nowUs);
      // a cluster of one is a stack by itself: what the others are compared with
      const siblings = count === 1 ? undefined : new Siblings(memory, i, (k) => this.wakes[k]!++);
      const chance = new SeededRandom(random.u32());
      const stack = new Stack({ ledger, random: chance, secret, sysctl, nowUs: sim.nowUs, siblings, ipv6: options.ipv6 });
      const device = stack.addDevice(this.tap.queues[i]!, {
        mac: options.mac ?? '02:00:00:00:00:01',
        addresses: [...(options.addresses ?? ['10.99.0.1/24'])],
        gateway: options.gateway,
        gateway6: options.gateway6,
        coalesce: options.coalesce,
      });
      if (!options.offloads) device.gsoMaxSize = 0;
      this.stacks.push(stack);
      this.ledgers.push(ledger);
      this.devices.push(device);
      sim.add(stack);
    }
  }

  set steer(steer: Steering) {
    this.tap.steer = steer;
  }

  /** Global and device cells, summed. */
  totals(): Float64Array {
    const sum = new Float64Array(PUBLISHED_CELLS);
    for (const l of this.ledgers) {
      for (let i = 0; i < CELLS; i++) sum[i]! += l.cells[GLOBAL_BASE + i]!;
      for (let i = DEVICES_BASE; i < PUBLISHED_CELLS; i++) sum[i]! += l.cells[i]!;
    }
    return sum;
  }
}

/** How the sums over all stacks of a cluster have moved: counters by name, device cells as `dev.N`. Constants, which are settings, do not. */
export function totalsDelta(before: Float64Array, after: Float64Array): Delta {
  const moved: Delta = {};
  for (let i = 0; i < after.length; i++) {
    const n = after[i]! - before[i]!;
    if (n !== 0) moved[i < CELLS ? cellName(i) : `dev.${i - DEVICES_BASE}`] = n;
  }
  return moved;
}
