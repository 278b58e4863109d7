/**
 * IGMP, the host's side (RFC 3376 version 3, RFC 2236 version 2, RFC 1112 version 1): groups are reported as group-reports.ts says, with the
 * router alert option and TTL 1: to 224.0.0.22 in version 3, else to the group itself, and a leaving of version 2 to 224.0.0.2. While a router
 * speaks an older version, so does this host (RFC 3376 7.2.1). The group of all systems is never reported.
 */
import type { Owner } from '../../mib/ledger/ledger.js';
import { IpAddress } from '../core/address.js';
import { finish, partialSum } from '../core/checksum.js';
import type { Env } from '../core/env.js';
import { LinkType, Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import type { NetDevice } from '../ip/device.js';
import type { Ipv4Layer } from '../ip/ipv4.js';
import { type ProtocolHandler, TX_TRANSPORT } from '../ip/protocol.js';
import { Protocol } from '../wire/ipv4.js';
import { DeviceReports, type GroupRecord, GroupReports } from './group-reports.js';

const Type = Object.freeze({ query: 0x11, report1: 0x12, report2: 0x16, leave: 0x17, report3: 0x22 });
const V3_ROUTERS = IpAddress.v4(0xe0000016);
const ALL_ROUTERS = IpAddress.v4(0xe0000002);
const ALL_HOSTS = 0xe0000001;
/** 224.0.0.0/24: groups that do not leave the link. */
const LINK_LOCAL_MASK = 0xffffff00;
const LINK_LOCAL = 0xe0000000;
const ROUTER_ALERT = 0x94040000;
const HEADER = 8;
/** A query of version 3 has four octets more, sources left out. */
const QUERY_V3 = 12;
const RECORD = 8;
const MAX_RECORDS = 128;
const TOS = 0xc0;
/** Linux starts the first report after two ticks. */
const FIRST_US = 2000;
/** RFC 3376 8.2 and 8.3: Query Interval and Query Response Interval, where no router says otherwise. */
const QUERY_INTERVAL_US = 125_000_000;
const RESPONSE_INTERVAL_US = 10_000_000;

class IgmpReports extends DeviceReports {
  /** Until when routers of versions 1 and 2 are held to be there (RFC 3376 8.12). */
  version1UntilUs = 0;
  version2UntilUs = 0;
  /** What the last querier of version 3 said: Querier's Robustness Variable (0: nothing), Query Interval. */
  robustness = 0;
  queryIntervalUs = QUERY_INTERVAL_US;
  responseIntervalUs = RESPONSE_INTERVAL_US;
}

export class IgmpLayer extends GroupReports<IgmpReports> implements ProtocolHandler {
  readonly protocol = Protocol.igmp;
  private readonly ip: Ipv4Layer;
  private readonly scratch = new Packet(TX_TRANSPORT + HEADER + RECORD * MAX_RECORDS);

  constructor(env: Env, ip: Ipv4Layer) {
    super(env, FIRST_US, MAX_RECORDS);
    this.ip = ip;
    ip.groups = this;
    ip.register(this);
  }

  protected make(device: NetDevice): IgmpReports {
    return new IgmpReports(this, device);
  }
  protected isReported(device: NetDevice, group: IpAddress): boolean {
    if (device.loopback || group.w3 === ALL_HOSTS) return false;
    return (
      (group.w3 & LINK_LOCAL_MASK) >>> 0 !== LINK_LOCAL || this.env.sysctl.values[Sysctl.igmp_link_local_mcast_reports] !== 0
    );
  }
  protected groupsOn(device: NetDevice): IpAddress[] {
    return this.ip.groupList(device).map((word) => IpAddress.v4(word));
  }
  private version(r: IgmpReports): 1 | 2 | 3 {
    const forced = this.env.sysctl.values[Sysctl.force_igmp_version];
    if (forced === 1 || this.env.nowUs < r.version1UntilUs) return 1;
    return forced === 2 || this.env.nowUs < r.version2UntilUs ? 2 : 3;
  }
  protected older(r: IgmpReports): boolean {
    return this.version(r) < 3;
  }
  protected robustness(r: IgmpReports): number {
    return r.robustness || this.olderRobustness();
  }
  protected olderRobustness(): number {
    return this.env.sysctl.values[Sysctl.igmp_qrv]!;
  }
  protected intervalMs(r: IgmpReports): number {
    const of = this.older(r) ? Sysctl.igmpv2_unsolicited_report_interval : Sysctl.igmpv3_unsolicited_report_interval;
    return this.env.sysctl.values[of]!;
  }

  // --- queries, and reports of others

  demux(): Owner {
    return this.env.ledger.unattributed;
  }

  /** Linux counts nothing here, not even a bad checksum. */
  input(p: Packet): void {
    const at = p.transport;
    if (p.tail - at < HEADER || finish(partialSum(p, at, p.tail - at)) !== 0) return;
    if (!p.device || p.device.loopback || this.env.siblings?.speaks === false) return;
    const r = this.of(p.device);
    const type = p.bytes[at]!;
    if (type === Type.query) this.queried(r, p, at);
    else if (type === Type.report1 || type === Type.report2) this.heardReport(r, p, IpAddress.v4(p.view.getUint32(at + 4)));
  }

  private queried(r: IgmpReports, p: Packet, at: number): void {
    const length = p.tail - at;
    const code = p.bytes[at + 1]!;
    let group = p.view.getUint32(at + 4);
    let delayUs = responseUs(code);
    if (length === HEADER) {
      const present = this.env.nowUs + this.robustness(r) * r.queryIntervalUs + r.responseIntervalUs;
      if (code === 0) {
        r.version1UntilUs = present;
        group = 0;
        delayUs = RESPONSE_INTERVAL_US;
      } else {
        r.version2UntilUs = present;
        delayUs = code * 100_000;
      }
      this.forgetChanges(r);
    } else if (length < QUERY_V3) return;
    else if (this.version(r) === 1) {
      group = 0;
      delayUs = RESPONSE_INTERVAL_US;
    } else if (this.version(r) === 3) {
      this.learn(r, p, at);
      if (group === 0 && p.view.getUint16(at + 10) !== 0) return; // no sources without a group
    }
    const known = group === 0 ? this.ip.groupList(r.device).length > 0 : this.ip.isMember(r.device, group);
    if (known) this.answerWithin(r, group === 0 ? null : IpAddress.v4(group), delayUs);
  }

  /** RFC 3376 4.1.6, 4.1.7 and 8.3: the querier's numbers become ours; a response interval is shorter than the query interval. */
  private learn(r: IgmpReports, p: Packet, at: number): void {
    r.robustness = p.bytes[at + 8]! & 7;
    r.queryIntervalUs = floating(p.bytes[at + 9]!) * 1_000_000 || QUERY_INTERVAL_US;
    if (r.responseIntervalUs >= r.queryIntervalUs) r.responseIntervalUs = r.queryIntervalUs - 1_000_000;
  }

  /** Not our own, come back. A router may not hear what was sent to us alone. */
  private heardReport(r: IgmpReports, p: Packet, group: IpAddress): void {
    if (this.ip.isOwn(p.src3)) return;
    if (p.linkType === LinkType.multicast || p.linkType === LinkType.broadcast) this.heard(r, group);
  }

  icmpError(): void {}
  ours(): boolean {
    return true;
  }
  quotes(): boolean {
    return false;
  }

  // --- reports

  /** RFC 3376 4.2. */
  protected sendRecords(device: NetDevice, records: readonly GroupRecord[]): void {
    const p = this.begin(Type.report3);
    const v = p.view;
    v.setUint32(TX_TRANSPORT + 4, records.length);
    for (const { group, type } of records) {
      v.setUint32(p.tail, type << 24);
      v.setUint32(p.tail + 4, group.w3);
      p.tail += RECORD;
    }
    this.send(p, device, V3_ROUTERS);
  }

  /** RFC 2236 2, RFC 1112 appendix I. */
  protected sendReport(r: IgmpReports, group: IpAddress): void {
    this.message(r.device, this.version(r) === 1 ? Type.report1 : Type.report2, group, group);
  }
  /** Version 1 has no such message. */
  protected sendLeave(r: IgmpReports, group: IpAddress): void {
    if (this.version(r) === 2) this.message(r.device, Type.leave, group, ALL_ROUTERS);
  }
  private message(device: NetDevice, type: number, group: IpAddress, to: IpAddress): void {
    const p = this.begin(type);
    p.view.setUint32(TX_TRANSPORT + 4, group.w3);
    this.send(p, device, to);
  }

  private begin(type: number): Packet {
    const p = this.scratch;
    p.reset(TX_TRANSPORT);
    p.transport = TX_TRANSPORT;
    p.protocol = Protocol.igmp;
    p.df = true;
    p.ipOptions = 4;
    p.view.setUint32(TX_TRANSPORT - 4, ROUTER_ALERT);
    p.view.setUint32(TX_TRANSPORT, type << 24);
    p.tail = TX_TRANSPORT + HEADER;
    return p;
  }

  private send(p: Packet, device: NetDevice, to: IpAddress): void {
    const source = device.primary(4);
    if (!source) return;
    p.view.setUint16(TX_TRANSPORT + 2, finish(partialSum(p, TX_TRANSPORT, p.tail - TX_TRANSPORT)));
    const u = this.env.ledger.unattributed;
    const route = this.ip.route(to, source.address, u, false);
    if (typeof route !== 'number') this.ip.output(p, route, u, 1, TOS);
  }
}

/** Max Resp Code and QQIC (RFC 3376 4.1.1, 4.1.7): from 128 on a floating point number. */
function floating(code: number): number {
  return code < 128 ? code : ((code & 15) | 16) << (((code >> 4) & 7) + 3);
}
function responseUs(code: number): number {
  return floating(code) * 100_000;
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
