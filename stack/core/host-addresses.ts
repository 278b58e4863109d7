/**
 * The IPv6 addresses of a host of several stacks (core/siblings.ts), in memory that all map. One stack, the speaker, finds out which are to
 * be had and whether they are free (icmp6/address-setup.ts) and writes the whole list whenever something has changed; the others take it
 * over at their next poll. So an address is probed once, and comes into use, or does not, in all of them.
 *
 *   word 0 a count of changes, odd while the list is being written; 1 how many there are; from word 4 the addresses: device, prefix length,
 *   origin, state, the address's words
 */
import { IpAddress } from './address.js';

const MOST = 128;
const Word = Object.freeze({ changes: 0, count: 1 });
const LIST_AT = 4;
const SIZE = 8;

/** An address as the list has it. */
export interface HostAddress {
  /** Index. */
  readonly device: number;
  readonly address: IpAddress;
  readonly prefix: number;
  /** Numbers that only the two ends of the list understand. */
  readonly origin: number;
  readonly state: number;
}

export class HostAddresses {
  private readonly words: Int32Array;
  private seen = 0;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
  }

  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer((LIST_AT + MOST * SIZE) * 4);
  }

  /** The speaker's: what there is now. Addresses beyond the list's end stay the speaker's own. */
  write(list: readonly HostAddress[]): void {
    const w = this.words;
    Atomics.add(w, Word.changes, 1);
    const count = Math.min(list.length, MOST);
    for (let i = 0; i < count; i++) {
      const { device, prefix, origin, state, address: a } = list[i]!;
      w.set([device, prefix, origin, state, a.w0, a.w1, a.w2, a.w3], LIST_AT + i * SIZE);
    }
    w[Word.count] = count;
    this.seen = Atomics.add(w, Word.changes, 1) + 1;
  }

  /** The list is another one than `read` gave last. */
  get moved(): boolean {
    return Atomics.load(this.words, Word.changes) !== this.seen;
  }

  /** Null while it is being written: whoever writes wakes us when it is done. */
  read(): HostAddress[] | null {
    const w = this.words;
    const before = Atomics.load(w, Word.changes);
    if ((before & 1) !== 0) return null;
    const list: HostAddress[] = [];
    for (let i = 0; i < w[Word.count]!; i++) {
      const [device, prefix, origin, state, w0, w1, w2, w3] = w.subarray(LIST_AT + i * SIZE, LIST_AT + (i + 1) * SIZE);
      list.push({
        device: device!,
        prefix: prefix!,
        origin: origin!,
        state: state!,
        address: new IpAddress(6, w0!, w1!, w2!, w3!),
      });
    }
    if (Atomics.load(w, Word.changes) !== before) return null;
    this.seen = before;
    return list;
  }
}
