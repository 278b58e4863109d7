/** A stack in virtual time with a crowd of clients on its only wire and the small services running: what the figures of scale are taken on. */
import { Ledger } from '../../mib/ledger/ledger.js';
import { createLedgerMemory } from '../../mib/ledger/memory.js';
import { SeededRandom } from '../../stack/core/random.js';
import { Services } from '../../stack/services/services.js';
import { Stack } from '../../stack/stack.js';
import { CROWD_STACK_ADDRESS, CROWD_STACK_MAC, Crowd } from './crowd.js';

export class CrowdedStack {
  readonly crowd: Crowd;
  readonly stack: Stack;
  readonly ledger: Ledger;
  nowUs = 1_000_000;

  constructor(clients: number, maxRows = clients + 64) {
    this.crowd = new Crowd(clients);
    this.ledger = new Ledger(createLedgerMemory(maxRows), this.nowUs, 0);
    const secret = Uint8Array.from({ length: 16 }, (_, i) => i * 7 + 1);
    this.stack = new Stack({ ledger: this.ledger, random: new SeededRandom(1), secret, nowUs: this.nowUs });
    this.stack.addDevice(this.crowd, { mac: CROWD_STACK_MAC, addresses: [CROWD_STACK_ADDRESS] });
    new Services(this.stack, { wallClock: () => new Date(0), backlog: 1024 });
  }

  /** Runs what waits, and then lets so much time pass. */
  run(us = 0): void {
    const end = this.nowUs + us;
    for (;;) {
      let more = true;
      while (more) more = this.stack.poll(this.nowUs) || this.crowd.waiting > 0;
      const next = Math.ceil(this.stack.nextDeadlineUs());
      if (next > end) break;
      this.nowUs = Math.max(next, this.nowUs + 1);
    }
    this.nowUs = end;
  }

  /** Handshakes of the clients from number `from` on, a few at a time, 20 µs each. */
  connect(from: number, count: number): void {
    for (let i = from; i < from + count; i++) {
      this.crowd.connect(i);
      if ((i & 63) === 63) this.run(1280);
    }
    this.run(1280);
  }
}
