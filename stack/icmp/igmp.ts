/**
 * IGMPv3, the host's side (RFC 3376 5): tells routers which groups are joined. A change is reported igmp_qrv times, the first at once, the
 * others at random within the unsolicited report interval; a query is answered with the current state within its response time. Reports go
 * to 224.0.0.22 with the router alert option, TTL 1. Filters by source are not kept: every membership is "exclude nothing".
 */
import type { Owner } from '../../mib/ledger/ledger.js';
import { IpAddress } from '../core/address.js';
import { finish, partialSum } from '../core/checksum.js';
import type { Env } from '../core/env.js';
import { Packet } from '../core/packet.js';
import { below } from '../core/random.js';
import { Sysctl } from '../core/sysctl.js';
import { Timer, type TimerHandler } from '../core/timer.js';
import type { NetDevice } from '../ip/device.js';
import type { GroupReporter, Ipv4Layer } from '../ip/ipv4.js';
import { type ProtocolHandler, TX_TRANSPORT } from '../ip/protocol.js';
import { Protocol } from '../wire/ipv4.js';

const QUERY = 0x11;
const REPORT_V3 = 0x22;
const RecordType = Object.freeze({ isExclude: 2, toInclude: 3, toExclude: 4 });
const ROUTERS = IpAddress.v4(0xe0000016);
const ALL_HOSTS = 0xe0000001;
const ROUTER_ALERT = 0x94040000;
const HEADER = 8;
const RECORD = 8;
const MAX_RECORDS = 128;
const TOS = 0xc0;
/** Linux starts the first report after two ticks. */
const FIRST_US = 2000;

const Kind = Object.freeze({ changes: 0, answer: 1 });

interface Change {
  readonly group: number;
  readonly type: number;
  left: number;
}

/** What is to be reported on one device. */
class DeviceReports implements TimerHandler {
  readonly device: NetDevice;
  changes: Change[] = [];
  readonly changeTimer: Timer;
  readonly answerTimer: Timer;
  private readonly igmp: IgmpLayer;

  constructor(igmp: IgmpLayer, device: NetDevice) {
    this.igmp = igmp;
    this.device = device;
    this.changeTimer = new Timer(this, Kind.changes);
    this.answerTimer = new Timer(this, Kind.answer);
  }

  onTimer(kind: number): void {
    if (kind === Kind.changes) this.igmp.reportChanges(this);
    else this.igmp.reportState(this);
  }
}

export class IgmpLayer implements ProtocolHandler, GroupReporter {
  readonly protocol = Protocol.igmp;
  private readonly env: Env;
  private readonly ip: Ipv4Layer;
  private readonly devices: DeviceReports[] = [];
  private readonly scratch = new Packet(TX_TRANSPORT + HEADER + RECORD * MAX_RECORDS);

  constructor(env: Env, ip: Ipv4Layer) {
    this.env = env;
    this.ip = ip;
    ip.groups = this;
    ip.register(this);
  }

  demux(): Owner {
    return this.env.ledger.unattributed;
  }

  /** Linux counts nothing here, not even a bad checksum. */
  input(p: Packet): void {
    const at = p.transport;
    if (p.tail - at < HEADER || finish(partialSum(p, at, p.tail - at)) !== 0) return;
    if (p.bytes[at] !== QUERY || !p.device || this.env.siblings?.speaks === false || this.ip.groupList(p.device).length === 0)
      return;
    const code = p.bytes[at + 1]!;
    const r = this.of(p.device);
    if (!r.answerTimer.armed) this.env.timers.arm(r.answerTimer, this.env.nowUs + below(this.env.random, responseUs(code) + 1));
  }

  icmpError(): void {}
  ours(): boolean {
    return true;
  }
  quotes(): boolean {
    return false;
  }

  joined(device: NetDevice, group: IpAddress): void {
    this.change(device, group.w3, RecordType.toExclude);
  }
  left(device: NetDevice, group: IpAddress): void {
    this.change(device, group.w3, RecordType.toInclude);
  }

  private change(device: NetDevice, group: number, type: number): void {
    if (device.loopback || group === ALL_HOSTS) return;
    const r = this.of(device);
    r.changes = r.changes.filter((c) => c.group !== group);
    r.changes.push({ group, type, left: this.env.sysctl.values[Sysctl.igmp_qrv]! });
    this.env.timers.arm(r.changeTimer, this.env.nowUs + FIRST_US);
  }

  private of(device: NetDevice): DeviceReports {
    let r = this.devices[device.index];
    if (!r) {
      r = new DeviceReports(this, device);
      this.devices[device.index] = r;
    }
    return r;
  }

  reportChanges(r: DeviceReports): void {
    const p = this.begin();
    for (const c of r.changes) {
      this.record(p, c.type, c.group);
      c.left--;
    }
    r.changes = r.changes.filter((c) => c.left > 0);
    this.send(p, r.device);
    if (r.changes.length === 0) return;
    const interval = this.env.sysctl.values[Sysctl.igmpv3_unsolicited_report_interval]! * 1000;
    this.env.timers.arm(r.changeTimer, this.env.nowUs + FIRST_US + below(this.env.random, Math.max(interval, 1)));
  }

  reportState(r: DeviceReports): void {
    const p = this.begin();
    for (const group of this.ip.groupList(r.device)) if (group !== ALL_HOSTS) this.record(p, RecordType.isExclude, group);
    this.send(p, r.device);
  }

  private begin(): Packet {
    const p = this.scratch;
    p.reset(TX_TRANSPORT);
    p.transport = TX_TRANSPORT;
    p.tail = TX_TRANSPORT + HEADER;
    p.protocol = Protocol.igmp;
    p.df = true;
    p.ipOptions = 4;
    p.view.setUint32(TX_TRANSPORT - 4, ROUTER_ALERT);
    return p;
  }

  private record(p: Packet, type: number, group: number): void {
    if (p.tail - p.transport >= HEADER + RECORD * MAX_RECORDS) return;
    p.view.setUint32(p.tail, type << 24);
    p.view.setUint32(p.tail + 4, group);
    p.tail += RECORD;
  }

  private send(p: Packet, device: NetDevice): void {
    const at = p.transport;
    const records = (p.tail - at - HEADER) / RECORD;
    const source = device.primary(4);
    if (records === 0 || !source) return;
    const v = p.view;
    v.setUint32(at, REPORT_V3 << 24);
    v.setUint32(at + 4, records);
    v.setUint16(at + 2, finish(partialSum(p, at, p.tail - at)));
    const u = this.env.ledger.unattributed;
    const route = this.ip.route(ROUTERS, source.address, u, false);
    if (typeof route !== 'number') this.ip.output(p, route, u, 1, TOS);
  }

  close(): void {
    for (const r of this.devices) {
      if (!r) continue;
      this.env.timers.cancel(r.changeTimer, true);
      this.env.timers.cancel(r.answerTimer, true);
    }
  }
}

/** Max response code to µs (RFC 3376 4.1.1); 0 is IGMPv1's 10 s. */
function responseUs(code: number): number {
  if (code === 0) return 10_000_000;
  const tenths = code < 128 ? code : ((code & 15) | 16) << (((code >> 4) & 7) + 3);
  return tenths * 100_000;
}

/** Routing protocols that a host takes and throws away, as a kernel with their modules does: delivered, not unknown. */
export class SilentProtocol implements ProtocolHandler {
  readonly protocol: number;
  private readonly owner: Owner;
  constructor(protocol: number, owner: Owner) {
    this.protocol = protocol;
    this.owner = owner;
  }
  demux(): Owner {
    return this.owner;
  }
  input(): void {}
  icmpError(): void {}
  ours(): boolean {
    return true;
  }
  quotes(): boolean {
    return false;
  }
}
