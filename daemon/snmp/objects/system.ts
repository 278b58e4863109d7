/** The system group and sysORTable: RFC 3418, 1.3.6.1.2.1.1. */

import { constant, fixedTable, type SnmpObject, scalar } from '../object.js';
import { oid, oidKey } from '../oid.js';
import { Row, type SortedRows } from '../rows.js';
import type { SnmpReading } from '../source.js';

/** DisplayStrings of at most 255 octets. */
export interface SystemConfig {
  readonly sysDescr: string;
  readonly sysContact: string;
  readonly sysName: string;
  readonly sysLocation: string;
}

/** No enterprise number is registered for this agent: zeroDotZero says so (RFC 2578). */
const SYS_OBJECT_ID = oid('0.0');

/** 2^(L-1) summed over internet (3), end-to-end (4) and application (7): 4 + 8 + 64. */
const SYS_SERVICES = 76;

interface Module {
  readonly id: string;
  readonly description: string;
}

/** The MIB modules implemented, as sysORTable lists them. */
const modules: readonly Module[] = [
  { id: '1.3.6.1.6.3.1', description: 'The MIB module for SNMP entities (RFC 3418)' },
  { id: '1.3.6.1.6.3.11.3.1.1', description: 'The MIB for Message Processing and Dispatching (RFC 3412)' },
  { id: '1.3.6.1.2.1.31', description: 'The MIB module to describe generic objects for network interface sub-layers (RFC 2863)' },
  { id: '1.3.6.1.2.1.48', description: 'The MIB module for managing IP and ICMP implementations (RFC 4293)' },
  { id: '1.3.6.1.2.1.4.24', description: 'The MIB module for the management of CIDR multipath IP Routes (RFC 4292)' },
  { id: '1.3.6.1.2.1.49', description: 'The MIB module for managing TCP implementations (RFC 4022)' },
  { id: '1.3.6.1.2.1.50', description: 'The MIB module for managing UDP implementations (RFC 4113)' },
];
const moduleRows: SortedRows<Module> = modules.map((m, i) => new Row(oidKey([i + 1]), m));

export function systemObjects(config: SystemConfig): SnmpObject<SnmpReading>[] {
  const SYSTEM = '1.3.6.1.2.1.1';
  return [
    constant('sysDescr', `${SYSTEM}.1`, 'OCTET STRING', config.sysDescr),
    constant('sysObjectID', `${SYSTEM}.2`, 'OBJECT IDENTIFIER', SYS_OBJECT_ID),
    scalar('sysUpTime', `${SYSTEM}.3`, 'TimeTicks', (r: SnmpReading) => r.upTimeCs),
    constant('sysContact', `${SYSTEM}.4`, 'OCTET STRING', config.sysContact),
    constant('sysName', `${SYSTEM}.5`, 'OCTET STRING', config.sysName),
    constant('sysLocation', `${SYSTEM}.6`, 'OCTET STRING', config.sysLocation),
    constant('sysServices', `${SYSTEM}.7`, 'INTEGER', SYS_SERVICES),
    constant('sysORLastChange', `${SYSTEM}.8`, 'TimeTicks', 0),
    ...fixedTable<SnmpReading, Module>(`${SYSTEM}.9.1`, () => moduleRows, [
      [2, 'sysORID', 'OBJECT IDENTIFIER', (m) => oid(m.id)],
      [3, 'sysORDescr', 'OCTET STRING', (m) => m.description],
      [4, 'sysORUpTime', 'TimeTicks', () => 0],
    ]),
  ];
}
