/**
 * The multicast groups of a host of several stacks (core/siblings.ts), in memory that all map: which are joined on which device, and by how
 * many of the stacks. Frames to a group are taken wherever they come; routers are told of it by one stack, the speaker, who looks here for
 * what has come and gone, so that there is one report a host and one state of IGMP and MLD.
 *
 *   word 0 a lock for writers, 1 a count of changes, 2 slots in use; from word 4 the slots: members (0: free), device, the address's words
 *
 * Writers are rare and short. Readers take no lock: who looks while a slot is being written sees the group a moment too late.
 */
import { IpAddress } from './address.js';

const SLOTS = 512;
const Word = Object.freeze({ lock: 0, changes: 1, used: 2 });
const SLOTS_AT = 4;
const Slot = Object.freeze({ members: 0, device: 1, address: 2, size: 6 });
/** A writer that died holding the lock took the host with it; nobody waits for it for ever. */
const PATIENCE = 1_000_000;

export interface HostGroup {
  readonly device: number;
  readonly group: IpAddress;
}

export class HostGroups {
  private readonly words: Int32Array;
  /** What the speaker has told, and at which change. */
  private told = new Map<string, HostGroup>();
  private seen = 0;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
  }

  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer((SLOTS_AT + SLOTS * Slot.size) * 4);
  }

  /** Where the group is kept; -1 without. */
  private find(device: number, w0: number, w1: number, w2: number, w3: number): number {
    const w = this.words;
    const end = SLOTS_AT + w[Word.used]! * Slot.size;
    for (let at = SLOTS_AT; at < end; at += Slot.size) {
      const a = at + Slot.address;
      if (w[a + 3] !== (w3 | 0) || w[a + 2] !== (w2 | 0) || w[a + 1] !== (w1 | 0) || w[a] !== (w0 | 0)) continue;
      if (w[at + Slot.device] === device && w[at]! > 0) return at;
    }
    return -1;
  }

  isMember(device: number, w0: number, w1: number, w2: number, w3: number): boolean {
    return this.find(device, w0, w1, w2, w3) >= 0;
  }

  private lock(): void {
    for (let n = 0; n < PATIENCE && Atomics.compareExchange(this.words, Word.lock, 0, 1) !== 0; n++);
  }
  private unlock(): void {
    Atomics.store(this.words, Word.lock, 0);
  }

  /** One of the stacks is in the group now. Without a free slot only that stack knows of it. True: it is new to the host. */
  join(device: number, g: IpAddress): boolean {
    this.lock();
    const w = this.words;
    let at = this.find(device, g.w0, g.w1, g.w2, g.w3);
    const first = at < 0;
    if (first) at = this.take(device, g);
    if (at >= 0) w[at]!++;
    if (first && at >= 0) Atomics.add(w, Word.changes, 1);
    this.unlock();
    return first;
  }

  private take(device: number, g: IpAddress): number {
    const w = this.words;
    let slot = 0;
    while (slot < w[Word.used]! && w[SLOTS_AT + slot * Slot.size]! > 0) slot++;
    if (slot === SLOTS) return -1;
    const at = SLOTS_AT + slot * Slot.size;
    w[at + Slot.device] = device;
    w.set([g.w0, g.w1, g.w2, g.w3], at + Slot.address);
    if (slot === w[Word.used]) w[Word.used] = slot + 1;
    return at;
  }

  /** One of the stacks is not in the group any more. True: nobody is. */
  leave(device: number, g: IpAddress): boolean {
    this.lock();
    const w = this.words;
    const at = this.find(device, g.w0, g.w1, g.w2, g.w3);
    if (at >= 0) w[at]!--;
    const last = at >= 0 && w[at] === 0;
    if (last) Atomics.add(w, Word.changes, 1);
    this.unlock();
    return last;
  }

  /** All of a device's groups of a family. */
  list(device: number, family: 4 | 6): IpAddress[] {
    return this.all()
      .filter((g) => g.device === device && g.group.family === family)
      .map((g) => g.group);
  }

  private all(): HostGroup[] {
    const w = this.words;
    const found: HostGroup[] = [];
    this.lock();
    for (let slot = 0; slot < w[Word.used]!; slot++) {
      const at = SLOTS_AT + slot * Slot.size;
      if (w[at]! === 0) continue;
      const a = at + Slot.address;
      const six = w[a]! !== 0; // every group of IPv6 begins with ff
      const group = six ? new IpAddress(6, w[a]!, w[a + 1]!, w[a + 2]!, w[a + 3]!) : IpAddress.v4(w[a + 3]!);
      found.push({ device: w[at + Slot.device]!, group });
    }
    this.unlock();
    return found;
  }

  // --- the speaker's

  /** Something has come or gone that `changes` has not told yet. */
  get moved(): boolean {
    return Atomics.load(this.words, Word.changes) !== this.seen;
  }

  /** What has come and gone since the last call. */
  changes(tell: (g: HostGroup, joined: boolean) => void): void {
    this.seen = Atomics.load(this.words, Word.changes);
    const now = new Map(this.all().map((g) => [`${g.device} ${g.group}`, g]));
    const before = this.told;
    this.told = now;
    for (const [key, g] of now) if (!before.has(key)) tell(g, true);
    for (const [key, g] of before) if (!now.has(key)) tell(g, false);
  }
}
