/**
 * Protective load balancing (Qureshi et al., SIGCOMM 2022; Linux's tcp_plb.c): a connection that sees congestion round after round draws
 * another flow label and so another path (tx-hash.ts), preferably while nothing is under way, when nothing can be reordered. After a
 * time-out it stays where it is for a while: the path of before may be dead. For a congestion control that knows the share of marked
 * segments; off unless net.ipv4.tcp_plb_enabled.
 */
import { TcpExt } from '../../../mib/catalogue/index.js';
import { below } from '../../core/random.js';
import { Sysctl } from '../../core/sysctl.js';
import type { Connection } from '../connection.js';
import { JIFFY, NEVER, SEC } from '../constants.js';
import { rethinkTxHash } from '../tx-hash.js';

/** A share of 1, as tcp_plb_cong_thresh counts. */
export const PLB_UNIT = 256;

export class Plb {
  /** Rounds in a row in which at least tcp_plb_cong_thresh was marked. */
  rounds = 0;
  /** No change of path before. */
  pauseUntilUs = NEVER;
}

/** A round trip is over, of whose segments `share` was marked. */
export function plbRound(c: Connection, s: Plb, share: number): void {
  const sysctl = c.env.sysctl.values;
  if (sysctl[Sysctl.tcp_plb_enabled] === 0) return;
  if (share < sysctl[Sysctl.tcp_plb_cong_thresh]!) s.rounds = 0;
  else if (s.rounds < sysctl[Sysctl.tcp_plb_rehash_rounds]!) s.rounds++;
}

/** Is it time for another path? */
export function plbCheck(c: Connection, s: Plb): void {
  const sysctl = c.env.sysctl.values;
  if (sysctl[Sysctl.tcp_plb_enabled] === 0) return;
  const forced = s.rounds >= sysctl[Sysctl.tcp_plb_rehash_rounds]!;
  const idleRounds = sysctl[Sysctl.tcp_plb_idle_rehash_rounds]!;
  const idle = idleRounds !== 0 && c.packetsOut === 0 && s.rounds >= idleRounds;
  if ((!forced && !idle) || c.env.nowUs < s.pauseUntilUs) return;
  rethinkTxHash(c);
  s.rounds = 0;
  c.needRare().rehashes++;
  c.owner.inc(TcpExt.TCPPLBRehash);
}

/** A time-out has changed the path already: between one and two times tcp_plb_suspend_rto_sec without. */
export function plbTimedOut(c: Connection, s: Plb): void {
  const sysctl = c.env.sysctl.values;
  if (sysctl[Sysctl.tcp_plb_enabled] === 0) return;
  const pauseUs = sysctl[Sysctl.tcp_plb_suspend_rto_sec]! * SEC;
  s.pauseUntilUs = c.env.nowUs + pauseUs + below(c.env.random, pauseUs / JIFFY) * JIFFY;
  s.rounds = 0;
}
