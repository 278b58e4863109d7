/**
 * The account of all connections' memory (net.ipv4.tcp_mem, in pages): below the first number nobody is bothered; above the second there is
 * pressure, in which buffers and windows stop growing and only those with less than their share get more, until it is below the first again;
 * above the third nobody gets more but what must not fail. As Linux's __sk_mem_raise_allocated; the account is this stack's.
 */
import { TcpExt } from '../../mib/catalogue/index.js';
import { GAUGES_BASE, Gauge } from '../../mib/ledger/layout.js';
import type { Env } from '../core/env.js';
import { Sysctl } from '../core/sysctl.js';
import type { Connection } from './connection.js';

const PAGE = 4096;
/** SOCK_MIN_SNDBUF. */
export const MIN_SNDBUF = 4608;

export class TcpMemory {
  /** Pages granted to connections (/proc/net/sockstat's `mem`). */
  pages = 0;
  /** When pressure began, µs; -1 without. */
  private sinceUs = -1;
  private readonly env: Env;
  private readonly sockets: () => number;

  constructor(env: Env, sockets: () => number) {
    this.env = env;
    this.sockets = sockets;
  }

  get pressed(): boolean {
    return this.sinceUs >= 0;
  }
  /** Neither pressure nor on the way to it: buffers may grow. */
  get plenty(): boolean {
    return this.sinceUs < 0 && this.pages < this.limit(0);
  }
  get exhausted(): boolean {
    return this.pages > this.limit(2);
  }
  private limit(i: number): number {
    return this.env.sysctl.values[Sysctl.tcp_mem + i]!;
  }

  private set(pages: number): void {
    this.pages = pages;
    this.env.ledger.cells[GAUGES_BASE + Gauge.tcpPages] = pages;
  }

  /** Pages that were granted whether there are any or not. */
  force(pages: number): void {
    this.set(this.pages + pages);
  }

  /** More pages for a connection, which has been given them already: `size` octets are wanted. False: it must give them back. */
  raise(c: Connection, pages: number, size: number, receive: boolean): boolean {
    this.set(this.pages + pages);
    if (this.pages <= this.limit(0)) {
      if (this.sinceUs >= 0) this.leave(c);
      return true;
    }
    if (this.pages > this.limit(1) && this.sinceUs < 0) this.enter(c);
    if (this.pages <= this.limit(2) && this.fair(c, receive)) return true;
    if (!receive) {
      moderateSendBuffer(c);
      if (c.wmemQueued + size >= c.sndBuf) return true; // it is over its own bound, where it would wait anyway
    }
    this.set(this.pages - pages);
    return false;
  }

  /** Has it less than its minimum, or under pressure less than the average? */
  private fair(c: Connection, receive: boolean): boolean {
    const sysctl = this.env.sysctl.values;
    if (receive ? c.rmemAlloc < sysctl[Sysctl.tcp_rmem]! : c.wmemQueued < sysctl[Sysctl.tcp_wmem]!) return true;
    if (this.sinceUs < 0) return true;
    const own = Math.ceil((c.wmemQueued + c.rmemAlloc + c.forwardAlloc) / PAGE);
    return this.limit(2) > this.sockets() * own;
  }

  /** Pages that a connection gives back. */
  lower(c: Connection, pages: number): void {
    this.set(this.pages - pages);
    if (this.sinceUs >= 0 && this.pages < this.limit(0)) this.leave(c);
  }

  private enter(c: Connection): void {
    this.sinceUs = this.env.nowUs;
    c.owner.inc(TcpExt.TCPMemoryPressures);
  }
  private leave(c: Connection): void {
    c.owner.add(TcpExt.TCPMemoryPressuresChrono, Math.floor((this.env.nowUs - this.sinceUs) / 1000));
    this.sinceUs = -1;
  }
}

/** The send buffer shrinks to half of what waits in it (sk_stream_moderate_sndbuf). */
function moderateSendBuffer(c: Connection): void {
  if (!c.settings.sndbufLocked) c.sndBuf = Math.max(Math.min(c.sndBuf, c.wmemQueued >> 1), MIN_SNDBUF);
}
