/**
 * The other host of the embedded default: a second stack in the same thread, at the other end of a wire in memory that delays, loses,
 * duplicates and reorders a little. Both hosts run the services and are each other's clients, the peer much more than we. Its ledger is its
 * own and shown to nobody.
 */
import { Ledger } from '../../mib/ledger/ledger.js';
import { createLedgerMemory } from '../../mib/ledger/memory.js';
import type { IpAddress } from '../core/address.js';
import { SeededRandom } from '../core/random.js';
import { type Link, LinkFeature } from '../link/link.js';
import { Wire } from '../link/memory-wire.js';
import { parsePrefix } from '../link/tap-host-setup.js';
import { Services } from '../services/services.js';
import type { SocketFactory } from '../socket/socket.js';
import { Stack } from '../stack.js';
import { EmbeddedTraffic } from './embedded-traffic.js';
import type { Pollable } from './loop.js';

const WIRE = {
  delayUs: 2000,
  rate: 100e6,
  loss: 0.004,
  duplicate: 0.0005,
  reorder: 0.002,
  reorderUs: 3000,
  corrupt: 0.0005,
};
const MAX_ROWS = 4096;
const MAC = '02:00:0a:4d:00:01';
/** Our host is the client of one exchange for so many of the peer's. */
const OUR_LEISURE = 5;

export interface EmbeddedOptions {
  readonly seed: number;
  /** Let the hosts exchange super-frames. */
  readonly offloads: boolean;
  /** Of each family the hosts speak: the peer's address with prefix length, and ours. */
  readonly ends: readonly { readonly peer: string; readonly ours: IpAddress }[];
  readonly nowUs: number;
}

export class EmbeddedPeer implements Pollable {
  /** Our end of the wire. */
  readonly link: Link;
  private readonly stack: Stack;
  private readonly services: Services;
  private readonly addresses: readonly IpAddress[];
  private readonly random: SeededRandom;
  private readonly traffic: EmbeddedTraffic[];

  constructor(options: EmbeddedOptions) {
    const { nowUs, ends } = options;
    this.random = new SeededRandom(options.seed);
    const features = options.offloads ? LinkFeature.csum | LinkFeature.tso4 | LinkFeature.tso6 : 0;
    const wire = new Wire(new SeededRandom(this.random.u32()), { names: ['wire0', 'wire1'], features, both: WIRE });
    wire.nowUs = nowUs;
    this.link = wire.a;
    this.addresses = ends.map((e) => parsePrefix(e.peer).address);
    const families = this.addresses.map((a) => a.family);
    const secret = Uint8Array.from({ length: 16 }, () => this.random.u32() & 255);
    const ledger = new Ledger(createLedgerMemory(MAX_ROWS), nowUs, 0);
    this.stack = new Stack({ ledger, random: new SeededRandom(this.random.u32()), secret, nowUs, ipv6: families.includes(6) });
    const device = this.stack.addDevice(wire.b, { mac: MAC, addresses: ends.map((e) => e.peer) });
    if (!options.offloads) device.gsoMaxSize = 0;
    this.stack.env.sysctl.set('net.ipv4.ping_group_range', '0 2147483647');
    this.services = new Services(this.stack, { wallClock: () => new Date(), families });
    const ours = ends.map((e) => e.ours);
    this.traffic = [new EmbeddedTraffic(this.stack, ours, new SeededRandom(this.random.u32()), 1, nowUs)];
  }

  /** Makes our own host a client of the peer too. */
  addClient(host: SocketFactory, nowUs: number): void {
    this.traffic.push(new EmbeddedTraffic(host, this.addresses, new SeededRandom(this.random.u32()), OUR_LEISURE, nowUs));
  }

  poll(nowUs: number): boolean {
    const more = this.stack.poll(nowUs);
    for (const t of this.traffic) t.step(nowUs);
    return more;
  }

  nextDeadlineUs(): number {
    let next = this.stack.nextDeadlineUs();
    for (const t of this.traffic) next = Math.min(next, t.nextDeadlineUs());
    return next;
  }

  /** Begins nothing new; what is under way is closed. */
  stop(): void {
    for (const t of this.traffic) t.stop();
    this.services.close();
  }
}
