/**
 * Limits on what ICMP sends (RFC 1812 4.3.2.8; Linux's two buckets): one for the whole host, icmp_msgs_per_sec with a burst of
 * icmp_msgs_burst, and one per destination, one message per icmp_ratelimit ms with a burst of 6. Only the types of icmp_ratemask are
 * limited, and never "fragmentation needed".
 */
import { Icmp } from '../../mib/catalogue/index.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import type { Env } from '../core/env.js';
import { below } from '../core/random.js';
import { Sysctl } from '../core/sysctl.js';
import type { Peer, PeerTable } from '../ip/peer.js';
import { ICMP_KNOWN_TYPES, IcmpType, Unreachable } from '../wire/icmp.js';

const PEER_BURST = 6;
const MAX_GAP_US = 1_000_000;
const MIN_GAP_US = 20_000;

export class IcmpRateLimit {
  private readonly env: Env;
  private readonly peers: PeerTable;

  constructor(env: Env, peers: PeerTable) {
    this.env = env;
    this.peers = peers;
  }

  /** Is this type limited at all? */
  limited(type: number, code: number): boolean {
    if (type > ICMP_KNOWN_TYPES) return false;
    if (type === IcmpType.destinationUnreachable && code === Unreachable.fragmentationNeeded) return false;
    return ((this.env.sysctl.values[Sysctl.icmp_ratemask]! >>> type) & 1) === 1;
  }

  /** The bucket of the host; a refusal is counted. */
  global(owner: Owner): boolean {
    if (this.env.limits.hasToken || this.refill()) return true;
    owner.inc(Icmp.OutRateLimitGlobal);
    return false;
  }

  private refill(): boolean {
    const { limits, nowUs, sysctl } = this.env;
    const s = sysctl.values;
    return limits.refill(nowUs, s[Sysctl.icmp_msgs_per_sec]!, s[Sysctl.icmp_msgs_burst]!, MIN_GAP_US, MAX_GAP_US);
  }

  /**
   * The bucket of a destination; a refusal is counted. To ourselves (`loopback`) there is none. What passes takes from the host's bucket, a
   * little at random (Linux hides its level).
   */
  destination(address: number | string, loopback: boolean, owner: Owner): boolean {
    const cost = this.env.sysctl.values[Sysctl.icmp_ratelimit]! * 1000;
    return this.peer(this.peers.get(address, this.env.nowUs), cost, loopback, owner, Icmp.OutRateLimitHost);
  }

  /** The same for any bucket (ICMPv6 has peers, a cost and a counter of its own). */
  peer(peer: Peer, costUs: number, loopback: boolean, owner: Owner, refused: number): boolean {
    if (!loopback && costUs > 0 && !peer.allow(this.env.nowUs, costUs, PEER_BURST)) {
      owner.inc(refused);
      return false;
    }
    this.env.limits.takeTokens(below(this.env.random, 3));
    return true;
  }
}
