/**
 * Frames that nobody sent: made of what was seen on a wire, with wrong numbers, flags and options, ICMP errors about it, and SYNs from
 * nowhere. They are slipped in between a wire and a host, so that the host's every rule of refusal has its turn.
 */
import { HEADROOM, type Packet } from '../../stack/core/packet.js';
import { below, type Random } from '../../stack/core/random.js';
import type { Link } from '../../stack/link/link.js';
import {
  type Bytes,
  bytes,
  EtherType,
  ethernet,
  icmp,
  ipv4,
  type ParsedFrame,
  Proto,
  parseFrame,
  TcpFlag,
  tcp,
  u16,
  u32,
  udp,
} from '../support/frames.js';

const { FIN, SYN, RST, PSH, ACK, URG, ECE, CWR } = TcpFlag;
const FLAGS = [
  ACK,
  ACK,
  ACK,
  PSH | ACK,
  FIN | ACK,
  RST,
  RST | ACK,
  SYN,
  SYN | ACK,
  FIN,
  0,
  URG | ACK,
  SYN | FIN,
  ACK | ECE,
  ACK | CWR,
  0xff,
];
const MD5 = bytes([1, 1, 19, 18], new Uint8Array(16));
const AO = bytes([29, 16, 1, 1], new Uint8Array(12));
/** ICMP errors: type and code. */
const ERRORS: readonly (readonly [number, number])[] = [
  [3, 0],
  [3, 1],
  [3, 2],
  [3, 3],
  [3, 4],
  [3, 5],
  [3, 13],
  [4, 0],
  [5, 1],
  [11, 0],
  [12, 0],
];

/** A link with somebody in the middle: frames may be slipped in towards the host. */
export class Tapped implements Link {
  readonly name: string;
  readonly mtu: number;
  readonly features: number;
  /** The last TCP frame that came in, and the last that went out. */
  in: ParsedFrame | null = null;
  out: ParsedFrame | null = null;
  private readonly inner: Link;
  private readonly slipped: Bytes[] = [];

  constructor(inner: Link) {
    this.inner = inner;
    this.name = inner.name;
    this.mtu = inner.mtu;
    this.features = inner.features;
  }

  slip(frame: Bytes): void {
    this.slipped.push(frame);
  }
  receive(into: Packet): boolean {
    const frame = this.slipped.shift();
    if (frame) {
      into.reset(HEADROOM);
      into.bytes.set(frame, HEADROOM);
      into.tail = HEADROOM + frame.length;
      return true;
    }
    if (!this.inner.receive(into)) return false;
    this.in = seen(into) ?? this.in;
    return true;
  }
  transmit(frame: Packet): number {
    this.out = seen(frame) ?? this.out;
    return this.inner.transmit(frame);
  }
  advance(nowUs: number): void {
    this.inner.advance(nowUs);
  }
  nextDeadlineUs(): number {
    return this.slipped.length > 0 ? 0 : this.inner.nextDeadlineUs();
  }
  close(): void {
    this.inner.close();
  }
}

function seen(p: Packet): ParsedFrame | null {
  const b = p.bytes.slice(p.data, p.tail);
  // a frame that the wire has damaged may be anything
  if (b.length < 54 || b[14] !== 0x45 || b[23] !== Proto.tcp) return null;
  const total = (b[16]! << 8) | b[17]!;
  const header = (b[46]! >> 4) * 4;
  if (total > b.length - 14 || header < 20 || total < 20 + header) return null;
  const f = parseFrame(b);
  return f.kind === 'tcp' && f.sumsGood ? f : null;
}

/** A sequence number near another one: the same, a little off, out of every window. */
function near(random: Random, n: number): number {
  const off = [0, 0, 1, -1, 100, -100, 1460, -1460, 70_000, -70_000, 0x40000000];
  return (n + off[below(random, off.length)]!) >>> 0;
}

function someOptions(random: Random, f: ParsedFrame): Bytes {
  switch (below(random, 8)) {
    case 0:
      return MD5;
    case 1:
      return AO;
    case 2:
      return bytes([1, 1, 8, 10], u32(random.u32()), u32(0)); // a timestamp out of the blue
    case 3:
      return bytes([1, 1, 5, 10], u32(near(random, f.ack)), u32(near(random, f.ack))); // a SACK block
    case 4:
      return bytes([2, 4, 2, 24, 4, 2, 3, 3, 7, 0, 0, 0]); // a SYN's
    case 5:
      return bytes([34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1]); // a Fast Open cookie that is none
    default:
      return f.options.length % 4 === 0 ? f.options : new Uint8Array(0);
  }
}

/** A segment like one that was seen. */
function segment(random: Random, f: ParsedFrame): Bytes {
  const data = new Uint8Array(below(random, 3) === 0 ? below(random, 1461) : 0);
  const broken = below(random, 20);
  return tcp(
    {
      src: f.src,
      dst: f.dst,
      sport: f.sport,
      dport: below(random, 30) === 0 ? 9 : f.dport,
      seq: near(random, f.seq),
      ack: near(random, f.ack),
      flags: FLAGS[below(random, FLAGS.length)]!,
      window: below(random, 4) === 0 ? below(random, 65536) : f.window,
      urgent: below(random, 100),
      options: someOptions(random, f),
      ...(broken === 0 ? { dataOffset: below(random, 16) } : {}),
      ...(broken === 1 ? { badSum: 1 } : {}),
    },
    data,
  );
}

/** An IP packet that is odd by itself: a fragment, an unknown protocol, an echo request, for somebody else, a datagram to a closed port. */
function oddity(random: Random, src: string, dst: string): Bytes {
  const data = new Uint8Array(8 * (1 + below(random, 100)));
  const id = below(random, 3);
  switch (below(random, 7)) {
    case 0:
      return ipv4({ src, dst, protocol: Proto.udp, id, mf: true }, data);
    case 1:
      return ipv4({ src, dst, protocol: Proto.udp, id, offset: 8 * below(random, 100), mf: below(random, 2) === 0 }, data);
    case 2:
      return ipv4({ src, dst, protocol: 200 }, data);
    case 3:
      return ipv4({ src, dst, protocol: Proto.icmp }, icmp(below(random, 20), 0, data));
    case 4:
      return ipv4({ src, dst: below(random, 2) ? '255.255.255.255' : '10.0.9.9', protocol: Proto.udp }, data);
    case 5:
      return ipv4({ src, dst, protocol: Proto.tcp, version: 5, totalLength: 4000 }, data);
    default:
      return ipv4({ src, dst, protocol: Proto.udp }, udp({ src, dst, sport: 9, dport: below(random, 65536) }, data));
  }
}

/** Slips one frame in towards the host at this link. */
export function spoof(random: Random, link: Tapped, mac: string, peerMac: string): void {
  const towards = link.in;
  const from = link.out;
  const kind = below(random, 11);
  if (kind < 2 && from) {
    const [type, code] = ERRORS[below(random, ERRORS.length)]!;
    const ports = bytes(u16(from.sport), u16(from.dport), u32(near(random, from.seq)));
    const quoted = ipv4({ src: from.src, dst: from.dst, protocol: Proto.tcp, totalLength: 40 + from.data.length }, ports);
    const mtu = [0, 68, 500, 1000, 1400, 1500][below(random, 6)]!;
    const packet = ipv4({ src: from.dst, dst: from.src, protocol: Proto.icmp }, icmp(type, code, bytes(u32(mtu), quoted)));
    link.slip(ethernet(mac, peerMac, EtherType.ipv4, packet));
  } else if (kind < 4 && towards) {
    const syn = {
      src: `10.0.0.${3 + below(random, 200)}`,
      dst: towards.dst,
      sport: 1024 + below(random, 60000),
      dport: towards.dport,
    };
    const packet = tcp(
      { ...syn, seq: random.u32(), flags: SYN, options: someOptions(random, towards) },
      new Uint8Array(below(random, 2) * 50),
    );
    link.slip(ethernet(mac, peerMac, EtherType.ipv4, ipv4({ src: syn.src, dst: syn.dst, protocol: Proto.tcp }, packet)));
  } else if (kind === 10 && towards) {
    link.slip(ethernet(mac, peerMac, EtherType.ipv4, oddity(random, towards.src, towards.dst)));
  } else if (towards) {
    const ip = {
      src: towards.src,
      dst: towards.dst,
      protocol: Proto.tcp,
      tos: below(random, 4),
      ttl: below(random, 20) ? 64 : 1,
    };
    link.slip(ethernet(mac, peerMac, EtherType.ipv4, ipv4(ip, segment(random, towards))));
  }
}
