/**
 * Several stacks of one host (core/siblings.ts): which inbound packet is handled here, and which is passed on. A packet is counted by the one
 * that handles it and by nobody else, so that the sums over all are what a single stack would count; its device's receive counts stay where
 * it came in.
 *
 *   fragments       go to the home of their datagram and are counted and put together there; the whole then goes on as below, its receive
 *                   counts made (PassKind.whole)
 *   UDP to many     goes to the home of its destination port: sockets of that port are there, or everywhere
 *   IGMP            is handled here, and shown to all others, who may have memberships to report (PassKind.igmp)
 *   everything else is handled here when the transport knows whose it is (ProtocolHandler.ours), else it goes round; the last one takes it
 *                   as nobody's
 *
 * So a frame that was steered right costs one question, and one that is nobody's goes once round. Frames that find a ring full are lost, and
 * counted as the device's rxDrop.
 */
import { Dev } from '../../mib/catalogue/interface.js';
import { Destination, type Packet } from '../core/packet.js';
import type { Siblings } from '../core/siblings.js';
import { IpFlag, Ipv4At, Protocol } from '../wire/ipv4.js';
import type { FoundOptions, IpOptions } from './ip-options.js';
import type { Ipv4Layer } from './ipv4.js';

/** What is passed, and where it is taken up again. */
export const PassKind = Object.freeze({
  /** A frame as it came. */
  frame: 1,
  /** Our own broadcast or multicast that came back (from the network header on). */
  looped: 2,
  /** A datagram put together from fragments, which have been counted. */
  whole: 3,
  /** To learn from, not to answer: an ARP frame, an IGMP packet. */
  arp: 4,
  igmp: 5,
});

const PORT_AT = 2;

export class Sharing {
  private readonly ip: Ipv4Layer;
  private readonly siblings: Siblings;

  constructor(ip: Ipv4Layer, siblings: Siblings) {
    this.ip = ip;
    this.siblings = siblings;
  }

  /** True when another stack has the packet now, or it is lost. @param size octets of the IP packet as it came, padding included */
  elsewhere(p: Packet, kind: number, size: number, hops: number): boolean {
    const s = this.siblings;
    if (s.isLast(hops)) return false;
    const from = kind === PassKind.frame ? p.mac : p.network;
    const end = p.network + size;
    if ((p.view.getUint16(p.network + Ipv4At.fragment) & (IpFlag.mf | IpFlag.offset)) !== 0) {
      const home = s.fragmentHome(p.src3, p.dst3, p.protocol, p.view.getUint16(p.network + Ipv4At.id));
      return home !== s.index && this.gone(p, s.passTo(home, p, from, end, kind, 0));
    }
    if (p.protocol === Protocol.igmp) {
      if (kind === PassKind.frame) this.lost(p, s.tellAll(p, from, end, PassKind.igmp));
      return false;
    }
    const note = kind === PassKind.whole && p.ipOptions > 0 ? packOptions(this.ip.options, p) : 0;
    if (p.destination !== Destination.host && (p.protocol === Protocol.udp || p.protocol === Protocol.udplite)) {
      if (p.tail - p.transport < PORT_AT + 2) return false;
      const home = s.homeOf(p.view.getUint16(p.transport + PORT_AT));
      return home !== s.index && this.gone(p, s.passTo(home, p, from, end, kind, note));
    }
    const handler = this.ip.handlers[p.protocol];
    if (!handler) return false;
    handler.demux(p);
    return !handler.ours(p) && this.gone(p, s.passOn(p, from, end, kind, hops, note));
  }

  private gone(p: Packet, taken: boolean): true {
    if (!taken) this.lost(p, 1);
    return true;
  }
  private lost(p: Packet, n: number): void {
    if (n > 0) p.device!.cells.add(Dev.rxDrop, n);
  }
}

/** What was found in the options of a datagram whose fragments came here, in one word. */
function packOptions(o: IpOptions, p: Packet): number {
  if (o.packet !== p) return 0;
  const needs = (o.recordNeedsAddress ? 1 : 0) | (o.timestampNeedsAddress ? 2 : 0) | (o.timestampNeedsTime ? 4 : 0);
  return o.recordRoute | (o.timestamp << 8) | (needs << 16) | (1 << 20);
}

/** Null when nothing was found out. */
export function unpackOptions(note: number): FoundOptions | null {
  if (note === 0) return null;
  return {
    recordRoute: note & 255,
    timestamp: (note >> 8) & 255,
    recordNeedsAddress: (note & (1 << 16)) !== 0,
    timestampNeedsAddress: (note & (2 << 16)) !== 0,
    timestampNeedsTime: (note & (4 << 16)) !== 0,
  };
}
