/**
 * Packets that are not to leave before their time (TCP_TX_DELAY, SO_TXTIME): they wait at the device, as in Linux's fq behind it, which is what
 * looks at such times there; by time, and of equal times in the order in which they came. A device without such packets has none of this.
 */
import { Dev } from '../../mib/catalogue/interface.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import type { Env } from '../core/env.js';
import { Errno } from '../core/errno.js';
import { Packet } from '../core/packet.js';
import { Timer, type TimerHandler } from '../core/timer.js';
import type { NetDevice } from './device.js';

/** fq's bounds: packets, and how far ahead a time may lie. */
const LIMIT = 10_000;
const HORIZON_US = 10_000_000;

interface Waiting {
  readonly packet: Packet;
  readonly owner: Owner;
  readonly atUs: number;
  next: Waiting | null;
  previous: Waiting | null;
}

export class Departures implements TimerHandler {
  private readonly env: Env;
  private readonly device: NetDevice;
  private readonly timer: Timer = new Timer(this, 0);
  private first: Waiting | null = null;
  private last: Waiting | null = null;
  private count = 0;

  constructor(env: Env, device: NetDevice) {
    this.env = env;
    this.device = device;
  }

  /** A finished frame: 0 when it waits or has left, or -errno. */
  take(frame: Packet, owner: Owner): number {
    const atUs = frame.departUs;
    frame.departUs = 0;
    if (atUs <= this.env.nowUs) return this.device.transmit(frame, owner);
    if (this.count >= LIMIT || atUs > this.env.nowUs + HORIZON_US) {
      this.device.cells.inc(Dev.txDrop);
      return -Errno.ENOBUFS;
    }
    const packet = new Packet(frame.tail);
    packet.copyFrom(frame);
    this.insert({ packet, owner, atUs, next: null, previous: null });
    return 0;
  }

  /** From the end: most times are later than all before. */
  private insert(w: Waiting): void {
    let before = this.last;
    while (before !== null && before.atUs > w.atUs) before = before.previous;
    w.previous = before;
    w.next = before ? before.next : this.first;
    if (w.next) w.next.previous = w;
    else this.last = w;
    if (before) before.next = w;
    else {
      this.first = w;
      this.env.timers.arm(this.timer, w.atUs);
    }
    this.count++;
  }

  onTimer(): void {
    for (let w = this.first; w !== null && w.atUs <= this.env.nowUs; w = this.first) {
      this.first = w.next;
      if (w.next) w.next.previous = null;
      else this.last = null;
      this.count--;
      this.device.transmit(w.packet, w.owner);
    }
    if (this.first) this.env.timers.arm(this.timer, this.first.atUs);
  }
}
