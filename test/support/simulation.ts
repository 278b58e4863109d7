/**
 * Hosts and wires in virtual time. `run` always steps to the earliest deadline of all of them and polls everybody, so hours pass in
 * milliseconds and the same seed gives the same run.
 */
import type { Ledger } from '../../mib/ledger/ledger.js';
import type { Random } from '../../stack/core/random.js';
import { SeededRandom } from '../../stack/core/random.js';
import type { NetDevice } from '../../stack/ip/device.js';
import type { Link } from '../../stack/link/link.js';
import { Wire, type WireOptions } from '../../stack/link/memory-wire.js';
import { Stack } from '../../stack/stack.js';
import { smallLedger } from './ledger.js';
import { type PeerOptions, RawPeer } from './raw-peer.js';

/** Whoever takes part in a simulation. */
export interface Node {
  poll(nowUs: number): void;
  nextDeadlineUs(): number;
}

export interface HostOptions {
  readonly mac?: string;
  readonly addresses?: readonly string[];
  readonly gateway?: string;
  readonly gateway6?: string;
  readonly maxRows?: number;
  /** Sysctls to set, by name. */
  readonly sysctl?: Readonly<Record<string, string | number>>;
  /** Let TCP build super-frames; off, so that A's sent counters are B's received ones. */
  readonly offloads?: boolean;
  /** Join received TCP segments (GRO). */
  readonly coalesce?: boolean;
  /** Speak IPv6. */
  readonly ipv6?: boolean;
}

export interface Host {
  readonly stack: Stack;
  readonly ledger: Ledger;
  readonly device: NetDevice;
}

/** Polls at one instant after which a simulation is held to be in an endless loop. */
const MAX_ROUNDS = 100_000;

export class Simulation {
  readonly random: Random;
  nowUs: number;
  private readonly nodes: Node[] = [];

  constructor(seed = 1, startUs = 1_000_000) {
    this.random = new SeededRandom(seed);
    this.nowUs = startUs;
  }

  wire(options: WireOptions = {}): Wire {
    const wire = new Wire(new SeededRandom(this.random.u32()), options);
    wire.nowUs = this.nowUs;
    return wire;
  }

  add<N extends Node>(node: N): N {
    this.nodes.push(node);
    return node;
  }

  host(link: Link, options: HostOptions = {}): Host {
    const ledger = smallLedger(options.maxRows ?? 64, this.nowUs);
    const random = new SeededRandom(this.random.u32());
    const secret = Uint8Array.from({ length: 16 }, () => random.u32() & 255);
    const stack = new Stack({ ledger, random, secret, nowUs: this.nowUs, ipv6: options.ipv6 });
    for (const [name, value] of Object.entries(options.sysctl ?? {})) {
      if (!stack.env.sysctl.set(name, value)) throw new Error(`sysctl ${name} = ${value} refused`);
    }
    const device = stack.addDevice(link, {
      mac: options.mac ?? '02:00:00:00:00:01',
      addresses: [...(options.addresses ?? ['10.99.0.1/24'])],
      gateway: options.gateway,
      gateway6: options.gateway6,
      coalesce: options.coalesce,
    });
    if (!options.offloads) device.gsoMaxSize = 0;
    this.add(stack);
    return { stack, ledger, device };
  }

  peer(link: Link, options: PeerOptions = {}): RawPeer {
    const peer = this.add(new RawPeer(link, options));
    peer.poll(this.nowUs);
    return peer;
  }

  /** Runs until the time given, or until the predicate holds; false when it never did before `limitUs` of virtual time went by. */
  run(until: number | (() => boolean), limitUs = 600_000_000): boolean {
    const end = typeof until === 'number' ? until : this.nowUs + limitUs;
    const done = typeof until === 'number' ? () => false : until;
    for (;;) {
      this.settle(done);
      if (done()) return true;
      const next = Math.ceil(this.nextUs());
      if (next > end) break;
      this.nowUs = next;
    }
    if (Number.isFinite(end)) this.nowUs = end;
    this.settle(done);
    return typeof until === 'number' || done();
  }

  /** Lets this many microseconds pass. */
  pass(us: number): void {
    this.run(this.nowUs + us);
  }

  private nextUs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const n of this.nodes) next = Math.min(next, n.nextDeadlineUs());
    return next;
  }

  /** Polls everybody until nothing more is due now. */
  private settle(done: () => boolean): void {
    for (let round = 0; ; round++) {
      for (const n of this.nodes) n.poll(this.nowUs);
      if (done() || this.nextUs() > this.nowUs) return;
      if (round > MAX_ROUNDS) throw new Error(`still busy at ${this.nowUs} µs after ${round} rounds`);
    }
  }
}

/** One host under test, a raw peer at the other end of a perfect wire, and both know each other's MAC address: the parity oracle's set-up. */
export function hostAndPeer(options: HostOptions & { readonly wire?: WireOptions; readonly seed?: number } = {}): {
  sim: Simulation;
  host: Host;
  peer: RawPeer;
  wire: Wire;
} {
  const sim = new Simulation(options.seed ?? 1);
  const wire = sim.wire(options.wire);
  const host = sim.host(wire.a, { gateway: '10.99.0.2', ...options });
  const peer = sim.peer(wire.b);
  peer.askArp();
  sim.pass(1000);
  peer.take();
  return { sim, host, peer, wire };
}
