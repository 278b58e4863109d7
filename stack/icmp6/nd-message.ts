/** Messages of neighbour discovery (RFC 4861 4): reading their options into a reused record, and writing options. */
import type { Packet } from '../core/packet.js';
import { NdOption } from '../wire/icmp6.js';

export const ND_HEADER = 24;
export const ROUTER_ADVERTISEMENT = 16;
export const ROUTER_SOLICITATION = 8;
export const REDIRECT_HEADER = 40;
/** Flags of a neighbour advertisement. */
export const Advertise = Object.freeze({ router: 0x80000000, solicited: 0x40000000, override: 0x20000000 });
/** Bytes of a link-layer address option on Ethernet. */
export const LINK_OPTION = 8;
const MAX_PREFIXES = 16;

export class NdOptions {
  /** A source or target link-layer address is there. */
  hasSource = false;
  sourceHigh = 0;
  sourceLow = 0;
  hasTarget = false;
  targetHigh = 0;
  targetLow = 0;
  /** 0 without. */
  mtu = 0;
  hasNonce = false;
  nonceHigh = 0;
  nonceLow = 0;
  /** Where prefix options begin. */
  readonly prefixes: Int32Array = new Int32Array(MAX_PREFIXES);
  prefixCount = 0;

  /** Reads the options from `at` up to p.tail. False: one of them is cut off or has no length: the message is to be ignored (4.6). */
  parse(p: Packet, at: number): boolean {
    this.hasSource = this.hasTarget = this.hasNonce = false;
    this.mtu = 0;
    this.prefixCount = 0;
    let i = at;
    while (i < p.tail) {
      if (p.tail - i < 2) return false;
      const size = p.bytes[i + 1]! * 8;
      if (size === 0 || p.tail - i < size) return false;
      this.take(p, i, p.bytes[i]!, size);
      i += size;
    }
    return true;
  }

  private take(p: Packet, at: number, type: number, size: number): void {
    const v = p.view;
    if (type === NdOption.sourceLink && size === LINK_OPTION && !this.hasSource) {
      this.hasSource = true;
      this.sourceHigh = v.getUint16(at + 2);
      this.sourceLow = v.getUint32(at + 4);
    } else if (type === NdOption.targetLink && size === LINK_OPTION && !this.hasTarget) {
      this.hasTarget = true;
      this.targetHigh = v.getUint16(at + 2);
      this.targetLow = v.getUint32(at + 4);
    } else if (type === NdOption.mtu && size === 8) this.mtu = v.getUint32(at + 4);
    else if (type === NdOption.nonce && size === 8 && !this.hasNonce) {
      this.hasNonce = true;
      this.nonceHigh = v.getUint16(at + 2);
      this.nonceLow = v.getUint32(at + 4);
    } else if (type === NdOption.prefix && size === 32 && this.prefixCount < MAX_PREFIXES) this.prefixes[this.prefixCount++] = at;
  }
}

/** Appends an option of eight bytes whose value is 48 bits: a link-layer address, or a nonce. */
export function appendOption(p: Packet, type: number, high: number, low: number): void {
  p.bytes[p.tail] = type;
  p.bytes[p.tail + 1] = 1;
  p.view.setUint16(p.tail + 2, high);
  p.view.setUint32(p.tail + 4, low);
  p.tail += LINK_OPTION;
}
