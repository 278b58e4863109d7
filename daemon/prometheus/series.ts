/** Which series a page has beside those it always has: the devices that stand in labels, and the ICMP types that were met. */
import { Icmp6Msg, IcmpMsg } from '../../mib/catalogue/index.js';
import type { DeviceIdentity } from '../../mib/dto.js';
import type { Moment } from '../snapshot.js';

/** Types of one direction and protocol. */
const TYPES = 256;
const BASES = [IcmpMsg.In, IcmpMsg.Out, Icmp6Msg.In, Icmp6Msg.Out] as const;
export type SlotBase = (typeof BASES)[number];

export class Series {
  /** Another number when they have become others. */
  generation = 0;
  devices: readonly DeviceIdentity[] = [];
  private readonly met = new Uint8Array(BASES.length * TYPES);

  /** Brings itself to this moment. */
  look(moment: Moment): void {
    let same = moment.devices === this.devices;
    this.devices = moment.devices;
    const { cells } = moment.snapshot;
    const { met } = this;
    for (let b = 0; b < BASES.length; b++) {
      const base = BASES[b]!;
      for (let type = 0; type < TYPES; type++) {
        const now = cells[base + type] === 0 ? 0 : 1;
        if (met[b * TYPES + type] === now) continue;
        met[b * TYPES + type] = now;
        same = false;
      }
    }
    if (!same) this.generation++;
  }

  /** The types that are not zero, ascending: those the kernel prints. */
  types(base: SlotBase): number[] {
    const from = BASES.indexOf(base) * TYPES;
    return [...this.met.subarray(from, from + TYPES)].flatMap((met, type) => (met ? [type] : []));
  }
}
