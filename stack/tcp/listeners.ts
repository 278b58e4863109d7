/** Listeners by port: the most exact address wins, then the any address of the packet's family, then a dual-stack IPv6 any address. */
import type { Packet } from '../core/packet.js';
import { ReuseportGroup } from '../socket/reuseport.js';
import type { Listener } from './listener.js';

/** The byte of a TCP header whose upper half is its length in words. */
const DATA_OFFSET_AT = 12;

/** How well a listener suits a packet's destination, 0 not at all. */
function score(l: Listener, p: Packet): number {
  const a = l.address;
  if (l.binding.device !== 0 && p.device !== null && l.binding.device !== p.device.index) return 0;
  const bound = l.binding.device !== 0 ? 8 : 0;
  if (l.family === p.family) {
    if (a.isAny()) return bound + 2;
    return a.w3 === p.dst3 && a.w2 === p.dst2 && a.w1 === p.dst1 && a.w0 === p.dst0 ? bound + 4 : 0;
  }
  return l.family === 6 && p.family === 4 && !l.binding.v6Only && a.isAny() ? bound + 1 : 0;
}

/** Of one SO_REUSEPORT group, when both asked for it. */
function alike(a: Listener, b: Listener): boolean {
  return a.family === b.family && a.binding.device === b.binding.device && a.address.equals(b.address);
}

export class ListenerTable {
  private readonly byPort = new Map<number, Listener>();

  /** The listener for a segment to `port`. Among equals of one SO_REUSEPORT group the 4-tuple's hash decides. */
  find(p: Packet, port: number, sourcePort: number): Listener | null {
    let best: Listener | null = null;
    let bestScore = 0;
    let equals = 0;
    for (let l = this.byPort.get(port) ?? null; l !== null; l = l.next) {
      const s = score(l, p);
      if (s === 0 || s < bestScore) continue;
      if (s > bestScore) {
        best = l;
        bestScore = s;
        equals = 1;
        continue;
      }
      equals++;
      const h = Math.imul(p.src3 ^ (sourcePort << 7) ^ (equals << 3), 0x9e3779b1) >>> 0;
      if (h < 0x1_0000_0000 / equals) best = l;
    }
    if (equals < 2 || best!.group === null) return best;
    return best!.group.choose(p, p.transport + (p.bytes[p.transport + DATA_OFFSET_AT]! >>> 4) * 4) ?? best;
  }

  /** Who of the SO_REUSEPORT group of `l`, which has closed, takes over what has this hash; null when nobody is left. */
  successor(l: Listener, hash: number): Listener | null {
    const group: Listener[] = [];
    for (let o = this.byPort.get(l.port) ?? null; o !== null; o = o.next) {
      if (o.binding.reusePort && alike(o, l)) group.push(o);
    }
    return group[Math.floor(((hash >>> 0) / 0x1_0000_0000) * group.length)] ?? null;
  }

  add(l: Listener): void {
    if (l.binding.reusePort) {
      l.group = this.groupFor(l) ?? new ReuseportGroup<Listener>(l.settings.groupProgram);
      l.group.members.push(l);
    }
    l.next = this.byPort.get(l.port) ?? null;
    this.byPort.set(l.port, l);
  }

  private groupFor(l: Listener): ReuseportGroup<Listener> | null {
    for (let o = this.byPort.get(l.port) ?? null; o !== null; o = o.next) if (o.group !== null && alike(o, l)) return o.group;
    return null;
  }

  remove(l: Listener): void {
    l.group?.leave(l);
    l.group = null;
    let at = this.byPort.get(l.port) ?? null;
    if (at === l) {
      if (l.next) this.byPort.set(l.port, l.next);
      else this.byPort.delete(l.port);
    } else {
      while (at !== null && at.next !== l) at = at.next;
      if (at) at.next = l.next;
    }
    l.next = null;
  }

  forEach(visit: (l: Listener) => void): void {
    for (const head of [...this.byPort.values()]) {
      for (let l: Listener | null = head; l !== null; ) {
        const next: Listener | null = l.next;
        visit(l);
        l = next;
      }
    }
  }
}
