/**
 * A network device: a link with its addresses and its column in /proc/net/dev. Frames leave through `transmit`, which segments
 * super-frames in software where the link cannot (Linux's GSO: the layers above count a super-frame once, the device its segments) and
 * completes checksums that the link leaves to us.
 */
import { Dev } from '../../mib/catalogue/interface.js';
import type { DeviceCells, Owner } from '../../mib/ledger/ledger.js';
import { Probe } from '../../mib/probe/points.js';
import type { IpAddress } from '../core/address.js';
import { Csum, type Packet } from '../core/packet.js';
import { type Link, LinkFeature } from '../link/link.js';
import { BROADCAST_HIGH, formatMac, GROUP_BIT } from '../wire/ethernet.js';
import type { Coalescer } from './coalescer.js';
import type { Departures } from './departures.js';
import { completeChecksum, featureFor, losesCwr, Segmenter } from './segmentation.js';

export interface DeviceAddress {
  readonly address: IpAddress;
  readonly prefix: number;
}

export class NetDevice {
  readonly index: number;
  readonly link: Link;
  /** The 48-bit address as two numbers, high 16 and low 32 bits. */
  readonly macHigh: number;
  readonly macLow: number;
  readonly loopback: boolean;
  mtu: number;
  readonly addresses: DeviceAddress[] = [];
  /** IPv4 groups joined on this device, beside all-hosts, with their use counts. */
  readonly groups: Map<number, number> = new Map();
  /** Takes part in IPv6. */
  ipv6 = false;
  readonly cells: DeviceCells;
  /** No super-frame reaches this size (Linux's gso_max_size); 0 sends every segment by itself (segmentation off, `A.out = B.in` holds). */
  gsoMaxSize = 65536;
  /** Connections over it are paced, as by Linux's fq behind the device; there is no queue here, and no fairness. */
  paces = false;
  /** Joins received TCP frames (GRO); null where every frame is to be seen by itself. */
  coalescer: Coalescer | null = null;
  /** A frame has left since someone last put this down: what comes in may answer it. */
  sent = false;
  /** Where packets wait for their time. */
  departures: Departures | null = null;
  private readonly segmenter = new Segmenter();

  constructor(index: number, link: Link, mac: string, cells: DeviceCells, loopback: boolean) {
    this.index = index;
    this.link = link;
    const b = mac.split(':').map((x) => Number.parseInt(x, 16));
    if (b.length !== 6 || b.some((x) => !(x >= 0 && x <= 255))) throw new TypeError(`not a MAC address: ${mac}`);
    this.macHigh = (b[0]! << 8) | b[1]!;
    this.macLow = ((b[2]! << 24) | (b[3]! << 16) | (b[4]! << 8) | b[5]!) >>> 0;
    this.mtu = link.mtu;
    this.cells = cells;
    this.loopback = loopback;
  }

  get name(): string {
    return this.link.name;
  }
  get mac(): string {
    return formatMac(this.macHigh, this.macLow);
  }

  /** The first address of a family, null without. */
  primary(family: 4 | 6): DeviceAddress | null {
    for (const a of this.addresses) if (a.address.family === family) return a;
    return null;
  }

  /** Gives a finished frame (data at the Ethernet header) to the link and counts it. 0 or -errno of the first frame that was refused. */
  transmit(frame: Packet, owner: Owner): number {
    if (frame.departUs !== 0 && this.departures !== null) return this.departures.take(frame, owner);
    const features = this.link.features;
    if (frame.gsoSize > 0 && frame.gsoSegs > 1) {
      const fits = (features & featureFor(frame.gsoType)) !== 0 && frame.tail - frame.data < this.gsoMaxSize;
      if (!fits || losesCwr(frame)) return this.transmitSegments(frame, owner);
    }
    if (frame.csum === Csum.partial && (features & LinkFeature.csum) === 0) completeChecksum(frame);
    return this.give(frame, owner);
  }

  private transmitSegments(frame: Packet, owner: Owner): number {
    if (!this.segmenter.begin(frame)) {
      this.cells.inc(Dev.txDrop);
      return 0;
    }
    const complete = (this.link.features & LinkFeature.csum) === 0;
    let failed = 0;
    while (this.segmenter.segment(frame)) {
      if (complete) completeChecksum(frame);
      const error = this.give(frame, owner);
      if (error !== 0 && failed === 0) failed = error;
    }
    return failed;
  }

  private give(frame: Packet, owner: Owner): number {
    const length = frame.tail - frame.data;
    owner.fire(Probe.netdevTransmit, length, this.index);
    const error = this.link.transmit(frame);
    if (error !== 0) {
      this.cells.inc(Dev.txErrs);
      return error;
    }
    this.sent = true;
    this.cells.tx(length);
    const high = frame.view.getUint16(frame.data);
    if ((high & GROUP_BIT) !== 0) this.cells.inc(high === BROADCAST_HIGH ? Dev.txBroadcast : Dev.txMulticast);
    return 0;
  }
}
