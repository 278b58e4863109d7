/** Somebody else claims an address of ours: a line for the log, as Linux has one, at most one a second however often it is claimed. */
import type { ThreadMessage } from './messages.js';

const INTERVAL_US = 1_000_000;

interface Conflict {
  readonly address: string;
  readonly mac: string;
  readonly device: string;
  readonly timeUs: number;
}

export class ConflictLog {
  private readonly say: (m: ThreadMessage) => void;
  private toldUs = Number.NEGATIVE_INFINITY;

  constructor(say: (m: ThreadMessage) => void) {
    this.say = say;
  }

  /** @param refused the address was being looked at whether it is free (RFC 4862 5.4), and is not used now */
  tell(c: Conflict, refused: boolean): void {
    if (c.timeUs - this.toldUs < INTERVAL_US && !refused) return;
    this.toldUs = c.timeUs;
    const text = refused
      ? `duplicate address ${c.address} on ${c.device}: ${c.mac} has it, it is not used here`
      : `address ${c.address} on ${c.device} is claimed by ${c.mac} too`;
    this.say({ op: 'log', level: 'warn', text });
  }
}
