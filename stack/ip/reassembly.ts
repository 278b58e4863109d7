/**
 * Reassembly (RFC 791 3.2, RFC 815, RFC 5722's rule for overlaps, with Linux's limits and counters). Pieces of one datagram share source,
 * destination, protocol, identification and device. A piece that lies wholly in what was had is a duplicate and is dropped alone; one that
 * overlaps in part ends the whole queue. Memory, distance in the sender's stream of fragments and time are bounded.
 */
import { Ip, IpExt } from '../../mib/catalogue/index.js';
import { Csum, HEADROOM, Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import { Timer, type TimerHandler } from '../core/timer.js';
import { receiveTruesize } from '../core/truesize.js';
import { ETHERNET_HEADER } from '../wire/ethernet.js';
import { Ecn, IPV4_MAX_HEADER, IpFlag, Ipv4At, refreshChecksum } from '../wire/ipv4.js';
import type { NetDevice } from './device.js';
import type { FoundOptions } from './ip-options.js';
import type { Ipv4Layer } from './ipv4.js';

const MAX_PACKET = 65535;
const BUCKETS = 1024;
const QUEUE_OVERHEAD = 208;
interface Piece {
  readonly offset: number;
  readonly end: number;
  readonly bytes: Uint8Array;
  /** Pieces that follow one another in order of arrival form a run: a duplicate is what lies inside one run. */
  runEnd: number;
  runHead: boolean;
}

const Had = Object.freeze({ first: 1, last: 2 });
const EcnBit = Object.freeze({ notEct: 1, ect1: 2, ect0: 4, ce: 8 });

/** RFC 3168 5.3: the ECN field of the whole from the bits seen; -1 when they cannot belong together. */
function mergedEcn(bits: number): number {
  if ((bits & EcnBit.notEct) !== 0) return bits === EcnBit.notEct ? 0 : -1;
  return (bits & EcnBit.ce) !== 0 && bits !== EcnBit.ce ? Ecn.ce : 0;
}

class FragmentQueue implements TimerHandler {
  readonly source: number;
  readonly destination: number;
  readonly id: number;
  readonly protocol: number;
  readonly device: NetDevice;
  readonly timer: Timer;
  readonly bucket: number;
  next: FragmentQueue | null = null;
  pieces: Piece[] = [];
  tail: Piece | null = null;
  had = 0;
  length = 0;
  meat = 0;
  memory = QUEUE_OVERHEAD;
  ecn = 0;
  maxSize = 0;
  maxDf = 0;
  distance = 0;
  /** Header of the first fragment, and what its ICMP error needs. */
  header: Uint8Array | null = null;
  linkType = 0;
  destinationKind = 0;
  options: FoundOptions | null = null;
  private readonly owner: Reassembler;

  constructor(owner: Reassembler, p: Packet, id: number, bucket: number) {
    this.owner = owner;
    this.source = p.src3;
    this.destination = p.dst3;
    this.protocol = p.protocol;
    this.id = id;
    this.device = p.device!;
    this.bucket = bucket;
    this.timer = new Timer(this, 0);
  }

  onTimer(): void {
    this.owner.expire(this);
  }
}

export class Reassembler {
  private readonly ip: Ipv4Layer;
  private readonly buckets: (FragmentQueue | null)[] = new Array<FragmentQueue | null>(BUCKETS).fill(null);
  private readonly key: number;
  private memory = 0;
  /** The whole datagram is put together here; valid until the next one. */
  private whole: Packet | null = null;

  constructor(ip: Ipv4Layer) {
    this.ip = ip;
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
    const end = this.place(q, p, offset, (word & IpFlag.mf) !== 0);
    if (end < 0) {
      this.drop(q);
      return null;
    }
    const piece: Piece = {
      offset,
      end,
      bytes: p.bytes.slice(p.transport, p.transport + end - offset),
      runEnd: end,
      runHead: true,
    };
    const fit = insert(q, piece);
    if (fit === DUPLICATE) return null;
    if (fit === OVERLAP) {
      u.inc(IpExt.ReasmOverlaps);
      this.drop(q);
      return null;
    }
    this.account(q, p, piece);
    if (q.had !== (Had.first | Had.last) || q.meat !== q.length) return null;
    return this.complete(q);
  }

  /** Where the piece ends, -1 when it contradicts what was had. */
  private place(q: FragmentQueue, p: Packet, offset: number, more: boolean): number {
    let end = offset + p.tail - p.transport;
    if (!more) {
      if (end < q.length || ((q.had & Had.last) !== 0 && end !== q.length)) return -1;
      q.had |= Had.last;
      q.length = end;
    } else {
      end &= ~7;
      if (end > q.length) {
        if ((q.had & Had.last) !== 0) return -1;
        q.length = end;
      }
    }
    return end === offset ? -1 : end;
  }

  private account(q: FragmentQueue, p: Packet, piece: Piece): void {
    const n = piece.end - piece.offset;
    const cost = receiveTruesize(p.tail - p.network);
    q.memory += cost;
    this.memory += cost;
    q.meat += n;
    q.ecn |= 1 << (p.tos & Ecn.mask);
    const size = n + p.transport - p.network;
    if (size > q.maxSize) q.maxSize = size;
    if (p.df && size > q.maxDf) q.maxDf = size;
    if (piece.offset !== 0) return;
    q.had |= Had.first;
    q.header = p.bytes.slice(p.network, p.transport);
    q.linkType = p.linkType;
    q.destinationKind = p.destination;
    q.options = p.ipOptions > 0 && this.ip.options.packet === p ? this.ip.options.save() : null;
  }

  private find(p: Packet): FragmentQueue | null {
    const id = p.view.getUint16(p.network + Ipv4At.id);
    const h = Math.imul(p.src3 ^ Math.imul(p.dst3 ^ (id << 8) ^ p.protocol ^ this.key, 0x9e3779b1), 0x85ebca6b);
    const bucket = (h >>> 16) % BUCKETS;
    for (let q = this.buckets[bucket]!; q; q = q.next!) {
      if (q.id === id && q.source === p.src3 && q.destination === p.dst3 && q.protocol === p.protocol && q.device === p.device)
        return q;
    }
    const s = this.ip.env.sysctl.values;
    const high = s[Sysctl.ipfrag_high_thresh]!;
    if (high === 0 || this.memory > high) return null;
    const q = new FragmentQueue(this, p, id, bucket);
    q.distance = this.ip.peers.get(p.src3, this.ip.env.nowUs).fragments;
    q.next = this.buckets[bucket]!;
    this.buckets[bucket] = q;
    this.memory += q.memory;
    this.ip.env.timers.arm(q.timer, this.ip.env.nowUs + s[Sysctl.ipfrag_time]! * 1_000_000);
    return q;
  }

  /** More fragments of other datagrams came from this sender than can be believed (ipfrag_max_dist). */
  private tooFar(q: FragmentQueue): boolean {
    const max = this.ip.env.sysctl.values[Sysctl.ipfrag_max_dist]!;
    if (max === 0) return false;
    const peer = this.ip.peers.get(q.source, this.ip.env.nowUs);
    const start = q.distance;
    q.distance = ++peer.fragments;
    return q.tail !== null && q.distance - start > max;
  }

  private restart(q: FragmentQueue): void {
    this.memory -= q.memory - QUEUE_OVERHEAD;
    q.memory = QUEUE_OVERHEAD;
    q.pieces = [];
    q.tail = null;
    q.had = 0;
    q.length = 0;
    q.meat = 0;
    q.ecn = 0;
    q.maxSize = 0;
    q.maxDf = 0;
    q.header = null;
    q.options = null;
    this.ip.env.timers.arm(q.timer, this.ip.env.nowUs + this.ip.env.sysctl.values[Sysctl.ipfrag_time]! * 1_000_000);
  }

  private unlink(q: FragmentQueue): void {
    this.ip.env.timers.cancel(q.timer, true);
    this.memory -= q.memory;
    q.memory = 0;
    let at = this.buckets[q.bucket]!;
    if (at === q) {
      this.buckets[q.bucket] = q.next;
      return;
    }
    while (at && at.next !== q) at = at.next!;
    if (at) at.next = q.next;
  }

  private drop(q: FragmentQueue): void {
    this.unlink(q);
    this.ip.env.ledger.unattributed.inc(Ip.ReasmFails);
  }

  /** ipfrag_time is over: an ICMP error goes out only if the first fragment was had (RFC 792, 1122 3.3.2). */
  expire(q: FragmentQueue): void {
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

  private begin(q: FragmentQueue): Packet {
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

  private complete(q: FragmentQueue): Packet | null {
    const u = this.ip.env.ledger.unattributed;
    const ecn = mergedEcn(q.ecn);
    if (ecn < 0 || q.header!.length + q.length > MAX_PACKET) {
      this.drop(q);
      return null;
    }
    this.unlink(q);
    const p = this.begin(q);
    for (const piece of q.pieces) p.bytes.set(piece.bytes, p.transport + piece.offset);
    p.tail = p.transport + q.length;
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
    return this.memory;
  }

  close(): void {
    for (const head of this.buckets) {
      for (let q = head; q; q = q.next) this.ip.env.timers.cancel(q.timer, true);
    }
    this.buckets.fill(null);
    this.memory = 0;
  }
}

const FITS = 0;
const DUPLICATE = 1;
const OVERLAP = 2;

/** Puts a piece in its place, in order of offset. */
function insert(q: FragmentQueue, piece: Piece): number {
  const last = q.tail;
  if (!last || last.end < piece.end) {
    if (last && piece.offset < last.end) return OVERLAP;
    if (last && piece.offset === last.end) {
      piece.runHead = false;
      lastRun(q).runEnd = piece.end;
    }
    q.pieces.push(piece);
    q.tail = piece;
    return FITS;
  }
  for (let i = 0; i < q.pieces.length; i++) {
    const run = q.pieces[i]!;
    if (!run.runHead || piece.offset >= run.runEnd) continue;
    if (piece.end <= run.offset) {
      q.pieces.splice(i, 0, piece);
      return FITS;
    }
    return piece.offset >= run.offset && piece.end <= run.runEnd ? DUPLICATE : OVERLAP;
  }
  return OVERLAP;
}

function lastRun(q: FragmentQueue): Piece {
  for (let i = q.pieces.length - 1; i > 0; i--) if (q.pieces[i]!.runHead) return q.pieces[i]!;
  return q.pieces[0]!;
}
