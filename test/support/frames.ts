/**
 * Frames for tests: builders that can make any field wrong, and a parser for what comes back. Written apart from the product's own wire
 * code on purpose, so that a mistake there is not repeated here. Slow and plain.
 */
export type Bytes = Uint8Array;

export const EtherType = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;
export const Proto = { icmp: 1, igmp: 2, tcp: 6, udp: 17, icmpv6: 58, udplite: 136 } as const;
export const TcpFlag = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16, URG: 32, ECE: 64, CWR: 128 } as const;
export const BROADCAST_MAC = 'ff:ff:ff:ff:ff:ff';

export function bytes(...parts: (Bytes | readonly number[] | string | number)[]): Bytes {
  const all = parts.map((p) => {
    if (typeof p === 'string') return new TextEncoder().encode(p);
    return typeof p === 'number' ? Uint8Array.of(p) : Uint8Array.from(p);
  });
  const out = new Uint8Array(all.reduce((n, b) => n + b.length, 0));
  let at = 0;
  for (const b of all) {
    out.set(b, at);
    at += b.length;
  }
  return out;
}
export const u16 = (n: number): Bytes => Uint8Array.of((n >>> 8) & 255, n & 255);
export const u32 = (n: number): Bytes => Uint8Array.of(n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255);
/** n bytes of a repeating pattern. */
export const filler = (n: number, from = 0x41): Bytes => Uint8Array.from({ length: n }, (_, i) => from + (i % 23));

export function mac(text: string): Bytes {
  return Uint8Array.from(text.split(':'), (x) => Number.parseInt(x, 16));
}
export function macText(b: Bytes): string {
  return [...b].map((x) => x.toString(16).padStart(2, '0')).join(':');
}
export function ip4(text: string): Bytes {
  return Uint8Array.from(text.split('.'), Number);
}
export function ip4Text(b: Bytes): string {
  return b.join('.');
}
/** The MAC address of an IPv4 group (RFC 1112 6.4). */
export function groupMac(group: string): string {
  const b = ip4(group);
  return macText(bytes([1, 0, 0x5e, b[1]! & 0x7f, b[2]!, b[3]!]));
}

/** The Internet checksum's field value. */
export function checksum(...parts: Bytes[]): number {
  const b = bytes(...parts);
  let s = 0;
  for (let i = 0; i < b.length; i += 2) s += (b[i]! << 8) | (b[i + 1] ?? 0);
  while (s > 0xffff) s = (s & 0xffff) + (s >>> 16);
  return ~s & 0xffff;
}
function pseudo(src: string, dst: string, protocol: number, length: number): Bytes {
  return bytes(ip4(src), ip4(dst), [0, protocol], u16(length));
}

/** An Ethernet frame, padded to the minimum of 60 bytes unless told otherwise. */
export function ethernet(dst: string, src: string, type: number, payload: Bytes, pad = true): Bytes {
  const frame = bytes(mac(dst), mac(src), u16(type), payload);
  return pad && frame.length < 60 ? bytes(frame, new Uint8Array(60 - frame.length)) : frame;
}

export interface ArpFields {
  readonly op: number;
  readonly senderMac: string;
  readonly sender: string;
  readonly targetMac?: string;
  readonly target: string;
}
export function arp(f: ArpFields): Bytes {
  const target = mac(f.targetMac ?? '00:00:00:00:00:00');
  return bytes(u16(1), u16(EtherType.ipv4), [6, 4], u16(f.op), mac(f.senderMac), ip4(f.sender), target, ip4(f.target));
}

export interface Ip4Fields {
  readonly src: string;
  readonly dst: string;
  readonly protocol: number;
  readonly ttl?: number;
  readonly tos?: number;
  readonly id?: number;
  readonly df?: boolean;
  readonly mf?: boolean;
  /** Fragment offset in bytes. */
  readonly offset?: number;
  readonly options?: Bytes;
  readonly version?: number;
  readonly ihl?: number;
  readonly totalLength?: number;
  /** Put in place of the right header checksum. */
  readonly checksum?: number;
}
export function ipv4(f: Ip4Fields, payload: Bytes): Bytes {
  const options = f.options ?? new Uint8Array(0);
  const ihl = f.ihl ?? 5 + options.length / 4;
  const total = f.totalLength ?? 20 + options.length + payload.length;
  const flags = (f.df ? 0x4000 : 0) | (f.mf ? 0x2000 : 0) | ((f.offset ?? 0) >> 3);
  const start = bytes([((f.version ?? 4) << 4) | ihl, f.tos ?? 0], u16(total), u16(f.id ?? 1), u16(flags), [
    f.ttl ?? 64,
    f.protocol,
  ]);
  const end = bytes(ip4(f.src), ip4(f.dst), options);
  const sum = f.checksum ?? checksum(start, u16(0), end);
  return bytes(start, u16(sum), end, payload);
}

export interface UdpFields {
  readonly src: string;
  readonly dst: string;
  readonly sport: number;
  readonly dport: number;
  /** In place of the right length; UDP-Lite: the coverage. */
  readonly length?: number;
  /** In place of the right checksum. */
  readonly checksum?: number;
  /** Flips these bits in the right checksum. */
  readonly badSum?: number;
  /** 17, or 136 for UDP-Lite. */
  readonly protocol?: number;
}
export function udp(f: UdpFields, data: Bytes): Bytes {
  const protocol = f.protocol ?? Proto.udp;
  const size = 8 + data.length;
  const lite = protocol === Proto.udplite;
  const length = f.length ?? (lite ? 0 : size);
  const head = bytes(u16(f.sport), u16(f.dport), u16(length));
  const covered = lite && length >= 8 ? data.subarray(0, length - 8) : data;
  const right = checksum(pseudo(f.src, f.dst, protocol, size), head, u16(0), covered) || 0xffff;
  return bytes(head, u16(f.checksum ?? right ^ (f.badSum ?? 0)), data);
}

export function icmp(type: number, code: number, rest: Bytes, badSum = 0): Bytes {
  const sum = checksum(Uint8Array.of(type, code), u16(0), rest) ^ badSum;
  return bytes([type, code], u16(sum), rest);
}

export interface TcpFields {
  readonly src: string;
  readonly dst: string;
  readonly sport: number;
  readonly dport: number;
  readonly seq?: number;
  readonly ack?: number;
  readonly flags?: number;
  readonly window?: number;
  readonly urgent?: number;
  /** A multiple of 4 bytes. */
  readonly options?: Bytes;
  readonly dataOffset?: number;
  readonly badSum?: number;
}
export function tcp(f: TcpFields, data: Bytes = new Uint8Array(0)): Bytes {
  const options = f.options ?? new Uint8Array(0);
  const offset = f.dataOffset ?? 5 + options.length / 4;
  const head = bytes(u16(f.sport), u16(f.dport), u32(f.seq ?? 0), u32(f.ack ?? 0), u16((offset << 12) | (f.flags ?? 0)));
  const tail = bytes(u16(f.urgent ?? 0), options, data);
  const size = head.length + 4 + tail.length;
  const window = u16(f.window ?? 65535);
  const sum = checksum(pseudo(f.src, f.dst, Proto.tcp, size), head, window, u16(0), tail) ^ (f.badSum ?? 0);
  return bytes(head, window, u16(sum), tail);
}

export interface ParsedFrame {
  readonly raw: Bytes;
  readonly kind: 'arp' | 'icmp' | 'udp' | 'tcp' | 'udplite' | 'igmp' | 'fragment' | 'ip' | 'other';
  readonly dmac: string;
  readonly smac: string;
  readonly etherType: number;
  /** IPv4 header fields; zero and empty otherwise. For ARP src and dst are sender and target. */
  readonly src: string;
  readonly dst: string;
  readonly ttl: number;
  readonly tos: number;
  readonly id: number;
  readonly df: boolean;
  readonly mf: boolean;
  readonly offset: number;
  readonly totalLength: number;
  /** ARP operation, ICMP type. */
  readonly type: number;
  readonly code: number;
  readonly sport: number;
  readonly dport: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  readonly urgent: number;
  readonly options: Bytes;
  /** What follows the innermost header that was parsed. */
  readonly data: Bytes;
  /** Network and transport checksums are right (true where there is none). */
  readonly sumsGood: boolean;
}

type Draft = { -readonly [K in keyof ParsedFrame]: ParsedFrame[K] };
const NONE = new Uint8Array(0);

export function parseFrame(raw: Bytes): ParsedFrame {
  const v = new DataView(raw.buffer, raw.byteOffset, raw.length);
  const f: Draft = {
    raw,
    kind: 'other',
    dmac: macText(raw.subarray(0, 6)),
    smac: macText(raw.subarray(6, 12)),
    etherType: v.getUint16(12),
    src: '',
    dst: '',
    ttl: 0,
    tos: 0,
    id: 0,
    df: false,
    mf: false,
    offset: 0,
    totalLength: 0,
    type: 0,
    code: 0,
    sport: 0,
    dport: 0,
    seq: 0,
    ack: 0,
    flags: 0,
    window: 0,
    urgent: 0,
    options: NONE,
    data: raw.subarray(14),
    sumsGood: true,
  };
  if (f.etherType === EtherType.arp) {
    f.kind = 'arp';
    f.type = v.getUint16(20);
    f.src = ip4Text(raw.subarray(28, 32));
    f.dst = ip4Text(raw.subarray(38, 42));
  } else if (f.etherType === EtherType.ipv4) parseIp4(f, v);
  return f;
}

function parseIp4(f: Draft, v: DataView): void {
  const raw = f.raw;
  const header = (raw[14]! & 15) * 4;
  f.kind = 'ip';
  f.tos = raw[15]!;
  f.totalLength = v.getUint16(16);
  f.id = v.getUint16(18);
  const flags = v.getUint16(20);
  f.df = (flags & 0x4000) !== 0;
  f.mf = (flags & 0x2000) !== 0;
  f.offset = (flags & 0x1fff) * 8;
  f.ttl = raw[22]!;
  f.src = ip4Text(raw.subarray(26, 30));
  f.dst = ip4Text(raw.subarray(30, 34));
  f.data = raw.subarray(14 + header, 14 + f.totalLength);
  f.sumsGood = checksum(raw.subarray(14, 14 + header)) === 0;
  if (f.mf || f.offset > 0) f.kind = 'fragment';
  else parseTransport(f, raw[23]!);
}

function parseTransport(f: Draft, protocol: number): void {
  const d = f.data;
  const v = new DataView(d.buffer, d.byteOffset, d.length);
  const whole = () => checksum(pseudo(f.src, f.dst, protocol, d.length), d) === 0;
  if (protocol === Proto.icmp) {
    f.kind = 'icmp';
    f.type = d[0]!;
    f.code = d[1]!;
    f.sumsGood &&= checksum(d) === 0;
    f.data = d.subarray(4);
  } else if (protocol === Proto.udp || protocol === Proto.udplite) {
    f.kind = protocol === Proto.udp ? 'udp' : 'udplite';
    f.sport = v.getUint16(0);
    f.dport = v.getUint16(2);
    f.sumsGood &&= v.getUint16(6) === 0 || (protocol === Proto.udplite && v.getUint16(4) !== 0) || whole();
    f.data = d.subarray(8);
  } else if (protocol === Proto.tcp) {
    f.kind = 'tcp';
    f.sport = v.getUint16(0);
    f.dport = v.getUint16(2);
    f.seq = v.getUint32(4);
    f.ack = v.getUint32(8);
    const w = v.getUint16(12);
    f.flags = w & 0x1ff;
    f.window = v.getUint16(14);
    f.urgent = v.getUint16(18);
    f.sumsGood &&= whole();
    f.options = d.subarray(20, (w >>> 12) * 4);
    f.data = d.subarray((w >>> 12) * 4);
  } else if (protocol === Proto.igmp) f.kind = 'igmp';
}
