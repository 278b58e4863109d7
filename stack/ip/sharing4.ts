/** What of IPv4 is handled here and what by another stack of this host: sharing.ts for its headers, fragments and options. */
import type { Packet } from '../core/packet.js';
import type { Siblings } from '../core/siblings.js';
import { IpFlag, Ipv4At, Protocol } from '../wire/ipv4.js';
import type { FoundOptions, IpOptions } from './ip-options.js';
import type { Ipv4Layer } from './ipv4.js';
import { PassKind, Sharing } from './sharing.js';

export class Sharing4 extends Sharing {
  private readonly options: IpOptions;

  constructor(ip: Ipv4Layer, siblings: Siblings) {
    super(siblings, ip.handlers);
    this.options = ip.options;
  }

  /** True when another stack has the packet now, or it is lost. @param size octets of the IP packet as it came, padding included */
  elsewhere(p: Packet, kind: number, size: number, hops: number): boolean {
    const s = this.siblings;
    if (s.isLast(hops)) return false;
    if ((p.view.getUint16(p.network + Ipv4At.fragment) & (IpFlag.mf | IpFlag.offset)) !== 0) {
      const id = p.view.getUint16(p.network + Ipv4At.id);
      return this.fragment(p, kind, size, s.fragmentHome(p.src3, p.dst3, p.protocol, id));
    }
    if (p.protocol === Protocol.igmp) return this.show(p, kind, size);
    const note = kind === PassKind.whole && p.ipOptions > 0 ? packOptions(this.options, p) : 0;
    return this.byOwner(p, p.protocol, kind, size, hops, note);
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
