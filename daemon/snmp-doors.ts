/** Where SNMP comes in: UDP on the host and on a port of the userspace stack itself. The agent is daemon/snmp's. */
import type { Config } from './config/schema.js';
import type { RunningStack } from './host.js';
import type { Log } from './log.js';
import type { Door } from './rest/doors.js';
import type { View } from './view.js';

export async function openSnmpDoors(config: Config, log: Log, stack: RunningStack, view: View): Promise<Door[]> {
  void config;
  void log;
  void stack;
  void view;
  return [];
}
