/**
 * /proc/net/{dev,route,ipv6_route,sockstat,sockstat6} in the kernel's exact columns: written from this stack's interfaces, routes and sockets;
 * dev, route and ipv6_route also read.
 */
import { Dev } from '../catalogue/interface.js';
import type { RouteDto } from '../dto.js';
import { addressText, hexAddress6, ipv4Text } from './address.js';
import { unsignedText } from './unsigned.js';

const DEV_HEAD =
  'Inter-|   Receive                                                |  Transmit\n' +
  ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n';

/** Columns of /proc/net/dev: which cells, and how wide. A frame of an EtherType that nobody handles is a drop there. */
const DEV_COLUMNS: readonly (readonly [cells: readonly number[], width: number])[] = [
  [[Dev.rxBytes], 7],
  [[Dev.rxPackets], 7],
  [[Dev.rxErrs], 4],
  [[Dev.rxDrop, Dev.rxUnknownProtos], 4],
  [[Dev.rxFifo], 4],
  [[Dev.rxFrame], 5],
  [[Dev.rxCompressed], 10],
  [[Dev.rxMulticast], 9],
  [[Dev.txBytes], 8],
  [[Dev.txPackets], 7],
  [[Dev.txErrs], 4],
  [[Dev.txDrop], 4],
  [[Dev.txFifo], 4],
  [[Dev.txColls], 5],
  [[Dev.txCarrier], 7],
  [[Dev.txCompressed], 10],
];

/** /proc/net/dev. @param devices name and cells (by Dev) of each */
export function procDev(devices: readonly { readonly name: string; readonly cells: ArrayLike<number> }[]): string {
  const lines = devices.map(({ name, cells }) => {
    const values = DEV_COLUMNS.map(([ids, width]) => unsignedText(ids.reduce((sum, id) => sum + cells[id]!, 0)).padStart(width));
    return `${name.padStart(6)}: ${values.join(' ')}\n`;
  });
  return DEV_HEAD + lines.join('');
}

export interface DevLine {
  readonly name: string;
  /** The sixteen columns, rx bytes first. */
  readonly values: readonly bigint[];
}

/** Reads /proc/net/dev; a line without sixteen numbers has zeros for what it lacks. */
export function readDev(text: string): DevLine[] {
  const lines = text.split('\n').slice(2);
  return lines.flatMap((line) => {
    const colon = line.indexOf(':');
    if (colon < 0) return [];
    const words = line
      .slice(colon + 1)
      .split(/\s+/)
      .filter(Boolean);
    const values = Array.from({ length: 16 }, (_, i) => (/^\d+$/.test(words[i] ?? '') ? BigInt(words[i]!) : 0n));
    return [{ name: line.slice(0, colon).trim(), values }];
  });
}

export interface SocketNumbers {
  /** Sockets of every kind. */
  readonly used: number;
  /** In tables, listeners included, TIME-WAIT not. */
  readonly tcpInUse: number;
  readonly tcpOrphans: number;
  readonly timeWaits: number;
  readonly udpInUse: number;
  readonly udpLiteInUse: number;
  readonly rawInUse: number;
  /** Pages of 4096 octets in queues. */
  readonly tcpPages: number;
  readonly udpPages: number;
  readonly fragments: number;
  /** Octets. */
  readonly fragmentMemory: number;
}

/** /proc/net/sockstat. */
export function procSockstat(n: SocketNumbers): string {
  return (
    `sockets: used ${n.used}\n` +
    `TCP: inuse ${n.tcpInUse} orphan ${n.tcpOrphans} tw ${n.timeWaits} alloc ${n.tcpInUse + n.tcpOrphans} mem ${n.tcpPages}\n` +
    `UDP: inuse ${n.udpInUse} mem ${n.udpPages}\n` +
    `UDPLITE: inuse ${n.udpLiteInUse}\n` +
    `RAW: inuse ${n.rawInUse}\n` +
    `FRAG: inuse ${n.fragments} memory ${n.fragmentMemory}\n`
  );
}

/** /proc/net/sockstat6. */
export function procSockstat6(
  n: Pick<SocketNumbers, 'tcpInUse' | 'udpInUse' | 'udpLiteInUse' | 'rawInUse' | 'fragments' | 'fragmentMemory'>,
): string {
  return (
    `TCP6: inuse ${n.tcpInUse}\nUDP6: inuse ${n.udpInUse}\nUDPLITE6: inuse ${n.udpLiteInUse}\n` +
    `RAW6: inuse ${n.rawInUse}\nFRAG6: inuse ${n.fragments} memory ${n.fragmentMemory}\n`
  );
}

const RTF = { U: 1, G: 2, H: 4, '!': 0x200 } as const;
const ROUTE_WIDTH = 127;

function hexAddress(text: string): string {
  return text
    .split('.')
    .reverse()
    .map((b) => Number(b).toString(16).toUpperCase().padStart(2, '0'))
    .join('');
}
function maskWord(prefix: number): number {
  return prefix === 0 ? 0 : (-1 << (32 - prefix)) >>> 0;
}

/** /proc/net/route: the IPv4 routes. */
export function procRoute(routes: readonly RouteDto[]): string {
  const lines = routes
    .filter((r) => r.family === 4)
    .map((r) => {
      const flags = [...r.flags].reduce((sum, f) => sum | (RTF[f as keyof typeof RTF] ?? 0), 0);
      const mask = hexAddress(ipv4Text(maskWord(r.prefix)));
      return [
        r.interface,
        hexAddress(r.destination),
        hexAddress(r.gateway ?? '0.0.0.0'),
        flags.toString(16).toUpperCase().padStart(4, '0'),
        0,
        0,
        r.metric,
        mask,
        0,
        0,
        0,
      ].join('\t');
    });
  const head = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT';
  return [head, ...lines].map((line) => `${line.padEnd(ROUTE_WIDTH)}\n`).join('');
}

/** RTF_ bits of the letters that RouteDto has for IPv6. */
const RTF6 = { U: 1, G: 2, '!': 0x200, D: 0x10000, A: 0x40000, n: 0x200000 } as const;

/** /proc/net/ipv6_route: the IPv6 routes. */
export function procRoute6(routes: readonly RouteDto[]): string {
  const hex = (n: number) => (n >>> 0).toString(16).padStart(8, '0');
  const none = `${'0'.repeat(32)} 00`;
  const line = (r: RouteDto) => {
    const flags = [...r.flags].reduce((sum, f) => sum | (RTF6[f as keyof typeof RTF6] ?? 0), 0);
    const to = `${hexAddress6(r.destination)} ${r.prefix.toString(16).padStart(2, '0')} ${none} ${hexAddress6(r.gateway ?? '::')}`;
    return `${to} ${hex(r.metric)} ${hex(0)} ${hex(0)} ${hex(flags)} ${r.interface.padStart(8)}\n`;
  };
  return routes
    .filter((r) => r.family === 6)
    .map(line)
    .join('');
}

/** A route as /proc/net/route or ipv6_route has it. */
export interface RouteLine {
  readonly family: 4 | 6;
  readonly interface: string;
  readonly destination: string;
  readonly gateway: string;
  readonly gatewayAny: boolean;
  /** Dotted mask (IPv4). */
  readonly mask: string;
  readonly prefix: number;
  /** RTF_ bits. */
  readonly flags: number;
  readonly references: number;
  readonly use: number;
  readonly metric: number;
  readonly mss: number;
  readonly window: number;
  readonly irtt: number;
}

function swappedWord(hex: string): number {
  const w = Number.parseInt(hex, 16);
  return ((w >>> 24) | ((w >>> 8) & 0xff00) | ((w << 8) & 0xff0000) | (w << 24)) >>> 0;
}

/** Reads /proc/net/route. Lines that are none are left out. */
export function readRoute(text: string): RouteLine[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const f = line.trim().split(/\s+/);
      if (f.length < 10 || !/^[0-9A-Fa-f]{1,8}$/.test(f[1]!)) return [];
      const mask = swappedWord(f[7]!);
      return [
        {
          family: 4 as const,
          interface: f[0]!,
          destination: ipv4Text(swappedWord(f[1]!)),
          gateway: ipv4Text(swappedWord(f[2]!)),
          gatewayAny: /^0+$/.test(f[2]!),
          mask: ipv4Text(mask),
          prefix: 32 - Math.log2((~mask >>> 0) + 1),
          flags: Number.parseInt(f[3]!, 16),
          references: Number(f[4]),
          use: Number(f[5]),
          metric: Number(f[6]),
          mss: Number(f[8]),
          window: Number(f[9]),
          irtt: Number(f[10] ?? 0),
        },
      ];
    });
}

function wordsOfHex(hex: string): number[] {
  return [0, 8, 16, 24].map((at) => Number.parseInt(hex.slice(at, at + 8), 16) >>> 0);
}

/** Reads /proc/net/ipv6_route. Lines that are none are left out. */
export function readRoute6(text: string): RouteLine[] {
  return text.split('\n').flatMap((line) => {
    const f = line.trim().split(/\s+/);
    if (f.length < 10 || f[0]!.length !== 32) return [];
    return [
      {
        family: 6 as const,
        interface: f[9]!,
        destination: addressText(6, wordsOfHex(f[0]!), 0),
        gateway: addressText(6, wordsOfHex(f[4]!), 0),
        gatewayAny: /^0+$/.test(f[4]!),
        mask: '',
        prefix: Number.parseInt(f[1]!, 16),
        flags: Number.parseInt(f[8]!, 16),
        references: Number.parseInt(f[6]!, 16),
        use: Number.parseInt(f[7]!, 16),
        metric: Number.parseInt(f[5]!, 16),
        mss: 0,
        window: 0,
        irtt: 0,
      },
    ];
  });
}
