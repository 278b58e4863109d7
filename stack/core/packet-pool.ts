/**
 * Packets that frames are received into. Whoever wants the bytes of one for longer than the call that brought it keeps the packet itself
 * (`Packet.kept`) instead of copying them, and gives it back when they are read; the receiver then goes on with another one. The number is
 * bounded, so that a reader that does not read holds a few MB at most: when none is left, bytes are copied as small ones always are.
 */
import { HEADROOM, MAX_FRAME, Packet } from './packet.js';

/** Packets of one stack, those being received into included. */
const MOST = 64;
/** What a datagram put together from fragments of IPv6 can be longer than any frame: its header is no part of its 64 KiB. */
const BEYOND = 40;
/** Fewer bytes than this are copied: they must not hold a store of 64 KiB (copybreak). */
export const KEEP_FROM = 16384;

export class PacketPool {
  private readonly free: Packet[] = [];
  private made = 0;

  /** Is there one to go on with when a packet is kept? */
  get spare(): boolean {
    return this.free.length > 0 || this.made < MOST;
  }
  /** Packets that somebody has. */
  get taken(): number {
    return this.made - this.free.length;
  }

  /** The packet that was given back last, whose store is likely to be in the cache. */
  take(): Packet {
    const p = this.free.pop();
    if (p !== undefined) {
      p.kept = false;
      return p;
    }
    this.made++;
    const made = new Packet(HEADROOM + MAX_FRAME + BEYOND);
    made.home = this;
    return made;
  }

  give(p: Packet): void {
    this.free.push(p);
  }
}
