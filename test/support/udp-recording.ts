/**
 * What a Linux kernel did with UDP super-frames, UDP_SEGMENT, UDP_GRO and corks, played again (test/golden/kernel-udp): the same frames and
 * calls are given to our stack, and what it answers, sends and counts is put in the recording's form.
 */
import { CELLS, cellName } from '../../mib/catalogue/index.js';
import { Dev } from '../../mib/catalogue/interface.js';
import { DEVICE_CELLS, DEVICES_BASE, Info } from '../../mib/ledger/layout.js';
import { IpAddress } from '../../stack/core/address.js';
import { Csum, type Packet } from '../../stack/core/packet.js';
import { IpOpt, Level, Msg, ReceivedFrom, So } from '../../stack/socket/socket.js';
import type { UdpSocket } from '../../stack/udp/socket.js';
import { arp, type Bytes, bytes, checksum, EtherType, ethernet, groupMac, ip4, ipv4, Proto, u16 } from './frames.js';
import { LedgerWatch } from './ledger.js';
import { type Host, Simulation } from './simulation.js';
import { SuperLink } from './super-link.js';

// biome-ignore lint/suspicious/noExplicitAny: steps are JSON, their words are looked at where they are used
export type Step = readonly any[];
export interface Recording {
  /** What each call answered: a number, -errno, or for datagrams read [length, sum of octets, MSG_TRUNC, segment size, port]. */
  readonly results: readonly unknown[];
  /** What was sent, as text. */
  readonly frames: readonly string[];
  /** How counters moved; those of the device are named `dev.…`. */
  readonly moved: Readonly<Record<string, number>>;
  /** Datagrams dropped by the sockets, by port. */
  readonly drops: Readonly<Record<string, number>>;
}

const HOST = '10.99.0.1';
const HOST_MAC = '02:00:00:00:00:01';
const PEER = '10.99.0.2';
const PEER_MAC = '02:00:00:00:00:02';
const TOLD = ['rxBytes', 'rxPackets', 'rxErrs', 'txBytes', 'txPackets', 'txErrs'] as const;
/** Steps that prepare; counting begins with the first other one. */
const PREPARING: ReadonlySet<string> = new Set(['socket', 'set', 'bind', 'join', 'sysctl', 'mtu']);
/** Both unasked membership reports of IGMP have left by then. */
const REPORTED_US = 12_000_000;
const FIRST_EPHEMERAL = 32768;
/** Our sum of a datagram's octets is the recorder's. */
const MASK16 = 0xffff;

const pattern = (n: number): Bytes => Uint8Array.from({ length: n }, (_, i) => (i * 7 + (i >> 8)) & 255);
const portName = (port: number): number | string => (port >= FIRST_EPHEMERAL ? '*' : port);
const known = new Set(Array.from({ length: CELLS }, (_, id) => cellName(id)));

/** A frame as the recorder writes it; null for what it leaves out. */
function describeFrame(p: Packet): string | null {
  const raw = p.bytes.slice(p.data, p.tail);
  const v = new DataView(raw.buffer);
  if (v.getUint16(12) !== EtherType.ipv4) return null;
  const ip = raw.subarray(14, 34);
  const rest = raw.subarray(34, 14 + v.getUint16(16));
  const fragment = v.getUint16(20);
  if (checksum(ip) !== 0) return 'a bad IP header sum';
  if ((fragment & 0x3fff) !== 0) {
    return `fragment of ${ip[9]} at ${(fragment & 0x1fff) * 8}: ${rest.length}${fragment & 0x2000 ? ' more' : ''}`;
  }
  if (ip[9] === Proto.icmp) return `icmp ${rest[0]}/${rest[1]}`;
  if (ip[9] !== Proto.udp && ip[9] !== Proto.udplite) return null;
  let text = `${ip[9] === Proto.udp ? 'udp' : 'udplite'} ${portName(v.getUint16(34))}>${v.getUint16(36)} ${rest.length - 8}`;
  if (p.gsoSize > 0) text += `/${p.gsoSize}`;
  if (fragment & 0x4000) text += ' df';
  if (ip[9] === Proto.udp && v.getUint16(38) !== rest.length) text += ` length ${v.getUint16(38)}`;
  return text + describeSum(p, ip, rest, v.getUint16(40));
}

function describeSum(p: Packet, ip: Bytes, rest: Bytes, field: number): string {
  if (field === 0) return ' no sum';
  const pseudo = bytes(ip.subarray(12), [0, ip[9]!], u16(rest.length));
  const good = p.csum === Csum.partial ? field === (~checksum(pseudo) & MASK16) : checksum(pseudo, rest) === 0;
  return good ? '' : ' bad sum';
}

interface Fields {
  readonly sport?: number;
  readonly dport?: number;
  readonly dst?: string;
  readonly tos?: number;
  readonly ttl?: number;
  readonly df?: boolean;
  readonly zero?: boolean;
  readonly ulen?: number;
  readonly iplen?: number;
}

function datagram(n: number, o: Fields): Bytes {
  const dst = o.dst ?? HOST;
  const pseudo = bytes(ip4(PEER), ip4(dst), [0, Proto.udp], u16(8 + n));
  const sum = o.zero ? 0 : ~checksum(pseudo) & MASK16;
  const udp = bytes(u16(o.sport ?? 5001), u16(o.dport ?? 9), u16(o.ulen ?? 8 + n), u16(sum), pattern(n));
  const ip = { src: PEER, dst, protocol: Proto.udp, tos: o.tos, ttl: o.ttl, df: o.df ?? true, totalLength: o.iplen };
  let mac = HOST_MAC;
  if (dst.startsWith('224.')) mac = groupMac(dst);
  else if (dst.endsWith('.255')) mac = 'ff:ff:ff:ff:ff:ff';
  return ethernet(mac, PEER_MAC, EtherType.ipv4, ipv4(ip, udp), false);
}

class Player {
  private readonly sim = new Simulation();
  private readonly link: SuperLink;
  private readonly sent: string[] = [];
  private readonly host: Host;
  private readonly sockets = new Map<string, UdpSocket>();
  private readonly into = new Uint8Array(70000);
  private readonly info = new ReceivedFrom();
  private readonly drops: Record<string, number> = {};
  private watch: LedgerWatch | null = null;
  private device: readonly number[] = [];

  constructor(features: number) {
    this.link = new SuperLink(features);
    this.link.onFrame = (p) => {
      const text = describeFrame(p);
      if (text) this.sent.push(text);
    };
    this.host = this.sim.host(this.link, { gateway: PEER, offloads: true });
    this.host.stack.env.sysctl.set('net.ipv4.conf.all.send_redirects', 0);
  }

  play(steps: readonly Step[]): Recording {
    const results: unknown[] = [];
    for (const s of steps) {
      if (!this.watch && !PREPARING.has(s[0])) this.begin();
      results.push(this.step(s));
    }
    this.sim.pass(100_000);
    const moved: Record<string, number> = this.watch!.delta();
    for (const [i, n] of this.deviceNow().entries()) if (n !== this.device[i]) moved[`dev.${TOLD[i]}`] = n - this.device[i]!;
    for (const s of this.sockets.values()) this.noteDrops(s);
    return { results, frames: this.sent, moved, drops: this.drops };
  }

  private begin(): void {
    const request = arp({ op: 1, senderMac: PEER_MAC, sender: PEER, target: HOST });
    this.link.inject(ethernet('ff:ff:ff:ff:ff:ff', PEER_MAC, EtherType.arp, request));
    this.sim.pass(1000);
    this.watch = new LedgerWatch(this.host.ledger);
    this.device = this.deviceNow();
    this.sent.length = 0;
  }

  private deviceNow(): number[] {
    const at = DEVICES_BASE + (this.host.device.index - 1) * DEVICE_CELLS;
    return TOLD.map((name) => this.host.ledger.cells[at + Dev[name]]!);
  }

  private noteDrops(s: UdpSocket): void {
    const ledger = this.host.ledger;
    const n = s.owner.row < 0 ? 0 : ledger.cells[ledger.rowAt(s.owner.row) + Info.drops]!;
    if (n > 0) this.drops[String(s.localPort)] = n;
  }

  private step(s: Step): unknown {
    const [op, name, ...a] = s;
    const socket = this.sockets.get(name)!;
    switch (op) {
      case 'socket': {
        const stack = this.host.stack;
        this.sockets.set(name, (a[0] === 'udplite' ? stack.udpLiteLayer : stack.udpLayer).socket(4));
        return 0;
      }
      case 'bind':
        if (a[2]?.reuse) socket.setOption(Level.SOCKET, So.REUSEADDR, 1);
        return socket.bind(a[1] ? IpAddress.from(a[1]) : null, a[0]);
      case 'connect':
        return socket.connect(IpAddress.from(a[0]), a[1]);
      case 'set':
        return socket.setOption(a[0], a[1], a[2]);
      case 'get':
        return this.get(socket, a[0], a[1]);
      case 'join': {
        const r = socket.setOption(Level.IP, IpOpt.ADD_MEMBERSHIP, bytes(ip4(a[0]), ip4(HOST)));
        this.sim.pass(REPORTED_US);
        return r;
      }
      case 'shutdown':
        return socket.shutdown(a[0]);
      case 'close':
        socket.close();
        this.sockets.delete(name);
        return 0;
      case 'ready':
        return socket.readable();
      case 'recv':
        return this.receive(socket, a[0], a[1] ?? 0);
      case 'recv*':
        return this.receiveAll(socket);
      case 'send':
        return this.send(socket, a[0], a[1] ?? {});
      default:
        return this.world(op, name, a);
    }
  }

  private world(op: string, first: unknown, a: Step): number {
    if (op === 'in') this.link.inject(datagram(first as number, a[1] ?? {}), a[0] ?? 0);
    else if (op === 'mtu') this.host.device.mtu = first as number;
    else if (op === 'sysctl') this.host.stack.env.sysctl.set(first as string, a[0]);
    else if (op !== 'settle') throw new Error(`no such step: ${op}`);
    this.sim.pass(1000);
    return 0;
  }

  private get(s: UdpSocket, level: number, option: number): unknown {
    const r = s.getOption(level, option);
    return 'errno' in r ? -r.errno : r.value;
  }

  private receive(s: UdpSocket, size: number, flags: number): unknown {
    const n = s.receiveFrom(this.into, 0, size, flags, this.info);
    if (n < 0) return n;
    const sum = this.into.subarray(0, Math.min(n, size)).reduce((x, b) => x + b, 0) & MASK16;
    return [n, sum, this.info.flags & Msg.TRUNC, this.info.segmentSize, portName(this.info.port)];
  }

  private receiveAll(s: UdpSocket): unknown[] {
    const out: unknown[] = [];
    for (;;) {
      const r = this.receive(s, 70000, 0);
      if (typeof r === 'number') return out;
      out.push(r);
    }
  }

  private send(s: UdpSocket, n: number, o: { to?: [string, number]; more?: boolean; segment?: number }): number {
    const to = o.to ? { address: IpAddress.from(o.to[0]), port: o.to[1] } : null;
    return s.sendTo(pattern(n), 0, n, o.more ? Msg.MORE : 0, to, o.segment);
  }
}

/** What our stack does. */
export function playUdp(steps: readonly Step[], features: number): Recording {
  return new Player(features).play(steps);
}

/** The kernel's recording without the counters that we print from others (ICMP's by type). */
export function comparable(r: Recording): Recording {
  const moved = Object.fromEntries(Object.entries(r.moved).filter(([name]) => known.has(name) || name.startsWith('dev.')));
  return { ...r, moved };
}
