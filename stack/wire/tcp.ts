/**
 * The TCP header (RFC 9293 3.1) and its options (9293 3.2, 7323, 2018, 7413, 2385, 5925, 9768). One reused record; `parse` is the only bounds
 * check and never judges: what is odd is for the caller to count.
 */
import type { Packet } from '../core/packet.js';

export const Flag = Object.freeze({ FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16, URG: 32, ECE: 64, CWR: 128, AE: 256 });
export const Opt = Object.freeze({
  EOL: 0,
  NOP: 1,
  MSS: 2,
  WSCALE: 3,
  SACK_PERM: 4,
  SACK: 5,
  TS: 8,
  MD5: 19,
  AO: 29,
  FASTOPEN: 34,
  ACCECN0: 172,
  ACCECN1: 174,
  EXP: 254,
});
export const TCP_HEADER = 20;
/** Magic of the experimental Fast Open option (RFC 6994, 7413 4.1.1). */
const FASTOPEN_MAGIC = 0xf989;
export const MAX_WSCALE = 14;
/** Length of the MD5 option (RFC 2385), and of AO's in front of its code (RFC 5925 2.2). */
export const MD5_OPTION = 18;
export const AO_HEADER = 4;

export class TcpHeader {
  sourcePort = 0;
  destinationPort = 0;
  seq = 0;
  ack = 0;
  /** Nine bits, AE included. */
  flags = 0;
  /** As on the wire, not scaled. */
  window = 0;
  urgent = 0;
  /** Header length in bytes. */
  dataOffset = 0;
  /** Payload length, SYN and FIN not counted. */
  length = 0;
  /** seq + length + SYN + FIN. */
  endSeq = 0;

  sawTs = false;
  tsVal = 0;
  tsEcr = 0;
  /** 0 without. */
  mss = 0;
  /** -1 without; at most 14. */
  wscale = -1;
  sackPermitted = false;
  /** Number of SACK blocks; edges at sack[2i], sack[2i+1]. */
  sackCount = 0;
  readonly sack: Uint32Array = new Uint32Array(8);
  /** Fast Open cookie: offset in the packet and length; -1 without the option. */
  fastOpenAt = 0;
  fastOpenLength = -1;
  fastOpenExperimental = false;
  /** Offset of the MD5 digest, and of the AO option with its length: 0 without. Found by `parseSignatures` alone. */
  md5At = 0;
  aoAt = 0;
  aoLength = 0;
  /** AccECN option: how many of its fields there are (-1 without the option), the fields as they come, and whether ECT(1) comes first. */
  accEcnCount = -1;
  accEcnEct1First = false;
  readonly accEcn: Uint32Array = new Uint32Array(3);

  /** Fixed part and lengths. False: shorter than 20 bytes, or than its own data offset, or data offset below 5. */
  parse(p: Packet): boolean {
    const at = p.transport;
    const size = p.tail - at;
    if (size < TCP_HEADER) return false;
    const v = p.view;
    this.sourcePort = v.getUint16(at);
    this.destinationPort = v.getUint16(at + 2);
    this.seq = v.getUint32(at + 4);
    this.ack = v.getUint32(at + 8);
    const w = v.getUint16(at + 12);
    this.dataOffset = (w >>> 12) * 4;
    this.flags = w & 0x1ff;
    this.window = v.getUint16(at + 14);
    this.urgent = v.getUint16(at + 18);
    if (this.dataOffset < TCP_HEADER || this.dataOffset > size) return false;
    this.length = size - this.dataOffset;
    this.endSeq = (this.seq + this.length + ((this.flags & Flag.SYN) >> 1) + (this.flags & Flag.FIN)) >>> 0;
    p.payload = at + this.dataOffset;
    return true;
  }

  /** All options. Malformed ones end the walk, as in Linux. MSS, window scale, SACK-permitted and Fast Open count on SYNs only. */
  parseOptions(p: Packet): void {
    this.sawTs = false;
    this.mss = 0;
    this.wscale = -1;
    this.sackPermitted = false;
    this.sackCount = 0;
    this.fastOpenLength = -1;
    this.accEcnCount = -1;
    const b = p.bytes;
    const v = p.view;
    const end = p.transport + this.dataOffset;
    const syn = (this.flags & Flag.SYN) !== 0;
    let at = p.transport + TCP_HEADER;
    if (end - at === 12 && v.getUint32(at) === 0x0101080a) {
      this.sawTs = true;
      this.tsVal = v.getUint32(at + 4);
      this.tsEcr = v.getUint32(at + 8);
      return;
    }
    while (at < end) {
      const kind = b[at]!;
      if (kind === Opt.EOL) return;
      if (kind === Opt.NOP) {
        at++;
        continue;
      }
      if (end - at < 2) return;
      const size = b[at + 1]!;
      if (size < 2 || at + size > end) return;
      this.option(p, kind, size, at, syn);
      at += size;
    }
  }

  /**
   * The signature options alone, before anything else of a segment is believed (RFC 2385, 5925 2.2). False: malformed, or more than one.
   * Linux looks no further when fewer than `least` bytes are left: the smallest signature that it knows.
   */
  parseSignatures(p: Packet, least: number): boolean {
    this.md5At = 0;
    this.aoAt = 0;
    const b = p.bytes;
    const end = p.transport + this.dataOffset;
    let at = p.transport + TCP_HEADER;
    while (end - at >= least) {
      const kind = b[at]!;
      if (kind === Opt.EOL) return true;
      if (kind === Opt.NOP) {
        at++;
        continue;
      }
      const size = b[at + 1]!;
      if (size < 2 || at + size > end) return false;
      if (kind === Opt.MD5 || kind === Opt.AO) {
        const fits = kind === Opt.MD5 ? size === MD5_OPTION : size > AO_HEADER;
        if (!fits || this.md5At !== 0 || this.aoAt !== 0) return false;
        if (kind === Opt.MD5) this.md5At = at + 2;
        else {
          this.aoAt = at;
          this.aoLength = size;
        }
      }
      at += size;
    }
    return true;
  }

  private option(p: Packet, kind: number, size: number, at: number, syn: boolean): void {
    const v = p.view;
    switch (kind) {
      case Opt.MSS:
        if (size === 4 && syn) this.mss = v.getUint16(at + 2);
        break;
      case Opt.WSCALE:
        if (size === 3 && syn) this.wscale = Math.min(p.bytes[at + 2]!, MAX_WSCALE);
        break;
      case Opt.TS:
        if (size === 10) {
          this.sawTs = true;
          this.tsVal = v.getUint32(at + 2);
          this.tsEcr = v.getUint32(at + 6);
        }
        break;
      case Opt.SACK_PERM:
        if (size === 2 && syn) this.sackPermitted = true;
        break;
      case Opt.SACK:
        if (size >= 10 && (size - 2) % 8 === 0) {
          this.sackCount = Math.min((size - 2) >> 3, 4);
          for (let i = 0; i < this.sackCount * 2; i++) this.sack[i] = v.getUint32(at + 2 + i * 4);
        }
        break;
      case Opt.ACCECN0:
      case Opt.ACCECN1:
        this.accEcnCount = Math.min(3, Math.floor((size - 2) / 3));
        this.accEcnEct1First = kind === Opt.ACCECN1;
        for (let i = 0; i < this.accEcnCount; i++) this.accEcn[i] = v.getUint32(at + 1 + 3 * i) & 0xffffff;
        break;
      case Opt.FASTOPEN:
        this.fastOpen(at + 2, size - 2, syn, false);
        break;
      case Opt.EXP:
        if (size >= 4 && v.getUint16(at + 2) === FASTOPEN_MAGIC) this.fastOpen(at + 4, size - 4, syn, true);
        break;
    }
  }

  private fastOpen(at: number, length: number, syn: boolean, experimental: boolean): void {
    if (!syn || length < 0 || length & 1) return;
    if (length !== 0 && (length < 4 || length > 16)) return;
    this.fastOpenAt = at;
    this.fastOpenLength = length;
    this.fastOpenExperimental = experimental;
  }
}

/** Writes the fixed header at p.transport; options follow at +20, `optionBytes` a multiple of 4. The checksum field is left 0. */
export function emitTcp(
  p: Packet,
  sourcePort: number,
  destinationPort: number,
  seq: number,
  ack: number,
  flags: number,
  window: number,
  urgent: number,
  optionBytes: number,
): void {
  const v = p.view;
  const at = p.transport;
  v.setUint16(at, sourcePort);
  v.setUint16(at + 2, destinationPort);
  v.setUint32(at + 4, seq);
  v.setUint32(at + 8, ack);
  v.setUint16(at + 12, (((TCP_HEADER + optionBytes) >> 2) << 12) | flags);
  v.setUint16(at + 14, window);
  v.setUint32(at + 16, urgent & 0xffff);
}
