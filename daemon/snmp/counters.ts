/**
 * The snmp group's own ledger (RFC 3418, 1.3.6.1.2.1.11): one cell per counter, moved by the dispatcher alone. Next to it what RFC 3412's
 * SNMP-MPD-MIB counts, so that no datagram ends without a count.
 */
export const snmpCounterNames = [
  'snmpInPkts',
  'snmpOutPkts',
  'snmpInBadVersions',
  'snmpInBadCommunityNames',
  'snmpInBadCommunityUses',
  'snmpInASNParseErrs',
  'snmpInTooBigs',
  'snmpInNoSuchNames',
  'snmpInBadValues',
  'snmpInReadOnlys',
  'snmpInGenErrs',
  'snmpInTotalReqVars',
  'snmpInTotalSetVars',
  'snmpInGetRequests',
  'snmpInGetNexts',
  'snmpInSetRequests',
  'snmpInGetResponses',
  'snmpInTraps',
  'snmpOutTooBigs',
  'snmpOutNoSuchNames',
  'snmpOutBadValues',
  'snmpOutGenErrs',
  'snmpOutGetRequests',
  'snmpOutGetNexts',
  'snmpOutSetRequests',
  'snmpOutGetResponses',
  'snmpOutTraps',
  'snmpSilentDrops',
  'snmpProxyDrops',
  'snmpUnknownSecurityModels',
  'snmpInvalidMsgs',
  'snmpUnknownPDUHandlers',
] as const;
export type SnmpCounter = (typeof snmpCounterNames)[number];

/** One instance per agent; every transport of the agent counts here. */
export class SnmpCounters {
  private readonly cells = new Float64Array(snmpCounterNames.length);
  private static readonly index = new Map<string, number>(snmpCounterNames.map((name, i) => [name, i]));

  inc(name: SnmpCounter): void {
    this.add(name, 1);
  }
  add(name: SnmpCounter, n: number): void {
    this.cells[SnmpCounters.index.get(name)!]! += n;
  }
  value(name: SnmpCounter): number {
    return this.cells[SnmpCounters.index.get(name)!]!;
  }
  /** Reads one of them again and again. */
  reader(name: SnmpCounter): () => number {
    const { cells } = this;
    const at = SnmpCounters.index.get(name)!;
    return () => cells[at]!;
  }
  /** All of them, by name. */
  all(): Record<SnmpCounter, number> {
    return Object.fromEntries(snmpCounterNames.map((name, i) => [name, this.cells[i]!])) as Record<SnmpCounter, number>;
  }
}
