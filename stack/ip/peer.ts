/**
 * What is remembered per remote address (Linux's inet_peer): the token bucket that ICMP errors and redirects to it share, and the count of
 * its fragmented datagrams. Bounded; the oldest goes.
 */
const MAX_PEERS = 4096;
/** A new peer may have its whole burst at once. */
const FULL_US = 60_000_000;

export class Peer {
  /** Tokens in µs. */
  tokensUs = 0;
  lastUs: number;
  redirects = 0;
  /** Fragments seen from it, for ipfrag_max_dist. */
  fragments = 0;

  constructor(nowUs: number) {
    this.lastUs = nowUs - FULL_US;
  }

  /** One token of `costUs`, at most `burst` saved (inet_peer_xrlim_allow). */
  allow(nowUs: number, costUs: number, burst: number): boolean {
    let tokens = this.tokensUs + nowUs - this.lastUs;
    this.lastUs = nowUs;
    tokens = Math.min(tokens, burst * costUs);
    const ok = tokens >= costUs;
    this.tokensUs = ok ? tokens - costUs : tokens;
    return ok;
  }
}

export class PeerTable {
  private readonly map = new Map<number | string, Peer>();

  get(key: number | string, nowUs: number): Peer {
    let p = this.map.get(key);
    if (p) return p;
    if (this.map.size >= MAX_PEERS) this.map.delete(this.map.keys().next().value!);
    p = new Peer(nowUs);
    this.map.set(key, p);
    return p;
  }
  get size(): number {
    return this.map.size;
  }
}
