/** A scripted TCP endpoint over IPv6: nothing is automatic but sequence numbers. */
import { type Bytes, bytes, checksum, Proto, TcpFlag, u16, u32 } from '../../support/frames.js';
import { type Frame6, ip6, type Peer6 } from '../../support/peer6.js';
import type { Simulation } from '../../support/simulation.js';

export interface SegmentFields {
  readonly flags: number;
  readonly options?: Bytes;
  readonly badSum?: number;
  /** Of the first byte, instead of the next one to send: what comes after stays where it is. */
  readonly seq?: number;
  readonly flowLabel?: number;
}

export class Tcp6 {
  readonly peer: Peer6;
  readonly port: number;
  readonly sport: number;
  seq = 0x1000;
  ack = 0;

  constructor(peer: Peer6, port: number, sport = 40000) {
    this.peer = peer;
    this.port = port;
    this.sport = sport;
  }

  send(f: SegmentFields, data: Bytes = new Uint8Array(0)): void {
    const options = f.options ?? new Uint8Array(0);
    const offset = ((5 + options.length / 4) << 12) | f.flags;
    const head = bytes(u16(this.sport), u16(this.port), u32((f.seq ?? this.seq) >>> 0), u32(this.ack), u16(offset), u16(65535));
    const tail = bytes(u16(0), options, data);
    const size = head.length + 2 + tail.length;
    const pseudo = bytes(ip6(this.peer.address), ip6(this.peer.target), u32(size), u32(Proto.tcp));
    const sum = checksum(pseudo, head, u16(0), tail) ^ (f.badSum ?? 0);
    this.peer.send(Proto.tcp, bytes(head, u16(sum), tail), { flowLabel: f.flowLabel });
    if (f.seq !== undefined) return;
    this.seq = (this.seq + data.length + ((f.flags & (TcpFlag.SYN | TcpFlag.FIN)) !== 0 ? 1 : 0)) >>> 0;
  }

  /** SYN with MSS, SACK and nothing else, up to the ACK. Gives the SYN-ACK. */
  handshake(sim: Simulation): Frame6 {
    this.send({ flags: TcpFlag.SYN, options: bytes([2, 4], u16(1460), [1, 1, 4, 2]) });
    sim.pass(1000);
    const ours = (f: Frame6) => f.next === Proto.tcp && ((f.data[2]! << 8) | f.data[3]!) === this.sport;
    const synAck = this.peer.take().find(ours);
    if (!synAck) throw new Error('no SYN-ACK came');
    const v = new DataView(synAck.data.buffer, synAck.data.byteOffset);
    this.ack = (v.getUint32(4) + 1) >>> 0;
    this.send({ flags: TcpFlag.ACK });
    sim.pass(1000);
    return synAck;
  }
}
