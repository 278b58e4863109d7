/**
 * IGMPv3, the host's side (RFC 3376): groups are reported as group-reports.ts says, to 224.0.0.22 with the router alert option and TTL 1. The
 * group of all systems is never reported.
 */
import type { Owner } from '../../mib/ledger/ledger.js';
import { IpAddress } from '../core/address.js';
import { finish, partialSum } from '../core/checksum.js';
import type { Env } from '../core/env.js';
import { Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import type { NetDevice } from '../ip/device.js';
import type { Ipv4Layer } from '../ip/ipv4.js';
import { type ProtocolHandler, TX_TRANSPORT } from '../ip/protocol.js';
import { Protocol } from '../wire/ipv4.js';
import { DeviceReports, type GroupRecord, GroupReports } from './group-reports.js';

const QUERY = 0x11;
const REPORT_V3 = 0x22;
const ROUTERS = IpAddress.v4(0xe0000016);
const ALL_HOSTS = 0xe0000001;
const ROUTER_ALERT = 0x94040000;
const HEADER = 8;
const RECORD = 8;
const MAX_RECORDS = 128;
const TOS = 0xc0;
/** Linux starts the first report after two ticks. */
const FIRST_US = 2000;

export class IgmpLayer extends GroupReports<DeviceReports> implements ProtocolHandler {
  readonly protocol = Protocol.igmp;
  private readonly ip: Ipv4Layer;
  private readonly scratch = new Packet(TX_TRANSPORT + HEADER + RECORD * MAX_RECORDS);

  constructor(env: Env, ip: Ipv4Layer) {
    super(env, FIRST_US, MAX_RECORDS);
    this.ip = ip;
    ip.groups = this;
    ip.register(this);
  }

  protected make(device: NetDevice): DeviceReports {
    return new DeviceReports(this, device);
  }
  protected isReported(device: NetDevice, group: IpAddress): boolean {
    return !device.loopback && group.w3 !== ALL_HOSTS;
  }
  protected groupsOn(device: NetDevice): IpAddress[] {
    return this.ip.groupList(device).map((word) => IpAddress.v4(word));
  }
  protected robustness(): number {
    return this.env.sysctl.values[Sysctl.igmp_qrv]!;
  }
  protected intervalMs(): number {
    return this.env.sysctl.values[Sysctl.igmpv3_unsolicited_report_interval]!;
  }

  // --- queries

  demux(): Owner {
    return this.env.ledger.unattributed;
  }

  /** Linux counts nothing here, not even a bad checksum. */
  input(p: Packet): void {
    const at = p.transport;
    if (p.tail - at < HEADER || finish(partialSum(p, at, p.tail - at)) !== 0) return;
    if (p.bytes[at] !== QUERY || !p.device || this.env.siblings?.speaks === false) return;
    const group = p.view.getUint32(at + 4);
    if (group === 0 ? this.ip.groupList(p.device).length === 0 : !this.ip.isMember(p.device, group)) return;
    this.answerWithin(this.of(p.device), group === 0 ? null : IpAddress.v4(group), responseUs(p.bytes[at + 1]!));
  }

  icmpError(): void {}
  ours(): boolean {
    return true;
  }
  quotes(): boolean {
    return false;
  }

  // --- reports (RFC 3376 4.2)

  protected report(r: DeviceReports, records: readonly GroupRecord[]): void {
    this.sendAll(r.device, records);
  }

  protected sendRecords(device: NetDevice, records: readonly GroupRecord[]): void {
    const source = device.primary(4);
    if (!source) return;
    const p = this.scratch;
    p.reset(TX_TRANSPORT);
    p.transport = TX_TRANSPORT;
    p.protocol = Protocol.igmp;
    p.df = true;
    p.ipOptions = 4;
    const v = p.view;
    v.setUint32(TX_TRANSPORT - 4, ROUTER_ALERT);
    v.setUint32(TX_TRANSPORT, REPORT_V3 << 24);
    v.setUint32(TX_TRANSPORT + 4, records.length);
    p.tail = TX_TRANSPORT + HEADER;
    for (const { group, type } of records) {
      v.setUint32(p.tail, type << 24);
      v.setUint32(p.tail + 4, group.w3);
      p.tail += RECORD;
    }
    v.setUint16(TX_TRANSPORT + 2, finish(partialSum(p, TX_TRANSPORT, p.tail - TX_TRANSPORT)));
    const u = this.env.ledger.unattributed;
    const route = this.ip.route(ROUTERS, source.address, u, false);
    if (typeof route !== 'number') this.ip.output(p, route, u, 1, TOS);
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
