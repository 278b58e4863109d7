/**
 * The daemon put together: stack, view, doors; opened in this order and closed in the opposite one. When a door cannot be opened, what
 * was opened before is closed again, so that nothing is left behind.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import type { Config } from './config/schema.js';
import { hostPort, ownAddresses, parseListen } from './config/schema.js';
import { type RunningStack, startStack } from './host.js';
import type { Log } from './log.js';
import type { DaemonInfo } from './prometheus/native.js';
import { MetricsPages } from './prometheus/pages.js';
import { buildRest, type RestApp } from './rest/app.js';
import { type Door, openStackDoor, openTcpDoor, openUnixDoor } from './rest/doors.js';
import { openSnmpDoors } from './snmp-doors.js';
import { TracePump } from './trace/pump.js';
import { VERSION } from './version.js';
import { View } from './view.js';

/** The longest that closing one thing may take, ms; the stack takes up to 8 s when its thread must be ended by force. */
const CLOSE_LIMIT_MS = 9000;

export interface Daemon {
  /** Where it can be reached, as a person would type it. */
  readonly doors: readonly string[];
  /** Resolves when everything is closed. May be called again. */
  stop(): Promise<void>;
}

/**
 * Path of the unix socket: the configured one (which TSNETSTAT_SOCKET sets), else /run/tsnetstat/tsnetstat.sock as root, else
 * $XDG_RUNTIME_DIR/tsnetstat.sock, else a folder of the user's own under the temporary one. '' for none.
 */
export function socketPath(
  configured: string,
  env: Readonly<Record<string, string | undefined>>,
  uid: number | undefined,
): string {
  if (configured === 'off') return '';
  if (configured !== '') return configured;
  if (uid === 0) return '/run/tsnetstat/tsnetstat.sock';
  const runtime = env['XDG_RUNTIME_DIR'];
  if (runtime) return join(runtime, 'tsnetstat.sock');
  return uid === undefined ? '' : join(tmpdir(), `tsnetstat-${uid}`, 'tsnetstat.sock');
}

/** Rejects when something takes longer: one door that cannot be closed must not keep the others open. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${ms} ms`)), ms);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** @param onCrash the stack ended by itself @throws HostError, DoorError or a SNMP door's error, one line for the user */
export async function startDaemon(config: Config, log: Log, onCrash: (error: Error) => void): Promise<Daemon> {
  /** What to close, first opened first. */
  const opened: { name: string; close: () => Promise<void> }[] = [];
  const doors: string[] = [];
  let stopping = false;
  let stopped: Promise<void> | undefined;
  const closeAll = async () => {
    for (const { name, close } of opened.reverse()) {
      try {
        await within(CLOSE_LIMIT_MS, close());
        log.debug('closed', { what: name });
      } catch (e) {
        log.warn(`closing ${name} failed: ${(e as Error).message}`);
      }
    }
  };
  try {
    const stack = await startStack(config, log, (e) => {
      if (!stopping) onCrash(e);
    });
    opened.push({ name: 'stack', close: () => stack.host.stop() });
    const view = new View(stack.host, config.view);
    const add = (name: string, door: Door) => {
      opened.push({ name, close: () => door.close() });
      doors.push(door.address);
    };
    const { app, pump } = await openHttp(config, log, stack, view, doors, () => stopping);
    opened.push({ name: 'http', close: () => app.close() });
    await openHttpDoors(config, stack, app, add);
    for (const door of await openSnmpDoors(config, log, stack, view)) add('snmp', door);
    // last, so that it is closed first: traces are what would keep the doors open
    opened.push({ name: 'traces', close: async () => pump.close() });
  } catch (e) {
    stopping = true;
    await closeAll();
    throw e;
  }
  return {
    doors,
    stop() {
      stopping = true;
      stopped ??= closeAll();
      return stopped;
    },
  };
}

async function openHttp(
  config: Config,
  log: Log,
  stack: RunningStack,
  view: View,
  doors: readonly string[],
  stopping: () => boolean,
): Promise<{ app: RestApp; pump: TracePump }> {
  const info: DaemonInfo = { version: VERSION, mode: stack.mode };
  const identities = await view.devices();
  const { wallOffsetUs } = view.reader.liveSnapshot();
  const pump = new TracePump(view.reader, {
    wallOffsetUs,
    deviceName: (index) => identities.find((d) => d.index === index)?.name ?? String(index),
  });
  const app = await buildRest({
    view,
    pump,
    sysctl: stack.host.sysctl,
    metrics: new MetricsPages(view, info),
    info,
    log,
    token: config.http.token,
    doors: () => doors,
    stopping,
  });
  return { app, pump };
}

async function openHttpDoors(
  config: Config,
  stack: RunningStack,
  app: RestApp,
  add: (name: string, door: Door) => void,
): Promise<void> {
  const listen = parseListen(config.http.listen);
  if (listen) add('http', await openTcpDoor(app, listen.host, listen.port));
  const path = socketPath(config.http.socket, process.env, process.getuid?.());
  // a folder under the temporary one could be anybody's
  if (path !== '') add('unix socket', await openUnixDoor(app, path, config.http.socket === '' && path.startsWith(tmpdir())));
  if (config.http.inStack > 0) {
    const port = config.http.inStack;
    const addresses = ownAddresses(config);
    // one socket for both families, as node:http and fastify have where no host is named
    const host = addresses.length > 1 ? '::' : '0.0.0.0';
    const door = await openStackDoor(
      app,
      `${addresses.map((a) => `http://${hostPort(a, port)}`).join(' ')} (through the stack)`,
      (onConnection) =>
        new Promise((resolve, reject) => {
          const server = stack.host.sockets.createServer(onConnection);
          server.once('error', (e: Error) => reject(new Error(`http.inStack ${port}: ${e.message}`)));
          server.listen({ port, host }, () => resolve(server));
        }),
    );
    add('http in the stack', door);
  }
}
