/**
 * Group membership, the host's side, as IGMP (RFC 3376 5 and 7.2, RFC 2236 3) and MLD (RFC 3810 6 and 8.2, RFC 2710 4) have it alike: tells
 * routers which groups are joined.
 *
 * Of the newest version: a change is reported as often as the robustness says, the first at once, the others at random within the unsolicited
 * report interval; a general query is answered with the current state at random within its response time, of several the earliest, and a
 * query for a group at that group's own time. While a router of an older version is there, every group has a time of its own and a message
 * of its own; who hears another's report is silent, and who reported last says when the group is left. Filters by source are not kept: every
 * membership is "exclude nothing". What messages look like, and which version is spoken, is the protocol's.
 */
import type { IpAddress } from '../core/address.js';
import type { Env } from '../core/env.js';
import { below } from '../core/random.js';
import { Timer, type TimerHandler } from '../core/timer.js';
import type { NetDevice } from '../ip/device.js';
import type { GroupReporter } from '../ip/protocol.js';

export const RecordType = Object.freeze({ isExclude: 2, toInclude: 3, toExclude: 4 });

export interface GroupRecord {
  readonly group: IpAddress;
  readonly type: number;
}
interface Change extends GroupRecord {
  left: number;
}

const Kind = Object.freeze({ changes: 0, general: 1 });

/** Whoever is told that a time has come. */
interface Clockwork {
  reportChanges(r: DeviceReports): void;
  reportAll(r: DeviceReports): void;
  reportGroup(r: DeviceReports, g: GroupTime): void;
}

/** A group that is reported by itself. */
class GroupTime implements TimerHandler {
  readonly group: IpAddress;
  readonly timer: Timer;
  /** Reports of the joining that are still to be sent. */
  unasked = 0;
  /** The last report of it that was heard on the link was ours. */
  reporter = false;
  private readonly clockwork: Clockwork;
  private readonly r: DeviceReports;

  constructor(clockwork: Clockwork, r: DeviceReports, group: IpAddress) {
    this.clockwork = clockwork;
    this.r = r;
    this.group = group;
    this.timer = new Timer(this, 0);
  }
  onTimer(): void {
    this.clockwork.reportGroup(this.r, this);
  }
}

/** What is to be reported on one device. */
export class DeviceReports implements TimerHandler {
  readonly device: NetDevice;
  readonly changeTimer: Timer;
  readonly generalTimer: Timer;
  /** By their texts: those that were ever reported by themselves and are still joined. */
  readonly groups = new Map<string, GroupTime>();
  changes: Change[] = [];
  private readonly clockwork: Clockwork;

  constructor(clockwork: Clockwork, device: NetDevice) {
    this.clockwork = clockwork;
    this.device = device;
    this.changeTimer = new Timer(this, Kind.changes);
    this.generalTimer = new Timer(this, Kind.general);
  }

  onTimer(kind: number): void {
    if (kind === Kind.changes) this.clockwork.reportChanges(this);
    else this.clockwork.reportAll(this);
  }

  /** What was to be said of a group is no longer. */
  forgetChange(group: IpAddress): void {
    this.changes = this.changes.filter((c) => !c.group.equals(group));
  }

  timeOf(group: IpAddress): GroupTime {
    const key = group.toString();
    let g = this.groups.get(key);
    if (!g) this.groups.set(key, (g = new GroupTime(this.clockwork, this, group)));
    return g;
  }
}

export abstract class GroupReports<R extends DeviceReports> implements GroupReporter, Clockwork {
  protected readonly env: Env;
  /** How long every report waits at least; the first of a change no longer. */
  private readonly firstUs: number;
  private readonly maxRecords: number;
  protected readonly devices: R[] = [];

  constructor(env: Env, firstUs: number, maxRecords: number) {
    this.env = env;
    this.firstUs = firstUs;
    this.maxRecords = maxRecords;
  }

  protected abstract make(device: NetDevice): R;
  /** Is this a group that routers are told of? */
  protected abstract isReported(device: NetDevice, group: IpAddress): boolean;
  protected abstract groupsOn(device: NetDevice): IpAddress[];
  /** Is there a router on the link that knows no records? */
  protected abstract older(r: R): boolean;
  /** How often a change is reported. */
  protected abstract robustness(r: R): number;
  /** How often a joining is, to a router of an older version. */
  protected abstract olderRobustness(): number;
  protected abstract intervalMs(r: R): number;
  /** One message of records. */
  protected abstract sendRecords(device: NetDevice, records: readonly GroupRecord[]): void;
  /** The older versions' message of one group. */
  protected abstract sendReport(r: R, group: IpAddress): void;
  /** A group is left that we were the last to report, to a router of an older version. */
  protected abstract sendLeave(r: R, group: IpAddress): void;

  protected of(device: NetDevice): R {
    let r = this.devices[device.index];
    if (!r) {
      r = this.make(device);
      this.devices[device.index] = r;
    }
    return r;
  }

  // --- changes

  joined(device: NetDevice, group: IpAddress): void {
    if (!this.isReported(device, group)) return;
    const r = this.of(device);
    if (!this.older(r)) this.change(r, group, RecordType.toExclude);
    else {
      const g = r.timeOf(group);
      g.unasked = this.olderRobustness();
      this.env.timers.arm(g.timer, this.env.nowUs + this.firstUs);
    }
  }

  left(device: NetDevice, group: IpAddress): void {
    if (!this.isReported(device, group)) return;
    const r = this.of(device);
    const g = r.groups.get(group.toString());
    if (g) {
      this.env.timers.cancel(g.timer, true);
      r.groups.delete(group.toString());
    }
    if (!this.older(r)) this.change(r, group, RecordType.toInclude);
    else if (g?.reporter) this.sendLeave(r, group);
  }

  private change(r: R, group: IpAddress, type: number): void {
    r.forgetChange(group);
    r.changes.push({ group, type, left: this.robustness(r) });
    this.env.timers.arm(r.changeTimer, this.env.nowUs + this.firstUs);
  }

  reportChanges(r: R): void {
    this.sendAll(r.device, r.changes);
    for (const c of r.changes) c.left--;
    r.changes = r.changes.filter((c) => c.left > 0);
    if (r.changes.length > 0) this.within(r.changeTimer, this.intervalMs(r) * 1000);
  }

  /** A router of an older version was heard: it would not understand what was to be said. */
  protected forgetChanges(r: R): void {
    r.changes = [];
    this.env.timers.cancel(r.changeTimer);
  }

  // --- answers

  /** A query wants to be answered within this time: for one group, or for all (null). */
  protected answerWithin(r: R, group: IpAddress | null, delayUs: number): void {
    if (group !== null) this.answerGroup(r, group, delayUs);
    else if (this.older(r)) for (const g of this.groupsOn(r.device)) this.answerGroup(r, g, delayUs);
    else {
      const timer = r.generalTimer;
      const before = timer.armed ? this.env.timers.deadlineOf(timer) : Number.POSITIVE_INFINITY;
      this.within(timer, delayUs, before);
    }
  }

  private answerGroup(r: R, group: IpAddress, delayUs: number): void {
    if (!this.isReported(r.device, group)) return;
    const g = r.timeOf(group);
    g.unasked = 0;
    if (!g.timer.armed || this.env.timers.deadlineOf(g.timer) - this.env.nowUs >= delayUs) this.within(g.timer, delayUs);
  }

  /** Arms a timer at random within this time, if that is before `before`. */
  private within(timer: Timer, delayUs: number, before = Number.POSITIVE_INFINITY): void {
    const at = this.env.nowUs + Math.max(this.firstUs, 1) + below(this.env.random, Math.max(delayUs, 1));
    if (at < before) this.env.timers.arm(timer, at);
  }

  reportAll(r: R): void {
    const groups = this.groupsOn(r.device).filter((g) => this.isReported(r.device, g));
    this.sendAll(
      r.device,
      groups.map((group) => ({ group, type: RecordType.isExclude })),
    );
  }

  reportGroup(r: R, g: GroupTime): void {
    if (g.unasked > 0 && --g.unasked > 0) this.within(g.timer, this.intervalMs(r) * 1000);
    g.reporter = true;
    if (this.older(r)) this.sendReport(r, g.group);
    else this.sendRecords(r.device, [{ group: g.group, type: RecordType.isExclude }]);
  }

  /** Another host has reported the group: the router need not hear it from us. */
  protected heard(r: R, group: IpAddress): void {
    const g = r.groups.get(group.toString());
    if (!g) return;
    this.env.timers.cancel(g.timer);
    g.unasked = 0;
    g.reporter = false;
  }

  /** In as many messages as it takes. */
  protected sendAll(device: NetDevice, records: readonly GroupRecord[]): void {
    for (let from = 0; from < records.length; from += this.maxRecords) {
      this.sendRecords(device, records.slice(from, from + this.maxRecords));
    }
  }

  close(): void {
    for (const r of this.devices) {
      if (!r) continue;
      this.env.timers.cancel(r.changeTimer, true);
      this.env.timers.cancel(r.generalTimer, true);
      for (const g of r.groups.values()) this.env.timers.cancel(g.timer, true);
    }
  }
}
