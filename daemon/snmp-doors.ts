/** Where SNMP comes in: UDP on the host, and a port of the userspace stack itself. The agent is daemon/snmp's. */
import os from 'node:os';
import process from 'node:process';
import type { Config } from './config/schema.js';
import { hostPort, ownAddresses, parseListen } from './config/schema.js';
import type { RunningStack } from './host.js';
import type { Log } from './log.js';
import type { Door } from './rest/doors.js';
import { startSnmp } from './snmp/server.js';
import { viewSource } from './snmp/source.js';
import { type SnmpTransport, socketTransport, udpTransport } from './snmp/transport.js';
import { VERSION } from './version.js';
import type { View } from './view.js';

/** @returns one door, which closes all transports; none when SNMP is off @throws TransportError or SnmpConfigError, one line each */
export async function openSnmpDoors(config: Config, log: Log, stack: RunningStack, view: View): Promise<Door[]> {
  const transports: SnmpTransport[] = [];
  const trouble = (error: Error) => log.debug('an SNMP answer was lost', { error: error.message });
  try {
    const listen = parseListen(config.snmp.listen);
    if (listen) transports.push(await udpTransport(listen.host, listen.port, trouble));
    const inStack = config.snmp.inStack > 0 ? ownAddresses(config) : [];
    for (const address of inStack) transports.push(await stackTransport(address, config.snmp.inStack, stack, trouble));
    if (transports.length === 0) return [];
    const server = startSnmp({
      source: viewSource(view),
      config: {
        communities: [config.snmp.community],
        sysDescr: `tsnetstat ${VERSION}: a userspace TCP/IP stack (${stack.mode}) on Node ${process.version}`,
        sysContact: config.snmp.contact,
        sysName: config.snmp.name || os.hostname(),
        sysLocation: config.snmp.location,
      },
      transports,
      onFault: (e) => log.error('SNMP: a variable or the stack could not be read: answered genErr', { error: e.message }),
    });
    return [{ address: transports.map((t) => `snmp://${t.name}`).join(' '), close: () => server.close() }];
  } catch (e) {
    await Promise.all(transports.map((t) => t.close()));
    throw e;
  }
}

/** A socket for each family, on all addresses of it, as snmpd has with `agentaddress udp:161,udp6:161`. */
function stackTransport(
  address: string,
  port: number,
  stack: RunningStack,
  trouble: (error: Error) => void,
): Promise<SnmpTransport> {
  return new Promise((resolve, reject) => {
    const type = address.includes(':') ? 'udp6' : 'udp4';
    const socket = stack.host.sockets.createSocket({ type, ipv6Only: true });
    const failed = (e: Error) => reject(new Error(`snmp.inStack ${port}: ${e.message}`));
    socket.once('error', failed);
    socket.bind(port, () => {
      socket.off('error', failed);
      resolve(socketTransport(socket, address, `${hostPort(address, port)} (through the stack)`, trouble));
    });
  });
}
