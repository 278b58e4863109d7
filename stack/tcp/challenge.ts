/** RFC 5961: challenge ACKs, limited per connection (tcp_invalid_ratelimit) and per host (tcp_challenge_ack_limit); answers to segments out of window. */
import { TcpExt } from '../../mib/catalogue/index.js';
import { below } from '../core/random.js';
import { Sysctl } from '../core/sysctl.js';
import { Flag, type TcpHeader } from '../wire/tcp.js';
import type { Connection } from './connection.js';
import { NEVER, SEC } from './constants.js';
import { sendAckNow, sendAckOfSyn } from './output-segment.js';

const UNLIMITED = 0x7fffffff;

/** Has this connection answered too recently? Counts `counter` then. */
function limited(c: Connection, counter: number): boolean {
  const now = c.env.nowUs;
  if (c.lastOowAckUs !== NEVER) {
    const elapsed = now - c.lastOowAckUs;
    if (elapsed >= 0 && elapsed < c.env.sysctl.values[Sysctl.tcp_invalid_ratelimit]! * 1000) {
      c.owner.inc(counter);
      return true;
    }
  }
  c.lastOowAckUs = now;
  return false;
}
/** As above, but segments with data are never limited: they are no ACK loop. */
export function outOfWindowLimited(c: Connection, h: TcpHeader, counter: number): boolean {
  if (h.seq !== h.endSeq && (h.flags & Flag.SYN) === 0) return false;
  return limited(c, counter);
}

/** @param ofSyn it answers a SYN, whose codepoint AccECN tells */
export function challengeAck(c: Connection, ofSyn = false): void {
  if (limited(c, TcpExt.TCPACKSkippedChallenge)) return;
  const limit = c.env.sysctl.values[Sysctl.tcp_challenge_ack_limit]!;
  if (limit < UNLIMITED) {
    const host = c.tcp;
    const second = Math.floor(c.env.nowUs / SEC);
    if (second !== host.challengeStampUs) {
      // a random number around the limit, so that nobody can count on it (CVE-2016-5696)
      const half = (limit + 1) >> 1;
      host.challengeStampUs = second;
      host.challengeCount = half + below(c.env.random, limit);
    }
    if (host.challengeCount <= 0) return;
    host.challengeCount--;
  }
  c.owner.inc(TcpExt.TCPChallengeACK);
  if (ofSyn) sendAckOfSyn(c);
  else sendAckNow(c);
}
