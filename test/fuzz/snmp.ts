/**
 * Datagrams for the fuzz of the SNMP agent: well-formed ones, mutated, and what may come of each: a valid response, or the one counter that
 * says why there is none.
 */
import type { SnmpCounter } from '../../daemon/snmp/counters.js';
import { delta, type TestAgent } from '../daemon/snmp/agent.js';
import { binding, int, message, name, PDU, readResponse, tlv } from '../daemon/snmp/ber.js';

/** A small generator of its own: tests must not change when another library does (mulberry32). */
export function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const NAMES = [
  '1.3.6.1.2.1.1.3.0',
  '1.3.6.1.2.1.6.19',
  '0.0',
  '2.999.1',
  '1.3.6.1.2.1.31.1.1.1.6.2',
  '1.3.9',
  '1.3.6.1.2.1.4.34.1.5',
];
const values = [
  [5, 0],
  int(-70_000),
  tlv(4, [1, 2, 3]),
  name('1.3.6'),
  tlv(0x40, [1, 2, 3, 4]),
  int(2 ** 32 - 1, 0x41),
  tlv(0x46, [1, 2]),
];
const PDUS = Object.values(PDU);

function wellFormed(random: (below: number) => number): Uint8Array {
  const bindings = Array.from({ length: random(4) }, () => binding(NAMES[random(NAMES.length)]!, values[random(values.length)]!));
  return message(PDUS[random(PDUS.length)]!, [], {
    version: random(10) === 0 ? random(5) : random(2),
    community: random(10) === 0 ? 'x' : 'public',
    id: random(2 ** 31),
    a: random(4) - 1,
    b: random(3) === 0 ? 2 ** 31 - 1 : random(20),
    bindings,
  });
}

function mutate(datagram: Uint8Array, random: (below: number) => number): Uint8Array {
  let octets = [...datagram];
  for (let n = random(4); n > 0; n--) {
    const at = random(octets.length + 1);
    switch (random(6)) {
      case 0:
        octets[at % Math.max(octets.length, 1)] = random(256);
        break;
      case 1:
        octets[at % Math.max(octets.length, 1)]! ^= 1 << random(8);
        break;
      case 2:
        octets.splice(at, random(5));
        break;
      case 3:
        octets.splice(at, 0, ...Array.from({ length: random(5) }, () => random(256)));
        break;
      case 4:
        octets = octets.slice(0, at);
        break;
      default:
        octets.push(...octets.slice(at, at + 20));
    }
  }
  return Uint8Array.from(octets);
}

export const OUTCOMES: readonly SnmpCounter[] = [
  'snmpOutPkts',
  'snmpInASNParseErrs',
  'snmpInBadVersions',
  'snmpInBadCommunityNames',
  'snmpUnknownPDUHandlers',
  'snmpSilentDrops',
];

/** What is wrong with how a datagram ended; undefined when nothing is. */
function faultOf(answer: Uint8Array | null, moved: Record<string, number>, outcomes: readonly string[]): string | undefined {
  const [outcome] = outcomes;
  if (outcome === undefined || outcomes.length !== 1) return `${outcomes.length} outcomes`;
  if (moved['snmpInPkts'] !== 1 || moved[outcome] !== 1) return 'counted otherwise than once';
  if ((answer !== null) !== (outcome === 'snmpOutPkts')) return 'a response without its count, or a count without its response';
  if (answer === null)
    return outcome !== 'snmpSilentDrops' && Object.keys(moved).length !== 2 ? 'other counters moved' : undefined;
  if (moved['snmpOutGetResponses'] !== 1) return 'not counted as a response';
  if (answer.length > 600) return 'too long';
  return readResponse(answer).pdu === PDU.response ? undefined : 'not a response';
}

/** Sends one mutated datagram. The counter it ended in; throws when it ended in no way, or in more than one. */
export async function fuzzOnce(agent: TestAgent, random: (below: number) => number): Promise<string> {
  const datagram = mutate(wellFormed(random), random);
  const before = agent.counters.all();
  const answer = await agent.raw(datagram);
  const moved = delta(before, agent.counters.all());
  const outcomes = OUTCOMES.filter((o) => moved[o] !== undefined);
  const fault = faultOf(answer, moved, outcomes);
  if (fault) throw new Error(`${fault}: ${Buffer.from(datagram).toString('hex')} moved ${JSON.stringify(moved)}`);
  return outcomes[0]!;
}
