/**
 * A middleware over any link that writes the frames passing it as a pcap file (the classic format, version 2.4, little endian,
 * microseconds, LINKTYPE_ETHERNET): received frames as they come, sent ones when the link has taken them. Stamps are the stack's clock, so
 * a run in virtual time gives the same file every time. Super-frames and unfinished checksums are written as they are, as tcpdump sees
 * them on a device with offloads.
 */
import type { Packet } from '../core/packet.js';
import type { Link } from './link.js';

export const PCAP_MAGIC = 0xa1b2c3d4;
export const PCAP_FILE_HEADER = 24;
export const PCAP_RECORD_HEADER = 16;
const SNAPLEN = 262144;
const LINKTYPE_ETHERNET = 1;

/** Takes pieces of the file. The bytes are valid during the call only. */
export type PcapSink = (bytes: Uint8Array) => void;

export class PcapLink implements Link {
  private readonly inner: Link;
  private readonly sink: PcapSink;
  private readonly offsetUs: number;
  private nowUs = 0;
  private readonly record: Uint8Array = new Uint8Array(PCAP_RECORD_HEADER + SNAPLEN);
  private readonly view: DataView = new DataView(this.record.buffer);

  /** @param offsetUs what to add to the stack's clock to get Unix time in µs, 0 to write the clock itself */
  constructor(inner: Link, sink: PcapSink, offsetUs = 0) {
    this.inner = inner;
    this.sink = sink;
    this.offsetUs = offsetUs;
    sink(pcapFileHeader());
  }

  get name(): string {
    return this.inner.name;
  }
  get mtu(): number {
    return this.inner.mtu;
  }
  get features(): number {
    return this.inner.features;
  }

  receive(into: Packet): boolean {
    if (!this.inner.receive(into)) return false;
    this.write(into);
    return true;
  }

  transmit(frame: Packet): number {
    const error = this.inner.transmit(frame);
    if (error === 0) this.write(frame);
    return error;
  }

  advance(nowUs: number): void {
    this.nowUs = nowUs;
    this.inner.advance(nowUs);
  }

  nextDeadlineUs(): number {
    return this.inner.nextDeadlineUs();
  }

  close(): void {
    this.inner.close();
  }

  private write(p: Packet): void {
    const length = p.tail - p.data;
    const kept = Math.min(length, SNAPLEN);
    const timeUs = this.nowUs + this.offsetUs;
    const seconds = Math.floor(timeUs / 1e6);
    const v = this.view;
    v.setUint32(0, seconds, true);
    v.setUint32(4, timeUs - seconds * 1e6, true);
    v.setUint32(8, kept, true);
    v.setUint32(12, length, true);
    this.record.set(p.bytes.subarray(p.data, p.data + kept), PCAP_RECORD_HEADER);
    this.sink(this.record.subarray(0, PCAP_RECORD_HEADER + kept));
  }
}

function pcapFileHeader(): Uint8Array {
  const header = new Uint8Array(PCAP_FILE_HEADER);
  const v = new DataView(header.buffer);
  v.setUint32(0, PCAP_MAGIC, true);
  v.setUint16(4, 2, true);
  v.setUint16(6, 4, true);
  v.setUint32(16, SNAPLEN, true);
  v.setUint32(20, LINKTYPE_ETHERNET, true);
  return header;
}
