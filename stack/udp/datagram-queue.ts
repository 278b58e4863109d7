/**
 * The receive queue of a datagram socket. Payloads are copied out of the link's buffers into pooled ones of fitting size, so that a small
 * datagram never pins a large buffer and the steady state allocates nothing. What counts against SO_RCVBUF is what Linux would charge
 * (the sk_buff's truesize), not the payload, since RcvbufErrors depends on it.
 */
import { copyBytes } from '../core/bytes.js';
import type { Packet } from '../core/packet.js';

/** struct sk_buff and struct skb_shared_info on a 64-bit machine, aligned to cache lines. */
const SK_BUFF = 256;
const SHARED_INFO = 320;
/** What lies in front of an IP packet in its buffer: the Ethernet header and room for a link header. */
const FRAME_PAD = 14 + 16;
/** The cache of small heads; what does not fit takes a power of two. */
const SMALL_HEAD = 576;
const SMALLEST_POWER = 1024;
/** An IP packet that came in one frame of this size or less was not reassembled. */
const ETHERNET_PACKET = 1500;
const FRAGMENT = 1480;

/** What Linux 6.18 charges for an IP packet of n octets (measured): head, trailer and sk_buff of each frame that it came in. */
export function truesize(n: number): number {
  if (n > ETHERNET_PACKET) {
    const whole = Math.floor(n / FRAGMENT);
    const rest = n - whole * FRAGMENT;
    return whole * truesize(ETHERNET_PACKET) + (rest > 0 ? truesize(rest + 20) : 0);
  }
  const need = n + FRAME_PAD + SHARED_INFO;
  if (need <= SMALL_HEAD) return SMALL_HEAD + SK_BUFF;
  let size = SMALLEST_POWER;
  while (size < need) size *= 2;
  return size + SK_BUFF;
}

/** The same for what came in a super-frame, whole or one datagram of it: a small head for the headers, and n octets of data in pages. */
export function pagedTruesize(n: number): number {
  return SMALL_HEAD + SK_BUFF + n;
}

const SMALLEST_CLASS = 8; // 256 bytes
const LARGEST_CLASS = 16; // 64 KiB
/** Idle bytes that a pool keeps. */
const POOL_KEEPS = 4 << 20;

export class Datagram {
  readonly bytes: Uint8Array;
  readonly sizeClass: number;
  length = 0;
  family = 4;
  source0 = 0;
  source1 = 0;
  source2 = 0;
  source3 = 0;
  sourcePort = 0;
  /** What it costs its socket. */
  truesize = 0;
  /** The checksum was found wrong; counted when somebody looks at the datagram, as Linux verifies large ones when they are read. */
  bad = false;
  /** Size of the datagrams that it consists of, 0 for one. */
  segmentSize = 0;
  /** Somebody has looked at it: one without bytes is passed over by the next look. */
  peeked = false;
  ttl = 0;
  tos = 0;
  timeUs = 0;
  next: Datagram | null = null;

  constructor(sizeClass: number) {
    this.sizeClass = sizeClass;
    this.bytes = new Uint8Array(1 << sizeClass);
  }
}

/** Buffers of all sockets of one stack. */
export class DatagramPool {
  private readonly idle: (Datagram | null)[] = new Array<Datagram | null>(LARGEST_CLASS + 1).fill(null);
  private idleBytes = 0;

  take(length: number): Datagram {
    let c = SMALLEST_CLASS;
    while (1 << c < length) c++;
    const d = this.idle[c];
    if (!d) return new Datagram(c);
    this.idle[c] = d.next;
    this.idleBytes -= 1 << c;
    d.next = null;
    return d;
  }

  give(d: Datagram): void {
    const size = 1 << d.sizeClass;
    if (this.idleBytes + size > POOL_KEEPS) return;
    this.idleBytes += size;
    d.next = this.idle[d.sizeClass]!;
    this.idle[d.sizeClass] = d;
  }
}

export class DatagramQueue {
  private readonly pool: DatagramPool;
  first: Datagram | null = null;
  private last: Datagram | null = null;
  length = 0;
  /** Where in the datagram that `behind` has found its offset falls. */
  offset = 0;
  /** Charged bytes, sk_rmem_alloc. */
  charged = 0;
  /** Charged bytes of datagrams that have been read: Linux gives them back in lots (udp_rmem_release). */
  private deficit = 0;
  /** How many of the first datagrams the reader has already taken over (Linux's reader_queue). */
  private readers = 0;

  constructor(pool: DatagramPool) {
    this.pool = pool;
  }

  /** Bytes that wait to be read, as /proc/net/udp shows them. */
  get waiting(): number {
    return this.charged - this.deficit;
  }

  /** Copies the payload of a packet (payload to tail) to the end of the queue. */
  push(p: Packet, sourcePort: number, size: number, bad: boolean, segmentSize: number): void {
    const length = p.tail - p.payload;
    const d = this.pool.take(length);
    copyBytes(d.bytes, 0, p.bytes, p.payload, length);
    d.length = length;
    d.family = p.family;
    d.source0 = p.src0;
    d.source1 = p.src1;
    d.source2 = p.src2;
    d.source3 = p.src3;
    d.sourcePort = sourcePort;
    d.truesize = size;
    d.bad = bad;
    d.segmentSize = segmentSize;
    d.peeked = false;
    d.ttl = p.ttl;
    d.tos = p.tos;
    d.timeUs = p.timeUs;
    if (this.last) this.last.next = d;
    else this.first = d;
    this.last = d;
    this.length++;
    this.charged += size;
  }

  /** The datagram in which the byte lies that `offset` bytes of the queue precede; wrong ones, which are counted when they come first, do not exist. */
  behind(offset: number): Datagram | null {
    let left = offset;
    for (let d = this.first; d; d = d.next) {
      if (d.bad) continue;
      if (left < d.length || (left === 0 && !d.peeked)) {
        this.offset = left;
        return d;
      }
      left -= d.length;
    }
    return null;
  }

  /**
   * Takes the first datagram; give it back by `free`. `lotBytes` is how much may be read before the charge is taken off, as long as the
   * reader has more at hand: a quarter of SO_RCVBUF in Linux. Answers by how much `charged` fell.
   */
  shift(lotBytes: number): number {
    const d = this.first!;
    if (this.readers === 0) this.readers = this.length;
    this.first = d.next;
    if (!d.next) this.last = null;
    d.next = null;
    this.length--;
    this.readers--;
    this.deficit += d.truesize;
    if (this.readers > 0 && this.deficit < lotBytes) return 0;
    return this.settle();
  }

  free(d: Datagram): void {
    this.pool.give(d);
  }

  /** Drops everything. Answers by how much `charged` fell. */
  clear(): number {
    for (let d = this.first; d; ) {
      const next: Datagram | null = d.next;
      this.deficit += d.truesize;
      this.pool.give(d);
      d = next;
    }
    this.first = null;
    this.last = null;
    this.length = 0;
    this.readers = 0;
    return this.settle();
  }

  private settle(): number {
    const n = this.deficit;
    this.charged -= n;
    this.deficit = 0;
    return n;
  }
}
