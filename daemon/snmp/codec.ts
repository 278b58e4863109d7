/**
 * The codec: the Message class of the npm package net-snmp, and its BER writer.
 *
 * The package does not export Message. It is reached by public entrances only: a throw-away Agent over a stub of node:dgram is given one
 * GET, and Message is the constructor of what its getRequest then holds. The version of the package is pinned, and the shapes relied on are
 * asserted here when the agent starts: a package that has changed stops the start with one clear error instead of answering nonsense.
 *
 * Requests are read by check.ts, which walks through every element of them anyway. Of a response the package writes the frame around the
 * bindings, which page.ts has written.
 */
import { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { check, Pdu } from './check.js';
import type { OidKey } from './oid.js';
import { Page } from './page.js';
import { headerSize, integerSize, Tag } from './value.js';

/** What the package's BER writer offers. */
interface BerWriter {
  startSequence(tag?: number): void;
  endSequence(): void;
  writeInt(n: number, tag?: number): void;
  /** Octets as they are, or as the contents of an element. They are copied. */
  writeBuffer(octets: Buffer, tag?: number): void;
}
interface WritablePdu {
  readonly type: number;
  toBuffer(writer: BerWriter): void;
}
interface MessageClass {
  createCommunity(version: number, community: string, pdu: WritablePdu): { toBuffer(): Buffer };
}
interface NetSnmpPackage {
  createAgent(options: object, callback: () => void): { getRequest: (socket: unknown, message: object) => void };
}

/** The package is not what this code was written for. */
export class CodecError extends Error {
  constructor(what: string) {
    super(`the npm package net-snmp is not the pinned 3.29.2: ${what}; run npm install`);
    this.name = 'CodecError';
  }
}

/** GET of 1.3.6.1.2.1.1.1.0, SNMPv2c, community x, request-id 7. */
const SAMPLE = Buffer.from(
  '302102010104 0178 a019 020107 020100 020100 300e 300c 06082b06010201010100 0500'.replaceAll(' ', ''),
  'hex',
);

function reachMessage(): MessageClass {
  const snmp = createRequire(import.meta.url)('net-snmp') as NetSnmpPackage;
  if (typeof snmp.createAgent !== 'function') throw new CodecError('no createAgent');
  const socket = Object.assign(new EventEmitter(), { bind() {}, close() {}, send() {}, address: () => ({}) });
  const dgramModule = { createSocket: () => socket };
  const agent = snmp.createAgent({ port: 1, dgramModule, disableAuthorization: true }, () => {});
  let found: unknown;
  agent.getRequest = (_socket, message) => {
    found = message.constructor;
  };
  socket.emit('message', SAMPLE, { address: '127.0.0.1', port: 1 });
  const message = found as Partial<MessageClass> | undefined;
  if (typeof message?.createCommunity !== 'function') throw new CodecError('no Message class behind getRequest');
  return message as MessageClass;
}

let messageClass: MessageClass | undefined;

/** Reaches the package's Message and holds it to its shapes. Throws CodecError. Idempotent; called by the agent's start. */
export function openCodec(): void {
  if (messageClass) return;
  messageClass = reachMessage();
  try {
    const decoded = decode(SAMPLE);
    if (decoded.verdict !== 'request') throw new CodecError('the sample request is refused');
    const page = new Page();
    page.begin(100);
    page.add(Buffer.from('2b06010201010100', 'hex'), 0, 8, new Uint8Array(0), Tag.integer, -129);
    const answer = encode(decoded.request, { errorStatus: 0, errorIndex: 0, varBinds: page.contents });
    const expected = '302302010104 0178 a21b 020107 020100 020100 3010 300e 06082b06010201010100 0202ff7f'.replaceAll(' ', '');
    if (Buffer.from(answer).toString('hex') !== expected) throw new CodecError('a response is written otherwise');
  } catch (error) {
    messageClass = undefined;
    throw error;
  }
}

/** A request that has been read. */
export interface Request {
  readonly version: number;
  readonly community: Uint8Array;
  /** Tag of the PDU. */
  readonly pdu: number;
  readonly requestId: number;
  readonly nonRepeaters: number;
  readonly maxRepetitions: number;
  readonly names: readonly OidKey[];
  /** The request's whole VarBindList, as it came. */
  readonly list: Uint8Array;
}
/** Or why not. A PDU that is not an agent's to answer (a response, a trap, an inform) is unhandled. */
export type Decoded =
  | { readonly verdict: 'request'; readonly request: Request }
  | { readonly verdict: 'malformed' | 'bad version' | 'unhandled' };

const ANSWERED: readonly number[] = [Pdu.get, Pdu.getNext, Pdu.getBulk, Pdu.set];

/** Reads a datagram. */
export function decode(datagram: Uint8Array): Decoded {
  const checked = check(datagram);
  if (checked.verdict !== 'well-formed') return checked;
  const { version, community, pdu, numbers, names, listAt, listEnd } = checked;
  if (!ANSWERED.includes(pdu)) return { verdict: 'unhandled' };
  const { requestId, nonRepeaters, maxRepetitions } = numbers;
  const list = datagram.subarray(listAt, listEnd);
  return { verdict: 'request', request: { version, community, pdu, requestId, nonRepeaters, maxRepetitions, names, list } };
}

/** What is answered: bindings of our own as the contents of a VarBindList, or the request's list given back unchanged. */
export interface Response {
  readonly errorStatus: number;
  readonly errorIndex: number;
  readonly varBinds: Buffer | 'as in the request';
}

/** The whole message: octets of its own, which share nothing with the response's. */
export function encode(request: Request, response: Response): Uint8Array {
  if (!messageClass) throw new CodecError('openCodec() was not called');
  const pdu: WritablePdu = {
    type: Pdu.response,
    toBuffer(writer) {
      writer.startSequence(Pdu.response);
      writer.writeInt(request.requestId, Tag.integer);
      writer.writeInt(response.errorStatus, Tag.integer);
      writer.writeInt(response.errorIndex, Tag.integer);
      const { varBinds } = response;
      // in one piece: the package's writer moves a sequence's contents each time it ends one
      if (varBinds === 'as in the request') writer.writeBuffer(asBuffer(request.list));
      else writer.writeBuffer(varBinds, Tag.sequence);
      writer.endSequence();
    },
  };
  return messageClass.createCommunity(request.version, asBuffer(request.community).toString(), pdu).toBuffer();
}

function asBuffer(octets: Uint8Array): Buffer {
  return Buffer.isBuffer(octets) ? octets : Buffer.from(octets.buffer, octets.byteOffset, octets.length);
}

/** The largest contents of a VarBindList whose response, without an error, has `limit` octets at most; below 0 when there is none. */
export function listRoom(request: Request, limit: number): number {
  let contents = limit - messageSize(request, 0, NO_ERROR_NUMBERS);
  while (contents >= 0 && messageSize(request, contents, NO_ERROR_NUMBERS) > limit) contents--;
  return contents;
}

/** Octets of a response message around the contents of its VarBindList; error-status and error-index take `numbers` octets together. */
export function messageSize(request: Request, listContents: number, numbers: number): number {
  const list = headerSize(listContents) + listContents;
  const pdu = integerElement(request.requestId) + numbers + list;
  const message = 3 + headerSize(request.community.length) + request.community.length + headerSize(pdu) + pdu;
  return headerSize(message) + message;
}

function integerElement(n: number): number {
  return 2 + integerSize(n);
}

/** error-status and error-index of a response without an error: two elements of three octets. */
export const NO_ERROR_NUMBERS = 6;
