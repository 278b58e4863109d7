/**
 * Group membership, the host's side, as IGMPv3 (RFC 3376 5) and MLD (RFC 3810 6) have it alike: tells routers which groups are joined. A
 * change is reported as often as the robustness says, the first at once, the others at random within the unsolicited report interval; a query
 * is answered with the current state at random within its response time, of several the earliest. Filters by source are not kept: every
 * membership is "exclude nothing". What a report looks like is the protocol's.
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

const Kind = Object.freeze({ changes: 0, answer: 1 });

/** Whoever is told that a time has come. */
interface Clockwork {
  reportChanges(r: DeviceReports): void;
  answer(r: DeviceReports): void;
}

/** What is to be reported on one device. */
export class DeviceReports implements TimerHandler {
  readonly device: NetDevice;
  readonly changeTimer: Timer;
  readonly answerTimer: Timer;
  changes: Change[] = [];
  /** Groups that a query asked for; empty for all. */
  asked: IpAddress[] = [];
  private readonly clockwork: Clockwork;

  constructor(clockwork: Clockwork, device: NetDevice) {
    this.clockwork = clockwork;
    this.device = device;
    this.changeTimer = new Timer(this, Kind.changes);
    this.answerTimer = new Timer(this, Kind.answer);
  }

  onTimer(kind: number): void {
    if (kind === Kind.changes) this.clockwork.reportChanges(this);
    else this.clockwork.answer(this);
  }

  /** What was to be said of a group is no longer. */
  forgetChange(group: IpAddress): void {
    this.changes = this.changes.filter((c) => !c.group.equals(group));
  }
}

export abstract class GroupReports<R extends DeviceReports> implements GroupReporter, Clockwork {
  protected readonly env: Env;
  /** How long the first report of a change waits. */
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
  /** How often a change is reported. */
  protected abstract robustness(): number;
  protected abstract intervalMs(r: R): number;
  protected abstract report(r: R, records: readonly GroupRecord[]): void;
  /** One message. */
  protected abstract sendRecords(device: NetDevice, records: readonly GroupRecord[]): void;

  protected of(device: NetDevice): R {
    let r = this.devices[device.index];
    if (!r) {
      r = this.make(device);
      this.devices[device.index] = r;
    }
    return r;
  }

  joined(device: NetDevice, group: IpAddress): void {
    this.change(device, group, RecordType.toExclude);
  }
  left(device: NetDevice, group: IpAddress): void {
    this.change(device, group, RecordType.toInclude);
  }

  private change(device: NetDevice, group: IpAddress, type: number): void {
    if (!this.isReported(device, group)) return;
    const r = this.of(device);
    r.forgetChange(group);
    r.changes.push({ group, type, left: this.robustness() });
    this.env.timers.arm(r.changeTimer, this.env.nowUs + this.firstUs);
  }

  reportChanges(r: R): void {
    this.report(r, r.changes);
    for (const c of r.changes) c.left--;
    r.changes = r.changes.filter((c) => c.left > 0);
    if (r.changes.length === 0) return;
    const waitUs = below(this.env.random, Math.max(this.intervalMs(r) * 1000, 1));
    this.env.timers.arm(r.changeTimer, this.env.nowUs + Math.max(this.firstUs, 1) + waitUs);
  }

  /** A query wants to be answered within this time: for one group, or for all (null). */
  protected answerWithin(r: R, group: IpAddress | null, delayUs: number): void {
    if (group === null) r.asked = [];
    else if (!r.answerTimer.armed || r.asked.length > 0) r.asked.push(group);
    const at = this.env.nowUs + 1 + below(this.env.random, Math.max(delayUs, 1));
    if (!r.answerTimer.armed || at < this.env.timers.deadlineOf(r.answerTimer)) this.env.timers.arm(r.answerTimer, at);
  }

  answer(r: R): void {
    const wanted = (g: IpAddress) => r.asked.length === 0 || r.asked.some((a) => a.equals(g));
    const groups = this.groupsOn(r.device).filter((g) => this.isReported(r.device, g) && wanted(g));
    r.asked = [];
    this.report(
      r,
      groups.map((group) => ({ group, type: RecordType.isExclude })),
    );
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
      this.env.timers.cancel(r.answerTimer, true);
    }
  }
}
