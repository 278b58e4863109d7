/**
 * Reassembly (RFC 8200 4.5, RFC 5722: overlaps end the whole, RFC 6946: atomic fragments by themselves, RFC 7112: the first fragment has all
 * headers), with Linux's limits and counters. Pieces of one packet share source, destination and identification (RFC 8200), and for
 * link-local sources the interface.
 */
import { Ip6 } from '../../mib/catalogue/index.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import { Csum, HEADROOM, Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import { Timer, type TimerHandler } from '../core/timer.js';
import { receiveTruesize } from '../core/truesize.js';
import type { NetDevice } from '../ip/device.js';
import { ETHERNET_HEADER } from '../wire/ethernet.js';
import { Icmp6Type, Parameter6, TimeExceeded6 } from '../wire/icmp6.js';
import {
  FRAGMENT_HEADER,
  Frag6,
  IPV6_HEADER,
  Ipv6At,
  isExtensionHeader,
  NextHeader,
  NOT_FOUND,
  readAddresses,
  setTrafficClass,
  skipExtensions,
  skipped,
} from '../wire/ipv6.js';
import { isLinkLocal, key6 } from '../wire/scope6.js';
import type { Ipv6Layer } from './ipv6.js';

const MAX_PAYLOAD = 65535;
const QUEUE_OVERHEAD = 208;
const Had = Object.freeze({ first: 1, last: 2 });
const EcnBit = Object.freeze({ notEct: 1, ce: 8 });
/** Least bytes of an upper-layer header that a first fragment must have. */
const MIN_HEADER: Readonly<Record<number, number>> = { [NextHeader.tcp]: 20, [NextHeader.udp]: 8, [NextHeader.icmpv6]: 8 };

interface Piece {
  readonly offset: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

class FragmentQueue6 implements TimerHandler {
  readonly key: string;
  readonly device: NetDevice;
  readonly timer: Timer;
  readonly pieces: Piece[] = [];
  had = 0;
  length = 0;
  meat = 0;
  memory = QUEUE_OVERHEAD;
  ecn = 0;
  /** The first fragment from its IPv6 header up to the fragment header, and where the field lies that named the latter. */
  header: Uint8Array | null = null;
  nextAt = 0;
  /** What the fragment header of the first fragment names. */
  next = 0;
  linkType = 0;
  destination = 0;
  private readonly owner: Reassembler6;

  constructor(owner: Reassembler6, key: string, device: NetDevice) {
    this.owner = owner;
    this.key = key;
    this.device = device;
    this.timer = new Timer(this, 0);
  }
  onTimer(): void {
    this.owner.expire(this);
  }
}

/** RFC 3168 5.3: what the whole gets from the ECN fields of its pieces; -1 when they cannot belong together. */
function mergedEcn(bits: number): number {
  if ((bits & EcnBit.notEct) !== 0) return bits === EcnBit.notEct ? 0 : -1;
  return (bits & EcnBit.ce) !== 0 && bits !== EcnBit.ce ? 3 : 0;
}

export class Reassembler6 {
  /** Of the packet that `input` gave last: the header behind the fragment header, and where the field lies that names it. */
  next = 0;
  nextAt = 0;
  private readonly ip: Ipv6Layer;
  private readonly unattributed: Owner;
  private readonly queues = new Map<string, FragmentQueue6>();
  private memory = 0;
  private whole: Packet | null = null;

  constructor(ip: Ipv6Layer) {
    this.ip = ip;
    this.unattributed = ip.env.ledger.unattributed;
  }

  /** A fragment header at p.transport, named by the field at `nextAt`. The packet itself when it is whole (atomic), the whole, or null. */
  input(p: Packet, nextAt: number): Packet | null {
    const u = this.unattributed;
    u.inc(Ip6.ReasmReqds);
    const at = p.transport;
    if (p.tail - at < FRAGMENT_HEADER) return this.wrong(p, at);
    const word = p.view.getUint16(at + 2);
    if ((word & (Frag6.offset | Frag6.more)) === 0) {
      u.inc(Ip6.ReasmOKs);
      this.next = p.bytes[at]!;
      p.transport = at + FRAGMENT_HEADER;
      return p;
    }
    if ((word & Frag6.offset) === 0 && !this.headersComplete(p, at)) {
      u.inc(Ip6.InHdrErrors);
      this.ip.sendError(p, Icmp6Type.parameterProblem, Parameter6.incomplete, 0);
      return null;
    }
    const q = this.find(p, at);
    if (!q) {
      u.inc(Ip6.ReasmFails);
      return null;
    }
    return this.add(q, p, at, nextAt, word);
  }

  private wrong(p: Packet, at: number): null {
    this.unattributed.inc(Ip6.InHdrErrors);
    this.ip.sendError(p, Icmp6Type.parameterProblem, Parameter6.field, at - p.network);
    return null;
  }

  /** RFC 7112: the whole header chain is in the first fragment. */
  private headersComplete(p: Packet, at: number): boolean {
    const first = p.bytes[at]!;
    const upper = skipExtensions(p, at + FRAGMENT_HEADER, first, p.tail);
    if (upper === NOT_FOUND) return false;
    const least = isExtensionHeader(skipped.next) ? 0 : (MIN_HEADER[skipped.next] ?? 1);
    return p.tail - upper >= least;
  }

  private add(q: FragmentQueue6, p: Packet, at: number, nextAt: number, word: number): Packet | null {
    const offset = word & Frag6.offset;
    const end = offset + p.tail - at - FRAGMENT_HEADER;
    if (end > MAX_PAYLOAD) return this.wrong(p, at + 2);
    if ((word & Frag6.more) === 0) {
      if (end < q.length || ((q.had & Had.last) !== 0 && end !== q.length)) return this.drop(q);
      q.had |= Had.last;
      q.length = end;
    } else {
      if ((end & 7) !== 0) return this.wrong(p, p.network + Ipv6At.payloadLength);
      if (end > q.length) {
        if ((q.had & Had.last) !== 0) return this.drop(q);
        q.length = end;
      }
    }
    if (end === offset) return this.drop(q);
    const from = at + FRAGMENT_HEADER;
    const fit = insert(q.pieces, { offset, end, bytes: p.bytes.slice(from, from + end - offset) });
    if (fit === DUPLICATE) {
      this.unattributed.inc(Ip6.ReasmFails);
      return null;
    }
    if (fit === OVERLAP) return this.drop(q);
    this.account(q, p, at, nextAt, offset, end);
    return q.had === (Had.first | Had.last) && q.meat === q.length ? this.complete(q) : null;
  }

  private account(q: FragmentQueue6, p: Packet, at: number, nextAt: number, offset: number, end: number): void {
    const cost = receiveTruesize(p.tail - p.network);
    q.memory += cost;
    this.memory += cost;
    q.meat += end - offset;
    q.ecn |= 1 << (p.tos & 3);
    if (offset !== 0) return;
    q.had |= Had.first;
    q.header = p.bytes.slice(p.network, at);
    q.nextAt = nextAt - p.network;
    q.next = p.bytes[at]!;
    q.linkType = p.linkType;
    q.destination = p.destination;
  }

  private find(p: Packet, at: number): FragmentQueue6 | null {
    const id = p.view.getUint32(at + 4);
    const link = isLinkLocal(p.src0) || p.dst0 >>> 24 === 0xff ? p.device!.index : 0;
    const ends = key6(p.src0, p.src1, p.src2, p.src3) + key6(p.dst0, p.dst1, p.dst2, p.dst3);
    const key = `${ends}${String.fromCharCode(id >>> 16, id & 0xffff, link)}`;
    const known = this.queues.get(key);
    if (known) return known;
    const s = this.ip.env.sysctl.values;
    const high = s[Sysctl.ip6_ip6frag_high_thresh]!;
    if (high === 0 || this.memory > high) return null;
    const q = new FragmentQueue6(this, key, p.device!);
    this.queues.set(key, q);
    this.memory += q.memory;
    this.ip.env.timers.arm(q.timer, this.ip.env.nowUs + s[Sysctl.ip6_ip6frag_time]! * 1_000_000);
    return q;
  }

  private unlink(q: FragmentQueue6): void {
    this.ip.env.timers.cancel(q.timer, true);
    this.memory -= q.memory;
    this.queues.delete(q.key);
  }

  private drop(q: FragmentQueue6): null {
    this.unlink(q);
    this.unattributed.inc(Ip6.ReasmFails);
    return null;
  }

  /** ip6frag_time is over: an error goes out only if the first fragment was had (RFC 4443 3.3). */
  expire(q: FragmentQueue6): void {
    this.drop(q);
    this.unattributed.inc(Ip6.ReasmTimeout);
    if ((q.had & Had.first) === 0) return;
    const p = this.begin(q);
    const first = q.pieces[0]!;
    // as it came: the fragment header between the headers and the piece
    p.bytes[p.transport] = q.next;
    p.bytes[p.transport + 1] = 0;
    p.view.setUint16(p.transport + 2, Frag6.more);
    p.view.setUint32(p.transport + 4, (q.key.charCodeAt(16) << 16) | q.key.charCodeAt(17));
    p.bytes.set(first.bytes, p.transport + FRAGMENT_HEADER);
    p.tail = p.transport + FRAGMENT_HEADER + first.bytes.length;
    p.view.setUint16(p.network + Ipv6At.payloadLength, p.tail - p.network - IPV6_HEADER);
    this.ip.sendError(p, Icmp6Type.timeExceeded, TimeExceeded6.reassembly, 0);
  }

  /** The packet that wholes are put together in, with the unfragmentable part of this one; transport behind that. */
  private begin(q: FragmentQueue6): Packet {
    const p = (this.whole ??= new Packet(HEADROOM + ETHERNET_HEADER + IPV6_HEADER + 512 + MAX_PAYLOAD));
    const header = q.header!;
    p.reset(HEADROOM + ETHERNET_HEADER);
    p.network = p.data;
    p.bytes.set(header, p.network);
    p.transport = p.network + header.length;
    p.payload = p.transport;
    p.family = 6;
    readAddresses(p, p.network);
    p.ttl = p.bytes[p.network + Ipv6At.hopLimit]!;
    p.tos = (p.view.getUint16(p.network) >>> 4) & 0xff;
    p.device = q.device;
    p.timeUs = this.ip.env.nowUs;
    p.linkType = q.linkType;
    p.destination = q.destination;
    p.csum = Csum.none;
    return p;
  }

  private complete(q: FragmentQueue6): Packet | null {
    const ecn = mergedEcn(q.ecn);
    const payload = q.header!.length - IPV6_HEADER + q.length;
    if (ecn < 0 || payload > MAX_PAYLOAD) return this.drop(q);
    this.unlink(q);
    const p = this.begin(q);
    for (const piece of q.pieces) p.bytes.set(piece.bytes, p.transport + piece.offset);
    p.tail = p.transport + q.length;
    p.tos |= ecn;
    setTrafficClass(p, p.network, p.tos);
    p.view.setUint16(p.network + Ipv6At.payloadLength, payload);
    p.bytes[p.network + q.nextAt] = q.next;
    p.protocol = p.bytes[p.network + Ipv6At.nextHeader]!;
    this.next = q.next;
    this.nextAt = p.network + q.nextAt;
    this.unattributed.inc(Ip6.ReasmOKs);
    return p;
  }

  /** Bytes held (frag6 memory of /proc/net/sockstat6). */
  get used(): number {
    return this.memory;
  }

  close(): void {
    for (const q of this.queues.values()) this.ip.env.timers.cancel(q.timer, true);
    this.queues.clear();
    this.memory = 0;
  }
}

const FITS = 0;
const DUPLICATE = 1;
const OVERLAP = 2;

/** Puts a piece in its place, in order of offset. What lies wholly in what was had in one run is a duplicate. */
function insert(pieces: Piece[], piece: Piece): number {
  let i = pieces.length;
  while (i > 0 && pieces[i - 1]!.offset > piece.offset) i--;
  const before = i > 0 ? pieces[i - 1]! : null;
  const after = i < pieces.length ? pieces[i]! : null;
  if (before && before.end > piece.offset) return covered(pieces, i - 1, piece) ? DUPLICATE : OVERLAP;
  if (after && after.offset < piece.end) return covered(pieces, i, piece) ? DUPLICATE : OVERLAP;
  pieces.splice(i, 0, piece);
  return FITS;
}

/** Do pieces from number i on, without a gap, hold all of it? */
function covered(pieces: readonly Piece[], i: number, piece: Piece): boolean {
  if (pieces[i]!.offset > piece.offset) return false;
  let end = pieces[i]!.end;
  for (let k = i + 1; k < pieces.length && pieces[k]!.offset === end && end < piece.end; k++) end = pieces[k]!.end;
  return end >= piece.end;
}
