/** State that most connections never have, made when it is first needed. */
import { Timer, type TimerHandler } from '../core/timer.js';
import { TimerKind, Urg } from './constants.js';
import type { TxStamps } from './tx-stamps.js';

export class Rare {
  /** Urgent data received: sequence of the urgent byte, and what became of it. */
  urgSeq = 0;
  urgState: number = Urg.none;
  urgByte = 0;
  /** Urgent data sent: SND.UP. */
  sndUp = 0;
  urgentSent = false;
  /** Sends whose way is watched (SO_TIMESTAMPING). */
  stamps: TxStamps | null = null;
  /** Time-outs: bouts of them, since when the present one lasts (-1: none), how long the others were, changes of way. */
  timeoutBouts = 0;
  boutSinceUs = -1;
  boutMs = 0;
  rehashes = 0;
  /** RCV.NXT at which the window is shut and segments beyond it are taken for their ACK (input.ts); -1: none. */
  ackOnlyAt = -1;
  /** Made by Fast Open from a listener. */
  fastOpenChild = false;
  /** The search for the path MTU (mtu-probe.ts). */
  mtuProbe: MtuProbe | null = null;
  /** Short data waits until what left before it has left the host (autocork.ts). */
  corked = false;
  /** SO_PEEK_OFF: how far behind the next byte to read peeking goes on; -1: every peek begins there. */
  peekOffset: number;
  /** When ACK compression (tcp_comp_sack_delay) must end. */
  readonly compressedAckTimer: Timer;

  constructor(handler: TimerHandler, peekOffset: number) {
    this.peekOffset = peekOffset;
    this.compressedAckTimer = new Timer(handler, TimerKind.compressedAck);
  }
}

/** The search for the largest MTU that passes (RFC 4821 7.2). */
export class MtuProbe {
  enabled = false;
  /** MTUs: known to pass, and not known to be too large. */
  low = 0;
  high = 0;
  /** MTU of the probe on its way, 0 without; its sequence numbers. */
  size = 0;
  seq = 0;
  endSeq = 0;
  /** When the search began. */
  stampUs = 0;
}
