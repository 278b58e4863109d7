/** An agent over a made-up stack, asked without a socket. */
import { expect } from 'vitest';
import { openCodec } from '../../../daemon/snmp/codec.js';
import { type SnmpCounter, SnmpCounters } from '../../../daemon/snmp/counters.js';
import { Dispatcher } from '../../../daemon/snmp/dispatcher.js';
import { mibView } from '../../../daemon/snmp/mib-view.js';
import type { SnmpReading } from '../../../daemon/snmp/source.js';
import type { View } from '../../../daemon/snmp/view.js';
import { message, PDU, type ReadBinding, type ReadResponse, readResponse } from './ber.js';
import { FakeSource, system } from './fake-source.js';

export interface TestAgent {
  source: FakeSource;
  counters: SnmpCounters;
  view: View<SnmpReading>;
  /** Asks, and holds the whole snmp ledger to `moved`: what is not named must not have moved. */
  ask(datagram: Uint8Array, moved?: Partial<Record<SnmpCounter, number>>): Promise<ReadResponse | null>;
  raw(datagram: Uint8Array): Promise<Uint8Array | null>;
  /** What the dispatcher says, whether at once or later. */
  handle(datagram: Uint8Array): unknown;
}

export function testAgent(maxMessageSize = 1472, maxPending?: number): TestAgent {
  openCodec();
  const source = new FakeSource();
  const counters = new SnmpCounters();
  const view = mibView(system, counters);
  const dispatcher = new Dispatcher({
    view,
    read: () => source.read(),
    counters,
    communities: ['public', 'geheim'],
    ...(maxPending === undefined ? {} : { maxPending }),
  });
  const raw = async (datagram: Uint8Array) => dispatcher.handle(datagram, maxMessageSize);
  return {
    source,
    counters,
    view,
    raw,
    handle: (datagram) => dispatcher.handle(datagram, maxMessageSize),
    async ask(datagram, moved) {
      const before = counters.all();
      const answer = await raw(datagram);
      if (moved) expect(delta(before, counters.all())).toEqual({ snmpInPkts: 1, ...moved });
      return answer && readResponse(answer);
    },
  };
}

export function delta(before: Record<string, number>, after: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.keys(after).flatMap((k) => (after[k] === before[k] ? [] : [[k, after[k]! - before[k]!]])));
}

/** Walks everything behind a name with GETBULK. */
export async function walk(agent: TestAgent, from = '0.0', repetitions = 20): Promise<ReadBinding[]> {
  const all: ReadBinding[] = [];
  for (let at = from; ; ) {
    const r = await agent.ask(message(PDU.bulk, [at], { b: repetitions }));
    if (r!.bindings.length === 0) throw new Error('a response without bindings');
    for (const b of r!.bindings) {
      if (b.tag === 0x82) return all;
      all.push(b);
      at = b.oid;
    }
  }
}
