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
  /** When ACK compression (tcp_comp_sack_delay) must end. */
  readonly compressedAckTimer: Timer;

  constructor(handler: TimerHandler) {
    this.compressedAckTimer = new Timer(handler, TimerKind.compressedAck);
  }
}
