/**
 * Which way a connection's packets take through a network of equal paths. Routers choose by a hash that takes in IPv6's flow label (RFC 6438),
 * so a host that thinks its path is bad draws a new label and hopes for a better one (Linux's sk_rethink_txhash): after a time-out, when a
 * SYN or SYN-ACK is sent again, when the peer sends again under a new label what had arrived (then it is our ACKs that do not), and for load
 * balancing (congestion/plb.ts). Over IPv4 nothing of it shows on the wire; it is counted all the same, as Linux does.
 */
import { TcpExt } from '../../mib/catalogue/index.js';
import type { Packet } from '../core/packet.js';
import type { Random } from '../core/random.js';
import { flowLabel } from '../wire/ipv6.js';
import type { Connection } from './connection.js';
import { Ca } from './constants.js';

/** A hash for a connection or a request: a small integer, never 0, which stands for none; 0 over IPv4, where nobody would see it. */
export function newTxHash(family: 4 | 6, random: Random): number {
  return family === 6 ? random.u32() | 0 || 1 : 0;
}

/** Takes another way, unless SO_TXREHASH forbids. Says whether it did. */
export function rethinkTxHash(c: Connection): boolean {
  if (!c.settings.txRehash) return false;
  c.txHash = newTxHash(c.family, c.env.random);
  return true;
}

/** After a time-out. */
export function rehashAfterTimeout(c: Connection): void {
  if (!rethinkTxHash(c)) return;
  c.needRare().rehashes++;
  c.owner.inc(TcpExt.TcpTimeoutRehash);
}

/** The label under which the peer's data comes. */
export function noteFlowLabel(c: Connection, p: Packet): void {
  if (p.family === 6) c.lrcvFlowLabel = flowLabel(p);
}

/** Data that had arrived came again. In Loss state we are changing ways already, by the time-outs of our own. */
export function rehashAfterDuplicate(c: Connection, p: Packet): void {
  if (p.family !== 6) return;
  const label = flowLabel(p);
  if (label !== c.lrcvFlowLabel && c.loss.caState !== Ca.loss && rethinkTxHash(c)) c.owner.inc(TcpExt.TcpDuplicateDataRehash);
  c.lrcvFlowLabel = label;
}
