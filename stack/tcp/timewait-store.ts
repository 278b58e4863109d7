/**
 * Where TIME-WAIT entries lie: a busy host has a hundred thousand of them, so an entry is 100 bytes of typed arrays (and 64 in shared memory,
 * for readers) and no object. `entry` is the one object that shows them: `find`, `lookup` and `load` fill it, whoever changed it calls
 * `save`. It is valid until the next of these calls.
 *
 * Entries that end a TIME-WAIT period from now end in the order in which they were begun, so one list and one timer serve them all: O(1) an
 * entry. Other periods (FIN-WAIT-2 with a time-out of its own) are rare and have a timer each.
 */
import type { Owner } from '../../mib/ledger/ledger.js';
import { ANY4, type IpAddress } from '../core/address.js';
import type { Packet } from '../core/packet.js';
import { Timer, type TimerHandler, type TimerQueue } from '../core/timer.js';
import type { Binding } from './ports.js';
import type { SignatureKey } from './signature.js';
import { Flow, FlowKind, type SideTable } from './table.js';

/** One entry, shown. */
export class TimeWait extends Flow {
  /** Its number in the store; -1 when it has ended. */
  index = -1;
  /** TcpState.TIME_WAIT or FIN_WAIT2. */
  substate = 0;
  sndNxt = 0;
  rcvNxt = 0;
  rcvWnd = 0;
  rcvWscale = 0;
  tsRecent = 0;
  /** When TS.Recent came, µs; -1 without timestamps. */
  tsRecentUs = -1;
  tsOffset = 0;
  tos = 0;
  lastOowAckUs = 0;
  signature: SignatureKey | null = null;

  constructor(owner: Owner) {
    super(FlowKind.timeWait, 4, ANY4, ANY4, owner);
  }
}

/** Words of an entry. */
const W = Object.freeze({
  hash: 0,
  local: 1,
  remote: 5,
  ports: 9,
  sndNxt: 10,
  rcvNxt: 11,
  rcvWnd: 12,
  tsRecent: 13,
  tsOffset: 14,
  /** state | window scale << 4 | tos << 8 | family << 16 */
  packed: 15,
});
const WORDS = 16;
/** Times of an entry, µs. */
const T = Object.freeze({ deadline: 0, tsRecent: 1, lastOowAck: 2 });
const TIMES = 3;
/** Links: the hash chain (or the free list), and the list of those that end in order. */
const L = Object.freeze({ chain: 0, previous: 1, next: 2 });
const LINKS = 3;
const NONE = -1;
/** `previous` of an entry that is not in the list. */
const UNLISTED = -2;
const FIRST_CAPACITY = 256;
const MAX_GROWTH = 4096;

/** The timer of an entry with a period of its own. */
class OddTimer implements TimerHandler {
  readonly timer: Timer = new Timer(this, 0);
  private readonly index: number;
  private readonly expired: (index: number) => void;
  constructor(index: number, expired: (index: number) => void) {
    this.index = index;
    this.expired = expired;
  }
  onTimer(): void {
    this.expired(this.index);
  }
}

export class TimeWaitStore implements SideTable, TimerHandler {
  readonly entry: TimeWait;
  count = 0;
  private words = new Uint32Array(0);
  private times = new Float64Array(0);
  private links = new Int32Array(0);
  private readonly bindings: (Binding | null)[] = [];
  private readonly signatures = new Map<number, SignatureKey>();
  private buckets = new Int32Array(FIRST_CAPACITY).fill(NONE);
  private free = NONE;
  private head = NONE;
  private tail = NONE;
  private readonly timers: TimerQueue;
  private readonly headTimer: Timer = new Timer(this, 0);
  private readonly odd = new Map<number, OddTimer>();
  private readonly expired: (index: number) => void;

  /** @param expired told of each entry whose time is over; it is still there and must be released */
  constructor(timers: TimerQueue, owner: Owner, expired: (index: number) => void) {
    this.timers = timers;
    this.entry = new TimeWait(owner);
    this.expired = expired;
  }

  // ---- entries

  /** A new entry for these ends; `entry` shows it, and is to be filled in and saved. */
  take(
    hash: number,
    local: IpAddress,
    localPort: number,
    remote: IpAddress,
    remotePort: number,
    binding: Binding | null,
  ): TimeWait {
    if (this.free === NONE) this.grow();
    const i = this.free;
    this.free = this.links[i * LINKS + L.chain]!;
    const w = this.words;
    const at = i * WORDS;
    w[at + W.hash] = hash;
    w[at + W.local] = local.w0;
    w[at + W.local + 1] = local.w1;
    w[at + W.local + 2] = local.w2;
    w[at + W.local + 3] = local.w3;
    w[at + W.remote] = remote.w0;
    w[at + W.remote + 1] = remote.w1;
    w[at + W.remote + 2] = remote.w2;
    w[at + W.remote + 3] = remote.w3;
    w[at + W.ports] = (localPort << 16) | remotePort;
    w[at + W.packed] = local.family << 16;
    this.links[i * LINKS + L.previous] = UNLISTED;
    this.bindings[i] = binding;
    if (++this.count > this.buckets.length) this.rehash();
    this.chain(i, hash);
    return this.load(i);
  }

  /** Takes an entry out; the port claim it held is the caller's to release. */
  release(i: number): Binding | null {
    this.unschedule(i);
    const b = this.buckets;
    const slot = this.words[i * WORDS + W.hash]! & (b.length - 1);
    if (b[slot] === i) b[slot] = this.links[i * LINKS + L.chain]!;
    else {
      let at = b[slot]!;
      while (this.links[at * LINKS + L.chain] !== i) at = this.links[at * LINKS + L.chain]!;
      this.links[at * LINKS + L.chain] = this.links[i * LINKS + L.chain]!;
    }
    this.links[i * LINKS + L.chain] = this.free;
    this.free = i;
    this.count--;
    this.signatures.delete(i);
    const binding = this.bindings[i]!;
    this.bindings[i] = null;
    if (this.entry.index === i) this.entry.index = NONE;
    return binding;
  }

  /** Shows entry i. */
  load(i: number): TimeWait {
    const e = this.entry;
    const w = this.words;
    const at = i * WORDS;
    const packed = w[at + W.packed]!;
    e.index = i;
    e.localPort = w[at + W.ports]! >>> 16;
    e.remotePort = w[at + W.ports]! & 0xffff;
    e.substate = packed & 15;
    e.rcvWscale = (packed >>> 4) & 15;
    e.tos = (packed >>> 8) & 255;
    e.sndNxt = w[at + W.sndNxt]!;
    e.rcvNxt = w[at + W.rcvNxt]!;
    e.rcvWnd = w[at + W.rcvWnd]!;
    e.tsRecent = w[at + W.tsRecent]!;
    e.tsOffset = w[at + W.tsOffset]!;
    e.tsRecentUs = this.times[i * TIMES + T.tsRecent]!;
    e.lastOowAckUs = this.times[i * TIMES + T.lastOowAck]!;
    e.signature = this.signatures.size > 0 ? (this.signatures.get(i) ?? null) : null;
    return e;
  }

  /** Keeps what was changed in `entry`. */
  save(): void {
    const e = this.entry;
    const w = this.words;
    const at = e.index * WORDS;
    w[at + W.packed] = (w[at + W.packed]! & 0xff0000) | e.substate | (e.rcvWscale << 4) | (e.tos << 8);
    w[at + W.sndNxt] = e.sndNxt;
    w[at + W.rcvNxt] = e.rcvNxt;
    w[at + W.rcvWnd] = e.rcvWnd;
    w[at + W.tsRecent] = e.tsRecent;
    w[at + W.tsOffset] = e.tsOffset;
    this.times[e.index * TIMES + T.tsRecent] = e.tsRecentUs;
    this.times[e.index * TIMES + T.lastOowAck] = e.lastOowAckUs;
    if (e.signature) this.signatures.set(e.index, e.signature);
  }

  /** Every entry; it may be released in the visit. */
  forEach(visit: (i: number) => void): void {
    for (let slot = 0; slot < this.buckets.length; slot++) {
      for (let i = this.buckets[slot]!; i !== NONE; ) {
        const next = this.links[i * LINKS + L.chain]!;
        visit(i);
        i = next;
      }
    }
  }

  // ---- finding

  find(p: Packet, hash: number, sourcePort: number, destinationPort: number): TimeWait | null {
    if (this.count === 0) return null;
    const w = this.words;
    const ports = ((destinationPort << 16) | sourcePort) >>> 0;
    for (let i = this.buckets[hash & (this.buckets.length - 1)]!; i !== NONE; i = this.links[i * LINKS + L.chain]!) {
      const at = i * WORDS;
      if (w[at + W.hash] !== hash || w[at + W.ports] !== ports || w[at + W.packed]! >>> 16 !== p.family) continue;
      if (w[at + W.remote + 3] !== p.src3 || w[at + W.local + 3] !== p.dst3) continue;
      if (p.family === 6 && !this.sameUpper(at, p)) continue;
      return this.load(i);
    }
    return null;
  }
  private sameUpper(at: number, p: Packet): boolean {
    const w = this.words;
    if (w[at + W.remote] !== p.src0 || w[at + W.remote + 1] !== p.src1 || w[at + W.remote + 2] !== p.src2) return false;
    return w[at + W.local] === p.dst0 && w[at + W.local + 1] === p.dst1 && w[at + W.local + 2] === p.dst2;
  }

  lookup(hash: number, local: IpAddress, localPort: number, remote: IpAddress, remotePort: number): TimeWait | null {
    if (this.count === 0) return null;
    const w = this.words;
    const ports = ((localPort << 16) | remotePort) >>> 0;
    for (let i = this.buckets[hash & (this.buckets.length - 1)]!; i !== NONE; i = this.links[i * LINKS + L.chain]!) {
      const at = i * WORDS;
      if (w[at + W.hash] !== hash || w[at + W.ports] !== ports || w[at + W.packed]! >>> 16 !== local.family) continue;
      if (this.sameAddress(at + W.remote, remote) && this.sameAddress(at + W.local, local)) return this.load(i);
    }
    return null;
  }
  private sameAddress(at: number, a: IpAddress): boolean {
    const w = this.words;
    return w[at + 3] === a.w3 && w[at + 2] === a.w2 && w[at + 1] === a.w1 && w[at] === a.w0;
  }

  // ---- time

  /** When entry i ends, anew. @param inOrder its period is that of all others, so that it ends after those that were scheduled before */
  schedule(i: number, deadlineUs: number, inOrder: boolean): void {
    this.unschedule(i);
    this.times[i * TIMES + T.deadline] = deadlineUs;
    if (!inOrder) {
      const odd = new OddTimer(i, this.expired);
      this.odd.set(i, odd);
      this.timers.arm(odd.timer, deadlineUs);
      return;
    }
    this.links[i * LINKS + L.previous] = this.tail;
    this.links[i * LINKS + L.next] = NONE;
    if (this.tail !== NONE) this.links[this.tail * LINKS + L.next] = i;
    else {
      this.head = i;
      this.timers.arm(this.headTimer, deadlineUs);
    }
    this.tail = i;
  }

  private unschedule(i: number): void {
    const at = i * LINKS;
    const previous = this.links[at + L.previous]!;
    if (previous === UNLISTED) {
      const odd = this.odd.get(i);
      if (odd) this.timers.cancel(odd.timer, true);
      this.odd.delete(i);
      return;
    }
    const next = this.links[at + L.next]!;
    if (previous !== NONE) this.links[previous * LINKS + L.next] = next;
    else this.head = next;
    if (next !== NONE) this.links[next * LINKS + L.previous] = previous;
    else this.tail = previous;
    this.links[at + L.previous] = UNLISTED;
    if (previous !== NONE) return;
    if (next === NONE) this.timers.cancel(this.headTimer, true);
    else this.timers.arm(this.headTimer, this.times[next * TIMES + T.deadline]!);
  }

  /** The first of the list has reached its end, and perhaps others with it. */
  onTimer(_kind: number, nowUs: number): void {
    while (this.head !== NONE && this.times[this.head * TIMES + T.deadline]! <= nowUs) this.expired(this.head);
  }

  // ---- room

  private chain(i: number, hash: number): void {
    const slot = hash & (this.buckets.length - 1);
    this.links[i * LINKS + L.chain] = this.buckets[slot]!;
    this.buckets[slot] = i;
  }

  private rehash(): void {
    const used: number[] = [];
    this.forEach((i) => {
      used.push(i);
    });
    this.buckets = new Int32Array(this.buckets.length * 2).fill(NONE);
    for (const i of used) this.chain(i, this.words[i * WORDS + W.hash]!);
  }

  /** Room for more entries: twice as many, later 4096 more. */
  private grow(): void {
    const old = this.bindings.length;
    const size = old === 0 ? FIRST_CAPACITY : old + Math.min(old, MAX_GROWTH);
    const words = new Uint32Array(size * WORDS);
    words.set(this.words);
    this.words = words;
    const times = new Float64Array(size * TIMES);
    times.set(this.times);
    this.times = times;
    const links = new Int32Array(size * LINKS);
    links.set(this.links);
    this.links = links;
    for (let i = size - 1; i >= old; i--) {
      links[i * LINKS + L.chain] = this.free;
      this.free = i;
    }
    for (let i = old; i < size; i++) this.bindings.push(null);
  }
}
