/**
 * Multicast listener discovery, the host's side (RFC 2710 version 1, RFC 3810 version 2): groups are reported as icmp/group-reports.ts says.
 * While a router speaks version 1, so does this host (8.2.1). Reports have the router alert option and hop limit 1; the group of all nodes,
 * and groups that do not leave the interface, are never reported.
 */
import { IpAddress } from '../core/address.js';
import type { Env } from '../core/env.js';
import { LinkType, type Packet } from '../core/packet.js';
import { below } from '../core/random.js';
import { Sysctl } from '../core/sysctl.js';
import { Timer } from '../core/timer.js';
import { DeviceReports, type GroupRecord, GroupReports, RecordType } from '../icmp/group-reports.js';
import type { NetDevice } from '../ip/device.js';
import type { Ipv6Layer } from '../ip6/ipv6.js';
import { emitIcmp6, ICMP6_HEADER, Icmp6Type } from '../wire/icmp6.js';
import { NextHeader } from '../wire/ipv6.js';
import { ALL_NODES, ALL_ROUTERS, isLinkLocal, MLD2_ROUTERS, Scope, scopeOf } from '../wire/scope6.js';
import type { Icmp6Layer, Icmp6Speaker } from './icmp6.js';
import { type NeighbourDiscovery, writeAddress } from './neighbour-discovery.js';

const VERSION1_QUERY = 24;
const VERSION2_QUERY = 28;
const RECORD = 20;
const MAX_RECORDS = 64;
/** Hop-by-hop header: next header, length 0, router alert for MLD (RFC 2711), padding. */
const HOP_BY_HOP = 8;
const ROUTER_ALERT_MLD = 0x05020000;
const PAD_TWO = 0x0100;
const HOP_LIMIT = 1;
/** RFC 3810 9.2 and 9.3: Query Interval and Query Response Interval, where no router says otherwise. */
const QUERY_INTERVAL_US = 125_000_000;
const RESPONSE_INTERVAL_US = 10_000_000;
/** RFC 2710 4: a joining is reported at once, and once more. */
const VERSION1_ROBUSTNESS = 2;
/** Whatever a querier says, a change is reported as often as that (or as mld_qrv, when that is less). */
const LEAST_ROBUSTNESS = 2;
/** The longest response time whose code is the time itself. */
const LONGEST_PLAIN_MS = 0x7fff;

/** Behind the kinds of DeviceReports. */
const START = 2;

class MldReports extends DeviceReports {
  readonly startTimer: Timer;
  /** Reports of everything that are still to be sent since the link-local address came into use. */
  startLeft = 0;
  /** Until when a router of version 1 is held to be there (RFC 3810 9.12). */
  version1UntilUs = 0;
  /** What the last querier of version 2 said: Querier's Robustness Variable (0: nothing), Query Interval, Query Response Interval. */
  robustness = 0;
  queryIntervalUs = QUERY_INTERVAL_US;
  responseIntervalUs = RESPONSE_INTERVAL_US;
  private readonly mld: MldLayer;

  constructor(mld: MldLayer, device: NetDevice) {
    super(mld, device);
    this.mld = mld;
    this.startTimer = new Timer(this, START);
  }
  override onTimer(kind: number): void {
    if (kind === START) this.mld.reportStart(this);
    else super.onTimer(kind);
  }
}

export class MldLayer extends GroupReports<MldReports> implements Icmp6Speaker {
  private readonly ip: Ipv6Layer;
  private readonly icmp: Icmp6Layer;
  private readonly nd: NeighbourDiscovery;

  constructor(env: Env, ip: Ipv6Layer, icmp: Icmp6Layer, nd: NeighbourDiscovery) {
    super(env, 0, MAX_RECORDS);
    this.ip = ip;
    this.icmp = icmp;
    this.nd = nd;
    ip.groups = this;
    icmp.listeners = this;
  }

  protected make(device: NetDevice): MldReports {
    return new MldReports(this, device);
  }
  protected isReported(device: NetDevice, group: IpAddress): boolean {
    return !device.loopback && !group.equals(ALL_NODES) && scopeOf(group) >= Scope.linkLocal;
  }
  protected groupsOn(device: NetDevice): IpAddress[] {
    return this.ip.groupList(device);
  }
  protected robustness(r: MldReports): number {
    return r.robustness || this.env.sysctl.values[Sysctl.ip6_mld_qrv]!;
  }
  protected olderRobustness(): number {
    return VERSION1_ROBUSTNESS;
  }
  protected intervalMs(r: MldReports): number {
    const of = this.older(r) ? Sysctl.ip6_mldv1_unsolicited_report_interval : Sysctl.ip6_mldv2_unsolicited_report_interval;
    return this.env.sysctl.values[of]!;
  }
  protected older(r: MldReports): boolean {
    const forced = this.env.sysctl.values[Sysctl.ip6_force_mld_version];
    return forced === 1 || (forced !== 2 && this.env.nowUs < r.version1UntilUs);
  }

  /** The link-local address can be used: what was reported from the unspecified address, which routers ignore (RFC 3810 5.2.13), is said again. */
  started(device: NetDevice): void {
    const r = this.of(device);
    r.startLeft = this.robustness(r);
    this.reportStart(r);
  }
  reportStart(r: MldReports): void {
    if (this.older(r)) return;
    const groups = this.groupsOn(r.device).filter((g) => this.isReported(r.device, g));
    this.sendAll(
      r.device,
      groups.map((group) => ({ group, type: RecordType.toExclude })),
    );
    if (--r.startLeft <= 0) return;
    this.env.timers.arm(r.startTimer, this.env.nowUs + 1 + below(this.env.random, Math.max(this.intervalMs(r) * 1000, 1)));
  }

  // --- queries, and reports of others

  input(p: Packet, type: number): void {
    // of several stacks one speaks of the groups of all
    if (!p.device || p.device.loopback || this.env.siblings?.speaks === false) return;
    if (type === Icmp6Type.listenerQuery) this.queried(p, p.device);
    else this.heardReport(p, p.device);
  }

  private queried(p: Packet, device: NetDevice): void {
    const length = p.tail - p.transport;
    if (length < VERSION1_QUERY || !isLinkLocal(p.src0)) return;
    const group = groupIn(p);
    if (!group.isAny() && !group.isMulticast()) return;
    const r = this.of(device);
    const code = p.view.getUint16(p.transport + 4);
    let delayUs = code * 1000;
    if (length === VERSION1_QUERY || this.older(r)) {
      if (this.env.sysctl.values[Sysctl.ip6_force_mld_version] === 2) return;
      if (length === VERSION1_QUERY) {
        r.version1UntilUs = this.env.nowUs + this.robustness(r) * r.queryIntervalUs + r.responseIntervalUs;
      } else delayUs = Math.min(code, LONGEST_PLAIN_MS) * 1000; // version 1 knows no floating point
      this.forgetChanges(r);
      this.env.timers.cancel(r.generalTimer);
    } else if (length >= VERSION2_QUERY) {
      delayUs = responseMs(code) * 1000;
      this.learn(r, p, delayUs);
    } else return;
    if (group.isAny()) this.answerWithin(r, null, delayUs);
    else if (this.ip.isMember(device, group.w0, group.w1, group.w2, group.w3)) this.answerWithin(r, group, delayUs);
  }

  /** RFC 3810 9.1 to 9.3: the querier's numbers become ours. */
  private learn(r: MldReports, p: Packet, responseUs: number): void {
    const least = Math.min(this.env.sysctl.values[Sysctl.ip6_mld_qrv]!, LEAST_ROBUSTNESS);
    const qrv = p.bytes[p.transport + 24]! & 7;
    if (qrv > 0 || r.robustness > 0) r.robustness = Math.max(qrv || r.robustness, least);
    const qqic = p.bytes[p.transport + 25]!;
    r.queryIntervalUs = (qqic < 128 ? qqic : ((qqic & 15) | 16) << (((qqic >> 4) & 7) + 3)) * 1_000_000;
    r.responseIntervalUs = responseUs;
  }

  /** Another stack of this host has taken it. */
  overhear(p: Packet, type: number): void {
    this.input(p, type);
  }

  /** Version 1: who hears another's report (not its own, come back) need not report the group itself (RFC 2710 4). */
  private heardReport(p: Packet, device: NetDevice): void {
    if (p.linkType !== LinkType.multicast || p.tail - p.transport < VERSION1_QUERY) return;
    const nobody = (p.src0 | p.src1 | p.src2 | p.src3) === 0;
    if (!nobody && !isLinkLocal(p.src0)) return;
    this.heard(this.of(device), groupIn(p));
  }

  // --- messages

  protected sendReport(r: MldReports, group: IpAddress): void {
    this.message(r, Icmp6Type.listenerReport, group, group);
  }
  protected sendLeave(r: MldReports, group: IpAddress): void {
    this.message(r, Icmp6Type.listenerDone, group, ALL_ROUTERS);
  }
  /** RFC 2710 3: a message of version 1. */
  private message(r: MldReports, type: number, group: IpAddress, to: IpAddress): void {
    this.send(r.device, to, type, 0, (out) => writeAddress(out, group));
  }

  /** RFC 3810 5.2. */
  protected sendRecords(device: NetDevice, records: readonly GroupRecord[]): void {
    this.send(device, MLD2_ROUTERS, Icmp6Type.listenerReport2, records.length, (out) => {
      out.tail = out.transport + ICMP6_HEADER;
      for (const { group, type } of records) {
        const v = out.view;
        v.setUint32(out.tail, type << 24);
        v.setUint32(out.tail + 4, group.w0);
        v.setUint32(out.tail + 8, group.w1);
        v.setUint32(out.tail + 12, group.w2);
        v.setUint32(out.tail + 16, group.w3);
        out.tail += RECORD;
      }
    });
  }

  private send(device: NetDevice, to: IpAddress, type: number, rest: number, fill: (out: Packet) => void): void {
    const route = this.nd.routeOn(device, this.nd.linkLocalOrAny(device), to);
    const out = this.icmp.begin(route);
    fill(out);
    const at = out.transport - HOP_BY_HOP;
    out.view.setUint16(at, NextHeader.icmpv6 << 8);
    out.view.setUint32(at + 2, ROUTER_ALERT_MLD);
    out.view.setUint16(at + 6, PAD_TWO);
    out.ipOptions = HOP_BY_HOP;
    emitIcmp6(out, type, 0, rest);
    this.icmp.sendOnLink(out, type, route, HOP_LIMIT);
  }

  override close(): void {
    super.close();
    for (const r of this.devices) if (r) this.env.timers.cancel(r.startTimer, true);
  }
}

function groupIn(p: Packet): IpAddress {
  const v = p.view;
  const at = p.transport + 8;
  return new IpAddress(6, v.getUint32(at), v.getUint32(at + 4), v.getUint32(at + 8), v.getUint32(at + 12));
}

/** Maximum response code to ms (RFC 3810 5.1.3). */
function responseMs(code: number): number {
  return code < 32768 ? code : ((code & 0xfff) | 0x1000) << (((code >> 12) & 7) + 3);
}
