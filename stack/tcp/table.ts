/**
 * The connection table: who owns a 4-tuple. Connections and requests (SYN-RECEIVED, RFC 4987) lie in one chained hash, TIME-WAIT entries
 * in a second one (timewait-store.ts), keyed by the stack's secret, so that a peer cannot choose its chain; listeners lie by port. A look-up
 * allocates nothing and compares numbers only; IPv4 addresses are their mapped words, so both families share the table. It grows
 * by one chain at a time (chain-index.ts).
 */
import type { Owner } from '../../mib/ledger/ledger.js';
import type { IpAddress } from '../core/address.js';
import { ChainIndex, SEGMENT, SEGMENT_BITS, SEGMENT_MASK } from '../core/chain-index.js';
import type { Packet } from '../core/packet.js';
import type { Binding } from './ports.js';

/** What a 4-tuple belongs to. */
export const FlowKind = Object.freeze({ connection: 0, request: 1, timeWait: 2 });

/** An entry of the table: the 4-tuple and where it is chained. `Connection` and `Request` extend it, and `TimeWait`, which is never chained. */
export class Flow {
  readonly flowKind: number;
  readonly family: 4 | 6;
  local: IpAddress;
  remote: IpAddress;
  localPort = 0;
  remotePort = 0;
  /** Who its events are counted on: its own row, a request's listener's. */
  owner: Owner;
  /** Its place among the bound ports; a request has none. */
  binding: Binding | null = null;
  hash = 0;
  hashNext: Flow | null = null;
  inTable = false;

  constructor(flowKind: number, family: 4 | 6, local: IpAddress, remote: IpAddress, owner: Owner) {
    this.flowKind = flowKind;
    this.family = family;
    this.local = local;
    this.remote = remote;
    this.owner = owner;
  }
}

/** Mixes one word into a hash (the round of MurmurHash3). */
function mix(h: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  h ^= Math.imul(k, 0x1b873593);
  h = (h << 13) | (h >>> 19);
  return (Math.imul(h, 5) + 0xe6546b64) | 0;
}
function finalMix(h: number): number {
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16); // signed, so that V8 keeps it without a box
}

/** Keeps flows of its own outside the chains, and finds them by the same hash. */
export interface SideTable {
  find(p: Packet, hash: number, sourcePort: number, destinationPort: number): Flow | null;
  lookup(hash: number, local: IpAddress, localPort: number, remote: IpAddress, remotePort: number): Flow | null;
}

const FIRST_CHAINS = 1024;
/**
 * Chains for each entry: with two, most look-ups for a peer that is new meet an empty chain and no other connection, whose memory is cold when there
 * are many.
 */
const CHAINS_EACH = 2;

export class FlowTable {
  private readonly chains: ChainIndex;
  private readonly segments: (Flow | null)[][] = [];
  private readonly seed: number;
  /** TIME-WAIT entries: where a look-up goes on that has found nothing in the chains. */
  side: SideTable | null = null;
  /** Entries of each FlowKind. */
  readonly counts: Int32Array = new Int32Array(3);
  private total = 0;

  constructor(secret: Uint8Array, chains = FIRST_CHAINS) {
    this.chains = new ChainIndex(chains);
    for (let i = 0; i < chains; i += SEGMENT) this.addSegment();
    this.seed = ((secret[0]! << 24) | (secret[1]! << 16) | (secret[2]! << 8) | secret[3]!) ^ 0x5bd1e995;
  }

  private addSegment(): void {
    this.segments.push(new Array<Flow | null>(SEGMENT).fill(null));
  }
  private head(chain: number): Flow | null {
    return this.segments[chain >>> SEGMENT_BITS]![chain & SEGMENT_MASK]!;
  }
  private setHead(chain: number, f: Flow | null): void {
    this.segments[chain >>> SEGMENT_BITS]![chain & SEGMENT_MASK] = f;
  }

  /** The owner of an inbound packet's 4-tuple. */
  find(p: Packet, sourcePort: number, destinationPort: number): Flow | null {
    let h = mix(this.seed, p.src3);
    h = mix(h, p.dst3);
    if (p.family === 6) h = mix(mix(mix(mix(mix(mix(h, p.src0), p.src1), p.src2), p.dst0), p.dst1), p.dst2);
    h = finalMix(mix(h, (sourcePort << 16) | destinationPort));
    for (let f = this.head(this.chains.of(h)); f !== null; f = f.hashNext) {
      if (f.hash !== h || f.remotePort !== sourcePort || f.localPort !== destinationPort) continue;
      const r = f.remote;
      const l = f.local;
      if (r.w3 !== p.src3 || l.w3 !== p.dst3) continue;
      if (p.family === 4) {
        if (f.family === 4) return f;
      } else if (r.w0 === p.src0 && r.w1 === p.src1 && r.w2 === p.src2 && l.w0 === p.dst0 && l.w1 === p.dst1 && l.w2 === p.dst2) {
        return f;
      }
    }
    return this.side === null ? null : this.side.find(p, h, sourcePort, destinationPort);
  }

  /** Who owns these ends; the IP layer's addresses of an ICMP error, or a connect that looks for a free 4-tuple. */
  lookup(local: IpAddress, localPort: number, remote: IpAddress, remotePort: number): Flow | null {
    const h = this.hashOf(local, localPort, remote, remotePort);
    for (let f = this.head(this.chains.of(h)); f !== null; f = f.hashNext) {
      if (f.hash !== h || f.remotePort !== remotePort || f.localPort !== localPort) continue;
      if (f.remote.equals(remote) && f.local.equals(local) && f.family === local.family) return f;
    }
    return this.side === null ? null : this.side.lookup(h, local, localPort, remote, remotePort);
  }

  private hashOf(local: IpAddress, localPort: number, remote: IpAddress, remotePort: number): number {
    let h = mix(this.seed, remote.w3);
    h = mix(h, local.w3);
    if (local.family === 6) h = mix(mix(mix(mix(mix(mix(h, remote.w0), remote.w1), remote.w2), local.w0), local.w1), local.w2);
    return finalMix(mix(h, (remotePort << 16) | localPort));
  }

  insert(f: Flow): void {
    f.hash = this.hashOf(f.local, f.localPort, f.remote, f.remotePort);
    const i = this.chains.of(f.hash);
    f.hashNext = this.head(i);
    this.setHead(i, f);
    f.inTable = true;
    this.counts[f.flowKind]! += 1;
    this.total++;
    while (this.total * CHAINS_EACH > this.chains.count) this.grow();
  }

  remove(f: Flow): void {
    if (!f.inTable) return;
    const i = this.chains.of(f.hash);
    let at = this.head(i);
    if (at === f) this.setHead(i, f.hashNext);
    else {
      while (at !== null && at.hashNext !== f) at = at.hashNext;
      if (at !== null) at.hashNext = f.hashNext;
    }
    f.hashNext = null;
    f.inTable = false;
    this.counts[f.flowKind]! -= 1;
    this.total--;
  }

  get size(): number {
    return this.total;
  }

  /** Every entry, for orderly shutdown and tests. */
  forEach(visit: (f: Flow) => void): void {
    for (let at = 0; at >= 0; ) at = this.visitChains(at, SEGMENT, visit);
  }

  /**
   * The entries of `count` chains from number `from` on, for work in pieces between packets: the number to go on with, -1 at the end.
   * Entries that come and go meanwhile may be missed, and ones that a growing table moves may be seen twice; no other is passed over.
   */
  visitChains(from: number, count: number, visit: (f: Flow) => void): number {
    const end = Math.min(from + count, this.chains.count);
    for (let i = from; i < end; i++) {
      for (let f = this.head(i); f !== null; ) {
        const next: Flow | null = f.hashNext;
        visit(f);
        f = next;
      }
    }
    return end < this.chains.count ? end : -1;
  }

  /** One chain more: the entries of the one that is split are dealt out. */
  private grow(): void {
    const i = this.chains.grow();
    const last = this.chains.count - 1;
    if (last >>> SEGMENT_BITS === this.segments.length) this.addSegment();
    let f = this.head(i);
    this.setHead(i, null);
    while (f !== null) {
      const next: Flow | null = f.hashNext;
      const to = this.chains.of(f.hash);
      f.hashNext = this.head(to);
      this.setHead(to, f);
      f = next;
    }
  }
}
