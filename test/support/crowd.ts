/**
 * A crowd of TCP clients on one wire, made of frames alone: handshakes from many source addresses and ports that cost the test next to no
 * memory (a client's own sequence number is a function of its number; what it must remember of the server is one word). For measuring what
 * connections cost the stack. The crowd answers ARP for all its addresses.
 */
import { Csum, type Packet } from '../../stack/core/packet.js';
import type { Link } from '../../stack/link/link.js';
import { Flag } from '../../stack/wire/tcp.js';

const ETHERNET = 14;
const IP = 20;
const OPTIONS_AT = ETHERNET + IP + 20;
const STACK_MAC = [2, 0, 0, 0, 0, 1];
const CROWD_MAC = [2, 0, 0, 0, 0, 2];
const FIRST_PORT = 1024;
const PORTS = 60_000;
/** Addresses are 10.77.<16 + i / 256>.<i % 256>, the stack's own is 10.77.0.2/16. */
const NETWORK = 0x0a4d1000;
export const CROWD_STACK_MAC = '02:00:00:00:00:01';
export const CROWD_STACK_ADDRESS = '10.77.0.2/16';
const STACK_ADDRESS = 0x0a4d0002;

export class Crowd implements Link {
  readonly name = 'crowd';
  readonly mtu = 1500;
  readonly features = 0;
  readonly addresses: number;
  /** Per client: what it expects next from the server (RCV.NXT), and what it sends next relative to its first number. */
  readonly expected: Uint32Array;
  private readonly sent: Uint32Array;
  /** Segments that came, by what they were; bytes of data. */
  synAcks = 0;
  resets = 0;
  fins = 0;
  data = 0;
  /** Segments with data or FIN are answered by a bare ACK. */
  acknowledge = true;
  /** The server's port. */
  port = 7;
  private nowMs = 0;
  private readonly frames: Uint8Array[] = [];
  private readonly spare: Uint8Array[] = [];
  private head = 0;

  /** @param addresses how many source addresses the clients are spread over */
  constructor(clients: number, addresses = 20) {
    this.addresses = addresses;
    this.expected = new Uint32Array(clients);
    this.sent = new Uint32Array(clients);
  }

  // ---- what clients do

  /** The first segment; its answer is answered at once, so that the connection stands after the next polls. */
  connect(client: number): void {
    this.sent[client] = 1;
    this.segment(client, Flag.SYN, -1, 0);
  }
  /** Sends so many bytes. */
  send(client: number, bytes: number): void {
    this.segment(client, Flag.ACK | Flag.PSH, this.sent[client]!, bytes);
    this.sent[client]! += bytes;
  }
  fin(client: number): void {
    this.segment(client, Flag.ACK | Flag.FIN, this.sent[client]!, 0);
    this.sent[client]! += 1;
  }
  reset(client: number): void {
    this.segment(client, Flag.RST | Flag.ACK, this.sent[client]!, 0);
  }
  /** A bare ACK; `behind` bytes below what would be next, as an old segment has it. */
  ack(client: number, behind = 0): void {
    this.segment(client, Flag.ACK, this.sent[client]! - behind, 0);
  }

  private segment(client: number, flags: number, relative: number, bytes: number): void {
    const options = flags & Flag.SYN ? 20 : 12;
    const f = this.frame(OPTIONS_AT + options + bytes);
    const v = new DataView(f.buffer, 0, f.length);
    this.ethernet(f, 0x0800);
    const total = IP + 20 + options + bytes;
    v.setUint16(14, 0x4500);
    v.setUint16(16, total);
    v.setUint16(20, 0x4000);
    v.setUint16(22, 0x4006);
    v.setUint16(24, 0);
    v.setUint32(26, NETWORK + (client % this.addresses));
    v.setUint32(30, STACK_ADDRESS);
    let sum = 0;
    for (let i = 14; i < 34; i += 2) sum += v.getUint16(i);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    v.setUint16(24, ~sum & 0xffff);
    v.setUint16(34, FIRST_PORT + (Math.floor(client / this.addresses) % PORTS));
    v.setUint16(36, this.port);
    v.setUint32(38, (first(client) + (relative < 0 ? 0 : relative)) >>> 0);
    v.setUint32(42, flags & Flag.ACK ? this.expected[client]! : 0);
    f[46] = ((20 + options) / 4) << 4;
    f[47] = flags;
    v.setUint16(48, 65535);
    if (flags & Flag.SYN) {
      v.setUint32(OPTIONS_AT, 0x020405b4);
      v.setUint32(OPTIONS_AT + 4, 0x0402080a);
      v.setUint32(OPTIONS_AT + 16, 0x01030307);
      v.setUint32(OPTIONS_AT + 8, this.clock());
      v.setUint32(OPTIONS_AT + 12, 0);
    } else {
      v.setUint32(OPTIONS_AT, 0x0101080a);
      v.setUint32(OPTIONS_AT + 4, this.clock());
      v.setUint32(OPTIONS_AT + 8, this.echo);
    }
    this.frames.push(f);
  }
  /** The server's last TSval: what all segments echo. */
  private echo = 0;
  private clock(): number {
    return (this.nowMs + 1) >>> 0;
  }

  private ethernet(f: Uint8Array, type: number): void {
    f.set(STACK_MAC, 0);
    f.set(CROWD_MAC, 6);
    f[12] = type >>> 8;
    f[13] = type & 0xff;
  }
  private frame(length: number): Uint8Array {
    const store = this.spare.pop() ?? new Uint8Array(256);
    return store.length >= length ? store.subarray(0, length) : new Uint8Array(length);
  }

  // ---- Link

  transmit(p: Packet): number {
    const at = p.data;
    const v = p.view;
    if (v.getUint16(at + 12) === 0x0806) this.answerArp(p, at);
    else if (v.getUint16(at + 12) === 0x0800 && p.bytes[at + 23] === 6) this.segmentCame(v, at, p.tail - at);
    return 0;
  }

  private answerArp(p: Packet, at: number): void {
    if (p.view.getUint16(at + 20) !== 1) return;
    const f = this.frame(42);
    this.ethernet(f, 0x0806);
    f.set(p.bytes.subarray(at + 14, at + 20), 14);
    f[20] = 0;
    f[21] = 2;
    f.set(CROWD_MAC, 22);
    f.set(p.bytes.subarray(at + 38, at + 42), 28);
    f.set(p.bytes.subarray(at + 22, at + 32), 32);
    this.frames.push(f);
  }

  private segmentCame(v: DataView, at: number, length: number): void {
    const tcp = at + ETHERNET + IP;
    const client = (v.getUint16(tcp + 2) - FIRST_PORT) * this.addresses + (v.getUint32(at + 30) - NETWORK);
    const flags = v.getUint8(tcp + 13);
    const header = (v.getUint8(tcp + 12) >>> 4) * 4;
    const bytes = v.getUint16(at + 16) - IP - header;
    if (length < ETHERNET + IP + header || client < 0 || client >= this.expected.length) return;
    if (flags & Flag.RST) {
      this.resets++;
      return;
    }
    if (header >= 32) this.echo = v.getUint32(tcp + (flags & Flag.SYN ? 28 : 24));
    const space = bytes + (flags & Flag.SYN ? 1 : 0) + (flags & Flag.FIN ? 1 : 0);
    if (space === 0) return;
    this.expected[client] = v.getUint32(tcp + 4) + space;
    this.data += bytes;
    if (flags & Flag.SYN) this.synAcks++;
    if (flags & Flag.FIN) this.fins++;
    if (this.acknowledge) this.ack(client);
  }

  receive(into: Packet): boolean {
    if (this.head >= this.frames.length) return false;
    const f = this.frames[this.head++]!;
    if (this.head === this.frames.length) {
      this.frames.length = 0;
      this.head = 0;
    }
    into.bytes.set(f, into.data);
    into.tail = into.data + f.length;
    into.csum = Csum.unnecessary;
    if (f.buffer.byteLength === 256) this.spare.push(new Uint8Array(f.buffer));
    return true;
  }
  advance(nowUs: number): void {
    this.nowMs = Math.floor(nowUs / 1000);
  }
  /** Frames that wait for the stack. */
  get waiting(): number {
    return this.frames.length - this.head;
  }
  nextDeadlineUs(): number {
    return this.waiting > 0 ? 0 : Number.POSITIVE_INFINITY;
  }
  close(): void {}
}

/** A client's first sequence number. */
function first(client: number): number {
  return Math.imul(client + 1, 0x9e3779b1) >>> 0;
}
