/** The bench's network: namespaces of its own, a TAP for the stack and a veth pair for the kernel baseline. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import process from 'node:process';

const tag = `tsb${process.pid}`;
/** Where the client of the stack lives: the kernel side of the TAP. */
export const STACK_NS = `${tag}-tap`;
/** The two ends of the baseline. */
export const CLIENT_NS = `${tag}-cli`;
export const SERVER_NS = `${tag}-srv`;
export const STACK_ADDRESS = '10.77.0.2';
export const KERNEL_ADDRESS = '10.78.0.2';

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

export function makeNetwork(offloads: boolean): void {
  for (const ns of [STACK_NS, CLIENT_NS, SERVER_NS]) {
    ip('netns', 'add', ns);
    ip('-n', ns, 'link', 'set', 'lo', 'up');
    inside(ns, 'sysctl', '-qw', 'net.ipv4.ip_local_port_range=1024 65535', 'net.ipv4.tcp_tw_reuse=1');
  }
  ip('-n', CLIENT_NS, 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1', 'netns', SERVER_NS);
  ip('-n', CLIENT_NS, 'addr', 'add', '10.78.0.1/24', 'dev', 'v0');
  ip('-n', SERVER_NS, 'addr', 'add', `${KERNEL_ADDRESS}/24`, 'dev', 'v1');
  ip('-n', CLIENT_NS, 'link', 'set', 'v0', 'up');
  ip('-n', SERVER_NS, 'link', 'set', 'v1', 'up');
  if (!offloads) {
    const off = ['tx', 'off', 'rx', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off'];
    for (const [ns, dev] of [[CLIENT_NS, 'v0'], [SERVER_NS, 'v1']] as const) inside(ns, 'ethtool', '-K', dev, ...off); // biome-ignore format: pairs
  }
}

export function removeNetwork(): void {
  for (const ns of [STACK_NS, CLIENT_NS, SERVER_NS]) {
    try {
      ip('netns', 'del', ns);
    } catch {
      // it was never made
    }
  }
}

/** Runs a command in a namespace and gives its standard output. */
export function inside(ns: string, ...command: string[]): string {
  return execFileSync('ip', ['netns', 'exec', ns, ...command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

export function start(ns: string, ...command: string[]): ChildProcess {
  return spawn('ip', ['netns', 'exec', ns, ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
}

/** A source address of its own for each connect run, or TIME-WAIT on the client eats the ports. */
export function sourceAddress(ns: string, device: string, prefix: string, host: number): string {
  const address = `${prefix}.${host}`;
  try {
    ip('-n', ns, 'addr', 'add', `${address}/24`, 'dev', device);
  } catch {
    // it is there from an earlier round
  }
  return address;
}
