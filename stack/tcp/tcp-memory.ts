/**
 * The account of all connections' memory (net.ipv4.tcp_mem, in pages): below the first number nobody is bothered; above the second there is
 * pressure, in which buffers and windows stop growing and only those with less than their share get more, until it is below the first again;
 * above the third nobody gets more but what must not fail. As Linux's __sk_mem_raise_allocated. The account and the pressure are the host's: of
 * several stacks each adds what the others have shown (core/host-limits.ts), which under pressure is every page.
 */
import { TcpExt } from '../../mib/catalogue/index.js';
import { GAUGES_BASE, Gauge } from '../../mib/ledger/layout.js';
import type { Env } from '../core/env.js';
import { Account, type HostLimits } from '../core/host-limits.js';
import { Sysctl } from '../core/sysctl.js';
import type { Connection } from './connection.js';

const PAGE = 4096;
/** Pages by which a stack's part moves before the others see it: a sixteenth of Linux's reserve for a CPU. */
const STEP = 16;
/** SOCK_MIN_SNDBUF. */
export const MIN_SNDBUF = 4608;

export class TcpMemory {
  /** Pages granted to connections of this stack (/proc/net/sockstat's `mem`). */
  pages = 0;
  private readonly env: Env;
  private readonly limits: HostLimits;
  private readonly sockets: () => number;

  constructor(env: Env, sockets: () => number) {
    this.env = env;
    this.limits = env.limits;
    this.sockets = sockets;
  }

  get pressed(): boolean {
    return this.limits.pressed;
  }
  /** Neither pressure nor on the way to it: buffers may grow. */
  get plenty(): boolean {
    return !this.pressed && this.total < this.limit(0);
  }
  get exhausted(): boolean {
    return this.total > this.limit(2);
  }
  /** The host's pages. */
  private get total(): number {
    return this.pages + this.limits.others(Account.tcpPages);
  }
  private limit(i: number): number {
    return this.env.sysctl.values[Sysctl.tcp_mem + i]!;
  }

  private set(pages: number): void {
    this.pages = pages;
    this.env.ledger.cells[GAUGES_BASE + Gauge.tcpPages] = pages;
    this.limits.show(Account.tcpPages, pages, this.limits.pressed ? 1 : STEP);
  }
  /** The end of a batch: the other stacks see all of it. */
  showPart(): void {
    this.limits.show(Account.tcpPages, this.pages, 1);
    this.limits.show(Account.connections, this.sockets(), 1);
  }

  /** Pages that were granted whether there are any or not. */
  force(pages: number): void {
    this.set(this.pages + pages);
  }

  /** More pages for a connection, which has been given them already: `size` octets are wanted. False: it must give them back. */
  raise(c: Connection, pages: number, size: number, receive: boolean): boolean {
    this.set(this.pages + pages);
    const total = this.total;
    if (total <= this.limit(0)) {
      if (this.pressed) this.leave(c);
      return true;
    }
    if (total > this.limit(1) && !this.pressed) this.enter(c);
    if (total <= this.limit(2) && this.fair(c, receive)) return true;
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
    if (!this.pressed) return true;
    const own = Math.ceil((c.wmemQueued + c.rmemAlloc + c.forwardAlloc) / PAGE);
    return this.limit(2) > (this.sockets() + this.limits.others(Account.connections)) * own;
  }

  /** Pages that a connection gives back. */
  lower(c: Connection, pages: number): void {
    this.set(this.pages - pages);
    if (this.pressed && this.total < this.limit(0)) this.leave(c);
  }

  private enter(c: Connection): void {
    if (this.limits.beginPressure(this.env.nowUs)) c.owner.inc(TcpExt.TCPMemoryPressures);
  }
  private leave(c: Connection): void {
    const lastedUs = this.limits.endPressure(this.env.nowUs);
    if (lastedUs >= 0) c.owner.add(TcpExt.TCPMemoryPressuresChrono, Math.floor(lastedUs / 1000));
  }
}

/** The send buffer shrinks to half of what waits in it (sk_stream_moderate_sndbuf). */
function moderateSendBuffer(c: Connection): void {
  if (!c.settings.sndbufLocked) c.sndBuf = Math.max(Math.min(c.sndBuf, c.wmemQueued >> 1), MIN_SNDBUF);
}
