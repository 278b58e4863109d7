/**
 * TCP Fast Open (RFC 7413). A server's cookie is a keyed hash of the two addresses (4.1.2), so it keeps no state for it; the number of
 * connections made from SYNs and not yet acknowledged is bounded per listener (5.1), and one that was reset counts for a minute longer,
 * since spoofed SYNs with a stolen cookie end so. A client keeps one cookie per server (4.1.3).
 */
import { TcpExt } from '../../mib/catalogue/index.js';
import type { IpAddress } from '../core/address.js';
import type { Env } from '../core/env.js';
import type { Packet } from '../core/packet.js';
import { SipHash, swap32 } from '../core/siphash.js';
import { Sysctl } from '../core/sysctl.js';
import type { Connection } from './connection.js';
import { type FastOpenClient, FastOpenRequest, type FastOpenServer } from './contract.js';
import { derive } from './isn.js';
import type { Listener } from './listener.js';
import type { Request } from './request.js';

/** Bits of net.ipv4.tcp_fastopen. */
export const FastOpenBit = Object.freeze({
  client: 1,
  server: 2,
  clientNoCookie: 4,
  serverNoCookie: 0x200,
  serverWithoutOption: 0x400,
});
const COOKIE_BYTES = 8;
const RESET_PENALTY_US = 60_000_000;
const MAX_CACHED = 1024;

/** A listener's bound on connections that a SYN made. */
export class FastOpenQueue {
  /** TCP_FASTOPEN's value: 0 off. */
  limit = 0;
  length = 0;
  /** When the places of reset connections come free, oldest first. */
  private readonly penalties: number[] = [];

  /** Is there a place? One whose penalty is over is freed. Counts TCPFastOpenListenOverflow. */
  admits(listener: Listener): boolean {
    if (this.limit === 0) return false;
    if (this.length < this.limit) return true;
    const first = this.penalties[0];
    if (first === undefined || first > listener.tcp.env.nowUs) {
      listener.owner.inc(TcpExt.TCPFastOpenListenOverflow);
      return false;
    }
    this.penalties.shift();
    this.length--;
    return true;
  }

  /** A connection was acknowledged or died. */
  leave(nowUs: number, reset: boolean): void {
    if (reset) this.penalties.push(nowUs + RESET_PENALTY_US);
    else this.length--;
  }
}

/** The request behind a connection that a SYN made, until its final ACK. */
export class FastOpenChild implements FastOpenServer {
  private readonly listener: Listener;
  readonly request: Request;
  constructor(listener: Listener, request: Request) {
    this.listener = listener;
    this.request = request;
  }
  done(c: Connection, reset: boolean): void {
    if (c.fastOpenServer !== this) return;
    c.fastOpenServer = null;
    this.listener.fastOpen.leave(this.listener.tcp.env.nowUs, reset && !this.listener.closed);
  }
  resend(c: Connection): void {
    this.request.rcvNxt = c.rcvNxt;
    c.synAckUs = 0; // no RTT sample any more (Karn)
    c.totalRetrans++;
    this.listener.resendSynAck(this.request);
  }
}

/** Makes and checks cookies: one key, and the one before it after a change. */
export class FastOpenCookies {
  private primary: SipHash;
  private backup: SipHash | null = null;

  constructor(secret: Uint8Array) {
    this.primary = new SipHash(derive(secret, 0xf0));
  }

  /** net.ipv4.tcp_fastopen_key: `aaaaaaaa-bbbbbbbb-cccccccc-dddddddd[,backup]`. False when it is none. */
  setKeys(text: string): boolean {
    const keys = text.split(',').map(parseKey);
    if (keys.length > 2 || keys.some((k) => k === null)) return false;
    this.primary = new SipHash(keys[0]!);
    this.backup = keys[1] ? new SipHash(keys[1]) : null;
    return true;
  }

  /** One or two raw keys of 16 bytes (TCP_FASTOPEN_KEY). */
  setRawKeys(keys: Uint8Array): boolean {
    if (keys.length !== 16 && keys.length !== 32) return false;
    this.primary = new SipHash(keys.subarray(0, 16));
    this.backup = keys.length === 32 ? new SipHash(keys.subarray(16)) : null;
    return true;
  }

  /** The cookie of a client. */
  make(local: IpAddress, remote: IpAddress): Uint8Array {
    return cookieOf(this.primary, local, remote);
  }

  /** 1: made with the present key, 2: with the backup key, 0: neither. */
  check(p: Packet, at: number, length: number, local: IpAddress, remote: IpAddress): number {
    if (length !== COOKIE_BYTES) return 0;
    if (sameBytes(p, at, cookieOf(this.primary, local, remote))) return 1;
    if (this.backup && sameBytes(p, at, cookieOf(this.backup, local, remote))) return 2;
    return 0;
  }
}

function parseKey(text: string): Uint8Array | null {
  const words = text.trim().split('-');
  if (words.length !== 4 || words.some((w) => !/^[0-9a-fA-F]{1,8}$/.test(w))) return null;
  const key = new Uint8Array(16);
  const v = new DataView(key.buffer);
  for (const [i, w] of words.entries()) v.setUint32(i * 4, Number.parseInt(w, 16), true);
  return key;
}

function cookieOf(hash: SipHash, local: IpAddress, remote: IpAddress): Uint8Array {
  const w = hash.words;
  let n = 0;
  if (remote.family === 6) {
    w[n++] = swap32(remote.w0);
    w[n++] = swap32(remote.w1);
    w[n++] = swap32(remote.w2);
  }
  w[n++] = swap32(remote.w3);
  if (local.family === 6) {
    w[n++] = swap32(local.w0);
    w[n++] = swap32(local.w1);
    w[n++] = swap32(local.w2);
  }
  w[n++] = swap32(local.w3);
  hash.hash(n);
  const cookie = new Uint8Array(COOKIE_BYTES);
  const v = new DataView(cookie.buffer);
  v.setUint32(0, hash.low, true);
  v.setUint32(4, hash.high, true);
  return cookie;
}

function sameBytes(p: Packet, at: number, cookie: Uint8Array): boolean {
  for (let i = 0; i < cookie.length; i++) if (p.bytes[at + i] !== cookie[i]) return false;
  return true;
}

class CachedCookie {
  mss = 0;
  cookie: Uint8Array | null = null;
  experimental = false;
  /** Set when a server answered a request without a cookie: 1, the experimental option is tried next; 2, it was no better. */
  tryExperimental = 0;
}

/** The client's memory of servers, bounded: the oldest goes. */
export class FastOpenCache implements FastOpenClient {
  private readonly env: Env;
  private readonly byServer = new Map<number | string, CachedCookie>();
  /** Fast Open is not tried before this time after a black hole was met (0 never). */
  private disabledUntilUs = 0;
  private disables = 0;

  constructor(env: Env) {
    this.env = env;
  }

  /** What a connect to `remote` should do, null when Fast Open is not to be used. */
  request(remote: IpAddress, noCookieOption: boolean): FastOpenRequest | null {
    const bits = this.env.sysctl.values[Sysctl.tcp_fastopen]!;
    if ((bits & FastOpenBit.client) === 0 || this.env.nowUs < this.disabledUntilUs) return null;
    const r = new FastOpenRequest();
    const known = this.byServer.get(keyOf(remote));
    if (known) {
      r.mss = known.mss;
      r.cookie = known.cookie;
      r.experimental = known.cookie ? known.experimental : known.tryExperimental === 1;
    }
    if (bits & FastOpenBit.clientNoCookie || noCookieOption) {
      r.noCookie = true;
      r.cookie = null;
    }
    return r;
  }

  remember(
    c: Connection,
    mss: number,
    p: Packet | null,
    at: number,
    length: number,
    experimental: boolean,
    synDrop: boolean,
  ): void {
    const key = keyOf(c.remote);
    let e = this.byServer.get(key);
    if (!e) {
      if (this.byServer.size >= MAX_CACHED) this.byServer.delete(this.byServer.keys().next().value!);
      e = new CachedCookie();
      this.byServer.set(key, e);
    }
    if (mss > 0) e.mss = mss;
    if (p && length > 0) {
      e.cookie = p.bytes.slice(at, at + length);
      e.experimental = experimental;
      e.tryExperimental = 0;
    } else if (length === -1 && !synDrop && e.cookie === null) {
      // the server did not understand the option: ask with the other kind next time
      e.tryExperimental = experimental ? 2 : e.tryExperimental || 1;
    }
  }

  blackhole(c: Connection): void {
    const timeout = this.env.sysctl.values[Sysctl.tcp_fastopen_blackhole_timeout_sec]!;
    if (timeout === 0) return;
    this.disabledUntilUs = this.env.nowUs + timeout * 1e6 * 2 ** Math.min(this.disables, 6);
    this.disables++;
    c.owner.inc(TcpExt.TCPFastOpenBlackhole);
  }

  flush(): void {
    this.byServer.clear();
  }
}

function keyOf(a: IpAddress): number | string {
  return a.family === 4 ? a.w3 : a.toString();
}
