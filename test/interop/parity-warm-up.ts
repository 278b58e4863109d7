/**
 * A program that has just started runs its first packets in the interpreter, tens of times slower than a moment later. The stack would take
 * that for a slow network: it would measure a round trip of milliseconds, and size its bursts and timers by it. So the code is run in, on
 * two other hosts in virtual time, before the target exists.
 */

import { Ledger } from '../../mib/ledger/ledger.js';
import { createLedgerMemory } from '../../mib/ledger/memory.js';
import { IpAddress } from '../../stack/core/address.js';
import { SeededRandom } from '../../stack/core/random.js';
import { Stack } from '../../stack/stack.js';
import { EmbeddedPeer } from '../../stack/worker/embedded-peer.js';
import { ParityServices } from './parity-services.js';
import { CONGESTION } from './parity-target.js';

/** @param ms how long, in real time */
export function warmUp(ms: number): void {
  const endMs = performance.now() + ms;
  let nowUs = 1_000_000;
  const ends = [{ peer: '10.77.0.1/24', ours: IpAddress.from('10.77.0.2') }];
  const peer = new EmbeddedPeer({ seed: 1, offloads: false, ends, nowUs });
  const ledger = new Ledger(createLedgerMemory(1024), nowUs, 0);
  const stack = new Stack({ ledger, random: new SeededRandom(1), secret: new Uint8Array(16), nowUs });
  stack.env.sysctl.set('net.ipv4.tcp_congestion_control', CONGESTION);
  stack.addDevice(peer.link, { mac: '02:00:0a:4d:00:02', addresses: ['10.77.0.2/24'] });
  const services = new ParityServices(stack);
  services.open(4);
  peer.addClient(stack, nowUs);
  while (performance.now() < endMs) {
    for (let more = true; more; ) {
      more = peer.poll(nowUs);
      more = stack.poll(nowUs) || more;
      services.run();
    }
    nowUs = Math.max(nowUs + 1, Math.ceil(Math.min(peer.nextDeadlineUs(), stack.nextDeadlineUs())));
  }
}
