/**
 * SYN cookies (RFC 4987 3.6): when a listener's queue is full, the state of the handshake goes into the SYN-ACK's sequence number, and a
 * final ACK that brings it back makes the connection.
 *
 * The number is  F(4-tuple) + IRS + (minute << 24) + ((G(4-tuple, IRS, minute) + index of MSS) mod 2^24),  F and G keyed: whoever did not
 * see the SYN-ACK cannot make one, it rises with the peer's own number and with time, and is good for two minutes. What options were agreed is hidden in the low six bits of the
 * timestamp (window scale, SACK, ECN), which the peer echoes; without timestamps they are not agreed.
 */
import type { IpAddress } from '../core/address.js';
import { SipHash } from '../core/siphash.js';
import { Sysctl, type SysctlTable } from '../core/sysctl.js';
import { addresses, derive } from './isn.js';
import type { Request } from './request.js';

/** The MSS values that a cookie can say, by family. */
const MSS4 = [536, 1300, 1440, 1460] as const;
const MSS6 = [1220, 1360, 1420, 1440] as const;
/** A minute of the cookie clock, and how many it lives. */
const MINUTE_US = 60_000_000;
const MAX_AGE = 2;
/** How long after its last cookie a listener looks for them in ACKs. */
export const COOKIE_VALID_US = MAX_AGE * MINUTE_US;
const LOW24 = 0xffffff;

const TS_BITS = 6;
const TS_MASK = (1 << TS_BITS) - 1;
const TS_NO_WSCALE = 0xf;
const TS_SACK = 1 << 4;
const TS_ECN = 1 << 5;

export class SynCookies {
  private readonly base: SipHash;
  private readonly timed: SipHash;

  constructor(secret: Uint8Array) {
    this.base = new SipHash(derive(secret, 0xc0));
    this.timed = new SipHash(derive(secret, 0xc1));
  }

  private hash(
    h: SipHash,
    local: IpAddress,
    localPort: number,
    remote: IpAddress,
    remotePort: number,
    irs: number,
    minute: number,
  ): number {
    const n = addresses(h, local, remote);
    h.words[n] = ((remotePort << 16) | localPort) >>> 0;
    h.words[n + 1] = irs;
    h.words[n + 2] = minute;
    return h.hash(n + 3);
  }

  /** Our sequence number for a request, which also rounds its MSS down to one that the cookie can say. */
  make(r: Request, nowUs: number): number {
    const table = r.family === 4 ? MSS4 : MSS6;
    let index = table.length - 1;
    while (index > 0 && table[index]! > r.mss) index--;
    r.mss = table[index]!;
    const minute = Math.floor(nowUs / MINUTE_US) & 0xff;
    const fixed = this.hash(this.base, r.local, r.localPort, r.remote, r.remotePort, 0, 0);
    const timed = this.hash(this.timed, r.local, r.localPort, r.remote, r.remotePort, r.rcvIsn, minute);
    return (fixed + r.rcvIsn + minute * 2 ** 24 + ((timed + index) & LOW24)) >>> 0;
  }

  /** The MSS that a cookie stands for, 0 when it is none of ours or too old. */
  check(
    cookie: number,
    irs: number,
    local: IpAddress,
    localPort: number,
    remote: IpAddress,
    remotePort: number,
    nowUs: number,
  ): number {
    const fixed = this.hash(this.base, local, localPort, remote, remotePort, 0, 0);
    const rest = (cookie - fixed - irs) >>> 0;
    const now = Math.floor(nowUs / MINUTE_US);
    const age = (now - (rest >>> 24)) & 0xff;
    if (age >= MAX_AGE) return 0;
    const timed = this.hash(this.timed, local, localPort, remote, remotePort, irs, (now - age) & 0xff);
    const index = (rest - timed) & LOW24;
    const table = local.family === 4 ? MSS4 : MSS6;
    return index < table.length ? table[index]! : 0;
  }
}

/** The timestamp clock's value that says a request's options: at most now, so that echoes stay credible. */
export function encodeOptions(r: Request, clockMs: number): number {
  const options = (r.wscaleOk ? r.sndWscale : TS_NO_WSCALE) | (r.sackOk ? TS_SACK : 0) | (r.ecnOk ? TS_ECN : 0);
  let ts = (clockMs & ~TS_MASK) | options;
  if (ts >>> 0 > clockMs) ts -= 1 << TS_BITS;
  return ts >>> 0;
}

/** Reads them back from an echo with the offset taken off. False when they ask for what is switched off now. */
export function decodeOptions(r: Request, clock: number, sysctl: SysctlTable): boolean {
  const v = sysctl.values;
  if (!v[Sysctl.tcp_timestamps]) return false;
  r.tsOk = true;
  r.sackOk = (clock & TS_SACK) !== 0;
  if (r.sackOk && !v[Sysctl.tcp_sack]) return false;
  r.ecnOk = (clock & TS_ECN) !== 0 && v[Sysctl.tcp_ecn]! > 0;
  const scale = clock & TS_NO_WSCALE;
  if (scale === TS_NO_WSCALE) return true;
  r.wscaleOk = true;
  r.sndWscale = scale;
  return v[Sysctl.tcp_window_scaling] !== 0;
}
