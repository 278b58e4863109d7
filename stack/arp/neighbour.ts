/**
 * The neighbour table (RFC 1122 2.3.2, RFC 4861 7.3 in Linux's shape): who is behind an address on a link, and whether that is still so.
 * Nothing here knows ARP or IPv6 neighbour discovery: a `Solicitor` asks, `update` takes what was learned.
 *
 *   INCOMPLETE  asking by multicast or broadcast; packets wait in a bounded queue
 *   REACHABLE   confirmed less than reachable_time ago
 *   STALE       known, but old: usable, and the first use starts DELAY
 *   DELAY       in use; upper layers have delay_first_probe_time to confirm it
 *   PROBE       asking by unicast
 *   FAILED      nobody answered: what waited was given back as unreachable
 */
import { Dev } from '../../mib/catalogue/interface.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import type { IpAddress } from '../core/address.js';
import type { Env } from '../core/env.js';
import { HEADROOM, Packet } from '../core/packet.js';
import { below } from '../core/random.js';
import { Sysctl } from '../core/sysctl.js';
import { Timer, type TimerHandler } from '../core/timer.js';
import { transmitTruesize } from '../core/truesize.js';
import type { NetDevice } from '../ip/device.js';
import type { Hop, HopTable } from '../ip/hop.js';
import { addressKey } from '../ip/path.js';
import { EtherType, emitEthernet, formatMac } from '../wire/ethernet.js';

/** Linux's NUD_* numbers. */
export const Nud = Object.freeze({
  none: 0,
  incomplete: 1,
  reachable: 2,
  stale: 4,
  delay: 8,
  probe: 16,
  failed: 32,
  permanent: 128,
});
/** There is an address to send to. */
const VALID = Nud.permanent | Nud.reachable | Nud.probe | Nud.stale | Nud.delay;
const CONNECTED = Nud.permanent | Nud.reachable;
const IN_TIMER = Nud.incomplete | Nud.reachable | Nud.delay | Nud.probe;
/** An address that changed within this time does not change again (locktime). */
const LOCKTIME_US = 1_000_000;
const MIN_RETRANS_US = 10_000;
const REDRAW_US = 300_000_000;

const stateNames = new Map<number, string>(Object.entries(Nud).map(([name, n]) => [n, name.toUpperCase()]));

/** Where the table's sysctls lie: each family has its own. */
export interface NeighbourSettings {
  readonly ucastSolicit: number;
  readonly mcastSolicit: number;
  readonly retransTimeMs: number;
  readonly baseReachableTimeMs: number;
  readonly delayFirstProbeTime: number;
  readonly unresQlenBytes: number;
  readonly gcThresh3: number;
}
const SETTINGS4: NeighbourSettings = {
  ucastSolicit: Sysctl.ucast_solicit,
  mcastSolicit: Sysctl.mcast_solicit,
  retransTimeMs: Sysctl.retrans_time_ms,
  baseReachableTimeMs: Sysctl.base_reachable_time_ms,
  delayFirstProbeTime: Sysctl.delay_first_probe_time,
  unresQlenBytes: Sysctl.unres_qlen_bytes,
  gcThresh3: Sysctl.gc_thresh3,
};

export interface Solicitor {
  /** Asks for n.address; by unicast to the address known so far when `unicast`. */
  solicit(n: Neighbour, unicast: boolean): void;
  /** Nobody answered for this packet (its data at the network header). */
  unreachable(p: Packet, owner: Owner): void;
}

/** A row of the table for `tsnetstat`, SNMP (ipNetToPhysicalTable) and REST. */
export interface NeighbourInfo {
  readonly family: 4 | 6;
  readonly address: string;
  /** Null while it is not known. */
  readonly mac: string | null;
  readonly state: string;
  readonly device: string;
  readonly ifindex: number;
  readonly router: boolean;
  readonly updatedUs: number;
}

interface Waiting {
  readonly packet: Packet;
  readonly owner: Owner;
  /** Its share of queuedBytes. */
  readonly size: number;
}

export class Neighbour implements Hop, TimerHandler {
  readonly table: NeighbourTable;
  readonly device: NetDevice;
  readonly address: IpAddress;
  state: number = Nud.none;
  macHigh = 0;
  macLow = 0;
  probes = 0;
  usedUs = 0;
  confirmedUs = 0;
  updatedUs = 0;
  dead = false;
  /** It says that it is a router (RFC 4861 7.3.3). */
  router = false;
  private prompting: Packet | null = null;
  queuedBytes = 0;
  private readonly waiting: Waiting[] = [];
  private readonly timer: Timer;

  constructor(table: NeighbourTable, device: NetDevice, address: IpAddress) {
    this.table = table;
    this.device = device;
    this.address = address;
    this.timer = new Timer(this, 0);
    this.usedUs = table.env.nowUs;
    this.updatedUs = table.env.nowUs;
  }

  get valid(): boolean {
    return (this.state & VALID) !== 0;
  }

  output(p: Packet, owner: Owner): number {
    if ((this.state & CONNECTED) === 0) {
      this.prompting = p;
      const ready = this.event();
      this.prompting = null;
      if (!ready) {
        this.enqueue(p, owner);
        return 0;
      }
    }
    this.usedUs = this.table.env.nowUs;
    return this.send(p, owner);
  }

  private send(p: Packet, owner: Owner): number {
    const d = this.device;
    emitEthernet(p, this.macHigh, this.macLow, d.macHigh, d.macLow, this.table.etherType);
    return d.transmit(p, owner);
  }

  waitingBytes(protocol: number): number {
    let n = 0;
    for (let i = 0; i < this.waiting.length; i++) if (this.waiting[i]!.packet.protocol === protocol) n += this.waiting[i]!.size;
    return n;
  }

  /** The packet because of which it is being asked for: the one at hand, else the last that waits. */
  get cause(): Packet | null {
    return this.prompting ?? this.waiting[this.waiting.length - 1]?.packet ?? null;
  }

  holds(owner: Owner): boolean {
    return this.waiting.some((w) => w.owner === owner);
  }

  heldData(owner: Owner, overhead: number): number {
    let n = 0;
    for (let i = 0; i < this.waiting.length; i++) {
      const w = this.waiting[i]!;
      const data = w.packet.tail - w.packet.payload;
      if (w.owner === owner && data > 0) n += data + overhead;
    }
    return n;
  }

  heldBytes(owner: Owner): number {
    let n = 0;
    for (let i = 0; i < this.waiting.length; i++) if (this.waiting[i]!.owner === owner) n += this.waiting[i]!.size;
    return n;
  }

  confirm(): void {
    if (this.valid) this.confirmedUs = this.table.env.nowUs;
  }

  /** A packet wants to go (neigh_event_send). True: it may go now. */
  event(): boolean {
    const t = this.table;
    const now = t.env.nowUs;
    this.usedUs = now;
    if ((this.state & (CONNECTED | Nud.delay | Nud.probe)) !== 0) return true;
    if (this.state === Nud.stale) {
      this.enter(Nud.delay, now + t.delayProbeUs());
      return true;
    }
    if (this.state !== Nud.incomplete) {
      this.probes = t.setting(t.settings.ucastSolicit);
      this.enter(Nud.incomplete, now + t.retransUs());
      this.ask();
    }
    return false;
  }

  /** The one door for states. */
  private enter(state: number, deadlineUs: number): void {
    this.state = state;
    this.updatedUs = this.table.env.nowUs;
    if ((state & IN_TIMER) !== 0) this.table.env.timers.arm(this.timer, deadlineUs);
    else this.table.env.timers.cancel(this.timer);
  }

  private ask(): void {
    const unicast = this.probes < this.table.setting(this.table.settings.ucastSolicit) && (this.state & VALID) !== 0;
    this.probes++;
    this.table.solicitor.solicit(this, unicast);
  }

  private enqueue(p: Packet, owner: Owner): void {
    const size = transmitTruesize(p.tail - p.data);
    const limit = this.table.setting(this.table.settings.unresQlenBytes);
    while (this.waiting.length > 0 && this.queuedBytes + size > limit) this.dropOldest();
    const copy = new Packet(Math.max(p.tail, HEADROOM));
    copy.copyFrom(p);
    this.waiting.push({ packet: copy, owner, size });
    this.queuedBytes += size;
  }

  private dropOldest(): void {
    const w = this.waiting.shift()!;
    this.queuedBytes -= w.size;
    this.table.discards++;
    this.device.cells.inc(Dev.txDrop);
  }

  onTimer(_kind: number, nowUs: number): void {
    const t = this.table;
    if (this.state === Nud.reachable) {
      const until = this.confirmedUs + t.reachableUs();
      if (nowUs < until) this.rearm(until);
      else if (nowUs <= this.usedUs + t.delayProbeUs()) this.enter(Nud.delay, nowUs + t.delayProbeUs());
      else this.enter(Nud.stale, 0);
      return;
    }
    if (this.state === Nud.delay) {
      if (nowUs <= this.confirmedUs + t.delayProbeUs()) {
        this.enter(Nud.reachable, this.confirmedUs + t.reachableUs());
        return;
      }
      this.probes = 0;
      this.enter(Nud.probe, nowUs + t.retransUs());
      this.ask();
      return;
    }
    if ((this.state & (Nud.probe | Nud.incomplete)) === 0) return;
    const max = t.setting(t.settings.ucastSolicit) + (this.state === Nud.incomplete ? t.setting(t.settings.mcastSolicit) : 0);
    if (this.probes >= max) {
      this.fail();
      return;
    }
    this.rearm(nowUs + t.retransUs());
    this.ask();
  }

  private rearm(deadlineUs: number): void {
    this.table.env.timers.arm(this.timer, deadlineUs);
  }

  private fail(): void {
    this.enter(Nud.failed, 0);
    // A report may start a new resolution: then what is left waits for that one.
    while (this.state === Nud.failed && this.waiting.length > 0) {
      const w = this.waiting.shift()!;
      this.queuedBytes -= w.size;
      this.table.solicitor.unreachable(w.packet, w.owner);
    }
  }

  /**
   * Something was heard of the neighbour (neigh_update): its address and whether that confirms it. `weak` (RFC 4861 7.2.5): another address
   * that must not replace the one known makes a neighbour STALE that was held to be reachable.
   */
  learn(macHigh: number, macLow: number, state: number, override: boolean, weak = false): void {
    const now = this.table.env.nowUs;
    const wasValid = this.valid;
    const same = this.macHigh === macHigh && this.macLow === macLow;
    if (this.state === Nud.permanent) return;
    if (wasValid && !same && !override) {
      if (weak && (this.state & CONNECTED) !== 0) this.enter(Nud.stale, 0);
      return;
    }
    const next = wasValid && same && state === Nud.stale ? this.state : state;
    if ((next & CONNECTED) !== 0) this.confirmedUs = now;
    if (!same) {
      this.macHigh = macHigh;
      this.macLow = macLow;
      this.updatedUs = now;
      if ((next & CONNECTED) === 0) this.confirmedUs = now - 2 * this.table.baseReachableUs();
    }
    if (next !== this.state) this.enter(next, now + this.table.reachableUs());
    else if (next === Nud.reachable) this.rearm(this.confirmedUs + this.table.reachableUs());
    if (!wasValid) this.flush();
  }

  private flush(): void {
    while (this.waiting.length > 0 && this.valid) {
      const w = this.waiting.shift()!;
      this.queuedBytes -= w.size;
      this.output(w.packet, w.owner);
    }
  }

  /** May its address be replaced already? */
  unlocked(): boolean {
    return this.table.env.nowUs > this.updatedUs + LOCKTIME_US;
  }

  /** Makes it fixed (ip neigh add … nud permanent). */
  fix(macHigh: number, macLow: number): void {
    this.macHigh = macHigh;
    this.macLow = macLow;
    this.enter(Nud.permanent, 0);
    this.flush();
  }

  get idle(): boolean {
    return this.waiting.length === 0 && (this.state & (Nud.stale | Nud.failed | Nud.none)) !== 0;
  }

  release(): void {
    this.dead = true;
    this.table.env.timers.cancel(this.timer, true);
    while (this.waiting.length > 0) this.dropOldest();
  }

  info(): NeighbourInfo {
    return {
      family: this.address.family,
      address: this.address.toString(),
      mac: this.valid ? formatMac(this.macHigh, this.macLow) : null,
      state: stateNames.get(this.state) ?? 'NONE',
      device: this.device.name,
      ifindex: this.device.index,
      router: this.router,
      updatedUs: this.updatedUs,
    };
  }
}

export class NeighbourTable implements HopTable {
  readonly env: Env;
  readonly solicitor: Solicitor;
  readonly etherType: number;
  readonly settings: NeighbourSettings;
  /** Packets pushed out of full queues (Linux's unres_discards). */
  discards = 0;
  private drawnUs = 0;
  private drawnBaseUs = -1;
  private drawnAtUs = 0;
  private readonly byDevice: Map<number | string, Neighbour>[] = [];
  private count = 0;

  constructor(env: Env, solicitor: Solicitor, etherType: number = EtherType.ipv4, settings: NeighbourSettings = SETTINGS4) {
    this.env = env;
    this.settings = settings;
    this.solicitor = solicitor;
    this.etherType = etherType;
  }

  setting(index: number): number {
    return this.env.sysctl.values[index]!;
  }
  retransUs(): number {
    return Math.max(this.setting(this.settings.retransTimeMs) * 1000, MIN_RETRANS_US);
  }
  delayProbeUs(): number {
    return this.setting(this.settings.delayFirstProbeTime) * 1_000_000;
  }
  baseReachableUs(): number {
    return this.setting(this.settings.baseReachableTimeMs) * 1000;
  }
  /** Base reachable time times a random factor in [0.5, 1.5) (RFC 4861 6.3.2), drawn anew every five minutes. */
  reachableUs(): number {
    const base = this.baseReachableUs();
    const now = this.env.nowUs;
    if (base !== this.drawnBaseUs || now - this.drawnAtUs > REDRAW_US) {
      this.drawnBaseUs = base;
      this.drawnAtUs = now;
      this.drawnUs = Math.floor(base / 2) + below(this.env.random, Math.max(base, 1));
    }
    return this.drawnUs;
  }

  find(device: NetDevice, address: IpAddress): Neighbour | null {
    return this.byDevice[device.index]?.get(addressKey(address)) ?? null;
  }

  /** The neighbour, made when it is not there; null when the table is full of entries in use. */
  hop(device: NetDevice, address: IpAddress): Neighbour | null {
    const found = this.find(device, address);
    if (found) return found;
    if (this.count >= this.setting(this.settings.gcThresh3) && !this.collect()) return null;
    let map = this.byDevice[device.index];
    if (!map) {
      map = new Map();
      this.byDevice[device.index] = map;
    }
    const n = new Neighbour(this, device, address);
    map.set(addressKey(address), n);
    this.count++;
    return n;
  }

  usable(device: NetDevice, address: IpAddress): boolean {
    const n = this.hop(device, address);
    if (!n) return false;
    if (!n.valid) n.event();
    return n.valid;
  }

  /** Makes room: the entry out of use that was used longest ago goes. False: all are in use. */
  private collect(): boolean {
    let oldest: Neighbour | null = null;
    for (const map of this.byDevice) {
      if (!map) continue;
      for (const n of map.values()) if (n.idle && (!oldest || n.usedUs < oldest.usedUs)) oldest = n;
    }
    if (!oldest) return false;
    this.remove(oldest);
    return true;
  }

  remove(n: Neighbour): void {
    const map = this.byDevice[n.device.index];
    if (!map?.delete(addressKey(n.address))) return;
    this.count--;
    n.release();
  }

  list(): NeighbourInfo[] {
    const out: NeighbourInfo[] = [];
    for (const map of this.byDevice) if (map) for (const n of map.values()) out.push(n.info());
    return out;
  }

  close(): void {
    for (const map of this.byDevice) if (map) for (const n of [...map.values()]) this.remove(n);
  }
}
