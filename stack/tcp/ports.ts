/**
 * Bound ports: RFC 9293 3.10.1 and the rules of bind(2) as Linux has them (SO_REUSEADDR, SO_REUSEPORT), and RFC 6056 for ports that
 * nobody chose.
 *
 * A port of its own choosing is taken from net.ipv4.ip_local_port_range by RFC 6056 3.3.4 (double hash): a keyed hash of the remote end
 * gives the place to start, a small table of counters keyed by another part of the hash moves it on, so that ports to one server rise
 * without telling what others use. Even ports are left to bind(2) where possible and odd ones to connect(2), as Linux does.
 *
 * Where several stacks are one host, each takes those whose home it is: then nobody needs to ask the others, and even and odd play no part.
 */
import type { IpAddress } from '../core/address.js';
import { Errno } from '../core/errno.js';
import { below, type Random } from '../core/random.js';
import type { HomePorts, Siblings } from '../core/siblings.js';
import { Sysctl, type SysctlTable } from '../core/sysctl.js';

/**
 * A claim on a port. A bound socket has one of its own; connections and TIME-WAIT entries with the same end share theirs, so that a listener's
 * hundred thousand children are one claim.
 */
export class Binding {
  readonly port: number;
  family: 4 | 6;
  /** What it is bound to; the any address for all. */
  address: IpAddress;
  reuseAddress: boolean;
  reusePort: boolean;
  v6Only = false;
  device = 0;
  listening = false;
  timeWait = false;
  /** Chosen by connect(): such ports may be shared by connections with different remote ends. */
  byConnect = false;
  /** A socket that was bound by number holds it beyond the life of its connection. */
  held = false;
  /** How many share it. */
  uses = 1;
  next: Binding | null = null;
  previous: Binding | null = null;

  constructor(port: number, address: IpAddress, reuseAddress: boolean, reusePort: boolean) {
    this.port = port;
    this.family = address.family;
    this.address = address;
    this.reuseAddress = reuseAddress;
    this.reusePort = reusePort;
  }
}

/** Could one packet's destination be meant by both? */
function overlap(a: Binding, b: Binding): boolean {
  if (a.device !== 0 && b.device !== 0 && a.device !== b.device) return false;
  if (a.family !== b.family) {
    const six = a.family === 6 ? a : b;
    return !six.v6Only && six.address.isAny();
  }
  return a.address.isAny() || b.address.isAny() || a.address.equals(b.address);
}

const PERTURB_SIZE = 256;

export class Ports {
  private readonly heads = new Map<number, Binding>();
  private readonly sysctl: SysctlTable;
  private readonly random: Random;
  private readonly siblings: Siblings | null;
  private readonly perturb: Uint32Array = new Uint32Array(PERTURB_SIZE);

  constructor(sysctl: SysctlTable, random: Random, siblings: Siblings | null = null) {
    this.sysctl = sysctl;
    this.random = random;
    this.siblings = siblings;
    for (let i = 0; i < PERTURB_SIZE; i++) this.perturb[i] = below(random, 0x10000);
  }

  /** May `b` have its port beside those that have it? `relax`: the port was asked for by number. */
  private conflicts(b: Binding, relax: boolean): boolean {
    for (let o = this.heads.get(b.port) ?? null; o !== null; o = o.next) {
      if (o === b || !overlap(b, o)) continue;
      const shareAddress = b.reuseAddress && o.reuseAddress && !o.listening;
      const sharePort = b.reusePort && o.reusePort;
      if (!shareAddress && !sharePort) return true;
      if (!relax && shareAddress && !sharePort) return true;
    }
    return false;
  }

  /** bind(2). Takes the port, or one of its own choosing for 0. The binding, or -EADDRINUSE. */
  bind(
    address: IpAddress,
    port: number,
    reuseAddress: boolean,
    reusePort: boolean,
    v6Only = false,
    device = 0,
  ): Binding | number {
    if (port !== 0) {
      const b = new Binding(port, address, reuseAddress, reusePort);
      b.v6Only = v6Only;
      b.device = device;
      if (this.conflicts(b, true)) return -Errno.EADDRINUSE;
      this.add(b);
      return b;
    }
    const low = this.sysctl.values[Sysctl.ip_local_port_range]!;
    const high = this.sysctl.values[Sysctl.ip_local_port_range + 1]! + 1;
    const span = high - low;
    if (this.siblings) return this.bindHome(this.siblings.homes(low, high), address, reuseAddress, reusePort, v6Only, device);
    const start = below(this.random, span) & ~1;
    for (let odd = 0; odd < 2; odd++) {
      for (let i = 0; i < span; i += 2) {
        const candidate = low + ((start + i) % span) + odd;
        if (candidate >= high) continue;
        const b = new Binding(candidate, address, reuseAddress, reusePort);
        b.v6Only = v6Only;
        b.device = device;
        if (this.conflicts(b, false)) continue;
        this.add(b);
        return b;
      }
    }
    return -Errno.EADDRINUSE;
  }

  private bindHome(
    homes: HomePorts,
    address: IpAddress,
    reuseAddress: boolean,
    reusePort: boolean,
    v6Only: boolean,
    device: number,
  ): Binding | number {
    const start = below(this.random, Math.max(homes.length, 1));
    for (let i = 0; i < homes.length; i++) {
      const b = new Binding(homes.port(start + i), address, reuseAddress, reusePort);
      b.v6Only = v6Only;
      b.device = device;
      if (this.conflicts(b, false)) continue;
      this.add(b);
      return b;
    }
    return -Errno.EADDRINUSE;
  }

  /** listen(2) asks again: two sockets may share a port by SO_REUSEADDR only until one of them listens. */
  listenConflict(b: Binding): boolean {
    return this.conflicts(b, true);
  }

  /**
   * connect(2) without bind: tries ports, starting where the keyed hash of the remote end says, until `free` says that the 4-tuple is.
   * Ports that were bound by number are left alone. The binding, or -EADDRNOTAVAIL.
   */
  connect(local: IpAddress, remoteHash: number, free: (port: number) => boolean): Binding | number {
    const low = this.sysctl.values[Sysctl.ip_local_port_range]!;
    const high = this.sysctl.values[Sysctl.ip_local_port_range + 1]! + 1;
    const span = high - low;
    const slot = remoteHash & (PERTURB_SIZE - 1);
    if (this.siblings) return this.connectHome(this.siblings.homes(low, high), local, remoteHash, free);
    const offset = ((this.perturb[slot]! + (remoteHash >>> 8)) % span) & ~1;
    for (let even = 0; even < 2; even++) {
      for (let i = 0; i < span; i += 2) {
        const candidate = low + ((offset + i) % span) + (1 - even);
        if (candidate >= high || !this.sharable(candidate) || !free(candidate)) continue;
        this.perturb[slot]! += i + 2;
        return this.attach(candidate, local, true);
      }
    }
    return -Errno.EADDRNOTAVAIL;
  }

  private connectHome(homes: HomePorts, local: IpAddress, remoteHash: number, free: (port: number) => boolean): Binding | number {
    const slot = remoteHash & (PERTURB_SIZE - 1);
    const start = this.perturb[slot]! + (remoteHash >>> 8);
    for (let i = 0; i < homes.length; i++) {
      const candidate = homes.port(start + i);
      if (!this.sharable(candidate) || !free(candidate)) continue;
      this.perturb[slot]! += i + 1;
      return this.attach(candidate, local, true);
    }
    return -Errno.EADDRNOTAVAIL;
  }

  private sharable(port: number): boolean {
    for (let o = this.heads.get(port) ?? null; o !== null; o = o.next) if (!o.byConnect) return false;
    return true;
  }

  /** Claims a port without asking: a connection made by connect(2) or by a listener, or its TIME-WAIT entry. */
  attach(
    port: number,
    address: IpAddress,
    byConnect: boolean,
    reuseAddress = false,
    reusePort = false,
    timeWait = false,
  ): Binding {
    for (let o = this.heads.get(port) ?? null; o !== null; o = o.next) {
      if (o.held || o.listening || o.byConnect !== byConnect || o.timeWait !== timeWait || !o.address.equals(address)) continue;
      if (o.reuseAddress !== reuseAddress || o.reusePort !== reusePort || o.family !== address.family) continue;
      o.uses++;
      return o;
    }
    const b = new Binding(port, address, reuseAddress, reusePort);
    b.byConnect = byConnect;
    b.timeWait = timeWait;
    this.add(b);
    return b;
  }

  private add(b: Binding): void {
    const head = this.heads.get(b.port) ?? null;
    b.next = head;
    if (head) head.previous = b;
    this.heads.set(b.port, b);
  }

  release(b: Binding): void {
    if (b.uses === 0 || --b.uses > 0) return;
    if (b.previous) b.previous.next = b.next;
    else if (b.next) this.heads.set(b.port, b.next);
    else this.heads.delete(b.port);
    if (b.next) b.next.previous = b.previous;
    b.next = null;
    b.previous = null;
  }

  /** A connection ends in TIME-WAIT: the entry's claim, beside that of a socket which still holds the port. */
  handOver(b: Binding | null, local: IpAddress): Binding | null {
    if (!b) return null;
    const own = this.attach(b.port, local, b.byConnect, b.reuseAddress, b.reusePort, true);
    if (!b.held) this.release(b);
    return own;
  }

  /** Has anybody this port? */
  inUse(port: number): boolean {
    return this.heads.has(port);
  }
}
