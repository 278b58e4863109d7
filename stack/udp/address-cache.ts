/** Address objects of recent senders, so that reading a datagram need not make one. Direct-mapped: a collision costs one allocation. */
import { type Family, IpAddress } from '../core/address.js';

const SLOTS = 256;

export class AddressCache {
  private readonly slots: (IpAddress | null)[] = new Array<IpAddress | null>(SLOTS).fill(null);

  get(family: number, w0: number, w1: number, w2: number, w3: number): IpAddress {
    const mixed = Math.imul(w3 ^ w2 ^ Math.imul(w1 ^ w0, 0x85ebca6b), 0x9e3779b1);
    const i = mixed >>> 24;
    const a = this.slots[i];
    if (a && a.w3 === w3 >>> 0 && a.w2 === w2 >>> 0 && a.w1 === w1 >>> 0 && a.w0 === w0 >>> 0 && a.family === family) return a;
    const made = new IpAddress(family as Family, w0, w1, w2, w3);
    this.slots[i] = made;
    return made;
  }
}
