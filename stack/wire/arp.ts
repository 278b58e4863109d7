/** The ARP packet for IPv4 over Ethernet (RFC 826). One reused record; `parse` is the only bounds check. */
import type { Packet } from '../core/packet.js';

export const ARP_LENGTH = 28;
export const ArpOp = Object.freeze({ request: 1, reply: 2 });
const HARDWARE_ETHERNET = 1;
const PROTOCOL_IPV4 = 0x0800;

export class ArpPacket {
  op = 0;
  senderHigh = 0;
  senderLow = 0;
  senderIp = 0;
  targetHigh = 0;
  targetLow = 0;
  targetIp = 0;

  /** Reads the packet at p.data. False: too short, or not about IPv4 over Ethernet. */
  parse(p: Packet): boolean {
    const at = p.data;
    if (p.tail - at < ARP_LENGTH) return false;
    const v = p.view;
    if (v.getUint16(at) !== HARDWARE_ETHERNET || v.getUint16(at + 2) !== PROTOCOL_IPV4) return false;
    if (v.getUint16(at + 4) !== 0x0604) return false;
    this.op = v.getUint16(at + 6);
    this.senderHigh = v.getUint16(at + 8);
    this.senderLow = v.getUint32(at + 10);
    this.senderIp = v.getUint32(at + 14);
    this.targetHigh = v.getUint16(at + 18);
    this.targetLow = v.getUint32(at + 20);
    this.targetIp = v.getUint32(at + 24);
    return true;
  }

  /** Writes the record at p.data and sets p.tail. */
  emit(p: Packet): void {
    const at = p.data;
    const v = p.view;
    v.setUint16(at, HARDWARE_ETHERNET);
    v.setUint16(at + 2, PROTOCOL_IPV4);
    v.setUint16(at + 4, 0x0604);
    v.setUint16(at + 6, this.op);
    v.setUint16(at + 8, this.senderHigh);
    v.setUint32(at + 10, this.senderLow);
    v.setUint32(at + 14, this.senderIp);
    v.setUint16(at + 18, this.targetHigh);
    v.setUint32(at + 20, this.targetLow);
    v.setUint32(at + 24, this.targetIp);
    p.tail = at + ARP_LENGTH;
  }
}
