/**
 * The only bounds test of a datagram: is it a well-formed SNMPv1 or SNMPv2c message (RFC 1157 4, RFC 1901 3, RFC 3416 3)?
 *
 *   SEQUENCE { version INTEGER, community OCTET STRING,
 *     pdu [n] { request-id, error-status | non-repeaters, error-index | max-repetitions, SEQUENCE OF SEQUENCE { name, value } } }
 *
 * The codec package's reader is tolerant: it looks at no sequence's length, takes truncated lists for ended ones and reads on behind the
 * message. So requests are read here, element by element, each inside its parent. Octets behind the message are tolerated, as snmpd does.
 */
import { keyFromBer, type OidKey } from './oid.js';
import { Tag } from './value.js';

/** PDU tags. */
export const Pdu = Object.freeze({
  get: 0xa0,
  getNext: 0xa1,
  response: 0xa2,
  set: 0xa3,
  trapV1: 0xa4,
  getBulk: 0xa5,
  inform: 0xa6,
  trapV2: 0xa7,
  report: 0xa8,
});

/** version-1 and community-based version-2. */
export const Version = Object.freeze({ v1: 0, v2c: 1 });

/** What the walk found. The list is the whole VarBindList, its header included. */
export interface WellFormed {
  readonly verdict: 'well-formed';
  readonly version: number;
  readonly community: Uint8Array;
  readonly pdu: number;
  /** Of an SNMPv1 trap, which has other fields, all 0. */
  readonly numbers: RequestNumbers;
  readonly names: readonly OidKey[];
  readonly listAt: number;
  readonly listEnd: number;
}
export type Checked = WellFormed | { readonly verdict: 'malformed' } | { readonly verdict: 'bad version' };

/** The integers in front of a request's list. */
export interface RequestNumbers {
  requestId: number;
  /** Or error-status. */
  nonRepeaters: number;
  /** Or error-index. */
  maxRepetitions: number;
}

const MALFORMED: Checked = { verdict: 'malformed' };
const BAD_VERSION: Checked = { verdict: 'bad version' };

/** Walks over BER elements. After a failed `open` the cursor must not be used any more. */
class Cursor {
  readonly bytes: Uint8Array;
  /** Contents of the element opened last. */
  at = 0;
  end = 0;
  private next = 0;
  private limit: number;

  constructor(bytes: Uint8Array, at: number, limit: number) {
    this.bytes = bytes;
    this.next = at;
    this.limit = limit;
  }

  done(): boolean {
    return this.next === this.limit;
  }
  position(): number {
    return this.next;
  }
  peek(): number {
    return this.next < this.limit ? this.bytes[this.next]! : -1;
  }

  /** Opens the next element, which must have this tag (-1: any) and lie inside its parent. */
  open(tag: number): boolean {
    const b = this.bytes;
    let i = this.next;
    if (i + 2 > this.limit || (tag >= 0 && b[i] !== tag)) return false;
    let length = b[i + 1]!;
    i += 2;
    if (length >= 0x80) {
      const octets = length & 0x7f;
      if (octets === 0 || octets > 4 || i + octets > this.limit) return false;
      length = 0;
      for (let k = 0; k < octets; k++) length = length * 256 + b[i++]!;
    }
    if (i + length > this.limit) return false;
    this.at = i;
    this.end = i + length;
    this.next = this.end;
    return true;
  }

  /** Opens an INTEGER of 32 bits or another integer type of `octets` octets at most. */
  integer(tag: number, octets: number): boolean {
    return this.open(tag) && this.end > this.at && this.end - this.at <= octets;
  }

  /** What the INTEGER opened last says. */
  signed(): number {
    let n = this.bytes[this.at]! >= 0x80 ? -1 : 0;
    for (let i = this.at; i < this.end; i++) n = (n << 8) | this.bytes[i]!;
    return n;
  }

  inside(): Cursor {
    return new Cursor(this.bytes, this.at, this.end);
  }
}

const REQUESTS: readonly number[] = [Pdu.get, Pdu.getNext, Pdu.set, Pdu.response];
const V2_ONLY: readonly number[] = [Pdu.getBulk, Pdu.inform, Pdu.trapV2, Pdu.report];

export function check(datagram: Uint8Array): Checked {
  const outer = new Cursor(datagram, 0, datagram.length);
  if (!outer.open(Tag.sequence)) return MALFORMED;
  const message = outer.inside();
  if (!message.integer(Tag.integer, 4)) return MALFORMED;
  const version = message.signed();
  if (version !== Version.v1 && version !== Version.v2c) return BAD_VERSION;
  if (!message.open(Tag.octetString)) return MALFORMED;
  const community = datagram.subarray(message.at, message.end);
  const pdu = message.peek();
  const known = REQUESTS.includes(pdu) || (version === Version.v1 ? pdu === Pdu.trapV1 : V2_ONLY.includes(pdu));
  if (!known || !message.open(pdu) || !message.done()) return MALFORMED;
  const body = message.inside();
  const numbers: RequestNumbers = { requestId: 0, nonRepeaters: 0, maxRepetitions: 0 };
  if (!(pdu === Pdu.trapV1 ? checkTrapHead(body) : checkRequestHead(body, numbers))) return MALFORMED;
  const listAt = body.position();
  if (!body.open(Tag.sequence) || !body.done()) return MALFORMED;
  const names: OidKey[] = [];
  if (!checkVarBinds(body.inside(), names)) return MALFORMED;
  return { verdict: 'well-formed', version, community, pdu, numbers, names, listAt, listEnd: body.end };
}

function checkRequestHead(body: Cursor, numbers: RequestNumbers): boolean {
  if (!body.integer(Tag.integer, 4)) return false;
  numbers.requestId = body.signed();
  if (!body.integer(Tag.integer, 4)) return false;
  numbers.nonRepeaters = body.signed();
  if (!body.integer(Tag.integer, 4)) return false;
  numbers.maxRepetitions = body.signed();
  return true;
}

/** RFC 1157 4.1.6: enterprise, agent-addr, generic-trap, specific-trap, time-stamp. */
function checkTrapHead(body: Cursor): boolean {
  if (!body.open(Tag.oid) || keyFromBer(body.bytes, body.at, body.end) === undefined) return false;
  if (!body.open(Tag.ipAddress) || body.end - body.at !== 4) return false;
  return body.integer(Tag.integer, 4) && body.integer(Tag.integer, 4) && body.integer(Tag.timeTicks, 5);
}

function checkVarBinds(list: Cursor, names: OidKey[]): boolean {
  while (!list.done()) {
    if (!list.open(Tag.sequence)) return false;
    const binding = list.inside();
    if (!binding.open(Tag.oid)) return false;
    const name = keyFromBer(binding.bytes, binding.at, binding.end);
    if (name === undefined || !checkValue(binding) || !binding.done()) return false;
    names.push(name);
  }
  return true;
}

function checkValue(binding: Cursor): boolean {
  const tag = binding.peek();
  switch (tag) {
    case Tag.null:
    case Tag.noSuchObject:
    case Tag.noSuchInstance:
    case Tag.endOfMibView: {
      const from = binding.position();
      return binding.open(tag) && binding.end - from === 2;
    }
    case Tag.integer:
      return binding.integer(tag, 4);
    case Tag.counter32:
    case Tag.gauge32:
    case Tag.timeTicks:
      return binding.integer(tag, 5);
    case Tag.counter64:
      return binding.integer(tag, 9);
    case Tag.ipAddress:
      return binding.open(tag) && binding.end - binding.at === 4;
    case Tag.oid:
      return binding.open(tag) && keyFromBer(binding.bytes, binding.at, binding.end) !== undefined;
    case Tag.octetString:
    case Tag.opaque:
      return binding.open(tag);
    default:
      return false;
  }
}
