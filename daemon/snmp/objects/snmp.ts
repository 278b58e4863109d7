/** The snmp group (RFC 3418, 1.3.6.1.2.1.11) and the counters of SNMP-MPD-MIB (RFC 3412): the agent's own. */
import type { SnmpCounter, SnmpCounters } from '../counters.js';
import { constant, type SnmpObject, scalar } from '../object.js';
import type { SnmpReading } from '../source.js';

/** Last sub-identifier under 1.3.6.1.2.1.11; 7 and 23 are not used, 30 is no counter. */
const group: readonly (readonly [number, SnmpCounter])[] = [
  [1, 'snmpInPkts'],
  [2, 'snmpOutPkts'],
  [3, 'snmpInBadVersions'],
  [4, 'snmpInBadCommunityNames'],
  [5, 'snmpInBadCommunityUses'],
  [6, 'snmpInASNParseErrs'],
  [8, 'snmpInTooBigs'],
  [9, 'snmpInNoSuchNames'],
  [10, 'snmpInBadValues'],
  [11, 'snmpInReadOnlys'],
  [12, 'snmpInGenErrs'],
  [13, 'snmpInTotalReqVars'],
  [14, 'snmpInTotalSetVars'],
  [15, 'snmpInGetRequests'],
  [16, 'snmpInGetNexts'],
  [17, 'snmpInSetRequests'],
  [18, 'snmpInGetResponses'],
  [19, 'snmpInTraps'],
  [20, 'snmpOutTooBigs'],
  [21, 'snmpOutNoSuchNames'],
  [22, 'snmpOutBadValues'],
  [24, 'snmpOutGenErrs'],
  [25, 'snmpOutGetRequests'],
  [26, 'snmpOutGetNexts'],
  [27, 'snmpOutSetRequests'],
  [28, 'snmpOutGetResponses'],
  [29, 'snmpOutTraps'],
  [31, 'snmpSilentDrops'],
  [32, 'snmpProxyDrops'],
];
/** Under 1.3.6.1.6.3.11.2.1. */
const messageProcessing: readonly (readonly [number, SnmpCounter])[] = [
  [1, 'snmpUnknownSecurityModels'],
  [2, 'snmpInvalidMsgs'],
  [3, 'snmpUnknownPDUHandlers'],
];
/** snmpEnableAuthenTraps: this agent sends no traps. */
const DISABLED = 2;

export function snmpObjects(counters: SnmpCounters): SnmpObject<SnmpReading>[] {
  return [
    ...group.map(([n, name]) => scalar<SnmpReading>(name, `1.3.6.1.2.1.11.${n}`, 'Counter32', counters.reader(name))),
    constant('snmpEnableAuthenTraps', '1.3.6.1.2.1.11.30', 'INTEGER', DISABLED),
    ...messageProcessing.map(([n, name]) =>
      scalar<SnmpReading>(name, `1.3.6.1.6.3.11.2.1.${n}`, 'Counter32', counters.reader(name)),
    ),
  ];
}
