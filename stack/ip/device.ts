/**
 * A network device: a link with its addresses and its column in /proc/net/dev. Frames leave through `transmit`, which segments
 * super-frames in software where the link cannot (Linux's GSO: the layers above count a super-frame once, the device its segments).
 */
import { Dev } from '../../mib/catalogue/interface.js';
import type { DeviceCells, Owner } from '../../mib/ledger/ledger.js';
import type { IpAddress } from '../core/address.js';
import type { Packet } from '../core/packet.js';
import type { Link } from '../link/link.js';

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
  readonly cells: DeviceCells;
  /** Largest super-frame that TCP may build, 0 to send every segment by itself (segmentation off, `A.out = B.in` holds). */
  gsoMaxSize = 65536;

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
    const hex = this.macHigh.toString(16).padStart(4, '0') + this.macLow.toString(16).padStart(8, '0');
    return hex.match(/../g)!.join(':');
  }

  /** Gives a finished frame (data at the Ethernet header) to the link and counts it. 0 or -errno. */
  transmit(frame: Packet, owner: Owner): number {
    void owner;
    const error = this.link.transmit(frame);
    if (error === 0) this.cells.tx(frame.tail - frame.data);
    else this.cells.inc(Dev.txErrs);
    return error;
  }
}
