/**
 * IPv4 options (RFC 791 3.1, RFC 1122 3.2.1.8): record route and timestamp are filled in on the way in and again in the echo, source routes
 * are recognised (and refused by the caller), a security label of a domain that nobody has defined is a bad option (CIPSO, as by a kernel with
 * NetLabel and no labels set up), everything else is stepped over. Works in place on the header.
 */
import type { Packet } from '../core/packet.js';
import { IPV4_HEADER } from '../wire/ipv4.js';

export const IpOption = Object.freeze({
  end: 0,
  nop: 1,
  recordRoute: 7,
  timestamp: 0x44,
  security: 0x82,
  looseSourceRoute: 0x83,
  cipso: 0x86,
  strictSourceRoute: 0x89,
  routerAlert: 0x94,
});
/** Bit of the option number: copied into every fragment. */
const COPIED = 0x80;
const TS_ONLY = 0;
const TS_ADDRESS = 1;
const TS_PRESPECIFIED = 3;
/** Number, length, domain and the head of one tag. */
const CIPSO_BYTES = 8;
const US_PER_DAY = 86_400_000_000;

/** What the options ask of the host. */
export interface OptionHost {
  /** Milliseconds since midnight UT. */
  timestamp(): number;
  /** An address of this host. */
  isLocalWord(word: number): boolean;
}

/** Milliseconds since midnight UT of a clock in µs since the epoch. */
export function midnightMs(wallUs: number): number {
  return Math.floor((wallUs % US_PER_DAY) / 1000);
}

export interface FoundOptions {
  readonly recordRoute: number;
  readonly timestamp: number;
  readonly recordNeedsAddress: boolean;
  readonly timestampNeedsAddress: boolean;
  readonly timestampNeedsTime: boolean;
}

/** What `compile` found: offsets from the start of the IP header, 0 without. Reused. */
export class IpOptions {
  sourceRoute = 0;
  recordRoute = 0;
  timestamp = 0;
  /** Always a bad option, which only the error about it echoes. */
  private label = 0;
  recordNeedsAddress = false;
  timestampNeedsAddress = false;
  timestampNeedsTime = false;
  routerAlert = false;
  changed = false;
  /** The packet that was compiled last. */
  packet: Packet | null = null;
  private readonly host: OptionHost;
  /** Echoed options under construction. */
  readonly echo: Uint8Array = new Uint8Array(40);
  echoLength = 0;

  constructor(host: OptionHost) {
    this.host = host;
  }

  private clear(): void {
    this.sourceRoute = 0;
    this.recordRoute = 0;
    this.timestamp = 0;
    this.label = 0;
    this.recordNeedsAddress = false;
    this.timestampNeedsAddress = false;
    this.timestampNeedsTime = false;
    this.routerAlert = false;
    this.changed = false;
    this.packet = null;
  }

  /**
   * Walks the options of the header at p.network, filling in record route and timestamp with `ours`.
   * @returns -1 when they are well formed, else the offset of the bad octet from the start of the header
   */
  compile(p: Packet, optionBytes: number, ours: number): number {
    this.clear();
    this.packet = p; // also when one is bad: the error about it echoes those before it
    return this.walk(p, optionBytes, ours);
  }

  private walk(p: Packet, optionBytes: number, ours: number): number {
    const b = p.bytes;
    const start = p.network;
    let at = start + IPV4_HEADER;
    const end = at + optionBytes;
    while (at < end) {
      const kind = b[at]!;
      if (kind === IpOption.end) {
        this.blank(b, at + 1, end);
        return -1;
      }
      if (kind === IpOption.nop) {
        at++;
        continue;
      }
      if (end - at < 2) return at - start;
      const length = b[at + 1]!;
      if (length < 2 || length > end - at) return at - start;
      const wrong = this.option(p, at, kind, length, ours);
      if (wrong >= 0) return wrong - start;
      at += length;
    }
    return -1;
  }

  private blank(b: Uint8Array, from: number, end: number): void {
    for (let i = from; i < end; i++) {
      if (b[i] !== IpOption.end) {
        b[i] = IpOption.end;
        this.changed = true;
      }
    }
  }

  private option(p: Packet, at: number, kind: number, length: number, ours: number): number {
    switch (kind) {
      case IpOption.looseSourceRoute:
      case IpOption.strictSourceRoute:
        if (length < 3) return at + 1;
        if (p.bytes[at + 2]! < 4) return at + 2;
        if (this.sourceRoute !== 0) return at;
        this.sourceRoute = at - p.network;
        return -1;
      case IpOption.recordRoute:
        return this.record(p, at, length, ours);
      case IpOption.timestamp:
        return this.stamp(p, at, length, ours);
      case IpOption.routerAlert:
        if (length < 4) return at + 1;
        this.routerAlert = p.view.getUint16(at + 2) === 0;
        return -1;
      case IpOption.cipso:
        this.label = at - p.network;
        return length < CIPSO_BYTES ? at + 1 : at + 2;
      default:
        return -1;
    }
  }

  private record(p: Packet, at: number, length: number, ours: number): number {
    const b = p.bytes;
    if (this.recordRoute !== 0) return at;
    if (length < 3) return at + 1;
    const pointer = b[at + 2]!;
    if (pointer < 4) return at + 2;
    if (pointer <= length) {
      if (pointer + 3 > length) return at + 2;
      p.view.setUint32(at + pointer - 1, ours);
      b[at + 2] = pointer + 4;
      this.recordNeedsAddress = true;
      this.changed = true;
    }
    this.recordRoute = at - p.network;
    return -1;
  }

  private stamp(p: Packet, at: number, length: number, ours: number): number {
    const b = p.bytes;
    if (this.timestamp !== 0) return at;
    if (length < 4) return at + 1;
    const pointer = b[at + 2]!;
    if (pointer < 5) return at + 2;
    const flag = b[at + 3]! & 15;
    if (pointer <= length) {
      if (pointer + 3 > length) return at + 2;
      if (flag !== TS_ONLY && pointer + 7 > length && (flag === TS_ADDRESS || flag === TS_PRESPECIFIED)) return at + 2;
      this.fillStamp(p, at, pointer, flag, ours);
    } else if (flag !== TS_PRESPECIFIED) {
      const overflow = b[at + 3]! >> 4;
      if (overflow === 15) return at + 3;
      b[at + 3] = flag | ((overflow + 1) << 4);
      this.changed = true;
    }
    this.timestamp = at - p.network;
    return -1;
  }

  private fillStamp(p: Packet, at: number, pointer: number, flag: number, ours: number): void {
    const b = p.bytes;
    const v = p.view;
    if (flag === TS_ONLY) {
      v.setUint32(at + pointer - 1, this.host.timestamp());
      b[at + 2] = pointer + 4;
    } else if (flag === TS_ADDRESS) {
      v.setUint32(at + pointer - 1, ours);
      v.setUint32(at + pointer + 3, this.host.timestamp());
      b[at + 2] = pointer + 8;
      this.timestampNeedsAddress = true;
    } else if (flag === TS_PRESPECIFIED) {
      if (!this.host.isLocalWord(v.getUint32(at + pointer - 1))) return;
      v.setUint32(at + pointer + 3, this.host.timestamp());
      b[at + 2] = pointer + 8;
    } else return;
    this.timestampNeedsTime = true;
    this.changed = true;
  }

  /** What was found in the packet at hand, to be kept with a first fragment. */
  save(): FoundOptions {
    return {
      recordRoute: this.recordRoute,
      timestamp: this.timestamp,
      recordNeedsAddress: this.recordNeedsAddress,
      timestampNeedsAddress: this.timestampNeedsAddress,
      timestampNeedsTime: this.timestampNeedsTime,
    };
  }

  /** The packet at hand is now `p`, whose options were compiled before. */
  restore(found: FoundOptions, p: Packet): void {
    this.clear();
    this.recordRoute = found.recordRoute;
    this.timestamp = found.timestamp;
    this.recordNeedsAddress = found.recordNeedsAddress;
    this.timestampNeedsAddress = found.timestampNeedsAddress;
    this.timestampNeedsTime = found.timestampNeedsTime;
    this.packet = p;
  }

  /**
   * The options an answer carries back (RFC 1122 3.2.2.6): record route and timestamp, this host entered once more where there is room.
   * Call after `compile`. Fills echo and echoLength. False: they cannot be echoed.
   */
  buildEcho(p: Packet, ours: number): boolean {
    this.echoLength = 0;
    if (this.recordRoute !== 0) {
      const at = this.append(p, this.recordRoute);
      const pointer = this.echo[at + 2]!;
      const length = this.echo[at + 1]!;
      if (this.recordNeedsAddress && pointer <= length) {
        if (pointer + 3 > length) return false;
        this.put(at + pointer - 1, ours);
        this.echo[at + 2] = pointer + 4;
      }
    }
    if (this.timestamp !== 0 && !this.echoTimestamp(p, ours)) return false;
    if (this.label !== 0) this.append(p, this.label);
    while (this.echoLength & 3) this.echo[this.echoLength++] = IpOption.end;
    return true;
  }

  private echoTimestamp(p: Packet, ours: number): boolean {
    const at = this.append(p, this.timestamp);
    const e = this.echo;
    const length = e[at + 1]!;
    let pointer = e[at + 2]!;
    if (pointer > length || !this.timestampNeedsTime) return true;
    const flag = e[at + 3]! & 15;
    if (flag === TS_PRESPECIFIED) return true;
    if (this.timestampNeedsAddress) {
      if (pointer + 7 > length) return false;
      this.put(at + pointer - 1, ours);
      pointer += 4;
    }
    if (pointer + 3 > length) return false;
    this.put(at + pointer - 1, this.host.timestamp());
    e[at + 2] = pointer + 4;
    return true;
  }

  private append(p: Packet, offset: number): number {
    const from = p.network + offset;
    const length = p.bytes[from + 1]!;
    const at = this.echoLength;
    for (let i = 0; i < length; i++) this.echo[at + i] = p.bytes[from + i]!;
    this.echoLength += length;
    return at;
  }

  private put(at: number, word: number): void {
    const e = this.echo;
    e[at] = word >>> 24;
    e[at + 1] = word >>> 16;
    e[at + 2] = word >>> 8;
    e[at + 3] = word;
  }
}

/** After the first fragment: options that are not copied become NOPs (RFC 791 3.2). */
export function stripUncopied(p: Packet, at: number, optionBytes: number): void {
  const b = p.bytes;
  let i = at + IPV4_HEADER;
  const end = i + optionBytes;
  while (i < end) {
    const kind = b[i]!;
    if (kind === IpOption.end) return;
    if (kind === IpOption.nop) {
      i++;
      continue;
    }
    const length = end - i >= 2 ? b[i + 1]! : 0;
    if (length < 2 || length > end - i) return;
    if ((kind & COPIED) === 0) b.fill(IpOption.nop, i, i + length);
    i += length;
  }
}
