/** TCP-AO from the outside: the structures of its socket options, and a peer that signs with node's HMAC, sharing nothing with the stack. */
import { createHmac } from 'node:crypto';
import { type Bytes, bytes, ip4, type ParsedFrame, TcpFlag, tcp, u16, u32 } from './frames.js';
import type { RawPeer } from './raw-peer.js';
import type { Simulation } from './simulation.js';
import { optionOf } from './tcp-peer.js';

export const AO_KIND = 29;

export interface KeyFields {
  readonly peer?: string;
  readonly prefix?: number;
  readonly sendId?: number;
  readonly receiveId?: number;
  readonly key?: string;
  readonly algorithm?: string;
  readonly macBytes?: number;
  readonly flags?: number;
  /** 1: sign with it at once, 2: ask the peer for it. */
  readonly bits?: number;
}

function address(v: DataView, peer: string): void {
  v.setUint16(0, 2, true);
  v.setUint32(4, new DataView(ip4(peer).buffer).getUint32(0));
}

/** struct tcp_ao_add for an IPv4 peer. */
export function aoAdd(f: KeyFields = {}): Uint8Array {
  const b = new Uint8Array(288);
  const v = new DataView(b.buffer);
  const peer = f.peer ?? '10.99.0.2';
  address(v, peer);
  b.set(bytes(f.algorithm ?? 'hmac(sha1)'), 128);
  v.setUint32(196, f.bits ?? 0, true);
  b[202] = f.prefix ?? (peer === '0.0.0.0' ? 0 : 32);
  b[203] = f.sendId ?? 100;
  b[204] = f.receiveId ?? 100;
  b[205] = f.macBytes ?? 0;
  b[206] = f.flags ?? 0;
  const key = bytes(f.key ?? 'secret');
  b[207] = key.length;
  b.set(key, 208);
  return b;
}
/** struct tcp_ao_del. */
export function aoDel(f: KeyFields & { readonly current?: number; readonly rnext?: number } = {}): Uint8Array {
  const b = new Uint8Array(144);
  const v = new DataView(b.buffer);
  address(v, f.peer ?? '10.99.0.2');
  v.setUint32(132, f.bits ?? 0, true);
  b[138] = f.prefix ?? 32;
  b[139] = f.sendId ?? 100;
  b[140] = f.receiveId ?? 100;
  b[141] = f.current ?? 0;
  b[142] = f.rnext ?? 0;
  return b;
}
/** struct tcp_ao_info_opt; bits: 1 current, 2 rnext, 4 required, 8 counters, 16 accept ICMP. */
export function aoInfo(bits: number, current = 0, rnext = 0): Uint8Array {
  const b = new Uint8Array(48);
  new DataView(b.buffer).setUint32(0, bits, true);
  b[6] = current;
  b[7] = rnext;
  return b;
}
/** What getsockopt(TCP_AO_INFO) says. */
export function readInfo(raw: Uint8Array) {
  const v = new DataView(raw.buffer, raw.byteOffset, raw.length);
  const n = (i: number) => Number(v.getBigUint64(8 + 8 * i, true));
  return {
    bits: v.getUint32(0, true),
    current: raw[6],
    rnext: raw[7],
    good: n(0),
    bad: n(1),
    notFound: n(2),
    unsigned: n(3),
    icmps: n(4),
  };
}

/** RFC 5926 3.1.1.1. */
function trafficKey(master: string, src: string, dst: string, sport: number, dport: number, sisn: number, disn: number): Buffer {
  const context = bytes(ip4(src), ip4(dst), u16(sport), u16(dport), u32(sisn >>> 0), u32(disn >>> 0));
  return createHmac('sha1', master)
    .update(bytes([1], 'TCP-AO', context, u16(160)))
    .digest();
}
/** RFC 5925 5.1 over a segment whose code lies at `at`. */
function code(traffic: Buffer, src: string, dst: string, segment: Bytes, sne: number, at: number): Bytes {
  const clean = segment.slice();
  clean.fill(0, 16, 18);
  clean.fill(0, at, at + 12);
  const all = bytes(u32(sne >>> 0), ip4(src), ip4(dst), [0, 6], u16(segment.length), clean);
  return Uint8Array.from(createHmac('sha1', traffic).update(all).digest().subarray(0, 12));
}

export interface Signing {
  readonly key?: string;
  readonly keyId?: number;
  readonly rnextId?: number;
  readonly sne?: number;
  /** Bytes of code to cut off, for a wrong length. */
  readonly cut?: number;
  readonly unsigned?: boolean;
}

/** One end of a connection that a raw peer plays with a key. */
export class AoPeer {
  readonly sim: Simulation;
  readonly peer: RawPeer;
  readonly port: number;
  readonly sport: number;
  readonly isn: number;
  /** The host's initial number, once known. */
  theirIsn = 0;
  seq: number;
  ack = 0;
  keyId = 100;
  rnextId = 100;
  key = 'secret';

  constructor(sim: Simulation, peer: RawPeer, port: number, sport = 40000, isn = 5000) {
    this.sim = sim;
    this.peer = peer;
    this.port = port;
    this.sport = sport;
    this.isn = isn;
    this.seq = isn;
  }

  /** Sends a segment with a code; what came back after a millisecond. */
  segment(flags: number, data: Bytes | string = '', more: Bytes = new Uint8Array(0), s: Signing = {}): ParsedFrame[] {
    const { address: src, target: dst } = this.peer;
    const fields = {
      src,
      dst,
      sport: this.sport,
      dport: this.port,
      seq: this.seq,
      ack: flags & TcpFlag.ACK ? this.ack : 0,
      flags,
    };
    const head = [AO_KIND, 16, s.keyId ?? this.keyId, s.rnextId ?? this.rnextId];
    let options = s.unsigned ? more : bytes(head, new Uint8Array(12), more);
    if (!s.unsigned) {
      const first = (flags & (TcpFlag.SYN | TcpFlag.ACK)) === TcpFlag.SYN;
      const traffic = trafficKey(s.key ?? this.key, src, dst, this.sport, this.port, this.isn, first ? 0 : this.theirIsn);
      const good = code(traffic, src, dst, tcp({ ...fields, options }, bytes(data)), s.sne ?? 0, 24);
      options = bytes(head, good, more);
    }
    if (s.cut) options = bytes([AO_KIND, 16 - s.cut], options.subarray(2, 16 - s.cut), new Uint8Array(s.cut).fill(1), more);
    this.peer.sendTcp({ ...fields, options }, data);
    this.sim.pass(1000);
    return this.replies();
  }
  replies(): ParsedFrame[] {
    return this.peer.take().filter((x) => x.kind === 'tcp' && x.sport === this.port && x.dport === this.sport);
  }

  /** Is what came signed by our key, with these IDs? */
  goodReply(f: ParsedFrame, keyId = this.rnextId, rnextId = this.keyId, sne = 0): boolean {
    const option = optionOf(f, AO_KIND);
    if (!option || option[0] !== keyId || option[1] !== rnextId) return false;
    const segment = f.raw.subarray(34, 14 + f.totalLength);
    const first = (f.flags & (TcpFlag.SYN | TcpFlag.ACK)) === TcpFlag.SYN;
    const theirs = f.flags & TcpFlag.SYN ? f.seq : this.theirIsn;
    const { address: dst, target: src } = this.peer;
    const traffic = trafficKey(this.key, src, dst, f.sport, f.dport, theirs, first ? 0 : this.isn);
    const expected = code(traffic, src, dst, segment, sne, option.byteOffset - segment.byteOffset + 2);
    return Buffer.compare(expected, option.subarray(2, 14)) === 0;
  }

  handshake(more?: Bytes): ParsedFrame {
    const synAck = this.segment(TcpFlag.SYN, '', more)[0];
    if (!synAck) throw new Error('no SYN-ACK came');
    this.got(synAck);
    this.seq = (this.seq + 1) >>> 0;
    this.segment(TcpFlag.ACK);
    return synAck;
  }
  got(f: ParsedFrame): void {
    if (f.flags & TcpFlag.SYN) this.theirIsn = f.seq;
    this.ack = (f.seq + f.data.length + (f.flags & (TcpFlag.SYN | TcpFlag.FIN) ? 1 : 0)) >>> 0;
  }
  send(data: Bytes | string, s?: Signing): ParsedFrame[] {
    const r = this.segment(TcpFlag.PSH | TcpFlag.ACK, data, undefined, s);
    this.seq = (this.seq + data.length) >>> 0;
    return r;
  }
}
