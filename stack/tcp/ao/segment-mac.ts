/**
 * What a code covers (RFC 5925 5.1): the sequence number extension, the pseudo-header, the TCP header with checksum and code 0 (with all
 * options, or with AO's own alone), the data; and what a traffic key is made of (RFC 5926 3.1.1): both ends and both initial numbers.
 */
import type { IpAddress } from '../../core/address.js';
import type { Packet } from '../../core/packet.js';
import { AO_HEADER, TCP_HEADER } from '../../wire/tcp.js';
import type { AoKey } from './key.js';
import { SHA1_BYTES } from './sha1.js';

const PROTOCOL_TCP = 6;
const CHECKSUM_AT = 16;
const MAX_HEADER = 60;
/** Longest input in front of the header, and longest key derivation input: two IPv6 addresses and a few words. */
const SCRATCH = 64;

const bytes = new Uint8Array(SCRATCH);
const view = new DataView(bytes.buffer);
const zeros = new Uint8Array(MAX_HEADER);
const label = Uint8Array.from('TCP-AO', (c) => c.charCodeAt(0));

/** The code of the segment last looked at. */
export const code = new Uint8Array(SHA1_BYTES);

function address(at: number, family: number, w0: number, w1: number, w2: number, w3: number): number {
  let to = at;
  if (family === 6) {
    view.setUint32(to, w0);
    view.setUint32(to + 4, w1);
    view.setUint32(to + 8, w2);
    to += 12;
  }
  view.setUint32(to, w3);
  return to + 4;
}

/** The key for segments from `source` to `destination`, whose initial numbers are these (0: not known yet, a SYN's). */
export function deriveTrafficKey(
  key: AoKey,
  source: IpAddress,
  sourcePort: number,
  sourceIsn: number,
  destination: IpAddress,
  destinationPort: number,
  destinationIsn: number,
): Uint32Array {
  bytes[0] = 1;
  bytes.set(label, 1);
  let at = address(1 + label.length, source.family, source.w0, source.w1, source.w2, source.w3);
  at = address(at, destination.family, destination.w0, destination.w1, destination.w2, destination.w3);
  view.setUint16(at, sourcePort);
  view.setUint16(at + 2, destinationPort);
  view.setUint32(at + 4, sourceIsn);
  view.setUint32(at + 8, destinationIsn);
  view.setUint16(at + 12, key.mac.bytes * 8);
  key.mac.begin(key.prepared);
  key.mac.update(bytes, 0, at + 14);
  key.mac.end(code);
  return key.mac.prepare(code.subarray(0, key.mac.bytes));
}

/** Puts the code of the segment in `p` into `code`; its AO option is at `option`, its data begins at `payload`. */
export function computeCode(key: AoKey, traffic: Uint32Array, p: Packet, option: number, payload: number, sne: number): void {
  const { mac } = key;
  const length = p.tail - p.transport;
  mac.begin(traffic);
  view.setUint32(0, sne);
  let at = address(4, p.family, p.src0, p.src1, p.src2, p.src3);
  at = address(at, p.family, p.dst0, p.dst1, p.dst2, p.dst3);
  if (p.family === 6) {
    view.setUint32(at, length);
    view.setUint32(at + 4, PROTOCOL_TCP);
    at += 8;
  } else {
    view.setUint16(at, PROTOCOL_TCP);
    view.setUint16(at + 2, length);
    at += 4;
  }
  mac.update(bytes, 0, at);
  const b = p.bytes;
  const options = p.transport + TCP_HEADER;
  mac.update(b, p.transport, CHECKSUM_AT);
  mac.update(zeros, 0, 2);
  mac.update(b, p.transport + CHECKSUM_AT + 2, TCP_HEADER - CHECKSUM_AT - 2);
  if (!key.excludesOptions) mac.update(b, options, option - options);
  mac.update(b, option, AO_HEADER);
  mac.update(zeros, 0, key.macBytes);
  const rest = option + AO_HEADER + key.macBytes;
  if (!key.excludesOptions) mac.update(b, rest, payload - rest);
  mac.update(b, payload, p.tail - payload);
  mac.end(code);
}

/** Is the code in the option at `option` the right one? */
export function codeGood(key: AoKey, traffic: Uint32Array, p: Packet, option: number, payload: number, sne: number): boolean {
  computeCode(key, traffic, p, option, payload, sne);
  let wrong = 0;
  for (let i = 0; i < key.macBytes; i++) wrong |= code[i]! ^ p.bytes[option + AO_HEADER + i]!;
  return wrong === 0;
}

/**
 * The extension of a sequence number (RFC 5925 6.2): how often numbers had wrapped when it was sent, told from a number nearby whose
 * extension is known.
 */
export function extension(seq: number, nearSne: number, near: number): number {
  if (((seq - near) | 0) < 0) return seq > near ? nearSne - 1 : nearSne;
  return seq < near ? nearSne + 1 : nearSne;
}
