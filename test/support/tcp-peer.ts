/** A scripted TCP endpoint on a raw peer: nothing is automatic but sequence numbers. */
import { type Bytes, bytes, type ParsedFrame, TcpFlag, u16, u32 } from './frames.js';
import type { RawPeer } from './raw-peer.js';
import type { Simulation } from './simulation.js';

const { FIN, SYN, RST, PSH, ACK } = TcpFlag;

export const option = {
  mss: (n: number): Bytes => bytes([2, 4], u16(n)),
  sackOk: bytes([1, 1, 4, 2]),
  wscale: (n: number): Bytes => bytes([1, 3, 3, n]),
  ts: (val: number, ecr: number): Bytes => bytes([1, 1, 8, 10], u32(val >>> 0), u32(ecr >>> 0)),
  md5: bytes([1, 1, 19, 18], new Uint8Array(16)),
  cookie: (c: Bytes): Bytes => {
    const o = bytes([34, 2 + c.length], c);
    return bytes(o, new Uint8Array(-o.length & 3).fill(1));
  },
};

/** The body of one option of a segment, undefined without it. */
export function optionOf(f: ParsedFrame, kind: number): Bytes | undefined {
  for (let at = 0; at < f.options.length; ) {
    const k = f.options[at]!;
    if (k === 0) return undefined;
    if (k === 1) at++;
    else {
      const size = f.options[at + 1]!;
      if (k === kind) return f.options.subarray(at + 2, at + size);
      at += size;
    }
  }
  return undefined;
}

export interface SegmentFields {
  readonly flags: number;
  readonly seq?: number;
  readonly ack?: number;
  readonly window?: number;
  readonly options?: Bytes;
  readonly badSum?: number;
  readonly dataOffset?: number;
  readonly urgent?: number;
}

export class TcpPeer {
  readonly sim: Simulation;
  readonly peer: RawPeer;
  readonly port: number;
  readonly sport: number;
  /** Next to send, next expected. */
  seq: number;
  ackn = 0;
  /** Timestamps are on when not 0. */
  tsVal = 0;
  tsEcr = 0;

  constructor(sim: Simulation, peer: RawPeer, port: number, sport = 40000, isn = 0x10000000) {
    this.sim = sim;
    this.peer = peer;
    this.port = port;
    this.sport = sport;
    this.seq = isn;
  }

  /** Sends one segment and lets a millisecond pass. What came back of this connection. */
  segment(f: SegmentFields, data: Bytes | string = ''): ParsedFrame[] {
    const ts = this.tsVal && !(f.flags & RST) ? option.ts(this.tsVal, this.tsEcr) : new Uint8Array(0);
    this.peer.sendTcp(
      {
        sport: this.sport,
        dport: this.port,
        seq: (f.seq ?? this.seq) >>> 0,
        ack: (f.ack ?? (f.flags & ACK ? this.ackn : 0)) >>> 0,
        ...f,
        options: f.options ?? ts,
      },
      data,
    );
    this.sim.pass(1000);
    return this.replies();
  }

  replies(): ParsedFrame[] {
    return this.peer.take().filter((x) => x.kind === 'tcp' && x.sport === this.port && x.dport === this.sport);
  }

  syn(extra: Bytes = new Uint8Array(0), flags: number = SYN, data: Bytes | string = ''): ParsedFrame[] {
    const ts = this.tsVal ? option.ts(this.tsVal, 0) : new Uint8Array(0);
    return this.segment({ flags, options: bytes(option.mss(1460), option.sackOk, ts, extra) }, data);
  }
  /** Takes a SYN-ACK's numbers. */
  got(f: ParsedFrame): ParsedFrame {
    this.ackn = (f.seq + f.data.length + (f.flags & (SYN | FIN) ? 1 : 0)) >>> 0;
    const ts = optionOf(f, 8);
    if (ts) this.tsEcr = new DataView(ts.buffer, ts.byteOffset).getUint32(0);
    return f;
  }
  /** SYN, SYN-ACK; the final ACK when `finish`. */
  handshake(finish = true, extra?: Bytes): ParsedFrame {
    const synAck = this.syn(extra)[0];
    if (!synAck || (synAck.flags & (SYN | ACK)) !== (SYN | ACK)) throw new Error('no SYN-ACK came');
    this.got(synAck);
    this.seq = (this.seq + 1) >>> 0;
    if (finish) this.segment({ flags: ACK });
    return synAck;
  }
  send(data: Bytes | string): ParsedFrame[] {
    const r = this.segment({ flags: PSH | ACK }, data);
    this.seq = (this.seq + data.length) >>> 0;
    return r;
  }
  fin(): ParsedFrame[] {
    const r = this.segment({ flags: FIN | ACK });
    this.seq = (this.seq + 1) >>> 0;
    return r;
  }
}
