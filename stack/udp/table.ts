/**
 * Which socket a datagram belongs to, and which ports are taken (RFC 6056 for the choice of ephemeral ones). Connected sockets are found
 * by their four addresses in one step; the others by local port, best match first: a bound address counts more than a wildcard, and of
 * equals the one bound last wins, as in Linux.
 */
import { ChainIndex, SEGMENT, SEGMENT_BITS, SEGMENT_MASK } from '../core/chain-index.js';
import type { Env } from '../core/env.js';
import type { Packet } from '../core/packet.js';
import { below } from '../core/random.js';
import type { HomePorts } from '../core/siblings.js';
import { Sysctl } from '../core/sysctl.js';
import type { ReuseportGroup } from '../socket/reuseport.js';
import type { UdpSocket } from './socket.js';

export class UdpTable {
  private readonly env: Env;
  /** Sockets by local port, the last bound first. */
  private readonly ports = new Map<number, UdpSocket[]>();
  /** Connected sockets, chained through `nextConnected`. */
  private readonly connected: (UdpSocket | null)[][] = [];
  private readonly chains: ChainIndex = new ChainIndex(SEGMENT);
  private connections = 0;
  /** The packet that is looked up, null when it is not at hand. */
  private packet: Packet | null = null;

  constructor(env: Env) {
    this.env = env;
    this.addSegment();
  }

  private addSegment(): void {
    this.connected.push(new Array<UdpSocket | null>(SEGMENT).fill(null));
  }
  private head(chain: number): UdpSocket | null {
    return this.connected[chain >>> SEGMENT_BITS]![chain & SEGMENT_MASK]!;
  }
  private setHead(chain: number, s: UdpSocket | null): void {
    this.connected[chain >>> SEGMENT_BITS]![chain & SEGMENT_MASK] = s;
  }

  /** Sockets bound to a port, or undefined. */
  at(port: number): readonly UdpSocket[] | undefined {
    return this.ports.get(port);
  }

  /** The SO_REUSEPORT group that a socket joins by being bound as it is; null when it is the first. */
  groupFor(s: UdpSocket): ReuseportGroup<UdpSocket> | null {
    for (const o of this.ports.get(s.localPort) ?? []) {
      const alike =
        o.family === s.family && o.v6Only === s.v6Only && o.boundDevice === s.boundDevice && o.localAny === s.localAny;
      if (o.group !== null && alike && o.localIs(s.local0, s.local1, s.local2, s.local3)) return o.group;
    }
    return null;
  }

  /** Would binding this socket to the port clash with another's? */
  conflicts(s: UdpSocket, port: number): boolean {
    const others = this.ports.get(port);
    if (!others) return false;
    for (const o of others) {
      if (o === s || !overlap(s, o)) continue;
      if (s.reuseAddress && o.reuseAddress) continue;
      if (s.reusePort && o.reusePort) continue;
      return true;
    }
    return false;
  }

  /** A random free port of ip_local_port_range, one at home here where several stacks are one host; 0 when all are taken. */
  ephemeral(s: UdpSocket): number {
    const low = this.env.sysctl.values[Sysctl.ip_local_port_range]!;
    const count = this.env.sysctl.values[Sysctl.ip_local_port_range + 1]! - low + 1;
    if (this.env.siblings) return this.ephemeralHome(s, this.env.siblings.homes(low, low + count));
    const first = below(this.env.random, count);
    for (let i = 0; i < count; i++) {
      const port = low + ((first + i) % count);
      if (!this.ports.has(port) || !this.conflicts(s, port)) return port;
    }
    return 0;
  }

  private ephemeralHome(s: UdpSocket, homes: HomePorts): number {
    const first = below(this.env.random, Math.max(homes.length, 1));
    for (let i = 0; i < homes.length; i++) {
      const port = homes.port(first + i);
      if (!this.ports.has(port) || !this.conflicts(s, port)) return port;
    }
    return 0;
  }

  add(s: UdpSocket): void {
    const there = this.ports.get(s.localPort);
    if (there) there.unshift(s);
    else this.ports.set(s.localPort, [s]);
  }

  remove(s: UdpSocket): void {
    const there = this.ports.get(s.localPort);
    const i = there ? there.indexOf(s) : -1;
    if (!there || i < 0) return;
    if (there.length === 1) this.ports.delete(s.localPort);
    else there.splice(i, 1);
  }

  addConnected(s: UdpSocket): void {
    this.chain(s);
    if (++this.connections > this.chains.count) this.grow();
  }

  removeConnected(s: UdpSocket): void {
    const i = this.chainOf(s);
    let previous: UdpSocket | null = null;
    for (let c = this.head(i); c; c = c.nextConnected) {
      if (c === s) {
        if (previous) previous.nextConnected = s.nextConnected;
        else this.setHead(i, s.nextConnected);
        s.nextConnected = null;
        this.connections--;
        return;
      }
      previous = c;
    }
  }

  /** The socket of an inbound unicast datagram. Ports as the packet has them. */
  find(p: Packet, sourcePort: number, destinationPort: number): UdpSocket | null {
    this.packet = p;
    const s = this.look(
      p.family,
      p.dst0,
      p.dst1,
      p.dst2,
      p.dst3,
      destinationPort,
      p.src0,
      p.src1,
      p.src2,
      p.src3,
      sourcePort,
      p.device ? p.device.index : 0,
    );
    this.packet = null;
    return s;
  }

  /** The same by words: local end first. */
  look(
    family: number,
    l0: number,
    l1: number,
    l2: number,
    l3: number,
    localPort: number,
    r0: number,
    r1: number,
    r2: number,
    r3: number,
    remotePort: number,
    device: number,
  ): UdpSocket | null {
    if (this.connections > 0) {
      for (let s = this.head(this.chains.of(hash(l3, localPort, r3, remotePort))); s; s = s.nextConnected) {
        if (s.localPort !== localPort || s.remotePort !== remotePort || !s.hears(family, device)) continue;
        if (s.localIs(l0, l1, l2, l3) && s.remoteIs(r0, r1, r2, r3)) return s;
      }
    }
    const there = this.ports.get(localPort);
    if (!there) return null;
    let best: UdpSocket | null = null;
    let bestScore = -1;
    let equals = 0;
    for (const s of there) {
      if (s.connected || !s.hears(family, device)) continue;
      if (!s.localAny && !s.localIs(l0, l1, l2, l3)) continue;
      const score = (s.localAny ? 0 : 4) + (s.boundDevice !== 0 ? 4 : 0) + (s.family === 4 ? 1 : 0);
      if (score > bestScore) {
        best = s;
        bestScore = score;
        equals = 1;
      } else if (score === bestScore && best!.reusePort && s.reusePort) equals++;
    }
    if (equals < 2) return best;
    const p = this.packet;
    const chosen = p !== null && best!.group !== null ? best!.group.choose(p, p.payload) : null;
    if (chosen !== null && !chosen.connected) return chosen;
    const flow = Math.imul(r3 ^ Math.imul(remotePort, 0x9e3779b1), 0x85ebca6b) >>> 0;
    return this.pick(there, best!, bestScore, flow % equals, family, device);
  }

  /** The nth of the SO_REUSEPORT sockets that are as good as `best`. */
  private pick(there: UdpSocket[], best: UdpSocket, score: number, nth: number, family: number, device: number): UdpSocket {
    for (const s of there) {
      if (s.connected || !s.reusePort || !s.hears(family, device) || s.localAny !== best.localAny) continue;
      if (!s.localAny && !s.localIs(best.local0, best.local1, best.local2, best.local3)) continue;
      if ((s.localAny ? 0 : 4) + (s.boundDevice !== 0 ? 4 : 0) + (s.family === 4 ? 1 : 0) !== score) continue;
      if (nth-- === 0) return s;
    }
    return best;
  }

  private chain(s: UdpSocket): void {
    const i = this.chainOf(s);
    s.nextConnected = this.head(i);
    this.setHead(i, s);
  }

  private chainOf(s: UdpSocket): number {
    return this.chains.of(hash(s.local3, s.localPort, s.remote3, s.remotePort));
  }

  /** One chain more: the sockets of the one that is split are dealt out. */
  private grow(): void {
    const i = this.chains.grow();
    const last = this.chains.count - 1;
    if (last >>> SEGMENT_BITS === this.connected.length) this.addSegment();
    let s = this.head(i);
    this.setHead(i, null);
    while (s !== null) {
      const next: UdpSocket | null = s.nextConnected;
      this.chain(s);
      s = next;
    }
  }
}

/** Of both ends' last address words and ports. */
function hash(local: number, localPort: number, remote: number, remotePort: number): number {
  let h = Math.imul(remote ^ Math.imul(local, 0x85ebca6b), 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15) ^ ((localPort << 16) | remotePort), 0xc2b2ae35);
  return h ^ (h >>> 13);
}

/** Could one datagram be meant for both? */
function overlap(a: UdpSocket, b: UdpSocket): boolean {
  if (a.boundDevice !== 0 && b.boundDevice !== 0 && a.boundDevice !== b.boundDevice) return false;
  if (a.family !== b.family && ((a.family === 6 && a.v6Only) || (b.family === 6 && b.v6Only))) return false;
  if (a.localAny || b.localAny) return true;
  return a.localIs(b.local0, b.local1, b.local2, b.local3);
}
