/**
 * One host, several stacks: each has a queue of the TAP, its own connections and its own ledger, and nothing in common but what is here, in
 * shared memory. The kernel steers a flow to the same queue nearly always, but not always; so a frame may come to a stack that does not know
 * whose it is. Then it is passed on.
 *
 *   rings     one for each ordered pair of stacks
 *   homes     a local port belongs to stack `port % count`: ports that nobody chose are picked so, and sockets on others are opened there
 *   fragments of one datagram meet at a home that their key says: the kernel's hash of fragments knows no ports, and its memory of flows may
 *             change between two of them
 *   groups    which multicast groups the host has joined, whoever joined them (host-groups.ts)
 *   addresses of IPv6: the speaker, stack 0, looks after them, asks for routers and reports groups, and the others follow (host-addresses.ts)
 *   limits    of the host as a whole (host-limits.ts)
 *   cookies   when a listener's last SYN cookie was sent: any stack may have to judge the one that comes back
 *
 * What passes and what does not is the network layers' business (ip/sharing.ts, ip6/sharing6.ts).
 */
import type { IpAddress } from './address.js';
import { FrameRing, Passed } from './frame-ring.js';
import { HostAddresses } from './host-addresses.js';
import { HostGroups } from './host-groups.js';
import { HostLimits } from './host-limits.js';
import type { Packet } from './packet.js';

/** Octets of a ring: sixteen super-frames, or some thousand small frames. */
const RING = 1 << 20;
const COOKIE_SLOTS = 1 << 16;
const NEVER_US = -1e15;

/** What all stacks of a host map. Plain, so that it can be posted to threads. */
export interface SiblingsMemory {
  readonly count: number;
  /** From stack `i` to stack `j` at i * count + j; a stack has none to itself. */
  readonly rings: readonly (SharedArrayBuffer | null)[];
  readonly groups: SharedArrayBuffer;
  readonly addresses: SharedArrayBuffer;
  readonly limits: SharedArrayBuffer;
  readonly cookies: SharedArrayBuffer;
  /** How many have nothing to end any more. */
  readonly finished: SharedArrayBuffer;
}

/** @param ringBytes a power of two */
export function createSiblingsMemory(count: number, ringBytes = RING): SiblingsMemory {
  const pairs = Array.from({ length: count * count }, (_, i) => Math.floor(i / count) !== i % count);
  return {
    count,
    rings: pairs.map((two) => (two ? FrameRing.memory(ringBytes) : null)),
    groups: HostGroups.memory(),
    addresses: HostAddresses.memory(),
    limits: HostLimits.memory(count),
    cookies: new SharedArrayBuffer(COOKIE_SLOTS * 8),
    finished: new SharedArrayBuffer(4),
  };
}

/** The ports of a range that are at home in one stack, by number. Reused. */
export class HomePorts {
  length = 0;
  private first = 0;
  private readonly count: number;

  constructor(count: number) {
    this.count = count;
  }
  /** @param high one past the last */
  set(low: number, high: number, index: number): void {
    this.first = low + ((index - (low % this.count) + this.count) % this.count);
    this.length = Math.max(0, Math.ceil((high - this.first) / this.count));
  }
  /** The nth, round and round. */
  port(n: number): number {
    return this.first + (n % this.length) * this.count;
  }
}

export class Siblings {
  readonly index: number;
  readonly count: number;
  /** What came with the frame that `take` gave last. */
  readonly passed: Passed = new Passed();
  /** It says for the host what one of them says: reports of groups, solicitations of routers, probes for duplicate addresses. */
  readonly speaks: boolean;
  readonly groups: HostGroups;
  readonly addresses: HostAddresses;
  readonly limits: HostLimits;
  private readonly to: (FrameRing | null)[] = [];
  private readonly from: FrameRing[] = [];
  private readonly cookies: Float64Array;
  private readonly finished: Int32Array;
  private readonly wake: (stack: number) => void;
  private readonly meta = new Passed();
  /** Stacks that were given something since they were last woken. */
  private readonly given: Uint8Array;
  private readonly homePorts: HomePorts;
  private turn = 0;

  /** @param wake tells a stack that something waits for it */
  constructor(memory: SiblingsMemory, index: number, wake: (stack: number) => void) {
    this.index = index;
    this.count = memory.count;
    this.speaks = index === 0;
    this.groups = new HostGroups(memory.groups);
    this.addresses = new HostAddresses(memory.addresses);
    this.limits = new HostLimits(memory.limits, index, memory.count);
    this.cookies = new Float64Array(memory.cookies);
    this.finished = new Int32Array(memory.finished);
    this.wake = wake;
    this.given = new Uint8Array(memory.count);
    this.homePorts = new HomePorts(memory.count);
    for (let k = 0; k < memory.count; k++) {
      const out = memory.rings[index * memory.count + k];
      const back = memory.rings[k * memory.count + index];
      this.to.push(out ? new FrameRing(out) : null);
      if (back) this.from.push(new FrameRing(back));
    }
  }

  // --- who is at home where

  /** Of the ports from `low` to before `high`, those that a socket here may get when it chose none. */
  homes(low: number, high: number): HomePorts {
    this.homePorts.set(low, high, this.index);
    return this.homePorts;
  }
  homeOf(port: number): number {
    return port % this.count;
  }
  /** Where the fragments of one datagram are put together. */
  fragmentHome(source: number, destination: number, protocol: number, id: number): number {
    let h = Math.imul(source ^ Math.imul(destination, 0x85ebca6b) ^ (id << 8) ^ protocol, 0x9e3779b1);
    h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35);
    return ((h ^ (h >>> 13)) >>> 0) % this.count;
  }
  /** Has everybody had it? */
  isLast(hops: number): boolean {
    return hops >= this.count - 1;
  }

  // --- frames

  /** To the next stack of the ring. False: there was no room. */
  passOn(p: Packet, from: number, end: number, kind: number, hops: number, note: number): boolean {
    const next = this.index + 1;
    return this.give(next === this.count ? 0 : next, p, from, end, kind, hops + 1, note);
  }

  /** To the one that it is for, who will not pass it on. */
  passTo(stack: number, p: Packet, from: number, end: number, kind: number, note: number): boolean {
    return this.give(stack, p, from, end, kind, this.count - 1, note);
  }

  /** A copy for everybody else. How many could not be given one. */
  tellAll(p: Packet, from: number, end: number, kind: number): number {
    let lost = 0;
    for (let k = 0; k < this.count; k++) {
      if (k !== this.index && !this.give(k, p, from, end, kind, this.count - 1, 0)) lost++;
    }
    return lost;
  }

  private give(stack: number, p: Packet, from: number, end: number, kind: number, hops: number, note: number): boolean {
    const m = this.meta;
    m.kind = kind;
    m.hops = hops;
    m.device = p.device!.index;
    m.note = note;
    if (!this.to[stack]!.put(p, from, end, m)) return false;
    this.given[stack] = 1;
    return true;
  }

  /** The next frame that was passed to us, from each sibling in turn. */
  take(p: Packet): boolean {
    const rings = this.from;
    for (let i = 0; i < rings.length; i++) {
      const ring = rings[this.turn]!;
      this.turn = this.turn + 1 === rings.length ? 0 : this.turn + 1;
      if (ring.take(p, this.passed)) return true;
    }
    return false;
  }

  waiting(): boolean {
    if (this.speaks ? this.groups.moved : this.addresses.moved) return true;
    for (let i = 0; i < this.from.length; i++) if (this.from[i]!.waiting()) return true;
    return false;
  }

  /** Wakes whoever was given something: once a batch. */
  flush(): void {
    for (let k = 0; k < this.given.length; k++) {
      if (this.given[k] === 0) continue;
      this.given[k] = 0;
      this.wake(k);
    }
  }

  // --- what the speaker says for all

  /** A stack becomes a member on a device; the speaker may have to tell routers. */
  joinGroup(device: number, group: IpAddress): void {
    if (this.groups.join(device, group) && !this.speaks) this.wake(0);
  }
  /** A stack is no member any more. */
  leaveGroup(device: number, group: IpAddress): void {
    if (this.groups.leave(device, group) && !this.speaks) this.wake(0);
  }
  /** The speaker has changed something that the others follow. */
  wakeAll(): void {
    for (let k = 0; k < this.count; k++) if (k !== this.index) this.wake(k);
  }

  // --- SYN cookies

  private cookieSlot(port: number, address: number): number {
    return (port ^ (Math.imul(address, 0x9e3779b1) >>> 16)) & (COOKIE_SLOTS - 1);
  }
  noteCookie(port: number, address: number, nowUs: number): void {
    this.cookies[this.cookieSlot(port, address)] = nowUs;
  }
  /** When a listener's last cookie was sent, by whomever. */
  lastCookieUs(port: number, address: number): number {
    return this.cookies[this.cookieSlot(port, address)] || NEVER_US;
  }

  // --- the end

  /** This stack has nothing to end any more; it goes on passing frames until nobody has. */
  finish(): void {
    Atomics.add(this.finished, 0, 1);
    this.wakeAll();
  }
  get allFinished(): boolean {
    return Atomics.load(this.finished, 0) >= this.count;
  }
}
