/**
 * Reassembly (RFC 8200 4.5, RFC 6946: atomic fragments by themselves, RFC 7112: the first fragment has all headers), with Linux's limits and
 * counters; the pieces themselves: ip/fragment-queue.ts. Pieces of one packet share source, destination and identification (RFC 8200), and for
 * link-local sources the interface.
 */
import { Ip6 } from '../../mib/catalogue/index.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import { Account, type HostOctets } from '../core/host-limits.js';
import { Csum, HEADROOM, Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import type { NetDevice } from '../ip/device.js';
import { Fit, FragmentQueue, Had } from '../ip/fragment-queue.js';
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
/** Least bytes of an upper-layer header that a first fragment must have. */
const MIN_HEADER: Readonly<Record<number, number>> = { [NextHeader.tcp]: 20, [NextHeader.udp]: 8, [NextHeader.icmpv6]: 8 };

class FragmentQueue6 extends FragmentQueue {
  readonly key: string;
  /** Where the field lies that named the fragment header of the first fragment, from the IPv6 header; and what that header names. */
  nextAt = 0;
  next = 0;
  private readonly owner: Reassembler6;

  constructor(owner: Reassembler6, key: string, device: NetDevice) {
    super(device);
    this.owner = owner;
    this.key = key;
  }

  onTimer(): void {
    this.owner.expire(this);
  }
}

export class Reassembler6 {
  /** Of the packet that `input` gave last: the header behind the fragment header, and where the field lies that names it. */
  next = 0;
  nextAt = 0;
  private readonly ip: Ipv6Layer;
  private readonly unattributed: Owner;
  private readonly queues = new Map<string, FragmentQueue6>();
  private readonly memory: HostOctets;
  private whole: Packet | null = null;

  constructor(ip: Ipv6Layer) {
    this.ip = ip;
    this.unattributed = ip.env.ledger.unattributed;
    this.memory = ip.env.limits.octetsOf(Account.fragments6);
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
    const more = (word & Frag6.more) !== 0;
    if (more && (end & 7) !== 0) return this.wrong(p, p.network + Ipv6At.payloadLength);
    if (!q.place(offset, end, more)) return this.drop(q);
    const fit = q.insert(p, at + FRAGMENT_HEADER, offset, end);
    if (fit === Fit.duplicate) return null;
    if (fit === Fit.overlap) return this.drop(q);
    this.memory.add(q.account(p, end - offset));
    if (offset === 0) {
      q.keepHeader(p, at);
      q.nextAt = nextAt - p.network;
      q.next = p.bytes[at]!;
    }
    return q.complete ? this.complete(q) : null;
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
    if (high === 0 || this.memory.total > high) return null;
    const q = new FragmentQueue6(this, key, p.device!);
    this.queues.set(key, q);
    this.memory.add(q.memory);
    this.ip.env.timers.arm(q.timer, this.ip.env.nowUs + s[Sysctl.ip6_ip6frag_time]! * 1_000_000);
    return q;
  }

  private unlink(q: FragmentQueue6): void {
    this.ip.env.timers.cancel(q.timer, true);
    this.memory.take(q.memory);
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
    p.destination = q.destinationKind;
    p.csum = Csum.none;
    return p;
  }

  private complete(q: FragmentQueue6): Packet | null {
    const ecn = q.mergedEcn();
    const payload = q.header!.length - IPV6_HEADER + q.length;
    if (ecn < 0 || payload > MAX_PAYLOAD) return this.drop(q);
    this.unlink(q);
    const p = this.begin(q);
    q.copyTo(p, p.transport);
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
    return this.memory.held;
  }

  close(): void {
    for (const q of this.queues.values()) this.ip.env.timers.cancel(q.timer, true);
    this.queues.clear();
    this.memory.take(this.memory.held);
  }
}
