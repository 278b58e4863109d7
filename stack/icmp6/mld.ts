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
/** RFC 3810 9.12: robustness times query interval, and one response. */
const QUERY_INTERVAL_US = 125_000_000;

/** Behind the kinds of DeviceReports. */
const START = 2;

class MldReports extends DeviceReports {
  readonly startTimer: Timer;
  /** Reports of everything that are still to be sent since the link-local address came into use. */
  startLeft = 0;
  /** Until when a router of version 1 is held to be there. */
  version1UntilUs = 0;
  /** Version 1: groups whose last report was ours. */
  readonly reporter = new Set<string>();
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
  protected robustness(): number {
    return this.env.sysctl.values[Sysctl.ip6_mld_qrv]!;
  }
  protected intervalMs(r: MldReports): number {
    const of = this.version1(r) ? Sysctl.ip6_mldv1_unsolicited_report_interval : Sysctl.ip6_mldv2_unsolicited_report_interval;
    return this.env.sysctl.values[of]!;
  }
  private version1(r: MldReports): boolean {
    const forced = this.env.sysctl.values[Sysctl.ip6_force_mld_version];
    return forced === 1 || (forced !== 2 && this.env.nowUs < r.version1UntilUs);
  }

  /** Version 1 says once that it is done, if it was the last to report (RFC 2710 4). */
  override left(device: NetDevice, group: IpAddress): void {
    const r = this.of(device);
    if (!this.version1(r)) super.left(device, group);
    else if (this.isReported(device, group)) {
      r.forgetChange(group);
      if (r.reporter.delete(group.toString())) this.message(r, Icmp6Type.listenerDone, group);
    }
  }

  /** The link-local address can be used: what was reported from the unspecified address, which routers ignore (RFC 3810 5.2.13), is said again. */
  started(device: NetDevice): void {
    const r = this.of(device);
    r.startLeft = this.robustness();
    this.reportStart(r);
  }
  reportStart(r: MldReports): void {
    if (this.version1(r)) return;
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
    if (length === VERSION1_QUERY || this.version1(r)) {
      if (this.env.sysctl.values[Sysctl.ip6_force_mld_version] === 2) return;
      const qrv = this.env.sysctl.values[Sysctl.ip6_mld_qrv]!;
      r.version1UntilUs = this.env.nowUs + qrv * QUERY_INTERVAL_US + delayUs;
      r.changes = [];
      this.env.timers.cancel(r.changeTimer);
    } else if (length >= VERSION2_QUERY) delayUs = responseMs(code) * 1000;
    else return;
    if (group.isAny()) this.answerWithin(r, null, delayUs);
    else if (this.ip.isMember(device, group.w0, group.w1, group.w2, group.w3)) this.answerWithin(r, group, delayUs);
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
    const r = this.of(device);
    const group = groupIn(p);
    r.reporter.delete(group.toString());
    r.asked = r.asked.filter((g) => !g.equals(group));
    if (this.version1(r)) r.forgetChange(group);
  }

  // --- messages

  protected report(r: MldReports, records: readonly GroupRecord[]): void {
    if (!this.version1(r)) this.sendAll(r.device, records);
    else for (const { group } of records) this.message(r, Icmp6Type.listenerReport, group);
  }

  /** RFC 2710 3: a message of version 1. */
  private message(r: MldReports, type: number, group: IpAddress): void {
    if (type === Icmp6Type.listenerReport) r.reporter.add(group.toString());
    this.send(r.device, type === Icmp6Type.listenerDone ? ALL_ROUTERS : group, type, 0, (out) => writeAddress(out, group));
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
