/**
 * A peer without a stack: sends crafted frames and keeps what comes back. It answers ARP for its own address, nothing else. The shape is
 * that of the parity oracle's peer, so that its scenarios read the same here.
 */
import { HEADROOM, MAX_FRAME, Packet } from '../../stack/core/packet.js';
import type { Link } from '../../stack/link/link.js';
import {
  arp,
  type Bytes,
  bytes,
  EtherType,
  ethernet,
  type Ip4Fields,
  icmp,
  ipv4,
  type ParsedFrame,
  Proto,
  parseFrame,
  type TcpFields,
  tcp,
  type UdpFields,
  udp,
} from './frames.js';

export interface PeerOptions {
  readonly mac?: string;
  readonly address?: string;
  /** The host under test. */
  readonly targetMac?: string;
  readonly target?: string;
}

export class RawPeer {
  readonly link: Link;
  readonly mac: string;
  readonly address: string;
  readonly targetMac: string;
  readonly target: string;
  /** Everything that came but the ARP requests that were answered. */
  readonly received: ParsedFrame[] = [];
  /** Answer ARP requests for the own address. */
  answerArp = true;
  private readonly packet = new Packet(MAX_FRAME + HEADROOM);
  private nowUs = 0;

  constructor(link: Link, options: PeerOptions = {}) {
    this.link = link;
    this.mac = options.mac ?? '02:00:00:00:00:02';
    this.address = options.address ?? '10.99.0.2';
    this.targetMac = options.targetMac ?? '02:00:00:00:00:01';
    this.target = options.target ?? '10.99.0.1';
  }

  poll(nowUs: number): void {
    this.nowUs = nowUs;
    this.link.advance(nowUs);
    while (this.link.receive(this.packet)) {
      const p = this.packet;
      const f = parseFrame(p.bytes.slice(p.data, p.tail));
      if (f.kind === 'arp' && f.type === 1 && f.dst === this.address && this.answerArp) this.replyArp(f);
      else this.received.push(f);
    }
  }

  nextDeadlineUs(): number {
    return this.link.nextDeadlineUs();
  }

  /** Forgets what came and gives it. */
  take(): ParsedFrame[] {
    return this.received.splice(0);
  }

  /** A frame as it is. */
  sendFrame(frame: Bytes): void {
    const p = this.packet;
    p.reset(HEADROOM);
    p.bytes.set(frame, HEADROOM);
    p.tail = HEADROOM + frame.length;
    this.link.advance(this.nowUs);
    const error = this.link.transmit(p);
    if (error !== 0) throw new Error(`the link refused a frame: ${error}`);
  }

  sendIp(payload: Bytes, fields: Partial<Ip4Fields> & { readonly protocol: number }, dmac = this.targetMac): void {
    const packet = ipv4({ src: this.address, dst: this.target, ...fields }, payload);
    this.sendFrame(ethernet(dmac, this.mac, EtherType.ipv4, packet));
  }

  sendUdp(fields: Partial<UdpFields> & { sport: number; dport: number }, data: Bytes | string, dmac = this.targetMac): void {
    const f = { src: this.address, dst: this.target, ...fields };
    this.sendIp(udp(f, bytes(data)), { src: f.src, dst: f.dst, protocol: f.protocol ?? Proto.udp }, dmac);
  }

  sendTcp(
    fields: Partial<TcpFields> & { sport: number; dport: number },
    data: Bytes | string = '',
    ip: Partial<Ip4Fields> = {},
  ): void {
    const f = { src: this.address, dst: this.target, ...fields };
    this.sendIp(tcp(f, bytes(data)), { src: f.src, dst: f.dst, protocol: Proto.tcp, ...ip });
  }

  sendIcmp(type: number, code: number, rest: Bytes, fields: Partial<Ip4Fields> = {}, dmac = this.targetMac): void {
    this.sendIp(icmp(type, code, rest), { protocol: Proto.icmp, ...fields }, dmac);
  }

  ping(sequence = 1, fields: Partial<Ip4Fields> = {}, dmac = this.targetMac): void {
    this.sendIcmp(8, 0, bytes([0, 1, 0, sequence], new Uint8Array(56)), fields, dmac);
  }

  /** Asks for the target's address, which also tells the target ours. */
  askArp(): void {
    const request = arp({ op: 1, senderMac: this.mac, sender: this.address, target: this.target });
    this.sendFrame(ethernet('ff:ff:ff:ff:ff:ff', this.mac, EtherType.arp, request));
  }

  private replyArp(request: ParsedFrame): void {
    const reply = arp({ op: 2, senderMac: this.mac, sender: this.address, targetMac: request.smac, target: request.src });
    this.sendFrame(ethernet(request.smac, this.mac, EtherType.arp, reply));
  }
}
