/**
 * ARP (RFC 826, RFC 1122 2.3.2, RFC 5227): finds the MAC address of an IPv4 neighbour, and answers who asks for ours.
 *
 * RFC 826's rule in Linux's form: a request for one of our addresses is answered and teaches us the sender (STALE: it was not confirmed that
 * it hears us); whatever else names a sender we already know refreshes that entry (REACHABLE when it is a reply to us). Nothing else
 * creates entries. A sender that claims one of our addresses is a conflict (RFC 5227 2.4): reported, not believed.
 */
import { TcpExt } from '../../mib/catalogue/index.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import { IpAddress } from '../core/address.js';
import type { Env } from '../core/env.js';
import { LinkType, Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import type { NetDevice } from '../ip/device.js';
import { ArpOp, ArpPacket } from '../wire/arp.js';
import { BROADCAST_HIGH, BROADCAST_LOW, ETHERNET_HEADER, EtherType, emitEthernet, formatMac } from '../wire/ethernet.js';
import { type Neighbour, NeighbourTable, Nud, type Solicitor } from './neighbour.js';

/** Frame start that puts the ARP packet on a 4-byte boundary. */
const FRAME_AT = 66;
const SCRATCH = 256;

/** What ARP asks of IPv4. */
export interface ArpHost {
  /** An address of this host; on this very device when `device` is given. */
  isLocal4(word: number, device: NetDevice | null): boolean;
  /** The device that the way to this address leads through (arp_filter); null without a way. */
  deviceTo(word: number): NetDevice | null;
  /** Our address on the device to speak from. */
  sourceOn(device: NetDevice, target: IpAddress): IpAddress | null;
  /** Where the packet was going cannot be reached (dst_link_failure): tell its sender. */
  linkFailure(p: Packet, owner: Owner): void;
}

export interface AddressConflict {
  readonly address: string;
  readonly mac: string;
  readonly device: string;
  readonly timeUs: number;
}

export class ArpLayer implements Solicitor {
  readonly table: NeighbourTable;
  /** The last conflicts seen, newest last, at most 16. */
  readonly conflicts: AddressConflict[] = [];
  onConflict: (c: AddressConflict) => void = () => {};
  private readonly env: Env;
  private readonly host: ArpHost;
  private readonly message = new ArpPacket();
  private readonly scratch = new Packet(SCRATCH);

  constructor(env: Env, host: ArpHost) {
    this.env = env;
    this.host = host;
    this.table = new NeighbourTable(env, this);
  }

  /** A frame of EtherType ARP; p.data at the ARP packet. Linux has no counter for malformed ARP: nothing moves. */
  input(p: Packet, device: NetDevice): void {
    if (this.sound(p, device)) this.take(p, device);
  }

  /** A frame that another stack of this host takes: what it teaches is learned, what it asks is not answered. */
  overhear(p: Packet, device: NetDevice): void {
    const m = this.message;
    if (!this.sound(p, device) || m.senderIp === 0 || this.host.isLocal4(m.senderIp, null)) return;
    if (m.op === ArpOp.request && this.acceptable(m.senderIp) && this.wouldAnswer(m.targetIp, m.senderIp, device)) {
      this.table.hop(device, IpAddress.v4(m.senderIp))?.learn(m.senderHigh, m.senderLow, Nud.stale, true);
    } else this.refresh(p, device);
  }

  /** Parses the message. False: nothing that concerns anybody. */
  private sound(p: Packet, device: NetDevice): boolean {
    const m = this.message;
    if (device.loopback || p.linkType === LinkType.otherhost || !m.parse(p)) return false;
    if (m.op !== ArpOp.request && m.op !== ArpOp.reply) return false;
    return m.targetIp >>> 28 !== 0xe && m.targetIp >>> 24 !== 127;
  }

  private take(p: Packet, device: NetDevice): void {
    const m = this.message;
    if (m.senderIp === 0) {
      if (m.op === ArpOp.request && this.answers(m.targetIp, 0, device)) this.reply(device, m.targetIp, 0);
      return;
    }
    if (this.host.isLocal4(m.senderIp, null)) {
      this.conflict(device);
      return;
    }
    if (m.op === ArpOp.request && this.acceptable(m.senderIp) && this.answers(m.targetIp, m.senderIp, device)) {
      const n = this.table.hop(device, IpAddress.v4(m.senderIp));
      if (!n) return;
      n.learn(m.senderHigh, m.senderLow, Nud.stale, true);
      this.reply(device, m.targetIp, m.senderIp);
      return;
    }
    this.refresh(p, device);
  }

  private refresh(p: Packet, device: NetDevice): void {
    const m = this.message;
    const n = this.table.find(device, IpAddress.v4(m.senderIp));
    if (!n) return;
    const gratuitous = m.senderIp === m.targetIp;
    const confirmed = m.op === ArpOp.reply && p.linkType === LinkType.host;
    n.learn(m.senderHigh, m.senderLow, confirmed ? Nud.reachable : Nud.stale, gratuitous || n.unlocked());
  }

  private acceptable(ip: number): boolean {
    const top = ip >>> 24;
    return top !== 0 && top !== 127 && top < 0xe0;
  }

  private answers(target: number, sender: number, device: NetDevice): boolean {
    if (this.wouldAnswer(target, sender, device)) return true;
    if (this.host.isLocal4(target, null) && this.host.deviceTo(sender)) this.env.ledger.unattributed.inc(TcpExt.ArpFilter);
    return false;
  }
  private wouldAnswer(target: number, sender: number, device: NetDevice): boolean {
    if (!this.host.isLocal4(target, null)) return false;
    return this.env.sysctl.values[Sysctl.arp_filter] === 0 || sender === 0 || this.host.deviceTo(sender) === device;
  }

  private conflict(device: NetDevice): void {
    const m = this.message;
    if (m.senderHigh === device.macHigh && m.senderLow === device.macLow) return;
    const c = {
      address: IpAddress.v4(m.senderIp).toString(),
      mac: formatMac(m.senderHigh, m.senderLow),
      device: device.name,
      timeUs: this.env.nowUs,
    };
    if (this.conflicts.length >= 16) this.conflicts.shift();
    this.conflicts.push(c);
    this.onConflict(c);
  }

  private reply(device: NetDevice, ours: number, theirs: number): void {
    const m = this.message;
    this.send(device, ArpOp.reply, ours, m.senderHigh, m.senderLow, theirs, m.senderHigh, m.senderLow);
  }

  solicit(n: Neighbour, unicast: boolean): void {
    const d = n.device;
    const ours = this.host.sourceOn(d, n.address)?.w3 ?? 0;
    if (unicast) this.send(d, ArpOp.request, ours, 0, 0, n.address.w3, n.macHigh, n.macLow);
    else this.send(d, ArpOp.request, ours, 0, 0, n.address.w3, BROADCAST_HIGH, BROADCAST_LOW);
  }

  /** Tells the link that an address is ours (RFC 5227 2.3). */
  announce(device: NetDevice, address: IpAddress): void {
    this.send(device, ArpOp.request, address.w3, 0, 0, address.w3, BROADCAST_HIGH, BROADCAST_LOW);
  }

  private send(
    device: NetDevice,
    op: number,
    ours: number,
    targetHigh: number,
    targetLow: number,
    theirs: number,
    macHigh: number,
    macLow: number,
  ): void {
    const m = this.message;
    m.op = op;
    m.senderHigh = device.macHigh;
    m.senderLow = device.macLow;
    m.senderIp = ours;
    m.targetHigh = targetHigh;
    m.targetLow = targetLow;
    m.targetIp = theirs;
    const p = this.scratch;
    p.reset(FRAME_AT + ETHERNET_HEADER);
    m.emit(p);
    emitEthernet(p, macHigh, macLow, device.macHigh, device.macLow, EtherType.arp);
    device.transmit(p, this.env.ledger.unattributed);
  }

  unreachable(p: Packet, owner: Owner): void {
    this.host.linkFailure(p, owner);
  }
}
