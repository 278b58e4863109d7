/**
 * Frames come in (RFC 894, RFC 1122 2.3.3): counted on their device, sorted by destination and EtherType. What a link drops has its column:
 * too short is rxErrs, for another MAC rxOtherhost, an EtherType nobody handles rxUnknownProtos. IPv6 counts as unknown on a
 * device that does not take part in it.
 */
import { Dev } from '../mib/catalogue/interface.js';
import type { Owner } from '../mib/ledger/ledger.js';
import { Probe } from '../mib/probe/points.js';
import { LinkType, type Packet } from './core/packet.js';
import type { Siblings } from './core/siblings.js';
import type { NetDevice } from './ip/device.js';
import { PassKind } from './ip/sharing.js';
import { ETHERNET_HEADER, EtherType, etherType, linkTypeOf } from './wire/ethernet.js';

/** What takes frames of one EtherType: p.data behind the Ethernet header, p.linkType set. */
export interface FrameHandler {
  input(p: Packet, device: NetDevice): void;
}

export class EthernetInput {
  arp: FrameHandler | null = null;
  ipv4: FrameHandler | null = null;
  ipv6: FrameHandler | null = null;
  private readonly unattributed: Owner;
  private readonly siblings: Siblings | null;

  constructor(unattributed: Owner, siblings: Siblings | null = null) {
    this.unattributed = unattributed;
    this.siblings = siblings;
  }

  receive(p: Packet, device: NetDevice): void {
    const length = p.tail - p.data;
    const cells = device.cells;
    if (length < ETHERNET_HEADER) {
      cells.inc(Dev.rxErrs);
      return;
    }
    cells.rx(length);
    this.unattributed.fire(Probe.netdevRx, length, device.index);
    const linkType = linkTypeOf(p, device.macHigh, device.macLow);
    p.linkType = linkType;
    if (linkType === LinkType.otherhost) {
      cells.inc(Dev.rxOtherhost);
      return;
    }
    if (linkType === LinkType.multicast) cells.inc(Dev.rxMulticast);
    else if (linkType === LinkType.broadcast) cells.inc(Dev.rxBroadcast);
    const handler = this.handlerOf(etherType(p), device);
    if (!handler) {
      cells.inc(Dev.rxUnknownProtos);
      return;
    }
    p.mac = p.data;
    p.data += ETHERNET_HEADER;
    p.family = handler === this.ipv6 ? 6 : 4;
    if (handler !== this.arp && device.coalescer !== null) device.coalescer.input(p, device);
    else {
      if (handler === this.arp && this.siblings !== null) this.show(this.siblings, p, device);
      handler.input(p, device);
    }
  }

  /** The other stacks of this host have neighbour tables too. */
  private show(siblings: Siblings, p: Packet, device: NetDevice): void {
    p.network = p.data;
    const lost = siblings.tellAll(p, p.mac, p.tail, PassKind.arp);
    if (lost > 0) device.cells.add(Dev.rxDrop, lost);
  }

  /** An IP packet that has been through the coalescer: p.data at its header. */
  input(p: Packet, device: NetDevice): void {
    const handler = p.family === 6 ? this.ipv6 : this.ipv4;
    handler?.input(p, device);
  }

  private handlerOf(type: number, device: NetDevice): FrameHandler | null {
    if (type === EtherType.ipv4) return this.ipv4;
    if (type === EtherType.arp) return this.arp;
    return type === EtherType.ipv6 && device.ipv6 ? this.ipv6 : null;
  }
}
