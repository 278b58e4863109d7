/**
 * The codec: the Message class of the npm package net-snmp, and its BER writer.
 *
 * The package does not export Message. It is reached by public entrances only: a throw-away Agent over a stub of node:dgram is given one
 * GET, and Message is the constructor of what its getRequest then holds. The version of the package is pinned, and the shapes relied on are
 * asserted here when the agent starts: a package that has changed stops the start with one clear error instead of answering nonsense.
 *
 * Of a request the package reads version, community, type and the three numbers; names come from check.ts, which has walked through every
 * element before (the package's own reader tolerates too much and is never given anything else). Of a response the package writes the
 * frame; the list of bindings is written by value.ts.
 */
import { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { check, Pdu, type WellFormed } from './check.js';
import type { OidKey } from './oid.js';
import { headerSize, integerSize, Tag, type VarBind, varBindSize, writeHeader, writeVarBind } from './value.js';

/** What the package's BER writer offers. */
interface BerWriter {
  startSequence(tag?: number): void;
  endSequence(): void;
  writeInt(n: number, tag?: number): void;
  /** Octets as they are. */
  writeBuffer(octets: Buffer): void;
}
interface WritablePdu {
  readonly type: number;
  toBuffer(writer: BerWriter): void;
}
interface NetSnmpMessage {
  readonly version: number;
  readonly community: string;
  readonly pdu: {
    readonly type: number;
    readonly id: number;
    readonly nonRepeaters: number;
    readonly maxRepetitions: number;
  };
  createResponseForRequest(pdu: WritablePdu): { toBuffer(): Buffer };
}
interface MessageClass {
  createFromBuffer(datagram: Buffer): NetSnmpMessage;
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
  if (typeof message?.createFromBuffer !== 'function') throw new CodecError('no Message class behind getRequest');
  return message as MessageClass;
}

let messageClass: MessageClass | undefined;

/** Reaches the package's Message and holds it to its shapes. Throws CodecError. Idempotent; called by the agent's start. */
export function openCodec(): void {
  if (messageClass) return;
  const found = reachMessage();
  const m = found.createFromBuffer(SAMPLE);
  const shape = m.version === 1 && m.community === 'x' && m.pdu?.type === Pdu.get && m.pdu.id === 7;
  if (!shape || m.pdu.nonRepeaters !== 0 || m.pdu.maxRepetitions !== 0) throw new CodecError('a request is read otherwise');
  messageClass = found;
  try {
    const decoded = decode(SAMPLE);
    if (decoded.verdict !== 'request') throw new CodecError('the sample request is refused');
    const name = { head: Buffer.from('2b06010201010100', 'hex'), tail: new Uint8Array(0) };
    const answer = encode(decoded.request, {
      errorStatus: 0,
      errorIndex: 0,
      varBinds: [{ name, tag: Tag.integer, number: -129, octets: null }],
    });
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
  readonly message: NetSnmpMessage;
}
/** Or why not. A PDU that is not an agent's to answer (a response, a trap, an inform) is unhandled. */
export type Decoded =
  | { readonly verdict: 'request'; readonly request: Request }
  | { readonly verdict: 'malformed' | 'bad version' | 'unhandled' };

const ANSWERED: readonly number[] = [Pdu.get, Pdu.getNext, Pdu.getBulk, Pdu.set];

/** Reads a datagram. Never throws. */
export function decode(datagram: Uint8Array): Decoded {
  const checked = check(datagram);
  if (checked.verdict !== 'well-formed') return checked;
  if (!ANSWERED.includes(checked.pdu)) return { verdict: 'unhandled' };
  try {
    return { verdict: 'request', request: read(datagram, checked) };
  } catch {
    // The package refuses what check() accepts: not known to happen, and then the datagram is as good as malformed.
    return { verdict: 'malformed' };
  }
}

function read(datagram: Uint8Array, w: WellFormed): Request {
  if (!messageClass) throw new CodecError('openCodec() was not called');
  const m = messageClass.createFromBuffer(Buffer.from(datagram.buffer, datagram.byteOffset, w.end));
  return {
    version: m.version,
    community: w.community,
    pdu: m.pdu.type,
    requestId: m.pdu.id,
    nonRepeaters: m.pdu.nonRepeaters,
    maxRepetitions: m.pdu.maxRepetitions,
    names: w.names,
    list: datagram.subarray(w.listAt, w.listEnd),
    message: m,
  };
}

/** What is answered: bindings of our own, or the request's list given back unchanged. */
export interface Response {
  readonly errorStatus: number;
  readonly errorIndex: number;
  readonly varBinds: readonly VarBind[] | 'as in the request';
}

export function encode(request: Request, response: Response): Uint8Array {
  const pdu: WritablePdu = {
    type: Pdu.response,
    toBuffer(writer) {
      writer.startSequence(Pdu.response);
      writer.writeInt(request.requestId, Tag.integer);
      writer.writeInt(response.errorStatus, Tag.integer);
      writer.writeInt(response.errorIndex, Tag.integer);
      const { varBinds } = response;
      writer.writeBuffer(varBinds === 'as in the request' ? asBuffer(request.list) : varBindList(varBinds));
      writer.endSequence();
    },
  };
  return request.message.createResponseForRequest(pdu).toBuffer();
}

/** The VarBindList of these bindings, written in one piece: the package's writer moves a sequence's contents each time it ends one. */
function varBindList(varBinds: readonly VarBind[]): Buffer {
  let contents = 0;
  for (const v of varBinds) contents += varBindSize(v);
  const list = Buffer.allocUnsafe(headerSize(contents) + contents);
  let at = writeHeader(list, 0, Tag.sequence, contents);
  for (const v of varBinds) at = writeVarBind(list, at, v);
  return list;
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
