/** SNMP messages by hand, and a reader of responses that shares no code with the product. */
export function tlv(tag: number, ...contents: (readonly number[] | Uint8Array)[]): number[] {
  const body = contents.flatMap((c) => [...c]);
  const n = body.length;
  const length = n < 128 ? [n] : n < 256 ? [0x81, n] : [0x82, n >> 8, n & 255];
  return [tag, ...length, ...body];
}

export function int(n: number, tag = 2): number[] {
  const octets: number[] = [];
  let rest = n;
  do {
    octets.unshift(rest & 255);
    rest = Math.floor(rest / 256);
  } while (!((rest === 0 && octets[0]! < 128) || (rest === -1 && octets[0]! >= 128)));
  return tlv(tag, octets);
}

export function name(dotted: string): number[] {
  const ids = dotted.split('.').map(Number);
  const octets: number[] = [];
  for (const n of [ids[0]! * 40 + ids[1]!, ...ids.slice(2)]) {
    const groups = [n % 128];
    for (let rest = Math.floor(n / 128); rest > 0; rest = Math.floor(rest / 128)) groups.unshift((rest % 128) | 128);
    octets.push(...groups);
  }
  return tlv(6, octets);
}

export const NULL = [5, 0];
export const binding = (dotted: string, value: readonly number[] = NULL) => tlv(0x30, name(dotted), value);

export const PDU = {
  get: 0xa0,
  next: 0xa1,
  response: 0xa2,
  set: 0xa3,
  trap: 0xa4,
  bulk: 0xa5,
  inform: 0xa6,
  trap2: 0xa7,
  report: 0xa8,
};

export interface MessageOptions {
  version?: number;
  community?: string;
  id?: number;
  /** error-status or non-repeaters, error-index or max-repetitions. */
  a?: number;
  b?: number;
  bindings?: number[][];
}

export function message(pdu: number, names: string[], o: MessageOptions = {}): Uint8Array {
  const list = tlv(0x30, ...(o.bindings ?? names.map((n) => binding(n))));
  const body = tlv(pdu, int(o.id ?? 77), int(o.a ?? 0), int(o.b ?? 0), list);
  return Uint8Array.from(tlv(0x30, int(o.version ?? 1), tlv(4, Buffer.from(o.community ?? 'public')), body));
}

export interface ReadBinding {
  oid: string;
  tag: number;
  /** Integers as bigint, names as dotted text, everything else as hex. */
  value: bigint | string;
}
export interface ReadResponse {
  version: number;
  community: string;
  pdu: number;
  id: number;
  status: number;
  index: number;
  bindings: ReadBinding[];
}

/** Reads strictly: throws on anything that is not exactly one response. */
export function readResponse(datagram: Uint8Array): ReadResponse {
  const whole = element(datagram, 0, 0x30);
  if (whole.end !== datagram.length) throw new Error('octets behind the message');
  const [version, community, pdu] = elements(whole.body);
  const [id, status, index, list] = elements(pdu!.body);
  const failed = status!.body[0] !== 0; // then the bindings are the request's, written as the sender liked
  return {
    version: Number(integer(version!.body)),
    community: Buffer.from(community!.body).toString(),
    pdu: pdu!.tag,
    id: Number(integer(id!.body)),
    status: Number(integer(status!.body)),
    index: Number(integer(index!.body)),
    bindings: elements(list!.body).map((b) => {
      const [n, v] = elements(b.body);
      const number = [0x02, 0x41, 0x42, 0x43, 0x46].includes(v!.tag);
      const value = number ? integer(v!.body, !failed) : v!.tag === 6 ? dotted(v!.body) : Buffer.from(v!.body).toString('hex');
      return { oid: dotted(n!.body), tag: v!.tag, value };
    }),
  };
}

interface Element {
  tag: number;
  body: Uint8Array;
  end: number;
}
function element(b: Uint8Array, at: number, tag?: number): Element {
  let length = b[at + 1]!;
  let from = at + 2;
  if (length >= 128) {
    const octets = length & 127;
    length = 0;
    for (let i = 0; i < octets; i++) length = length * 256 + b[from++]!;
  }
  if (from + length > b.length || (tag !== undefined && b[at] !== tag)) throw new Error(`bad element at ${at}`);
  return { tag: b[at]!, body: b.subarray(from, from + length), end: from + length };
}
function elements(b: Uint8Array): Element[] {
  const all: Element[] = [];
  for (let at = 0; at < b.length; at = all[all.length - 1]!.end) all.push(element(b, at));
  return all;
}
function integer(b: Uint8Array, strict = true): bigint {
  if (strict && b.length > 1 && ((b[0] === 0 && b[1]! < 128) || (b[0] === 255 && b[1]! >= 128)))
    throw new Error('integer with needless octets');
  return BigInt.asIntN(b.length * 8, BigInt(`0x${Buffer.from(b).toString('hex')}`));
}
function dotted(b: Uint8Array): string {
  const ids: number[] = [];
  let n = 0;
  for (const octet of b) {
    n = n * 128 + (octet & 127);
    if (octet & 128) continue;
    if (ids.length === 0) ids.push(Math.min(Math.floor(n / 40), 2), n - 40 * Math.min(Math.floor(n / 40), 2));
    else ids.push(n);
    n = 0;
  }
  return ids.join('.');
}

/** Numeric order of names. */
export function compareNames(a: string, b: string): number {
  const x = a.split('.').map(Number);
  const y = b.split('.').map(Number);
  for (let i = 0; i < Math.min(x.length, y.length); i++) if (x[i] !== y[i]) return x[i]! - y[i]!;
  return x.length - y.length;
}
