/**
 * ICMP errors about our segments (RFC 1122 4.2.3.9, RFC 5461, RFC 5927, RFC 1191): soft on a connection that lives, hard on one that is opening;
 * only when the quoted sequence number is outstanding.
 */
import { TcpExt } from '../../mib/catalogue/index.js';
import { Errno } from '../core/errno.js';
import type { IcmpError } from '../ip/protocol.js';
import { PmtuDiscovery } from '../socket/ip-options.js';
import { currentSsthresh } from './congestion/window.js';
import type { Connection } from './connection.js';
import { Ca, INFINITE_SSTHRESH, Pending, TIMEOUT_INIT } from './constants.js';
import { done, purgeSendQueue } from './ending.js';
import { currentMss, syncMss } from './mss.js';
import { markLost } from './rack.js';
import { retransmitQueue } from './retransmit.js';
import { rtoMaxUs, updateRto } from './rtt.js';
import { after, before } from './seq.js';
import { TcpState } from './state.js';
import { advertisedMss } from './syn.js';
import { armTransmit, rtoDelta } from './timers.js';
import { setCaState } from './undo.js';

const UNREACHABLE4 = 3;
const FRAGMENTATION_NEEDED = 4;
const SOURCE_QUENCH4 = 4;
const REDIRECT4 = 5;
const TOO_BIG6 = 2;
const REDIRECT6 = 137;

export function icmpErrorInput(c: Connection, e: IcmpError): void {
  if (c.state === TcpState.CLOSE || !e.packet) return;
  const seq = e.packet.view.getUint32(e.transport + 4);
  const low = c.fastOpenServer ? c.iss : c.sndUna;
  if (before(seq, low) || after(seq, c.sndNxt)) {
    c.owner.inc(TcpExt.OutOfWindowIcmps);
    return;
  }
  if (e.family === 4 && e.type === SOURCE_QUENCH4) return; // RFC 6633: ignored
  if (e.type === (e.family === 4 ? REDIRECT4 : REDIRECT6)) return;
  const tooBig = e.family === 4 ? e.type === UNREACHABLE4 && e.code === FRAGMENTATION_NEEDED : e.type === TOO_BIG6;
  if (tooBig) {
    mtuReduced(c, e.info);
    return;
  }
  if (e.family === 4 && e.type === UNREACHABLE4 && e.code <= 1 && !c.fastOpenServer) revertBackoff(c, seq);
  if (c.state === TcpState.SYN_SENT || c.state === TcpState.SYN_RECV) {
    if (c.fastOpenServer && !e.fatal) return;
    c.error = e.errno;
    purgeSendQueue(c);
    const user = c.user;
    done(c);
    user?.onError(c);
    return;
  }
  if (c.settings.recvErr && c.user) {
    c.error = e.errno;
    c.user.onError(c);
  } else c.softError = e.errno;
}

/** RFC 6069: unreachable messages for retransmissions show that the path, not congestion, is to blame: one step of backoff is taken back. */
function revertBackoff(c: Connection, seq: number): void {
  const head = c.sendQueue.rtxHead;
  if (seq !== c.sndUna || c.retransmits === 0 || c.backoff === 0 || !head) return;
  c.backoff--;
  if (c.rtt.srttUs === 0)
    c.rtoUs = TIMEOUT_INIT; // no sample yet: of a peer whose round trips were remembered
  else updateRto(c);
  c.rtoUs = Math.min(c.rtoUs * 2 ** c.backoff, rtoMaxUs(c));
  const left = rtoDelta(c);
  if (left > 0) armTransmit(c, Pending.retransmit, left);
  else armTransmit(c, Pending.retransmit, 1);
}

/** RFC 1191: what was sent is too large; smaller, at once. */
function mtuReduced(c: Connection, mtu: number): void {
  if (!c.route) return;
  const mode = c.settings.pmtuDiscovery;
  c.tcp.network(c.family).updatePmtu(c.remote, mtu);
  if (!c.route.valid()) c.route = lookUp(c) ?? c.route;
  const now = c.route.mtu(c.env.nowUs);
  if (mode === PmtuDiscovery.dont || c.pmtu <= now) {
    if (c.pmtu > now) c.softError = Errno.EMSGSIZE;
    return;
  }
  syncMss(c, now);
  if (c.state === TcpState.SYN_SENT) c.advmss = Math.min(c.advmss, advertisedMss(c, c.route));
  simpleRetransmit(c);
}
function lookUp(c: Connection) {
  const r = c.tcp.network(c.family).route(c.remote, c.local, c.owner, false);
  return typeof r === 'number' ? null : r;
}

/** Segments that are too large are lost, without blame on congestion (RFC 1191 6.5). */
export function simpleRetransmit(c: Connection): void {
  const l = c.loss;
  // a SYN with data is two records here, neither too large: the message is about both
  const mss = c.synData && c.state === TcpState.SYN_SENT ? -1 : currentMss(c);
  for (let s = c.sendQueue.rtxHead; s !== null && s !== c.sendQueue.sendHead; s = s.next) {
    if ((s.pcount === 1 ? s.length : s.mss) > mss) markLost(c, s);
  }
  l.retransmitHint = null;
  if (l.lostOut === 0) return;
  if (!c.sackOk && l.sackedOut + l.lostOut > c.packetsOut) l.sackedOut = Math.max(0, c.packetsOut - l.lostOut);
  if (l.caState !== Ca.loss) {
    l.highSeq = c.sndNxt;
    c.sndSsthresh = Math.min(currentSsthresh(c), INFINITE_SSTHRESH);
    l.priorSsthresh = 0;
    l.undoMarked = false;
    setCaState(c, Ca.loss);
  }
  retransmitQueue(c);
}
