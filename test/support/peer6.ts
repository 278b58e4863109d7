/**
 * An IPv6 peer without a stack, beside raw-peer.ts: builders that can make any field wrong, sent through a RawPeer's link. Written apart from
 * the product's wire code on purpose. It answers neighbour solicitations for its own address, nothing else.
 */
import { type Bytes, bytes, checksum, EtherType, ethernet, mac, Proto, u16, u32 } from './frames.js';
import type { RawPeer } from './raw-peer.js';

/** The sixteen bytes of an address. */
export function ip6(text: string): Bytes {
  const [head = '', tail] = text.split('::');
  const groups = (s: string) => (s === '' ? [] : s.split(':').map((g) => Number.parseInt(g, 16)));
  const a = groups(head);
  const b = tail === undefined ? [] : groups(tail);
  const all = [...a, ...new Array<number>(8 - a.length - b.length).fill(0), ...b];
  return bytes(...all.map((g) => u16(g)));
}
export function ip6Text(b: Bytes): string {
  const g = Array.from({ length: 8 }, (_, i) => ((b[2 * i]! << 8) | b[2 * i + 1]!).toString(16)).join(':');
  return new URL(`http://[${g}]/`).hostname.slice(1, -1);
}
/** The MAC address of a group (RFC 2464 7). */
export function groupMac6(group: string): string {
  return ['33', '33', ...[...ip6(group).subarray(12)].map((x) => x.toString(16).padStart(2, '0'))].join(':');
}
export function solicitedGroup(address: string): string {
  const b = ip6(address);
  return `ff02::1:ff${b[13]!.toString(16).padStart(2, '0')}:${(((b[14]! << 8) | b[15]!) >>> 0).toString(16)}`;
}

export interface Ip6Fields {
  readonly src?: string;
  readonly dst?: string;
  readonly hopLimit?: number;
  readonly trafficClass?: number;
  readonly flowLabel?: number;
  readonly version?: number;
  /** In place of the right payload length. */
  readonly payloadLength?: number;
  /** Extension headers, and the kind of the first of them. */
  readonly extension?: Bytes;
  readonly first?: number;
  readonly dmac?: string;
}

export interface Frame6 {
  readonly smac: string;
  readonly src: string;
  readonly dst: string;
  readonly hopLimit: number;
  readonly trafficClass: number;
  readonly flowLabel: number;
  /** The kind of what `data` begins with, behind hop-by-hop and fragment headers. */
  readonly next: number;
  /** Kinds of the extension headers on the way. */
  readonly extensions: readonly number[];
  /** ICMPv6 type and code; -1 for others. */
  readonly type: number;
  readonly code: number;
  readonly data: Bytes;
  /** The checksum of a whole upper-layer packet is right. */
  readonly sumGood: boolean;
}

function pseudo6(src: string, dst: string, protocol: number, length: number): Bytes {
  return bytes(ip6(src), ip6(dst), u32(length), u32(protocol));
}
export const fragmentHeader = (next: number, offset: number, more: boolean, id = 4711): Bytes =>
  bytes([next, 0], u16(offset | (more ? 1 : 0)), u32(id));

export class Peer6 {
  readonly peer: RawPeer;
  readonly address: string;
  readonly target: string;
  answers = true;

  constructor(peer: RawPeer, address = 'fd99::2', target = 'fd99::1') {
    this.peer = peer;
    this.address = address;
    this.target = target;
  }

  icmp(type: number, code: number, rest: Bytes, f: Ip6Fields = {}): Bytes {
    const body = bytes([type, code, 0, 0], rest);
    const sum = checksum(pseudo6(f.src ?? this.address, f.dst ?? this.target, Proto.icmpv6, body.length), body);
    return bytes([type, code], u16(sum), rest);
  }
  udp(
    sport: number,
    dport: number,
    data: Bytes | string,
    f: Ip6Fields & { readonly length?: number; readonly protocol?: number } = {},
  ): Bytes {
    const d = bytes(data);
    const length = f.length ?? 8 + d.length;
    const head = bytes(u16(sport), u16(dport), u16(length));
    const pseudo = pseudo6(f.src ?? this.address, f.dst ?? this.target, f.protocol ?? Proto.udp, length);
    const sum = checksum(pseudo, head, u16(0), d) || 0xffff;
    return bytes(head, u16(sum), d);
  }
  packet(protocol: number, payload: Bytes, f: Ip6Fields = {}): Bytes {
    const extension = f.extension ?? new Uint8Array(0);
    const size = extension.length + payload.length;
    const word = (((f.version ?? 6) << 28) | ((f.trafficClass ?? 0) << 20) | (f.flowLabel ?? 0)) >>> 0;
    const head = bytes(u32(word), u16(f.payloadLength ?? size), [f.first ?? protocol, f.hopLimit ?? 64]);
    return bytes(head, ip6(f.src ?? this.address), ip6(f.dst ?? this.target), extension, payload);
  }
  send(protocol: number, payload: Bytes, f: Ip6Fields = {}): void {
    const dst = f.dst ?? this.target;
    const dmac = f.dmac ?? (dst.startsWith('ff') ? groupMac6(dst) : this.peer.targetMac);
    this.peer.sendFrame(ethernet(dmac, this.peer.mac, EtherType.ipv6, this.packet(protocol, payload, f)));
  }
  sendIcmp(type: number, code: number, rest: Bytes, f: Ip6Fields = {}): void {
    this.send(Proto.icmpv6, this.icmp(type, code, rest, f), f);
  }
  ping(sequence = 1, f: Ip6Fields = {}): void {
    this.sendIcmp(128, 0, bytes([0, 77, 0, sequence], new Uint8Array(56)), f);
  }
  /** A neighbour solicitation; without the option when `link` is off. */
  solicit(target = this.target, f: Ip6Fields = {}, link = true): void {
    const dst = solicitedGroup(target);
    const option = link ? bytes([1, 1], mac(this.peer.mac)) : new Uint8Array(0);
    this.sendIcmp(135, 0, bytes(u32(0), ip6(target), option), { dst, hopLimit: 255, ...f });
  }
  advertise(target: string, flags: number, f: Ip6Fields = {}): void {
    const option = bytes([2, 1], mac(this.peer.mac));
    this.sendIcmp(136, 0, bytes(u32(flags), ip6(target), option), { hopLimit: 255, ...f });
  }

  /** What came over IPv6 since the last call. Solicitations for the peer's own address are answered when `answers` is on, and left out. */
  take(): Frame6[] {
    const out: Frame6[] = [];
    for (const { raw } of this.peer.take()) {
      if (((raw[12]! << 8) | raw[13]!) !== EtherType.ipv6) continue;
      const f = parse6(raw);
      const wanted = f.type === 135 && f.src !== '::' && ip6Text(f.data.subarray(8, 24)) === this.address;
      if (wanted && this.answers) this.advertise(this.address, 0x60000000, { dst: f.src });
      else out.push(f);
    }
    return out;
  }
}

function parse6(raw: Bytes): Frame6 {
  const h = raw.subarray(14);
  const end = 40 + ((h[4]! << 8) | h[5]!);
  const src = ip6Text(h.subarray(8, 24));
  const dst = ip6Text(h.subarray(24, 40));
  const extensions: number[] = [];
  let next = h[6]!;
  let at = 40;
  let fragmented = false;
  while (next === 0 || next === 44 || next === 60 || next === 43) {
    extensions.push(next);
    const size = next === 44 ? 8 : (h[at + 1]! + 1) * 8;
    fragmented ||= next === 44;
    next = h[at]!;
    at += size;
  }
  const data = h.slice(at, end);
  const isIcmp = next === Proto.icmpv6;
  const known = isIcmp || next === Proto.udp || next === Proto.tcp;
  const sumGood = fragmented || !known || checksum(pseudo6(src, dst, next, data.length), data) === 0;
  return {
    smac: [...raw.subarray(6, 12)].map((x) => x.toString(16).padStart(2, '0')).join(':'),
    src,
    dst,
    hopLimit: h[7]!,
    trafficClass: ((h[0]! & 15) << 4) | (h[1]! >> 4),
    flowLabel: ((h[1]! & 15) << 16) | (h[2]! << 8) | h[3]!,
    next,
    extensions,
    type: isIcmp && !fragmented ? data[0]! : -1,
    code: isIcmp && !fragmented ? data[1]! : -1,
    data,
    sumGood,
  };
}
