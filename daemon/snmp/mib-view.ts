/** Everything the agent serves, in one view. */
import type { SnmpCounters } from './counters.js';
import { catalogueScalars } from './objects/catalogue.js';
import { interfaceObjects } from './objects/interfaces.js';
import { ipAddressObjects } from './objects/ip-address.js';
import { ipRouteObjects } from './objects/ip-route.js';
import { ipStatisticsObjects } from './objects/ip-statistics.js';
import { snmpObjects } from './objects/snmp.js';
import { socketObjects } from './objects/sockets.js';
import { type SystemConfig, systemObjects } from './objects/system.js';
import type { SnmpReading } from './source.js';
import { View } from './view.js';

export function mibView(system: SystemConfig, counters: SnmpCounters): View<SnmpReading> {
  return new View([
    ...systemObjects(system),
    ...interfaceObjects(),
    ...catalogueScalars(),
    ...ipStatisticsObjects(),
    ...ipAddressObjects(),
    ...ipRouteObjects(),
    ...socketObjects(),
    ...snmpObjects(counters),
  ]);
}
