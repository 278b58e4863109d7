/**
 * The stack behind the doors: decides what it runs on (a TAP, or the embedded wire with a second host) and starts it on its own thread.
 */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { type StackConfig, StackHost, StackStartError, SysctlTable } from '../stack/index.js';
import type { Config } from './config/schema.js';
import { parseCidr, parseCidr6 } from './config/schema.js';
import type { Log } from './log.js';

export type Mode = 'tap' | 'embedded';

/** The stack did not start. The message is one line for the user. */
export class HostError extends Error {
  override readonly name = 'HostError';
}

const CAP_NET_ADMIN = 12n;

/** Why this process may not make a TAP, or '' when it may. */
export function whyNoTap(): string {
  if (process.platform !== 'linux') return `${process.platform} has no TAP that this daemon knows`;
  if (!existsSync('/dev/net/tun')) return '/dev/net/tun is not there';
  if (!hasNetAdmin()) return 'CAP_NET_ADMIN is missing (root has it)';
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch {
    return '/dev/net/tun may not be opened';
  }
  return '';
}

function hasNetAdmin(): boolean {
  try {
    const line = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
    return line !== null && ((BigInt(`0x${line[1]}`) >> CAP_NET_ADMIN) & 1n) === 1n;
  } catch {
    return process.getuid?.() === 0;
  }
}

/** What the configuration asks for, given why there can be no TAP. Attaching needs no capability where the TAP belongs to the user. */
export function chooseMode(config: Config, reason: string): { mode: Mode; because: string } {
  if (config.embedded === 'yes') return { mode: 'embedded', because: 'the configuration says so' };
  if (config.embedded === 'no' || config.tap.attach !== '') return { mode: 'tap', because: '' };
  return reason === '' ? { mode: 'tap', because: '' } : { mode: 'embedded', because: reason };
}

/** The configuration in the stack's words. */
export function stackConfig(config: Config, mode: Mode): StackConfig {
  const six = config.address6 !== 'off';
  const gateway = config.gateway || (mode === 'tap' ? parseCidr(config.hostAddress)?.address : undefined);
  const peer6 = mode === 'embedded' || config.tap.hostSetup ? parseCidr6(config.hostAddress6)?.address : undefined;
  const gateway6 = config.gateway6 || peer6;
  return {
    mode,
    ...(mode === 'tap'
      ? {
          tap: {
            name: config.tap.attach || config.tap.name,
            attach: config.tap.attach !== '',
            hostAddress: config.tap.hostSetup ? config.hostAddress : null,
            ...(six ? { hostAddress6: config.hostAddress6 } : {}),
          },
        }
      : {}),
    mac: config.mac,
    addresses: six ? [config.address, config.address6] : [config.address],
    ...(gateway ? { gateway } : {}),
    ...(six && gateway6 ? { gateway6 } : {}),
    offloads: config.offloads,
    coalesce: config.coalesce,
    queues: mode === 'tap' ? config.queues : 1,
    maxRows: config.maxRows,
    services: config.services,
    seed: config.seed,
    pcap: config.pcap,
    sysctl: Object.fromEntries(sysctls(config)),
  };
}

function sysctls(config: Config): [name: string, value: string][] {
  return config.sysctl.map((s) => [s.slice(0, s.indexOf('=')), s.slice(s.indexOf('=') + 1)]);
}

/** What the stack would say to sysctls that it has not, or not with this value, before it is started; '' when all can be set. */
export function refusedSysctl(config: Config): string {
  const table = new SysctlTable();
  for (const [name, value] of sysctls(config)) {
    if (!table.set(name, value)) return `no such sysctl, or a value out of range: ${name} = ${value}`;
  }
  return '';
}

export interface RunningStack {
  readonly host: StackHost;
  readonly mode: Mode;
}

/** @param crashed called when the stack's thread ends by itself @throws HostError */
export async function startStack(config: Config, log: Log, crashed: (error: Error) => void): Promise<RunningStack> {
  const reason = whyNoTap();
  const { mode, because } = chooseMode(config, reason);
  if (mode === 'embedded') {
    log.info(`no TAP: ${because}; running on the embedded wire with a second host making traffic`);
    if (config.queues > 1) log.info(`queues ${config.queues}: the embedded wire has one`);
  } else if (reason !== '' && config.tap.attach === '') throw new HostError(`no TAP can be made: ${reason}`);
  try {
    const host = await StackHost.start(stackConfig(config, mode), {
      log: (level, text) => log.event(level, text, {}),
      crashed,
    });
    return { host, mode };
  } catch (e) {
    if (e instanceof StackStartError || e instanceof TypeError) throw new HostError(e.message);
    throw e;
  }
}
