/**
 * The SYN-ACK (RFC 9293 3.10.7.2; options 7323, 2018, 7413) and the window that it offers.
 *
 * The first window is the share of the receive buffer that may be payload (half of it before anything is known of the peer's segments),
 * a multiple of the MSS; the scale is the smallest that can express the largest buffer auto-tuning may reach.
 */

import type { Owner } from '../../mib/ledger/ledger.js';
import { Errno } from '../core/errno.js';
import { Sysctl } from '../core/sysctl.js';
import { PmtuDiscovery } from '../socket/ip-options.js';
import { emitTcp, Flag, MAX_WSCALE, Opt, TCP_HEADER } from '../wire/tcp.js';
import { noLeftover, writeLeftover, writeSackPermitted, writeScale, writeSynAckOption } from './accecn-option.js';
import { Mark } from './accecn-state.js';
import { SILENT } from './authentication.js';
import type { TcpHost } from './contract.js';
import { beginSegment, defaultTtl, sendSegment, timestampMs } from './reply.js';
import type { Request } from './request.js';
import { newTxHash } from './tx-hash.js';

const MAX_OPTIONS = 40;
/** Experimental Fast Open option: kind 254, magic F989 (RFC 6994). */
const EXPERIMENTAL_MAGIC = 0xf989;

/** A Fast Open cookie to send along; bytes null for none. */
export class CookieOption {
  bytes: Uint8Array | null = null;
  experimental = false;
}

/** Linux's choice of the first window (bytes), its scale and its clamp. Reused result. */
export class InitialWindow {
  window = 0;
  scale = 0;
  clamp = 0;

  /** @param space payload share of the receive buffer  @param mss payload per segment, timestamps taken off  @param clamp 0: none  @param segments of the route's first window, 0: no bound */
  select(host: TcpHost, space: number, mss: number, clamp: number, wscaleOk: boolean, segments: number): void {
    const sysctl = host.env.sysctl.values;
    const bound = clamp || 0xffff * 2 ** MAX_WSCALE;
    let s = Math.min(bound, Math.max(0, space));
    if (s > mss) s -= s % mss;
    this.window = sysctl[Sysctl.tcp_workaround_signed_windows] ? Math.min(s, 32767) : s;
    if (segments > 0) this.window = Math.min(this.window, segments * mss);
    this.scale = 0;
    if (wscaleOk) {
      const largest = Math.min(Math.max(s, sysctl[Sysctl.tcp_rmem + 2]!, sysctl[Sysctl.rmem_max]!), bound);
      this.scale = Math.max(0, Math.min(MAX_WSCALE, 31 - Math.clz32(largest) - 15));
    }
    this.clamp = Math.min(0xffff * 2 ** this.scale, bound);
  }
}

/** Bytes that a Fast Open option takes. */
function cookieBytes(cookie: CookieOption | null): number {
  return cookie?.bytes ? ((cookie.experimental ? 4 : 2) + cookie.bytes.length + 3) & ~3 : 0;
}

/** Writes a Fast Open option, padded to four bytes. Its length, 0 when it does not fit. */
function writeCookie(v: DataView, at: number, room: number, cookie: CookieOption): number {
  const bytes = cookie.bytes!;
  const head = cookie.experimental ? 4 : 2;
  const length = head + bytes.length;
  const padded = (length + 3) & ~3;
  if (padded > room) return 0;
  v.setUint8(at, cookie.experimental ? Opt.EXP : Opt.FASTOPEN);
  v.setUint8(at + 1, length);
  if (cookie.experimental) v.setUint16(at + 2, EXPERIMENTAL_MAGIC);
  for (let i = 0; i < bytes.length; i++) v.setUint8(at + head + i, bytes[i]!);
  for (let i = length; i < padded; i++) v.setUint8(at + i, Opt.NOP);
  return padded;
}

/**
 * Sends a request's SYN-ACK; counts OutSegs. `tsClock` is the timestamp clock's value to use (a SYN cookie hides options in it), without
 * the offset. 0 or -errno.
 */
export function sendSynAck(host: TcpHost, r: Request, tsClock: number, cookie: CookieOption | null, owner: Owner): number {
  const out = beginSegment(host, r.local, r.remote);
  const settings = r.listener.settings;
  const v = out.view;
  const start = out.transport + TCP_HEADER;
  let at = start;
  const signer = r.listener.tcp.authentication.forSynAck(r);
  if (signer === SILENT) return -Errno.ENOENT;
  if (signer) {
    signer.reserve(out, at);
    at += signer.optionBytes;
    if (r.sackOk) r.tsOk = false; // SACK blocks would find no room beside both
  }
  v.setUint32(at, (Opt.MSS << 24) | (4 << 16) | r.advMss);
  at += 4;
  if (r.tsOk) {
    const tsVal = (tsClock + r.tsOffset) >>> 0;
    if (r.tsSentFirst === 0) r.tsSentFirst = tsVal;
    r.tsSentLast = tsVal;
    const lead = r.sackOk ? (Opt.SACK_PERM << 8) | 2 : (Opt.NOP << 8) | Opt.NOP;
    v.setUint32(at, (lead << 16) | (Opt.TS << 8) | 10);
    v.setUint32(at + 4, tsVal);
    v.setUint32(at + 8, r.tsRecent);
    at += 12;
  }
  const again = r.synAckUs !== 0;
  if (again && settings.txRehash) r.txHash = newTxHash(r.family, host.env.random);
  out.txHash = r.txHash;
  const alone = r.sackOk && !r.tsOk;
  noLeftover();
  if (r.accEcnOk && !again) {
    // a copy goes without: what is lost may be lost for its option (RFC 9768 3.2.3.2.1)
    const others = at - start + (alone ? 4 : 0) + (r.wscaleOk ? 4 : 0) + cookieBytes(cookie);
    at += writeSynAckOption(v, at, host.env.sysctl.values[Sysctl.tcp_ecn_option]!, others, alone, r.wscaleOk);
  }
  if (alone) at += writeSackPermitted(v, at);
  if (r.wscaleOk) at += writeScale(v, at, r.rcvWscale);
  at += writeLeftover(v, at);
  if (cookie?.bytes) at += writeCookie(v, at, start + MAX_OPTIONS - at, cookie);
  const flags = Flag.SYN | Flag.ACK | r.ecnFlags(again);
  emitTcp(out, r.localPort, r.remotePort, r.sndIsn, r.rcvNxt, flags, Math.min(r.rcvWnd, 0xffff), 0, at - start);
  out.df = settings.pmtuDiscovery !== PmtuDiscovery.dont;
  if (r.synAckUs === 0) r.synAckUs = host.env.nowUs;
  if (!r.route.valid()) {
    const route = host.network(r.family).route(r.remote, r.local, owner, true);
    if (typeof route === 'number') return route;
    r.route = route;
  }
  const ttl = settings.ttl >= 0 ? settings.ttl : defaultTtl(host, r.route);
  const tos =
    (host.env.sysctl.values[Sysctl.tcp_reflect_tos] ? r.synTos & ~3 : settings.tos) |
    (r.listener.congestion.needsEcn ? Mark.ect0 : 0);
  return sendSegment(host, out, at - start, flags, r.route, owner, ttl, tos, signer);
}

/** The same at the clock of now. */
export function sendSynAckNow(host: TcpHost, r: Request, cookie: CookieOption | null, owner: Owner): number {
  return sendSynAck(host, r, timestampMs(host.env.nowUs), cookie, owner);
}
