/** `tsnetstat -r`: the routing tables in the columns of net-tools 2.10; -e and -ee choose others for IPv4. */
import type { RouteDto } from '../../mib/dto.js';
import { ipv4Text } from '../../mib/text/address.js';
import { type RouteLine, readRoute, readRoute6 } from '../../mib/text/proc-tables.js';
import type { Flags } from '../flags.js';
import type { Names } from '../names.js';
import type { ProcSource } from '../sources/proc.js';

const UP = 1;
const GATEWAY = 2;
const HOST = 4;
const REJECT = 0x200;

type Letters = readonly (readonly [bit: number, letter: string])[];
const LETTERS4: Letters = [
  [GATEWAY, 'G'],
  [HOST, 'H'],
  [8, 'R'],
  [0x10, 'D'],
  [0x20, 'M'],
  [0x10000, 'd'],
  [0x20000, 'a'],
  [0x40, 'u'],
  [0x80, 'w'],
  [0x100, 'i'],
  [0x400, 'n'],
];
const LETTERS6: Letters = [
  [GATEWAY, 'G'],
  [HOST, 'H'],
  [0x10000, 'D'],
  [0x40000, 'A'],
  [0x20000, 'a'],
  [0x400000, 'e'],
  [0x20, 'm'],
  [0x200000, 'n'],
  [0x2000000, 'f'],
];

function flagText(flags: number, letters: Letters): string {
  const rest = letters.flatMap(([bit, letter]) => ((flags & bit) !== 0 ? [letter] : [])).join('');
  return (flags & REJECT ? '!' : flags & UP ? 'U' : '') + rest;
}

export interface RouteTables {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number;
}

/** IPv4 unless -6 alone; both with both. */
export function routesOfProc(flags: Flags, source: ProcSource, names: Names): RouteTables {
  let stdout = '';
  if (flags.inet || !flags.inet6) {
    const text = source.read('route');
    if (text === undefined) return missing(stdout, 'route', 'INET (IPv4)');
    stdout += table4(flags, readRoute(text), names);
  }
  if (flags.inet6) {
    const text = source.read('ipv6_route');
    if (text === undefined) return missing(stdout, 'ipv6_route', 'INET6 (IPv6)');
    stdout += table6(flags, readRoute6(text), names);
  }
  return { stdout, stderr: '', status: 0 };
}

/** netstat says the one on stderr, the other on stdout. */
function missing(stdout: string, file: string, family: string): RouteTables {
  const stderr = `/proc/net/${file}: No such file or directory\n`;
  return { stdout: `${stdout}${family} not configured in this system.\n`, stderr, status: 1 };
}

export function routesOfDaemon(flags: Flags, routes: readonly RouteDto[], names: Names): string {
  const lines = routes.map(lineOf);
  const v4 =
    flags.inet || !flags.inet6
      ? table4(
          flags,
          lines.filter((l) => l.family === 4),
          names,
        )
      : '';
  const v6 = flags.inet6
    ? table6(
        flags,
        lines.filter((l) => l.family === 6),
        names,
      )
    : '';
  return v4 + v6;
}

function lineOf(r: RouteDto): RouteLine {
  const letters: Letters = [[UP, 'U'], [REJECT, '!'], ...(r.family === 4 ? LETTERS4 : LETTERS6)]; // biome-ignore format: one list
  const bits = [...r.flags].reduce((sum, f) => sum | (letters.find(([, letter]) => letter === f)?.[0] ?? 0), 0);
  return {
    family: r.family,
    interface: r.interface,
    destination: r.destination,
    gateway: r.gateway ?? (r.family === 4 ? '0.0.0.0' : '::'),
    gatewayAny: r.gateway === null,
    mask: r.family === 4 ? ipv4Text(r.prefix === 0 ? 0 : -1 << (32 - r.prefix)) : '',
    prefix: r.prefix,
    flags: bits,
    references: 0,
    use: 0,
    metric: r.metric,
    mss: 0,
    window: 0,
    irtt: 0,
  };
}

const HEADS4 = [
  'Destination     Gateway         Genmask         Flags   MSS Window  irtt Iface',
  'Destination     Gateway         Genmask         Flags Metric Ref    Use Iface',
  'Destination     Gateway         Genmask         Flags Metric Ref    Use Iface    MSS   Window irtt',
];

function table4(flags: Flags, routes: readonly RouteLine[], names: Names): string {
  const shown = routes.filter((r) => r.flags & UP || r.flags & REJECT);
  const lines = shown.map((r) => line4(flags, r, names));
  return ['Kernel IP routing table', HEADS4[Math.min(flags.extend, 2)]!, ...lines].map((l) => `${l}\n`).join('');
}

function line4(flags: Flags, r: RouteLine, names: Names): string {
  const reject = (r.flags & REJECT) !== 0;
  const column = (text: string) => (flags.wide ? text : text.slice(0, 15)).padEnd(15);
  const or = (value: number | string) => (reject ? '-' : String(value));
  const gateway = reject ? '-' : flags.numericHosts ? r.gateway : (names.host(r.gateway) ?? r.gateway);
  const letters = flagText(reject ? r.flags & ~GATEWAY : r.flags, LETTERS4);
  const head = `${column(destination4(flags, r, names))} ${column(gateway)} ${column(r.mask)} ${letters.padEnd(5)} `;
  if (flags.extend === 0)
    return `${head}${or(r.mss).padStart(5)} ${or(r.window).padEnd(5)} ${or(r.irtt).padStart(6)} ${or(r.interface)}`;
  const extended = `${head}${String(r.metric).padEnd(6)} ${or(r.references).padEnd(2)} ${String(r.use).padStart(7)}`;
  if (flags.extend === 1) return `${extended} ${or(r.interface)}`;
  return `${extended} ${or(r.interface).padEnd(8)} ${or(r.mss).padEnd(5)} ${or(r.window).padEnd(6)} ${or(r.irtt)}`;
}

function destination4(flags: Flags, r: RouteLine, names: Names): string {
  if (flags.numericHosts) return r.destination;
  if (r.destination === '0.0.0.0') return 'default';
  return (r.mask === '255.255.255.255' ? names.host(r.destination) : names.network(r.destination)) ?? r.destination;
}

function table6(flags: Flags, routes: readonly RouteLine[], names: Names): string {
  const host = (address: string) => (flags.numericHosts ? address : address === '::' ? '[::]' : (names.host(address) ?? address));
  const lines = routes
    .filter((r) => (r.flags & 0x1000000) === 0) // cached routes are not of the table
    .map((r) => {
      const to = `${host(r.destination)}/${r.prefix}`.padEnd(30);
      const numbers = `${String(r.metric | 0).padEnd(3)} ${r.references | 0}${String(r.use | 0).padStart(7)}`;
      return `${to} ${host(r.gateway).padEnd(26)} ${flagText(r.flags, LETTERS6).padEnd(4)} ${numbers} ${r.interface}`;
    });
  const head = 'Destination                    Next Hop                   Flag Met Ref  Use If';
  return ['Kernel IPv6 routing table', head, ...lines].map((l) => `${l}\n`).join('');
}
