/**
 * Several stacks of one host (core/siblings.ts): which inbound packet is handled here, and which is passed on. A packet is counted by the one
 * that handles it and by nobody else, so that the sums over all are what a single stack would count; its device's receive counts stay where
 * it came in.
 *
 *   fragments       go to the home of their datagram and are counted and put together there; the whole then goes on as below, its receive
 *                   counts made (PassKind.whole)
 *   UDP to many     goes to the home of its destination port: sockets of that port are there, or everywhere
 *   what teaches    (ARP, IGMP, neighbour and router discovery, MLD) is handled here, and shown to all others (PassKind.told)
 *   everything else is handled here when the transport knows whose it is (ProtocolHandler.ours), else it goes round; the last one takes it
 *                   as nobody's
 *
 * So a frame that was steered right costs one question, and one that is nobody's goes once round. Frames that find a ring full are lost, and
 * counted as the device's rxDrop. Here is what both families have in common; sharing4.ts and ip6/sharing6.ts know their headers.
 */
import { Dev } from '../../mib/catalogue/interface.js';
import { Destination, type Packet } from '../core/packet.js';
import type { Siblings } from '../core/siblings.js';
import { Protocol } from '../wire/ipv4.js';
import type { ProtocolHandler } from './protocol.js';

/** What is passed, and where it is taken up again. */
export const PassKind = Object.freeze({
  /** A frame as it came. */
  frame: 1,
  /** Our own broadcast or multicast that came back (from the network header on). */
  looped: 2,
  /** A datagram put together from fragments, which have been counted. */
  whole: 3,
  /** To learn from, not to answer: an ARP frame, or an IP packet that teaches. */
  arp: 4,
  told: 5,
});

const PORT_AT = 2;

export abstract class Sharing {
  protected readonly siblings: Siblings;
  private readonly handlers: readonly (ProtocolHandler | null)[];

  constructor(siblings: Siblings, handlers: readonly (ProtocolHandler | null)[]) {
    this.siblings = siblings;
    this.handlers = handlers;
  }

  /** A fragment: true when it has gone home. @param home where its datagram is put together */
  protected fragment(p: Packet, kind: number, size: number, home: number): boolean {
    return home !== this.siblings.index && this.gone(p, this.siblings.passTo(home, p, start(p, kind), p.network + size, kind, 0));
  }

  /** Shows it to the others; it is handled here. */
  protected show(p: Packet, kind: number, size: number): false {
    if (kind === PassKind.frame) {
      const lost = this.siblings.tellAll(p, start(p, kind), p.network + size, PassKind.told);
      if (lost > 0) p.device!.cells.add(Dev.rxDrop, lost);
    }
    return false;
  }

  /** What a transport may own, its header at p.transport. True when another stack has the packet now, or it is lost. */
  protected byOwner(p: Packet, protocol: number, kind: number, size: number, hops: number, note: number): boolean {
    const s = this.siblings;
    const end = p.network + size;
    if (p.destination !== Destination.host && (protocol === Protocol.udp || protocol === Protocol.udplite)) {
      if (p.tail - p.transport < PORT_AT + 2) return false;
      const home = s.homeOf(p.view.getUint16(p.transport + PORT_AT));
      return home !== s.index && this.gone(p, s.passTo(home, p, start(p, kind), end, kind, note));
    }
    const handler = this.handlers[protocol];
    if (!handler) return false;
    handler.demux(p);
    return !handler.ours(p) && this.gone(p, s.passOn(p, start(p, kind), end, kind, hops, note));
  }

  private gone(p: Packet, taken: boolean): true {
    if (!taken) p.device!.cells.inc(Dev.rxDrop);
    return true;
  }
}

/** A frame is passed with its Ethernet header. */
function start(p: Packet, kind: number): number {
  return kind === PassKind.frame ? p.mac : p.network;
}
