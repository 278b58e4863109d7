/**
 * Reassembly (RFC 791 3.2, with Linux's limits and counters; the pieces themselves: fragment-queue.ts). Pieces of one datagram share source,
 * destination, protocol, identification and device. Memory, distance in the sender's stream of fragments and time are bounded.
 */
import { Ip, IpExt } from '../../mib/catalogue/index.js';
import { Account, type HostOctets } from '../core/host-limits.js';
import { Csum, HEADROOM, Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import { ETHERNET_HEADER } from '../wire/ethernet.js';
import { IPV4_MAX_HEADER, IpFlag, Ipv4At, refreshChecksum } from '../wire/ipv4.js';
import { Fit, FragmentQueue, Had, QUEUE_OVERHEAD } from './fragment-queue.js';
import type { FoundOptions } from './ip-options.js';
import type { Ipv4Layer } from './ipv4.js';

const MAX_PACKET = 65535;
const BUCKETS = 1024;

class FragmentQueue4 extends FragmentQueue {
  readonly source: number;
  readonly destination: number;
  readonly id: number;
  readonly protocol: number;
  readonly bucket: number;
  next: FragmentQueue4 | null = null;
  maxSize = 0;
  maxDf = 0;
  distance = 0;
  options: FoundOptions | null = null;
  private readonly owner: Reassembler;

  constructor(owner: Reassembler, p: Packet, id: number, bucket: number) {
    super(p.device!);
    this.owner = owner;
    this.source = p.src3;
    this.destination = p.dst3;
    this.protocol = p.protocol;
    this.id = id;
    this.bucket = bucket;
  }

  onTimer(): void {
    this.owner.expire(this);
  }
}

export class Reassembler {
  private readonly ip: Ipv4Layer;
  private readonly buckets: (FragmentQueue4 | null)[] = new Array<FragmentQueue4 | null>(BUCKETS).fill(null);
  private readonly key: number;
  private readonly memory: HostOctets;
  /** The whole datagram is put together here; valid until the next one. */
  private whole: Packet | null = null;

  constructor(ip: Ipv4Layer) {
    this.ip = ip;
    this.memory = ip.env.limits.octetsOf(Account.fragments4);
    this.key = ip.env.random.u32();
  }

  /** Takes a fragment (its flags and offset word given); the whole datagram when this was the last piece, else null. */
  add(p: Packet, word: number): Packet | null {
    const u = this.ip.env.ledger.unattributed;
    u.inc(Ip.ReasmReqds);
    const q = this.find(p);
    if (!q) {
      u.inc(Ip.ReasmFails);
      return null;
    }
    if (this.tooFar(q)) {
      u.inc(Ip.ReasmFails);
      this.restart(q);
    }
    const offset = (word & IpFlag.offset) * 8;
    const more = (word & IpFlag.mf) !== 0;
    const whole = offset + p.tail - p.transport;
    const end = more ? whole & ~7 : whole;
    if (!q.place(offset, end, more)) {
      this.drop(q);
      return null;
    }
    const fit = q.insert(p, p.transport, offset, end);
    if (fit === Fit.duplicate) return null;
    if (fit === Fit.overlap) {
      u.inc(IpExt.ReasmOverlaps);
      this.drop(q);
      return null;
    }
    this.account(q, p, offset, end - offset);
    return q.complete ? this.complete(q) : null;
  }

  private account(q: FragmentQueue4, p: Packet, offset: number, n: number): void {
    this.memory.add(q.account(p, n));
    const size = n + p.transport - p.network;
    if (size > q.maxSize) q.maxSize = size;
    if (p.df && size > q.maxDf) q.maxDf = size;
    if (offset !== 0) return;
    q.keepHeader(p, p.transport);
    q.options = p.ipOptions > 0 && this.ip.options.packet === p ? this.ip.options.save() : null;
  }

  private find(p: Packet): FragmentQueue4 | null {
    const id = p.view.getUint16(p.network + Ipv4At.id);
    const h = Math.imul(p.src3 ^ Math.imul(p.dst3 ^ (id << 8) ^ p.protocol ^ this.key, 0x9e3779b1), 0x85ebca6b);
    const bucket = (h >>> 16) % BUCKETS;
    for (let q = this.buckets[bucket]!; q; q = q.next!) {
      if (q.id === id && q.source === p.src3 && q.destination === p.dst3 && q.protocol === p.protocol && q.device === p.device)
        return q;
    }
    const s = this.ip.env.sysctl.values;
    const high = s[Sysctl.ipfrag_high_thresh]!;
    if (high === 0 || this.memory.total > high) return null;
    const q = new FragmentQueue4(this, p, id, bucket);
    q.distance = this.ip.peers.get(p.src3, this.ip.env.nowUs).fragments;
    q.next = this.buckets[bucket]!;
    this.buckets[bucket] = q;
    this.memory.add(q.memory);
    this.ip.env.timers.arm(q.timer, this.ip.env.nowUs + s[Sysctl.ipfrag_time]! * 1_000_000);
    return q;
  }

  /** More fragments of other datagrams came from this sender than can be believed (ipfrag_max_dist). */
  private tooFar(q: FragmentQueue4): boolean {
    const max = this.ip.env.sysctl.values[Sysctl.ipfrag_max_dist]!;
    if (max === 0) return false;
    const peer = this.ip.peers.get(q.source, this.ip.env.nowUs);
    const start = q.distance;
    q.distance = ++peer.fragments;
    return !q.empty && q.distance - start > max;
  }

  private restart(q: FragmentQueue4): void {
    this.memory.take(q.memory - QUEUE_OVERHEAD);
    q.clear();
    q.maxSize = 0;
    q.maxDf = 0;
    q.options = null;
    this.ip.env.timers.arm(q.timer, this.ip.env.nowUs + this.ip.env.sysctl.values[Sysctl.ipfrag_time]! * 1_000_000);
  }

  private unlink(q: FragmentQueue4): void {
    this.ip.env.timers.cancel(q.timer, true);
    this.memory.take(q.memory);
    q.memory = 0;
    let at = this.buckets[q.bucket]!;
    if (at === q) {
      this.buckets[q.bucket] = q.next;
      return;
    }
    while (at && at.next !== q) at = at.next!;
    if (at) at.next = q.next;
  }

  private drop(q: FragmentQueue4): void {
    this.unlink(q);
    this.ip.env.ledger.unattributed.inc(Ip.ReasmFails);
  }

  /** ipfrag_time is over: an ICMP error goes out only if the first fragment was had (RFC 792, 1122 3.3.2). */
  expire(q: FragmentQueue4): void {
    const u = this.ip.env.ledger.unattributed;
    this.drop(q);
    u.inc(Ip.ReasmTimeout);
    if ((q.had & Had.first) === 0) return;
    const p = this.begin(q);
    const first = q.pieces[0]!;
    p.bytes.set(first.bytes, p.transport);
    p.tail = p.transport + first.bytes.length;
    this.ip.sendError(p, 11, 1, 0);
  }

  private begin(q: FragmentQueue4): Packet {
    const p = (this.whole ??= new Packet(HEADROOM + ETHERNET_HEADER + IPV4_MAX_HEADER + MAX_PACKET));
    const header = q.header!;
    p.reset(HEADROOM + ETHERNET_HEADER);
    p.network = p.data;
    p.bytes.set(header, p.network);
    p.transport = p.network + header.length;
    p.payload = p.transport;
    p.family = 4;
    p.protocol = q.protocol;
    p.ipOptions = header.length - 20;
    p.ttl = header[Ipv4At.ttl]!;
    p.tos = header[Ipv4At.tos]!;
    p.src3 = q.source;
    p.dst3 = q.destination;
    p.src2 = p.dst2 = 0xffff;
    p.src0 = p.src1 = p.dst0 = p.dst1 = 0;
    p.device = q.device;
    p.timeUs = this.ip.env.nowUs;
    p.linkType = q.linkType;
    p.destination = q.destinationKind;
    p.csum = Csum.none;
    if (q.options) this.ip.options.restore(q.options, p);
    return p;
  }

  private complete(q: FragmentQueue4): Packet | null {
    const u = this.ip.env.ledger.unattributed;
    const ecn = q.mergedEcn();
    if (ecn < 0 || q.header!.length + q.length > MAX_PACKET) {
      this.drop(q);
      return null;
    }
    this.unlink(q);
    const p = this.begin(q);
    q.copyTo(p, p.transport);
    p.tos |= ecn;
    p.df = q.maxDf > 0 && q.maxDf === q.maxSize;
    p.bytes[p.network + Ipv4At.tos] = p.tos;
    p.view.setUint16(p.network + Ipv4At.totalLength, p.tail - p.network);
    p.view.setUint16(p.network + Ipv4At.fragment, p.df ? IpFlag.df : 0);
    refreshChecksum(p, p.network);
    u.inc(Ip.ReasmOKs);
    return p;
  }

  /** Bytes held (ipfrag memory of /proc/net/sockstat). */
  get used(): number {
    return this.memory.held;
  }

  close(): void {
    for (const head of this.buckets) {
      for (let q = head; q; q = q.next) this.ip.env.timers.cancel(q.timer, true);
    }
    this.buckets.fill(null);
    this.memory.take(this.memory.held);
  }
}
