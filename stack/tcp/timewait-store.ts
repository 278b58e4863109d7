/**
 * Where TIME-WAIT entries lie: a busy host has a hundred thousand of them, so an entry is 116 bytes of typed arrays (and 64 in shared memory,
 * for readers) and no object. The arrays lie in blocks, and the hash grows by one chain at a time: more entries never mean a copy. `entry` is the one object that shows them: `find`, `lookup` and `load` fill it, whoever changed it calls
 * `save`. It is valid until the next of these calls.
 *
 * Entries that end a TIME-WAIT period from now end in the order in which they were begun, so one list and one timer serve them all: O(1) an
 * entry. Other periods (FIN-WAIT-2 with a time-out of its own) are rare and have a timer each.
 */
import type { Owner } from '../../mib/ledger/ledger.js';
import { ANY4, type IpAddress } from '../core/address.js';
import { ChainIndex, SEGMENT, SEGMENT_BITS, SEGMENT_MASK } from '../core/chain-index.js';
import type { Packet } from '../core/packet.js';
import { Timer, type TimerHandler, type TimerQueue } from '../core/timer.js';
import type { Binding } from './ports.js';
import type { Signer } from './signature.js';
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
  txHash = 0;
  lastOowAckUs = 0;
  signature: Signer | null = null;

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
  txHash: 16,
});
const WORDS = 17;
/** Times of an entry, µs. */
const T = Object.freeze({ deadline: 0, tsRecent: 1, lastOowAck: 2 });
const TIMES = 3;
/** Links: the hash chain (or the free list), and the list of those that end in order. */
const L = Object.freeze({ chain: 0, previous: 1, next: 2 });
const LINKS = 3;
const NONE = -1;
/** `previous` of an entry that is not in the list. */
const UNLISTED = -2;

const BLOCK_BITS = 10;
const BLOCK_ENTRIES = 1 << BLOCK_BITS;
const IN_BLOCK = BLOCK_ENTRIES - 1;

/** The arrays of so many entries. */
class Block {
  readonly words = new Uint32Array(BLOCK_ENTRIES * WORDS);
  readonly times = new Float64Array(BLOCK_ENTRIES * TIMES);
  readonly links = new Int32Array(BLOCK_ENTRIES * LINKS);
  readonly bindings: (Binding | null)[] = new Array<Binding | null>(BLOCK_ENTRIES).fill(null);
}

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
  private readonly blocks: Block[] = [];
  private readonly signatures = new Map<number, Signer>();
  private readonly chains: ChainIndex = new ChainIndex(SEGMENT);
  /** Heads of the chains. */
  private readonly heads: Int32Array[] = [];
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
    this.addSegment();
  }

  private link(i: number, which: number): number {
    return this.blocks[i >>> BLOCK_BITS]!.links[(i & IN_BLOCK) * LINKS + which]!;
  }
  private setLink(i: number, which: number, to: number): void {
    this.blocks[i >>> BLOCK_BITS]!.links[(i & IN_BLOCK) * LINKS + which] = to;
  }
  private deadline(i: number): number {
    return this.blocks[i >>> BLOCK_BITS]!.times[(i & IN_BLOCK) * TIMES + T.deadline]!;
  }
  private headOf(chain: number): number {
    return this.heads[chain >>> SEGMENT_BITS]![chain & SEGMENT_MASK]!;
  }
  private setHead(chain: number, i: number): void {
    this.heads[chain >>> SEGMENT_BITS]![chain & SEGMENT_MASK] = i;
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
    if (this.free === NONE) this.addBlock();
    const i = this.free;
    this.free = this.link(i, L.chain);
    const block = this.blocks[i >>> BLOCK_BITS]!;
    const w = block.words;
    const at = (i & IN_BLOCK) * WORDS;
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
    this.setLink(i, L.previous, UNLISTED);
    block.bindings[i & IN_BLOCK] = binding;
    this.chain(i, this.chains.of(hash));
    if (++this.count > this.chains.count) this.addChain();
    return this.load(i);
  }

  /** Takes an entry out; the port claim it held is the caller's to release. */
  release(i: number): Binding | null {
    this.unschedule(i);
    const block = this.blocks[i >>> BLOCK_BITS]!;
    const chain = this.chains.of(block.words[(i & IN_BLOCK) * WORDS + W.hash]!);
    const next = this.link(i, L.chain);
    let at = this.headOf(chain);
    if (at === i) this.setHead(chain, next);
    else {
      while (this.link(at, L.chain) !== i) at = this.link(at, L.chain);
      this.setLink(at, L.chain, next);
    }
    this.setLink(i, L.chain, this.free);
    this.free = i;
    this.count--;
    this.signatures.delete(i);
    const binding = block.bindings[i & IN_BLOCK]!;
    block.bindings[i & IN_BLOCK] = null;
    if (this.entry.index === i) this.entry.index = NONE;
    return binding;
  }

  /** Shows entry i. */
  load(i: number): TimeWait {
    const e = this.entry;
    const block = this.blocks[i >>> BLOCK_BITS]!;
    const w = block.words;
    const at = (i & IN_BLOCK) * WORDS;
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
    e.txHash = w[at + W.txHash]! | 0;
    e.tsRecentUs = block.times[(i & IN_BLOCK) * TIMES + T.tsRecent]!;
    e.lastOowAckUs = block.times[(i & IN_BLOCK) * TIMES + T.lastOowAck]!;
    e.signature = this.signatures.size > 0 ? (this.signatures.get(i) ?? null) : null;
    return e;
  }

  /** Keeps what was changed in `entry`. */
  save(): void {
    const e = this.entry;
    const block = this.blocks[e.index >>> BLOCK_BITS]!;
    const w = block.words;
    const at = (e.index & IN_BLOCK) * WORDS;
    w[at + W.packed] = (w[at + W.packed]! & 0xff0000) | e.substate | (e.rcvWscale << 4) | (e.tos << 8);
    w[at + W.sndNxt] = e.sndNxt;
    w[at + W.rcvNxt] = e.rcvNxt;
    w[at + W.rcvWnd] = e.rcvWnd;
    w[at + W.tsRecent] = e.tsRecent;
    w[at + W.tsOffset] = e.tsOffset;
    w[at + W.txHash] = e.txHash;
    block.times[(e.index & IN_BLOCK) * TIMES + T.tsRecent] = e.tsRecentUs;
    block.times[(e.index & IN_BLOCK) * TIMES + T.lastOowAck] = e.lastOowAckUs;
    if (e.signature) this.signatures.set(e.index, e.signature);
  }

  /** Every entry; it may be released in the visit. */
  forEach(visit: (i: number) => void): void {
    for (let chain = 0; chain < this.chains.count; chain++) {
      for (let i = this.headOf(chain); i !== NONE; ) {
        const next = this.link(i, L.chain);
        visit(i);
        i = next;
      }
    }
  }

  // ---- finding

  find(p: Packet, hash: number, sourcePort: number, destinationPort: number): TimeWait | null {
    if (this.count === 0) return null;
    const ports = ((destinationPort << 16) | sourcePort) >>> 0;
    for (let i = this.headOf(this.chains.of(hash)); i !== NONE; i = this.link(i, L.chain)) {
      const w = this.blocks[i >>> BLOCK_BITS]!.words;
      const at = (i & IN_BLOCK) * WORDS;
      if ((w[at + W.hash]! ^ hash) !== 0 || w[at + W.ports] !== ports || w[at + W.packed]! >>> 16 !== p.family) continue;
      if (w[at + W.remote + 3] !== p.src3 || w[at + W.local + 3] !== p.dst3) continue;
      if (p.family === 6 && !sameUpper(w, at, p)) continue;
      return this.load(i);
    }
    return null;
  }

  lookup(hash: number, local: IpAddress, localPort: number, remote: IpAddress, remotePort: number): TimeWait | null {
    if (this.count === 0) return null;
    const ports = ((localPort << 16) | remotePort) >>> 0;
    for (let i = this.headOf(this.chains.of(hash)); i !== NONE; i = this.link(i, L.chain)) {
      const w = this.blocks[i >>> BLOCK_BITS]!.words;
      const at = (i & IN_BLOCK) * WORDS;
      if ((w[at + W.hash]! ^ hash) !== 0 || w[at + W.ports] !== ports || w[at + W.packed]! >>> 16 !== local.family) continue;
      if (sameAddress(w, at + W.remote, remote) && sameAddress(w, at + W.local, local)) return this.load(i);
    }
    return null;
  }

  // ---- time

  /** When entry i ends, anew. @param inOrder its period is that of all others, so that it ends after those that were scheduled before */
  schedule(i: number, deadlineUs: number, inOrder: boolean): void {
    this.unschedule(i);
    this.blocks[i >>> BLOCK_BITS]!.times[(i & IN_BLOCK) * TIMES + T.deadline] = deadlineUs;
    if (!inOrder) {
      const odd = new OddTimer(i, this.expired);
      this.odd.set(i, odd);
      this.timers.arm(odd.timer, deadlineUs);
      return;
    }
    this.setLink(i, L.previous, this.tail);
    this.setLink(i, L.next, NONE);
    if (this.tail !== NONE) this.setLink(this.tail, L.next, i);
    else {
      this.head = i;
      this.timers.arm(this.headTimer, deadlineUs);
    }
    this.tail = i;
  }

  private unschedule(i: number): void {
    const previous = this.link(i, L.previous);
    if (previous === UNLISTED) {
      const odd = this.odd.get(i);
      if (odd) this.timers.cancel(odd.timer, true);
      this.odd.delete(i);
      return;
    }
    const next = this.link(i, L.next);
    if (previous !== NONE) this.setLink(previous, L.next, next);
    else this.head = next;
    if (next !== NONE) this.setLink(next, L.previous, previous);
    else this.tail = previous;
    this.setLink(i, L.previous, UNLISTED);
    if (previous !== NONE) return;
    if (next === NONE) this.timers.cancel(this.headTimer, true);
    else this.timers.arm(this.headTimer, this.deadline(next));
  }

  /** The first of the list has reached its end, and perhaps others with it. */
  onTimer(_kind: number, nowUs: number): void {
    while (this.head !== NONE && this.deadline(this.head) <= nowUs) this.expired(this.head);
  }

  // ---- room

  private chain(i: number, chain: number): void {
    this.setLink(i, L.chain, this.headOf(chain));
    this.setHead(chain, i);
  }

  /** One chain more: the entries of the one that is split are dealt out. */
  private addChain(): void {
    const split = this.chains.grow();
    const last = this.chains.count - 1;
    if (last >>> SEGMENT_BITS === this.heads.length) this.addSegment();
    let i = this.headOf(split);
    this.setHead(split, NONE);
    while (i !== NONE) {
      const next = this.link(i, L.chain);
      this.chain(i, this.chains.of(this.blocks[i >>> BLOCK_BITS]!.words[(i & IN_BLOCK) * WORDS + W.hash]!));
      i = next;
    }
  }
  private addSegment(): void {
    this.heads.push(new Int32Array(SEGMENT).fill(NONE));
  }

  private addBlock(): void {
    const first = this.blocks.length << BLOCK_BITS;
    this.blocks.push(new Block());
    for (let i = first + BLOCK_ENTRIES - 1; i >= first; i--) {
      this.setLink(i, L.chain, this.free);
      this.free = i;
    }
  }
}

function sameUpper(w: Uint32Array, at: number, p: Packet): boolean {
  if (w[at + W.remote] !== p.src0 || w[at + W.remote + 1] !== p.src1 || w[at + W.remote + 2] !== p.src2) return false;
  return w[at + W.local] === p.dst0 && w[at + W.local + 1] === p.dst1 && w[at + W.local + 2] === p.dst2;
}

function sameAddress(w: Uint32Array, at: number, a: IpAddress): boolean {
  return w[at + 3] === a.w3 && w[at + 2] === a.w2 && w[at + 1] === a.w1 && w[at] === a.w0;
}
